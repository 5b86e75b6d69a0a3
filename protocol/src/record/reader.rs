//! Records as a visitor over the bytes of a body.
//!
//! ```text
//! record: length varint │ attributes i8 │ timestamp delta varlong │ offset delta varint
//!         │ key: length varint (-1 null), bytes │ value: likewise │ header count varint │ header, …
//! header: key: length varint, bytes │ value: length varint (-1 null), bytes
//! ```
//!
//! A record is handed out only after all of it was checked, headers included, so what a [`Record`] gives
//! needs no further error handling. Nothing is allocated: keys, values and headers are slices of the body,
//! or of the scratch that it was decompressed into.

use super::varint::{read_varint, read_varlong};
use super::{BatchError, BatchHeader, Compression, Scratch};

/// What is wrong with one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// The record, or the body, ends in the middle of a field.
    #[error("it ends inside a field")]
    Truncated,
    /// A varint of more than five, or a varlong of more than ten bytes.
    #[error("a varint does not end")]
    VarintTooLong,
    /// A varint with bits that its type does not have.
    #[error("a varint exceeds its type")]
    VarintTooLarge,
    /// A negative length where there is no null, or one below -1.
    #[error("it has a field of length {0}")]
    NegativeLength(i32),
    /// More headers than the record's bytes could hold, or a negative number of them.
    #[error("it has the header count {0}")]
    HeaderCount(i32),
    /// The fields end before the record does.
    #[error("it has {0} bytes behind its last header")]
    TrailingBytes(usize),
}

/// One record, as a view of the body's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The offset minus the batch's base offset.
    pub offset_delta: i32,
    /// The timestamp minus the batch's base timestamp; see [`BatchHeader::timestamp_of`].
    pub timestamp_delta: i64,
    /// Unused bits, as they came.
    pub attributes: i8,
    /// The key; `None` is null, which is not the same as empty.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is null: a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers.
    pub headers: Headers<'a>,
}

/// A record's headers in their order, duplicates included: checked bytes, decoded on iteration.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Headers<'a> {
    count: u32,
    bytes: &'a [u8],
}

impl<'a> Headers<'a> {
    /// The number of headers.
    pub fn count(&self) -> usize {
        self.count as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The headers as (key, value). Keys are bytes: clients send what is not UTF-8.
    pub fn iter(&self) -> HeaderIter<'a> {
        HeaderIter { remaining: self.count, bytes: self.bytes }
    }
}

impl<'a> IntoIterator for Headers<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);
    type IntoIter = HeaderIter<'a>;

    fn into_iter(self) -> HeaderIter<'a> {
        self.iter()
    }
}

impl std::fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Iterator over a record's headers.
#[derive(Clone, Debug)]
pub struct HeaderIter<'a> {
    remaining: u32,
    bytes: &'a [u8],
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.remaining = self.remaining.checked_sub(1)?;
        Some(read_header(&mut self.bytes).expect("headers are checked before they are handed out"))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining as usize, Some(self.remaining as usize))
    }
}

impl ExactSizeIterator for HeaderIter<'_> {}

/// Why a visit stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VisitError<E> {
    /// The batch cannot be read; the records before the fault have been visited.
    #[error(transparent)]
    Batch(BatchError),
    /// The visitor said so.
    #[error("{0}")]
    Visitor(E),
}

