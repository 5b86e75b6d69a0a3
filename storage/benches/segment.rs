//! What segments cost: `cargo bench -p strom-storage --bench segment`.
//!
//! One thread, everything in memory, so elapsed time is CPU time. Each figure is the best of several rounds over
//! 64 MiB of record bytes, in CPU-seconds per GB (1e9) of record bytes before compression, so that flushing and
//! fetching can be added to what producing and consuming cost. `copy` is memcpy of the batches, `visit` protocol's
//! pass over their records: what no layout can go below. `size` is the object's size to the batches' own.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::hint::black_box;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use strom_protocol::record::{
    BatchBuilder, BatchHeader, Compression, HEADER_BYTES, Scratch, visit,
};
use strom_protocol::{TopicId, Uuid};
use strom_storage::segment::{
    Column, ColumnSet, FinishedSegment, RangeSource, Run, ScanRequest, Segment, SegmentCompression,
    SegmentOptions, SegmentWriter, SourceError,
};
use strom_storage::{ReadLimits, StoredBatch};

const TOPIC: TopicId = TopicId(Uuid::from_u128(1));
const RECORD_BYTES: usize = 64 << 20;
const BATCH_BYTES: usize = 64 * 1024;
const ROUNDS: usize = 5;
/// What a consumer asks of a partition at once.
const FETCH_BYTES: usize = 1 << 20;

struct Case {
    name: &'static str,
    value: fn(u64) -> Vec<u8>,
    produced: Compression,
    stored: SegmentCompression,
}

fn main() {
    let chunk_bytes = std::env::var("CHUNK_BYTES").ok().and_then(|bytes| bytes.parse().ok());
    let chunk_bytes = chunk_bytes.unwrap_or(SegmentOptions::default().chunk_bytes);
    println!("chunks of {chunk_bytes} bytes; CPU-s/GB");
    println!(
        "{:26} {:>6} {:>6} {:>7} {:>6} {:>6} {:>9} {:>9} {:>9} {:>6}",
        "", "copy", "visit", "write", "read", "merge", "scan all", "scan time", "scan key", "size"
    );
    let hundred = |id| fixed(id, 100);
    let thousand = |id| fixed(id, 1024);
    let small_json = |id| json(id, 200);
    let large_json = |id| json(id, 1000);
    let (none, lz4, zstd) =
        (SegmentCompression::None, SegmentCompression::Lz4, SegmentCompression::Zstd);
    for (name, value, produced, stored) in [
        ("100 B, plain", hundred as fn(u64) -> Vec<u8>, Compression::None, none),
        ("1 KiB, plain", thousand, Compression::None, none),
        ("200 B JSON, plain", small_json, Compression::None, none),
        ("200 B JSON, plain to lz4", small_json, Compression::None, lz4),
        ("200 B JSON, plain to zstd", small_json, Compression::None, zstd),
        ("200 B JSON in lz4", small_json, Compression::Lz4, none),
        ("1 KB JSON in lz4", large_json, Compression::Lz4, none),
    ] {
        report(&Case { name, value, produced, stored }, chunk_bytes);
    }
}

fn report(case: &Case, chunk_bytes: usize) {
    let (batches, record_bytes) = produce(case);
    let wire_bytes: usize = batches.iter().map(|batch| batch.header.total_bytes()).sum();
    let seconds = |work: &mut dyn FnMut()| {
        let round = |work: &mut dyn FnMut()| {
            let begin = Instant::now();
            work();
            begin.elapsed().as_secs_f64() / record_bytes as f64 * 1e9
        };
        (0..ROUNDS).map(|_| round(work)).fold(f64::MAX, f64::min)
    };
    let mut scratch = Scratch::new();
    let mut copied = Vec::with_capacity(BATCH_BYTES + 4096);
    let copy = seconds(&mut || {
        for batch in &batches {
            copied.clear();
            copied.extend_from_slice(&batch.body);
            black_box(&copied);
        }
    });
    let visited = seconds(&mut || batches.iter().for_each(|batch| pass(batch, &mut scratch)));
    let written = seconds(&mut || drop(write(&batches, case.stored, chunk_bytes, &mut scratch)));
    let finished = write(&batches, case.stored, chunk_bytes, &mut scratch);
    let object = Object(Bytes::from(finished.parts.concat()));
    let run = Segment::open(Arc::new(object)).unwrap().run(TOPIC, 0).unwrap().unwrap();
    let read = seconds(&mut || assert_eq!(read_all(&run, &mut scratch), batches.len()));
    let merged = seconds(&mut || {
        let mut writer = SegmentWriter::new(SegmentOptions { chunk_bytes });
        writer.begin(TOPIC, 0, case.stored);
        assert_eq!(run.copy_into(0, u64::MAX, &mut writer, &mut scratch).unwrap(), None);
        drop(writer.finish());
    });
    let scan = |columns: ColumnSet| seconds(&mut || assert!(scan(&run, columns) > 0));
    let all = scan(ColumnSet::ALL);
    let time = scan([Column::Timestamp].into_iter().collect());
    let key = scan([Column::Key].into_iter().collect());
    let size = finished.bytes as f64 / wire_bytes as f64;
    println!(
        "{:26} {copy:6.3} {visited:6.3} {written:7.3} {read:6.3} {merged:6.3} {all:9.3} {time:9.4} {key:9.4} {size:6.3}",
        case.name
    );
}

