//! Apache's command-line tools, run as a person would, one after the other in one JVM.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde_json::json;
use strom_integration_tests::broker::{self, Broker, unique};
use strom_integration_tests::kafka::java;
use strom_integration_tests::session::{Driver as _, Process};
use strom_integration_tests::wait::wait_for;
use strom_integration_tests::written;

use crate::verified;

pub(crate) const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
pub(crate) const CONSUMER_GROUPS: &str =
    "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const GROUPS: &str = "org.apache.kafka.tools.GroupsCommand";
const OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";
pub(crate) const CONFIGS: &str = "kafka.admin.ConfigCommand";
pub(crate) const LOG_DIRS: &str = "org.apache.kafka.tools.LogDirsCommand";
pub(crate) const DELETE_RECORDS: &str = "org.apache.kafka.tools.DeleteRecordsCommand";
pub(crate) const LEADER_ELECTION: &str = "org.apache.kafka.tools.LeaderElectionCommand";
pub(crate) const REASSIGN: &str = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
const API_VERSIONS: &str = "org.apache.kafka.tools.BrokerApiVersionsCommand";
const VERIFIABLE_PRODUCER: &str = "org.apache.kafka.tools.VerifiableProducer";
const VERIFIABLE_CONSUMER: &str = "org.apache.kafka.tools.VerifiableConsumer";
const PRODUCER_PERFORMANCE: &str = "org.apache.kafka.tools.ProducerPerformance";
const CONSUMER_PERFORMANCE: &str = "org.apache.kafka.tools.ConsumerPerformance";
const CLUSTER: &str = "org.apache.kafka.tools.ClusterTool";

/// The tools as a person calls them; the page about clients lists them.
pub(crate) const NAMES: &[&str] = &[
    "kafka-topics",
    "kafka-console-producer",
    "kafka-console-consumer",
    "kafka-consumer-groups",
    "kafka-groups",
    "kafka-get-offsets",
    "kafka-configs",
    "kafka-log-dirs",
    "kafka-delete-records",
    "kafka-leader-election",
    "kafka-reassign-partitions",
    "kafka-broker-api-versions",
    "kafka-verifiable-producer",
    "kafka-verifiable-consumer",
    "kafka-producer-perf-test",
    "kafka-consumer-perf-test",
    "kafka-cluster",
];

/// Runs a tool by its class, with input; returns what it printed. It must succeed.
fn tool(class: &str, arguments: &[&str], input: &str) -> String {
    let (printed, succeeded) = attempt(class, arguments, input);
    assert!(succeeded, "{class} {arguments:?}: {printed}");
    printed
}

/// The same, but it may fail: what it printed, and whether it succeeded.
pub(crate) fn attempt(class: &str, arguments: &[&str], input: &str) -> (String, bool) {
    attempt_on(broker::shared(), class, arguments, input)
}

/// The same on a broker of the caller's.
pub(crate) fn attempt_on(
    broker: &Broker,
    class: &str,
    arguments: &[&str],
    input: &str,
) -> (String, bool) {
    static JVM: OnceLock<Mutex<Process>> = OnceLock::new();
    let start = || {
        let mut command = java();
        command.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "Tools"]);
        Mutex::new(Process::start("tools", command))
    };
    let mut jvm = JVM.get_or_init(start).lock().unwrap_or_else(PoisonError::into_inner);
    let address = ["--bootstrap-server", broker.bootstrap()];
    let arguments = [arguments, &address].concat();
    let command = json!({"class": class, "arguments": arguments, "input": input});
    let answer = jvm.call("tool", command).expect("a tool that fails is answered, too");
    (answer["output"].as_str().unwrap().to_string(), answer["status"] == 0)
}

/// Whether some line holds all these words, in any order.
fn has_line(text: &str, words: &[&str]) -> bool {
    text.lines().any(|line| {
        let found: Vec<&str> = line.split([' ', '\t', ',']).collect();
        words.iter().all(|word| found.contains(word))
    })
}

/// The offsets that kafka-get-offsets prints as `topic:partition:offset`, added up.
fn offsets(topic: &str, time: &str) -> i64 {
    let printed = tool(OFFSETS, &["--topic", topic, "--time", time], "");
    printed.lines().filter_map(|line| line.rsplit_once(':')?.1.parse::<i64>().ok()).sum()
}

