//! Building batches: what clients do in tests, and the broker for its own topics and markers.

use bytes::Bytes;

use super::varint::{MAX_VARINT_BYTES, MAX_VARLONG_BYTES, put_varlong, varint_len, varlong_len};
use super::{Attributes, BatchHeader, Compression, HEADER_BYTES, compression, crc_of_parts};

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
        let length = 1
            + varlong_len(timestamp_delta)
            + varint_len(offset_delta)
            + nullable_len(key)
            + nullable_len(value)
            + varint_len(length_of(headers.len()))
            + headers
                .iter()
                .map(|(key, value)| nullable_len(Some(key)) + nullable_len(*value))
                .sum::<usize>();

        // Length, attributes (0), timestamp delta, offset delta and the key's length.
        let mut start = [0; 1 + 3 * MAX_VARINT_BYTES + MAX_VARLONG_BYTES];
        let mut at = put_varlong(&mut start, 0, i64::from(length_of(length)));
        at = put_varlong(&mut start, at + 1, timestamp_delta);
        at = put_varlong(&mut start, at, i64::from(offset_delta));
        at = put_varlong(&mut start, at, nullable_length(key));
        self.bytes.reserve(start.len() + MAX_VARLONG_BYTES + length);
        self.put_short(&start, at);
        self.bytes.extend_from_slice(key.unwrap_or_default());
        self.put_nullable(value);
        self.put_length(headers.len() as i64);
        for (key, value) in headers {
            self.put_nullable(Some(key));
            self.put_nullable(*value);
        }
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
            compression::compress(self.compression, &self.bytes[HEADER_BYTES..], &mut compressed);
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

    fn put_nullable(&mut self, field: Option<&[u8]>) {
        self.put_length(nullable_length(field));
        self.bytes.extend_from_slice(field.unwrap_or_default());
    }

    #[inline]
    fn put_length(&mut self, length: i64) {
        let mut encoded = [0; MAX_VARLONG_BYTES];
        let end = put_varlong(&mut encoded, 0, length);
        self.put_short(&encoded, end);
    }

    /// Appends the first `count` of a few bytes: copying all of them, a constant number, and dropping the rest
    /// is much faster than copying a variable number.
    #[inline]
    fn put_short<const N: usize>(&mut self, encoded: &[u8; N], count: usize) {
        let end = self.bytes.len() + count;
        self.bytes.extend_from_slice(encoded);
        self.bytes.truncate(end);
    }
}

fn length_of(bytes: usize) -> i32 {
    i32::try_from(bytes).expect("a record and a batch are smaller than 2 GiB")
}

fn nullable_length(field: Option<&[u8]>) -> i64 {
    field.map_or(-1, |bytes| bytes.len() as i64)
}

fn nullable_len(field: Option<&[u8]>) -> usize {
    varlong_len(nullable_length(field)) + field.map_or(0, <[u8]>::len)
}
