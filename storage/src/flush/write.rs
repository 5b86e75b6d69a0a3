//! Writing objects: batches of many partitions into one object after another.
//!
//! An object is complete and durable before any list names it, and everything that becomes true with it (its
//! segments, the producers that its batches tell of) is one record of the metadata log.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use strom_protocol::TopicId;
use strom_protocol::record::Scratch;

use super::{Flusher, OBJECT_BYTES};
use crate::archive::ObjectWriter;
use crate::error::FlushError;
use crate::keys;
use crate::metadata::Change;
use crate::partition::Partition;
use crate::segment::{FinishedSegment, RunSummary, SegmentOptions, SegmentWriter};
use crate::segment_list::{ListedSegment, Object};
use crate::ticket::lock;

/// What is read from the journal at once.
const SPAN_BYTES: u64 = 1 << 20;

/// An object and the segment file in it, while they grow together.
pub(super) struct Growing {
    pub(super) segment: SegmentWriter,
    object: ObjectWriter,
}

/// A finished object: its runs are not in any list yet.
pub(super) struct Stored {
    pub(super) object: Arc<Object>,
    runs: HashMap<(TopicId, i32), RunSummary>,
}

impl Growing {
    pub(super) fn begin(flusher: &Flusher) -> Result<Growing, FlushError> {
        let object = flusher.context.archive.create()?;
        Ok(Growing { segment: SegmentWriter::new(SegmentOptions::default()), object })
    }

    /// Sends what is finished on its way.
    pub(super) fn send(&mut self) -> Result<(), FlushError> {
        Ok(self.object.write(self.segment.take_parts())?)
    }

    /// Makes the object durable.
    pub(super) fn finish(self, flusher: &Flusher) -> Result<Stored, FlushError> {
        let Growing { segment, mut object } = self;
        let FinishedSegment { parts, runs, bytes, .. } = segment.finish();
        if let Err(error) = object.write(parts).and_then(|()| object.finish()) {
            object.abort();
            return Err(error.into());
        }
        flusher.counters.objects.fetch_add(1, Ordering::Relaxed);
        let object = Object::new(object.id, bytes, &flusher.context.archive.condemned);
        let runs = runs.into_iter().map(|run| ((run.topic, run.partition), run)).collect();
        Ok(Stored { object, runs })
    }

    pub(super) fn abort(self) {
        self.object.abort();
    }
}

impl Stored {
    /// The segment of a partition; `None` if the object has none of it.
    pub(super) fn segment_of(
        &mut self,
        partition: &Partition,
        covered_lsn: u64,
    ) -> Option<Arc<ListedSegment>> {
        let run = self.runs.remove(&(partition.topic_id(), partition.index()))?;
        Some(Arc::new(ListedSegment::new(Arc::clone(&self.object), run, covered_lsn)))
    }
}

/// One round of flushing.
pub(super) struct Round<'a> {
    flusher: &'a Flusher,
    synced_lsn: u64,
    growing: Option<Growing>,
    /// Whose batches the object has by now.
    partitions: Vec<Arc<Partition>>,
    /// As the batches came.
    bytes: u64,
    scratch: Scratch,
    segments: u64,
}

impl<'a> Round<'a> {
    pub(super) fn new(flusher: &'a Flusher, synced_lsn: u64) -> Round<'a> {
        Round {
            flusher,
            synced_lsn,
            growing: None,
            partitions: Vec::new(),
            bytes: 0,
            scratch: Scratch::new(),
            segments: 0,
        }
    }

    /// Flushes a partition up to the synced position, or until `bytes_max` are done. `expected_bytes` tells
    /// whether it fits into the object that is growing.
    pub(super) fn flush(
        &mut self,
        partition: &Arc<Partition>,
        expected_bytes: u64,
        bytes_max: u64,
    ) -> Result<(), FlushError> {
        let full = self.flusher.options.flush_bytes.min(OBJECT_BYTES);
        if self.bytes > 0 && self.bytes + expected_bytes > full {
            self.store()?;
        }
        let mut from = partition.flush_start();
        let mut done = 0;
        let mut is_begun = false;
        while done < bytes_max {
            self.flusher.check_stopping()?;
            let span = SPAN_BYTES.min(bytes_max - done);
            let batches = partition.read_to_flush(from, self.synced_lsn, span)?;
            let Some(last) = batches.last() else { return Ok(()) };
            from = last.header.last_offset() + 1;
            let growing = match &mut self.growing {
                Some(growing) => growing,
                none => none.insert(Growing::begin(self.flusher)?),
            };
            if !is_begun {
                let compression = partition.segment_compression();
                growing.segment.begin(partition.topic_id(), partition.index(), compression);
                self.partitions.push(Arc::clone(partition));
                is_begun = true;
            }
            for batch in &batches {
                growing.segment.append(batch, &mut self.scratch)?;
                done += batch.header.total_bytes() as u64;
                self.bytes += batch.header.total_bytes() as u64;
            }
            growing.send()?;
            if self.bytes >= full {
                self.store()?;
                is_begun = false;
            }
        }
        Ok(())
    }

    /// Stores what is left; gives the number of segments added.
    pub(super) fn finish(mut self) -> Result<u64, FlushError> {
        self.store()?;
        Ok(self.segments)
    }

    /// Gives up the object that is growing.
    pub(super) fn abort(self) {
        if let Some(growing) = self.growing {
            growing.abort();
        }
    }

    /// Makes the object durable, then its segments known.
    fn store(&mut self) -> Result<(), FlushError> {
        let partitions = std::mem::take(&mut self.partitions);
        let bytes = std::mem::take(&mut self.bytes);
        let Some(growing) = self.growing.take() else { return Ok(()) };
        let mut stored = growing.finish(self.flusher)?;
        // A snapshot of producers counts from the moment it is taken: until it is durable, no journal file may
        // go, and recovery may not skip any.
        let _no_freeing = lock(&self.flusher.context.freeing);
        let mut changes = Vec::with_capacity(partitions.len());
        let mut segments = Vec::with_capacity(partitions.len());
        let mut ordinal = 0;
        for partition in partitions {
            let Some(segment) = stored.segment_of(&partition, self.synced_lsn) else { continue };
            let (topic, index) = (partition.topic_id(), partition.index());
            changes.push(Change::Put {
                key: keys::segment(topic, index, segment.base_offset),
                value: segment.encode().into(),
            });
            if let Some((value, last_ordinal)) = partition.take_producer_snapshot() {
                let key = keys::producers(topic, index);
                changes.push(Change::Put { key, value: value.into() });
                ordinal = ordinal.max(last_ordinal);
            }
            segments.push((partition, segment));
        }
        // A snapshot of producers speaks of batches up to the log end.
        let context = &self.flusher.context;
        if ordinal > 0 {
            context.journal.request_sync();
            context.journal.progress.synced.wait_blocking(ordinal)?;
        }
        context.metadata.apply(changes).wait()?;
        for (partition, segment) in segments {
            self.segments += u64::from(partition.add_segment(&segment));
        }
        let counters = &self.flusher.counters;
        counters.flushed_segments.fetch_add(self.segments, Ordering::Relaxed);
        counters.flushed_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.flusher.is_merge_due.store(true, Ordering::Relaxed);
        Ok(())
    }
}
