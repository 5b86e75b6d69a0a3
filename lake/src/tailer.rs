//! Pulls committed batches out of partitions, into sorted data files.
//!
//! Partition by partition, from the table's next offset to the end that was captured when the
//! flush began, in reads of a bounded size: memory does not grow with the lag. What a consumer
//! could not read either (damaged on disk, or removed before the lake saw it) is left out and
//! counted, never silently.

use std::collections::HashSet;
use std::sync::Arc;

use iceberg::spec::Struct;
use strom_protocol::record::Scratch;
use strom_storage::{Isolation, Partition, ReadError, ReadLimits};

use crate::LakeError;
use crate::convert::{BatchSlice, Columns, ConvertError, convert};
use crate::output::Output;
use crate::table::Table;

/// One read of a partition: large enough to amortise, small enough to bound memory.
const READ_BYTES: usize = 1 << 20;

/// The offsets of one partition that a commit takes.
#[derive(Clone, Debug)]
pub(crate) struct PartitionRange {
    pub(crate) partition: Arc<Partition>,
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// Only rows with these partition values; all if none.
    pub(crate) only: Option<Arc<HashSet<Struct>>>,
}

impl PartitionRange {
    pub(crate) fn index(&self) -> usize {
        usize::try_from(self.partition.index()).unwrap_or(0)
    }
}

/// How far a pull came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pulled {
    /// The first offset that was not pulled.
    pub(crate) next: i64,
    /// Offsets that could not be read.
    pub(crate) skipped_offsets: u64,
}

/// About how many bytes a partition has between two offsets: by its mean record.
pub(crate) fn estimated_bytes(partition: &Partition, from: i64, to: i64) -> u64 {
    if to <= from {
        return 0;
    }
    let offsets = partition.offsets();
    let stored = offsets.log_end.abs_diff(offsets.log_start).max(1);
    let bytes = u128::from(partition.size_bytes()) * u128::from(to.abs_diff(from));
    u64::try_from(bytes / u128::from(stored)).unwrap_or(u64::MAX)
}

/// Pulls the ranges of one table through one set of columns.
pub(crate) struct Puller<'a> {
    table: &'a Table,
    pub(crate) columns: Columns,
    scratch: Scratch,
}

impl<'a> Puller<'a> {
    pub(crate) fn new(table: &'a Table) -> Puller<'a> {
        Puller { table, columns: Columns::new(), scratch: Scratch::default() }
    }

    /// Pulls `ranges`, which are in the order of partitions, into `output`, in as many passes as
    /// that needs. Returns the number of offsets that could not be read.
    pub(crate) fn pull_all(
        &mut self,
        ranges: &[PartitionRange],
        output: &mut Output<'_>,
    ) -> Result<u64, LakeError> {
        let mut skipped_offsets = 0;
        loop {
            let mut skipped = 0;
            for range in ranges {
                output.restrict(&mut self.columns, range.only.as_ref())?;
                let pulled = self.pull(range, &mut |c| output.take(c), &|| false)?;
                skipped += pulled.skipped_offsets;
            }
            output.restrict(&mut self.columns, None)?;
            output.take(&mut self.columns)?;
            // Every pass meets the same gaps, and larger ones where retention does not wait.
            skipped_offsets = skipped_offsets.max(skipped);
            if !output.end_pass()? {
                return Ok(skipped_offsets);
            }
        }
    }

    /// Pulls one range; `sink` takes the columns whenever they are full, and what is left in them
    /// at the end is the caller's. Ends early, between two reads, if `stop` says so.
    pub(crate) fn pull(
        &mut self,
        range: &PartitionRange,
        sink: &mut dyn FnMut(&mut Columns) -> Result<(), LakeError>,
        stop: &dyn Fn() -> bool,
    ) -> Result<Pulled, LakeError> {
        let limits = ReadLimits { max_bytes: READ_BYTES, at_least_one: true };
        let Puller { table, columns, scratch } = self;
        let partition = range.partition.index();
        let mut offset = range.from;
        let mut skipped_offsets = 0;
        while offset < range.to && !stop() {
            if table.is_closing() {
                return Err(table.closing());
            }
            let read = match range.partition.read(offset, Isolation::ReadCommitted, limits) {
                Ok(read) => read,
                Err(error) => {
                    let resume = resume_after(table, range, offset, error)?;
                    skipped_offsets += resume.min(range.to).abs_diff(offset);
                    offset = resume;
                    continue;
                }
            };
            let before = offset;
            for batch in &read.batches {
                let slice = BatchSlice {
                    partition,
                    header: &batch.header,
                    body: &batch.body,
                    offsets: offset..range.to,
                };
                convert(columns, &slice, scratch, |full| sink(full))
                    .map_err(|error| unreadable(table, &slice, error))?;
                offset = offset.max(batch.header.last_offset() + 1);
            }
            if offset == before {
                return Err(read_error(table, partition, offset, "there are no batches"));
            }
        }
        Ok(Pulled { next: offset.min(range.to), skipped_offsets })
    }
}

/// Where reading goes on after an error, if it does.
fn resume_after(
    table: &Table,
    range: &PartitionRange,
    offset: i64,
    error: ReadError,
) -> Result<i64, LakeError> {
    let partition = range.partition.index();
    match error {
        ReadError::OutOfRange { log_start, .. } if log_start > offset => {
            tracing::warn!(
                topic = table.topic.name,
                partition,
                offset,
                log_start,
                "records were removed before the lake took them"
            );
            Ok(log_start)
        }
        ReadError::Corrupt { next_offset, ref file, position, .. } if next_offset > offset => {
            tracing::error!(
                topic = table.topic.name, partition, offset, next_offset,
                file = %file.display(), position,
                "damaged records are left out of the lake"
            );
            Ok(next_offset)
        }
        ReadError::Deleted => Err(table.closing()),
        ReadError::OutOfRange { .. } | ReadError::Corrupt { .. } | ReadError::Environment(_) => {
            Err(read_error(table, partition, offset, &error.to_string()))
        }
    }
}

fn unreadable(table: &Table, slice: &BatchSlice<'_>, error: ConvertError<LakeError>) -> LakeError {
    match error {
        ConvertError::Sink(error) => error,
        ConvertError::Batch { reason, offset, .. } => {
            read_error(table, slice.partition, offset, &reason)
        }
    }
}

fn read_error(table: &Table, partition: i32, offset: i64, reason: &str) -> LakeError {
    LakeError::Read {
        topic: table.topic.name.clone(),
        partition,
        offset,
        reason: reason.to_string(),
    }
}
