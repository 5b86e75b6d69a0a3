//! ApiVersions, API key 18.
//!
//! Generated from `protocol/schema/api_versions.txt`: do not edit.

use bytestring::ByteString;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version};

/// The message, versions 0-4.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ApiVersionsRequest {
    /// Versions 3+.
    pub client_software_name: ByteString,
    /// Versions 3+.
    pub client_software_version: ByteString,
}

impl Message for ApiVersionsRequest {
    const API_KEY: i16 = 18;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 4;

    fn is_flexible(v: i16) -> bool {
        v >= 3
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 3;
        let message = Self {
            client_software_name: if v >= 3 { r.string(flex)? } else { ByteString::new() },
            client_software_version: if v >= 3 { r.string(flex)? } else { ByteString::new() },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 3;
        if v >= 3 { w.put_string(flex, &self.client_software_name)?; }
        if v >= 3 { w.put_string(flex, &self.client_software_version)?; }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// The message, versions 0-4.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiVersionsResponse {
    /// Versions 0+.
    pub error_code: i16,
    /// Versions 0+.
    pub api_keys: Vec<ApiVersion>,
    /// Versions 1+.
    pub throttle_time_ms: i32,
    /// Versions 3+; tag 0.
    pub supported_features: Vec<SupportedFeatureKey>,
    /// Versions 3+; tag 1; default -1.
    pub finalized_features_epoch: i64,
    /// Versions 3+; tag 2.
    pub finalized_features: Vec<FinalizedFeatureKey>,
    /// Versions 3+; tag 3; default false.
    pub zk_migration_ready: bool,
}

impl Default for ApiVersionsResponse {
    fn default() -> Self {
        Self {
            error_code: 0,
            api_keys: Vec::new(),
            throttle_time_ms: 0,
            supported_features: Vec::new(),
            finalized_features_epoch: -1,
            finalized_features: Vec::new(),
            zk_migration_ready: false,
        }
    }
}

impl Message for ApiVersionsResponse {
    const API_KEY: i16 = 18;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 4;

    fn is_flexible(v: i16) -> bool {
        v >= 3
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 3;
        let mut message = Self {
            error_code: r.i16()?,
            api_keys: r.array(flex, 6, |r| ApiVersion::decode(r, v))?,
            throttle_time_ms: if v >= 1 { r.i32()? } else { 0 },
            supported_features: Vec::new(),
            finalized_features_epoch: -1,
            finalized_features: Vec::new(),
            zk_migration_ready: false,
        };
        if flex {
            r.tagged_fields(|r, tag| {
                match tag {
                    0 => message.supported_features = r.array(flex, 6, |r| SupportedFeatureKey::decode(r, v))?,
                    1 => message.finalized_features_epoch = r.i64()?,
                    2 => message.finalized_features = r.array(flex, 6, |r| FinalizedFeatureKey::decode(r, v))?,
                    3 => message.zk_migration_ready = r.bool()?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 3;
        w.put_i16(self.error_code);
        w.put_array(flex, &self.api_keys, |w, x| ApiVersion::encode(x, w, v))?;
        if v >= 1 { w.put_i32(self.throttle_time_ms); }
        if flex {
            let has_supported_features = !self.supported_features.is_empty();
            let has_finalized_features_epoch = self.finalized_features_epoch != -1;
            let has_finalized_features = !self.finalized_features.is_empty();
            let has_zk_migration_ready = self.zk_migration_ready;
            w.put_uvarint(u32::from(has_supported_features) + u32::from(has_finalized_features_epoch) + u32::from(has_finalized_features) + u32::from(has_zk_migration_ready));
            if has_supported_features {
                w.put_tagged_field(0, |w| { w.put_array(flex, &self.supported_features, |w, x| SupportedFeatureKey::encode(x, w, v))?; Ok(()) })?;
            }
            if has_finalized_features_epoch {
                w.put_tagged_field(1, |w| { w.put_i64(self.finalized_features_epoch); Ok(()) })?;
            }
            if has_finalized_features {
                w.put_tagged_field(2, |w| { w.put_array(flex, &self.finalized_features, |w, x| FinalizedFeatureKey::encode(x, w, v))?; Ok(()) })?;
            }
            if has_zk_migration_ready {
                w.put_tagged_field(3, |w| { w.put_bool(self.zk_migration_ready); Ok(()) })?;
            }
        }
        Ok(())
    }
}

/// A part of the message, versions 0-4.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ApiVersion {
    /// Versions 0+.
    pub api_key: i16,
    /// Versions 0+.
    pub min_version: i16,
    /// Versions 0+.
    pub max_version: i16,
}

impl ApiVersion {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 3;
        let message = Self {
            api_key: r.i16()?,
            min_version: r.i16()?,
            max_version: r.i16()?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 3;
        w.put_i16(self.api_key);
        w.put_i16(self.min_version);
        w.put_i16(self.max_version);
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 3-4.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SupportedFeatureKey {
    /// Versions 3+.
    pub name: ByteString,
    /// Versions 3+.
    pub min_version: i16,
    /// Versions 3+.
    pub max_version: i16,
}

impl SupportedFeatureKey {
    fn decode(r: &mut Reader, _v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            name: r.string(true)?,
            min_version: r.i16()?,
            max_version: r.i16()?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, _v: i16) -> Result<(), EncodeError> {
        w.put_string(true, &self.name)?;
        w.put_i16(self.min_version);
        w.put_i16(self.max_version);
        w.put_uvarint(0);
        Ok(())
    }
}

/// A part of the message, versions 3-4.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FinalizedFeatureKey {
    /// Versions 3+.
    pub name: ByteString,
    /// Versions 3+.
    pub max_version_level: i16,
    /// Versions 3+.
    pub min_version_level: i16,
}

impl FinalizedFeatureKey {
    fn decode(r: &mut Reader, _v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            name: r.string(true)?,
            max_version_level: r.i16()?,
            min_version_level: r.i16()?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, _v: i16) -> Result<(), EncodeError> {
        w.put_string(true, &self.name)?;
        w.put_i16(self.max_version_level);
        w.put_i16(self.min_version_level);
        w.put_uvarint(0);
        Ok(())
    }
}
