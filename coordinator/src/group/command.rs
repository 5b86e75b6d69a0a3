//! What the shell asks of a shard. These are our own types, not API messages: the shell maps
//! every request version onto them, and says with flags what a version promises its client.

use strom_protocol::{ByteString, Bytes, Uuid};

/// Names a request that waits for its reply. Chosen by the shell, unique within one shard for as
/// long as the request is unanswered.
pub type Token = u64;

/// One request to a shard.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// JoinGroup; the reply may come out of a later command.
    Join(Token, Join),
    /// SyncGroup; the reply may come out of a later command.
    Sync(Token, Sync),
    /// Heartbeat of a member.
    Heartbeat(Token, Heartbeat),
    /// LeaveGroup of one or several members.
    Leave(Token, Leave),
    /// OffsetCommit.
    Commit(Token, Commit),
    /// OffsetFetch of one group.
    FetchOffsets(Token, FetchOffsets),
    /// DescribeGroups. `missing_is_error`: a group that does not exist is GROUP_ID_NOT_FOUND
    /// (DescribeGroups v6, KIP-1043) instead of a group in state Dead.
    Describe {
        /// The waiting request.
        token: Token,
        /// The groups, answered in this order.
        group_ids: Vec<ByteString>,
        /// Whether an absent group is an error.
        missing_is_error: bool,
    },
    /// ListGroups of this shard.
    List(Token, ListFilter),
    /// DeleteGroups, answered in the order of the ids.
    Delete(Token, Vec<ByteString>),
    /// OffsetDelete.
    DeleteOffsets(Token, DeleteOffsets),
    /// These topics are gone: their committed offsets go too. No reply.
    TopicsDeleted(Vec<ByteString>),
    /// Nothing but time: timers that are due run. No reply.
    Tick,
}

/// A JoinGroup request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Join {
    /// The group.
    pub group_id: ByteString,
    /// The member's id, or empty when it has none yet.
    pub member_id: ByteString,
    /// KIP-345 static membership.
    pub group_instance_id: Option<ByteString>,
    /// From the request header; empty when absent.
    pub client_id: ByteString,
    /// The client's address as Kafka writes it, `/127.0.0.1`.
    pub client_host: ByteString,
    /// How long the member may be silent, in milliseconds.
    pub session_timeout_ms: i32,
    /// How long a rebalance waits for this member; not positive (JoinGroup v0) means the
    /// session timeout.
    pub rebalance_timeout_ms: i32,
    /// The kind of group: `consumer`, `connect`, `sr`, anything.
    pub protocol_type: ByteString,
    /// The protocols the member speaks, most preferred first.
    pub protocols: Vec<Protocol>,
    /// JoinGroup v4 and later (KIP-394): a dynamic member is first told its id.
    pub member_id_required: bool,
    /// JoinGroup v9 and later (KIP-814): a replaced static leader may be told to keep the
    /// assignment.
    pub skip_assignment_supported: bool,
    /// The random part of a member id, should one be given out.
    pub member_id_suffix: Uuid,
}

/// One protocol of a member.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Protocol {
    /// Its name (for consumers the assignor's).
    pub name: ByteString,
    /// The member's metadata under it, opaque.
    pub metadata: Bytes,
}

/// A SyncGroup request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sync {
    /// The group.
    pub group_id: ByteString,
    /// The member.
    pub member_id: ByteString,
    /// KIP-345 static membership.
    pub group_instance_id: Option<ByteString>,
    /// The generation that the member joined.
    pub generation: i32,
    /// The group's protocol type as the member knows it (v5 and later).
    pub protocol_type: Option<ByteString>,
    /// The chosen protocol as the member knows it (v5 and later).
    pub protocol_name: Option<ByteString>,
    /// SyncGroup v5 and later: both of the above must be given.
    pub protocol_required: bool,
    /// The leader's assignments; empty from followers.
    pub assignments: Vec<SyncAssignment>,
}

/// What the leader gives one member.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SyncAssignment {
    /// The member.
    pub member_id: ByteString,
    /// Its assignment, opaque.
    pub assignment: Bytes,
}

/// A Heartbeat request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Heartbeat {
    /// The group.
    pub group_id: ByteString,
    /// The member.
    pub member_id: ByteString,
    /// KIP-345 static membership.
    pub group_instance_id: Option<ByteString>,
    /// The member's generation.
    pub generation: i32,
}

/// A LeaveGroup request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Leave {
    /// The group.
    pub group_id: ByteString,
    /// Who leaves; answered in this order.
    pub members: Vec<LeaveMember>,
}

/// One leaving member: by its id, or (static members, by an administrator) by instance id with
/// an empty member id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeaveMember {
    /// The member id, or empty.
    pub member_id: ByteString,
    /// The instance id of a static member.
    pub group_instance_id: Option<ByteString>,
}

/// An OffsetCommit request. The shell has resolved topic ids and answered for unknown topics.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Commit {
    /// The group.
    pub group_id: ByteString,
    /// The member, or empty for a simple commit.
    pub member_id: ByteString,
    /// KIP-345 static membership.
    pub group_instance_id: Option<ByteString>,
    /// The member's generation, or -1 for a simple commit.
    pub generation: i32,
    /// Explicit retention of these offsets in milliseconds (OffsetCommit v2-4), -1 for the
    /// broker's.
    pub retention_time_ms: i64,
    /// OffsetCommit v9 and later: an absent group is GROUP_ID_NOT_FOUND, not ILLEGAL_GENERATION.
    pub missing_group_is_not_found: bool,
    /// The offsets; answered in this order.
    pub topics: Vec<CommitTopic>,
}

/// The offsets of one topic in a commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommitTopic {
    /// The topic's name.
    pub name: ByteString,
    /// Its partitions.
    pub partitions: Vec<CommitPartition>,
}

/// One committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitPartition {
    /// The partition.
    pub partition: i32,
    /// The next offset to read.
    pub offset: i64,
    /// The leader epoch of the last consumed record, -1 for unknown.
    pub leader_epoch: i32,
    /// The client's note.
    pub metadata: Option<ByteString>,
}

/// An OffsetFetch request for one group. `requireStable` needs no flag here: the state a shard
/// answers from is the one its records made, and transactional offsets do not exist yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FetchOffsets {
    /// The group.
    pub group_id: ByteString,
    /// Topics and partitions, or `None` for every committed offset of the group.
    pub topics: Option<Vec<(ByteString, Vec<i32>)>>,
}

/// Filters of ListGroups; an empty list admits everything. Compared without regard to case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListFilter {
    /// Group states, such as `Stable`.
    pub states: Vec<ByteString>,
    /// Group types, such as `classic`.
    pub types: Vec<ByteString>,
}

/// An OffsetDelete request. The shell has answered for unknown topics and partitions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeleteOffsets {
    /// The group.
    pub group_id: ByteString,
    /// Topics and partitions; answered in this order.
    pub topics: Vec<(ByteString, Vec<i32>)>,
}
