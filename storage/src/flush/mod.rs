//! The flusher: one thread that moves what the journal need not keep into segments.
//!
//! ```text
//! a turn: decide ─► write an object ─► list its segments (durable) ─► free journal files ─► delete objects
//!                                                                       └► when nothing is due: merge a little
//! ```
//!
//! It never passes the synced position of the journal. When an object cannot be written (a full disk, say),
//! nothing is lost: the journal keeps what it has, produce goes on until the journal is at its budget, and the
//! flusher tries again, ever more rarely. Only the metadata log's failure stops it, as it stops everything.

mod decide;
mod merge;
mod write;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use strom_protocol::TopicId;

use crate::error::{FlushError, StorageFailed};
use crate::partition::{Context, Partition, Unflushed};
use crate::retention;
use crate::signal::Signal;
use crate::ticket::lock;
use crate::topics::Topics;

use decide::{INDEX_ENTRY_BYTES, Situation, choose};
use write::Round;

/// What an object holds at most, as batches come, but for its last piece.
pub(crate) const OBJECT_BYTES: u64 = 64 << 20;
/// How often the flusher looks around when nothing wakes it.
const TICK: Duration = Duration::from_secs(1);
const BACK_OFF_MIN: Duration = Duration::from_millis(200);
const BACK_OFF_MAX: Duration = Duration::from_secs(10);

/// What flushing is held to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlushOptions {
    /// What a partition flushes at, and what an object is filled to.
    pub(crate) flush_bytes: u64,
    /// What the journal's index may take in memory. Flushed batches leave it at half of that, and partitions
    /// are flushed when those that are only in the journal reach it.
    pub(crate) index_bytes_max: u64,
}

/// Counters for metrics.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) objects: AtomicU64,
    pub(crate) flushed_segments: AtomicU64,
    pub(crate) flushed_bytes: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) merges: AtomicU64,
    pub(crate) merged_bytes: AtomicU64,
}

