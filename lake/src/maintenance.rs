//! Removing files that nothing refers to.
//!
//! Files of ours carry the number of the commit that wrote them, so what a crash left is known by
//! name alone: its number is above the pointer's. Manifests and manifest lists whose snapshots
//! have been dropped are removed a while after that was first seen, since a query that began
//! before may still read them. Data files are removed only if a manifest says that they left the
//! table, and the oldest kept snapshot, which is from after that, does not have them: the manifest
//! stays until they are gone, so that a crash forgets none. Such a manifest may also be of a commit
//! that never was, whose number a later one has: that its files are in a snapshot tells.
//! Files that are not named like ours are never touched.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::commit::{Committed, removal};
use crate::table::Table;
use crate::{LakeError, Warehouse, manifest, parquet};

/// How long an unreferenced file of a former snapshot stays, for queries that still read it.
const GRACE_MS: i64 = 15 * 60 * 1000;
/// As many data files are deleted at a time: loads of the table wait meanwhile.
const FILES_PER_LOOK: usize = 200;
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
    /// Manifests of removed files whose files may go, with how many of them have gone.
    ready: BTreeMap<String, usize>,
    /// … and those whose files are gone.
    done: HashSet<String>,
}

/// What a table's metadata directory has that is unwanted.
#[derive(Default)]
struct Found {
    /// Metadata files that no kept snapshot and no kept metadata file needs.
    metadata: Vec<String>,
    /// Manifests of removed data files that no kept snapshot has.
    removed: Vec<String>,
    /// The same, of files that one still has.
    pending: Vec<String>,
}

/// Removes metadata files that have been unreferenced for a while, and finds the data files that
/// may go. Best effort: a failure is tried again with a later commit.
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
        // A bucket that cannot be used has a line of its own.
        Err(error) if error.is_outage() => {}
        Err(error) => tracing::warn!(
            table = table.identity.table, %error, "cannot look for unreferenced metadata files"
        ),
    }
}

fn remove_aged(warehouse: &Warehouse, table: &Table, found: Found, now_ms: i64) {
    let Unwanted { mut since, mut ready, mut done } = std::mem::take(&mut table.state().unwanted);
    let mut next = HashMap::with_capacity(found.metadata.len());
    let mut is_aged = |location: &String| {
        let first = since.remove(location).unwrap_or(now_ms);
        let is_aged = now_ms.saturating_sub(first) >= GRACE_MS;
        if !is_aged {
            next.insert(location.clone(), first);
        }
        is_aged
    };
    done.retain(|location| found.removed.contains(location));
    ready.retain(|location, _| found.removed.contains(location));
    for location in &found.removed {
        let is_known = done.contains(location) || ready.contains_key(location);
        if !is_known && is_aged(location) {
            ready.insert(location.clone(), 0);
        }
    }
    let has_removed_files = !found.pending.is_empty() || done.len() < found.removed.len();
    for location in found.metadata {
        // A manifest of removed files says what is still to be removed.
        let is_needed = removal::is_removed_manifest(&name_of(&location));
        if (!is_needed || done.contains(&location)) && is_aged(&location) {
            remove_quietly(warehouse, &location);
        }
    }
    let mut state = table.state();
    state.unwanted = Unwanted { since: next, ready, done };
    state.has_removed_files = Some(has_removed_files);
}

/// Deletes some of the data files that left the table by age and are in no snapshot any more; whether
/// there are more.
pub(crate) fn remove_data_files(
    warehouse: &Warehouse,
    table: &Table,
    committed: &Committed,
) -> Result<bool, LakeError> {
    let mut left = FILES_PER_LOOK;
    let ready = table.state().unwanted.ready.clone();
    if ready.is_empty() {
        return Ok(false);
    }
    let live = oldest_files(warehouse, table, committed)?;
    let below = format!("{}/", table.data());
    for (note, gone) in ready {
        let read = manifest::removed_files(&warehouse.read(&note)?);
        let files = read.map_err(table.metadata_error("read a manifest"))?;
        if files.iter().any(|file| live.contains(file)) {
            // Of a commit that never was: a later one has its number.
            warehouse.delete(&note)?;
            table.state().unwanted.ready.remove(&note);
            continue;
        }
        for file in files.iter().skip(gone) {
            if left == 0 || table.is_closing() {
                return Ok(true);
            }
            if file.starts_with(&below) {
                warehouse.delete(file)?;
            }
            left -= 1;
            if let Some(gone) = table.state().unwanted.ready.get_mut(&note) {
                *gone += 1;
            }
        }
        let unwanted = &mut table.state().unwanted;
        unwanted.ready.remove(&note);
        unwanted.done.insert(note);
    }
    Ok(false)
}

/// The data files of the oldest kept snapshot. A file that a manifest of removed files names was there
/// before, and leaves only once: if it is not in the oldest snapshot from then on, it is in none.
fn oldest_files(
    warehouse: &Warehouse,
    table: &Table,
    committed: &Committed,
) -> Result<HashSet<String>, LakeError> {
    let snapshots = committed.metadata.snapshots();
    let Some(oldest) = snapshots.min_by_key(|snapshot| snapshot.sequence_number()) else {
        return Ok(HashSet::new());
    };
    let list = manifest::decode_list(&warehouse.read(oldest.manifest_list())?);
    let list = list.map_err(table.metadata_error("read a manifest list"))?;
    let mut files = HashSet::new();
    for manifest in list.iter().filter(|manifest| manifest::has_live_files(manifest)) {
        let read = manifest::decode_entries(manifest, warehouse.read(&manifest.manifest_path)?);
        let entries = read.map_err(table.metadata_error("read a manifest"))?;
        let live = entries.iter().filter(|entry| entry.is_alive());
        files.extend(live.map(|entry| entry.file_path().to_string()));
    }
    Ok(files)
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
    let mut found = Found::default();
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
