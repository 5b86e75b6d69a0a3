//! The columns of a chunk under construction, and their buffers.
//!
//! protocol's visitor appends straight to these vectors; they become the file's bytes without a copy. The
//! thirteen buffers that may hold something are numbered by [`Buffer`], the number that the directory and the
//! reader use; Arrow's other four (validity of what is never null) are always empty.

use arrow::datatypes::ArrowNativeType;
use bytes::Bytes;
use strom_protocol::record::Record;

/// A buffer of a raw chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Buffer {
    Timestamp = 0,
    KeyValidity = 1,
    KeyEnds = 2,
    KeyBytes = 3,
    ValueValidity = 4,
    ValueEnds = 5,
    ValueBytes = 6,
    HeaderEnds = 7,
    HeaderKeyEnds = 8,
    HeaderKeyBytes = 9,
    HeaderValueValidity = 10,
    HeaderValueEnds = 11,
    HeaderValueBytes = 12,
}

/// How many kinds of buffers there are.
pub(super) const BUFFERS: usize = 13;

impl Buffer {
    pub(super) const ALL: [Buffer; BUFFERS] = [
        Buffer::Timestamp,
        Buffer::KeyValidity,
        Buffer::KeyEnds,
        Buffer::KeyBytes,
        Buffer::ValueValidity,
        Buffer::ValueEnds,
        Buffer::ValueBytes,
        Buffer::HeaderEnds,
        Buffer::HeaderKeyEnds,
        Buffer::HeaderKeyBytes,
        Buffer::HeaderValueValidity,
        Buffer::HeaderValueEnds,
        Buffer::HeaderValueBytes,
    ];
}

/// A set of buffers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BufferSet(u16);

impl BufferSet {
    pub(super) const NONE: BufferSet = BufferSet(0);
    pub(super) const TIMESTAMP: BufferSet = BufferSet(1);
    pub(super) const KEY: BufferSet = BufferSet(0b1110);
    pub(super) const VALUE: BufferSet = BufferSet(0b111 << 4);
    pub(super) const HEADERS: BufferSet = BufferSet(0b11_1111 << 7);
    pub(super) const ALL: BufferSet = BufferSet((1 << BUFFERS) - 1);

    pub(super) fn and(self, other: BufferSet) -> BufferSet {
        BufferSet(self.0 | other.0)
    }

    pub(super) fn without(self, other: BufferSet) -> BufferSet {
        BufferSet(self.0 & !other.0)
    }

    pub(super) fn contains_any(self, other: BufferSet) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) fn contains(self, buffer: Buffer) -> bool {
        self.0 & 1 << buffer as u8 != 0
    }
}

/// A column of nullable bytes.
#[derive(Debug)]
pub(super) struct BinaryColumn {
    /// Where each row's bytes end, behind a zero: Arrow's offsets.
    ends: Vec<i32>,
    bytes: Vec<u8>,
    /// One bit a row, set if it is not null; made when the first null comes.
    validity: Vec<u8>,
    nulls: u32,
}

impl Default for BinaryColumn {
    fn default() -> BinaryColumn {
        BinaryColumn { ends: vec![0], bytes: Vec::new(), validity: Vec::new(), nulls: 0 }
    }
}

impl BinaryColumn {
    pub(super) fn rows(&self) -> usize {
        self.ends.len() - 1
    }

    pub(super) fn nulls(&self) -> u32 {
        self.nulls
    }

    /// Whether nothing needs to be read to know the column.
    pub(super) fn is_all_null(&self) -> bool {
        self.nulls as usize == self.rows()
    }

    #[inline]
    fn push(&mut self, field: Option<&[u8]>) {
        match field {
            Some(bytes) => {
                self.bytes.extend_from_slice(bytes);
                if self.nulls > 0 {
                    self.push_validity(true);
                }
            }
            None => self.push_null(),
        }
        self.ends.push(self.bytes.len() as i32);
    }

    #[inline(never)]
    fn push_null(&mut self) {
        if self.nulls == 0 {
            let rows = self.rows();
            self.validity.resize(rows / 8, 0xff);
            if !rows.is_multiple_of(8) {
                self.validity.push((1 << (rows % 8)) - 1);
            }
        }
        self.push_validity(false);
        self.nulls += 1;
    }

    #[inline]
    fn push_validity(&mut self, is_valid: bool) {
        let row = self.rows();
        if row.is_multiple_of(8) {
            self.validity.push(0);
        }
        let last = self.validity.len() - 1;
        self.validity[last] |= u8::from(is_valid) << (row % 8);
    }

    fn is_valid(&self, row: usize) -> bool {
        self.nulls == 0 || self.validity[row / 8] >> (row % 8) & 1 == 1
    }

    /// Takes back what was appended behind `rows` rows.
    fn truncate(&mut self, rows: usize) {
        for row in rows..self.rows() {
            self.nulls -= u32::from(!self.is_valid(row));
        }
        self.ends.truncate(rows + 1);
        self.bytes.truncate(self.ends[rows] as usize);
        if self.nulls == 0 {
            self.validity.clear();
        } else {
            self.validity.truncate(rows.div_ceil(8));
            if let Some(last) = self.validity.last_mut()
                && !rows.is_multiple_of(8)
            {
                *last &= (1 << (rows % 8)) - 1;
            }
        }
    }

    /// Appends nulls without looking at each: the value column of a block chunk.
    fn fill_with_nulls(&mut self, rows: usize) {
        debug_assert!(self.bytes.is_empty());
        self.ends.resize(rows + 1, 0);
        self.validity.resize(rows.div_ceil(8), 0);
        self.nulls = rows as u32;
    }

