//! What every new snapshot needs: numbered manifests, their list, and which old snapshots go.

use std::collections::HashSet;

use iceberg::TableUpdate;
use iceberg::spec::{
    ManifestFile, Snapshot, SnapshotReference, SnapshotRetention, Summary, TableMetadata,
};

use super::{Givens, OFFSETS};
use crate::manifest::{self, NewFile};

/// Snapshots younger than this are all kept, up to [`RECENT_SNAPSHOTS`].
const RECENT_MS: i64 = 15 * 60 * 1000;
/// As many of the newest snapshots are kept at most …
pub(super) const RECENT_SNAPSHOTS: usize = 100;
/// … and one an hour of the older ones, for as many hours.
pub(super) const HOURLY_SNAPSHOTS: i64 = 48;
pub(super) const HOUR_MS: i64 = 3_600_000;
/// About as many bytes of snapshots are kept: each carries an offset per partition that changed.
const SNAPSHOT_BYTES: usize = 160 * 1024;
/// A snapshot in metadata.json with its entry in the history, without those offsets.
const BYTES_PER_SNAPSHOT: usize = 900;
pub(super) const MAIN: &str = "main";

/// How far a snapshot may be behind the last change of the metadata: half of what readers take for a
/// difference of clocks.
const TOLERANCE_MS: i64 = 30 * 1000;

/// Where a commit's files go, and what it was given.
pub(super) struct Place<'a> {
    pub(super) location: &'a str,
    pub(super) commit: u64,
    pub(super) givens: &'a Givens,
}

/// The manifests of a new snapshot's list, and the files of those that are new.
pub(super) struct Manifests {
    sequence_number: i64,
    pub(super) manifests: Vec<ManifestFile>,
    pub(super) files: Vec<NewFile>,
}

impl Manifests {
    pub(super) fn new(sequence_number: i64) -> Manifests {
        Manifests { sequence_number, manifests: Vec::new(), files: Vec::new() }
    }

    /// Adds a new manifest.
    pub(super) fn add(&mut self, (mut manifest, file): (ManifestFile, NewFile)) {
        manifest.sequence_number = self.sequence_number;
        if manifest.min_sequence_number < 0 {
            manifest.min_sequence_number = self.sequence_number;
        }
        self.manifests.push(manifest);
        self.files.push(file);
    }

    /// Keeps the manifests of the snapshot before, without those that were rewritten, and those
    /// that only say what an earlier snapshot removed.
    pub(super) fn keep(&mut self, before: &[ManifestFile], rewritten: &[usize]) {
        let kept = before.iter().enumerate().filter(|(index, manifest)| {
            !rewritten.contains(index) && manifest::has_live_files(manifest)
        });
        self.manifests.extend(kept.map(|(_, manifest)| manifest.clone()));
    }
}

/// A snapshot on top of the current one, and the file of its manifest list.
pub(super) fn snapshot(
    base: &TableMetadata,
    place: &Place<'_>,
    summary: Summary,
    manifests: &[ManifestFile],
) -> iceberg::Result<(Snapshot, NewFile)> {
    let &Place { location, commit, givens } = place;
    let (id, parent) = (givens.snapshot_id, base.current_snapshot_id());
    let sequence_number = base.next_sequence_number();
    let list = format!("{location}/metadata/snap-{id}-{commit:08}-{}.avro", givens.unique);
    // Strictly increasing: no two snapshots are the state of one moment, and a clock that was set back
    // does not make a table that refuses its own commits. A change of the metadata alone may be newer.
    let last = base.current_snapshot().map_or(i64::MIN, |last| last.timestamp_ms() + 1);
    let earliest_ms = last.max(base.last_updated_ms() - TOLERANCE_MS);
    let file = manifest::encode_list(id, parent, sequence_number, list.clone(), manifests)?;
    let snapshot = Snapshot::builder()
        .with_snapshot_id(id)
        .with_parent_snapshot_id(parent)
        .with_sequence_number(sequence_number)
        .with_timestamp_ms(givens.snapshot_ms.max(earliest_ms))
        .with_manifest_list(list)
        .with_schema_id(base.current_schema_id())
        .with_summary(summary)
        .build();
    Ok((snapshot, file))
}

/// The updates that make a snapshot the table's current one, and let go of old ones.
pub(super) fn updates(base: &TableMetadata, snapshot: Snapshot, now_ms: i64) -> Vec<TableUpdate> {
    let retention = SnapshotRetention::branch(None, None, None);
    let reference = SnapshotReference::new(snapshot.snapshot_id(), retention);
    let expired = expired(base, now_ms);
    let mut updates = vec![
        TableUpdate::AddSnapshot { snapshot },
        TableUpdate::SetSnapshotRef { ref_name: MAIN.into(), reference },
    ];
    if !expired.is_empty() {
        updates.push(TableUpdate::RemoveSnapshots { snapshot_ids: expired });
    }
    updates
}

/// The snapshots to drop when one is added: all of the last 15 minutes stay (the newest 100 at
/// most), then the last of each hour for two days, as far as the bytes go. The current one stays.
pub(super) fn expired(metadata: &TableMetadata, now_ms: i64) -> Vec<i64> {
    let mut snapshots: Vec<&Snapshot> = metadata.snapshots().map(AsRef::as_ref).collect();
    snapshots.sort_unstable_by_key(|snapshot| std::cmp::Reverse(snapshot.sequence_number()));
    let current = metadata.current_snapshot_id();
    let (mut bytes, mut hours, mut expired) = (0, HashSet::new(), Vec::new());
    for (index, snapshot) in snapshots.into_iter().enumerate() {
        let offsets = snapshot.summary().additional_properties.get(OFFSETS);
        bytes += BYTES_PER_SNAPSHOT + offsets.map_or(0, String::len);
        let age_ms = now_ms.saturating_sub(snapshot.timestamp_ms());
        let is_recent = age_ms <= RECENT_MS && index < RECENT_SNAPSHOTS - 1;
        let hour = snapshot.timestamp_ms().div_euclid(HOUR_MS);
        let is_last_of_hour = age_ms <= HOURLY_SNAPSHOTS * HOUR_MS && hours.insert(hour);
        let fits = bytes <= SNAPSHOT_BYTES;
        let is_current = Some(snapshot.snapshot_id()) == current;
        if !(is_current || fits && (is_recent || is_last_of_hour)) {
            expired.push(snapshot.snapshot_id());
        }
    }
    expired
}
