//! The disk, as narrow as the journal and the metadata log need it.
//!
//! Two implementations: [`RealDisk`], and [`SimulatedDisk`](simulated::SimulatedDisk), which can lose and
//! reorder what was not synced, run full, and fail, so that tests can crash at every write.

use std::any::Any;
use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

mod real;
pub mod simulated;

pub use real::RealDisk;

/// The unit that a disk writes entirely or not at all.
pub const SECTOR_BYTES: usize = 512;

/// Files and directories.
pub trait Disk: Send + Sync + Debug {
    /// Creates a directory and its parents; fine if it exists.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Whether there is a directory of this name.
    fn is_dir(&self, path: &Path) -> io::Result<bool>;
    /// The names in a directory, in any order.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Opens an existing file to read and write.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Creates a file, or empties an existing one, to read and write.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Renames a file, replacing what is there; durable after `sync_dir`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file; durable after `sync_dir`.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Locks a file against other processes until the guard is dropped; `None` if another holds it.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Any + Send + Sync>>>;
}

/// An open file. All positions are absolute; all methods may be called from several threads.
pub trait DiskFile: Send + Sync + Debug {
    /// Up to `bytes` bytes from `position`: fewer only at the end of the file.
    fn read_at(&self, position: u64, bytes: usize) -> io::Result<Bytes>;
    /// Writes all the slices one behind the other, without copying them.
    fn write_at(&self, slices: &[IoSlice<'_>], position: u64) -> io::Result<()>;
    /// Reserves room for the first `bytes` bytes, which read as zero where nothing was written. An error
    /// of kind `StorageFull` says that there is none, one of kind `Unsupported` that only writing tells.
    fn reserve(&self, bytes: u64) -> io::Result<()>;
    /// Makes the content durable (fdatasync).
    fn sync_data(&self) -> io::Result<()>;
    /// The file's length.
    fn bytes(&self) -> io::Result<u64>;
}

/// Where [`replace_file`] writes the content before it has its name.
pub(crate) fn temporary_path(path: &Path) -> PathBuf {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    temporary.into()
}

/// Replaces a file's content atomically and durably: temporary file, sync, rename, sync of the directory.
pub(crate) fn replace_file(disk: &dyn Disk, path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = temporary_path(path);
    let file = disk.create(&temporary)?;
    file.write_at(&[IoSlice::new(content)], 0)?;
    file.sync_data()?;
    disk.rename(&temporary, path)?;
    match path.parent() {
        Some(parent) => disk.sync_dir(parent),
        None => Ok(()),
    }
}
