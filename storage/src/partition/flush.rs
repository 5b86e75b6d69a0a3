//! From the journal into segments: what waits for it, and what changes when it is done.
//!
//! ```text
//!  log start ──► flushed ───────────────────► synced ──► log end
//!  │ segments    │ only in the journal        │ not yet to be flushed
//!  │        index (of both: warm reads) ─────────────►│
//! ```
//!
//! All batches below `flushed` are in segments, or were lost. The index may reach below it: as long as their
//! journal file is there, flushed batches are read from where they were appended.

use std::sync::Arc;

use super::read::Miss;
use super::{LostRange, Partition, State, StoredBatch};
use crate::error::ReadError;
use crate::keys;
use crate::metadata::{Change, MetadataTicket};
use crate::segment_list::ListedSegment;

/// What a partition has only in the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unflushed {
    pub(crate) bytes: u64,
    pub(crate) batches: u64,
    /// Of the first batch; `None` if there is none.
    pub(crate) first_lsn: Option<u64>,
    /// Batches in the index, flushed ones included.
    pub(crate) indexed_batches: u64,
}

/// What the journal must keep for a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JournalNeed {
    Nothing,
    /// Batches from this LSN on are only there.
    From(u64),
    /// Batches that have left the log may still be all that tells of their producers.
    Producers,
}

impl Partition {
    pub(crate) fn unflushed(&self) -> Unflushed {
        let state = self.state();
        Unflushed {
            bytes: state.unflushed_bytes,
            batches: state.unflushed_batches,
            first_lsn: state.index.from(state.flush_start()).next().map(|entry| entry.lsn),
            indexed_batches: state.index.len() as u64,
        }
    }

    /// What the journal must keep for this partition. Looked at in one moment: a log start that advances later
    /// takes nothing away from what was needed then.
    pub(crate) fn journal_need(&self) -> JournalNeed {
        let state = self.state();
        if state.lacks_producer_snapshot() {
            return JournalNeed::Producers;
        }
        let unflushed = state.index.from(state.flush_start()).next();
        unflushed.map_or(JournalNeed::Nothing, |entry| JournalNeed::From(entry.lsn))
    }

    /// Whether batches that have left the log may still be all that tells of their producers.
    pub(crate) fn lacks_producer_snapshot(&self) -> bool {
        self.state().lacks_producer_snapshot()
    }

    /// The offset of the first batch that is only in the journal, or would be the next one.
    pub(crate) fn flush_start(&self) -> i64 {
        self.state().flush_start()
    }

    /// Reads batches from `from` on that may be flushed: below the high watermark and the synced LSN, without
    /// a gap, about so many bytes. None when there are no more, or when the first one turns out to be
    /// damaged: it is noted as lost, and flushing may go on behind it, in another segment.
    pub(crate) fn read_to_flush(
        &self,
        from: i64,
        synced_lsn: u64,
        max_bytes: u64,
    ) -> Result<Vec<StoredBatch>, ReadError> {
        let entries = self.state().entries_to_flush(from, synced_lsn, max_bytes);
        match self.load(&entries) {
            Ok(batches) => Ok(batches),
            // The log start has passed it.
            Err(Miss::Gone) => Ok(Vec::new()),
            Err(Miss::Error(ReadError::Corrupt { offset, file, position, next_offset })) => {
                let from = entries.first().map_or(offset, |entry| entry.base_offset);
                self.note_lost(LostRange { from, to: next_offset, file, position });
                Ok(Vec::new())
            }
            Err(Miss::Error(error)) => Err(error),
        }
    }

    /// Notes that offsets cannot be read, here and in the metadata log.
    fn note_lost(&self, lost: LostRange) {
        let mut state = self.state();
        if state.is_deleted || lost.to <= state.log_start {
            return;
        }
        let change = keys::put_lost(self.topic, self.index, &lost);
        let at = state.lost.partition_point(|other| other.from < lost.from);
        state.lost.insert(at, lost);
        state.count_unflushed();
        drop(self.context.metadata.apply(vec![change]));
    }

