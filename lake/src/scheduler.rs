//! When tables are flushed, and by whom.
//!
//! A small pool of low-priority threads takes tables from one queue; its size is the bound on
//! flushes at once. A table is in the queue at most once, and flushed by one worker at a time:
//! whoever asks while it is being flushed shares the next one, because the running one may have
//! looked at the log before. The ticker looks at the log from time to time and asks for what
//! lags by enough bytes, for too long, or while the journal fills. When a flush has answered who
//! waited for it, the rows that are too old for its table leave it.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::catalog::garbage;
use crate::lake::Shared;
use crate::table::{Lag, LaggingSince, Table};
use crate::{LakeError, flush, retention};

/// How often the ticker looks whether anything was appended …
const TICK: Duration = Duration::from_millis(250);
/// … and how often at tables that take data so fast that it is encoded as it comes.
const FAST_TICK: Duration = Duration::from_millis(50);
const FAST_PER_TICK: u32 = 5;
/// Every so many ticks it looks even though nothing was appended, to let go of idle tables.
const TICKS_PER_SWEEP: u32 = 240;
/// A table's metadata leaves memory when nobody has asked for it for so long.
const IDLE_MS: i64 = 10 * 60 * 1000;
/// A table with so much to commit is looked at often.
const BUSY_BYTES: u64 = 1 << 20;
/// Added to the threads' niceness: produce and fetch come first.
const NICE: i32 = 10;

/// Something for a worker to do.
#[derive(Debug)]
enum Job {
    Flush(Arc<Table>),
    /// Encode what waits, ahead of the next flush.
    Encode(Arc<Table>),
    /// Remove all files of a dropped table, or of a directory that nothing refers to.
    Purge(Option<Arc<Table>>, String),
    /// Remove what the catalog has marked as unwanted.
    Sweep,
}

#[derive(Debug, Default)]
struct Jobs {
    queue: VecDeque<Job>,
    is_closing: bool,
}

/// The queue that workers take from.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    jobs: Mutex<Jobs>,
    /// Workers wait here; each job wakes one.
    pushed: Condvar,
    /// The ticker waits here, so that it never takes a wake-up meant for a worker.
    closed: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, job: Job) {
        let mut jobs = self.lock();
        jobs.queue.push_back(job);
        self.pushed.notify_one();
    }

    /// The next job; nothing once the lake closes.
    fn take(&self) -> Option<Job> {
        let mut jobs = self.lock();
        loop {
            if jobs.is_closing {
                return None;
            }
            if let Some(job) = jobs.queue.pop_front() {
                return Some(job);
            }
            jobs = self.pushed.wait(jobs).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for a tick; true once the lake closes.
    fn tick(&self, wait: Duration) -> bool {
        let jobs = self.lock();
        if jobs.is_closing {
            return true;
        }
        let waited = self.closed.wait_timeout_while(jobs, wait, |jobs| !jobs.is_closing);
        waited.map_or(true, |(jobs, _)| jobs.is_closing)
    }

    pub(crate) fn close(&self) {
        self.lock().is_closing = true;
        self.pushed.notify_all();
        self.closed.notify_all();
    }

    /// Asks for a flush that sees everything committed so far; who waits shares it.
    pub(crate) fn want(
        &self,
        table: &Arc<Table>,
        waiter: Option<oneshot::Sender<Result<(), LakeError>>>,
    ) {
        let mut schedule = table.schedule();
        schedule.waiting.extend(waiter);
        if schedule.is_wanted {
            return;
        }
        schedule.is_wanted = true;
        if !schedule.is_running {
            self.push(Job::Flush(Arc::clone(table)));
        }
    }

    /// Asks for what waits to be encoded, unless a flush is to do that anyway.
    fn encode(&self, table: &Arc<Table>) {
        let mut schedule = table.schedule();
        if !schedule.is_wanted && !schedule.is_running && !schedule.is_encoding {
            schedule.is_encoding = true;
            self.push(Job::Encode(Arc::clone(table)));
        }
    }

    /// Asks for the removal of a directory, after the flush of its table that may be running.
    pub(crate) fn purge(&self, table: Option<Arc<Table>>, location: String) {
        self.push(Job::Purge(table, location));
    }

    /// Asks for the removal of what the catalog has marked as unwanted.
    pub(crate) fn sweep(&self) {
        self.push(Job::Sweep);
    }
}

/// Starts the workers and the ticker.
pub(crate) fn start(shared: &Arc<Shared>) -> Result<Vec<JoinHandle<()>>, LakeError> {
    let mut threads = Vec::new();
    let spool = shared.options.spool.clone();
    let spawn = |name: String, body: fn(&Shared)| {
        let shared = Arc::clone(shared);
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            lower_priority();
            body(&shared);
        });
        thread.map_err(|e| LakeError::io("start a thread for", &spool, e))
    };
    for index in 0..shared.options.threads.max(1) {
        threads.push(spawn(format!("strom-lake-{index}"), work)?);
    }
    threads.push(spawn("strom-lake-tick".into(), tick)?);
    Ok(threads)
}

