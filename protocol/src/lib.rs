//! The Kafka wire protocol and Strom's record-batch codec.
//!
//! Everything here is a plain function of bytes: no I/O, no async, no clock. `wire` reads and
//! writes primitive values, `messages` (generated from `schema/*.txt`) gives one struct per
//! request and response, `api` says which of them are served and at which versions, `frame` adds
//! the size prefix and the headers, and `record` is the v2 record-batch format.
//!
//! Bytes from the network are hostile: no decoder here panics, and none allocates more than a
//! small multiple of the bytes it was given (see [`wire::Reader`]).

pub mod api;
pub mod error_code;
pub mod frame;
pub mod messages;
pub mod partitioning;
pub mod record;
pub mod types;
pub mod wire;

pub use bytes::Bytes;
pub use bytestring::ByteString;
pub use error_code::ErrorCode;
pub use types::TopicId;
pub use uuid::Uuid;
