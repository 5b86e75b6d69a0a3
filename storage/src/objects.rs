//! A local directory as an object store whose objects survive a crash.
//!
//! ```text
//! put: <name>.tmp ─► write ─► fsync ─► rename to <name> ─► fsync of the directory
//! ```
//!
//! So an object is there entirely or not at all, and durable when `put` returns. Everything goes through
//! [`Disk`], so tests can crash at every step. The futures never wait: the work is done by the thread that
//! polls them, which is one of the storage's own. What a crash leaves of an unfinished object ends in `.tmp`,
//! is shown to nobody, and goes when the directory is opened.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, ErrorKind, IoSlice};
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result, UploadPart,
};

use crate::io::{Disk, DiskFile};
use crate::ticket::lock;

const STORE: &str = "local directory";
const TEMPORARY: &str = ".tmp";
/// What a copy holds in memory.
const COPY_BYTES: usize = 1 << 20;

/// The object store of a directory. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct DurableDirectory {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    /// Directories that are known to be durable. Held while names change, so that create-if-absent is one step.
    directories: Mutex<BTreeSet<PathBuf>>,
    next_temporary: AtomicU64,
}

/// An object that is being written.
#[derive(Debug)]
struct Upload {
    directory: Arc<Inner>,
    location: Path,
    temporary: PathBuf,
    file: Arc<dyn DiskFile>,
    bytes: u64,
}

impl DurableDirectory {
    /// Opens or creates the directory, and removes what unfinished writes left in it. The directory's own
    /// name is durable when this returns.
    pub(crate) fn open(disk: Arc<dyn Disk>, root: PathBuf) -> io::Result<DurableDirectory> {
        disk.create_dir(&root)?;
        if let Some(parent) = root.parent() {
            disk.sync_dir(parent)?;
        }
        let directories = Mutex::new(BTreeSet::from([root.clone()]));
        let next_temporary = AtomicU64::new(0);
        let inner = Inner { disk, root, directories, next_temporary };
        let mut files = Vec::new();
        inner.walk(&inner.root, &mut files)?;
        for path in files.iter().filter(|path| is_temporary(path)) {
            inner.disk.remove(path)?;
        }
        Ok(DurableDirectory { inner: Arc::new(inner) })
    }
}

impl fmt::Display for DurableDirectory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{STORE} {}", self.inner.root.display())
    }
}

fn is_temporary(path: &FilePath) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(TEMPORARY.as_bytes())
}

fn error_of(path: &FilePath, source: io::Error) -> Error {
    let path = path.display();
    match source.kind() {
        ErrorKind::NotFound => Error::NotFound { path: path.to_string(), source: source.into() },
        kind => {
            let source = io::Error::new(kind, format!("{path}: {source}"));
            Error::Generic { store: STORE, source: source.into() }
        }
    }
}

impl Inner {
    /// The file of a location. Names that end like those of unfinished objects are not given to any.
    fn file_of(&self, location: &Path) -> Result<PathBuf> {
        let path = self.root.join(location.as_ref());
        if location.is_root() || is_temporary(&path) {
            let source = format!("{location:?} is no name for an object").into();
            return Err(Error::NotSupported { source });
        }
        Ok(path)
    }

    fn open_file(&self, path: &FilePath) -> Result<Arc<dyn DiskFile>> {
        self.disk.open(path).map_err(|error| error_of(path, error))
    }

    /// Makes the directory of a file, and every one above it, durable.
    fn prepare_parent(&self, path: &FilePath) -> io::Result<()> {
        let mut directories = lock(&self.directories);
        let parent = path.parent().unwrap_or(&self.root);
        let mut missing = Vec::new();
        let mut next = parent;
        while !directories.contains(next) {
            missing.push(next.to_path_buf());
            next = next.parent().unwrap_or(&self.root);
        }
        if !missing.is_empty() {
            self.disk.create_dir(parent)?;
        }
        for directory in missing.into_iter().rev() {
            self.disk.sync_dir(directory.parent().unwrap_or(&self.root))?;
            directories.insert(directory);
        }
        Ok(())
    }

    /// All files below a directory; none if there is no such directory.
    fn walk(&self, directory: &FilePath, found: &mut Vec<PathBuf>) -> io::Result<()> {
        if !self.disk.is_dir(directory)? {
            return Ok(());
        }
        for name in self.disk.list(directory)? {
            let path = directory.join(name);
            if self.disk.is_dir(&path)? {
                self.walk(&path, found)?;
            } else {
                found.push(path);
            }
        }
        Ok(())
    }

