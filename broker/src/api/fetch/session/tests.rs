//! Sessions against KIP-227's tables, and random consumers: what a consumer knows from incremental
//! answers is always what full ones would tell it.

use std::collections::BTreeMap;

use super::*;

fn key(partition: i32) -> Key {
    Key { topic: TopicKey::Name("t".into()), partition }
}

fn wanted(offset: i64) -> Wanted {
    Wanted { offset, bytes_max: 100, leader_epoch: -1 }
}

fn ask(session_id: i32, epoch: i32, now_ms: i64) -> Ask {
    Ask { session_id, epoch, uses_topic_ids: false, now_ms }
}

const EMPTY: Answer =
    Answer { has_records: false, is_error: false, high_watermark: 10, log_start: 0 };

fn told(partitions: &[i32]) -> impl ExactSizeIterator<Item = (Key, Wanted, Option<()>, Answer)> {
    let told: Vec<_> = partitions.iter().map(|p| (key(*p), wanted(10), None, EMPTY)).collect();
    told.into_iter()
}

/// Opens a session; the id is a free one above the time, so that ids of different times differ.
fn open(cache: &mut Cache<()>, partitions: &[i32], now_ms: i64) -> i32 {
    let mut next = now_ms as i32;
    let draw = || {
        next += 1;
        next
    };
    cache.open(ask(NO_SESSION, 0, now_ms), draw, told(partitions))
}

fn resume(
    cache: &mut Cache<()>,
    ask: Ask,
    named: &[i32],
    forgotten: &[i32],
) -> Result<Vec<i32>, ErrorCode> {
    let named = named.iter().map(|partition| (key(*partition), wanted(10))).collect();
    match cache.resume(ask, named, forgotten.iter().map(|partition| key(*partition)))? {
        Resumed::Open(session) => {
            Ok(lock(&session).entries().map(|(_, entry)| entry.key.partition).collect())
        }
        Resumed::Closed => Ok(Vec::new()),
    }
}

/// The indexes say what the slots are.
fn check<P>(cache: &Cache<P>) {
    assert!(cache.len() <= cache.slots_max);
    let mut by_use = BTreeSet::new();
    let mut partitions = 0;
    for (id, slot) in &cache.slots {
        let session = lock(&slot.session);
        assert_eq!((session.id, session.entries.len()), (*id, slot.size));
        assert_eq!(session.entries.len(), session.places.len());
        for (place, entry) in session.entries() {
            assert_eq!(session.places[&entry.key], place);
        }
        by_use.insert((slot.used_ms, *id));
        partitions += slot.size;
    }
    assert_eq!((&cache.by_use, cache.partitions), (&by_use, partitions));
    for (size, id) in &cache.replaceable {
        assert_eq!(cache.slots[id].size, *size);
    }
}

#[test]
fn a_request_must_name_its_session_its_epoch_and_topics_as_before() {
    use ErrorCode as E;
    let mut cache = Cache::new(10);
    let id = open(&mut cache, &[0, 1], 0);
    for (ask, expected) in [
        (ask(id + 1, 1, 0), E::FetchSessionIdNotFound),
        (ask(NO_SESSION, 1, 0), E::FetchSessionIdNotFound),
        (ask(-7, 1, 0), E::FetchSessionIdNotFound),
        (ask(id, 2, 0), E::InvalidFetchSessionEpoch),
        (ask(id, -2, 0), E::InvalidFetchSessionEpoch),
        (Ask { uses_topic_ids: true, ..ask(id, 1, 0) }, E::FetchSessionTopicIdError),
    ] {
        assert_eq!(resume(&mut cache, ask, &[], &[]), Err(expected), "{ask:?}");
    }
    // Refused requests changed nothing; the same epoch twice is a duplicate.
    assert_eq!(resume(&mut cache, ask(id, 1, 0), &[], &[]), Ok(vec![0, 1]));
    assert_eq!(
        resume(&mut cache, ask(id, 1, 0), &[], &[]),
        Err(ErrorCode::InvalidFetchSessionEpoch)
    );
    assert_eq!(resume(&mut cache, ask(id, 2, 0), &[5], &[0, 9]), Ok(vec![1, 5]));
    assert_eq!(resume(&mut cache, ask(id, 3, 0), &[], &[1, 5]), Ok(vec![]));
    assert_eq!(resume(&mut cache, ask(id, 4, 0), &[], &[]), Err(E::FetchSessionIdNotFound));
    check(&cache);
}

#[test]
fn epochs_go_round_without_the_ones_that_mean_something() {
    for (epoch, next) in [(0, 1), (1, 2), (i32::MAX, 1), (-1, -1), (-9, -1)] {
        assert_eq!(next_epoch(epoch), next);
    }
    assert!(ask(0, 0, 0).is_full() && ask(0, -1, 0).is_full() && !ask(0, 1, 0).is_full());
    assert!(ask(0, 0, 0).opens() && !ask(0, -1, 0).opens());
}

