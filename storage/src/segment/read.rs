//! Reading batches and finding records by time.

use std::sync::Arc;

use strom_protocol::record::Scratch;

use super::SegmentError;
use super::batch_table::BatchEntry;
use super::chunk::Chunk;
use super::columns::BufferSet;
use super::fetch::{Loaded, Wanted, fetch};
use super::open::Run;
use super::wire::{self, Rows};
use crate::partition::{ReadLimits, StoredBatch, TimestampOffset};

/// What is fetched in one go, but for a chunk that is larger.
const ROUND_BYTES_MAX: u64 = 8 << 20;

impl Run {
    /// Reads whole batches from the one that contains `from`, or the next one, up to those that begin at or
    /// above `end`; as produced, base offset, leader epoch and what the broker set included.
    ///
    /// Stops before damaged batches; only a read that begins at one fails.
    pub fn read(
        &self,
        from: i64,
        end: i64,
        limits: ReadLimits,
        scratch: &mut Scratch,
    ) -> Result<Vec<StoredBatch>, SegmentError> {
        let mut taken = Taken { batches: Vec::new(), bytes: 0, from, end, limits };
        let mut rest = self.chunks_from(from);
        while let Some(first) = rest.first().filter(|chunk| chunk.base_offset < end) {
            let (round, behind) = rest.split_at(round_length(rest, &taken));
            rest = behind;
            let loads = match self.shared.kept(first) {
                Some(kept) if round.len() == 1 => vec![Ok(kept)],
                _ => self.load(round, scratch)?,
            };
            for (chunk, load) in round.iter().zip(loads) {
                let is_full = match load.and_then(|loaded| {
                    let is_full = taken.take(chunk, &loaded)?;
                    self.shared.keep(chunk, is_full.then_some(loaded));
                    Ok(is_full)
                }) {
                    Ok(is_full) => is_full,
                    Err(error) if taken.batches.is_empty() => return Err(error),
                    Err(_) => true,
                };
                if is_full {
                    return Ok(taken.batches);
                }
            }
        }
        Ok(taken.batches)
    }

    fn load(
        &self,
        chunks: &[Chunk],
        scratch: &mut Scratch,
    ) -> Result<Vec<Result<Arc<Loaded>, SegmentError>>, SegmentError> {
        let wanted: Vec<_> = chunks.iter().map(|chunk| (chunk, Wanted::batches(chunk))).collect();
        let loads = fetch(&*self.shared.source, &wanted, scratch)?;
        Ok(loads.into_iter().map(|load| load.map(Arc::new)).collect())
    }

    /// The first record at or above `from` whose timestamp is at or above `timestamp_ms`.
    pub fn offset_for_timestamp(
        &self,
        from: i64,
        timestamp_ms: i64,
        scratch: &mut Scratch,
    ) -> Result<Option<TimestampOffset>, SegmentError> {
        let may_have = |chunk: &&Chunk| chunk.rows > 0 && chunk.max_timestamp >= timestamp_ms;
        for chunk in self.chunks_from(from).iter().filter(may_have) {
            let loaded = self.load_times(chunk, scratch)?;
            let found = times(chunk, &loaded)
                .find(|record| record.offset >= from && record.timestamp >= timestamp_ms);
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The first of the records from `from` to below `end` with the greatest timestamp.
    pub fn max_timestamp(
        &self,
        from: i64,
        end: i64,
        scratch: &mut Scratch,
    ) -> Result<Option<TimestampOffset>, SegmentError> {
        let mut greatest: Option<TimestampOffset> = None;
        for chunk in self.chunks_from(from) {
            let is_greater = greatest.is_none_or(|known| chunk.max_timestamp > known.timestamp);
            if chunk.base_offset >= end || chunk.rows == 0 || !is_greater {
                continue;
            }
            let loaded = self.load_times(chunk, scratch)?;
            for record in times(chunk, &loaded) {
                let is_wanted = record.offset >= from && record.offset < end;
                if is_wanted && greatest.is_none_or(|known| record.timestamp > known.timestamp) {
                    greatest = Some(record);
                }
            }
        }
        Ok(greatest)
    }

    fn load_times(&self, chunk: &Chunk, scratch: &mut Scratch) -> Result<Loaded, SegmentError> {
        let wanted = Wanted { buffers: BufferSet::TIMESTAMP, has_table: true, has_blocks: false };
        fetch(&*self.shared.source, &[(chunk, wanted)], scratch)?.remove(0)
    }
}

/// The records of a chunk with the timestamps that consumers see.
fn times<'a>(chunk: &Chunk, loaded: &'a Loaded) -> impl Iterator<Item = TimestampOffset> + 'a {
    let rows = Rows::of(chunk, loaded);
    loaded.table.batches.iter().flat_map(move |entry| {
        let header = &entry.header;
        let timestamps = rows.timestamps_of(entry);
        timestamps.zip(0..).map(move |(timestamp, index)| TimestampOffset {
            offset: header.base_offset.wrapping_add(loaded.table.offset_delta(entry, index).into()),
            timestamp,
            leader_epoch: header.partition_leader_epoch,
        })
    })
}

/// What a read has taken so far.
struct Taken {
    batches: Vec<StoredBatch>,
    bytes: usize,
    from: i64,
    end: i64,
    limits: ReadLimits,
}

impl Taken {
    /// Takes the batches of a chunk that are wanted and fit; true if the next one does not.
    fn take(&mut self, chunk: &Chunk, loaded: &Loaded) -> Result<bool, SegmentError> {
        let batches = &loaded.table.batches;
        let first = batches.partition_point(|entry| entry.next_offset() <= self.from);
        let wanted = batches[first..]
            .iter()
            .take_while(|entry| entry.header.base_offset < self.end && self.fit(entry))
            .count();
        wire::batches(chunk, loaded, &batches[first..first + wanted], &mut self.batches)?;
        Ok(first + wanted < batches.len())
    }

    fn fit(&mut self, entry: &BatchEntry) -> bool {
        let bytes = self.bytes + entry.header.total_bytes();
        let is_first = self.bytes == 0;
        let fits = bytes <= self.limits.max_bytes || is_first && self.limits.at_least_one;
        if fits {
            self.bytes = bytes;
        }
        fits
    }
}

/// How many chunks are fetched at once: as many as the read may still take.
fn round_length(chunks: &[Chunk], taken: &Taken) -> usize {
    let room = taken.limits.max_bytes.saturating_sub(taken.bytes) as u64;
    let room = room.min(ROUND_BYTES_MAX);
    let mut bytes = 0;
    let more = chunks.iter().skip(1).zip(chunks).take_while(|(next, chunk)| {
        bytes += chunk.wire_bytes;
        bytes < room && next.base_offset < taken.end
    });
    1 + more.count()
}
