//! What engines may change about a topic's table: which snapshots it keeps, statistics, and
//! properties that only readers look at. Rows, columns, names and places are the topic's.
//!
//! The rule is a plain function; the change itself goes the way of every commit of such a table
//! (flush.rs): under the lock of its flushes, on top of what they committed, the marker carried
//! along in the very record that moves the pointer. So neither loses what the other did.

use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use iceberg::TableUpdate;
use iceberg::spec::TableMetadata;
use uuid::Uuid;

use super::metadata::{self, Change};
use super::{Catalog, CatalogError, LoadedTable, describe};
use crate::ahead::{Ahead, Work};
use crate::commit::{CommitPlan, Committed, TableIdentity};
use crate::flush::{self, Encoded};
use crate::manifest::NewFile;
use crate::pointer::Pointer;
use crate::table::Table;

/// How long a change waits for a flush that is running.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks whether it has ended.
const PAUSE: Duration = Duration::from_millis(5);

const MAIN: &str = "main";
/// Properties that engines may set: prefixes end in a dot.
const PROPERTIES: [&str; 2] = ["read.", "comment"];

impl Catalog {
    /// Changes what may be changed about a topic's table. Blocks.
    pub(super) fn commit_topic_table(
        &self,
        levels: &[String],
        name: &str,
        change: Change,
    ) -> Result<LoadedTable, CatalogError> {
        let shared = &self.shared;
        let table = self.find_topics_table(levels, name)?;
        let mut ahead = work(&table)?;
        let base = flush::base(shared, &table, &mut ahead).map_err(CatalogError::of_change)?;
        let metadata = base.as_ref().map(|base| base.metadata.as_ref());
        for update in &change.updates {
            check(&table.identity, metadata, update)?;
        }
        let base = base.ok_or_else(|| CatalogError::no_table(levels, name))?;
        let plan = plan(&base, change, Uuid::new_v4())?;
        let is_fresh = || table.is_fresh(&table.partitions(&shared.store));
        let Some(plan) = plan else { return Ok(describe(&shared.warehouse, &base, is_fresh())) };
        let changed = plan.committed.clone();
        // What is encoded ahead is numbered for the commit that this one becomes.
        ahead.discard();
        let work = Work { shared, table: &table, base: Some(&base) };
        flush::carry_out(&work, plan, &Encoded::default()).map_err(CatalogError::of_change)?;
        Ok(describe(&shared.warehouse, &changed, is_fresh()))
    }
}

/// A change that is refused because the table is a topic's.
pub(super) fn refused(identity: &TableIdentity, reason: &str) -> CatalogError {
    CatalogError::forbidden(format!(
        "Table {}.{} is the table of topic {}: {reason}",
        identity.namespace, identity.table, identity.topic
    ))
}

/// The lock of the table's flushes.
fn work(table: &Table) -> Result<MutexGuard<'_, Ahead>, CatalogError> {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(guard) = table.try_work() {
            return Ok(guard);
        }
        if Instant::now() >= until {
            let name = &table.identity.table;
            return Err(CatalogError::busy(format!(
                "Table {name} is being written from its topic: try again later"
            )));
        }
        std::thread::sleep(PAUSE);
    }
}

/// One commit that changes no row; nothing if nothing changes.
fn plan(
    base: &Committed,
    change: Change,
    unique: Uuid,
) -> Result<Option<CommitPlan>, CatalogError> {
    let updates = change.updates.clone();
    let changed = metadata::change(&base.metadata, &base.pointer.metadata_location, change)?;
    if !changed.is_changed {
        return Ok(None);
    }
    let commit = base.pointer.commit + 1;
    let location = metadata::file_location(&changed.metadata, commit, unique);
    let bytes = metadata::encode(&changed.metadata)?;
    let pointer = Pointer {
        commit,
        metadata_location: location.clone(),
        previous_metadata_location: Some(base.pointer.metadata_location.clone()),
        ..base.pointer.clone()
    };
    Ok(Some(CommitPlan {
        files: vec![NewFile { location, bytes: bytes.into() }],
        committed: Committed {
            pointer,
            metadata: Arc::new(changed.metadata),
            manifests: Arc::clone(&base.manifests),
        },
        expired_metadata: changed.expired,
        updates,
    }))
}

