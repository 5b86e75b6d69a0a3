//! Objects in memory that count what is fetched of them.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::segment::{FinishedSegment, RangeSource, Segment, SourceError};

/// An object in memory; remembers the ranges that were read.
#[derive(Debug, Default)]
pub(super) struct Object {
    pub(super) bytes: Bytes,
    reads: Mutex<Vec<Range<u64>>>,
}

impl Object {
    pub(super) fn new(bytes: impl Into<Bytes>) -> Arc<Object> {
        Arc::new(Object { bytes: bytes.into(), reads: Mutex::default() })
    }

    /// The object of a writer that kept all its parts.
    pub(super) fn of(finished: &FinishedSegment) -> Arc<Object> {
        let bytes = finished.parts.concat();
        assert_eq!(bytes.len() as u64, finished.bytes);
        Object::new(bytes)
    }

    pub(super) fn open(self: &Arc<Object>) -> Segment {
        Segment::open(Arc::clone(self) as Arc<dyn RangeSource>).unwrap()
    }

    /// What was read since this was last asked.
    pub(super) fn take_reads(&self) -> Vec<Range<u64>> {
        std::mem::take(&mut self.reads.lock().unwrap())
    }
}

impl RangeSource for Object {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, SourceError> {
        assert!(ranges.is_sorted_by(|a, b| a.end <= b.start), "ranges ascend: {ranges:?}");
        self.reads.lock().unwrap().extend_from_slice(ranges);
        ranges
            .iter()
            .map(|range| {
                let range = range.start as usize..range.end as usize;
                assert!(range.end <= self.bytes.len(), "{range:?} lies within the object");
                Ok(self.bytes.slice(range))
            })
            .collect()
    }
}