    fn location_of(&self, path: &FilePath) -> Result<Path> {
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        Ok(Path::parse(below.to_string_lossy())?)
    }

    fn meta(&self, path: &FilePath) -> Result<ObjectMeta> {
        let size = self.open_file(path)?.bytes().map_err(|error| error_of(path, error))?;
        Ok(ObjectMeta {
            location: self.location_of(path)?,
            // The disk's interface knows no times, and no one here asks for one.
            last_modified: Default::default(),
            size,
            e_tag: None,
            version: None,
        })
    }

    fn list(&self, prefix: Option<&Path>) -> Result<Vec<ObjectMeta>> {
        let directory = prefix.map_or(self.root.clone(), |prefix| self.root.join(prefix.as_ref()));
        let mut paths = Vec::new();
        self.walk(&directory, &mut paths).map_err(|error| error_of(&directory, error))?;
        paths.retain(|path| !is_temporary(path));
        paths.sort();
        let mut listed = Vec::with_capacity(paths.len());
        for path in paths {
            match self.meta(&path) {
                // Deleted meanwhile.
                Err(Error::NotFound { .. }) => {}
                other => listed.push(other?),
            }
        }
        Ok(listed)
    }

    fn delete(&self, location: &Path) -> Result<()> {
        let path = self.file_of(location)?;
        let _names = lock(&self.directories);
        // Not synced: who refers to an object no more does not mind if a crash brings it back.
        self.disk.remove(&path).map_err(|error| error_of(&path, error))
    }
}

impl Upload {
    fn begin(directory: &Arc<Inner>, location: &Path) -> Result<Upload> {
        let path = directory.file_of(location)?;
        let number = directory.next_temporary.fetch_add(1, Ordering::Relaxed);
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".{number}{TEMPORARY}"));
        let temporary = PathBuf::from(temporary);
        directory.prepare_parent(&path).map_err(|error| error_of(&path, error))?;
        let file =
            directory.disk.create(&temporary).map_err(|error| error_of(&temporary, error))?;
        let directory = Arc::clone(directory);
        Ok(Upload { directory, location: location.clone(), temporary, file, bytes: 0 })
    }

    fn write(&mut self, payload: &PutPayload) -> Result<()> {
        let slices: Vec<IoSlice<'_>> = payload.iter().map(|part| IoSlice::new(part)).collect();
        let written = self.file.write_at(&slices, self.bytes);
        written.map_err(|error| error_of(&self.temporary, error))?;
        self.bytes += payload.content_length() as u64;
        Ok(())
    }

    fn commit(&mut self, only_if_absent: bool) -> Result<PutResult> {
        self.file.sync_data().map_err(|error| error_of(&self.temporary, error))?;
        let path = self.directory.file_of(&self.location)?;
        let disk = &self.directory.disk;
        let names = lock(&self.directory.directories);
        if only_if_absent && disk.open(&path).is_ok() {
            drop(names);
            self.discard()?;
            let source = "there is an object of this name".into();
            return Err(Error::AlreadyExists { path: path.display().to_string(), source });
        }
        let parent = path.parent().unwrap_or(&self.directory.root);
        disk.rename(&self.temporary, &path).map_err(|error| error_of(&path, error))?;
        disk.sync_dir(parent).map_err(|error| error_of(parent, error))?;
        Ok(PutResult { e_tag: None, version: None })
    }

    fn discard(&mut self) -> Result<()> {
        let removed = self.directory.disk.remove(&self.temporary);
        removed.map_err(|error| error_of(&self.temporary, error))
    }

    /// All of an object in one go; nothing of it stays when that fails.
    fn put(mut self, payload: &PutPayload, only_if_absent: bool) -> Result<PutResult> {
        let result = self.write(payload).and_then(|()| self.commit(only_if_absent));
        if result.is_err() {
            // What cannot be removed now goes when the directory is opened.
            drop(self.discard());
        }
        result
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let result = self.write(&data);
        Box::pin(async move { result })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.commit(false)
    }

    async fn abort(&mut self) -> Result<()> {
        self.discard()
    }
}

/// Ranges as they are: whoever asks for several has thought about which belong together.
fn read_ranges(file: &dyn DiskFile, path: &FilePath, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
    let read = |range: &Range<u64>| {
        let wanted = range.end.saturating_sub(range.start);
        let bytes =
            file.read_at(range.start, wanted as usize).map_err(|error| error_of(path, error))?;
        if (bytes.len() as u64) < wanted {
            let text = format!("bytes {range:?} lie beyond the end of the object");
            return Err(error_of(path, io::Error::new(ErrorKind::UnexpectedEof, text)));
        }
        Ok(bytes)
    };
    ranges.iter().map(read).collect()
}