#[test]
fn answers_without_news_are_left_out() {
    let records = Answer { has_records: true, ..EMPTY };
    let error = Answer { is_error: true, high_watermark: -1, log_start: -1, ..EMPTY };
    let out_of_range = Answer { is_error: true, ..EMPTY };
    let mut entry: Entry<()> = Entry::new(key(0), wanted(0));
    for (answer, is_news) in [
        (EMPTY, true),
        (EMPTY, false),
        (records, true),
        (EMPTY, false),
        (Answer { high_watermark: 11, ..EMPTY }, true),
        (Answer { high_watermark: 11, log_start: 3, ..EMPTY }, true),
        (Answer { high_watermark: 11, log_start: 3, ..EMPTY }, false),
        (error, true),
        (error, true),
        (EMPTY, true),
        (out_of_range, true),
        (EMPTY, true),
        (EMPTY, false),
    ] {
        assert_eq!(entry.tell(answer), is_news, "{answer:?}");
    }
}

#[test]
fn partitions_with_records_go_to_the_end() {
    let mut cache = Cache::new(1);
    let id = open(&mut cache, &[0, 1, 2], 0);
    let Ok(Resumed::Open(session)) = cache.resume(ask(id, 1, 0), Vec::new(), std::iter::empty())
    else {
        panic!("the session is open");
    };
    let mut session = lock(&session);
    let places: Vec<u64> = session.entries().map(|(place, _)| place).collect();
    assert!(session.tell(places[0], Answer { has_records: true, ..EMPTY }, None));
    assert!(!session.tell(places[1], EMPTY, None));
    assert!(!session.tell(places[0], EMPTY, None), "nothing is at the old place");
    let order: Vec<i32> = session.entries().map(|(_, entry)| entry.key.partition).collect();
    assert_eq!(order, [1, 2, 0]);
    assert!(session.is_at(1) && !session.is_at(2));
    drop(session);
    check(&cache);
}

#[test]
fn a_newcomer_replaces_the_stale_and_then_the_small_and_old() {
    let mut cache = Cache::new(2);
    let first = open(&mut cache, &[0, 1], 0);
    let second = open(&mut cache, &[0, 1, 2], 1);
    assert_eq!(open(&mut cache, &[0, 1, 2, 3], 2), NO_SESSION, "both are young and in use");
    // Past two minutes the first is stale if it was not used, whatever its size.
    assert_eq!(resume(&mut cache, ask(second, 1, 100_000), &[], &[]), Ok(vec![0, 1, 2]));
    let third = open(&mut cache, &[0], EVICTION_MS + 1);
    assert_ne!(third, NO_SESSION);
    assert_eq!(
        resume(&mut cache, ask(first, 1, EVICTION_MS + 1), &[], &[]),
        Err(ErrorCode::FetchSessionIdNotFound)
    );
    check(&cache);
    // The second is old now and in use: a larger one replaces it, an equal one does not.
    let now_ms = EVICTION_MS + 2;
    assert!(resume(&mut cache, ask(second, 2, now_ms), &[], &[]).is_ok());
    assert_eq!(open(&mut cache, &[7, 8, 9], now_ms), NO_SESSION);
    assert_ne!(open(&mut cache, &[6, 7, 8, 9], now_ms), NO_SESSION);
    assert_eq!(cache.len(), 2);
    check(&cache);
    assert_eq!(open(&mut Cache::new(0), &[0], 0), NO_SESSION, "sessions can be turned off");
}

#[test]
fn sessions_hold_a_bounded_number_of_partitions() {
    let many: Vec<i32> = (0..PARTITIONS_MAX as i32).collect();
    let mut cache = Cache::new(10);
    let id = open(&mut cache, &many[1..], 0);
    assert_ne!(id, NO_SESSION);
    assert_eq!(open(&mut cache, &[0, 1], 0), NO_SESSION);
    assert_eq!(
        resume(&mut cache, ask(id, 1, 0), &many[..2], &[]),
        Err(ErrorCode::FetchSessionIdNotFound)
    );
    assert_eq!((cache.len(), cache.partitions), (0, 0));
}

/// A log as a full answer would show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Log {
    high_watermark: i64,
    log_start: i64,
    is_broken: bool,
}

/// A consumer that knows partitions only by what it is answered.
#[derive(Debug, Default)]
struct Consumer {
    session: i32,
    epoch: i32,
    /// What it wants to read.
    reads: BTreeSet<i32>,
    /// What it knows of the partitions of its session.
    known: BTreeMap<i32, Log>,
}

