//! Reading everything of a partition again.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use super::index::IndexEntry;
use super::read::Miss;
use super::{LostRange, Partition, State};
use crate::error::ReadError;
use crate::segment::{SegmentError, SourceError};
use crate::segment_list::ListedSegment;
use crate::verify::{Mismatch, VerifyReport};

/// What is read from the journal between two reports of progress.
const SPAN_BYTES: u64 = 4 << 20;

/// Where the batches from an offset on are.
enum Step {
    Lost(LostRange),
    Segment(Arc<ListedSegment>),
    Journal(Vec<IndexEntry>),
    Nowhere,
}

impl Partition {
    /// Compares every batch below the high watermark with what was produced, and, of those that are in a
    /// segment, the journal's copies too.
    pub(crate) fn verify(
        &self,
        report: &mut VerifyReport,
        progress: &mut dyn FnMut(&VerifyReport) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let offsets = self.offsets();
        let mut at = offsets.log_start;
        while at < offsets.high_watermark {
            let step = self.state().step_at(at);
            at = match step {
                Step::Lost(lost) => {
                    let reason = "these records were lost to damage".to_owned();
                    self.report(report, at..lost.to, (lost.file, lost.position), reason);
                    lost.to
                }
                Step::Segment(segment) => {
                    self.verify_segment(&segment, at, report);
                    segment.next_offset
                }
                Step::Journal(entries) => self.verify_entries(at, &entries, report, true),
                Step::Nowhere => {
                    let reason = "neither journal nor segments have these records".to_owned();
                    let place = (PathBuf::new(), 0);
                    self.report(report, at..offsets.high_watermark, place, reason);
                    offsets.high_watermark
                }
            };
            progress(report)?;
        }
        self.verify_copies(report, progress)
    }

    /// The journal's copies of batches that are in segments, as far as it still has them.
    fn verify_copies(
        &self,
        report: &mut VerifyReport,
        progress: &mut dyn FnMut(&VerifyReport) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let (mut at, end) = {
            let state = self.state();
            (state.journal_start().max(state.log_start), state.flush_start())
        };
        while at < end {
            let entries = self.state().span_from(at, end);
            let Some(first) = entries.first() else { break };
            at = self.verify_entries(at.max(first.base_offset), &entries, report, false);
            progress(report)?;
        }
        ControlFlow::Continue(())
    }

    /// Gives the offset behind what was looked at.
    fn verify_entries(
        &self,
        at: i64,
        entries: &[IndexEntry],
        report: &mut VerifyReport,
        is_counted: bool,
    ) -> i64 {
        match self.load(entries) {
            Ok(batches) => {
                for batch in batches.iter().filter(|_| is_counted) {
                    report.batches += 1;
                    report.records += batch.header.record_count.max(0) as u64;
                    report.bytes += batch.header.total_bytes() as u64;
                }
                batches.last().map_or(at, |last| last.header.last_offset() + 1)
            }
            // Freed meanwhile: what was in it is in a segment, or below the log start.
            Err(Miss::Gone) => at.max(self.offsets().log_start),
            Err(Miss::Error(ReadError::Corrupt { file, position, next_offset, .. })) => {
                let reason = "the batch is not the one that was appended".to_owned();
                self.report(report, at..next_offset, (file, position), reason);
                next_offset
            }
            Err(Miss::Error(error)) => {
                let next = entries.last().map_or(at + 1, IndexEntry::next_offset);
                self.report(report, at..next, (PathBuf::new(), 0), error.to_string());
                next
            }
        }
    }

    /// From `at` on: what is before it was looked at in segments that have been merged into this one since.
    fn verify_segment(&self, segment: &ListedSegment, at: i64, report: &mut VerifyReport) {
        let archive = &self.context.archive;
        let file = archive.file_of(segment.object.id);
        let whole = segment.base_offset.max(at)..segment.next_offset;
        let verified = archive.verify(segment, self.topic, (self.index, at));
        let verified = match verified {
            Ok(verified) => verified,
            Err(error) => {
                let position = match &error {
                    SegmentError::Corrupt { position, .. } => *position,
                    SegmentError::Newer { .. }
                    | SegmentError::Source(SourceError::Gone(_) | SourceError::Failed(_)) => 0,
                };
                return self.report(report, whole, (file, position), error.to_string());
            }
        };
        report.batches += verified.batches;
        report.records += verified.records;
        report.segment_records += verified.records;
        report.bytes += verified.bytes;
        let is_whole = at <= segment.base_offset;
        if is_whole && verified.mismatches.is_empty() && verified.batches != segment.batches {
            let (found, expected) = (verified.batches, segment.batches);
            let reason = format!("the segment has {found} batches and should have {expected}");
            self.report(report, whole, (file.clone(), 0), reason);
        }
        for mismatch in verified.mismatches {
            self.report(report, mismatch.offsets, (file.clone(), 0), mismatch.reason);
        }
    }

    fn report(
        &self,
        report: &mut VerifyReport,
        offsets: std::ops::Range<i64>,
        (file, position): (PathBuf, u64),
        reason: String,
    ) {
        let (topic, partition) = (self.topic, self.index);
        report.mismatches.push(Mismatch { topic, partition, offsets, file, position, reason });
    }
}

impl State {
    fn step_at(&self, at: i64) -> Step {
        if let Some(lost) = self.lost.iter().find(|lost| lost.from <= at && at < lost.to) {
            return Step::Lost(lost.clone());
        }
        let segment = self.segments.from(at).next().filter(|segment| segment.base_offset <= at);
        if let Some(segment) = segment {
            return Step::Segment(Arc::clone(segment));
        }
        let entries = self.span_from(at, self.high_watermark);
        match entries.first() {
            Some(first) if first.base_offset <= at => Step::Journal(entries),
            Some(_) | None => Step::Nowhere,
        }
    }

    fn span_from(&self, at: i64, end: i64) -> Vec<IndexEntry> {
        let mut bytes = 0;
        let is_in = |entry: &IndexEntry| {
            let fits = bytes < SPAN_BYTES && entry.base_offset < end;
            bytes += u64::from(entry.bytes);
            fits
        };
        self.index.from(at).take_while(is_in).collect()
    }
}
