//! Writing records in their one canonical form: shortest varints, unused attribute bits zero.
//!
//! [`BatchBuilder`](super::BatchBuilder) writes so, and so does who keeps records as columns and gives them
//! back as a body: a record that takes exactly [`Record::canonical_bytes`] comes out bit for bit.

use super::varint::{MAX_VARINT_BYTES, MAX_VARLONG_BYTES, put_varlong, varint_len, varlong_len};
use super::{HeaderRef, Record};

/// The fields of a record but its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordFields<'a> {
    /// The offset minus the batch's base offset.
    pub offset_delta: i32,
    /// The timestamp minus the batch's base timestamp.
    pub timestamp_delta: i64,
    /// The key; `None` is null.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is null.
    pub value: Option<&'a [u8]>,
}

impl RecordFields<'_> {
    /// What the record's length field counts.
    #[inline]
    fn length(&self, header_count: usize, header_bytes: usize) -> usize {
        1 + varlong_len(self.timestamp_delta)
            + varint_len(self.offset_delta)
            + nullable_len(self.key)
            + nullable_len(self.value)
            + varint_len(length_of(header_count))
            + header_bytes
    }
}

impl Record<'_> {
    /// The size of the record, length field included, in its canonical form. No other form is shorter, so the
    /// records of a body are canonical if their sizes add up to it and their attributes are zero.
    #[inline]
    pub fn canonical_bytes(&self) -> usize {
        let fields = RecordFields {
            offset_delta: self.offset_delta,
            timestamp_delta: self.timestamp_delta,
            key: self.key,
            value: self.value,
        };
        let header_bytes = if self.headers.is_empty() { 0 } else { headers_len(self.headers) };
        let length = fields.length(self.headers.count(), header_bytes);
        varint_len(length_of(length)) + length
    }
}

/// Appends a record in its canonical form.
///
/// # Panics
/// When the record takes more than the 2 GiB that its length field can say.
#[inline]
pub fn encode_record<'a, H>(out: &mut Vec<u8>, fields: &RecordFields<'_>, headers: H)
where
    H: IntoIterator<Item = HeaderRef<'a>, IntoIter: ExactSizeIterator> + Clone,
{
    let header_count = headers.clone().into_iter().len();
    let header_bytes = if header_count == 0 { 0 } else { headers_len(headers.clone()) };
    let length = fields.length(header_count, header_bytes);

    // Length, attributes (0), timestamp delta, offset delta and the key's length.
    let mut start = [0; 1 + 3 * MAX_VARINT_BYTES + MAX_VARLONG_BYTES];
    let mut at = put_varlong(&mut start, 0, i64::from(length_of(length)));
    at = put_varlong(&mut start, at + 1, fields.timestamp_delta);
    at = put_varlong(&mut start, at, i64::from(fields.offset_delta));
    at = put_varlong(&mut start, at, nullable_length(fields.key));
    out.reserve(start.len() + MAX_VARLONG_BYTES + length);
    put_short(out, &start, at);
    out.extend_from_slice(fields.key.unwrap_or_default());
    put_nullable(out, fields.value);
    put_length(out, header_count as i64);
    if header_count > 0 {
        for (key, value) in headers {
            put_nullable(out, Some(key));
            put_nullable(out, value);
        }
    }
}

fn headers_len<'a>(headers: impl IntoIterator<Item = HeaderRef<'a>>) -> usize {
    headers.into_iter().map(|(key, value)| nullable_len(Some(key)) + nullable_len(value)).sum()
}

#[inline]
fn put_nullable(out: &mut Vec<u8>, field: Option<&[u8]>) {
    put_length(out, nullable_length(field));
    out.extend_from_slice(field.unwrap_or_default());
}

#[inline]
fn put_length(out: &mut Vec<u8>, length: i64) {
    let mut encoded = [0; MAX_VARLONG_BYTES];
    let end = put_varlong(&mut encoded, 0, length);
    put_short(out, &encoded, end);
}

/// Appends the first `count` of a few bytes: copying all of them, a constant number, and dropping the rest
/// is much faster than copying a variable number.
#[inline]
fn put_short<const N: usize>(out: &mut Vec<u8>, encoded: &[u8; N], count: usize) {
    let end = out.len() + count;
    out.extend_from_slice(encoded);
    out.truncate(end);
}

pub(super) fn length_of(bytes: usize) -> i32 {
    i32::try_from(bytes).expect("a record and a batch are smaller than 2 GiB")
}

#[inline]
fn nullable_length(field: Option<&[u8]>) -> i64 {
    field.map_or(-1, |bytes| bytes.len() as i64)
}

#[inline]
fn nullable_len(field: Option<&[u8]>) -> usize {
    varlong_len(nullable_length(field)) + field.map_or(0, <[u8]>::len)
}
