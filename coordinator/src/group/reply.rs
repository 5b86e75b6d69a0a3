//! What a shard answers: outcomes as values with an [`ErrorCode`], free of API versions.

use strom_protocol::{ByteString, Bytes, ErrorCode};

use super::{GroupRecord, Token};

/// What came out of one command.
///
/// The shell appends `records` in order as one batch and sends each reply after they (and all
/// earlier records of the shard) are durable, so that nobody is told what a crash could take back.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// Records for the shard's partition, already applied to the shard's state.
    pub records: Vec<GroupRecord>,
    /// Replies, to this command and to any that had been waiting.
    pub replies: Vec<(Token, Reply)>,
}

/// A reply to one token.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// To [`super::Join`].
    Join(JoinReply),
    /// To [`super::Sync`].
    Sync(SyncReply),
    /// To [`super::Heartbeat`].
    Heartbeat(ErrorCode),
    /// To [`super::Leave`].
    Leave(LeaveReply),
    /// To [`super::Commit`].
    Commit(CommitReply),
    /// To [`super::FetchOffsets`].
    Offsets(FetchedOffsets),
    /// To [`super::DeleteOffsets`].
    OffsetsDeleted(DeletedOffsets),
    /// To [`super::Command::Describe`], in the order asked.
    Described(Vec<DescribedGroup>),
    /// To [`super::Command::List`], sorted by group id.
    Listed(Vec<ListedGroup>),
    /// To [`super::Command::Delete`], in the order asked.
    Deleted(Vec<(ByteString, ErrorCode)>),
}

/// The states of a group as clients see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// No members; offsets may remain.
    Empty,
    /// Members are being collected for the next generation.
    PreparingRebalance,
    /// The generation stands, the leader's assignment is awaited.
    CompletingRebalance,
    /// Every member can have its assignment.
    Stable,
    /// There is no such group.
    Dead,
}

impl Phase {
    /// Kafka's name of the state.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Empty => "Empty",
            Phase::PreparingRebalance => "PreparingRebalance",
            Phase::CompletingRebalance => "CompletingRebalance",
            Phase::Stable => "Stable",
            Phase::Dead => "Dead",
        }
    }
}

/// The outcome of a join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinReply {
    /// [`ErrorCode::None`] when the member is in the generation below.
    pub error: ErrorCode,
    /// The generation, -1 on errors.
    pub generation: i32,
    /// The group's protocol type.
    pub protocol_type: Option<ByteString>,
    /// The protocol chosen for this generation.
    pub protocol_name: Option<ByteString>,
    /// The leader's member id, empty on errors.
    pub leader: ByteString,
    /// The leader keeps the assignment as it is (KIP-814).
    pub skip_assignment: bool,
    /// The member's own id (with MEMBER_ID_REQUIRED the one to come back with).
    pub member_id: ByteString,
    /// Everybody's metadata, for the leader only.
    pub members: Vec<JoinedMember>,
}

impl JoinReply {
    /// A refusal.
    pub fn refused(member_id: ByteString, error: ErrorCode) -> JoinReply {
        JoinReply {
            error,
            generation: -1,
            protocol_type: None,
            protocol_name: None,
            leader: ByteString::new(),
            skip_assignment: false,
            member_id,
            members: Vec::new(),
        }
    }
}

/// A member as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub member_id: ByteString,
    /// Its instance id if it is static.
    pub group_instance_id: Option<ByteString>,
    /// Its metadata under the chosen protocol.
    pub metadata: Bytes,
}

/// The outcome of a sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncReply {
    /// [`ErrorCode::None`] when the assignment below is the member's.
    pub error: ErrorCode,
    /// The group's protocol type.
    pub protocol_type: Option<ByteString>,
    /// The chosen protocol.
    pub protocol_name: Option<ByteString>,
    /// The assignment, empty on errors.
    pub assignment: Bytes,
}

impl SyncReply {
    /// A refusal.
    pub fn refused(error: ErrorCode) -> SyncReply {
        SyncReply { error, protocol_type: None, protocol_name: None, assignment: Bytes::new() }
    }
}

/// The outcome of a leave: one for the request, one per member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaveReply {
    /// Concerns the whole request.
    pub error: ErrorCode,
    /// Per member, in the order of the request; empty when `error` is set.
    pub members: Vec<LeftMember>,
}

/// The outcome for one leaving member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftMember {
    /// As in the request.
    pub member_id: ByteString,
    /// As in the request.
    pub group_instance_id: Option<ByteString>,
    /// What became of it.
    pub error: ErrorCode,
}

/// The outcome of a commit, in the order of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitReply {
    /// Per topic.
    pub topics: Vec<CommitTopicReply>,
}

/// The outcome of a commit for one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitTopicReply {
    /// The topic's name.
    pub name: ByteString,
    /// Partition and outcome.
    pub partitions: Vec<(i32, ErrorCode)>,
}

/// Committed offsets of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedOffsets {
    /// Concerns the whole group.
    pub error: ErrorCode,
    /// Per topic; in the order of the request, or by name for all of them.
    pub topics: Vec<FetchedTopic>,
}

/// Committed offsets of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedTopic {
    /// The topic's name.
    pub name: ByteString,
    /// Per partition.
    pub partitions: Vec<FetchedPartition>,
}

/// A committed offset; without one, offset and leader epoch are -1 and the metadata is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedPartition {
    /// The partition.
    pub partition: i32,
    /// The next offset to read, or -1.
    pub offset: i64,
    /// The leader epoch, or -1.
    pub leader_epoch: i32,
    /// The client's note.
    pub metadata: ByteString,
}

/// A group as DescribeGroups shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedGroup {
    /// The group.
    pub group_id: ByteString,
    /// GROUP_ID_NOT_FOUND when it was asked to be an error.
    pub error: ErrorCode,
    /// A sentence with the error.
    pub error_message: Option<String>,
    /// Its state; [`Phase::Dead`] when there is no such group.
    pub state: Phase,
    /// Its protocol type, empty for a simple group.
    pub protocol_type: ByteString,
    /// The chosen protocol, filled in state Stable.
    pub protocol: ByteString,
    /// Its members, by member id.
    pub members: Vec<DescribedMember>,
}

/// A member as DescribeGroups shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedMember {
    /// Its id.
    pub member_id: ByteString,
    /// Its instance id if it is static.
    pub group_instance_id: Option<ByteString>,
    /// From the header of its requests.
    pub client_id: ByteString,
    /// Its address.
    pub client_host: ByteString,
    /// Its metadata under the chosen protocol, filled in state Stable.
    pub metadata: Bytes,
    /// Its assignment.
    pub assignment: Bytes,
}

/// A group as ListGroups shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedGroup {
    /// The group.
    pub group_id: ByteString,
    /// Its protocol type, empty for a simple group.
    pub protocol_type: ByteString,
    /// Its state.
    pub state: Phase,
    /// Its type: `classic`.
    pub group_type: &'static str,
}

/// The outcome of an OffsetDelete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedOffsets {
    /// Why nothing was deleted at all, if so; then there are no topics.
    pub error: ErrorCode,
    /// Topics and partitions with their outcomes, in the order asked.
    pub topics: Vec<(ByteString, Vec<(i32, ErrorCode)>)>,
}
