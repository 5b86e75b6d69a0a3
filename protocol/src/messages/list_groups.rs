//! ListGroups, API key 16.
//!
//! Generated from `protocol/schema/list_groups.txt`: do not edit.

use bytestring::ByteString;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version, unsupported_field};

/// The message, versions 0-5.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListGroupsRequest {
    /// Versions 4+.
    pub states_filter: Vec<ByteString>,
    /// Versions 5+.
    pub types_filter: Vec<ByteString>,
}

impl Message for ListGroupsRequest {
    const API_KEY: i16 = 16;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 5;

    fn is_flexible(v: i16) -> bool {
        v >= 3
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 3;
        let message = Self {
            states_filter: if v >= 4 { r.array(flex, 1, |r| r.string(flex))? } else { Vec::new() },
            types_filter: if v >= 5 { r.array(flex, 1, |r| r.string(flex))? } else { Vec::new() },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 3;
        if v >= 4 {
            w.put_array(flex, &self.states_filter, |w, x| w.put_string(flex, x))?;
        } else if !self.states_filter.is_empty() { return Err(unsupported_field("states_filter", v)); }
        if v >= 5 {
            w.put_array(flex, &self.types_filter, |w, x| w.put_string(flex, x))?;
        } else if !self.types_filter.is_empty() { return Err(unsupported_field("types_filter", v)); }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// The message, versions 0-5.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListGroupsResponse {
    /// Versions 1+.
    pub throttle_time_ms: i32,
    /// Versions 0+.
    pub error_code: i16,
    /// Versions 0+.
    pub groups: Vec<ListedGroup>,
}

impl Message for ListGroupsResponse {
    const API_KEY: i16 = 16;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 5;

    fn is_flexible(v: i16) -> bool {
        v >= 3
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 3;
        let message = Self {
            throttle_time_ms: if v >= 1 { r.i32()? } else { 0 },
            error_code: r.i16()?,
            groups: r.array(flex, 2, |r| ListedGroup::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 3;
        if v >= 1 { w.put_i32(self.throttle_time_ms); }
        w.put_i16(self.error_code);
        w.put_array(flex, &self.groups, |w, x| ListedGroup::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 0-5.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListedGroup {
    /// Versions 0+.
    pub group_id: ByteString,
    /// Versions 0+.
    pub protocol_type: ByteString,
    /// Versions 4+.
    pub group_state: ByteString,
    /// Versions 5+.
    pub group_type: ByteString,
}

impl ListedGroup {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 3;
        let message = Self {
            group_id: r.string(flex)?,
            protocol_type: r.string(flex)?,
            group_state: if v >= 4 { r.string(flex)? } else { ByteString::new() },
            group_type: if v >= 5 { r.string(flex)? } else { ByteString::new() },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 3;
        w.put_string(flex, &self.group_id)?;
        w.put_string(flex, &self.protocol_type)?;
        if v >= 4 { w.put_string(flex, &self.group_state)?; }
        if v >= 5 { w.put_string(flex, &self.group_type)?; }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}
