//! The syncer: one fdatasync for everything that was written before it began.
//!
//! While it syncs, the writer writes on; what gathers meanwhile shares the next sync.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::file::JournalFile;
use super::{Landing, Place, Shared};
use crate::ticket::lock;

/// How long written bytes stay unsynced when nobody waits for them (`flush.policy=os`).
const BACKGROUND_INTERVAL: Duration = Duration::from_secs(1);

/// A group that was written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) file: Arc<JournalFile>,
    /// Behind the group.
    pub(super) end: Place,
    pub(super) ordinal: u64,
    /// Whose high watermark waits for the sync, and up to where.
    pub(super) waiting: Vec<(Arc<dyn Landing>, i64)>,
    pub(super) needs_sync: bool,
}

impl Written {
    /// The last group of a file, which holds no entries.
    pub(super) fn end_of(file: &Arc<JournalFile>, end: Place, ordinal: u64) -> Written {
        Written { file: Arc::clone(file), end, ordinal, waiting: Vec::new(), needs_sync: false }
    }
}

#[derive(Debug, Default)]
pub(super) struct SyncQueue {
    written: Vec<Written>,
    needs_sync: bool,
    /// An ordinal that must be synced whatever the policy.
    pub(super) requested: u64,
    pub(super) is_closing: bool,
}

impl SyncQueue {
    fn is_due(&self) -> bool {
        let last = self.written.last().map_or(0, |written| written.ordinal);
        let first_is_requested =
            self.written.first().is_some_and(|first| self.requested >= first.ordinal);
        self.needs_sync || last > 0 && first_is_requested
    }
}

impl Shared {
    pub(super) fn hand_to_syncer(&self, written: Written) {
        let mut queue = lock(&self.sync_queue);
        queue.needs_sync |= written.needs_sync;
        queue.written.push(written);
        let is_due = queue.is_due();
        drop(queue);
        if is_due {
            self.sync_wanted.notify_one();
        }
    }
}

pub(super) struct Syncer {
    shared: Arc<Shared>,
}

impl Syncer {
    pub(super) fn new(shared: Arc<Shared>) -> Syncer {
        Syncer { shared }
    }

    pub(super) fn run(self) {
        while let Some(written) = self.take() {
            if let Err((file, error)) = self.sync(&written) {
                let path = file.path.display();
                self.shared.fail(format!("syncing {path} failed: {error}"));
                return;
            }
        }
    }

    /// Waits until a sync is due; `None` at the end.
    fn take(&self) -> Option<Vec<Written>> {
        let mut queue = lock(&self.shared.sync_queue);
        let mut deadline = Instant::now() + BACKGROUND_INTERVAL;
        loop {
            let is_late = Instant::now() >= deadline;
            if !queue.written.is_empty() && (queue.is_due() || is_late || queue.is_closing) {
                queue.needs_sync = false;
                return Some(std::mem::take(&mut queue.written));
            }
            if queue.is_closing {
                return None;
            }
            if is_late {
                deadline = Instant::now() + BACKGROUND_INTERVAL;
            }
            let wait = deadline.saturating_duration_since(Instant::now());
            let result = self.shared.sync_wanted.wait_timeout(queue, wait);
            (queue, _) = result.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn sync<'a>(
        &self,
        written: &'a [Written],
    ) -> Result<(), (&'a Arc<JournalFile>, std::io::Error)> {
        let mut synced: Option<&Arc<JournalFile>> = None;
        for group in written {
            // Groups come in the order of files, so a file that differs from the last one is new.
            if !synced.is_some_and(|file| Arc::ptr_eq(file, &group.file)) {
                group.file.file.sync_data().map_err(|error| (&group.file, error))?;
                self.shared.counters.syncs.fetch_add(1, Ordering::Relaxed);
                synced = Some(&group.file);
            }
        }
        let last = written.last().expect("a sync is made of groups that were written");
        *lock(&self.shared.synced_place) = last.end;
        self.shared.synced_lsn.store(last.end.lsn, Ordering::Release);
        for (landing, offset) in written.iter().flat_map(|group| &group.waiting) {
            landing.synced(*offset);
        }
        self.shared.progress.synced.reach(last.ordinal);
        Ok(())
    }
}
