//! The one place where storage's outcomes become Kafka error codes, exhaustively.

use strom_protocol::error_code::ErrorCode;
use strom_storage::{AppendError, ReadError};

/// A Kafka error with the sentence that explains it to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The code on the wire.
    pub code: ErrorCode,
    /// What is wrong and what to change; empty where the code says it all.
    pub message: String,
    /// Faults of single records: index within the batch and reason (Produce v8+).
    pub record_errors: Vec<(i32, String)>,
}

impl Fault {
    /// A fault without per-record detail.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), record_errors: Vec::new() }
    }
}

impl From<AppendError> for Fault {
    fn from(error: AppendError) -> Self {
        let message = error.to_string();
        let (code, record_errors) = match error {
            AppendError::Corrupt(_) => (ErrorCode::CorruptMessage, Vec::new()),
            AppendError::InvalidRecord { record_errors, .. } => {
                (ErrorCode::InvalidRecord, record_errors)
            }
            AppendError::InvalidTimestamp { record_errors, .. } => {
                (ErrorCode::InvalidTimestamp, record_errors)
            }
            AppendError::TooLarge { .. } => (ErrorCode::MessageTooLarge, Vec::new()),
            AppendError::UnsupportedCompression => {
                (ErrorCode::UnsupportedCompressionType, Vec::new())
            }
            AppendError::OutOfOrderSequence { .. } => {
                (ErrorCode::OutOfOrderSequenceNumber, Vec::new())
            }
            AppendError::InvalidProducerEpoch { .. } => {
                (ErrorCode::InvalidProducerEpoch, Vec::new())
            }
            AppendError::Full { .. } | AppendError::Failed(_) => {
                (ErrorCode::KafkaStorageError, Vec::new())
            }
            AppendError::Deleted => (ErrorCode::UnknownTopicOrPartition, Vec::new()),
        };
        Self { code, message, record_errors }
    }
}

/// The code that a consumer gets for a failed read.
pub fn read_error_code(error: &ReadError) -> ErrorCode {
    match error {
        ReadError::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        ReadError::Corrupt { .. } | ReadError::Environment(_) => ErrorCode::KafkaStorageError,
        ReadError::Deleted => ErrorCode::UnknownTopicOrPartition,
    }
}