fn produce(case: &Case) -> (Vec<StoredBatch>, usize) {
    let (mut id, mut record_bytes, mut base_offset) = (0_u64, 0, 0);
    let mut batches = Vec::new();
    while record_bytes < RECORD_BYTES {
        let mut builder = BatchBuilder::with_capacity(case.produced, BATCH_BYTES + 4096);
        while builder.uncompressed_bytes() < BATCH_BYTES {
            let key = format!("user-{:06}", id.wrapping_mul(0x9e37_79b9) % 100_000);
            let value = (case.value)(id);
            builder.append(
                1_700_000_000_000 + id as i64 / 3,
                Some(key.as_bytes()),
                Some(&value),
                &[],
            );
            id += 1;
        }
        record_bytes += builder.uncompressed_bytes();
        let bytes = builder.build();
        let mut header = BatchHeader::parse(&bytes).unwrap();
        header.base_offset = base_offset;
        base_offset = header.last_offset() + 1;
        let head = Bytes::copy_from_slice(&header.encode());
        batches.push(StoredBatch { header, head, body: bytes.slice(HEADER_BYTES..) });
    }
    (batches, record_bytes)
}

fn pass(batch: &StoredBatch, scratch: &mut Scratch) {
    let mut bytes = 0;
    let visited = visit(&batch.header, &batch.body, scratch, |record| {
        bytes += record.value.map_or(0, <[u8]>::len);
        Ok::<(), ()>(())
    });
    assert!(visited.is_ok() && black_box(bytes) > 0);
}

fn write(
    batches: &[StoredBatch],
    compression: SegmentCompression,
    chunk_bytes: usize,
    scratch: &mut Scratch,
) -> FinishedSegment {
    let mut writer = SegmentWriter::new(SegmentOptions { chunk_bytes });
    writer.begin(TOPIC, 0, compression);
    for batch in batches {
        writer.append(batch, scratch).unwrap();
    }
    writer.finish()
}

/// As a consumer reads: on from where the last fetch ended.
fn read_all(run: &Run, scratch: &mut Scratch) -> usize {
    let limits = ReadLimits { max_bytes: FETCH_BYTES, at_least_one: true };
    let (mut from, mut count) = (0, 0);
    loop {
        let read = run.read(from, i64::MAX, limits, scratch).unwrap();
        let Some(last) = read.last() else { return count };
        from = last.header.last_offset() + 1;
        count += read.len();
    }
}

fn scan(run: &Run, columns: ColumnSet) -> usize {
    let request = ScanRequest { columns, offsets: 0..i64::MAX, predicate: None };
    run.scan(request).map(|batch| batch.unwrap().num_rows()).sum()
}

#[derive(Debug)]
struct Object(Bytes);

impl RangeSource for Object {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, SourceError> {
        let slice = |range: &Range<u64>| self.0.slice(range.start as usize..range.end as usize);
        Ok(ranges.iter().map(slice).collect())
    }
}

fn fixed(id: u64, bytes: usize) -> Vec<u8> {
    let mut value = vec![0xa5; bytes];
    value[..8].copy_from_slice(&id.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    value
}

fn json(id: u64, bytes: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes + 64);
    let mut part = 0;
    while text.len() < bytes {
        let noise = (id * 31 + part).wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40;
        text.extend_from_slice(
            format!("{{\"id\":{noise},\"name\":\"user-{id}\",\"part\":{part},\"ok\":true}}")
                .as_bytes(),
        );
        part += 1;
    }
    text.truncate(bytes);
    text
}
