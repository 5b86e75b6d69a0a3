//! Administration by Apache's own tools, whose admin client speaks the newest version of each API.

use std::time::Duration;

use serde_json::Value;
use strom_integration_tests::broker::unique;
use strom_integration_tests::wait::wait_for;

use crate::refusals::{produced, topic, wire};
use crate::tools::{
    CONFIGS, CONSUMER_GROUPS, DELETE_RECORDS, LEADER_ELECTION, LOG_DIRS, REASSIGN, TOPICS, attempt,
};
use crate::wire::batch;

/// Runs a tool by its class; gives what it printed and whether it succeeded.
fn run(class: &str, arguments: &[&str]) -> (String, bool) {
    let (text, succeeded) = attempt(class, arguments, "");
    println!("{class} {arguments:?}\n{text}");
    (text, succeeded)
}

fn must(class: &str, arguments: &[&str]) -> String {
    let (text, succeeded) = run(class, arguments);
    assert!(succeeded, "{class} {arguments:?}: {text}");
    text
}

#[test]
fn topics_grow_and_change_options() {
    let topic = topic();
    must(TOPICS, &["--alter", "--topic", &topic, "--partitions", "3"]);
    wait_for("three partitions to be described", Duration::from_secs(20), || {
        let described = must(TOPICS, &["--describe", "--topic", &topic]);
        described.contains("PartitionCount: 3").then_some(())
    });
    let (text, succeeded) = run(TOPICS, &["--alter", "--topic", &topic, "--partitions", "2"]);
    assert!(!succeeded && text.contains("would not be an increase"), "{text}");

    let change = |arguments: &[&str]| {
        let of_topic = ["--alter", "--entity-type", "topics", "--entity-name", &topic];
        run(CONFIGS, &[&of_topic[..], arguments].concat())
    };
    let options = "retention.ms=98765,cleanup.policy=[compact,delete]";
    assert!(change(&["--add-config", options]).1);
    let describe = ["--describe", "--entity-type", "topics", "--entity-name", &topic];
    wait_for("the new options to be described", Duration::from_secs(20), || {
        let described = must(CONFIGS, &describe);
        let is_there = described.contains("retention.ms=98765")
            && described.contains("cleanup.policy=compact,delete");
        is_there.then_some(())
    });
    assert!(change(&["--delete-config", "retention.ms,cleanup.policy"]).1);
    wait_for("the options to be gone", Duration::from_secs(20), || {
        (!must(CONFIGS, &describe).contains("98765")).then_some(())
    });
    let (text, succeeded) = change(&["--add-config", "retention.ms=soon"]);
    assert!(!succeeded && text.contains("Invalid value soon"), "{text}");
    let broker = ["--alter", "--entity-type", "brokers", "--entity-name", "1"];
    let (text, succeeded) = run(CONFIGS, &[&broker[..], &["--add-config", "node.id=9"]].concat());
    assert!(!succeeded && text.contains("Cannot update these configs dynamically"), "{text}");
}

#[test]
fn records_are_deleted_and_directories_shown() {
    let (topic, mut wire) = (topic(), wire());
    for value in [b"a", b"b", b"c"] {
        assert_eq!(produced(&mut wire, &topic, 0, &batch(&[value])), 0);
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let place = serde_json::json!({"topic": topic, "partition": 0, "offset": 2});
    let wanted = serde_json::json!({"version": 1, "partitions": [place]});
    std::fs::write(file.path(), wanted.to_string()).unwrap();
    let path = file.path().display().to_string();
    let deleted = must(DELETE_RECORDS, &["--offset-json-file", &path]);
    assert!(deleted.contains(&format!("partition: {topic}-0\tlow_watermark: 2")), "{deleted}");

    let shown = must(LOG_DIRS, &["--describe", "--topic-list", &topic]);
    let json = shown.lines().find(|line| line.starts_with('{')).unwrap();
    let json: Value = serde_json::from_str(json).unwrap();
    let partition = &json["brokers"][0]["logDirs"][0]["partitions"][0];
    assert_eq!(partition["partition"], format!("{topic}-0"));
    assert!(partition["size"].as_u64().unwrap() > 0, "{shown}");
    assert_eq!((&partition["offsetLag"], &partition["isFuture"]), (&0.into(), &false.into()));
}

#[test]
fn nothing_is_elected_or_moved_on_one_broker() {
    let topic = topic();
    let of_topic = ["--election-type", "preferred", "--topic", &topic, "--partition", "0"];
    let elected = must(LEADER_ELECTION, &of_topic);
    assert!(elected.contains("Valid replica already elected"), "{elected}");
    let (text, _) =
        run(LEADER_ELECTION, &["--election-type", "preferred", "--all-topic-partitions"]);
    assert!(!text.contains("Error"), "{text}");
    let moved = must(REASSIGN, &["--list"]);
    assert!(moved.contains("No partition reassignments found"), "{moved}");
}

#[test]
fn offsets_of_a_group_are_reset_and_deleted() {
    let (topic, mut wire) = (topic(), wire());
    assert_eq!(produced(&mut wire, &topic, 0, &batch(&[b"one"])), 0);
    let group = unique("tools-group");
    let of = ["--group", &group, "--topic", &topic];
    let reset = ["--reset-offsets", "--to-latest", "--execute"];
    let printed = must(CONSUMER_GROUPS, &[&of[..], &reset].concat());
    assert!(printed.contains(&group), "{printed}");
    let deleted = must(CONSUMER_GROUPS, &[&of[..], &["--delete-offsets"]].concat());
    assert!(deleted.contains("Successful"), "{deleted}");
    let (described, _) = run(CONSUMER_GROUPS, &["--describe", "--group", &group]);
    assert!(!described.contains(&topic), "{described}");
}
