//! How a table is partitioned: by nothing, or by values computed from its columns.
//!
//! A topic's option names columns and transforms; `Partitioner` computes the values of rows with
//! Iceberg's own functions and splits batches by them. Changing the option adds a partition spec
//! to the table: files that were written under another one stay as they are.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, RecordBatch, StructArray, UInt64Array, make_comparator,
};
use arrow::compute::{SortOptions, cast, take_record_batch};
use arrow::datatypes::{DataType, FieldRef, Fields, TimestampMicrosecondType};
use iceberg::arrow::{arrow_struct_to_literal, type_to_arrow_type};
use iceberg::spec::{
    Literal, PartitionSpec, SchemaRef, Struct, StructType, TableMetadata, Transform, Type,
    UnboundPartitionSpec,
};
use iceberg::transform::{BoxedTransformFunction, create_transform_function};
use iceberg::{Error, ErrorKind, TableUpdate};
use strom_protocol::partitioning::{PartitionColumn, PartitionField, PartitionTransform};

use crate::columns;

fn field_id(column: PartitionColumn) -> i32 {
    match column {
        PartitionColumn::Key => columns::KEY,
        PartitionColumn::Value => columns::VALUE,
        PartitionColumn::Partition => columns::PARTITION,
        PartitionColumn::Offset => columns::OFFSET,
        PartitionColumn::Timestamp => columns::TIMESTAMP,
    }
}

/// The field's name, as Iceberg's Java library would call it.
fn name(field: &PartitionField) -> String {
    let column = field.column.name();
    match field.transform {
        PartitionTransform::Identity => column.to_string(),
        PartitionTransform::Year => format!("{column}_year"),
        PartitionTransform::Month => format!("{column}_month"),
        PartitionTransform::Day => format!("{column}_day"),
        PartitionTransform::Hour => format!("{column}_hour"),
        PartitionTransform::Bucket(count) => format!("{column}_bucket_{count}"),
        PartitionTransform::Truncate(width) => format!("{column}_trunc_{width}"),
    }
}

fn transform(field: &PartitionField) -> Transform {
    match field.transform {
        PartitionTransform::Identity => Transform::Identity,
        PartitionTransform::Year => Transform::Year,
        PartitionTransform::Month => Transform::Month,
        PartitionTransform::Day => Transform::Day,
        PartitionTransform::Hour => Transform::Hour,
        PartitionTransform::Bucket(count) => Transform::Bucket(count),
        PartitionTransform::Truncate(width) => Transform::Truncate(width),
    }
}

/// The updates that make `metadata` partitioned by `fields`; none if it is.
pub(crate) fn evolution(
    metadata: &TableMetadata,
    fields: &[PartitionField],
) -> iceberg::Result<Vec<TableUpdate>> {
    let current = metadata.default_partition_spec();
    let is_same = current.fields().len() == fields.len()
        && current.fields().iter().zip(fields).all(|(current, wanted)| {
            current.source_id == field_id(wanted.column) && current.transform == transform(wanted)
        });
    if is_same {
        return Ok(Vec::new());
    }
    Ok(vec![
        TableUpdate::AddSpec { spec: unbound(fields)? },
        // The one that was added last.
        TableUpdate::SetDefaultSpec { spec_id: -1 },
    ])
}

fn unbound(fields: &[PartitionField]) -> iceberg::Result<UnboundPartitionSpec> {
    let mut builder = UnboundPartitionSpec::builder();
    for field in fields {
        builder =
            builder.add_partition_field(field_id(field.column), name(field), transform(field))?;
    }
    Ok(builder.build())
}

/// Splits rows by the values of a partition spec.
pub(crate) struct Partitioner {
    /// The column that each field is computed from, and how.
    functions: Vec<(usize, BoxedTransformFunction)>,
    value_type: StructType,
    /// The same in Arrow's types.
    value_fields: Fields,
}

impl Partitioner {
    /// For tables partitioned by `fields`, of which there are some.
    pub(crate) fn new(fields: &[PartitionField]) -> iceberg::Result<Partitioner> {
        let schema: SchemaRef = Arc::new(columns::iceberg_schema());
        let spec: PartitionSpec = unbound(fields)?.bind(Arc::clone(&schema))?;
        let value_type = spec.partition_type(&schema)?;
        let arrow_type = type_to_arrow_type(&Type::Struct(value_type.clone()))?;
        let DataType::Struct(value_fields) = arrow_type else {
            return Err(unexpected("a partition value is a struct"));
        };
        let columns = columns::arrow_schema();
        let function = |field: &PartitionField| {
            let column = columns.index_of(field.column.name())?;
            Ok((column, create_transform_function(&transform(field))?))
        };
        let functions = fields.iter().map(function).collect::<iceberg::Result<_>>()?;
        Ok(Partitioner { functions, value_type, value_fields })
    }

    /// The partition values of all rows. Iceberg's own calculator stumbles over binary columns,
    /// whose Arrow type it expects to be the large one.
    fn values(&self, rows: &RecordBatch) -> iceberg::Result<ArrayRef> {
        let compute =
            |((column, function), field): (&(usize, BoxedTransformFunction), &FieldRef)| {
                let computed = function.transform(without_zone(rows.column(*column)))?;
                Ok(cast(&computed, field.data_type())?)
            };
        let computed = self.functions.iter().zip(&self.value_fields).map(compute);
        let computed = computed.collect::<iceberg::Result<Vec<ArrayRef>>>()?;
        Ok(Arc::new(StructArray::try_new(self.value_fields.clone(), computed, None)?))
    }

