//! InitProducerId, API key 22.
//!
//! Generated from `protocol/schema/init_producer_id.txt`: do not edit.

use bytestring::ByteString;

use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};
use crate::wire::{check_decode_version, check_encode_version, unsupported_field};

/// The message, versions 0-6, the last of them unstable in Kafka.
#[derive(Debug, Clone, PartialEq)]
pub struct InitProducerIdRequest {
    /// Versions 0+; nullable 0+.
    pub transactional_id: Option<ByteString>,
    /// Versions 0+.
    pub transaction_timeout_ms: i32,
    /// Versions 3+; default -1.
    pub producer_id: i64,
    /// Versions 3+; default -1.
    pub producer_epoch: i16,
    /// Versions 6+; default false.
    pub enable2_pc: bool,
    /// Versions 6+; default false.
    pub keep_prepared_txn: bool,
}

impl Default for InitProducerIdRequest {
    fn default() -> Self {
        Self {
            transactional_id: Some(ByteString::new()),
            transaction_timeout_ms: 0,
            producer_id: -1,
            producer_epoch: -1,
            enable2_pc: false,
            keep_prepared_txn: false,
        }
    }
}

impl Message for InitProducerIdRequest {
    const API_KEY: i16 = 22;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 6;

    fn is_flexible(v: i16) -> bool {
        v >= 2
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 2;
        let message = Self {
            transactional_id: r.string_or_null(flex)?,
            transaction_timeout_ms: r.i32()?,
            producer_id: if v >= 3 { r.i64()? } else { -1 },
            producer_epoch: if v >= 3 { r.i16()? } else { -1 },
            enable2_pc: if v >= 6 { r.bool()? } else { false },
            keep_prepared_txn: if v >= 6 { r.bool()? } else { false },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 2;
        w.put_string_or_null(flex, self.transactional_id.as_deref())?;
        w.put_i32(self.transaction_timeout_ms);
        if v >= 3 {
            w.put_i64(self.producer_id);
        } else if self.producer_id != -1 { return Err(unsupported_field("producer_id", v)); }
        if v >= 3 {
            w.put_i16(self.producer_epoch);
        } else if self.producer_epoch != -1 { return Err(unsupported_field("producer_epoch", v)); }
        if v >= 6 {
            w.put_bool(self.enable2_pc);
        } else if self.enable2_pc { return Err(unsupported_field("enable2_pc", v)); }
        if v >= 6 {
            w.put_bool(self.keep_prepared_txn);
        } else if self.keep_prepared_txn { return Err(unsupported_field("keep_prepared_txn", v)); }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}

/// The message, versions 0-6.
#[derive(Debug, Clone, PartialEq)]
pub struct InitProducerIdResponse {
    /// Versions 0+.
    pub throttle_time_ms: i32,
    /// Versions 0+.
    pub error_code: i16,
    /// Versions 0+; default -1.
    pub producer_id: i64,
    /// Versions 0+.
    pub producer_epoch: i16,
    /// Versions 6+; default -1.
    pub ongoing_txn_producer_id: i64,
    /// Versions 6+; default -1.
    pub ongoing_txn_producer_epoch: i16,
}

impl Default for InitProducerIdResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            error_code: 0,
            producer_id: -1,
            producer_epoch: 0,
            ongoing_txn_producer_id: -1,
            ongoing_txn_producer_epoch: -1,
        }
    }
}

impl Message for InitProducerIdResponse {
    const API_KEY: i16 = 22;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 6;

    fn is_flexible(v: i16) -> bool {
        v >= 2
    }

    fn decode(r: &mut Reader, v: i16) -> Result<Self, DecodeError> {
        check_decode_version::<Self>(v)?;
        let flex = v >= 2;
        let message = Self {
            throttle_time_ms: r.i32()?,
            error_code: r.i16()?,
            producer_id: r.i64()?,
            producer_epoch: r.i16()?,
            ongoing_txn_producer_id: if v >= 6 { r.i64()? } else { -1 },
            ongoing_txn_producer_epoch: if v >= 6 { r.i16()? } else { -1 },
        };
        if flex { r.skip_tagged_fields()?; }
        Ok(message)
    }

    fn encode(&self, w: &mut Writer, v: i16) -> Result<(), EncodeError> {
        check_encode_version::<Self>(v)?;
        let flex = v >= 2;
        w.put_i32(self.throttle_time_ms);
        w.put_i16(self.error_code);
        w.put_i64(self.producer_id);
        w.put_i16(self.producer_epoch);
        if v >= 6 {
            w.put_i64(self.ongoing_txn_producer_id);
        } else if self.ongoing_txn_producer_id != -1 { return Err(unsupported_field("ongoing_txn_producer_id", v)); }
        if v >= 6 {
            w.put_i16(self.ongoing_txn_producer_epoch);
        } else if self.ongoing_txn_producer_epoch != -1 { return Err(unsupported_field("ongoing_txn_producer_epoch", v)); }
        if flex { w.put_uvarint(0); }
        Ok(())
    }
}
