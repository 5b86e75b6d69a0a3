//! A partition: a log of batches over the shared journal.
//!
//! ```text
//!  log start ───────────────────────────► high watermark ────────► log end
//!  │ segments       │                      │ readers stop here     │ the next offset
//!          │ index: written, in the journal ──────────────────────►│
//!                        │ tail: the newest, in memory ───────────►│
//! ```
//!
//! One short lock per partition; no I/O under it. Appending takes the journal's queue while it holds the
//! lock, so the order in the journal is the order of offsets. The journal's threads report back through
//! [`Landing`], in that order, which moves the high watermark; readers take what they need from tail, index
//! and segment list and read the disk without any lock.

mod append;
mod batch;
mod epochs;
mod flush;
mod index;
mod producers;
mod read;
mod settings;
mod tail;
mod timestamp;
mod verify;
mod watch;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use strom_protocol::TopicId;
use tokio::sync::Notify;

use crate::archive::Archive;
use crate::error::StorageFailed;
use crate::journal::queue::Entry;
use crate::journal::{Landing, Place, Shared as Journal};
use crate::keys;
use crate::metadata::{Change, MetadataLog, MetadataTicket};
use crate::segment::SegmentCompression;
use crate::segment_list::{ListedSegment, SegmentList};
use crate::ticket::lock;

pub use append::{AppendRequest, Appended, Origin};
pub use batch::{Isolation, Offsets, Read, ReadLimits, StoredBatch, TimestampOffset};
pub use settings::PartitionSettings;
pub use watch::Subscription;

pub(crate) use epochs::Epochs;
pub(crate) use flush::{JournalNeed, Unflushed};
pub(crate) use index::{Index, IndexEntry};
pub(crate) use producers::Producers;
pub(crate) use tail::TailBudget;

use tail::{Tail, charge_of};
use watch::Subscribers;

/// What all partitions of a store share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) journal: Arc<Journal>,
    pub(crate) metadata: MetadataLog,
    pub(crate) archive: Arc<Archive>,
    pub(crate) tail_budget: TailBudget,
    /// One at a time frees journal files.
    pub(crate) freeing: Mutex<()>,
    /// Where the next recovery begins, as the metadata log has it.
    pub(crate) replay: Mutex<Place>,
    pub(crate) leader_epoch: i32,
    /// Whether every topic waits for the sync (`flush.policy=sync`).
    pub(crate) syncs_all: bool,
    pub(crate) producer_id_expiration_ms: i64,
}

/// Offsets that cannot be read: from, to (exclusive), and where the damage is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LostRange {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) file: PathBuf,
    pub(crate) position: u64,
}

/// What a partition starts from.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    pub(crate) log_start: i64,
    pub(crate) log_end: i64,
    pub(crate) segments: SegmentList,
    pub(crate) index: Index,
    pub(crate) epochs: Epochs,
    pub(crate) producers: Producers,
    /// The log end at the last snapshot of the producers.
    pub(crate) snapshot_offset: i64,
    /// By ascending offsets.
    pub(crate) lost: Vec<LostRange>,
}

/// One partition of a topic.
#[derive(Debug)]
pub struct Partition {
    topic: TopicId,
    index: i32,
    context: Arc<Context>,
    me: Weak<Partition>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    settings: PartitionSettings,
    log_start: i64,
    high_watermark: i64,
    log_end: i64,
    retention_guard: Option<i64>,
    is_deleted: bool,
    producers: Producers,
    tail: Tail,
    index: Index,
    epochs: Epochs,
    segments: SegmentList,
    /// Behind the last batch that went into a segment.
    flushed: i64,
    /// Of the batches that are only in the journal.
    unflushed_bytes: u64,
    unflushed_batches: u64,
    /// By ascending offsets.
    lost: Vec<LostRange>,
    subscribers: Subscribers,
    /// The journal's ordinal of the last batch.
    last_ordinal: u64,
    /// The log end at the last snapshot of the producers.
    snapshot_offset: i64,
}

impl Partition {
    pub(crate) fn new(
        topic: TopicId,
        index: i32,
        settings: PartitionSettings,
        context: Arc<Context>,
        recovered: Recovered,
    ) -> Arc<Partition> {
        let mut epochs = recovered.epochs;
        epochs.note(context.leader_epoch, recovered.log_end);
        epochs.drop_below(recovered.log_start);
        let mut state = State {
            settings,
            log_start: recovered.log_start,
            high_watermark: recovered.log_end,
            log_end: recovered.log_end,
            retention_guard: None,
            is_deleted: false,
            producers: recovered.producers,
            tail: Tail::default(),
            index: recovered.index,
            epochs,
            flushed: recovered.segments.end().unwrap_or_default(),
            segments: recovered.segments,
            unflushed_bytes: 0,
            unflushed_batches: 0,
            lost: recovered.lost,
            subscribers: Subscribers::default(),
            last_ordinal: 0,
            snapshot_offset: recovered.snapshot_offset,
        };
        state.count_unflushed();
        state.assert_order();
        let state = Mutex::new(state);
        Arc::new_cyclic(|me| Partition { topic, index, context, me: Weak::clone(me), state })
    }

