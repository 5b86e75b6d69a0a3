//! A wish that one thread has and another one hears: raised any number of times, heard once.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::ticket::lock;

/// Wakes a thread that looks after something.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    is_raised: Mutex<bool>,
    raised: Condvar,
}

impl Signal {
    pub(crate) fn raise(&self) {
        *lock(&self.is_raised) = true;
        self.raised.notify_all();
    }

    /// Waits until it is raised, or for so long, and lowers it; whether it was raised.
    pub(crate) fn wait(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut is_raised = lock(&self.is_raised);
        while !*is_raised {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.raised.wait_timeout(is_raised, left);
            (is_raised, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        *is_raised = false;
        true
    }
}