    /// The least and the greatest of the fields that are not null.
    pub(super) fn bounds(&self) -> Option<(&[u8], &[u8])> {
        let mut fields = (0..self.rows()).filter(|&row| self.is_valid(row)).map(|row| {
            let (from, to) = (self.ends[row] as usize, self.ends[row + 1] as usize);
            &self.bytes[from..to]
        });
        let first = fields.next()?;
        Some(fields.fold((first, first), |(least, greatest), field| {
            (least.min(field), greatest.max(field))
        }))
    }

    fn bytes_held(&self) -> usize {
        self.bytes.len() + 4 * self.rows()
    }
}

/// The columns of a chunk.
#[derive(Debug)]
pub(super) struct Columns {
    /// As produced, in milliseconds.
    pub(super) timestamp: Vec<i64>,
    pub(super) key: BinaryColumn,
    pub(super) value: BinaryColumn,
    /// Where each row's headers end in the header columns, behind a zero.
    header_ends: Vec<i32>,
    pub(super) header_key: BinaryColumn,
    pub(super) header_value: BinaryColumn,
}

impl Default for Columns {
    fn default() -> Columns {
        Columns {
            timestamp: Vec::new(),
            key: BinaryColumn::default(),
            value: BinaryColumn::default(),
            header_ends: vec![0],
            header_key: BinaryColumn::default(),
            header_value: BinaryColumn::default(),
        }
    }
}

impl Columns {
    pub(super) fn rows(&self) -> usize {
        self.timestamp.len()
    }

    pub(super) fn headers(&self) -> usize {
        self.header_key.rows()
    }

    /// Roughly what is held.
    pub(super) fn bytes_held(&self) -> usize {
        8 * self.rows()
            + self.key.bytes_held()
            + self.value.bytes_held()
            + 4 * self.rows()
            + self.header_key.bytes_held()
            + self.header_value.bytes_held()
    }

    /// Makes room for a chunk of the size that is likely.
    pub(super) fn reserve(&mut self, like: &Shape) {
        self.timestamp.reserve(like.rows);
        self.key.ends.reserve(like.rows);
        self.key.bytes.reserve(like.key_bytes);
        self.value.ends.reserve(like.rows);
        self.value.bytes.reserve(like.value_bytes);
        self.header_ends.reserve(like.rows);
    }

    pub(super) fn shape(&self) -> Shape {
        Shape {
            rows: self.rows(),
            key_bytes: self.key.bytes.len(),
            value_bytes: self.value.bytes.len(),
        }
    }

    /// Appends a record with its value.
    #[inline]
    pub(super) fn push(&mut self, timestamp: i64, record: &Record<'_>) {
        self.value.push(record.value);
        self.push_without_value(timestamp, record);
    }

    /// Appends a record whose value stays in its block.
    #[inline]
    pub(super) fn push_without_value(&mut self, timestamp: i64, record: &Record<'_>) {
        self.timestamp.push(timestamp);
        self.key.push(record.key);
        if !record.headers.is_empty() {
            for (key, value) in record.headers {
                self.header_key.push(Some(key));
                self.header_value.push(value);
            }
        }
        self.header_ends.push(self.header_key.rows() as i32);
    }

    /// Takes back what was appended behind `rows` rows.
    pub(super) fn truncate(&mut self, rows: usize) {
        self.timestamp.truncate(rows);
        self.key.truncate(rows);
        self.value.truncate(rows.min(self.value.rows()));
        self.header_ends.truncate(rows + 1);
        let headers = self.header_ends[rows] as usize;
        self.header_key.truncate(headers);
        self.header_value.truncate(headers);
    }

    pub(super) fn fill_values_with_nulls(&mut self) {
        self.value.fill_with_nulls(self.timestamp.len());
    }

    /// The buffers in the order of their numbers; empty where the column has none or has no rows.
    pub(super) fn into_buffers(self) -> [Bytes; BUFFERS] {
        let [key_validity, key_ends, key_bytes] = binary_buffers(self.key);
        let [value_validity, value_ends, value_bytes] = binary_buffers(self.value);
        let [_, header_key_ends, header_key_bytes] = binary_buffers(self.header_key);
        let [header_value_validity, header_value_ends, header_value_bytes] =
            binary_buffers(self.header_value);
        [
            native(self.timestamp),
            key_validity,
            key_ends,
            key_bytes,
            value_validity,
            value_ends,
            value_bytes,
            ends(self.header_ends),
            header_key_ends,
            header_key_bytes,
            header_value_validity,
            header_value_ends,
            header_value_bytes,
        ]
    }
}

/// The size of a chunk's columns: what the next chunk of the run makes room for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shape {
    rows: usize,
    key_bytes: usize,
    value_bytes: usize,
}

fn binary_buffers(column: BinaryColumn) -> [Bytes; 3] {
    [Bytes::from(column.validity), ends(column.ends), Bytes::from(column.bytes)]
}

/// Arrow lets the offsets of no rows be left out.
fn ends(ends: Vec<i32>) -> Bytes {
    if ends.len() == 1 { Bytes::new() } else { native(ends) }
}

fn native<T: ArrowNativeType>(values: Vec<T>) -> Bytes {
    Bytes::from_owner(Native(arrow::buffer::Buffer::from_vec(values)))
}

/// What lets a vector of integers be handed on as bytes without a copy.
struct Native(arrow::buffer::Buffer);

impl AsRef<[u8]> for Native {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}
