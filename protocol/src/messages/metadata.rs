//! Metadata, API key 3.
//!
//! Generated from `protocol/schema/metadata.txt`: do not edit.

use bytestring::ByteString;
use uuid::Uuid;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version, unexpected_null, unsupported_field};

/// The message, versions 0-13.
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataRequest {
    /// Versions 0+; nullable 1+.
    pub topics: Option<Vec<MetadataRequestTopic>>,
    /// Versions 4+; default true.
    pub allow_auto_topic_creation: bool,
    /// Versions 8-10.
    pub include_cluster_authorized_operations: bool,
    /// Versions 8+.
    pub include_topic_authorized_operations: bool,
}

impl Default for MetadataRequest {
    fn default() -> Self {
        Self {
            topics: Some(Vec::new()),
            allow_auto_topic_creation: true,
            include_cluster_authorized_operations: false,
            include_topic_authorized_operations: false,
        }
    }
}

impl Message for MetadataRequest {
    const API_KEY: i16 = 3;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 13;

    fn is_flexible(v: i16) -> bool {
        v >= 9
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 9;
        let message = Self {
            topics: if v >= 1 { r.array_or_null(flex, 1, |r| MetadataRequestTopic::decode(r, v))? } else { Some(r.array(flex, 1, |r| MetadataRequestTopic::decode(r, v))?) },
            allow_auto_topic_creation: if v >= 4 { r.bool()? } else { true },
            include_cluster_authorized_operations: if (8..=10).contains(&v) { r.bool()? } else { false },
            include_topic_authorized_operations: if v >= 8 { r.bool()? } else { false },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 9;
        if v >= 1 { w.put_array_or_null(flex, self.topics.as_deref(), |w, x| MetadataRequestTopic::encode(x, w, v))?; } else { w.put_array(flex, self.topics.as_deref().ok_or(unexpected_null("topics", v))?, |w, x| MetadataRequestTopic::encode(x, w, v))?; }
        if v >= 4 {
            w.put_bool(self.allow_auto_topic_creation);
        } else if !self.allow_auto_topic_creation { return Err(unsupported_field("allow_auto_topic_creation", v)); }
        if (8..=10).contains(&v) {
            w.put_bool(self.include_cluster_authorized_operations);
        } else if self.include_cluster_authorized_operations { return Err(unsupported_field("include_cluster_authorized_operations", v)); }
        if v >= 8 {
            w.put_bool(self.include_topic_authorized_operations);
        } else if self.include_topic_authorized_operations { return Err(unsupported_field("include_topic_authorized_operations", v)); }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 0-13.
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataRequestTopic {
    /// Versions 10+.
    pub topic_id: Uuid,
    /// Versions 0+; nullable 10+.
    pub name: Option<ByteString>,
}

impl Default for MetadataRequestTopic {
    fn default() -> Self {
        Self {
            topic_id: Uuid::nil(),
            name: Some(ByteString::new()),
        }
    }
}

impl MetadataRequestTopic {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 9;
        let message = Self {
            topic_id: if v >= 10 { r.uuid()? } else { Uuid::nil() },
            name: if v >= 10 { r.string_or_null(flex)? } else { Some(r.string(flex)?) },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 9;
        if v >= 10 { w.put_uuid(self.topic_id); }
        if v >= 10 { w.put_string_or_null(flex, self.name.as_deref())?; } else { w.put_string(flex, self.name.as_ref().ok_or(unexpected_null("name", v))?)?; }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// The message, versions 0-13.
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataResponse {
    /// Versions 3+.
    pub throttle_time_ms: i32,
    /// Versions 0+.
    pub brokers: Vec<MetadataResponseBroker>,
    /// Versions 2+; nullable 2+; default null.
    pub cluster_id: Option<ByteString>,
    /// Versions 1+; default -1.
    pub controller_id: i32,
    /// Versions 0+.
    pub topics: Vec<MetadataResponseTopic>,
    /// Versions 8-10; default -2147483648.
    pub cluster_authorized_operations: i32,
    /// Versions 13+.
    pub error_code: i16,
}

impl Default for MetadataResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            brokers: Vec::new(),
            cluster_id: None,
            controller_id: -1,
            topics: Vec::new(),
            cluster_authorized_operations: -2147483648,
            error_code: 0,
        }
    }
}

impl Message for MetadataResponse {
    const API_KEY: i16 = 3;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 13;

    fn is_flexible(v: i16) -> bool {
        v >= 9
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 9;
        let message = Self {
            throttle_time_ms: if v >= 3 { r.i32()? } else { 0 },
            brokers: r.array(flex, 9, |r| MetadataResponseBroker::decode(r, v))?,
            cluster_id: if v >= 2 { r.string_or_null(flex)? } else { None },
            controller_id: if v >= 1 { r.i32()? } else { -1 },
            topics: r.array(flex, 4, |r| MetadataResponseTopic::decode(r, v))?,
            cluster_authorized_operations: if (8..=10).contains(&v) { r.i32()? } else { -2147483648 },
            error_code: if v >= 13 { r.i16()? } else { 0 },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 9;
        if v >= 3 { w.put_i32(self.throttle_time_ms); }
        w.put_array(flex, &self.brokers, |w, x| MetadataResponseBroker::encode(x, w, v))?;
        if v >= 2 { w.put_string_or_null(flex, self.cluster_id.as_deref())?; }
        if v >= 1 { w.put_i32(self.controller_id); }
        w.put_array(flex, &self.topics, |w, x| MetadataResponseTopic::encode(x, w, v))?;
        if (8..=10).contains(&v) {
            w.put_i32(self.cluster_authorized_operations);
        } else if self.cluster_authorized_operations != -2147483648 { return Err(unsupported_field("cluster_authorized_operations", v)); }
        if v >= 13 { w.put_i16(self.error_code); }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 0-13.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MetadataResponseBroker {
    /// Versions 0+.
    pub node_id: i32,
    /// Versions 0+.
    pub host: ByteString,
    /// Versions 0+.
    pub port: i32,
    /// Versions 1+; nullable 1+; default null.
    pub rack: Option<ByteString>,
}

impl MetadataResponseBroker {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 9;
        let message = Self {
            node_id: r.i32()?,
            host: r.string(flex)?,
            port: r.i32()?,
            rack: if v >= 1 { r.string_or_null(flex)? } else { None },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 9;
        w.put_i32(self.node_id);
        w.put_string(flex, &self.host)?;
        w.put_i32(self.port);
        if v >= 1 { w.put_string_or_null(flex, self.rack.as_deref())?; }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 0-13.
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataResponseTopic {
    /// Versions 0+.
    pub error_code: i16,
    /// Versions 0+; nullable 12+.
    pub name: Option<ByteString>,
    /// Versions 10+.
    pub topic_id: Uuid,
    /// Versions 1+; default false.
    pub is_internal: bool,
    /// Versions 0+.
    pub partitions: Vec<MetadataResponsePartition>,
    /// Versions 8+; default -2147483648.
    pub topic_authorized_operations: i32,
}

impl Default for MetadataResponseTopic {
    fn default() -> Self {
        Self {
            error_code: 0,
            name: Some(ByteString::new()),
            topic_id: Uuid::nil(),
            is_internal: false,
            partitions: Vec::new(),
            topic_authorized_operations: -2147483648,
        }
    }
}

impl MetadataResponseTopic {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 9;
        let message = Self {
            error_code: r.i16()?,
            name: if v >= 12 { r.string_or_null(flex)? } else { Some(r.string(flex)?) },
            topic_id: if v >= 10 { r.uuid()? } else { Uuid::nil() },
            is_internal: if v >= 1 { r.bool()? } else { false },
            partitions: r.array(flex, 12, |r| MetadataResponsePartition::decode(r, v))?,
            topic_authorized_operations: if v >= 8 { r.i32()? } else { -2147483648 },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 9;
        w.put_i16(self.error_code);
        if v >= 12 { w.put_string_or_null(flex, self.name.as_deref())?; } else { w.put_string(flex, self.name.as_ref().ok_or(unexpected_null("name", v))?)?; }
        if v >= 10 { w.put_uuid(self.topic_id); }
        if v >= 1 { w.put_bool(self.is_internal); }
        w.put_array(flex, &self.partitions, |w, x| MetadataResponsePartition::encode(x, w, v))?;
        if v >= 8 {
            w.put_i32(self.topic_authorized_operations);
        } else if self.topic_authorized_operations != -2147483648 { return Err(unsupported_field("topic_authorized_operations", v)); }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 0-13.
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataResponsePartition {
    /// Versions 0+.
    pub error_code: i16,
    /// Versions 0+.
    pub partition_index: i32,
    /// Versions 0+.
    pub leader_id: i32,
    /// Versions 7+; default -1.
    pub leader_epoch: i32,
    /// Versions 0+.
    pub replica_nodes: Vec<i32>,
    /// Versions 0+.
    pub isr_nodes: Vec<i32>,
    /// Versions 5+.
    pub offline_replicas: Vec<i32>,
}

impl Default for MetadataResponsePartition {
    fn default() -> Self {
        Self {
            error_code: 0,
            partition_index: 0,
            leader_id: 0,
            leader_epoch: -1,
            replica_nodes: Vec::new(),
            isr_nodes: Vec::new(),
            offline_replicas: Vec::new(),
        }
    }
}

impl MetadataResponsePartition {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 9;
        let message = Self {
            error_code: r.i16()?,
            partition_index: r.i32()?,
            leader_id: r.i32()?,
            leader_epoch: if v >= 7 { r.i32()? } else { -1 },
            replica_nodes: r.array(flex, 4, |r| r.i32())?,
            isr_nodes: r.array(flex, 4, |r| r.i32())?,
            offline_replicas: if v >= 5 { r.array(flex, 4, |r| r.i32())? } else { Vec::new() },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 9;
        w.put_i16(self.error_code);
        w.put_i32(self.partition_index);
        w.put_i32(self.leader_id);
        if v >= 7 { w.put_i32(self.leader_epoch); }
        w.put_array(flex, &self.replica_nodes, |w, x| { w.put_i32(*x); Ok(()) })?;
        w.put_array(flex, &self.isr_nodes, |w, x| { w.put_i32(*x); Ok(()) })?;
        if v >= 5 { w.put_array(flex, &self.offline_replicas, |w, x| { w.put_i32(*x); Ok(()) })?; }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}
