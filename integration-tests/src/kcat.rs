//! kcat behind the command protocol: it has no long-running mode for scripts, so each command
//! runs it once or more. Keys, headers and null values are set per run, so a record is a run,
//! unless it is a plain line of text. A member of a group is a kcat that keeps running.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{Read, Write as _};
use std::os::unix::ffi::OsStringExt as _;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::installed::installed;
use crate::record::{Record, encoded};
use crate::session::{Answer, Driver, Refused};

/// What follows each record in the output.
const END: &str = "<end of record>\n";
/// A line of numbers, then key, value and headers, then END.
const FORMAT: &str = "%t %p %o %T %K %S\n%k%s%h<end of record>\n";

pub struct Kcat {
    bootstrap: String,
    readers: HashMap<String, Vec<Part>>,
    members: HashMap<String, Member>,
}

/// A partition being read: where the next run begins.
struct Part {
    topic: String,
    partition: i64,
    /// What follows `-o`: the user's own words at first, then offsets.
    from: String,
    next: i64,
}

impl Kcat {
    pub fn new(bootstrap: &str) -> Kcat {
        Kcat { bootstrap: bootstrap.to_string(), readers: HashMap::new(), members: HashMap::new() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(installed("kcat").join("bin/kcat"));
        command.args(["-b", &self.bootstrap, "-m", "20", "-q"]).args(arguments);
        command
    }

    fn hello(&self) -> Answer {
        let output = finish(self.command(&["-V"]), b"")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let word = |after: &str| {
            let rest = &text[text.find(after).map_or(0, |at| at + after.len())..];
            rest.split([' ', '\n']).next().unwrap_or_default().to_string()
        };
        let library = format!("librdkafka {}", word("librdkafka "));
        Ok(json!({"client": "kcat", "version": word("Version "), "library": library}))
    }

    fn produce(&self, arguments: &Value) -> Answer {
        let records: Vec<Record> =
            arguments["records"].as_array().unwrap().iter().map(Record::from_json).collect();
        let mut rest = records.as_slice();
        while let Some(first) = rest.first() {
            let lines = rest.iter().take_while(|r| is_line(r) && r.partition == first.partition);
            let count = lines.count().max(1);
            self.produce_run(arguments, &rest[..count])?;
            rest = &rest[count..];
        }
        Ok(json!({"offsets": vec![-1; records.len()]}))
    }

    /// One run: plain lines, or a single record of any kind.
    fn produce_run(&self, arguments: &Value, records: &[Record]) -> Answer {
        let word = |name: &str| arguments[name].as_str().unwrap().to_string();
        let mut command = self.command(&["-P", "-t", &word("topic"), "-z", &word("codec")]);
        command.args(["-X", &format!("acks={}", word("acks"))]);
        command.args(["-X", &format!("enable.idempotence={}", arguments["idempotent"])]);
        let first = &records[0];
        if let Some(partition) = first.partition {
            command.args(["-p", &partition.to_string()]);
        }
        if records.len() > 1 || is_line(first) {
            let mut lines: Vec<u8> = Vec::new();
            for record in records {
                lines.extend_from_slice(record.value.as_deref().unwrap_or_default());
                lines.push(b'\n');
            }
            return finish(command, &lines).map(|_| Value::Null);
        }
        for (name, value) in &first.headers {
            let mut header = name.clone().into_bytes();
            if let Some(value) = value {
                header.push(b'=');
                header.extend_from_slice(value);
            }
            command.arg("-H").arg(OsString::from_vec(header));
        }
        if first.value.as_ref().is_none_or(Vec::is_empty) {
            // An empty file is no message at all, but a line with nothing after its key is one,
            // and `-Z` turns what is empty in it into null.
            command.args(["-K", "\t"]).args(first.value.is_none().then_some("-Z"));
            let line = [first.key.as_deref().unwrap_or_default(), b"\t\n"].concat();
            return finish(command, &line).map(|_| Value::Null);
        }
        if let Some(key) = &first.key {
            command.arg("-k").arg(OsString::from_vec(key.clone()));
        }
        // A file is one message, whatever bytes it holds.
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(first.value.as_deref().unwrap_or_default()).unwrap();
        command.arg(file.path());
        finish(command, b"").map(|_| Value::Null)
    }

    fn open(&mut self, arguments: &Value) -> Answer {
        let mut parts = Vec::new();
        let mut positions = Vec::new();
        for part in arguments["parts"].as_array().unwrap() {
            let topic = part["topic"].as_str().unwrap().to_string();
            let partition = part["partition"].as_i64().unwrap();
            let from = &part["from"];
            let (position, words) = match (from.as_i64(), from["timestamp"].as_i64()) {
                (Some(offset), _) => (offset, offset.to_string()),
                (None, Some(timestamp)) => {
                    let found = self.query(&topic, partition, timestamp)?;
                    (found, format!("s@{timestamp}"))
                }
                (None, None) if from == "end" => {
                    let end = self.query(&topic, partition, -1)?;
                    // What comes between this question and the first read counts as new.
                    (end, end.to_string())
                }
                (None, None) => (self.query(&topic, partition, -2)?, "beginning".into()),
            };
            positions.push(position);
            parts.push(Part { topic, partition, from: words, next: position });
        }
        self.readers.insert(arguments["handle"].as_str().unwrap().to_string(), parts);
        Ok(json!({ "positions": positions }))
    }

    /// The offset for a timestamp (-1 end, -2 beginning); the end when there is none.
    fn query(&self, topic: &str, partition: i64, timestamp: i64) -> Answer<i64> {
        let ask = |time: i64| -> Answer<i64> {
            let wanted = format!("{topic}:{partition}:{time}");
            let output = finish(self.command(&["-Q", "-t", &wanted]), b"")?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.trim().rsplit(' ').next().and_then(|offset| offset.parse().ok()).ok_or(Refused {
                error: "OUTPUT".into(),
                message: format!("kcat -Q printed {text:?}"),
            })
        };
        let offset = ask(timestamp)?;
        if offset < 0 { ask(-1) } else { Ok(offset) }
    }

    fn read(&mut self, arguments: &Value) -> Answer {
        let handle = arguments["handle"].as_str().unwrap();
        let count = usize::try_from(arguments["count"].as_u64().unwrap()).unwrap();
        let time = Duration::from_millis(arguments["timeout_ms"].as_u64().unwrap());
        let deadline = Instant::now() + time;
        let mut parts = self.readers.remove(handle).expect("the reader is open");
        let mut records = Vec::new();
        while records.len() < count && Instant::now() < deadline {
            for part in &mut parts {
                let left = (count - records.len()).to_string();
                if left == "0" {
                    break;
                }
                let partition = part.partition.to_string();
                let mut command = self.command(&["-C", "-e", "-t", &part.topic]);
                command.args(["-p", &partition, "-o", &part.from, "-c", &left, "-f", FORMAT]);
                // Without the shorter wait, each end of a partition costs half a second.
                command.args(["-X", "check.crcs=true", "-X", "fetch.wait.max.ms=20"]);
                let mut output = finish(command, b"")?.stdout;
                for record in take_records(&mut output) {
                    part.next = record["offset"].as_i64().unwrap() + 1;
                    records.push(record);
                }
                part.from = part.next.to_string();
            }
        }
        self.readers.insert(handle.to_string(), parts);
        Ok(json!({ "records": records }))
    }

    fn topics(&self) -> Answer {
        let output = finish(self.command(&["-L", "-J"]), b"")?;
        let listing: Value = serde_json::from_slice(&output.stdout).unwrap();
        let topics = listing["topics"].as_array().unwrap().iter().map(|topic| {
            let count = topic["partitions"].as_array().map_or(0, Vec::len);
            (topic["topic"].as_str().unwrap().to_string(), json!(count))
        });
        Ok(json!({ "topics": topics.collect::<serde_json::Map<_, _>>() }))
    }
}

impl Driver for Kcat {
    fn call(&mut self, op: &str, arguments: Value) -> Answer {
        match op {
            "hello" => self.hello(),
            "produce" => self.produce(&arguments),
            "open" => self.open(&arguments),
            "read" => self.read(&arguments),
            "close" => {
                self.readers.remove(arguments["handle"].as_str().unwrap());
                Ok(json!({}))
            }
            "topics" => self.topics(),
            "join" => Ok(self.join(&arguments)),
            "member" => Ok(self.member(arguments["handle"].as_str().unwrap())),
            // kcat commits by itself, at an interval and when it ends.
            "commit" => Ok(json!({})),
            "leave" => Ok(self.leave(arguments["handle"].as_str().unwrap())),
            _ => panic!("kcat has no {op}: the test must not ask for it"),
        }
    }

