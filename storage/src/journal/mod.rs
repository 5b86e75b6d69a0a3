//! The journal: one write-ahead log for all partitions, and the store of their batches.
//!
//! ```text
//! append (partition lock) ─► queue ─► writer: one vectored write ─► syncer: one fdatasync
//!                              ▲          │ written: index, high       │ synced: high watermark,
//!                              │          ▼ watermark under `os`       ▼ tickets
//!                           room ◄── preparer: zero-fills the next file ahead, recycles freed ones
//! ```
//!
//! The next write overlaps the sync. An entry gets its room, and so its file, when it is queued: a full disk
//! or a full budget shows there, before anything is sequenced. The journal knows entries and the [`Landing`]
//! that is told of their fate; what offsets and producers mean is the partitions' business.
//!
//! LSN: the position in the sequence of all bytes ever written (see [`file`]).

pub(crate) mod entry;
pub(crate) mod file;
mod preparer;
pub(crate) mod queue;
pub(crate) mod scan;
mod syncer;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::StorageFailed;
use crate::io::Disk;
use crate::signal::Signal;
use crate::ticket::{FailStop, JournalProgress, lock};

use file::JournalFile;
use preparer::Preparer;
pub(crate) use preparer::{create as create_file, new_nonce};
use queue::{Entry, Queue};
use syncer::SyncQueue;

/// How long an append waits for the next file, when it comes faster than files are prepared.
const ROOM_WAIT: Duration = Duration::from_secs(10);

/// Who is told what became of an entry. Called by the journal's threads, in the order of the queue.
pub(crate) trait Landing: Send + Sync + Debug {
    /// The entry is written: its payload is at `lsn`.
    fn written(&self, entry: &Entry, lsn: u64);
    /// Everything of this partition below `offset` is synced.
    fn synced(&self, offset: i64);
}

/// What the journal is opened with.
#[derive(Clone, Debug)]
pub(crate) struct JournalOptions {
    pub(crate) dir: PathBuf,
    pub(crate) cluster_id: [u8; 16],
    pub(crate) file_bytes: u64,
    pub(crate) retention_bytes: u64,
    /// Whether every write is synced at once, or by the background sync only.
    pub(crate) syncs_every_write: bool,
}

/// Where the journal goes on.
#[derive(Debug)]
pub(crate) struct Start {
    /// The files in use; the last one is written to.
    pub(crate) files: Vec<Arc<JournalFile>>,
    /// Files that hold nothing, to be recycled.
    pub(crate) spares: Vec<Arc<JournalFile>>,
    pub(crate) position: u64,
    pub(crate) sequence: u64,
    /// A generation above all that is on disk.
    pub(crate) generation: u64,
    /// The greatest number in a file's name.
    pub(crate) last_number: u64,
}

/// A place between two groups, from which the journal can be read on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) lsn: u64,
    /// The sequence of the group there; 0 if it is not known, which only the start of a file allows.
    pub(crate) sequence: u64,
    /// No group from there on has a lower one.
    pub(crate) generation: u64,
}

/// Counters for metrics.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) syncs: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) appends: AtomicU64,
    pub(crate) append_bytes: AtomicU64,
}

/// What the journal's threads and the partitions share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: JournalOptions,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) queue: Mutex<Queue>,
    /// Signalled when there is something to write.
    queued: Condvar,
    /// Signalled when there is a next file, or none can be had.
    room_changed: Condvar,
    /// Signalled when a next file is wanted, or room was freed.
    file_wanted: Condvar,
    sync_queue: Mutex<SyncQueue>,
    sync_wanted: Condvar,
    pub(crate) progress: Arc<JournalProgress>,
    files: RwLock<BTreeMap<u64, Arc<JournalFile>>>,
    pub(crate) spares: Mutex<Vec<Arc<JournalFile>>>,
    pub(crate) written_lsn: AtomicU64,
    pub(crate) synced_lsn: AtomicU64,
    /// Behind the last group that is synced.
    synced_place: Mutex<Place>,
    pub(crate) counters: Counters,
    pub(crate) fail_stop: Arc<FailStop>,
    /// Notified when the budget leaves no room for the next file, and none was made in time.
    pub(crate) pressure: tokio::sync::Notify,
    /// Whether the budget leaves no room for the next file.
    pub(crate) is_over_budget: AtomicBool,
    /// Raised when a file was begun, or the budget leaves no room for the next one.
    pub(crate) upkeep: Signal,
}

