//! A broker under measurement: started here, known by its address and its process id.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use strom_integration_tests::guarded::Guarded;
use strom_integration_tests::{kafka, strom};
use tempfile::TempDir;

use crate::load::{self, Case};

/// Linux counts process times in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;

/// The heap of Kafka's own start script.
const KAFKA_HEAP: &str = "-Xmx1g";

/// One broker process and its data folder.
pub struct Peer {
    name: &'static str,
    process: Guarded,
    bootstrap: String,
    /// From spawn to the first answered Metadata request.
    pub ready: Duration,
    _folder: TempDir,
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
    pub fn strom() -> Peer {
        let (folder, data, log) = folder();
        let options = [
            ("flush.policy", "os"),
            ("journal.retention.bytes", "64GiB"),
            ("table.datalake.enabled", "false"),
            ("log.format", "text"),
        ];
        let options: Vec<_> =
            options.map(|(name, value)| (name.to_string(), value.to_string())).into();
        let began = Instant::now();
        let (process, addresses) = strom::start(&data, &log, &options, None);
        let ready = began.elapsed();
        Peer {
            name: "strom",
            process,
            bootstrap: addresses.kafka[0].clone(),
            ready,
            _folder: folder,
        }
    }

    pub fn kafka() -> Peer {
        let (folder, data, log) = folder();
        kafka::prepare(&data, &[], None);
        let began = Instant::now();
        let (process, bootstrap) = kafka::launch(&data, &log, KAFKA_HEAP);
        let ready = began.elapsed();
        Peer { name: "kafka", process, bootstrap, ready, _folder: folder }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Produces and consumes until a JIT has seen enough.
    pub fn warm(&self, bytes: u64) {
        self.run(Case::Small, bytes / 3);
        self.run(Case::Large, bytes / 3);
        self.run(Case::JsonLz4, bytes / 3);
    }

    /// Fills a new topic, reads it from the beginning, deletes it.
    pub fn run(&self, case: Case, bytes: u64) -> (Sample, Sample) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let topic = format!("bench-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        load::create(&self.bootstrap, &topic);
        let count = bytes / case.record_bytes();
        let produced =
            self.measure(case, count, || load::produce(&self.bootstrap, &topic, case, count));
        let consumed = self.measure(case, count, || load::consume(&self.bootstrap, &topic, count));
        load::delete(&self.bootstrap, &topic);
        (produced, consumed)
    }

    fn measure(&self, case: Case, count: u64, load: impl FnOnce()) -> Sample {
        let gb = (case.record_bytes() * count) as f64 / 1e9;
        let (broker, client) = (self.cpu_seconds(), cpu_seconds(std::process::id()));
        let began = Instant::now();
        load();
        let seconds = began.elapsed().as_secs_f64();
        Sample {
            mb_per_second: gb * 1000.0 / seconds,
            broker_cpu_per_gb: (self.cpu_seconds() - broker) / gb,
            client_cpu_per_gb: (cpu_seconds(std::process::id()) - client) / gb,
        }
    }

    /// User and system time so far.
    pub fn cpu_seconds(&self) -> f64 {
        cpu_seconds(self.process.pid())
    }

    /// Resident set now.
    pub fn resident_mb(&self) -> f64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }
}

fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // Fields are counted behind the command's closing parenthesis, which may itself hold spaces.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: f64 = [11, 12].iter().map(|at| fields[*at].parse::<f64>().unwrap()).sum();
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
