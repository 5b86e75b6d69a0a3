//! What the hot paths allocate, counted by an allocator that keeps a tally per thread.

use allocation_counter::measure;
use strom_protocol::record::{
    BatchBuilder, BatchHeader, Compression, HEADER_BYTES, ProduceRules, Scratch, validate_produced,
    visit,
};

/// 1000 records with headers, and how much of them a visitor sees.
fn batch(compression: Compression) -> bytes::Bytes {
    let mut builder = BatchBuilder::new(compression);
    for i in 0..1000 {
        let value = format!("value {i} {}", "abc".repeat(30));
        let headers = [(&b"trace"[..], Some(&b"1234"[..])), (b"trace", None)];
        builder.append(1_700_000_000_000 + i, Some(b"key"), Some(value.as_bytes()), &headers);
    }
    builder.build()
}

fn visit_all(batch: &[u8], scratch: &mut Scratch) -> usize {
    let header = BatchHeader::parse(batch).unwrap();
    let mut bytes = 0;
    visit(&header, &batch[HEADER_BYTES..], scratch, |record| {
        bytes += record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
        bytes += record.headers.iter().map(|(key, _)| key.len()).sum::<usize>();
        Ok::<(), ()>(())
    })
    .unwrap();
    bytes
}

/// Allocations of visiting and validating a batch with a scratch that has seen it before.
fn allocations_when_warm(compression: Compression) -> u64 {
    let batch = batch(compression);
    let mut scratch = Scratch::new();
    visit_all(&batch, &mut scratch);
    let info = measure(|| {
        assert!(visit_all(&batch, &mut scratch) > 100_000);
        validate_produced(&batch, &ProduceRules::ANY, &mut scratch).unwrap();
    });
    info.count_total
}

#[test]
fn uncompressed_records_are_visited_without_allocating() {
    let batch = batch(Compression::None);
    let info = measure(|| {
        let mut scratch = Scratch::new();
        assert!(visit_all(&batch, &mut scratch) > 100_000);
        validate_produced(&batch, &ProduceRules::ANY, &mut scratch).unwrap();
    });
    assert_eq!(info.count_total, 0);
}

#[test]
fn compressed_records_reuse_the_scratch() {
    assert_eq!(allocations_when_warm(Compression::Gzip), 0);
    assert_eq!(allocations_when_warm(Compression::Snappy), 0);
    // zstd's context is made once and lives in C, where this allocator does not count.
    assert_eq!(allocations_when_warm(Compression::Zstd), 0);
    assert_eq!(allocations_when_warm(Compression::Lz4), 0);
}

#[test]
fn an_unusual_batch_does_not_stay_in_memory() {
    let mut builder = BatchBuilder::new(Compression::Zstd);
    builder.append(0, None, Some(&vec![7; 40 << 20]), &[]);
    let large = builder.build();
    let mut scratch = Scratch::new();
    validate_produced(&large, &ProduceRules::ANY, &mut scratch).unwrap();
    assert!(scratch.kept_bytes() <= 16 << 20, "{} bytes are kept", scratch.kept_bytes());
}

#[test]
fn what_a_bomb_allocates_is_bounded_by_the_limit() {
    const LIMIT: usize = 1 << 20;
    for compression in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd]
    {
        let mut builder = BatchBuilder::new(compression);
        builder.append(0, None, Some(&vec![0; 64 << 20]), &[]);
        let bomb = builder.build();
        let info = measure(|| {
            let mut scratch = Scratch::with_limit(LIMIT);
            let fault = validate_produced(&bomb, &ProduceRules::ANY, &mut scratch).unwrap_err();
            assert!(fault.to_string().contains("limit of 1048576 bytes"), "{fault}");
        });
        // Growing holds the old and the new buffer; the rest is the codec's state.
        assert!(
            info.bytes_max < 2 * LIMIT as u64 + (256 << 10),
            "{compression}: {} bytes",
            info.bytes_max
        );
    }
}

#[test]
fn a_record_count_reserves_nothing() {
    // The 61 bytes that make other decoders reserve memory for two thousand million records.
    let mut builder = BatchBuilder::new(Compression::None);
    builder.append(0, None, None, &[]);
    let mut header = BatchHeader::parse(&builder.build()).unwrap();
    header.record_count = i32::MAX;
    header.last_offset_delta = i32::MAX - 1;
    header.batch_length = 49;
    header.crc = strom_protocol::record::crc_of(&header.encode());
    let hostile = header.encode();
    let info = measure(|| {
        let mut scratch = Scratch::new();
        assert!(validate_produced(&hostile, &ProduceRules::ANY, &mut scratch).is_err());
        assert!(visit(&header, &[], &mut scratch, |_| Ok::<(), ()>(())).is_err());
    });
    assert!(info.bytes_total < 1024, "{} bytes", info.bytes_total);
}
