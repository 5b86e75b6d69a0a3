//! Opening the metadata log: the newest checkpoint, then its deltas.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::format::{self, FileKind};
use super::{Map, apply_to};
use crate::error::OpenError;
use crate::io::{Disk, DiskFile};

/// The files that are written to from now on.
pub(super) struct Files {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    /// The number of the pair.
    pub(super) number: u64,
    pub(super) checkpoint_bytes: u64,
    pub(super) deltas: Arc<dyn DiskFile>,
    /// Where the next group goes.
    pub(super) deltas_end: u64,
    /// How far the deltas have room that no other file can take.
    pub(super) deltas_room: u64,
    /// The next group's sequence.
    pub(super) sequence: u64,
}

pub(super) fn checkpoint_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("checkpoint-{number}"))
}

pub(super) fn deltas_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("deltas-{number}"))
}

/// The room that a deltas file has ahead of its end: on a full disk, log starts still advance, and most
/// syncs change no file-system metadata.
pub(super) const DELTAS_BYTES: u64 = 256 << 10;

/// Creates an empty deltas file; its directory entry is durable after the directory's sync.
pub(super) fn create_deltas(
    disk: &dyn Disk,
    dir: &Path,
    number: u64,
) -> std::io::Result<Arc<dyn DiskFile>> {
    let file = disk.create(&deltas_path(dir, number))?;
    let mut content = format::encode_header(FileKind::Deltas, number);
    content.resize(DELTAS_BYTES as usize, 0);
    file.write_at(&[IoSlice::new(&content)], 0)?;
    file.sync_data()?;
    Ok(file)
}

/// A checkpoint as a file's content. Sequences count from 0; an empty group ends it.
pub(super) fn encode_checkpoint(map: &Map, number: u64) -> Vec<u8> {
    const GROUP_BYTES: usize = 1 << 20;
    let mut output = format::encode_header(FileKind::Checkpoint, number);
    let mut payload = Vec::new();
    let mut sequence = 0;
    for (key, value) in map {
        format::encode_put(&mut payload, key, value);
        if payload.len() >= GROUP_BYTES {
            format::encode_group(&mut output, sequence, &payload);
            payload.clear();
            sequence += 1;
        }
    }
    if !payload.is_empty() {
        format::encode_group(&mut output, sequence, &payload);
        sequence += 1;
    }
    format::encode_group(&mut output, sequence, &[]);
    output
}

pub(super) fn load(disk: Arc<dyn Disk>, dir: PathBuf) -> Result<(Map, Files), OpenError> {
    let names = disk.list(&dir).map_err(OpenError::io("listing", &dir))?;
    let number_of = |name: &String, prefix| name.strip_prefix(prefix)?.parse::<u64>().ok();
    let newest = names.iter().filter_map(|name| number_of(name, "checkpoint-")).max();
    let mut map = Map::new();
    let (number, checkpoint_bytes) = match newest {
        Some(number) => (number, load_checkpoint(disk.as_ref(), &dir, number, &mut map)?),
        None => create_first(disk.as_ref(), &dir, &names)?,
    };
    let path = deltas_path(&dir, number);
    let deltas = disk.open(&path).map_err(OpenError::io("opening", &path))?;
    let (deltas_end, sequence) = load_deltas(deltas.as_ref(), &path, number, &mut map)?;
    for name in &names {
        let is_current = [checkpoint_path(&dir, number), path.clone()].contains(&dir.join(name));
        let is_ours = name.starts_with("checkpoint-") || name.starts_with("deltas-");
        if is_ours && !is_current {
            // Left over by a crash between writing a new pair and removing the old one; or a temporary file,
            // which the first pair may have replaced by now.
            match disk.remove(&dir.join(name)) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                other => other.map_err(OpenError::io("removing", dir.join(name)))?,
            }
        }
    }
    let deltas_room = deltas.bytes().map_err(OpenError::io("reading", &path))?;
    let files =
        Files { disk, dir, number, checkpoint_bytes, deltas, deltas_end, deltas_room, sequence };
    Ok((map, files))
}

/// The first pair of a new directory. The checkpoint is written last, so a directory without one has
/// never had a change.
fn create_first(disk: &dyn Disk, dir: &Path, names: &[String]) -> Result<(u64, u64), OpenError> {
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
    crate::io::replace_file(disk, &checkpoint_path(dir, 0), &content)
        .map_err(OpenError::io("writing", checkpoint_path(dir, 0)))?;
    Ok((0, content.len() as u64))
}

fn load_checkpoint(
    disk: &dyn Disk,
    dir: &Path,
    number: u64,
    map: &mut Map,
) -> Result<u64, OpenError> {
    let path = checkpoint_path(dir, number);
    let file = disk.open(&path).map_err(OpenError::io("opening", &path))?;
    read_header(file.as_ref(), &path, FileKind::Checkpoint, number)?;
    let mut at = format::HEADER_BYTES;
    for sequence in 0.. {
        let group = format::read_group(file.as_ref(), at)
            .map_err(OpenError::io("reading", &path))?
            .filter(|group| group.sequence == sequence)
            .ok_or_else(|| corrupt(&path, at, "a group of the checkpoint is damaged"))?;
        if group.payload.is_empty() {
            return Ok(group.next);
        }
        apply_group(map, &group, &path, at)?;
        at = group.next;
    }
    unreachable!("a file has fewer groups than sequences")
}

/// Applies the deltas and clears a torn last group. Gives the end and the next sequence.
fn load_deltas(
    file: &dyn DiskFile,
    path: &Path,
    number: u64,
    map: &mut Map,
) -> Result<(u64, u64), OpenError> {
    read_header(file, path, FileKind::Deltas, number)?;
    let (mut at, mut sequence) = (format::HEADER_BYTES, 0);
    loop {
        let group = format::read_group(file, at).map_err(OpenError::io("reading", path))?;
        let Some(group) = group.filter(|group| group.sequence == sequence) else { break };
        apply_group(map, &group, path, at)?;
        at = group.next;
        sequence += 1;
    }
    // A group is written after the one before it was synced: a later one proves that this one was.
    if format::has_later_group(file, at, sequence).map_err(OpenError::io("reading", path))? {
        return Err(corrupt(path, at, "a group is damaged, and later ones are not"));
    }
    clear_tail(file, path, at)?;
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

fn read_header(
    file: &dyn DiskFile,
    path: &Path,
    kind: FileKind,
    number: u64,
) -> Result<(), OpenError> {
    let bytes =
        file.read_at(0, format::HEADER_BYTES as usize).map_err(OpenError::io("reading", path))?;
    format::check_header(&bytes, path, kind, number)
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

fn corrupt(path: &Path, position: u64, reason: &str) -> OpenError {
    OpenError::Corrupt { file: path.to_path_buf(), position, reason: reason.to_owned() }
}
