//! ElectLeaders, API key 43.
//!
//! Generated from `protocol/schema/elect_leaders.txt`: do not edit.

use bytestring::ByteString;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version, unsupported_field};

/// The message, versions 0-2.
#[derive(Debug, Clone, PartialEq)]
pub struct ElectLeadersRequest {
    /// Versions 1+.
    pub election_type: i8,
    /// Versions 0+; nullable 0+.
    pub topic_partitions: Option<Vec<TopicPartitions>>,
    /// Versions 0+; default 60000.
    pub timeout_ms: i32,
}

impl Default for ElectLeadersRequest {
    fn default() -> Self {
        Self {
            election_type: 0,
            topic_partitions: Some(Vec::new()),
            timeout_ms: 60000,
        }
    }
}

impl Message for ElectLeadersRequest {
    const API_KEY: i16 = 43;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 2;

    fn is_flexible(v: i16) -> bool {
        v >= 2
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 2;
        let message = Self {
            election_type: if v >= 1 { r.i8()? } else { 0 },
            topic_partitions: r.array_or_null(flex, 2, |r| TopicPartitions::decode(r, v))?,
            timeout_ms: r.i32()?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 2;
        if v >= 1 {
            w.put_i8(self.election_type);
        } else if self.election_type != 0 { return Err(unsupported_field("election_type", v)); }
        w.put_array_or_null(flex, self.topic_partitions.as_deref(), |w, x| TopicPartitions::encode(x, w, v))?;
        w.put_i32(self.timeout_ms);
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 0-2.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TopicPartitions {
    /// Versions 0+.
    pub topic: ByteString,
    /// Versions 0+.
    pub partitions: Vec<i32>,
}

impl TopicPartitions {
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

/// The message, versions 0-2.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ElectLeadersResponse {
    /// Versions 0+.
    pub throttle_time_ms: i32,
    /// Versions 1+.
    pub error_code: i16,
    /// Versions 0+.
    pub replica_election_results: Vec<ReplicaElectionResult>,
}

impl Message for ElectLeadersResponse {
    const API_KEY: i16 = 43;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 2;

    fn is_flexible(v: i16) -> bool {
        v >= 2
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 2;
        let message = Self {
            throttle_time_ms: r.i32()?,
            error_code: if v >= 1 { r.i16()? } else { 0 },
            replica_election_results: r.array(flex, 2, |r| ReplicaElectionResult::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 2;
        w.put_i32(self.throttle_time_ms);
        if v >= 1 {
            w.put_i16(self.error_code);
        } else if self.error_code != 0 { return Err(unsupported_field("error_code", v)); }
        w.put_array(flex, &self.replica_election_results, |w, x| ReplicaElectionResult::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 0-2.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReplicaElectionResult {
    /// Versions 0+.
    pub topic: ByteString,
    /// Versions 0+.
    pub partition_result: Vec<PartitionResult>,
}

impl ReplicaElectionResult {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 2;
        let message = Self {
            topic: r.string(flex)?,
            partition_result: r.array(flex, 7, |r| PartitionResult::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 2;
        w.put_string(flex, &self.topic)?;
        w.put_array(flex, &self.partition_result, |w, x| PartitionResult::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 0-2.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionResult {
    /// Versions 0+.
    pub partition_id: i32,
    /// Versions 0+.
    pub error_code: i16,
    /// Versions 0+; nullable 0+.
    pub error_message: Option<ByteString>,
}

impl Default for PartitionResult {
    fn default() -> Self {
        Self {
            partition_id: 0,
            error_code: 0,
            error_message: Some(ByteString::new()),
        }
    }
}

impl PartitionResult {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 2;
        let message = Self {
            partition_id: r.i32()?,
            error_code: r.i16()?,
            error_message: r.string_or_null(flex)?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 2;
        w.put_i32(self.partition_id);
        w.put_i16(self.error_code);
        w.put_string_or_null(flex, self.error_message.as_deref())?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}
