//! The topics that real clients wrote to in the test that runs: what is to be verified afterwards.
//! A test is a thread, and asks its clients from that thread.

use std::cell::RefCell;
use std::collections::BTreeSet;

thread_local! {
    /// Bootstrap address and topic.
    static WRITTEN: RefCell<BTreeSet<(String, String)>> = const { RefCell::new(BTreeSet::new()) };
}

/// A client was asked to write to a topic of the broker at this address.
pub fn note(bootstrap: &str, topic: &str) {
    WRITTEN.with_borrow_mut(|written| {
        written.insert((bootstrap.to_string(), topic.to_string()));
    });
}

/// A client deleted the topic.
pub fn forget(bootstrap: &str, topic: &str) {
    WRITTEN.with_borrow_mut(|written| {
        written.remove(&(bootstrap.to_string(), topic.to_string()));
    });
}

/// The topics of the broker at this address, which are forgotten then.
pub fn take(bootstrap: &str) -> Vec<String> {
    WRITTEN.with_borrow_mut(|written| {
        let is_here = |(address, _): &(String, String)| address == bootstrap;
        let here: Vec<_> = written.iter().filter(|place| is_here(place)).cloned().collect();
        written.retain(|place| !is_here(place));
        here.into_iter().map(|(_, topic)| topic).collect()
    })
}

/// Whether clients wrote anywhere.
pub fn is_empty() -> bool {
    WRITTEN.with_borrow(BTreeSet::is_empty)
}
