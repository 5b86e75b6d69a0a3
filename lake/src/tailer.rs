//! Pulls committed batches out of partitions, into sorted data files.
//!
//! Partition by partition, from the table's next offset to the end that was captured when the
//! flush began, in reads of a bounded size: memory does not grow with the lag. What a consumer
//! could not read either (damaged on disk, or removed before the lake saw it) is left out and
//! counted, never silently.

use std::sync::Arc;

use strom_protocol::record::Scratch;
use strom_storage::{Isolation, Partition, ReadError, ReadLimits};
use uuid::Uuid;

use crate::LakeError;
use crate::convert::{BatchSlice, Columns, ConvertError, convert};
use crate::lake::Shared;
use crate::parquet::{DataFile, FileNames, FileWriter};
use crate::table::Table;

/// One read of a partition: large enough to amortise, small enough to bound memory.
const READ_BYTES: usize = 1 << 20;

/// The offsets of one partition that a commit takes.
#[derive(Debug)]
pub(crate) struct PartitionRange {
    pub(crate) partition: Arc<Partition>,
    pub(crate) from: i64,
    pub(crate) to: i64,
}

/// What was pulled.
#[derive(Debug, Default)]
pub(crate) struct Pulled {
    /// Closed and synced.
    pub(crate) files: Vec<DataFile>,
    /// Offsets that could not be read.
    pub(crate) skipped_offsets: u64,
}

/// Pulls `ranges`, which are in the order of partitions, into files named by `names`.
/// On an error what was written so far is removed.
pub(crate) fn pull(
    shared: &Shared,
    table: &Table,
    ranges: &[PartitionRange],
    names: FileNames,
) -> Result<Pulled, LakeError> {
    let mut output = Output { shared, names, open: None, pulled: Pulled::default() };
    let mut columns = Columns::new();
    let mut scratch = Scratch::default();
    let all = ranges
        .iter()
        .try_for_each(|range| pull_range(table, range, &mut columns, &mut scratch, &mut output))
        .and_then(|()| output.take(&mut columns))
        .and_then(|()| output.close());
    match all {
        Ok(()) => Ok(output.pulled),
        Err(error) => {
            output.discard();
            Err(error)
        }
    }
}

fn pull_range(
    table: &Table,
    range: &PartitionRange,
    columns: &mut Columns,
    scratch: &mut Scratch,
    output: &mut Output<'_>,
) -> Result<(), LakeError> {
    let limits = ReadLimits { max_bytes: READ_BYTES, at_least_one: true };
    let partition = range.partition.index();
    let mut offset = range.from;
    while offset < range.to {
        if table.is_closing() {
            return Err(table.closing());
        }
        let read = match range.partition.read(offset, Isolation::ReadCommitted, limits) {
            Ok(read) => read,
            Err(error) => {
                let resume = resume_after(table, range, offset, error)?;
                output.pulled.skipped_offsets += resume.min(range.to).abs_diff(offset);
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
            convert(columns, &slice, scratch, |full| output.take(full))
                .map_err(|error| unreadable(table, &slice, error))?;
            offset = offset.max(batch.header.last_offset() + 1);
        }
        if offset == before {
            return Err(read_error(table, partition, offset, "there are no batches"));
        }
    }
    Ok(())
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

/// The data files of one commit, opened when there is a row for them.
struct Output<'a> {
    shared: &'a Shared,
    names: FileNames,
    open: Option<FileWriter>,
    pulled: Pulled,
}

impl Output<'_> {
    /// Writes the rows that are in `columns`, and closes the file if that fills it.
    fn take(&mut self, columns: &mut Columns) -> Result<(), LakeError> {
        if columns.rows() == 0 {
            return Ok(());
        }
        let mut writer = match self.open.take() {
            Some(writer) => writer,
            None => {
                let location = self.names.next(Uuid::new_v4());
                FileWriter::create_for(self.shared.warehouse.stage(&location)?, location)?
            }
        };
        writer.append(&columns.finish().map_err(|e| LakeError::parquet(writer.path(), e))?)?;
        let is_full = writer.bytes() as u64 >= self.shared.options.file_bytes;
        self.open = Some(writer);
        if is_full { self.close() } else { Ok(()) }
    }

    fn close(&mut self) -> Result<(), LakeError> {
        if let Some(writer) = self.open.take() {
            self.pulled.files.push(writer.close()?);
        }
        Ok(())
    }

    fn discard(self) {
        crate::parquet::discard(&self.shared.warehouse, &self.pulled.files);
    }
}
