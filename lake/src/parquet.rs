//! Data files: Arrow columns in, one durable Parquet file out.
//!
//! ZSTD level 1, row groups bounded by bytes so that a writer's memory is, field ids in the
//! schema, `sorting_columns` (`__partition`, `__offset`) in every row group. What the commit needs
//! to know of a file (counts, bounds, column sizes) is gathered while it is written. The writer
//! does not sort: the tailer hands rows over in order, and `append` checks that it does.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::LazyLock;

use ::parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::file::metadata::{ParquetMetaData, SortingColumn};
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::schema::types::ColumnPath;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use iceberg::spec::Struct;

use crate::{LakeError, Warehouse, columns, files};

/// A row group is closed once it has this many encoded bytes: what a writer holds in memory.
const ROW_GROUP_BYTES: usize = 16 << 20;
/// Values encoded between two looks at the page size: small, because values may be large.
const WRITE_BATCH_ROWS: usize = 256;

/// Smallest and largest value of a column, and how many nulls it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds<T> {
    /// Lowest and highest value that is not null.
    pub range: Option<(T, T)>,
    /// Nulls.
    pub nulls: u64,
}

impl<T: Copy + Ord> Bounds<T> {
    fn extend(&mut self, low: Option<T>, high: Option<T>, nulls: usize) {
        self.nulls += nulls as u64;
        if let (Some(low), Some(high)) = (low, high) {
            self.range = Some(match self.range {
                None => (low, high),
                Some((least, most)) => (least.min(low), most.max(high)),
            });
        }
    }
}

/// A closed data file; synced, unless it waits in the spool.
#[derive(Clone, Debug)]
pub struct DataFile {
    /// Where it was written.
    pub path: PathBuf,
    /// Where readers find it, once it was delivered.
    pub location: String,
    /// What the table's partition fields are for all of its rows.
    pub partition_value: Struct,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// Compressed bytes by field id of the leaf column.
    pub column_bytes: HashMap<i32, u64>,
    /// Where its row groups begin.
    pub split_offsets: Vec<i64>,
    /// Nulls of `key` and `value`.
    pub null_keys: u64,
    /// Nulls of `value`.
    pub null_values: u64,
    /// Bounds of `__partition`.
    pub partition: Bounds<i32>,
    /// Bounds of `__offset`.
    pub offset: Bounds<i64>,
    /// Bounds of `__timestamp`, in microseconds.
    pub timestamp: Bounds<i64>,
}

/// A data file that is being written.
pub struct FileWriter {
    writer: ArrowWriter<File>,
    handle: File,
    /// Removes the file unless it is closed.
    unfinished: Unfinished,
    file: DataFile,
    last: Option<(i32, i64)>,
}

impl FileWriter {
    /// Creates a file that stays where it is; it must not exist, its directory must.
    pub fn create(path: PathBuf) -> Result<FileWriter, LakeError> {
        let location = files::location_of(&path);
        FileWriter::create_for(path, location, Struct::empty())
    }

    /// Creates the file of `location`, which may be written in the spool first.
    pub(crate) fn create_for(
        path: PathBuf,
        location: String,
        partition_value: Struct,
    ) -> Result<FileWriter, LakeError> {
        let handle = files::create_new(&path)?;
        let unfinished = Unfinished(Some(path.clone()));
        let second = handle.try_clone().map_err(|e| LakeError::io("open", &path, e))?;
        let options = ArrowWriterOptions::new()
            .with_properties(PROPERTIES.clone())
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(second, columns::arrow_schema(), options)
            .map_err(|e| LakeError::parquet(&path, e))?;
        let file = DataFile {
            path,
            location,
            partition_value,
            rows: 0,
            bytes: 0,
            column_bytes: HashMap::new(),
            split_offsets: Vec::new(),
            null_keys: 0,
            null_values: 0,
            partition: Bounds::default(),
            offset: Bounds::default(),
            timestamp: Bounds::default(),
        };
        Ok(FileWriter { writer, handle, unfinished, file, last: None })
    }

