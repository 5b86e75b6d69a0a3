//! Data formats of consumer protocol.
//!
//! Generated from `protocol/schema/consumer_protocol.txt`: do not edit.

use bytes::Bytes;
use bytestring::ByteString;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version};

/// The message, versions 0-3.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsumerProtocolSubscription {
    /// Versions 0+.
    pub topics: Vec<ByteString>,
    /// Versions 0+; nullable 0+; default null.
    pub user_data: Option<Bytes>,
    /// Versions 1+.
    pub owned_partitions: Vec<TopicPartition>,
    /// Versions 2+; default -1.
    pub generation_id: i32,
    /// Versions 3+; nullable 3+; default null.
    pub rack_id: Option<ByteString>,
}

impl Default for ConsumerProtocolSubscription {
    fn default() -> Self {
        Self {
            topics: Vec::new(),
            user_data: None,
            owned_partitions: Vec::new(),
            generation_id: -1,
            rack_id: None,
        }
    }
}

impl Message for ConsumerProtocolSubscription {
    const API_KEY: i16 = -1;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 3;

    fn is_flexible(_v: i16) -> bool {
        false
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let message = Self {
            topics: r.array(false, 2, |r| r.string(false))?,
            user_data: r.bytes_or_null(false)?,
            owned_partitions: if v >= 1 {
                r.array(false, 6, |r| TopicPartition::decode(r, v))?
            } else {
                Vec::new()
            },
            generation_id: if v >= 2 { r.i32()? } else { -1 },
            rack_id: if v >= 3 { r.string_or_null(false)? } else { None },
        };
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        w.put_array(false, &self.topics, |w, x| w.put_string(false, x))?;
        w.put_bytes_or_null(false, self.user_data.as_deref())?;
        if v >= 1 { w.put_array(false, &self.owned_partitions, |w, x| TopicPartition::encode(x, w, v))?; }
        if v >= 2 { w.put_i32(self.generation_id); }
        if v >= 3 { w.put_string_or_null(false, self.rack_id.as_deref())?; }
        Ok(())
    }
}

/// A part of the message, versions 1-3.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TopicPartition {
    /// Versions 1+.
    pub topic: ByteString,
    /// Versions 1+.
    pub partitions: Vec<i32>,
}

impl TopicPartition {
    fn decode(r: &mut Reader, _v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            topic: r.string(false)?,
            partitions: r.array(false, 4, |r| r.i32())?,
        };
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, _v: i16) -> Result<(), EncodeError> {
        w.put_string(false, &self.topic)?;
        w.put_array(false, &self.partitions, |w, x| { w.put_i32(*x); Ok(()) })?;
        Ok(())
    }
}

/// The message, versions 0-3.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConsumerProtocolAssignment {
    /// Versions 0+.
    pub assigned_partitions: Vec<AssignmentTopicPartition>,
    /// Versions 0+; nullable 0+; default null.
    pub user_data: Option<Bytes>,
}

impl Message for ConsumerProtocolAssignment {
    const API_KEY: i16 = -1;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 3;

    fn is_flexible(_v: i16) -> bool {
        false
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let message = Self {
            assigned_partitions: r.array(false, 6, |r| AssignmentTopicPartition::decode(r, v))?,
            user_data: r.bytes_or_null(false)?,
        };
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        w.put_array(false, &self.assigned_partitions, |w, x| AssignmentTopicPartition::encode(x, w, v))?;
        w.put_bytes_or_null(false, self.user_data.as_deref())?;
        Ok(())
    }
}

/// A part of the message, versions 0-3.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AssignmentTopicPartition {
    /// Versions 0+.
    pub topic: ByteString,
    /// Versions 0+.
    pub partitions: Vec<i32>,
}

impl AssignmentTopicPartition {
    fn decode(r: &mut Reader, _v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            topic: r.string(false)?,
            partitions: r.array(false, 4, |r| r.i32())?,
        };
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, _v: i16) -> Result<(), EncodeError> {
        w.put_string(false, &self.topic)?;
        w.put_array(false, &self.partitions, |w, x| { w.put_i32(*x); Ok(()) })?;
        Ok(())
    }
}