/// What the flusher's thread and the store share.
#[derive(Debug)]
pub(crate) struct Flusher {
    topics: Arc<Topics>,
    context: Arc<Context>,
    options: FlushOptions,
    pub(crate) counters: Counters,
    /// One turn at a time.
    working: Mutex<()>,
    /// Whether segments were added since merging found nothing more to do.
    is_merge_due: AtomicBool,
    /// Segments that cannot be read, by topic, partition and base offset: they are not tried again.
    unmergeable: Mutex<HashSet<(TopicId, i32, i64)>>,
    stopping: AtomicBool,
    stop: Signal,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Flusher {
    /// Starts the thread.
    pub(crate) fn start(
        topics: Arc<Topics>,
        context: Arc<Context>,
        options: FlushOptions,
    ) -> std::io::Result<Arc<Flusher>> {
        let flusher = Arc::new(Flusher {
            topics,
            context,
            options,
            counters: Counters::default(),
            working: Mutex::default(),
            is_merge_due: AtomicBool::new(true),
            unmergeable: Mutex::default(),
            stopping: AtomicBool::new(false),
            stop: Signal::default(),
            thread: Mutex::default(),
        });
        let worker = Arc::clone(&flusher);
        let thread = std::thread::Builder::new().name("flusher".to_owned()).spawn(move || {
            let body = std::panic::AssertUnwindSafe(|| worker.run());
            if std::panic::catch_unwind(body).is_err() {
                let failure = StorageFailed::new("the flusher's thread panicked");
                worker.context.journal.fail_stop.fail(failure);
            }
        })?;
        *lock(&flusher.thread) = Some(thread);
        Ok(flusher)
    }

    /// Ends the thread; an object that is half written is given up. Idempotent.
    pub(crate) fn close(&self) {
        self.stopping.store(true, Ordering::Release);
        self.stop.raise();
        self.context.journal.upkeep.raise();
        if let Some(thread) = lock(&self.thread).take() {
            // The thread's own guard has reported a panic.
            drop(thread.join());
        }
    }

    fn check_stopping(&self) -> Result<(), FlushError> {
        if self.stopping.load(Ordering::Acquire) {
            return Err(StorageFailed::new("the storage is closed").into());
        }
        Ok(())
    }

    fn run(&self) {
        let mut back_off = BACK_OFF_MIN;
        let mut is_failing = false;
        let mut merge_at = Instant::now();
        while !self.stopping.load(Ordering::Acquire) {
            match self.turn(&mut merge_at) {
                Ok(is_busy) => {
                    if is_failing {
                        tracing::info!("segments can be written again");
                    }
                    (is_failing, back_off) = (false, BACK_OFF_MIN);
                    if !is_busy {
                        self.rest();
                    }
                }
                Err(FlushError::Failed(_)) => return,
                Err(FlushError::Objects(reason)) => {
                    self.counters.failures.fetch_add(1, Ordering::Relaxed);
                    if !is_failing {
                        tracing::warn!(%reason, "segments cannot be written; the journal keeps the records, and it is tried again");
                    }
                    is_failing = true;
                    self.stop.wait(back_off);
                    back_off = (back_off * 2).min(BACK_OFF_MAX);
                }
            }
        }
    }

    /// Waits until there may be something to do. An idle broker costs nothing.
    fn rest(&self) {
        let journal = &self.context.journal;
        let synced_lsn = journal.synced_lsn();
        while !journal.upkeep.wait(TICK) {
            let is_quiet = journal.synced_lsn() == synced_lsn
                && !self.is_merge_due.load(Ordering::Relaxed)
                && lock(&self.context.archive.condemned).is_empty();
            if !is_quiet {
                return;
            }
        }
    }

    /// One turn; whether there was something to flush or to merge.
    fn turn(&self, merge_at: &mut Instant) -> Result<bool, FlushError> {
        let _one_at_a_time = lock(&self.working);
        let flushed = self.flush(false);
        // What could be flushed before a failure makes room all the same.
        self.tidy()?;
        if flushed? > 0 {
            return Ok(true);
        }
        let now = Instant::now();
        if now < *merge_at || !self.is_merge_due.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let merged = self.merge()?;
        self.tidy()?;
        // Rests as long as it worked, so that it takes half a processor at most.
        *merge_at = now + 2 * now.elapsed();
        Ok(merged > 0)
    }

    /// Flushes everything that is synced; gives the number of segments.
    pub(crate) fn flush_now(&self) -> Result<u64, FlushError> {
        let _one_at_a_time = lock(&self.working);
        let mut segments = 0;
        loop {
            let added = self.flush(true)?;
            segments += added;
            if added == 0 {
                self.tidy()?;
                return Ok(segments);
            }
        }
    }

    /// Merges until nothing is left that is worth it; gives the number of segments that were merged.
    pub(crate) fn merge_now(&self) -> Result<u64, FlushError> {
        let _one_at_a_time = lock(&self.working);
        let mut segments = 0;
        loop {
            let merged = self.merge()?;
            segments += merged;
            if merged == 0 {
                self.tidy()?;
                return Ok(segments);
            }
        }
    }

    /// Flushes what is due, or everything; gives the number of segments added.
    fn flush(&self, is_forced: bool) -> Result<u64, FlushError> {
        self.check_stopping()?;
        let journal = &self.context.journal;
        if is_forced {
            let ordinal = journal.request_sync();
            journal.progress.synced.wait_blocking(ordinal)?;
        }
        let partitions = self.topics.all();
        let unflushed: Vec<Unflushed> =
            partitions.iter().map(|partition| partition.unflushed()).collect();
        self.bound_index(&partitions, &unflushed);
        let situation = Situation {
            flush_bytes: self.options.flush_bytes,
            journal_bytes_max: journal.options.retention_bytes,
            is_over_budget: journal.is_over_budget.load(Ordering::Relaxed),
            index_bytes_max: self.options.index_bytes_max,
            synced_lsn: journal.synced_lsn(),
            is_forced,
        };
        let choices = choose(&situation, &unflushed);
        if choices.is_empty() {
            return Ok(0);
        }
        let mut round = Round::new(self, situation.synced_lsn);
        for choice in choices {
            let partition = &partitions[choice.partition];
            let bytes = unflushed[choice.partition].bytes.min(choice.bytes_max);
            if let Err(error) = round.flush(partition, bytes, choice.bytes_max) {
                round.abort();
                return Err(error);
            }
        }
        round.finish()
    }

    /// Lets go of the places of flushed batches when all places together take too much memory.
    fn bound_index(&self, partitions: &[Arc<Partition>], unflushed: &[Unflushed]) {
        let batches: u64 = unflushed.iter().map(|partition| partition.indexed_batches).sum();
        if batches * INDEX_ENTRY_BYTES > self.options.index_bytes_max / 2 {
            for partition in partitions {
                partition.forget_flushed(u64::MAX);
            }
        }
    }

    /// Frees journal files and deletes objects that nobody needs any more.
    fn tidy(&self) -> Result<(), StorageFailed> {
        retention::free_flushed(&self.context, &self.topics)?;
        let archive = &self.context.archive;
        let condemned = std::mem::take(&mut *lock(&archive.condemned));
        if condemned.is_empty() {
            return Ok(());
        }
        // Their keys were removed before they were condemned.
        self.context.metadata.ticket().wait()?;
        for id in condemned {
            if let Err(error) = archive.delete(id) {
                let file = archive.file_of(id);
                tracing::warn!(file = %file.display(), %error, "an object that nobody needs cannot be deleted; the next start tries again");
            }
        }
        Ok(())
    }
}
