//! Conversion and Parquet: produced bytes per CPU-second, for a few shapes of records.
//!
//! One thread converts stored batches and writes data files, as a worker of the lake does; what
//! the kernel says this thread has run is the divisor. Prints one line per case.

#![allow(clippy::print_stdout, reason = "a benchmark's output is its result")]

use std::path::Path;

use strom_lake::convert::{BatchSlice, Columns, convert};
use strom_lake::parquet::FileWriter;
use strom_protocol::Bytes;
use strom_protocol::record::{BatchBuilder, BatchHeader, Compression, HEADER_BYTES, Scratch};

const RAW_BYTES: usize = 256 << 20;
const BATCH_BYTES: usize = 64 << 10;

fn main() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    println!("case                       MB/CPU-s  produced MB  records  Parquet MB");
    for (name, bytes, compression) in [
        ("100 B JSON", 100, Compression::None),
        ("200 B JSON LZ4", 200, Compression::Lz4),
        ("1 KiB JSON", 1024, Compression::None),
        ("1 KiB JSON LZ4", 1024, Compression::Lz4),
        ("1 KiB JSON ZSTD", 1024, Compression::Zstd),
    ] {
        run(dir.path(), name, bytes, compression);
    }
}

fn run(dir: &Path, name: &str, record_bytes: usize, compression: Compression) {
    let (batches, records) = batches(record_bytes, compression);
    let path = dir.join(format!("{record_bytes}-{compression:?}.parquet"));
    let (mut columns, mut scratch) = (Columns::new(), Scratch::default());
    let before = cpu_ns();
    let mut writer = FileWriter::create(path).expect("a new file");
    for batch in &batches {
        let header = BatchHeader::parse(batch).expect("a valid batch");
        let slice = BatchSlice {
            partition: 0,
            header: &header,
            body: &batch[HEADER_BYTES..],
            offsets: 0..i64::MAX,
        };
        convert(&mut columns, &slice, &mut scratch, |full| {
            writer.append(&full.finish().expect("equal columns"))
        })
        .expect("a readable batch");
    }
    writer.append(&columns.finish().expect("equal columns")).expect("a writable file");
    let file = writer.close().expect("a writable file");
    let seconds = (cpu_ns() - before) as f64 / 1e9;
    let produced = (records * record_bytes) as f64 / 1e6;
    let parquet = file.bytes as f64 / 1e6;
    let rate = produced / seconds;
    println!("{name:26} {rate:8.0}  {produced:11.0}  {records:7}  {parquet:10.1}");
}

/// Batches of JSON records with offsets that go on, and how many records they have.
fn batches(record_bytes: usize, compression: Compression) -> (Vec<Bytes>, usize) {
    let count = RAW_BYTES / record_bytes;
    let per_batch = (BATCH_BYTES / record_bytes).max(1);
    let mut batches = Vec::new();
    let mut written = 0;
    while written < count {
        let mut builder = BatchBuilder::with_capacity(compression, BATCH_BYTES);
        for index in written..written + per_batch {
            let key = format!("user-{}", mix(index as u64) % 100_000);
            let value = json(index as u64, record_bytes - key.len());
            let timestamp = 1_700_000_000_000 + index as i64;
            builder.append(timestamp, Some(key.as_bytes()), Some(&value), &[]);
        }
        let mut batch = builder.build().to_vec();
        batch[..8].copy_from_slice(&(written as i64).to_be_bytes());
        batches.push(Bytes::from(batch));
        written += per_batch;
    }
    (batches, written)
}

/// A JSON object of about `bytes`: names repeat, numbers do not.
fn json(index: u64, bytes: usize) -> Vec<u8> {
    let mut text = format!("{{\"id\":{index}");
    let mut field = 0;
    while text.len() + 28 < bytes {
        field += 1;
        text += &format!(",\"field_{field}\":{}", mix(index * 31 + field) % 10_000_000_000);
    }
    text.push('}');
    while text.len() < bytes {
        text.push(' ');
    }
    text.into_bytes()
}

fn mix(value: u64) -> u64 {
    let mut x = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Nanoseconds that this thread has run.
fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0)
}
