//! Fetch, API key 1.
//!
//! Generated from `protocol/schema/fetch.txt`: do not edit.

use bytestring::ByteString;
use uuid::Uuid;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Records, Writer};
use crate::wire::{check_decode_version, check_encode_version, unsupported_field};

/// The message, versions 4-18.
#[derive(Debug, Clone, PartialEq)]
pub struct FetchRequest {
    /// Versions 12+; nullable 12+; tag 0; default null.
    pub cluster_id: Option<ByteString>,
    /// Versions 0-14; default -1.
    pub replica_id: i32,
    /// Versions 15+; tag 1.
    pub replica_state: ReplicaState,
    /// Versions 0+.
    pub max_wait_ms: i32,
    /// Versions 0+.
    pub min_bytes: i32,
    /// Versions 3+; default 0x7fffffff.
    pub max_bytes: i32,
    /// Versions 4+; default 0.
    pub isolation_level: i8,
    /// Versions 7+; default 0.
    pub session_id: i32,
    /// Versions 7+; default -1.
    pub session_epoch: i32,
    /// Versions 0+.
    pub topics: Vec<FetchTopic>,
    /// Versions 7+.
    pub forgotten_topics_data: Vec<ForgottenTopic>,
    /// Versions 11+.
    pub rack_id: ByteString,
}

impl Default for FetchRequest {
    fn default() -> Self {
        Self {
            cluster_id: None,
            replica_id: -1,
            replica_state: ReplicaState::default(),
            max_wait_ms: 0,
            min_bytes: 0,
            max_bytes: i32::MAX,
            isolation_level: 0,
            session_id: 0,
            session_epoch: -1,
            topics: Vec::new(),
            forgotten_topics_data: Vec::new(),
            rack_id: ByteString::new(),
        }
    }
}

impl Message for FetchRequest {
    const API_KEY: i16 = 1;
    const MIN_VERSION: i16 = 4;
    const MAX_VERSION: i16 = 18;

