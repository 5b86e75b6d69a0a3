//! The files that the metadata log writes to: a checkpoint, its deltas, and a copy of each.
//!
//! The copies guard what was durable against damage, not against power loss. So they cost no sync of a
//! change, and they are written last: a group goes to the copy when it is synced in the file itself. Hence
//! what is whole in a copy was durable, and may be trusted to replace what is damaged in the file. A copy
//! that cannot be written is given up until the next pair of files, and its room is the file's when the disk
//! is full.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Map;
use super::format::{self, FileKind};
use crate::io::{Disk, DiskFile, replace_file, temporary_path};
use crate::recovery::Corruption;

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
    /// The copy of the deltas; `None` where it was given up.
    pub(super) deltas_copy: Option<Arc<dyn DiskFile>>,
}

/// A group that is durable in the deltas, on its way to their copy.
pub(super) struct Written {
    at: u64,
    group: Vec<u8>,
}

pub(super) const CHECKPOINT: &str = "checkpoint-";
pub(super) const DELTAS: &str = "deltas-";
pub(super) const COPY: &str = ".copy";

pub(super) fn checkpoint_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{CHECKPOINT}{number}"))
}

pub(super) fn deltas_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{DELTAS}{number}"))
}

pub(super) fn copy_path(path: &Path) -> PathBuf {
    let mut copy = path.as_os_str().to_owned();
    copy.push(COPY);
    copy.into()
}

/// The room that a deltas file has ahead of its end: on a full disk, log starts still advance, and most
/// syncs change no file-system metadata.
pub(super) const DELTAS_BYTES: u64 = 256 << 10;