    /// The topic.
    pub fn topic_id(&self) -> TopicId {
        self.topic
    }

    /// The partition's index in its topic.
    pub fn index(&self) -> i32 {
        self.index
    }

    /// The leader epoch of new batches.
    pub fn leader_epoch(&self) -> i32 {
        self.context.leader_epoch
    }

    /// The bytes of the batches from the log start on, as consumers get them. A segment that the log start
    /// lies in counts entirely.
    pub fn size_bytes(&self) -> u64 {
        self.state().size_bytes()
    }

    /// Whether its topic was deleted.
    pub fn is_deleted(&self) -> bool {
        self.state().is_deleted
    }

    /// The offsets at this moment.
    pub fn offsets(&self) -> Offsets {
        self.state().offsets(self.context.leader_epoch)
    }

    /// The first offset that is read from memory: reads from there on need no disk.
    pub fn tail_start(&self) -> i64 {
        self.state().tail_start()
    }

    /// Moves the log start up to `to`: at most to the high watermark, never past what is synced (under the
    /// `os` policy sync first to get all the way), never back. Visible at once; what was below is freed only
    /// when the change is durable.
    pub fn advance_log_start(&self, to: i64) -> Result<MetadataTicket, StorageFailed> {
        if let Some(failure) = self.context.journal.fail_stop.failure() {
            return Err(failure);
        }
        let mut state = self.state();
        let synced_lsn = self.context.journal.synced_lsn();
        let unsynced = state.index.at_lsn(synced_lsn).map_or(i64::MAX, |entry| entry.base_offset);
        let to = to.min(state.high_watermark).min(unsynced);
        if to <= state.log_start || state.is_deleted {
            return Ok(self.context.metadata.ticket());
        }
        state.log_start = to;
        state.index.drop_below(to);
        state.epochs.drop_below(to);
        state.assert_order();
        state.subscribers.notify();
        let mut changes =
            vec![keys::put(keys::log_start(self.topic, self.index), &to.to_le_bytes())];
        let (gone, lost) =
            std::mem::take(&mut state.lost).into_iter().partition(|lost| lost.to <= to);
        state.lost = lost;
        let gone: Vec<LostRange> = gone;
        changes
            .extend(gone.iter().map(|lost| keys::delete_lost(self.topic, self.index, lost.from)));
        let dropped = state.segments.take_below(to);
        changes.extend(dropped.iter().map(|segment| Change::Delete {
            key: keys::segment(self.topic, self.index, segment.base_offset),
        }));
        state.count_unflushed();
        // Applied under the lock, so that a later advance is never overtaken by an earlier one; and before
        // the segments are let go, so that no object goes before its key has.
        let ticket = self.context.metadata.apply(changes);
        drop(state);
        drop(dropped);
        Ok(ticket)
    }

    /// Notifies (one permit each) when the high watermark or the log start advances, on deletion and on
    /// shutdown, until the subscription is dropped.
    pub fn subscribe(self: &Arc<Self>, notify: &Arc<Notify>) -> Subscription {
        let id = self.state().subscribers.add(notify);
        Subscription::new(Arc::downgrade(self), id)
    }

    /// Retention removes nothing at or above this offset; `None` lifts it.
    pub fn set_retention_guard(&self, guard: Option<i64>) {
        self.state().retention_guard = guard;
    }

    pub(crate) fn set_settings(&self, settings: PartitionSettings) {
        self.state().settings = settings;
    }

    /// Ends reads, appends and waits. Gives the segments, to be let go when their keys are removed.
    pub(crate) fn delete(&self) -> Vec<Arc<ListedSegment>> {
        let mut state = self.state();
        state.is_deleted = true;
        (state.unflushed_bytes, state.unflushed_batches) = (0, 0);
        state.tail.clear();
        state.index.clear();
        state.producers = Producers::default();
        state.subscribers.notify();
        state.segments.take_below(i64::MAX)
    }

    pub(crate) fn wake_subscribers(&self) {
        self.state().subscribers.notify();
    }

