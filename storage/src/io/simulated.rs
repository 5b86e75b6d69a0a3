//! A disk in memory that behaves as badly as a real one may: what was not synced is lost or kept sector
//! by sector in any combination, renames that were not synced are lost from some point on, space runs out,
//! writes and syncs fail, and the power goes off at a chosen operation.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::{Disk, DiskFile, SECTOR_BYTES};
use crate::ticket::lock;

/// A simulated disk. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<u64, Content>,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    /// Changes of names whose directory was not synced since, in order.
    name_changes: Vec<NameChange>,
    directories: BTreeSet<PathBuf>,
    next_file: u64,
    /// Bytes that all files together may take.
    capacity: Option<u64>,
    /// Writes, syncs and changes of names until the power goes off.
    operations_left: Option<u64>,
    operations: u64,
    failing: Option<&'static str>,
    /// Files below this directory cannot be created or written.
    failing_under: Option<(PathBuf, io::ErrorKind)>,
    is_off: bool,
}

#[derive(Clone, Debug)]
enum NameChange {
    Set(PathBuf, u64),
    Remove(PathBuf),
}

impl NameChange {
    fn path(&self) -> &Path {
        match self {
            NameChange::Set(path, _) | NameChange::Remove(path) => path,
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    synced: Vec<u8>,
    dirty: BTreeSet<usize>,
    /// Sectors that the disk no longer reads.
    bad: BTreeSet<usize>,
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    id: u64,
}

impl SimulatedDisk {
    /// Limits the space of all files together; `None` lifts the limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        lock(&self.state).capacity = bytes;
    }

    /// Turns the power off when `operations` more writes, syncs and renames are done.
    pub fn power_off_after(&self, operations: u64) {
        lock(&self.state).operations_left = Some(operations);
    }

    /// How many writes, syncs and renames there were.
    pub fn operations(&self) -> u64 {
        lock(&self.state).operations
    }

    /// Makes every write and sync fail with a message, as a broken device does.
    pub fn fail_with(&self, message: &'static str) {
        lock(&self.state).failing = Some(message);
    }

    /// Makes creating and writing files below a directory fail, as when it is a file system of its own that
    /// is full; `None` heals it.
    pub fn fail_under(&self, failing: Option<(PathBuf, io::ErrorKind)>) {
        lock(&self.state).failing_under = failing;
    }

    /// All files, by name, as they are now.
    pub fn files(&self) -> Vec<PathBuf> {
        lock(&self.state).names.keys().cloned().collect()
    }

    /// The bytes of a file, as a reader sees them now.
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let state = lock(&self.state);
        let id = state.names.get(path)?;
        Some(state.files.get(id)?.bytes.clone())
    }

    /// Changes bytes of a file behind everyone's back, durably.
    pub fn damage(&self, path: &Path, position: usize, change: impl Fn(u8) -> u8) {
        let mut state = lock(&self.state);
        let id = state.names[path];
        let content = state.files.get_mut(&id).expect("a named file exists");
        content.bytes[position] = change(content.bytes[position]);
        content.synced.resize(content.bytes.len(), 0);
        content.synced[position] = content.bytes[position];
    }

    /// Makes the sector at a position of a file one that cannot be read any more.
    pub fn spoil(&self, path: &Path, position: usize) {
        let mut state = lock(&self.state);
        let id = state.names[path];
        let content = state.files.get_mut(&id).expect("a named file exists");
        content.bad.insert(position / SECTOR_BYTES);
    }

    /// What is on the disk after the power came back: everything synced, and of the rest what `seed` picks.
    pub fn after_crash(&self, seed: u64) -> SimulatedDisk {
        let old = lock(&self.state);
        let mut random = Random(seed);
        let mut names = old.durable_names.clone();
        let kept = random.below(old.name_changes.len() as u64 + 1) as usize;
        for change in &old.name_changes[..kept] {
            apply(&mut names, change);
        }
        let files = names.values().map(|id| (*id, old.files[id].survivor(&mut random))).collect();
        SimulatedDisk {
            state: Arc::new(Mutex::new(State {
                files,
                names: names.clone(),
                durable_names: names,
                directories: old.directories.clone(),
                next_file: old.next_file,
                capacity: old.capacity,
                ..State::default()
            })),
        }
    }

    fn file(&self, id: u64) -> Arc<dyn DiskFile> {
        Arc::new(SimulatedFile { disk: self.clone(), id })
    }
}

