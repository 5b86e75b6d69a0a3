//! Retention. Skeleton: bodies follow.

/// What a run of retention did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionReport {
    /// Partitions whose log start advanced.
    pub partitions_advanced: u64,
    /// Journal files that were freed.
    pub files_freed: u64,
    /// Their bytes.
    pub bytes_freed: u64,
    /// Producers that were forgotten.
    pub producers_expired: u64,
}
