//! The broker's own counters and their exposition: requests, bytes, connections, storage.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use strom_protocol::api::{ApiKey, SERVED};
use strom_storage::Store;

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

/// Registers the broker's and the storage's figures.
pub fn register(registry: &Registry, metrics: &Arc<Metrics>, store: &Arc<Store>) {
    let metrics = Arc::clone(metrics);
    registry.add(move |out: &mut Exposition| metrics.collect(out));
    let store = Arc::clone(store);
    registry.add(move |out: &mut Exposition| collect_storage(&store, out));
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
}
