//! Heartbeat, API key 12.
//!
//! Generated from `protocol/schema/heartbeat.txt`: do not edit.

use bytestring::ByteString;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version, unsupported_field};

/// The message, versions 0-4.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeartbeatRequest {
    /// Versions 0+.
    pub group_id: ByteString,
    /// Versions 0+.
    pub generation_id: i32,
    /// Versions 0+.
    pub member_id: ByteString,
    /// Versions 3+; nullable 3+; default null.
    pub group_instance_id: Option<ByteString>,
}

impl Message for HeartbeatRequest {
    const API_KEY: i16 = 12;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 4;

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
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// The message, versions 0-4.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeartbeatResponse {
    /// Versions 1+.
    pub throttle_time_ms: i32,
    /// Versions 0+.
    pub error_code: i16,
}

impl Message for HeartbeatResponse {
    const API_KEY: i16 = 12;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 4;

    fn is_flexible(v: i16) -> bool {
        v >= 4
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 4;
        let message = Self {
            throttle_time_ms: if v >= 1 { r.i32()? } else { 0 },
            error_code: r.i16()?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 4;
        if v >= 1 { w.put_i32(self.throttle_time_ms); }
        w.put_i16(self.error_code);
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}
