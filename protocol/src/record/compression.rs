//! The codecs of a batch's body, in the framings that Kafka clients write.
//!
//! Decompression goes into a [`Scratch`]: one output buffer and the codecs' own state, all reused. The output
//! grows with what was really decompressed, never at one stroke to a size that the input claims, and stops
//! at the scratch's limit. Each codec must consume the whole body.
//!
//! - gzip: one or more members (RFC 1952)
//! - snappy: the framing of Java's `SnappyOutputStream` (xerial), or one bare block as librdkafka sends it
//! - lz4: one standard frame, any combination of its flags; no dictionary, no legacy format
//! - zstd: one or more frames

mod codec;
mod gzip;
mod lz4;
mod snappy;
mod zstd_frame;

use std::fmt;

pub(super) use lz4::blocks_are_linked as lz4_blocks_are_linked;

/// The codec of a batch's body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// The records as they are.
    #[default]
    None,
    /// Codec 1.
    Gzip,
    /// Codec 2.
    Snappy,
    /// Codec 3.
    Lz4,
    /// Codec 4, since Produce 7 and Fetch 10.
    Zstd,
}

impl Compression {
    /// All codecs, in the order of their numbers.
    pub const ALL: [Compression; 5] = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];

    /// The number in the attributes.
    pub fn code(self) -> i16 {
        match self {
            Compression::None => 0,
            Compression::Gzip => 1,
            Compression::Snappy => 2,
            Compression::Lz4 => 3,
            Compression::Zstd => 4,
        }
    }

    /// The name in Kafka's `compression.type`.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a body cannot be decompressed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompressionError {
    /// The bytes are not what the codec writes.
    #[error("invalid {codec} data: {reason}")]
    Invalid {
        /// The codec that the attributes name.
        codec: Compression,
        /// What the codec objects to.
        reason: String,
    },
    /// The records take more than the limit.
    #[error("its records exceed the limit of {limit} bytes after decompression")]
    TooLarge {
        /// [`Scratch::max_decompressed_bytes`].
        limit: usize,
    },
}

/// What a body may decompress to unless a [`Scratch`] is given another limit.
pub const DEFAULT_MAX_DECOMPRESSED_BYTES: usize = 256 * 1024 * 1024;

/// What a scratch keeps between batches; more is given back after use.
const KEPT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How much larger than its input memory is made at once for output of a size that was told.
const KNOWN_RATIO_MAX: usize = 64;

/// Reusable memory for decompression. One per thread or task; cheap to create, useful to keep.
pub struct Scratch {
    max_decompressed_bytes: usize,
    output: Output,
    codecs: codec::Decoders,
}

impl Scratch {
    /// A scratch with the default limit of 256 MiB.
    pub fn new() -> Scratch {
        Scratch::with_limit(DEFAULT_MAX_DECOMPRESSED_BYTES)
    }

    /// A scratch that refuses bodies of more than `max_decompressed_bytes`.
    pub fn with_limit(max_decompressed_bytes: usize) -> Scratch {
        Scratch { max_decompressed_bytes, output: Output::default(), codecs: Default::default() }
    }

    /// The limit on what one body may decompress to.
    pub fn max_decompressed_bytes(&self) -> usize {
        self.max_decompressed_bytes
    }

    /// The bytes that are kept for the next batch, without the codecs' own state.
    pub fn kept_bytes(&self) -> usize {
        self.output.buffer.capacity()
    }

    /// Decompresses a body; the result lives until the scratch is used again. Plain bodies are returned as
    /// they are.
    pub fn decompress<'a>(
        &'a mut self,
        compression: Compression,
        body: &'a [u8],
    ) -> Result<&'a [u8], CompressionError> {
        let output = &mut self.output;
        output.restart(self.max_decompressed_bytes);
        let result = match compression {
            Compression::None => return Ok(body),
            Compression::Gzip => gzip::decompress(self.codecs.gzip(), body, output),
            Compression::Snappy => snappy::decompress(self.codecs.snappy(), body, output),
            Compression::Lz4 => lz4::decompress(self.codecs.lz4(), body, output),
            Compression::Zstd => zstd_frame::decompress(self.codecs.zstd(), body, output),
        };
        let result = result.and_then(|()| self.output.check_limit());
        if let Err(failure) = result {
            self.release_excess();
            return Err(failure.named(compression, self.max_decompressed_bytes));
        }
        Ok(self.output.filled())
    }

    /// Decompresses what is known to become `bytes` long into memory of its own; other sizes are errors. No
    /// more than a small multiple of the input is reserved on the word of `bytes`.
    pub fn decompress_exactly(
        &mut self,
        compression: Compression,
        input: &[u8],
        bytes: usize,
    ) -> Result<Vec<u8>, CompressionError> {
        // One byte more, or seeing that nothing follows would move everything.
        let first = (bytes + 1).min(input.len().saturating_mul(KNOWN_RATIO_MAX));
        let mut output = Output { buffer: vec![0; first], len: 0, limit: bytes };
        let result = match compression {
            Compression::None => {
                output = Output { buffer: input.to_vec(), len: input.len(), limit: bytes };
                Ok(())
            }
            Compression::Gzip => gzip::decompress(self.codecs.gzip(), input, &mut output),
            Compression::Snappy => snappy::decompress(self.codecs.snappy(), input, &mut output),
            Compression::Lz4 => lz4::decompress(self.codecs.lz4(), input, &mut output),
            Compression::Zstd => zstd_frame::decompress(self.codecs.zstd(), input, &mut output),
        };
        let found = output.len;
        let result = result.and_then(|()| match found == bytes {
            true => Ok(()),
            false => Err(invalid(format_args!("{found} bytes instead of {bytes}"))),
        });
        result.map_err(|failure| failure.named(compression, bytes))?;
        output.buffer.truncate(bytes);
        Ok(output.buffer)
    }

    /// Gives back what an unusually large batch made the buffer grow to.
    pub fn release_excess(&mut self) {
        if self.output.buffer.capacity() > KEPT_BYTES_MAX {
            self.output = Output::default();
        }
    }
}

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch::new()
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch")
            .field("max_decompressed_bytes", &self.max_decompressed_bytes)
            .field("kept_bytes", &self.kept_bytes())
            .finish_non_exhaustive()
    }
}

