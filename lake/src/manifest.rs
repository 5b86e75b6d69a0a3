//! Manifests and manifest lists in memory: encode, read, and decide which to merge.
//!
//! The iceberg crate writes Avro through an async file interface; here it writes into memory,
//! which never waits, and the bytes are handed to whoever makes files durable. Merging is tiered
//! like a log-structured merge: when a tier has [`MERGE_COUNT`] manifests, they become one of the
//! next, so a table has a few dozen manifests after any number of commits and each entry is
//! rewritten a logarithmic number of times. Entries keep their snapshot id and sequence numbers.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use iceberg::io::{FileIO, MemoryStorage, OutputFile, Storage};
use iceberg::spec::{
    DataFile, FormatVersion, Manifest, ManifestEntry, ManifestFile, ManifestList,
    ManifestListWriter, ManifestWriterBuilder, PartitionSpec, SchemaRef,
};

/// As many manifests of one tier are merged into one of the next.
pub(crate) const MERGE_COUNT: usize = 50;

/// What a manifest is written for.
#[derive(Clone, Debug)]
pub(crate) struct ManifestContext {
    /// The snapshot that adds it.
    pub(crate) snapshot_id: i64,
    pub(crate) schema: SchemaRef,
    pub(crate) spec: PartitionSpec,
}

/// A file that the commit must make durable.
#[derive(Clone, Debug)]
pub(crate) struct NewFile {
    pub(crate) location: String,
    pub(crate) bytes: Bytes,
}

/// Encodes a manifest of added files.
pub(crate) fn encode_added(
    context: &ManifestContext,
    location: String,
    added: Vec<DataFile>,
) -> iceberg::Result<(ManifestFile, NewFile)> {
    encode(context, location, |writer| {
        // A negative sequence number is inherited from the manifest list.
        added.into_iter().try_for_each(|file| writer.add_file(file, -1))
    })
}

/// Encodes a manifest of the live ones of these entries, which keep their numbers.
pub(crate) fn encode_existing(
    context: &ManifestContext,
    location: String,
    entries: &[Arc<ManifestEntry>],
) -> iceberg::Result<(ManifestFile, NewFile)> {
    encode(context, location, |writer| {
        entries.iter().filter(|entry| entry.is_alive()).try_for_each(|entry| {
            writer.add_existing_file(
                entry.data_file.clone(),
                entry.snapshot_id.unwrap_or(-1),
                entry.sequence_number.unwrap_or(-1),
                entry.file_sequence_number,
            )
        })
    })
}

/// Encodes a manifest that says that the files of these entries are removed.
pub(crate) fn encode_removed(
    context: &ManifestContext,
    location: String,
    entries: &[Arc<ManifestEntry>],
) -> iceberg::Result<(ManifestFile, NewFile)> {
    encode(context, location, |writer| {
        entries.iter().try_for_each(|entry| {
            writer.add_delete_file(
                entry.data_file.clone(),
                entry.sequence_number.unwrap_or(-1),
                entry.file_sequence_number,
            )
        })
    })
}

/// Whether a manifest has files that a query reads; not known is taken for yes.
pub(crate) fn has_live_files(manifest: &ManifestFile) -> bool {
    let [added, existing] = [manifest.added_files_count, manifest.existing_files_count];
    added != Some(0) || existing != Some(0)
}

fn encode(
    context: &ManifestContext,
    location: String,
    fill: impl FnOnce(&mut iceberg::spec::ManifestWriter) -> iceberg::Result<()>,
) -> iceberg::Result<(ManifestFile, NewFile)> {
    let memory = Arc::new(MemoryStorage::new());
    let output = OutputFile::new(memory.clone(), location.clone());
    let mut writer = ManifestWriterBuilder::new(
        output,
        Some(context.snapshot_id),
        context.schema.clone(),
        context.spec.clone(),
    )
    .build_v2_data();
    fill(&mut writer)?;
    let manifest = ready(writer.write_manifest_file())?;
    let bytes = ready(memory.read(&location))?;
    Ok((manifest, NewFile { location, bytes }))
}

/// Encodes a manifest list.
pub(crate) fn encode_list(
    snapshot_id: i64,
    parent: Option<i64>,
    sequence_number: i64,
    location: String,
    manifests: &[ManifestFile],
) -> iceberg::Result<NewFile> {
    let memory = Arc::new(MemoryStorage::new());
    let output = OutputFile::new(memory.clone(), location.clone());
    let mut writer =
        ManifestListWriter::v2(ready(output.writer())?, snapshot_id, parent, sequence_number);
    writer.add_manifests(manifests.iter().cloned())?;
    ready(writer.close())?;
    let bytes = ready(memory.read(&location))?;
    Ok(NewFile { location, bytes })
}

/// The manifests of a manifest list's bytes.
pub(crate) fn decode_list(bytes: &[u8]) -> iceberg::Result<Vec<ManifestFile>> {
    let list = ManifestList::parse_with_version(bytes, FormatVersion::V2)?;
    Ok(list.consume_entries().into_iter().collect())
}

/// The entries of a manifest, with what they inherit from its place in the list.
pub(crate) fn decode_entries(
    manifest: &ManifestFile,
    bytes: Bytes,
) -> iceberg::Result<Vec<Arc<ManifestEntry>>> {
    let io = FileIO::new_with_memory();
    ready(io.new_output(&manifest.manifest_path)?.write(bytes))?;
    let (entries, _) = ready(manifest.load_manifest(&io))?.into_parts();
    Ok(entries)
}

/// The files that a manifest says were removed.
pub(crate) fn removed_files(bytes: &[u8]) -> iceberg::Result<Vec<String>> {
    let (entries, _) = Manifest::parse_avro(bytes)?.into_parts();
    let removed = entries.iter().filter(|entry| !entry.is_alive());
    Ok(removed.map(|entry| entry.file_path().to_string()).collect())
}

/// Positions of the manifests to merge now: those of the lowest tier that is full.
pub(crate) fn to_merge(manifests: &[ManifestFile]) -> Vec<usize> {
    // A manifest is of one partition spec.
    let mut tiers: BTreeMap<(usize, i32), Vec<usize>> = BTreeMap::new();
    for (index, manifest) in manifests.iter().enumerate() {
        let tier = (tier_of(live_file_count(manifest)), manifest.partition_spec_id);
        tiers.entry(tier).or_default().push(index);
    }
    tiers.into_values().find(|tier| tier.len() >= MERGE_COUNT).unwrap_or_default()
}

/// The files that a query reads.
pub(crate) fn live_file_count(manifest: &ManifestFile) -> u64 {
    u64::from(manifest.added_files_count.unwrap_or(1))
        + u64::from(manifest.existing_files_count.unwrap_or(0))
}

/// Tier 0 has fewer than `MERGE_COUNT` files, tier 1 fewer than its square, and so on.
fn tier_of(files: u64) -> usize {
    let mut bound = MERGE_COUNT as u64;
    let mut tier = 0;
    while files >= bound {
        bound = bound.saturating_mul(MERGE_COUNT as u64);
        tier += 1;
        if bound == u64::MAX {
            break;
        }
    }
    tier
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("memory storage answers at once")
}

#[cfg(test)]
mod tests;
