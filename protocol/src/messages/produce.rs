//! Produce, API key 0.
//!
//! Generated from `protocol/schema/produce.txt`: do not edit.

use bytes::Bytes;
use bytestring::ByteString;
use uuid::Uuid;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version, unsupported_field};

/// The message, versions 3-13.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProduceRequest {
    /// Versions 3+; nullable 3+; default null.
    pub transactional_id: Option<ByteString>,
    /// Versions 0+.
    pub acks: i16,
    /// Versions 0+.
    pub timeout_ms: i32,
    /// Versions 0+.
    pub topic_data: Vec<TopicProduceData>,
}

impl Message for ProduceRequest {
    const API_KEY: i16 = 0;
    const MIN_VERSION: i16 = 3;
    const MAX_VERSION: i16 = 13;

    fn is_flexible(v: i16) -> bool {
        v >= 9
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 9;
        let message = Self {
            transactional_id: r.string_or_null(flex)?,
            acks: r.i16()?,
            timeout_ms: r.i32()?,
            topic_data: r.array(flex, 1, |r| TopicProduceData::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 9;
        w.put_string_or_null(flex, self.transactional_id.as_deref())?;
        w.put_i16(self.acks);
        w.put_i32(self.timeout_ms);
        w.put_array(flex, &self.topic_data, |w, x| TopicProduceData::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 3-13.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TopicProduceData {
    /// Versions 0-12.
    pub name: ByteString,
    /// Versions 13+.
    pub topic_id: Uuid,
    /// Versions 0+.
    pub partition_data: Vec<PartitionProduceData>,
}

impl TopicProduceData {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 9;
        let message = Self {
            name: if v <= 12 { r.string(flex)? } else { ByteString::new() },
            topic_id: if v >= 13 { r.uuid()? } else { Uuid::nil() },
            partition_data: r.array(flex, 5, |r| PartitionProduceData::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 9;
        if v <= 12 { w.put_string(flex, &self.name)?; }
        if v >= 13 { w.put_uuid(self.topic_id); }
        w.put_array(flex, &self.partition_data, |w, x| PartitionProduceData::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 3-13.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PartitionProduceData {
    /// Versions 0+.
    pub index: i32,
    /// Versions 0+; nullable 0+.
    pub records: Option<Bytes>,
}

impl PartitionProduceData {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 9;
        let message = Self {
            index: r.i32()?,
            records: r.bytes_or_null(flex)?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 9;
        w.put_i32(self.index);
        w.put_bytes_or_null(flex, self.records.as_deref())?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// The message, versions 3-13.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProduceResponse {
    /// Versions 0+.
    pub responses: Vec<TopicProduceResponse>,
    /// Versions 1+; default 0.
    pub throttle_time_ms: i32,
    /// Versions 10+; tag 0.
    pub node_endpoints: Vec<NodeEndpoint>,
}

impl Message for ProduceResponse {
    const API_KEY: i16 = 0;
    const MIN_VERSION: i16 = 3;
    const MAX_VERSION: i16 = 13;

    fn is_flexible(v: i16) -> bool {
        v >= 9
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 9;
        let mut message = Self {
            responses: r.array(flex, 1, |r| TopicProduceResponse::decode(r, v))?,
            throttle_time_ms: r.i32()?,
            node_endpoints: Vec::new(),
        };
        if flex {
            r.tagged_fields(|r, tag| {
                match tag {
                    0 if v >= 10 => message.node_endpoints = r.array(flex, 11, |r| NodeEndpoint::decode(r, v))?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 9;
        w.put_array(flex, &self.responses, |w, x| TopicProduceResponse::encode(x, w, v))?;
        w.put_i32(self.throttle_time_ms);
        if v < 10 && !self.node_endpoints.is_empty() { return Err(unsupported_field("node_endpoints", v)); }
        if flex {
            let has_node_endpoints = v >= 10 && !self.node_endpoints.is_empty();
            w.put_uvarint(u32::from(has_node_endpoints));
            if has_node_endpoints {
                w.put_tagged_field(0, |w| { w.put_array(flex, &self.node_endpoints, |w, x| NodeEndpoint::encode(x, w, v))?; Ok(()) })?;
            }
        }
        Ok(())
    }
}

/// A part of the message, versions 3-13.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TopicProduceResponse {
    /// Versions 0-12.
    pub name: ByteString,
    /// Versions 13+.
    pub topic_id: Uuid,
    /// Versions 0+.
    pub partition_responses: Vec<PartitionProduceResponse>,
}

impl TopicProduceResponse {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 9;
        let message = Self {
            name: if v <= 12 { r.string(flex)? } else { ByteString::new() },
            topic_id: if v >= 13 { r.uuid()? } else { Uuid::nil() },
            partition_responses: r.array(flex, 22, |r| PartitionProduceResponse::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 9;
        if v <= 12 { w.put_string(flex, &self.name)?; }
        if v >= 13 { w.put_uuid(self.topic_id); }
        w.put_array(flex, &self.partition_responses, |w, x| PartitionProduceResponse::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 3-13.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionProduceResponse {
    /// Versions 0+.
    pub index: i32,
    /// Versions 0+.
    pub error_code: i16,
    /// Versions 0+.
    pub base_offset: i64,
    /// Versions 2+; default -1.
    pub log_append_time_ms: i64,
    /// Versions 5+; default -1.
    pub log_start_offset: i64,
    /// Versions 8+.
    pub record_errors: Vec<BatchIndexAndErrorMessage>,
    /// Versions 8+; nullable 8+; default null.
    pub error_message: Option<ByteString>,
    /// Versions 10+; tag 0.
    pub current_leader: LeaderIdAndEpoch,
}

impl Default for PartitionProduceResponse {
    fn default() -> Self {
        Self {
            index: 0,
            error_code: 0,
            base_offset: 0,
            log_append_time_ms: -1,
            log_start_offset: -1,
            record_errors: Vec::new(),
            error_message: None,
            current_leader: LeaderIdAndEpoch::default(),
        }
    }
}

impl PartitionProduceResponse {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 9;
        let mut message = Self {
            index: r.i32()?,
            error_code: r.i16()?,
            base_offset: r.i64()?,
            log_append_time_ms: r.i64()?,
            log_start_offset: if v >= 5 { r.i64()? } else { -1 },
            record_errors: if v >= 8 {
                r.array(flex, 5, |r| BatchIndexAndErrorMessage::decode(r, v))?
            } else {
                Vec::new()
            },
            error_message: if v >= 8 { r.string_or_null(flex)? } else { None },
            current_leader: LeaderIdAndEpoch::default(),
        };
        if flex {
            r.tagged_fields(|r, tag| {
                match tag {
                    0 if v >= 10 => message.current_leader = LeaderIdAndEpoch::decode(r, v)?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 9;
        w.put_i32(self.index);
        w.put_i16(self.error_code);
        w.put_i64(self.base_offset);
        w.put_i64(self.log_append_time_ms);
        if v >= 5 { w.put_i64(self.log_start_offset); }
        if v >= 8 {
            w.put_array(flex, &self.record_errors, |w, x| BatchIndexAndErrorMessage::encode(x, w, v))?;
        }
        if v >= 8 { w.put_string_or_null(flex, self.error_message.as_deref())?; }
        if v < 10 && self.current_leader != LeaderIdAndEpoch::default() {
            return Err(unsupported_field("current_leader", v));
        }
        if flex {
            let has_current_leader = v >= 10 && self.current_leader != LeaderIdAndEpoch::default();
            w.put_uvarint(u32::from(has_current_leader));
            if has_current_leader {
                w.put_tagged_field(0, |w| { LeaderIdAndEpoch::encode(&self.current_leader, w, v)?; Ok(()) })?;
            }
        }
        Ok(())
    }
}

/// A part of the message, versions 8-13.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BatchIndexAndErrorMessage {
    /// Versions 8+.
    pub batch_index: i32,
    /// Versions 8+; nullable 8+; default null.
    pub batch_index_error_message: Option<ByteString>,
}

impl BatchIndexAndErrorMessage {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 9;
        let message = Self {
            batch_index: r.i32()?,
            batch_index_error_message: r.string_or_null(flex)?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 9;
        w.put_i32(self.batch_index);
        w.put_string_or_null(flex, self.batch_index_error_message.as_deref())?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 10-13.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaderIdAndEpoch {
    /// Versions 10+; default -1.
    pub leader_id: i32,
    /// Versions 10+; default -1.
    pub leader_epoch: i32,
}

impl Default for LeaderIdAndEpoch {
    fn default() -> Self {
        Self {
            leader_id: -1,
            leader_epoch: -1,
        }
    }
}

impl LeaderIdAndEpoch {
    fn decode(r: &mut Reader, _v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            leader_id: r.i32()?,
            leader_epoch: r.i32()?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, _v: i16) -> Result<(), EncodeError> {
        w.put_i32(self.leader_id);
        w.put_i32(self.leader_epoch);
        w.put_uvarint(0);
        Ok(())
    }
}

/// A part of the message, versions 10-13.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NodeEndpoint {
    /// Versions 10+.
    pub node_id: i32,
    /// Versions 10+.
    pub host: ByteString,
    /// Versions 10+.
    pub port: i32,
    /// Versions 10+; nullable 10+; default null.
    pub rack: Option<ByteString>,
}

impl NodeEndpoint {
    fn decode(r: &mut Reader, _v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            node_id: r.i32()?,
            host: r.string(true)?,
            port: r.i32()?,
            rack: r.string_or_null(true)?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, _v: i16) -> Result<(), EncodeError> {
        w.put_i32(self.node_id);
        w.put_string(true, &self.host)?;
        w.put_i32(self.port);
        w.put_string_or_null(true, self.rack.as_deref())?;
        w.put_uvarint(0);
        Ok(())
    }
}
