//! `table.log.compression`: what segments of JSON take, and that they are read back as they were produced.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;

use strom_storage::{PartitionSettings, SegmentCompression, StoreOptions};
use support::*;

/// Orders as services write them: names repeat, values vary.
fn order(number: u64) -> String {
    let noise = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (noise ^ (noise >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let country = ["DE", "FR", "PL", "JP", "US", "BR"][(mixed % 6) as usize];
    let state = ["created", "paid", "shipped", "returned"][(mixed >> 8 & 3) as usize];
    format!(
        r#"{{"order_id":"{mixed:016x}","customer_id":{},"country":"{country}","state":"{state}","amount":{}.{:02},"currency":"EUR","items":[{{"sku":"SKU-{:06}","quantity":{}}}],"created_at":"2026-11-{:02}T{:02}:{:02}:{:02}.{:03}Z","note":"leave it at the door"}}"#,
        mixed >> 40,
        mixed >> 20 & 0x3ff,
        mixed >> 32 & 63,
        mixed >> 11 & 0xffff,
        1 + (mixed >> 3 & 7),
        1 + number / 86_400_000 % 30,
        number / 3_600 % 24,
        number / 60 % 60,
        number % 60,
        mixed >> 50 & 511,
    )
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let bytes = entries.map(|entry| match entry.metadata().unwrap() {
        metadata if metadata.is_dir() => bytes_below(&entry.path()),
        metadata => metadata.len(),
    });
    bytes.sum()
}

/// Appends the same records and flushes them; gives produced bytes and bytes in objects.
fn flushed(compression: SegmentCompression) -> (u64, u64, Vec<(i64, Vec<u8>)>) {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { tail_bytes: 0, ..StoreOptions::default() };
    let mut topic_spec = spec(1, 1);
    topic_spec.settings = PartitionSettings { segment_compression: compression, ..settings() };
    let (store, _) = open(dir.path(), options.clone(), vec![topic_spec.clone()]);
    let partition = store.partition(topic(1), 0).unwrap();
    for first in (0..40_000).step_by(100) {
        let orders: Vec<String> = (first..first + 100).map(order).collect();
        let values: Vec<&[u8]> = orders.iter().map(String::as_bytes).collect();
        append(&partition, batch(&values)).unwrap();
    }
    store.flush_now().unwrap();
    let produced = store.stats().append_bytes;
    let stored = bytes_below(&dir.path().join("objects"));
    store.close().unwrap();
    drop((store, partition));
    // Opened again, what is flushed is read from segments.
    let (store, report) = open(dir.path(), options, vec![topic_spec]);
    assert_eq!((report.segments, report.batches), (1, 0));
    (produced, stored, contents(&store.partition(topic(1), 0).unwrap(), 0))
}

#[test]
fn zstd_takes_less_than_lz4_takes_less_than_none_and_all_give_back_what_was_produced() {
    use SegmentCompression::{Lz4, None, Zstd};
    let results = [None, Lz4, Zstd].map(flushed);
    let ratios = results.each_ref().map(|(produced, stored, _)| *stored as f64 / *produced as f64);
    println!(
        "stored per produced byte: none {:.3}, lz4 {:.3}, zstd {:.3}",
        ratios[0], ratios[1], ratios[2]
    );
    let [none, lz4, zstd] = ratios;
    assert!(zstd < lz4 && lz4 < none, "{ratios:?}");
    assert!(zstd <= 0.35, "the goal of the design: {zstd}");
    let expected: Vec<(i64, Vec<u8>)> = (0..400)
        .map(|index| {
            let orders: Vec<String> = (index * 100..index * 100 + 100).map(order).collect();
            let values: Vec<&[u8]> = orders.iter().map(String::as_bytes).collect();
            (index as i64 * 100, covered(&batch(&values)))
        })
        .collect();
    for (_, _, found) in &results {
        let same = found.iter().zip(&expected).all(|(found, expected)| {
            // The magic byte and all that the checksum covers; the leader epoch before it is the broker's.
            found.0 == expected.0 && found.1 == expected.1
        });
        assert!(found.len() == expected.len() && same);
    }
}