/// Fails unless engines may make this update. A table that was never committed has no metadata.
fn check(
    identity: &TableIdentity,
    metadata: Option<&TableMetadata>,
    update: &TableUpdate,
) -> Result<(), CatalogError> {
    match update {
        TableUpdate::SetProperties { updates } => {
            updates.keys().try_for_each(|key| check_property(identity, key))
        }
        TableUpdate::RemoveProperties { removals } => {
            removals.iter().try_for_each(|key| check_property(identity, key))
        }
        TableUpdate::RemoveSnapshots { snapshot_ids } => {
            let current = metadata.and_then(TableMetadata::current_snapshot_id);
            match current.is_some_and(|current| snapshot_ids.contains(&current)) {
                true => Err(refused(identity, "its current snapshot cannot be removed")),
                false => Ok(()),
            }
        }
        TableUpdate::RemoveSnapshotRef { ref_name } if ref_name != MAIN => Ok(()),
        TableUpdate::SetStatistics { statistics } => {
            check_snapshot(metadata, statistics.snapshot_id)
        }
        TableUpdate::SetPartitionStatistics { partition_statistics } => {
            check_snapshot(metadata, partition_statistics.snapshot_id)
        }
        TableUpdate::RemoveStatistics { .. } | TableUpdate::RemovePartitionStatistics { .. } => {
            Ok(())
        }
        TableUpdate::AddSnapshot { .. }
        | TableUpdate::SetSnapshotRef { .. }
        | TableUpdate::RemoveSnapshotRef { .. } => Err(refused(
            identity,
            "its rows come from the topic alone, so engines write no snapshots, branches or tags: \
             produce to the topic, or write to a table of your own (CREATE TABLE ... AS SELECT)",
        )),
        TableUpdate::AddSchema { .. }
        | TableUpdate::SetCurrentSchema { .. }
        | TableUpdate::RemoveSchemas { .. }
        | TableUpdate::AddSpec { .. }
        | TableUpdate::SetDefaultSpec { .. }
        | TableUpdate::RemovePartitionSpecs { .. }
        | TableUpdate::AddSortOrder { .. }
        | TableUpdate::SetDefaultSortOrder { .. } => Err(refused(
            identity,
            "its columns, partitions and order are the broker's: make a table of your own from it \
             (CREATE TABLE ... AS SELECT)",
        )),
        TableUpdate::UpgradeFormatVersion { .. }
        | TableUpdate::AssignUuid { .. }
        | TableUpdate::SetLocation { .. }
        | TableUpdate::AddEncryptionKey { .. }
        | TableUpdate::RemoveEncryptionKey { .. } => Err(refused(
            identity,
            "its format version, identity, place and keys are the broker's: make a table of your \
             own from it (CREATE TABLE ... AS SELECT)",
        )),
    }
}

fn check_property(identity: &TableIdentity, key: &str) -> Result<(), CatalogError> {
    let is_allowed = PROPERTIES.iter().any(|allowed| match allowed.ends_with('.') {
        true => key.starts_with(allowed),
        false => key == *allowed,
    });
    match is_allowed {
        true => Ok(()),
        false => Err(refused(
            identity,
            &format!(
                "its property {key} is the broker's; engines may set read.* and comment, and \
                 topic configurations (table.datalake.*) say how it is written"
            ),
        )),
    }
}

fn check_snapshot(metadata: Option<&TableMetadata>, id: i64) -> Result<(), CatalogError> {
    match metadata.and_then(|metadata| metadata.snapshot_by_id(id)) {
        Some(_) => Ok(()),
        None => Err(CatalogError::bad_request(format!("There is no snapshot {id}"))),
    }
}

#[cfg(test)]
mod tests;
