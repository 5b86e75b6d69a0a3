//! The columns of a raw log table: names, order, field ids, and the three schemas made of them.
//!
//! Field ids come in fixed blocks, so that a column keeps its id whatever else a table has:
//!
//! ```text
//!    1 ..  9   raw value columns      1 key  2 value
//!   10 .. 29   system columns        10 __partition  11 __offset  12 __timestamp  13 __headers
//!                                    14 __headers.element  15 …key  16 …value
//!   30 .. 99   reserved
//!  100 .. 999  never used: engines treat ids near those of metadata tables with suspicion
//! 1000 ..      user columns (typed values)
//! ```
//!
//! `last-column-id` of a new table is 999, so that a column added by anybody starts at 1000.
//! This module knows nothing of Kafka batches or files.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema as ArrowSchema, SchemaRef, TimeUnit};
use iceberg::spec::{ListType, NestedField, PrimitiveType, Schema, StructType, Type};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

/// Field id of `key`, the record's key bytes.
pub const KEY: i32 = 1;
/// Field id of `value`, the record's value bytes.
pub const VALUE: i32 = 2;
/// Field id of `__partition`.
pub const PARTITION: i32 = 10;
/// Field id of `__offset`.
pub const OFFSET: i32 = 11;
/// Field id of `__timestamp`.
pub const TIMESTAMP: i32 = 12;
/// Field id of `__headers`.
pub const HEADERS: i32 = 13;
/// Field id of one header, the list's element.
pub const HEADER: i32 = 14;
/// Field id of a header's key.
pub const HEADER_KEY: i32 = 15;
/// Field id of a header's value.
pub const HEADER_VALUE: i32 = 16;
/// The `last-column-id` of a new table: user columns start above it.
pub const LAST_RESERVED: i32 = 999;

/// Id of the only schema of a raw table.
pub const SCHEMA_ID: i32 = 0;
/// Id of the declared sort order (`__partition`, `__offset`, ascending).
pub const SORT_ORDER_ID: i32 = 1;

/// The Iceberg schema of a raw log table.
pub fn iceberg_schema() -> Schema {
    let binary = || Type::Primitive(PrimitiveType::Binary);
    let header = Type::Struct(StructType::new(vec![
        NestedField::required(HEADER_KEY, "key", Type::Primitive(PrimitiveType::String)).into(),
        NestedField::optional(HEADER_VALUE, "value", binary()).into(),
    ]));
    let headers = Type::List(ListType::new(NestedField::list_element(HEADER, header, true).into()));
    let timestamp = Type::Primitive(PrimitiveType::Timestamptz);
    Schema::builder()
        .with_schema_id(SCHEMA_ID)
        .with_fields([
            NestedField::optional(KEY, "key", binary()).into(),
            NestedField::optional(VALUE, "value", binary()).into(),
            NestedField::required(PARTITION, "__partition", Type::Primitive(PrimitiveType::Int))
                .into(),
            NestedField::required(OFFSET, "__offset", Type::Primitive(PrimitiveType::Long)).into(),
            NestedField::optional(TIMESTAMP, "__timestamp", timestamp).into(),
            NestedField::optional(HEADERS, "__headers", headers).into(),
        ])
        .build()
        .expect("a constant schema with distinct names and ids is valid")
}

/// The Arrow schema of the same columns; every field carries its id as Parquet metadata.
pub fn arrow_schema() -> SchemaRef {
    Arc::new(ArrowSchema::new(vec![
        field("key", DataType::Binary, true, KEY),
        field("value", DataType::Binary, true, VALUE),
        field("__partition", DataType::Int32, false, PARTITION),
        field("__offset", DataType::Int64, false, OFFSET),
        field("__timestamp", timestamp_type(), true, TIMESTAMP),
        field("__headers", DataType::List(Arc::new(header_field())), true, HEADERS),
    ]))
}

/// The Arrow field of one header, the element of `__headers`.
pub fn header_field() -> Field {
    field("element", DataType::Struct(header_fields()), false, HEADER)
}

/// The Arrow fields inside one header.
pub fn header_fields() -> Fields {
    Fields::from(vec![
        field("key", DataType::Utf8, false, HEADER_KEY),
        field("value", DataType::Binary, true, HEADER_VALUE),
    ])
}

/// The Arrow type of `__timestamp`: microseconds since the epoch, UTC.
pub fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn field(name: &str, data_type: DataType, nullable: bool, id: i32) -> Field {
    Field::new(name, data_type, nullable)
        .with_metadata(HashMap::from([(PARQUET_FIELD_ID_META_KEY.to_string(), id.to_string())]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrow_and_iceberg_schemas_agree() {
        let from_arrow = iceberg::arrow::arrow_schema_to_schema(&arrow_schema()).unwrap();
        assert_eq!(from_arrow.as_struct(), iceberg_schema().as_struct());
    }
}
