//! Scans against a full decode that is filtered, and against what they may fetch.

use std::ops::{Bound, Range, RangeBounds};

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use strom_protocol::record::{BatchBuilder, BatchHeader, Compression, HEADER_BYTES, Scratch};

use super::batches::{NAMES, batch, place};
use super::model::{Row, data_rows, rows_of, rows_of_arrow};
use super::round_trip::{COMPRESSIONS, run_of, write};
use super::source::Object;
use crate::partition::StoredBatch;
use crate::segment::chunk::ChunkKind;
use crate::segment::columns::BufferSet;
use crate::segment::{Column, ColumnSet, Predicate, Run, ScanRequest, SegmentCompression};

fn bound() -> impl Strategy<Value = Bound<Bytes>> {
    let key =
        prop_oneof![select(NAMES.to_vec()).prop_map(<[u8]>::to_vec), vec(any::<u8>(), 0..40),];
    (key, 0..3).prop_map(|(key, kind)| match kind {
        0 => Bound::Included(Bytes::from(key)),
        1 => Bound::Excluded(Bytes::from(key)),
        _ => Bound::Unbounded,
    })
}

fn predicate() -> impl Strategy<Value = Predicate> {
    let one = prop_oneof![
        (0_i64..200, 0_i64..200).prop_map(|(from, to)| Predicate::Offset(from..to)),
        (1_700_000_000_000_i64..1_700_000_100_000, 0_i64..100_000)
            .prop_map(|(from, more)| Predicate::Timestamp(from..=from + more)),
        (bound(), bound()).prop_map(|(least, greatest)| Predicate::Key(least, greatest)),
        select(NAMES.to_vec()).prop_map(|key| Predicate::key_equals(Bytes::from_static(key))),
    ];
    let one = one.boxed();
    prop_oneof![3 => one.clone(), 1 => vec(one, 0..3).prop_map(Predicate::All)]
}

fn matches(predicate: &Predicate, row: &Row) -> bool {
    match predicate {
        Predicate::Offset(range) => range.contains(&row.offset),
        Predicate::Timestamp(range) => range.contains(&row.timestamp),
        Predicate::Key(least, greatest) => {
            let range = (least.clone(), greatest.clone());
            row.key.as_ref().is_some_and(|key| range.contains(&Bytes::from(key.clone())))
        }
        Predicate::All(all) => all.iter().all(|predicate| matches(predicate, row)),
    }
}

/// A row without the columns that were not asked for.
fn projected(row: &Row, columns: ColumnSet) -> Row {
    let has = |column| columns.contains(column);
    Row {
        partition: if has(Column::Partition) { row.partition } else { 0 },
        offset: if has(Column::Offset) { row.offset } else { 0 },
        timestamp: if has(Column::Timestamp) { row.timestamp } else { 0 },
        key: row.key.clone().filter(|_| has(Column::Key)),
        value: row.value.clone().filter(|_| has(Column::Value)),
        headers: if has(Column::Headers) { row.headers.clone() } else { Vec::new() },
    }
}

