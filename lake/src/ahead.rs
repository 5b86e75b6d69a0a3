//! Row groups encoded as data comes, so that a commit only pulls a small rest and closes files.
//!
//! ```text
//!  one partition:  … committed │ encoded ahead, in an open file │ rest │
//!                              next offset of the marker        │      └ last stable offset
//!                                                               └ next of its Own
//! ```
//!
//! A partition that has gathered [`OWN_BYTES`] since the last commit gets files of its own, for
//! the rows of a file must ascend by (partition, offset); all others share theirs at the commit, so
//! a trickle over a thousand partitions is still one file. What is here was never committed: it
//! belongs to the commit after the marker it began at, is thrown away when that marker is not the
//! table's any more, and a crash costs nothing but encoding it again.
//!
//! In a partitioned table these are files by partition value, for the values that find a place. Rows
//! of all others are *deferred*: the commit reads the same offsets again, for those values only.
//! Where most rows are, reading ahead is not worth it, and the partition is left to the commit.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::RecordBatch;
use iceberg::spec::Struct;

use crate::commit::Committed;
use crate::convert::Columns;
use crate::lake::Shared;
use crate::output::{new_writer, split};
use crate::parquet::{DataFile, FileNames, FileWriter};
use crate::partitioning::Partitioner;
use crate::table::Table;
use crate::tailer::{self, PartitionRange, Puller};
use crate::{LakeError, files};

/// As much of a partition must wait before it gets a file of its own …
const OWN_BYTES: u64 = 4 << 20;
/// … and as much before more is added to that.
const MORE_BYTES: u64 = 256 << 10;
/// Files ahead of their commits, over all tables.
const FILES_MAX: usize = 64;
/// … and of one table: so a commit of 64 MB has 4 MB for each of them, and a table with many
/// partition values leaves room for others.
pub(crate) const TABLE_FILES_MAX: usize = 16;

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

    fn has_room(&self) -> bool {
        self.files.load(Ordering::Relaxed) < FILES_MAX
    }

    /// A place for one more file, if there is one.
    fn place(self: &Arc<Self>) -> Option<Place> {
        let one_more = |files| (files < FILES_MAX).then_some(files + 1);
        let taken = self.files.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        taken.ok().map(|_| Place { budget: Arc::clone(self), bytes: 0 })
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
    /// By partition value; a table that is not partitioned has one, the empty one.
    files: HashMap<Struct, OwnFile>,
    /// Values that found no place: all of their rows are the commit's to write.
    deferred: HashSet<Struct>,
    rows_written: u64,
    rows_deferred: u64,
    skipped_offsets: u64,
}

/// The file that rows of one value go to; between a full one and the next row there is none.
struct OwnFile {
    writer: Option<FileWriter>,
    place: Place,
}

/// Full files of the next commit. Dropping them removes them: none was delivered yet.
#[derive(Default)]
struct Closed(Vec<DataFile>);

impl Drop for Closed {
    fn drop(&mut self) {
        for file in &self.0 {
            if let Err(error) = files::remove(&file.path) {
                tracing::debug!(%error, "a data file stays until the table is opened again");
            }
        }
    }
}

/// What of a table was encoded since its last commit. Dropping it removes the files.
#[derive(Default)]
pub(crate) struct Ahead {
    names: Option<FileNames>,
    partitioner: Option<Partitioner>,
    own: BTreeMap<usize, Own>,
    closed: Closed,
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
    pub(crate) partitioner: Option<Partitioner>,
    pub(crate) files: Vec<DataFile>,
    pub(crate) skipped_offsets: u64,
    /// What was not encoded ahead, in the order of partitions.
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

    /// As many bytes must wait in a partition before they are encoded.
    fn step(&self, index: usize) -> u64 {
        match self.own.get(&index) {
            None => OWN_BYTES,
            Some(own) if own.is_worth_it() => MORE_BYTES,
            Some(_) => u64::MAX,
        }
    }

    /// Where the encoding of a partition goes on.
    pub(crate) fn next(&self, index: usize) -> Option<i64> {
        self.own.get(&index).map(|own| own.next)
    }

    /// Throws away what was encoded.
    pub(crate) fn discard(&mut self) {
        *self = Ahead::default();
    }

    /// Makes sure that all of it belongs to the commit after the base.
    fn align(&mut self, work: &Work<'_>) -> Result<(), LakeError> {
        let commit = work.base.map_or(0, |base| base.pointer.commit) + 1;
        let fits = self.names.as_ref().is_some_and(|names| names.commit() == commit)
            && self.own.iter().all(|(index, own)| own.from == work.begin(*index));
        if !fits {
            self.discard();
            self.partitioner = work.table.partitioner()?;
            self.names = Some(FileNames::new(work.table.data(), commit));
        }
        Ok(())
    }

    /// Encodes what waits in the partitions of `ranges`, until `stop` says so.
    pub(crate) fn encode(
        &mut self,
        work: &Work<'_>,
        ranges: &[PartitionRange],
        stop: &dyn Fn() -> bool,
    ) -> Result<(), LakeError> {
        self.align(work)?;
        for range in ranges {
            let index = range.index();
            let from = self.next(index).unwrap_or(range.from);
            let waiting = tailer::estimated_bytes(&range.partition, from, range.to);
            let has_place =
                self.own.contains_key(&index) || (self.room() > 0 && work.shared.budget.has_room());
            if waiting >= self.step(index) && has_place && !stop() {
                self.extend(work, range, Some(stop))?;
            }
        }
        Ok(())
    }

