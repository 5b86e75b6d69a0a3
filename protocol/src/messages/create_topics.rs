//! CreateTopics, API key 19.
//!
//! Generated from `protocol/schema/create_topics.txt`: do not edit.

use bytestring::ByteString;
use uuid::Uuid;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version};

/// The message, versions 2-7.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTopicsRequest {
    /// Versions 0+.
    pub topics: Vec<CreatableTopic>,
    /// Versions 0+; default 60000.
    pub timeout_ms: i32,
    /// Versions 1+; default false.
    pub validate_only: bool,
}

impl Default for CreateTopicsRequest {
    fn default() -> Self {
        Self {
            topics: Vec::new(),
            timeout_ms: 60000,
            validate_only: false,
        }
    }
}

impl Message for CreateTopicsRequest {
    const API_KEY: i16 = 19;
    const MIN_VERSION: i16 = 2;
    const MAX_VERSION: i16 = 7;

    fn is_flexible(v: i16) -> bool {
        v >= 5
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 5;
        let message = Self {
            topics: r.array(flex, 9, |r| CreatableTopic::decode(r, v))?,
            timeout_ms: r.i32()?,
            validate_only: r.bool()?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 5;
        w.put_array(flex, &self.topics, |w, x| CreatableTopic::encode(x, w, v))?;
        w.put_i32(self.timeout_ms);
        w.put_bool(self.validate_only);
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 2-7.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreatableTopic {
    /// Versions 0+.
    pub name: ByteString,
    /// Versions 0+.
    pub num_partitions: i32,
    /// Versions 0+.
    pub replication_factor: i16,
    /// Versions 0+.
    pub assignments: Vec<CreatableReplicaAssignment>,
    /// Versions 0+.
    pub configs: Vec<CreatableTopicConfig>,
}

impl CreatableTopic {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 5;
        let message = Self {
            name: r.string(flex)?,
            num_partitions: r.i32()?,
            replication_factor: r.i16()?,
            assignments: r.array(flex, 5, |r| CreatableReplicaAssignment::decode(r, v))?,
            configs: r.array(flex, 2, |r| CreatableTopicConfig::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 5;
        w.put_string(flex, &self.name)?;
        w.put_i32(self.num_partitions);
        w.put_i16(self.replication_factor);
        w.put_array(flex, &self.assignments, |w, x| CreatableReplicaAssignment::encode(x, w, v))?;
        w.put_array(flex, &self.configs, |w, x| CreatableTopicConfig::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 2-7.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreatableReplicaAssignment {
    /// Versions 0+.
    pub partition_index: i32,
    /// Versions 0+.
    pub broker_ids: Vec<i32>,
}

impl CreatableReplicaAssignment {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 5;
        let message = Self {
            partition_index: r.i32()?,
            broker_ids: r.array(flex, 4, |r| r.i32())?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 5;
        w.put_i32(self.partition_index);
        w.put_array(flex, &self.broker_ids, |w, x| { w.put_i32(*x); Ok(()) })?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 2-7.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatableTopicConfig {
    /// Versions 0+.
    pub name: ByteString,
    /// Versions 0+; nullable 0+.
    pub value: Option<ByteString>,
}

impl Default for CreatableTopicConfig {
    fn default() -> Self {
        Self {
            name: ByteString::new(),
            value: Some(ByteString::new()),
        }
    }
}

impl CreatableTopicConfig {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 5;
        let message = Self {
            name: r.string(flex)?,
            value: r.string_or_null(flex)?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 5;
        w.put_string(flex, &self.name)?;
        w.put_string_or_null(flex, self.value.as_deref())?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// The message, versions 2-7.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreateTopicsResponse {
    /// Versions 2+.
    pub throttle_time_ms: i32,
    /// Versions 0+.
    pub topics: Vec<CreatableTopicResult>,
}

impl Message for CreateTopicsResponse {
    const API_KEY: i16 = 19;
    const MIN_VERSION: i16 = 2;
    const MAX_VERSION: i16 = 7;

    fn is_flexible(v: i16) -> bool {
        v >= 5
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 5;
        let message = Self {
            throttle_time_ms: r.i32()?,
            topics: r.array(flex, 4, |r| CreatableTopicResult::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 5;
        w.put_i32(self.throttle_time_ms);
        w.put_array(flex, &self.topics, |w, x| CreatableTopicResult::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 2-7.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatableTopicResult {
    /// Versions 0+.
    pub name: ByteString,
    /// Versions 7+.
    pub topic_id: Uuid,
    /// Versions 0+.
    pub error_code: i16,
    /// Versions 1+; nullable 0+.
    pub error_message: Option<ByteString>,
    /// Versions 5+; tag 0.
    pub topic_config_error_code: i16,
    /// Versions 5+; default -1.
    pub num_partitions: i32,
    /// Versions 5+; default -1.
    pub replication_factor: i16,
    /// Versions 5+; nullable 5+.
    pub configs: Option<Vec<CreatableTopicConfigs>>,
}

impl Default for CreatableTopicResult {
    fn default() -> Self {
        Self {
            name: ByteString::new(),
            topic_id: Uuid::nil(),
            error_code: 0,
            error_message: Some(ByteString::new()),
            topic_config_error_code: 0,
            num_partitions: -1,
            replication_factor: -1,
            configs: Some(Vec::new()),
        }
    }
}

impl CreatableTopicResult {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 5;
        let mut message = Self {
            name: r.string(flex)?,
            topic_id: if v >= 7 { r.uuid()? } else { Uuid::nil() },
            error_code: r.i16()?,
            error_message: r.string_or_null(flex)?,
            topic_config_error_code: 0,
            num_partitions: if v >= 5 { r.i32()? } else { -1 },
            replication_factor: if v >= 5 { r.i16()? } else { -1 },
            configs: if v >= 5 {
                r.array_or_null(flex, 6, |r| CreatableTopicConfigs::decode(r, v))?
            } else {
                Some(Vec::new())
            },
        };
        if flex {
            r.tagged_fields(|r, tag| {
                match tag {
                    0 => message.topic_config_error_code = r.i16()?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 5;
        w.put_string(flex, &self.name)?;
        if v >= 7 { w.put_uuid(self.topic_id); }
        w.put_i16(self.error_code);
        w.put_string_or_null(flex, self.error_message.as_deref())?;
        if v >= 5 { w.put_i32(self.num_partitions); }
        if v >= 5 { w.put_i16(self.replication_factor); }
        if v >= 5 {
            w.put_array_or_null(flex, self.configs.as_deref(), |w, x| CreatableTopicConfigs::encode(x, w, v))?;
        }
        if flex {
            let has_topic_config_error_code = self.topic_config_error_code != 0;
            w.put_uvarint(u32::from(has_topic_config_error_code));
            if has_topic_config_error_code {
                w.put_tagged_field(0, |w| { w.put_i16(self.topic_config_error_code); Ok(()) })?;
            }
        }
        Ok(())
    }
}

/// A part of the message, versions 5-7.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatableTopicConfigs {
    /// Versions 5+.
    pub name: ByteString,
    /// Versions 5+; nullable 5+.
    pub value: Option<ByteString>,
    /// Versions 5+.
    pub read_only: bool,
    /// Versions 5+; default -1.
    pub config_source: i8,
    /// Versions 5+.
    pub is_sensitive: bool,
}

impl Default for CreatableTopicConfigs {
    fn default() -> Self {
        Self {
            name: ByteString::new(),
            value: Some(ByteString::new()),
            read_only: false,
            config_source: -1,
            is_sensitive: false,
        }
    }
}

impl CreatableTopicConfigs {
    fn decode(r: &mut Reader, _v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            name: r.string(true)?,
            value: r.string_or_null(true)?,
            read_only: r.bool()?,
            config_source: r.i8()?,
            is_sensitive: r.bool()?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, _v: i16) -> Result<(), EncodeError> {
        w.put_string(true, &self.name)?;
        w.put_string_or_null(true, self.value.as_deref())?;
        w.put_bool(self.read_only);
        w.put_i8(self.config_source);
        w.put_bool(self.is_sensitive);
        w.put_uvarint(0);
        Ok(())
    }
}
