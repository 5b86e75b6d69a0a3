//! The binary's subcommands, run as a person would against a broker that runs.

use std::process::Command;

use strom_integration_tests::broker::{Broker, unique};
use strom_integration_tests::installed::broker_binary;

/// Runs `strom` with arguments; returns its exit code, standard output and standard error.
fn strom(arguments: &[&str]) -> (Option<i32>, String, String) {
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
