//! The commit plan: data files and an offset vector in, a catalog change out. Pure.
//!
//! [`plan`] turns what the tailer wrote into everything one commit consists of: manifests, the
//! manifest list, the snapshot, the table updates with their requirements, the metadata file and
//! the pointer with its marker. It reads no file and no clock; ids and the time are passed in.
//! Whoever carries it out makes the files durable first and moves the pointer last.
//!
//! A commit without rows moves only the marker (or, for a new table, writes metadata without a
//! snapshot). Snapshots are thinned in the same commit, so that metadata.json stays small.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use iceberg::spec::{
    DataContentType, DataFileBuilder, DataFileFormat, Datum, FormatVersion, ManifestEntry,
    ManifestFile, NullOrder, Operation, PartitionSpec, PartitionSpecRef, Snapshot, SortDirection,
    SortField, SortOrder, Summary, TableMetadata, Transform,
};
use iceberg::{TableRequirement, TableUpdate};
use strom_protocol::TopicId;
use strom_protocol::partitioning::PartitionField;
use uuid::Uuid;

use crate::columns;
use crate::manifest::{self, ManifestContext, NewFile};
use crate::parquet::DataFile;
use crate::partitioning;
use crate::pointer::{Pointer, Reached};

pub(crate) mod removal;
mod snapshots;

use snapshots::{HOUR_MS, HOURLY_SNAPSHOTS, MAIN, Manifests, Place};

/// Key of the changed partitions' next offsets in a snapshot's summary.
pub(crate) const OFFSETS: &str = "strom.offsets";

/// Counts of what no table of a topic has.
const NONE: [&str; 3] = ["total-delete-files", "total-position-deletes", "total-equality-deletes"];

/// What never changes about a table.
#[derive(Clone, Debug)]
pub(crate) struct TableIdentity {
    pub(crate) namespace: String,
    pub(crate) table: String,
    pub(crate) topic_id: TopicId,
    pub(crate) topic: String,
    pub(crate) location: String,
}

/// The state that a commit builds on and results in.
#[derive(Clone, Debug)]
pub(crate) struct Committed {
    pub(crate) pointer: Pointer,
    pub(crate) metadata: Arc<TableMetadata>,
    /// The manifests of the current snapshot.
    pub(crate) manifests: Arc<Vec<ManifestFile>>,
}

/// Manifests to rewrite into one, with their live entries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Merge {
    /// Positions in [`Committed::manifests`].
    pub(crate) positions: Vec<usize>,
    pub(crate) entries: Vec<Arc<ManifestEntry>>,
}

/// What the world adds to a commit: nothing here is decided by the plan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Givens {
    pub(crate) now_ms: i64,
    /// The time that the new snapshot bears: a moment up to which the *previous* one is complete.
    /// DuckDB reads a table as of its transaction's start, so a snapshot that bore the time of the
    /// load that asked for it would be invisible to the query that asked. This way "as of T" holds
    /// every record that was acknowledged before T, whoever flushes when.
    pub(crate) snapshot_ms: i64,
    pub(crate) epoch: i64,
    /// Makes file names unique.
    pub(crate) unique: Uuid,
    /// The new snapshot's id, positive.
    pub(crate) snapshot_id: i64,
    /// The table's uuid, if it is new.
    pub(crate) table_uuid: Uuid,
}

/// One commit's input.
#[derive(Debug)]
pub(crate) struct CommitInput<'a> {
    pub(crate) identity: &'a TableIdentity,
    /// How the files are partitioned; the table is made to be, if it is not.
    pub(crate) partition_by: &'a [PartitionField],
    pub(crate) base: Option<&'a Committed>,
    pub(crate) files: &'a [DataFile],
    pub(crate) reached: Vec<Reached>,
    pub(crate) merge: Merge,
    pub(crate) givens: Givens,
}

/// One commit, ready to be carried out.
#[derive(Debug)]
pub(crate) struct CommitPlan {
    /// Files to write and sync before the pointer moves.
    pub(crate) files: Vec<NewFile>,
    /// The state after the commit, its pointer included.
    pub(crate) committed: Committed,
    /// Metadata files that nothing refers to once the pointer has moved.
    pub(crate) expired_metadata: Vec<String>,
    /// The change as a catalog's client would send it; its requirements hold for the base.
    pub(crate) updates: Vec<TableUpdate>,
}

/// Plans a commit.
pub(crate) fn plan(input: CommitInput<'_>) -> iceberg::Result<CommitPlan> {
    let base_metadata = match input.base {
        Some(base) => Arc::clone(&base.metadata),
        None => Arc::new(new_metadata(input.identity, &input.givens)?),
    };
    let mut plan = if input.files.is_empty() {
        without_rows(&input, base_metadata)?
    } else {
        with_rows(&input, base_metadata)?
    };
    if plan.updates.is_empty() && input.base.is_some() {
        return Ok(plan);
    }
    plan.write_metadata()?;
    Ok(plan)
}

