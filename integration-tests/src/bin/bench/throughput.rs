//! Full rate: produce and consume, with librdkafka and with Apache's own perf tool.

use std::io::Write as _;
use std::process::Stdio;

use strom_integration_tests::kafka::java;

use crate::load::{Case, Spread};
use crate::peer::{Peer, Sample};
use crate::report::{self, Row};

/// Every case of the usual spread, alternating; the order of the two changes from run to run.
pub fn compare(peers: &[Peer; 2], runs: usize, bytes: u64) {
    report::print_header();
    for case in [Case::Small, Case::Large, Case::JsonLz4] {
        both_ways(case.name(), peers, runs, |peer| peer.run(case, bytes, Spread::USUAL));
    }
    one_way("produce 200 B JSON LZ4, Java", peers, runs, |peer| {
        by_perf_tool(peer, Case::SmallJsonLz4, bytes)
    });
}

/// A thousand partitions: every batch is small, whatever the producer does.
pub fn compare_many_partitions(peers: &[Peer; 2], runs: usize, bytes: u64) {
    let spread = Spread { partitions: 1_000, run: 1 };
    report::print_header();
    both_ways("1 KiB over 1 000 partitions", peers, runs, |peer| {
        peer.run(Case::Large, bytes, spread)
    });
}

/// Every batch on disk before it is acknowledged, on both sides.
pub fn compare_synced(peers: &[Peer; 2], runs: usize, bytes: u64) {
    report::print_header();
    for case in [Case::Small, Case::Large] {
        let title = format!("produce {}, fsync", case.name());
        one_way(&title, peers, runs, |peer| peer.run(case, bytes, Spread::USUAL).0);
    }
}

fn both_ways(
    name: &str,
    peers: &[Peer; 2],
    runs: usize,
    measure: impl Fn(&Peer) -> (Sample, Sample),
) {
    let mut produce = [Vec::new(), Vec::new()];
    let mut consume = [Vec::new(), Vec::new()];
    for side in turns(runs) {
        let (produced, consumed) = measure(&peers[side]);
        produce[side].push(produced);
        consume[side].push(consumed);
    }
    report::print_rows(&format!("produce {name}"), &Row::of(&produce));
    report::print_rows(&format!("consume {name}"), &Row::of(&consume));
}

/// One direction, alternating.
pub fn one_way(title: &str, peers: &[Peer; 2], runs: usize, measure: impl Fn(&Peer) -> Sample) {
    let mut samples = [Vec::new(), Vec::new()];
    for side in turns(runs) {
        samples[side].push(measure(&peers[side]));
    }
    report::print_rows(title, &Row::of(&samples));
}

/// Whose turn it is: 0, 1, 1, 0, 0, 1, …
fn turns(runs: usize) -> impl Iterator<Item = usize> {
    (0..runs).flat_map(|run| [run % 2, (run + 1) % 2])
}

/// kafka-producer-perf-test, a JVM of its own each time, as users run it.
fn by_perf_tool(peer: &Peer, case: Case, bytes: u64) -> Sample {
    let topic = peer.new_topic(Spread::USUAL.partitions);
    let mut payloads = tempfile::NamedTempFile::new().unwrap();
    for value in case.values() {
        payloads.write_all(&value).unwrap();
        payloads.write_all(b"\n").unwrap();
    }
    let count = bytes / case.record_bytes();
    let sample = peer.measure(bytes, || {
        let output = java()
            .args(["-Xmx512m", "org.apache.kafka.tools.ProducerPerformance"])
            .args(["--bootstrap-server", peer.bootstrap(), "--topic", &topic])
            .args(["--num-records", &count.to_string(), "--throughput", "-1"])
            .arg("--payload-file")
            .arg(payloads.path())
            .args(["--command-property", "acks=all", "linger.ms=5", "batch.size=65536"])
            .arg("compression.type=lz4")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    });
    peer.delete(&topic);
    sample
}
