//! ListPartitionReassignments, API key 46.
//!
//! Generated from `protocol/schema/list_partition_reassignments.txt`: do not edit.

use bytestring::ByteString;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version};

/// The message, versions 0.
#[derive(Debug, Clone, PartialEq)]
pub struct ListPartitionReassignmentsRequest {
    /// Versions 0+; default 60000.
    pub timeout_ms: i32,
    /// Versions 0+; nullable 0+; default null.
    pub topics: Option<Vec<ListPartitionReassignmentsTopics>>,
}

impl Default for ListPartitionReassignmentsRequest {
    fn default() -> Self {
        Self {
            timeout_ms: 60000,
            topics: None,
        }
    }
}

impl Message for ListPartitionReassignmentsRequest {
    const API_KEY: i16 = 46;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 0;

    fn is_flexible(_v: i16) -> bool {
        true
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let message = Self {
            timeout_ms: r.i32()?,
            topics: r.array_or_null(true, 3, |r| ListPartitionReassignmentsTopics::decode(r, v))?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        w.put_i32(self.timeout_ms);
        w.put_array_or_null(true, self.topics.as_deref(), |w, x| ListPartitionReassignmentsTopics::encode(x, w, v))?;
        w.put_uvarint(0);
        Ok(())
    }
}

/// A part of the message, versions 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListPartitionReassignmentsTopics {
    /// Versions 0+.
    pub name: ByteString,
    /// Versions 0+.
    pub partition_indexes: Vec<i32>,
}

impl ListPartitionReassignmentsTopics {
    fn decode(r: &mut Reader, _v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            name: r.string(true)?,
            partition_indexes: r.array(true, 4, |r| r.i32())?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, _v: i16) -> Result<(), EncodeError> {
        w.put_string(true, &self.name)?;
        w.put_array(true, &self.partition_indexes, |w, x| { w.put_i32(*x); Ok(()) })?;
        w.put_uvarint(0);
        Ok(())
    }
}

/// The message, versions 0.
#[derive(Debug, Clone, PartialEq)]
pub struct ListPartitionReassignmentsResponse {
    /// Versions 0+.
    pub throttle_time_ms: i32,
    /// Versions 0+.
    pub error_code: i16,
    /// Versions 0+; nullable 0+.
    pub error_message: Option<ByteString>,
    /// Versions 0+.
    pub topics: Vec<OngoingTopicReassignment>,
}

impl Default for ListPartitionReassignmentsResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            error_code: 0,
            error_message: Some(ByteString::new()),
            topics: Vec::new(),
        }
    }
}

impl Message for ListPartitionReassignmentsResponse {
    const API_KEY: i16 = 46;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 0;

    fn is_flexible(_v: i16) -> bool {
        true
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let message = Self {
            throttle_time_ms: r.i32()?,
            error_code: r.i16()?,
            error_message: r.string_or_null(true)?,
            topics: r.array(true, 3, |r| OngoingTopicReassignment::decode(r, v))?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        w.put_i32(self.throttle_time_ms);
        w.put_i16(self.error_code);
        w.put_string_or_null(true, self.error_message.as_deref())?;
        w.put_array(true, &self.topics, |w, x| OngoingTopicReassignment::encode(x, w, v))?;
        w.put_uvarint(0);
        Ok(())
    }
}

/// A part of the message, versions 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OngoingTopicReassignment {
    /// Versions 0+.
    pub name: ByteString,
    /// Versions 0+.
    pub partitions: Vec<OngoingPartitionReassignment>,
}

impl OngoingTopicReassignment {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            name: r.string(true)?,
            partitions: r.array(true, 8, |r| OngoingPartitionReassignment::decode(r, v))?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        w.put_string(true, &self.name)?;
        w.put_array(true, &self.partitions, |w, x| OngoingPartitionReassignment::encode(x, w, v))?;
        w.put_uvarint(0);
        Ok(())
    }
}

/// A part of the message, versions 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OngoingPartitionReassignment {
    /// Versions 0+.
    pub partition_index: i32,
    /// Versions 0+.
    pub replicas: Vec<i32>,
    /// Versions 0+.
    pub adding_replicas: Vec<i32>,
    /// Versions 0+.
    pub removing_replicas: Vec<i32>,
}

impl OngoingPartitionReassignment {
    fn decode(r: &mut Reader, _v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            partition_index: r.i32()?,
            replicas: r.array(true, 4, |r| r.i32())?,
            adding_replicas: r.array(true, 4, |r| r.i32())?,
            removing_replicas: r.array(true, 4, |r| r.i32())?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, _v: i16) -> Result<(), EncodeError> {
        w.put_i32(self.partition_index);
        w.put_array(true, &self.replicas, |w, x| { w.put_i32(*x); Ok(()) })?;
        w.put_array(true, &self.adding_replicas, |w, x| { w.put_i32(*x); Ok(()) })?;
        w.put_array(true, &self.removing_replicas, |w, x| { w.put_i32(*x); Ok(()) })?;
        w.put_uvarint(0);
        Ok(())
    }
}
