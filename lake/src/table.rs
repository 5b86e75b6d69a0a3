//! One topic's table: what is committed, what waits, how it is doing.
//!
//! ```text
//!  offsets of one partition
//!  log start ────── next offset ─────────── last stable ──── log end
//!     in the lake ──┘  └── the lag: what the next commit takes
//! ```
//!
//! The state is behind one short lock that is never held across file I/O. `work` is held by the
//! worker that flushes or purges the table, so that only one ever does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use strom_storage::{Partition, Store};
use tokio::sync::oneshot;

use crate::ahead::Ahead;
use crate::commit::{Committed, TableIdentity};
use crate::maintenance::Unwanted;
use crate::partitioning::Partitioner;
use crate::pointer::Pointer;
use crate::retention::Looked;
use crate::{LakeError, LakeTopic, tailer};

/// The first wait after a failed commit; it doubles up to [`BACKOFF_MS_MAX`].
const BACKOFF_MS: i64 = 1_000;
const BACKOFF_MS_MAX: i64 = 60_000;
/// … unless the bucket is to blame, which is soon found to be back.
const OUTAGE_BACKOFF_MS_MAX: i64 = 15_000;

/// What a table is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableState {
    /// Everything that was committed in the topic is in the table.
    Current,
    /// Records wait for the next commit.
    Lagging,
    /// The last commit failed; the next attempt is not before the given time.
    BackingOff {
        /// Why it failed.
        reason: String,
        /// When it is tried again, in milliseconds since the epoch.
        retry_at_ms: i64,
    },
    /// The table takes no more records, for this reason, and can be read.
    Frozen {
        /// Why.
        reason: String,
    },
    /// The topic has no table, for this reason.
    Suspended {
        /// Why.
        reason: String,
    },
}

/// One topic's lake at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableStatus {
    /// The topic.
    pub topic: String,
    /// Its table.
    pub table: String,
    /// What it is doing.
    pub state: TableState,
    /// Records not yet in the table.
    pub lag_records: u64,
    /// About their size in bytes.
    pub lag_bytes: u64,
    /// Since when there have been any, in milliseconds since the epoch.
    pub lagging_since_ms: Option<i64>,
    /// Figures since the start.
    pub totals: Totals,
}

/// All topics' lakes at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LakeStatus {
    /// In the order of table names.
    pub tables: Vec<TableStatus>,
}

/// Figures of a table since the lake was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Commits.
    pub commits: u64,
    /// Commits that failed.
    pub failures: u64,
    /// Rows written.
    pub rows: u64,
    /// Bytes of data files written.
    pub bytes: u64,
    /// Offsets that could not be read (damaged, or removed before they were taken) and are
    /// therefore not in the table.
    pub skipped_offsets: u64,
    /// Rows that left the table by age.
    pub removed_rows: u64,
}

/// What is not in the table yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lag {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// When the oldest record that waits was first seen waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LaggingSince {
    pub(crate) ms: i64,
    /// The journal's end then.
    pub(crate) journal: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) reason: String,
    pub(crate) retry_at_ms: i64,
    /// The bucket as a whole could not be used.
    pub(crate) is_outage: bool,
    attempts: u32,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// The pointer record as it is in the metadata log.
    pub(crate) pointer: Option<Pointer>,
    /// What the pointer refers to, once it was read from disk.
    pub(crate) committed: Option<Committed>,
    /// No file in the warehouse is left of a commit that never was.
    pub(crate) is_clean: bool,
    pub(crate) lagging_since: Option<LaggingSince>,
    pub(crate) failure: Option<Failure>,
    pub(crate) totals: Totals,
    /// When the table was last loaded or committed: what is idle leaves memory.
    pub(crate) last_used_ms: i64,
    /// A moment up to which the table has everything, by the clock: read before the last stable
    /// offsets of the last flush were. The next snapshot bears this time (commit.rs says why).
    pub(crate) complete_until_ms: i64,
    pub(crate) last_trim_ms: i64,
    pub(crate) unwanted: Unwanted,
    /// The last look at what is too old for the table.
    pub(crate) looked: Option<Looked>,
    /// Whether files that left the table by age are still there, for older snapshots, once that is
    /// known.
    pub(crate) has_removed_files: Option<bool>,
}

