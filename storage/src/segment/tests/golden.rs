//! The format, version 1: a file that must be read for ever, and the refusal of what comes later.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use strom_protocol::record::{Attributes, BatchHeader, Compression, HEADER_BYTES, Scratch};

use super::batches::stored;
use super::round_trip::{ALL, TOPIC, assert_same, run_of, write};
use super::scan::usual;
use super::source::Object;
use crate::encoding::checksum;
use crate::partition::StoredBatch;
use crate::segment::arrow_file::{END_BYTES, footer_bytes};
use crate::segment::directory::LOCATOR_BYTES;
use crate::segment::{Segment, SegmentCompression, SegmentError, SegmentOptions, SegmentWriter};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/segment-1.bin")
}

/// A batch of each kind: plain, compressed, a marker, one that compaction emptied, one that nobody can read.
fn oddities(base_offset: i64) -> Vec<StoredBatch> {
    let mut batches = usual(1, Compression::None);
    batches.extend(usual(1, Compression::Snappy));
    let mut next_offset = base_offset;
    let header =
        |attributes: i16, last_offset_delta: i32, record_count: i32, bytes: usize| BatchHeader {
            base_offset: 0,
            batch_length: (HEADER_BYTES + bytes) as i32 - 12,
            partition_leader_epoch: 4,
            magic: 2,
            crc: 0,
            attributes: Attributes(attributes),
            last_offset_delta,
            base_timestamp: 1_700_000_000_000,
            max_timestamp: 1_700_000_000_007,
            producer_id: 9,
            producer_epoch: 1,
            base_sequence: 17,
            record_count,
        };
    batches.push(stored(header(0x10, 4, 0, 0), Vec::new()));
    batches.push(stored(header(2, 2, 3, 5), b"never".to_vec()));
    batches.into_iter().map(|batch| at(batch, &mut next_offset)).collect()
}

/// The batch at the next offset.
fn at(batch: StoredBatch, next_offset: &mut i64) -> StoredBatch {
    let header = BatchHeader { base_offset: *next_offset, ..batch.header };
    *next_offset = header.last_offset() + 1;
    let head = Bytes::copy_from_slice(&header.encode());
    StoredBatch { header, head, body: batch.body }
}

fn object() -> (Arc<Object>, Vec<Vec<StoredBatch>>) {
    let runs = vec![oddities(0), oddities(5000)];
    let mut writer = SegmentWriter::new(SegmentOptions { chunk_bytes: 16 << 10 });
    let mut scratch = Scratch::new();
    for (partition, compression) in [(0, SegmentCompression::None), (1, SegmentCompression::Lz4)] {
        writer.begin(TOPIC, partition, compression);
        for batch in &runs[partition as usize] {
            writer.append(batch, &mut scratch).unwrap();
        }
    }
    (Object::of(&writer.finish()), runs)
}

#[test]
fn the_golden_file_is_written_and_read() {
    let (object, runs) = object();
    let golden = golden();
    if std::env::var_os("STROM_UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &object.bytes).unwrap();
    }
    let expected = Bytes::from(std::fs::read(&golden).unwrap());
    assert!(object.bytes == expected, "the format changed; a new version needs a new golden file");
    let read = Object::new(expected);
    let mut scratch = Scratch::new();
    for (partition, batches) in (0..).zip(&runs) {
        let run = run_of(&read, partition);
        assert_same(&run.read(0, i64::MAX, ALL, &mut scratch).unwrap(), batches);
        assert_eq!(run.verify(i64::MIN, &mut scratch).unwrap().mismatches, []);
    }
}

/// The seeds of the fuzz target, so that it begins at segments of this version.
#[test]
fn the_fuzz_corpus_has_segments() {
    let few = |compression| super::allocation::batches(2, 3, compression);
    let (none, zstd) = (SegmentCompression::None, SegmentCompression::Zstd);
    let odd = vec![oddities(0)[2].clone(), oddities(0)[3].clone()];
    for (name, runs, compression) in [
        ("plain", vec![few(Compression::None)], none),
        ("plain-zstd", vec![super::allocation::batches(1, 40, Compression::None)], zstd),
        ("blocks", vec![few(Compression::Gzip), few(Compression::Snappy)], none),
        ("mixed", vec![[few(Compression::None), odd].concat(), few(Compression::Zstd)], none),
    ] {
        let mut place = 0;
        let runs: Vec<Vec<StoredBatch>> = runs
            .into_iter()
            .map(|run| run.into_iter().map(|batch| at(batch, &mut place)).collect())
            .collect();
        let bytes = write(&runs, compression, 300).parts.concat();
        let seed = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/corpus/segment")
            .join(format!("{name}.bin"));
        if std::env::var_os("STROM_UPDATE_GOLDEN").is_some() {
            std::fs::write(&seed, &bytes).unwrap();
        }
        assert!(bytes == std::fs::read(&seed).unwrap(), "{name} is not what is written today");
    }
}

#[test]
fn a_newer_version_is_refused() {
    let mut bytes = object().0.bytes.to_vec();
    let footer = footer_bytes(&bytes[bytes.len() - END_BYTES..]).unwrap() as usize;
    let locator = bytes.len() - END_BYTES - footer - LOCATOR_BYTES;
    bytes[locator + 8..locator + 12].copy_from_slice(&2_u32.to_le_bytes());
    let crc = checksum(&bytes[locator..locator + LOCATOR_BYTES - 4]);
    bytes[locator + LOCATOR_BYTES - 4..locator + LOCATOR_BYTES].copy_from_slice(&crc.to_le_bytes());
    let error = Segment::open(Object::new(bytes)).unwrap_err();
    assert_eq!(error, SegmentError::Newer { version: 2 });
    assert_eq!(error.to_string(), "segment has format 2, this version reads up to 1");
}
