//! SyncGroup, API key 14.
//!
//! Generated from `protocol/schema/sync_group.txt`: do not edit.

use bytes::Bytes;
use bytestring::ByteString;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version, unsupported_field};

/// The message, versions 0-5.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SyncGroupRequest {
    /// Versions 0+.
    pub group_id: ByteString,
    /// Versions 0+.
    pub generation_id: i32,
    /// Versions 0+.
    pub member_id: ByteString,
    /// Versions 3+; nullable 3+; default null.
    pub group_instance_id: Option<ByteString>,
    /// Versions 5+; nullable 5+; default null.
    pub protocol_type: Option<ByteString>,
    /// Versions 5+; nullable 5+; default null.
    pub protocol_name: Option<ByteString>,
    /// Versions 0+.
    pub assignments: Vec<SyncGroupRequestAssignment>,
}

impl Message for SyncGroupRequest {
    const API_KEY: i16 = 14;
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
            generation_id: r.i32()?,
            member_id: r.string(flex)?,
            group_instance_id: if v >= 3 { r.string_or_null(flex)? } else { None },
            protocol_type: if v >= 5 { r.string_or_null(flex)? } else { None },
            protocol_name: if v >= 5 { r.string_or_null(flex)? } else { None },
            assignments: r.array(flex, 2, |r| SyncGroupRequestAssignment::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 4;
        w.put_string(flex, &self.group_id)?;
        w.put_i32(self.generation_id);
        w.put_string(flex, &self.member_id)?;
        if v >= 3 {
            w.put_string_or_null(flex, self.group_instance_id.as_deref())?;
        } else if self.group_instance_id.is_some() { return Err(unsupported_field("group_instance_id", v)); }
        if v >= 5 { w.put_string_or_null(flex, self.protocol_type.as_deref())?; }
        if v >= 5 { w.put_string_or_null(flex, self.protocol_name.as_deref())?; }
        w.put_array(flex, &self.assignments, |w, x| SyncGroupRequestAssignment::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 0-5.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SyncGroupRequestAssignment {
    /// Versions 0+.
    pub member_id: ByteString,
    /// Versions 0+.
    pub assignment: Bytes,
}

impl SyncGroupRequestAssignment {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 4;
        let message = Self {
            member_id: r.string(flex)?,
            assignment: r.bytes(flex)?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 4;
        w.put_string(flex, &self.member_id)?;
        w.put_bytes(flex, &self.assignment)?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// The message, versions 0-5.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SyncGroupResponse {
    /// Versions 1+.
    pub throttle_time_ms: i32,
    /// Versions 0+.
    pub error_code: i16,
    /// Versions 5+; nullable 5+; default null.
    pub protocol_type: Option<ByteString>,
    /// Versions 5+; nullable 5+; default null.
    pub protocol_name: Option<ByteString>,
    /// Versions 0+.
    pub assignment: Bytes,
}

impl Message for SyncGroupResponse {
    const API_KEY: i16 = 14;
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
            protocol_type: if v >= 5 { r.string_or_null(flex)? } else { None },
            protocol_name: if v >= 5 { r.string_or_null(flex)? } else { None },
            assignment: r.bytes(flex)?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 4;
        if v >= 1 { w.put_i32(self.throttle_time_ms); }
        w.put_i16(self.error_code);
        if v >= 5 { w.put_string_or_null(flex, self.protocol_type.as_deref())?; }
        if v >= 5 { w.put_string_or_null(flex, self.protocol_name.as_deref())?; }
        w.put_bytes(flex, &self.assignment)?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}