impl State {
    /// Notes a failed commit; returns when it may be tried again.
    pub(crate) fn fail(&mut self, error: &LakeError, now_ms: i64) -> i64 {
        let attempts = self.failure.as_ref().map_or(0, |failure| failure.attempts) + 1;
        let longest = if error.is_outage() { OUTAGE_BACKOFF_MS_MAX } else { BACKOFF_MS_MAX };
        let wait = BACKOFF_MS.saturating_mul(1 << (attempts - 1).min(10)).min(longest);
        let retry_at_ms = now_ms.saturating_add(wait);
        let (reason, is_outage) = (error.to_string(), error.is_outage());
        self.failure = Some(Failure { reason, retry_at_ms, is_outage, attempts });
        self.totals.failures += 1;
        retry_at_ms
    }
}

/// Who waits for a table's flush.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    /// In the queue, or to be put there when the running flush ends.
    pub(crate) is_wanted: bool,
    pub(crate) is_running: bool,
    /// In the queue or under way, to encode ahead.
    pub(crate) is_encoding: bool,
    /// Share the next flush: the running one may have looked at the log before they came.
    pub(crate) waiting: Vec<oneshot::Sender<Result<(), LakeError>>>,
}

#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) identity: TableIdentity,
    pub(crate) topic: LakeTopic,
    state: Mutex<State>,
    schedule: Mutex<Schedule>,
    work: Mutex<Ahead>,
    /// Why no more records are taken, if so.
    frozen: Option<String>,
    /// The log starts of the topic's partitions when it was taken up: a partition that was never
    /// committed begins there.
    log_starts: Vec<i64>,
    is_closing: AtomicBool,
}

