//! The storage's keys in the metadata log, all under `s/`, and their values.
//!
//! ```text
//! s/cluster        │ 1 │ 22 characters          s/log-start/<topic><partition> │ 1 │ i64
//! s/epoch          │ 1 │ i32                    s/producers/<topic><partition> │ see partition/producers.rs
//! s/producer-id    │ 1 │ i64 (first unreserved) s/clean │ 1 │ u64 (LSN of the journal's end)
//! s/starts         │ 1 │ u64 (of the journal)
//! ```

use bytes::Bytes;
use strom_protocol::TopicId;

use crate::metadata::{Change, MetadataLog};

pub(crate) const CLUSTER_ID: &[u8] = b"s/cluster";
pub(crate) const LEADER_EPOCH: &[u8] = b"s/epoch";
pub(crate) const PRODUCER_ID: &[u8] = b"s/producer-id";
pub(crate) const CLEAN_END: &[u8] = b"s/clean";
pub(crate) const STARTS: &[u8] = b"s/starts";
const LOG_START: &[u8] = b"s/log-start/";
const PRODUCERS: &[u8] = b"s/producers/";
const FORMAT: u8 = 1;

fn partition_key(prefix: &[u8], topic: TopicId, partition: i32) -> Bytes {
    [prefix, topic.as_bytes(), &partition.to_be_bytes()].concat().into()
}

pub(crate) fn log_start(topic: TopicId, partition: i32) -> Bytes {
    partition_key(LOG_START, topic, partition)
}

pub(crate) fn producers(topic: TopicId, partition: i32) -> Bytes {
    partition_key(PRODUCERS, topic, partition)
}

/// Removals of everything that is kept for a topic.
pub(crate) fn removals(metadata: &MetadataLog, topic: TopicId) -> Vec<Change> {
    [LOG_START, PRODUCERS]
        .into_iter()
        .flat_map(|prefix| metadata.scan(&[prefix, topic.as_bytes()].concat()))
        .map(|(key, _)| Change::Delete { key })
        .collect()
}

/// Sets a key to the bytes of a number (or a text), behind the format's version.
pub(crate) fn put(key: impl Into<Bytes>, value: &[u8]) -> Change {
    Change::Put { key: key.into(), value: [&[FORMAT], value].concat().into() }
}

/// The bytes behind the version; `None` if the key is absent or of another version.
pub(crate) fn get(metadata: &MetadataLog, key: &[u8]) -> Option<Bytes> {
    let value = metadata.get(key)?;
    (value.first() == Some(&FORMAT)).then(|| value.slice(1..))
}

/// [`get`] for values of a fixed size.
pub(crate) fn get_array<const N: usize>(metadata: &MetadataLog, key: &[u8]) -> Option<[u8; N]> {
    get(metadata, key)?.as_ref().try_into().ok()
}
