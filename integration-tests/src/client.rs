//! The real clients, and what each can do.

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
}

impl Client {
    pub const ALL: [Client; 6] = [
        Client::Kcat,
        Client::Java,
        Client::Confluent,
        Client::FranzGo,
        Client::Kafkajs,
        Client::Rdkafka,
    ];

    /// Starts it in a process of its own.
    pub fn start(self, bootstrap: &str) -> Session {
        if self == Client::Kcat {
            return Session::new(self, Box::new(Kcat::new(bootstrap)));
        }
        let clients = concat!(env!("CARGO_MANIFEST_DIR"), "/clients");
        let mut command = match self {
            Client::Kcat => unreachable!("started above"),
            Client::Java => {
                let mut command = java();
                // Short lives: the second compiler would cost more than it gains.
                command.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "Driver"]);
                command
            }
            Client::Confluent => {
                let mut command = Command::new(installed("python").join("bin/python"));
                command.arg(format!("{clients}/python/driver.py"));
                command
            }
            Client::FranzGo => Command::new(installed("go").join("driver")),
            Client::Kafkajs => {
                let mut command = Command::new("node");
                command.arg(format!("{clients}/node/driver.js"));
                command.env("KAFKAJS_NO_PARTITIONER_WARNING", "1");
                command.env("NODE_PATH", installed("node").join("node_modules"));
                command
            }
            Client::Rdkafka => Command::new(driver_binary("rdkafka-driver")),
        };
        command.arg(bootstrap);
        Session::new(self, Box::new(Process::start(self.name(), command)))
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
        }
    }

    /// Its entry in clients/versions.toml.
    pub fn version_key(self) -> &'static str {
        match self {
            Client::Java => "kafka-java",
            other => other.name(),
        }
    }

    /// Whether its driver can create, describe and delete topics.
    pub fn administers(self) -> bool {
        self != Client::Kcat
    }

    /// Whether it joins groups under an instance id (KIP-345).
    pub fn joins_statically(self) -> bool {
        !matches!(self, Client::Kafkajs | Client::Kcat)
    }

    /// Whether it keeps running while its broker is away: kcat ends.
    pub fn outlives_its_broker(self) -> bool {
        self != Client::Kcat
    }

    /// The client of a test's name: `confluent_kafka`.
    pub fn by_name(name: &str) -> Client {
        let found = Client::ALL.into_iter().find(|client| client.name().replace('-', "_") == name);
        found.unwrap_or_else(|| panic!("no client is called {name}"))
    }

    /// The codecs that it produces.
    pub fn codecs(self) -> &'static [&'static str] {
        &["none", "gzip", "snappy", "lz4", "zstd"]
    }

    /// Whether a produced record's timestamp can be chosen.
    pub fn sets_timestamps(self) -> bool {
        self != Client::Kcat
    }

    /// Whether the order of headers of different names survives its interface. kafkajs hands
    /// headers over as a map of lists.
    pub fn orders_headers(self) -> bool {
        self != Client::Kafkajs
    }

    /// Whether it can produce a header whose value is null.
    pub fn produces_null_headers(self) -> bool {
        self != Client::Kafkajs
    }

    /// Whether keys and headers may hold zero bytes: kcat takes them from its command line, and
    /// prints headers as C strings.
    pub fn passes_zero_bytes(self) -> bool {
        self != Client::Kcat
    }

    /// The assignors with which its groups are tested.
    pub fn assignors(self) -> &'static [&'static str] {
        match self {
            Client::Kafkajs => &["eager"],
            Client::Kcat | Client::Java | Client::Confluent | Client::FranzGo | Client::Rdkafka => {
                &["eager", "cooperative"]
            }
        }
    }
}
