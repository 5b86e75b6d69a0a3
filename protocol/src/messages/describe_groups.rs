//! DescribeGroups, API key 15.
//!
//! Generated from `protocol/schema/describe_groups.txt`: do not edit.

use bytes::Bytes;
use bytestring::ByteString;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version, unsupported_field};

/// The message, versions 0-6.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeGroupsRequest {
    /// Versions 0+.
    pub groups: Vec<ByteString>,
    /// Versions 3+.
    pub include_authorized_operations: bool,
}

impl Message for DescribeGroupsRequest {
    const API_KEY: i16 = 15;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 6;

    fn is_flexible(v: i16) -> bool {
        v >= 5
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 5;
        let message = Self {
            groups: r.array(flex, 1, |r| r.string(flex))?,
            include_authorized_operations: if v >= 3 { r.bool()? } else { false },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 5;
        w.put_array(flex, &self.groups, |w, x| w.put_string(flex, x))?;
        if v >= 3 {
            w.put_bool(self.include_authorized_operations);
        } else if self.include_authorized_operations { return Err(unsupported_field("include_authorized_operations", v)); }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// The message, versions 0-6.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeGroupsResponse {
    /// Versions 1+.
    pub throttle_time_ms: i32,
    /// Versions 0+.
    pub groups: Vec<DescribedGroup>,
}

impl Message for DescribeGroupsResponse {
    const API_KEY: i16 = 15;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 6;

    fn is_flexible(v: i16) -> bool {
        v >= 5
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 5;
        let message = Self {
            throttle_time_ms: if v >= 1 { r.i32()? } else { 0 },
            groups: r.array(flex, 7, |r| DescribedGroup::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 5;
        if v >= 1 { w.put_i32(self.throttle_time_ms); }
        w.put_array(flex, &self.groups, |w, x| DescribedGroup::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 0-6.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribedGroup {
    /// Versions 0+.
    pub error_code: i16,
    /// Versions 6+; nullable 6+; default null.
    pub error_message: Option<ByteString>,
    /// Versions 0+.
    pub group_id: ByteString,
    /// Versions 0+.
    pub group_state: ByteString,
    /// Versions 0+.
    pub protocol_type: ByteString,
    /// Versions 0+.
    pub protocol_data: ByteString,
    /// Versions 0+.
    pub members: Vec<DescribedGroupMember>,
    /// Versions 3+; default -2147483648.
    pub authorized_operations: i32,
}

impl Default for DescribedGroup {
    fn default() -> Self {
        Self {
            error_code: 0,
            error_message: None,
            group_id: ByteString::new(),
            group_state: ByteString::new(),
            protocol_type: ByteString::new(),
            protocol_data: ByteString::new(),
            members: Vec::new(),
            authorized_operations: -2147483648,
        }
    }
}

impl DescribedGroup {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 5;
        let message = Self {
            error_code: r.i16()?,
            error_message: if v >= 6 { r.string_or_null(flex)? } else { None },
            group_id: r.string(flex)?,
            group_state: r.string(flex)?,
            protocol_type: r.string(flex)?,
            protocol_data: r.string(flex)?,
            members: r.array(flex, 5, |r| DescribedGroupMember::decode(r, v))?,
            authorized_operations: if v >= 3 { r.i32()? } else { -2147483648 },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 5;
        w.put_i16(self.error_code);
        if v >= 6 {
            w.put_string_or_null(flex, self.error_message.as_deref())?;
        } else if self.error_message.is_some() { return Err(unsupported_field("error_message", v)); }
        w.put_string(flex, &self.group_id)?;
        w.put_string(flex, &self.group_state)?;
        w.put_string(flex, &self.protocol_type)?;
        w.put_string(flex, &self.protocol_data)?;
        w.put_array(flex, &self.members, |w, x| DescribedGroupMember::encode(x, w, v))?;
        if v >= 3 {
            w.put_i32(self.authorized_operations);
        } else if self.authorized_operations != -2147483648 { return Err(unsupported_field("authorized_operations", v)); }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 0-6.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribedGroupMember {
    /// Versions 0+.
    pub member_id: ByteString,
    /// Versions 4+; nullable 4+; default null.
    pub group_instance_id: Option<ByteString>,
    /// Versions 0+.
    pub client_id: ByteString,
    /// Versions 0+.
    pub client_host: ByteString,
    /// Versions 0+.
    pub member_metadata: Bytes,
    /// Versions 0+.
    pub member_assignment: Bytes,
}

impl DescribedGroupMember {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 5;
        let message = Self {
            member_id: r.string(flex)?,
            group_instance_id: if v >= 4 { r.string_or_null(flex)? } else { None },
            client_id: r.string(flex)?,
            client_host: r.string(flex)?,
            member_metadata: r.bytes(flex)?,
            member_assignment: r.bytes(flex)?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 5;
        w.put_string(flex, &self.member_id)?;
        if v >= 4 { w.put_string_or_null(flex, self.group_instance_id.as_deref())?; }
        w.put_string(flex, &self.client_id)?;
        w.put_string(flex, &self.client_host)?;
        w.put_bytes(flex, &self.member_metadata)?;
        w.put_bytes(flex, &self.member_assignment)?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}
