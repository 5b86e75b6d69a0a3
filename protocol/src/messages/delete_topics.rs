//! DeleteTopics, API key 20.
//!
//! Generated from `protocol/schema/delete_topics.txt`: do not edit.

use bytestring::ByteString;
use uuid::Uuid;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version, unexpected_null, unsupported_field};

/// The message, versions 1-6.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteTopicsRequest {
    /// Versions 6+.
    pub topics: Vec<DeleteTopicState>,
    /// Versions 0-5.
    pub topic_names: Vec<ByteString>,
    /// Versions 0+.
    pub timeout_ms: i32,
}

impl Message for DeleteTopicsRequest {
    const API_KEY: i16 = 20;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 6;

    fn is_flexible(v: i16) -> bool {
        v >= 4
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 4;
        let message = Self {
            topics: if v >= 6 { r.array(flex, 18, |r| DeleteTopicState::decode(r, v))? } else { Vec::new() },
            topic_names: if v <= 5 { r.array(flex, 1, |r| r.string(flex))? } else { Vec::new() },
            timeout_ms: r.i32()?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 4;
        if v >= 6 {
            w.put_array(flex, &self.topics, |w, x| DeleteTopicState::encode(x, w, v))?;
        } else if !self.topics.is_empty() { return Err(unsupported_field("topics", v)); }
        if v <= 5 { w.put_array(flex, &self.topic_names, |w, x| w.put_string(flex, x))?; }
        w.put_i32(self.timeout_ms);
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 6.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteTopicState {
    /// Versions 6+; nullable 6+; default null.
    pub name: Option<ByteString>,
    /// Versions 6+.
    pub topic_id: Uuid,
}

impl DeleteTopicState {
    fn decode(r: &mut Reader, _v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            name: r.string_or_null(true)?,
            topic_id: r.uuid()?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, _v: i16) -> Result<(), EncodeError> {
        w.put_string_or_null(true, self.name.as_deref())?;
        w.put_uuid(self.topic_id);
        w.put_uvarint(0);
        Ok(())
    }
}

/// The message, versions 1-6.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteTopicsResponse {
    /// Versions 1+.
    pub throttle_time_ms: i32,
    /// Versions 0+.
    pub responses: Vec<DeletableTopicResult>,
}

impl Message for DeleteTopicsResponse {
    const API_KEY: i16 = 20;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 6;

    fn is_flexible(v: i16) -> bool {
        v >= 4
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 4;
        let message = Self {
            throttle_time_ms: r.i32()?,
            responses: r.array(flex, 3, |r| DeletableTopicResult::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 4;
        w.put_i32(self.throttle_time_ms);
        w.put_array(flex, &self.responses, |w, x| DeletableTopicResult::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 1-6.
#[derive(Debug, Clone, PartialEq)]
pub struct DeletableTopicResult {
    /// Versions 0+; nullable 6+.
    pub name: Option<ByteString>,
    /// Versions 6+.
    pub topic_id: Uuid,
    /// Versions 0+.
    pub error_code: i16,
    /// Versions 5+; nullable 5+; default null.
    pub error_message: Option<ByteString>,
}

impl Default for DeletableTopicResult {
    fn default() -> Self {
        Self {
            name: Some(ByteString::new()),
            topic_id: Uuid::nil(),
            error_code: 0,
            error_message: None,
        }
    }
}

impl DeletableTopicResult {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 4;
        let message = Self {
            name: if v >= 6 { r.string_or_null(flex)? } else { Some(r.string(flex)?) },
            topic_id: if v >= 6 { r.uuid()? } else { Uuid::nil() },
            error_code: r.i16()?,
            error_message: if v >= 5 { r.string_or_null(flex)? } else { None },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 4;
        if v >= 6 { w.put_string_or_null(flex, self.name.as_deref())?; } else { w.put_string(flex, self.name.as_ref().ok_or(unexpected_null("name", v))?)?; }
        if v >= 6 { w.put_uuid(self.topic_id); }
        w.put_i16(self.error_code);
        if v >= 5 { w.put_string_or_null(flex, self.error_message.as_deref())?; }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}
