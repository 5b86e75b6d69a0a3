//! What is older than the journal: catching up from segments, what they take on disk, and starting
//! again after kill -9.

use std::time::Duration;

use crate::load::{Case, Spread};
use crate::peer::{LIKE_KAFKA, Peer};
use crate::report;
use crate::throughput::one_way;

/// So small a journal that most of what is read comes from segments.
const SMALL_JOURNAL: (&str, &str) = ("journal.retention.bytes", "64MiB");
/// Flushing follows producing within seconds; it is given this long.
const FLUSH_PATIENCE: Duration = Duration::from_secs(10);

/// Consumers that begin at the beginning of what was written long ago.
pub fn compare(runs: usize, bytes: u64) {
    let strom_options = [LIKE_KAFKA, &[SMALL_JOURNAL]].concat();
    let peers = [Peer::strom(&strom_options), Peer::kafka(&[])];
    report::print_header();
    for case in [Case::Large, Case::JsonLz4] {
        let topics = peers.each_ref().map(|peer| {
            let topic = peer.new_topic(Spread::USUAL.partitions);
            peer.produce(&topic, case, bytes, Spread::USUAL);
            topic
        });
        std::thread::sleep(FLUSH_PATIENCE);
        let journal = peers[0].disk_bytes("journal");
        let objects = peers[0].disk_bytes("objects");
        one_way(&format!("catch up, cold, {}", case.name()), &peers, runs, |peer| {
            let topic = &topics[usize::from(peer.name() == "kafka")];
            peer.consume(topic, case, bytes, Spread::USUAL)
        });
        println!(
            "{:<40} strom keeps {} MB in the journal's files and {} MB in segments of {} MB of records",
            "",
            journal / 1_000_000,
            objects / 1_000_000,
            bytes / 1_000_000,
        );
        for (peer, topic) in peers.iter().zip(&topics) {
            peer.delete(topic);
        }
    }
}

/// kill -9 after a load, and how long until the broker answers again; then with 10 000 partitions.
pub fn restarts(bytes: u64) {
    println!("\n{:<40} {:<6} {:>12} {:>14}", "restart", "", "ms", "resident MB");
    let row = |title: &str, peer: &Peer, ready: Duration| {
        println!(
            "{title:<40} {:<6} {:>12.0} {:>14.0}",
            peer.name(),
            ready.as_secs_f64() * 1000.0,
            peer.resident_mb()
        );
    };
    for mut peer in Peer::both() {
        let topic = peer.new_topic(Spread::USUAL.partitions);
        peer.produce(&topic, Case::Large, bytes, Spread::USUAL);
        let ready = peer.kill_and_start();
        row(&format!("kill -9 behind {} MB of 1 KiB", bytes / 1_000_000), &peer, ready);
    }
    let mut strom = Peer::strom(LIKE_KAFKA);
    for _ in 0..10 {
        strom.new_topic(1_000);
    }
    let ready = strom.kill_and_start();
    row("10 000 empty partitions", &strom, ready);
}
