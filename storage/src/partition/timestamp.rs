//! Finding records by time: the index names the batch, visiting it names the record.

use strom_protocol::record::{Scratch, VisitError, visit};

use super::{Isolation, Partition, ReadLimits, StoredBatch, TimestampOffset};
use crate::error::ReadError;

impl Partition {
    /// The first record below the high watermark whose timestamp is at or above `timestamp_ms`. May block on
    /// the disk.
    pub fn offset_for_timestamp(
        &self,
        timestamp_ms: i64,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        let mut from = self.offsets().log_start;
        loop {
            let found = self.state().index.at_timestamp(from, timestamp_ms);
            let Some(entry) = found else { return Ok(None) };
            let at = entry.base_offset.max(from);
            let Some(batch) = self.read_one(at)? else { return Ok(None) };
            // The batch that contains the log start may have its match below it.
            if let Some(record) = first_record(&batch, at, |timestamp| timestamp >= timestamp_ms)? {
                return Ok(Some(record));
            }
            from = batch.header.last_offset() + 1;
        }
    }

    /// The first of the records below the high watermark with the greatest timestamp; `None` if there is no
    /// record. May block on the disk.
    pub fn max_timestamp(&self) -> Result<Option<TimestampOffset>, ReadError> {
        let (log_start, found) = {
            let state = self.state();
            (state.log_start, state.index.greatest_timestamp(state.high_watermark))
        };
        let Some(entry) = found else { return Ok(None) };
        let at = entry.base_offset.max(log_start);
        let Some(batch) = self.read_one(at)? else { return Ok(None) };
        first_record(&batch, at, |timestamp| timestamp >= entry.max_timestamp)
    }

    fn read_one(&self, at: i64) -> Result<Option<StoredBatch>, ReadError> {
        let limits = ReadLimits { max_bytes: 0, at_least_one: true };
        let read = self.read(at, Isolation::ReadUncommitted, limits)?;
        Ok(read.batches.into_iter().next())
    }
}

/// The first record at or above an offset whose timestamp is wanted.
fn first_record(
    batch: &StoredBatch,
    from: i64,
    is_wanted: impl Fn(i64) -> bool,
) -> Result<Option<TimestampOffset>, ReadError> {
    let header = &batch.header;
    let visited = visit(header, &batch.body, &mut Scratch::new(), |record| {
        let offset = header.base_offset + i64::from(record.offset_delta);
        let timestamp = header.timestamp_of(record.timestamp_delta);
        if offset >= from && is_wanted(timestamp) {
            let leader_epoch = header.partition_leader_epoch;
            return Err(TimestampOffset { offset, timestamp, leader_epoch });
        }
        Ok(())
    });
    match visited {
        Ok(()) => Ok(None),
        Err(VisitError::Visitor(found)) => Ok(Some(found)),
        Err(VisitError::Batch(error)) => {
            let offset = header.base_offset;
            let message = format!("the batch at offset {offset} cannot be decoded: {error}");
            Err(ReadError::Environment(message))
        }
    }
}
