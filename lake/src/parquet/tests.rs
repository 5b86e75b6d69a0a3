use std::fs::File;

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow::array::AsArray;
use proptest::collection::vec;
use proptest::prelude::*;
use strom_protocol::Bytes;
use strom_protocol::record::{BatchBuilder, BatchHeader, Compression, Scratch};

use super::*;
use crate::convert::{BatchSlice, Columns, convert};

type Header = (Vec<u8>, Option<Vec<u8>>);
type Produced = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<Header>);
/// Partition, offset, timestamp in microseconds, key, value, headers.
type Row =
    (i32, i64, Option<i64>, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Option<Vec<u8>>)>);

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..20)
}

fn record() -> impl Strategy<Value = Produced> {
    let timestamp = prop_oneof![Just(-1i64), 0..4_102_444_800_000i64, Just(i64::MAX)];
    let header = (bytes(), proptest::option::of(bytes()));
    let payload = || proptest::option::of(bytes());
    (timestamp, payload(), payload(), vec(header, 0..3))
}

fn compression() -> impl Strategy<Value = Compression> {
    prop_oneof![
        Just(Compression::None),
        Just(Compression::Gzip),
        Just(Compression::Snappy),
        Just(Compression::Lz4),
        Just(Compression::Zstd),
    ]
}

fn batch_of(records: &[Produced], compression: Compression) -> Bytes {
    let mut builder = BatchBuilder::new(compression);
    for (timestamp, key, value, headers) in records {
        let headers: Vec<(&[u8], Option<&[u8]>)> =
            headers.iter().map(|(k, v)| (k.as_slice(), v.as_deref())).collect();
        builder.append(*timestamp, key.as_deref(), value.as_deref(), &headers);
    }
    builder.build()
}

fn expected(partition: i32, offset: i64, record: &Produced) -> Row {
    let (timestamp, key, value, headers) = record;
    let micros = if *timestamp == -1 { None } else { timestamp.checked_mul(1000) };
    let headers = headers
        .iter()
        .map(|(key, value)| (String::from_utf8_lossy(key).into_owned(), value.clone()))
        .collect();
    (partition, offset, micros, key.clone(), value.clone(), headers)
}

pub(crate) fn rows_of(path: &std::path::Path) -> Vec<Row> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap());
    let mut rows = Vec::new();
    for batch in reader.unwrap().build().unwrap() {
        let batch = batch.unwrap();
        let key = batch.column(0).as_binary::<i32>();
        let value = batch.column(1).as_binary::<i32>();
        let partition = batch.column(2).as_primitive::<Int32Type>();
        let offset = batch.column(3).as_primitive::<Int64Type>();
        let timestamp = batch.column(4).as_primitive::<TimestampMicrosecondType>();
        let headers = batch.column(5).as_list::<i32>();
        for row in 0..batch.num_rows() {
            let list = headers.value(row);
            let list = list.as_struct();
            let keys = list.column(0).as_string::<i32>().iter().map(|k| k.unwrap().to_string());
            let values = list.column(1).as_binary::<i32>().iter().map(|v| v.map(<[u8]>::to_vec));
            rows.push((
                partition.value(row),
                offset.value(row),
                timestamp.iter().nth(row).flatten(),
                key.iter().nth(row).flatten().map(<[u8]>::to_vec),
                value.iter().nth(row).flatten().map(<[u8]>::to_vec),
                keys.zip(values).collect(),
            ));
        }
    }
    rows
}