impl Content {
    fn survivor(&self, random: &mut Random) -> Content {
        let mut bytes = self.synced.clone();
        if self.bytes.len() != self.synced.len() && random.below(2) == 0 {
            bytes.resize(self.bytes.len(), 0);
        }
        for &sector in &self.dirty {
            let start = sector * SECTOR_BYTES;
            let end = (start + SECTOR_BYTES).min(bytes.len()).min(self.bytes.len());
            if random.below(2) == 0 && start < end {
                bytes[start..end].copy_from_slice(&self.bytes[start..end]);
            }
        }
        Content { synced: bytes.clone(), bytes, dirty: BTreeSet::new(), bad: self.bad.clone() }
    }
}

impl State {
    fn check_power(&self) -> io::Result<()> {
        if self.is_off { Err(io::Error::other("the power is off")) } else { Ok(()) }
    }

    /// Counts an operation that changes something.
    fn operate(&mut self) -> io::Result<()> {
        self.check_power()?;
        self.operations += 1;
        if let Some(left) = &mut self.operations_left {
            if *left == 0 {
                self.is_off = true;
                return self.check_power();
            }
            *left -= 1;
        }
        match self.failing {
            Some(message) => Err(io::Error::other(message)),
            None => Ok(()),
        }
    }

    /// Whether files at a path may be created and written.
    fn check_place(&self, path: &Path) -> io::Result<()> {
        match &self.failing_under {
            Some((directory, kind)) if path.starts_with(directory) => Err((*kind).into()),
            Some(_) | None => Ok(()),
        }
    }

    fn check_place_of(&self, id: u64) -> io::Result<()> {
        let path = self.names.iter().find(|(_, named)| **named == id).map(|(path, _)| path);
        path.map_or(Ok(()), |path| self.check_place(path))
    }

    fn rename(&mut self, change: NameChange) {
        apply(&mut self.names, &change);
        self.name_changes.push(change);
    }

    fn extend(&mut self, id: u64, bytes: usize) -> io::Result<()> {
        let missing = bytes.saturating_sub(self.files[&id].bytes.len());
        let used: usize = self.names.values().map(|named| self.files[named].bytes.len()).sum();
        if missing > 0 && self.capacity.is_some_and(|capacity| (used + missing) as u64 > capacity) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let content = self.files.get_mut(&id).expect("an open file exists");
        content.bytes.resize(content.bytes.len() + missing, 0);
        Ok(())
    }
}

fn apply(names: &mut BTreeMap<PathBuf, u64>, change: &NameChange) {
    match change {
        NameChange::Set(path, id) => {
            names.retain(|_, other| other != id);
            names.insert(path.clone(), *id);
        }
        NameChange::Remove(path) => {
            names.remove(path);
        }
    }
}

impl Disk for SimulatedDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let ancestors = path.ancestors().map(Path::to_path_buf);
        lock(&self.state).directories.extend(ancestors);
        Ok(())
    }

    fn is_dir(&self, path: &Path) -> io::Result<bool> {
        let state = lock(&self.state);
        state.check_power()?;
        Ok(state.directories.contains(path))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let state = lock(&self.state);
        state.check_power()?;
        let paths = state.names.keys().chain(&state.directories);
        let names =
            paths.filter(|name| name.parent() == Some(path)).filter_map(|name| name.file_name());
        Ok(names.map(|name| name.to_string_lossy().into_owned()).collect())
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let state = lock(&self.state);
        state.check_power()?;
        let id = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        drop(state);
        Ok(self.file(id))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = lock(&self.state);
        state.operate()?;
        state.check_place(path)?;
        let id = state.next_file;
        state.next_file += 1;
        state.files.insert(id, Content::default());
        state.rename(NameChange::Set(path.to_path_buf(), id));
        drop(state);
        Ok(self.file(id))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.operate()?;
        let id = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        state.rename(NameChange::Set(to.to_path_buf(), id));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.operate()?;
        if !state.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.rename(NameChange::Remove(path.to_path_buf()));
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.operate()?;
        let changes = std::mem::take(&mut state.name_changes);
        let is_in = |change: &NameChange| change.path().parent() == Some(path);
        let (synced, open): (Vec<_>, Vec<_>) = changes.into_iter().partition(is_in);
        for change in &synced {
            apply(&mut state.durable_names, change);
        }
        state.name_changes = open;
        Ok(())
    }

    fn lock(&self, _path: &Path) -> io::Result<Option<Box<dyn Any + Send + Sync>>> {
        lock(&self.state).check_power()?;
        Ok(Some(Box::new(())))
    }
}

