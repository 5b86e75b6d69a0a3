//! Segments: what is older than the journal, as immutable columnar files.
//!
//! A segment is one object. It holds the batches of one or many partitions (*runs*), each as a row of
//! *chunks* of about a mebibyte:
//!
//! ```text
//! object: ARROW1, schema │ chunk │ chunk │ … │ end of stream │ directory │ locator │ Arrow footer, ARROW1
//! chunk : batch table │ (blocks) │ Arrow record batch: timestamp, key, value, headers
//! ```
//!
//! To others it is an Arrow IPC file whose record batches are the chunks; Arrow readers go by the footer's
//! positions and never see the rest. We go by the directory, found by the locator before the footer, and
//! fetch only the buffers that a read needs. Chunks are of two kinds. *Plain*: batches that came uncompressed;
//! every field is a column, and reading encodes them again, bit for bit. *Block*: batches that came compressed
//! (or that no encoder would write so) keep their body verbatim beside the columns, and `value` is null.
//!
//! ```text
//! let mut writer = SegmentWriter::new(options);
//! writer.begin(topic, partition, compression);         // once for each run
//! writer.append(&batch, &mut scratch)?;                // in the order of offsets
//! for part in writer.take_parts() { … }                // whenever it suits
//! let finished = writer.finish();                      // the last parts, and what the runs hold
//!
//! let segment = Segment::open(source)?;                // reads the directory, no data
//! let run = segment.run(topic, partition)?;
//! let batches = run.read(from, end, limits, &mut scratch)?;   // as produced
//! for columns in run.scan(ScanRequest { columns, offsets, predicate }) { … }
//! let next = run.copy_into(from, max_bytes, &mut writer, &mut scratch)?;   // merging
//! let verified = run.verify(0, &mut scratch)?;
//! ```
//!
//! No I/O here: bytes leave as parts and come through a [`RangeSource`]. Nothing that was read is trusted:
//! positions and lengths are checked against the object before use, checksums before content, and damage is
//! reported with the offsets that it hit.

mod arrays;
mod arrow_file;
mod batch_table;
mod chunk;
mod chunk_builder;
mod columns;
mod digest;
mod directory;
mod fetch;
mod merge;
mod open;
mod read;
mod request;
mod scan;
mod verify;
mod wire;
mod writer;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use strom_protocol::TopicId;

pub use digest::digest_of;
pub use open::{Run, Segment};
pub use request::{Column, ColumnSet, Predicate, ScanRequest};
pub use scan::Scan;
pub use verify::{Mismatch, Verified};
pub use writer::{FinishedSegment, SegmentWriter};

/// The version of the format that is written, and the greatest that is read.
pub const FORMAT_VERSION: u32 = 1;

/// The size that chunks are filled to unless the options say otherwise.
pub const DEFAULT_CHUNK_BYTES: usize = 1 << 20;

/// How the columns of plain chunks are compressed. Batches that came compressed stay as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SegmentCompression {
    /// Not, but for buffers of zeros.
    #[default]
    None,
    /// LZ4: the cheapest to read.
    Lz4,
    /// zstd, level 1.
    Zstd,
}

/// How segments are written.
#[derive(Clone, Copy, Debug)]
pub struct SegmentOptions {
    /// The size that a chunk is filled to; a batch is never divided, so one of a large batch is larger.
    pub chunk_bytes: usize,
}

impl Default for SegmentOptions {
    fn default() -> SegmentOptions {
        SegmentOptions { chunk_bytes: DEFAULT_CHUNK_BYTES }
    }
}

/// What a segment holds of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSummary {
    /// The topic.
    pub topic: TopicId,
    /// The partition's number.
    pub partition: i32,
    /// The first batch's base offset.
    pub base_offset: i64,
    /// The offset behind the last batch.
    pub next_offset: i64,
    /// The number of batches.
    pub batches: u64,
    /// The size of the batches as consumers get them.
    pub wire_bytes: u64,
    /// The size of the chunks in the object.
    pub stored_bytes: u64,
    /// The least timestamp of the records that consumers see; above `max_timestamp` if there is no record.
    pub min_timestamp: i64,
    /// The greatest.
    pub max_timestamp: i64,
    /// Each leader epoch with its first offset here.
    pub leader_epochs: Vec<(i32, i64)>,
}

/// Where a segment's bytes come from: an object in a store, or memory in tests.
pub trait RangeSource: Send + Sync + std::fmt::Debug {
    /// The size of the object.
    fn len(&self) -> u64;

    /// Whether the object is empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads ranges, which ascend, do not overlap and lie within the object: one part for each, whole.
    fn read(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, SourceError>;
}

/// Why an object could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It is not there (any more).
    #[error("object {0} does not exist")]
    Gone(Arc<str>),
    /// The store failed.
    #[error("{0}")]
    Failed(Arc<str>),
}

/// Why a segment could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// Bytes are not those that were written.
    #[error(
        "segment is damaged at position {position}, offsets {offset_from} to {offset_to}: {reason}"
    )]
    Corrupt {
        /// The first offset that is lost. The damage of a directory hits all: 0 to `i64::MAX`.
        offset_from: i64,
        /// The offset behind the last one that is lost.
        offset_to: i64,
        /// Where in the object.
        position: u64,
        /// What is wrong.
        reason: Arc<str>,
    },
    /// A newer version of Strom wrote it.
    #[error("segment has format {version}, this version reads up to {FORMAT_VERSION}")]
    Newer {
        /// Its version.
        version: u32,
    },
    /// The object could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl SegmentError {
    /// Damage of what all offsets need.
    pub(crate) fn whole(position: u64, reason: impl AsRef<str>) -> SegmentError {
        SegmentError::corrupt(0..i64::MAX, position, reason)
    }

    pub(crate) fn corrupt(
        offsets: Range<i64>,
        position: u64,
        reason: impl AsRef<str>,
    ) -> SegmentError {
        SegmentError::Corrupt {
            offset_from: offsets.start,
            offset_to: offsets.end,
            position,
            reason: Arc::from(reason.as_ref()),
        }
    }
}

#[cfg(target_endian = "big")]
compile_error!("segments are little-endian and columns are written as they lie in memory");

#[cfg(test)]
mod tests;
