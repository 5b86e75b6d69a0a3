//! Damage: every flipped bit is noticed or does not matter, is confined to its chunk, and costs no memory.

use std::sync::Arc;

use allocation_counter::measure;
use proptest::collection::vec;
use proptest::prelude::*;
use strom_protocol::record::{Compression, Scratch};

use super::model::{Row, data_rows, rows_of_arrow};
use super::round_trip::{TOPIC, assert_same};
use super::scan::usual;
use super::source::Object;
use crate::encoding::Input;
use crate::partition::{ReadLimits, StoredBatch};
use crate::segment::batch_table::{BatchTable, Offsets, TableBuilder};
use crate::segment::chunk::Chunk;
use crate::segment::{
    ColumnSet, Run, ScanRequest, Segment, SegmentCompression, SegmentError, SegmentOptions,
    SegmentWriter,
};

/// Two runs of plain and block chunks of some kilobytes.
fn object() -> (Arc<Object>, Vec<Vec<StoredBatch>>) {
    let runs = vec![usual(3, Compression::None), usual(6, Compression::Lz4)];
    let mut writer = SegmentWriter::new(SegmentOptions { chunk_bytes: 16 << 10 });
    let mut scratch = Scratch::new();
    for (partition, compression) in [(0, SegmentCompression::Zstd), (1, SegmentCompression::None)] {
        writer.begin(TOPIC, partition, compression);
        for batch in &runs[partition as usize] {
            writer.append(batch, &mut scratch).unwrap();
        }
    }
    (Object::of(&writer.finish()), runs)
}

fn offsets_of(error: &SegmentError) -> (i64, i64) {
    match error {
        SegmentError::Corrupt { offset_from, offset_to, .. } => (*offset_from, *offset_to),
        SegmentError::Newer { .. } | SegmentError::Source(_) => panic!("{error}"),
    }
}

/// Reads everything of a run of which at most the chunk `hit` is damaged; returns what went wrong.
fn check_run(run: &Run, batches: &[StoredBatch], hit: Option<&Chunk>) -> usize {
    let mut errors = 0;
    let mut expect_hit = |error: &SegmentError| {
        errors += 1;
        let (from, to) = offsets_of(error);
        let hit = hit.unwrap_or_else(|| panic!("nothing of this run was hit: {error}"));
        assert!(hit.base_offset <= from && to <= hit.next_offset && from < to, "{error}");
    };
    let mut scratch = Scratch::new();
    for batch in batches {
        let one = ReadLimits { max_bytes: 0, at_least_one: true };
        match run.read(batch.header.base_offset, i64::MAX, one, &mut scratch) {
            Ok(read) => assert_same(&read, std::slice::from_ref(batch)),
            Err(error) => expect_hit(&error),
        }
    }
    let request = ScanRequest { columns: ColumnSet::ALL, offsets: 0..i64::MAX, predicate: None };
    let expected = data_rows(batches, run.summary().partition);
    let mut rows: Vec<Row> = Vec::new();
    for scanned in run.scan(request) {
        match scanned {
            Ok(scanned) => rows.extend(rows_of_arrow(&scanned)),
            Err(error) => expect_hit(&error),
        }
    }
    // What is missing lies in the chunk; nothing else is, and nothing is other than it was.
    let missing = expected.iter().filter(|row| !rows.contains(row));
    for row in missing {
        assert!(hit.is_some_and(|chunk| chunk.offsets().contains(&row.offset)), "{row:?}");
    }
    assert!(rows.iter().all(|row| expected.contains(row)));
    let verified = run.verify(i64::MIN, &mut scratch).unwrap();
    for mismatch in &verified.mismatches {
        let chunk = hit.unwrap_or_else(|| panic!("nothing was hit: {mismatch:?}"));
        assert!(chunk.base_offset <= mismatch.offsets.start, "{mismatch:?}");
        assert!(mismatch.offsets.end <= chunk.next_offset, "{mismatch:?}");
    }
    assert_eq!(verified.mismatches.is_empty(), errors == 0, "{:?}", verified.mismatches);
    errors
}