    /// Encodes the rest of the partitions that have files of their own, closes the files, and
    /// hands everything over; what else is to be written is said, by range.
    pub(crate) fn take(
        &mut self,
        work: &Work<'_>,
        ranges: &[PartitionRange],
    ) -> Result<Taken, LakeError> {
        self.align(work)?;
        let mut others = Vec::new();
        for range in ranges {
            if !self.own.contains_key(&range.index()) {
                others.push(range.clone());
                continue;
            }
            self.extend(work, range, None)?;
            let Some(own) = self.own.remove(&range.index()) else { continue };
            if own.deferred.is_empty() {
                self.skipped_offsets += own.skipped_offsets;
            } else {
                // Reading the offsets again meets the same gaps, and counts them.
                others.push(PartitionRange { only: Some(Arc::new(own.deferred)), ..range.clone() });
            }
            for writer in own.files.into_values().filter_map(|file| file.writer) {
                self.closed.0.push(writer.close()?);
            }
        }
        let mut all = std::mem::take(self);
        Ok(Taken {
            names: all.names.expect("aligning names the files"),
            partitioner: all.partitioner,
            files: std::mem::take(&mut all.closed.0),
            skipped_offsets: all.skipped_offsets,
            others,
        })
    }

    /// As many more files the table may have.
    fn room(&self) -> usize {
        let files = self.own.values().map(|own| own.files.len()).sum();
        TABLE_FILES_MAX.saturating_sub(files)
    }

    /// Encodes what a partition has, to the end of the range; or, if there is a `stop`, until it
    /// says so or it turns out that this is not worth it.
    fn extend(
        &mut self,
        work: &Work<'_>,
        range: &PartitionRange,
        stop: Option<&dyn Fn() -> bool>,
    ) -> Result<(), LakeError> {
        let room = self.room();
        let Ahead { names, partitioner, own, closed, .. } = self;
        let names = names.as_mut().expect("aligning names the files");
        let begin = work.begin(range.index());
        let own = own.entry(range.index()).or_insert_with(|| Own::new(begin, range.from));
        let rest = PartitionRange { from: own.next, ..range.clone() };
        let mut sink =
            Sink { shared: work.shared, partitioner: partitioner.as_ref(), names, closed, room };
        let is_worth_it = Cell::new(true);
        let mut take = |columns: &mut Columns| {
            sink.take(own, columns)?;
            is_worth_it.set(own.is_worth_it());
            Ok(())
        };
        let stop = || stop.is_some_and(|stop| stop() || !is_worth_it.get());
        let mut puller = Puller::new(work.table);
        let pulled = puller.pull(&rest, &mut take, &stop)?;
        take(&mut puller.columns)?;
        own.next = pulled.next;
        own.skipped_offsets += pulled.skipped_offsets;
        Ok(())
    }
}

impl Own {
    fn new(from: i64, next: i64) -> Own {
        Own {
            from,
            next,
            files: HashMap::new(),
            deferred: HashSet::new(),
            rows_written: 0,
            rows_deferred: 0,
            skipped_offsets: 0,
        }
    }

    /// Whether reading this partition ahead saves more than it costs: every deferred row is read
    /// twice.
    fn is_worth_it(&self) -> bool {
        self.rows_deferred <= self.rows_written
    }
}

/// Where the rows of one partition go.
struct Sink<'a> {
    shared: &'a Shared,
    partitioner: Option<&'a Partitioner>,
    names: &'a mut FileNames,
    closed: &'a mut Closed,
    /// As many more files the table may have.
    room: usize,
}

impl Sink<'_> {
    /// Writes the rows that are in `columns`, but those that are deferred.
    fn take(&mut self, own: &mut Own, columns: &mut Columns) -> Result<(), LakeError> {
        for (value, rows) in split(self.partitioner, columns)? {
            let count = rows.num_rows() as u64;
            if !own.files.contains_key(&value) && !self.open(own, &value) {
                own.deferred.insert(value);
                own.rows_deferred += count;
                continue;
            }
            own.rows_written += count;
            if let Some(file) = own.files.get_mut(&value) {
                self.append(file, &value, &rows)?;
            }
        }
        Ok(())
    }

    /// Gives a value a place, unless some of its rows are deferred already or there is none.
    fn open(&mut self, own: &mut Own, value: &Struct) -> bool {
        if self.room == 0 || own.deferred.contains(value) {
            return false;
        }
        let Some(place) = self.shared.budget.place() else { return false };
        self.room -= 1;
        own.files.insert(value.clone(), OwnFile { writer: None, place });
        true
    }

    fn append(
        &mut self,
        file: &mut OwnFile,
        value: &Struct,
        rows: &RecordBatch,
    ) -> Result<(), LakeError> {
        let mut writer = match file.writer.take() {
            Some(writer) => writer,
            None => new_writer(&self.shared.warehouse, self.names, value)?,
        };
        writer.append(rows)?;
        if file.place.holds(writer.memory()) {
            writer.end_row_group()?;
            file.place.holds(writer.memory());
        }
        if writer.bytes() as u64 >= self.shared.options.file_bytes {
            self.closed.0.push(writer.close()?);
            file.place.holds(0);
        } else {
            file.writer = Some(writer);
        }
        Ok(())
    }
}
