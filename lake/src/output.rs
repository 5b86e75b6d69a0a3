//! The data files of one commit: rows in, in the order of (partition, offset), closed files out.
//!
//! Of a table that is not partitioned one file is open at a time. Of one that is, a file per
//! partition value, and at most [`FILES_MAX`] of them: a value that finds no room is *deferred*,
//! and the tailer runs over the same offsets again for up to so many deferred values, until none
//! are left. So three years of days in order close one day's file and open the next, a random mix
//! of a thousand values costs passes instead of memory, and no value gets more files than needed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use iceberg::spec::Struct;
use uuid::Uuid;

use crate::convert::Columns;
use crate::parquet::{DataFile, FileNames, FileWriter};
use crate::partitioning::Partitioner;
use crate::{LakeError, Warehouse};

/// Files open at once.
pub(crate) const FILES_MAX: usize = 32;
/// Encoded bytes that all of them may hold; then the largest row group is written out.
const MEMORY_BYTES: usize = 64 << 20;
/// A file that got no row while so many rows passed gives its place to another value.
const IDLE_ROWS: u64 = 1 << 20;

/// What one pass over the offsets has in view.
enum Pass {
    /// All values, as far as they find room: those that have a file, open or closed, and those
    /// that have to wait.
    First { written: HashSet<Struct>, deferred: HashSet<Struct> },
    /// Deferred values only, as many as find room at once; the others wait for the next pass.
    Later { values: HashSet<Struct>, waiting: HashSet<Struct> },
}

struct Open {
    writer: FileWriter,
    /// The count of all rows when it last got one.
    touched: u64,
}

/// Writes the rows of one commit.
pub(crate) struct Output<'a> {
    warehouse: &'a Warehouse,
    names: &'a mut FileNames,
    file_bytes: u64,
    partitioner: Option<Partitioner>,
    open: HashMap<Struct, Open>,
    /// The values whose rows are wanted now; all if none.
    only: Option<Arc<HashSet<Struct>>>,
    pass: Pass,
    rows: u64,
    files: Vec<DataFile>,
}

impl<'a> Output<'a> {
    pub(crate) fn new(
        warehouse: &'a Warehouse,
        names: &'a mut FileNames,
        file_bytes: u64,
        partitioner: Option<Partitioner>,
    ) -> Output<'a> {
        Output {
            warehouse,
            names,
            file_bytes,
            partitioner,
            open: HashMap::new(),
            only: None,
            pass: Pass::First { written: HashSet::new(), deferred: HashSet::new() },
            rows: 0,
            files: Vec::new(),
        }
    }

    /// Writes the rows that are in `columns`, and closes the files that this fills.
    pub(crate) fn take(&mut self, columns: &mut Columns) -> Result<(), LakeError> {
        self.rows += columns.rows() as u64;
        for (value, rows) in split(self.partitioner.as_ref(), columns)? {
            let is_wanted = self.only.as_ref().is_none_or(|only| only.contains(&value));
            if is_wanted && self.has_room(&value)? {
                self.append(value, &rows)?;
            }
        }
        self.bound_memory()
    }

    /// What is in `columns` was of other rows than what comes: those with these values, or all.
    pub(crate) fn restrict(
        &mut self,
        columns: &mut Columns,
        only: Option<&Arc<HashSet<Struct>>>,
    ) -> Result<(), LakeError> {
        if self.only.is_some() || only.is_some() {
            self.take(columns)?;
            self.only = only.cloned();
        }
        Ok(())
    }

    /// Ends a pass; true if another one over the same offsets is needed.
    pub(crate) fn end_pass(&mut self) -> Result<bool, LakeError> {
        for (_, open) in std::mem::take(&mut self.open) {
            self.files.push(open.writer.close()?);
        }
        let mut waiting = match &mut self.pass {
            Pass::First { deferred, .. } => std::mem::take(deferred),
            Pass::Later { waiting, .. } => std::mem::take(waiting),
        };
        let values: HashSet<Struct> = waiting.iter().take(FILES_MAX).cloned().collect();
        waiting.retain(|value| !values.contains(value));
        let is_needed = !values.is_empty();
        self.pass = Pass::Later { values, waiting };
        Ok(is_needed)
    }

    /// The closed files; those that are open are removed.
    pub(crate) fn into_files(self) -> Vec<DataFile> {
        self.files
    }

    fn has_room(&mut self, value: &Struct) -> Result<bool, LakeError> {
        let (written, deferred) = match &mut self.pass {
            Pass::Later { values, .. } => return Ok(values.contains(value)),
            Pass::First { written, deferred } => (written, deferred),
        };
        if deferred.contains(value) {
            return Ok(false);
        }
        let is_known = !written.insert(value.clone());
        if !self.open.contains_key(value) && self.open.len() >= FILES_MAX {
            let oldest = self.open.iter().min_by_key(|(_, open)| open.touched);
            let oldest = oldest.map(|(value, open)| (value.clone(), open.touched));
            let Some((oldest, touched)) = oldest else { return Ok(false) };
            // A value that has rows in a closed file cannot be deferred: they would come twice.
            if !is_known && self.rows - touched < IDLE_ROWS {
                written.remove(value);
                deferred.insert(value.clone());
                return Ok(false);
            }
            self.close(&oldest)?;
        }
        Ok(true)
    }

    fn append(&mut self, value: Struct, rows: &RecordBatch) -> Result<(), LakeError> {
        if !self.open.contains_key(&value) {
            let writer = new_writer(self.warehouse, self.names, &value)?;
            self.open.insert(value.clone(), Open { writer, touched: 0 });
        }
        let Some(open) = self.open.get_mut(&value) else { return Ok(()) };
        open.touched = self.rows;
        open.writer.append(rows)?;
        if open.writer.bytes() as u64 >= self.file_bytes { self.close(&value) } else { Ok(()) }
    }

    fn close(&mut self, value: &Struct) -> Result<(), LakeError> {
        if let Some(open) = self.open.remove(value) {
            self.files.push(open.writer.close()?);
        }
        Ok(())
    }

    fn bound_memory(&mut self) -> Result<(), LakeError> {
        let held: usize = self.open.values().map(|open| open.writer.memory()).sum();
        if held > MEMORY_BYTES
            && let Some(largest) = self.open.values_mut().max_by_key(|o| o.writer.memory())
        {
            largest.writer.end_row_group()?;
        }
        Ok(())
    }
}

/// Takes the rows that are in `columns`, by partition value.
pub(crate) fn split(
    partitioner: Option<&Partitioner>,
    columns: &mut Columns,
) -> Result<Vec<(Struct, RecordBatch)>, LakeError> {
    if columns.rows() == 0 {
        return Ok(Vec::new());
    }
    let rows = columns.finish().map_err(encoding)?;
    match partitioner {
        None => Ok(vec![(Struct::empty(), rows)]),
        Some(partitioner) => partitioner.split(&rows).map_err(encoding),
    }
}

/// Opens the next file of a commit.
pub(crate) fn new_writer(
    warehouse: &Warehouse,
    names: &mut FileNames,
    value: &Struct,
) -> Result<FileWriter, LakeError> {
    let location = names.next(Uuid::new_v4());
    FileWriter::create_for(warehouse.stage(&location)?, location, value.clone())
}

fn encoding(error: impl std::fmt::Display) -> LakeError {
    LakeError::Parquet { path: "of the next commit".into(), reason: error.to_string() }
}

#[cfg(test)]
mod tests;