#[test]
fn flipped_bits_are_noticed_and_confined() {
    let (object, runs) = object();
    let whole: Vec<Run> =
        (0..2).map(|partition| object.open().run(TOPIC, partition).unwrap().unwrap()).collect();
    let chunks_end = whole[1].chunks().last().unwrap().end() as usize;
    let mut outcomes = [0; 3];
    // Prime steps, so that every byte of every field is met in some chunk; the end of the object closely.
    let positions = (0..chunks_end).step_by(13).chain((chunks_end..object.bytes.len()).step_by(3));
    for position in positions {
        let mut bytes = object.bytes.to_vec();
        bytes[position] ^= 1 << (position % 8);
        let damaged = Object::new(bytes);
        let segment = match Segment::open(damaged) {
            Ok(segment) => segment,
            Err(error) => {
                assert!(position >= chunks_end, "{position}: {error}");
                assert_eq!(offsets_of(&error), (0, i64::MAX));
                outcomes[0] += 1;
                continue;
            }
        };
        for (partition, batches) in (0..).zip(&runs) {
            match segment.run(TOPIC, partition) {
                Some(Ok(run)) => {
                    let hit = whole[partition as usize]
                        .chunks()
                        .iter()
                        .find(|chunk| (chunk.position..chunk.end()).contains(&(position as u64)));
                    outcomes[1] += usize::from(check_run(&run, batches, hit) > 0);
                }
                Some(Err(error)) => {
                    assert!(position >= chunks_end, "{position}: {error}");
                    outcomes[2] += 1;
                }
                None => panic!("the run is in the index"),
            }
        }
    }
    assert!(outcomes.iter().all(|count| *count > 10), "all kinds of damage were met: {outcomes:?}");
}

/// A directory whose checksums are right and whose counts are not: what reading relies on is refused.
#[test]
fn chunks_that_do_not_add_up_are_refused() {
    let (object, _) = object();
    let run = object.open().run(TOPIC, 0).unwrap().unwrap();
    let limit = object.bytes.len() as u64;
    let check = |what: &str, change: &dyn Fn(&mut Chunk)| {
        let mut chunk = run.chunks()[0].clone();
        change(&mut chunk);
        let mut encoded = Vec::new();
        chunk.encode(&mut encoded);
        let decoded = Chunk::decode(&mut Input(&encoded), limit);
        assert_eq!(decoded.is_some(), what.is_empty(), "{what}");
    };
    check("", &|_| {});
    check("rows above the buffers'", &|chunk| chunk.rows += 1);
    check("offsets of a dense chunk above its rows", &|chunk| chunk.next_offset += 1);
    check("more nulls than rows", &|chunk| chunk.key_nulls = chunk.rows + 1);
    check("headers above their buffers'", &|chunk| chunk.headers += 1);
    check("a body beyond the object", &|chunk| chunk.body_bytes = u32::MAX);
    check("a position beyond the object", &|chunk| chunk.position = limit);
    check("a buffer beyond the body", &|chunk| chunk.buffers[2].position = chunk.body_bytes);
    check("a buffer that decompresses to anything", &|chunk| chunk.buffers[2].raw_bytes = u32::MAX);
    check("buffers in another order", &|chunk| chunk.buffers.swap(0, 1));
    check("no timestamps", &|chunk| chunk.buffers = chunk.buffers[1..].into());
}

#[test]
fn cut_off_objects_are_refused() {
    let (object, _) = object();
    for end in (0..object.bytes.len()).step_by(101) {
        assert!(Segment::open(Object::new(object.bytes.slice(..end))).is_err());
    }
}

proptest! {
    #[test]
    fn rubbish_is_no_batch_table(bytes in vec(any::<u8>(), 0..200), base in any::<i64>()) {
        let used = measure(|| {
            if let Some(table) = BatchTable::decode(&bytes, base) {
                assert!(table.batches.len() <= bytes.len());
            }
        });
        // An entry in memory is about five times as large as it is in the file.
        prop_assert!(used.bytes_max <= 64 * 200 + 1024, "{:?}", used);
    }

    #[test]
    fn mistaken_batch_tables_are_harmless(
        flips in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let batches = usual(4, Compression::None);
        let mut builder = TableBuilder::new(0);
        let deltas: Vec<i32> = (0..50).map(|index| 3 * index).collect();
        for batch in &batches {
            builder.push(&batch.header, 7, Offsets::Sparse(&deltas));
        }
        let mut bytes = builder.into_bytes();
        for (place, byte) in flips {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(table) = BatchTable::decode(&bytes, 0) {
            for entry in &table.batches {
                let deltas = (0..entry.rows).map(|index| table.offset_delta(entry, index));
                assert_eq!(deltas.count(), entry.rows as usize);
            }
        }
    }
}
