//! LeaveGroup, API key 13.
//!
//! Generated from `protocol/schema/leave_group.txt`: do not edit.

use bytestring::ByteString;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version, unsupported_field};

/// The message, versions 0-5.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LeaveGroupRequest {
    /// Versions 0+.
    pub group_id: ByteString,
    /// Versions 0-2.
    pub member_id: ByteString,
    /// Versions 3+.
    pub members: Vec<MemberIdentity>,
}

impl Message for LeaveGroupRequest {
    const API_KEY: i16 = 13;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 5;

    fn is_flexible(v: i16) -> bool {
        v >= 4
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 4;
        let message = Self {
            group_id: r.string(flex)?,
            member_id: if v <= 2 { r.string(flex)? } else { ByteString::new() },
            members: if v >= 3 { r.array(flex, 2, |r| MemberIdentity::decode(r, v))? } else { Vec::new() },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 4;
        w.put_string(flex, &self.group_id)?;
        if v <= 2 {
            w.put_string(flex, &self.member_id)?;
        } else if !self.member_id.is_empty() { return Err(unsupported_field("member_id", v)); }
        if v >= 3 {
            w.put_array(flex, &self.members, |w, x| MemberIdentity::encode(x, w, v))?;
        } else if !self.members.is_empty() { return Err(unsupported_field("members", v)); }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 3-5.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MemberIdentity {
    /// Versions 3+.
    pub member_id: ByteString,
    /// Versions 3+; nullable 3+; default null.
    pub group_instance_id: Option<ByteString>,
    /// Versions 5+; nullable 5+; default null.
    pub reason: Option<ByteString>,
}

impl MemberIdentity {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 4;
        let message = Self {
            member_id: r.string(flex)?,
            group_instance_id: r.string_or_null(flex)?,
            reason: if v >= 5 { r.string_or_null(flex)? } else { None },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 4;
        w.put_string(flex, &self.member_id)?;
        w.put_string_or_null(flex, self.group_instance_id.as_deref())?;
        if v >= 5 { w.put_string_or_null(flex, self.reason.as_deref())?; }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// The message, versions 0-5.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LeaveGroupResponse {
    /// Versions 1+.
    pub throttle_time_ms: i32,
    /// Versions 0+.
    pub error_code: i16,
    /// Versions 3+.
    pub members: Vec<MemberResponse>,
}

impl Message for LeaveGroupResponse {
    const API_KEY: i16 = 13;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 5;

    fn is_flexible(v: i16) -> bool {
        v >= 4
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 4;
        let message = Self {
            throttle_time_ms: if v >= 1 { r.i32()? } else { 0 },
            error_code: r.i16()?,
            members: if v >= 3 { r.array(flex, 4, |r| MemberResponse::decode(r, v))? } else { Vec::new() },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 4;
        if v >= 1 { w.put_i32(self.throttle_time_ms); }
        w.put_i16(self.error_code);
        if v >= 3 {
            w.put_array(flex, &self.members, |w, x| MemberResponse::encode(x, w, v))?;
        } else if !self.members.is_empty() { return Err(unsupported_field("members", v)); }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 3-5.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberResponse {
    /// Versions 3+.
    pub member_id: ByteString,
    /// Versions 3+; nullable 3+.
    pub group_instance_id: Option<ByteString>,
    /// Versions 3+.
    pub error_code: i16,
}

impl Default for MemberResponse {
    fn default() -> Self {
        Self {
            member_id: ByteString::new(),
            group_instance_id: Some(ByteString::new()),
            error_code: 0,
        }
    }
}

impl MemberResponse {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 4;
        let message = Self {
            member_id: r.string(flex)?,
            group_instance_id: r.string_or_null(flex)?,
            error_code: r.i16()?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 4;
        w.put_string(flex, &self.member_id)?;
        w.put_string_or_null(flex, self.group_instance_id.as_deref())?;
        w.put_i16(self.error_code);
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}
