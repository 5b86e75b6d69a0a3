//! A file of the metadata log and its copy, read as one.
//!
//! Both have the same bytes at the same positions, and the file rules. Where it has no valid group, the copy
//! is asked for the one at that position; what it has whole was durable, because a group is copied only when
//! it is synced (see `files`). That holds for the last group too: a torn one of the file is not in the copy.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::copy_path;
use super::format::{self, FileKind, Group};
use crate::error::OpenError;
use crate::io::{Disk, DiskFile};
use crate::recovery::Corruption;

pub(super) struct Twin {
    pub(super) path: PathBuf,
    /// `None` if there is only the copy.
    file: Option<Arc<dyn DiskFile>>,
    copy: Option<Arc<dyn DiskFile>>,
    /// What the copy had to supply.
    pub(super) restored: Vec<Corruption>,
    /// Where the last of that ended.
    restored_end: Option<u64>,
}

impl Twin {
    /// Opens a file, and its copy if there is one that can be opened.
    pub(super) fn open(disk: &dyn Disk, path: PathBuf) -> Result<Twin, OpenError> {
        let copy = disk.open(&copy_path(&path)).ok();
        let file = match disk.open(&path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound && copy.is_some() => None,
            Err(error) => return Err(OpenError::io("opening", path)(error)),
        };
        Ok(Twin { path, file, copy, restored: Vec::new(), restored_end: None })
    }

    /// The file itself. A copy of deltas does not replace it: nothing says that its last groups are in it.
    pub(super) fn file(&self) -> Result<Arc<dyn DiskFile>, OpenError> {
        self.file.clone().ok_or_else(|| {
            let (name, copy) = (name_of(&self.path), name_of(&copy_path(&self.path)));
            let reason = format!(
                "the file is missing; {copy} may lack the latest changes, to start from it all the same rename it to {name}"
            );
            self.corrupt(0, reason)
        })
    }

    /// Checks that the file is what its name says.
    pub(super) fn check_header(&mut self, kind: FileKind, number: u64) -> Result<(), OpenError> {
        let (bytes, fault) = match self.file.as_ref().map(read_header) {
            Some(Ok(bytes)) => match format::check_header(&bytes, &self.path, kind, number) {
                Ok(()) => return Ok(()),
                Err(fault) => (Some(bytes), fault),
            },
            Some(Err(error)) => (None, OpenError::io("reading", &self.path)(error)),
            None => (None, self.corrupt(0, "the file is missing".to_owned())),
        };
        let is_newer = matches!(fault, OpenError::NewerFormat { .. })
            && bytes.is_some_and(|bytes| format::is_sealed(&bytes));
        let has_copy =
            self.copy.as_ref().and_then(|copy| read_header(copy).ok()).is_some_and(|bytes| {
                format::check_header(&bytes, &self.path, kind, number).is_ok()
            });
        match fault {
            fault if !is_newer && has_copy => {
                self.note_restored(0, format::HEADER_BYTES, reason_of(&fault));
                Ok(())
            }
            OpenError::Corrupt { position, reason, .. } => Err(self.lacks_copy(position, &reason)),
            fault => Err(fault),
        }
    }

    /// The group of a sequence at a position, of the file or else of the copy.
    pub(super) fn group(&mut self, at: u64, sequence: u64) -> Result<Option<Group>, OpenError> {
        let read = |file: &Arc<dyn DiskFile>| {
            let group = format::read_group(file.as_ref(), at)?;
            Ok::<_, io::Error>(group.filter(|group| group.sequence == sequence))
        };
        let fault = match self.file.as_ref().map(read) {
            Some(Ok(Some(group))) => return Ok(Some(group)),
            Some(Err(error)) => Some(OpenError::io("reading", &self.path)(error)),
            Some(Ok(None)) | None => None,
        };
        let copied = self.copy.as_ref().and_then(|copy| read(copy).ok().flatten());
        match (copied, fault) {
            (Some(group), fault) => {
                let damaged = || "a group is damaged".to_owned();
                let reason = fault.as_ref().map_or_else(damaged, reason_of);
                self.note_restored(at, group.next, reason);
                Ok(Some(group))
            }
            (None, Some(fault)) => Err(fault),
            (None, None) => Ok(None),
        }
    }

    /// Whether file or copy have a valid group of a later sequence behind a position: then what is at the
    /// position had been synced.
    pub(super) fn has_later_group(&self, at: u64, sequence: u64) -> Result<bool, OpenError> {
        let is_in = |file: &Arc<dyn DiskFile>| format::has_later_group(file.as_ref(), at, sequence);
        let of_file = self.file.as_ref().map_or(Ok(false), is_in);
        let is_in_file = of_file.map_err(OpenError::io("reading", &self.path))?;
        let is_in_copy = || self.copy.as_ref().is_some_and(|copy| is_in(copy).unwrap_or(false));
        Ok(is_in_file || is_in_copy())
    }

    /// The damage that neither the file nor its copy gets over.
    pub(super) fn lacks_copy(&self, position: u64, reason: &str) -> OpenError {
        let copy = copy_path(&self.path);
        let copy = match self.copy {
            Some(_) => format!("{} does not have it either", copy.display()),
            None => format!("there is no {} to restore it from", copy.display()),
        };
        self.corrupt(position, format!("{reason}, and {copy}"))
    }

    fn corrupt(&self, position: u64, reason: String) -> OpenError {
        OpenError::Corrupt { file: self.path.clone(), position, reason }
    }

    /// Notes what the copy supplied; neighbouring groups are one damage.
    fn note_restored(&mut self, from: u64, to: u64, reason: String) {
        if self.restored_end != Some(from) {
            let copy = name_of(&copy_path(&self.path));
            self.restored.push(Corruption {
                file: self.path.clone(),
                position: from,
                reason: format!("{reason}; it was restored from {copy}"),
                lost: Vec::new(),
            });
        }
        self.restored_end = Some(to);
    }
}

fn read_header(file: &Arc<dyn DiskFile>) -> io::Result<bytes::Bytes> {
    file.read_at(0, format::HEADER_BYTES as usize)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What a fault says, without the file and without a remedy, which is the copy.
fn reason_of(fault: &OpenError) -> String {
    match fault {
        OpenError::Corrupt { reason, .. } => reason.clone(),
        OpenError::Io { source, .. } => format!("it cannot be read: {source}"),
        OpenError::NewerFormat { found, .. } => format!("the header says format {found}"),
        other => other.to_string(),
    }
}
