//! The errors of this crate, one enum per operation, variants named by cause.
//!
//! Messages are lower case, name the thing and the value, and say what to change. Mapping to Kafka's
//! error codes is the broker's.

use std::path::PathBuf;
use std::sync::Arc;

use crate::segment::SegmentError;

/// The journal or the metadata log failed to write or sync, or was closed: nothing after it can be
/// trusted, so nothing more is accepted until the data directory is opened again (fail-stop).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("storage has stopped: {reason}")]
pub struct StorageFailed {
    /// What failed, with the file where there is one.
    pub reason: Arc<str>,
}

impl StorageFailed {
    pub(crate) fn new(reason: impl AsRef<str>) -> StorageFailed {
        StorageFailed { reason: Arc::from(reason.as_ref()) }
    }
}

/// Why a data directory, or something in it, cannot be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the directory.
    #[error(
        "data directory {path} is in use by another process; stop it, or set another data.dir",
        path = .path.display()
    )]
    Locked {
        /// The data directory.
        path: PathBuf,
    },
    /// The directory cannot be created or written.
    #[error(
        "data directory {path} is not writable ({source}); give this user write permission, or set another data.dir",
        path = .path.display()
    )]
    NotWritable {
        /// The data directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file was written by a newer version of Strom.
    #[error(
        "{path} has format {found}, this version reads up to {supported}; run the version of strom that wrote it, or set another data.dir",
        path = .path.display()
    )]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The version (or entry kind) that was found.
        found: String,
        /// The greatest version that is readable.
        supported: u32,
    },
    /// The directory, or a file in it, is not Strom's, or belongs to another directory.
    #[error("{path} {reason}; set data.dir to an empty or to a strom directory", path = .path.display())]
    Foreign {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Something that was durable is damaged, and nothing can be served without it.
    #[error(
        "{file} is damaged at position {position} ({reason}); restore the data directory from a backup",
        file = .file.display()
    )]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// The position in bytes.
        position: u64,
        /// What was expected.
        reason: String,
    },
    /// The disk refused an operation.
    #[error("{action} {path} failed: {source}", path = .path.display())]
    Io {
        /// What was done, as a gerund.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The log failed while it was opened.
    #[error(transparent)]
    Failed(#[from] StorageFailed),
}

impl OpenError {
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> OpenError {
        let path = path.into();
        move |source| OpenError::Io { action, path, source }
    }
}

/// Why a batch was not appended. Nothing was sequenced: no offset was taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The CRC or the structure of the batch is wrong.
    #[error("{0}")]
    Corrupt(String),
    /// The batch, or records of it, may not be appended.
    #[error("{message}")]
    InvalidRecord {
        /// What is wrong.
        message: String,
        /// Index and reason of each record at fault, when it is single records.
        record_errors: Vec<(i32, String)>,
    },
    /// The batch is larger than the topic or the journal takes.
    #[error("the batch of {bytes} bytes exceeds the maximum of {max} bytes (max.message.bytes)")]
    TooLarge {
        /// The batch's size as produced.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A timestamp lies outside the topic's bounds.
    #[error("{message}")]
    InvalidTimestamp {
        /// What is wrong.
        message: String,
        /// Index and reason of each record at fault.
        record_errors: Vec<(i32, String)>,
    },
    /// The codec is not allowed for this request.
    #[error("the compression codec of the batch is not allowed in this version of the request")]
    UnsupportedCompression,
    /// The sequence does not follow the producer's last one.
    #[error(
        "producer {producer_id} sent sequence {sequence} where {expected} was expected on partition {partition}"
    )]
    OutOfOrderSequence {
        /// The partition.
        partition: i32,
        /// The producer.
        producer_id: i64,
        /// The batch's base sequence.
        sequence: i32,
        /// The sequence that would have been accepted.
        expected: i32,
    },
    /// The producer's epoch is older than one that was seen.
    #[error("producer {producer_id} has epoch {epoch}, a newer one has epoch {current}")]
    InvalidProducerEpoch {
        /// The producer.
        producer_id: i64,
        /// The batch's epoch.
        epoch: i16,
        /// The epoch that fences it.
        current: i16,
    },
    /// There is no room: the disk or the journal's byte budget is full. It heals when space is back.
    #[error("{message}")]
    Full {
        /// What is full and what to change.
        message: String,
    },
    /// The topic was deleted.
    #[error("the topic was deleted")]
    Deleted,
    /// The storage has stopped.
    #[error(transparent)]
    Failed(#[from] StorageFailed),
}

/// Why nothing, or not everything, was flushed into segments.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlushError {
    /// An object could not be written, or what goes into it not be read. The journal keeps it.
    #[error("{0}")]
    Objects(String),
    /// The storage has stopped.
    #[error(transparent)]
    Failed(#[from] StorageFailed),
}

impl From<object_store::Error> for FlushError {
    fn from(error: object_store::Error) -> Self {
        FlushError::Objects(error.to_string())
    }
}

impl From<SegmentError> for FlushError {
    fn from(error: SegmentError) -> Self {
        FlushError::Objects(error.to_string())
    }
}

impl From<ReadError> for FlushError {
    fn from(error: ReadError) -> Self {
        FlushError::Objects(error.to_string())
    }
}

/// Why nothing was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The offset is below the log start or above the log end.
    #[error("offset {offset} is outside of {log_start} to {high_watermark}")]
    OutOfRange {
        /// The offset asked for.
        offset: i64,
        /// The first offset there is.
        log_start: i64,
        /// The end of what may be read.
        high_watermark: i64,
    },
    /// The records at this offset are damaged on disk. Others are served.
    #[error(
        "offset {offset} is damaged in {file} at position {position}; reading goes on at offset {next_offset}",
        file = .file.display()
    )]
    Corrupt {
        /// The offset asked for.
        offset: i64,
        /// The journal file.
        file: PathBuf,
        /// The position in bytes.
        position: u64,
        /// The first offset behind the damage.
        next_offset: i64,
    },
    /// The topic was deleted.
    #[error("the topic was deleted")]
    Deleted,
    /// The disk refused to read.
    #[error("{0}")]
    Environment(String),
}
