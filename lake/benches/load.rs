//! How long a table load takes while its topic is being written to: p50, p99 and the longest.
//!
//! A store and a lake on a temporary directory, 1 KiB JSON records of one or six partitions
//! appended at a steady rate, and a load every tenth of a second; the table is partitioned by
//! nothing or into four buckets. Prints one line per case: the rate that was asked for and the one
//! that came about, and what the whole process has run, as CPU per produced megabyte.

#![allow(clippy::print_stdout, reason = "a benchmark's output is its result")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use strom_lake::{Lake, LakeOptions, LakeTopic};
use strom_protocol::partitioning::{PartitionColumn, PartitionField, PartitionTransform};
use strom_protocol::record::{BatchBuilder, Compression, Scratch};
use strom_protocol::{Bytes, TopicId, Uuid};
use strom_storage::{
    AppendRequest, DataDir, MetadataLog, Origin, PartitionSettings, Store, StoreOptions, TopicSpec,
};

const RECORD_BYTES: usize = 1024;
const BATCH_RECORDS: usize = 64;
const RUN: Duration = Duration::from_secs(15);
const BETWEEN_LOADS: Duration = Duration::from_millis(100);

/// What is written, and how fast.
struct Case {
    partitions: i32,
    rate_mb: u64,
    buckets: Option<u32>,
}

fn main() {
    println!(
        "partitions  buckets  MB/s  in fact  loads  stale  p50 ms  p99 ms  max ms  CPU ms per MB"
    );
    for buckets in [None, Some(4)] {
        for partitions in [1, 6] {
            for rate_mb in [1, 10, 50] {
                let dir = tempfile::tempdir().expect("a temporary directory");
                run(dir.path(), &Case { partitions, rate_mb, buckets });
            }
        }
    }
}

fn run(dir: &Path, case: &Case) {
    let &Case { partitions, rate_mb, buckets } = case;
    let (store, lake, id) = open(dir, case);
    let batches: Vec<Bytes> = (0..64).map(batch).collect();
    let batch_bytes = batches[0].len() as u64;
    let (stop, produced) = (AtomicBool::new(false), AtomicU64::new(0));
    let (cpu, began) = (cpu_seconds(), Instant::now());
    let (mut latencies, stale) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let began = Instant::now();
            let mut scratch = Scratch::default();
            for index in 0u64.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let at = i32::try_from(index % partitions as u64).expect("few partitions");
                let records = batches[index as usize % batches.len()].clone();
                append(&store, id, at, records, &mut scratch);
                let bytes = produced.fetch_add(batch_bytes, Ordering::Relaxed) + batch_bytes;
                let due = Duration::from_secs_f64(bytes as f64 / (rate_mb as f64 * 1e6));
                std::thread::sleep(due.saturating_sub(began.elapsed()));
            }
        });
        std::thread::sleep(Duration::from_secs(1));
        let loads = load_for(&lake, RUN);
        stop.store(true, Ordering::Relaxed);
        loads
    });
    let (cpu, took) = (cpu_seconds() - cpu, began.elapsed());
    latencies.sort_unstable();
    let at = |share: f64| {
        let index = (latencies.len() as f64 * share) as usize;
        latencies[index.min(latencies.len() - 1)].as_secs_f64() * 1e3
    };
    let megabytes = produced.load(Ordering::Relaxed) as f64 / 1e6;
    println!(
        "{partitions:10}  {:7}  {rate_mb:4}  {:7.1}  {:5}  {stale:5}  {:6.1}  {:6.1}  {:6.1}  {:13.1}",
        buckets.unwrap_or(1),
        megabytes / took.as_secs_f64(),
        latencies.len(),
        at(0.5),
        at(0.99),
        at(1.0),
        cpu * 1e3 / megabytes
    );
    lake.close();
    store.close().expect("a journal that closes");
}

fn open(dir: &Path, case: &Case) -> (Arc<Store>, Arc<Lake>, TopicId) {
    let partitions = case.partitions;
    let id = TopicId(Uuid::from_u128(1));
    let spec = TopicSpec {
        id,
        name: "events".into(),
        partitions,
        settings: PartitionSettings::default(),
        min_log_end: Vec::new(),
    };
    let data_dir = DataDir::open(dir.join("data")).expect("a new directory");
    let metadata = MetadataLog::open(&data_dir).expect("a new log");
    let options = StoreOptions::default();
    let (store, _) = Store::open(data_dir, metadata, options, vec![spec], 0).expect("a new store");
    let options = LakeOptions::new(dir.join("warehouse"), dir.join("spool"));
    let lake = Lake::open(Arc::clone(&store), options).expect("a new lake");
    let bucket = |count| PartitionField {
        column: PartitionColumn::Value,
        transform: PartitionTransform::Bucket(count),
    };
    let partition_by = case.buckets.map(bucket).into_iter().collect();
    lake.add_topic(LakeTopic { partition_by, ..LakeTopic::new(id, "events", partitions, 0) });
    (store, lake, id)
}

fn append(store: &Store, id: TopicId, partition: i32, records: Bytes, scratch: &mut Scratch) {
    let request = AppendRequest {
        frame_bytes: records.len(),
        records,
        zstd_allowed: true,
        origin: Origin::Client,
        now_ms: 1_700_000_000_000,
        scratch,
    };
    let partition = store.partition(id, partition).expect("an open partition");
    // Acknowledgement is not waited for: the rate is what matters.
    drop(partition.append(request).expect("a valid batch"));
}

/// How long each load took, and how many were answered without the newest records.
fn load_for(lake: &Lake, time: Duration) -> (Vec<Duration>, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime takes nothing");
    let namespace = ["kafka".to_string()];
    let (mut latencies, mut stale) = (Vec::new(), 0);
    let began = Instant::now();
    while began.elapsed() < time {
        let asked = Instant::now();
        let loaded = runtime.block_on(lake.catalog().load_table(&namespace, "events"));
        let loaded = loaded.expect("a table");
        latencies.push(asked.elapsed());
        stale += usize::from(loaded.config["strom.fresh"] != "true");
        std::thread::sleep(BETWEEN_LOADS.saturating_sub(asked.elapsed()));
    }
    (latencies, stale)
}

fn batch(seed: u64) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    for index in 0..BATCH_RECORDS as u64 {
        let number = seed * BATCH_RECORDS as u64 + index;
        let mut value = format!("{{\"id\":{number}");
        let mut field = 0;
        while value.len() + 28 < RECORD_BYTES {
            field += 1;
            value += &format!(",\"field_{field}\":{}", mix(number * 31 + field) % 10_000_000_000);
        }
        value.push('}');
        builder.append(1_700_000_000_000, None, Some(value.as_bytes()), &[]);
    }
    builder.build()
}

fn mix(value: u64) -> u64 {
    let mut x = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// What all threads of this process have run.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name in parentheses, utime and stime are the 12th and 13th fields, in hundredths.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: f64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|f| f.parse::<f64>().ok()).sum();
    ticks / 100.0
}
