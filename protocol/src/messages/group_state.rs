//! Data formats of group state.
//!
//! Generated from `protocol/schema/group_state.txt`: do not edit.

use bytes::Bytes;
use bytestring::ByteString;
use uuid::Uuid;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version};

/// The message, versions 0-1.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetCommitKey {
    /// Versions 0+.
    pub group: ByteString,
    /// Versions 0+.
    pub topic: ByteString,
    /// Versions 0+.
    pub partition: i32,
}

impl Message for OffsetCommitKey {
    const API_KEY: i16 = -1;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 1;

    fn is_flexible(_v: i16) -> bool {
        false
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let message = Self {
            group: r.string(false)?,
            topic: r.string(false)?,
            partition: r.i32()?,
        };
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        w.put_string(false, &self.group)?;
        w.put_string(false, &self.topic)?;
        w.put_i32(self.partition);
        Ok(())
    }
}

/// The message, versions 0-4.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetCommitValue {
    /// Versions 0+.
    pub offset: i64,
    /// Versions 3+; default -1.
    pub leader_epoch: i32,
    /// Versions 0+.
    pub metadata: ByteString,
    /// Versions 0+.
    pub commit_timestamp: i64,
    /// Version 1; default -1.
    pub expire_timestamp: i64,
    /// Versions 4+; tag 0.
    pub topic_id: Uuid,
}

impl Default for OffsetCommitValue {
    fn default() -> Self {
        Self {
            offset: 0,
            leader_epoch: -1,
            metadata: ByteString::new(),
            commit_timestamp: 0,
            expire_timestamp: -1,
            topic_id: Uuid::nil(),
        }
    }
}

impl Message for OffsetCommitValue {
    const API_KEY: i16 = -1;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 4;

    fn is_flexible(v: i16) -> bool {
        v >= 4
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 4;
        let mut message = Self {
            offset: r.i64()?,
            leader_epoch: if v >= 3 { r.i32()? } else { -1 },
            metadata: r.string(flex)?,
            commit_timestamp: r.i64()?,
            expire_timestamp: if v == 1 { r.i64()? } else { -1 },
            topic_id: Uuid::nil(),
        };
        if flex {
            r.tagged_fields(|r, tag| {
                match tag {
                    0 => message.topic_id = r.uuid()?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 4;
        w.put_i64(self.offset);
        if v >= 3 { w.put_i32(self.leader_epoch); }
        w.put_string(flex, &self.metadata)?;
        w.put_i64(self.commit_timestamp);
        if v == 1 { w.put_i64(self.expire_timestamp); }
        if flex {
            let has_topic_id = !self.topic_id.is_nil();
            w.put_uvarint(u32::from(has_topic_id));
            if has_topic_id {
                w.put_tagged_field(0, |w| { w.put_uuid(self.topic_id); Ok(()) })?;
            }
        }
        Ok(())
    }
}

/// The message, versions 2.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GroupMetadataKey {
    /// Version 2.
    pub group: ByteString,
}

impl Message for GroupMetadataKey {
    const API_KEY: i16 = -1;
    const MIN_VERSION: i16 = 2;
    const MAX_VERSION: i16 = 2;

    fn is_flexible(_v: i16) -> bool {
        false
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let message = Self {
            group: r.string(false)?,
        };
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        w.put_string(false, &self.group)?;
        Ok(())
    }
}

/// The message, versions 0-4.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupMetadataValue {
    /// Versions 0+.
    pub protocol_type: ByteString,
    /// Versions 0+.
    pub generation: i32,
    /// Versions 0+; nullable 0+.
    pub protocol: Option<ByteString>,
    /// Versions 0+; nullable 0+.
    pub leader: Option<ByteString>,
    /// Versions 2+; default -1.
    pub current_state_timestamp: i64,
    /// Versions 0+.
    pub members: Vec<MemberMetadata>,
}

impl Default for GroupMetadataValue {
    fn default() -> Self {
        Self {
            protocol_type: ByteString::new(),
            generation: 0,
            protocol: Some(ByteString::new()),
            leader: Some(ByteString::new()),
            current_state_timestamp: -1,
            members: Vec::new(),
        }
    }
}

impl Message for GroupMetadataValue {
    const API_KEY: i16 = -1;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 4;

    fn is_flexible(v: i16) -> bool {
        v >= 4
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 4;
        let message = Self {
            protocol_type: r.string(flex)?,
            generation: r.i32()?,
            protocol: r.string_or_null(flex)?,
            leader: r.string_or_null(flex)?,
            current_state_timestamp: if v >= 2 { r.i64()? } else { -1 },
            members: r.array(flex, 9, |r| MemberMetadata::decode(r, v))?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 4;
        w.put_string(flex, &self.protocol_type)?;
        w.put_i32(self.generation);
        w.put_string_or_null(flex, self.protocol.as_deref())?;
        w.put_string_or_null(flex, self.leader.as_deref())?;
        if v >= 2 { w.put_i64(self.current_state_timestamp); }
        w.put_array(flex, &self.members, |w, x| MemberMetadata::encode(x, w, v))?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// A part of the message, versions 0-4.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MemberMetadata {
    /// Versions 0+.
    pub member_id: ByteString,
    /// Versions 3+; nullable 3+; default null.
    pub group_instance_id: Option<ByteString>,
    /// Versions 0+.
    pub client_id: ByteString,
    /// Versions 0+.
    pub client_host: ByteString,
    /// Versions 1+.
    pub rebalance_timeout: i32,
    /// Versions 0+.
    pub session_timeout: i32,
    /// Versions 0+.
    pub subscription: Bytes,
    /// Versions 0+.
    pub assignment: Bytes,
}

impl MemberMetadata {
    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        let flex = v >= 4;
        let message = Self {
            member_id: r.string(flex)?,
            group_instance_id: if v >= 3 { r.string_or_null(flex)? } else { None },
            client_id: r.string(flex)?,
            client_host: r.string(flex)?,
            rebalance_timeout: if v >= 1 { r.i32()? } else { 0 },
            session_timeout: r.i32()?,
            subscription: r.bytes(flex)?,
            assignment: r.bytes(flex)?,
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        let flex = v >= 4;
        w.put_string(flex, &self.member_id)?;
        if v >= 3 { w.put_string_or_null(flex, self.group_instance_id.as_deref())?; }
        w.put_string(flex, &self.client_id)?;
        w.put_string(flex, &self.client_host)?;
        if v >= 1 { w.put_i32(self.rebalance_timeout); }
        w.put_i32(self.session_timeout);
        w.put_bytes(flex, &self.subscription)?;
        w.put_bytes(flex, &self.assignment)?;
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}
