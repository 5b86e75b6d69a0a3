//! FindCoordinator, API key 10.
//!
//! Generated from `protocol/schema/find_coordinator.txt`: do not edit.

use bytestring::ByteString;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version, unsupported_field};

/// The message, versions 0-6.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FindCoordinatorRequest {
    /// Versions 0-3.
    pub key: ByteString,
    /// Versions 1+; default 0.
    pub key_type: i8,
    /// Versions 4+.
    pub coordinator_keys: Vec<ByteString>,
}

impl Message for FindCoordinatorRequest {
    const API_KEY: i16 = 10;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 6;

    fn is_flexible(v: i16) -> bool {
        v >= 3
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 3;
        let message = Self {
            key: if v <= 3 { r.string(flex)? } else { ByteString::new() },
            key_type: if v >= 1 { r.i8()? } else { 0 },
            coordinator_keys: if v >= 4 { r.array(flex, 1, |r| r.string(flex))? } else { Vec::new() },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 3;
        if v <= 3 {
            w.put_string(flex, &self.key)?;
        } else if !self.key.is_empty() { return Err(unsupported_field("key", v)); }
        if v >= 1 {
            w.put_i8(self.key_type);
        } else if self.key_type != 0 { return Err(unsupported_field("key_type", v)); }
        if v >= 4 {
            w.put_array(flex, &self.coordinator_keys, |w, x| w.put_string(flex, x))?;
        } else if !self.coordinator_keys.is_empty() { return Err(unsupported_field("coordinator_keys", v)); }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// The message, versions 0-6.
#[derive(Debug, Clone, PartialEq)]
pub struct FindCoordinatorResponse {
    /// Versions 1+.
    pub throttle_time_ms: i32,
    /// Versions 0-3.
    pub error_code: i16,
    /// Versions 1-3; nullable 1-3.
    pub error_message: Option<ByteString>,
    /// Versions 0-3.
    pub node_id: i32,
    /// Versions 0-3.
    pub host: ByteString,
    /// Versions 0-3.
    pub port: i32,
    /// Versions 4+.
    pub coordinators: Vec<Coordinator>,
}

impl Default for FindCoordinatorResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            error_code: 0,
            error_message: Some(ByteString::new()),
            node_id: 0,
            host: ByteString::new(),
            port: 0,
            coordinators: Vec::new(),
        }
    }
}

impl Message for FindCoordinatorResponse {
    const API_KEY: i16 = 10;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 6;

    fn is_flexible(v: i16) -> bool {
        v >= 3
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 3;
        let message = Self {
            throttle_time_ms: if v >= 1 { r.i32()? } else { 0 },
            error_code: if v <= 3 { r.i16()? } else { 0 },
            error_message: if (1..=3).contains(&v) {
                r.string_or_null(flex)?
            } else {
                Some(ByteString::new())
            },
            node_id: if v <= 3 { r.i32()? } else { 0 },
            host: if v <= 3 { r.string(flex)? } else { ByteString::new() },
            port: if v <= 3 { r.i32()? } else { 0 },
            coordinators: if v >= 4 { r.array(flex, 14, |r| Coordinator::decode(r, v))? } else { Vec::new() },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 3;
        if v >= 1 { w.put_i32(self.throttle_time_ms); }
        if v <= 3 {
            w.put_i16(self.error_code);
        } else if self.error_code != 0 { return Err(unsupported_field("error_code", v)); }
        if (1..=3).contains(&v) { w.put_string_or_null(flex, self.error_message.as_deref())?; }
        if v <= 3 {
            w.put_i32(self.node_id);
        } else if self.node_id != 0 { return Err(unsupported_field("node_id", v)); }
        if v <= 3 {
            w.put_string(flex, &self.host)?;
        } else if !self.host.is_empty() { return Err(unsupported_field("host", v)); }
        if v <= 3 {
            w.put_i32(self.port);
        } else if self.port != 0 { return Err(unsupported_field("port", v)); }
        if v >= 4 {
            w.put_array(flex, &self.coordinators, |w, x| Coordinator::encode(x, w, v))?;
        } else if !self.coordinators.is_empty() { return Err(unsupported_field("coordinators", v)); }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 4-6.
#[derive(Debug, Clone, PartialEq)]
pub struct Coordinator {
    /// Versions 4+.
    pub key: ByteString,
    /// Versions 4+.
    pub node_id: i32,
    /// Versions 4+.
    pub host: ByteString,
    /// Versions 4+.
    pub port: i32,
    /// Versions 4+.
    pub error_code: i16,
    /// Versions 4+; nullable 4+.
    pub error_message: Option<ByteString>,
}

impl Default for Coordinator {
    fn default() -> Self {
        Self {
            key: ByteString::new(),
            node_id: 0,
            host: ByteString::new(),
            port: 0,
            error_code: 0,
            error_message: Some(ByteString::new()),
        }
    }
}

impl Coordinator {
    fn decode(r: &mut Reader, _v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            key: r.string(true)?,
            node_id: r.i32()?,
            host: r.string(true)?,
            port: r.i32()?,
            error_code: r.i16()?,
            error_message: r.string_or_null(true)?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, _v: i16) -> Result<(), EncodeError> {
        w.put_string(true, &self.key)?;
        w.put_i32(self.node_id);
        w.put_string(true, &self.host)?;
        w.put_i32(self.port);
        w.put_i16(self.error_code);
        w.put_string_or_null(true, self.error_message.as_deref())?;
        w.put_uvarint(0);
        Ok(())
    }
}
