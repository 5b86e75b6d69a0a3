//! Deadlines of a shard, by key. Scheduling a key again moves it; cancelling is exact, so there is
//! never more than one entry per key and the set is bounded by groups and members.

use std::collections::{BTreeSet, HashMap};

use strom_protocol::ByteString;

/// What a deadline is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum TimerKey {
    /// The join phase of a group ends.
    Join(ByteString),
    /// Members of a group that have not synced are removed.
    PendingSync(ByteString),
    /// A member (joined or pending) has been silent too long: group and member id.
    Session(ByteString, ByteString),
    /// Expired offsets and empty groups are looked for.
    OffsetExpiry,
}

/// The deadlines of a shard in order of time.
#[derive(Debug, Default)]
pub(super) struct Timers {
    by_key: HashMap<TimerKey, i64>,
    by_time: BTreeSet<(i64, TimerKey)>,
}

impl Timers {
    /// Sets or moves the deadline of `key`.
    pub(super) fn schedule(&mut self, key: TimerKey, at_ms: i64) {
        if let Some(old) = self.by_key.insert(key.clone(), at_ms) {
            self.by_time.remove(&(old, key.clone()));
        }
        self.by_time.insert((at_ms, key));
    }

    /// Forgets `key` if it is set.
    pub(super) fn cancel(&mut self, key: &TimerKey) {
        if let Some(old) = self.by_key.remove(key) {
            self.by_time.remove(&(old, key.clone()));
        }
    }

    /// Takes the earliest deadline that is not later than `now_ms`.
    pub(super) fn pop_due(&mut self, now_ms: i64) -> Option<TimerKey> {
        if self.by_time.first()?.0 > now_ms {
            return None;
        }
        let (_, key) = self.by_time.pop_first()?;
        self.by_key.remove(&key);
        Some(key)
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<i64> {
        self.by_time.first().map(|(at, _)| *at)
    }

    #[cfg(test)]
    pub(super) fn keys(&self) -> impl Iterator<Item = &TimerKey> {
        self.by_key.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_out_once_in_order_and_can_move_or_go() {
        let session = |member: &'static str| TimerKey::Session("g".into(), member.into());
        let mut timers = Timers::default();
        timers.schedule(session("a"), 10);
        timers.schedule(session("b"), 5);
        timers.schedule(TimerKey::Join("g".into()), 7);
        timers.schedule(session("b"), 20);
        timers.cancel(&TimerKey::Join("g".into()));
        assert_eq!(timers.next(), Some(10));
        assert_eq!(timers.pop_due(9), None);
        assert_eq!(timers.pop_due(25), Some(session("a")));
        assert_eq!(timers.pop_due(25), Some(session("b")));
        assert_eq!(timers.pop_due(25), None);
        assert_eq!(timers.next(), None);
    }
}
