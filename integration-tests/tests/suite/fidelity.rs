//! What one client wrote, every other reads back unchanged: every codec of every client, null and
//! empty keys, values and headers, binary data, duplicate headers. Every client writes once, one
//! partition per codec, and then every client reads all that all of them wrote.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use serde_json::json;
use strom_integration_tests::broker::{self, unique};
use strom_integration_tests::capability::{CODECS, Capability};
use strom_integration_tests::client::Client;
use strom_integration_tests::raw::{fetch, stored_batches};
use strom_integration_tests::record::{Found, Record, delicate_records};
use strom_integration_tests::session::Produce;
use strom_integration_tests::wait::wait_for;

pub(crate) mod every_codec_is_stored_as_it_was_written {
    crate::with_clients!(
        super::writes; kcat java confluent_kafka franz_go kafkajs rdkafka kafka_python aiokafka
        platformatic sarama rskafka
    );
}

pub(crate) mod what_every_client_wrote_is_read_back_unchanged {
    crate::with_clients!(
        super::reads; kcat java confluent_kafka franz_go kafkajs rdkafka kafka_python aiokafka
        platformatic sarama rskafka
    );
}

/// The partition of the records with null headers; those before it are the codecs'.
const NULL_HEADERS: i32 = CODECS.len() as i32;

/// What a client wrote: for each partition the records as they should be read.
pub(crate) struct Written {
    pub(crate) topic: String,
    pub(crate) partitions: BTreeMap<i32, Vec<Record>>,
}

fn writes(client: Client) {
    let written = written(client);
    assert!(written.partitions.len() >= CODECS.len(), "{client:?} has every codec");
}

/// What a client wrote, which it does when it is first asked for.
pub(crate) fn written(client: Client) -> &'static Written {
    static WRITTEN: [OnceLock<Written>; Client::ALL.len()] =
        [const { OnceLock::new() }; Client::ALL.len()];
    WRITTEN[client as usize].get_or_init(|| write(client))
}

fn write(writer: Client) -> Written {
    let topic = unique(&format!("fidelity-{}", writer.name()));
    create_and_await(&topic);
    let mut partitions = BTreeMap::new();
    for (partition, codec) in (0..).zip(CODECS) {
        let records = delicate_records().into_iter().filter(|record| !has_null_header(record));
        let records = records.filter_map(|record| written_as(writer, record.on(partition)));
        let records: Vec<Record> = records.collect();
        let how = Produce { codec, ..Produce::default() };
        writer.shared().produce(&topic, how, &records);
        let stored = stored_batches(broker::shared().bootstrap(), &topic, partition);
        assert!(
            stored.iter().any(|batch| batch.codec == *codec),
            "{writer:?} with {codec} stored {stored:?}"
        );
        partitions.insert(partition, records);
    }
    if writer.can(Capability::ProducesNullHeaders) {
        let records = delicate_records().into_iter().filter(has_null_header);
        let records = records.filter_map(|record| written_as(writer, record.on(NULL_HEADERS)));
        let records: Vec<Record> = records.collect();
        assert!(!records.is_empty(), "there are records with null headers");
        writer.shared().produce(&topic, Produce::default(), &records);
        partitions.insert(NULL_HEADERS, records);
    }
    Written { topic, partitions }
}

/// Kafka's leaders need a moment: a producer that is refused by a new one may change the order of
/// its own batches.
fn create_and_await(topic: &str) {
    let mut session = Client::Confluent.shared();
    session.create_topic(topic, NULL_HEADERS + 1);
    let ends = (0..=NULL_HEADERS).map(|p| json!({"topic": topic, "partition": p, "from": "end"}));
    let open = json!({"handle": topic, "parts": ends.collect::<Vec<_>>()});
    wait_for(&format!("the leaders of {topic}"), Duration::from_secs(30), || {
        session.call("open", open.clone()).ok()
    });
    session.close(topic);
}

fn has_null_header(record: &Record) -> bool {
    record.headers.iter().any(|(_, value)| value.is_none())
}

/// What the client can express of a record: the rest is not its fault.
fn written_as(writer: Client, mut record: Record) -> Option<Record> {
    if !writer.can(Capability::BareRecords) && record.key.is_none() && record.value.is_none() {
        return None;
    }
    if !writer.can(Capability::SetsTimestamps) {
        record.timestamp = None;
    }
    if !writer.can(Capability::ZeroBytes) {
        end_headers_at_zero(&mut record);
        if let Some(key) = &mut record.key {
            key.retain(|byte| *byte != 0);
        }
    }
    limit_headers(writer, &mut record);
    Some(record)
}

