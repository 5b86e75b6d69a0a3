//! Reads primitive values from a frame without copying and without trusting any length.
//!
//! A reader stands on one `Bytes` buffer; strings and byte fields are slices of it. Two rules
//! bound what hostile bytes can cost: a length is accepted only if the bytes that remain can hold
//! it, and the memory of all arrays together stays below [`MEMORY_PER_BYTE`] times the message
//! plus [`MEMORY_SLACK`].

use bytes::Bytes;
use bytestring::ByteString;
use uuid::Uuid;

use super::DecodeError;

/// Memory that arrays may take for each byte of the message. Real messages need two to five:
/// an element has a fixed part in memory and its names and numbers on the wire.
const MEMORY_PER_BYTE: usize = 8;

/// Memory that arrays may take in any case, so that small messages are never refused.
const MEMORY_SLACK: usize = 1 << 20;

/// Kafka's limit for strings, whose lengths were two bytes before they were compact.
const STRING_BYTES_MAX: usize = i16::MAX as usize;

/// A position in a message and the memory that decoding it may still take.
#[derive(Debug, Clone)]
pub struct Reader {
    buffer: Bytes,
    position: usize,
    /// End of the message, or of the tagged field that is being read.
    end: usize,
    memory_left: usize,
}

impl Reader {
    /// A reader at the start of `buffer`.
    pub fn new(buffer: Bytes) -> Self {
        let end = buffer.len();
        let memory_left = end.saturating_mul(MEMORY_PER_BYTE).saturating_add(MEMORY_SLACK);
        Reader { buffer, position: 0, end, memory_left }
    }

    /// Bytes that are left.
    pub fn remaining(&self) -> usize {
        self.end - self.position
    }

