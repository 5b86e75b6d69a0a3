//! OffsetDelete, API key 47.
//!
//! Generated from `protocol/schema/offset_delete.txt`: do not edit.

use bytestring::ByteString;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version};

/// The message, versions 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetDeleteRequest {
    /// Versions 0+.
    pub group_id: ByteString,
    /// Versions 0+.
    pub topics: Vec<OffsetDeleteRequestTopic>,
}

impl Message for OffsetDeleteRequest {
    const API_KEY: i16 = 47;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 0;

    fn is_flexible(_v: i16) -> bool {
        false
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let message = Self {
            group_id: r.string(false)?,
            topics: r.array(false, 6, |r| OffsetDeleteRequestTopic::decode(r, v))?,
        };
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        w.put_string(false, &self.group_id)?;
        w.put_array(false, &self.topics, |w, x| OffsetDeleteRequestTopic::encode(x, w, v))?;
        Ok(())
    }
}

/// A part of the message, versions 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetDeleteRequestTopic {
    /// Versions 0+.
    pub name: ByteString,
    /// Versions 0+.
    pub partitions: Vec<OffsetDeleteRequestPartition>,
}

impl OffsetDeleteRequestTopic {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            name: r.string(false)?,
            partitions: r.array(false, 4, |r| OffsetDeleteRequestPartition::decode(r, v))?,
        };
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        w.put_string(false, &self.name)?;
        w.put_array(false, &self.partitions, |w, x| OffsetDeleteRequestPartition::encode(x, w, v))?;
        Ok(())
    }
}

/// A part of the message, versions 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetDeleteRequestPartition {
    /// Versions 0+.
    pub partition_index: i32,
}

impl OffsetDeleteRequestPartition {
    fn decode(r: &mut Reader, _v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            partition_index: r.i32()?,
        };
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, _v: i16) -> Result<(), EncodeError> {
        w.put_i32(self.partition_index);
        Ok(())
    }
}

/// The message, versions 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetDeleteResponse {
    /// Versions 0+.
    pub error_code: i16,
    /// Versions 0+.
    pub throttle_time_ms: i32,
    /// Versions 0+.
    pub topics: Vec<OffsetDeleteResponseTopic>,
}

impl Message for OffsetDeleteResponse {
    const API_KEY: i16 = 47;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 0;

    fn is_flexible(_v: i16) -> bool {
        false
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let message = Self {
            error_code: r.i16()?,
            throttle_time_ms: r.i32()?,
            topics: r.array(false, 6, |r| OffsetDeleteResponseTopic::decode(r, v))?,
        };
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        w.put_i16(self.error_code);
        w.put_i32(self.throttle_time_ms);
        w.put_array(false, &self.topics, |w, x| OffsetDeleteResponseTopic::encode(x, w, v))?;
        Ok(())
    }
}

/// A part of the message, versions 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetDeleteResponseTopic {
    /// Versions 0+.
    pub name: ByteString,
    /// Versions 0+.
    pub partitions: Vec<OffsetDeleteResponsePartition>,
}

impl OffsetDeleteResponseTopic {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            name: r.string(false)?,
            partitions: r.array(false, 6, |r| OffsetDeleteResponsePartition::decode(r, v))?,
        };
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        w.put_string(false, &self.name)?;
        w.put_array(false, &self.partitions, |w, x| OffsetDeleteResponsePartition::encode(x, w, v))?;
        Ok(())
    }
}

/// A part of the message, versions 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetDeleteResponsePartition {
    /// Versions 0+.
    pub partition_index: i32,
    /// Versions 0+.
    pub error_code: i16,
}

impl OffsetDeleteResponsePartition {
    fn decode(r: &mut Reader, _v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            partition_index: r.i32()?,
            error_code: r.i16()?,
        };
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, _v: i16) -> Result<(), EncodeError> {
        w.put_i32(self.partition_index);
        w.put_i16(self.error_code);
        Ok(())
    }
}
