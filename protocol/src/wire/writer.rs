//! Writes primitive values into a rope: one growing buffer for small values, with record sets
//! linked in between as they are.
//!
//! ```text
//! head (BytesMut) | records chunk | records chunk | ... | tail (BytesMut)
//! ```
//!
//! The head stays writable until the end, because the frame's size stands in its first four bytes.

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use super::{EncodeError, Records};

/// Record chunks below this size are copied: a link costs more than the copy.
const LINKED_CHUNK_BYTES_MIN: usize = 512;

/// An encoded message under construction.
#[derive(Debug, Default)]
pub struct Writer {
    /// The first piece, once a record chunk has been linked behind it.
    head: Option<BytesMut>,
    linked: Vec<Bytes>,
    linked_bytes: usize,
    tail: BytesMut,
}

impl Writer {
    /// An empty writer.
    pub fn new() -> Self {
        Writer::default()
    }

    /// An empty writer with room for `bytes` bytes of small values.
    pub fn with_capacity(bytes: usize) -> Self {
        Writer { tail: BytesMut::with_capacity(bytes), ..Writer::default() }
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.head.as_ref().map_or(0, BytesMut::len) + self.linked_bytes + self.tail.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces in order; empty ones are left out.
    pub fn into_chunks(self) -> Vec<Bytes> {
        let mut chunks = Vec::with_capacity(self.linked.len() + 2);
        chunks.extend(self.head.map(BytesMut::freeze));
        chunks.extend(self.linked);
        chunks.push(self.tail.freeze());
        chunks.retain(|chunk| !chunk.is_empty());
        chunks
    }

    /// Everything as one slice; copies when records were linked.
    pub fn into_bytes(self) -> Bytes {
        Records { chunks: self.into_chunks() }.to_bytes()
    }

    /// Replaces the first four bytes, which must have been written before, by the number of bytes
    /// that follow them.
    pub fn set_size_prefix(&mut self) -> Result<(), EncodeError> {
        let length = self.len();
        let head = self.head.as_mut().unwrap_or(&mut self.tail);
        assert!(head.len() >= 4, "the size prefix was not reserved");
        let size = i32::try_from(length - 4).map_err(|_| EncodeError::TooLong(length))?;
        head[..4].copy_from_slice(&size.to_be_bytes());
        Ok(())
    }

    /// One byte, 0 or 1.
    pub fn put_bool(&mut self, value: bool) {
        self.tail.put_u8(u8::from(value));
    }

    /// One byte, signed.
    pub fn put_i8(&mut self, value: i8) {
        self.tail.put_i8(value);
    }

    /// Two bytes, signed.
    pub fn put_i16(&mut self, value: i16) {
        self.tail.put_i16(value);
    }

    /// Two bytes.
    pub fn put_u16(&mut self, value: u16) {
        self.tail.put_u16(value);
    }

    /// Four bytes, signed.
    pub fn put_i32(&mut self, value: i32) {
        self.tail.put_i32(value);
    }

    /// Four bytes.
    pub fn put_u32(&mut self, value: u32) {
        self.tail.put_u32(value);
    }

    /// Eight bytes, signed.
    pub fn put_i64(&mut self, value: i64) {
        self.tail.put_i64(value);
    }

    /// Eight bytes, floating point.
    pub fn put_f64(&mut self, value: f64) {
        self.tail.put_f64(value);
    }

    /// Sixteen bytes, most significant first.
    pub fn put_uuid(&mut self, value: Uuid) {
        self.tail.put_slice(value.as_bytes());
    }

    /// Raw bytes, copied.
    pub fn put_slice(&mut self, value: &[u8]) {
        self.tail.put_slice(value);
    }

    /// An unsigned variable-length integer.
    pub fn put_uvarint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.tail.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.tail.put_u8(value as u8);
    }

