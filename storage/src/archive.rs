//! Segments in the object store: written part by part, opened when they are read, kept open within bounds.
//!
//! All calls block; they belong on the storage's own threads and on those that may wait for the disk.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::TryStreamExt;
use futures::executor::block_on;
use object_store::path::Path;
use object_store::{Error, MultipartUpload, ObjectStore, ObjectStoreExt};
use strom_protocol::record::Scratch;
use strom_protocol::{TopicId, Uuid};

use crate::partition::{ReadLimits, StoredBatch, TimestampOffset};
use crate::segment::{RangeSource, Run, Segment, SegmentError, SourceError, Verified};
use crate::segment_list::{Condemned, ListedSegment, Object};
use crate::ticket::lock;

/// Segments that are kept open: each keeps its directory and the chunk that was read last, a mebibyte or two.
const OPEN_MAX: usize = 32;
/// The size of an object's parts: some stores take none that are smaller.
const PART_BYTES: usize = 5 << 20;
/// Buffers for decompression that are kept between reads.
const SCRATCHES_MAX: usize = 2;

const FOLDER: &str = "segments";
const SUFFIX: &str = ".arrow";

/// All objects with segments.
#[derive(Debug)]
pub(crate) struct Archive {
    store: Arc<dyn ObjectStore>,
    /// Where the objects are, for messages.
    root: PathBuf,
    /// Objects that nothing refers to any more.
    pub(crate) condemned: Arc<Condemned>,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    /// The one used last is at the back.
    open: VecDeque<(Uuid, Arc<Segment>)>,
    scratches: Vec<Scratch>,
}

/// Which offsets of a segment are wanted: from the batch that contains `from`, none that begins at `end`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) topic: TopicId,
    pub(crate) partition: i32,
    pub(crate) from: i64,
    pub(crate) end: i64,
    pub(crate) limits: ReadLimits,
}

/// An object that is being written; nothing of it stays unless it is finished.
#[derive(Debug)]
pub(crate) struct ObjectWriter {
    pub(crate) id: Uuid,
    upload: Box<dyn MultipartUpload>,
    parts: Vec<Bytes>,
    waiting_bytes: usize,
    pub(crate) bytes: u64,
}

fn location_of(id: Uuid) -> Path {
    Path::from(format!("{FOLDER}/{}{SUFFIX}", id.simple()))
}