    /// Appends rows, which must continue the file's order.
    pub fn append(&mut self, rows: &RecordBatch) -> Result<(), LakeError> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        self.observe(rows);
        let path = &self.file.path;
        self.writer.write(rows).map_err(|e| LakeError::parquet(path, e))?;
        if self.writer.in_progress_size() >= ROW_GROUP_BYTES {
            self.end_row_group()
        } else {
            Ok(())
        }
    }

    /// Ends the row group that is in memory. What is on disk is synced as it comes, so that the
    /// sync at the end, for which somebody may wait, has little to do.
    pub(crate) fn end_row_group(&mut self) -> Result<(), LakeError> {
        let path = &self.file.path;
        self.writer.flush().map_err(|e| LakeError::parquet(path, e))?;
        if self.is_final() {
            self.handle.sync_data().map_err(|e| LakeError::io("sync", &self.file.path, e))?;
        }
        Ok(())
    }

    /// Bytes in memory.
    pub(crate) fn memory(&self) -> usize {
        self.writer.memory_size()
    }

    /// Whether the file stays where it is, rather than being uploaded.
    fn is_final(&self) -> bool {
        self.file.location == files::location_of(&self.file.path)
    }

    /// Encoded bytes so far.
    pub fn bytes(&self) -> usize {
        self.writer.bytes_written() + self.writer.in_progress_size()
    }

    /// Writes the footer and syncs the file, unless it will be uploaded; the directory is the
    /// caller's to sync.
    pub fn close(mut self) -> Result<DataFile, LakeError> {
        let is_final = self.is_final();
        let path = &self.file.path;
        let metadata = self.writer.close().map_err(|e| LakeError::parquet(path, e))?;
        if is_final {
            files::sync_file(&self.handle, path)?;
        }
        self.file.bytes =
            self.handle.metadata().map_err(|e| LakeError::io("inspect", path, e))?.len();
        self.file.column_bytes = column_bytes(&metadata);
        self.file.split_offsets = split_offsets(&metadata);
        self.unfinished.0 = None;
        Ok(self.file)
    }

    fn observe(&mut self, rows: &RecordBatch) {
        let partitions = rows.column(2).as_primitive::<Int32Type>();
        let offsets = rows.column(3).as_primitive::<Int64Type>();
        let timestamps = rows.column(4).as_primitive::<TimestampMicrosecondType>();
        let first = (partitions.value(0), offsets.value(0));
        let last = rows.num_rows() - 1;
        assert!(self.last.is_none_or(|last| last < first), "rows reach a file in order");
        self.last = Some((partitions.value(last), offsets.value(last)));

        let file = &mut self.file;
        file.rows += rows.num_rows() as u64;
        file.null_keys += rows.column(0).null_count() as u64;
        file.null_values += rows.column(1).null_count() as u64;
        file.partition.extend(arrow::compute::min(partitions), arrow::compute::max(partitions), 0);
        file.offset.extend(arrow::compute::min(offsets), arrow::compute::max(offsets), 0);
        file.timestamp.extend(
            arrow::compute::min(timestamps),
            arrow::compute::max(timestamps),
            timestamps.null_count(),
        );
    }
}

/// A file that goes when its writer does.
struct Unfinished(Option<PathBuf>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = &self.0
            && let Err(error) = files::remove(path)
        {
            tracing::debug!(%error, "an unfinished data file stays until the next start");
        }
    }
}

/// Removes what a failed commit left; best effort, since opening the table does it too.
pub(crate) fn discard(warehouse: &Warehouse, files: &[DataFile]) {
    for file in files {
        let removed = files::remove(&file.path).and_then(|()| warehouse.delete(&file.location));
        if let Err(error) = removed {
            tracing::debug!(%error, "uncommitted data file stays until the table is opened again");
        }
    }
}

static PROPERTIES: LazyLock<WriterProperties> = LazyLock::new(|| {
    let level = ZstdLevel::try_new(1).expect("level 1 is within zstd's range");
    let column = |name: &str| ColumnPath::from(name);
    let sorted = |index| SortingColumn { column_idx: index, descending: false, nulls_first: true };
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("strom ", env!("CARGO_PKG_VERSION")).to_string())
        .set_compression(Compression::ZSTD(level))
        .set_write_batch_size(WRITE_BATCH_ROWS)
        .set_max_row_group_row_count(None)
        .set_sorting_columns(Some(vec![sorted(2), sorted(3)]));
    // Dense or mostly distinct columns: a dictionary would be built and thrown away.
    for name in ["value", "__offset", "__timestamp"] {
        properties = properties.set_column_dictionary_enabled(column(name), false);
    }
    // Bounds of payload bytes prune nothing; their null counts per row group still help.
    for name in ["key", "value"] {
        properties =
            properties.set_column_statistics_enabled(column(name), EnabledStatistics::Chunk);
    }
    properties.build()
});

fn column_bytes(metadata: &ParquetMetaData) -> HashMap<i32, u64> {
    let mut sizes = HashMap::new();
    for column in metadata.row_groups().iter().flat_map(|group| group.columns()) {
        let info = column.column_descr().self_type().get_basic_info();
        if info.has_id() {
            let bytes = u64::try_from(column.compressed_size()).unwrap_or(0);
            *sizes.entry(info.id()).or_insert(0) += bytes;
        }
    }
    sizes
}

fn split_offsets(metadata: &ParquetMetaData) -> Vec<i64> {
    metadata
        .row_groups()
        .iter()
        .filter_map(|group| group.columns().first())
        .map(|column| match column.dictionary_page_offset() {
            Some(dictionary) => dictionary.min(column.data_page_offset()),
            None => column.data_page_offset(),
        })
        .collect()
}

/// Shared by the writers of one commit: numbers its files.
#[derive(Debug)]
pub struct FileNames {
    directory: String,
    commit: u64,
    next: u32,
}

impl FileNames {
    /// Names for the data files of commit number `commit`.
    pub fn new(directory: String, commit: u64) -> FileNames {
        FileNames { directory, commit, next: 0 }
    }

    /// The commit that the names are for.
    pub(crate) fn commit(&self) -> u64 {
        self.commit
    }

    /// A new, unique location: the commit's number, a counter, and `unique`.
    pub fn next(&mut self, unique: uuid::Uuid) -> String {
        let index = self.next;
        self.next += 1;
        format!("{}/{:08}-{index:03}-{unique}.parquet", self.directory, self.commit)
    }
}

/// The commit number in a file name of ours; nothing for foreign files.
pub fn commit_of(name: &str) -> Option<u64> {
    let mut parts = name.strip_suffix(".parquet")?.splitn(3, '-');
    let (number, index, _unique) = (parts.next()?, parts.next()?, parts.next()?);
    // The second part of a uuid has four digits, never three.
    (number.len() >= 8 && index.len() == 3).then(|| number.parse().ok()).flatten()
}

#[cfg(test)]
pub(crate) mod tests;
