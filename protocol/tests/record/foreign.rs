//! What others wrote: whole batches of kafka-clients 4.3.1 (with its lz4-java, snappy-java and zstd-jni),
//! and frames of the `lz4`, `zstd` and `gzip` tools, which are the libraries that librdkafka links.

use strom_protocol::record::{
    BatchBuilder, BatchFault, Compression, ControlRecord, EndTransactionMarker, FaultClass,
    HEADER_BYTES, ProduceRules, Scratch, control_batch, crc_of, crc_of_parts, validate_produced,
    visit,
};

use crate::{Owned, build, header_of, read_all};

fn owned(timestamp: i64, key: Option<&str>, value: Option<&str>) -> Owned {
    let bytes = |text: &str| text.as_bytes().to_vec();
    Owned { timestamp, key: key.map(bytes), value: value.map(bytes), headers: Vec::new() }
}

fn few_records() -> Vec<Owned> {
    let mut first = owned(1_700_000_000_000, Some("key"), Some("value"));
    first.headers = vec![
        (b"h".to_vec(), Some(b"1".to_vec())),
        (b"h".to_vec(), None),
        (Vec::new(), Some(Vec::new())),
    ];
    vec![first, owned(1_700_000_000_005, None, Some("")), owned(1_699_999_999_990, Some(""), None)]
}

fn many_records() -> Vec<Owned> {
    (0..700)
        .map(|i| {
            let value = format!("value-{i}-{}", "abcdefghij".repeat(i % 20));
            owned(1_700_000_000_000 + i as i64, Some(&format!("key-{i}")), Some(&value))
        })
        .collect()
}

#[test]
fn batches_of_the_java_client_are_read() {
    let check = |compression: Compression, batch: &[u8], expected: &[Owned]| {
        let mut scratch = Scratch::new();
        assert_eq!(read_all(batch, &mut scratch).unwrap(), expected, "{compression}");
        let valid = validate_produced(batch, &ProduceRules::ANY, &mut scratch).unwrap();
        let header = valid.header;
        assert_eq!(header, header_of(batch));
        assert_eq!(header.crc, crc_of(batch));
        assert_eq!(header.attributes.compression(), Ok(compression));
        assert_eq!(
            (header.producer_id, header.producer_epoch, header.base_sequence),
            (4711, 3, 17)
        );
        assert!(!valid.max_timestamp_is_wrong());
        assert!(valid.min_timestamp <= valid.max_timestamp);
    };
    let (few, many) = (few_records(), many_records());
    check(Compression::None, include_bytes!("data/java-none-small.bin"), &few);
    check(Compression::Gzip, include_bytes!("data/java-gzip-small.bin"), &few);
    check(Compression::Gzip, include_bytes!("data/java-gzip-large.bin"), &many);
    check(Compression::Snappy, include_bytes!("data/java-snappy-small.bin"), &few);
    check(Compression::Snappy, include_bytes!("data/java-snappy-large.bin"), &many);
    check(Compression::Lz4, include_bytes!("data/java-lz4-small.bin"), &few);
    check(Compression::Lz4, include_bytes!("data/java-lz4-large.bin"), &many);
    check(Compression::Zstd, include_bytes!("data/java-zstd-small.bin"), &few);
    check(Compression::Zstd, include_bytes!("data/java-zstd-large.bin"), &many);
}

#[test]
fn uncompressed_batches_equal_those_of_the_java_client() {
    let batch = build(Compression::None, &few_records());
    assert_eq!(&batch[..], include_bytes!("data/java-none-small.bin"));
}

#[test]
fn transaction_markers_equal_those_of_the_java_client() {
    let golden = include_bytes!("data/java-commit-marker.bin");
    let marker = EndTransactionMarker { committed: true, coordinator_epoch: 9 };
    assert_eq!(&control_batch(marker, 4711, 3, 1_700_000_000_000)[..], golden);

    let header = header_of(golden);
    assert!(header.attributes.is_control() && header.attributes.is_transactional());
    visit(&header, &golden[HEADER_BYTES..], &mut Scratch::new(), |record| {
        assert_eq!(ControlRecord::parse(&record), Some(ControlRecord::EndTransaction(marker)));
        Ok::<(), ()>(())
    })
    .unwrap();
}