/// Creates an empty deltas file; its directory entry is durable after the directory's sync.
pub(super) fn create_deltas(
    disk: &dyn Disk,
    dir: &Path,
    number: u64,
) -> io::Result<Arc<dyn DiskFile>> {
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

/// Removes a file that may be gone already.
pub(super) fn remove(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

impl Files {
    fn checkpoint_path(&self) -> PathBuf {
        checkpoint_path(&self.dir, self.number)
    }

    fn deltas_path(&self) -> PathBuf {
        deltas_path(&self.dir, self.number)
    }

    /// Appends a group to the deltas: durable when it returns.
    pub(super) fn append(&mut self, payload: &[u8]) -> io::Result<Written> {
        let mut group = Vec::new();
        format::encode_group(&mut group, self.sequence, payload);
        self.make_room(group.len() as u64)?;
        let at = self.deltas_end;
        match self.deltas.write_at(&[IoSlice::new(&group)], at) {
            Err(error) if error.kind() == io::ErrorKind::StorageFull && self.free_copies() => {
                self.deltas.write_at(&[IoSlice::new(&group)], at)?;
            }
            other => other?,
        }
        self.deltas.sync_data()?;
        self.deltas_end += group.len() as u64;
        self.sequence += 1;
        Ok(Written { at, group })
    }

    /// Writes a durable group to the copy. That it cannot is no failure of the log.
    pub(super) fn copy(&mut self, written: &Written) {
        let Some(copy) = &self.deltas_copy else { return };
        if let Err(error) = copy.write_at(&[IoSlice::new(&written.group)], written.at) {
            self.give_up(&error);
        }
    }

    /// Keeps room ahead of the deltas' end. When there is none to be had, what is left must do; that it runs
    /// out, only the write itself tells.
    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        let wanted = self.deltas_end + bytes + DELTAS_BYTES / 2;
        if wanted <= self.deltas_room {
            return Ok(());
        }
        let room = self.deltas_end + bytes + 2 * DELTAS_BYTES;
        let is_full = |error: &io::Error| error.kind() == io::ErrorKind::StorageFull;
        let reserved = match self.deltas.reserve(room) {
            Err(error) if is_full(&error) && self.free_copies() => self.deltas.reserve(room),
            other => other,
        };
        match reserved {
            Ok(()) => self.deltas_room = room,
            Err(error) if is_full(&error) => {
                tracing::warn!(%error, "the disk is full: little more of the metadata can change");
            }
            // Then only writing gets room.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Starts a new pair of files. `map` is exactly what checkpoint and deltas say by now. Without room for it
    /// the old pair goes on.
    pub(super) fn rotate(&mut self, map: &Map) -> io::Result<()> {
        let (disk, dir, old) = (Arc::clone(&self.disk), self.dir.clone(), self.number);
        let content = encode_checkpoint(map, old + 1);
        let checkpoint = checkpoint_path(&dir, old + 1);
        let created = create_deltas(disk.as_ref(), &dir, old + 1).and_then(|deltas| {
            replace_file(disk.as_ref(), &checkpoint, &content)?;
            Ok(deltas)
        });
        let deltas = created.inspect_err(|error| {
            if error.kind() == io::ErrorKind::StorageFull {
                // The old deltas go on, and need the room more.
                let _ = remove(disk.as_ref(), &deltas_path(&dir, old + 1));
                let _ = remove(disk.as_ref(), &temporary_path(&checkpoint));
            }
        })?;
        // A file goes before its copy: alone, a copy of the greatest number says that its file is lost.
        for path in [checkpoint_path(&dir, old), deltas_path(&dir, old)] {
            remove(disk.as_ref(), &path)?;
            remove(disk.as_ref(), &copy_path(&path))?;
        }
        self.number = old + 1;
        self.checkpoint_bytes = content.len() as u64;
        self.deltas = deltas;
        self.deltas_end = format::HEADER_BYTES;
        self.deltas_room = DELTAS_BYTES;
        self.sequence = 0;
        self.deltas_copy = None;
        let header = format::encode_header(FileKind::Deltas, self.number);
        let copied = self.copy_deltas(&header).and_then(|copy| {
            self.copy_checkpoint(&content)?;
            Ok(copy)
        });
        self.take_copy(copied);
        Ok(())
    }

    fn copy_checkpoint(&self, content: &[u8]) -> io::Result<()> {
        replace_file(self.disk.as_ref(), &copy_path(&self.checkpoint_path()), content)
    }

    fn copy_deltas(&self, content: &[u8]) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.disk.create(&copy_path(&self.deltas_path()))?;
        file.write_at(&[IoSlice::new(content)], 0)?;
        Ok(file)
    }

    /// Makes the copies of files that were just read and found sound equal to them. What of the deltas' copy
    /// is missing or torn, a power loss may have taken: it is written again without a word. The checkpoint's
    /// was durable before it had its name, so if it differs, it is damaged, which is told.
    pub(super) fn renew_copies(&mut self) -> Vec<Corruption> {
        let mut damages = Vec::new();
        let copied = self.renew_deltas_copy().and_then(|copy| {
            self.renew_checkpoint_copy(&mut damages)?;
            Ok(copy)
        });
        self.take_copy(copied);
        damages
    }

    fn renew_deltas_copy(&self) -> io::Result<Arc<dyn DiskFile>> {
        let copy = self.disk.open(&copy_path(&self.deltas_path())).ok();
        let content = self.deltas.read_at(0, self.deltas_end as usize)?;
        match copy.filter(|copy| is_copy_of_deltas(copy.as_ref(), &content)) {
            Some(copy) => Ok(copy),
            None => self.copy_deltas(&content),
        }
    }

    fn renew_checkpoint_copy(&self, damages: &mut Vec<Corruption>) -> io::Result<()> {
        let path = self.checkpoint_path();
        let file = self.disk.open(&path)?;
        let content = file.read_at(0, file.bytes()? as usize)?;
        let file = copy_path(&path);
        if let Ok(copy) = self.disk.open(&file) {
            let found = copy.bytes().and_then(|bytes| copy.read_at(0, bytes as usize));
            let position = match found {
                Ok(found) if found == content => return Ok(()),
                Ok(found) => found.iter().zip(&content).take_while(|(a, b)| a == b).count() as u64,
                Err(_) => 0,
            };
            let reason = "the copy of the checkpoint was damaged; it is written again".to_owned();
            damages.push(Corruption { file, position, reason, lost: Vec::new() });
        }
        self.copy_checkpoint(&content)
    }

    fn take_copy(&mut self, copied: io::Result<Arc<dyn DiskFile>>) {
        match copied {
            Ok(copy) => self.deltas_copy = Some(copy),
            Err(error) => {
                self.give_up(&error);
                // What cannot be made equal must not be asked later.
                self.free_copies();
            }
        }
    }

    fn give_up(&mut self, error: &io::Error) {
        self.deltas_copy = None;
        let dir = self.dir.display();
        tracing::warn!(%dir, %error, "the copy of the metadata log cannot be written; there is none until the next checkpoint");
    }

    /// Gives the room of the copies to the files themselves; whether there were any.
    fn free_copies(&mut self) -> bool {
        self.deltas_copy = None;
        let checkpoint = copy_path(&self.checkpoint_path());
        let temporary = temporary_path(&checkpoint);
        let paths = [copy_path(&self.deltas_path()), checkpoint, temporary];
        paths.iter().filter(|path| self.disk.remove(path).is_ok()).count() > 0
    }

    /// Syncs the copy: at a clean end all of it is durable.
    pub(super) fn close(&self) {
        if let Some(copy) = &self.deltas_copy
            && let Err(error) = copy.sync_data().and_then(|()| self.disk.sync_dir(&self.dir))
        {
            tracing::warn!(%error, "the copy of the metadata log cannot be synced");
        }
    }
}

/// Whether a file begins with this content and has nothing behind it.
fn is_copy_of_deltas(copy: &dyn DiskFile, content: &[u8]) -> bool {
    let found = copy.bytes().and_then(|bytes| copy.read_at(0, bytes as usize));
    let behind = found.as_ref().ok().and_then(|found| found.strip_prefix(content));
    behind.is_some_and(|behind| behind.iter().all(|&byte| byte == 0))
}