fn scan(run: &Run, request: ScanRequest) -> Vec<Row> {
    run.scan(request).flat_map(|batch| rows_of_arrow(&batch.unwrap())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_scan_is_a_full_decode_filtered(
        specs in vec(batch(), 1..25),
        compression in select(COMPRESSIONS.to_vec()),
        chunk_bytes in select(vec![500, 4000, 1 << 20]),
        columns in subsequence(Column::ALL.to_vec(), 0..=6),
        offsets in (0_i64..150, 0_i64..300),
        predicate in option::of(predicate()),
    ) {
        let batches = place(&specs, 3);
        let run = run_of(
            &Object::of(&write(&[Vec::new(), batches.clone()], compression, chunk_bytes)),
            1,
        );
        let columns: ColumnSet = columns.into_iter().collect();
        let offsets = offsets.0..offsets.1;
        let expected: Vec<Row> = data_rows(&batches, 1)
            .into_iter()
            .filter(|row| offsets.contains(&row.offset))
            .filter(|row| predicate.as_ref().is_none_or(|predicate| matches(predicate, row)))
            .map(|row| projected(&row, columns))
            .collect();
        prop_assert_eq!(scan(&run, ScanRequest { columns, offsets, predicate }), expected);
    }

    #[test]
    fn finds_records_by_time(
        specs in vec(batch(), 1..25),
        from in 0_i64..100,
        length in 0_i64..100,
        timestamp in prop_oneof![1_700_000_000_000_i64..1_700_000_100_000, any::<i64>()],
    ) {
        let batches = place(&specs, 3);
        let run = run_of(&Object::of(&write(std::slice::from_ref(&batches), SegmentCompression::Zstd, 2000)), 0);
        let mut scratch = Scratch::new();
        let rows: Vec<Row> = batches.iter().flat_map(|batch| rows_of(batch, 0)).collect();
        let first = rows.iter().find(|row| row.offset >= from && row.timestamp >= timestamp);
        let found = run.offset_for_timestamp(from, timestamp, &mut scratch).unwrap();
        prop_assert_eq!(
            found.map(|found| (found.offset, found.timestamp)),
            first.map(|row| (row.offset, row.timestamp))
        );
        let within = from..from + length;
        let rows = rows.iter().filter(|row| within.contains(&row.offset));
        let greatest = rows.rev().max_by_key(|row| row.timestamp);
        let found = run.max_timestamp(within.start, within.end, &mut scratch).unwrap();
        prop_assert_eq!(
            found.map(|found| (found.offset, found.timestamp)),
            greatest.map(|row| (row.offset, row.timestamp))
        );
    }
}

/// Batches of 50 records with keys of 20 and values of 1000 bytes, two headers in each tenth.
pub(super) fn usual(count: i64, compression: Compression) -> Vec<StoredBatch> {
    let batch = |number: i64| {
        let mut builder = BatchBuilder::new(compression);
        for index in 0..50 {
            let id = number * 50 + index;
            let key = format!("user-{:015}", id.wrapping_mul(7919) % 100_000);
            let value = format!("{id:020}").repeat(50);
            let header = (&b"trace"[..], Some(&b"abcdefgh"[..]));
            let headers: &[_] = if id % 10 == 0 { &[header, header] } else { &[] };
            builder.append(
                1_700_000_000_000 + id,
                Some(key.as_bytes()),
                Some(value.as_bytes()),
                headers,
            );
        }
        let bytes = builder.build();
        let mut header = BatchHeader::parse(&bytes).unwrap();
        header.base_offset = number * 50;
        let head = Bytes::copy_from_slice(&header.encode());
        StoredBatch { header, head, body: bytes.slice(HEADER_BYTES..) }
    };
    (0..count).map(batch).collect()
}

fn bytes_of(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}

/// What scanning fetches of an object of usual batches.
fn fetched(object: &std::sync::Arc<Object>, request: ScanRequest) -> (usize, Vec<Range<u64>>) {
    let run = run_of(object, 0);
    object.take_reads();
    let rows = scan(&run, request).len();
    (rows, object.take_reads())
}

fn request(column: Column) -> ScanRequest {
    ScanRequest { columns: [column].into_iter().collect(), offsets: 0..i64::MAX, predicate: None }
}

#[test]
fn a_scan_fetches_the_columns_it_needs() {
    for compression in [Compression::None, Compression::Lz4] {
        let object =
            Object::of(&write(&[usual(100, compression)], SegmentCompression::None, 1 << 20));
        let run = run_of(&object, 0);
        let stored = |set: BufferSet| -> u64 {
            let layouts = run.chunks().iter().flat_map(|chunk| chunk.layouts(set));
            layouts.map(|layout| u64::from(layout.stored_bytes)).sum()
        };
        // Padding between a column's buffers, and neighbours that are smaller than a gap.
        let slack = 2048 * run.chunks().len() as u64;
        for (column, set) in [
            (Column::Timestamp, BufferSet::TIMESTAMP),
            (Column::Key, BufferSet::KEY),
            (Column::Headers, BufferSet::HEADERS),
        ] {
            let (rows, reads) = fetched(&object, request(column));
            assert_eq!(rows, 5000);
            let bytes = bytes_of(&reads);
            assert!(bytes >= stored(set) && bytes <= stored(set) + slack, "{column:?}: {bytes}");
        }
        let (rows, reads) = fetched(&object, request(Column::Offset));
        assert_eq!((rows, bytes_of(&reads)), (5000, 0), "offsets are known from the directory");
    }
}

#[test]
fn blocks_are_left_alone_unless_values_are_wanted() {
    let object =
        Object::of(&write(&[usual(100, Compression::Lz4)], SegmentCompression::None, 64 << 10));
    let run = run_of(&object, 0);
    assert!(run.chunks().len() > 2);
    assert!(run.chunks().iter().all(|chunk| chunk.kind == ChunkKind::Block));
    let touches = |reads: &[Range<u64>]| {
        run.chunks().iter().any(|chunk| {
            let blocks = chunk.blocks();
            reads.iter().any(|read| read.start < blocks.end && blocks.start < read.end)
        })
    };
    let columns = Column::ALL.into_iter().filter(|column| *column != Column::Value).collect();
    let all = ScanRequest { columns, offsets: 0..i64::MAX, predicate: None };
    let (rows, reads) = fetched(&object, all);
    assert_eq!(rows, 5000);
    assert!(!touches(&reads));
    let (_, reads) = fetched(&object, request(Column::Value));
    assert!(touches(&reads));
}

#[test]
fn statistics_spare_chunks() {
    let object =
        Object::of(&write(&[usual(100, Compression::None)], SegmentCompression::None, 256 << 10));
    let run = run_of(&object, 0);
    let one_chunk = run.chunks()[0].end() - run.chunks()[0].position;
    let rows_and_bytes = |predicate: Predicate| {
        let all = ColumnSet::ALL;
        let request =
            ScanRequest { columns: all, offsets: 0..i64::MAX, predicate: Some(predicate) };
        let (rows, reads) = fetched(&object, request);
        (rows, bytes_of(&reads))
    };
    let times = Predicate::Timestamp(1_700_000_002_000..=1_700_000_002_009);
    let (rows, bytes) = rows_and_bytes(times);
    assert_eq!(rows, 10);
    assert!(bytes <= 2 * one_chunk, "{bytes}");
    let (rows, bytes) = rows_and_bytes(Predicate::key_equals(Bytes::from_static(b"admin")));
    assert_eq!((rows, bytes), (0, 0));
    // A key within the bounds that nobody has: keys are fetched, and nothing else.
    let (rows, bytes) =
        rows_and_bytes(Predicate::key_equals(Bytes::from_static(b"user-000000000050000x")));
    assert_eq!(rows, 0);
    assert!(bytes < 5000 * 30 && bytes > 0, "{bytes}");
    let (rows, bytes) = rows_and_bytes(Predicate::Offset(0..1));
    assert_eq!(rows, 1);
    assert!(bytes <= one_chunk, "{bytes}");
}

#[test]
fn values_that_decompress_to_much_come_in_pieces() {
    let values = vec![7_u8; 5 << 20];
    let mut builder = BatchBuilder::new(Compression::Zstd);
    (0..4).for_each(|_| builder.append(0, None, Some(&values), &[]));
    let bytes = builder.build();
    let batches: Vec<StoredBatch> = (0..4)
        .map(|number| {
            let mut header = BatchHeader::parse(&bytes).unwrap();
            header.base_offset = 4 * number;
            let head = Bytes::copy_from_slice(&header.encode());
            StoredBatch { header, head, body: bytes.slice(HEADER_BYTES..) }
        })
        .collect();
    let run = run_of(&Object::of(&write(&[batches], SegmentCompression::None, 1 << 20)), 0);
    assert_eq!(run.chunks().len(), 1);
    let pieces: Vec<_> = run.scan(request(Column::Value)).map(Result::unwrap).collect();
    assert_eq!(pieces.iter().map(|piece| piece.num_rows()).collect::<Vec<_>>(), [4, 4, 4, 4]);
}