    /// The rows of each partition value, in their order; values in the order of their first rows.
    pub(crate) fn split(&self, rows: &RecordBatch) -> iceberg::Result<Vec<(Struct, RecordBatch)>> {
        let values = self.values(rows)?;
        let compare = make_comparator(&values, &values, SortOptions::default())?;
        // Rows come in runs of one value mostly: a value is looked up once a run.
        let mut groups: Vec<(Struct, Vec<u64>)> = Vec::new();
        let mut known: HashMap<Struct, usize> = HashMap::new();
        let mut begin = 0;
        while begin < rows.num_rows() {
            let mut end = begin + 1;
            while end < rows.num_rows() && compare(begin, end).is_eq() {
                end += 1;
            }
            let value = self.value(&values.slice(begin, 1))?;
            let group = *known.entry(value.clone()).or_insert_with(|| {
                groups.push((value, Vec::new()));
                groups.len() - 1
            });
            groups[group].1.extend(begin as u64..end as u64);
            begin = end;
        }
        if let [_] = groups.as_slice() {
            return Ok(groups.into_iter().map(|(value, _)| (value, rows.clone())).collect());
        }
        let pick = |(value, indices): (Struct, Vec<u64>)| {
            Ok((value, take_record_batch(rows, &UInt64Array::from(indices))?))
        };
        groups.into_iter().map(pick).collect()
    }

    fn value(&self, row: &ArrayRef) -> iceberg::Result<Struct> {
        match arrow_struct_to_literal(row, &self.value_type)?.pop() {
            Some(Some(Literal::Struct(value))) => Ok(value),
            _ => Err(unexpected("a row has no partition value")),
        }
    }
}

/// Times without their zone, which is UTC: Arrow's calendar functions know no zone by name here.
fn without_zone(column: &ArrayRef) -> ArrayRef {
    match column.as_primitive_opt::<TimestampMicrosecondType>() {
        Some(times) => Arc::new(times.clone().with_timezone_opt(None::<Arc<str>>)),
        None => Arc::clone(column),
    }
}

fn unexpected(text: &str) -> Error {
    Error::new(ErrorKind::Unexpected, text)
}

#[cfg(test)]
mod tests {
    use strom_protocol::record::{BatchBuilder, BatchHeader, Compression, Scratch};

    use super::*;
    use crate::convert::{BatchSlice, Columns, convert};

    fn field(column: PartitionColumn, transform: PartitionTransform) -> PartitionField {
        PartitionField { column, transform }
    }

    /// One row per (partition, offset, timestamp, key).
    fn rows(rows: &[(i32, i64, i64, Option<&str>)]) -> RecordBatch {
        let mut columns = Columns::new();
        for &(partition, offset, timestamp, key) in rows {
            let mut builder = BatchBuilder::new(Compression::None);
            builder.append(timestamp, key.map(str::as_bytes), None, &[]);
            let batch = builder.build();
            let mut header = BatchHeader::parse(&batch).unwrap();
            header.base_offset = offset;
            let (body, offsets) = (&batch[61..], 0..i64::MAX);
            let slice = BatchSlice { partition, header: &header, body, offsets };
            let never = |_: &mut Columns| Err(());
            convert(&mut columns, &slice, &mut Scratch::default(), never).unwrap();
        }
        columns.finish().unwrap()
    }

    fn offsets(batch: &RecordBatch) -> Vec<i64> {
        batch.column(3).as_primitive::<arrow::datatypes::Int64Type>().values().to_vec()
    }

    #[test]
    fn rows_are_split_by_value_and_keep_their_order() {
        const DAY: i64 = 24 * 3_600_000;
        let rows = rows(&[
            (0, 0, DAY, Some("a")),
            (0, 1, DAY + 1, Some("b")),
            (0, 2, 3 * DAY, Some("a")),
            (0, 3, -1, None),
            (1, 0, 2 * DAY - 1, Some("ab")),
        ]);
        use {PartitionColumn as C, PartitionTransform as T};
        for (fields, expected) in [
            (vec![field(C::Timestamp, T::Day)], vec![vec![0, 1, 0], vec![2], vec![3]]),
            (vec![field(C::Partition, T::Identity)], vec![vec![0, 1, 2, 3], vec![0]]),
            (vec![field(C::Key, T::Truncate(1))], vec![vec![0, 2, 0], vec![1], vec![3]]),
            (vec![field(C::Offset, T::Truncate(2))], vec![vec![0, 1, 0], vec![2, 3]]),
            (vec![field(C::Timestamp, T::Year)], vec![vec![0, 1, 2, 0], vec![3]]),
            (
                vec![field(C::Timestamp, T::Hour), field(C::Partition, T::Identity)],
                vec![vec![0, 1], vec![2], vec![3], vec![0]],
            ),
        ] {
            let split = Partitioner::new(&fields).unwrap().split(&rows).unwrap();
            let found: Vec<Vec<i64>> = split.iter().map(|(_, rows)| offsets(rows)).collect();
            assert_eq!(found, expected, "{fields:?}");
        }
    }

    #[test]
    fn buckets_are_those_of_the_specification() {
        // The specification's appendix B: the hash of the bytes of "iceberg" is 1210000089.
        let rows = rows(&[(0, 0, 0, Some("iceberg"))]);
        let fields = [field(PartitionColumn::Key, PartitionTransform::Bucket(1000))];
        let split = Partitioner::new(&fields).unwrap().split(&rows).unwrap();
        let expected = Struct::from_iter([Some(Literal::int(1_210_000_089 % 1000))]);
        assert_eq!(split[0].0, expected);
    }
}
