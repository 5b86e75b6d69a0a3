//! One running client, asked in the words of clients/README.md.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::Client;
use crate::guarded::tail_of;
use crate::installed::log_folder;
use crate::record::{Found, Record};
use crate::wait::wait_for;
use crate::written;

/// A client's refusal, by Kafka's name for the error where it has one.
#[derive(Clone, Debug)]
pub struct Refused {
    pub error: String,
    pub message: String,
}

pub type Answer<T = Value> = Result<T, Refused>;

/// Something that answers the commands.
pub trait Driver: Send {
    fn call(&mut self, op: &str, arguments: Value) -> Answer;
    /// Ends it the hard way, as a crash would; returns the records that it had printed unasked.
    fn kill(&mut self) -> Vec<Value>;
    /// Where its own log is, for a failure's message.
    fn log(&self) -> String {
        String::new()
    }
}

/// A driver in a process of its own: JSON lines on its stdin and stdout.
pub struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    next: u64,
    log: PathBuf,
}

impl Process {
    pub fn start(name: &str, mut command: Command) -> Process {
        let log = log_folder().join(format!("{}.log", crate::broker::unique(name)));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Process { child, input, output, next: 0, log }
    }
}

impl Driver for Process {
    fn call(&mut self, op: &str, mut arguments: Value) -> Answer {
        self.next += 1;
        arguments["op"] = json!(op);
        arguments["id"] = json!(self.next);
        writeln!(self.input, "{arguments}").unwrap_or_else(|e| panic!("{op}: {e}\n{}", self.log()));
        self.input.flush().unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{op} was answered {line:?}: {error}\n{}", self.log()));
        assert_eq!(answer["id"], self.next, "{line}");
        match answer.get("ok") {
            Some(ok) => Ok(ok.clone()),
            None => Err(Refused {
                error: answer["error"].as_str().unwrap_or_default().to_string(),
                message: answer["message"].as_str().unwrap_or_default().to_string(),
            }),
        }
    }

    fn kill(&mut self) -> Vec<Value> {
        let _ = self.child.kill();
        let _ = self.child.wait();
        Vec::new()
    }

    fn log(&self) -> String {
        tail_of(&self.log)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A driver ends when its input does; nothing of it is worth waiting for.
        self.kill();
    }
}

/// Where to begin reading.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum From {
    Beginning,
    End,
    Offset(i64),
    Timestamp(i64),
}

impl From {
    fn to_json(self) -> Value {
        match self {
            From::Beginning => json!("beginning"),
            From::End => json!("end"),
            From::Offset(offset) => json!(offset),
            From::Timestamp(timestamp) => json!({ "timestamp": timestamp }),
        }
    }
}

/// How to produce.
#[derive(Clone, Copy, Debug)]
pub struct Produce {
    pub codec: &'static str,
    pub acks: &'static str,
    pub idempotent: bool,
}

impl Default for Produce {
    fn default() -> Self {
        Produce { codec: "none", acks: "all", idempotent: false }
    }
}

/// How to join a group.
#[derive(Clone, Debug)]
pub struct Join<'a> {
    pub group: &'a str,
    pub topics: &'a [String],
    pub assignor: &'static str,
    pub instance_id: Option<&'a str>,
    pub session_timeout: Duration,
}

/// What a member of a group has seen since it was last asked.
#[derive(Clone, Debug)]
pub struct MemberState {
    pub assignment: Vec<(String, i32)>,
    pub rebalances: u64,
    pub records: Vec<Found>,
}

/// A running client and its broker's address.
pub struct Session {
    pub client: Client,
    bootstrap: String,
    driver: Box<dyn Driver>,
    next_handle: u64,
}

impl Session {
    pub fn new(client: Client, bootstrap: &str, driver: Box<dyn Driver>) -> Session {
        Session { client, bootstrap: bootstrap.to_string(), driver, next_handle: 0 }
    }

    pub fn call(&mut self, op: &str, arguments: Value) -> Answer {
        let topic = arguments["topic"].as_str().unwrap_or_default().to_string();
        if op == "produce" {
            written::note(&self.bootstrap, &topic);
        }
        let answer = self.driver.call(op, arguments);
        if op == "delete_topic" && answer.is_ok() {
            written::forget(&self.bootstrap, &topic);
        }
        answer
    }

    /// A call that must succeed.
    pub fn must(&mut self, op: &str, arguments: Value) -> Value {
        let shown = format!("{arguments:.300}");
        self.call(op, arguments).unwrap_or_else(|refused| {
            panic!("{:?} {op} {shown}: {refused:?}\n{}", self.client, self.driver.log())
        })
    }

    pub fn kill(mut self) -> Vec<Found> {
        founds(&Value::Array(self.driver.kill()))
    }

    /// The client's own name and version.
    pub fn hello(&mut self) -> Value {
        self.must("hello", json!({}))
    }

    pub fn produce(&mut self, topic: &str, how: Produce, records: &[Record]) -> Vec<i64> {
        let answer = self.must("produce", Session::produce_arguments(topic, how, records));
        answer["offsets"].as_array().unwrap().iter().map(|o| o.as_i64().unwrap()).collect()
    }