/// On Linux niceness belongs to the thread, and lowering one's own priority needs no right.
fn lower_priority() {
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "lake thread keeps its priority");
    }
}

/// Waits for a future on a worker's thread, which has no runtime: storage's need none.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

fn work(shared: &Shared) {
    while let Some(job) = shared.queue.take() {
        match job {
            Job::Flush(table) => run(shared, &table),
            Job::Sweep => garbage::sweep(shared),
            Job::Encode(table) => {
                guarded(shared, &table, flush::encode_ahead, |result| {
                    // Success is no news: only a commit ends a back-off.
                    if result.is_err() {
                        settle(shared, &table, result);
                    }
                });
                table.schedule().is_encoding = false;
            }
            Job::Purge(table, location) => {
                // Nobody writes below it once the work on its table has ended.
                if let Some(table) = table {
                    table.work().discard();
                }
                if let Err(error) = shared.purge(&location) {
                    tracing::warn!(%error, "files of a dropped table stay until the next start");
                }
            }
        }
    }
}

fn run(shared: &Shared, table: &Arc<Table>) {
    let waiting = {
        let mut schedule = table.schedule();
        schedule.is_running = true;
        schedule.is_wanted = false;
        std::mem::take(&mut schedule.waiting)
    };
    let mut is_current = false;
    guarded(shared, table, flush::flush, |result| {
        is_current = result.is_ok();
        settle(shared, table, result);
        for waiter in waiting {
            // Whoever gave up waiting needs no answer.
            drop(waiter.send(result.clone()));
        }
    });
    let now_ms = (shared.options.clock)();
    if is_current && retention::due_ms(table).is_some_and(|due_ms| due_ms <= now_ms) {
        guarded(shared, table, retention::apply, |result| note_removal(table, result));
    }
    let mut schedule = table.schedule();
    schedule.is_running = false;
    if schedule.is_wanted {
        shared.queue.push(Job::Flush(Arc::clone(table)));
    }
}

/// Does something with a table; a failure, our own bugs included, stays with that table.
fn guarded(
    shared: &Shared,
    table: &Table,
    job: fn(&Shared, &Table) -> Result<(), LakeError>,
    end: impl FnOnce(&Result<(), LakeError>),
) {
    let result = catch_unwind(AssertUnwindSafe(|| job(shared, table)))
        .unwrap_or_else(|panic| Err(panicked(table, panic.as_ref())));
    end(&result);
}

fn panicked(table: &Table, panic: &(dyn std::any::Any + Send)) -> LakeError {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
    LakeError::Metadata {
        action: "commit",
        table: table.identity.table.clone(),
        reason: said.to_string(),
    }
}

/// Notes how a flush went.
fn settle(shared: &Shared, table: &Table, result: &Result<(), LakeError>) {
    let now_ms = (shared.options.clock)();
    match result {
        Ok(()) => {
            let mut state = table.state();
            state.lagging_since = None;
            if state.failure.take().is_some() {
                tracing::info!(table = table.identity.table, "the table is committed again");
            }
        }
        Err(LakeError::Closing { .. }) => {}
        Err(error) => {
            let retry_at_ms = table.state().fail(error, now_ms);
            table.read_again(shared.stored_pointer(&table.identity));
            let (table, topic) = (&table.identity.table, &table.topic.name);
            if error.is_outage() {
                // The bucket's own line has said it for all of its tables.
                tracing::debug!(table, topic, %error, retry_at_ms, "commit failed");
            } else {
                tracing::warn!(table, topic, %error, retry_at_ms, "commit failed");
            }
        }
    }
}