#[async_trait]
impl ObjectStore for DurableDirectory {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let only_if_absent = match options.mode {
            PutMode::Overwrite => false,
            PutMode::Create => true,
            PutMode::Update(_) => {
                let source = "objects here have no versions to compare".into();
                return Err(Error::NotSupported { source });
            }
        };
        Upload::begin(&self.inner, location)?.put(&payload, only_if_absent)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Ok(Box::new(Upload::begin(&self.inner, location)?))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let path = self.inner.file_of(location)?;
        let meta = self.inner.meta(&path)?;
        options.check_preconditions(&meta)?;
        let range = match &options.range {
            None => 0..meta.size,
            Some(GetRange::Suffix(bytes)) => meta.size.saturating_sub(*bytes)..meta.size,
            Some(range) => range.as_range(meta.size).map_err(|error| {
                error_of(&path, io::Error::new(ErrorKind::InvalidInput, error.to_string()))
            })?,
        };
        let content = if options.head {
            Bytes::new()
        } else {
            let file = self.inner.open_file(&path)?;
            read_ranges(file.as_ref(), &path, std::slice::from_ref(&range))?.swap_remove(0)
        };
        let payload = GetResultPayload::Stream(stream::iter([Ok(content)]).boxed());
        Ok(GetResult { payload, meta, range, attributes: Default::default() })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let path = self.inner.file_of(location)?;
        read_ranges(self.inner.open_file(&path)?.as_ref(), &path, ranges)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let directory = Arc::clone(&self.inner);
        locations
            .map(move |location| {
                let location = location?;
                directory.delete(&location)?;
                Ok(location)
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.inner.list(prefix) {
            Ok(listed) => stream::iter(listed.into_iter().map(Ok)).boxed(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let root = Path::default();
        let above = prefix.unwrap_or(&root);
        let mut common_prefixes = BTreeSet::new();
        let mut objects = Vec::new();
        for meta in self.inner.list(prefix)? {
            let mut below = meta.location.prefix_match(above).into_iter().flatten();
            match (below.next(), below.next()) {
                (Some(child), Some(_)) => {
                    common_prefixes.insert(above.clone().join(child));
                }
                (_, None) | (None, _) => {
                    drop(below);
                    objects.push(meta);
                }
            }
        }
        Ok(ListResult { common_prefixes: common_prefixes.into_iter().collect(), objects })
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let path = self.inner.file_of(from)?;
        let file = self.inner.open_file(&path)?;
        let mut upload = Upload::begin(&self.inner, to)?;
        let mut copy = || {
            loop {
                let part = file
                    .read_at(upload.bytes, COPY_BYTES)
                    .map_err(|error| error_of(&path, error))?;
                if part.is_empty() {
                    return upload.commit(options.mode == CopyMode::Create);
                }
                upload.write(&part.into())?;
            }
        };
        let result = copy();
        if result.is_err() {
            drop(upload.discard());
        }
        result.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use object_store::ObjectStoreExt;

    use super::*;
    use crate::io::RealDisk;
    use crate::io::simulated::SimulatedDisk;

    fn on(disk: &SimulatedDisk) -> DurableDirectory {
        DurableDirectory::open(Arc::new(disk.clone()), PathBuf::from("/data/objects")).unwrap()
    }

    fn locations(store: &dyn ObjectStore, prefix: Option<&str>) -> Vec<String> {
        let prefix = prefix.map(Path::from);
        let listed: Vec<_> = block_on(store.list(prefix.as_ref()).collect());
        listed.into_iter().map(|meta| meta.unwrap().location.to_string()).collect()
    }

    /// What every object store does, on the real disk and on the simulated one.
    #[test]
    fn it_behaves_like_an_object_store() {
        let temporary = tempfile::tempdir().unwrap();
        let real = DurableDirectory::open(Arc::new(RealDisk), temporary.path().join("objects"));
        for store in [real.unwrap(), on(&SimulatedDisk::default())] {
            let (a, b) = (Path::from("segments/a"), Path::from("segments/deep/b"));
            block_on(store.put(&a, "hello".into())).unwrap();
            block_on(store.put_opts(&b, "world!".into(), PutMode::Create.into())).unwrap();
            let again = block_on(store.put_opts(&b, "other".into(), PutMode::Create.into()));
            assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{again:?}");
            assert_eq!(block_on(async { store.get(&b).await?.bytes().await }).unwrap(), "world!");
            assert_eq!(block_on(store.get_range(&b, 1..3)).unwrap(), "or");
            assert_eq!(block_on(store.get_ranges(&a, &[0..1, 3..5])).unwrap(), ["h", "lo"]);
            assert!(block_on(store.get_ranges(&a, std::slice::from_ref(&(0..6)))).is_err());
            let suffix = GetOptions { range: Some(GetRange::Suffix(2)), ..Default::default() };
            let found = block_on(async { store.get_opts(&a, suffix).await?.bytes().await });
            assert_eq!(found.unwrap(), "lo");
            assert_eq!(block_on(store.head(&a)).unwrap().size, 5);
            block_on(store.copy(&a, &Path::from("segments/c"))).unwrap();
            assert_eq!(locations(&store, None), ["segments/a", "segments/c", "segments/deep/b"]);
            assert_eq!(locations(&store, Some("segments/deep")), ["segments/deep/b"]);
            assert_eq!(locations(&store, Some("none")), [""; 0]);
            let level = block_on(store.list_with_delimiter(Some(&Path::from("segments")))).unwrap();
            assert_eq!(level.common_prefixes, [Path::from("segments/deep")]);
            assert_eq!(level.objects.len(), 2);
            block_on(store.delete(&a)).unwrap();
            for result in [block_on(store.delete(&a)), block_on(store.get(&a)).map(|_| ())] {
                assert!(matches!(result, Err(Error::NotFound { .. })), "{result:?}");
            }
            assert!(block_on(store.put(&Path::from("x.tmp"), "no".into())).is_err());
        }
    }

    #[test]
    fn parts_become_one_object_and_an_aborted_one_is_nothing() {
        let disk = SimulatedDisk::default();
        let store = on(&disk);
        let location = Path::from("segments/a");
        let mut upload = block_on(store.put_multipart(&location)).unwrap();
        block_on(upload.put_part("first, ".into())).unwrap();
        let parts = [Bytes::from("se"), Bytes::from("cond")];
        block_on(upload.put_part(parts.into_iter().collect())).unwrap();
        assert_eq!(locations(&store, None), [""; 0], "not before it is complete");
        block_on(upload.complete()).unwrap();
        let read = block_on(async { store.get(&location).await?.bytes().await }).unwrap();
        assert_eq!(read, "first, second");
        let mut upload = block_on(store.put_multipart(&Path::from("segments/b"))).unwrap();
        block_on(upload.put_part("gone".into())).unwrap();
        block_on(upload.abort()).unwrap();
        assert_eq!(disk.list(FilePath::new("/data/objects/segments")).unwrap(), ["a"]);
    }

    /// The power goes off at every operation of two puts.
    #[test]
    fn an_object_is_there_entirely_or_not_at_all() {
        let (a, b) = (Path::from("segments/a"), Path::from("segments/b"));
        let content = vec![7u8; 3000];
        let mut completed = 0;
        for operations in 0..20 {
            for seed in 0..8 {
                let disk = SimulatedDisk::default();
                let store = on(&disk);
                disk.power_off_after(operations);
                let puts = [&a, &b].map(|at| block_on(store.put(at, content.clone().into())));
                let after = disk.after_crash(seed);
                let store = on(&after);
                for (location, put) in [&a, &b].into_iter().zip(&puts) {
                    let found = block_on(async { store.get(location).await?.bytes().await });
                    match found {
                        Ok(bytes) => assert_eq!(bytes, content),
                        Err(error) => {
                            assert!(put.is_err(), "{operations}: a durable object is gone");
                            assert!(matches!(error, Error::NotFound { .. }), "{error}");
                        }
                    }
                }
                completed += u32::from(puts[1].is_ok());
                let names = after.list(FilePath::new("/data/objects/segments")).unwrap();
                assert!(names.iter().all(|name| !name.ends_with(TEMPORARY)), "{names:?}");
            }
        }
        assert!(completed > 0, "the last rounds have power enough");
    }

    #[test]
    fn a_full_disk_fails_the_put_and_leaves_nothing() {
        let disk = SimulatedDisk::default();
        let store = on(&disk);
        disk.set_capacity(Some(1000));
        let location = Path::from("segments/a");
        let error = block_on(store.put(&location, vec![1u8; 2000].into())).unwrap_err();
        assert!(error.to_string().contains("storage"), "{error}");
        assert_eq!(disk.list(FilePath::new("/data/objects/segments")).unwrap(), [""; 0]);
        block_on(store.put(&location, vec![1u8; 500].into())).unwrap();
    }
}
