//! The broker that the tests talk to: Strom, or Apache Kafka as the control.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::guarded::{Guarded, tail_of};
use crate::installed::log_folder;
use crate::strom::Addresses;
use crate::wait::wait_for;
use crate::{kafka, strom};

/// Which broker `STROM_TEST_AGAINST` asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Against {
    Strom,
    Kafka,
}

impl Against {
    pub fn chosen() -> Against {
        match std::env::var("STROM_TEST_AGAINST").as_deref() {
            Ok("kafka") => Against::Kafka,
            Ok("strom") | Err(_) => Against::Strom,
            Ok(other) => panic!("STROM_TEST_AGAINST is {other:?}; use strom or kafka"),
        }
    }
}

/// A broker process on a temporary data folder. Dropping it kills it and removes the folder.
pub struct Broker {
    process: Option<Guarded>,
    against: Against,
    bootstrap: String,
    addresses: Option<Addresses>,
    options: Vec<(String, String)>,
    data: TempDir,
    log: PathBuf,
}

impl Broker {
    /// Starts the chosen broker with options that both kinds know.
    pub fn start(options: &[(&str, &str)]) -> Broker {
        Broker::start_as(Against::chosen(), options)
    }

    /// Starts Strom, whatever was chosen.
    pub fn start_strom(options: &[(&str, &str)]) -> Broker {
        Broker::start_as(Against::Strom, options)
    }

    /// Starts Strom with its data in a new folder below `parent`.
    pub fn start_strom_in(parent: &Path, options: &[(&str, &str)]) -> Broker {
        Broker::start_on(Against::Strom, data_folder().tempdir_in(parent).unwrap(), options)
    }

    fn start_as(against: Against, options: &[(&str, &str)]) -> Broker {
        Broker::start_on(against, data_folder().tempdir().unwrap(), options)
    }

    fn start_on(against: Against, data: TempDir, options: &[(&str, &str)]) -> Broker {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{against:?}-{}-{number}.log", std::process::id()).to_lowercase();
        let mut broker = Broker {
            process: None,
            against,
            bootstrap: String::new(),
            addresses: None,
            options: options.iter().map(|(n, v)| ((*n).to_string(), (*v).to_string())).collect(),
            data,
            log: log_folder().join(name),
        };
        broker.start_again();
        broker
    }

    /// Starts it on its data folder, after `stop` or `kill`, at the same addresses.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "the broker runs already");
        let (data, log) = (self.data.path(), self.log.as_path());
        match self.against {
            Against::Strom => {
                let (process, addresses) =
                    strom::start(data, log, &self.options, self.addresses.as_ref());
                self.bootstrap.clone_from(&addresses.kafka[0]);
                self.addresses = Some(addresses);
                self.process = Some(process);
            }
            Against::Kafka => {
                let (process, bootstrap) = kafka::start(data, log, &self.options, None);
                self.bootstrap = bootstrap;
                self.process = Some(process);
            }
        }
    }

    /// SIGTERM; it must end by itself, and Strom with exit code 0.
    pub fn stop(&mut self) {
        let process = self.process.take().expect("the broker runs");
        let status = process.terminate(Duration::from_secs(60));
        // A JVM that ends by SIGTERM says 128 + 15.
        let expected = if self.against == Against::Strom { 0 } else { 143 };
        assert_eq!(status.code(), Some(expected), "{}", tail_of(&self.log));
    }

    /// kill -9.
    pub fn kill(&mut self) {
        drop(self.process.take().expect("the broker runs"));
    }

    /// Sends it a signal, and leaves it to itself.
    pub fn signal(&self, signal: Signal) {
        self.process.as_ref().expect("the broker runs").signal(signal);
    }

    /// Waits until it has ended by itself.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the broker runs");
        wait_for("the broker to end", Duration::from_secs(60), || process.ended())
    }

    /// Changes or adds an option for the next start (Strom only: Kafka's file is written once).
    pub fn set(&mut self, name: &str, value: &str) {
        self.options.retain(|(known, _)| known != name);
        self.options.push((name.to_string(), value.to_string()));
    }

    /// The value of an option that it was started with.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Host and port of Strom's HTTP listener.
    pub fn http(&self) -> &str {
        &self.addresses.as_ref().expect("only Strom has an HTTP listener").http
    }

    pub fn against(&self) -> Against {
        self.against
    }

    pub fn data_dir(&self) -> &std::path::Path {
        self.data.path()
    }

    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the broker runs").pid()
    }

    /// Everything it has printed so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", tail_of(&self.log));
        }
    }
}

fn data_folder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("strom-suite-");
    builder
}

/// The one broker that tests share, unless they stop it or need options of their own. Topics and
/// groups are named uniquely per test. It ends with the test process.
pub fn shared() -> &'static Broker {
    static SHARED: OnceLock<Option<Broker>> = OnceLock::new();
    let start = || {
        let mut options = COMMON_OPTIONS.to_vec();
        if Against::chosen() == Against::Strom {
            options.extend(SMALL_JOURNAL);
        }
        let broker = std::panic::catch_unwind(|| Broker::start(&options)).ok()?;
        let log = broker.log.clone();
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            previous(panic);
            eprintln!("{}", tail_of(&log));
        }));
        Some(broker)
    };
    let broker = SHARED.get_or_init(start).as_ref();
    broker.expect("the shared broker did not start; the first test to ask for it says why")
}

/// Options of the shared broker: first joins need not wait the default three seconds for company.
pub const COMMON_OPTIONS: &[(&str, &str)] = &[("group.initial.rebalance.delay.ms", "500")];

/// Strom's smallest journal: what is older than some ten mebibytes of later records is in segments.
pub const SMALL_JOURNAL: &[(&str, &str)] =
    &[("journal.retention.bytes", "64MiB"), ("journal.file.bytes", "8MiB")];

/// A name that no other test of this or an earlier run uses.
pub fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
