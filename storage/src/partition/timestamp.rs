//! Finding records by time: segment list and index name the segment or the batch, reading it names the record.

use std::sync::Arc;

use strom_protocol::record::{Scratch, VisitError, visit};

use super::index::IndexEntry;
use super::{Isolation, Partition, ReadLimits, State, StoredBatch, TimestampOffset};
use crate::error::ReadError;
use crate::segment_list::ListedSegment;

/// Where a record with a wanted timestamp is.
enum Place {
    Segment(Arc<ListedSegment>),
    Journal(IndexEntry),
}

impl Partition {
    /// The first record below the high watermark whose timestamp is at or above `timestamp_ms`. May block on
    /// the disk.
    pub fn offset_for_timestamp(
        &self,
        timestamp_ms: i64,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        let mut from = self.offsets().log_start;
        loop {
            let place = self.state().at_timestamp(from, timestamp_ms);
            let Some(place) = place else { return Ok(None) };
            // What contains the log start may have its match below it.
            from = match place {
                Place::Segment(segment) => {
                    if let Some(found) = self.find_in(&segment, from, timestamp_ms)? {
                        return Ok(Some(found));
                    }
                    segment.next_offset
                }
                Place::Journal(entry) => {
                    let at = entry.base_offset.max(from);
                    let Some(batch) = self.read_one(at)? else { return Ok(None) };
                    let found = first_record(&batch, at, |timestamp| timestamp >= timestamp_ms)?;
                    if found.is_some() {
                        return Ok(found);
                    }
                    batch.header.last_offset() + 1
                }
            };
        }
    }

    /// The first of the records below the high watermark with the greatest timestamp; `None` if there is no
    /// record. May block on the disk.
    pub fn max_timestamp(&self) -> Result<Option<TimestampOffset>, ReadError> {
        let (log_start, place, cut) = {
            let state = self.state();
            (state.log_start, state.greatest_timestamp(), state.cut_segment())
        };
        // Of a segment that the log start lies in, only a part counts.
        let of_cut = match cut {
            Some(segment) => self.greatest_in_rest(&segment, log_start)?,
            None => None,
        };
        let found = match place {
            None => None,
            Some(Place::Segment(segment)) => {
                let from = segment.base_offset.max(log_start);
                self.find_in(&segment, from, segment.max_timestamp)?
            }
            Some(Place::Journal(entry)) => {
                let at = entry.base_offset.max(log_start);
                let Some(batch) = self.read_one(at)? else { return Ok(of_cut) };
                first_record(&batch, at, |timestamp| timestamp >= entry.max_timestamp)?
            }
        };
        let is_cut_greater =
            |cut: &TimestampOffset| found.is_none_or(|found| cut.timestamp >= found.timestamp);
        Ok(of_cut.filter(is_cut_greater).or(found))
    }

    fn find_in(
        &self,
        segment: &ListedSegment,
        from: i64,
        timestamp_ms: i64,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        let from = from.max(segment.base_offset);
        let archive = &self.context.archive;
        archive
            .offset_for_timestamp(segment, (self.topic, self.index), from, timestamp_ms)
            .map_err(|error| self.segment_error(segment, from, error))
    }

    /// The first record with the greatest timestamp of those of a segment from an offset on.
    fn greatest_in_rest(
        &self,
        segment: &ListedSegment,
        from: i64,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        let archive = &self.context.archive;
        archive
            .max_timestamp(segment, (self.topic, self.index), from)
            .map_err(|error| self.segment_error(segment, from, error))
    }

    fn read_one(&self, at: i64) -> Result<Option<StoredBatch>, ReadError> {
        let limits = ReadLimits { max_bytes: 0, at_least_one: true };
        let read = self.read(at, Isolation::ReadUncommitted, limits)?;
        Ok(read.batches.into_iter().next())
    }
}

impl State {
    /// The first segment or batch from an offset on with a timestamp at or above one.
    fn at_timestamp(&self, from: i64, timestamp: i64) -> Option<Place> {
        // The tail may reach further back than the index, but has no order by time.
        let index_start = self.index.first().map_or(self.log_end, |first| first.base_offset);
        let in_segment = self
            .segments
            .from(from)
            .take_while(|segment| segment.base_offset < index_start && from < index_start)
            .find(|segment| segment.max_timestamp >= timestamp);
        match in_segment {
            Some(segment) => Some(Place::Segment(Arc::clone(segment))),
            None => self.index.at_timestamp(from, timestamp).map(Place::Journal),
        }
    }

    /// The first segment or batch with the greatest timestamp, but for a segment that the log start lies in.
    fn greatest_timestamp(&self) -> Option<Place> {
        let mut segments = self.segments.iter().filter(|segment| {
            segment.base_offset >= self.log_start && segment.min_timestamp <= segment.max_timestamp
        });
        let first = segments.next();
        let in_segments = segments.fold(first, |best, segment| match best {
            Some(best) if best.max_timestamp < segment.max_timestamp => Some(segment),
            other => other,
        });
        let unflushed = self.flush_start();
        let in_journal = self.index.greatest_timestamp(unflushed, self.high_watermark);
        match (in_segments, in_journal) {
            (Some(segment), Some(entry)) if segment.max_timestamp < entry.max_timestamp => {
                Some(Place::Journal(entry))
            }
            (Some(segment), _) => Some(Place::Segment(Arc::clone(segment))),
            (None, entry) => entry.map(Place::Journal),
        }
    }

    fn cut_segment(&self) -> Option<Arc<ListedSegment>> {
        let first = self.segments.iter().next()?;
        (first.base_offset < self.log_start).then(|| Arc::clone(first))
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
