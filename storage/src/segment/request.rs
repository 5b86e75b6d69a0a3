//! What a scan asks for: columns and a predicate. Plain values, decided over statistics first, rows then.

use std::ops::{Bound, Range, RangeBounds, RangeInclusive};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;

use super::arrow_file::headers_field;
use super::chunk::Chunk;
use super::columns::BufferSet;
use super::wire::BinaryRows;

/// A column of raw runs. Typed runs will add those of their value's schema, by field id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Column {
    /// The partition's number, the same in each row: `int32`.
    Partition = 0,
    /// The record's offset: `int64`.
    Offset = 1,
    /// Milliseconds, as consumers see them: the broker's under LogAppendTime. `int64`.
    Timestamp = 2,
    /// `binary`, nullable.
    Key = 3,
    /// `binary`, nullable.
    Value = 4,
    /// A list of key (bytes: not all clients send UTF-8) and nullable value, in the order of the record.
    Headers = 5,
}

impl Column {
    /// All columns, in the order in which a scan gives them.
    pub const ALL: [Column; 6] = [
        Column::Partition,
        Column::Offset,
        Column::Timestamp,
        Column::Key,
        Column::Value,
        Column::Headers,
    ];

    /// The column's name.
    pub fn name(self) -> &'static str {
        match self {
            Column::Partition => "partition",
            Column::Offset => "offset",
            Column::Timestamp => "timestamp",
            Column::Key => "key",
            Column::Value => "value",
            Column::Headers => "headers",
        }
    }

    /// The column of a name.
    pub fn from_name(name: &str) -> Option<Column> {
        Column::ALL.into_iter().find(|column| column.name() == name)
    }

    fn field(self) -> Field {
        match self {
            Column::Partition => Field::new(self.name(), DataType::Int32, false),
            Column::Offset | Column::Timestamp => Field::new(self.name(), DataType::Int64, false),
            Column::Key | Column::Value => Field::new(self.name(), DataType::Binary, true),
            Column::Headers => headers_field(),
        }
    }
}

/// A set of columns; an empty one counts rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ColumnSet(u8);

impl ColumnSet {
    /// All columns.
    pub const ALL: ColumnSet = ColumnSet((1 << Column::ALL.len()) - 1);

    /// Whether a column is among them.
    pub fn contains(self, column: Column) -> bool {
        self.0 & 1 << column as u8 != 0
    }

    /// The columns, in the order in which a scan gives them.
    pub fn iter(self) -> impl Iterator<Item = Column> {
        Column::ALL.into_iter().filter(move |column| self.contains(*column))
    }

    /// The schema of a scan's batches.
    pub fn schema(self) -> SchemaRef {
        Arc::new(Schema::new(self.iter().map(Column::field).collect::<Vec<_>>()))
    }

    pub(super) fn buffers(self) -> BufferSet {
        self.iter().fold(BufferSet::NONE, |set, column| {
            set.and(match column {
                Column::Partition | Column::Offset => BufferSet::NONE,
                Column::Timestamp => BufferSet::TIMESTAMP,
                Column::Key => BufferSet::KEY,
                Column::Value => BufferSet::VALUE,
                Column::Headers => BufferSet::HEADERS,
            })
        })
    }
}

impl FromIterator<Column> for ColumnSet {
    fn from_iter<I: IntoIterator<Item = Column>>(columns: I) -> ColumnSet {
        ColumnSet(columns.into_iter().fold(0, |set, column| set | 1 << column as u8))
    }
}

/// Which rows are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Predicate {
    /// Offsets in a range.
    Offset(Range<i64>),
    /// Timestamps, as consumers see them, in a range of milliseconds.
    Timestamp(RangeInclusive<i64>),
    /// Keys in a range of bytes; a null key is in none.
    Key(Bound<Bytes>, Bound<Bytes>),
    /// All of them.
    All(Vec<Predicate>),
}

/// The rows of a chunk as a predicate sees them: what it does not need is not there.
pub(super) struct PredicateRows<'a> {
    pub(super) offsets: &'a [i64],
    pub(super) timestamps: &'a [i64],
    pub(super) keys: BinaryRows<'a>,
}

impl Predicate {
    /// Rows with this key.
    pub fn key_equals(key: Bytes) -> Predicate {
        Predicate::Key(Bound::Included(key.clone()), Bound::Included(key))
    }

    /// The buffers that judging rows takes.
    pub(super) fn buffers(&self) -> BufferSet {
        match self {
            Predicate::Offset(_) => BufferSet::NONE,
            Predicate::Timestamp(_) => BufferSet::TIMESTAMP,
            Predicate::Key(..) => BufferSet::KEY,
            Predicate::All(all) => {
                all.iter().fold(BufferSet::NONE, |set, predicate| set.and(predicate.buffers()))
            }
        }
    }

    /// Whether a row of the chunk may match, by its statistics.
    pub(super) fn may_match(&self, chunk: &Chunk) -> bool {
        match self {
            Predicate::Offset(range) => {
                range.start < chunk.next_offset && chunk.base_offset < range.end
            }
            Predicate::Timestamp(range) => {
                *range.start() <= chunk.max_timestamp && chunk.min_timestamp <= *range.end()
            }
            Predicate::Key(least, greatest) => {
                chunk.may_have_key(bytes_of(least), bytes_of(greatest))
            }
            Predicate::All(all) => all.iter().all(|predicate| predicate.may_match(chunk)),
        }
    }

    /// Clears the marks of rows that do not match.
    pub(super) fn judge(&self, rows: &PredicateRows<'_>, marks: &mut [bool]) {
        match self {
            Predicate::Offset(range) => {
                for (mark, offset) in marks.iter_mut().zip(rows.offsets) {
                    *mark &= range.contains(offset);
                }
            }
            Predicate::Timestamp(range) => {
                for (mark, timestamp) in marks.iter_mut().zip(rows.timestamps) {
                    *mark &= range.contains(timestamp);
                }
            }
            Predicate::Key(least, greatest) => {
                let range = (borrowed(least), borrowed(greatest));
                for (row, mark) in marks.iter_mut().enumerate() {
                    let key = rows.keys.get(row);
                    *mark &= key.is_some_and(|key| RangeBounds::<[u8]>::contains(&range, key));
                }
            }
            Predicate::All(all) => {
                for predicate in all {
                    predicate.judge(rows, marks);
                }
            }
        }
    }
}

fn bytes_of(bound: &Bound<Bytes>) -> Option<&[u8]> {
    match bound {
        Bound::Included(key) | Bound::Excluded(key) => Some(key),
        Bound::Unbounded => None,
    }
}

fn borrowed(bound: &Bound<Bytes>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}

/// What a scan asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanRequest {
    /// The columns wanted; no other is fetched, but for the predicate's.
    pub columns: ColumnSet,
    /// The offsets wanted.
    pub offsets: Range<i64>,
    /// Which of their rows are wanted; all, if there is none.
    pub predicate: Option<Predicate>,
}
