//! What every engine must show: each acknowledged record, once, unchanged, at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::producer::ThreadedProducer;
use serde_json::json;
use strom_integration_tests::broker::Broker;
use strom_integration_tests::record::{Found, Record, delicate_records, now_ms};
use strom_integration_tests::wait::wait_for;

use super::{BROKER_OPTIONS, Engine, Kind, Rows, expected_row, expected_totals};
use crate::records::{
    Reporter, consume, create_topic, delete_records, delete_topic, produce, producer, send,
};

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// A broker whose tables are fresh or refused.
pub fn broker() -> Broker {
    Broker::start_strom(BROKER_OPTIONS)
}

/// Records with keys, values and headers on `partitions` partitions; `from` continues a sequence.
pub fn records(partitions: i32, from: usize, count: usize) -> Vec<Record> {
    let start = now_ms() - 600_000;
    let record = |number: usize| {
        let index = i64::try_from(number).unwrap();
        let text = format!("value {number} {}", "x".repeat(number % 50));
        let mut record = Record::text(&text)
            .on(i32::try_from(index % i64::from(partitions)).unwrap())
            .at(start + index);
        record.key =
            (!number.is_multiple_of(3)).then(|| format!("key-{}", number % 10).into_bytes());
        if number.is_multiple_of(4) {
            record = record.header("number", Some(&number.to_be_bytes())).header("null", None);
        }
        record
    };
    (from..from + count).map(record).collect()
}

/// The table equals what a consumer reads, in sums and in every row.
pub fn assert_equal(engine: &mut Engine, table: &str, consumed: &[Found]) {
    let kind = engine.kind;
    assert_eq!(engine.totals(table), expected_totals(consumed), "totals of {table} in {kind:?}");
    let rows = engine.rows(table);
    let expected: Rows = consumed.iter().map(expected_row).collect();
    assert_eq!(rows.len(), expected.len(), "rows of {table} in {kind:?}");
    for (row, expected) in rows.iter().zip(&expected) {
        assert_eq!(row, expected, "a row of {table} in {kind:?}");
    }
}

/// Several partitions, every codec, nulls and empties, binary data, headers: row by row.
pub fn contents(kind: Kind) {
    contents_on(kind, &broker());
}

/// [`contents`] on a broker of the caller's.
pub fn contents_on(kind: Kind, broker: &Broker) {
    create_topic(broker.bootstrap(), "events", 3);
    create_topic(broker.bootstrap(), "delicate", 1);
    for (index, codec) in CODECS.iter().enumerate() {
        let batch = records(3, index * 200, 200);
        produce(broker.bootstrap(), "events", &[("compression.type", codec)], &batch);
    }
    produce(broker.bootstrap(), "delicate", &[], &delicate_records());
    let mut engine = Engine::open(kind, broker);
    let events = consume(broker.bootstrap(), "events");
    assert_eq!(events.len(), 1000);
    assert_equal(&mut engine, "events", &events);
    let delicate = consume(broker.bootstrap(), "delicate");
    assert_eq!(delicate.len(), delicate_records().len());
    assert_equal(&mut engine, "delicate", &delicate);
}

/// Topic names become table names in lower case with `_` for `.`; topics without a record and
/// internal topics are not listed.
pub fn names(kind: Kind) {
    let broker = broker();
    create_topic(broker.bootstrap(), "never-filled", 1);
    for topic in ["Orders.v1", "with-dash", "plain"] {
        produce(broker.bootstrap(), topic, &[], &records(1, 0, 5));
    }
    let mut engine = Engine::open(kind, &broker);
    assert_eq!(engine.tables(), ["orders_v1", "plain", "with-dash"]);
    let dashed = if kind == Kind::Pyiceberg { "with-dash" } else { "\"with-dash\"" };
    for (topic, table) in [("Orders.v1", "orders_v1"), ("plain", "plain"), ("with-dash", dashed)] {
        assert_equal(&mut engine, table, &consume(broker.bootstrap(), topic));
    }
}

