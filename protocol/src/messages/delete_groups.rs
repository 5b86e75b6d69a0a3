//! DeleteGroups, API key 42.
//!
//! Generated from `protocol/schema/delete_groups.txt`: do not edit.

use bytestring::ByteString;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version};

/// The message, versions 0-2.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteGroupsRequest {
    /// Versions 0+.
    pub groups_names: Vec<ByteString>,
}

impl Message for DeleteGroupsRequest {
    const API_KEY: i16 = 42;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 2;

    fn is_flexible(v: i16) -> bool {
        v >= 2
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 2;
        let message = Self {
            groups_names: r.array(flex, 1, |r| r.string(flex))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 2;
        w.put_array(flex, &self.groups_names, |w, x| w.put_string(flex, x))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// The message, versions 0-2.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteGroupsResponse {
    /// Versions 0+.
    pub throttle_time_ms: i32,
    /// Versions 0+.
    pub results: Vec<DeletableGroupResult>,
}

impl Message for DeleteGroupsResponse {
    const API_KEY: i16 = 42;
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
            results: r.array(flex, 3, |r| DeletableGroupResult::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 2;
        w.put_i32(self.throttle_time_ms);
        w.put_array(flex, &self.results, |w, x| DeletableGroupResult::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 0-2.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeletableGroupResult {
    /// Versions 0+.
    pub group_id: ByteString,
    /// Versions 0+.
    pub error_code: i16,
}

impl DeletableGroupResult {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 2;
        let message = Self {
            group_id: r.string(flex)?,
            error_code: r.i16()?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 2;
        w.put_string(flex, &self.group_id)?;
        w.put_i16(self.error_code);
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}
