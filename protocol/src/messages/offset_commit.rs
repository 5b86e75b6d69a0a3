//! OffsetCommit, API key 8.
//!
//! Generated from `protocol/schema/offset_commit.txt`: do not edit.

use bytestring::ByteString;
use uuid::Uuid;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version, unsupported_field};

/// The message, versions 2-10.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetCommitRequest {
    /// Versions 0+.
    pub group_id: ByteString,
    /// Versions 1+; default -1.
    pub generation_id_or_member_epoch: i32,
    /// Versions 1+.
    pub member_id: ByteString,
    /// Versions 7+; nullable 7+; default null.
    pub group_instance_id: Option<ByteString>,
    /// Versions 2-4; default -1.
    pub retention_time_ms: i64,
    /// Versions 0+.
    pub topics: Vec<OffsetCommitRequestTopic>,
}

impl Default for OffsetCommitRequest {
    fn default() -> Self {
        Self {
            group_id: ByteString::new(),
            generation_id_or_member_epoch: -1,
            member_id: ByteString::new(),
            group_instance_id: None,
            retention_time_ms: -1,
            topics: Vec::new(),
        }
    }
}

impl Message for OffsetCommitRequest {
    const API_KEY: i16 = 8;
    const MIN_VERSION: i16 = 2;
    const MAX_VERSION: i16 = 10;

    fn is_flexible(v: i16) -> bool {
        v >= 8
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 8;
        let message = Self {
            group_id: r.string(flex)?,
            generation_id_or_member_epoch: r.i32()?,
            member_id: r.string(flex)?,
            group_instance_id: if v >= 7 { r.string_or_null(flex)? } else { None },
            retention_time_ms: if v <= 4 { r.i64()? } else { -1 },
            topics: r.array(flex, 1, |r| OffsetCommitRequestTopic::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 8;
        w.put_string(flex, &self.group_id)?;
        w.put_i32(self.generation_id_or_member_epoch);
        w.put_string(flex, &self.member_id)?;
        if v >= 7 {
            w.put_string_or_null(flex, self.group_instance_id.as_deref())?;
        } else if self.group_instance_id.is_some() { return Err(unsupported_field("group_instance_id", v)); }
        if v <= 4 { w.put_i64(self.retention_time_ms); }
        w.put_array(flex, &self.topics, |w, x| OffsetCommitRequestTopic::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 2-10.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetCommitRequestTopic {
    /// Versions 0-9.
    pub name: ByteString,
    /// Versions 10+.
    pub topic_id: Uuid,
    /// Versions 0+.
    pub partitions: Vec<OffsetCommitRequestPartition>,
}

impl OffsetCommitRequestTopic {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 8;
        let message = Self {
            name: if v <= 9 { r.string(flex)? } else { ByteString::new() },
            topic_id: if v >= 10 { r.uuid()? } else { Uuid::nil() },
            partitions: r.array(flex, 13, |r| OffsetCommitRequestPartition::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 8;
        if v <= 9 { w.put_string(flex, &self.name)?; }
        if v >= 10 { w.put_uuid(self.topic_id); }
        w.put_array(flex, &self.partitions, |w, x| OffsetCommitRequestPartition::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 2-10.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetCommitRequestPartition {
    /// Versions 0+.
    pub partition_index: i32,
    /// Versions 0+.
    pub committed_offset: i64,
    /// Versions 6+; default -1.
    pub committed_leader_epoch: i32,
    /// Versions 0+; nullable 0+.
    pub committed_metadata: Option<ByteString>,
}

impl Default for OffsetCommitRequestPartition {
    fn default() -> Self {
        Self {
            partition_index: 0,
            committed_offset: 0,
            committed_leader_epoch: -1,
            committed_metadata: Some(ByteString::new()),
        }
    }
}

impl OffsetCommitRequestPartition {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 8;
        let message = Self {
            partition_index: r.i32()?,
            committed_offset: r.i64()?,
            committed_leader_epoch: if v >= 6 { r.i32()? } else { -1 },
            committed_metadata: r.string_or_null(flex)?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 8;
        w.put_i32(self.partition_index);
        w.put_i64(self.committed_offset);
        if v >= 6 { w.put_i32(self.committed_leader_epoch); }
        w.put_string_or_null(flex, self.committed_metadata.as_deref())?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// The message, versions 2-10.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetCommitResponse {
    /// Versions 3+.
    pub throttle_time_ms: i32,
    /// Versions 0+.
    pub topics: Vec<OffsetCommitResponseTopic>,
}

impl Message for OffsetCommitResponse {
    const API_KEY: i16 = 8;
    const MIN_VERSION: i16 = 2;
    const MAX_VERSION: i16 = 10;

    fn is_flexible(v: i16) -> bool {
        v >= 8
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 8;
        let message = Self {
            throttle_time_ms: if v >= 3 { r.i32()? } else { 0 },
            topics: r.array(flex, 1, |r| OffsetCommitResponseTopic::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 8;
        if v >= 3 { w.put_i32(self.throttle_time_ms); }
        w.put_array(flex, &self.topics, |w, x| OffsetCommitResponseTopic::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 2-10.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetCommitResponseTopic {
    /// Versions 0-9.
    pub name: ByteString,
    /// Versions 10+.
    pub topic_id: Uuid,
    /// Versions 0+.
    pub partitions: Vec<OffsetCommitResponsePartition>,
}

impl OffsetCommitResponseTopic {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 8;
        let message = Self {
            name: if v <= 9 { r.string(flex)? } else { ByteString::new() },
            topic_id: if v >= 10 { r.uuid()? } else { Uuid::nil() },
            partitions: r.array(flex, 6, |r| OffsetCommitResponsePartition::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 8;
        if v <= 9 { w.put_string(flex, &self.name)?; }
        if v >= 10 { w.put_uuid(self.topic_id); }
        w.put_array(flex, &self.partitions, |w, x| OffsetCommitResponsePartition::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 2-10.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetCommitResponsePartition {
    /// Versions 0+.
    pub partition_index: i32,
    /// Versions 0+.
    pub error_code: i16,
}

impl OffsetCommitResponsePartition {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 8;
        let message = Self {
            partition_index: r.i32()?,
            error_code: r.i16()?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 8;
        w.put_i32(self.partition_index);
        w.put_i16(self.error_code);
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}
