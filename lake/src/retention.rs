//! Rows that leave a table by age (`table.datalake.retention`), one data file at a time.
//!
//! ```text
//!  newest __timestamp of a file ── older than the retention ─► a snapshot without the file (commit::removal)
//!                                                             └► the file itself goes when no snapshot
//!                                                                has it any more (maintenance)
//! ```
//!
//! A file goes when its newest row is too old, as a segment of a topic does: rows may stay longer than
//! asked for, not shorter. A row without a timestamp goes with the others of its file, and stays if
//! they have none either. It happens in snapshots of its own, so that engines that read only what was
//! appended can pass them over, and after a flush has answered whoever waited for it. What fails here
//! is tried again later, and keeps no commit waiting.

use std::collections::HashMap;
use std::sync::Arc;

use iceberg::spec::{ManifestEntry, ManifestFile, PrimitiveLiteral};
use uuid::Uuid;

use crate::ahead::Work;
use crate::commit::removal::{self, Rewrite};
use crate::commit::{Committed, Givens};
use crate::flush::{self, Encoded};
use crate::lake::Shared;
use crate::table::Table;
use crate::{LakeError, Warehouse, columns, maintenance, manifest};

/// A table is looked at this often while there is more to do, and before it is known what there is …
const LOOK_EVERY_MS: i64 = 60 * 1000;
/// … and otherwise as often as this part of its retention, an hour at most: each removal is a snapshot.
const LOOKS_PER_RETENTION: i64 = 500;
const LOOK_EVERY_MS_MAX: i64 = 60 * 60 * 1000;
/// This often while removed files wait for the snapshots that have them to go.
const PENDING_EVERY_MS: i64 = 30 * 60 * 1000;
/// Manifests are rewritten as long as they have no more entries than this together.
const ENTRIES_MAX: u64 = 50_000;

/// What the last look at a table found.
#[derive(Clone, Debug)]
pub(crate) struct Looked {
    at_ms: i64,
    /// The commit that it looked at.
    commit: u64,
    /// When there is something to do again.
    next_ms: i64,
    oldest: Oldest,
}

/// Of each manifest the file whose newest row is the oldest: that row's time in microseconds.
type Oldest = HashMap<String, i64>;

/// When a table is to be looked at, if ever.
pub(crate) fn due_ms(table: &Table) -> Option<i64> {
    let state = table.state();
    let has_removed_files = state.has_removed_files == Some(true);
    if table.is_frozen() || table.topic.retention.is_none() && !has_removed_files {
        return None;
    }
    let pointer = state.pointer.as_ref()?;
    let due_ms = match &state.looked {
        None => i64::MIN,
        Some(looked) if looked.commit == pointer.commit => looked.next_ms,
        // A commit may have brought rows that are too old already.
        Some(looked) => looked.next_ms.min(looked.at_ms.saturating_add(every_ms(table))),
    };
    Some(due_ms)
}

fn every_ms(table: &Table) -> i64 {
    (retention_ms(table) / LOOKS_PER_RETENTION).clamp(LOOK_EVERY_MS, LOOK_EVERY_MS_MAX)
}

fn retention_ms(table: &Table) -> i64 {
    let retention = table.topic.retention.map(|retention| i64::try_from(retention.as_millis()));
    retention.and_then(Result::ok).unwrap_or(i64::MAX)
}

/// Removes the files that are too old from a table, and some of those that no snapshot has any more
/// from the warehouse.
pub(crate) fn apply(shared: &Shared, table: &Table) -> Result<(), LakeError> {
    let clock = &shared.options.clock;
    let now_ms = clock();
    // Whatever comes of this, it does not come again at once.
    let before = note(table, now_ms, now_ms.saturating_add(LOOK_EVERY_MS), Oldest::new());
    let Some((base, oldest)) = remove_rows(shared, table, before, now_ms)? else { return Ok(()) };
    maintenance::trim(&shared.warehouse, table, &base, now_ms);
    let has_more = maintenance::remove_data_files(&shared.warehouse, table, &base)?;
    // All that may have taken a while.
    let now_ms = clock();
    let next_ms = match has_more {
        true => now_ms.saturating_add(LOOK_EVERY_MS),
        false => next(table, &oldest, now_ms),
    };
    note(table, now_ms, next_ms, oldest);
    Ok(())
}

/// Commits a removal if one is due; gives what is committed by then, and the oldest files in it.
fn remove_rows(
    shared: &Shared,
    table: &Table,
    before: Oldest,
    now_ms: i64,
) -> Result<Option<(Committed, Oldest)>, LakeError> {
    let mut ahead = table.work();
    if table.is_closing() {
        return Ok(None);
    }
    let Some(base) = flush::base(shared, table, &mut ahead)? else { return Ok(None) };
    let cutoff_us = now_ms.saturating_sub(retention_ms(table)).saturating_mul(1000);
    let warehouse = &shared.warehouse;
    let oldest = look(warehouse, table, &base.manifests, &before)?;
    let rewrites = rewrites(warehouse, table, &base.manifests, &oldest, cutoff_us)?;
    let givens = givens(&base, table, now_ms);
    let plan = match rewrites.is_empty() {
        false => removal::plan(&base, &rewrites, &givens).map(Some),
        true if table.state().has_removed_files == Some(true) => {
            removal::plan_expiry(&base, &givens)
        }
        true => Ok(None),
    };
    let Some(plan) = plan.map_err(table.metadata_error("plan a removal"))? else {
        return Ok(Some((base, oldest)));
    };
    // What is encoded ahead is numbered for the commit that this one becomes.
    ahead.discard();
    let committed = plan.committed.clone();
    let work = Work { shared, table, base: Some(&base) };
    let carried_out = flush::carry_out(&work, plan, &Encoded::default());
    if carried_out.is_err() {
        // Before anybody commits on what may be behind what was done.
        table.read_again(shared.stored_pointer(&table.identity));
    }
    carried_out?;
    note_removed(table, &rewrites);
    drop(rewrites);
    let oldest = look(warehouse, table, &committed.manifests, &oldest)?;
    Ok(Some((committed, oldest)))
}

