//! Which segments hold the batches of a partition: its segment list.
//!
//! ```text
//! log start ──►│ segment │ segment │ segment │◄── flushed ── journal, tail ──► log end
//! ```
//!
//! Each segment is one key of the metadata log, `s/segments/<topic><partition><base offset>`. One object may
//! carry the segments of many partitions. An [`Object`] lives as long as a list or a reader refers to it;
//! after that it is condemned, and the flusher deletes it once the change of the lists is durable.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use strom_protocol::Uuid;

use crate::encoding::Input;
use crate::segment::RunSummary;
use crate::ticket::lock;

const FORMAT: u8 = 1;

/// Objects that nothing refers to any more.
pub(crate) type Condemned = Mutex<Vec<Uuid>>;

/// An object with segments.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) id: Uuid,
    pub(crate) bytes: u64,
    condemned: Arc<Condemned>,
}

impl Object {
    pub(crate) fn new(id: Uuid, bytes: u64, condemned: &Arc<Condemned>) -> Arc<Object> {
        Arc::new(Object { id, bytes, condemned: Arc::clone(condemned) })
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        lock(&self.condemned).push(self.id);
    }
}

/// A segment of one partition: a run in an object.
#[derive(Debug)]
pub(crate) struct ListedSegment {
    pub(crate) object: Arc<Object>,
    pub(crate) base_offset: i64,
    pub(crate) next_offset: i64,
    pub(crate) batches: u64,
    /// The size of the batches as consumers get them.
    pub(crate) wire_bytes: u64,
    /// What they take in the object.
    pub(crate) stored_bytes: u64,
    pub(crate) min_timestamp: i64,
    pub(crate) max_timestamp: i64,
    /// The journal up to here is not needed for what the segment holds.
    pub(crate) covered_lsn: u64,
    /// Each leader epoch with its first offset here.
    pub(crate) leader_epochs: Vec<(i32, i64)>,
}

impl ListedSegment {
    pub(crate) fn new(object: Arc<Object>, run: RunSummary, covered_lsn: u64) -> ListedSegment {
        ListedSegment {
            object,
            base_offset: run.base_offset,
            next_offset: run.next_offset,
            batches: run.batches,
            wire_bytes: run.wire_bytes,
            stored_bytes: run.stored_bytes,
            min_timestamp: run.min_timestamp,
            max_timestamp: run.max_timestamp,
            covered_lsn,
            leader_epochs: run.leader_epochs,
        }
    }

    /// The value of the metadata log: `format u8 │ object (16) │ object bytes u64 │ next offset i64 │ batches u64
    /// │ wire bytes u64 │ stored bytes u64 │ min timestamp i64 │ max timestamp i64 │ covered LSN u64 │ { leader
    /// epoch i32 │ first offset i64 }*`. The base offset is in the key.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut output = vec![FORMAT];
        output.extend_from_slice(self.object.id.as_bytes());
        output.extend_from_slice(&self.object.bytes.to_le_bytes());
        output.extend_from_slice(&self.next_offset.to_le_bytes());
        output.extend_from_slice(&self.batches.to_le_bytes());
        output.extend_from_slice(&self.wire_bytes.to_le_bytes());
        output.extend_from_slice(&self.stored_bytes.to_le_bytes());
        output.extend_from_slice(&self.min_timestamp.to_le_bytes());
        output.extend_from_slice(&self.max_timestamp.to_le_bytes());
        output.extend_from_slice(&self.covered_lsn.to_le_bytes());
        for (epoch, first_offset) in &self.leader_epochs {
            output.extend_from_slice(&epoch.to_le_bytes());
            output.extend_from_slice(&first_offset.to_le_bytes());
        }
        output
    }

    /// What [`encode`](Self::encode) wrote. `object_of` gives the object of an id, with the size it should have.
    pub(crate) fn decode(
        base_offset: i64,
        value: &[u8],
        object_of: impl FnOnce(Uuid, u64) -> Arc<Object>,
    ) -> Result<ListedSegment, Undecodable> {
        let mut input = Input(value);
        let version = input.u8().ok_or(Undecodable::Damaged)?;
        if version != FORMAT {
            return Err(Undecodable::Newer(version));
        }
        let fields = || {
            let (id, bytes) = (Uuid::from_bytes(input.array()?), input.u64()?);
            let mut segment = ListedSegment {
                object: object_of(id, bytes),
                base_offset,
                next_offset: input.i64()?,
                batches: input.u64()?,
                wire_bytes: input.u64()?,
                stored_bytes: input.u64()?,
                min_timestamp: input.i64()?,
                max_timestamp: input.i64()?,
                covered_lsn: input.u64()?,
                leader_epochs: Vec::new(),
            };
            while !input.is_empty() {
                segment.leader_epochs.push((input.i32()?, input.i64()?));
            }
            (segment.next_offset > base_offset).then_some(segment)
        };
        fields().ok_or(Undecodable::Damaged)
    }
}

/// Why a value is no segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undecodable {
    Newer(u8),
    Damaged,
}

/// The segments of one partition by ascending offsets. Between two of them may lie offsets that were lost.
#[derive(Debug, Default)]
pub(crate) struct SegmentList {
    segments: VecDeque<Arc<ListedSegment>>,
    wire_bytes: u64,
}

impl SegmentList {
    pub(crate) fn push(&mut self, segment: Arc<ListedSegment>) {
        assert!(
            self.end().is_none_or(|end| end <= segment.base_offset),
            "a segment from offset {} follows one that ends at {:?}",
            segment.base_offset,
            self.end()
        );
        self.wire_bytes += segment.wire_bytes;
        self.segments.push_back(segment);
    }

