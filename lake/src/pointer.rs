//! The pointer record: which metadata file is the table, and the marker that moves with it.
//!
//! One record of the metadata log per table, under `i/<namespace>/<table>`. Because the marker
//! (how far into the topic the table reaches) is part of the very record that moves the pointer,
//! one compare-and-swap commits data and progress together, and a crash can separate neither
//! from the other. The value is a format version byte and a JSON object; offsets are an array
//! indexed by partition. Golden bytes in the tests hold the format.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use strom_protocol::TopicId;
use uuid::Uuid;

/// The prefix of all pointer keys in the metadata log.
pub const PREFIX: &[u8] = b"i/";

/// The record of a topic's table.
const FORMAT_VERSION: u8 = 1;
/// The record of a table that outlived its topic; a release that does not know it would purge it.
const KEPT_VERSION: u8 = 2;

/// How far into one partition a table reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(i64, i32)", into = "(i64, i32)")]
pub struct Reached {
    /// The first offset that is not in the table.
    pub next_offset: i64,
    /// The leader epoch under which the commit was made.
    pub leader_epoch: i32,
}

impl From<(i64, i32)> for Reached {
    fn from((next_offset, leader_epoch): (i64, i32)) -> Reached {
        Reached { next_offset, leader_epoch }
    }
}

impl From<Reached> for (i64, i32) {
    fn from(reached: Reached) -> (i64, i32) {
        (reached.next_offset, reached.leader_epoch)
    }
}

/// The value of a pointer record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pointer {
    /// Namespace of the table.
    pub namespace: String,
    /// Name of the table.
    pub table: String,
    /// The table's uuid in its metadata.
    pub table_uuid: Uuid,
    /// The topic's id: a re-created topic has another table.
    pub topic_id: Uuid,
    /// Counts the commits of this table, from 1; files of a commit carry its number.
    pub commit: u64,
    /// The owner's epoch, for the day when several brokers commit.
    pub epoch: i64,
    /// Location of the table's directory.
    pub location: String,
    /// Location of the current metadata file.
    pub metadata_location: String,
    /// Location of the metadata file before it.
    pub previous_metadata_location: Option<String>,
    /// The snapshot that the marker belongs to; none while the table has never had a row.
    pub snapshot_id: Option<i64>,
    /// The marker: what the table reaches, by partition.
    pub reached: Vec<Reached>,
    /// The topic was deleted, and the table kept.
    #[serde(skip)]
    pub is_kept: bool,
}

/// Why a stored pointer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PointerError {
    /// Written by a newer release.
    #[error(
        "the lake pointer {key} has format version {version}, newer than this release's \
         {KEPT_VERSION}; start the newer release"
    )]
    Newer {
        /// The record's key.
        key: String,
        /// Its version byte.
        version: u8,
    },
    /// Not a pointer at all.
    #[error("the lake pointer {key} cannot be read: {reason}")]
    Corrupt {
        /// The record's key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Pointer {
    /// The key of a table's pointer in the metadata log.
    pub fn key(namespace: &str, table: &str) -> Bytes {
        Bytes::from(format!("i/{namespace}/{table}"))
    }

    /// The record's value.
    pub fn encode(&self) -> Bytes {
        let mut bytes = vec![if self.is_kept { KEPT_VERSION } else { FORMAT_VERSION }];
        serde_json::to_writer(&mut bytes, self)
            .expect("a struct of strings and numbers can be written as JSON");
        Bytes::from(bytes)
    }

    /// Reads a record's value; `key` is for messages.
    pub fn decode(key: &[u8], value: &[u8]) -> Result<Pointer, PointerError> {
        let key = || String::from_utf8_lossy(key).into_owned();
        match value.split_first() {
            None => Err(PointerError::Corrupt { key: key(), reason: "it is empty".into() }),
            Some((&version @ (FORMAT_VERSION | KEPT_VERSION), json)) => {
                let pointer: Pointer = serde_json::from_slice(json)
                    .map_err(|e| PointerError::Corrupt { key: key(), reason: e.to_string() })?;
                Ok(Pointer { is_kept: version == KEPT_VERSION, ..pointer })
            }
            Some((&version, _)) => Err(PointerError::Newer { key: key(), version }),
        }
    }

    /// The first offset of a partition that is not in the table.
    pub fn next_offset(&self, partition: usize) -> i64 {
        self.reached.get(partition).map_or(0, |reached| reached.next_offset)
    }

    /// Whether this is the table of that very topic, not of a namesake before it.
    pub fn belongs_to(&self, topic: TopicId) -> bool {
        self.topic_id == topic.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointer() -> Pointer {
        Pointer {
            namespace: "kafka".into(),
            table: "orders".into(),
            table_uuid: Uuid::from_u128(1),
            topic_id: Uuid::from_u128(2),
            commit: 3,
            epoch: 4,
            location: "file:///w/kafka/orders-x".into(),
            metadata_location: "file:///w/kafka/orders-x/metadata/00003-y.metadata.json".into(),
            previous_metadata_location: None,
            snapshot_id: Some(5),
            reached: vec![(6, 7).into(), (0, 0).into()],
            is_kept: false,
        }
    }

    const GOLDEN: &str = concat!(
        "\u{1}{\"namespace\":\"kafka\",\"table\":\"orders\",",
        "\"table-uuid\":\"00000000-0000-0000-0000-000000000001\",",
        "\"topic-id\":\"00000000-0000-0000-0000-000000000002\",",
        "\"commit\":3,\"epoch\":4,\"location\":\"file:///w/kafka/orders-x\",",
        "\"metadata-location\":\"file:///w/kafka/orders-x/metadata/00003-y.metadata.json\",",
        "\"previous-metadata-location\":null,\"snapshot-id\":5,\"reached\":[[6,7],[0,0]]}",
    );

    #[test]
    fn pointer_bytes_are_golden() {
        assert_eq!(std::str::from_utf8(&pointer().encode()).unwrap(), GOLDEN);
        assert_eq!(Pointer::decode(b"i/kafka/orders", GOLDEN.as_bytes()).unwrap(), pointer());
        assert_eq!(Pointer::key("kafka", "orders"), "i/kafka/orders");
        assert!(Pointer::key("kafka", "orders").starts_with(PREFIX));
        let kept = Pointer { is_kept: true, ..pointer() };
        let golden = GOLDEN.replacen('\u{1}', "\u{2}", 1);
        assert_eq!(std::str::from_utf8(&kept.encode()).unwrap(), golden);
        assert_eq!(Pointer::decode(b"i/kafka/orders", golden.as_bytes()).unwrap(), kept);
    }

    #[test]
    fn unreadable_pointers_say_why() {
        let rows: [(&[u8], &str); 4] = [
            (b"", "it is empty"),
            (b"\x03{}", "newer than this release"),
            (b"\x01{}", "missing field"),
            (b"\x01\xff", "cannot be read"),
        ];
        for (value, expected) in rows {
            let message = Pointer::decode(b"i/a/b", value).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
            assert!(message.contains("i/a/b"), "{message}");
        }
    }
}
