//! One commit of one table, step by step: the only place where a pointer moves.
//!
//! ```text
//!  base ─► ranges ─► sync journal ─► data files ─► plan ─► metadata files ─► pointer (CAS) ─► publish
//!  read    captured   (flush.policy   most of it            synced            durable
//!  once    LSOs        = os)          encoded ahead
//! ```
//!
//! A crash before the pointer moved leaves files with the number of a commit that never was; they
//! are removed when the table is opened again. A crash after it loses nothing: the marker is in
//! the pointer. [`Step`] names the gaps, so that tests can stop in each of them.

use std::path::Path;
use std::sync::Arc;

use iceberg::spec::TableMetadata;
use strom_storage::{Change, Partition};
use uuid::Uuid;

use crate::ahead::{Ahead, Work};
use crate::commit::{self, CommitInput, CommitPlan, Committed, Givens, Merge};
use crate::lake::Shared;
use crate::output::Output;
use crate::parquet::{self, DataFile};
use crate::pointer::{Pointer, Reached};
use crate::table::Table;
use crate::tailer::{PartitionRange, Puller};
use crate::{LakeError, Warehouse, maintenance, manifest};

/// The gaps between a commit's steps, where a crash may fall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    DataFilesWritten,
    MetadataWritten,
    PointerMoved,
}

impl Step {
    #[cfg(test)]
    pub(crate) const ALL: [Step; 3] =
        [Step::DataFilesWritten, Step::MetadataWritten, Step::PointerMoved];

    fn name(self) -> &'static str {
        match self {
            Step::DataFilesWritten => "data files written",
            Step::MetadataWritten => "metadata written",
            Step::PointerMoved => "pointer moved",
        }
    }
}

/// Brings a table up to the last stable offsets of this moment. Nothing new is no work.
pub(crate) fn flush(shared: &Shared, table: &Table) -> Result<(), LakeError> {
    let mut ahead = table.work();
    if table.is_closing() {
        return Err(table.closing());
    }
    let base = base(shared, table, &mut ahead)?;
    if table.is_frozen() {
        return Ok(());
    }
    let partitions = table.partitions(&shared.store);
    if partitions.is_empty() {
        return Err(table.closing());
    }
    // Before the offsets are looked at: what is acknowledged by now is below them.
    let cut_ms = (shared.options.clock)();
    let (ranges, reached) = capture(table, base.as_ref(), &partitions);
    let has_had_a_record = partitions.iter().any(|partition| partition.offsets().log_end > 0);
    if ranges.is_empty() && (base.is_some() || !has_had_a_record) {
        table.state().complete_until_ms = cut_ms;
        return Ok(());
    }
    let work = Work { shared, table, base: base.as_ref() };
    let encoded = encode_all(&work, &mut ahead, &ranges);
    if encoded.is_err() {
        ahead.discard();
    }
    let encoded = encoded?;
    match commit_files(&work, &encoded, reached) {
        Ok(()) => {
            table.state().complete_until_ms = cut_ms;
            // A topic that was withdrawn meanwhile is not guarded any more.
            if !table.is_closing() {
                table.guard(&partitions);
            }
            Ok(())
        }
        Err(error) => {
            // After a failed storage or a fault, what the pointer says is not known here:
            // opening the table again decides.
            if !matches!(error, LakeError::Storage(_) | LakeError::Fault(_)) {
                parquet::discard(&shared.warehouse, &encoded.files);
            }
            Err(error)
        }
    }
}

/// Encodes what waits, ahead of the next commit; ends as soon as somebody asks for that.
pub(crate) fn encode_ahead(shared: &Shared, table: &Table) -> Result<(), LakeError> {
    let mut ahead = table.work();
    // While commits fail, encoding more only fills the disk.
    if table.is_closing() || table.is_frozen() || table.state().failure.is_some() {
        return Ok(());
    }
    let base = base(shared, table, &mut ahead)?;
    let (ranges, _) = capture(table, base.as_ref(), &table.partitions(&shared.store));
    let work = Work { shared, table, base: base.as_ref() };
    let stop = || table.is_closing() || table.schedule().is_wanted;
    let encoded = ahead.encode(&work, &ranges, &stop);
    if encoded.is_err() {
        ahead.discard();
    }
    encoded
}

