//! The broker's own counters and their exposition: requests, bytes, connections, storage, lake.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use strom_lake::{LakeStatus, TableState, Totals};
use strom_protocol::api::{ApiKey, SERVED};
use strom_storage::{Store, StoreStats};

use crate::broker::Broker;
use crate::http::metrics::{Counter, Exposition, Registry};

/// Counters that cost one atomic addition each.
#[derive(Debug)]
pub struct Metrics {
    requests: Vec<Counter>,
    refused_frames: Counter,
    produced_bytes: Counter,
    fetched_bytes: Counter,
    /// Kafka connections open now; kept by the listeners.
    pub connections: Arc<AtomicUsize>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: SERVED.iter().map(|_| Counter::new()).collect(),
            refused_frames: Counter::new(),
            produced_bytes: Counter::new(),
            fetched_bytes: Counter::new(),
            connections: Arc::default(),
        }
    }
}

impl Metrics {
    /// A request of `key` was understood.
    pub fn request(&self, key: ApiKey) {
        if let Some(row) = SERVED.iter().position(|spec| spec.key == key) {
            self.requests[row].increment();
        }
    }

    /// A frame was not understood and its connection closed.
    pub fn refused_frame(&self) {
        self.refused_frames.increment();
    }

    /// A record set of `bytes` was appended.
    pub fn produced(&self, bytes: usize) {
        self.produced_bytes.add(bytes as u64);
    }

    /// A fetch returned `bytes` of record sets.
    pub fn fetched(&self, bytes: usize) {
        self.fetched_bytes.add(bytes as u64);
    }

    fn collect(&self, out: &mut Exposition) {
        let mut requests = out.counters("strom_kafka_requests_total", "Kafka requests, by API.");
        for (spec, counter) in SERVED.iter().zip(&self.requests) {
            #[allow(clippy::cast_precision_loss)] // exact below 2^53
            requests.sample(&[("api", spec.name)], counter.get() as f64);
        }
        out.counter(
            "strom_kafka_refused_frames_total",
            "Frames that were not understood; each closed its connection.",
            self.refused_frames.get(),
        );
        out.counter(
            "strom_kafka_produced_bytes_total",
            "Bytes of record sets appended for producers.",
            self.produced_bytes.get(),
        );
        out.counter(
            "strom_kafka_fetched_bytes_total",
            "Bytes of record sets returned to consumers.",
            self.fetched_bytes.get(),
        );
        #[allow(clippy::cast_precision_loss)] // far below 2^53
        let open = self.connections.load(Ordering::Relaxed) as f64;
        out.gauge("strom_kafka_connections", "Kafka connections open now.", open);
    }
}

/// Registers the broker's, the storage's and the lake's figures.
pub fn register(registry: &Registry, broker: &Broker) {
    let metrics = Arc::clone(&broker.metrics);
    registry.add(move |out: &mut Exposition| metrics.collect(out));
    let store = Arc::clone(&broker.store);
    registry.add(move |out: &mut Exposition| collect_storage(&store, out));
    let (lake, clock) = (Arc::clone(&broker.lake), broker.clock.clone());
    registry.add(move |out: &mut Exposition| collect_lake(&lake.status(), clock.now_ms(), out));
}

#[allow(clippy::cast_precision_loss)] // byte figures are far below 2^53
fn collect_storage(store: &Store, out: &mut Exposition) {
    let stats = store.stats();
    out.gauge("strom_journal_size_bytes", "Bytes of journal files.", stats.journal_bytes as f64);
    out.gauge("strom_journal_files", "Journal files.", stats.journal_files as f64);
    out.gauge("strom_tail_size_bytes", "Newest bytes held in memory.", stats.tail_bytes as f64);
    out.counter("strom_journal_syncs_total", "Syncs of the journal.", stats.sync_count);
    out.counter("strom_journal_writes_total", "Group writes of the journal.", stats.write_count);
    out.counter("strom_journal_appends_total", "Batches appended.", stats.append_count);
    out.counter("strom_journal_appended_bytes_total", "Bytes appended.", stats.append_bytes);
    collect_segments(&stats, out);
}

