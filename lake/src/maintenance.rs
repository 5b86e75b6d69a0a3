//! Removing files that nothing refers to.
//!
//! Files of ours carry the number of the commit that wrote them, so what a crash left is known by
//! name alone: its number is above the pointer's. Manifests and manifest lists whose snapshots
//! have been dropped are removed a while after that was first seen, since a query that began
//! before may still read them. Data files are removed only if a manifest says that they left the
//! table, once no kept snapshot is from before that: the manifest stays until they are gone, so
//! that a crash forgets none. Files that are not named like ours are never touched.

use std::collections::{HashMap, HashSet};

use crate::commit::{Committed, removal};
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

/// What nothing refers to, and is not removed yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unwanted {
    /// When it was first found to be: metadata files, and manifests of removed data files for
    /// those files.
    since: HashMap<String, i64>,
    /// Manifests of removed files whose files are gone.
    done: HashSet<String>,
}

/// What a table's metadata directory has that is unwanted.
struct Found {
    /// Metadata files that no kept snapshot and no kept metadata file needs.
    metadata: Vec<String>,
    /// Manifests of removed data files that no kept snapshot has.
    removed: Vec<String>,
    /// The same, of files that one still has.
    pending: Vec<String>,
}

/// Removes files that have been unreferenced for a while. Best effort: a failure is tried again
/// with a later commit.
pub(crate) fn trim(warehouse: &Warehouse, table: &Table, committed: &Committed, now_ms: i64) {
    {
        let mut state = table.state();
        if now_ms.saturating_sub(state.last_trim_ms) < TRIM_EVERY_MS {
            return;
        }
        state.last_trim_ms = now_ms;
    }
    match find(warehouse, table, committed) {
        Ok(found) => remove_aged(warehouse, table, found, now_ms),
        Err(error) => tracing::warn!(
            table = table.identity.table, %error, "cannot look for unreferenced metadata files"
        ),
    }
}

fn remove_aged(warehouse: &Warehouse, table: &Table, found: Found, now_ms: i64) {
    let Unwanted { mut since, mut done } = std::mem::take(&mut table.state().unwanted);
    let mut next = HashMap::with_capacity(found.metadata.len());
    let mut is_aged = |location: &String| {
        let first = since.remove(location).unwrap_or(now_ms);
        let is_aged = now_ms.saturating_sub(first) >= GRACE_MS;
        if !is_aged {
            next.insert(location.clone(), first);
        }
        is_aged
    };
    let mut has_removed_files = !found.pending.is_empty();
    done.retain(|location| found.removed.contains(location));
    for location in found.removed {
        if done.contains(&location) {
            continue;
        }
        if is_aged(&location) && remove_files_of(warehouse, table, &location) {
            done.insert(location);
        } else {
            has_removed_files = true;
        }
    }
    for location in found.metadata {
        // A manifest of removed files says what is still to be removed.
        let is_needed = removal::is_removed_manifest(&name_of(&location));
        if (!is_needed || done.contains(&location)) && is_aged(&location) {
            remove_quietly(warehouse, &location);
        }
    }
    let mut state = table.state();
    state.unwanted = Unwanted { since: next, done };
    state.has_removed_files = has_removed_files;
}

/// Removes the data files that a manifest says were removed; whether they are gone.
fn remove_files_of(warehouse: &Warehouse, table: &Table, location: &str) -> bool {
    let paths = warehouse.read(location).and_then(|bytes| {
        manifest::removed_files(&bytes).map_err(table.metadata_error("read a manifest"))
    });
    let below = format!("{}/", table.data());
    let removed = paths.and_then(|paths| {
        let mut ours = paths.iter().filter(|path| path.starts_with(&below));
        ours.try_for_each(|path| warehouse.delete(path))
    });
    if let Err(error) = &removed {
        let table = &table.identity.table;
        tracing::warn!(table, %error, "files that left the table by age stay for now");
    }
    removed.is_ok()
}

fn find(warehouse: &Warehouse, table: &Table, committed: &Committed) -> Result<Found, LakeError> {
    let metadata = &committed.metadata;
    let mut referenced = HashSet::from([name_of(&committed.pointer.metadata_location)]);
    referenced.extend(metadata.metadata_log().iter().map(|log| name_of(&log.metadata_file)));
    referenced.extend(committed.manifests.iter().map(|m| name_of(&m.manifest_path)));
    // Snapshots from here on are kept; a list of a name that is not ours may be of any age.
    let mut oldest = u64::MAX;
    for snapshot in metadata.snapshots() {
        let list = name_of(snapshot.manifest_list());
        oldest = oldest.min(metadata_commit(&list).unwrap_or(0));
        referenced.insert(list);
        // A list that cannot be read keeps everything: rather too much than too little.
        let bytes = warehouse.read(snapshot.manifest_list())?;
        let list = manifest::decode_list(&bytes);
        let list = list.map_err(table.metadata_error("read a manifest list"))?;
        referenced.extend(list.iter().map(|manifest| name_of(&manifest.manifest_path)));
    }
    let directory = table.metadata();
    let mut found = Found { metadata: Vec::new(), removed: Vec::new(), pending: Vec::new() };
    for name in warehouse.list(&directory, None)? {
        let Some(commit) = metadata_commit(&name) else { continue };
        let location = format!("{directory}/{name}");
        if removal::is_removed_manifest(&name) {
            // A snapshot from before the removal has the files.
            let kind = if commit <= oldest { &mut found.removed } else { &mut found.pending };
            kind.push(location.clone());
        }
        if !referenced.contains(&name) {
            found.metadata.push(location);
        }
    }
    Ok(found)
}

fn name_of(location: &str) -> String {
    location.rsplit('/').next().unwrap_or(location).to_string()
}

/// The commit number in the name of a metadata file of ours: `00007-….metadata.json`,
/// `00000007-m0-….avro`, `00000007-mr0-….avro`, `snap-<id>-00000007-….avro`.
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
            (format!("00000007-mr0-{id}.avro"), Some(7)),
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