/// The closed data files of a commit.
#[derive(Default)]
pub(crate) struct Encoded {
    files: Vec<DataFile>,
    skipped_offsets: u64,
}

fn encode_all(
    work: &Work<'_>,
    ahead: &mut Ahead,
    ranges: &[PartitionRange],
) -> Result<Encoded, LakeError> {
    let (shared, table) = (work.shared, work.table);
    shared.sync_journal()?;
    let mut taken = ahead.take(work, ranges)?;
    let bytes = shared.options.file_bytes;
    let mut output = Output::new(&shared.warehouse, &mut taken.names, bytes, taken.partitioner);
    let pulled = Puller::new(table).pull_all(&taken.others, &mut output);
    let mut files = output.into_files();
    files.append(&mut taken.files);
    match pulled {
        Ok(skipped) => Ok(Encoded { files, skipped_offsets: taken.skipped_offsets + skipped }),
        Err(error) => {
            parquet::discard(&shared.warehouse, &files);
            Err(error)
        }
    }
}

/// What to read, and what the marker will say: the last stable offsets of this moment.
fn capture(
    table: &Table,
    base: Option<&Committed>,
    partitions: &[Arc<Partition>],
) -> (Vec<PartitionRange>, Vec<Reached>) {
    let mut ranges = Vec::new();
    let mut reached = Vec::with_capacity(partitions.len());
    for (index, partition) in partitions.iter().enumerate() {
        let before = base.and_then(|base| base.pointer.reached.get(index)).copied();
        let before = before.unwrap_or_default();
        let offsets = partition.offsets();
        if offsets.last_stable <= before.next_offset {
            reached.push(before);
            continue;
        }
        reached
            .push(Reached { next_offset: offsets.last_stable, leader_epoch: offsets.leader_epoch });
        ranges.push(PartitionRange {
            partition: Arc::clone(partition),
            from: table.begin(base, index),
            to: offsets.last_stable,
            only: None,
        });
    }
    (ranges, reached)
}

fn commit_files(
    work: &Work<'_>,
    encoded: &Encoded,
    reached: Vec<Reached>,
) -> Result<(), LakeError> {
    let &Work { shared, table, base } = work;
    let staged: Vec<(&Path, &str)> =
        encoded.files.iter().map(|file| (file.path.as_path(), file.location.as_str())).collect();
    shared.warehouse.deliver(&staged)?;
    shared.fault(Step::DataFilesWritten, Step::name)?;
    let merge = match base {
        Some(base) if !encoded.files.is_empty() => load_merge(&shared.warehouse, table, base)?,
        _ => Merge::default(),
    };
    let epoch = reached.iter().map(|reached| reached.leader_epoch).max().unwrap_or(0);
    let input = CommitInput {
        identity: &table.identity,
        partition_by: &table.topic.partition_by,
        base,
        files: &encoded.files,
        reached,
        merge,
        givens: Givens {
            now_ms: (shared.options.clock)(),
            snapshot_ms: table.state().complete_until_ms,
            epoch: i64::from(epoch),
            unique: Uuid::new_v4(),
            snapshot_id: new_snapshot_id(),
            table_uuid: Uuid::new_v4(),
        },
    };
    let plan = commit::plan(input).map_err(table.metadata_error("plan a commit"))?;
    carry_out(work, plan, encoded)
}

/// Makes a plan true: its files first, then the pointer, then what others see of it.
pub(crate) fn carry_out(
    work: &Work<'_>,
    plan: CommitPlan,
    encoded: &Encoded,
) -> Result<(), LakeError> {
    let &Work { shared, table, base } = work;
    shared.warehouse.write_all(&plan.files)?;
    shared.fault(Step::MetadataWritten, Step::name)?;
    move_pointer(shared, table, base, &plan)?;
    shared.fault(Step::PointerMoved, Step::name)?;
    publish(shared, table, plan, encoded);
    Ok(())
}

/// Moves data and marker in one step, and waits until that is durable.
fn move_pointer(
    shared: &Shared,
    table: &Table,
    base: Option<&Committed>,
    plan: &CommitPlan,
) -> Result<(), LakeError> {
    let key = Pointer::key(&table.identity.namespace, &table.identity.table);
    let expected = base.map(|base| base.pointer.encode());
    let change = Change::Put { key: key.clone(), value: plan.committed.pointer.encode() };
    let ticket = {
        // Under the lock that closing takes: no pointer appears after its topic is gone.
        let _state = table.state();
        if table.is_closing() {
            return Err(table.closing());
        }
        let applied = shared.store.metadata().compare_and_apply(&[(key, expected)], vec![change]);
        applied.map_err(|_| LakeError::Conflict { table: table.identity.table.clone() })?
    };
    ticket.wait().map_err(|e| LakeError::Storage(e.to_string()))
}