fn write(path: PathBuf, partitions: &[Vec<Vec<Produced>>], compression: Compression) -> DataFile {
    let mut writer = FileWriter::create(path).unwrap();
    let mut columns = Columns::new();
    let mut scratch = Scratch::default();
    for (partition, batches) in (0..).zip(partitions) {
        let mut next = 0;
        for records in batches {
            let batch = batch_of(records, compression);
            let mut header = BatchHeader::parse(&batch).unwrap();
            header.base_offset = next;
            next = header.last_offset() + 1;
            let offsets = 0..i64::MAX;
            let slice = BatchSlice { partition, header: &header, body: &batch[61..], offsets };
            convert(&mut columns, &slice, &mut scratch, |c| writer.append(&c.finish().unwrap()))
                .unwrap();
        }
        // A file is the same whether columns are handed on often or once.
        if partition % 2 == 0 {
            writer.append(&columns.finish().unwrap()).unwrap();
        }
    }
    writer.append(&columns.finish().unwrap()).unwrap();
    writer.close().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_was_produced_is_what_the_file_has(
        partitions in vec(vec(vec(record(), 1..6), 0..4), 1..4),
        compression in compression(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.parquet");
        let file = write(path.clone(), &partitions, compression);
        let wanted: Vec<Row> = (0..)
            .zip(&partitions)
            .flat_map(|(partition, batches)| {
                let records = (0..).zip(batches.iter().flatten());
                records.map(move |(offset, record)| expected(partition, offset, record))
            })
            .collect();
        let nulls = |of: fn(&Row) -> bool| wanted.iter().filter(|row| of(row)).count() as u64;
        prop_assert_eq!(file.rows, wanted.len() as u64);
        prop_assert_eq!(file.bytes, std::fs::metadata(&path).unwrap().len());
        prop_assert_eq!(file.null_keys, nulls(|row| row.3.is_none()));
        prop_assert_eq!(file.null_values, nulls(|row| row.4.is_none()));
        prop_assert_eq!(file.timestamp.nulls, nulls(|row| row.2.is_none()));
        let low_high = |values: Vec<i64>| Some((*values.iter().min()?, *values.iter().max()?));
        prop_assert_eq!(file.offset.range, low_high(wanted.iter().map(|row| row.1).collect()));
        prop_assert_eq!(
            file.timestamp.range,
            low_high(wanted.iter().filter_map(|row| row.2).collect())
        );
        prop_assert_eq!(rows_of(&path), wanted);
    }
}

#[test]
fn files_carry_field_ids_codec_and_sort_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    let records = vec![(1, Some(b"k".to_vec()), Some(b"v".to_vec()), vec![])];
    let file = write(path.clone(), &[vec![records]], Compression::None);
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
    let group = reader.metadata().row_group(0);
    let ids: Vec<i32> = group
        .columns()
        .iter()
        .map(|column| column.column_descr().self_type().get_basic_info().id())
        .collect();
    use columns::{HEADER_KEY, HEADER_VALUE, KEY, OFFSET, PARTITION, TIMESTAMP, VALUE};
    assert_eq!(ids, [KEY, VALUE, PARTITION, OFFSET, TIMESTAMP, HEADER_KEY, HEADER_VALUE]);
    assert!(
        group
            .columns()
            .iter()
            .all(|c| matches!(c.compression(), ::parquet::basic::Compression::ZSTD(_)))
    );
    let sorting: Vec<i32> = group.sorting_columns().unwrap().iter().map(|c| c.column_idx).collect();
    assert_eq!(sorting, [2, 3]);
    assert_eq!(group.column(3).statistics().unwrap().min_bytes_opt().unwrap(), [0; 8]);
    assert_eq!(file.split_offsets, [4]);
    assert_eq!(file.column_bytes.len(), 7);
    // The list is Parquet's three-level form with the names that Iceberg expects.
    let path = group.column(5).column_path().string();
    assert_eq!(path, "__headers.list.element.key");
}

#[test]
#[should_panic(expected = "rows reach a file in order")]
fn rows_out_of_order_are_our_bug() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = FileWriter::create(dir.path().join("a.parquet")).unwrap();
    for _ in 0..2 {
        let batch = batch_of(&[(1, None, None, vec![])], Compression::None);
        let header = BatchHeader::parse(&batch).unwrap();
        let mut columns = Columns::new();
        let body = &batch[61..];
        let slice = BatchSlice { partition: 0, header: &header, body, offsets: 0..9 };
        let never = |_: &mut Columns| Err(());
        convert(&mut columns, &slice, &mut Scratch::default(), never).unwrap();
        writer.append(&columns.finish().unwrap()).unwrap();
    }
}

#[test]
fn data_files_are_numbered_by_their_commit() {
    let mut names = FileNames::new("file:///w".into(), 7);
    for index in 0..2 {
        let location = names.next(uuid::Uuid::new_v4());
        let name = location.strip_prefix("file:///w/").unwrap();
        assert!(name.starts_with(&format!("00000007-00{index}-")), "{name}");
        assert_eq!(commit_of(name), Some(7));
    }
    for foreign in [
        "00000-0-11111111-2222-4333-8444-555555555555-00001.parquet",
        "11111111-2222-4333-8444-555555555555.parquet",
        "00000007-000-x.orc",
        "x",
    ] {
        assert_eq!(commit_of(foreign), None, "{foreign}");
    }
}
