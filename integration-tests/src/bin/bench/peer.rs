//! A broker under measurement: started here, known by its address and its process id.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use strom_integration_tests::guarded::Guarded;
use strom_integration_tests::kafka;
use strom_integration_tests::strom::{self, Addresses};
use tempfile::TempDir;

use crate::load::{self, Case, Spread};

/// Linux counts process times in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;

/// The JVM's options in Kafka's own start scripts.
const KAFKA_JVM: &[&str] = &[
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Xms1g",
    "-Xmx1g",
];

/// Kafka's page-cache promise, no lake, and journal enough that nothing is ever refused.
pub const LIKE_KAFKA: &[(&str, &str)] =
    &[("flush.policy", "os"), ("table.datalake.enabled", "false"), ("log.format", "text")];

/// One broker process and its data folder.
pub struct Peer {
    kind: Kind,
    process: Option<Guarded>,
    bootstrap: String,
    /// From spawn to the first answered Metadata request.
    pub ready: Duration,
    options: Vec<(String, String)>,
    data: PathBuf,
    log: PathBuf,
    _folder: TempDir,
}

enum Kind {
    Strom(Addresses),
    Kafka,
}

/// What one load did.
#[derive(Clone, Copy)]
pub struct Sample {
    /// Record bytes per second, in MB (1e6).
    pub mb_per_second: f64,
    /// Broker CPU-seconds per GB (1e9) of record bytes.
    pub broker_cpu_per_gb: f64,
    /// The same of the client.
    pub client_cpu_per_gb: f64,
}

impl Peer {
    pub fn strom(options: &[(&str, &str)]) -> Peer {
        let (folder, data, log) = folder();
        let options = owned(options);
        let began = Instant::now();
        let (process, addresses) = strom::start(&data, &log, &options, None);
        let ready = began.elapsed();
        Peer {
            bootstrap: addresses.kafka[0].clone(),
            kind: Kind::Strom(addresses),
            process: Some(process),
            ready,
            options,
            data,
            log,
            _folder: folder,
        }
    }

    pub fn kafka(options: &[(&str, &str)]) -> Peer {
        let (folder, data, log) = folder();
        let options = owned(options);
        kafka::prepare(&data, &options, None);
        let began = Instant::now();
        let (process, bootstrap) = kafka::launch(&data, &log, KAFKA_JVM);
        let ready = began.elapsed();
        let process = Some(process);
        Peer { kind: Kind::Kafka, process, bootstrap, ready, options, data, log, _folder: folder }
    }

    /// Both, with the promises of Kafka's defaults.
    pub fn both() -> [Peer; 2] {
        [Peer::strom(LIKE_KAFKA), Peer::kafka(&[])]
    }

    pub fn name(&self) -> &'static str {
        match self.kind {
            Kind::Strom(_) => "strom",
            Kind::Kafka => "kafka",
        }
    }

    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// kill -9, then a start on the same data; how long until it answers.
    pub fn kill_and_start(&mut self) -> Duration {
        drop(self.process.take());
        let began = Instant::now();
        self.process = Some(match &self.kind {
            Kind::Strom(addresses) => {
                strom::start(&self.data, &self.log, &self.options, Some(addresses)).0
            }
            Kind::Kafka => kafka::launch(&self.data, &self.log, KAFKA_JVM).0,
        });
        began.elapsed()
    }

    /// Produces and consumes until a JIT has seen enough.
    pub fn warm(&self, bytes: u64) {
        for case in [Case::Small, Case::Large, Case::JsonLz4] {
            self.run(case, bytes / 3, Spread::USUAL);
        }
    }

    /// A new topic.
    pub fn new_topic(&self, partitions: i32) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let topic = format!("bench-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        load::create(&self.bootstrap, &topic, partitions);
        topic
    }

    pub fn delete(&self, topic: &str) {
        load::delete(&self.bootstrap, topic);
    }

    /// Fills a new topic, reads it from the beginning, deletes it. Each partition has taken a record before
    /// anything is measured: making partitions is not what is compared.
    pub fn run(&self, case: Case, bytes: u64, spread: Spread) -> (Sample, Sample) {
        let topic = self.new_topic(spread.partitions);
        let one_each = Spread { run: 1, ..spread };
        let partitions = u64::from(spread.partitions.unsigned_abs());
        load::produce(&self.bootstrap, &topic, case, (partitions, one_each));
        let produced = self.produce(&topic, case, bytes, spread);
        let consumed = self.consume(&topic, case, bytes, spread);
        self.delete(&topic);
        (produced, consumed)
    }

    pub fn produce(&self, topic: &str, case: Case, bytes: u64, spread: Spread) -> Sample {
        let count = bytes / case.record_bytes();
        self.measure(bytes, || load::produce(&self.bootstrap, topic, case, (count, spread)))
    }

    pub fn consume(&self, topic: &str, case: Case, bytes: u64, spread: Spread) -> Sample {
        let count = bytes / case.record_bytes();
        self.measure(bytes, || load::consume(&self.bootstrap, topic, count, spread.partitions))
    }

    /// Time and CPU of a load that moves `bytes` of records.
    pub fn measure(&self, bytes: u64, load: impl FnOnce()) -> Sample {
        let gb = bytes as f64 / 1e9;
        let (broker, client) = (self.cpu_seconds(), own_cpu_seconds());
        let began = Instant::now();
        load();
        let seconds = began.elapsed().as_secs_f64();
        Sample {
            mb_per_second: gb * 1000.0 / seconds,
            broker_cpu_per_gb: (self.cpu_seconds() - broker) / gb,
            client_cpu_per_gb: (own_cpu_seconds() - client) / gb,
        }
    }

    /// User and system time of the broker so far.
    pub fn cpu_seconds(&self) -> f64 {
        cpu_seconds(self.pid(), &[11, 12])
    }

    /// Resident set now.
    pub fn resident_mb(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }

    /// What the data folder's files take, or those below one of its folders.
    pub fn disk_bytes(&self, below: &str) -> u64 {
        bytes_below(&self.data.join(below))
    }

    fn pid(&self) -> u32 {
        self.process.as_ref().expect("the broker runs").pid()
    }
}

fn owned(options: &[(&str, &str)]) -> Vec<(String, String)> {
    options.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect()
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

/// Of this process and of the tools that it has started and waited for.
fn own_cpu_seconds() -> f64 {
    cpu_seconds(std::process::id(), &[11, 12, 13, 14])
}

fn cpu_seconds(pid: u32, fields_wanted: &[usize]) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // Fields are counted behind the command's closing parenthesis, which may itself hold spaces.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: f64 = fields_wanted.iter().map(|at| fields[*at].parse::<f64>().unwrap()).sum();
    ticks / TICKS_PER_SECOND
}

/// A folder that goes with the peer, its data in `data` and the process's output beside it.
fn folder() -> (TempDir, PathBuf, PathBuf) {
    let folder = tempfile::Builder::new().prefix("strom-bench-").tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let log = folder.path().join("output.log");
    (folder, data, log)
}
