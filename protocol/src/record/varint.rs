//! Zigzag varints as records use them: seven bits a byte, the lowest first, the top bit says "more".
//!
//! Reading is strict about what cannot be a value (more than five or ten bytes, bits beyond the type) and
//! lenient about what is merely unusual: padded encodings (`0x80 0x00` for zero) are legal on the wire.

use super::RecordFault;

/// The longest encoding of a 32-bit value.
pub(super) const MAX_VARINT_BYTES: usize = 5;
/// The longest encoding of a 64-bit value.
pub const MAX_VARLONG_BYTES: usize = 10;

/// Takes a zigzag varint off the front of `bytes`.
#[inline(always)]
pub(super) fn read_varint(bytes: &mut &[u8]) -> Result<i32, RecordFault> {
    match **bytes {
        [first, ref rest @ ..] if first < 0x80 => {
            *bytes = rest;
            Ok(unzigzag32(u32::from(first)))
        }
        [first, second, ref rest @ ..] if second < 0x80 => {
            *bytes = rest;
            Ok(unzigzag32(u32::from(first & 0x7f) | u32::from(second) << 7))
        }
        _ => read_long_varint(bytes),
    }
}

#[inline(never)]
fn read_long_varint(bytes: &mut &[u8]) -> Result<i32, RecordFault> {
    let value = read_unsigned(bytes, MAX_VARINT_BYTES)?;
    u32::try_from(value).map(unzigzag32).map_err(|_| RecordFault::VarintTooLarge)
}

/// Takes a zigzag varlong off the front of `bytes`.
#[inline(always)]
pub fn read_varlong(bytes: &mut &[u8]) -> Result<i64, RecordFault> {
    match **bytes {
        [first, ref rest @ ..] if first < 0x80 => {
            *bytes = rest;
            Ok(unzigzag64(u64::from(first)))
        }
        _ => read_unsigned(bytes, MAX_VARLONG_BYTES).map(unzigzag64),
    }
}

#[inline(never)]
fn read_unsigned(bytes: &mut &[u8], max_bytes: usize) -> Result<u64, RecordFault> {
    let mut value = 0_u64;
    for (index, &byte) in bytes.iter().enumerate().take(max_bytes) {
        let bits = u64::from(byte & 0x7f);
        let shift = 7 * index as u32;
        // The tenth byte of a varlong has room for one bit only.
        if bits.leading_zeros() < shift && bits << shift >> shift != bits {
            return Err(RecordFault::VarintTooLarge);
        }
        value |= bits << shift;
        if byte < 0x80 {
            *bytes = &bytes[index + 1..];
            return Ok(value);
        }
    }
    Err(if bytes.len() < max_bytes { RecordFault::Truncated } else { RecordFault::VarintTooLong })
}

/// The encoded size of a zigzag varint.
#[inline]
pub(super) fn varint_len(value: i32) -> usize {
    varlong_len(i64::from(value))
}

/// The encoded size of a zigzag varlong.
#[inline]
pub(super) fn varlong_len(value: i64) -> usize {
    let bits = 64 - (zigzag64(value) | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Writes a zigzag varlong (or varint, they share the encoding) into `out` at `at`; returns the position
/// behind it. Panics unless there is room: [`MAX_VARLONG_BYTES`] are enough.
#[inline]
pub fn put_varlong(out: &mut [u8], at: usize, value: i64) -> usize {
    let mut rest = zigzag64(value);
    let mut at = at;
    while rest >= 0x80 {
        out[at] = rest as u8 | 0x80;
        rest >>= 7;
        at += 1;
    }
    out[at] = rest as u8;
    at + 1
}

#[inline(always)]
fn zigzag64(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

#[inline(always)]
fn unzigzag32(value: u32) -> i32 {
    (value >> 1) as i32 ^ -((value & 1) as i32)
}

#[inline(always)]
fn unzigzag64(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests;
