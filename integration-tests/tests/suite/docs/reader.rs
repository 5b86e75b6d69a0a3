//! A reader of the documentation at a desk: a broker, an empty folder to work in, and a shell that
//! finds kcat, Kafka's scripts, python3, duckdb and strom. Knows no page.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use strom_integration_tests::broker::Broker;
use strom_integration_tests::guarded::Guarded;
use strom_integration_tests::installed::{broker_binary, installed, log_folder};
use strom_integration_tests::kafka::java;
use strom_integration_tests::s3::S3Server;
use strom_integration_tests::strom::get;
use strom_integration_tests::wait::wait_for;
use tempfile::TempDir;

use crate::engines::{BROKER_OPTIONS, Engine, Kind};

/// What the reader types into a command that waits for lines, up to Ctrl-D.
const TYPED: &str = "typed first\nthen second\nand third\n";

/// Kafka's scripts by the classes that they start. The consumer would go on for ever: the reader
/// presses Ctrl-C when it has shown what was typed, or nothing for a minute.
const SCRIPTS: &[(&str, &str, &[&str])] = &[
    ("kafka-topics.sh", "org.apache.kafka.tools.TopicCommand", &[]),
    ("kafka-configs.sh", "kafka.admin.ConfigCommand", &[]),
    ("kafka-delete-records.sh", "org.apache.kafka.tools.DeleteRecordsCommand", &[]),
    ("kafka-console-producer.sh", "org.apache.kafka.tools.ConsoleProducer", &[]),
    (
        "kafka-console-consumer.sh",
        "org.apache.kafka.tools.consumer.ConsoleConsumer",
        &["--max-messages", "3", "--timeout-ms", "60000"],
    ),
    ("kafka-consumer-groups.sh", "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", &[]),
];

pub struct Reader {
    broker: Broker,
    desk: TempDir,
    trino: Option<Engine>,
    /// The name of Trino's catalog.
    catalog: String,
    bucket: Option<S3Server>,
}

impl Reader {
    pub fn new() -> Reader {
        // The engines' options: an answer that is not fresh is an error, on a busy machine too.
        let broker = Broker::start_strom(BROKER_OPTIONS);
        let desk = tempfile::Builder::new().prefix("strom-docs-").tempdir().unwrap();
        write_commands(&desk.path().join("bin"));
        Reader { broker, desk, trino: None, catalog: String::new(), bucket: None }
    }

    /// A reader whose broker keeps its tables in a bucket, as docs/s3.md has it.
    pub fn at_a_bucket() -> Reader {
        let server = S3Server::start();
        let mut reader = Reader::new();
        reader.broker.stop();
        for (name, value) in [
            ("lake.warehouse", "s3://lake/warehouse"),
            ("lake.vended.access-key-id", "reader"),
            ("lake.vended.secret-access-key", "reader-secret"),
            ("s3.endpoint", &format!("http://{}", server.address())),
            ("s3.access-key-id", "broker"),
            ("s3.secret-access-key", "broker-secret"),
        ] {
            reader.broker.set(name, value);
        }
        reader.broker.start_again();
        reader.bucket = Some(server);
        reader
    }

    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// An example with the addresses of this reader's broker instead of the default ones.
    pub fn here(&self, example: &str) -> String {
        let text = example.replace("127.0.0.1:9092", self.broker.bootstrap());
        let mut text = text.replace("127.0.0.1:8081", self.broker.http());
        if let Some(bucket) = &self.bucket {
            text = text.replace("127.0.0.1:3900", &bucket.address().to_string());
        }
        // Nothing else may be asked: somebody's own broker could run there.
        assert!(!text.contains(":9092") && !text.contains(":8081"), "an address is left: {text}");
        text
    }

