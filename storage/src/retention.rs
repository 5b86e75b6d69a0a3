//! Retention: log starts advance by time and size, then journal files that nobody needs are freed.
//!
//! A file is needed while it holds batches that are in no segment. While it only holds batches that are in
//! segments too, it serves warm reads, and goes when the journal is at its budget. It is freed in this order,
//! so that a crash at any point loses nothing: segment lists and log starts are durable, what the producers'
//! state owes to the file is in the metadata log, reads have turned to segments, then the file is reused.

use std::sync::Arc;

use crate::error::StorageFailed;
use crate::journal::file::JournalFile;
use crate::journal::{Place, Shared as Journal};
use crate::keys;
use crate::metadata::Change;
use crate::partition::{Context, JournalNeed, Partition};
use crate::topics::Topics;

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
    context: &Context,
    topics: &Topics,
    now_ms: i64,
) -> Result<RetentionReport, StorageFailed> {
    let mut report = RetentionReport::default();
    let files = context.journal.files();
    let Some(active) = files.last() else { return Ok(report) };
    for partition in topics.all() {
        report.producers_expired += partition.expire_producers(now_ms);
        if let Some(start) = partition.retention_start(now_ms, active.first_lsn()) {
            drop(partition.advance_log_start(start)?);
            report.partitions_advanced += 1;
        }
    }
    let freed = free(context, topics, true)?;
    report.files_freed = freed.len() as u64;
    report.bytes_freed = freed.iter().map(|file| file.header.capacity).sum();
    Ok(report)
}

/// Frees files whose batches are all in segments, if the journal is at its budget.
pub(crate) fn free_flushed(context: &Context, topics: &Topics) -> Result<(), StorageFailed> {
    free(context, topics, false).map(|_| ())
}

/// Frees what is over the budget and may go; and files without any live batch, if wanted.
fn free(
    context: &Context,
    topics: &Topics,
    dead_too: bool,
) -> Result<Vec<Arc<JournalFile>>, StorageFailed> {
    let journal = &context.journal;
    let _one_at_a_time = crate::ticket::lock(&context.freeing);
    // Before the partitions are looked at: what they get meanwhile lies behind.
    let synced = journal.synced_place();
    let files = journal.files();
    let Some((_active, closed)) = files.split_last() else { return Ok(Vec::new()) };
    let mut over = bytes_over(journal, &files);
    let partitions = topics.all();
    // Before the producers are looked at: what left the log until now is in their snapshots then.
    let is_dead: Vec<bool> =
        closed.iter().map(|file| dead_too && is_dead(file, &partitions)).collect();
    if over > 0 || dead_too {
        keep_producers(context, &partitions)?;
    }
    let Some(needed) = needed_from(&partitions, synced) else { return Ok(Vec::new()) };
    let mut freed = Vec::new();
    for (file, is_dead) in closed.iter().zip(is_dead) {
        let is_over = over > 0 && file.end_lsn() <= needed.lsn;
        if is_over || is_dead {
            over -= file.header.capacity as i64;
            freed.push(Arc::clone(file));
        }
    }
    note_replay(context, &files, needed);
    if freed.is_empty() {
        return Ok(freed);
    }
    // Includes changes by others: a file is free only when lists and log starts above it are durable.
    context.metadata.ticket().wait()?;
    for file in &freed {
        if file.end_lsn() <= needed.lsn {
            partitions.iter().for_each(|partition| partition.forget_flushed(file.end_lsn()));
        }
        journal.free(file);
    }
    Ok(freed)
}

/// By how much the journal is so large that there is no room for one more file.
fn bytes_over(journal: &Journal, files: &[Arc<JournalFile>]) -> i64 {
    let used: u64 = files.iter().map(|file| file.header.capacity).sum();
    let next = 2 * journal.options.file_bytes;
    (used + next) as i64 - journal.options.retention_bytes as i64
}

fn is_dead(file: &JournalFile, partitions: &[Arc<Partition>]) -> bool {
    let (first, end) = (file.first_lsn(), file.end_lsn());
    !partitions.iter().any(|partition| partition.has_batches_in(first, end))
}

/// The place before which the journal holds nothing that is only there; `None` while batches that have left
/// the log may still be all that tells of their producers.
fn needed_from(partitions: &[Arc<Partition>], synced: Place) -> Option<Place> {
    let mut first: Option<u64> = None;
    for partition in partitions {
        match partition.journal_need() {
            JournalNeed::Producers => return None,
            JournalNeed::From(lsn) => first = Some(first.map_or(lsn, |first| first.min(lsn))),
            JournalNeed::Nothing => {}
        }
    }
    Some(match first {
        Some(lsn) if lsn < synced.lsn => Place { lsn, sequence: 0, generation: 0 },
        Some(_) | None => synced,
    })
}

/// Remembers where the next recovery begins: a place between groups, or the start of a file. Nobody waits for
/// it: an older one is as good, only slower.
fn note_replay(context: &Context, files: &[Arc<JournalFile>], needed: Place) {
    let place = if needed.sequence > 0 {
        needed
    } else {
        let Some(file) = files.iter().rev().find(|file| file.first_lsn() <= needed.lsn) else {
            return;
        };
        Place { lsn: file.first_lsn(), sequence: 0, generation: 0 }
    };
    let mut noted = crate::ticket::lock(&context.replay);
    if *noted != place {
        *noted = place;
        drop(context.metadata.apply(vec![keys::put_replay(place)]));
    }
}

/// Notes the place for a journal that is closed.
pub(crate) fn note_replay_at_close(context: &Context, topics: &Topics) {
    let (synced, files) = (context.journal.synced_place(), context.journal.files());
    if let Some(needed) = needed_from(&topics.all(), synced) {
        note_replay(context, &files, needed);
    }
}

/// Writes the producers' states that no batch in the log tells of any more, once what they speak of is synced.
fn keep_producers(context: &Context, partitions: &[Arc<Partition>]) -> Result<(), StorageFailed> {
    let mut changes = Vec::new();
    let mut ordinal = 0;
    for partition in partitions.iter().filter(|partition| partition.lacks_producer_snapshot()) {
        if let Some((value, last_ordinal)) = partition.take_producer_snapshot() {
            let key = keys::producers(partition.topic_id(), partition.index());
            changes.push(Change::Put { key, value: value.into() });
            ordinal = ordinal.max(last_ordinal);
        }
    }
    if changes.is_empty() {
        return Ok(());
    }
    context.journal.request_sync();
    context.journal.progress.synced.wait_blocking(ordinal)?;
    context.metadata.apply(changes).wait()
}
