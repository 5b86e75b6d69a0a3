//! Record batches of message format 2 (magic 2): what a partition's log is made of.
//!
//! A batch is a fixed head and a body. The head is never compressed; the body is the records, one after
//! the other, compressed as a whole by the codec that the attributes name:
//!
//! ```text
//!  0 base offset i64 │ 8 batch length i32 │ 12 leader epoch i32 │ 16 magic i8 │ 17 crc u32
//! ────────────────────── not covered by the CRC ────────────────────────────────────────
//! 21 attributes i16 │ 23 last offset delta i32 │ 27 base timestamp i64 │ 35 max timestamp i64
//! 43 producer id i64 │ 51 producer epoch i16 │ 53 base sequence i32 │ 57 record count i32
//! 61 body: record, record, …        covered by the CRC (CRC-32C, Castagnoli) from 21 on
//! ```
//!
//! The batch length counts what follows it: the whole batch is `12 + batch length` bytes.
//!
//! Everything here is a plain function over bytes: no I/O, no clock, nothing of the other modules of this
//! crate. Every length that comes from the bytes is checked against the bytes that are there before it is
//! used, no memory is reserved on the word of a record count, and what a body decompresses to is bounded by
//! the [`Scratch`] that it is decompressed into. Visiting allocates nothing per record.

mod builder;
mod compression;
mod control;
mod encode;
mod header;
mod reader;
mod validate;
mod varint;

pub use builder::{BatchBuilder, HeaderRef};
pub use compression::{
    Compression, CompressionError, DEFAULT_MAX_DECOMPRESSED_BYTES, Scratch, compress,
};
pub use control::{ControlRecord, EndTransactionMarker, control_batch};
pub use encode::{RecordFields, encode_record};
pub use header::{
    Attributes, BatchError, BatchHeader, HEADER_BYTES, crc_of, crc_of_parts, set_base,
    set_max_timestamp,
};
pub use reader::{HeaderIter, Headers, Record, RecordFault, VisitError, visit, visit_plain};
pub use validate::{
    BatchFault, FaultClass, MAX_RECORD_ERRORS, ProduceRules, ValidBatch, validate_produced,
};
pub use varint::{MAX_VARLONG_BYTES, put_varlong, read_varlong};
