//! Merging: neighbouring small segments of a partition become one.
//!
//! First flushes are small when many partitions share an object; reading through thousands of them would open
//! thousands of objects. A round writes one object, with the merged segments of as many partitions as fit. The
//! objects that were merged go when the change is durable and no reader has them any more.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::decide::{Size, choose_merge};
use super::write::Growing;
use super::{Flusher, OBJECT_BYTES};
use crate::error::FlushError;
use crate::partition::Partition;
use crate::segment::{SegmentError, SourceError};
use crate::segment_list::ListedSegment;
use crate::ticket::lock;

/// What is copied before it is sent on its way.
const COPY_BYTES: u64 = 4 << 20;

/// Segments of a partition that are merged.
struct Merge {
    partition: Arc<Partition>,
    old: Vec<Arc<ListedSegment>>,
}

impl Flusher {
    /// One round; gives the number of segments that were merged into others.
    pub(super) fn merge(&self) -> Result<u64, FlushError> {
        self.check_stopping()?;
        self.is_merge_due.store(false, Ordering::Relaxed);
        let full = self.options.flush_bytes.min(OBJECT_BYTES);
        let mut growing: Option<Growing> = None;
        let mut merges = Vec::new();
        let mut bytes = 0;
        for partition in self.topics.all() {
            let Some(old) = self.mergeable(&partition, full) else { continue };
            let wire_bytes: u64 = old.iter().map(|segment| segment.wire_bytes).sum();
            if bytes > 0 && bytes + wire_bytes > full {
                self.is_merge_due.store(true, Ordering::Relaxed);
                break;
            }
            let target = match &mut growing {
                Some(growing) => growing,
                none => none.insert(Growing::begin(self)?),
            };
            match self.copy(&partition, &old, target) {
                Ok(true) => {
                    bytes += wire_bytes;
                    merges.push(Merge { partition, old });
                }
                // What was copied of it is in the object and in no list.
                Ok(false) => self.is_merge_due.store(true, Ordering::Relaxed),
                Err(error) => {
                    growing.into_iter().for_each(Growing::abort);
                    return Err(error);
                }
            }
        }
        match growing {
            Some(growing) if !merges.is_empty() => self.store_merged(growing, merges, bytes),
            Some(growing) => {
                growing.abort();
                Ok(0)
            }
            None => Ok(0),
        }
    }

    fn mergeable(&self, partition: &Partition, full: u64) -> Option<Vec<Arc<ListedSegment>>> {
        let segments = partition.segments();
        let unmergeable = lock(&self.unmergeable);
        let is_readable = |segment: &ListedSegment| {
            !unmergeable.contains(&(partition.topic_id(), partition.index(), segment.base_offset))
        };
        let mut sizes = Vec::with_capacity(segments.len());
        let mut end = None;
        let mut is_next = false;
        for segment in &segments {
            let is_readable = is_readable(segment);
            let is_joined = end == Some(segment.base_offset) && is_next && is_readable;
            // One that cannot be read is taken for a full one.
            let bytes = if is_readable { segment.wire_bytes } else { full };
            sizes.push(Size { bytes, is_joined });
            (end, is_next) = (Some(segment.next_offset), is_readable);
        }
        let (first, count) = choose_merge(&sizes, full)?;
        Some(segments[first..first + count].to_vec())
    }

    /// Copies segments into one run; false if one of them cannot be read, which is remembered.
    fn copy(
        &self,
        partition: &Partition,
        old: &[Arc<ListedSegment>],
        target: &mut Growing,
    ) -> Result<bool, FlushError> {
        let archive = &self.context.archive;
        let (topic, index) = (partition.topic_id(), partition.index());
        target.segment.begin(topic, index, partition.segment_compression());
        for segment in old {
            let mut from = Some(segment.base_offset);
            while let Some(at) = from {
                self.check_stopping()?;
                let copied = archive.run(&segment.object, topic, index).and_then(|run| {
                    archive.with_scratch(|scratch| {
                        run.copy_into(at, COPY_BYTES, &mut target.segment, scratch)
                    })
                });
                match copied {
                    Ok(next) => from = next,
                    Err(error) => return self.give_up(partition, segment, error).map(|()| false),
                }
                target.send()?;
            }
        }
        Ok(true)
    }

    /// Remembers that a segment cannot be read; a failure of the store is an error, and tried again.
    fn give_up(
        &self,
        partition: &Partition,
        segment: &ListedSegment,
        error: SegmentError,
    ) -> Result<(), FlushError> {
        if let SegmentError::Source(SourceError::Failed(reason)) = &error {
            return Err(FlushError::Objects(reason.to_string()));
        }
        let file = self.context.archive.file_of(segment.object.id);
        let (topic, index) = (partition.topic_id(), partition.index());
        tracing::error!(
            file = %file.display(), %topic, partition = index, reason = %error,
            "segment is damaged and stays as it is"
        );
        lock(&self.unmergeable).insert((topic, index, segment.base_offset));
        Ok(())
    }

    fn store_merged(
        &self,
        growing: Growing,
        merges: Vec<Merge>,
        bytes: u64,
    ) -> Result<u64, FlushError> {
        let mut stored = growing.finish(self)?;
        let mut merged = 0;
        for Merge { partition, old } in &merges {
            let covered_lsn = old.iter().map(|segment| segment.covered_lsn).max();
            let segment = stored.segment_of(partition, covered_lsn.unwrap_or_default());
            let Some(segment) = segment.filter(|new| is_merger_of(new, old)) else { continue };
            if partition.replace_segments(old, &segment).is_some() {
                merged += old.len() as u64;
            }
        }
        // The old ones are held until this is durable.
        self.context.metadata.ticket().wait()?;
        drop(merges);
        self.counters.merges.fetch_add(merged, Ordering::Relaxed);
        self.counters.merged_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.is_merge_due.store(true, Ordering::Relaxed);
        Ok(merged)
    }
}

/// Whether a segment holds what several ones held.
fn is_merger_of(new: &ListedSegment, old: &[Arc<ListedSegment>]) -> bool {
    let base = old.first().map(|segment| segment.base_offset);
    let next = old.last().map(|segment| segment.next_offset);
    let batches: u64 = old.iter().map(|segment| segment.batches).sum();
    let is_same =
        base == Some(new.base_offset) && next == Some(new.next_offset) && batches == new.batches;
    if !is_same {
        tracing::error!(?new, "a merged segment does not hold what its parts held; it is not used");
    }
    is_same
}