impl Table {
    pub(crate) fn new(
        identity: TableIdentity,
        topic: LakeTopic,
        pointer: Option<Pointer>,
    ) -> Table {
        let complete_until_ms = topic.created_ms;
        Table {
            identity,
            topic,
            state: Mutex::new(State { pointer, complete_until_ms, ..State::default() }),
            schedule: Mutex::default(),
            work: Mutex::default(),
            frozen: None,
            log_starts: Vec::new(),
            is_closing: AtomicBool::new(false),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn work(&self) -> MutexGuard<'_, Ahead> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// [`work`](Self::work) if nobody has it.
    pub(crate) fn try_work(&self) -> Option<MutexGuard<'_, Ahead>> {
        match self.work.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Whether so much waits that some of it should be encoded ahead of the next commit. Does not
    /// wait for a flush that is running.
    pub(crate) fn wants_encoding(&self, partitions: &[Arc<Partition>]) -> bool {
        if self.is_frozen() {
            return false;
        }
        let Ok(ahead) = self.work.try_lock() else { return false };
        let state = self.state();
        let waiting = partitions.iter().enumerate().map(|(index, partition)| {
            let next = state.pointer.as_ref().map_or(0, |pointer| pointer.next_offset(index));
            let offsets = partition.offsets();
            let from = ahead.next(index).unwrap_or(next.max(offsets.log_start));
            (index, tailer::estimated_bytes(partition, from, offsets.last_stable))
        });
        state.failure.is_none() && ahead.is_due(waiting)
    }

    /// What is in memory may be behind what was done: whoever needs it next reads it again.
    pub(crate) fn read_again(&self, stored: Option<Pointer>) {
        let mut state = self.state();
        state.committed = None;
        state.is_clean = false;
        if stored.as_ref().is_none_or(|pointer| pointer.belongs_to(self.topic.id)) {
            state.pointer = stored;
        }
    }

    /// How the table's rows are split into files by value, if they are.
    pub(crate) fn partitioner(&self) -> Result<Option<Partitioner>, LakeError> {
        match self.topic.partition_by.as_slice() {
            [] => Ok(None),
            fields => {
                let partitioner = Partitioner::new(fields);
                partitioner.map(Some).map_err(self.metadata_error("partition rows"))
            }
        }
    }

    /// Whether the table takes no more records.
    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// The same table, taking no more records for this reason.
    pub(crate) fn frozen(self, reason: String) -> Table {
        Table { frozen: Some(reason), ..self }
    }

    /// The same table, of a topic whose log starts are these by now.
    pub(crate) fn taken_up_at(self, log_starts: Vec<i64>) -> Table {
        Table { log_starts, ..self }
    }

    /// The first offset of a partition that the next commit is to have. The log start may be above
    /// it (a topic that was out of the lake for a while, or whose retention did not wait): what
    /// lies between is missed, and pulling says and counts it.
    pub(crate) fn begin(&self, base: Option<&Committed>, partition: usize) -> i64 {
        match base.and_then(|base| base.pointer.reached.get(partition)) {
            Some(reached) => reached.next_offset,
            None => self.log_starts.get(partition).copied().unwrap_or(0),
        }
    }

    /// From now on flushes stop at the next batch, and no pointer of this table moves.
    pub(crate) fn close(&self) {
        let _state = self.state();
        self.is_closing.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::SeqCst)
    }

    /// The location of the table's data files.
    pub(crate) fn data(&self) -> String {
        format!("{}/data", self.identity.location)
    }

    /// The location of its metadata files.
    pub(crate) fn metadata(&self) -> String {
        format!("{}/metadata", self.identity.location)
    }

    pub(crate) fn closing(&self) -> LakeError {
        LakeError::Closing { table: self.identity.table.clone() }
    }

    pub(crate) fn metadata_error(
        &self,
        action: &'static str,
    ) -> impl FnOnce(iceberg::Error) -> LakeError {
        let table = self.identity.table.clone();
        move |error| LakeError::Metadata { action, table, reason: error.to_string() }
    }

    pub(crate) fn partitions(&self, store: &Store) -> Vec<Arc<Partition>> {
        store.partitions(self.topic.id)
    }

    /// Whether the topic has ever had a record: only then does its table exist for engines.
    pub(crate) fn has_had_a_record(&self, partitions: &[Arc<Partition>]) -> bool {
        self.state().pointer.is_some() || partitions.iter().any(|p| p.offsets().log_end > 0)
    }

    /// What is not in the table yet; bytes are estimated by the partition's mean record.
    pub(crate) fn lag(&self, partitions: &[Arc<Partition>]) -> Lag {
        let mut lag = Lag::default();
        if self.is_frozen() {
            return lag;
        }
        let state = self.state();
        for (index, partition) in partitions.iter().enumerate() {
            let next = state.pointer.as_ref().map_or(0, |pointer| pointer.next_offset(index));
            let offsets = partition.offsets();
            let from = next.max(offsets.log_start);
            if offsets.last_stable <= from {
                continue;
            }
            lag.records += offsets.last_stable.abs_diff(from);
            lag.bytes += tailer::estimated_bytes(partition, from, offsets.last_stable);
        }
        lag
    }

    /// Whether a load may be answered at once: all is in the table, and it was read from disk.
    pub(crate) fn is_fresh(&self, partitions: &[Arc<Partition>]) -> bool {
        self.state().committed.is_some() && (self.is_frozen() || self.has_all(partitions))
    }

    /// Whether a load is to be answered without a flush, because the last one was just now.
    pub(crate) fn is_within_interval(&self, now_ms: i64) -> bool {
        let state = self.state();
        let age_ms = u128::from(now_ms.abs_diff(state.complete_until_ms));
        state.committed.is_some() && age_ms < self.topic.read_flush_min_interval.as_millis()
    }

    /// Whether every record below the last stable offsets is committed.
    pub(crate) fn has_all(&self, partitions: &[Arc<Partition>]) -> bool {
        let state = self.state();
        let Some(committed) = &state.committed else { return false };
        partitions.iter().enumerate().all(|(index, partition)| {
            partition.offsets().last_stable <= committed.pointer.next_offset(index)
        })
    }

    /// Whether everything below these offsets of its partitions is committed.
    pub(crate) fn has_all_below(&self, offsets: &[(i32, i64)]) -> bool {
        let state = self.state();
        let next = |index: i32| {
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            state.pointer.as_ref().map_or(0, |pointer| pointer.next_offset(index))
        };
        offsets.iter().all(|(partition, offset)| next(*partition) >= *offset)
    }

    /// Keeps retention from what the table has not taken yet, unless the topic has it otherwise.
    pub(crate) fn guard(&self, partitions: &[Arc<Partition>]) {
        let state = self.state();
        for (index, partition) in partitions.iter().enumerate() {
            let next = state.pointer.as_ref().map_or(0, |pointer| pointer.next_offset(index));
            partition.set_retention_guard(self.topic.is_retention_guarded.then_some(next));
        }
    }

    pub(crate) fn status(&self, store: &Store) -> TableStatus {
        let lag = self.lag(&self.partitions(store));
        let state = self.state();
        let doing = match &state.failure {
            Some(failure) => TableState::BackingOff {
                reason: failure.reason.clone(),
                retry_at_ms: failure.retry_at_ms,
            },
            None if lag.records > 0 => TableState::Lagging,
            None if self.is_frozen() => {
                TableState::Frozen { reason: self.frozen.clone().unwrap_or_default() }
            }
            None => TableState::Current,
        };
        TableStatus {
            topic: self.topic.name.clone(),
            table: self.identity.table.clone(),
            state: doing,
            lag_records: lag.records,
            lag_bytes: lag.bytes,
            lagging_since_ms: state.lagging_since.map(|since| since.ms),
            totals: state.totals,
        }
    }
}
