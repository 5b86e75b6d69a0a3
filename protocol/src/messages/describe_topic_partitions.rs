//! DescribeTopicPartitions, API key 75.
//!
//! Generated from `protocol/schema/describe_topic_partitions.txt`: do not edit.

use bytestring::ByteString;
use uuid::Uuid;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version};

/// The message, versions 0.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeTopicPartitionsRequest {
    /// Versions 0+.
    pub topics: Vec<TopicRequest>,
    /// Versions 0+; default 2000.
    pub response_partition_limit: i32,
    /// Versions 0+; nullable 0+; default null.
    pub cursor: Option<Cursor>,
}

impl Default for DescribeTopicPartitionsRequest {
    fn default() -> Self {
        Self {
            topics: Vec::new(),
            response_partition_limit: 2000,
            cursor: None,
        }
    }
}

impl Message for DescribeTopicPartitionsRequest {
    const API_KEY: i16 = 75;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 0;

    fn is_flexible(_v: i16) -> bool {
        true
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let message = Self {
            topics: r.array(true, 2, |r| TopicRequest::decode(r, v))?,
            response_partition_limit: r.i32()?,
            cursor: if r.is_present()? { Some(Cursor::decode(r, v)?) } else { None },
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        w.put_array(true, &self.topics, |w, x| TopicRequest::encode(x, w, v))?;
        w.put_i32(self.response_partition_limit);
        w.put_presence(self.cursor.is_some()); if let Some(x) = &self.cursor { Cursor::encode(x, w, v)?; }
        w.put_uvarint(0);
        Ok(())
    }
}

/// A part of the message, versions 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TopicRequest {
    /// Versions 0+.
    pub name: ByteString,
}

impl TopicRequest {
    fn decode(r: &mut Reader, _v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            name: r.string(true)?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, _v: i16) -> Result<(), EncodeError> {
        w.put_string(true, &self.name)?;
        w.put_uvarint(0);
        Ok(())
    }
}

/// A part of the message, versions 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cursor {
    /// Versions 0+.
    pub topic_name: ByteString,
    /// Versions 0+.
    pub partition_index: i32,
}

impl Cursor {
    fn decode(r: &mut Reader, _v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            topic_name: r.string(true)?,
            partition_index: r.i32()?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, _v: i16) -> Result<(), EncodeError> {
        w.put_string(true, &self.topic_name)?;
        w.put_i32(self.partition_index);
        w.put_uvarint(0);
        Ok(())
    }
}

/// The message, versions 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeTopicPartitionsResponse {
    /// Versions 0+.
    pub throttle_time_ms: i32,
    /// Versions 0+.
    pub topics: Vec<DescribeTopicPartitionsResponseTopic>,
    /// Versions 0+; nullable 0+; default null.
    pub next_cursor: Option<ResponseCursor>,
}

impl Message for DescribeTopicPartitionsResponse {
    const API_KEY: i16 = 75;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 0;

    fn is_flexible(_v: i16) -> bool {
        true
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let message = Self {
            throttle_time_ms: r.i32()?,
            topics: r.array(true, 26, |r| DescribeTopicPartitionsResponseTopic::decode(r, v))?,
            next_cursor: if r.is_present()? { Some(ResponseCursor::decode(r, v)?) } else { None },
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        w.put_i32(self.throttle_time_ms);
        w.put_array(true, &self.topics, |w, x| DescribeTopicPartitionsResponseTopic::encode(x, w, v))?;
        w.put_presence(self.next_cursor.is_some()); if let Some(x) = &self.next_cursor { ResponseCursor::encode(x, w, v)?; }
        w.put_uvarint(0);
        Ok(())
    }
}

/// A part of the message, versions 0.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeTopicPartitionsResponseTopic {
    /// Versions 0+.
    pub error_code: i16,
    /// Versions 0+; nullable 0+.
    pub name: Option<ByteString>,
    /// Versions 0+.
    pub topic_id: Uuid,
    /// Versions 0+; default false.
    pub is_internal: bool,
    /// Versions 0+.
    pub partitions: Vec<DescribeTopicPartitionsResponsePartition>,
    /// Versions 0+; default -2147483648.
    pub topic_authorized_operations: i32,
}

