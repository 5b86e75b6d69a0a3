//! What one client wrote, every other reads back unchanged: every codec of every client, null and
//! empty keys, values and headers, binary data, duplicate headers.

use strom_integration_tests::broker::{self, unique};
use strom_integration_tests::client::Client;
use strom_integration_tests::raw::stored_batches;
use strom_integration_tests::record::{Record, delicate_records};
use strom_integration_tests::session::Produce;

mod records_are_read_back_unchanged_by_every_client {
    crate::with_clients!(super::check; kcat java confluent_kafka franz_go kafkajs rdkafka);
}

fn check(producer: Client) {
    let bootstrap = broker::shared().bootstrap();
    let expected = expected(producer, delicate_records());
    let mut topics = Vec::new();
    for codec in producer.codecs() {
        let topic = unique(&format!("fidelity-{}-{codec}", producer.name()));
        Client::Confluent.shared().create_topic(&topic, 1);
        let how = Produce { codec, ..Produce::default() };
        producer.shared().produce(&topic, how, &expected);
        let stored = stored_batches(bootstrap, &topic, 0);
        assert!(
            stored.iter().any(|batch| batch.codec == *codec),
            "{producer:?} with {codec} stored {stored:?}"
        );
        topics.push(topic);
    }
    let mut first: Option<(Client, Vec<(i64, Record)>)> = None;
    for reader in Client::ALL {
        let all = read(reader, &topics, expected.len());
        for records in all.chunks(expected.len()) {
            compare(producer, reader, &expected, records);
        }
        // Offsets, and timestamps that the producing client chose by itself.
        let seen = all
            .iter()
            .map(|(offset, record)| (*offset, Record { headers: Vec::new(), ..record.clone() }));
        let seen: Vec<_> = seen.collect();
        match &first {
            None => first = Some((reader, seen)),
            Some((other, before)) => assert_eq!(before, &seen, "{other:?} and {reader:?} differ"),
        }
    }
}

fn read(reader: Client, topics: &[String], count: usize) -> Vec<(i64, Record)> {
    let parts: Vec<(&str, i32)> = topics.iter().map(|topic| (topic.as_str(), 0)).collect();
    let mut found = reader.shared().read_all(&parts, count * topics.len());
    found
        .sort_by_key(|found| (topics.iter().position(|topic| *topic == found.topic), found.offset));
    found.into_iter().map(|found| (found.offset, found.record)).collect()
}

fn compare(producer: Client, reader: Client, expected: &[Record], found: &[(i64, Record)]) {
    for (index, (expected, (offset, found))) in expected.iter().zip(found).enumerate() {
        let mut expected = expected.clone();
        let mut found = found.clone();
        if !reader.orders_headers() {
            group_headers(&mut expected);
            group_headers(&mut found);
        }
        if !reader.passes_zero_bytes() {
            end_headers_at_zero(&mut expected);
        }
        if expected.timestamp.is_none() {
            found.timestamp = None;
        }
        assert_eq!(expected, found, "record {index} of {producer:?} as read by {reader:?}");
        assert_eq!(*offset, i64::try_from(index).unwrap());
    }
}

/// What the client can express of the records: the rest is not its fault.
fn expected(producer: Client, mut records: Vec<Record>) -> Vec<Record> {
    for record in &mut records {
        if !producer.sets_timestamps() {
            record.timestamp = None;
        }
        if !producer.orders_headers() {
            group_headers(record);
        }
        if !producer.produces_null_headers() {
            for (_, value) in &mut record.headers {
                value.get_or_insert_default();
            }
        }
        if !producer.passes_zero_bytes() {
            end_headers_at_zero(record);
            if let Some(key) = &mut record.key {
                key.retain(|byte| *byte != 0);
            }
        }
    }
    records
}

fn end_headers_at_zero(record: &mut Record) {
    for value in record.headers.iter_mut().filter_map(|(_, value)| value.as_mut()) {
        let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
        value.truncate(end);
    }
}

/// Brings headers of one name together, each name in its own order.
fn group_headers(record: &mut Record) {
    record.headers.sort_by(|a, b| a.0.cmp(&b.0));
}
