//! One LZ4 frame. Clients differ in its flags (Java: independent 64 KiB blocks and no checksums; others add
//! the content size, checksums, larger or linked blocks): all are read, and the magic is the standard one.

use std::io::{self, Read, Write};

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use super::{Failure, Output, invalid};

const MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();
/// The descriptor's flag for independent blocks.
const FLAG_INDEPENDENT: u8 = 1 << 5;
/// The code of the largest blocks whose buffers are kept.
const BLOCK_SIZE_256_KIB: u8 = 5;
/// The longest body that may leave its copy behind.
const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// A frame decoder whose buffers are kept for the next frame of the same block layout. The library sizes
/// them for one layout and relies on that, and after an error it stands in the middle of a frame: in both
/// cases a new one is made.
#[derive(Default)]
pub(super) struct Decoder {
    kept: Option<(Layout, Box<FrameDecoder<Input>>)>,
}

/// What the decoder's buffers depend on.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Layout {
    linked: bool,
    block_size: u8,
}

impl Layout {
    fn of(body: &[u8]) -> Option<Layout> {
        let [flags, block_size] = *body.strip_prefix(&MAGIC)?.first_chunk()?;
        Some(Layout { linked: flags & FLAG_INDEPENDENT == 0, block_size: block_size >> 4 & 7 })
    }
}

/// Whether the body is a frame whose blocks refer to earlier ones. They are decompressed here, but not by
/// Kafka or its Java consumers ("Dependent block stream is unsupported", 4.3.1).
pub(in crate::record) fn blocks_are_linked(body: &[u8]) -> bool {
    Layout::of(body).is_some_and(|layout| layout.linked)
}

pub(super) fn decompress(
    decoder: &mut Decoder,
    body: &[u8],
    output: &mut Output,
) -> Result<(), Failure> {
    // The decoder would also take the legacy format, which no Kafka client reads.
    let layout = Layout::of(body)
        .ok_or_else(|| invalid("it does not begin with a frame's magic and descriptor"))?;
    let mut frame = match decoder.kept.take() {
        Some((kept, frame)) if kept == layout => frame,
        _ => Box::new(FrameDecoder::new(Input::default())),
    };
    frame.get_mut().refill(body);
    loop {
        match frame.read(output.spare(body.len())?).map_err(invalid)? {
            0 => break,
            written => output.advance(written),
        }
    }
    let input = frame.get_ref();
    if input.starved {
        return Err(invalid("it ends before its end mark"));
    }
    if input.at < input.bytes.len() {
        let left = input.bytes.len() - input.at;
        return Err(invalid(format_args!("{left} bytes follow its end mark")));
    }
    if layout.block_size <= BLOCK_SIZE_256_KIB && body.len() <= KEPT_BYTES_MAX {
        decoder.kept = Some((layout, frame));
    }
    Ok(())
}

/// A copy of the body, since a kept decoder cannot borrow. It remembers whether more was asked for than there
/// is: the decoder takes the end of its input between two blocks for the end of the frame.
#[derive(Default)]
struct Input {
    bytes: Vec<u8>,
    at: usize,
    starved: bool,
}

impl Input {
    fn refill(&mut self, body: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(body);
        self.at = 0;
        self.starved = false;
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut rest = &self.bytes[self.at..];
        self.starved |= buffer.len() > rest.len();
        let read = rest.read(buffer)?;
        self.at += read;
        Ok(read)
    }
}

pub(super) fn compress(records: &[u8], out: &mut Vec<u8>) {
    let info = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(info, out);
    encoder.write_all(records).expect("writing to memory does not fail");
    encoder.finish().expect("writing to memory does not fail");
}