/// Compresses `records` behind what `out` already holds.
pub fn compress(compression: Compression, records: &[u8], out: &mut Vec<u8>) {
    match compression {
        Compression::None => out.extend_from_slice(records),
        Compression::Gzip => gzip::compress(records, out),
        Compression::Snappy => snappy::compress(records, out),
        Compression::Lz4 => lz4::compress(records, out),
        Compression::Zstd => zstd_frame::compress(records, out),
    }
}

/// What a codec reports; [`Scratch::decompress`] adds the names.
#[derive(Debug)]
enum Failure {
    Invalid(String),
    TooLarge,
}

impl Failure {
    fn named(self, codec: Compression, limit: usize) -> CompressionError {
        match self {
            Failure::Invalid(reason) => CompressionError::Invalid { codec, reason },
            Failure::TooLarge => CompressionError::TooLarge { limit },
        }
    }
}

fn invalid(reason: impl fmt::Display) -> Failure {
    Failure::Invalid(reason.to_string())
}

/// A bounded, growing output. The buffer is initialised to its whole length once and only `len` moves, so
/// that reuse clears nothing.
///
/// It may become one byte longer than the limit: a codec that stops at the limit is then told apart from one
/// that has more to write.
#[derive(Default)]
struct Output {
    buffer: Vec<u8>,
    len: usize,
    limit: usize,
}

impl Output {
    /// The least that is worth growing by.
    const STEP_BYTES: usize = 32 * 1024;
    /// How much larger than its input a first buffer is made.
    const LIKELY_RATIO: usize = 4;

    fn restart(&mut self, limit: usize) {
        self.len = 0;
        self.limit = limit;
    }

    fn filled(&self) -> &[u8] {
        &self.buffer[..self.len]
    }

    fn check_limit(&self) -> Result<(), Failure> {
        if self.len > self.limit { Err(Failure::TooLarge) } else { Ok(()) }
    }

    /// Where the next bytes go, never empty: makes room for some multiple of `input_bytes` when there is
    /// none, and fails when the limit leaves none.
    fn spare(&mut self, input_bytes: usize) -> Result<&mut [u8], Failure> {
        if self.len == self.buffer.len() {
            self.grow(input_bytes)?;
        }
        Ok(&mut self.buffer[self.len..])
    }

    fn advance(&mut self, written: usize) {
        self.len += written;
    }

    /// Makes more room: twice as much, or what input of this size is likely to need.
    fn grow(&mut self, input_bytes: usize) -> Result<(), Failure> {
        let (now, full) = (self.buffer.len(), self.limit.saturating_add(1));
        if now >= full {
            return Err(Failure::TooLarge);
        }
        let likely = input_bytes.saturating_mul(Self::LIKELY_RATIO).min(KEPT_BYTES_MAX);
        let next = now.saturating_mul(2).max(likely).max(Self::STEP_BYTES);
        self.resize(if next >= self.limit { full } else { next });
        Ok(())
    }

    /// Room for exactly `bytes` more, which the caller knows to be in proportion to its input.
    fn reserve(&mut self, bytes: usize) -> Result<&mut [u8], Failure> {
        let end = self.len.checked_add(bytes).filter(|&end| end <= self.limit);
        let end = end.ok_or(Failure::TooLarge)?;
        if self.buffer.len() < end {
            self.resize(end.max(self.buffer.len().saturating_mul(2)).min(self.limit));
        }
        Ok(&mut self.buffer[self.len..end])
    }

    /// Exactly: left to itself the vector would double what is already at the limit.
    fn resize(&mut self, bytes: usize) {
        self.buffer.reserve_exact(bytes - self.buffer.len());
        self.buffer.resize(bytes, 0);
    }
}