/// Numbers that are good enough to pick among a few (splitmix).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end
    }
}

struct World {
    cache: Cache<()>,
    logs: BTreeMap<i32, Log>,
    now_ms: i64,
    drawn: i32,
    random: Random,
}

impl World {
    fn answer(&self, partition: i32) -> Answer {
        let log = self.logs[&partition];
        let offset = |offset| if log.is_broken { -1 } else { offset };
        Answer {
            has_records: false,
            is_error: log.is_broken,
            high_watermark: offset(log.high_watermark),
            log_start: offset(log.log_start),
        }
    }

    fn change_something(&mut self) {
        let partition = self.random.below(5) as i32;
        let what = self.random.below(4);
        let log = self.logs.get_mut(&partition).expect("five logs");
        match what {
            0 => log.high_watermark += 1,
            1 => log.log_start = log.high_watermark,
            2 => log.is_broken = !log.is_broken,
            _ => self.now_ms += 50_000,
        }
    }

    /// One request and its answer, as client and handler do it.
    fn fetch(&mut self, consumer: &mut Consumer) {
        let ask = ask(consumer.session, consumer.epoch, self.now_ms);
        if ask.is_full() {
            self.full(consumer, ask);
        } else {
            self.incremental(consumer, ask);
        }
        assert!(consumer.reads.iter().eq(consumer.known.keys()), "{consumer:?}");
        for (partition, known) in &consumer.known {
            let log = self.logs[partition];
            assert_eq!(known.is_broken, log.is_broken, "{partition} {consumer:?}");
            assert!(log.is_broken || *known == log, "{known:?} {log:?}");
        }
    }

    fn full(&mut self, consumer: &mut Consumer, ask: Ask) {
        self.cache.close(ask.session_id);
        consumer.known = consumer.reads.iter().map(|p| (*p, self.logs[p])).collect();
        let told: Vec<_> =
            consumer.reads.iter().map(|p| (key(*p), wanted(0), None, self.answer(*p))).collect();
        // An id that was another's would be that one's session to its former owner.
        let drawn = &mut self.drawn;
        let draw = || {
            *drawn += 1;
            *drawn
        };
        consumer.session = self.cache.open(ask, draw, told.into_iter());
        consumer.epoch = i32::from(consumer.session != NO_SESSION);
    }

    fn incremental(&mut self, consumer: &mut Consumer, ask: Ask) {
        // New partitions, and now and then one that has only another position.
        let is_named =
            |random: &mut Random, p: &i32| !consumer.known.contains_key(p) || random.below(4) == 0;
        let named = consumer.reads.iter().copied().filter(|p| is_named(&mut self.random, p));
        let named = named.map(|p| (key(p), wanted(0))).collect();
        let forgotten = consumer.known.keys().filter(|p| !consumer.reads.contains(p));
        let resumed = self.cache.resume(ask, named, forgotten.map(|p| key(*p)));
        consumer.known.retain(|partition, _| consumer.reads.contains(partition));
        match resumed {
            Ok(Resumed::Open(session)) => {
                let mut session = lock(&session);
                let entries: Vec<(u64, i32)> =
                    session.entries().map(|(place, e)| (place, e.key.partition)).collect();
                for (place, partition) in entries {
                    if session.tell(place, self.answer(partition), None) {
                        consumer.known.insert(partition, self.logs[&partition]);
                    }
                }
                consumer.epoch = next_epoch(consumer.epoch);
            }
            Ok(Resumed::Closed) => (consumer.session, consumer.epoch) = (NO_SESSION, 0),
            // Evicted: the consumer begins anew.
            Err(code) => {
                assert_eq!(code, ErrorCode::FetchSessionIdNotFound);
                self.full(consumer, Ask { session_id: NO_SESSION, epoch: 0, ..ask });
            }
        }
    }

    fn choose(&mut self, consumer: &mut Consumer) {
        let partition = self.random.below(5) as i32;
        if !consumer.reads.remove(&partition) {
            consumer.reads.insert(partition);
        }
    }
}

#[test]
fn consumers_always_know_what_full_answers_would_tell_them() {
    for seed in 0..300 {
        let logs = (0..5).map(|partition| (partition, Log::default())).collect();
        let mut world =
            World { cache: Cache::new(2), logs, now_ms: 0, drawn: 0, random: Random(seed) };
        let mut consumers: [Consumer; 3] = Default::default();
        for _ in 0..200 {
            let index = world.random.below(3) as usize;
            match world.random.below(4) {
                0 => world.change_something(),
                1 => world.choose(&mut consumers[index]),
                _ => world.fetch(&mut consumers[index]),
            }
            check(&world.cache);
        }
    }
}
