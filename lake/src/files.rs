//! Durable files of a warehouse on a local disk, and their locations.
//!
//! A location is what engines see (`file:///abs/path`), a path is what the operating system
//! sees. Files are written once under a name of their own, then synced, then their directory is
//! synced; only after that may a commit mention them. Nothing here knows what is in a file.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::LakeError;

const SCHEME: &str = "file://";

/// The location of an absolute path.
pub fn location_of(path: &Path) -> String {
    format!("{SCHEME}{}", path.display())
}

/// The path of a location, whether or not it carries the scheme.
pub fn path_of(location: &str) -> &Path {
    Path::new(location.strip_prefix(SCHEME).unwrap_or(location))
}

/// Creates a directory and its missing parents, each synced into its own parent.
pub fn create_dir_synced(dir: &Path) -> Result<(), LakeError> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        create_dir_synced(parent)?;
    }
    match fs::create_dir(dir) {
        Ok(()) => {}
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(LakeError::io("create directory", dir, e)),
    }
    dir.parent().map_or(Ok(()), sync_dir)
}

/// Creates a file that must not exist yet.
pub fn create_new(path: &Path) -> Result<File, LakeError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(|e| LakeError::io("create", path, e))
}

/// Writes and syncs a new file; the caller syncs the directory once for all of them.
pub fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), LakeError> {
    let mut file = create_new(path)?;
    file.write_all(bytes).map_err(|e| LakeError::io("write", path, e))?;
    sync_file(&file, path)
}

/// Syncs the content of a file.
pub fn sync_file(file: &File, path: &Path) -> Result<(), LakeError> {
    file.sync_all().map_err(|e| LakeError::io("sync", path, e))
}

/// Syncs a directory, so that the names in it survive a crash.
pub fn sync_dir(dir: &Path) -> Result<(), LakeError> {
    let handle = File::open(dir).map_err(|e| LakeError::io("open directory", dir, e))?;
    handle.sync_all().map_err(|e| LakeError::io("sync directory", dir, e))
}

/// Reads a whole file.
pub fn read(path: &Path) -> Result<Vec<u8>, LakeError> {
    fs::read(path).map_err(|e| LakeError::io("read", path, e))
}

/// Removes a file; one that is already gone is no error.
pub fn remove(path: &Path) -> Result<(), LakeError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(LakeError::io("remove", path, e)),
    }
}

/// Removes a directory with everything in it; one that is already gone is no error.
pub fn remove_tree(dir: &Path) -> Result<(), LakeError> {
    match fs::remove_dir_all(dir) {
        Ok(()) => dir.parent().filter(|parent| parent.is_dir()).map_or(Ok(()), sync_dir),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(LakeError::io("remove directory", dir, e)),
    }
}

/// The names in a directory with their paths; a directory that does not exist has none.
pub fn list(dir: &Path) -> Result<Vec<(String, PathBuf)>, LakeError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(LakeError::io("list", dir, e)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| LakeError::io("list", dir, e))?;
        names.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    Ok(names)
}
