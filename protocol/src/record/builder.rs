//! Building batches: what clients do in tests, and the broker for its own topics and markers.

use bytes::Bytes;

use super::encode::length_of;
use super::{
    Attributes, BatchHeader, Compression, HEADER_BYTES, RecordFields, compress, crc_of_parts,
    encode_record,
};

/// A header to append: key and value, which may be null.
pub type HeaderRef<'a> = (&'a [u8], Option<&'a [u8]>);

/// A batch under construction. Offsets are `0..n`; base offset 0 and leader epoch -1 until a log places it.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    compression: Compression,
    attributes: Attributes,
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
    base_timestamp: Option<i64>,
    max_timestamp: i64,
    record_count: i32,
    /// Room for the head, then the records.
    bytes: Vec<u8>,
}

impl BatchBuilder {
    /// An empty batch without a producer id.
    pub fn new(compression: Compression) -> BatchBuilder {
        BatchBuilder::with_capacity(compression, 0)
    }

    /// [`new`](Self::new) with room for `record_bytes` of records.
    pub fn with_capacity(compression: Compression, record_bytes: usize) -> BatchBuilder {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + record_bytes);
        bytes.resize(HEADER_BYTES, 0);
        BatchBuilder {
            compression,
            attributes: Attributes::default().with_compression(compression),
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            base_timestamp: None,
            max_timestamp: -1,
            record_count: 0,
            bytes,
        }
    }

    /// Sets the idempotent producer and the sequence number of the first record.
    #[must_use]
    pub fn producer(mut self, id: i64, epoch: i16, base_sequence: i32) -> BatchBuilder {
        self.producer_id = id;
        self.producer_epoch = epoch;
        self.base_sequence = base_sequence;
        self
    }

    /// Sets or clears the transactional bit.
    #[must_use]
    pub fn transactional(mut self, on: bool) -> BatchBuilder {
        self.attributes = self.attributes.with_transactional(on);
        self
    }

    /// Sets or clears the control bit.
    #[must_use]
    pub fn control(mut self, on: bool) -> BatchBuilder {
        self.attributes = self.attributes.with_control(on);
        self
    }

    /// Sets the base timestamp, which otherwise is the first record's timestamp. Before the first record.
    #[must_use]
    pub fn base_timestamp(mut self, timestamp: i64) -> BatchBuilder {
        debug_assert!(self.is_empty(), "records were already encoded against another base");
        self.base_timestamp = Some(timestamp);
        self
    }

    /// The number of records so far.
    pub fn record_count(&self) -> i32 {
        self.record_count
    }

    /// Whether there is no record yet.
    pub fn is_empty(&self) -> bool {
        self.record_count == 0
    }

    /// The size of the batch so far, before compression.
    pub fn uncompressed_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Appends a record. `timestamp` is in milliseconds, -1 for none.
    pub fn append(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[HeaderRef<'_>],
    ) {
        let base_timestamp = *self.base_timestamp.get_or_insert(timestamp);
        let timestamp_delta = timestamp.wrapping_sub(base_timestamp);
        let offset_delta = self.record_count;
        let fields = RecordFields { offset_delta, timestamp_delta, key, value };
        encode_record(&mut self.bytes, &fields, headers.iter().copied());
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.record_count += 1;
    }

    /// Compresses, completes the head and returns the batch.
    ///
    /// # Panics
    /// When nothing was appended, or when the batch exceeds the 2 GiB that its length field can say.
    pub fn build(self) -> Bytes {
        assert!(!self.is_empty(), "a batch has at least one record");
        let mut bytes = if self.compression == Compression::None {
            self.bytes
        } else {
            let mut compressed = Vec::with_capacity(HEADER_BYTES + self.bytes.len() / 2);
            compressed.resize(HEADER_BYTES, 0);
            compress(self.compression, &self.bytes[HEADER_BYTES..], &mut compressed);
            compressed
        };
        let mut header = BatchHeader {
            base_offset: 0,
            batch_length: length_of(bytes.len() - 12),
            partition_leader_epoch: -1,
            magic: 2,
            crc: 0,
            attributes: self.attributes,
            last_offset_delta: self.record_count - 1,
            base_timestamp: self.base_timestamp.unwrap_or(-1),
            max_timestamp: self.max_timestamp,
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            base_sequence: self.base_sequence,
            record_count: self.record_count,
        };
        header.crc = crc_of_parts(&header.encode(), &bytes[HEADER_BYTES..]);
        bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
        Bytes::from(bytes)
    }
}
