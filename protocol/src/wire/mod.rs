//! Primitive values of the Kafka protocol, read from a frame and written to a rope of buffers.
//!
//! [`Reader`] is the only way from network bytes to values: it checks every length against the
//! bytes that remain and keeps a budget for arrays, so a hostile length costs nothing.
//! [`Writer`] is the way back: small values are copied into one growing buffer, record sets are
//! linked in as they are. Knows neither messages nor API keys.

mod reader;
mod records;
mod versioned;
mod writer;

pub use reader::Reader;
pub use records::Records;
pub use versioned::{decode_versioned, encode_versioned};
pub use writer::Writer;

#[cfg(test)]
mod tests;

/// A value that the versions of one API encode in different ways.
///
/// Implemented by generated code only. `API_KEY` is -1 for data schemas that are not requests or
/// responses (group state, consumer protocol).
pub trait Message: Sized {
    /// Kafka's key of the API that the message belongs to, or -1.
    const API_KEY: i16;
    /// Lowest version in the schema, which may be lower than what is served.
    const MIN_VERSION: i16;
    /// Highest version in the schema, which may be higher than what is served.
    const MAX_VERSION: i16;

    /// Whether `version` uses compact lengths and tagged fields (KIP-482).
    fn is_flexible(version: i16) -> bool;

    /// Reads one message; bytes after it are left in `reader`.
    fn decode(reader: &mut Reader, version: i16) -> Result<Self, DecodeError>;

    /// Appends the message to `writer`. Fails when a field is set that `version` cannot carry and
    /// that Kafka's schema does not allow to be dropped silently.
    fn encode(&self, writer: &mut Writer, version: i16) -> Result<(), EncodeError>;
}

/// Why bytes are not the message they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A value or an announced length goes beyond the end of the message.
    #[error("message ends too early: {needed} bytes needed, {remaining} remain")]
    UnexpectedEnd {
        /// Bytes that the value would take.
        needed: u64,
        /// Bytes that were left.
        remaining: usize,
    },
    /// A length below -1, or a null where the schema has none.
    #[error("invalid length {0}")]
    InvalidLength(i64),
    /// A variable-length integer of more than five (or ten) bytes.
    #[error("variable-length integer is too long")]
    InvalidVarint,
    /// A string that is not UTF-8.
    #[error("string is not valid utf-8")]
    InvalidUtf8,
    /// The marker before a nullable struct is neither -1 nor 1.
    #[error("invalid null marker {0}")]
    InvalidNullMarker(i8),
    /// A tagged field is longer or shorter than its size says, or the tags are out of order.
    #[error("malformed tagged field {0}")]
    InvalidTaggedField(u32),
    /// The decoded message would take far more memory than its bytes account for.
    #[error("message would need too much memory: {0} bytes beyond its limit")]
    MemoryLimit(usize),
    /// The message has no such version.
    #[error("api key {api_key} has no version {version}")]
    UnsupportedVersion {
        /// Kafka's API key, or -1 for a data schema.
        api_key: i16,
        /// The version asked for.
        version: i16,
    },
    /// Bytes are left after the message.
    #[error("{0} bytes follow the message")]
    TrailingBytes(usize),
}

/// Why a message cannot be written in a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The message has no such version.
    #[error("api key {api_key} has no version {version}")]
    UnsupportedVersion {
        /// Kafka's API key, or -1 for a data schema.
        api_key: i16,
        /// The version asked for.
        version: i16,
    },
    /// A field is set that the version cannot carry.
    #[error("field {field} is set but does not exist in version {version}")]
    UnsupportedField {
        /// Name of the field in Rust.
        field: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// A field is null in a version where it must not be.
    #[error("field {field} must not be null in version {version}")]
    UnexpectedNull {
        /// Name of the field in Rust.
        field: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// A string, array or message is longer than its length prefix can say.
    #[error("value of length {0} is too long for its length prefix")]
    TooLong(usize),
}

/// Fails unless the schema of `M` has `version`.
pub(crate) fn check_decode_version<M: Message>(version: i16) -> Result<(), DecodeError> {
    if (M::MIN_VERSION..=M::MAX_VERSION).contains(&version) {
        Ok(())
    } else {
        Err(DecodeError::UnsupportedVersion { api_key: M::API_KEY, version })
    }
}

/// Fails unless the schema of `M` has `version`.
pub(crate) fn check_encode_version<M: Message>(version: i16) -> Result<(), EncodeError> {
    if (M::MIN_VERSION..=M::MAX_VERSION).contains(&version) {
        Ok(())
    } else {
        Err(EncodeError::UnsupportedVersion { api_key: M::API_KEY, version })
    }
}

#[cold]
pub(crate) fn unsupported_field(field: &'static str, version: i16) -> EncodeError {
    EncodeError::UnsupportedField { field, version }
}

#[cold]
pub(crate) fn unexpected_null(field: &'static str, version: i16) -> EncodeError {
    EncodeError::UnexpectedNull { field, version }
}
