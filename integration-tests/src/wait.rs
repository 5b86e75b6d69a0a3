//! Waiting for a fact with a deadline: tests never sleep and hope.

use std::time::{Duration, Instant};

/// Asks every 50 ms until there is an answer; panics with `what` after the deadline.
pub fn wait_for<T>(what: &str, deadline: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + deadline;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "waited {deadline:?} in vain for: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
