//! OffsetFetch, API key 9.
//!
//! Generated from `protocol/schema/offset_fetch.txt`: do not edit.

use bytestring::ByteString;
use uuid::Uuid;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version, unexpected_null, unsupported_field};

/// The message, versions 1-10.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetFetchRequest {
    /// Versions 0-7.
    pub group_id: ByteString,
    /// Versions 0-7; nullable 2-7.
    pub topics: Option<Vec<OffsetFetchRequestTopic>>,
    /// Versions 8+.
    pub groups: Vec<OffsetFetchRequestGroup>,
    /// Versions 7+; default false.
    pub require_stable: bool,
}

impl Default for OffsetFetchRequest {
    fn default() -> Self {
        Self {
            group_id: ByteString::new(),
            topics: Some(Vec::new()),
            groups: Vec::new(),
            require_stable: false,
        }
    }
}

impl Message for OffsetFetchRequest {
    const API_KEY: i16 = 9;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 10;

    fn is_flexible(v: i16) -> bool {
        v >= 6
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 6;
        let message = Self {
            group_id: if v <= 7 { r.string(flex)? } else { ByteString::new() },
            topics: if v <= 7 {
                if v >= 2 { r.array_or_null(flex, 2, |r| OffsetFetchRequestTopic::decode(r, v))? } else { Some(r.array(flex, 2, |r| OffsetFetchRequestTopic::decode(r, v))?) }
            } else {
                Some(Vec::new())
            },
            groups: if v >= 8 {
                r.array(flex, 3, |r| OffsetFetchRequestGroup::decode(r, v))?
            } else {
                Vec::new()
            },
            require_stable: if v >= 7 { r.bool()? } else { false },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 6;
        if v <= 7 {
            w.put_string(flex, &self.group_id)?;
        } else if !self.group_id.is_empty() { return Err(unsupported_field("group_id", v)); }
        if v <= 7 {
            if v >= 2 { w.put_array_or_null(flex, self.topics.as_deref(), |w, x| OffsetFetchRequestTopic::encode(x, w, v))?; } else { w.put_array(flex, self.topics.as_deref().ok_or(unexpected_null("topics", v))?, |w, x| OffsetFetchRequestTopic::encode(x, w, v))?; }
        } else if self.topics.as_ref().is_none_or(|value| !value.is_empty()) { return Err(unsupported_field("topics", v)); }
        if v >= 8 {
            w.put_array(flex, &self.groups, |w, x| OffsetFetchRequestGroup::encode(x, w, v))?;
        } else if !self.groups.is_empty() { return Err(unsupported_field("groups", v)); }
        if v >= 7 {
            w.put_bool(self.require_stable);
        } else if self.require_stable { return Err(unsupported_field("require_stable", v)); }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 1-7.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetFetchRequestTopic {
    /// Versions 0-7.
    pub name: ByteString,
    /// Versions 0-7.
    pub partition_indexes: Vec<i32>,
}

impl OffsetFetchRequestTopic {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 6;
        let message = Self {
            name: r.string(flex)?,
            partition_indexes: r.array(flex, 4, |r| r.i32())?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 6;
        w.put_string(flex, &self.name)?;
        w.put_array(flex, &self.partition_indexes, |w, x| { w.put_i32(*x); Ok(()) })?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 8-10.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetFetchRequestGroup {
    /// Versions 8+.
    pub group_id: ByteString,
    /// Versions 9+; nullable 9+; default null.
    pub member_id: Option<ByteString>,
    /// Versions 9+; default -1.
    pub member_epoch: i32,
    /// Versions 8+; nullable 8+.
    pub topics: Option<Vec<OffsetFetchRequestTopics>>,
}

impl Default for OffsetFetchRequestGroup {
    fn default() -> Self {
        Self {
            group_id: ByteString::new(),
            member_id: None,
            member_epoch: -1,
            topics: Some(Vec::new()),
        }
    }
}

impl OffsetFetchRequestGroup {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            group_id: r.string(true)?,
            member_id: if v >= 9 { r.string_or_null(true)? } else { None },
            member_epoch: if v >= 9 { r.i32()? } else { -1 },
            topics: r.array_or_null(true, 2, |r| OffsetFetchRequestTopics::decode(r, v))?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        w.put_string(true, &self.group_id)?;
        if v >= 9 { w.put_string_or_null(true, self.member_id.as_deref())?; }
        if v >= 9 { w.put_i32(self.member_epoch); }
        w.put_array_or_null(true, self.topics.as_deref(), |w, x| OffsetFetchRequestTopics::encode(x, w, v))?;
        w.put_uvarint(0);
        Ok(())
    }
}

/// A part of the message, versions 8-10.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetFetchRequestTopics {
    /// Versions 8-9.
    pub name: ByteString,
    /// Versions 10+.
    pub topic_id: Uuid,
    /// Versions 8+.
    pub partition_indexes: Vec<i32>,
}

impl OffsetFetchRequestTopics {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            name: if v <= 9 { r.string(true)? } else { ByteString::new() },
            topic_id: if v >= 10 { r.uuid()? } else { Uuid::nil() },
            partition_indexes: r.array(true, 4, |r| r.i32())?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        if v <= 9 { w.put_string(true, &self.name)?; }
        if v >= 10 { w.put_uuid(self.topic_id); }
        w.put_array(true, &self.partition_indexes, |w, x| { w.put_i32(*x); Ok(()) })?;
        w.put_uvarint(0);
        Ok(())
    }
}

/// The message, versions 1-10.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetFetchResponse {
    /// Versions 3+.
    pub throttle_time_ms: i32,
    /// Versions 0-7.
    pub topics: Vec<OffsetFetchResponseTopic>,
    /// Versions 2-7; default 0.
    pub error_code: i16,
    /// Versions 8+.
    pub groups: Vec<OffsetFetchResponseGroup>,
}

impl Message for OffsetFetchResponse {
    const API_KEY: i16 = 9;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 10;

