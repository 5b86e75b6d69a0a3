//! Fetch sessions (KIP-227): what is remembered of a consumer's partitions, so that requests name only
//! what changed and answers hold only what is new.
//!
//! ```text
//! epoch  0   full request: everything is answered, and a session opened if there is a place for it
//!        n   incremental: partitions named are added or updated, forgotten ones go, the rest stands;
//!            answered are those with records, an error, or another high watermark or log start
//!       -1   full request: everything is answered, and the session named is closed
//! ```
//! Places are bounded. A newcomer takes the place of a session that was not used for two minutes, or of
//! a smaller one that is older than that; else it gets none and its consumer sends full requests, which
//! always work. Pure: time and ids are given, and `P` is whatever the caller keeps of a partition.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use strom_protocol::error_code::ErrorCode;
use strom_protocol::{ByteString, Uuid};

#[cfg(test)]
mod tests;

/// In requests and answers: no session.
pub(super) const NO_SESSION: i32 = 0;
const INITIAL_EPOCH: i32 = 0;
const FINAL_EPOCH: i32 = -1;
/// How long a session is safe from being replaced (Kafka's, not configurable there either).
const EVICTION_MS: i64 = 120_000;
/// Partitions of all sessions. Kafka has no bound; here a further session gets no place, and one that
/// would grow past it is closed.
const PARTITIONS_MAX: usize = 100_000;

/// A topic as the request's version names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum TopicKey {
    /// Up to version 12.
    Name(ByteString),
    /// From version 13 on.
    Id(Uuid),
}

/// A partition of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub topic: TopicKey,
    pub partition: i32,
}

/// What a consumer wants of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub offset: i64,
    pub bytes_max: i32,
    pub leader_epoch: i32,
}

/// What is to be answered for a partition, as far as a session cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub has_records: bool,
    pub is_error: bool,
    pub high_watermark: i64,
    pub log_start: i64,
}

/// What a request says of its session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    pub session_id: i32,
    pub epoch: i32,
    pub uses_topic_ids: bool,
    pub now_ms: i64,
}

impl Ask {
    /// Whether the request stands for itself.
    pub(super) fn is_full(self) -> bool {
        self.epoch == INITIAL_EPOCH || self.epoch == FINAL_EPOCH
    }

    /// Whether the request would like a session.
    pub(super) fn opens(self) -> bool {
        self.epoch == INITIAL_EPOCH
    }
}

/// The epoch of the request after this one.
pub(super) fn next_epoch(epoch: i32) -> i32 {
    match epoch {
        ..0 => FINAL_EPOCH,
        i32::MAX => INITIAL_EPOCH + 1,
        _ => epoch + 1,
    }
}

/// One partition of a session.
#[derive(Debug)]
pub(super) struct Entry<P> {
    pub key: Key,
    pub wanted: Wanted,
    /// What the caller keeps of the partition, once it was found.
    pub handle: Option<P>,
    /// What the consumer was told last.
    high_watermark: i64,
    log_start: i64,
}

impl<P> Entry<P> {
    fn new(key: Key, wanted: Wanted) -> Self {
        Self { key, wanted, handle: None, high_watermark: -1, log_start: -1 }
    }

    /// Whether an answer tells the consumer anything; it counts as told.
    fn tell(&mut self, answer: Answer) -> bool {
        let is_news = answer.has_records
            || answer.is_error
            || answer.high_watermark != self.high_watermark
            || answer.log_start != self.log_start;
        // When an error ends, that is news whatever the offsets are.
        self.high_watermark = if answer.is_error { -1 } else { answer.high_watermark };
        self.log_start = answer.log_start;
        is_news
    }
}

/// One consumer's partitions, in the order in which they are read.
#[derive(Debug)]
pub(super) struct Session<P> {
    pub id: i32,
    /// That the next request must have.
    epoch: i32,
    uses_topic_ids: bool,
    next_place: u64,
    entries: BTreeMap<u64, Entry<P>>,
    places: HashMap<Key, u64>,
}

impl<P> Session<P> {
    fn new(id: i32, uses_topic_ids: bool) -> Self {
        Self {
            id,
            epoch: next_epoch(INITIAL_EPOCH),
            uses_topic_ids,
            next_place: 0,
            entries: BTreeMap::new(),
            places: HashMap::new(),
        }
    }

    /// The partitions with their places, in the order in which they are read.
    pub(super) fn entries(&self) -> impl ExactSizeIterator<Item = (u64, &Entry<P>)> {
        self.entries.iter().map(|(place, entry)| (*place, entry))
    }

    /// Whether no request has come since the one with this epoch.
    pub(super) fn is_at(&self, epoch: i32) -> bool {
        self.epoch == next_epoch(epoch)
    }

    /// Whether the answer for the partition at `place` belongs into the response. One with records
    /// goes to the end, so that a response that is full begins with others the next time.
    pub(super) fn tell(&mut self, place: u64, answer: Answer, handle: Option<P>) -> bool {
        let Some(entry) = self.entries.get_mut(&place) else { return false };
        // An id is always that of the same partition.
        if handle.is_some() || matches!(entry.key.topic, TopicKey::Name(_)) {
            entry.handle = handle;
        }
        let is_news = entry.tell(answer);
        if answer.has_records {
            self.move_to_end(place);
        }
        is_news
    }

    fn move_to_end(&mut self, place: u64) {
        let Some(entry) = self.entries.remove(&place) else { return };
        let place = self.take_place();
        self.places.insert(entry.key.clone(), place);
        self.entries.insert(place, entry);
    }

