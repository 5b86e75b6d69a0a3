//! The binary's subcommands, run as a person would against a broker that runs.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use strom_integration_tests::broker::{Broker, SMALL_JOURNAL, unique};
use strom_integration_tests::installed::broker_binary;
use strom_integration_tests::record::{Record, noise};
use strom_integration_tests::wait::wait_for;

use crate::engines::segments::files as segments;
use crate::records::{create_topic, produce};

/// Runs `strom` with arguments; returns its exit code, standard output and standard error.
pub(crate) fn strom(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(broker_binary());
    let output = command.args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A command that must succeed: what it printed.
fn done(arguments: &[&str]) -> String {
    let (code, printed, complaint) = strom(arguments);
    assert_eq!((code, complaint.as_str()), (Some(0), ""), "{arguments:?}: {printed}");
    printed
}

#[test]
fn topics_are_created_listed_and_described() {
    let broker = Broker::start_strom(&[]);
    let bootstrap = broker.bootstrap();
    let (first, second) = (unique("commands-a"), unique("commands-b"));
    let printed = done(&["topic", "create", &first, "-b", bootstrap, "--partitions", "3"]);
    assert_eq!(printed, format!("created topic {first} with 3 partitions\n"));
    let options = ["--config", "retention.ms=60000", "--config", "cleanup.policy=compact"];
    let arguments = [&["topic", "create", &second, "-b", bootstrap][..], &options].concat();
    assert_eq!(done(&arguments), format!("created topic {second} with 1 partition\n"));

    let words = |text: &str, name: &str| -> Vec<String> {
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(name));
        line.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    };
    let listed = done(&["topic", "list", "-b", bootstrap]);
    assert_eq!(words(&listed, &first), [first.as_str(), "3", "delete"], "{listed}");
    assert_eq!(words(&listed, &second), [second.as_str(), "1", "compact"], "{listed}");
    let described = done(&["topic", "describe", &second, "-b", bootstrap]);
    for part in ["retention.ms=60000", "cleanup.policy=compact", "\n0          0 "] {
        assert!(described.contains(part), "{part}: {described}");
    }
}

#[test]
fn what_cannot_be_done_is_said_with_its_remedy() {
    let broker = Broker::start_strom(&[]);
    let bootstrap = broker.bootstrap();
    let taken = unique("commands-taken");
    done(&["topic", "create", &taken, "-b", bootstrap]);
    let rows: &[(&[&str], i32, &[&str])] = &[
        (&["topic", "create", &taken, "-b", bootstrap], 1, &[&taken, "TOPIC_ALREADY_EXISTS"]),
        (&["topic", "create", "a b", "-b", bootstrap], 1, &["\"a b\"", "INVALID_TOPIC_EXCEPTION"]),
        (
            &["topic", "create", "commands-bad", "-b", bootstrap, "--config", "retention.ms=soon"],
            1,
            &["retention.ms", "soon", "whole number", "INVALID_CONFIG"],
        ),
        (&["topic", "create", "x", "--config", "retention.ms"], 2, &["key=value"]),
        (&["topic", "create", "x", "--partitions", "0"], 2, &["1..="]),
        (
            &["topic", "describe", "commands-none", "-b", bootstrap],
            1,
            &["commands-none", "strom topic list", "UNKNOWN_TOPIC_OR_PARTITION"],
        ),
        (&["topic", "list", "-b", "127.0.0.1:1"], 1, &["127.0.0.1:1", "--bootstrap-server"]),
        (&["topic", "list", "-b", "nowhere"], 1, &["nowhere", "--bootstrap-server"]),
    ];
    for (arguments, expected, parts) in rows {
        let (code, printed, complaint) = strom(arguments);
        assert_eq!((code, printed.as_str()), (Some(*expected), ""), "{arguments:?}: {complaint}");
        for part in *parts {
            assert!(complaint.contains(part), "{arguments:?}: {part} is missing in {complaint}");
        }
    }
    let listed = done(&["topic", "list", "-b", bootstrap]);
    assert!(!listed.contains("commands-bad"), "{listed}");
}

/// Half of the smallest journal, and more: what is older is in segments.
const FLUSHED_RECORDS: usize = 4_500;
const VALUE_BYTES: usize = 16 * 1024;

fn values(count: usize) -> Vec<Record> {
    let record = |number| Record::new(None, Some(&noise(number, VALUE_BYTES))).on(0);
    (0..count).map(record).collect()
}

#[test]
fn a_topic_is_verified_and_a_flipped_byte_of_a_segment_is_named() {
    let mut broker = Broker::start_strom(SMALL_JOURNAL);
    let topic = unique("commands-verify");
    create_topic(broker.bootstrap(), &topic, 1);
    produce(broker.bootstrap(), &topic, &[], &values(FLUSHED_RECORDS));
    wait_for("a segment", Duration::from_secs(30), || segments(&broker).pop());
    let verify = |broker: &Broker| strom(&["verify", &topic, "--http", broker.http()]);
    let (code, printed, complaint) = verify(&broker);
    assert_eq!((code, complaint.as_str()), (Some(0), ""), "{printed}");
    let whole = format!("{topic}: {FLUSHED_RECORDS} records in ");
    assert!(printed.starts_with(&whole) && printed.ends_with(" 0 mismatches\n"), "{printed}");

    broker.stop();
    // One of them may have been merged into another, and goes when the broker starts.
    let flipped = segments(&broker);
    for object in &flipped {
        let mut bytes = std::fs::read(object).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(object, bytes).unwrap();
    }
    broker.start_again();
    let (code, printed, complaint) = verify(&broker);
    assert_eq!((code, printed.as_str()), (Some(1), ""), "{complaint}");
    for part in [topic.as_str(), "partition 0, offsets "] {
        assert!(complaint.contains(part), "{part}: {complaint}");
    }
    // One of each object that is left.
    let is_count = |count| complaint.contains(&format!(" {count} mismatches"));
    assert!((1..=flipped.len()).any(is_count), "{} were flipped: {complaint}", flipped.len());
    let name = |object: &PathBuf| object.file_name().unwrap().to_string_lossy().into_owned();
    let is_named = |object: &PathBuf| complaint.contains(&name(object));
    assert!(flipped.iter().any(is_named), "{complaint}");

    let (code, _, complaint) = strom(&["verify", "commands-none", "--http", broker.http()]);
    assert_eq!(code, Some(1));
    assert!(complaint.contains("no topic \"commands-none\""), "{complaint}");
    let (code, _, complaint) = strom(&["verify", &topic, "--http", "127.0.0.1:1"]);
    assert_eq!(code, Some(1));
    assert!(complaint.contains("127.0.0.1:1") && complaint.contains("--http"), "{complaint}");
}