/// The rows that kafka-consumer-groups prints of a group on a topic: GROUP TOPIC PARTITION
/// CURRENT-OFFSET LOG-END-OFFSET LAG …
fn group_rows(group: &str, topic: &str) -> Vec<Vec<String>> {
    let printed = tool(CONSUMER_GROUPS, &["--describe", "--group", group], "");
    let rows = printed.lines().map(|line| line.split_whitespace().map(String::from).collect());
    rows.filter(|row: &Vec<String>| row.get(1).is_some_and(|found| found == topic)).collect()
}

fn produce_keyed(topic: &str) {
    let properties =
        ["--reader-property", "parse.key=true", "--reader-property", "key.separator=:"];
    let arguments = [&["--topic", topic][..], &properties].concat();
    tool(PRODUCER, &arguments, "k1:one\nk2:two\nk3:three\n");
}

fn consume(topic: &str, group: &str) -> String {
    let arguments = ["--topic", topic, "--group", group, "--from-beginning"];
    let limits = ["--max-messages", "3", "--timeout-ms", "30000"];
    let format = ["--formatter-property", "print.key=true"];
    tool(CONSUMER, &[&arguments[..], &limits, &format].concat(), "")
}

#[test]
fn topics_records_and_groups_by_the_console() {
    let topic = unique("tools");
    let group = format!("{topic}-group");
    let printed = tool(TOPICS, &["--create", "--topic", &topic, "--partitions", "2"], "");
    assert!(printed.contains(&format!("Created topic {topic}.")), "{printed}");
    let printed = tool(TOPICS, &["--describe", "--topic", &topic], "");
    assert!(has_line(&printed, &["PartitionCount:", "2"]), "{printed}");
    let (printed, succeeded) = attempt(TOPICS, &["--create", "--topic", &topic], "");
    assert!(!succeeded && printed.contains("already exists"), "{printed}");

    produce_keyed(&topic);
    let printed = consume(&topic, &group);
    for (key, value) in [("k1", "one"), ("k2", "two"), ("k3", "three")] {
        assert!(has_line(&printed, &[key, value]), "{printed}");
    }
    assert_eq!((offsets(&topic, "earliest"), offsets(&topic, "latest")), (0, 3));
    let arguments = ["--describe", "--entity-type", "topics", "--entity-name", &topic, "--all"];
    let printed = tool(CONFIGS, &arguments, "");
    assert!(printed.contains("cleanup.policy=delete"), "{printed}");

    let printed = tool(CONSUMER_GROUPS, &["--list"], "");
    assert!(printed.lines().any(|line| line == group), "{printed}");
    let printed = tool(GROUPS, &["--list"], "");
    assert!(has_line(&printed, &[&group, "Classic", "consumer"]), "{printed}");
    let rows = group_rows(&group, &topic);
    assert!(rows.len() == 2 && rows.iter().all(|row| row[5] == "0"), "{rows:?}");
    let printed = tool(CONSUMER_GROUPS, &["--describe", "--group", &group, "--state"], "");
    assert!(has_line(&printed, &[&group, "Empty"]), "{printed}");
    let reset = ["--reset-offsets", "--group", &group, "--topic", &topic, "--to-earliest"];
    tool(CONSUMER_GROUPS, &[&reset[..], &["--execute"]].concat(), "");
    let lags = group_rows(&group, &topic).into_iter().map(|row| row[5].parse::<i64>().unwrap());
    assert_eq!(lags.sum::<i64>(), 3);
    assert_eq!(consume(&topic, &group).matches("one").count(), 1, "it begins anew");
    let printed = tool(CONSUMER_GROUPS, &["--delete", "--group", &group], "");
    assert!(printed.contains("was successful"), "{printed}");

    tool(TOPICS, &["--delete", "--topic", &topic], "");
    wait_for("the topic to be gone", Duration::from_secs(20), || {
        let printed = tool(TOPICS, &["--list"], "");
        (!printed.lines().any(|line| line == topic)).then_some(())
    });
}

