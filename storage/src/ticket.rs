//! Waiting for durability.
//!
//! What is queued gets a number that only grows: the ordinal. A [`Progress`] is a number that is reached by
//! all work up to it, so a ticket is one integer, merging two tickets is their maximum, and a duplicate joins
//! its original's ticket by remembering the ordinal. [`FailStop`] ends every wait when a write failed.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::error::StorageFailed;

/// Takes a lock whether or not another holder panicked: what the locks of this crate guard is changed in
/// steps that cannot panic half way.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first failure of a write or sync; it stays.
#[derive(Debug)]
pub(crate) struct FailStop {
    failure: watch::Sender<Option<StorageFailed>>,
}

impl Default for FailStop {
    fn default() -> Self {
        FailStop { failure: watch::Sender::new(None) }
    }
}

impl FailStop {
    pub(crate) fn fail(&self, failure: StorageFailed) {
        self.failure.send_if_modified(|current| {
            let is_first = current.is_none();
            if is_first {
                *current = Some(failure);
            }
            is_first
        });
    }

    pub(crate) fn failure(&self) -> Option<StorageFailed> {
        self.failure.borrow().clone()
    }

    /// Resolves when something failed; never otherwise.
    pub(crate) async fn failed(&self) -> StorageFailed {
        let mut receiver = self.failure.subscribe();
        loop {
            if let Some(failure) = receiver.borrow_and_update().clone() {
                return failure;
            }
            receiver.changed().await.expect("self owns the sender");
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Reached {
    ordinal: u64,
    /// Set when no further ordinal will be reached.
    ended: Option<StorageFailed>,
}

impl Reached {
    fn judge(&self, wanted: u64) -> Option<Result<(), StorageFailed>> {
        if self.ordinal >= wanted {
            return Some(Ok(()));
        }
        self.ended.clone().map(Err)
    }
}

/// How far work has come: all ordinals up to a number.
#[derive(Debug)]
pub(crate) struct Progress {
    reached: watch::Sender<Reached>,
    blocking: Mutex<()>,
    changed: Condvar,
}

impl Default for Progress {
    fn default() -> Self {
        Progress {
            reached: watch::Sender::new(Reached::default()),
            blocking: Mutex::new(()),
            changed: Condvar::new(),
        }
    }
}

impl Progress {
    pub(crate) fn reach(&self, ordinal: u64) {
        self.publish(|reached| reached.ordinal = reached.ordinal.max(ordinal));
    }

    /// Ends all waits for what was not reached.
    pub(crate) fn end(&self, failure: StorageFailed) {
        self.publish(|reached| {
            reached.ended.get_or_insert(failure);
        });
    }

    fn publish(&self, change: impl FnOnce(&mut Reached)) {
        self.reached.send_modify(change);
        drop(lock(&self.blocking));
        self.changed.notify_all();
    }

    pub(crate) async fn wait(&self, ordinal: u64) -> Result<(), StorageFailed> {
        if let Some(result) = self.reached.borrow().judge(ordinal) {
            return result;
        }
        let mut receiver = self.reached.subscribe();
        loop {
            if let Some(result) = receiver.borrow_and_update().judge(ordinal) {
                return result;
            }
            receiver.changed().await.expect("self owns the sender");
        }
    }

    pub(crate) fn wait_blocking(&self, ordinal: u64) -> Result<(), StorageFailed> {
        let mut guard = lock(&self.blocking);
        loop {
            if let Some(result) = self.reached.borrow().judge(ordinal) {
                return result;
            }
            guard = self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The journal's two kinds of progress.
#[derive(Debug, Default)]
pub(crate) struct JournalProgress {
    pub(crate) written: Progress,
    pub(crate) synced: Progress,
}

/// The promise that an append will be written, and be as durable as its topic's flush policy says.
#[derive(Clone, Debug)]
pub struct AppendTicket {
    progress: Arc<JournalProgress>,
    written: u64,
    /// 0 under the `os` policy: durable means written.
    synced: u64,
}

impl AppendTicket {
    pub(crate) fn new(progress: Arc<JournalProgress>, ordinal: u64, synced: bool) -> AppendTicket {
        AppendTicket { progress, written: ordinal, synced: if synced { ordinal } else { 0 } }
    }

    /// Resolves when the batch is written to the journal (`acks=1`). Cancel-safe.
    pub async fn written(self) -> Result<(), StorageFailed> {
        self.progress.written.wait(self.written).await
    }

    /// Resolves when the batch is as durable as promised (`acks=all`): synced, or written under the `os`
    /// policy. Cancel-safe.
    pub async fn durable(self) -> Result<(), StorageFailed> {
        // What is synced is written: one wake-up is enough.
        if self.synced < self.written {
            self.progress.written.wait(self.written).await?;
        }
        self.progress.synced.wait(self.synced).await
    }

    /// [`durable`](Self::durable) for threads outside of a runtime.
    pub fn wait_durable(self) -> Result<(), StorageFailed> {
        if self.synced < self.written {
            self.progress.written.wait_blocking(self.written)?;
        }
        self.progress.synced.wait_blocking(self.synced)
    }

    /// The ticket that resolves when both do. Both must be of one store.
    #[must_use]
    pub fn latest(a: AppendTicket, b: AppendTicket) -> AppendTicket {
        AppendTicket {
            written: a.written.max(b.written),
            synced: a.synced.max(b.synced),
            progress: a.progress,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_when_its_ordinal_is_reached_or_never_will_be() {
        let progress = Arc::new(Progress::default());
        progress.reach(3);
        assert_eq!(progress.wait_blocking(3), Ok(()));
        let waiter = {
            let progress = Arc::clone(&progress);
            std::thread::spawn(move || (progress.wait_blocking(4), progress.wait_blocking(5)))
        };
        progress.reach(4);
        progress.end(StorageFailed::new("disk on fire"));
        let failure = StorageFailed::new("disk on fire");
        assert_eq!(waiter.join().unwrap(), (Ok(()), Err(failure)));
    }

    #[test]
    fn the_latest_of_two_tickets_waits_for_both() {
        let progress = Arc::new(JournalProgress::default());
        let synced = AppendTicket::new(Arc::clone(&progress), 1, true);
        let written = AppendTicket::new(Arc::clone(&progress), 2, false);
        let both = AppendTicket::latest(synced, written);
        assert_eq!((both.written, both.synced), (2, 1));
    }

    #[test]
    fn the_first_failure_stays() {
        let fail_stop = FailStop::default();
        fail_stop.fail(StorageFailed::new("first"));
        fail_stop.fail(StorageFailed::new("second"));
        assert_eq!(fail_stop.failure(), Some(StorageFailed::new("first")));
    }
}