    fn kill(&mut self) -> Vec<Value> {
        let mut records = Vec::new();
        for (_, mut member) in self.members.drain() {
            member.child.kill().unwrap();
            member.child.wait().unwrap();
            for reader in member.readers {
                reader.join().unwrap();
            }
            records.extend(take_records(&mut member.output.lock().unwrap()));
        }
        records
    }
}

impl Drop for Kcat {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A running `kcat -G`, its output gathered by two threads.
struct Member {
    child: Child,
    output: Arc<Mutex<Vec<u8>>>,
    errors: Arc<Mutex<Vec<u8>>>,
    readers: [JoinHandle<()>; 2],
}

impl Kcat {
    fn join(&mut self, arguments: &Value) -> Value {
        let word = |name: &str| arguments[name].as_str().unwrap().to_string();
        let strategy = if word("assignor") == "eager" { "range" } else { "cooperative-sticky" };
        let mut command = Command::new(installed("kcat").join("bin/kcat"));
        command.args(["-b", &self.bootstrap, "-u", "-f", FORMAT]);
        for setting in [
            "auto.offset.reset=earliest".to_string(),
            "auto.commit.interval.ms=500".to_string(),
            "heartbeat.interval.ms=300".to_string(),
            "topic.metadata.refresh.interval.ms=1000".to_string(),
            format!("session.timeout.ms={}", arguments["session_timeout_ms"]),
            format!("partition.assignment.strategy={strategy}"),
        ] {
            command.args(["-X", &setting]);
        }
        command.args(["-G", &word("group")]);
        command.args(arguments["topics"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()));
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (output, out) = gather(child.stdout.take().unwrap());
        let (errors, err) = gather(child.stderr.take().unwrap());
        let member = Member { child, output, errors, readers: [out, err] };
        self.members.insert(word("handle"), member);
        json!({})
    }

