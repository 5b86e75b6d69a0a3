//! Opening the metadata log: the newest checkpoint, then its deltas.
//!
//! What is damaged in a file and whole in its copy is taken from there, and a new pair of files is begun at
//! once, so that the damage is gone at the next start. Nothing is changed before all is read.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{
    CHECKPOINT, COPY, DELTAS, Files, checkpoint_path, copy_path, create_deltas, deltas_path,
    encode_checkpoint, remove,
};
use super::format::{self, FileKind};
use super::twin::Twin;
use super::{Map, apply_to};
use crate::error::OpenError;
use crate::io::{Disk, DiskFile, replace_file};
use crate::recovery::Corruption;

/// What is on the disk.
pub(super) struct Loaded {
    pub(super) map: Map,
    pub(super) files: Files,
    /// Damage that was found and healed.
    pub(super) healed: Vec<Corruption>,
}

pub(super) fn load(disk: Arc<dyn Disk>, dir: PathBuf) -> Result<Loaded, OpenError> {
    let names = disk.list(&dir).map_err(OpenError::io("listing", &dir))?;
    let number = match newest_checkpoint(&names) {
        Some(number) => number,
        None => create_first(disk.as_ref(), &dir, &names)?,
    };
    let mut map = Map::new();
    let mut checkpoint = Twin::open(disk.as_ref(), checkpoint_path(&dir, number))?;
    let checkpoint_bytes = load_checkpoint(&mut checkpoint, number, &mut map)?;
    let mut twin = Twin::open(disk.as_ref(), deltas_path(&dir, number))?;
    let deltas = twin.file()?;
    let (deltas_end, sequence) = load_deltas(&mut twin, number, &mut map)?;
    let deltas_room = deltas.bytes().map_err(OpenError::io("reading", &twin.path))?;
    let mut files = Files {
        disk: Arc::clone(&disk),
        dir: dir.clone(),
        number,
        checkpoint_bytes,
        deltas,
        deltas_end,
        deltas_room,
        sequence,
        deltas_copy: None,
    };
    let mut healed = checkpoint.restored;
    healed.extend(twin.restored);
    if healed.is_empty() {
        clear_tail(files.deltas.as_ref(), &twin.path, deltas_end)?;
        remove_others(disk.as_ref(), &dir, &names, number)?;
        healed = files.renew_copies();
    } else {
        let action = "writing a new checkpoint for the damaged one of";
        files.rotate(&map).map_err(OpenError::io(action, &dir))?;
        remove_others(disk.as_ref(), &dir, &names, files.number)?;
    }
    Ok(Loaded { map, files, healed })
}

/// The number of the newest checkpoint. One of which there is only the copy counts: the copy came when the
/// file was durable, and goes after it.
fn newest_checkpoint(names: &[String]) -> Option<u64> {
    let number_of = |name: &String| {
        let number = name.strip_prefix(CHECKPOINT)?;
        number.strip_suffix(COPY).unwrap_or(number).parse::<u64>().ok()
    };
    names.iter().filter_map(number_of).max()
}

/// Removes what a crash left over between writing a new pair and removing the old one, and temporary files,
/// which the first pair may have replaced by now.
fn remove_others(
    disk: &dyn Disk,
    dir: &Path,
    names: &[String],
    number: u64,
) -> Result<(), OpenError> {
    let current = [checkpoint_path(dir, number), deltas_path(dir, number)];
    for name in names {
        let path = dir.join(name);
        let is_current = current.iter().any(|file| *file == path || copy_path(file) == path);
        let is_ours = name.starts_with(CHECKPOINT) || name.starts_with(DELTAS);
        if is_ours && !is_current {
            remove(disk, &path).map_err(OpenError::io("removing", &path))?;
        }
    }
    Ok(())
}

/// The first pair of a new directory. The checkpoint is written last, so a directory without one has
/// never had a change.
fn create_first(disk: &dyn Disk, dir: &Path, names: &[String]) -> Result<u64, OpenError> {
    if let Some(name) =
        names.iter().find(|name| name.as_str() != "deltas-0" && !name.ends_with(".tmp"))
    {
        return Err(OpenError::Corrupt {
            file: dir.join(name),
            position: 0,
            reason: "there is no checkpoint beside it".to_owned(),
        });
    }
    let content = encode_checkpoint(&Map::new(), 0);
    create_deltas(disk, dir, 0).map_err(OpenError::io("creating", deltas_path(dir, 0)))?;
    replace_file(disk, &checkpoint_path(dir, 0), &content)
        .map_err(OpenError::io("writing", checkpoint_path(dir, 0)))?;
    Ok(0)
}

/// Gives the checkpoint's size.
fn load_checkpoint(twin: &mut Twin, number: u64, map: &mut Map) -> Result<u64, OpenError> {
    twin.check_header(FileKind::Checkpoint, number)?;
    let mut at = format::HEADER_BYTES;
    for sequence in 0.. {
        let Some(group) = twin.group(at, sequence)? else {
            return Err(twin.lacks_copy(at, "a group of the checkpoint is damaged"));
        };
        if group.payload.is_empty() {
            return Ok(group.next);
        }
        apply_group(map, &group, &twin.path, at)?;
        at = group.next;
    }
    unreachable!("a file has fewer groups than sequences")
}

/// Applies the deltas. Gives the end and the next sequence.
fn load_deltas(twin: &mut Twin, number: u64, map: &mut Map) -> Result<(u64, u64), OpenError> {
    twin.check_header(FileKind::Deltas, number)?;
    let (mut at, mut sequence) = (format::HEADER_BYTES, 0);
    while let Some(group) = twin.group(at, sequence)? {
        apply_group(map, &group, &twin.path, at)?;
        at = group.next;
        sequence += 1;
    }
    // A group is written after the one before it was synced: a later one proves that this one was.
    if twin.has_later_group(at, sequence)? {
        return Err(twin.lacks_copy(at, "a group is damaged while later ones are not"));
    }
    Ok((at, sequence))
}

/// Writes zeros over what an unsynced write left behind the last group.
fn clear_tail(file: &dyn DiskFile, path: &Path, at: u64) -> Result<(), OpenError> {
    let bytes = file.bytes().map_err(OpenError::io("reading", path))?.saturating_sub(at);
    let tail = file.read_at(at, bytes as usize).map_err(OpenError::io("reading", path))?;
    if tail.iter().all(|&byte| byte == 0) {
        return Ok(());
    }
    tracing::warn!(file = %path.display(), position = at, "metadata log ends in a torn write");
    let zeros = vec![0; tail.len()];
    file.write_at(&[IoSlice::new(&zeros)], at).map_err(OpenError::io("writing", path))?;
    file.sync_data().map_err(OpenError::io("syncing", path))
}

fn apply_group(
    map: &mut Map,
    group: &format::Group,
    path: &Path,
    at: u64,
) -> Result<(), OpenError> {
    let changes = format::decode_changes(&group.payload).ok_or_else(|| OpenError::NewerFormat {
        path: path.to_path_buf(),
        found: format!("an unknown change at position {at}"),
        supported: 1,
    })?;
    apply_to(map, changes);
    Ok(())
}
