//! What the storage alone does: appends a second, bytes a second, and how many syncs that took.
//!
//! `cargo bench -p strom-storage` prints figures and judges none of them.
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use strom_protocol::record::{BatchBuilder, Compression, Scratch};
use strom_protocol::{Bytes, TopicId, Uuid};
use strom_storage::{
    AppendError, AppendRequest, DataDir, FlushPolicy, Isolation, MetadataLog, Origin,
    PartitionSettings, ReadLimits, Store, StoreOptions, TopicSpec,
};

const PARTITIONS: i32 = 6;

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    since.as_millis() as i64
}

fn batch(bytes: usize, record_bytes: usize) -> Bytes {
    let value = vec![b'x'; record_bytes];
    let mut builder = BatchBuilder::new(Compression::None);
    while builder.is_empty() || builder.uncompressed_bytes() + record_bytes < bytes {
        builder.append(now_ms(), None, Some(&value), &[]);
    }
    builder.build()
}

fn open(dir: &std::path::Path, flush_policy: FlushPolicy) -> Arc<Store> {
    let data_dir = DataDir::open(dir).expect("the directory is new");
    let metadata = MetadataLog::open(&data_dir).expect("the directory is new");
    let options =
        StoreOptions { flush_policy, journal_retention_bytes: 8 << 30, ..StoreOptions::default() };
    let topic = TopicSpec {
        id: TopicId(Uuid::from_u128(1)),
        name: "bench".to_owned(),
        partitions: PARTITIONS,
        settings: PartitionSettings { retention_bytes: 64 << 20, ..PartitionSettings::default() },
        min_log_end: Vec::new(),
    };
    Store::open(data_dir, metadata, options, vec![topic], now_ms()).expect("it opens").0
}

fn produce(
    name: &str,
    flush_policy: FlushPolicy,
    records: &Bytes,
    appends: usize,
    in_flight: usize,
) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let started = Instant::now();
    let store = open(dir.path(), flush_policy);
    let ready = started.elapsed();
    let topic = TopicId(Uuid::from_u128(1));
    let partitions = store.partitions(topic);
    let mut scratch = Scratch::new();
    let mut tickets = std::collections::VecDeque::new();
    let started = Instant::now();
    for number in 0..appends {
        let request = AppendRequest {
            records: records.clone(),
            frame_bytes: records.len(),
            zstd_allowed: true,
            origin: Origin::Client,
            now_ms: now_ms(),
            scratch: &mut scratch,
        };
        match partitions[number % partitions.len()].append(request) {
            Ok(appended) => tickets.push_back(appended.ticket),
            Err(AppendError::Full { message }) => return println!("{name}: {message}"),
            Err(error) => return println!("{name}: {error}"),
        }
        if tickets.len() >= in_flight
            && let Some(ticket) = tickets.pop_front()
        {
            ticket.wait_durable().expect("the disk works");
        }
        if number % 1000 == 999 {
            store.run_retention(now_ms());
        }
    }
    for ticket in tickets {
        ticket.wait_durable().expect("the disk works");
    }
    let seconds = started.elapsed().as_secs_f64();
    let megabytes = (appends * records.len()) as f64 / 1e6;
    let stats = store.stats();
    println!(
        "{name:32} {:9.0} appends/s {:8.1} MB/s {:7} fdatasyncs {:7} writes, ready in {ready:.1?}",
        appends as f64 / seconds,
        megabytes / seconds,
        stats.sync_count,
        stats.write_count,
    );
    read_all(&store, topic);
}

fn read_all(store: &Store, topic: TopicId) {
    let limits = ReadLimits { max_bytes: 1 << 20, at_least_one: true };
    let started = Instant::now();
    let mut bytes = 0;
    for partition in store.partitions(topic) {
        let mut next = partition.offsets().log_start;
        loop {
            let read = partition.read(next, Isolation::ReadUncommitted, limits).expect("it reads");
            let Some(last) = read.batches.last() else { break };
            next = last.header.last_offset() + 1;
            bytes += read.bytes;
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{:32} {:28.1} MB/s read back", "", bytes as f64 / 1e6 / seconds);
}

fn main() {
    let (small, large) = (batch(300, 200), batch(64 << 10, 1 << 10));
    produce("sync, 300 B, 1 in flight", FlushPolicy::Sync, &small, 2_000, 1);
    produce("sync, 300 B, 1000 in flight", FlushPolicy::Sync, &small, 200_000, 1000);
    produce("sync, 64 KiB, 64 in flight", FlushPolicy::Sync, &large, 8_000, 64);
    produce("os, 300 B, 1000 in flight", FlushPolicy::Os, &small, 400_000, 1000);
    produce("os, 64 KiB, 64 in flight", FlushPolicy::Os, &large, 16_000, 64);
}