impl DiskFile for SimulatedFile {
    fn read_at(&self, position: u64, bytes: usize) -> io::Result<Bytes> {
        let state = lock(&self.disk.state);
        state.check_power()?;
        let Content { bytes: content, bad, .. } = &state.files[&self.id];
        let start = (position as usize).min(content.len());
        let end = (start + bytes).min(content.len());
        if bad.range(start / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES)).next().is_some() {
            return Err(io::Error::other("bad sector"));
        }
        Ok(Bytes::copy_from_slice(&content[start..end]))
    }

    fn write_at(&self, slices: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        let mut state = lock(&self.disk.state);
        let result = state.operate();
        if result.is_err() && !state.is_off {
            return result;
        }
        state.check_place_of(self.id)?;
        // Of the write during which the power goes off, any sector may have reached the disk.
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        let start = position as usize;
        state.extend(self.id, start + total)?;
        let content = state.files.get_mut(&self.id).expect("an open file exists");
        let mut at = start;
        for slice in slices {
            content.bytes[at..at + slice.len()].copy_from_slice(slice);
            at += slice.len();
        }
        content.dirty.extend(start / SECTOR_BYTES..at.div_ceil(SECTOR_BYTES));
        result
    }

    fn reserve(&self, bytes: u64) -> io::Result<()> {
        let mut state = lock(&self.disk.state);
        state.operate()?;
        state.check_place_of(self.id)?;
        state.extend(self.id, bytes as usize)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = lock(&self.disk.state);
        state.operate()?;
        let content = state.files.get_mut(&self.id).expect("an open file exists");
        for sector in std::mem::take(&mut content.dirty) {
            let start = sector * SECTOR_BYTES;
            let end = (start + SECTOR_BYTES).min(content.bytes.len());
            if content.synced.len() < end {
                content.synced.resize(end, 0);
            }
            if start < end {
                content.synced[start..end].copy_from_slice(&content.bytes[start..end]);
            }
        }
        content.synced.resize(content.bytes.len(), 0);
        Ok(())
    }

    fn bytes(&self) -> io::Result<u64> {
        let state = lock(&self.disk.state);
        state.check_power()?;
        Ok(state.files[&self.id].bytes.len() as u64)
    }
}

/// A small generator (splitmix64), so that a seed replays a crash.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(file: &Arc<dyn DiskFile>, bytes: &[u8], position: u64) {
        file.write_at(&[IoSlice::new(bytes)], position).unwrap();
    }

    #[test]
    fn a_crash_keeps_what_was_synced_and_any_part_of_the_rest() {
        let disk = SimulatedDisk::default();
        let path = Path::new("/d/f");
        let file = disk.create(path).unwrap();
        write(&file, &[1; 1024], 0);
        file.sync_data().unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
        write(&file, &[2; 1024], 0);
        let mut seen = BTreeSet::new();
        for seed in 0..100 {
            let content = disk.after_crash(seed).content(path).unwrap();
            seen.insert((content[0], content[512]));
        }
        assert_eq!(seen, BTreeSet::from([(1, 1), (1, 2), (2, 1), (2, 2)]));
    }

    #[test]
    fn a_rename_may_be_lost_until_the_directory_is_synced() {
        let disk = SimulatedDisk::default();
        let (from, to) = (Path::new("/d/from"), Path::new("/d/to"));
        disk.create(from).unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
        disk.rename(from, to).unwrap();
        let survived = |seed| disk.after_crash(seed).content(to).is_some();
        assert!((0..100).any(survived) && !(0..100).all(survived));
        disk.sync_dir(Path::new("/d")).unwrap();
        assert!((0..100).all(survived));
    }

    #[test]
    fn space_and_power_run_out() {
        let disk = SimulatedDisk::default();
        let file = disk.create(Path::new("/f")).unwrap();
        disk.set_capacity(Some(1000));
        assert_eq!(file.reserve(1001).unwrap_err().kind(), io::ErrorKind::StorageFull);
        file.reserve(1000).unwrap();
        disk.power_off_after(1);
        file.sync_data().unwrap();
        assert!(file.sync_data().is_err());
        assert!(file.read_at(0, 1).is_err());
    }
}