    /// kcat says `% Group g rebalanced (memberid m): assigned: t [0], t [1]`, and with cooperative
    /// assignment `% Group g rebalanced: incremental assignment of 1 partition(s) (…): t [0]`.
    fn member(&mut self, handle: &str) -> Value {
        let member = &self.members[handle];
        let errors = String::from_utf8_lossy(&member.errors.lock().unwrap()).into_owned();
        let mut assignment: Vec<(String, i64)> = Vec::new();
        let mut rebalances = 0;
        for line in errors.lines() {
            let Some((_, list)) = line.split_once("): ") else { continue };
            if line.contains("): assigned: ") || line.contains(" incremental assignment of ") {
                rebalances += 1;
                assignment.extend(partitions_of(list));
            } else if line.contains("): revoked: ") || line.contains(" incremental revoke of ") {
                let revoked = partitions_of(list);
                assignment.retain(|partition| !revoked.contains(partition));
            }
        }
        assignment.sort();
        assignment.dedup();
        let records = take_records(&mut member.output.lock().unwrap());
        json!({"assignment": assignment, "rebalances": rebalances, "records": records})
    }

    fn leave(&mut self, handle: &str) -> Value {
        let mut member = self.members.remove(handle).expect("the member has joined");
        let pid = i32::try_from(member.child.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        member.child.wait().unwrap();
        for reader in member.readers {
            reader.join().unwrap();
        }
        let records = take_records(&mut member.output.lock().unwrap());
        json!({ "records": records })
    }
}

fn gather(mut stream: impl Read + Send + 'static) -> (Arc<Mutex<Vec<u8>>>, JoinHandle<()>) {
    let gathered = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&gathered);
    let thread = std::thread::spawn(move || {
        let mut buffer = [0; 65536];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            shared.lock().unwrap().extend_from_slice(&buffer[..length]);
        }
    });
    (gathered, thread)
}

/// `t [0], t [1]`
fn partitions_of(list: &str) -> Vec<(String, i64)> {
    let parse = |item: &str| {
        let item = item.trim_start_matches("assigned: ").trim_start_matches("revoked: ");
        let (topic, partition) = item.trim().strip_suffix(']')?.split_once(" [")?;
        Some((topic.to_string(), partition.parse().ok()?))
    };
    list.split(", ").filter_map(parse).collect()
}

/// Whether a record can be one line of kcat's input.
fn is_line(record: &Record) -> bool {
    record.key.is_none()
        && record.headers.is_empty()
        && record.value.as_ref().is_some_and(|value| !value.is_empty() && !value.contains(&b'\n'))
}

/// Runs to the end, at most 60 s.
fn finish(mut command: Command, input: &[u8]) -> Answer<Output> {
    let mut limited = Command::new("timeout");
    limited.arg("60").arg(command.get_program()).args(command.get_args());
    command = limited;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    // kcat prints nothing while it produces, so its output cannot fill up meanwhile.
    let written = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    if output.status.success() && written.is_ok() {
        return Ok(output);
    }
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Refused { error: format!("{}", output.status), message: format!("{command:?}: {message}") })
}