impl CommitPlan {
    /// Adds the metadata file, which the pointer names already.
    fn write_metadata(&mut self) -> iceberg::Result<()> {
        let bytes = serde_json::to_vec(self.committed.metadata.as_ref())
            .map_err(|e| unexpected("cannot write metadata as JSON").with_source(e))?;
        let location = self.committed.pointer.metadata_location.clone();
        self.files.push(NewFile { location, bytes: bytes.into() });
        Ok(())
    }
}

fn without_rows(
    input: &CommitInput<'_>,
    metadata: Arc<TableMetadata>,
) -> iceberg::Result<CommitPlan> {
    let mut pointer = next_pointer(input, &metadata, metadata.current_snapshot_id());
    if let Some(base) = input.base {
        pointer.metadata_location = base.pointer.metadata_location.clone();
        pointer.previous_metadata_location = base.pointer.previous_metadata_location.clone();
    }
    let manifests = input.base.map(|base| Arc::clone(&base.manifests)).unwrap_or_default();
    Ok(CommitPlan {
        files: Vec::new(),
        committed: Committed { pointer, metadata, manifests },
        expired_metadata: Vec::new(),
        updates: Vec::new(),
    })
}

fn with_rows(input: &CommitInput<'_>, base: Arc<TableMetadata>) -> iceberg::Result<CommitPlan> {
    let mut updates = partitioning::evolution(&base, input.partition_by)?;
    let specs = partition_specs(&base, &updates)?;
    let (snapshot, manifests, files) = snapshot(input, &base, &specs)?;
    let snapshot_id = snapshot.snapshot_id();
    updates.extend(snapshots::updates(&base, snapshot, input.givens.now_ms));
    let requirements = match input.base {
        None => vec![TableRequirement::NotExist],
        Some(base) => vec![
            TableRequirement::UuidMatch { uuid: base.metadata.uuid() },
            TableRequirement::RefSnapshotIdMatch {
                r#ref: MAIN.into(),
                snapshot_id: base.pointer.snapshot_id,
            },
        ],
    };
    for requirement in &requirements {
        requirement.check(input.base.map(|base| base.metadata.as_ref()))?;
    }
    let current = input.base.map(|base| base.pointer.metadata_location.clone());
    let (metadata, expired_metadata) = updated(base, current, &updates)?;
    let pointer = next_pointer(input, &metadata, Some(snapshot_id));
    Ok(CommitPlan {
        files,
        committed: Committed {
            pointer,
            metadata: Arc::new(metadata),
            manifests: Arc::new(manifests),
        },
        expired_metadata,
        updates,
    })
}

/// Metadata after updates, and the metadata files that it no longer mentions.
fn updated(
    base: Arc<TableMetadata>,
    location: Option<String>,
    updates: &[TableUpdate],
) -> iceberg::Result<(TableMetadata, Vec<String>)> {
    let mut builder = Arc::unwrap_or_clone(base).into_builder(location);
    for update in updates {
        builder = update.clone().apply(builder)?;
    }
    let built = builder.build()?;
    let expired = built.expired_metadata_logs.into_iter().map(|log| log.metadata_file);
    Ok((built.metadata, expired.collect()))
}

/// The partition specs of a table: the one that new files follow, and all by their ids.
struct Specs {
    current: PartitionSpecRef,
    all: HashMap<i32, PartitionSpecRef>,
}

/// The specs once `evolution` has been applied: a rehearsal, because ids are given by applying.
fn partition_specs(base: &TableMetadata, evolution: &[TableUpdate]) -> iceberg::Result<Specs> {
    let specs = |metadata: &TableMetadata| Specs {
        current: Arc::clone(metadata.default_partition_spec()),
        all: metadata.partition_specs_iter().map(|s| (s.spec_id(), Arc::clone(s))).collect(),
    };
    if evolution.is_empty() {
        return Ok(specs(base));
    }
    let mut builder = base.clone().into_builder(None);
    for update in evolution {
        builder = update.clone().apply(builder)?;
    }
    Ok(specs(&builder.build()?.metadata))
}

