//! DescribeCluster, API key 60.
//!
//! Generated from `protocol/schema/describe_cluster.txt`: do not edit.

use bytestring::ByteString;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version, unsupported_field};

/// The message, versions 0-2.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeClusterRequest {
    /// Versions 0+.
    pub include_cluster_authorized_operations: bool,
    /// Versions 1+; default 1.
    pub endpoint_type: i8,
    /// Versions 2+.
    pub include_fenced_brokers: bool,
}

impl Default for DescribeClusterRequest {
    fn default() -> Self {
        Self {
            include_cluster_authorized_operations: false,
            endpoint_type: 1,
            include_fenced_brokers: false,
        }
    }
}

impl Message for DescribeClusterRequest {
    const API_KEY: i16 = 60;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 2;

    fn is_flexible(_v: i16) -> bool {
        true
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let message = Self {
            include_cluster_authorized_operations: r.bool()?,
            endpoint_type: if v >= 1 { r.i8()? } else { 1 },
            include_fenced_brokers: if v >= 2 { r.bool()? } else { false },
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        w.put_bool(self.include_cluster_authorized_operations);
        if v >= 1 {
            w.put_i8(self.endpoint_type);
        } else if self.endpoint_type != 1 { return Err(unsupported_field("endpoint_type", v)); }
        if v >= 2 {
            w.put_bool(self.include_fenced_brokers);
        } else if self.include_fenced_brokers { return Err(unsupported_field("include_fenced_brokers", v)); }
        w.put_uvarint(0);
        Ok(())
    }
}

/// The message, versions 0-2.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeClusterResponse {
    /// Versions 0+.
    pub throttle_time_ms: i32,
    /// Versions 0+.
    pub error_code: i16,
    /// Versions 0+; nullable 0+; default null.
    pub error_message: Option<ByteString>,
    /// Versions 1+; default 1.
    pub endpoint_type: i8,
    /// Versions 0+.
    pub cluster_id: ByteString,
    /// Versions 0+; default -1.
    pub controller_id: i32,
    /// Versions 0+.
    pub brokers: Vec<DescribeClusterBroker>,
    /// Versions 0+; default -2147483648.
    pub cluster_authorized_operations: i32,
}

impl Default for DescribeClusterResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            error_code: 0,
            error_message: None,
            endpoint_type: 1,
            cluster_id: ByteString::new(),
            controller_id: -1,
            brokers: Vec::new(),
            cluster_authorized_operations: -2147483648,
        }
    }
}

impl Message for DescribeClusterResponse {
    const API_KEY: i16 = 60;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 2;

    fn is_flexible(_v: i16) -> bool {
        true
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let message = Self {
            throttle_time_ms: r.i32()?,
            error_code: r.i16()?,
            error_message: r.string_or_null(true)?,
            endpoint_type: if v >= 1 { r.i8()? } else { 1 },
            cluster_id: r.string(true)?,
            controller_id: r.i32()?,
            brokers: r.array(true, 11, |r| DescribeClusterBroker::decode(r, v))?,
            cluster_authorized_operations: r.i32()?,
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        w.put_i32(self.throttle_time_ms);
        w.put_i16(self.error_code);
        w.put_string_or_null(true, self.error_message.as_deref())?;
        if v >= 1 {
            w.put_i8(self.endpoint_type);
        } else if self.endpoint_type != 1 { return Err(unsupported_field("endpoint_type", v)); }
        w.put_string(true, &self.cluster_id)?;
        w.put_i32(self.controller_id);
        w.put_array(true, &self.brokers, |w, x| DescribeClusterBroker::encode(x, w, v))?;
        w.put_i32(self.cluster_authorized_operations);
        w.put_uvarint(0);
        Ok(())
    }
}

/// A part of the message, versions 0-2.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeClusterBroker {
    /// Versions 0+.
    pub broker_id: i32,
    /// Versions 0+.
    pub host: ByteString,
    /// Versions 0+.
    pub port: i32,
    /// Versions 0+; nullable 0+; default null.
    pub rack: Option<ByteString>,
    /// Versions 2+.
    pub is_fenced: bool,
}

impl DescribeClusterBroker {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let message = Self {
            broker_id: r.i32()?,
            host: r.string(true)?,
            port: r.i32()?,
            rack: r.string_or_null(true)?,
            is_fenced: if v >= 2 { r.bool()? } else { false },
        };
        r.skip_tagged_fields()?;
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        w.put_i32(self.broker_id);
        w.put_string(true, &self.host)?;
        w.put_i32(self.port);
        w.put_string_or_null(true, self.rack.as_deref())?;
        if v >= 2 {
            w.put_bool(self.is_fenced);
        } else if self.is_fenced { return Err(unsupported_field("is_fenced", v)); }
        w.put_uvarint(0);
        Ok(())
    }
}
