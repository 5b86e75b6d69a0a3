//! Carrying out what was decided about engines' tables.
//!
//! ```text
//!  iw/ record ─► metadata files ─► pointers, all in one change ─► answer
//!  durable       written, synced   compare-and-swap; removes iw/
//!                                  marks what expired; durable
//! ```
//!
//! A change of several tables is one change of the metadata log, so it is atomic. Everything
//! that fails before the pointers move is undone and told as 409 or 429; after that only a failed
//! metadata log can be unsure.

use std::sync::Arc;

use bytes::Bytes;
use iceberg::spec::TableMetadata;
use strom_storage::{Change as LogChange, MetadataTicket};
use uuid::Uuid;

use super::namespaces::wait;
use super::records::{self, TableRecord, Unwanted};
use super::{Catalog, CatalogError, garbage};

/// Engines' tables at most.
const TABLES_MAX: usize = 10_000;

/// One table's part of a change, decided and not yet done.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) key: Bytes,
    /// The pointer that this builds on; none if the table is new.
    pub(super) expected: Option<Bytes>,
    pub(super) record: TableRecord,
    pub(super) metadata: Arc<TableMetadata>,
    /// The metadata file to write; none if the pointer goes to one that is there.
    pub(super) file: Option<Bytes>,
    /// Metadata files to remove afterwards.
    pub(super) expired: Vec<String>,
}

impl Catalog {
    /// Carries drafts out, all or none.
    pub(super) fn publish(&self, mut drafts: Vec<Draft>) -> Result<(), CatalogError> {
        drafts.retain(|draft| draft.expected.as_ref() != Some(&records::encode(&draft.record)));
        if drafts.is_empty() {
            return Ok(());
        }
        let written = drafts.iter().filter(|draft| draft.file.is_some());
        let written: Vec<String> =
            written.map(|draft| draft.record.metadata_location.clone()).collect();
        let metadata = self.shared.store.metadata();
        let writing = records::unique_key(records::WRITING, Uuid::new_v4());
        if !written.is_empty() {
            let value = records::encode(&Unwanted::Files(written.clone()));
            let noted = metadata.apply(vec![LogChange::Put { key: writing.clone(), value }]);
            // Whether or not the note survives: no file is written, and no pointer moves.
            noted.wait().map_err(|error| {
                CatalogError::busy(format!("The change was not applied: {error}"))
            })?;
        }
        let moved = self.write_files(&drafts).and_then(|()| self.move_pointers(&drafts, &writing));
        let ticket = match moved {
            Ok(ticket) => ticket,
            Err(error) => {
                // Unwanted from now on, in one change with the end of the writing.
                let unwanted = garbage::mark(&Unwanted::Files(written));
                drop(metadata.apply(vec![unwanted, LogChange::Delete { key: writing }]));
                self.shared.queue.sweep();
                return Err(error);
            }
        };
        wait(ticket)?;
        for draft in &drafts {
            let bytes = draft.file.as_ref().map_or(usize::MAX, Bytes::len);
            self.own.cache.put(&draft.record.metadata_location, &draft.metadata, bytes);
            if let Some(previous) = &draft.record.previous_metadata_location {
                self.own.cache.remove(previous);
            }
        }
        if drafts.iter().any(|draft| !draft.expired.is_empty()) {
            self.shared.queue.sweep();
        }
        Ok(())
    }

    fn write_files(&self, drafts: &[Draft]) -> Result<(), CatalogError> {
        for draft in drafts {
            if let Some(bytes) = &draft.file {
                let location = &draft.record.metadata_location;
                let written = self.shared.warehouse.write(location, bytes.clone());
                written.map_err(CatalogError::of_change)?;
            }
        }
        Ok(())
    }

    /// The compare-and-swap, and with it everything that must be so at that moment.
    fn move_pointers(
        &self,
        drafts: &[Draft],
        writing: &Bytes,
    ) -> Result<MetadataTicket, CatalogError> {
        let metadata = self.shared.store.metadata();
        let mut changes = vec![LogChange::Delete { key: writing.clone() }];
        let mut expected = Vec::new();
        let mut expired = Vec::new();
        let _structure = self.own.structure();
        for draft in drafts {
            let record = &draft.record;
            if draft.expected.is_none() {
                self.namespace_to_change(&record.namespace)?;
                if garbage::is_pending(metadata, &record.location) {
                    return Err(being_removed(&record.location));
                }
            }
            expected.push((draft.key.clone(), draft.expected.clone()));
            let value = records::encode(record);
            changes.push(LogChange::Put { key: draft.key.clone(), value });
            expired.extend(draft.expired.iter().cloned());
        }
        if drafts.iter().any(|draft| draft.expected.is_none())
            && metadata.scan(records::TABLES).len() >= TABLES_MAX
        {
            return Err(CatalogError::bad_request(format!(
                "There are {TABLES_MAX} tables besides topics', which is the limit: drop one first"
            )));
        }
        if !expired.is_empty() {
            changes.push(garbage::mark(&Unwanted::Files(expired)));
        }
        metadata.compare_and_apply(&expected, changes).map_err(|conflict| {
            let key = String::from_utf8_lossy(&conflict.key).escape_debug().to_string();
            CatalogError::stale(format!("Table was changed by somebody else: {key}"))
        })
    }
}

/// Why nothing may be put at a location yet.
pub(super) fn being_removed(location: &str) -> CatalogError {
    CatalogError::busy(format!(
        "The files of a dropped table are still being removed from {location}: try again later"
    ))
}
