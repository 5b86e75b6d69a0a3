//! What Strom keeps: the journal, the partitions over it, and the metadata log.
//!
//! ```text
//!  append ─► partition (validate, sequence: short lock) ─► journal queue ─► writer ─► syncer
//!              │ tail (newest bytes in memory)                  one write     one fdatasync
//!              └ index (offset -> position in the journal) ◄──────┘ written     └► high watermark, tickets
//! ```
//!
//! This crate knows record batches and never an API message. It is synchronous: its own threads do the
//! I/O, and what waits for them does so through `tokio::sync` primitives, in any runtime or in none.
//! Opening is recovery; there is no other repair path.

mod archive;
mod data_dir;
mod encoding;
mod error;
mod flush;
pub mod io;
mod journal;
mod keys;
mod metadata;
mod objects;
mod opened_segments;
mod partition;
mod recovery;
mod retention;
pub mod segment;
mod segment_list;
mod signal;
mod store;
mod ticket;
mod topics;
mod verify;

pub use data_dir::DataDir;
pub use error::{AppendError, FlushError, OpenError, ReadError, StorageFailed};
pub use metadata::{Change, Conflict, MetadataLog, MetadataTicket};
pub use partition::{
    AppendRequest, Appended, Isolation, Offsets, Origin, Partition, PartitionSettings, Read,
    ReadLimits, StoredBatch, Subscription, TimestampOffset,
};
pub use recovery::{Corruption, RecoveryReport};
pub use retention::RetentionReport;
pub use segment::SegmentCompression;
pub use store::{FlushPolicy, Store, StoreOptions, StoreStats, TopicSpec};
pub use ticket::AppendTicket;
pub use topics::TopicList;
pub use verify::{Mismatch, VerifyReport};
