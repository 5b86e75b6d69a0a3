//! CreatePartitions, API key 37.
//!
//! Generated from `protocol/schema/create_partitions.txt`: do not edit.

use bytestring::ByteString;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version};

/// The message, versions 0-3.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreatePartitionsRequest {
    /// Versions 0+.
    pub topics: Vec<CreatePartitionsTopic>,
    /// Versions 0+.
    pub timeout_ms: i32,
    /// Versions 0+.
    pub validate_only: bool,
}

impl Message for CreatePartitionsRequest {
    const API_KEY: i16 = 37;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 3;

    fn is_flexible(v: i16) -> bool {
        v >= 2
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 2;
        let message = Self {
            topics: r.array(flex, 6, |r| CreatePartitionsTopic::decode(r, v))?,
            timeout_ms: r.i32()?,
            validate_only: r.bool()?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 2;
        w.put_array(flex, &self.topics, |w, x| CreatePartitionsTopic::encode(x, w, v))?;
        w.put_i32(self.timeout_ms);
        w.put_bool(self.validate_only);
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 0-3.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatePartitionsTopic {
    /// Versions 0+.
    pub name: ByteString,
    /// Versions 0+.
    pub count: i32,
    /// Versions 0+; nullable 0+.
    pub assignments: Option<Vec<CreatePartitionsAssignment>>,
}

impl Default for CreatePartitionsTopic {
    fn default() -> Self {
        Self {
            name: ByteString::new(),
            count: 0,
            assignments: Some(Vec::new()),
        }
    }
}

impl CreatePartitionsTopic {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 2;
        let message = Self {
            name: r.string(flex)?,
            count: r.i32()?,
            assignments: r.array_or_null(flex, 1, |r| CreatePartitionsAssignment::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 2;
        w.put_string(flex, &self.name)?;
        w.put_i32(self.count);
        w.put_array_or_null(flex, self.assignments.as_deref(), |w, x| CreatePartitionsAssignment::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 0-3.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreatePartitionsAssignment {
    /// Versions 0+.
    pub broker_ids: Vec<i32>,
}

impl CreatePartitionsAssignment {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 2;
        let message = Self {
            broker_ids: r.array(flex, 4, |r| r.i32())?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 2;
        w.put_array(flex, &self.broker_ids, |w, x| { w.put_i32(*x); Ok(()) })?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// The message, versions 0-3.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreatePartitionsResponse {
    /// Versions 0+.
    pub throttle_time_ms: i32,
    /// Versions 0+.
    pub results: Vec<CreatePartitionsTopicResult>,
}

impl Message for CreatePartitionsResponse {
    const API_KEY: i16 = 37;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 3;

    fn is_flexible(v: i16) -> bool {
        v >= 2
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 2;
        let message = Self {
            throttle_time_ms: r.i32()?,
            results: r.array(flex, 4, |r| CreatePartitionsTopicResult::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 2;
        w.put_i32(self.throttle_time_ms);
        w.put_array(flex, &self.results, |w, x| CreatePartitionsTopicResult::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 0-3.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreatePartitionsTopicResult {
    /// Versions 0+.
    pub name: ByteString,
    /// Versions 0+.
    pub error_code: i16,
    /// Versions 0+; nullable 0+; default null.
    pub error_message: Option<ByteString>,
}

impl CreatePartitionsTopicResult {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 2;
        let message = Self {
            name: r.string(flex)?,
            error_code: r.i16()?,
            error_message: r.string_or_null(flex)?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 2;
        w.put_string(flex, &self.name)?;
        w.put_i16(self.error_code);
        w.put_string_or_null(flex, self.error_message.as_deref())?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}
