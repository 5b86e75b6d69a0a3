//! Cluster records as entries of the metadata log.
//!
//! ```text
//!   key    "t/" + topic id (16 bytes)
//!   value  version 1 (u8) | name length (u16) name | partitions (i32) | replication factor (i16)
//!          | created ms (i64) | options (u16) x { name length (u16) name, value length (u32) value }
//! ```
//! Integers are big-endian. A topic is keyed by its id, so that deleting and re-creating a name
//! are entries of different keys. No value means the topic is deleted.

use std::collections::BTreeMap;

use strom_protocol::{TopicId, Uuid};

use super::Topic;

const KEY_PREFIX: &[u8] = b"t/";
const VALUE_VERSION: u8 = 1;

/// One change of cluster metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterRecord {
    /// The topic exists and is like this.
    Topic(Topic),
    /// The topic is gone.
    TopicDeleted {
        /// Which.
        id: TopicId,
    },
}

/// Why an entry of the metadata log cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterRecordError {
    /// The key is not a topic's.
    #[error("metadata key {0:?} is not a topic's")]
    UnknownKey(Vec<u8>),
    /// Written by a newer version.
    #[error("topic entry has format version {0}, this version of strom reads {VALUE_VERSION}")]
    UnknownVersion(u8),
    /// The bytes end early, go on too long, or are not what they should be.
    #[error("topic entry is damaged: {0}")]
    Malformed(&'static str),
}

impl ClusterRecord {
    /// Key and value for the metadata log; no value removes the key.
    pub fn to_change(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        match self {
            ClusterRecord::Topic(topic) => (key(topic.id), Some(encode(topic))),
            ClusterRecord::TopicDeleted { id } => (key(*id), None),
        }
    }

    /// The record of a live entry with prefix `t/`.
    pub fn from_entry(key: &[u8], value: &[u8]) -> Result<ClusterRecord, ClusterRecordError> {
        let unknown = || ClusterRecordError::UnknownKey(key.to_vec());
        let id = key.strip_prefix(KEY_PREFIX).ok_or_else(unknown)?;
        let id = TopicId(Uuid::from_slice(id).map_err(|_| unknown())?);
        decode(id, value).map(ClusterRecord::Topic)
    }
}

fn key(id: TopicId) -> Vec<u8> {
    [KEY_PREFIX, id.0.as_bytes()].concat()
}

fn encode(topic: &Topic) -> Vec<u8> {
    let mut out = vec![VALUE_VERSION];
    put_short(&mut out, &topic.name);
    out.extend(topic.partitions.to_be_bytes());
    out.extend(topic.replication_factor.to_be_bytes());
    out.extend(topic.created_ms.to_be_bytes());
    let count = u16::try_from(topic.configs.len()).expect("every option is in the table once");
    out.extend(count.to_be_bytes());
    for (name, value) in &topic.configs {
        put_short(&mut out, name);
        let length = u32::try_from(value.len()).expect("option values are checked on entry");
        out.extend(length.to_be_bytes());
        out.extend(value.as_bytes());
    }
    out
}

fn put_short(out: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("topic and option names are short");
    out.extend(length.to_be_bytes());
    out.extend(text.as_bytes());
}

fn decode(id: TopicId, value: &[u8]) -> Result<Topic, ClusterRecordError> {
    let mut rest = value;
    let [version] = take(&mut rest)?;
    if version != VALUE_VERSION {
        return Err(ClusterRecordError::UnknownVersion(version));
    }
    let name = take_short(&mut rest)?;
    let partitions = i32::from_be_bytes(take(&mut rest)?);
    let replication_factor = i16::from_be_bytes(take(&mut rest)?);
    let created_ms = i64::from_be_bytes(take(&mut rest)?);
    let mut configs = BTreeMap::new();
    for _ in 0..u16::from_be_bytes(take(&mut rest)?) {
        let option = take_short(&mut rest)?;
        let length = u32::from_be_bytes(take(&mut rest)?) as usize;
        configs.insert(option, take_text(&mut rest, length)?);
    }
    if !rest.is_empty() {
        return Err(ClusterRecordError::Malformed("bytes after the end"));
    }
    if partitions < 1 {
        return Err(ClusterRecordError::Malformed("no partitions"));
    }
    Ok(Topic { id, name, partitions, replication_factor, configs, created_ms })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], ClusterRecordError> {
    let (head, tail) =
        rest.split_first_chunk::<N>().ok_or(ClusterRecordError::Malformed("ends early"))?;
    *rest = tail;
    Ok(*head)
}

fn take_text(rest: &mut &[u8], length: usize) -> Result<String, ClusterRecordError> {
    let (head, tail) =
        rest.split_at_checked(length).ok_or(ClusterRecordError::Malformed("ends early"))?;
    *rest = tail;
    let text = std::str::from_utf8(head).map_err(|_| ClusterRecordError::Malformed("not UTF-8"))?;
    Ok(text.to_owned())
}

fn take_short(rest: &mut &[u8]) -> Result<String, ClusterRecordError> {
    let length = usize::from(u16::from_be_bytes(take(rest)?));
    take_text(rest, length)
}
