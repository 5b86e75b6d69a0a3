//! Reading: what to take is decided under the lock, journal and segments are read without it.
//!
//! The tail has precedence over the journal, and the journal over segments: the cheaper one is asked first. A
//! read that began in a segment goes on in the next one, in the journal and in the tail, up to its limits.

use std::sync::Arc;

use bytes::Bytes;
use strom_protocol::record::{BatchHeader, HEADER_BYTES, crc_of};

use super::index::IndexEntry;
use super::{Isolation, Offsets, Partition, Read, ReadLimits, State, StoredBatch};
use crate::archive::Wanted;
use crate::error::ReadError;
use crate::journal::file::JournalFile;
use crate::segment::{SegmentError, SourceError};
use crate::segment_list::ListedSegment;

/// Batches that lie no further apart are read in one go, with what lies between.
const GAP_BYTES_MAX: u64 = 8 * 1024;
/// What is read in one go, except for a single large batch.
const SPAN_BYTES_MAX: u64 = 1 << 20;
/// How often a read is planned again because the file that it was about to read was freed.
const ATTEMPTS: usize = 3;

/// What a read takes: batches from one segment, or from the journal and then from the tail.
struct Plan {
    offsets: Offsets,
    segment: Option<Arc<ListedSegment>>,
    /// No batch that begins here or behind is taken.
    end: i64,
    stored: Vec<IndexEntry>,
    tail: Vec<StoredBatch>,
    bytes: usize,
}

/// Why a planned batch was not read.
pub(super) enum Miss {
    /// Its file was freed meanwhile.
    Gone,
    Error(ReadError),
}

impl Partition {
    /// Reads whole batches from the one that contains `from`, never past the end that `isolation` allows.
    ///
    /// At the end the read is empty. Blocks on the disk unless `from` is at or above
    /// [`tail_start`](Self::tail_start). Stops before damaged batches; only a read that begins at one fails.
    pub fn read(
        &self,
        from: i64,
        isolation: Isolation,
        limits: ReadLimits,
    ) -> Result<Read, ReadError> {
        let (mut read, mut is_from_segment) = self.read_part(from, isolation, limits)?;
        while is_from_segment && let Some(last) = read.batches.last() {
            let max_bytes = limits.max_bytes.saturating_sub(read.bytes);
            if max_bytes < last.header.total_bytes() {
                break;
            }
            let left = ReadLimits { max_bytes, at_least_one: false };
            let next = last.header.last_offset() + 1;
            // What is wrong behind is for the read that begins there.
            let Ok((part, is_segment)) = self.read_part(next, isolation, left) else { break };
            if part.batches.is_empty() {
                break;
            }
            read.bytes += part.bytes;
            read.batches.extend(part.batches);
            is_from_segment = is_segment;
        }
        Ok(read)
    }

    /// Reads from one segment, or from journal and tail; says which.
    fn read_part(
        &self,
        from: i64,
        isolation: Isolation,
        limits: ReadLimits,
    ) -> Result<(Read, bool), ReadError> {
        for _ in 0..ATTEMPTS {
            let plan = self.state().plan(from, isolation, limits, self.leader_epoch())?;
            if let Some(segment) = &plan.segment {
                let batches = self.load_segment(segment, from, plan.end, limits)?;
                return Ok((finish(plan, batches), true));
            }
            match self.load(&plan.stored) {
                Ok(batches) => return Ok((finish(plan, batches), false)),
                Err(Miss::Gone) => {}
                Err(Miss::Error(ReadError::Corrupt { next_offset, .. }))
                    if self.forget_damaged(next_offset) => {}
                Err(Miss::Error(error)) => return Err(error),
            }
        }
        let offsets = self.offsets();
        Err(ReadError::OutOfRange {
            offset: from,
            log_start: offsets.log_start,
            high_watermark: offsets.high_watermark,
        })
    }

    /// Whether a read that found these offsets would find the same again.
    pub fn is_unchanged(&self, seen: &Offsets) -> bool {
        let state = self.state();
        !state.is_deleted
            && state.high_watermark == seen.high_watermark
            && state.log_start == seen.log_start
    }

    fn load_segment(
        &self,
        segment: &ListedSegment,
        from: i64,
        end: i64,
        limits: ReadLimits,
    ) -> Result<Vec<StoredBatch>, ReadError> {
        let wanted = Wanted { topic: self.topic, partition: self.index, from, end, limits };
        let read = self.context.archive.read(segment, wanted);
        read.map_err(|error| self.segment_error(segment, from, error))
    }

    /// An error of a segment as one of the partition.
    pub(super) fn segment_error(
        &self,
        segment: &ListedSegment,
        offset: i64,
        error: SegmentError,
    ) -> ReadError {
        let file = self.context.archive.file_of(segment.object.id);
        tracing::error!(file = %file.display(), offset, reason = %error, "segment cannot be read");
        let (position, next_offset) = match error {
            SegmentError::Corrupt { offset_to, position, .. } => (position, offset_to),
            // A reader keeps the objects of its segments: only someone else can have removed it.
            SegmentError::Source(SourceError::Gone(_)) => (0, segment.next_offset),
            SegmentError::Newer { .. } | SegmentError::Source(SourceError::Failed(_)) => {
                let message = format!("reading {} failed: {error}", file.display());
                return ReadError::Environment(message);
            }
        };
        let next_offset = next_offset.clamp(offset + 1, segment.next_offset.max(offset + 1));
        ReadError::Corrupt { offset, file, position, next_offset }
    }

