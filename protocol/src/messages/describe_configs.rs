//! DescribeConfigs, API key 32.
//!
//! Generated from `protocol/schema/describe_configs.txt`: do not edit.

use bytestring::ByteString;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version, unsupported_field};

/// The message, versions 1-4.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeConfigsRequest {
    /// Versions 0+.
    pub resources: Vec<DescribeConfigsResource>,
    /// Versions 1+; default false.
    pub include_synonyms: bool,
    /// Versions 3+; default false.
    pub include_documentation: bool,
}

impl Message for DescribeConfigsRequest {
    const API_KEY: i16 = 32;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 4;

    fn is_flexible(v: i16) -> bool {
        v >= 4
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 4;
        let message = Self {
            resources: r.array(flex, 3, |r| DescribeConfigsResource::decode(r, v))?,
            include_synonyms: r.bool()?,
            include_documentation: if v >= 3 { r.bool()? } else { false },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 4;
        w.put_array(flex, &self.resources, |w, x| DescribeConfigsResource::encode(x, w, v))?;
        w.put_bool(self.include_synonyms);
        if v >= 3 {
            w.put_bool(self.include_documentation);
        } else if self.include_documentation { return Err(unsupported_field("include_documentation", v)); }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 1-4.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeConfigsResource {
    /// Versions 0+.
    pub resource_type: i8,
    /// Versions 0+.
    pub resource_name: ByteString,
    /// Versions 0+; nullable 0+.
    pub configuration_keys: Option<Vec<ByteString>>,
}

impl Default for DescribeConfigsResource {
    fn default() -> Self {
        Self {
            resource_type: 0,
            resource_name: ByteString::new(),
            configuration_keys: Some(Vec::new()),
        }
    }
}

impl DescribeConfigsResource {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 4;
        let message = Self {
            resource_type: r.i8()?,
            resource_name: r.string(flex)?,
            configuration_keys: r.array_or_null(flex, 1, |r| r.string(flex))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 4;
        w.put_i8(self.resource_type);
        w.put_string(flex, &self.resource_name)?;
        w.put_array_or_null(flex, self.configuration_keys.as_deref(), |w, x| w.put_string(flex, x))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// The message, versions 1-4.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeConfigsResponse {
    /// Versions 0+.
    pub throttle_time_ms: i32,
    /// Versions 0+.
    pub results: Vec<DescribeConfigsResult>,
}

impl Message for DescribeConfigsResponse {
    const API_KEY: i16 = 32;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 4;

    fn is_flexible(v: i16) -> bool {
        v >= 4
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 4;
        let message = Self {
            throttle_time_ms: r.i32()?,
            results: r.array(flex, 6, |r| DescribeConfigsResult::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 4;
        w.put_i32(self.throttle_time_ms);
        w.put_array(flex, &self.results, |w, x| DescribeConfigsResult::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 1-4.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeConfigsResult {
    /// Versions 0+.
    pub error_code: i16,
    /// Versions 0+; nullable 0+.
    pub error_message: Option<ByteString>,
    /// Versions 0+.
    pub resource_type: i8,
    /// Versions 0+.
    pub resource_name: ByteString,
    /// Versions 0+.
    pub configs: Vec<DescribeConfigsResourceResult>,
}

impl Default for DescribeConfigsResult {
    fn default() -> Self {
        Self {
            error_code: 0,
            error_message: Some(ByteString::new()),
            resource_type: 0,
            resource_name: ByteString::new(),
            configs: Vec::new(),
        }
    }
}

impl DescribeConfigsResult {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 4;
        let message = Self {
            error_code: r.i16()?,
            error_message: r.string_or_null(flex)?,
            resource_type: r.i8()?,
            resource_name: r.string(flex)?,
            configs: r.array(flex, 6, |r| DescribeConfigsResourceResult::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 4;
        w.put_i16(self.error_code);
        w.put_string_or_null(flex, self.error_message.as_deref())?;
        w.put_i8(self.resource_type);
        w.put_string(flex, &self.resource_name)?;
        w.put_array(flex, &self.configs, |w, x| DescribeConfigsResourceResult::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 1-4.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeConfigsResourceResult {
    /// Versions 0+.
    pub name: ByteString,
    /// Versions 0+; nullable 0+.
    pub value: Option<ByteString>,
    /// Versions 0+.
    pub read_only: bool,
    /// Versions 1+; default -1.
    pub config_source: i8,
    /// Versions 0+.
    pub is_sensitive: bool,
    /// Versions 1+.
    pub synonyms: Vec<DescribeConfigsSynonym>,
    /// Versions 3+; default 0.
    pub config_type: i8,
    /// Versions 3+; nullable 0+.
    pub documentation: Option<ByteString>,
}

impl Default for DescribeConfigsResourceResult {
    fn default() -> Self {
        Self {
            name: ByteString::new(),
            value: Some(ByteString::new()),
            read_only: false,
            config_source: -1,
            is_sensitive: false,
            synonyms: Vec::new(),
            config_type: 0,
            documentation: Some(ByteString::new()),
        }
    }
}

impl DescribeConfigsResourceResult {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 4;
        let message = Self {
            name: r.string(flex)?,
            value: r.string_or_null(flex)?,
            read_only: r.bool()?,
            config_source: r.i8()?,
            is_sensitive: r.bool()?,
            synonyms: r.array(flex, 3, |r| DescribeConfigsSynonym::decode(r, v))?,
            config_type: if v >= 3 { r.i8()? } else { 0 },
            documentation: if v >= 3 { r.string_or_null(flex)? } else { Some(ByteString::new()) },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 4;
        w.put_string(flex, &self.name)?;
        w.put_string_or_null(flex, self.value.as_deref())?;
        w.put_bool(self.read_only);
        w.put_i8(self.config_source);
        w.put_bool(self.is_sensitive);
        w.put_array(flex, &self.synonyms, |w, x| DescribeConfigsSynonym::encode(x, w, v))?;
        if v >= 3 { w.put_i8(self.config_type); }
        if v >= 3 { w.put_string_or_null(flex, self.documentation.as_deref())?; }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 1-4.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeConfigsSynonym {
    /// Versions 1+.
    pub name: ByteString,
    /// Versions 1+; nullable 0+.
    pub value: Option<ByteString>,
    /// Versions 1+.
    pub source: i8,
}

impl Default for DescribeConfigsSynonym {
    fn default() -> Self {
        Self {
            name: ByteString::new(),
            value: Some(ByteString::new()),
            source: 0,
        }
    }
}

impl DescribeConfigsSynonym {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 4;
        let message = Self {
            name: r.string(flex)?,
            value: r.string_or_null(flex)?,
            source: r.i8()?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 4;
        w.put_string(flex, &self.name)?;
        w.put_string_or_null(flex, self.value.as_deref())?;
        w.put_i8(self.source);
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}
