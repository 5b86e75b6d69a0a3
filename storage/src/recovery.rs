//! Recovery. Skeleton: bodies follow.

use std::path::PathBuf;

use strom_protocol::TopicId;

/// Damage of what was durable, found on opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corruption {
    /// The journal file.
    pub file: PathBuf,
    /// The position in bytes.
    pub position: u64,
    /// What is wrong there.
    pub reason: String,
    /// The ranges of offsets that cannot be read: topic, partition, first, and the first one behind.
    pub lost: Vec<(TopicId, i32, i64, i64)>,
}

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Whether the last process closed the store.
    pub was_clean: bool,
    /// Topics opened.
    pub topics: u64,
    /// Partitions opened.
    pub partitions: u64,
    /// Batches found in the journal.
    pub batches: u64,
    /// Journal bytes read.
    pub bytes_read: u64,
    /// Where the journal ends in the middle of an unsynced write: file and position.
    pub torn_tail: Option<(PathBuf, u64)>,
    /// Damage; what it hit answers with errors, everything else is served.
    pub corruptions: Vec<Corruption>,
    /// The leader epoch from now on.
    pub leader_epoch: i32,
}
