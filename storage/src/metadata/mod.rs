//! The metadata log. Skeleton: bodies follow.

use bytes::Bytes;

use crate::data_dir::DataDir;
use crate::error::{OpenError, StorageFailed};

/// One change of the metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Sets a key.
    Put {
        /// The key.
        key: Bytes,
        /// The value; its first byte is the version of its format.
        value: Bytes,
    },
    /// Removes a key; fine if it is absent.
    Delete {
        /// The key.
        key: Bytes,
    },
}

/// A compare-and-apply found another value than expected; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("metadata key {key:?} has changed")]
pub struct Conflict {
    /// The first key that differs.
    pub key: Bytes,
    /// The value that it has.
    pub found: Option<Bytes>,
}

/// The metadata log: a durable, ordered map. Clones are handles of the same log.
#[derive(Clone, Debug)]
pub struct MetadataLog {}

/// The promise that a change will be durable.
#[derive(Clone, Debug)]
pub struct MetadataTicket {}

#[allow(clippy::unimplemented, unused_variables)]
impl MetadataTicket {
    /// Resolves when the change is synced. Cancel-safe.
    pub async fn durable(self) -> Result<(), StorageFailed> {
        unimplemented!()
    }

    /// [`durable`](Self::durable) for threads outside of a runtime.
    pub fn wait(self) -> Result<(), StorageFailed> {
        unimplemented!()
    }
}

#[allow(clippy::unimplemented, unused_variables)]
impl MetadataLog {
    /// Opens the log of a data directory, or creates it.
    pub fn open(data_dir: &DataDir) -> Result<MetadataLog, OpenError> {
        unimplemented!()
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Option<Bytes> {
        unimplemented!()
    }

    /// Keys and values under a prefix, in the order of keys.
    pub fn scan(&self, prefix: &[u8]) -> Vec<(Bytes, Bytes)> {
        unimplemented!()
    }

    /// Applies changes as one: visible at once, durable when the ticket resolves.
    pub fn apply(&self, changes: Vec<Change>) -> MetadataTicket {
        unimplemented!()
    }

    /// Applies changes if every expected key has its expected value (`None`: is absent).
    pub fn compare_and_apply(
        &self,
        expected: &[(Bytes, Option<Bytes>)],
        changes: Vec<Change>,
    ) -> Result<MetadataTicket, Conflict> {
        unimplemented!()
    }
}
