//! What was appended is what is read.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use strom_protocol::record::Scratch;
use strom_protocol::{TopicId, Uuid};

use super::batches::{BatchSpec, batch, place};
use super::source::Object;
use crate::partition::{ReadLimits, StoredBatch};
use crate::segment::{FinishedSegment, Run, SegmentCompression, SegmentOptions, SegmentWriter};

pub(super) const TOPIC: TopicId = TopicId(Uuid::from_u128(7));
pub(super) const ALL: ReadLimits = ReadLimits { max_bytes: usize::MAX, at_least_one: true };
pub(super) const COMPRESSIONS: [SegmentCompression; 3] =
    [SegmentCompression::None, SegmentCompression::Lz4, SegmentCompression::Zstd];

/// Writes runs, the partitions numbered from 0.
pub(super) fn write(
    runs: &[Vec<StoredBatch>],
    compression: SegmentCompression,
    chunk_bytes: usize,
) -> FinishedSegment {
    let mut writer = SegmentWriter::new(SegmentOptions { chunk_bytes });
    let mut scratch = Scratch::new();
    let mut parts = Vec::new();
    for (partition, batches) in (0..).zip(runs) {
        writer.begin(TOPIC, partition, compression);
        for batch in batches {
            writer.append(batch, &mut scratch).unwrap();
            parts.extend(writer.take_parts());
        }
    }
    let mut finished = writer.finish();
    parts.append(&mut finished.parts);
    finished.parts = parts;
    finished
}

pub(super) fn run_of(object: &Arc<Object>, partition: i32) -> Run {
    object.open().run(TOPIC, partition).unwrap().unwrap()
}

pub(super) fn assert_same(read: &[StoredBatch], expected: &[StoredBatch]) {
    assert_eq!(read.len(), expected.len());
    for (read, expected) in read.iter().zip(expected) {
        assert_eq!(read.header, expected.header);
        assert_eq!(read.head, expected.head);
        assert_eq!(read.body, expected.body);
    }
}

/// What a read must return, by going through all batches.
fn expected(batches: &[StoredBatch], from: i64, end: i64, limits: ReadLimits) -> Vec<StoredBatch> {
    let mut bytes = 0;
    let mut taken = Vec::new();
    for batch in batches.iter().filter(|batch| batch.header.last_offset() >= from) {
        let size = batch.header.total_bytes();
        let fits = bytes + size <= limits.max_bytes || taken.is_empty() && limits.at_least_one;
        if batch.header.base_offset >= end || !fits {
            break;
        }
        bytes += size;
        taken.push(batch.clone());
    }
    taken
}

fn runs() -> impl Strategy<Value = Vec<Vec<BatchSpec>>> {
    vec(vec(batch(), 1..20), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn reads_what_was_appended(
        specs in runs(),
        compression in select(COMPRESSIONS.to_vec()),
        chunk_bytes in select(vec![1, 500, 4000, 1 << 20]),
        reads in vec((0_i64..150, 0_i64..200, 0_usize..4000, any::<bool>()), 8),
    ) {
        let runs: Vec<_> =
            (0..).zip(&specs).map(|(base, specs)| place(specs, 1000 * base)).collect();
        let finished = write(&runs, compression, chunk_bytes);
        let object = Object::of(&finished);
        let mut scratch = Scratch::new();
        prop_assert_eq!(object.open().runs().count(), runs.len());
        for (partition, batches) in (0..).zip(&runs) {
            let run = run_of(&object, partition);
            let base = 1000 * i64::from(partition);
            assert_same(&run.read(0, i64::MAX, ALL, &mut scratch).unwrap(), batches);
            for &(from, length, max_bytes, at_least_one) in &reads {
                let (from, end) = (base + from, base + from + length);
                let limits = ReadLimits { max_bytes, at_least_one };
                let read = run.read(from, end, limits, &mut scratch).unwrap();
                assert_same(&read, &expected(batches, from, end, limits));
            }
            prop_assert_eq!(&finished.runs[partition as usize], run.summary());
        }
    }

    #[test]
    fn reading_on_reads_everything(
        specs in vec(batch(), 1..30),
        chunk_bytes in select(vec![500, 4000, 1 << 20]),
        max_bytes in 0_usize..4000,
    ) {
        let batches = place(&specs, 5);
        let finished = write(std::slice::from_ref(&batches), SegmentCompression::Lz4, chunk_bytes);
        let run = run_of(&Object::of(&finished), 0);
        let limits = ReadLimits { max_bytes, at_least_one: true };
        let mut scratch = Scratch::new();
        let (mut from, mut all) = (0, Vec::new());
        loop {
            let read = run.read(from, i64::MAX, limits, &mut scratch).unwrap();
            let Some(last) = read.last() else { break };
            from = last.header.last_offset() + 1;
            all.extend(read);
        }
        assert_same(&all, &batches);
    }
}
