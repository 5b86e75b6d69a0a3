//! Segments are Arrow files: pyarrow, which knows nothing of Strom, reads those of a running broker.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use strom_integration_tests::broker::{Broker, SMALL_JOURNAL};
use strom_integration_tests::client::Client;
use strom_integration_tests::record::Record;
use strom_integration_tests::wait::wait_for;

use super::checks::records;
use super::{Rows, bytes, python};
use crate::records::{create_topic, press_journal, produce};
use crate::verified::verify;

const RECORDS: usize = 1000;

/// The files of the objects that the broker has listed or is about to.
pub fn files(broker: &Broker) -> Vec<PathBuf> {
    let folder = broker.data_dir().join("objects/segments");
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = files.map(|entry| entry.path());
    files.filter(|path| path.extension() != Some("tmp".as_ref())).collect()
}

/// Every row of every segment: timestamp, key, value, headers.
fn rows(broker: &Broker) -> Rows {
    let output = python("segment_reader.py").args(files(broker)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn expected(record: &Record, has_value: bool) -> Vec<Value> {
    let header = |(key, value): &(String, Option<Vec<u8>>)| {
        json!([bytes(Some(key.as_bytes())), bytes(value.as_deref())])
    };
    vec![
        json!(record.timestamp),
        bytes(record.key.as_deref()),
        bytes(record.value.as_deref().filter(|_| has_value)),
        record.headers.iter().map(header).collect(),
    ]
}

/// Of batches that came compressed the values are in their blocks; all else has columns.
#[test]
fn pyarrow_reads_the_segments_of_a_running_broker() {
    let broker = Broker::start_strom(SMALL_JOURNAL);
    let (plain, packed) = (records(2, 0, RECORDS), records(2, RECORDS, RECORDS));
    for (topic, codec, records) in [("plain", "none", &plain), ("packed", "lz4", &packed)] {
        create_topic(broker.bootstrap(), topic, 2);
        produce(broker.bootstrap(), topic, &[("compression.type", codec)], records);
    }
    let ballast = press_journal(broker.bootstrap());
    let in_segments = |topic: &str| verify(&broker, topic).segment_records;
    wait_for("all of it to be in segments", Duration::from_secs(60), || {
        let whole = RECORDS as u64;
        (in_segments("plain") == whole && in_segments("packed") == whole).then_some(())
    });
    // Neither does a flush begin meanwhile: what could press it is over.
    let rows = rows(&broker);
    let count = 2 * RECORDS as u64 + in_segments(&ballast);
    assert_eq!(rows.len() as u64, count, "rows and records in segments");
    for (produced, has_value) in [(&plain, true), (&packed, false)] {
        for partition in 0..2 {
            let here: Vec<&Record> =
                produced.iter().filter(|record| record.partition == Some(partition)).collect();
            let times: Vec<Value> = here.iter().map(|record| json!(record.timestamp)).collect();
            let is_here =
                |row: &&Vec<Value>| row[2].is_null() != has_value && times.contains(&row[0]);
            let found: Rows = rows.iter().filter(is_here).cloned().collect();
            let expected: Rows = here.iter().map(|record| expected(record, has_value)).collect();
            assert_eq!(found.len(), RECORDS / 2, "partition {partition}, values: {has_value}");
            assert_eq!(found, expected, "partition {partition}, values: {has_value}");
        }
    }
}

/// How often a text stands in the segments as it is.
fn occurrences(broker: &Broker, text: &str) -> usize {
    let in_file = |file| {
        let content = std::fs::read(file).unwrap();
        String::from_utf8_lossy(&content).matches(text).count()
    };
    files(broker).into_iter().map(in_file).sum()
}

/// What is flushed from then on is compressed as the topic has it now, and read back whatever it is.
#[test]
fn compression_is_altered_for_segments_to_come() {
    let broker = Broker::start_strom(SMALL_JOURNAL);
    let mut session = Client::Confluent.start(broker.bootstrap());
    create_topic(broker.bootstrap(), "altered", 1);
    let mut written = 0;
    for compression in ["none", "zstd"] {
        let set = json!({"table.log.compression": compression});
        let change = json!({"topic": "altered", "set": set, "delete": []});
        session.must("alter_topic_config", change);
        let text = format!("is-there-as-{compression}");
        let produced: Vec<Record> = (0..RECORDS).map(|_| Record::text(&text).on(0)).collect();
        produce(broker.bootstrap(), "altered", &[], &produced);
        written += RECORDS as u64;
        press_journal(broker.bootstrap());
        wait_for("all of it to be in segments", Duration::from_secs(60), || {
            (verify(&broker, "altered").segment_records == written).then_some(())
        });
        let found = occurrences(&broker, &text);
        match compression {
            "none" => assert!(found >= RECORDS, "{found}"),
            _ => assert!(found < RECORDS / 10, "{found}"),
        }
    }
}