    /// Runs lines in a shell that stops at the first failure; what they printed. The subcommands find
    /// the default addresses, which are not this reader's broker's.
    pub fn shell(&self, lines: &str) -> String {
        let lines: Vec<String> = lines
            .lines()
            .map(|line| match line.split_whitespace().take(2).collect::<Vec<_>>()[..] {
                ["strom", "topic"] => format!("{line} -b {}", self.broker.bootstrap()),
                ["strom", "verify"] => format!("{line} --http {}", self.broker.http()),
                _ => line.to_owned(),
            })
            .collect();
        self.finish(&["sh", "-e", "-c", &lines.join("\n")])
    }

    pub fn python(&self, code: &str) -> String {
        self.finish(&["python3", "-c", code])
    }

    pub fn duckdb(&self, sql: &str) -> String {
        self.finish(&["duckdb", "-c", sql])
    }

    /// Creates Trino's catalog `ice` as a properties file defines it, under a name of this reader's own:
    /// the pages share one Trino.
    pub fn trino_catalog(&mut self, properties: &str) -> String {
        let mut properties: Vec<(&str, &str)> =
            properties.lines().map(|line| line.split_once('=').expect("name=value")).collect();
        let (name, connector) = properties.remove(0);
        assert_eq!(name, "connector.name");
        let properties: Vec<String> =
            properties.iter().map(|(name, value)| format!("\"{name}\" = '{value}'")).collect();
        let properties = properties.join(", ");
        let mut trino = Engine::open(Kind::Trino, &self.broker);
        self.catalog = strom_integration_tests::broker::unique("ice").replace('-', "_");
        let name = &self.catalog;
        trino.sql(&format!("CREATE CATALOG {name} USING {connector} WITH ({properties})"));
        self.trino = Some(trino);
        String::new()
    }

    /// Runs statements in the catalog `ice`; the rows, a line each.
    pub fn trino(&mut self, sql: &str) -> String {
        let trino = self.trino.as_mut().expect("the page has defined the catalog");
        let sql = &sql.replace(" ice.", &format!(" {}.", self.catalog));
        let statements = sql.split(';').map(str::trim).filter(|statement| !statement.is_empty());
        let cell = |cell: &Value| cell.as_str().map_or_else(|| cell.to_string(), str::to_string);
        let mut shown = String::new();
        for row in statements.flat_map(|statement| trino.sql(statement)) {
            let cells: Vec<String> = row.iter().map(cell).collect();
            shown += &(cells.join(" ") + "\n");
        }
        shown
    }

    /// Starts a broker with a command line, on free ports; what its listeners say of themselves.
    pub fn broker_started_by(&self, line: &str) -> String {
        let line = on_free_ports(line);
        let folder = self.desk.path().join("started");
        fs::create_dir(&folder).unwrap();
        let mut command = self.command(&["sh", "-c", &format!("exec {line}")]);
        command.current_dir(&folder);
        self.metadata_of(&mut command, &folder)
    }