fn reads(reader: Client) {
    let parts: Vec<(&Written, i32)> = Client::ALL
        .into_iter()
        .map(written)
        .flat_map(|written| written.partitions.keys().map(move |partition| (written, *partition)))
        .filter(|(_, p)| *p != NULL_HEADERS || reader.can(Capability::ReadsNullHeaders))
        .collect();
    let count = parts.iter().map(|(written, p)| written.partitions[p].len()).sum();
    let places: Vec<_> = parts.iter().map(|(written, p)| (written.topic.as_str(), *p)).collect();
    let mut found: BTreeMap<(String, i32), Vec<Found>> = BTreeMap::new();
    for record in reader.shared().read_all(&places, count) {
        let place = (record.topic.clone(), record.record.partition.unwrap());
        found.entry(place).or_default().push(record);
    }
    for (written, partition) in parts {
        let place = (written.topic.clone(), partition);
        let found = found.remove(&place).unwrap_or_default();
        compare(reader, &place, &written.partitions[&partition], &found);
        same_for_all(reader, place, &found);
    }
}

fn compare(reader: Client, place: &(String, i32), expected: &[Record], found: &[Found]) {
    assert_eq!(expected.len(), found.len(), "{place:?} as read by {reader:?}: {found:?}");
    for (offset, (expected, found)) in (0..).zip(expected.iter().zip(found)) {
        let mut expected = expected.clone();
        let mut record = found.record.clone();
        if !reader.can(Capability::ZeroBytes) {
            end_headers_at_zero(&mut expected);
        }
        limit_headers(reader, &mut expected);
        limit_headers(reader, &mut record);
        if expected.timestamp.is_none() {
            record.timestamp = None;
        }
        assert_eq!(expected, record, "record {offset} of {place:?} as read by {reader:?}");
        assert_eq!(found.offset, offset, "{place:?} as read by {reader:?}");
    }
}

/// A reader, and what it saw in a partition.
type Seen = (Client, Vec<Record>);

/// Also what the writing client chose by itself, such as timestamps, is the same for every reader.
fn same_for_all(reader: Client, place: (String, i32), found: &[Found]) {
    static FIRST: Mutex<BTreeMap<(String, i32), Seen>> = Mutex::new(BTreeMap::new());
    let without_headers = |found: &Found| Record { headers: Vec::new(), ..found.record.clone() };
    let seen: Vec<Record> = found.iter().map(without_headers).collect();
    let mut first = FIRST.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    match first.get(&place) {
        None => drop(first.insert(place, (reader, seen))),
        Some((other, before)) => assert_eq!(before, &seen, "{other:?} and {reader:?} at {place:?}"),
    }
}

fn end_headers_at_zero(record: &mut Record) {
    for value in record.headers.iter_mut().filter_map(|(_, value)| value.as_mut()) {
        let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
        value.truncate(end);
    }
}

/// The headers as far as a client's interface keeps them.
fn limit_headers(client: Client, record: &mut Record) {
    if !client.can(Capability::HeaderOrder) {
        // Each name keeps its own order.
        record.headers.sort_by(|a, b| a.0.cmp(&b.0));
    }
    if !client.can(Capability::DuplicateHeaders) {
        let last: BTreeMap<_, _> = record.headers.drain(..).collect();
        record.headers.extend(last);
    }
}

/// A client that cannot know zstd (Fetch below v10, KIP-110) gets the batches all the same, as from
/// Kafka: what it makes of them is its own affair.
#[test]
fn zstd_goes_out_to_every_version_of_fetch() {
    let topic = unique("fidelity-zstd");
    let configs = json!({"compression.type": "zstd"});
    let create =
        json!({"topic": topic, "partitions": 1, "replication_factor": 1, "configs": configs});
    Client::Confluent.shared().must("create_topic", create);
    let how = Produce { codec: "zstd", ..Produce::default() };
    Client::Confluent.shared().produce(&topic, how, &[Record::text("squeezed").on(0)]);
    for version in [4, 9, 10, 12] {
        let found = fetch(broker::shared().bootstrap(), version, &topic, 0);
        let there = found.records.is_some_and(|records| !records.is_empty());
        assert_eq!((found.error_code, there), (0, true), "Fetch v{version}");
    }
}
