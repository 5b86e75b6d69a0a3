//! The metadata log: a durable, ordered map of small values.
//!
//! All of it is in memory. A change is visible at once and queued; the log's thread writes what is queued
//! as one group with one sync, so that many changes share it. Checkpoints keep the log as short as the map:
//!
//! ```text
//! metadata/checkpoint-3        the map before the first change of deltas-3
//!          deltas-3            group, group, … (appended, each synced before the next is written)
//!          checkpoint-3.copy   the same bytes, for when the file is damaged
//!          deltas-3.copy       the same groups, each written when it is synced in deltas-3
//! ```
//!
//! When the deltas outgrow the checkpoint, the thread writes `deltas-4` (empty), then `checkpoint-4`
//! (temporary file, sync, rename, sync of the directory), then removes the old pair with its copies, and
//! writes the new ones. What keys mean is the business of those who own their prefix: `t/` topics,
//! `s/` storage, `i…/` and `lake/` the lake and its catalog.
//! Every value begins with the version of its format.

mod files;
mod format;
mod load;
#[cfg(test)]
mod tests;
mod thread;
mod twin;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use bytes::Bytes;

use crate::data_dir::DataDir;
use crate::error::{OpenError, StorageFailed};
use crate::recovery::Corruption;
use crate::ticket::{FailStop, Progress, lock};

/// One change of the metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Sets a key.
    Put {
        /// The key.
        key: Bytes,
        /// The value; its first byte is the version of its format.
        value: Bytes,
    },
    /// Removes a key; fine if it is absent.
    Delete {
        /// The key.
        key: Bytes,
    },
}

/// A compare-and-apply found another value than expected; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("metadata key {key:?} has changed")]
pub struct Conflict {
    /// The first key that differs.
    pub key: Bytes,
    /// The value that it has.
    pub found: Option<Bytes>,
}

type Map = BTreeMap<Bytes, Bytes>;

/// The metadata log: a durable, ordered map. Clones are handles of the same log.
#[derive(Clone, Debug)]
pub struct MetadataLog {
    handle: Arc<Handle>,
}

/// Ends the thread with the last handle, after what is queued is written.
#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    /// Damage that opening found and healed.
    healed: Vec<Corruption>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    queued: Condvar,
    progress: Progress,
    fail_stop: Arc<FailStop>,
}

#[derive(Debug, Default)]
struct State {
    map: Map,
    /// Encoded changes that the thread has not taken yet, one payload per `apply`.
    queue: Vec<Vec<u8>>,
    /// The ordinal of the last `apply`.
    applied: u64,
    is_closing: bool,
}

/// The promise that a change will be durable.
#[derive(Clone, Debug)]
pub struct MetadataTicket {
    shared: Arc<Shared>,
    ordinal: u64,
}

impl MetadataTicket {
    /// Resolves when the change is synced. Cancel-safe.
    pub async fn durable(self) -> Result<(), StorageFailed> {
        self.shared.progress.wait(self.ordinal).await
    }

    /// [`durable`](Self::durable) for threads outside of a runtime.
    pub fn wait(self) -> Result<(), StorageFailed> {
        self.shared.progress.wait_blocking(self.ordinal)
    }
}

impl MetadataLog {
    /// Opens the log of a data directory, or creates it. A torn last group is dropped. Damage is healed from
    /// the copy, which [`Store::open`](crate::Store::open) reports; what the copy does not have either is an
    /// error that names file and position.
    pub fn open(data_dir: &DataDir) -> Result<MetadataLog, OpenError> {
        let load::Loaded { map, files, healed } =
            load::load(Arc::clone(data_dir.disk()), data_dir.metadata_path())?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State { map, ..State::default() }),
            queued: Condvar::new(),
            progress: Progress::default(),
            fail_stop: Arc::clone(data_dir.fail_stop()),
        });
        // The thread holds the directory's lock as long as it may write.
        let worker = thread::Worker::new(Arc::clone(&shared), files, data_dir.clone());
        let thread = std::thread::Builder::new()
            .name("metadata-log".to_owned())
            .spawn(move || worker.run())
            .map_err(OpenError::io("starting the thread of", data_dir.metadata_path()))?;
        let thread = Mutex::new(Some(thread));
        Ok(MetadataLog { handle: Arc::new(Handle { shared, healed, thread }) })
    }

    /// Damage that opening found in the log's files; nothing of it was lost.
    pub(crate) fn healed(&self) -> &[Corruption] {
        &self.handle.healed
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Option<Bytes> {
        lock(&self.handle.shared.state).map.get(key).cloned()
    }

    /// Keys and values under a prefix, in the order of keys.
    pub fn scan(&self, prefix: &[u8]) -> Vec<(Bytes, Bytes)> {
        let state = lock(&self.handle.shared.state);
        state
            .map
            .range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// Applies changes as one: visible at once, durable when the ticket resolves.
    pub fn apply(&self, changes: Vec<Change>) -> MetadataTicket {
        let mut state = lock(&self.handle.shared.state);
        self.enqueue(&mut state, changes)
    }

    /// Applies changes if every expected key has its expected value (`None`: is absent).
    pub fn compare_and_apply(
        &self,
        expected: &[(Bytes, Option<Bytes>)],
        changes: Vec<Change>,
    ) -> Result<MetadataTicket, Conflict> {
        let mut state = lock(&self.handle.shared.state);
        for (key, value) in expected {
            let found = state.map.get(key);
            if found != value.as_ref() {
                return Err(Conflict { key: key.clone(), found: found.cloned() });
            }
        }
        Ok(self.enqueue(&mut state, changes))
    }

    fn enqueue(&self, state: &mut State, changes: Vec<Change>) -> MetadataTicket {
        let mut payload = Vec::new();
        format::encode_changes(&mut payload, &changes);
        apply_to(&mut state.map, changes);
        state.queue.push(payload);
        state.applied += 1;
        self.handle.shared.queued.notify_one();
        MetadataTicket { shared: Arc::clone(&self.handle.shared), ordinal: state.applied }
    }

    /// The promise that everything applied so far will be durable.
    pub(crate) fn ticket(&self) -> MetadataTicket {
        let ordinal = lock(&self.handle.shared.state).applied;
        MetadataTicket { shared: Arc::clone(&self.handle.shared), ordinal }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        lock(&self.shared.state).is_closing = true;
        self.shared.queued.notify_one();
        if let Some(thread) = lock(&self.thread).take()
            && thread.join().is_err()
        {
            self.shared.fail_stop.fail(StorageFailed::new("the metadata log's thread panicked"));
        }
    }
}

fn apply_to(map: &mut Map, changes: Vec<Change>) {
    for change in changes {
        match change {
            Change::Put { key, value } => {
                map.insert(key, value);
            }
            Change::Delete { key } => {
                map.remove(&key);
            }
        }
    }
}
