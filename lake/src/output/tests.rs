use std::path::Path;

use strom_protocol::partitioning::{PartitionColumn, PartitionField, PartitionTransform};
use strom_protocol::record::{BatchBuilder, BatchHeader, Compression, Scratch};

use super::*;
use crate::convert::{BatchSlice, convert};
use crate::parquet::tests::rows_of;
use crate::warehouse::S3Options;

/// Offsets of the files that rows with these offsets end up in, partitioned by offset / 10, when
/// the columns are handed over every `chunk` rows; and the number of passes.
fn write(offsets: &[i64], chunk: usize) -> (Vec<Vec<i64>>, usize) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().to_path_buf();
    let warehouse = Warehouse::new(root.clone().into(), S3Options::default(), root.join("spool"));
    let mut names = FileNames::new(format!("{}/data", warehouse.root()), 1);
    let (column, transform) = (PartitionColumn::Offset, PartitionTransform::Truncate(10));
    let partitioner = Partitioner::new(&[PartitionField { column, transform }]).unwrap();
    let mut output = Output::new(&warehouse, &mut names, u64::MAX, Some(partitioner));
    let mut passes = 0;
    loop {
        passes += 1;
        for rows in offsets.chunks(chunk) {
            let mut columns = Columns::new();
            rows.iter().for_each(|offset| append(&mut columns, *offset));
            output.take(&mut columns).unwrap();
        }
        if !output.end_pass().unwrap() {
            break;
        }
    }
    let files = output.into_files();
    let offsets = |path: &Path| rows_of(path).into_iter().map(|row| row.1).collect();
    let mut found: Vec<Vec<i64>> = files.iter().map(|file| offsets(&file.path)).collect();
    found.sort();
    (found, passes)
}

fn append(columns: &mut Columns, offset: i64) {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.append(0, None, None, &[]);
    let batch = builder.build();
    let mut header = BatchHeader::parse(&batch).unwrap();
    header.base_offset = offset;
    let (body, offsets) = (&batch[61..], 0..i64::MAX);
    let slice = BatchSlice { partition: 0, header: &header, body, offsets };
    let never = |_: &mut Columns| Err(());
    convert(columns, &slice, &mut Scratch::default(), never).unwrap();
}

#[test]
fn every_row_is_written_once_however_many_values_there_are() {
    let files_max = FILES_MAX as i64;
    for (values, passes) in [(1, 1), (files_max, 1), (files_max + 1, 2), (3 * files_max + 1, 4)] {
        let offsets: Vec<i64> = (0..values * 10).collect();
        let (found, needed) = write(&offsets, 7);
        let wanted: Vec<Vec<i64>> = offsets.chunks(10).map(<[i64]>::to_vec).collect();
        assert_eq!((found, needed), (wanted, passes), "{values} values");
    }
}
