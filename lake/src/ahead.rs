//! Row groups encoded as data comes, so that a commit only pulls a small rest and closes files.
//!
//! ```text
//!  one partition:  … committed │ encoded ahead, in an open file │ rest │
//!                              next offset of the marker        │      └ last stable offset
//!                                                               └ next of its Own
//! ```
//!
//! A partition that has gathered [`OWN_BYTES`] since the last commit gets a file of its own, for
//! the rows of a file must ascend by (partition, offset); all others share one at the commit, so
//! a trickle over a thousand partitions is still one file. What is here was never committed: it
//! belongs to the commit after the marker it began at, is thrown away when that marker is not the
//! table's any more, and a crash costs nothing but encoding it again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use iceberg::spec::Struct;

use crate::LakeError;
use crate::commit::Committed;
use crate::convert::Columns;
use crate::lake::Shared;
use crate::output::new_writer;
use crate::parquet::{DataFile, FileNames, FileWriter};
use crate::table::Table;
use crate::tailer::{self, PartitionRange, Puller};

/// As much of a partition must wait before it gets a file of its own …
const OWN_BYTES: u64 = 4 << 20;
/// … and as much before more is added to that.
const MORE_BYTES: u64 = 256 << 10;
/// Files open ahead of their commits, over all tables.
const FILES_MAX: usize = 64;

/// Memory and files that all tables share.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes_max: usize,
    bytes: AtomicUsize,
    files: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(bytes_max: usize) -> Budget {
        Budget { bytes_max, bytes: AtomicUsize::new(0), files: AtomicUsize::new(0) }
    }

    /// Whether one more partition may get a file of its own.
    fn has_room(&self) -> bool {
        self.files.load(Ordering::Relaxed) < FILES_MAX
    }

    fn place(self: &Arc<Self>) -> Place {
        self.files.fetch_add(1, Ordering::Relaxed);
        Place { budget: Arc::clone(self), bytes: 0 }
    }

    #[cfg(test)]
    pub(crate) fn used(&self) -> (usize, usize) {
        (self.files.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}

/// One file's share of the budget; given back when it is dropped.
struct Place {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Place {
    /// Notes what the file holds now; true if all of them hold too much.
    fn holds(&mut self, bytes: usize) -> bool {
        let all = &self.budget.bytes;
        all.fetch_add(bytes, Ordering::Relaxed);
        let held = all.fetch_sub(self.bytes, Ordering::Relaxed) - self.bytes;
        self.bytes = bytes;
        held > self.budget.bytes_max
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.budget.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.budget.files.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What of one partition was encoded since the last commit.
struct Own {
    /// Where it began: the marker's next offset.
    from: i64,
    /// The first offset that is not encoded.
    next: i64,
    open: OpenFile,
}

/// The file that a partition's rows go to, from its first row on.
#[derive(Default)]
struct OpenFile(Option<(FileWriter, Place)>);

/// What of a table was encoded since its last commit. Dropping it removes the open files.
#[derive(Default)]
pub(crate) struct Ahead {
    names: Option<FileNames>,
    own: BTreeMap<usize, Own>,
    closed: Vec<DataFile>,
    skipped_offsets: u64,
}

impl std::fmt::Debug for Ahead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ahead").field("partitions", &self.own.len()).finish_non_exhaustive()
    }
}

/// What a commit takes over.
pub(crate) struct Taken {
    pub(crate) names: FileNames,
    pub(crate) files: Vec<DataFile>,
    pub(crate) skipped_offsets: u64,
    /// What was not encoded ahead.
    pub(crate) others: Vec<PartitionRange>,
}

/// What encoding and committing a table work on.
pub(crate) struct Work<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) table: &'a Table,
    /// What the next commit builds on.
    pub(crate) base: Option<&'a Committed>,
}

impl Work<'_> {
    /// The first offset of a partition that is not committed.
    fn begin(&self, index: usize) -> i64 {
        self.base.map_or(0, |base| base.pointer.next_offset(index))
    }
}

impl Ahead {
    /// Whether some partition waits for enough bytes to be encoded ahead.
    pub(crate) fn is_due(&self, waiting: impl Iterator<Item = (usize, u64)>) -> bool {
        waiting.into_iter().any(|(index, bytes)| bytes >= self.step(index))
    }

    fn step(&self, index: usize) -> u64 {
        if self.own.contains_key(&index) { MORE_BYTES } else { OWN_BYTES }
    }

