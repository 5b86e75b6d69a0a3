//! What reading may cost in memory: a constant number of allocations a chunk, none a record.

use allocation_counter::measure;
use bytes::Bytes;
use strom_protocol::record::{BatchBuilder, BatchHeader, Compression, HEADER_BYTES, Scratch};

use super::round_trip::{ALL, TOPIC, run_of, write};
use super::source::Object;
use crate::partition::StoredBatch;
use crate::segment::{SegmentCompression, SegmentOptions, SegmentWriter};

/// Batches of small records.
pub(super) fn batches(count: i64, records: i64, compression: Compression) -> Vec<StoredBatch> {
    let batch = |number: i64| {
        let mut builder = BatchBuilder::new(compression);
        for index in 0..records {
            let header = (&b"h"[..], None);
            builder.append(index, Some(b"key"), Some(&[0xa5; 100]), &[header]);
        }
        let bytes = builder.build();
        let mut header = BatchHeader::parse(&bytes).unwrap();
        header.base_offset = number * records;
        let head = Bytes::copy_from_slice(&header.encode());
        StoredBatch { header, head, body: bytes.slice(HEADER_BYTES..) }
    };
    (0..count).map(batch).collect()
}

#[test]
fn reading_does_not_allocate_per_record() {
    for compression in [Compression::None, Compression::Lz4] {
        for stored in [SegmentCompression::None, SegmentCompression::Lz4] {
            let allocations = |records: i64| {
                let written = batches(8, records, compression);
                let run = run_of(&Object::of(&write(&[written], stored, 1 << 20)), 0);
                assert_eq!(run.chunks().len(), 1);
                let mut scratch = Scratch::new();
                // Once, so that the codecs' state is there.
                run.read(0, i64::MAX, ALL, &mut scratch).unwrap();
                measure(|| assert_eq!(run.read(0, i64::MAX, ALL, &mut scratch).unwrap().len(), 8))
                    .count_total
            };
            let (few, many) = (allocations(10), allocations(800));
            assert!(many <= few + 20 && many <= 120, "{compression} {stored:?}: {few} {many}");
        }
    }
}

#[test]
fn appending_does_not_allocate_per_record() {
    let allocations = |records: i64| {
        let written = batches(8, records, Compression::None);
        let mut writer = SegmentWriter::new(SegmentOptions::default());
        writer.begin(TOPIC, 0, SegmentCompression::None);
        let mut scratch = Scratch::new();
        measure(|| {
            for batch in &written {
                writer.append(batch, &mut scratch).unwrap();
            }
        })
        .count_total
    };
    // The columns double as they grow.
    let (few, many) = (allocations(10), allocations(800));
    assert!(many <= few + 100, "{few} {many}");
}

#[test]
fn an_open_run_takes_little_memory() {
    // As many chunks as there are batches.
    let count = 200;
    let written = batches(count, 20, Compression::None);
    let finished = write(&[written], SegmentCompression::None, 1);
    let object = Object::of(&finished);
    let directory_bytes = finished.directory.end - finished.directory.start;
    let mut run = None;
    let used = measure(|| run = Some(run_of(&object, 0)));
    assert_eq!(run.map(|run| run.chunks().len()), Some(count as usize));
    let held = used.bytes_current as u64 / count as u64;
    let encoded = directory_bytes / count as u64;
    assert!(
        held <= 400 && encoded <= 150,
        "{held} bytes a chunk in memory, {encoded} in the object"
    );
}