/// The snapshot, the manifests of its list, and the files that hold both.
fn snapshot(
    input: &CommitInput<'_>,
    base: &TableMetadata,
    specs: &Specs,
) -> iceberg::Result<(Snapshot, Vec<ManifestFile>, Vec<NewFile>)> {
    let givens = &input.givens;
    let commit = next_commit(input);
    let location = &input.identity.location;
    let sequence_number = base.next_sequence_number();
    let context = ManifestContext {
        snapshot_id: givens.snapshot_id,
        schema: Arc::clone(base.current_schema()),
        spec: specs.current.as_ref().clone(),
    };
    let mut new = Manifests::new(sequence_number);
    let name = |index: u32| {
        let unique = givens.unique;
        format!("{location}/metadata/{commit:08}-m{index}-{unique}.avro")
    };
    let spec_id = specs.current.spec_id();
    let added = input.files.iter().map(|file| data_file(file, spec_id));
    let added = added.collect::<iceberg::Result<Vec<_>>>()?;
    new.add(manifest::encode_added(&context, name(0), added)?);
    if let Some(spec_id) = merged_spec(input) {
        let spec = specs.all.get(&spec_id).ok_or_else(|| unexpected("a manifest of no spec"))?;
        let context = ManifestContext { spec: spec.as_ref().clone(), ..context };
        new.add(manifest::encode_existing(&context, name(1), &input.merge.entries)?);
    }
    if let Some(base) = input.base {
        new.keep(&base.manifests, &input.merge.positions);
    }
    let place = Place { location, commit, givens };
    let summary = summary(input, base);
    let (snapshot, list) = snapshots::snapshot(base, &place, summary, &new.manifests)?;
    new.files.push(list);
    Ok((snapshot, new.manifests, new.files))
}

/// The partition spec of the manifests to merge, if there are any: all of them have the same.
fn merged_spec(input: &CommitInput<'_>) -> Option<i32> {
    let position = input.merge.positions.first()?;
    Some(input.base?.manifests.get(*position)?.partition_spec_id)
}

fn unexpected(text: &str) -> iceberg::Error {
    iceberg::Error::new(iceberg::ErrorKind::Unexpected, text)
}

fn next_commit(input: &CommitInput<'_>) -> u64 {
    input.base.map_or(0, |base| base.pointer.commit) + 1
}

fn next_pointer(
    input: &CommitInput<'_>,
    metadata: &TableMetadata,
    snapshot_id: Option<i64>,
) -> Pointer {
    let identity = input.identity;
    let commit = next_commit(input);
    Pointer {
        namespace: identity.namespace.clone(),
        table: identity.table.clone(),
        table_uuid: metadata.uuid(),
        topic_id: identity.topic_id.0,
        commit,
        epoch: input.givens.epoch,
        location: identity.location.clone(),
        metadata_location: format!(
            "{}/metadata/{commit:05}-{}.metadata.json",
            identity.location, input.givens.unique
        ),
        previous_metadata_location: input.base.map(|base| base.pointer.metadata_location.clone()),
        snapshot_id,
        reached: input.reached.clone(),
        is_kept: false,
    }
}

/// Counts of this commit and of the table after it, and where the changed partitions are.
fn summary(input: &CommitInput<'_>, base: &TableMetadata) -> Summary {
    let files = input.files;
    let mut properties = HashMap::new();
    let mut count = |added: &str, name: &str, value: u64| {
        properties.insert(added.to_string(), value.to_string());
        properties.insert(name.to_string(), (total(base, name) + value).to_string());
    };
    count("added-data-files", "total-data-files", files.len() as u64);
    count("added-records", "total-records", files.iter().map(|file| file.rows).sum());
    count("added-files-size", "total-files-size", files.iter().map(|file| file.bytes).sum());
    properties.extend(NONE.map(|none| (none.to_string(), "0".to_string())));
    let before = input.base.map(|base| base.pointer.reached.as_slice()).unwrap_or_default();
    let changed: BTreeMap<usize, i64> = (input.reached.iter().enumerate())
        .filter(|(index, reached)| {
            reached.next_offset != before.get(*index).map_or(0, |before| before.next_offset)
        })
        .map(|(index, reached)| (index, reached.next_offset))
        .collect();
    properties.insert(OFFSETS.into(), offsets_json(changed.into_iter()));
    Summary { operation: Operation::Append, additional_properties: properties }
}

/// A count in the summary of the current snapshot.
fn total(base: &TableMetadata, name: &str) -> u64 {
    let summary = base.current_snapshot().map(|snapshot| &snapshot.summary().additional_properties);
    summary.and_then(|counts| counts.get(name)?.parse().ok()).unwrap_or(0)
}

/// `{"<partition>":<next offset>,…}`, as snapshots and loads carry it.
pub(crate) fn offsets_json(offsets: impl Iterator<Item = (usize, i64)>) -> String {
    let fields: Vec<String> =
        offsets.map(|(partition, offset)| format!("\"{partition}\":{offset}")).collect();
    format!("{{{}}}", fields.join(","))
}