#[test]
fn every_variant_of_the_frames_is_read() {
    let content: Vec<u8> =
        (0..3500).flat_map(|i| format!("line {i} of the content\n").into_bytes()).collect();
    let mut scratch = Scratch::new();
    let mut check = |name: &str, compression: Compression, frame: &[u8]| {
        assert_eq!(scratch.decompress(compression, frame), Ok(&content[..]), "{name}");
        // Cut off anywhere it is an error, and the scratch is as good as new afterwards.
        for end in (0..frame.len()).step_by(1 + frame.len() / 300).chain([frame.len() - 1]) {
            assert!(scratch.decompress(compression, &frame[..end]).is_err(), "{name} cut at {end}");
        }
        assert_eq!(scratch.decompress(compression, frame), Ok(&content[..]), "{name} again");
        let more = [frame, &[0]].concat();
        assert!(scratch.decompress(compression, &more).is_err(), "{name} with a byte behind it");
    };
    check("lz4 default", Compression::Lz4, include_bytes!("data/default.lz4"));
    check("lz4 linked", Compression::Lz4, include_bytes!("data/linked.lz4"));
    check("lz4 block checksums", Compression::Lz4, include_bytes!("data/block-checksums.lz4"));
    check("lz4 content size", Compression::Lz4, include_bytes!("data/content-size.lz4"));
    check("lz4 no checksum", Compression::Lz4, include_bytes!("data/no-content-checksum.lz4"));
    check("lz4 high compression", Compression::Lz4, include_bytes!("data/high-compression.lz4"));
    check("zstd known size", Compression::Zstd, include_bytes!("data/known-size.zst"));
    check("zstd unknown size", Compression::Zstd, include_bytes!("data/unknown-size.zst"));
    check("zstd long window", Compression::Zstd, include_bytes!("data/long-window.zst"));
    check("gzip default", Compression::Gzip, include_bytes!("data/default.gz"));
    check("gzip with a name", Compression::Gzip, include_bytes!("data/named.gz"));
    let bare = snap::raw::Encoder::new().compress_vec(&content).unwrap();
    check("snappy bare", Compression::Snappy, &bare);
}

#[test]
fn concatenated_frames_are_read() {
    let content: Vec<u8> =
        (0..3500).flat_map(|i| format!("line {i} of the content\n").into_bytes()).collect();
    let mut scratch = Scratch::new();
    let zstd = include_bytes!("data/two-frames.zst");
    assert_eq!(scratch.decompress(Compression::Zstd, zstd), Ok(&content[..]));
    let gzip = include_bytes!("data/two-members.gz");
    assert_eq!(scratch.decompress(Compression::Gzip, gzip), Ok(&content[..]));

    // Two xerial streams, one behind the other, as snappy-java reads them.
    let mut builder = BatchBuilder::new(Compression::Snappy);
    builder.append(0, None, Some(&content), &[]);
    let stream = &builder.build()[HEADER_BYTES..];
    let once = scratch.decompress(Compression::Snappy, stream).unwrap().to_vec();
    let twice =
        scratch.decompress(Compression::Snappy, &[stream, stream].concat()).unwrap().to_vec();
    assert_eq!(twice, [&once[..], &once[..]].concat());
}

#[test]
fn linked_lz4_blocks_are_refused_from_producers_as_kafka_does() {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.append(0, None, None, &[]);
    let mut header = header_of(&builder.build());
    let body = include_bytes!("data/linked.lz4");
    header.attributes = header.attributes.with_compression(Compression::Lz4);
    header.batch_length = 49 + body.len() as i32;
    header.crc = crc_of_parts(&header.encode(), body);
    let batch = [&header.encode()[..], body].concat();
    let fault = validate_produced(&batch, &ProduceRules::ANY, &mut Scratch::new()).unwrap_err();
    assert_eq!((&fault, fault.class()), (&BatchFault::Lz4LinkedBlocks, FaultClass::InvalidRecord));
}
