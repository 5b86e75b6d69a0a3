//! Reading: what to take is decided under the lock, the journal is read without it.

use bytes::Bytes;
use strom_protocol::record::{BatchHeader, HEADER_BYTES, crc_of};

use super::index::IndexEntry;
use super::{Isolation, Offsets, Partition, Read, ReadLimits, State, StoredBatch};
use crate::error::ReadError;
use crate::journal::file::JournalFile;

/// Batches that lie no further apart are read in one go, with what lies between.
const GAP_BYTES_MAX: u64 = 8 * 1024;
/// What is read in one go, except for a single large batch.
const SPAN_BYTES_MAX: u64 = 1 << 20;
/// How often a read is planned again because retention freed what it was about to read.
const ATTEMPTS: usize = 3;

/// What a read takes: batches from the journal, then batches from the tail.
struct Plan {
    offsets: Offsets,
    stored: Vec<IndexEntry>,
    tail: Vec<StoredBatch>,
    bytes: usize,
}

/// Why a planned batch was not read.
enum Miss {
    /// Its file was freed meanwhile.
    Freed,
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
        for _ in 0..ATTEMPTS {
            let plan = self.state().plan(from, isolation, limits, self.leader_epoch())?;
            match self.load(&plan.stored) {
                Ok(batches) => return Ok(finish(plan, batches)),
                Err(Miss::Freed) => {}
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

    /// Reads batches from the journal: all of them, or those before the first damaged one.
    fn load(&self, entries: &[IndexEntry]) -> Result<Vec<StoredBatch>, Miss> {
        let mut batches = Vec::with_capacity(entries.len());
        let mut rest = entries;
        while let Some(first) = rest.first() {
            let file = self.context.journal.file_at(first.lsn).ok_or(Miss::Freed)?;
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
        let mut plan = Plan { offsets, stored: Vec::new(), tail: Vec::new(), bytes: 0 };
        if from >= end {
            return Ok(plan);
        }
        let tail_start = self.tail_start();
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