    fn put_length(&mut self, compact: bool, length: Option<usize>) -> Result<(), EncodeError> {
        match length {
            None if compact => self.put_uvarint(0),
            None => self.put_i32(-1),
            Some(length) => {
                let signed = i32::try_from(length).map_err(|_| EncodeError::TooLong(length))?;
                if compact {
                    self.put_uvarint(signed as u32 + 1);
                } else {
                    self.put_i32(signed);
                }
            }
        }
        Ok(())
    }

    /// A string.
    pub fn put_string(&mut self, compact: bool, value: &str) -> Result<(), EncodeError> {
        self.put_string_or_null(compact, Some(value))
    }

    /// A string or null. Kafka limits strings to 32767 bytes in every version.
    pub fn put_string_or_null(
        &mut self,
        compact: bool,
        value: Option<&str>,
    ) -> Result<(), EncodeError> {
        let length = match value {
            None => -1,
            Some(text) => {
                i16::try_from(text.len()).map_err(|_| EncodeError::TooLong(text.len()))?
            }
        };
        if compact {
            self.put_uvarint((i32::from(length) + 1) as u32);
        } else {
            self.put_i16(length);
        }
        self.tail.put_slice(value.unwrap_or_default().as_bytes());
        Ok(())
    }

    /// A byte field, copied.
    pub fn put_bytes(&mut self, compact: bool, value: &[u8]) -> Result<(), EncodeError> {
        self.put_bytes_or_null(compact, Some(value))
    }

    /// A byte field or null, copied.
    pub fn put_bytes_or_null(
        &mut self,
        compact: bool,
        value: Option<&[u8]>,
    ) -> Result<(), EncodeError> {
        self.put_length(compact, value.map(<[u8]>::len))?;
        self.tail.put_slice(value.unwrap_or_default());
        Ok(())
    }

    /// A record set or null; large chunks are linked and not copied.
    pub fn put_records_or_null(
        &mut self,
        compact: bool,
        value: Option<&Records>,
    ) -> Result<(), EncodeError> {
        self.put_length(compact, value.map(Records::len))?;
        if let Some(records) = value {
            self.put_records(records);
        }
        Ok(())
    }

    /// The bytes of a record set without a length.
    pub fn put_records(&mut self, records: &Records) {
        for chunk in &records.chunks {
            if chunk.len() < LINKED_CHUNK_BYTES_MIN {
                self.tail.put_slice(chunk);
            } else {
                self.link(chunk.clone());
            }
        }
    }

    fn link(&mut self, chunk: Bytes) {
        let before = self.tail.split();
        if self.head.is_none() {
            self.head = Some(before);
        } else if !before.is_empty() {
            self.linked_bytes += before.len();
            self.linked.push(before.freeze());
        }
        self.linked_bytes += chunk.len();
        self.linked.push(chunk);
    }

    /// An array: its length, then what `element` writes for each value.
    pub fn put_array<T>(
        &mut self,
        compact: bool,
        values: &[T],
        element: impl FnMut(&mut Writer, &T) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.put_array_or_null(compact, Some(values), element)
    }

    /// An array or null.
    pub fn put_array_or_null<T>(
        &mut self,
        compact: bool,
        values: Option<&[T]>,
        mut element: impl FnMut(&mut Writer, &T) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.put_length(compact, values.map(<[T]>::len))?;
        values.unwrap_or_default().iter().try_for_each(|value| element(self, value))
    }

    /// The marker before a nullable struct.
    pub fn put_presence(&mut self, is_present: bool) {
        self.put_i8(if is_present { 1 } else { -1 });
    }

    /// One tagged field: tag, size, and the value that `value` writes.
    pub fn put_tagged_field(
        &mut self,
        tag: u32,
        value: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let mut inner = Writer::new();
        value(&mut inner)?;
        let bytes = inner.into_bytes();
        let size = u32::try_from(bytes.len()).map_err(|_| EncodeError::TooLong(bytes.len()))?;
        self.put_uvarint(tag);
        self.put_uvarint(size);
        self.put_slice(&bytes);
        Ok(())
    }
}