    fn set(&mut self, key: Key, wanted: Wanted) -> &mut Entry<P> {
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None => {
                let place = self.take_place();
                self.places.insert(key.clone(), place);
                place
            }
        };
        let entry = self.entries.entry(place).or_insert_with(|| Entry::new(key, wanted));
        entry.wanted = wanted;
        entry
    }

    fn forget(&mut self, key: &Key) {
        if let Some(place) = self.places.remove(key) {
            self.entries.remove(&place);
        }
    }

    fn take_place(&mut self) -> u64 {
        self.next_place += 1;
        self.next_place
    }
}

/// A session while a request of it is answered.
pub(super) type Shared<P> = Arc<Mutex<Session<P>>>;

/// The session behind a lock.
pub(super) fn lock<P>(session: &Mutex<Session<P>>) -> MutexGuard<'_, Session<P>> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How an incremental request goes on.
#[derive(Debug)]
pub(super) enum Resumed<P> {
    /// With the session, updated.
    Open(Shared<P>),
    /// Nothing is left in it, so it was closed.
    Closed,
}

/// All sessions.
#[derive(Debug)]
pub(super) struct Cache<P> {
    slots_max: usize,
    slots: HashMap<i32, Slot<P>>,
    by_use: BTreeSet<(i64, i32)>,
    /// Sessions old enough to be replaced by a larger one, as of their last use: (size, id).
    replaceable: BTreeSet<(usize, i32)>,
    partitions: usize,
}

#[derive(Debug)]
struct Slot<P> {
    session: Shared<P>,
    size: usize,
    created_ms: i64,
    used_ms: i64,
}

impl<P> Cache<P> {
    /// A cache of at most `slots_max` sessions.
    pub(super) fn new(slots_max: usize) -> Self {
        Self {
            slots_max,
            slots: HashMap::new(),
            by_use: BTreeSet::new(),
            replaceable: BTreeSet::new(),
            partitions: 0,
        }
    }

    /// Sessions at this moment.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Forgets a session, if there is one of this id.
    pub(super) fn close(&mut self, id: i32) {
        let Some(slot) = self.slots.remove(&id) else { return };
        self.by_use.remove(&(slot.used_ms, id));
        self.replaceable.remove(&(slot.size, id));
        self.partitions -= slot.size;
    }

    /// Takes an incremental request into its session.
    pub(super) fn resume(
        &mut self,
        ask: Ask,
        wanted: Vec<(Key, Wanted)>,
        forgotten: impl Iterator<Item = Key>,
    ) -> Result<Resumed<P>, ErrorCode> {
        let slot = self.slots.get(&ask.session_id).ok_or(ErrorCode::FetchSessionIdNotFound)?;
        let shared = Arc::clone(&slot.session);
        let mut session = lock(&shared);
        if session.epoch != ask.epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.uses_topic_ids != ask.uses_topic_ids {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        if self.partitions + wanted.len() > PARTITIONS_MAX {
            self.close(ask.session_id);
            return Err(ErrorCode::FetchSessionIdNotFound);
        }
        for (key, wanted) in wanted {
            session.set(key, wanted);
        }
        forgotten.for_each(|key| session.forget(&key));
        let size = session.entries.len();
        if size == 0 {
            self.close(ask.session_id);
            return Ok(Resumed::Closed);
        }
        session.epoch = next_epoch(session.epoch);
        drop(session);
        self.touch(ask.session_id, size, ask.now_ms);
        Ok(Resumed::Open(shared))
    }

    /// Opens a session over what a full request wanted and was answered, if there is a place for it;
    /// gives its id, or [`NO_SESSION`].
    pub(super) fn open(
        &mut self,
        ask: Ask,
        draw_id: impl FnMut() -> i32,
        told: impl ExactSizeIterator<Item = (Key, Wanted, Option<P>, Answer)>,
    ) -> i32 {
        let size = told.len();
        if self.partitions + size > PARTITIONS_MAX || !self.has_place(size, ask.now_ms) {
            return NO_SESSION;
        }
        let is_free = |id: &i32| *id > 0 && !self.slots.contains_key(id);
        let mut ids = std::iter::repeat_with(draw_id);
        let id = ids.find(is_free).expect("the ids are endless");
        let mut session = Session::new(id, ask.uses_topic_ids);
        for (key, wanted, handle, answer) in told {
            let entry = session.set(key, wanted);
            entry.handle = handle;
            entry.tell(answer);
        }
        let size = session.entries.len();
        let session = Arc::new(Mutex::new(session));
        let slot = Slot { session, size: 0, created_ms: ask.now_ms, used_ms: ask.now_ms };
        self.slots.insert(id, slot);
        self.touch(id, size, ask.now_ms);
        id
    }

    /// Makes room for a session of `size` partitions, by Kafka's rule.
    fn has_place(&mut self, size: usize, now_ms: i64) -> bool {
        if self.slots.len() < self.slots_max {
            return true;
        }
        let Some((used_ms, oldest)) = self.by_use.first().copied() else { return false };
        if now_ms - used_ms > EVICTION_MS {
            self.close(oldest);
            return true;
        }
        match self.replaceable.first().copied() {
            Some((smallest, id)) if smallest < size => {
                self.close(id);
                true
            }
            Some(_) | None => false,
        }
    }

    fn touch(&mut self, id: i32, size: usize, now_ms: i64) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        self.by_use.remove(&(slot.used_ms, id));
        self.replaceable.remove(&(slot.size, id));
        self.partitions = self.partitions - slot.size + size;
        (slot.size, slot.used_ms) = (size, now_ms);
        self.by_use.insert((now_ms, id));
        if now_ms - slot.created_ms > EVICTION_MS {
            self.replaceable.insert((size, id));
        }
    }
}
