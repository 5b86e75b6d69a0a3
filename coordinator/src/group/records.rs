//! The records of `__consumer_offsets`, in Kafka's own formats, so that Burrow, kminion and
//! MirrorMaker read ours and we read theirs.
//!
//! ```text
//!   key   version 0-1: OffsetCommitKey   { group, topic, partition }   we write 1
//!         version 2:   GroupMetadataKey  { group }                     we write 2
//!   value OffsetCommitValue 0-4: we write 3, or 1 when the commit carries its own expiry
//!         GroupMetadataValue 0-4: we write 3
//!   no value: tombstone of the key
//! ```
//! Each begins with its version as an i16. Kafka 4.3 writes the same versions: the highest that
//! every reader in the field knows.

use strom_protocol::messages::consumer_protocol::ConsumerProtocolSubscription;
use strom_protocol::messages::group_state::{
    self, GroupMetadataKey, GroupMetadataValue, OffsetCommitKey, OffsetCommitValue,
};
use strom_protocol::wire::{DecodeError, Message, Reader, Writer};
use strom_protocol::{ByteString, Bytes};

const OFFSET_KEY_VERSION: i16 = 1;
const GROUP_KEY_VERSION: i16 = 2;
const OFFSET_VALUE_VERSION: i16 = 3;
const OFFSET_VALUE_WITH_EXPIRY_VERSION: i16 = 1;
const GROUP_VALUE_VERSION: i16 = 3;

/// The longest string that these formats can hold, in bytes; decoding gives no longer ones either.
/// Requests with longer ones are refused before they become records.
pub(super) const STRING_BYTES_MAX: usize = i16::MAX as usize;

/// One change of durable group state; without a value it removes what its key names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupRecord {
    /// A committed offset.
    Offset {
        /// Of what.
        key: OffsetKey,
        /// The offset, or `None` to remove it.
        committed: Option<CommittedOffset>,
    },
    /// A group's generation.
    Group {
        /// Which group.
        group_id: ByteString,
        /// The generation, or `None` to remove the group.
        metadata: Option<GroupMetadata>,
    },
}

/// What an offset is committed for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OffsetKey {
    /// The group.
    pub group_id: ByteString,
    /// The topic's name.
    pub topic: ByteString,
    /// The partition.
    pub partition: i32,
}

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: i64,
    /// The leader epoch of the last consumed record, -1 for unknown. Not kept together with an
    /// expiry: version 1 of the format has no room for it.
    pub leader_epoch: i32,
    /// The client's note.
    pub metadata: ByteString,
    /// When it was committed.
    pub commit_timestamp_ms: i64,
    /// When it expires, if the commit said so (OffsetCommit v2-4).
    pub expire_timestamp_ms: Option<i64>,
}

/// A generation of a group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupMetadata {
    /// `consumer`, `connect`, ...; empty for a group that nobody has joined yet.
    pub protocol_type: ByteString,
    /// The generation.
    pub generation: i32,
    /// The protocol chosen.
    pub protocol: Option<ByteString>,
    /// The leader's member id.
    pub leader: Option<ByteString>,
    /// When the group entered its state, -1 for unknown.
    pub state_since_ms: i64,
    /// Its members, by member id.
    pub members: Vec<MemberMetadata>,
}

/// A member of a recorded generation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberMetadata {
    /// Its id.
    pub member_id: ByteString,
    /// Its instance id if it is static.
    pub group_instance_id: Option<ByteString>,
    /// From the header of its requests.
    pub client_id: ByteString,
    /// Its address.
    pub client_host: ByteString,
    /// Its rebalance timeout.
    pub rebalance_timeout_ms: i32,
    /// Its session timeout.
    pub session_timeout_ms: i32,
    /// Its metadata under the chosen protocol.
    pub subscription: Bytes,
    /// Its assignment.
    pub assignment: Bytes,
}

impl GroupMetadata {
    /// About what it takes as a record: the strings and bytes, and a fixed part per member.
    pub(super) fn approximate_bytes(&self) -> usize {
        const MEMBER_FIXED_BYTES: usize = 26;
        let members = self.members.iter().map(|m| {
            MEMBER_FIXED_BYTES
                + m.member_id.len()
                + m.group_instance_id.as_ref().map_or(0, |id| id.len())
                + m.client_id.len()
                + m.client_host.len()
                + m.subscription.len()
                + m.assignment.len()
        });
        members.sum()
    }
}

/// Why a record cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A key of a kind that this version does not know: newer group types. Skip it.
    #[error("group record has key version {0}, which this version of strom does not know")]
    UnknownKey(i16),
    /// A record that nobody can have written.
    #[error("group record cannot be decoded: {0}")]
    Malformed(#[from] DecodeError),
}

