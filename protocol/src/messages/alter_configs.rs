//! AlterConfigs, API key 33.
//!
//! Generated from `protocol/schema/alter_configs.txt`: do not edit.

use bytestring::ByteString;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version};

/// The message, versions 0-2.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlterConfigsRequest {
    /// Versions 0+.
    pub resources: Vec<AlterConfigsResource>,
    /// Versions 0+.
    pub validate_only: bool,
}

impl Message for AlterConfigsRequest {
    const API_KEY: i16 = 33;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 2;

    fn is_flexible(v: i16) -> bool {
        v >= 2
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 2;
        let message = Self {
            resources: r.array(flex, 3, |r| AlterConfigsResource::decode(r, v))?,
            validate_only: r.bool()?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 2;
        w.put_array(flex, &self.resources, |w, x| AlterConfigsResource::encode(x, w, v))?;
        w.put_bool(self.validate_only);
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 0-2.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlterConfigsResource {
    /// Versions 0+.
    pub resource_type: i8,
    /// Versions 0+.
    pub resource_name: ByteString,
    /// Versions 0+.
    pub configs: Vec<AlterableConfig>,
}

impl AlterConfigsResource {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 2;
        let message = Self {
            resource_type: r.i8()?,
            resource_name: r.string(flex)?,
            configs: r.array(flex, 2, |r| AlterableConfig::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 2;
        w.put_i8(self.resource_type);
        w.put_string(flex, &self.resource_name)?;
        w.put_array(flex, &self.configs, |w, x| AlterableConfig::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 0-2.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterableConfig {
    /// Versions 0+.
    pub name: ByteString,
    /// Versions 0+; nullable 0+.
    pub value: Option<ByteString>,
}

impl Default for AlterableConfig {
    fn default() -> Self {
        Self {
            name: ByteString::new(),
            value: Some(ByteString::new()),
        }
    }
}

impl AlterableConfig {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 2;
        let message = Self {
            name: r.string(flex)?,
            value: r.string_or_null(flex)?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 2;
        w.put_string(flex, &self.name)?;
        w.put_string_or_null(flex, self.value.as_deref())?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// The message, versions 0-2.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlterConfigsResponse {
    /// Versions 0+.
    pub throttle_time_ms: i32,
    /// Versions 0+.
    pub responses: Vec<AlterConfigsResourceResponse>,
}

impl Message for AlterConfigsResponse {
    const API_KEY: i16 = 33;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 2;

    fn is_flexible(v: i16) -> bool {
        v >= 2
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 2;
        let message = Self {
            throttle_time_ms: r.i32()?,
            responses: r.array(flex, 5, |r| AlterConfigsResourceResponse::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 2;
        w.put_i32(self.throttle_time_ms);
        w.put_array(flex, &self.responses, |w, x| AlterConfigsResourceResponse::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 0-2.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterConfigsResourceResponse {
    /// Versions 0+.
    pub error_code: i16,
    /// Versions 0+; nullable 0+.
    pub error_message: Option<ByteString>,
    /// Versions 0+.
    pub resource_type: i8,
    /// Versions 0+.
    pub resource_name: ByteString,
}

impl Default for AlterConfigsResourceResponse {
    fn default() -> Self {
        Self {
            error_code: 0,
            error_message: Some(ByteString::new()),
            resource_type: 0,
            resource_name: ByteString::new(),
        }
    }
}

impl AlterConfigsResourceResponse {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 2;
        let message = Self {
            error_code: r.i16()?,
            error_message: r.string_or_null(flex)?,
            resource_type: r.i8()?,
            resource_name: r.string(flex)?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 2;
        w.put_i16(self.error_code);
        w.put_string_or_null(flex, self.error_message.as_deref())?;
        w.put_i8(self.resource_type);
        w.put_string(flex, &self.resource_name)?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}