/// Notes a look at the table as it is committed now; returns what the one before had found.
fn note(table: &Table, now_ms: i64, next_ms: i64, oldest: Oldest) -> Oldest {
    let mut state = table.state();
    let commit = state.pointer.as_ref().map_or(0, |pointer| pointer.commit);
    let looked = Looked { at_ms: now_ms, commit, next_ms, oldest };
    state.looked.replace(looked).map(|before| before.oldest).unwrap_or_default()
}

fn note_removed(table: &Table, rewrites: &[Rewrite]) {
    let removed = || rewrites.iter().flat_map(|rewrite| &rewrite.removed);
    let (files, rows) = (removed().count(), removed().map(|e| e.record_count()).sum::<u64>());
    if files > 0 {
        let (name, topic) = (&table.identity.table, &table.topic.name);
        tracing::info!(table = name, topic, files, rows, "rows left the table by age");
        let mut state = table.state();
        state.totals.removed_rows += rows;
        state.has_removed_files = Some(true);
    }
}

/// When a file is too old next, or removed ones may be let go of.
fn next(table: &Table, oldest: &Oldest, now_ms: i64) -> i64 {
    let first_us = oldest.values().min().copied().unwrap_or(i64::MAX);
    let first_ms = first_us.div_euclid(1000).saturating_add(retention_ms(table));
    // Some were left for the next look, or it is not known yet what there is.
    let (has_more, pending) = (first_ms < now_ms, table.state().has_removed_files != Some(false));
    let every_ms = if has_more { LOOK_EVERY_MS } else { every_ms(table) };
    let pending_ms = if pending { PENDING_EVERY_MS } else { i64::MAX };
    let wanted_ms = first_ms.saturating_add(1).min(now_ms.saturating_add(pending_ms));
    wanted_ms.max(now_ms.saturating_add(every_ms))
}

/// The oldest file of each of these manifests; those that are known are not read again.
fn look(
    warehouse: &Warehouse,
    table: &Table,
    manifests: &[ManifestFile],
    known: &Oldest,
) -> Result<Oldest, LakeError> {
    let mut found = Oldest::with_capacity(manifests.len());
    for manifest in manifests.iter().filter(|manifest| manifest::has_live_files(manifest)) {
        let path = &manifest.manifest_path;
        let oldest = match known.get(path) {
            Some(oldest) => *oldest,
            None => {
                let entries = entries(warehouse, table, manifest)?;
                let live = entries.iter().filter(|entry| entry.is_alive());
                live.map(|entry| newest_us(entry)).min().unwrap_or(i64::MAX)
            }
        };
        found.insert(path.clone(), oldest);
    }
    Ok(found)
}

/// Manifests with files that are too old, and which those are: one at least, if there is one.
fn rewrites(
    warehouse: &Warehouse,
    table: &Table,
    manifests: &[ManifestFile],
    oldest: &Oldest,
    cutoff_us: i64,
) -> Result<Vec<Rewrite>, LakeError> {
    let is_old = |manifest: &ManifestFile| {
        oldest.get(&manifest.manifest_path).is_some_and(|oldest| *oldest < cutoff_us)
    };
    let (mut rewrites, mut count) = (Vec::new(), 0);
    for (position, manifest) in manifests.iter().enumerate().filter(|(_, m)| is_old(m)) {
        count += manifest::live_file_count(manifest);
        if count > ENTRIES_MAX && !rewrites.is_empty() {
            break;
        }
        let live = entries(warehouse, table, manifest)?.into_iter().filter(|e| e.is_alive());
        let (removed, kept) = live.partition(|entry| newest_us(entry) < cutoff_us);
        rewrites.push(Rewrite { position, kept, removed });
    }
    Ok(rewrites)
}

fn entries(
    warehouse: &Warehouse,
    table: &Table,
    manifest: &ManifestFile,
) -> Result<Vec<Arc<ManifestEntry>>, LakeError> {
    let bytes = warehouse.read(&manifest.manifest_path)?;
    manifest::decode_entries(manifest, bytes).map_err(table.metadata_error("read a manifest"))
}

/// The time of a file's newest row, in microseconds; never, if no row has one.
fn newest_us(entry: &ManifestEntry) -> i64 {
    let bound = entry.data_file().upper_bounds().get(&columns::TIMESTAMP);
    match bound.map(|bound| bound.literal()) {
        Some(PrimitiveLiteral::Long(newest)) => *newest,
        Some(_) | None => i64::MAX,
    }
}

fn givens(base: &Committed, table: &Table, now_ms: i64) -> Givens {
    Givens {
        now_ms,
        snapshot_ms: table.state().complete_until_ms,
        epoch: base.pointer.epoch,
        unique: Uuid::new_v4(),
        snapshot_id: flush::new_snapshot_id(),
        table_uuid: base.metadata.uuid(),
    }
}