fn publish(shared: &Shared, table: &Table, plan: CommitPlan, encoded: &Encoded) {
    let now_ms = (shared.options.clock)();
    let rows: u64 = encoded.files.iter().map(|file| file.rows).sum();
    let bytes: u64 = encoded.files.iter().map(|file| file.bytes).sum();
    tracing::debug!(
        table = table.identity.table,
        rows,
        bytes,
        commit = plan.committed.pointer.commit,
        "committed"
    );
    {
        let mut state = table.state();
        state.pointer = Some(plan.committed.pointer.clone());
        state.committed = Some(plan.committed.clone());
        state.last_used_ms = now_ms;
        state.totals.commits += 1;
        state.totals.rows += rows;
        state.totals.bytes += bytes;
        state.totals.skipped_offsets += encoded.skipped_offsets;
    }
    for location in &plan.expired_metadata {
        maintenance::remove_quietly(&shared.warehouse, location);
    }
    maintenance::trim(&shared.warehouse, table, &plan.committed, now_ms);
}

/// What the table is now: from memory, or else from the pointer and its files. The first time, and
/// after every failure, this also removes what a commit that never was has left.
pub(crate) fn base(
    shared: &Shared,
    table: &Table,
    ahead: &mut Ahead,
) -> Result<Option<Committed>, LakeError> {
    let warehouse = &shared.warehouse;
    let (pointer, committed) = {
        let state = table.state();
        (state.pointer.clone(), state.committed.clone())
    };
    if committed.is_some() {
        return Ok(committed);
    }
    if !table.state().is_clean {
        ahead.discard();
        let commit = pointer.as_ref().map_or(0, |pointer| pointer.commit);
        maintenance::remove_uncommitted(warehouse, table, commit)?;
        table.state().is_clean = true;
    }
    let Some(pointer) = pointer else { return Ok(None) };
    let committed = load(warehouse, table, pointer)?;
    table.state().committed = Some(committed.clone());
    Ok(Some(committed))
}

fn load(warehouse: &Warehouse, table: &Table, pointer: Pointer) -> Result<Committed, LakeError> {
    let invalid = |reason: String| LakeError::Metadata {
        action: "open metadata",
        table: table.identity.table.clone(),
        reason,
    };
    let location = &pointer.metadata_location;
    let metadata: TableMetadata = serde_json::from_slice(&warehouse.read(location)?)
        .map_err(|e| invalid(format!("{location}: {e}")))?;
    if metadata.current_snapshot_id() != pointer.snapshot_id {
        return Err(invalid(format!(
            "{location} has snapshot {:?}, but the marker belongs to {:?}",
            metadata.current_snapshot_id(),
            pointer.snapshot_id
        )));
    }
    let manifests = match metadata.current_snapshot() {
        None => Vec::new(),
        Some(snapshot) => manifest::decode_list(&warehouse.read(snapshot.manifest_list())?)
            .map_err(table.metadata_error("read a manifest list"))?,
    };
    Ok(Committed { pointer, metadata: Arc::new(metadata), manifests: Arc::new(manifests) })
}

fn load_merge(warehouse: &Warehouse, table: &Table, base: &Committed) -> Result<Merge, LakeError> {
    let positions = manifest::to_merge(&base.manifests);
    let mut entries = Vec::new();
    for &position in &positions {
        let manifest = &base.manifests[position];
        let bytes = warehouse.read(&manifest.manifest_path)?;
        let read = manifest::decode_entries(manifest, bytes);
        entries.extend(read.map_err(table.metadata_error("read a manifest"))?);
    }
    Ok(Merge { positions, entries })
}

/// As Iceberg's own: random bits, positive.
pub(crate) fn new_snapshot_id() -> i64 {
    let (high, low) = Uuid::new_v4().as_u64_pair();
    i64::try_from((high ^ low) >> 1).unwrap_or(i64::MAX)
}
