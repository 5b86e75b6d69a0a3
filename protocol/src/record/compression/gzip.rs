//! gzip members (RFC 1952) around deflate. The members' headers are read here so that the inflater, whose
//! window is the costly part, is reset instead of made anew for every batch.

use std::io::Write;

use flate2::{Crc, Decompress, FlushDecompress, Status, write::GzEncoder};

use super::{Failure, Output, invalid};

const TRUNCATED: &str = "it ends early";
const FLAG_HEADER_CRC: u8 = 1 << 1;
const FLAG_EXTRA: u8 = 1 << 2;
const FLAG_NAME: u8 = 1 << 3;
const FLAG_COMMENT: u8 = 1 << 4;
const FLAGS_RESERVED: u8 = 0xe0;

pub(super) fn decompress(
    inflater: &mut Decompress,
    body: &[u8],
    output: &mut Output,
) -> Result<(), Failure> {
    let mut rest = body;
    loop {
        let begin = output.len;
        rest = skip_member_header(rest)?;
        rest = inflate(inflater, rest, output)?;
        let Some((trailer, after)) = rest.split_first_chunk::<8>() else {
            return Err(invalid(TRUNCATED));
        };
        let mut crc = Crc::new();
        crc.update(&output.filled()[begin..]);
        let expected = u64::from(crc.amount()) << 32 | u64::from(crc.sum());
        if u64::from_le_bytes(*trailer) != expected {
            return Err(invalid("its checksum or size does not match"));
        }
        if after.is_empty() {
            return Ok(());
        }
        rest = after;
    }
}

/// Inflates one deflate stream and returns what follows it.
fn inflate<'a>(
    inflater: &mut Decompress,
    body: &'a [u8],
    output: &mut Output,
) -> Result<&'a [u8], Failure> {
    inflater.reset(false);
    let mut rest = body;
    loop {
        let (read_before, written_before) = (inflater.total_in(), inflater.total_out());
        let spare = output.spare(body.len())?;
        let status = inflater.decompress(rest, spare, FlushDecompress::None).map_err(invalid)?;
        let read = (inflater.total_in() - read_before) as usize;
        let written = (inflater.total_out() - written_before) as usize;
        rest = &rest[read..];
        output.advance(written);
        match status {
            Status::StreamEnd => return Ok(rest),
            Status::Ok | Status::BufError if read > 0 || written > 0 => (),
            Status::Ok | Status::BufError => return Err(invalid(TRUNCATED)),
        }
    }
}

fn skip_member_header(body: &[u8]) -> Result<&[u8], Failure> {
    let Some((fixed, mut rest)) = body.split_first_chunk::<10>() else {
        return Err(invalid(TRUNCATED));
    };
    let [0x1f, 0x8b, 8, flags, ..] = *fixed else {
        return Err(invalid("it has no gzip header"));
    };
    if flags & FLAGS_RESERVED != 0 {
        return Err(invalid("it has reserved header flags"));
    }
    if flags & FLAG_EXTRA != 0 {
        let (length, after) = rest.split_first_chunk::<2>().ok_or_else(|| invalid(TRUNCATED))?;
        rest = skip(after, usize::from(u16::from_le_bytes(*length)))?;
    }
    for flag in [FLAG_NAME, FLAG_COMMENT] {
        if flags & flag != 0 {
            let end = rest.iter().position(|&byte| byte == 0);
            rest = skip(rest, end.ok_or_else(|| invalid(TRUNCATED))? + 1)?;
        }
    }
    if flags & FLAG_HEADER_CRC != 0 { skip(rest, 2) } else { Ok(rest) }
}

fn skip(bytes: &[u8], count: usize) -> Result<&[u8], Failure> {
    bytes.get(count..).ok_or_else(|| invalid(TRUNCATED))
}

pub(super) fn compress(records: &[u8], out: &mut Vec<u8>) {
    let mut encoder = GzEncoder::new(out, flate2::Compression::default());
    encoder
        .write_all(records)
        .and_then(|()| encoder.finish().map(drop))
        .expect("writing to memory does not fail");
}
