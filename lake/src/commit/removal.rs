//! The plan of a commit that takes data files out of a table, and of one that only lets go of old
//! snapshots. Pure, as the plan of a commit with rows is; the marker stays where it was.
//!
//! What is removed is written down in manifests of their own, named `<commit>-mr<n>-….avro`: engines
//! find there what a snapshot removed, and maintenance finds which files to delete once the last
//! snapshot that has them is gone.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use iceberg::spec::{ManifestEntry, Operation, PartitionSpecRef, Summary, TableMetadata};
use iceberg::{TableRequirement, TableUpdate};

use super::snapshots::{self, Manifests, Place};
use super::{CommitPlan, Committed, Givens, MAIN, NONE, OFFSETS, total, unexpected, updated};
use crate::manifest::{self, ManifestContext, NewFile};
use crate::pointer::Pointer;

/// How the names of manifests of removed files go on after their commit's number.
const REMOVED: &str = "-mr";

/// A manifest of which some files go.
#[derive(Clone, Debug)]
pub(crate) struct Rewrite {
    /// Its position in [`Committed::manifests`].
    pub(crate) position: usize,
    /// Its entries that stay.
    pub(crate) kept: Vec<Arc<ManifestEntry>>,
    /// Its entries whose files go.
    pub(crate) removed: Vec<Arc<ManifestEntry>>,
}

/// Whether a metadata file's name is that of a manifest of removed files.
pub(crate) fn is_removed_manifest(name: &str) -> bool {
    let number = name.bytes().take_while(u8::is_ascii_digit).count();
    number > 0 && name[number..].starts_with(REMOVED) && name.ends_with(".avro")
}

/// Plans a commit that removes files.
pub(crate) fn plan(
    base: &Committed,
    rewrites: &[Rewrite],
    givens: &Givens,
) -> iceberg::Result<CommitPlan> {
    let metadata = &base.metadata;
    let (location, commit) = (base.pointer.location.as_str(), base.pointer.commit + 1);
    let (new, removed) = manifests(base, rewrites, givens, commit)?;
    let place = Place { location, commit, givens };
    let summary = summary(metadata, &removed);
    let (snapshot, list) = snapshots::snapshot(metadata, &place, summary, &new.manifests)?;
    let Manifests { manifests, mut files, .. } = new;
    files.push(list);
    let updates = snapshots::updates(metadata, snapshot, givens.now_ms);
    let snapshot_id = Some(givens.snapshot_id);
    changed(base, updates, givens, (snapshot_id, Arc::new(manifests), files))
}

/// Plans a commit that lets go of the snapshots that are due; nothing if none is.
pub(crate) fn plan_expiry(
    base: &Committed,
    givens: &Givens,
) -> iceberg::Result<Option<CommitPlan>> {
    let snapshot_ids = snapshots::expired(&base.metadata, givens.now_ms);
    if snapshot_ids.is_empty() {
        return Ok(None);
    }
    let updates = vec![TableUpdate::RemoveSnapshots { snapshot_ids }];
    let unchanged = (base.pointer.snapshot_id, Arc::clone(&base.manifests), Vec::new());
    changed(base, updates, givens, unchanged).map(Some)
}

/// The snapshot, the manifests and the new files of a plan.
type Content = (Option<i64>, Arc<Vec<iceberg::spec::ManifestFile>>, Vec<NewFile>);

/// The table after these updates, its marker unchanged.
fn changed(
    base: &Committed,
    updates: Vec<TableUpdate>,
    givens: &Givens,
    (snapshot_id, manifests, files): Content,
) -> iceberg::Result<CommitPlan> {
    let before = &base.pointer;
    for requirement in [
        TableRequirement::UuidMatch { uuid: base.metadata.uuid() },
        TableRequirement::RefSnapshotIdMatch {
            r#ref: MAIN.into(),
            snapshot_id: before.snapshot_id,
        },
    ] {
        requirement.check(Some(base.metadata.as_ref()))?;
    }
    let current = before.metadata_location.clone();
    let (metadata, expired_metadata) =
        updated(Arc::clone(&base.metadata), Some(current.clone()), &updates)?;
    let commit = before.commit + 1;
    let (location, unique) = (&before.location, givens.unique);
    let pointer = Pointer {
        commit,
        metadata_location: format!("{location}/metadata/{commit:05}-{unique}.metadata.json"),
        previous_metadata_location: Some(current),
        snapshot_id,
        ..before.clone()
    };
    let committed = Committed { pointer, metadata: Arc::new(metadata), manifests };
    let mut plan = CommitPlan { files, committed, expired_metadata, updates };
    plan.write_metadata()?;
    Ok(plan)
}

