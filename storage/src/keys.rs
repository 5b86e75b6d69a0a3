//! The storage's keys in the metadata log, all under `s/`, and their values.
//!
//! ```text
//! s/cluster        │ 1 │ 22 characters          s/log-start/<topic><partition> │ 1 │ i64
//! s/epoch          │ 1 │ i32                    s/producers/<topic><partition> │ see partition/producers.rs
//! s/producer-id    │ 1 │ i64 (first unreserved) s/clean │ 1 │ u64 (LSN of the journal's end)
//! s/starts         │ 1 │ u64 (of the journal)  s/segments/<topic><partition><base offset> │ see segment_list.rs
//! s/replay         │ 1 │ LSN u64, sequence u64, generation u64: where recovery begins to read the journal
//! s/lost/<topic><partition><offset> │ 1 │ to i64, position u64, file: offsets whose batches were damaged
//! ```

use bytes::Bytes;
use strom_protocol::{TopicId, Uuid};

use crate::encoding::Input;
use crate::journal::Place;
use crate::metadata::{Change, MetadataLog};
use crate::partition::LostRange;

pub(crate) const CLUSTER_ID: &[u8] = b"s/cluster";
pub(crate) const LEADER_EPOCH: &[u8] = b"s/epoch";
pub(crate) const PRODUCER_ID: &[u8] = b"s/producer-id";
pub(crate) const CLEAN_END: &[u8] = b"s/clean";
pub(crate) const STARTS: &[u8] = b"s/starts";
const LOG_START: &[u8] = b"s/log-start/";
const PRODUCERS: &[u8] = b"s/producers/";
const REPLAY: &[u8] = b"s/replay";
pub(crate) const SEGMENTS: &[u8] = b"s/segments/";
const LOST: &[u8] = b"s/lost/";
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

fn offset_key(prefix: &[u8], topic: TopicId, partition: i32, offset: i64) -> Bytes {
    [prefix, topic.as_bytes(), &partition.to_be_bytes(), &offset.to_be_bytes()].concat().into()
}

pub(crate) fn segment(topic: TopicId, partition: i32, base_offset: i64) -> Bytes {
    offset_key(SEGMENTS, topic, partition, base_offset)
}

/// Topic, partition and base offset of a segment's key.
pub(crate) fn parse_segment(key: &[u8]) -> Option<(TopicId, i32, i64)> {
    let mut input = Input(key.strip_prefix(SEGMENTS)?);
    let topic = TopicId(Uuid::from_bytes(input.array()?));
    let partition = i32::from_be_bytes(input.array()?);
    let base_offset = i64::from_be_bytes(input.array()?);
    input.is_empty().then_some((topic, partition, base_offset))
}

pub(crate) fn put_replay(place: Place) -> Change {
    let Place { lsn, sequence, generation } = place;
    put(REPLAY, &[lsn.to_le_bytes(), sequence.to_le_bytes(), generation.to_le_bytes()].concat())
}

/// Where recovery begins: at the start of the journal, unless something else is known.
pub(crate) fn replay(metadata: &MetadataLog) -> Place {
    let decode = |value: Bytes| {
        let mut input = Input(&value);
        Some(Place { lsn: input.u64()?, sequence: input.u64()?, generation: input.u64()? })
    };
    get(metadata, REPLAY).and_then(decode).unwrap_or_default()
}

/// Notes that offsets cannot be read.
pub(crate) fn put_lost(topic: TopicId, partition: i32, lost: &LostRange) -> Change {
    let file = lost.file.to_string_lossy();
    let value = [&lost.to.to_le_bytes()[..], &lost.position.to_le_bytes(), file.as_bytes()];
    put(offset_key(LOST, topic, partition, lost.from), &value.concat())
}

pub(crate) fn delete_lost(topic: TopicId, partition: i32, from: i64) -> Change {
    Change::Delete { key: offset_key(LOST, topic, partition, from) }
}

/// What [`put_lost`] noted of a partition, by ascending offsets.
pub(crate) fn lost(metadata: &MetadataLog, topic: TopicId, partition: i32) -> Vec<LostRange> {
    let prefix = partition_key(LOST, topic, partition);
    let decode = |(key, value): (Bytes, Bytes)| {
        let from = i64::from_be_bytes(key[prefix.len()..].try_into().ok()?);
        let mut input = Input(&value);
        if input.u8()? != FORMAT {
            return None;
        }
        let (to, position) = (input.i64()?, input.u64()?);
        let file = String::from_utf8_lossy(input.0).into_owned().into();
        Some(LostRange { from, to, file, position })
    };
    metadata.scan(&prefix).into_iter().filter_map(decode).collect()
}

/// Removals of everything that is kept for a topic.
pub(crate) fn removals(metadata: &MetadataLog, topic: TopicId) -> Vec<Change> {
    [LOG_START, PRODUCERS, SEGMENTS, LOST]
        .into_iter()
        .flat_map(|prefix| metadata.scan(&[prefix, topic.as_bytes()].concat()))
        .map(|(key, _)| Change::Delete { key })
        .collect()
}

/// Removals of what is kept for partitions that are not listed.
pub(crate) fn removals_of_others(
    metadata: &MetadataLog,
    is_listed: impl Fn(TopicId, i32) -> bool,
) -> Vec<Change> {
    let partition_of = |key: &[u8], prefix: &[u8]| {
        let mut input = Input(key.strip_prefix(prefix)?);
        Some((TopicId(Uuid::from_bytes(input.array()?)), i32::from_be_bytes(input.array()?)))
    };
    let mut removals = Vec::new();
    for prefix in [LOG_START, PRODUCERS, SEGMENTS, LOST] {
        for (key, _) in metadata.scan(prefix) {
            let partition = partition_of(&key, prefix);
            if partition.is_some_and(|(topic, index)| !is_listed(topic, index)) {
                removals.push(Change::Delete { key });
            }
        }
    }
    removals
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
