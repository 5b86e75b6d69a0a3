//! Who wants to know when a partition changes.

use std::sync::{Arc, Weak};

use tokio::sync::Notify;

use super::Partition;

/// Keeps a [`Notify`] subscribed to a partition until it is dropped.
#[derive(Debug)]
pub struct Subscription {
    partition: Weak<Partition>,
    id: u64,
}

impl Subscription {
    pub(super) fn new(partition: Weak<Partition>, id: u64) -> Subscription {
        Subscription { partition, id }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(partition) = self.partition.upgrade() {
            partition.state().subscribers.remove(self.id);
        }
    }
}

/// The subscribers of one partition.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    next_id: u64,
    notifies: Vec<(u64, Arc<Notify>)>,
}

impl Subscribers {
    pub(super) fn add(&mut self, notify: &Arc<Notify>) -> u64 {
        self.next_id += 1;
        self.notifies.push((self.next_id, Arc::clone(notify)));
        self.next_id
    }

    fn remove(&mut self, id: u64) {
        self.notifies.retain(|(other, _)| *other != id);
    }

    /// Wakes each once; one that does not wait yet will not wait.
    pub(super) fn notify(&self) {
        for (_, notify) in &self.notifies {
            notify.notify_one();
        }
    }
}