    /// The offset behind the last segment; `None` if there is none.
    pub(crate) fn end(&self) -> Option<i64> {
        self.segments.back().map(|segment| segment.next_offset)
    }

    /// The size of all batches as consumers get them.
    pub(crate) fn wire_bytes(&self) -> u64 {
        self.wire_bytes
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<ListedSegment>> {
        self.segments.iter()
    }

    /// The segments from the first one that ends behind an offset.
    pub(crate) fn from(&self, offset: i64) -> impl Iterator<Item = &Arc<ListedSegment>> {
        let first = self.segments.partition_point(|segment| segment.next_offset <= offset);
        self.segments.range(first..)
    }

    /// Takes the segments off that end at or below an offset.
    #[must_use]
    pub(crate) fn take_below(&mut self, offset: i64) -> Vec<Arc<ListedSegment>> {
        let count = self.segments.partition_point(|segment| segment.next_offset <= offset);
        let taken: Vec<_> = self.segments.drain(..count).collect();
        self.wire_bytes -= taken.iter().map(|segment| segment.wire_bytes).sum::<u64>();
        taken
    }

    /// Puts one segment in the place of several that lie one behind the other; false, and nothing is changed,
    /// if they are not all there any more.
    pub(crate) fn replace(&mut self, old: &[Arc<ListedSegment>], new: &Arc<ListedSegment>) -> bool {
        let first = self.segments.partition_point(|segment| segment.base_offset < new.base_offset);
        let last = first + old.len();
        let is_there = last <= self.segments.len()
            && self.segments.range(first..last).zip(old).all(|(a, b)| Arc::ptr_eq(a, b));
        if !is_there || old.is_empty() {
            return false;
        }
        self.wire_bytes -= old.iter().map(|segment| segment.wire_bytes).sum::<u64>();
        self.wire_bytes += new.wire_bytes;
        self.segments.drain(first + 1..last);
        self.segments[first] = Arc::clone(new);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(base_offset: i64, next_offset: i64, condemned: &Arc<Condemned>) -> ListedSegment {
        ListedSegment {
            object: Object::new(Uuid::from_u128(base_offset as u128 + 1), 1000, condemned),
            base_offset,
            next_offset,
            batches: 2,
            wire_bytes: (next_offset - base_offset) as u64 * 10,
            stored_bytes: 5,
            min_timestamp: -1,
            max_timestamp: 77,
            covered_lsn: 1 << 40,
            leader_epochs: vec![(0, base_offset), (3, base_offset + 1)],
        }
    }

    fn list(condemned: &Arc<Condemned>) -> SegmentList {
        let mut list = SegmentList::default();
        for (base, next) in [(0, 10), (10, 20), (20, 30), (35, 40)] {
            list.push(Arc::new(segment(base, next, condemned)));
        }
        list
    }

    #[test]
    fn values_are_the_bytes_of_format_1() {
        let condemned = Arc::default();
        let written = segment(5, 9, &condemned);
        let golden = "01 00000000000000000000000000000006 e803000000000000 0900000000000000 \
                      0200000000000000 2800000000000000 0500000000000000 ffffffffffffffff \
                      4d00000000000000 0000000000010000 00000000 0500000000000000 03000000 \
                      0600000000000000";
        let hex: String = written.encode().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, golden.replace(' ', ""));
        let decode = |value: &[u8]| {
            ListedSegment::decode(5, value, |id, bytes| Object::new(id, bytes, &condemned))
        };
        assert_eq!(decode(&written.encode()).unwrap().encode(), written.encode());
        let mut newer = written.encode();
        newer[0] = 2;
        assert_eq!(decode(&newer).unwrap_err(), Undecodable::Newer(2));
        for end in (1..81).chain(82..93) {
            assert_eq!(decode(&written.encode()[..end]).unwrap_err(), Undecodable::Damaged);
        }
    }

    #[test]
    fn segments_are_found_dropped_and_replaced() {
        let condemned = Arc::default();
        let mut list = list(&condemned);
        assert_eq!((list.end(), list.wire_bytes()), (Some(40), 350));
        for (offset, expected) in [(0, 0), (9, 0), (10, 10), (29, 20), (30, 35), (39, 35)] {
            assert_eq!(list.from(offset).next().unwrap().base_offset, expected, "{offset}");
        }
        assert!(list.from(40).next().is_none());
        let old: Vec<_> = list.iter().skip(1).take(2).cloned().collect();
        let merged = Arc::new(segment(10, 30, &condemned));
        assert!(!list.replace(&[], &merged));
        assert!(list.replace(&old, &merged));
        assert!(!list.replace(&old, &merged), "they are not there any more");
        let bases: Vec<_> = list.iter().map(|segment| segment.base_offset).collect();
        assert_eq!((bases, list.wire_bytes()), (vec![0, 10, 35], 350));
        assert_eq!(list.take_below(29).len(), 1, "a segment that is live in part stays");
        assert_eq!(list.take_below(30).len(), 1);
        assert_eq!((list.end(), list.wire_bytes()), (Some(40), 50));
    }

    #[test]
    fn an_object_is_condemned_when_the_last_reference_is_gone() {
        let condemned: Arc<Condemned> = Arc::default();
        let mut list = list(&condemned);
        let reader = Arc::clone(list.iter().next().unwrap());
        drop(list.take_below(10));
        assert!(lock(&condemned).is_empty(), "a reader has it");
        drop(reader);
        assert_eq!(*lock(&condemned), [Uuid::from_u128(1)]);
    }
}