    /// Fails unless everything was read.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(DecodeError::TrailingBytes(left)),
        }
    }

    fn advance(&mut self, length: usize) -> Result<usize, DecodeError> {
        let start = self.position;
        if length > self.remaining() {
            let needed = length as u64;
            return Err(DecodeError::UnexpectedEnd { needed, remaining: self.remaining() });
        }
        self.position = start + length;
        Ok(start)
    }

    fn array_of<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let start = self.advance(N)?;
        let mut value = [0; N];
        value.copy_from_slice(&self.buffer[start..start + N]);
        Ok(value)
    }

    /// The next `length` bytes as a slice of the frame.
    pub fn slice(&mut self, length: usize) -> Result<Bytes, DecodeError> {
        let start = self.advance(length)?;
        Ok(if length == 0 { Bytes::new() } else { self.buffer.slice(start..start + length) })
    }

    /// One byte; anything but 0 is true.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.u8()? != 0)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(u8::from_be_bytes(self.array_of()?))
    }

    /// One byte, signed.
    pub fn i8(&mut self) -> Result<i8, DecodeError> {
        Ok(i8::from_be_bytes(self.array_of()?))
    }

    /// Two bytes, signed.
    pub fn i16(&mut self) -> Result<i16, DecodeError> {
        Ok(i16::from_be_bytes(self.array_of()?))
    }

    /// Two bytes.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array_of()?))
    }

    /// Four bytes, signed.
    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        Ok(i32::from_be_bytes(self.array_of()?))
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array_of()?))
    }

    /// Eight bytes, signed.
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.array_of()?))
    }

    /// Eight bytes, floating point.
    pub fn f64(&mut self) -> Result<f64, DecodeError> {
        Ok(f64::from_be_bytes(self.array_of()?))
    }

    /// Sixteen bytes, most significant first.
    pub fn uuid(&mut self) -> Result<Uuid, DecodeError> {
        Ok(Uuid::from_bytes(self.array_of()?))
    }

    /// An unsigned variable-length integer of at most five bytes.
    pub fn uvarint(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| DecodeError::InvalidVarint);
            }
        }
        Err(DecodeError::InvalidVarint)
    }

    /// A length: `None` is null. Compact lengths are unsigned varints of the length plus one.
    fn length(&mut self, compact: bool, wide: bool) -> Result<Option<usize>, DecodeError> {
        if compact {
            return Ok(self.uvarint()?.checked_sub(1).map(|length| length as usize));
        }
        let length = if wide { i64::from(self.i32()?) } else { i64::from(self.i16()?) };
        match usize::try_from(length) {
            Ok(length) => Ok(Some(length)),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(DecodeError::InvalidLength(length)),
        }
    }

    /// A string.
    pub fn string(&mut self, compact: bool) -> Result<ByteString, DecodeError> {
        self.string_or_null(compact)?.ok_or(DecodeError::InvalidLength(-1))
    }

    /// A string or null.
    pub fn string_or_null(&mut self, compact: bool) -> Result<Option<ByteString>, DecodeError> {
        let Some(length) = self.length(compact, false)? else { return Ok(None) };
        if length > STRING_BYTES_MAX {
            return Err(DecodeError::InvalidLength(length as i64));
        }
        let bytes = self.slice(length)?;
        ByteString::try_from(bytes).map(Some).map_err(|_| DecodeError::InvalidUtf8)
    }

    /// A byte field.
    pub fn bytes(&mut self, compact: bool) -> Result<Bytes, DecodeError> {
        self.bytes_or_null(compact)?.ok_or(DecodeError::InvalidLength(-1))
    }

    /// A byte field or null.
    pub fn bytes_or_null(&mut self, compact: bool) -> Result<Option<Bytes>, DecodeError> {
        match self.length(compact, true)? {
            Some(length) => self.slice(length).map(Some),
            None => Ok(None),
        }
    }

    /// An array. A null one is read as empty: some clients do not keep the two apart.
    ///
    /// `element_bytes_min` is the fewest bytes that one element can take on the wire.
    pub fn array<T>(
        &mut self,
        compact: bool,
        element_bytes_min: usize,
        element: impl FnMut(&mut Reader) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        Ok(self.array_or_null(compact, element_bytes_min, element)?.unwrap_or_default())
    }

    /// An array or null.
    pub fn array_or_null<T>(
        &mut self,
        compact: bool,
        element_bytes_min: usize,
        mut element: impl FnMut(&mut Reader) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(count) = self.length(compact, true)? else { return Ok(None) };
        let needed = (count as u64).saturating_mul(element_bytes_min.max(1) as u64);
        if needed > self.remaining() as u64 {
            return Err(DecodeError::UnexpectedEnd { needed, remaining: self.remaining() });
        }
        self.take_memory(count.saturating_mul(size_of::<T>()))?;
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            values.push(element(self)?);
        }
        Ok(Some(values))
    }

    fn take_memory(&mut self, bytes: usize) -> Result<(), DecodeError> {
        match self.memory_left.checked_sub(bytes) {
            Some(left) => {
                self.memory_left = left;
                Ok(())
            }
            None => Err(DecodeError::MemoryLimit(bytes - self.memory_left)),
        }
    }

    /// Reads the marker before a nullable struct; true when a struct follows.
    pub fn is_present(&mut self) -> Result<bool, DecodeError> {
        match self.i8()? {
            -1 => Ok(false),
            1 => Ok(true),
            other => Err(DecodeError::InvalidNullMarker(other)),
        }
    }

    /// Reads the tagged fields at the end of a struct. `known` reads the value of a tag that it
    /// knows and says so; all others are skipped.
    pub fn tagged_fields(
        &mut self,
        mut known: impl FnMut(&mut Reader, u32) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        let count = self.uvarint()?;
        let mut lowest = 0u64;
        for _ in 0..count {
            let tag = self.uvarint()?;
            if u64::from(tag) < lowest {
                return Err(DecodeError::InvalidTaggedField(tag));
            }
            lowest = u64::from(tag) + 1;
            let size = self.uvarint()? as usize;
            let start = self.advance(size)?;
            let outer_end = std::mem::replace(&mut self.end, self.position);
            self.position = start;
            let is_known = known(self, tag)?;
            if is_known && self.position != self.end {
                return Err(DecodeError::InvalidTaggedField(tag));
            }
            self.position = self.end;
            self.end = outer_end;
        }
        Ok(())
    }

    /// Skips the tagged fields at the end of a struct that has none of its own.
    pub fn skip_tagged_fields(&mut self) -> Result<(), DecodeError> {
        self.tagged_fields(|_, _| Ok(false))
    }
}
