//! Where tables are: files of a local directory or objects of a bucket, under one interface.
//!
//! ```text
//!  file:///srv/w/kafka/orders-x/metadata/00001-….json ─► files: written, synced, directory synced
//!  s3://bucket/w/kafka/orders-x/metadata/00001-….json ─► s3: put if absent, multipart, bounded
//! ```
//!
//! Everything is named by its location, a URL that carries the scheme; a table that was made in a
//! former warehouse stays readable, because the scheme decides who serves it. Calls block: they
//! are for worker threads and `spawn_blocking`, never for a network thread. They end in bounded
//! time and say why they failed; while a bucket does not answer they fail at once (outage.rs).
//! Nothing here knows what is in a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::manifest::NewFile;
use crate::{LakeError, files};

mod options;
mod outage;
mod s3;

pub use options::{Keys, Root, S3Options, Secret, Vend};

use s3::S3;

/// Who serves a location.
enum Place<'a> {
    Local(&'a Path),
    S3 { bucket: &'a str, key: &'a str },
}

/// The warehouse of a lake.
#[derive(Debug)]
pub struct Warehouse {
    root: Root,
    url: String,
    spool: PathBuf,
    s3: S3,
}

impl Warehouse {
    /// A warehouse at `root`; contacts nobody. Data files on their way to a bucket are written in
    /// `spool`, a local directory.
    pub fn new(root: Root, s3: S3Options, spool: PathBuf) -> Warehouse {
        let url = root.url();
        Warehouse { root, url, spool, s3: S3::new(s3) }
    }

    /// The root as a URL without a slash at its end: `file:///srv/w` or `s3://bucket/prefix`.
    pub fn root(&self) -> &str {
        &self.url
    }

    /// The local directory of the root, if it is one.
    pub(crate) fn local_root(&self) -> Option<&Path> {
        match &self.root {
            Root::Local(path) => Some(path),
            Root::S3 { .. } => None,
        }
    }

    /// Whether a location lies below the root, without a step upwards.
    pub fn contains(&self, location: &str) -> bool {
        let below = location.strip_prefix(&self.url).and_then(|rest| rest.strip_prefix('/'));
        below.is_some_and(|path| path.split('/').all(|part| !matches!(part, "" | "." | "..")))
    }

    /// Writes a file that must not exist, durably. One that exists with the very same bytes is
    /// success: an answer was lost on the way.
    pub fn write(&self, location: &str, bytes: Bytes) -> Result<(), LakeError> {
        self.write_all(&[NewFile { location: location.to_string(), bytes }])
    }

    /// [`Warehouse::write`] of several files; those of one directory are synced together.
    pub(crate) fn write_all(&self, new: &[NewFile]) -> Result<(), LakeError> {
        let mut directories: Vec<&Path> = Vec::new();
        for file in new {
            match self.place(&file.location)? {
                Place::S3 { bucket, key } => self.s3.write(bucket, key, &file.bytes)?,
                Place::Local(path) => {
                    if let Some(parent) = path.parent().filter(|dir| !directories.contains(dir)) {
                        files::create_dir_synced(parent)?;
                        directories.push(parent);
                    }
                    write_local(path, &file.bytes)?;
                }
            }
        }
        directories.into_iter().try_for_each(files::sync_dir)
    }

    /// Reads a whole file.
    pub fn read(&self, location: &str) -> Result<Bytes, LakeError> {
        match self.place(location)? {
            Place::Local(path) => files::read(path).map(Bytes::from),
            Place::S3 { bucket, key } => self.s3.read(bucket, key),
        }
    }

    /// Whether there is a file.
    pub fn exists(&self, location: &str) -> Result<bool, LakeError> {
        match self.place(location)? {
            Place::Local(path) => path.try_exists().map_err(|e| LakeError::io("look for", path, e)),
            Place::S3 { bucket, key } => self.s3.exists(bucket, key),
        }
    }

    /// Removes a file; one that is already gone is no error.
    pub fn delete(&self, location: &str) -> Result<(), LakeError> {
        match self.place(location)? {
            Place::Local(path) => files::remove(path),
            Place::S3 { bucket, key } => self.s3.delete(bucket, key),
        }
    }