/// A query right after an acknowledgement sees the record: twenty times in one session.
pub fn freshness(kind: Kind) {
    let broker = broker();
    create_topic(broker.bootstrap(), "fresh", 2);
    let mut engine: Option<Engine> = None;
    let mut seconds = Vec::new();
    for round in 0..20 {
        let count = 1 + round * 7 % 40;
        produce(broker.bootstrap(), "fresh", &[], &records(2, round * 100, count));
        let engine = engine.get_or_insert_with(|| Engine::open(kind, &broker));
        let began = Instant::now();
        let totals = engine.totals("fresh");
        seconds.push(began.elapsed().as_secs_f32());
        assert_eq!(totals, expected_totals(&consume(broker.bootstrap(), "fresh")), "round {round}");
    }
    assert_equal(&mut engine.unwrap(), "fresh", &consume(broker.bootstrap(), "fresh"));
    println!("{kind:?}: seconds from query to fresh answer: {seconds:.3?}");
}

/// While a producer is at work, a query sees at least what was acknowledged before it began, and
/// nothing twice, and no partition has a gap.
pub fn under_load(kind: Kind) {
    let broker = broker();
    create_topic(broker.bootstrap(), "busy", 3);
    let (producer, deliveries) = producer(broker.bootstrap(), &[("compression.type", "lz4")]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // About ten thousand records in a second: a load, not a contest.
        scope.spawn(|| produce_until(&stop, &producer, "busy", 10));
        let stopper = StopOnDrop(&stop);
        wait_for("the first records", Duration::from_secs(30), || {
            (deliveries.acknowledged() > 100).then_some(())
        });
        let mut engine = Engine::open(kind, &broker);
        for round in 0..8 {
            let before = acknowledged_ends(&deliveries.reports());
            let ends = engine.ends("busy");
            for (partition, count, last) in &ends {
                assert_eq!(*count, last + 1, "round {round}, partition {partition}: {ends:?}");
            }
            for (partition, acknowledged) in &before {
                let seen = ends.iter().find(|(p, ..)| *p == i64::from(*partition)).map(|end| end.2);
                assert!(
                    seen >= Some(*acknowledged),
                    "round {round}: {acknowledged} of partition {partition} was acknowledged \
                     before the query, which saw {seen:?}"
                );
            }
            let totals = engine.totals("busy");
            assert_eq!(totals.count, totals.distinct, "round {round}");
        }
        drop(stopper);
    });
    use rdkafka::producer::Producer as _;
    producer.flush(Duration::from_secs(60)).unwrap();
    assert_equal(&mut Engine::open(kind, &broker), "busy", &consume(broker.bootstrap(), "busy"));
}

