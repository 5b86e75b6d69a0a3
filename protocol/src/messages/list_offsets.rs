//! ListOffsets, API key 2.
//!
//! Generated from `protocol/schema/list_offsets.txt`: do not edit.

use bytestring::ByteString;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version, unsupported_field};

/// The message, versions 1-11.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListOffsetsRequest {
    /// Versions 0+.
    pub replica_id: i32,
    /// Versions 2+.
    pub isolation_level: i8,
    /// Versions 0+.
    pub topics: Vec<ListOffsetsTopic>,
    /// Versions 10+.
    pub timeout_ms: i32,
}

impl Message for ListOffsetsRequest {
    const API_KEY: i16 = 2;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 11;

    fn is_flexible(v: i16) -> bool {
        v >= 6
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 6;
        let message = Self {
            replica_id: r.i32()?,
            isolation_level: if v >= 2 { r.i8()? } else { 0 },
            topics: r.array(flex, 2, |r| ListOffsetsTopic::decode(r, v))?,
            timeout_ms: if v >= 10 { r.i32()? } else { 0 },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 6;
        w.put_i32(self.replica_id);
        if v >= 2 {
            w.put_i8(self.isolation_level);
        } else if self.isolation_level != 0 { return Err(unsupported_field("isolation_level", v)); }
        w.put_array(flex, &self.topics, |w, x| ListOffsetsTopic::encode(x, w, v))?;
        if v >= 10 { w.put_i32(self.timeout_ms); }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 1-11.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListOffsetsTopic {
    /// Versions 0+.
    pub name: ByteString,
    /// Versions 0+.
    pub partitions: Vec<ListOffsetsPartition>,
}

impl ListOffsetsTopic {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 6;
        let message = Self {
            name: r.string(flex)?,
            partitions: r.array(flex, 12, |r| ListOffsetsPartition::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 6;
        w.put_string(flex, &self.name)?;
        w.put_array(flex, &self.partitions, |w, x| ListOffsetsPartition::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 1-11.
#[derive(Debug, Clone, PartialEq)]
pub struct ListOffsetsPartition {
    /// Versions 0+.
    pub partition_index: i32,
    /// Versions 4+; default -1.
    pub current_leader_epoch: i32,
    /// Versions 0+.
    pub timestamp: i64,
}

impl Default for ListOffsetsPartition {
    fn default() -> Self {
        Self {
            partition_index: 0,
            current_leader_epoch: -1,
            timestamp: 0,
        }
    }
}

impl ListOffsetsPartition {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 6;
        let message = Self {
            partition_index: r.i32()?,
            current_leader_epoch: if v >= 4 { r.i32()? } else { -1 },
            timestamp: r.i64()?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 6;
        w.put_i32(self.partition_index);
        if v >= 4 { w.put_i32(self.current_leader_epoch); }
        w.put_i64(self.timestamp);
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// The message, versions 1-11.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListOffsetsResponse {
    /// Versions 2+.
    pub throttle_time_ms: i32,
    /// Versions 0+.
    pub topics: Vec<ListOffsetsTopicResponse>,
}

impl Message for ListOffsetsResponse {
    const API_KEY: i16 = 2;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 11;

    fn is_flexible(v: i16) -> bool {
        v >= 6
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 6;
        let message = Self {
            throttle_time_ms: if v >= 2 { r.i32()? } else { 0 },
            topics: r.array(flex, 2, |r| ListOffsetsTopicResponse::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 6;
        if v >= 2 { w.put_i32(self.throttle_time_ms); }
        w.put_array(flex, &self.topics, |w, x| ListOffsetsTopicResponse::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 1-11.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListOffsetsTopicResponse {
    /// Versions 0+.
    pub name: ByteString,
    /// Versions 0+.
    pub partitions: Vec<ListOffsetsPartitionResponse>,
}

impl ListOffsetsTopicResponse {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 6;
        let message = Self {
            name: r.string(flex)?,
            partitions: r.array(flex, 22, |r| ListOffsetsPartitionResponse::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 6;
        w.put_string(flex, &self.name)?;
        w.put_array(flex, &self.partitions, |w, x| ListOffsetsPartitionResponse::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 1-11.
#[derive(Debug, Clone, PartialEq)]
pub struct ListOffsetsPartitionResponse {
    /// Versions 0+.
    pub partition_index: i32,
    /// Versions 0+.
    pub error_code: i16,
    /// Versions 1+; default -1.
    pub timestamp: i64,
    /// Versions 1+; default -1.
    pub offset: i64,
    /// Versions 4+; default -1.
    pub leader_epoch: i32,
}

impl Default for ListOffsetsPartitionResponse {
    fn default() -> Self {
        Self {
            partition_index: 0,
            error_code: 0,
            timestamp: -1,
            offset: -1,
            leader_epoch: -1,
        }
    }
}

impl ListOffsetsPartitionResponse {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 6;
        let message = Self {
            partition_index: r.i32()?,
            error_code: r.i16()?,
            timestamp: r.i64()?,
            offset: r.i64()?,
            leader_epoch: if v >= 4 { r.i32()? } else { -1 },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 6;
        w.put_i32(self.partition_index);
        w.put_i16(self.error_code);
        w.put_i64(self.timestamp);
        w.put_i64(self.offset);
        if v >= 4 {
            w.put_i32(self.leader_epoch);
        } else if self.leader_epoch != -1 { return Err(unsupported_field("leader_epoch", v)); }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}
