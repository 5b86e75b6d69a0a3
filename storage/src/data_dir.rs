//! The data directory: one process at a time, one format version, refused untouched otherwise.
//!
//! ```text
//! <data.dir>/lock        held (flock) while the process lives
//!            format      "strom data directory, format 1\n"
//!            metadata/   the metadata log
//!            journal/    the journal's files
//!            objects/    the object store, with the segments
//! ```

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::OpenError;
use crate::io::{Disk, RealDisk, replace_file};
use crate::ticket::FailStop;

const FORMAT: u32 = 1;
const FORMAT_FILE: &str = "format";
const FORMAT_PREFIX: &str = "strom data directory, format ";
const METADATA: &str = "metadata";
const JOURNAL: &str = "journal";
const OBJECTS: &str = "objects";

/// An open data directory. Clones share it; the lock is released with the last one.
#[derive(Clone, Debug)]
pub struct DataDir {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    is_new: bool,
    disk: Arc<dyn Disk>,
    fail_stop: Arc<FailStop>,
    _lock: Box<dyn Any + Send + Sync>,
}

impl DataDir {
    /// Creates or opens the directory and locks it. Refuses a directory that is locked, not writable,
    /// not Strom's or of a newer format, without having changed anything in it (an existing one's lock
    /// file apart).
    pub fn open(path: impl AsRef<Path>) -> Result<DataDir, OpenError> {
        Self::open_on(Arc::new(RealDisk), path)
    }

    /// The same on another disk: tests open a simulated one.
    pub fn open_on(disk: Arc<dyn Disk>, path: impl AsRef<Path>) -> Result<DataDir, OpenError> {
        let path = path.as_ref().to_path_buf();
        let not_writable = |source| OpenError::NotWritable { path: path.clone(), source };
        disk.create_dir(&path).map_err(not_writable)?;
        let names = disk.list(&path).map_err(not_writable)?;
        let is_new = !names.iter().any(|name| name == FORMAT_FILE);
        if is_new {
            check_empty(&path, &names)?;
        } else {
            check_format(disk.as_ref(), &path)?;
        }
        let lock = match disk.lock(&path.join("lock")).map_err(not_writable)? {
            Some(lock) => lock,
            None => return Err(OpenError::Locked { path }),
        };
        for room in [METADATA, JOURNAL, OBJECTS] {
            disk.create_dir(&path.join(room)).map_err(not_writable)?;
        }
        if is_new {
            let text = format!("{FORMAT_PREFIX}{FORMAT}\n");
            replace_file(disk.as_ref(), &path.join(FORMAT_FILE), text.as_bytes())
                .map_err(not_writable)?;
        }
        let fail_stop = Arc::new(FailStop::default());
        Ok(DataDir { inner: Arc::new(Inner { path, is_new, disk, fail_stop, _lock: lock }) })
    }

    /// Whether this call to `open` created it.
    pub fn is_new(&self) -> bool {
        self.inner.is_new
    }

    /// The path as it was given.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.inner.disk
    }

    pub(crate) fn fail_stop(&self) -> &Arc<FailStop> {
        &self.inner.fail_stop
    }

    pub(crate) fn metadata_path(&self) -> PathBuf {
        self.inner.path.join(METADATA)
    }

    pub(crate) fn journal_path(&self) -> PathBuf {
        self.inner.path.join(JOURNAL)
    }

    pub(crate) fn objects_path(&self) -> PathBuf {
        self.inner.path.join(OBJECTS)
    }
}

/// A directory without a format file is new only if nothing but our own first steps is in it.
fn check_empty(path: &Path, names: &[String]) -> Result<(), OpenError> {
    let ours = ["lock", METADATA, JOURNAL, OBJECTS, "format.tmp", "lost+found"];
    match names.iter().find(|name| !ours.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(OpenError::Foreign {
            path: path.to_path_buf(),
            reason: format!("has no format file but contains {name:?}"),
        }),
    }
}

fn check_format(disk: &dyn Disk, path: &Path) -> Result<(), OpenError> {
    let file_path = path.join(FORMAT_FILE);
    let file = disk.open(&file_path).map_err(OpenError::io("opening", &file_path))?;
    let bytes = file.read_at(0, 256).map_err(OpenError::io("reading", &file_path))?;
    let text = String::from_utf8_lossy(&bytes);
    let Some(version) = text.trim_end().strip_prefix(FORMAT_PREFIX) else {
        return Err(OpenError::Foreign {
            path: file_path,
            reason: format!("is not a format file: it reads {:?}", text.trim_end()),
        });
    };
    match version.parse::<u32>() {
        Ok(FORMAT) => Ok(()),
        _ => Err(OpenError::NewerFormat {
            path: file_path,
            found: version.to_owned(),
            supported: FORMAT,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_directory_is_new_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        assert!(DataDir::open(&path).unwrap().is_new());
        assert!(!DataDir::open(&path).unwrap().is_new());
    }

    #[test]
    fn a_locked_directory_is_refused_with_path_and_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(dir.path()).unwrap();
        let message = DataDir::open(dir.path()).unwrap_err().to_string();
        assert!(message.contains(&dir.path().display().to_string()), "{message}");
        assert!(message.contains("data.dir"), "{message}");
        drop(first);
        DataDir::open(dir.path()).unwrap();
    }

    #[test]
    fn other_formats_and_other_directories_are_refused_untouched() {
        for (file, text, expected) in [
            ("format", "strom data directory, format 2\n", "format 2, this version reads up to 1"),
            ("format", "something else\n", "is not a format file"),
            (
                "meta.properties",
                "cluster.id=x\n",
                "no format file but contains \"meta.properties\"",
            ),
        ] {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join(file), text).unwrap();
            let message = DataDir::open(dir.path()).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
            assert!(message.contains("data.dir"), "{message}");
            let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
            assert_eq!(names.len(), 1, "nothing was created");
            assert_eq!(std::fs::read_to_string(dir.path().join(file)).unwrap(), text);
        }
    }

    #[test]
    fn a_path_that_cannot_be_a_directory_is_not_writable() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "x").unwrap();
        let error = DataDir::open(path.join("below")).unwrap_err();
        assert!(matches!(error, OpenError::NotWritable { .. }), "{error}");
        assert!(error.to_string().contains("is not writable"), "{error}");
    }
}