/// The journal with its threads.
#[derive(Debug)]
pub(crate) struct Journal {
    pub(crate) shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Journal {
    /// Starts the threads.
    pub(crate) fn start(
        options: JournalOptions,
        disk: Arc<dyn Disk>,
        fail_stop: Arc<FailStop>,
        start: Start,
    ) -> std::io::Result<Journal> {
        let active = Arc::clone(start.files.last().expect("a journal has a file"));
        let end_lsn = active.first_lsn() + start.position;
        let files = start.files.iter().map(|file| (file.first_lsn(), Arc::clone(file))).collect();
        let synced_place =
            Place { lsn: end_lsn, sequence: start.sequence, generation: start.generation };
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::new(&active, start.position)),
            queued: Condvar::new(),
            room_changed: Condvar::new(),
            file_wanted: Condvar::new(),
            sync_queue: Mutex::default(),
            sync_wanted: Condvar::new(),
            progress: Arc::default(),
            files: RwLock::new(files),
            spares: Mutex::new(start.spares),
            written_lsn: AtomicU64::new(end_lsn),
            synced_lsn: AtomicU64::new(end_lsn),
            synced_place: Mutex::new(synced_place),
            counters: Counters::default(),
            pressure: tokio::sync::Notify::new(),
            is_over_budget: AtomicBool::new(false),
            upkeep: Signal::default(),
            options,
            disk,
            fail_stop,
        });
        let journal = Journal { shared: Arc::clone(&shared), threads: Mutex::default() };
        let generation = Arc::new(AtomicU64::new(start.generation));
        let writer = writer::Writer::new(
            Arc::clone(&shared),
            active,
            writer::Position { at: start.position, sequence: start.sequence },
            Arc::clone(&generation),
        );
        let preparer = Preparer::new(Arc::clone(&shared), generation, start.last_number);
        let syncer = syncer::Syncer::new(Arc::clone(&shared));
        journal.spawn("journal-writer", move || writer.run())?;
        journal.spawn("journal-syncer", move || syncer.run())?;
        journal.spawn("journal-preparer", move || preparer.run())?;
        Ok(journal)
    }

    fn spawn(&self, name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        let fail_stop = Arc::clone(&self.shared.fail_stop);
        let progress = Arc::clone(&self.shared.progress);
        let guarded = move || {
            // A panic of ours must stop the storage, not leave appends waiting for ever.
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).is_err() {
                let failure = StorageFailed::new("a thread of the journal panicked");
                fail_stop.fail(failure.clone());
                progress.written.end(failure.clone());
                progress.synced.end(failure);
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(guarded)?;
        lock(&self.threads).push(thread);
        Ok(())
    }

    /// Writes and syncs what is queued and ends the threads. Later appends fail. Idempotent.
    pub(crate) fn close(&self) -> Result<(), StorageFailed> {
        let last = self.shared.queue().close();
        self.shared.queued.notify_all();
        self.shared.file_wanted.notify_all();
        self.shared.room_changed.notify_all();
        self.shared.request_sync();
        let result = self.shared.progress.synced.wait_blocking(last);
        lock(&self.shared.sync_queue).is_closing = true;
        self.shared.sync_wanted.notify_all();
        for thread in lock(&self.threads).drain(..) {
            // The thread's own guard has reported a panic.
            drop(thread.join());
        }
        result
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        drop(self.close());
    }
}

impl Shared {
    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    /// Lets go of the queue and wakes those who have work by now.
    pub(crate) fn release(&self, mut queue: MutexGuard<'_, Queue>) {
        let wakes_writer = std::mem::take(&mut queue.is_writer_waiting);
        let wakes_preparer = queue.is_file_wanted();
        drop(queue);
        if wakes_writer {
            self.queued.notify_one();
        }
        if wakes_preparer {
            self.file_wanted.notify_one();
        }
    }

    /// Waits until the next file is there or refused; false if neither came in time.
    pub(crate) fn wait_for_room(&self) -> bool {
        let queue = self.queue();
        let result =
            self.room_changed.wait_timeout_while(queue, ROOM_WAIT, |queue| queue.is_file_wanted());
        let (_queue, timeout) = result.unwrap_or_else(PoisonError::into_inner);
        !timeout.timed_out()
    }

    /// Asks for a sync of what is queued by now, whatever the policy; gives the ordinal to wait for.
    pub(crate) fn request_sync(&self) -> u64 {
        let ordinal = self.queue().last_ordinal();
        let mut sync_queue = lock(&self.sync_queue);
        sync_queue.requested = sync_queue.requested.max(ordinal);
        drop(sync_queue);
        self.sync_wanted.notify_one();
        ordinal
    }

    /// The file with an LSN; `None` once it was freed.
    pub(crate) fn file_at(&self, lsn: u64) -> Option<Arc<JournalFile>> {
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        let (_, file) = files.range(..=lsn).next_back()?;
        file.contains(lsn).then(|| Arc::clone(file))
    }

    pub(crate) fn files(&self) -> Vec<Arc<JournalFile>> {
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        files.values().cloned().collect()
    }

    fn add_file(&self, file: &Arc<JournalFile>) {
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        files.insert(file.first_lsn(), Arc::clone(file));
    }

    /// Takes a file that nobody needs any more out of use. Readers that have it keep it unchanged.
    pub(crate) fn free(&self, file: &Arc<JournalFile>) {
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        if files.remove(&file.first_lsn()).is_none() {
            return;
        }
        drop(files);
        lock(&self.spares).push(Arc::clone(file));
        let mut queue = self.queue();
        queue.retry_refused();
        drop(queue);
        self.file_wanted.notify_one();
    }

    /// Where new bytes go: retention never touches the file with this LSN or one behind it.
    pub(crate) fn written_lsn(&self) -> u64 {
        self.written_lsn.load(Ordering::Acquire)
    }

    pub(crate) fn synced_lsn(&self) -> u64 {
        self.synced_lsn.load(Ordering::Acquire)
    }

    /// Where everything before is synced, and known to the partitions.
    pub(crate) fn synced_place(&self) -> Place {
        *lock(&self.synced_place)
    }

    /// Ends everything: the first failure is the reason that everyone gets.
    fn fail(&self, reason: String) {
        let failure = StorageFailed::new(reason);
        tracing::error!(reason = %failure.reason, "journal failed");
        self.fail_stop.fail(failure.clone());
        self.queue().fail(failure.clone());
        self.progress.written.end(failure.clone());
        self.progress.synced.end(failure);
        self.queued.notify_all();
        self.room_changed.notify_all();
        self.file_wanted.notify_all();
        lock(&self.sync_queue).is_closing = true;
        self.sync_wanted.notify_all();
    }
}