fn data_file(file: &DataFile, spec_id: i32) -> iceberg::Result<iceberg::spec::DataFile> {
    let rows = file.rows;
    let counts = [columns::KEY, columns::VALUE, columns::PARTITION, columns::OFFSET]
        .into_iter()
        .chain([columns::TIMESTAMP])
        .map(|id| (id, rows))
        .collect();
    let nulls = HashMap::from([
        (columns::KEY, file.null_keys),
        (columns::VALUE, file.null_values),
        (columns::PARTITION, 0),
        (columns::OFFSET, 0),
        (columns::TIMESTAMP, file.timestamp.nulls),
    ]);
    let mut lower = HashMap::new();
    let mut upper = HashMap::new();
    let mut bound = |id, range: Option<(Datum, Datum)>| {
        if let Some((low, high)) = range {
            lower.insert(id, low);
            upper.insert(id, high);
        }
    };
    let both = |(low, high): (i64, i64), datum: fn(i64) -> Datum| (datum(low), datum(high));
    let partitions = file.partition.range.map(|(low, high)| (Datum::int(low), Datum::int(high)));
    bound(columns::PARTITION, partitions);
    bound(columns::OFFSET, file.offset.range.map(|range| both(range, Datum::long)));
    bound(
        columns::TIMESTAMP,
        file.timestamp.range.map(|range| both(range, Datum::timestamptz_micros)),
    );
    DataFileBuilder::default()
        .content(DataContentType::Data)
        .file_path(file.location.clone())
        .file_format(DataFileFormat::Parquet)
        .partition(file.partition_value.clone())
        .partition_spec_id(spec_id)
        .record_count(rows)
        .file_size_in_bytes(file.bytes)
        .column_sizes(file.column_bytes.clone())
        .value_counts(counts)
        .null_value_counts(nulls)
        .lower_bounds(lower)
        .upper_bounds(upper)
        .split_offsets(Some(file.split_offsets.clone()))
        .sort_order_id(columns::SORT_ORDER_ID)
        .build()
        .map_err(|e| unexpected(&e.to_string()))
}

/// Metadata of a table without rows. Written as the document it becomes, because the iceberg
/// crate's builder numbers the fields of a new table itself, and ours are fixed.
fn new_metadata(identity: &TableIdentity, givens: &Givens) -> iceberg::Result<TableMetadata> {
    let schema = columns::iceberg_schema();
    let sorted = |source_id| SortField {
        source_id,
        transform: Transform::Identity,
        direction: SortDirection::Ascending,
        null_order: NullOrder::First,
    };
    let order = SortOrder::builder()
        .with_order_id(i64::from(columns::SORT_ORDER_ID))
        .with_fields(vec![sorted(columns::PARTITION), sorted(columns::OFFSET)])
        .build(&schema)?;
    let document = serde_json::json!({
        "format-version": FormatVersion::V2,
        "table-uuid": givens.table_uuid,
        "location": identity.location,
        "last-sequence-number": 0,
        "last-updated-ms": givens.snapshot_ms,
        "last-column-id": columns::LAST_RESERVED,
        "current-schema-id": columns::SCHEMA_ID,
        "schemas": [schema],
        "default-spec-id": 0,
        "partition-specs": [PartitionSpec::unpartition_spec()],
        "last-partition-id": columns::LAST_RESERVED,
        "default-sort-order-id": columns::SORT_ORDER_ID,
        "sort-orders": [order],
        "properties": properties(identity),
    });
    serde_json::from_value(document).map_err(|e| {
        iceberg::Error::new(iceberg::ErrorKind::Unexpected, "new table metadata").with_source(e)
    })
}

/// A table's properties from birth: upkeep first, since Iceberg's defaults never clean up.
fn properties(identity: &TableIdentity) -> BTreeMap<&'static str, String> {
    let retained = HOURLY_SNAPSHOTS * HOUR_MS;
    BTreeMap::from([
        ("write.metadata.delete-after-commit.enabled", "true".into()),
        ("write.metadata.previous-versions-max", "10".into()),
        ("history.expire.max-snapshot-age-ms", retained.to_string()),
        ("history.expire.min-snapshots-to-keep", "10".into()),
        ("commit.manifest-merge.enabled", "true".into()),
        ("commit.manifest.min-count-to-merge", manifest::MERGE_COUNT.to_string()),
        ("write.format.default", "parquet".into()),
        ("write.parquet.compression-codec", "zstd".into()),
        ("write.parquet.compression-level", "1".into()),
        ("strom.topic", identity.topic.clone()),
        ("strom.topic-id", identity.topic_id.to_string()),
    ])
}

#[cfg(test)]
mod tests;
