//! Apache's console tools, run as a person would.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use strom_integration_tests::broker::{self, unique};
use strom_integration_tests::kafka::java;
use strom_integration_tests::wait::wait_for;

/// Runs a tool by its class, with input; returns what it printed. It must succeed.
fn tool(class: &str, arguments: &[&str], input: &str) -> String {
    let (printed, succeeded) = attempt(class, arguments, input);
    assert!(succeeded, "{class} {arguments:?}: {printed}");
    printed
}

fn attempt(class: &str, arguments: &[&str], input: &str) -> (String, bool) {
    let mut command = java();
    command
        .args(["-Xmx128m", "-XX:TieredStopAtLevel=1", class])
        .args(["--bootstrap-server", broker::shared().bootstrap()])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    (text, output.status.success())
}

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";
const CONFIGS: &str = "kafka.admin.ConfigCommand";

/// Whether some line holds all these words, in any order.
fn has_line(text: &str, words: &[&str]) -> bool {
    text.lines().any(|line| {
        let found: Vec<&str> = line.split([' ', '\t', ',']).collect();
        words.iter().all(|word| found.contains(word))
    })
}

#[test]
fn the_console_tools_work_as_described() {
    let topic = unique("tools");
    let group = format!("{topic}-group");
    let printed = tool(TOPICS, &["--create", "--topic", &topic, "--partitions", "2"], "");
    assert!(printed.contains(&format!("Created topic {topic}.")), "{printed}");
    let printed = tool(TOPICS, &["--describe", "--topic", &topic], "");
    assert!(has_line(&printed, &["PartitionCount:", "2"]), "{printed}");
    let (printed, succeeded) = attempt(TOPICS, &["--create", "--topic", &topic], "");
    assert!(!succeeded && printed.contains("already exists"), "{printed}");

    let properties =
        ["--reader-property", "parse.key=true", "--reader-property", "key.separator=:"];
    let arguments = [&["--topic", &topic][..], &properties].concat();
    tool(PRODUCER, &arguments, "k1:one\nk2:two\nk3:three\n");
    let arguments = ["--topic", &topic, "--group", &group, "--from-beginning"];
    let limits = ["--max-messages", "3", "--timeout-ms", "30000"];
    let format = ["--formatter-property", "print.key=true"];
    let printed = tool(CONSUMER, &[&arguments[..], &limits, &format].concat(), "");
    for (key, value) in [("k1", "one"), ("k2", "two"), ("k3", "three")] {
        assert!(has_line(&printed, &[key, value]), "{printed}");
    }

    let printed = tool(OFFSETS, &["--topic", &topic], "");
    let ends = printed.lines().filter_map(|line| line.rsplit_once(':')?.1.parse::<i64>().ok());
    assert_eq!(ends.sum::<i64>(), 3, "{printed}");
    let arguments = ["--describe", "--entity-type", "topics", "--entity-name", &topic, "--all"];
    let printed = tool(CONFIGS, &arguments, "");
    assert!(printed.contains("cleanup.policy=delete"), "{printed}");

    let printed = tool(GROUPS, &["--list"], "");
    assert!(printed.lines().any(|line| line == group), "{printed}");
    let printed = tool(GROUPS, &["--describe", "--group", &group], "");
    // GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG …
    let rows = printed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let rows: Vec<_> = rows.filter(|row| row.get(1) == Some(&topic.as_str())).collect();
    assert!(!rows.is_empty() && rows.iter().all(|row| row[5] == "0"), "{printed}");
    let printed = tool(GROUPS, &["--delete", "--group", &group], "");
    assert!(printed.contains("was successful"), "{printed}");

    tool(TOPICS, &["--delete", "--topic", &topic], "");
    wait_for("the topic to be gone", Duration::from_secs(20), || {
        let printed = tool(TOPICS, &["--list"], "");
        (!printed.lines().any(|line| line == topic)).then_some(())
    });
}
