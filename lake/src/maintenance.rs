//! Removing files that nothing refers to.
//!
//! Files of ours carry the number of the commit that wrote them, so what a crash left is known by
//! name alone: its number is above the pointer's. Manifests and manifest lists whose snapshots
//! have been dropped are removed a while after that was first seen, since a query that began
//! before may still read them. Data files of a log table are never removed here, and files that
//! are not named like ours are never touched.

use std::collections::HashSet;

use crate::table::Table;
use crate::{LakeError, Warehouse, manifest, parquet};

/// How long an unreferenced file of a former snapshot stays, for queries that still read it.
const GRACE_MS: i64 = 15 * 60 * 1000;
/// At most this often is a table's metadata directory listed.
const TRIM_EVERY_MS: i64 = 5 * 60 * 1000;

/// Removes the files of commits above `commit`, which never became one.
pub(crate) fn remove_uncommitted(
    warehouse: &Warehouse,
    table: &Table,
    commit: u64,
) -> Result<(), LakeError> {
    // Data files sort by their commits, so a bucket needs to list the newest only.
    let newer = format!("{commit:08}-zzz");
    let data = (table.data(), parquet::commit_of as fn(&str) -> Option<u64>, Some(newer.as_str()));
    for (directory, number_of, after) in [data, (table.metadata(), metadata_commit, None)] {
        for name in warehouse.list(&directory, after)? {
            if number_of(&name).is_some_and(|number| number > commit) {
                let location = format!("{directory}/{name}");
                tracing::info!(location, "removing a file of an unfinished commit");
                warehouse.delete(&location)?;
            }
        }
    }
    Ok(())
}

/// Removes metadata files that have been unreferenced for a while. Best effort: a failure is
/// tried again with a later commit.
pub(crate) fn trim(warehouse: &Warehouse, table: &Table, now_ms: i64) {
    let committed = {
        let mut state = table.state();
        if now_ms.saturating_sub(state.last_trim_ms) < TRIM_EVERY_MS {
            return;
        }
        state.last_trim_ms = now_ms;
        state.committed.clone()
    };
    let Some(committed) = committed else { return };
    match unreferenced(warehouse, table, &committed) {
        Ok(found) => remove_aged(warehouse, table, found, now_ms),
        Err(error) => tracing::warn!(
            table = table.identity.table, %error, "cannot look for unreferenced metadata files"
        ),
    }
}

fn remove_aged(warehouse: &Warehouse, table: &Table, found: Vec<String>, now_ms: i64) {
    let mut seen = std::mem::take(&mut table.state().unreferenced);
    let mut next = std::collections::HashMap::with_capacity(found.len());
    for location in found {
        let since = seen.remove(&location).unwrap_or(now_ms);
        if now_ms.saturating_sub(since) >= GRACE_MS {
            remove_quietly(warehouse, &location);
        } else {
            next.insert(location, since);
        }
    }
    table.state().unreferenced = next;
}

/// Metadata files of ours that no kept snapshot and no kept metadata file needs.
fn unreferenced(
    warehouse: &Warehouse,
    table: &Table,
    committed: &crate::commit::Committed,
) -> Result<Vec<String>, LakeError> {
    let metadata = &committed.metadata;
    let mut referenced = HashSet::from([name_of(&committed.pointer.metadata_location)]);
    referenced.extend(metadata.metadata_log().iter().map(|log| name_of(&log.metadata_file)));
    referenced.extend(committed.manifests.iter().map(|m| name_of(&m.manifest_path)));
    for snapshot in metadata.snapshots() {
        referenced.insert(name_of(snapshot.manifest_list()));
        // A list that cannot be read keeps everything: rather too much than too little.
        let bytes = warehouse.read(snapshot.manifest_list())?;
        let list = manifest::decode_list(&bytes).map_err(|e| LakeError::Metadata {
            action: "read a manifest list",
            table: committed.pointer.table.clone(),
            reason: e.to_string(),
        })?;
        referenced.extend(list.iter().map(|manifest| name_of(&manifest.manifest_path)));
    }
    let directory = table.metadata();
    let ours = warehouse
        .list(&directory, None)?
        .into_iter()
        .filter(|name| metadata_commit(name).is_some() && !referenced.contains(name))
        .map(|name| format!("{directory}/{name}"))
        .collect();
    Ok(ours)
}

fn name_of(location: &str) -> String {
    location.rsplit('/').next().unwrap_or(location).to_string()
}

/// The commit number in the name of a metadata file of ours: `00007-….metadata.json`,
/// `00000007-m0-….avro`, `snap-<id>-00000007-….avro`.
fn metadata_commit(name: &str) -> Option<u64> {
    let number = if let Some(snapshot) = name.strip_prefix("snap-") {
        snapshot.strip_suffix(".avro")?.split('-').nth(1)?
    } else if let Some(manifest) = name.strip_suffix(".avro") {
        let (number, rest) = manifest.split_once('-')?;
        rest.starts_with('m').then_some(number)?
    } else {
        name.strip_suffix(".metadata.json")?.split('-').next()?
    };
    (number.len() >= 5).then(|| number.parse().ok()).flatten()
}

/// Removes a file that is only in the way.
pub(crate) fn remove_quietly(warehouse: &Warehouse, location: &str) {
    if let Err(error) = warehouse.delete(location) {
        tracing::warn!(%error, "a file that nothing refers to stays");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_ours_are_known_by_name() {
        let id = "11111111-2222-4333-8444-555555555555";
        let rows = [
            (format!("00007-{id}.metadata.json"), Some(7)),
            (format!("00000007-m0-{id}.avro"), Some(7)),
            (format!("snap-812739-00000012-{id}.avro"), Some(12)),
            (format!("{id}-m0.avro"), None),
            ("11111111-2222-4333-8444-555555555555-m0.avro".into(), None),
            (format!("snap-812739-1-{id}.avro"), None),
            ("v7.metadata.json".into(), None),
            ("notes.txt".into(), None),
        ];
        for (name, expected) in rows {
            assert_eq!(metadata_commit(&name), expected, "{name}");
        }
    }
}
