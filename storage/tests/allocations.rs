//! The hot paths allocate a fixed, small number of times, whatever a batch's size and record count.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use strom_protocol::record::Scratch;
use strom_storage::{AppendRequest, Origin, Partition, StoreOptions};
use support::*;

fn allocations(work: impl FnOnce()) -> u64 {
    allocation_counter::measure(work).count_total
}

fn append_once(partition: &Partition, records: bytes::Bytes, scratch: &mut Scratch) {
    let frame_bytes = records.len();
    let request = AppendRequest {
        records,
        frame_bytes,
        zstd_allowed: true,
        origin: Origin::Client,
        now_ms: NOW_MS,
        scratch,
    };
    partition.append(request).unwrap();
}

#[test]
fn one_append_and_one_tail_read_allocate_a_fixed_number_of_times() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { journal_file_bytes: 16 << 20, ..small_options() };
    let (store, _) = open(dir.path(), options, vec![spec(1, 1)]);
    let partition = store.partition(topic(1), 0).unwrap();
    let mut scratch = Scratch::new();
    let value = vec![1u8; 100];
    let values: Vec<&[u8]> = vec![&value; 500];
    let (small, large) = (batch(&[b"a"]), batch(&values));
    for _ in 0..100 {
        append_once(&partition, small.clone(), &mut scratch);
    }
    // The median: now and then a queue grows.
    for records in [small, large] {
        let mut counts: Vec<u64> = (0..51)
            .map(|_| allocations(|| append_once(&partition, records.clone(), &mut scratch)))
            .collect();
        counts.sort_unstable();
        assert!(counts[25] <= 3, "an append of {} bytes allocates {counts:?}", records.len());
    }
    append_durably(&partition, batch(&[b"last"]));
    let from = partition.offsets().high_watermark - 1;
    assert!(from >= partition.tail_start());
    let count = allocations(|| drop(read(&partition, from).unwrap()));
    assert!(count <= 2, "a read from the tail allocates {count} times");
}