impl GroupRecord {
    /// Key and value; no value is a tombstone.
    pub fn encode(&self) -> (Bytes, Option<Bytes>) {
        match self {
            GroupRecord::Offset { key, committed } => {
                let value = committed.as_ref().map(|committed| {
                    let version = match committed.expire_timestamp_ms {
                        Some(_) => OFFSET_VALUE_WITH_EXPIRY_VERSION,
                        None => OFFSET_VALUE_VERSION,
                    };
                    encode_versioned(&offset_value(committed), version)
                });
                (encode_versioned(&offset_key(key), OFFSET_KEY_VERSION), value)
            }
            GroupRecord::Group { group_id, metadata } => {
                let key = GroupMetadataKey { group: group_id.clone() };
                let value = metadata
                    .as_ref()
                    .map(|metadata| encode_versioned(&group_value(metadata), GROUP_VALUE_VERSION));
                (encode_versioned(&key, GROUP_KEY_VERSION), value)
            }
        }
    }

    /// Reads a record of any version that Kafka has written.
    pub fn decode(key: &Bytes, value: Option<&Bytes>) -> Result<GroupRecord, RecordError> {
        let mut reader = Reader::new(key.clone());
        match reader.i16()? {
            version @ 0..=1 => {
                let key = OffsetCommitKey::decode(&mut reader, version)?;
                let committed = value.map(decode_versioned).transpose()?;
                let committed = committed.map(committed_offset);
                let key =
                    OffsetKey { group_id: key.group, topic: key.topic, partition: key.partition };
                Ok(GroupRecord::Offset { key, committed })
            }
            version @ GROUP_KEY_VERSION => {
                let key = GroupMetadataKey::decode(&mut reader, version)?;
                let metadata = value.map(decode_versioned).transpose()?;
                let metadata = metadata.map(group_metadata);
                Ok(GroupRecord::Group { group_id: key.group, metadata })
            }
            version => Err(RecordError::UnknownKey(version)),
        }
    }
}

fn encode_versioned<M: Message>(message: &M, version: i16) -> Bytes {
    let mut writer = Writer::new();
    writer.put_i16(version);
    message.encode(&mut writer, version).expect("strings are bounded before they become records");
    writer.into_bytes()
}

fn decode_versioned<M: Message>(value: &Bytes) -> Result<M, DecodeError> {
    let mut reader = Reader::new(value.clone());
    let version = reader.i16()?;
    M::decode(&mut reader, version)
}

fn offset_key(key: &OffsetKey) -> OffsetCommitKey {
    OffsetCommitKey {
        group: key.group_id.clone(),
        topic: key.topic.clone(),
        partition: key.partition,
    }
}

fn offset_value(committed: &CommittedOffset) -> OffsetCommitValue {
    OffsetCommitValue {
        offset: committed.offset,
        leader_epoch: committed.leader_epoch,
        metadata: committed.metadata.clone(),
        commit_timestamp: committed.commit_timestamp_ms,
        expire_timestamp: committed.expire_timestamp_ms.unwrap_or(-1),
        ..OffsetCommitValue::default()
    }
}

fn committed_offset(value: OffsetCommitValue) -> CommittedOffset {
    CommittedOffset {
        offset: value.offset,
        leader_epoch: value.leader_epoch,
        metadata: value.metadata,
        commit_timestamp_ms: value.commit_timestamp,
        expire_timestamp_ms: (value.expire_timestamp != -1).then_some(value.expire_timestamp),
    }
}

fn group_value(metadata: &GroupMetadata) -> GroupMetadataValue {
    let members = metadata.members.iter().map(|m| group_state::MemberMetadata {
        member_id: m.member_id.clone(),
        group_instance_id: m.group_instance_id.clone(),
        client_id: m.client_id.clone(),
        client_host: m.client_host.clone(),
        rebalance_timeout: m.rebalance_timeout_ms,
        session_timeout: m.session_timeout_ms,
        subscription: m.subscription.clone(),
        assignment: m.assignment.clone(),
    });
    GroupMetadataValue {
        protocol_type: metadata.protocol_type.clone(),
        generation: metadata.generation,
        protocol: metadata.protocol.clone(),
        leader: metadata.leader.clone(),
        current_state_timestamp: metadata.state_since_ms,
        members: members.collect(),
    }
}

fn group_metadata(value: GroupMetadataValue) -> GroupMetadata {
    let members = value.members.into_iter().map(|m| MemberMetadata {
        member_id: m.member_id,
        group_instance_id: m.group_instance_id,
        client_id: m.client_id,
        client_host: m.client_host,
        // Absent in version 0, where the session timeout served for both.
        rebalance_timeout_ms: if m.rebalance_timeout > 0 {
            m.rebalance_timeout
        } else {
            m.session_timeout
        },
        session_timeout_ms: m.session_timeout,
        subscription: m.subscription,
        assignment: m.assignment,
    });
    GroupMetadata {
        protocol_type: value.protocol_type,
        generation: value.generation,
        protocol: value.protocol,
        leader: value.leader,
        state_since_ms: value.current_state_timestamp,
        members: members.collect(),
    }
}

/// The topics in a consumer's metadata, `None` when it is not a subscription. Only what version 0
/// has is read, which every later version begins with.
pub(super) fn subscribed_topics(metadata: &Bytes) -> Option<Vec<ByteString>> {
    let mut reader = Reader::new(metadata.clone());
    if reader.i16().ok()? < 0 {
        return None;
    }
    ConsumerProtocolSubscription::decode(&mut reader, 0).ok().map(|s| s.topics)
}
