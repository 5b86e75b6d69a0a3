//! Groups: membership, rebalances and committed offsets of one `__consumer_offsets` partition.
//!
//! ```text
//!            replay                      commands + now_ms
//!   records ───────► GroupState ──start──► GroupShard ──► Outcome { records, replies }
//!                        ▲                     │
//!                        └───── apply(record) ─┘   the only mutation of durable state
//! ```
//!
//! [`GroupState`] is what the records say: the last written generation of each group and every
//! committed offset. The rebalance in flight (who waits, pending members, timers) is soft state of
//! [`GroupShard`]: losing it costs clients a rejoin, never an offset or an assignment.
//! Semantics are those of Apache Kafka 4.3's `GroupMetadataManager`, `ClassicGroup` and
//! `OffsetMetadataManager`; where we differ, the function says so.

mod classic;
mod command;
mod config;
mod listing;
mod offsets;
mod placement;
mod records;
mod reply;
mod shard;
mod state;
mod step;
mod timers;

#[cfg(test)]
mod tests;

pub use command::{
    Command, Commit, CommitPartition, CommitTopic, DeleteOffsets, FetchOffsets, Heartbeat, Join,
    Leave, LeaveMember, ListFilter, Protocol, Sync, SyncAssignment, Token,
};
pub use config::{GroupConfig, GroupLimits};
pub use placement::{java_string_hash, partition_for};
pub use records::{
    CommittedOffset, GroupMetadata, GroupRecord, MemberMetadata, OffsetKey, RecordError,
};
pub use reply::{
    CommitReply, CommitTopicReply, DeletedOffsets, DescribedGroup, DescribedMember, FetchedOffsets,
    FetchedPartition, FetchedTopic, JoinReply, JoinedMember, LeaveReply, LeftMember, ListedGroup,
    Outcome, Phase, Reply, SyncReply,
};
pub use shard::GroupShard;
pub use state::GroupState;
