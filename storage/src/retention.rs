//! Retention: log starts advance by time and size, then files that hold nothing live are freed.
//!
//! A file is freed in this order, so that a crash at any point loses nothing: the log starts are durable,
//! what the producers' state owes to the file is in the metadata log, then the file is reused.

use std::sync::Arc;

use crate::error::StorageFailed;
use crate::journal::Shared as Journal;
use crate::journal::file::JournalFile;
use crate::keys;
use crate::metadata::{Change, MetadataLog};
use crate::partition::Partition;

/// What a run of retention did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionReport {
    /// Partitions whose log start advanced.
    pub partitions_advanced: u64,
    /// Journal files that were freed.
    pub files_freed: u64,
    /// Their bytes.
    pub bytes_freed: u64,
    /// Producers that were forgotten.
    pub producers_expired: u64,
}

pub(crate) fn run(
    journal: &Journal,
    metadata: &MetadataLog,
    partitions: &[Arc<Partition>],
    now_ms: i64,
) -> Result<RetentionReport, StorageFailed> {
    let mut report = RetentionReport::default();
    let files = journal.files();
    let Some((active, closed)) = files.split_last() else { return Ok(report) };
    for partition in partitions {
        report.producers_expired += partition.expire_producers(now_ms);
        if let Some(start) = partition.retention_start(now_ms, active.first_lsn()) {
            drop(partition.advance_log_start(start)?);
            report.partitions_advanced += 1;
        }
    }
    let is_live = |file: &Arc<JournalFile>| {
        let (first, end) = (file.first_lsn(), file.end_lsn());
        partitions.iter().any(|partition| partition.has_batches_in(first, end))
    };
    let freed: Vec<_> = closed.iter().filter(|file| !is_live(file)).collect();
    if freed.is_empty() {
        return Ok(report);
    }
    // Includes advances by others: a file is dead only when the log starts above it are durable.
    metadata.ticket().wait()?;
    keep_producers(journal, metadata, partitions)?;
    for file in freed {
        journal.free(file);
        report.files_freed += 1;
        report.bytes_freed += file.header.capacity;
    }
    Ok(report)
}

/// Writes the producers' states, each once what it speaks of is synced.
fn keep_producers(
    journal: &Journal,
    metadata: &MetadataLog,
    partitions: &[Arc<Partition>],
) -> Result<(), StorageFailed> {
    let mut changes = Vec::new();
    let mut ordinal = 0;
    for partition in partitions {
        if let Some((value, last_ordinal)) = partition.take_producer_snapshot() {
            let key = keys::producers(partition.topic_id(), partition.index());
            changes.push(Change::Put { key, value: value.into() });
            ordinal = ordinal.max(last_ordinal);
        }
    }
    if changes.is_empty() {
        return Ok(());
    }
    journal.request_sync();
    journal.progress.synced.wait_blocking(ordinal)?;
    metadata.apply(changes).wait()
}