#[allow(clippy::cast_precision_loss)] // byte figures are far below 2^53
fn collect_segments(stats: &StoreStats, out: &mut Exposition) {
    let unflushed = "Bytes of batches that are only in the journal.";
    out.gauge("strom_journal_unflushed_bytes", unflushed, stats.unflushed_bytes as f64);
    let indexed = "Batches in the journal whose place is in memory.";
    out.gauge("strom_journal_indexed_batches", indexed, stats.indexed_batches as f64);
    out.gauge("strom_segments", "Segments, over all partitions.", stats.segments as f64);
    out.gauge("strom_segment_objects", "Objects that hold segments.", stats.objects as f64);
    out.gauge("strom_segment_size_bytes", "What segments take.", stats.segment_bytes as f64);
    for (name, help, value) in [
        ("strom_segment_object_writes_total", "Objects written.", stats.object_write_count),
        ("strom_segment_flushes_total", "Segments flushed.", stats.flush_count),
        ("strom_segment_flushed_bytes_total", "Bytes of batches flushed.", stats.flushed_bytes),
        ("strom_segment_flush_failures_total", "Failed writes.", stats.flush_failure_count),
        ("strom_segment_merges_total", "Segments merged into others.", stats.merge_count),
        ("strom_segment_merged_bytes_total", "Bytes of batches merged.", stats.merged_bytes),
    ] {
        out.counter(name, help, value);
    }
}

/// Sums over all tables: topic names are clients' strings and never labels.
#[allow(clippy::cast_precision_loss)] // figures are far below 2^53
fn collect_lake(status: &LakeStatus, now_ms: i64, out: &mut Exposition) {
    let mut states =
        [("current", 0u64), ("lagging", 0), ("backing_off", 0), ("suspended", 0), ("frozen", 0)];
    let mut totals = Totals::default();
    let (mut lag_records, mut lag_bytes, mut lag_ms) = (0, 0, 0);
    for table in &status.tables {
        let state = match table.state {
            TableState::Current => 0,
            TableState::Lagging => 1,
            TableState::BackingOff { .. } => 2,
            TableState::Suspended { .. } => 3,
            TableState::Frozen { .. } => 4,
        };
        states[state].1 += 1;
        lag_records += table.lag_records;
        lag_bytes += table.lag_bytes;
        lag_ms = lag_ms.max(table.lagging_since_ms.map_or(0, |since| now_ms.saturating_sub(since)));
        totals.commits += table.totals.commits;
        totals.failures += table.totals.failures;
        totals.rows += table.totals.rows;
        totals.bytes += table.totals.bytes;
        totals.skipped_offsets += table.totals.skipped_offsets;
        totals.removed_rows += table.totals.removed_rows;
    }
    let mut tables = out.gauges("strom_lake_tables", "Topics' tables, by state.");
    for (state, count) in states {
        tables.sample(&[("state", state)], count as f64);
    }
    out.gauge("strom_lake_lag_records", "Records not yet in their tables.", lag_records as f64);
    out.gauge("strom_lake_lag_bytes", "About their size.", lag_bytes as f64);
    let oldest = lag_ms as f64 / 1000.0;
    out.gauge("strom_lake_lag_seconds", "How long the oldest of them has waited.", oldest);
    out.counter("strom_lake_commits_total", "Snapshots committed.", totals.commits);
    out.counter("strom_lake_commit_failures_total", "Commits that failed.", totals.failures);
    out.counter("strom_lake_rows_total", "Rows written.", totals.rows);
    out.counter("strom_lake_written_bytes_total", "Bytes of data files.", totals.bytes);
    out.counter(
        "strom_lake_skipped_offsets_total",
        "Offsets that could not be read and are not in their tables.",
        totals.skipped_offsets,
    );
    let removed = "Rows that left their tables by age.";
    out.counter("strom_lake_removed_rows_total", removed, totals.removed_rows);
}
