//! Little-endian integers of the files' formats, and their checksum.

use strom_protocol::record::read_varlong;

/// The checksum of all formats here: CRC-32C (Castagnoli).
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// What is left to decode of some bytes. Every `take` is `None` when too few are left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i16(&mut self) -> Option<i16> {
        self.array().map(i16::from_le_bytes)
    }

    pub(crate) fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// Bytes behind their 32-bit length.
    pub(crate) fn sized(&mut self) -> Option<&'a [u8]> {
        let bytes = self.u32()?;
        self.take(bytes as usize)
    }

    /// A zigzag varlong, as records have them.
    pub(crate) fn varlong(&mut self) -> Option<i64> {
        read_varlong(&mut self.0).ok()
    }

    /// A count of things that take at least `bytes_min` each: no more than can be left.
    pub(crate) fn count(&mut self, bytes_min: usize) -> Option<usize> {
        let count = usize::try_from(self.varlong()?).ok()?;
        (count <= self.0.len() / bytes_min).then_some(count)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Appends bytes behind their 32-bit length.
pub(crate) fn put_sized(output: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("no part of a record reaches 4 GiB");
    output.extend_from_slice(&length.to_le_bytes());
    output.extend_from_slice(bytes);
}

/// Rounds up to whole units.
pub(crate) fn round_up(bytes: u64, unit: u64) -> u64 {
    bytes.div_ceil(unit) * unit
}
