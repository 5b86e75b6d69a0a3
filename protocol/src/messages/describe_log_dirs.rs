//! DescribeLogDirs, API key 35.
//!
//! Generated from `protocol/schema/describe_log_dirs.txt`: do not edit.

use bytestring::ByteString;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version};

/// The message, versions 1-5.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeLogDirsRequest {
    /// Versions 0+; nullable 0+.
    pub topics: Option<Vec<DescribableLogDirTopic>>,
}

impl Default for DescribeLogDirsRequest {
    fn default() -> Self {
        Self {
            topics: Some(Vec::new()),
        }
    }
}

impl Message for DescribeLogDirsRequest {
    const API_KEY: i16 = 35;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 5;

    fn is_flexible(v: i16) -> bool {
        v >= 2
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 2;
        let message = Self {
            topics: r.array_or_null(flex, 2, |r| DescribableLogDirTopic::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 2;
        w.put_array_or_null(flex, self.topics.as_deref(), |w, x| DescribableLogDirTopic::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 1-5.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribableLogDirTopic {
    /// Versions 0+.
    pub topic: ByteString,
    /// Versions 0+.
    pub partitions: Vec<i32>,
}

impl DescribableLogDirTopic {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 2;
        let message = Self {
            topic: r.string(flex)?,
            partitions: r.array(flex, 4, |r| r.i32())?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 2;
        w.put_string(flex, &self.topic)?;
        w.put_array(flex, &self.partitions, |w, x| { w.put_i32(*x); Ok(()) })?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// The message, versions 1-5.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeLogDirsResponse {
    /// Versions 0+.
    pub throttle_time_ms: i32,
    /// Versions 3+.
    pub error_code: i16,
    /// Versions 0+.
    pub results: Vec<DescribeLogDirsResult>,
}

impl Message for DescribeLogDirsResponse {
    const API_KEY: i16 = 35;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 5;

    fn is_flexible(v: i16) -> bool {
        v >= 2
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 2;
        let message = Self {
            throttle_time_ms: r.i32()?,
            error_code: if v >= 3 { r.i16()? } else { 0 },
            results: r.array(flex, 4, |r| DescribeLogDirsResult::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 2;
        w.put_i32(self.throttle_time_ms);
        if v >= 3 { w.put_i16(self.error_code); }
        w.put_array(flex, &self.results, |w, x| DescribeLogDirsResult::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 1-5.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeLogDirsResult {
    /// Versions 0+.
    pub error_code: i16,
    /// Versions 0+.
    pub log_dir: ByteString,
    /// Versions 0+.
    pub topics: Vec<DescribeLogDirsTopic>,
    /// Versions 4+; default -1.
    pub total_bytes: i64,
    /// Versions 4+; default -1.
    pub usable_bytes: i64,
    /// Versions 5+; default false.
    pub is_cordoned: bool,
}

impl Default for DescribeLogDirsResult {
    fn default() -> Self {
        Self {
            error_code: 0,
            log_dir: ByteString::new(),
            topics: Vec::new(),
            total_bytes: -1,
            usable_bytes: -1,
            is_cordoned: false,
        }
    }
}

impl DescribeLogDirsResult {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 2;
        let message = Self {
            error_code: r.i16()?,
            log_dir: r.string(flex)?,
            topics: r.array(flex, 2, |r| DescribeLogDirsTopic::decode(r, v))?,
            total_bytes: if v >= 4 { r.i64()? } else { -1 },
            usable_bytes: if v >= 4 { r.i64()? } else { -1 },
            is_cordoned: if v >= 5 { r.bool()? } else { false },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 2;
        w.put_i16(self.error_code);
        w.put_string(flex, &self.log_dir)?;
        w.put_array(flex, &self.topics, |w, x| DescribeLogDirsTopic::encode(x, w, v))?;
        if v >= 4 { w.put_i64(self.total_bytes); }
        if v >= 4 { w.put_i64(self.usable_bytes); }
        if v >= 5 { w.put_bool(self.is_cordoned); }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 1-5.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeLogDirsTopic {
    /// Versions 0+.
    pub name: ByteString,
    /// Versions 0+.
    pub partitions: Vec<DescribeLogDirsPartition>,
}

impl DescribeLogDirsTopic {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 2;
        let message = Self {
            name: r.string(flex)?,
            partitions: r.array(flex, 21, |r| DescribeLogDirsPartition::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 2;
        w.put_string(flex, &self.name)?;
        w.put_array(flex, &self.partitions, |w, x| DescribeLogDirsPartition::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 1-5.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeLogDirsPartition {
    /// Versions 0+.
    pub partition_index: i32,
    /// Versions 0+.
    pub partition_size: i64,
    /// Versions 0+.
    pub offset_lag: i64,
    /// Versions 0+.
    pub is_future_key: bool,
}

impl DescribeLogDirsPartition {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 2;
        let message = Self {
            partition_index: r.i32()?,
            partition_size: r.i64()?,
            offset_lag: r.i64()?,
            is_future_key: r.bool()?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 2;
        w.put_i32(self.partition_index);
        w.put_i64(self.partition_size);
        w.put_i64(self.offset_lag);
        w.put_bool(self.is_future_key);
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}
