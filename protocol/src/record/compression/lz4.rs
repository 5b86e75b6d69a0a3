//! One LZ4 frame. Clients differ in its flags (Java: independent 64 KiB blocks and no checksums; others add
//! the content size, checksums, larger or linked blocks): all are read, and the magic is the standard one.

use std::io::{self, Read, Write};

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use super::{Failure, Output, invalid};

const MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();

pub(super) fn decompress(body: &[u8], output: &mut Output) -> Result<(), Failure> {
    // The decoder would also take the legacy format, which no Kafka client reads.
    if !body.starts_with(&MAGIC) {
        return Err(invalid("it does not begin with the magic of a frame"));
    }
    let mut decoder = FrameDecoder::new(Input { rest: body, starved: false });
    loop {
        let spare = output.spare();
        if spare.is_empty() {
            // Full: only a further byte, not a full buffer, is a reason to grow or to give up.
            let mut probe = [0];
            if decoder.read(&mut probe).map_err(invalid)? == 0 {
                break;
            }
            output.grow()?;
            output.spare()[0] = probe[0];
            output.advance(1);
            continue;
        }
        match decoder.read(spare).map_err(invalid)? {
            0 => break,
            written => output.advance(written),
        }
    }
    let input = decoder.get_ref();
    if input.starved {
        return Err(invalid("it ends before its end mark"));
    }
    if !input.rest.is_empty() {
        return Err(invalid(format_args!("{} bytes follow its end mark", input.rest.len())));
    }
    Ok(())
}

/// The body as a reader that remembers whether more was asked for than there is: the decoder takes the end
/// of its input between two blocks for the end of the frame.
struct Input<'a> {
    rest: &'a [u8],
    starved: bool,
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.starved |= buffer.len() > self.rest.len();
        self.rest.read(buffer)
    }
}

pub(super) fn compress(records: &[u8], out: &mut Vec<u8>) {
    let info = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(info, out);
    encoder.write_all(records).expect("writing to memory does not fail");
    encoder.finish().expect("writing to memory does not fail");
}
