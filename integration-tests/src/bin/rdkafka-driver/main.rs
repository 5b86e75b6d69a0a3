//! Drives the rdkafka crate by the command protocol of clients/README.md. It is a process of its
//! own, as the other drivers are: the crate leaves the group of every consumer that it drops, so
//! a member dies as in a crash only together with its process.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test code ends at the first fault")]
#![allow(clippy::print_stderr, reason = "the log")]

mod admin;
mod member;
mod produce;
mod reader;

use std::collections::HashMap;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use serde_json::{Value, json};
use strom_integration_tests::driver::{constant_name, serve, text};
use strom_integration_tests::record::Record;
use strom_integration_tests::session::{Answer, Refused};

use admin::Admin;
use member::Member;
use reader::Reader;

/// How long a question to the broker may take.
const PATIENCE: Duration = Duration::from_secs(20);

fn main() {
    let bootstrap = std::env::args().nth(1).expect("the first argument is the bootstrap address");
    let mut driver = Driver::new(&bootstrap);
    serve(|command| driver.call(command));
}

struct Driver {
    config: ClientConfig,
    admin: Admin,
    readers: HashMap<String, Reader>,
    members: HashMap<String, Member>,
}

impl Driver {
    fn new(bootstrap: &str) -> Driver {
        let config = with(&ClientConfig::new(), &[("bootstrap.servers", bootstrap)]);
        let admin = Admin::new(&config);
        Driver { config, admin, readers: HashMap::new(), members: HashMap::new() }
    }

    fn call(&mut self, command: &Value) -> Answer {
        let done = |()| json!({});
        match text(command, "op") {
            "hello" => Ok(hello()),
            "produce" => produce::produce(&self.config, command),
            "open" => {
                let (reader, positions) = Reader::open(&self.config, command)?;
                self.readers.insert(text(command, "handle").to_string(), reader);
                Ok(json!({ "positions": positions }))
            }
            "read" => {
                let records = self.readers[text(command, "handle")].read(command)?;
                Ok(json!({ "records": records }))
            }
            "close" => {
                self.readers.remove(text(command, "handle")).expect("the reader is open");
                Ok(json!({}))
            }
            "join" => {
                let member = Member::join(&self.config, command)?;
                self.members.insert(text(command, "handle").to_string(), member);
                Ok(json!({}))
            }
            "member" => self.members[text(command, "handle")].state(),
            "commit" => self.members[text(command, "handle")].commit().map(done),
            "leave" => {
                let member = self.members.remove(text(command, "handle"));
                Ok(json!({ "records": member.expect("the member has joined").leave() }))
            }
            "create_topic" => self.admin.create_topic(command).map(done),
            "delete_topic" => self.admin.delete_topic(text(command, "topic")).map(done),
            "topics" => self.admin.topics(),
            "describe_topic_config" => self.admin.describe_topic_config(text(command, "topic")),
            "replace_topic_config" => self.admin.replace_topic_config(command).map(done),
            "create_partitions" => self.admin.create_partitions(command).map(done),
            "delete_records" => self.admin.delete_records(command).map(done),
            "groups" => self.admin.groups(),
            "committed" => {
                let (group, topic) = (text(command, "group"), text(command, "topic"));
                self.admin.committed(&self.config, group, topic)
            }
            other => panic!("no command is called {other}"),
        }
    }
}

/// The crate does not tell its own version; the suite compares clients/versions.toml with the
/// workspace's dependencies.
fn hello() -> Value {
    let versions: toml::Table = include_str!("../../../clients/versions.toml").parse().unwrap();
    let (_, library) = rdkafka::util::get_rdkafka_version();
    json!({
        "client": "rdkafka",
        "version": versions["rdkafka"].as_str(),
        "library": format!("librdkafka {library}"),
    })
}

/// The configuration with more settings.
fn with(config: &ClientConfig, settings: &[(&str, &str)]) -> ClientConfig {
    let mut config = config.clone();
    for (name, value) in settings {
        config.set(*name, *value);
    }
    config
}

fn refused(error: KafkaError) -> Refused {
    let code = match &error {
        // The crate leaves the admin client's codes out of its own answer.
        KafkaError::AdminOp(code) => Some(*code),
        other => other.rdkafka_error_code(),
    };
    let name = code.map_or_else(|| "CLIENT".into(), kafka_name);
    Refused { error: name, message: error.to_string() }
}

/// Kafka's own name for an error.
fn kafka_name(code: RDKafkaErrorCode) -> String {
    if code == RDKafkaErrorCode::InvalidTopic {
        return "INVALID_TOPIC_EXCEPTION".into();
    }
    constant_name(&format!("{code:?}"))
}

/// A record as the protocol shows it.
fn record_of(message: &BorrowedMessage<'_>) -> Value {
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    let record = Record {
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.map(|h| (h.key.to_string(), h.value.map(<[u8]>::to_vec))).collect(),
        timestamp: message.timestamp().to_millis(),
        partition: Some(message.partition()),
    };
    let mut shown = record.to_json();
    shown["topic"] = json!(message.topic());
    shown["offset"] = json!(message.offset());
    shown
}