/// Produces to three partitions until told to stop, resting a millisecond after each `burst` of records.
pub fn produce_until(
    stop: &AtomicBool,
    producer: &ThreadedProducer<Reporter>,
    topic: &str,
    burst: usize,
) {
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        send(producer, topic, number, &records(3, number, 1)[0]);
        if number % burst == burst - 1 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Lets the loader end also when a check fails, so that the failure is seen.
pub struct StopOnDrop<'a>(pub &'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The greatest acknowledged offset of every partition.
fn acknowledged_ends(reports: &BTreeMap<usize, crate::records::Delivery>) -> BTreeMap<i32, i64> {
    let mut ends = BTreeMap::new();
    for (partition, offset) in reports.values().flatten() {
        let end = ends.entry(*partition).or_insert(*offset);
        *end = (*end).max(*offset);
    }
    ends
}

/// Clean and unclean restarts change nothing, whether a commit was made before or not.
pub fn restart(kind: Kind) {
    let mut broker = broker();
    create_topic(broker.bootstrap(), "kept", 2);
    produce(broker.bootstrap(), "kept", &[], &records(2, 0, 300));
    let mut engine = Engine::open(kind, &broker);
    assert_eq!(engine.totals("kept").count, 300);
    produce(broker.bootstrap(), "kept", &[], &records(2, 300, 50));
    broker.stop();
    broker.start_again();
    assert_equal(&mut engine, "kept", &consume(broker.bootstrap(), "kept"));
    produce(broker.bootstrap(), "kept", &[], &records(2, 350, 50));
    broker.kill();
    broker.start_again();
    let consumed = consume(broker.bootstrap(), "kept");
    assert_eq!(consumed.len(), 400);
    assert_equal(&mut engine, "kept", &consumed);
}

/// The table outlives its topic's records, whether it had them when they were removed or not.
pub fn removal(kind: Kind) {
    let broker = broker();
    create_topic(broker.bootstrap(), "short", 2);
    produce(broker.bootstrap(), "short", &[], &records(2, 0, 100));
    let mut engine = Engine::open(kind, &broker);
    assert_eq!(engine.totals("short").count, 100);
    produce(broker.bootstrap(), "short", &[], &records(2, 100, 50));
    let mut all = consume(broker.bootstrap(), "short");
    assert_eq!(all.len(), 150);
    delete_records(broker.bootstrap(), "short", 0..2);
    assert_eq!(consume(broker.bootstrap(), "short").len(), 0, "a consumer finds nothing");
    assert_equal(&mut engine, "short", &all);

    produce(broker.bootstrap(), "short", &[], &records(2, 150, 10));
    let later = consume(broker.bootstrap(), "short");
    assert_eq!(later.len(), 10);
    all.extend(later);
    all.sort_by_key(|found| (found.record.partition, found.offset));
    assert_equal(&mut engine, "short", &all);
}

/// Deleting a topic drops its table; a topic of the same name begins a table of its own.
pub fn deletion(kind: Kind) {
    let broker = broker();
    produce(broker.bootstrap(), "doomed", &[], &records(1, 0, 10));
    produce(broker.bootstrap(), "stays", &[], &records(1, 0, 10));
    let mut engine = Engine::open(kind, &broker);
    assert_eq!(engine.totals("doomed").count, 10);
    delete_topic(broker.bootstrap(), "doomed");
    wait_for("the table to go with its topic", Duration::from_secs(30), || {
        // A session of its own each time: DuckDB lists again only what it does not know yet.
        (Engine::open(kind, &broker).tables() == ["stays"]).then_some(())
    });
    assert!(engine.try_totals("doomed").is_err(), "a dropped table was read");
    create_topic(broker.bootstrap(), "doomed", 1);
    produce(broker.bootstrap(), "doomed", &[], &records(1, 100, 3));
    assert_equal(&mut engine, "doomed", &consume(broker.bootstrap(), "doomed"));
}

/// `DESCRIBE` and the list of all columns say the same; `types` are the engine's names.
pub fn description(engine: &mut Engine, table: &str, types: [&str; 6]) {
    let names = ["key", "value", "__partition", "__offset", "__timestamp", "__headers"];
    let columns: Rows =
        names.iter().zip(types).map(|(name, kind)| vec![json!(name), json!(kind)]).collect();
    let described = engine.sql(&format!("DESCRIBE {table}"));
    let shown: Rows = described.iter().map(|row| row[..2].to_vec()).collect();
    assert_eq!(shown, columns);
    let listed = engine.sql(&format!(
        "SELECT column_name, data_type FROM information_schema.columns \
         WHERE table_schema = 'kafka' AND table_name = '{table}' ORDER BY ordinal_position"
    ));
    assert_eq!(listed, columns);
}

/// A refusal tells the user why, with the status that says "not allowed".
pub fn assert_refused(what: &str, result: Result<impl std::fmt::Debug, String>) {
    let error = result.expect_err(what);
    let text = error.to_lowercase();
    assert!(text.contains("forbidden"), "{what}: {error}");
    assert!(text.contains("topic"), "{what} does not say that a topic owns the table: {error}");
}