/// Calls `visitor` with each record of a body, in order.
///
/// `body` is exactly what lies behind the head in the batch. The number of records must be the header's and
/// every byte must belong to one; offsets are not judged, since compaction leaves gaps.
pub fn visit<E>(
    header: &BatchHeader,
    body: &[u8],
    scratch: &mut Scratch,
    visitor: impl FnMut(Record<'_>) -> Result<(), E>,
) -> Result<(), VisitError<E>> {
    let compression = header.attributes.compression().map_err(VisitError::Batch)?;
    if compression == Compression::None {
        return visit_plain(header.record_count, body, visitor);
    }
    let records = scratch
        .decompress(compression, body)
        .map_err(|error| VisitError::Batch(BatchError::Decompress(error)))?;
    let result = visit_plain(header.record_count, records, visitor);
    scratch.release_excess();
    result
}

/// [`visit`] over a body that is not, or no longer, compressed.
pub fn visit_plain<E>(
    record_count: i32,
    records: &[u8],
    mut visitor: impl FnMut(Record<'_>) -> Result<(), E>,
) -> Result<(), VisitError<E>> {
    if record_count < 0 {
        return Err(VisitError::Batch(BatchError::RecordCount(record_count)));
    }
    let mut rest = records;
    for index in 0..record_count {
        let record = read_record(&mut rest)
            .map_err(|fault| VisitError::Batch(BatchError::Record { index, fault }))?;
        visitor(record).map_err(VisitError::Visitor)?;
    }
    if !rest.is_empty() {
        return Err(VisitError::Batch(BatchError::TrailingBytes(rest.len())));
    }
    Ok(())
}

#[inline(always)]
fn read_record<'a>(rest: &mut &'a [u8]) -> Result<Record<'a>, RecordFault> {
    let length = read_varint(rest)?;
    let mut bytes = take(rest, length)?;
    let Some((&attributes, after)) = bytes.split_first() else {
        return Err(RecordFault::Truncated);
    };
    bytes = after;
    let timestamp_delta = read_varlong(&mut bytes)?;
    let offset_delta = read_varint(&mut bytes)?;
    let key = read_nullable(&mut bytes)?;
    let value = read_nullable(&mut bytes)?;
    let headers = read_headers(bytes)?;
    Ok(Record { offset_delta, timestamp_delta, attributes: attributes as i8, key, value, headers })
}

/// Checks the headers, which reach to the end of the record.
#[inline(always)]
fn read_headers(bytes: &[u8]) -> Result<Headers<'_>, RecordFault> {
    if *bytes == [0] {
        return Ok(Headers::default());
    }
    check_headers(bytes)
}

#[inline(never)]
fn check_headers(bytes: &[u8]) -> Result<Headers<'_>, RecordFault> {
    let mut bytes = bytes;
    let count = read_varint(&mut bytes)?;
    // A header takes two bytes at least: without this a record of a few bytes could keep the loop busy.
    if count < 0 || count as usize > bytes.len() / 2 {
        return Err(RecordFault::HeaderCount(count));
    }
    let mut rest = bytes;
    for _ in 0..count {
        read_header(&mut rest)?;
    }
    if !rest.is_empty() {
        return Err(RecordFault::TrailingBytes(rest.len()));
    }
    Ok(Headers { count: count as u32, bytes })
}

#[inline]
fn read_header<'a>(bytes: &mut &'a [u8]) -> Result<(&'a [u8], Option<&'a [u8]>), RecordFault> {
    let key_length = read_varint(bytes)?;
    let key = take(bytes, key_length)?;
    Ok((key, read_nullable(bytes)?))
}

/// Only -1 is null: other negative lengths are read as null by some clients and as corruption by others, so
/// a broker that kept them would keep what not every consumer can read.
#[inline(always)]
fn read_nullable<'a>(bytes: &mut &'a [u8]) -> Result<Option<&'a [u8]>, RecordFault> {
    match read_varint(bytes)? {
        -1 => Ok(None),
        length => take(bytes, length).map(Some),
    }
}

#[inline(always)]
fn take<'a>(bytes: &mut &'a [u8], length: i32) -> Result<&'a [u8], RecordFault> {
    let Ok(wanted) = usize::try_from(length) else {
        return Err(RecordFault::NegativeLength(length));
    };
    let Some((taken, rest)) = bytes.split_at_checked(wanted) else {
        return Err(RecordFault::Truncated);
    };
    *bytes = rest;
    Ok(taken)
}

#[cfg(test)]
mod tests;