    /// The same with a configuration file, in which `http.address` is not set.
    pub fn broker_configured_by(&self, file: &str) -> String {
        let folder = self.desk.path().join("configured");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("strom.toml"), on_free_ports(file)).unwrap();
        let mut command = self.command(&["strom", "--config", "strom.toml"]);
        command.args(["--set", "http.address=127.0.0.1:0"]).current_dir(&folder);
        self.metadata_of(&mut command, &folder)
    }

    /// Waits until a broker that keeps its data below `folder` is ready, and asks kcat about each
    /// of its listeners. The listener's port is shown as `{port}`.
    fn metadata_of(&self, command: &mut Command, folder: &Path) -> String {
        let name = format!("{}.log", strom_integration_tests::broker::unique("docs"));
        let mut process = Guarded::start(command, &log_folder().join(name));
        let addresses = wait_for("the broker of an example", Duration::from_secs(30), || {
            if let Some(status) = process.ended() {
                panic!("the broker ended at its start: {status}\n{}", process.log_tail());
            }
            let text = fs::read_to_string(folder.join("strom-data/addresses.json")).ok()?;
            serde_json::from_str::<Value>(&text).ok()
        });
        let port =
            |address: &Value| address.as_str().unwrap().rsplit(':').next().unwrap().to_string();
        let http = format!("127.0.0.1:{}", port(&addresses["http"]));
        wait_for("its health", Duration::from_secs(30), || {
            (get(&http, "/health/ready").ok()?.0 == 200).then_some(())
        });
        let mut shown = String::new();
        for address in addresses["kafka"].as_array().unwrap() {
            let port = port(address);
            let listed = self.shell(&format!("kcat -L -b 127.0.0.1:{port}"));
            shown += &listed.replace(&format!(":{port}"), ":{port}");
        }
        shown
    }

    /// Runs a command to its end, at most two minutes, with lines to read; what it printed. It must
    /// succeed.
    fn finish(&self, words: &[&str]) -> String {
        let mut command = self.command(&[&["timeout", "120"], words].concat());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{words:?}: {error}"));
        // Few commands read what is typed; the others may end before it is.
        let _ = child.stdin.take().unwrap().write_all(TYPED.as_bytes());
        let output = child.wait_with_output().unwrap();
        let mut shown = String::from_utf8_lossy(&output.stdout).into_owned();
        shown += &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {}\n{shown}", output.status);
        shown
    }

    /// A command at the desk, looked for there first by `env`, which `Command` itself would not do.
    /// The suite's own variables would look like settings to a broker.
    fn command(&self, words: &[&str]) -> Command {
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{path}", self.desk.path().join("bin").display());
        let mut command = Command::new("env");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("STROM_") {
                command.env_remove(name);
            }
        }
        command.arg(format!("PATH={path}")).args(words).current_dir(self.desk.path());
        command
    }
}

/// With port 0, which takes a free one, wherever a port stands. What is advertised with port 0 is
/// advertised with the port that was taken.
fn on_free_ports(text: &str) -> String {
    let text = [":9092", ":9094", ":8081"].iter().fold(text.to_string(), |t, p| t.replace(p, ":0"));
    assert!(!text.contains(":9") && !text.contains(":8"), "a port is left: {text}");
    text
}

/// The commands of the documentation, as scripts that start what `cargo xtask` has installed.
fn write_commands(bin: &Path) {
    fs::create_dir(bin).unwrap();
    let engines = installed("engines");
    let duckdb = Path::new(env!("CARGO_MANIFEST_DIR")).join("engines/duckdb_command.py");
    let python = engines.join("bin/python");
    let mut commands = vec![
        ("strom", Command::new(broker_binary())),
        ("kcat", Command::new(installed("kcat").join("bin/kcat"))),
        ("python3", Command::new(&python)),
        ("duckdb", Command::new(&python)),
    ];
    commands[2].1.env("PYTHONPATH", site_packages(&installed("python")));
    commands[3].1.env("PYTHONDONTWRITEBYTECODE", "1").arg(duckdb);
    for (name, class, _) in SCRIPTS {
        let mut java = java();
        java.args(["-Xmx128m", "-XX:TieredStopAtLevel=1", class]);
        commands.push((name, java));
    }
    for (name, command) in commands {
        let more = SCRIPTS.iter().find(|(script, ..)| *script == name).map_or(&[][..], |s| s.2);
        let variables = command.get_envs().map(|(name, value)| {
            format!("{}={}", name.display(), quoted(&value.unwrap().to_string_lossy()))
        });
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words = words.map(|word| quoted(&word.to_string_lossy()));
        let words: Vec<String> = variables.chain(words).collect();
        // `exec`, so that who ends the command ends what it has started.
        let script = format!("#!/bin/sh\nexec env {} \"$@\" {}\n", words.join(" "), more.join(" "));
        let path = bin.join(name);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }
}

/// Where the packages of a virtual environment are: one Python runs with those of both.
fn site_packages(environment: &Path) -> PathBuf {
    let mut versions = fs::read_dir(environment.join("lib")).unwrap();
    versions.next().unwrap().unwrap().path().join("site-packages")
}

/// A word of a shell command.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}
