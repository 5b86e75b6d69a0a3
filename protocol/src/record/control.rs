//! Control records: the markers that end a transaction in a partition (KIP-98).
//!
//! ```text
//! key:   version i16 (0) │ type i16 (0 abort, 1 commit)
//! value: version i16 (0) │ coordinator epoch i32
//! ```

use bytes::Bytes;

use super::{BatchBuilder, Compression, Record};

const ABORT: i16 = 0;
const COMMIT: i16 = 1;

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTransactionMarker {
    /// Whether its records count.
    pub committed: bool,
    /// The epoch of the transaction coordinator that says so.
    pub coordinator_epoch: i32,
}

/// A record of a control batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlRecord {
    /// The end of a transaction.
    EndTransaction(EndTransactionMarker),
    /// A type that this version does not know; to be skipped, as clients do.
    Unknown(i16),
}

impl ControlRecord {
    /// Reads a record of a control batch; `None` when it is not one. Newer versions may append fields.
    pub fn parse(record: &Record<'_>) -> Option<ControlRecord> {
        let key = record.key?.first_chunk::<4>()?;
        let kind = i16::from_be_bytes([key[2], key[3]]);
        if kind != ABORT && kind != COMMIT {
            return Some(ControlRecord::Unknown(kind));
        }
        let value = record.value?.first_chunk::<6>()?;
        let coordinator_epoch = i32::from_be_bytes([value[2], value[3], value[4], value[5]]);
        let committed = kind == COMMIT;
        Some(ControlRecord::EndTransaction(EndTransactionMarker { committed, coordinator_epoch }))
    }
}

/// The batch that ends a producer's transaction in a partition.
pub fn control_batch(
    marker: EndTransactionMarker,
    producer_id: i64,
    producer_epoch: i16,
    timestamp: i64,
) -> Bytes {
    let mut key = [0; 4];
    key[2..].copy_from_slice(&if marker.committed { COMMIT } else { ABORT }.to_be_bytes());
    let mut value = [0; 6];
    value[2..].copy_from_slice(&marker.coordinator_epoch.to_be_bytes());
    let mut builder = BatchBuilder::new(Compression::None)
        .producer(producer_id, producer_epoch, -1)
        .transactional(true)
        .control(true);
    builder.append(timestamp, Some(&key), Some(&value), &[]);
    builder.build()
}
