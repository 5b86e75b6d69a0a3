//! Verifying: everything is read again and compared with what was produced.
//!
//! By the one definition of fidelity: an equal record section after decompression and equal header fields, but
//! for what the broker must set. Batches in the journal are held against their own CRC and the head of their
//! entry, batches in segments against the digest that was taken of them when they were flushed.

use std::ops::{ControlFlow, Range};
use std::path::PathBuf;

use strom_protocol::TopicId;

use crate::store::Store;

/// What verifying a topic found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Batches that are as they were produced.
    pub batches: u64,
    /// Their records.
    pub records: u64,
    /// Those of the records that were read from segments; the others are in the journal only.
    pub segment_records: u64,
    /// Their bytes, as consumers get them.
    pub bytes: u64,
    /// What is not as it was produced.
    pub mismatches: Vec<Mismatch>,
}

/// Records that are not as they were produced, or cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The topic.
    pub topic: TopicId,
    /// The partition.
    pub partition: i32,
    /// The offsets.
    pub offsets: Range<i64>,
    /// The journal file or the object; empty if there is none.
    pub file: PathBuf,
    /// Where in it; 0 where only the reason tells.
    pub position: u64,
    /// What is wrong.
    pub reason: String,
}

impl Store {
    /// Reads every batch of a topic below its high watermarks again and compares it with what was produced.
    /// `progress` sees the report as it grows, after each segment or few mebibytes of the journal, and may end
    /// the verification. `None` if it did, or if there is no such topic. Blocks.
    pub fn verify(
        &self,
        topic: TopicId,
        mut progress: impl FnMut(&VerifyReport) -> ControlFlow<()>,
    ) -> Option<VerifyReport> {
        let partitions = self.partitions(topic);
        let mut report = VerifyReport::default();
        for partition in &partitions {
            if partition.verify(&mut report, &mut progress).is_break() {
                return None;
            }
        }
        (!partitions.is_empty()).then_some(report)
    }
}