impl Default for DescribeTopicPartitionsResponseTopic {
    fn default() -> Self {
        Self {
            error_code: 0,
            name: Some(ByteString::new()),
            topic_id: Uuid::nil(),
            is_internal: false,
            partitions: Vec::new(),
            topic_authorized_operations: -2147483648,
        }
    }
}

impl DescribeTopicPartitionsResponseTopic {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            error_code: r.i16()?,
            name: r.string_or_null(true)?,
            topic_id: r.uuid()?,
            is_internal: r.bool()?,
            partitions: r.array(true, 20, |r| DescribeTopicPartitionsResponsePartition::decode(r, v))?,
            topic_authorized_operations: r.i32()?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        w.put_i16(self.error_code);
        w.put_string_or_null(true, self.name.as_deref())?;
        w.put_uuid(self.topic_id);
        w.put_bool(self.is_internal);
        w.put_array(true, &self.partitions, |w, x| DescribeTopicPartitionsResponsePartition::encode(x, w, v))?;
        w.put_i32(self.topic_authorized_operations);
        w.put_uvarint(0);
        Ok(())
    }
}

/// A part of the message, versions 0.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeTopicPartitionsResponsePartition {
    /// Versions 0+.
    pub error_code: i16,
    /// Versions 0+.
    pub partition_index: i32,
    /// Versions 0+.
    pub leader_id: i32,
    /// Versions 0+; default -1.
    pub leader_epoch: i32,
    /// Versions 0+.
    pub replica_nodes: Vec<i32>,
    /// Versions 0+.
    pub isr_nodes: Vec<i32>,
    /// Versions 0+; nullable 0+; default null.
    pub eligible_leader_replicas: Option<Vec<i32>>,
    /// Versions 0+; nullable 0+; default null.
    pub last_known_elr: Option<Vec<i32>>,
    /// Versions 0+.
    pub offline_replicas: Vec<i32>,
}

impl Default for DescribeTopicPartitionsResponsePartition {
    fn default() -> Self {
        Self {
            error_code: 0,
            partition_index: 0,
            leader_id: 0,
            leader_epoch: -1,
            replica_nodes: Vec::new(),
            isr_nodes: Vec::new(),
            eligible_leader_replicas: None,
            last_known_elr: None,
            offline_replicas: Vec::new(),
        }
    }
}

impl DescribeTopicPartitionsResponsePartition {
    fn decode(r: &mut Reader, _v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            error_code: r.i16()?,
            partition_index: r.i32()?,
            leader_id: r.i32()?,
            leader_epoch: r.i32()?,
            replica_nodes: r.array(true, 4, |r| r.i32())?,
            isr_nodes: r.array(true, 4, |r| r.i32())?,
            eligible_leader_replicas: r.array_or_null(true, 4, |r| r.i32())?,
            last_known_elr: r.array_or_null(true, 4, |r| r.i32())?,
            offline_replicas: r.array(true, 4, |r| r.i32())?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, _v: i16) -> Result<(), EncodeError> {
        w.put_i16(self.error_code);
        w.put_i32(self.partition_index);
        w.put_i32(self.leader_id);
        w.put_i32(self.leader_epoch);
        w.put_array(true, &self.replica_nodes, |w, x| { w.put_i32(*x); Ok(()) })?;
        w.put_array(true, &self.isr_nodes, |w, x| { w.put_i32(*x); Ok(()) })?;
        w.put_array_or_null(true, self.eligible_leader_replicas.as_deref(), |w, x| { w.put_i32(*x); Ok(()) })?;
        w.put_array_or_null(true, self.last_known_elr.as_deref(), |w, x| { w.put_i32(*x); Ok(()) })?;
        w.put_array(true, &self.offline_replicas, |w, x| { w.put_i32(*x); Ok(()) })?;
        w.put_uvarint(0);
        Ok(())
    }
}

/// A part of the message, versions 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ResponseCursor {
    /// Versions 0+.
    pub topic_name: ByteString,
    /// Versions 0+.
    pub partition_index: i32,
}

impl ResponseCursor {
    fn decode(r: &mut Reader, _v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            topic_name: r.string(true)?,
            partition_index: r.i32()?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, _v: i16) -> Result<(), EncodeError> {
        w.put_string(true, &self.topic_name)?;
        w.put_i32(self.partition_index);
        w.put_uvarint(0);
        Ok(())
    }
}
