//! Merging: what several objects held, one holds.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use strom_protocol::record::{Compression, Scratch};

use super::batches::{batch, place};
use super::round_trip::{ALL, COMPRESSIONS, TOPIC, assert_same, run_of, write};
use super::scan::usual;
use super::source::Object;
use crate::partition::StoredBatch;
use crate::segment::{SegmentCompression, SegmentOptions, SegmentWriter};

fn merge(
    objects: &[Arc<Object>],
    from: i64,
    compression: SegmentCompression,
    chunk_bytes: usize,
) -> Arc<Object> {
    let mut writer = SegmentWriter::new(SegmentOptions { chunk_bytes });
    writer.begin(TOPIC, 0, compression);
    let mut parts = Vec::new();
    for object in objects {
        let run = run_of(object, 0);
        let mut next = Some(from);
        while let Some(from) = next {
            next = run.copy_into(from, 2000, &mut writer, &mut Scratch::new()).unwrap();
            parts.extend(writer.take_parts());
        }
    }
    let mut finished = writer.finish();
    parts.append(&mut finished.parts);
    finished.parts = parts;
    Object::of(&finished)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_merged_run_reads_like_its_parts(
        specs in vec(vec(batch(), 1..10), 1..5),
        compressions in vec(select(COMPRESSIONS.to_vec()), 5),
        chunk_bytes in select(vec![1, 1000, 5000]),
        into_bytes in select(vec![1, 1000, 5000]),
        from in 0_i64..40,
    ) {
        let mut next_offset = 0;
        let mut batches = Vec::new();
        let mut objects = Vec::new();
        for (specs, compression) in specs.iter().zip(&compressions) {
            let run = place(specs, next_offset);
            next_offset = run.last().unwrap().header.last_offset() + 1;
            objects.push(Object::of(&write(std::slice::from_ref(&run), *compression, chunk_bytes)));
            batches.extend(run);
        }
        let mut scratch = Scratch::new();
        let merged = merge(&objects, i64::MIN, compressions[4], into_bytes);
        let run = run_of(&merged, 0);
        assert_same(&run.read(0, i64::MAX, ALL, &mut scratch).unwrap(), &batches);
        let verified = run.verify(i64::MIN, &mut scratch).unwrap();
        prop_assert_eq!((verified.mismatches.len(), verified.batches), (0, batches.len() as u64));
        prop_assert_eq!(run.summary().batches, batches.len() as u64);

        // From an offset on: everything at or above it is there.
        let wanted: Vec<StoredBatch> =
            batches.iter().filter(|batch| batch.header.last_offset() >= from).cloned().collect();
        if !wanted.is_empty() {
            let run = run_of(&merge(&objects, from, compressions[4], into_bytes), 0);
            assert_same(&run.read(from, i64::MAX, ALL, &mut scratch).unwrap(), &wanted);
        }
    }
}

#[test]
fn large_chunks_are_copied_and_small_ones_joined() {
    let batches = usual(100, Compression::None);
    let (first, second) = batches.split_at(50);
    let object = |batches: &[StoredBatch], chunk_bytes| {
        Object::of(&write(&[batches.to_vec()], SegmentCompression::None, chunk_bytes))
    };
    let chunks = |object: &Arc<Object>| run_of(object, 0).chunks().len();
    let large = [object(first, 1 << 20), object(second, 1 << 20)];
    let merged = merge(&large, 0, SegmentCompression::None, 1 << 20);
    assert_eq!(chunks(&merged), chunks(&large[0]) + chunks(&large[1]));
    // Copied, and not written again: the bytes of the first chunk are those of its object.
    let bytes_of_first = |object: &Arc<Object>| {
        let chunk = run_of(object, 0).chunks()[0].clone();
        object.bytes.slice(chunk.position as usize..chunk.end() as usize)
    };
    assert_eq!(bytes_of_first(&merged), bytes_of_first(&large[0]));
    let small = [object(first, 60_000), object(second, 60_000)];
    assert!(chunks(&small[0]) > 40);
    let merged = merge(&small, 0, SegmentCompression::None, 1 << 20);
    assert!(chunks(&merged) <= 6, "{}", chunks(&merged));
    // Another compression is a reason to write again, and being small only because of it is not.
    let merged = merge(&large, 0, SegmentCompression::Zstd, 1 << 20);
    assert!(merged.bytes.len() < large[0].bytes.len() / 4);
    let again = merge(std::slice::from_ref(&merged), 0, SegmentCompression::Zstd, 1 << 20);
    let (reads, chunks) = (merged.take_reads(), run_of(&merged, 0).chunks().to_vec());
    let full = chunks.iter().filter(|chunk| chunk.held_bytes() >= 1 << 19);
    for chunk in full {
        let whole = chunk.position..chunk.end();
        assert!(reads.contains(&whole), "a chunk that is copied is read as a whole");
    }
    assert_eq!(run_of(&again, 0).summary().wire_bytes, run_of(&merged, 0).summary().wire_bytes);
}