    fn is_flexible(v: i16) -> bool {
        v >= 6
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 6;
        let message = Self {
            throttle_time_ms: if v >= 3 { r.i32()? } else { 0 },
            topics: if v <= 7 {
                r.array(flex, 2, |r| OffsetFetchResponseTopic::decode(r, v))?
            } else {
                Vec::new()
            },
            error_code: if (2..=7).contains(&v) { r.i16()? } else { 0 },
            groups: if v >= 8 {
                r.array(flex, 5, |r| OffsetFetchResponseGroup::decode(r, v))?
            } else {
                Vec::new()
            },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 6;
        if v >= 3 { w.put_i32(self.throttle_time_ms); }
        if v <= 7 {
            w.put_array(flex, &self.topics, |w, x| OffsetFetchResponseTopic::encode(x, w, v))?;
        } else if !self.topics.is_empty() { return Err(unsupported_field("topics", v)); }
        if (2..=7).contains(&v) { w.put_i16(self.error_code); }
        if v >= 8 {
            w.put_array(flex, &self.groups, |w, x| OffsetFetchResponseGroup::encode(x, w, v))?;
        } else if !self.groups.is_empty() { return Err(unsupported_field("groups", v)); }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 1-7.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetFetchResponseTopic {
    /// Versions 0-7.
    pub name: ByteString,
    /// Versions 0-7.
    pub partitions: Vec<OffsetFetchResponsePartition>,
}

impl OffsetFetchResponseTopic {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 6;
        let message = Self {
            name: r.string(flex)?,
            partitions: r.array(flex, 15, |r| OffsetFetchResponsePartition::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 6;
        w.put_string(flex, &self.name)?;
        w.put_array(flex, &self.partitions, |w, x| OffsetFetchResponsePartition::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 1-7.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetFetchResponsePartition {
    /// Versions 0-7.
    pub partition_index: i32,
    /// Versions 0-7.
    pub committed_offset: i64,
    /// Versions 5-7; default -1.
    pub committed_leader_epoch: i32,
    /// Versions 0-7; nullable 0-7.
    pub metadata: Option<ByteString>,
    /// Versions 0-7.
    pub error_code: i16,
}

impl Default for OffsetFetchResponsePartition {
    fn default() -> Self {
        Self {
            partition_index: 0,
            committed_offset: 0,
            committed_leader_epoch: -1,
            metadata: Some(ByteString::new()),
            error_code: 0,
        }
    }
}

impl OffsetFetchResponsePartition {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 6;
        let message = Self {
            partition_index: r.i32()?,
            committed_offset: r.i64()?,
            committed_leader_epoch: if v >= 5 { r.i32()? } else { -1 },
            metadata: r.string_or_null(flex)?,
            error_code: r.i16()?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 6;
        w.put_i32(self.partition_index);
        w.put_i64(self.committed_offset);
        if v >= 5 { w.put_i32(self.committed_leader_epoch); }
        w.put_string_or_null(flex, self.metadata.as_deref())?;
        w.put_i16(self.error_code);
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 8-10.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetFetchResponseGroup {
    /// Versions 8+.
    pub group_id: ByteString,
    /// Versions 8+.
    pub topics: Vec<OffsetFetchResponseTopics>,
    /// Versions 8+; default 0.
    pub error_code: i16,
}

impl OffsetFetchResponseGroup {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            group_id: r.string(true)?,
            topics: r.array(true, 2, |r| OffsetFetchResponseTopics::decode(r, v))?,
            error_code: r.i16()?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        w.put_string(true, &self.group_id)?;
        w.put_array(true, &self.topics, |w, x| OffsetFetchResponseTopics::encode(x, w, v))?;
        w.put_i16(self.error_code);
        w.put_uvarint(0);
        Ok(())
    }
}

/// A part of the message, versions 8-10.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetFetchResponseTopics {
    /// Versions 8-9.
    pub name: ByteString,
    /// Versions 10+.
    pub topic_id: Uuid,
    /// Versions 8+.
    pub partitions: Vec<OffsetFetchResponsePartitions>,
}

impl OffsetFetchResponseTopics {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            name: if v <= 9 { r.string(true)? } else { ByteString::new() },
            topic_id: if v >= 10 { r.uuid()? } else { Uuid::nil() },
            partitions: r.array(true, 20, |r| OffsetFetchResponsePartitions::decode(r, v))?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        if v <= 9 { w.put_string(true, &self.name)?; }
        if v >= 10 { w.put_uuid(self.topic_id); }
        w.put_array(true, &self.partitions, |w, x| OffsetFetchResponsePartitions::encode(x, w, v))?;
        w.put_uvarint(0);
        Ok(())
    }
}

/// A part of the message, versions 8-10.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetFetchResponsePartitions {
    /// Versions 8+.
    pub partition_index: i32,
    /// Versions 8+.
    pub committed_offset: i64,
    /// Versions 8+; default -1.
    pub committed_leader_epoch: i32,
    /// Versions 8+; nullable 8+.
    pub metadata: Option<ByteString>,
    /// Versions 8+.
    pub error_code: i16,
}

impl Default for OffsetFetchResponsePartitions {
    fn default() -> Self {
        Self {
            partition_index: 0,
            committed_offset: 0,
            committed_leader_epoch: -1,
            metadata: Some(ByteString::new()),
            error_code: 0,
        }
    }
}

impl OffsetFetchResponsePartitions {
    fn decode(r: &mut Reader, _v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            partition_index: r.i32()?,
            committed_offset: r.i64()?,
            committed_leader_epoch: r.i32()?,
            metadata: r.string_or_null(true)?,
            error_code: r.i16()?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, _v: i16) -> Result<(), EncodeError> {
        w.put_i32(self.partition_index);
        w.put_i64(self.committed_offset);
        w.put_i32(self.committed_leader_epoch);
        w.put_string_or_null(true, self.metadata.as_deref())?;
        w.put_i16(self.error_code);
        w.put_uvarint(0);
        Ok(())
    }
}