    /// Where retention would move the log start to: behind whole segments, then behind batches that are only
    /// in the journal; `None` if it stays. `active_lsn` is the start of the file that is written to, which
    /// retention leaves alone.
    pub(crate) fn retention_start(&self, now_ms: i64, active_lsn: u64) -> Option<i64> {
        let state = self.state();
        let settings = &state.settings;
        let limit = state.retention_guard.unwrap_or(i64::MAX).min(state.high_watermark);
        let mut bytes = state.size_bytes() as i64;
        let mut is_done = |next_offset: i64, max_timestamp: i64, taken: u64| {
            let age_ms = now_ms.saturating_sub(max_timestamp);
            let is_old =
                settings.retention_ms >= 0 && max_timestamp >= 0 && age_ms > settings.retention_ms;
            bytes -= taken as i64;
            let is_over = settings.retention_bytes >= 0 && bytes >= settings.retention_bytes;
            next_offset <= limit && (is_old || is_over)
        };
        let mut start = None;
        for segment in state.segments.iter() {
            if !is_done(segment.next_offset, segment.max_timestamp, segment.wire_bytes) {
                return start;
            }
            start = Some(segment.next_offset);
        }
        for entry in state.index.from(state.flush_start()) {
            let is_removable = entry.lsn < active_lsn;
            if !is_removable
                || !is_done(entry.next_offset(), entry.max_timestamp, u64::from(entry.bytes))
            {
                break;
            }
            start = Some(entry.next_offset());
        }
        start
    }

    /// Whether a file of the journal holds batches of this partition that can be read.
    pub(crate) fn has_batches_in(&self, first_lsn: u64, end_lsn: u64) -> bool {
        self.state().index.at_lsn(first_lsn).is_some_and(|entry| entry.lsn < end_lsn)
    }

    pub(crate) fn segment_compression(&self) -> SegmentCompression {
        self.state().settings.segment_compression
    }

    pub(crate) fn expire_producers(&self, now_ms: i64) -> u64 {
        self.state().producers.expire(now_ms, self.context.producer_id_expiration_ms)
    }

    /// The producers' state as a value of the metadata log, and the ordinal that must be synced before the
    /// value may be written; `None` if it is empty, or did not change since it was taken last.
    pub(crate) fn take_producer_snapshot(&self) -> Option<(Vec<u8>, u64)> {
        let mut state = self.state();
        if state.producers.is_empty() || state.snapshot_offset == state.log_end {
            return None;
        }
        state.snapshot_offset = state.log_end;
        Some((state.producers.encode(state.log_end), state.last_ordinal))
    }

    /// Lets the oldest batch of the tail go. It is written: the budget counts written batches only.
    fn evict_oldest(&self) {
        self.state().tail.pop();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Landing for Partition {
    fn written(&self, entry: &Entry, lsn: u64) {
        let mut state = self.state();
        if state.is_deleted {
            return;
        }
        let batch = IndexEntry {
            base_offset: entry.head.base_offset,
            lsn,
            max_timestamp: entry.max_timestamp,
            bytes: entry.head.payload_bytes,
            offsets: entry.head.offsets,
        };
        state.index.push(batch);
        state.unflushed_bytes += u64::from(batch.bytes);
        state.unflushed_batches += 1;
        if !entry.needs_sync {
            state.advance_high_watermark(batch.next_offset());
        }
        drop(state);
        self.context.tail_budget.charge(&self.me, charge_of(batch.bytes as usize));
    }

    fn synced(&self, offset: i64) {
        self.state().advance_high_watermark(offset);
    }
}

impl State {
    fn offsets(&self, leader_epoch: i32) -> Offsets {
        Offsets {
            log_start: self.log_start,
            last_stable: self.high_watermark,
            high_watermark: self.high_watermark,
            log_end: self.log_end,
            leader_epoch,
        }
    }

    fn size_bytes(&self) -> u64 {
        self.segments.wire_bytes() + self.unflushed_bytes
    }

    /// Where the journal's index begins: what lies below is in segments only.
    fn journal_start(&self) -> i64 {
        let tail_start = self.tail_start();
        self.index.first().map_or(tail_start, |first| first.base_offset.min(tail_start))
    }

    fn tail_start(&self) -> i64 {
        self.tail.start().unwrap_or(self.log_end)
    }

    fn advance_high_watermark(&mut self, to: i64) {
        if to > self.high_watermark && !self.is_deleted {
            self.high_watermark = to;
            self.assert_order();
            self.subscribers.notify();
        }
    }

    /// log start <= high watermark <= log end.
    fn assert_order(&self) {
        assert!(
            self.log_start <= self.high_watermark && self.high_watermark <= self.log_end,
            "offsets out of order: log start {}, high watermark {}, log end {}",
            self.log_start,
            self.high_watermark,
            self.log_end
        );
    }
}
