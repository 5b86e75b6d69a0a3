//! JoinGroup, API key 11.
//!
//! Generated from `protocol/schema/join_group.txt`: do not edit.

use bytes::Bytes;
use bytestring::ByteString;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version, unexpected_null, unsupported_field};

/// The message, versions 0-9.
#[derive(Debug, Clone, PartialEq)]
pub struct JoinGroupRequest {
    /// Versions 0+.
    pub group_id: ByteString,
    /// Versions 0+.
    pub session_timeout_ms: i32,
    /// Versions 1+; default -1.
    pub rebalance_timeout_ms: i32,
    /// Versions 0+.
    pub member_id: ByteString,
    /// Versions 5+; nullable 5+; default null.
    pub group_instance_id: Option<ByteString>,
    /// Versions 0+.
    pub protocol_type: ByteString,
    /// Versions 0+.
    pub protocols: Vec<JoinGroupRequestProtocol>,
    /// Versions 8+; nullable 8+; default null.
    pub reason: Option<ByteString>,
}

impl Default for JoinGroupRequest {
    fn default() -> Self {
        Self {
            group_id: ByteString::new(),
            session_timeout_ms: 0,
            rebalance_timeout_ms: -1,
            member_id: ByteString::new(),
            group_instance_id: None,
            protocol_type: ByteString::new(),
            protocols: Vec::new(),
            reason: None,
        }
    }
}

impl Message for JoinGroupRequest {
    const API_KEY: i16 = 11;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 9;

    fn is_flexible(v: i16) -> bool {
        v >= 6
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 6;
        let message = Self {
            group_id: r.string(flex)?,
            session_timeout_ms: r.i32()?,
            rebalance_timeout_ms: if v >= 1 { r.i32()? } else { -1 },
            member_id: r.string(flex)?,
            group_instance_id: if v >= 5 { r.string_or_null(flex)? } else { None },
            protocol_type: r.string(flex)?,
            protocols: r.array(flex, 2, |r| JoinGroupRequestProtocol::decode(r, v))?,
            reason: if v >= 8 { r.string_or_null(flex)? } else { None },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 6;
        w.put_string(flex, &self.group_id)?;
        w.put_i32(self.session_timeout_ms);
        if v >= 1 { w.put_i32(self.rebalance_timeout_ms); }
        w.put_string(flex, &self.member_id)?;
        if v >= 5 {
            w.put_string_or_null(flex, self.group_instance_id.as_deref())?;
        } else if self.group_instance_id.is_some() { return Err(unsupported_field("group_instance_id", v)); }
        w.put_string(flex, &self.protocol_type)?;
        w.put_array(flex, &self.protocols, |w, x| JoinGroupRequestProtocol::encode(x, w, v))?;
        if v >= 8 { w.put_string_or_null(flex, self.reason.as_deref())?; }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 0-9.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JoinGroupRequestProtocol {
    /// Versions 0+.
    pub name: ByteString,
    /// Versions 0+.
    pub metadata: Bytes,
}

impl JoinGroupRequestProtocol {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 6;
        let message = Self {
            name: r.string(flex)?,
            metadata: r.bytes(flex)?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 6;
        w.put_string(flex, &self.name)?;
        w.put_bytes(flex, &self.metadata)?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// The message, versions 0-9.
#[derive(Debug, Clone, PartialEq)]
pub struct JoinGroupResponse {
    /// Versions 2+.
    pub throttle_time_ms: i32,
    /// Versions 0+.
    pub error_code: i16,
    /// Versions 0+; default -1.
    pub generation_id: i32,
    /// Versions 7+; nullable 7+; default null.
    pub protocol_type: Option<ByteString>,
    /// Versions 0+; nullable 7+.
    pub protocol_name: Option<ByteString>,
    /// Versions 0+.
    pub leader: ByteString,
    /// Versions 9+; default false.
    pub skip_assignment: bool,
    /// Versions 0+.
    pub member_id: ByteString,
    /// Versions 0+.
    pub members: Vec<JoinGroupResponseMember>,
}

impl Default for JoinGroupResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            error_code: 0,
            generation_id: -1,
            protocol_type: None,
            protocol_name: Some(ByteString::new()),
            leader: ByteString::new(),
            skip_assignment: false,
            member_id: ByteString::new(),
            members: Vec::new(),
        }
    }
}

impl Message for JoinGroupResponse {
    const API_KEY: i16 = 11;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 9;

    fn is_flexible(v: i16) -> bool {
        v >= 6
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 6;
        let message = Self {
            throttle_time_ms: if v >= 2 { r.i32()? } else { 0 },
            error_code: r.i16()?,
            generation_id: r.i32()?,
            protocol_type: if v >= 7 { r.string_or_null(flex)? } else { None },
            protocol_name: if v >= 7 { r.string_or_null(flex)? } else { Some(r.string(flex)?) },
            leader: r.string(flex)?,
            skip_assignment: if v >= 9 { r.bool()? } else { false },
            member_id: r.string(flex)?,
            members: r.array(flex, 2, |r| JoinGroupResponseMember::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 6;
        if v >= 2 { w.put_i32(self.throttle_time_ms); }
        w.put_i16(self.error_code);
        w.put_i32(self.generation_id);
        if v >= 7 { w.put_string_or_null(flex, self.protocol_type.as_deref())?; }
        if v >= 7 { w.put_string_or_null(flex, self.protocol_name.as_deref())?; } else { w.put_string(flex, self.protocol_name.as_ref().ok_or(unexpected_null("protocol_name", v))?)?; }
        w.put_string(flex, &self.leader)?;
        if v >= 9 {
            w.put_bool(self.skip_assignment);
        } else if self.skip_assignment { return Err(unsupported_field("skip_assignment", v)); }
        w.put_string(flex, &self.member_id)?;
        w.put_array(flex, &self.members, |w, x| JoinGroupResponseMember::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 0-9.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JoinGroupResponseMember {
    /// Versions 0+.
    pub member_id: ByteString,
    /// Versions 5+; nullable 5+; default null.
    pub group_instance_id: Option<ByteString>,
    /// Versions 0+.
    pub metadata: Bytes,
}

impl JoinGroupResponseMember {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 6;
        let message = Self {
            member_id: r.string(flex)?,
            group_instance_id: if v >= 5 { r.string_or_null(flex)? } else { None },
            metadata: r.bytes(flex)?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 6;
        w.put_string(flex, &self.member_id)?;
        if v >= 5 { w.put_string_or_null(flex, self.group_instance_id.as_deref())?; }
        w.put_bytes(flex, &self.metadata)?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}
