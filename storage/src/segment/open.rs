//! Opening an object: its end, its directory, its runs.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use strom_protocol::TopicId;

use super::arrow_file::{END_BYTES, footer_bytes};
use super::chunk::Chunk;
use super::directory::{Directory, LOCATOR_BYTES, Locator, RunKey, Section};
use super::fetch::Loaded;
use super::{RangeSource, RunSummary, SegmentError, SourceError};

/// What is read of the end at first: enough for footer and directory of most objects.
const END_READ_BYTES: u64 = 64 * 1024;

/// An open segment. Holds the directory as it is in the object (about 150 bytes a chunk), and the last chunk
/// that a read left half-way, so that the next read need not fetch and decode it again.
#[derive(Clone, Debug)]
pub struct Segment {
    shared: Arc<Shared>,
    directory: Directory,
}

/// What the runs of a segment share.
pub(super) struct Shared {
    pub(super) source: Arc<dyn RangeSource>,
    /// The chunk at a position, decoded, as long as readers are in the middle of it.
    half_read: Mutex<Option<(u64, Arc<Loaded>)>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn keep(&self, chunk: &Chunk, loaded: Option<Arc<Loaded>>) {
        let kept = loaded.map(|loaded| (chunk.position, loaded));
        *self.half_read.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }

    pub(super) fn kept(&self, chunk: &Chunk) -> Option<Arc<Loaded>> {
        let kept = self.half_read.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|kept| kept.0 == chunk.position).map(|kept| Arc::clone(&kept.1))
    }
}

impl Segment {
    /// Reads the directory, and nothing of the chunks: one read for most objects, three at most.
    pub fn open(source: Arc<dyn RangeSource>) -> Result<Segment, SegmentError> {
        let len = source.len();
        let damaged = |reason: &str| SegmentError::whole(len, reason);
        let read_from = len.saturating_sub(END_READ_BYTES);
        let end = read_one(&*source, read_from..len)?;
        let last = end.len().checked_sub(END_BYTES).map(|from| &end[from..]);
        let footer = last
            .and_then(footer_bytes)
            .ok_or_else(|| damaged("it does not end as an Arrow file does"))?;
        let behind = footer + (END_BYTES + LOCATOR_BYTES) as u64;
        let locator_position = len
            .checked_sub(behind)
            .ok_or_else(|| damaged("the footer is longer than the object"))?;
        // A position in what was read, or nothing if more must be read.
        let within = |position: u64, bytes: usize| {
            let from = usize::try_from(position.checked_sub(read_from)?).ok()?;
            (from + bytes <= end.len()).then(|| end.slice(from..from + bytes))
        };
        let part = |position: u64, bytes: usize| match within(position, bytes) {
            Some(part) => Ok(part),
            None => read_one(&*source, position..position + bytes as u64),
        };
        let locator = part(locator_position, LOCATOR_BYTES)?;
        let locator = Locator::decode(&locator, locator_position)?;
        let bytes = part(locator.directory_position, locator.directory_bytes as usize)?;
        let directory = Directory::open(bytes, locator)?;
        Ok(Segment { shared: Arc::new(Shared { source, half_read: Mutex::new(None) }), directory })
    }

    /// The run of a partition, its part of the directory decoded; `None` if the object has none.
    pub fn run(&self, topic: TopicId, partition: i32) -> Option<Result<Run, SegmentError>> {
        let section = self.directory.section(RunKey { topic, partition })?;
        Some(
            section.map(|section| Run {
                shared: Arc::clone(&self.shared),
                section: Arc::new(section),
            }),
        )
    }

    /// Whose runs the object has, in order.
    pub fn runs(&self) -> impl Iterator<Item = (TopicId, i32)> {
        self.directory.keys().map(|key| (key.topic, key.partition))
    }
}

/// One partition's batches in a segment. Holds about 400 bytes a chunk; cheap to clone.
#[derive(Clone, Debug)]
pub struct Run {
    pub(super) shared: Arc<Shared>,
    section: Arc<Section>,
}

impl Run {
    /// What the run holds.
    pub fn summary(&self) -> &RunSummary {
        &self.section.summary
    }

    pub(super) fn chunks(&self) -> &[Chunk] {
        &self.section.chunks
    }

    /// The chunks from the one that has `from` or what follows it.
    pub(super) fn chunks_from(&self, from: i64) -> &[Chunk] {
        let chunks = self.chunks();
        &chunks[chunks.partition_point(|chunk| chunk.next_offset <= from)..]
    }
}

fn read_one(
    source: &dyn RangeSource,
    range: std::ops::Range<u64>,
) -> Result<bytes::Bytes, SegmentError> {
    read(source, std::slice::from_ref(&range)).map(|mut parts| parts.remove(0))
}

/// Reads ranges and sees to it that they are whole.
pub(super) fn read(
    source: &dyn RangeSource,
    ranges: &[std::ops::Range<u64>],
) -> Result<Vec<bytes::Bytes>, SegmentError> {
    let parts = source.read(ranges)?;
    let is_whole = parts.len() == ranges.len()
        && parts
            .iter()
            .zip(ranges)
            .all(|(part, range)| part.len() as u64 == range.end - range.start);
    if is_whole {
        Ok(parts)
    } else {
        Err(SourceError::Failed("a read came back short".into()).into())
    }
}