    /// Where the encoding of a partition goes on.
    pub(crate) fn next(&self, index: usize) -> Option<i64> {
        self.own.get(&index).map(|own| own.next)
    }

    /// Throws away what was encoded.
    pub(crate) fn discard(&mut self, shared: &Shared) {
        crate::parquet::discard(&shared.warehouse, &std::mem::take(&mut self.closed));
        *self = Ahead::default();
    }

    /// Makes sure that all of it belongs to the commit after the base.
    fn align(&mut self, work: &Work<'_>) {
        let commit = work.base.map_or(0, |base| base.pointer.commit) + 1;
        let fits = self.names.as_ref().is_some_and(|names| names.commit() == commit)
            && self.own.iter().all(|(index, own)| own.from == work.begin(*index));
        if !fits {
            self.discard(work.shared);
            self.names = Some(FileNames::new(work.table.data(), commit));
        }
    }

    /// Encodes what waits in the partitions of `ranges`, until `stop` says so.
    pub(crate) fn encode(
        &mut self,
        work: &Work<'_>,
        ranges: &[PartitionRange],
        stop: &dyn Fn() -> bool,
    ) -> Result<(), LakeError> {
        self.align(work);
        for range in ranges {
            let index = range.index();
            let from = self.next(index).unwrap_or(range.from);
            let waiting = tailer::estimated_bytes(&range.partition, from, range.to);
            let has_place = self.own.contains_key(&index) || work.shared.budget.has_room();
            if waiting >= self.step(index) && has_place && !stop() {
                self.extend(work, range, stop)?;
            }
        }
        Ok(())
    }

    /// Encodes the rest of the partitions that have a file of their own, closes the files, and
    /// hands everything over. The ranges of other partitions are returned as they are.
    pub(crate) fn take(
        &mut self,
        work: &Work<'_>,
        ranges: &[PartitionRange],
    ) -> Result<Taken, LakeError> {
        self.align(work);
        let (own, others): (Vec<&PartitionRange>, Vec<&PartitionRange>) =
            ranges.iter().partition(|range| self.own.contains_key(&range.index()));
        for range in own {
            self.extend(work, range, &|| false)?;
        }
        for own in std::mem::take(&mut self.own).into_values() {
            if let Some((writer, _place)) = own.open.0 {
                self.closed.push(writer.close()?);
            }
        }
        let others = others.into_iter().cloned().collect();
        let all = std::mem::take(self);
        Ok(Taken {
            names: all.names.expect("aligning names the files"),
            files: all.closed,
            skipped_offsets: all.skipped_offsets,
            others,
        })
    }

    fn extend(
        &mut self,
        work: &Work<'_>,
        range: &PartitionRange,
        stop: &dyn Fn() -> bool,
    ) -> Result<(), LakeError> {
        let index = range.index();
        let Ahead { names, own, closed, skipped_offsets } = self;
        let names = names.as_mut().expect("aligning names the files");
        let begin = work.begin(index);
        let own =
            own.entry(index).or_insert(Own { from: begin, next: range.from, open: OpenFile(None) });
        let mut sink = |columns: &mut Columns| own.open.take(columns, work.shared, names, closed);
        let rest = PartitionRange { from: own.next, ..range.clone() };
        let mut puller = Puller::new(work.table);
        let pulled = puller.pull(&rest, &mut sink, stop)?;
        sink(&mut puller.columns)?;
        own.next = pulled.next;
        *skipped_offsets += pulled.skipped_offsets;
        Ok(())
    }
}

impl OpenFile {
    /// Writes the rows that are in `columns`; a file that this fills is added to `closed`.
    fn take(
        &mut self,
        columns: &mut Columns,
        shared: &Shared,
        names: &mut FileNames,
        closed: &mut Vec<DataFile>,
    ) -> Result<(), LakeError> {
        if columns.rows() == 0 {
            return Ok(());
        }
        let (mut writer, mut place) = match self.0.take() {
            Some(open) => open,
            None => {
                let writer = new_writer(&shared.warehouse, names, &Struct::empty())?;
                (writer, shared.budget.place())
            }
        };
        let rows = columns.finish().map_err(|e| LakeError::parquet(writer.path(), e))?;
        writer.append(&rows)?;
        if place.holds(writer.memory()) {
            writer.end_row_group()?;
            place.holds(writer.memory());
        }
        if writer.bytes() as u64 >= shared.options.file_bytes {
            closed.push(writer.close()?);
        } else {
            self.0 = Some((writer, place));
        }
        Ok(())
    }
}