    /// Takes a segment into the list, whose key is in the metadata log. False if the log start has passed it
    /// or the topic was deleted meanwhile: then the key is removed again.
    pub(crate) fn add_segment(&self, segment: &Arc<ListedSegment>) -> bool {
        let mut state = self.state();
        if state.is_deleted || segment.next_offset <= state.log_start {
            let key = keys::segment(self.topic, self.index, segment.base_offset);
            drop(self.context.metadata.apply(vec![Change::Delete { key }]));
            return false;
        }
        state.flushed = segment.next_offset;
        state.segments.push(Arc::clone(segment));
        state.count_unflushed();
        true
    }

    /// Puts a segment in the place of several ones, in the list and in the metadata log. `None`, and nothing
    /// is changed, if they are not all there any more. The old ones must not be let go before the change is
    /// durable.
    pub(crate) fn replace_segments(
        &self,
        old: &[Arc<ListedSegment>],
        new: &Arc<ListedSegment>,
    ) -> Option<MetadataTicket> {
        let mut state = self.state();
        if !state.segments.replace(old, new) {
            return None;
        }
        let key_of = |base_offset| keys::segment(self.topic, self.index, base_offset);
        let removed = old.iter().filter(|segment| segment.base_offset != new.base_offset);
        let mut changes: Vec<Change> =
            removed.map(|segment| Change::Delete { key: key_of(segment.base_offset) }).collect();
        changes.push(Change::Put { key: key_of(new.base_offset), value: new.encode().into() });
        Some(self.context.metadata.apply(changes))
    }

    /// The segments at this moment.
    pub(crate) fn segments(&self) -> Vec<Arc<ListedSegment>> {
        self.state().segments.iter().cloned().collect()
    }

    /// Turns reads below an offset to the segments, if they have it: the journal's copy is damaged.
    pub(super) fn forget_damaged(&self, next_offset: i64) -> bool {
        let mut state = self.state();
        let is_flushed = next_offset <= state.flushed;
        if is_flushed {
            state.index.drop_below(next_offset);
        }
        is_flushed
    }

    /// Forgets where flushed batches below an LSN are in the journal: they are read from segments from now on.
    pub(crate) fn forget_flushed(&self, below_lsn: u64) {
        let mut state = self.state();
        let flushed = state.flush_start();
        let end = state.index.at_lsn(below_lsn).map_or(flushed, |entry| entry.base_offset);
        state.index.drop_below(end.min(flushed));
    }
}

impl State {
    fn lacks_producer_snapshot(&self) -> bool {
        !self.producers.is_empty() && self.snapshot_offset < self.log_start
    }

    pub(super) fn flush_start(&self) -> i64 {
        let start = self.flushed.max(self.log_start);
        self.lost.iter().fold(start, |start, lost| {
            if lost.from <= start && start < lost.to { lost.to } else { start }
        })
    }

    fn entries_to_flush(
        &self,
        from: i64,
        synced_lsn: u64,
        max_bytes: u64,
    ) -> Vec<super::IndexEntry> {
        let next_lost = self.lost.iter().map(|lost| lost.from).find(|lost| *lost >= from);
        let end = next_lost.unwrap_or(i64::MAX).min(self.high_watermark);
        let mut entries = Vec::new();
        let mut bytes = 0;
        for entry in self.index.from(from) {
            let is_joined = entries
                .last()
                .is_none_or(|last: &super::IndexEntry| last.next_offset() == entry.base_offset);
            let is_flushable = is_joined && entry.lsn < synced_lsn && entry.next_offset() <= end;
            if !is_flushable || bytes >= max_bytes {
                break;
            }
            bytes += u64::from(entry.bytes);
            entries.push(entry);
        }
        entries
    }

    /// Brings the figures of what is only in the journal up to date.
    pub(super) fn count_unflushed(&mut self) {
        let (mut bytes, mut batches) = (0, 0);
        for entry in self.index.from(self.flush_start()) {
            bytes += u64::from(entry.bytes);
            batches += 1;
        }
        (self.unflushed_bytes, self.unflushed_batches) = (bytes, batches);
    }
}