/// The manifests after the removal, and what they say is removed.
fn manifests(
    base: &Committed,
    rewrites: &[Rewrite],
    givens: &Givens,
    commit: u64,
) -> iceberg::Result<(Manifests, Vec<Arc<ManifestEntry>>)> {
    let metadata = &base.metadata;
    let context = |spec: &PartitionSpecRef| ManifestContext {
        snapshot_id: givens.snapshot_id,
        schema: Arc::clone(metadata.current_schema()),
        spec: spec.as_ref().clone(),
    };
    let name = |infix: String| {
        let (location, unique) = (&base.pointer.location, givens.unique);
        format!("{location}/metadata/{commit:08}{infix}-{unique}.avro")
    };
    let mut new = Manifests::new(metadata.next_sequence_number());
    let mut removed_by_spec: BTreeMap<i32, Vec<Arc<ManifestEntry>>> = BTreeMap::new();
    for (index, rewrite) in rewrites.iter().enumerate() {
        let manifest = base.manifests.get(rewrite.position);
        let spec_id = manifest.ok_or_else(|| unexpected("no such manifest"))?.partition_spec_id;
        if !rewrite.kept.is_empty() {
            let context = context(spec(metadata, spec_id)?);
            let location = name(format!("-m{index}"));
            new.add(manifest::encode_existing(&context, location, &rewrite.kept)?);
        }
        removed_by_spec.entry(spec_id).or_default().extend(rewrite.removed.iter().cloned());
    }
    for (index, (spec_id, removed)) in removed_by_spec.iter().enumerate() {
        let context = context(spec(metadata, *spec_id)?);
        let location = name(format!("{REMOVED}{index}"));
        new.add(manifest::encode_removed(&context, location, removed)?);
    }
    let rewritten: Vec<usize> = rewrites.iter().map(|rewrite| rewrite.position).collect();
    new.keep(&base.manifests, &rewritten);
    Ok((new, removed_by_spec.into_values().flatten().collect()))
}

fn spec(metadata: &TableMetadata, id: i32) -> iceberg::Result<&PartitionSpecRef> {
    metadata.partition_spec_by_id(id).ok_or_else(|| unexpected("a manifest of no spec"))
}

/// Counts of what is removed and of the table after it.
fn summary(base: &TableMetadata, removed: &[Arc<ManifestEntry>]) -> Summary {
    let sum = |of: fn(&ManifestEntry) -> u64| removed.iter().map(|entry| of(entry)).sum();
    let counts: [(&str, &str, u64); 3] = [
        ("deleted-data-files", "total-data-files", removed.len() as u64),
        ("deleted-records", "total-records", sum(|entry| entry.data_file.record_count())),
        ("removed-files-size", "total-files-size", sum(|e| e.data_file.file_size_in_bytes())),
    ];
    let mut properties: HashMap<String, String> =
        NONE.iter().map(|none| (none.to_string(), "0".to_string())).collect();
    for (gone, name, count) in counts {
        properties.insert(gone.into(), count.to_string());
        properties.insert(name.into(), total(base, name).saturating_sub(count).to_string());
    }
    properties.insert(OFFSETS.into(), "{}".into());
    Summary { operation: Operation::Delete, additional_properties: properties }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_of_removed_files_are_known_by_name() {
        let id = "11111111-2222-4333-8444-555555555555";
        for (name, expected) in [
            (format!("00000007-mr0-{id}.avro"), true),
            (format!("00000007-m0-{id}.avro"), false),
            (format!("-mr0-{id}.avro"), false),
            (format!("00000007-mr0-{id}.json"), false),
            ("é-mr0.avro".into(), false),
        ] {
            assert_eq!(is_removed_manifest(&name), expected, "{name}");
        }
    }
}