    /// Removes everything below a directory, and the directory itself.
    pub fn delete_under(&self, directory: &str) -> Result<(), LakeError> {
        match self.place(directory)? {
            Place::Local(path) => files::remove_tree(path),
            Place::S3 { bucket, key } => self.s3.delete_under(bucket, key),
        }
    }

    /// The names of the files in a directory, without those in directories below it. With
    /// `after`, only names that sort behind it are wanted (a local directory gives them all).
    pub(crate) fn list(
        &self,
        directory: &str,
        after: Option<&str>,
    ) -> Result<Vec<String>, LakeError> {
        match self.place(directory)? {
            Place::Local(path) => {
                Ok(files::list(path)?.into_iter().map(|(name, _)| name).collect())
            }
            Place::S3 { bucket, key } => self.s3.list(bucket, key, after),
        }
    }

    /// The local file in which the content of `location` is to be written: itself where that is
    /// local, and else one in the spool. Its directory exists.
    pub(crate) fn stage(&self, location: &str) -> Result<PathBuf, LakeError> {
        match self.place(location)? {
            Place::Local(path) => {
                path.parent().map_or(Ok(()), files::create_dir_synced)?;
                Ok(path.to_path_buf())
            }
            Place::S3 { key, .. } => {
                files::create_dir_synced(&self.spool)?;
                Ok(self.spool.join(key.rsplit('/').next().unwrap_or(key)))
            }
        }
    }

    /// Makes staged files ready to be mentioned by a commit: syncs the directory of local ones,
    /// uploads the others and removes them from the spool. The files themselves are synced where
    /// they are local.
    pub(crate) fn deliver(&self, staged: &[(&Path, &str)]) -> Result<(), LakeError> {
        let mut directories: Vec<&Path> = Vec::new();
        for (file, location) in staged {
            match self.place(location)? {
                Place::Local(path) => {
                    directories.extend(path.parent().filter(|dir| !directories.contains(dir)));
                }
                Place::S3 { bucket, key } => {
                    self.s3.upload(bucket, key, file)?;
                    files::remove(file)?;
                }
            }
        }
        directories.into_iter().try_for_each(files::sync_dir)
    }

    /// What a load's `config` says about reaching a table at `location`: region and endpoint.
    pub fn told(&self, location: &str) -> BTreeMap<String, String> {
        match self.place(location) {
            Ok(Place::S3 { .. }) => self.s3.options().told(),
            // DuckDB 1.5 refuses a table whose config has any key but no region.
            Ok(Place::Local(_)) | Err(_) => {
                BTreeMap::from([("client.region".to_string(), "local".to_string())])
            }
        }
    }

    /// The keys that are given out for a table at `location`.
    pub fn vended(&self, location: &str) -> Option<Keys> {
        match self.place(location) {
            Ok(Place::S3 { .. }) => self.s3.options().vended().cloned(),
            Ok(Place::Local(_)) | Err(_) => None,
        }
    }

    /// Why the bucket of a location is known not to answer at this moment.
    pub fn outage(&self, location: &str) -> Option<String> {
        match self.place(location) {
            Ok(Place::S3 { bucket, .. }) => self.s3.outage(bucket),
            Ok(Place::Local(_)) | Err(_) => None,
        }
    }

    /// Ends what waits for a bucket; from now on calls to one fail.
    pub(crate) fn close(&self) {
        self.s3.close();
    }

    fn place<'a>(&self, location: &'a str) -> Result<Place<'a>, LakeError> {
        if let Some(rest) = location.strip_prefix("s3://") {
            return match rest.split_once('/') {
                Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => {
                    Ok(Place::S3 { bucket, key })
                }
                Some(_) | None => Err(unknown(location)),
            };
        }
        let path = files::path_of(location);
        if path.is_absolute() { Ok(Place::Local(path)) } else { Err(unknown(location)) }
    }
}

fn unknown(location: &str) -> LakeError {
    LakeError::Options(format!(
        "{location} is no location of a warehouse: file:///path and s3://bucket/key are"
    ))
}

fn write_local(path: &Path, bytes: &Bytes) -> Result<(), LakeError> {
    match files::write_synced(path, bytes) {
        Err(error) if error.is_exists() && files::read(path)? == *bytes => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests;
