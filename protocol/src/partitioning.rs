//! Words for how a topic's table is partitioned: said by the topic's options, done by the lake.
//!
//! Types only, shared as the newtypes in [`types`](crate::types) are: the coordinator reads them from
//! an option's text, the lake computes with them, and neither knows the other.

/// One field of a partition spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionField {
    /// Computed from this column …
    pub column: PartitionColumn,
    /// … by this function.
    pub transform: PartitionTransform,
}

/// The columns of a raw table that may be partitioned by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionColumn {
    /// `key`
    Key,
    /// `value`
    Value,
    /// `__partition`
    Partition,
    /// `__offset`
    Offset,
    /// `__timestamp`
    Timestamp,
}

/// Iceberg's partition transforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionTransform {
    /// The value itself.
    Identity,
    /// The year of a timestamp.
    Year,
    /// The month of a timestamp.
    Month,
    /// The day of a timestamp.
    Day,
    /// The hour of a timestamp.
    Hour,
    /// A hash, modulo this.
    Bucket(u32),
    /// The first so many bytes, or the value rounded down to a multiple.
    Truncate(u32),
}

impl PartitionColumn {
    /// All of them.
    pub const ALL: [PartitionColumn; 5] = [
        PartitionColumn::Key,
        PartitionColumn::Value,
        PartitionColumn::Partition,
        PartitionColumn::Offset,
        PartitionColumn::Timestamp,
    ];

    /// The column's name in the table.
    pub fn name(self) -> &'static str {
        match self {
            PartitionColumn::Key => "key",
            PartitionColumn::Value => "value",
            PartitionColumn::Partition => "__partition",
            PartitionColumn::Offset => "__offset",
            PartitionColumn::Timestamp => "__timestamp",
        }
    }
}
