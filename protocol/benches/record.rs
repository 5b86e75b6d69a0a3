//! Throughput of the record codec on one core: `cargo bench -p strom-protocol --bench record`.
//!
//! Each figure is the best of many short rounds over one batch of 64 KiB (other work on the machine only ever
//! slows a round), in GB (1e9) of uncompressed records a second. `visit` is a consumer's pass with the CRC checked, `validate` a produced batch's judgement
//! (CRC included), `build` encoding with the CRC.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use strom_protocol::record::{
    BatchBuilder, BatchHeader, Compression, HEADER_BYTES, ProduceRules, Scratch, crc_of,
    validate_produced, visit,
};

const BATCH_BYTES: usize = 64 * 1024;
const ROUNDS: usize = 300;
const ROUND: Duration = Duration::from_millis(3);

fn main() {
    println!("{:28} {:>8} {:>8} {:>8}", "GB/s", "visit", "validate", "build");
    for value_bytes in [100, 1024] {
        report(&format!("{value_bytes} B none"), Compression::None, &vec![0xa5; value_bytes]);
    }
    for compression in Compression::ALL {
        for value_bytes in [200, 1000] {
            let name = format!("{value_bytes} B JSON {compression}");
            report(&name, compression, &json(value_bytes));
        }
    }
}

fn report(name: &str, compression: Compression, value: &[u8]) {
    let count = (BATCH_BYTES / (value.len() + 8)).max(1);
    let build = || build(compression, value, count);
    let batch = build();
    let raw_bytes = build_plain(value, count);
    let mut scratch = Scratch::new();
    let visited = throughput(raw_bytes, || visit_all(&batch, &mut scratch));
    let validated = throughput(raw_bytes, || {
        validate_produced(&batch, &ProduceRules::ANY, &mut scratch).map_or(0, |v| v.record_bytes)
    });
    let built = throughput(raw_bytes, || build().len());
    println!("{name:28} {visited:8.2} {validated:8.2} {built:8.2}");
}

fn build(compression: Compression, value: &[u8], count: usize) -> Bytes {
    let mut builder = BatchBuilder::with_capacity(compression, BATCH_BYTES + 1024);
    // A differing head keeps the compressible values from being all the same.
    let mut value = value.to_vec();
    for i in 0..count {
        value[..8].copy_from_slice(&(i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        builder.append(1_700_000_000_000 + i as i64, None, Some(&value), &[]);
    }
    builder.build()
}

fn build_plain(value: &[u8], count: usize) -> usize {
    build(Compression::None, value, count).len() - HEADER_BYTES
}

fn visit_all(batch: &[u8], scratch: &mut Scratch) -> usize {
    let Ok(header) = BatchHeader::parse(batch) else { return 0 };
    let mut bytes = 0;
    if crc_of(batch) == header.crc {
        let visited = visit(&header, &batch[HEADER_BYTES..], scratch, |record| {
            bytes += record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
            Ok::<(), ()>(())
        });
        assert!(visited.is_ok());
    }
    bytes
}

fn json(bytes: usize) -> Vec<u8> {
    let mut text = Vec::new();
    let mut i = 0_u64;
    while text.len() < bytes {
        let noise = i.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40;
        text.extend_from_slice(
            format!("{{\"id\":{noise},\"name\":\"user-{i}\",\"ok\":true}}").as_bytes(),
        );
        i += 1;
    }
    text.truncate(bytes);
    text
}

fn throughput(bytes_per_call: usize, mut call: impl FnMut() -> usize) -> f64 {
    let mut best = 0.0_f64;
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let mut calls = 0_u32;
        while begin.elapsed() < ROUND {
            black_box(call());
            calls += 1;
        }
        let seconds = begin.elapsed().as_secs_f64();
        best = best.max(f64::from(calls) * bytes_per_call as f64 / seconds / 1e9);
    }
    best
}
