//! One change of a table at a time, so that concurrent clients do not write metadata files that
//! lose. The compare-and-swap in the metadata log is what makes commits exclusive; this only
//! keeps them from doing work in vain. Tables do not wait for each other.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

/// How long a change waits for others of the same table.
const PATIENCE: Duration = Duration::from_secs(10);

/// The tables that are being changed.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    held: Mutex<HashSet<Bytes>>,
    released: Condvar,
}

/// Some tables, held until this is dropped.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    locks: &'a Locks,
    keys: Vec<Bytes>,
}

impl Locks {
    /// Takes all of `keys` at once, so that no two changes wait for each other; nothing if that
    /// takes too long. The keys differ from each other.
    pub(crate) fn take(&self, keys: Vec<Bytes>) -> Option<Held<'_>> {
        self.take_within(keys, PATIENCE)
    }

    fn take_within(&self, keys: Vec<Bytes>, patience: Duration) -> Option<Held<'_>> {
        let is_taken = |held: &mut HashSet<Bytes>| keys.iter().any(|key| held.contains(key));
        let waited = self.released.wait_timeout_while(self.held(), patience, is_taken);
        let (mut held, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if is_taken(&mut held) {
            return None;
        }
        held.extend(keys.iter().cloned());
        drop(held);
        Some(Held { locks: self, keys })
    }

    fn held(&self) -> MutexGuard<'_, HashSet<Bytes>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut held = self.locks.held();
        for key in &self.keys {
            held.remove(key);
        }
        self.locks.released.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_table_waits() {
        let locks = Locks::default();
        let key = Bytes::from_static;
        let both = locks.take(vec![key(b"a"), key(b"b")]).unwrap();
        let other = locks.take_within(vec![key(b"c")], Duration::ZERO);
        assert!(other.is_some());
        assert!(locks.take_within(vec![key(b"b"), key(b"d")], Duration::ZERO).is_none());
        assert!(locks.take_within(vec![key(b"d")], Duration::ZERO).is_some(), "nothing is kept");
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| locks.take(vec![key(b"b")]).is_some());
            drop(both);
            assert!(waiter.join().unwrap());
        });
    }
}