#[test]
fn load_by_the_verifiable_and_performance_tools() {
    let topic = unique("verified");
    let group = format!("{topic}-group");
    written::note(broker::shared().bootstrap(), &topic);
    tool(VERIFIABLE_PRODUCER, &["--topic", &topic, "--max-messages", "10", "--acks", "-1"], "");
    let arguments = ["--topic", &topic, "--group-id", &group, "--max-messages", "10"];
    let reset = ["--reset-policy", "earliest"];
    let printed = tool(VERIFIABLE_CONSUMER, &[&arguments[..], &reset].concat(), "");
    let counts = printed.lines().filter(|line| line.contains("\"records_consumed\""));
    let counts = counts.filter_map(|line| line.split("\"count\":").nth(1)?.split(',').next());
    assert_eq!(counts.map(|count| count.parse::<i64>().unwrap()).sum::<i64>(), 10, "{printed}");
    assert!(printed.contains("\"offsets_committed\"") && !printed.contains("\"success\":false"));

    let topic = unique("performed");
    written::note(broker::shared().bootstrap(), &topic);
    let load = ["--num-records", "2000", "--record-size", "100", "--throughput", "-1"];
    let printed = tool(PRODUCER_PERFORMANCE, &[&["--topic", &topic][..], &load].concat(), "");
    assert!(printed.contains("2000 records sent, "), "{printed}");
    let arguments = ["--topic", &topic, "--num-records", "2000", "--timeout", "20000"];
    let printed = tool(CONSUMER_PERFORMANCE, &arguments, "");
    // start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, …
    let row = printed.lines().last().unwrap_or_default().split(", ");
    assert_eq!(row.map(String::from).nth(4).as_deref(), Some("2000"), "{printed}");
    verified::written_to(broker::shared());
}

#[test]
fn the_broker_by_its_versions_and_cluster_id() {
    let printed = tool(API_VERSIONS, &[], "");
    assert!(printed.contains("Produce(0): 0 to 13 [usable: 13]"), "{printed}");
    assert!(printed.contains("Fetch(1): 4 to 18 [usable: 18]"), "{printed}");
    let printed = tool(CLUSTER, &["cluster-id"], "");
    assert!(printed.contains("Cluster ID: "), "{printed}");
}

#[test]
fn administration_by_the_console() {
    let topic = unique("administered");
    let group = format!("{topic}-group");
    tool(TOPICS, &["--create", "--topic", &topic, "--partitions", "2"], "");
    tool(TOPICS, &["--alter", "--topic", &topic, "--partitions", "3"], "");
    let printed = tool(TOPICS, &["--describe", "--topic", &topic], "");
    assert!(has_line(&printed, &["PartitionCount:", "3"]), "{printed}");
    let (printed, succeeded) =
        attempt(TOPICS, &["--alter", "--topic", &topic, "--partitions", "1"], "");
    assert!(!succeeded, "{printed}");

    let entity = ["--entity-type", "topics", "--entity-name", &topic];
    let configure = |change: &[&str]| attempt(CONFIGS, &[&entity[..], change].concat(), "");
    let add = ["--alter", "--add-config", "retention.ms=123456,max.message.bytes=2000"];
    for change in [&add[..], &["--alter", "--delete-config", "max.message.bytes"]] {
        let (printed, succeeded) = configure(change);
        assert!(succeeded && printed.contains("Completed updating config"), "{printed}");
    }
    let (printed, _) = configure(&["--describe"]);
    assert!(printed.contains("retention.ms=123456"), "{printed}");
    assert!(!printed.contains("max.message.bytes"), "{printed}");
    let (printed, succeeded) = configure(&["--alter", "--add-config", "no.such.option=1"]);
    assert!(!succeeded && printed.contains("InvalidConfigurationException"), "{printed}");

    produce_keyed(&topic);
    let printed = tool(LOG_DIRS, &["--describe", "--topic-list", &topic], "");
    for partition in 0..3 {
        assert!(printed.contains(&format!("\"partition\":\"{topic}-{partition}\"")), "{printed}");
    }
    let preferred = ["--election-type", "preferred", "--topic", &topic, "--partition", "0"];
    let printed = tool(LEADER_ELECTION, &preferred, "");
    assert!(printed.contains("Valid replica already elected"), "{printed}");
    let printed = tool(REASSIGN, &["--list"], "");
    assert!(printed.contains("No partition reassignments found"), "{printed}");

    consume(&topic, &group);
    let forget = ["--delete-offsets", "--group", &group, "--topic", &topic];
    let printed = tool(CONSUMER_GROUPS, &forget, "");
    assert!(printed.contains("Request succeeded for deleting offsets"), "{printed}");
    let before = (0..3).map(|p| json!({"topic": topic, "partition": p, "offset": -1}));
    let before = json!({"version": 1, "partitions": before.collect::<Vec<_>>()});
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), before.to_string()).unwrap();
    let path = file.path().to_str().unwrap();
    let printed = tool(DELETE_RECORDS, &["--offset-json-file", path], "");
    assert!(printed.matches("low_watermark").count() == 3, "{printed}");
    assert_eq!((offsets(&topic, "earliest"), offsets(&topic, "latest")), (3, 3));
}