impl Archive {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, root: PathBuf) -> Archive {
        Archive { store, root, condemned: Arc::default(), cache: Mutex::default() }
    }

    /// The name of an object, for messages.
    pub(crate) fn file_of(&self, id: Uuid) -> PathBuf {
        self.root.join(location_of(id).as_ref())
    }

    /// Where the objects are.
    pub(crate) fn root(&self) -> &FilePath {
        &self.root
    }

    /// All objects with their sizes.
    pub(crate) fn list(&self) -> Result<Vec<(Uuid, u64)>, Error> {
        let listed: Vec<_> = block_on(self.store.list(Some(&Path::from(FOLDER))).try_collect())?;
        let id_of =
            |location: &Path| Uuid::try_parse(location.filename()?.strip_suffix(SUFFIX)?).ok();
        Ok(listed
            .into_iter()
            .filter_map(|meta| Some((id_of(&meta.location)?, meta.size)))
            .collect())
    }

    /// Removes an object; fine if it is not there.
    pub(crate) fn delete(&self, id: Uuid) -> Result<(), Error> {
        lock(&self.cache).open.retain(|(open, _)| *open != id);
        match block_on(self.store.delete(&location_of(id))) {
            Err(Error::NotFound { .. }) => Ok(()),
            other => other,
        }
    }

    /// Begins an object under an id that is never used again.
    pub(crate) fn create(&self) -> Result<ObjectWriter, Error> {
        let id = Uuid::new_v4();
        let upload = block_on(self.store.put_multipart(&location_of(id)))?;
        Ok(ObjectWriter { id, upload, parts: Vec::new(), waiting_bytes: 0, bytes: 0 })
    }

    /// A segment's run, opened if it is not open.
    pub(crate) fn run(
        &self,
        object: &Object,
        topic: TopicId,
        partition: i32,
    ) -> Result<Run, SegmentError> {
        run_of(self.segment(object)?.as_ref(), topic, partition)
    }

    fn segment(&self, object: &Object) -> Result<Arc<Segment>, SegmentError> {
        let mut cache = lock(&self.cache);
        if let Some(at) = cache.open.iter().position(|(id, _)| *id == object.id)
            && let Some(used) = cache.open.remove(at)
        {
            let segment = Arc::clone(&used.1);
            cache.open.push_back(used);
            return Ok(segment);
        }
        drop(cache);
        let segment = self.open_uncached(object)?;
        let mut cache = lock(&self.cache);
        cache.open.push_back((object.id, Arc::clone(&segment)));
        if cache.open.len() > OPEN_MAX {
            cache.open.pop_front();
        }
        Ok(segment)
    }

    /// Opens an object, whatever is open.
    fn open_uncached(&self, object: &Object) -> Result<Arc<Segment>, SegmentError> {
        let store = Arc::clone(&self.store);
        let source = ObjectSource { store, location: location_of(object.id), bytes: object.bytes };
        Ok(Arc::new(Segment::open(Arc::new(source))?))
    }

    /// Batches of a segment as they were produced: up to the limits, or to the first damaged one. Damage of
    /// the first one is an error.
    pub(crate) fn read(
        &self,
        segment: &ListedSegment,
        wanted: Wanted,
    ) -> Result<Vec<StoredBatch>, SegmentError> {
        let run = self.run(&segment.object, wanted.topic, wanted.partition)?;
        let Wanted { from, end, limits, .. } = wanted;
        self.with_scratch(|scratch| match run.read(from, end, limits, scratch) {
            Err(SegmentError::Corrupt { offset_from, .. }) if from < offset_from => {
                run.read(from, offset_from, limits, scratch)
            }
            other => other,
        })
    }

    /// The first record from an offset on whose timestamp is at or above one.
    pub(crate) fn offset_for_timestamp(
        &self,
        segment: &ListedSegment,
        (topic, partition): (TopicId, i32),
        from: i64,
        timestamp_ms: i64,
    ) -> Result<Option<TimestampOffset>, SegmentError> {
        let run = self.run(&segment.object, topic, partition)?;
        self.with_scratch(|scratch| run.offset_for_timestamp(from, timestamp_ms, scratch))
    }

    /// The first record with the greatest timestamp of those from an offset on.
    pub(crate) fn max_timestamp(
        &self,
        segment: &ListedSegment,
        (topic, partition): (TopicId, i32),
        from: i64,
    ) -> Result<Option<TimestampOffset>, SegmentError> {
        let run = self.run(&segment.object, topic, partition)?;
        self.with_scratch(|scratch| run.max_timestamp(from, segment.next_offset, scratch))
    }

    /// Reads a segment again from an offset on from what is in the store now, and compares it with the
    /// digests in it.
    pub(crate) fn verify(
        &self,
        segment: &ListedSegment,
        topic: TopicId,
        (partition, from): (i32, i64),
    ) -> Result<Verified, SegmentError> {
        let run = run_of(self.open_uncached(&segment.object)?.as_ref(), topic, partition)?;
        Ok(self.with_scratch(|scratch| run.verify(from, scratch))?)
    }

    /// Lends buffers for decompression.
    pub(crate) fn with_scratch<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> T {
        let mut scratch = lock(&self.cache).scratches.pop().unwrap_or_default();
        let result = work(&mut scratch);
        let mut cache = lock(&self.cache);
        if cache.scratches.len() < SCRATCHES_MAX {
            cache.scratches.push(scratch);
        }
        result
    }
}

fn run_of(segment: &Segment, topic: TopicId, partition: i32) -> Result<Run, SegmentError> {
    segment.run(topic, partition).unwrap_or_else(|| {
        Err(SegmentError::Corrupt {
            offset_from: 0,
            offset_to: i64::MAX,
            position: 0,
            reason: Arc::from("the object's directory does not name this partition"),
        })
    })
}

impl ObjectWriter {
    pub(crate) fn write(&mut self, parts: Vec<Bytes>) -> Result<(), Error> {
        let bytes: usize = parts.iter().map(Bytes::len).sum();
        self.parts.extend(parts);
        self.waiting_bytes += bytes;
        self.bytes += bytes as u64;
        if self.waiting_bytes >= PART_BYTES { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> Result<(), Error> {
        self.waiting_bytes = 0;
        let payload = std::mem::take(&mut self.parts).into_iter().collect();
        block_on(self.upload.put_part(payload))
    }

    /// Makes the object durable.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        self.send()?;
        block_on(self.upload.complete()).map(|_| ())
    }

    /// Leaves nothing of the object, if the store lets us; otherwise what is left goes on the next opening.
    pub(crate) fn abort(mut self) {
        drop(block_on(self.upload.abort()));
    }
}

/// An object as a segment reads it.
#[derive(Debug)]
struct ObjectSource {
    store: Arc<dyn ObjectStore>,
    location: Path,
    bytes: u64,
}

impl RangeSource for ObjectSource {
    fn len(&self) -> u64 {
        self.bytes
    }

    fn read(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, SourceError> {
        block_on(self.store.get_ranges(&self.location, ranges)).map_err(|error| match error {
            Error::NotFound { path, .. } => SourceError::Gone(Arc::from(path)),
            other => SourceError::Failed(Arc::from(other.to_string())),
        })
    }
}
