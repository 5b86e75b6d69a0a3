//! What a consumer reads is the batch that was produced, bit for bit, also where no client would write
//! it so: from memory and from segments.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::FetchTopic;
use kafka_protocol::records::{Compression, RecordBatchEncoder, RecordEncodeOptions};
use strom_integration_tests::broker::{Against, shared};
use strom_integration_tests::record::noise;
use strom_integration_tests::wait::wait_for;

use crate::records::press_journal;
use crate::refusals::{fetch, name, produced, topic, wire};
use crate::verified::verify;
use crate::wire::{Wire, batch, field, forge, record, sequenced};

/// What the broker sets in a batch: its offset before it, the epoch of the leader behind the length.
const OF_THE_BROKER: [std::ops::Range<usize>; 2] = [0..8, 12..16];

/// An unsigned varint in `width` bytes, which is more than it needs.
fn padded(value: u8, width: usize) -> Vec<u8> {
    assert!(value < 0x80);
    let mut bytes = vec![0x80; width];
    bytes[0] |= value;
    *bytes.last_mut().unwrap() &= 0x7f;
    bytes
}

/// A batch of one record whose bytes, but for the length before them, are these.
fn of_one(record: &[u8]) -> BytesMut {
    let mut batch = batch(&[b"replaced"]);
    batch.truncate(field::RECORDS);
    let length = u8::try_from(2 * record.len()).unwrap();
    batch.extend(padded(length, 2));
    batch.extend(record);
    let length = i32::try_from(batch.len() - field::LENGTH - 4).unwrap();
    batch[field::LENGTH..][..4].copy_from_slice(&length.to_be_bytes());
    // Nothing is changed but the CRC.
    let attributes: [u8; 2] = batch[field::ATTRIBUTES..][..2].try_into().unwrap();
    forge(&mut batch, field::ATTRIBUTES, &attributes);
    batch
}

/// A record of the key `k` and the value `v`, with its attributes, both deltas 0, and headers as they
/// stand on the wire.
fn plain(attributes: u8, headers: &[u8]) -> Vec<u8> {
    [&[attributes, 0, 0, 2, b'k', 2, b'v'], headers].concat()
}

fn compressed(compression: Compression) -> BytesMut {
    let records: Vec<_> = (0..50).map(|index| record(index, b"again and again")).collect();
    let mut bytes = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression };
    RecordBatchEncoder::encode(&mut bytes, &records, &options).unwrap();
    bytes
}

/// Batches that say something unusual, each with what that is.
fn unusual() -> Vec<(&'static str, BytesMut)> {
    let mut no_time = batch(&[b"no time"]);
    for position in [field::BASE_TIMESTAMP, field::MAX_TIMESTAMP] {
        forge(&mut no_time, position, &(-1_i64).to_be_bytes());
    }
    let all_padded: Vec<u8> = [
        vec![0],
        padded(0, 10),
        padded(0, 5),
        padded(2, 3),
        vec![b'k'],
        padded(2, 4),
        vec![b'v'],
        padded(0, 2),
    ]
    .concat();
    let headers: &[u8] = &[
        &[6][..],
        &[4, 0xFF, 0xFE, 2, b'1'], // a key that is no UTF-8
        &[4, 0xFF, 0xFE, 2, b'2'], // again
        &[0, 1],                   // an empty key with a null value
    ]
    .concat();
    let null_null = [0, 0, 0, 1, 1, 0];
    let mut values: Vec<Vec<u8>> = (0..20).map(|number| noise(number, 500)).collect();
    values.push(Vec::new());
    let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
    vec![
        ("plain records", batch(&values)),
        ("a producer's id, epoch and sequence", sequenced(4_000_000_000, 7, 0, &[b"a", b"b"])),
        ("the end of all sequences", sequenced(5_000_000_000, i16::MAX, i32::MAX, &[b"end"])),
        ("no timestamp", no_time),
        ("padded varints", of_one(&all_padded)),
        ("headers that are no text", of_one(&plain(0, headers))),
        ("unused bits of a record", of_one(&plain(0x55, &[0]))),
        ("neither key nor value", of_one(&null_null)),
        ("gzip", compressed(Compression::Gzip)),
        ("lz4", compressed(Compression::Lz4)),
        ("zstd", compressed(Compression::Zstd)),
    ]
}

/// A batch without what the broker sets in it.
fn of_the_producer(batch: &[u8]) -> BytesMut {
    let mut batch = BytesMut::from(batch);
    for field in OF_THE_BROKER {
        batch[field].fill(0);
    }
    batch
}

/// The batches of partition 0, one by one.
fn stored(wire: &mut Wire, topic: &str) -> Vec<Bytes> {
    let request = fetch(FetchTopic::default().with_topic(name(topic)), 0, 0);
    let found = wire.call(12, &request).responses[0].partitions[0].clone();
    assert_eq!(found.error_code, 0);
    let mut records = found.records.unwrap();
    let mut batches = Vec::new();
    while !records.is_empty() {
        let length: [u8; 4] = records[field::LENGTH..][..4].try_into().unwrap();
        let length = usize::try_from(i32::from_be_bytes(length)).unwrap();
        batches.push(records.split_to(field::LENGTH + 4 + length));
    }
    batches
}

fn assert_as_produced(wire: &mut Wire, topic: &str, sent: &[(&str, BytesMut)], from: &str) {
    let stored = stored(wire, topic);
    assert_eq!(stored.len(), sent.len(), "from {from}");
    let mut offset = 0_i64;
    for (found, (what, sent)) in stored.iter().zip(sent) {
        assert_eq!(of_the_producer(found), of_the_producer(sent), "{what}, from {from}");
        assert_eq!(found[..8], offset.to_be_bytes(), "{what}, from {from}");
        let records: [u8; 4] = found[field::COUNT..][..4].try_into().unwrap();
        offset += i64::from(i32::from_be_bytes(records));
    }
}

#[test]
fn unusual_batches_come_back_as_they_were_produced() {
    let (topic, mut wire, sent) = (topic(), wire(), unusual());
    for (what, batch) in &sent {
        assert_eq!(produced(&mut wire, &topic, 0, batch), 0, "{what}");
    }
    assert_as_produced(&mut wire, &topic, &sent, "memory");
    press_journal(shared().bootstrap());
    if Against::chosen() == Against::Strom {
        wait_for("the batches to be in segments", Duration::from_secs(60), || {
            let verified = verify(shared(), &topic);
            (verified.segment_records == verified.records).then_some(())
        });
    }
    assert_as_produced(&mut wire, &topic, &sent, "the disk");
}
