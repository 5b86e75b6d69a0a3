//! Metadata of engines' tables that was read or written lately. A metadata file never changes
//! after it was written, so its location is all that an entry depends on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use iceberg::spec::TableMetadata;

/// Tables that are kept.
const ENTRIES_MAX: usize = 64;
/// Files above this size are read each time.
const FILE_BYTES_MAX: usize = 512 << 10;

/// The cache, by location.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    by_location: HashMap<String, (Arc<TableMetadata>, u64)>,
    /// Counts uses; the entry with the smallest count goes first.
    uses: u64,
}

impl Cache {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The metadata at a location, if it is here.
    pub(crate) fn get(&self, location: &str) -> Option<Arc<TableMetadata>> {
        let mut entries = self.lock();
        entries.uses += 1;
        let now = entries.uses;
        let (metadata, used) = entries.by_location.get_mut(location)?;
        *used = now;
        Some(Arc::clone(metadata))
    }

    /// Keeps metadata whose file has `bytes` bytes.
    pub(crate) fn put(&self, location: &str, metadata: &Arc<TableMetadata>, bytes: usize) {
        if bytes > FILE_BYTES_MAX {
            return;
        }
        let mut entries = self.lock();
        if entries.by_location.len() >= ENTRIES_MAX {
            let oldest = entries.by_location.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(location, _)| location.clone()) {
                entries.by_location.remove(&oldest);
            }
        }
        entries.uses += 1;
        let used = entries.uses;
        entries.by_location.insert(location.to_string(), (Arc::clone(metadata), used));
    }

    /// Forgets the metadata at a location.
    pub(crate) fn remove(&self, location: &str) {
        self.lock().by_location.remove(location);
    }
}
