//! Settings and bounds of a shard, validated by whoever read them.

/// Kafka's group options that classic groups and offsets obey. Defaults are Kafka's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`
    pub min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`
    pub max_session_timeout_ms: i32,
    /// `group.initial.rebalance.delay.ms`: an empty group waits this long for more members, again
    /// for each round that brought one, up to the rebalance timeout.
    pub initial_rebalance_delay_ms: i32,
    /// `group.max.size`: members that one generation may have.
    pub max_size: usize,
    /// How long a new member's JoinGroup may wait before it is taken for dead (Kafka: 5 minutes,
    /// not configurable there either).
    pub new_member_join_timeout_ms: i32,
    /// `offset.metadata.max.bytes`, counted in UTF-16 units as Kafka does.
    pub offset_metadata_max_bytes: usize,
    /// `offsets.retention.minutes`, in milliseconds.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`
    pub offsets_retention_check_interval_ms: i64,
    /// Bounds that Kafka does not have.
    pub limits: GroupLimits,
}

impl Default for GroupConfig {
    fn default() -> Self {
        GroupConfig {
            min_session_timeout_ms: 6_000,
            max_session_timeout_ms: 1_800_000,
            initial_rebalance_delay_ms: 3_000,
            max_size: i32::MAX as usize,
            new_member_join_timeout_ms: 300_000,
            offset_metadata_max_bytes: 4_096,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1_000,
            offsets_retention_check_interval_ms: 600_000,
            limits: GroupLimits::default(),
        }
    }
}

/// Bounds on what clients can make a shard remember. At a bound the newcomer is refused and
/// nothing else changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupLimits {
    /// Groups per shard. A further one: GROUP_MAX_SIZE_REACHED on join and commit.
    pub groups_max: usize,
    /// Members of a group, with those that have an id but have not joined yet, whatever
    /// `group.max.size` allows. A further one: GROUP_MAX_SIZE_REACHED.
    pub members_max: usize,
    /// Committed partitions of a group. A further one: INVALID_COMMIT_OFFSET_SIZE for it.
    pub offsets_max: usize,
    /// Bytes of a group's metadata record (all members' subscriptions and assignments). A leader
    /// whose assignment passes it: GROUP_MAX_SIZE_REACHED to every member that waits, and a new
    /// rebalance.
    pub group_record_bytes_max: usize,
    /// Tombstones that one round of offset expiry writes; the next round follows a second later.
    pub expired_per_round_max: usize,
}

impl Default for GroupLimits {
    fn default() -> Self {
        GroupLimits {
            groups_max: 100_000,
            members_max: 10_000,
            offsets_max: 100_000,
            group_record_bytes_max: 8 * 1024 * 1024,
            expired_per_round_max: 10_000,
        }
    }
}