/// Notes how the removal of old rows went: if it failed, commits go on, and it is tried again.
fn note_removal(table: &Table, result: &Result<(), LakeError>) {
    let (table, topic) = (&table.identity.table, &table.topic.name);
    match result {
        Err(error) if !matches!(error, LakeError::Closing { .. }) && !error.is_outage() => {
            tracing::warn!(table, topic, %error, "rows that are too old stay for now");
        }
        Err(_) | Ok(()) => {}
    }
}

fn tick(shared: &Shared) {
    let mut seen = None;
    let mut is_quiet = false;
    let mut busy: Vec<Arc<Table>> = Vec::new();
    let mut removal_due_ms = i64::MAX;
    let mut ticks = 0;
    loop {
        if wait(shared, &busy) {
            return;
        }
        ticks = (ticks + 1) % TICKS_PER_SWEEP;
        let journal = shared.store.stats().append_bytes;
        let now_ms = (shared.options.clock)();
        if is_quiet && seen == Some(journal) && ticks != 0 && now_ms < removal_due_ms {
            continue;
        }
        seen = Some(journal);
        is_quiet = true;
        removal_due_ms = i64::MAX;
        busy.clear();
        let mut removes = false;
        for table in shared.tables() {
            let lag = look(shared, &table, (now_ms, journal), &mut removes);
            is_quiet &= lag.records == 0;
            removal_due_ms = removal_due_ms.min(retention::due_ms(&table).unwrap_or(i64::MAX));
            if lag.bytes >= BUSY_BYTES {
                busy.push(Arc::clone(&table));
            }
            let mut state = table.state();
            if lag.records == 0 && now_ms.saturating_sub(state.last_used_ms) >= IDLE_MS {
                state.committed = None;
            }
        }
    }
}

/// Waits for the next tick, and meanwhile has what comes to busy tables encoded; true at the end.
fn wait(shared: &Shared, busy: &[Arc<Table>]) -> bool {
    if busy.is_empty() {
        return shared.queue.tick(TICK);
    }
    for _ in 0..FAST_PER_TICK {
        for table in busy {
            if table.wants_encoding(&table.partitions(&shared.store)) {
                shared.queue.encode(table);
            }
        }
        if shared.queue.tick(FAST_TICK) {
            return true;
        }
    }
    false
}

/// Asks for a flush of one table if it is due; returns how far it lags. `removes` says that a removal of
/// old rows was asked for in this tick.
fn look(
    shared: &Shared,
    table: &Arc<Table>,
    (now_ms, journal): (i64, u64),
    removes: &mut bool,
) -> Lag {
    let lag = table.lag(&table.partitions(&shared.store));
    let backs_off = table.state().failure.as_ref().is_some_and(|f| now_ms < f.retry_at_ms);
    if lag.records == 0 {
        // Rows that are too old leave the table behind a flush; one table at a time.
        let due_ms = retention::due_ms(table).unwrap_or(i64::MAX);
        if !backs_off && due_ms <= now_ms && !std::mem::replace(removes, true) {
            shared.queue.want(table, None);
        }
        return lag;
    }
    let options = &shared.options;
    let freshness = table.topic.freshness.unwrap_or(options.freshness);
    let is_due = {
        let mut state = table.state();
        let since = *state.lagging_since.get_or_insert(LaggingSince { ms: now_ms, journal });
        let lagged_ms = u128::from(now_ms.abs_diff(since.ms));
        let pressure = journal.saturating_sub(since.journal) >= options.journal_pressure_bytes;
        let is_behind = lag.bytes >= options.commit_bytes || lagged_ms >= freshness.as_millis();
        !backs_off && (is_behind || pressure)
    };
    if is_due {
        shared.queue.want(table, None);
    }
    lag
}
