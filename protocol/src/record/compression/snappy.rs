//! Snappy in its two framings.
//!
//! ```text
//! xerial: \x82 S N A P P Y \0 │ version i32 │ least compatible version i32 │ chunk, chunk, …
//! chunk:  length i32 (big-endian) │ one snappy block
//! bare:   one snappy block
//! ```
//! A bare block cannot begin with the xerial magic: after its length, `N` would be a copy from before the start.

use snap::raw::{Decoder, Encoder};

use super::{Failure, Output, invalid};

const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
const XERIAL_HEADER_BYTES: usize = 16;
/// What Java puts into one block.
const BLOCK_BYTES: usize = 32 * 1024;
/// The densest element, a copy, makes 64 bytes of three: a block that claims more is lying.
const EXPANSION_MAX: usize = 22;

pub(super) fn decompress(
    decoder: &mut Decoder,
    body: &[u8],
    output: &mut Output,
) -> Result<(), Failure> {
    if !body.starts_with(&MAGIC) {
        return decompress_block(decoder, body, output);
    }
    let mut rest = body;
    while !rest.is_empty() {
        // Streams may be concatenated: the header can come again between chunks.
        if rest.starts_with(&MAGIC) {
            rest =
                rest.get(XERIAL_HEADER_BYTES..).ok_or_else(|| invalid("its header is cut off"))?;
            continue;
        }
        let Some((length, after)) = rest.split_first_chunk::<4>() else {
            return Err(invalid("it ends inside a chunk length"));
        };
        let length = u32::from_be_bytes(*length) as usize;
        let Some((block, after)) = after.split_at_checked(length) else {
            return Err(invalid(format_args!(
                "it has a chunk of {length} bytes, {} are left",
                after.len()
            )));
        };
        decompress_block(decoder, block, output)?;
        rest = after;
    }
    Ok(())
}

fn decompress_block(
    decoder: &mut Decoder,
    block: &[u8],
    output: &mut Output,
) -> Result<(), Failure> {
    let bytes = snap::raw::decompress_len(block).map_err(invalid)?;
    if bytes > block.len().saturating_mul(EXPANSION_MAX) {
        return Err(invalid(format_args!(
            "a block of {} bytes claims to hold {bytes}",
            block.len()
        )));
    }
    let written = decoder.decompress(block, output.reserve(bytes)?).map_err(invalid)?;
    output.advance(written);
    Ok(())
}

pub(super) fn compress(records: &[u8], out: &mut Vec<u8>) {
    let mut encoder = Encoder::new();
    let mut block = vec![0; snap::raw::max_compress_len(BLOCK_BYTES.min(records.len()))];
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&1_i32.to_be_bytes());
    out.extend_from_slice(&1_i32.to_be_bytes());
    for chunk in records.chunks(BLOCK_BYTES) {
        let bytes = encoder
            .compress(chunk, &mut block)
            .expect("the buffer has the size that the encoder asks for");
        out.extend_from_slice(&(bytes as u32).to_be_bytes());
        out.extend_from_slice(&block[..bytes]);
    }
}
