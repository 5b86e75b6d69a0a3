//! Removing what nothing refers to: purged tables, expired metadata files, and what a crash left.
//!
//! What is to be removed is a record of the metadata log first, put by the very change that made
//! it unwanted, so that neither a crash nor a store that cannot be reached makes it stay for
//! ever. A failure leaves the record for the next sweep.

use strom_storage::{Change, MetadataLog};
use uuid::Uuid;

use super::locations;
use super::records::{self, Unwanted};
use crate::LakeError;
use crate::lake::Shared;

/// The change that marks something as unwanted.
pub(crate) fn mark(unwanted: &Unwanted) -> Change {
    let key = records::unique_key(records::GARBAGE, Uuid::new_v4());
    Change::Put { key, value: records::encode(unwanted) }
}

/// What earlier lives of the broker were writing when they ended is unwanted. True if there is
/// anything to sweep.
pub(crate) fn recover(metadata: &MetadataLog) -> Result<bool, LakeError> {
    let left = metadata.scan(records::WRITING);
    if !left.is_empty() {
        let mut changes = Vec::new();
        for (key, value) in left {
            changes.push(Change::Put {
                key: records::unique_key(records::GARBAGE, Uuid::new_v4()),
                value,
            });
            changes.push(Change::Delete { key });
        }
        let moved = metadata.apply(changes);
        moved.wait().map_err(|e| LakeError::Storage(e.to_string()))?;
    }
    Ok(!metadata.scan(records::GARBAGE).is_empty())
}

/// Whether something at `location` is still to be removed: nothing new may be put there.
pub(crate) fn is_pending(metadata: &MetadataLog, location: &str) -> bool {
    metadata.scan(records::GARBAGE).into_iter().any(|(key, value)| {
        match records::decode::<Unwanted>(&key, &value) {
            Ok(Unwanted::Tree(tree)) => locations::overlap(&tree, location),
            // Single files have names that are never given twice.
            Ok(Unwanted::Files(_)) | Err(_) => false,
        }
    })
}

/// Removes everything that is unwanted by now.
pub(crate) fn sweep(shared: &Shared) {
    let metadata = shared.store.metadata();
    for (key, value) in metadata.scan(records::GARBAGE) {
        let removed = records::decode::<Unwanted>(&key, &value)
            .map_err(LakeError::Pointer)
            .and_then(|unwanted| remove(shared, &unwanted));
        match removed {
            // Durable with the next group of changes: removing it twice does no harm, because
            // nothing is put where something is still to be removed.
            Ok(()) => drop(metadata.apply(vec![Change::Delete { key }])),
            Err(error) => tracing::warn!(%error, "unwanted files stay until the next sweep"),
        }
    }
}

fn remove(shared: &Shared, unwanted: &Unwanted) -> Result<(), LakeError> {
    match unwanted {
        Unwanted::Files(files) => {
            files.iter().try_for_each(|location| shared.warehouse.delete(location))
        }
        Unwanted::Tree(location) => {
            tracing::info!(location, "removing the files of a purged table");
            shared.warehouse.delete_under(location)
        }
    }
}
