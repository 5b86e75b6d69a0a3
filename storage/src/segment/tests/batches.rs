//! Batches as clients, compaction and mischief leave them, made byte by byte: what the builder writes is
//! canonical, and that is the easy part.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use strom_protocol::record::{
    Attributes, BatchHeader, Compression, HEADER_BYTES, compress, crc_of_parts, put_varlong,
};

use crate::partition::StoredBatch;

/// A record to be.
#[derive(Clone, Debug)]
pub(super) struct RecordSpec {
    pub(super) timestamp: i64,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Unused bits that a client set.
    attributes: u8,
    /// Lengths written with a byte too many.
    is_padded: bool,
}

/// A batch to be.
#[derive(Clone, Debug)]
pub(super) struct BatchSpec {
    pub(super) records: Vec<RecordSpec>,
    pub(super) compression: Compression,
    /// Offsets between the former batch and this one.
    gap: i64,
    epoch_step: i32,
    producer: Option<(i64, i16, i32)>,
    /// Bits beside the codec: LogAppendTime, transactional, control, and those without a meaning.
    attributes: i16,
    /// Records that compaction took, by position.
    removed: Vec<bool>,
    base_timestamp: i64,
    max_timestamp: i64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Usual,
    /// A body that no codec reads, or records that no visitor does.
    Rubbish,
}

/// Keys that come up more than once; two of them differ behind what statistics keep of a key.
pub(super) const NAMES: &[&[u8]] = &[
    b"key",
    b"user-1",
    b"user-2",
    b"\xff\xfe not utf-8",
    b"",
    b"longer than what statistics keep of a key/1",
    b"longer than what statistics keep of a key/2",
];

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        2 => select(NAMES.to_vec()).prop_map(<[u8]>::to_vec),
        3 => vec(any::<u8>(), 0..most),
    ]
}

fn timestamp() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => 1_700_000_000_000_i64..1_700_000_100_000,
        1 => Just(-1),
        1 => any::<i64>(),
    ]
}

fn record() -> impl Strategy<Value = RecordSpec> {
    let headers = vec((bytes(12), option::of(bytes(12))), 0..4);
    let oddity = (prop_oneof![20 => Just(0_u8), 1 => any::<u8>()], prop::bool::weighted(0.03));
    let headers = prop_oneof![2 => Just(Vec::new()), 1 => headers];
    (timestamp(), option::of(bytes(24)), option::weighted(0.8, bytes(200)), headers, oddity)
        .prop_map(|(timestamp, key, value, headers, (attributes, is_padded))| RecordSpec {
            timestamp,
            key,
            value,
            headers,
            attributes,
            is_padded,
        })
}

/// Anything that can be in a log.
pub(super) fn batch() -> impl Strategy<Value = BatchSpec> {
    let compression = prop_oneof![
        2 => Just(Compression::None),
        1 => select(Compression::ALL.to_vec()),
    ];
    let place = (
        prop_oneof![8 => Just(0_i64), 1 => 1_i64..100],
        prop_oneof![8 => Just(0_i32), 1 => 1..3],
        option::of((0_i64..4, 0_i16..3, 0_i32..1000)),
    );
    let attributes = prop_oneof![
        4 => Just(0_i16),
        2 => select(vec![0x08_i16, 0x10, 0x30, 0x18]),
        1 => any::<i16>().prop_map(|bits| bits & !7),
    ];
    let removed = prop_oneof![6 => Just(Vec::new()), 1 => vec(any::<bool>(), 0..12)];
    let kind = prop_oneof![30 => Just(Kind::Usual), 1 => Just(Kind::Rubbish)];
    (
        vec(record(), 1..12),
        compression,
        place,
        attributes,
        removed,
        (timestamp(), timestamp()),
        kind,
    )
        .prop_map(
            |(
                records,
                compression,
                (gap, epoch_step, producer),
                attributes,
                removed,
                times,
                kind,
            )| {
                BatchSpec {
                    records,
                    compression,
                    gap,
                    epoch_step,
                    producer,
                    attributes,
                    removed,
                    base_timestamp: times.0,
                    max_timestamp: times.1,
                    kind,
                }
            },
        )
}

/// A run of batches from `base_offset` on.
pub(super) fn place(specs: &[BatchSpec], base_offset: i64) -> Vec<StoredBatch> {
    let (mut offset, mut epoch) = (base_offset, 0);
    let mut batches = Vec::new();
    for spec in specs {
        offset += spec.gap;
        epoch += spec.epoch_step;
        let batch = spec.build(offset, epoch);
        offset = batch.header.last_offset() + 1;
        batches.push(batch);
    }
    batches
}

impl BatchSpec {
    fn build(&self, base_offset: i64, leader_epoch: i32) -> StoredBatch {
        let mut records = Vec::new();
        let mut record_count = 0;
        for (delta, record) in self.records.iter().enumerate() {
            if !self.removed.get(delta).is_some_and(|removed| *removed) {
                record.write(&mut records, delta as i32, self.base_timestamp);
                record_count += 1;
            }
        }
        if self.kind == Kind::Rubbish {
            records = vec![0x83; records.len()];
        }
        let mut body = Vec::new();
        compress(self.compression, &records, &mut body);
        if self.kind == Kind::Rubbish {
            body = records;
        }
        let (producer_id, producer_epoch, base_sequence) = self.producer.unwrap_or((-1, -1, -1));
        let header = BatchHeader {
            base_offset,
            batch_length: (HEADER_BYTES + body.len()) as i32 - 12,
            partition_leader_epoch: leader_epoch,
            magic: 2,
            crc: 0,
            attributes: Attributes(self.attributes).with_compression(self.compression),
            last_offset_delta: self.records.len() as i32 - 1,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id,
            producer_epoch,
            base_sequence,
            record_count,
        };
        stored(header, body)
    }
}

/// A batch of a head whose CRC is not set yet and a body.
pub(super) fn stored(mut header: BatchHeader, body: Vec<u8>) -> StoredBatch {
    header.crc = crc_of_parts(&header.encode(), &body);
    let head = Bytes::copy_from_slice(&header.encode());
    StoredBatch { header, head, body: Bytes::from(body) }
}

impl RecordSpec {
    fn write(&self, out: &mut Vec<u8>, offset_delta: i32, base_timestamp: i64) {
        let mut record = vec![self.attributes];
        self.put(&mut record, self.timestamp.wrapping_sub(base_timestamp));
        self.put(&mut record, i64::from(offset_delta));
        self.put_bytes(&mut record, self.key.as_deref());
        self.put_bytes(&mut record, self.value.as_deref());
        self.put(&mut record, self.headers.len() as i64);
        for (key, value) in &self.headers {
            self.put_bytes(&mut record, Some(key));
            self.put_bytes(&mut record, value.as_deref());
        }
        self.put(out, record.len() as i64);
        out.extend_from_slice(&record);
    }

    fn put_bytes(&self, out: &mut Vec<u8>, field: Option<&[u8]>) {
        self.put(out, field.map_or(-1, |bytes| bytes.len() as i64));
        out.extend_from_slice(field.unwrap_or_default());
    }

    fn put(&self, out: &mut Vec<u8>, number: i64) {
        let mut encoded = [0; 11];
        let end = put_varlong(&mut encoded, 0, number);
        // Only short ones: more than five or ten bytes would be no varint at all.
        if self.is_padded && end < 5 {
            encoded[end - 1] |= 0x80;
            out.extend_from_slice(&encoded[..=end]);
        } else {
            out.extend_from_slice(&encoded[..end]);
        }
    }
}