    pub fn try_produce(&mut self, topic: &str, how: Produce, records: &[Record]) -> Answer {
        self.call("produce", Session::produce_arguments(topic, how, records))
    }

    fn produce_arguments(topic: &str, how: Produce, records: &[Record]) -> Value {
        json!({
            "topic": topic,
            "codec": how.codec,
            "acks": how.acks,
            "idempotent": how.idempotent,
            "records": records.iter().map(Record::to_json).collect::<Vec<_>>(),
        })
    }

    /// Opens readers at the given places; returns the handle and the positions found.
    pub fn open(&mut self, parts: &[(&str, i32, From)]) -> (String, Vec<i64>) {
        self.next_handle += 1;
        let handle = crate::broker::unique("reader");
        let parts: Vec<Value> = parts
            .iter()
            .map(|(topic, partition, from)| {
                json!({"topic": topic, "partition": partition, "from": from.to_json()})
            })
            .collect();
        let answer = self.must("open", json!({"handle": handle, "parts": parts}));
        let positions = answer["positions"].as_array().unwrap();
        (handle, positions.iter().map(|position| position.as_i64().unwrap()).collect())
    }

    /// Reads until `count` records or 30 s; fewer are a failure.
    pub fn read(&mut self, handle: &str, count: usize) -> Vec<Found> {
        let found = self.read_within(handle, count, Duration::from_secs(30));
        assert_eq!(found.len(), count, "{:?} read {found:#?}\n{}", self.client, self.driver.log());
        found
    }

    /// Reads what comes within a time, at most `count` records.
    pub fn read_within(&mut self, handle: &str, count: usize, time: Duration) -> Vec<Found> {
        let milliseconds = u64::try_from(time.as_millis()).unwrap();
        let arguments = json!({"handle": handle, "count": count, "timeout_ms": milliseconds});
        founds(&self.must("read", arguments)["records"])
    }

    pub fn close(&mut self, handle: &str) {
        self.must("close", json!({"handle": handle}));
    }

    /// Reads exactly `count` records of several partitions from their beginning.
    pub fn read_all(&mut self, parts: &[(&str, i32)], count: usize) -> Vec<Found> {
        let parts: Vec<_> = parts.iter().map(|(t, p)| (*t, *p, From::Beginning)).collect();
        let (handle, _) = self.open(&parts);
        let found = self.read(&handle, count);
        self.close(&handle);
        found
    }

    pub fn create_topic(&mut self, topic: &str, partitions: i32) {
        self.must(
            "create_topic",
            json!({"topic": topic, "partitions": partitions, "replication_factor": 1, "configs": {}}),
        );
    }

    pub fn topics(&mut self) -> BTreeMap<String, u64> {
        let answer = self.must("topics", json!({}));
        let topics = answer["topics"].as_object().unwrap();
        topics.iter().map(|(name, count)| (name.clone(), count.as_u64().unwrap())).collect()
    }

    pub fn join(&mut self, handle: &str, join: &Join<'_>) {
        self.must(
            "join",
            json!({
                "handle": handle,
                "group": join.group,
                "topics": join.topics,
                "assignor": join.assignor,
                "instance_id": join.instance_id,
                "session_timeout_ms": u64::try_from(join.session_timeout.as_millis()).unwrap(),
            }),
        );
    }

    pub fn member(&mut self, handle: &str) -> MemberState {
        let answer = self.must("member", json!({"handle": handle}));
        let partition = |pair: &Value| {
            let index = i32::try_from(pair[1].as_i64().unwrap()).unwrap();
            (pair[0].as_str().unwrap().to_string(), index)
        };
        MemberState {
            assignment: answer["assignment"].as_array().unwrap().iter().map(partition).collect(),
            rebalances: answer["rebalances"].as_u64().unwrap(),
            records: founds(&answer["records"]),
        }
    }

    pub fn commit(&mut self, handle: &str) -> Answer {
        self.call("commit", json!({"handle": handle}))
    }

    /// Leaves the group; returns the records that came since the last question.
    pub fn leave(&mut self, handle: &str) -> Vec<Found> {
        founds(&self.must("leave", json!({"handle": handle}))["records"])
    }

    /// Committed offsets of a group on a topic, by partition.
    pub fn committed(&mut self, group: &str, topic: &str) -> BTreeMap<i32, i64> {
        // A coordinator that is still loading after a restart makes clients time out.
        let answer = wait_for("committed offsets", Duration::from_secs(60), || {
            self.call("committed", json!({"group": group, "topic": topic})).ok()
        });
        let offsets = answer["offsets"].as_array().unwrap().iter();
        offsets
            .map(|pair| {
                let partition = i32::try_from(pair[0].as_i64().unwrap()).unwrap();
                (partition, pair[1].as_i64().unwrap())
            })
            .collect()
    }
}

fn founds(json: &Value) -> Vec<Found> {
    json.as_array().unwrap().iter().map(Found::from_json).collect()
}