/// Takes the whole records off the front of kcat's output.
fn take_records(output: &mut Vec<u8>) -> Vec<Value> {
    let mut records = Vec::new();
    let mut used = 0;
    while let Some((record, length)) = first_record(&output[used..]) {
        records.push(record);
        used += length;
    }
    output.drain(..used);
    records
}

/// The first record and its length, when it is there to its end. Headers come as
/// `name=value,name=value`, null as `NULL`, so the tests' own headers contain neither comma nor
/// equals sign.
fn first_record(output: &[u8]) -> Option<(Value, usize)> {
    let line = output.iter().position(|byte| *byte == b'\n')?;
    let words = String::from_utf8_lossy(&output[..line]).into_owned();
    let words: Vec<&str> = words.split(' ').collect();
    let [topic, numbers @ ..] = words.as_slice() else { panic!("a line of numbers") };
    let numbers: Vec<i64> = numbers.iter().map(|number| number.parse().unwrap()).collect();
    let [partition, offset, timestamp, key_length, value_length] = numbers[..] else {
        panic!("five numbers, not {numbers:?}");
    };
    let mut rest = &output[line + 1..];
    let key = take(&mut rest, key_length)?;
    let value = take(&mut rest, value_length)?;
    let end = rest.windows(END.len()).position(|window| window == END.as_bytes())?;
    let headers: Vec<Value> = rest[..end]
        .split(|byte| *byte == b',')
        .filter(|header| !header.is_empty())
        .map(header_of)
        .collect();
    let record = json!({
        "topic": topic, "partition": partition, "offset": offset, "timestamp": timestamp,
        "key": key, "value": value, "headers": headers,
    });
    Some((record, output.len() - rest.len() + end + END.len()))
}

fn header_of(text: &[u8]) -> Value {
    let equals = text.iter().position(|byte| *byte == b'=').unwrap_or(text.len());
    let value = text.get(equals + 1..).filter(|value| *value != b"NULL");
    json!([String::from_utf8_lossy(&text[..equals]), encoded(value)])
}

/// Takes a key or value off the front: base64, or null for length -1. None when it is cut short.
fn take(output: &mut &[u8], length: i64) -> Option<Option<String>> {
    let Ok(length) = usize::try_from(length) else { return Some(None) };
    let (taken, rest) = output.split_at_checked(length)?;
    *output = rest;
    Some(encoded(Some(taken)))
}