    /// Reads batches from the journal: all of them, or those before the first damaged one.
    pub(super) fn load(&self, entries: &[IndexEntry]) -> Result<Vec<StoredBatch>, Miss> {
        let mut batches = Vec::with_capacity(entries.len());
        let mut rest = entries;
        while let Some(first) = rest.first() {
            let file = self.context.journal.file_at(first.lsn).ok_or(Miss::Gone)?;
            let (span, behind) = rest.split_at(span_length(rest, &file));
            rest = behind;
            let last = &span[span.len() - 1];
            let bytes = last.lsn + u64::from(last.bytes) - first.lsn;
            let position = file.position_of(first.lsn);
            let read = file.file.read_at(position, bytes as usize).map_err(|error| {
                let path = file.path.display();
                let message = format!("reading {path} at position {position} failed: {error}");
                Miss::Error(ReadError::Environment(message))
            })?;
            for entry in span {
                match batch_of(entry, &read, (entry.lsn - first.lsn) as usize) {
                    Some(batch) => batches.push(batch),
                    None if batches.is_empty() => return Err(damaged(entry, &file)),
                    None => return Ok(batches),
                }
            }
        }
        Ok(batches)
    }
}

fn damaged(entry: &IndexEntry, file: &JournalFile) -> Miss {
    let (offset, position) = (entry.base_offset, file.position_of(entry.lsn));
    tracing::error!(file = %file.path.display(), position, offset, "batch is damaged");
    let next_offset = entry.next_offset();
    Miss::Error(ReadError::Corrupt { offset, file: file.path.clone(), position, next_offset })
}

impl State {
    fn plan(
        &self,
        from: i64,
        isolation: Isolation,
        limits: ReadLimits,
        leader_epoch: i32,
    ) -> Result<Plan, ReadError> {
        let offsets = self.offsets(leader_epoch);
        self.check_range(from)?;
        let end = match isolation {
            Isolation::ReadUncommitted => offsets.high_watermark,
            Isolation::ReadCommitted => offsets.last_stable,
        };
        let next_lost = self.lost.iter().map(|lost| lost.from).find(|lost| *lost > from);
        let end = next_lost.map_or(end, |lost| lost.min(end));
        let mut plan =
            Plan { offsets, segment: None, end, stored: Vec::new(), tail: Vec::new(), bytes: 0 };
        if from >= end {
            return Ok(plan);
        }
        let (tail_start, journal_start) = (self.tail_start(), self.journal_start());
        if from < journal_start
            && let Some(segment) = self.segments.from(from).next()
            && segment.base_offset < journal_start
        {
            plan.segment = Some(Arc::clone(segment));
            plan.end = end.min(journal_start);
            return Ok(plan);
        }
        let mut next = from;
        if from < tail_start {
            for entry in self.index.from(from) {
                if entry.base_offset >= end.min(tail_start)
                    || !plan.fits(entry.bytes as usize, limits)
                {
                    break;
                }
                next = entry.next_offset();
                plan.bytes += entry.bytes as usize;
                plan.stored.push(entry);
            }
        }
        if next >= tail_start {
            for batch in self.tail.from(next) {
                let bytes = batch.header.total_bytes();
                if batch.header.base_offset >= end || !plan.fits(bytes, limits) {
                    break;
                }
                plan.bytes += bytes;
                plan.tail.push(batch.clone());
            }
        }
        Ok(plan)
    }

    fn check_range(&self, from: i64) -> Result<(), ReadError> {
        if self.is_deleted {
            return Err(ReadError::Deleted);
        }
        if from < self.log_start || from > self.log_end {
            return Err(ReadError::OutOfRange {
                offset: from,
                log_start: self.log_start,
                high_watermark: self.high_watermark,
            });
        }
        match self.lost.iter().find(|lost| lost.from <= from && from < lost.to) {
            None => Ok(()),
            Some(lost) => Err(ReadError::Corrupt {
                offset: from,
                file: lost.file.clone(),
                position: lost.position,
                next_offset: lost.to,
            }),
        }
    }
}

impl Plan {
    fn fits(&self, bytes: usize, limits: ReadLimits) -> bool {
        let is_first = self.stored.is_empty() && self.tail.is_empty();
        self.bytes + bytes <= limits.max_bytes || is_first && limits.at_least_one
    }
}

/// Joins what was read and the tail, unless damage lies between.
fn finish(plan: Plan, mut batches: Vec<StoredBatch>) -> Read {
    if batches.len() == plan.stored.len() {
        batches.extend(plan.tail);
    }
    let bytes = batches.iter().map(|batch| batch.header.total_bytes()).sum();
    Read { batches, bytes, offsets: plan.offsets }
}

/// How many of the entries, which begin in `file`, are read in one go.
fn span_length(entries: &[IndexEntry], file: &JournalFile) -> usize {
    let start = entries[0].lsn;
    let is_joined = |pair: &[IndexEntry]| {
        let end = pair[0].lsn + u64::from(pair[0].bytes);
        let joined_bytes = pair[1].lsn + u64::from(pair[1].bytes) - start;
        pair[1].lsn - end <= GAP_BYTES_MAX
            && joined_bytes <= SPAN_BYTES_MAX
            && file.contains(pair[1].lsn)
    };
    1 + entries.windows(2).take_while(|pair| is_joined(pair)).count()
}

/// A batch out of what was read; `None` if it is not the one that was appended.
fn batch_of(entry: &IndexEntry, read: &Bytes, at: usize) -> Option<StoredBatch> {
    let end = at + entry.bytes as usize;
    if end > read.len() {
        return None;
    }
    let batch = read.slice(at..end);
    let header = BatchHeader::parse(&batch).ok()?;
    let is_its_batch = header.base_offset == entry.base_offset
        && header.total_bytes() == batch.len()
        && crc_of(&batch) == header.crc;
    is_its_batch.then(|| StoredBatch {
        header,
        head: batch.slice(..HEADER_BYTES),
        body: batch.slice(HEADER_BYTES..),
    })
}