    fn is_flexible(v: i16) -> bool {
        v >= 12
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 12;
        let mut message = Self {
            cluster_id: None,
            replica_id: if v <= 14 { r.i32()? } else { -1 },
            replica_state: ReplicaState::default(),
            max_wait_ms: r.i32()?,
            min_bytes: r.i32()?,
            max_bytes: r.i32()?,
            isolation_level: r.i8()?,
            session_id: if v >= 7 { r.i32()? } else { 0 },
            session_epoch: if v >= 7 { r.i32()? } else { -1 },
            topics: r.array(flex, 1, |r| FetchTopic::decode(r, v))?,
            forgotten_topics_data: if v >= 7 {
                r.array(flex, 1, |r| ForgottenTopic::decode(r, v))?
            } else {
                Vec::new()
            },
            rack_id: if v >= 11 { r.string(flex)? } else { ByteString::new() },
        };
        if flex {
            r.tagged_fields(|r, tag| {
                match tag {
                    0 => message.cluster_id = r.string_or_null(flex)?,
                    1 if v >= 15 => message.replica_state = ReplicaState::decode(r, v)?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 12;
        if v <= 14 {
            w.put_i32(self.replica_id);
        } else if self.replica_id != -1 { return Err(unsupported_field("replica_id", v)); }
        if v < 15 && self.replica_state != ReplicaState::default() {
            return Err(unsupported_field("replica_state", v));
        }
        w.put_i32(self.max_wait_ms);
        w.put_i32(self.min_bytes);
        w.put_i32(self.max_bytes);
        w.put_i8(self.isolation_level);
        if v >= 7 { w.put_i32(self.session_id); }
        if v >= 7 { w.put_i32(self.session_epoch); }
        w.put_array(flex, &self.topics, |w, x| FetchTopic::encode(x, w, v))?;
        if v >= 7 {
            w.put_array(flex, &self.forgotten_topics_data, |w, x| ForgottenTopic::encode(x, w, v))?;
        } else if !self.forgotten_topics_data.is_empty() { return Err(unsupported_field("forgotten_topics_data", v)); }
        if v >= 11 { w.put_string(flex, &self.rack_id)?; }
        if flex {
            let has_cluster_id = self.cluster_id.is_some();
            let has_replica_state = v >= 15 && self.replica_state != ReplicaState::default();
            w.put_uvarint(u32::from(has_cluster_id) + u32::from(has_replica_state));
            if has_cluster_id {
                w.put_tagged_field(0, |w| { w.put_string_or_null(flex, self.cluster_id.as_deref())?; Ok(()) })?;
            }
            if has_replica_state {
                w.put_tagged_field(1, |w| { ReplicaState::encode(&self.replica_state, w, v)?; Ok(()) })?;
            }
        }
        Ok(())
    }
}

/// A part of the message, versions 15-18.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicaState {
    /// Versions 15+; default -1.
    pub replica_id: i32,
    /// Versions 15+; default -1.
    pub replica_epoch: i64,
}

impl Default for ReplicaState {
    fn default() -> Self {
        Self {
            replica_id: -1,
            replica_epoch: -1,
        }
    }
}

impl ReplicaState {
    fn decode(r: &mut Reader, _v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            replica_id: r.i32()?,
            replica_epoch: r.i64()?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, _v: i16) -> Result<(), EncodeError> {
        w.put_i32(self.replica_id);
        w.put_i64(self.replica_epoch);
        w.put_uvarint(0);
        Ok(())
    }
}

/// A part of the message, versions 4-18.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FetchTopic {
    /// Versions 0-12.
    pub topic: ByteString,
    /// Versions 13+.
    pub topic_id: Uuid,
    /// Versions 0+.
    pub partitions: Vec<FetchPartition>,
}

impl FetchTopic {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 12;
        let message = Self {
            topic: if v <= 12 { r.string(flex)? } else { ByteString::new() },
            topic_id: if v >= 13 { r.uuid()? } else { Uuid::nil() },
            partitions: r.array(flex, 16, |r| FetchPartition::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 12;
        if v <= 12 { w.put_string(flex, &self.topic)?; }
        if v >= 13 { w.put_uuid(self.topic_id); }
        w.put_array(flex, &self.partitions, |w, x| FetchPartition::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 4-18.
#[derive(Debug, Clone, PartialEq)]
pub struct FetchPartition {
    /// Versions 0+.
    pub partition: i32,
    /// Versions 9+; default -1.
    pub current_leader_epoch: i32,
    /// Versions 0+.
    pub fetch_offset: i64,
    /// Versions 12+; default -1.
    pub last_fetched_epoch: i32,
    /// Versions 5+; default -1.
    pub log_start_offset: i64,
    /// Versions 0+.
    pub partition_max_bytes: i32,
    /// Versions 17+; tag 0.
    pub replica_directory_id: Uuid,
    /// Versions 18+; tag 1; default 9223372036854775807.
    pub high_watermark: i64,
}

impl Default for FetchPartition {
    fn default() -> Self {
        Self {
            partition: 0,
            current_leader_epoch: -1,
            fetch_offset: 0,
            last_fetched_epoch: -1,
            log_start_offset: -1,
            partition_max_bytes: 0,
            replica_directory_id: Uuid::nil(),
            high_watermark: i64::MAX,
        }
    }
}

impl FetchPartition {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 12;
        let mut message = Self {
            partition: r.i32()?,
            current_leader_epoch: if v >= 9 { r.i32()? } else { -1 },
            fetch_offset: r.i64()?,
            last_fetched_epoch: if v >= 12 { r.i32()? } else { -1 },
            log_start_offset: if v >= 5 { r.i64()? } else { -1 },
            partition_max_bytes: r.i32()?,
            replica_directory_id: Uuid::nil(),
            high_watermark: i64::MAX,
        };
        if flex {
            r.tagged_fields(|r, tag| {
                match tag {
                    0 if v >= 17 => message.replica_directory_id = r.uuid()?,
                    1 if v >= 18 => message.high_watermark = r.i64()?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 12;
        w.put_i32(self.partition);
        if v >= 9 { w.put_i32(self.current_leader_epoch); }
        w.put_i64(self.fetch_offset);
        if v >= 12 {
            w.put_i32(self.last_fetched_epoch);
        } else if self.last_fetched_epoch != -1 { return Err(unsupported_field("last_fetched_epoch", v)); }
        if v >= 5 { w.put_i64(self.log_start_offset); }
        w.put_i32(self.partition_max_bytes);
        if flex {
            let has_replica_directory_id = v >= 17 && !self.replica_directory_id.is_nil();
            let has_high_watermark = v >= 18 && self.high_watermark != i64::MAX;
            w.put_uvarint(u32::from(has_replica_directory_id) + u32::from(has_high_watermark));
            if has_replica_directory_id {
                w.put_tagged_field(0, |w| { w.put_uuid(self.replica_directory_id); Ok(()) })?;
            }
            if has_high_watermark {
                w.put_tagged_field(1, |w| { w.put_i64(self.high_watermark); Ok(()) })?;
            }
        }
        Ok(())
    }
}

/// A part of the message, versions 7-18.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ForgottenTopic {
    /// Versions 7-12.
    pub topic: ByteString,
    /// Versions 13+.
    pub topic_id: Uuid,
    /// Versions 7+.
    pub partitions: Vec<i32>,
}

impl ForgottenTopic {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 12;
        let message = Self {
            topic: if v <= 12 { r.string(flex)? } else { ByteString::new() },
            topic_id: if v >= 13 { r.uuid()? } else { Uuid::nil() },
            partitions: r.array(flex, 4, |r| r.i32())?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 12;
        if v <= 12 { w.put_string(flex, &self.topic)?; }
        if v >= 13 { w.put_uuid(self.topic_id); }
        w.put_array(flex, &self.partitions, |w, x| { w.put_i32(*x); Ok(()) })?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// The message, versions 4-18.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FetchResponse {
    /// Versions 1+.
    pub throttle_time_ms: i32,
    /// Versions 7+.
    pub error_code: i16,
    /// Versions 7+; default 0.
    pub session_id: i32,
    /// Versions 0+.
    pub responses: Vec<FetchableTopicResponse>,
    /// Versions 16+; tag 0.
    pub node_endpoints: Vec<NodeEndpoint>,
}

impl Message for FetchResponse {
    const API_KEY: i16 = 1;
    const MIN_VERSION: i16 = 4;
    const MAX_VERSION: i16 = 18;

    fn is_flexible(v: i16) -> bool {
        v >= 12
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 12;
        let mut message = Self {
            throttle_time_ms: r.i32()?,
            error_code: if v >= 7 { r.i16()? } else { 0 },
            session_id: if v >= 7 { r.i32()? } else { 0 },
            responses: r.array(flex, 1, |r| FetchableTopicResponse::decode(r, v))?,
            node_endpoints: Vec::new(),
        };
        if flex {
            r.tagged_fields(|r, tag| {
                match tag {
                    0 if v >= 16 => message.node_endpoints = r.array(flex, 11, |r| NodeEndpoint::decode(r, v))?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 12;
        w.put_i32(self.throttle_time_ms);
        if v >= 7 { w.put_i16(self.error_code); }
        if v >= 7 {
            w.put_i32(self.session_id);
        } else if self.session_id != 0 { return Err(unsupported_field("session_id", v)); }
        w.put_array(flex, &self.responses, |w, x| FetchableTopicResponse::encode(x, w, v))?;
        if v < 16 && !self.node_endpoints.is_empty() { return Err(unsupported_field("node_endpoints", v)); }
        if flex {
            let has_node_endpoints = v >= 16 && !self.node_endpoints.is_empty();
            w.put_uvarint(u32::from(has_node_endpoints));
            if has_node_endpoints {
                w.put_tagged_field(0, |w| { w.put_array(flex, &self.node_endpoints, |w, x| NodeEndpoint::encode(x, w, v))?; Ok(()) })?;
            }
        }
        Ok(())
    }
}

/// A part of the message, versions 4-18.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FetchableTopicResponse {
    /// Versions 0-12.
    pub topic: ByteString,
    /// Versions 13+.
    pub topic_id: Uuid,
    /// Versions 0+.
    pub partitions: Vec<PartitionData>,
}

impl FetchableTopicResponse {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 12;
        let message = Self {
            topic: if v <= 12 { r.string(flex)? } else { ByteString::new() },
            topic_id: if v >= 13 { r.uuid()? } else { Uuid::nil() },
            partitions: r.array(flex, 24, |r| PartitionData::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 12;
        if v <= 12 { w.put_string(flex, &self.topic)?; }
        if v >= 13 { w.put_uuid(self.topic_id); }
        w.put_array(flex, &self.partitions, |w, x| PartitionData::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 4-18.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionData {
    /// Versions 0+.
    pub partition_index: i32,
    /// Versions 0+.
    pub error_code: i16,
    /// Versions 0+.
    pub high_watermark: i64,
    /// Versions 4+; default -1.
    pub last_stable_offset: i64,
    /// Versions 5+; default -1.
    pub log_start_offset: i64,
    /// Versions 12+; tag 0.
    pub diverging_epoch: EpochEndOffset,
    /// Versions 12+; tag 1.
    pub current_leader: LeaderIdAndEpoch,
    /// Versions 12+; tag 2.
    pub snapshot_id: SnapshotId,
    /// Versions 4+; nullable 4+.
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
    /// Versions 11+; default -1.
    pub preferred_read_replica: i32,
    /// Versions 0+; nullable 0+.
    pub records: Option<Records>,
}

impl Default for PartitionData {
    fn default() -> Self {
        Self {
            partition_index: 0,
            error_code: 0,
            high_watermark: 0,
            last_stable_offset: -1,
            log_start_offset: -1,
            diverging_epoch: EpochEndOffset::default(),
            current_leader: LeaderIdAndEpoch::default(),
            snapshot_id: SnapshotId::default(),
            aborted_transactions: Some(Vec::new()),
            preferred_read_replica: -1,
            records: None,
        }
    }
}

impl PartitionData {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 12;
        let mut message = Self {
            partition_index: r.i32()?,
            error_code: r.i16()?,
            high_watermark: r.i64()?,
            last_stable_offset: r.i64()?,
            log_start_offset: if v >= 5 { r.i64()? } else { -1 },
            diverging_epoch: EpochEndOffset::default(),
            current_leader: LeaderIdAndEpoch::default(),
            snapshot_id: SnapshotId::default(),
            aborted_transactions: r.array_or_null(flex, 16, |r| AbortedTransaction::decode(r, v))?,
            preferred_read_replica: if v >= 11 { r.i32()? } else { -1 },
            records: r.bytes_or_null(flex)?.map(Records::from),
        };
        if flex {
            r.tagged_fields(|r, tag| {
                match tag {
                    0 => message.diverging_epoch = EpochEndOffset::decode(r, v)?,
                    1 => message.current_leader = LeaderIdAndEpoch::decode(r, v)?,
                    2 => message.snapshot_id = SnapshotId::decode(r, v)?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 12;
        w.put_i32(self.partition_index);
        w.put_i16(self.error_code);
        w.put_i64(self.high_watermark);
        w.put_i64(self.last_stable_offset);
        if v >= 5 { w.put_i64(self.log_start_offset); }
        if v < 12 && self.diverging_epoch != EpochEndOffset::default() {
            return Err(unsupported_field("diverging_epoch", v));
        }
        if v < 12 && self.current_leader != LeaderIdAndEpoch::default() {
            return Err(unsupported_field("current_leader", v));
        }
        if v < 12 && self.snapshot_id != SnapshotId::default() {
            return Err(unsupported_field("snapshot_id", v));
        }
        w.put_array_or_null(flex, self.aborted_transactions.as_deref(), |w, x| AbortedTransaction::encode(x, w, v))?;
        if v >= 11 {
            w.put_i32(self.preferred_read_replica);
        } else if self.preferred_read_replica != -1 { return Err(unsupported_field("preferred_read_replica", v)); }
        w.put_records_or_null(flex, self.records.as_ref())?;
        if flex {
            let has_diverging_epoch = self.diverging_epoch != EpochEndOffset::default();
            let has_current_leader = self.current_leader != LeaderIdAndEpoch::default();
            let has_snapshot_id = self.snapshot_id != SnapshotId::default();
            w.put_uvarint(u32::from(has_diverging_epoch) + u32::from(has_current_leader) + u32::from(has_snapshot_id));
            if has_diverging_epoch {
                w.put_tagged_field(0, |w| { EpochEndOffset::encode(&self.diverging_epoch, w, v)?; Ok(()) })?;
            }
            if has_current_leader {
                w.put_tagged_field(1, |w| { LeaderIdAndEpoch::encode(&self.current_leader, w, v)?; Ok(()) })?;
            }
            if has_snapshot_id {
                w.put_tagged_field(2, |w| { SnapshotId::encode(&self.snapshot_id, w, v)?; Ok(()) })?;
            }
        }
        Ok(())
    }
}

/// A part of the message, versions 12-18.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochEndOffset {
    /// Versions 12+; default -1.
    pub epoch: i32,
    /// Versions 12+; default -1.
    pub end_offset: i64,
}

impl Default for EpochEndOffset {
    fn default() -> Self {
        Self {
            epoch: -1,
            end_offset: -1,
        }
    }
}

impl EpochEndOffset {
    fn decode(r: &mut Reader, _v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            epoch: r.i32()?,
            end_offset: r.i64()?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, _v: i16) -> Result<(), EncodeError> {
        w.put_i32(self.epoch);
        w.put_i64(self.end_offset);
        w.put_uvarint(0);
        Ok(())
    }
}

/// A part of the message, versions 12-18.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaderIdAndEpoch {
    /// Versions 12+; default -1.
    pub leader_id: i32,
    /// Versions 12+; default -1.
    pub leader_epoch: i32,
}

impl Default for LeaderIdAndEpoch {
    fn default() -> Self {
        Self {
            leader_id: -1,
            leader_epoch: -1,
        }
    }
}

impl LeaderIdAndEpoch {
    fn decode(r: &mut Reader, _v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            leader_id: r.i32()?,
            leader_epoch: r.i32()?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, _v: i16) -> Result<(), EncodeError> {
        w.put_i32(self.leader_id);
        w.put_i32(self.leader_epoch);
        w.put_uvarint(0);
        Ok(())
    }
}

/// A part of the message, versions 12-18.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotId {
    /// Versions 0+; default -1.
    pub end_offset: i64,
    /// Versions 0+; default -1.
    pub epoch: i32,
}

impl Default for SnapshotId {
    fn default() -> Self {
        Self {
            end_offset: -1,
            epoch: -1,
        }
    }
}

impl SnapshotId {
    fn decode(r: &mut Reader, _v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            end_offset: r.i64()?,
            epoch: r.i32()?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, _v: i16) -> Result<(), EncodeError> {
        w.put_i64(self.end_offset);
        w.put_i32(self.epoch);
        w.put_uvarint(0);
        Ok(())
    }
}

/// A part of the message, versions 4-18.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AbortedTransaction {
    /// Versions 4+.
    pub producer_id: i64,
    /// Versions 4+.
    pub first_offset: i64,
}

impl AbortedTransaction {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 12;
        let message = Self {
            producer_id: r.i64()?,
            first_offset: r.i64()?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 12;
        w.put_i64(self.producer_id);
        w.put_i64(self.first_offset);
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 16-18.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NodeEndpoint {
    /// Versions 16+.
    pub node_id: i32,
    /// Versions 16+.
    pub host: ByteString,
    /// Versions 16+.
    pub port: i32,
    /// Versions 16+; nullable 16+; default null.
    pub rack: Option<ByteString>,
}

impl NodeEndpoint {
    fn decode(r: &mut Reader, _v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            node_id: r.i32()?,
            host: r.string(true)?,
            port: r.i32()?,
            rack: r.string_or_null(true)?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, _v: i16) -> Result<(), EncodeError> {
        w.put_i32(self.node_id);
        w.put_string(true, &self.host)?;
        w.put_i32(self.port);
        w.put_string_or_null(true, self.rack.as_deref())?;
        w.put_uvarint(0);
        Ok(())
    }
}
