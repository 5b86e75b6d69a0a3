//! Engines' own tables: made, changed, renamed, registered and dropped by clients of the catalog.
//!
//! Each change is decided here, under the locks of its tables, and becomes drafts; publish.rs
//! carries them out, all or none. All of it blocks: callers have threads for that.

use std::sync::Arc;

use bytes::Bytes;
use iceberg::TableIdent;
use iceberg::spec::TableMetadata;
use iceberg_catalog_rest::{CommitTableRequest, CreateTableRequest, RegisterTableRequest};
use strom_storage::Change as LogChange;
use uuid::Uuid;

use super::metadata::{self, Change};
use super::namespaces::wait;
use super::publish::{Draft, being_removed};
use super::records::{self, TableRecord, Unwanted};
use super::{Catalog, CatalogError, LoadedTable, garbage, locations, names};

/// Tables of one transaction at most.
const TRANSACTION_TABLES_MAX: usize = 100;

impl Catalog {
    /// Makes a table, or only says what its metadata would be (`stage-create`).
    pub fn create_table(
        &self,
        levels: &[String],
        request: CreateTableRequest,
    ) -> Result<LoadedTable, CatalogError> {
        let name = request.name.clone();
        self.check_may_be_made(levels, &name)?;
        let uuid = Uuid::new_v4();
        let location = self.new_location(levels, &name, request.location.as_deref(), uuid)?;
        let is_staged = request.stage_create == Some(true);
        let metadata = metadata::create(request, location, uuid)?;
        self.check_metadata_path(&metadata)?;
        if is_staged {
            metadata::encode(&metadata)?;
            self.prepare(&metadata)?;
            return Ok(self.describe_own(None, Arc::new(metadata)));
        }
        let key = records::table_key(levels, &name);
        let _held = self.hold(vec![key.clone()])?;
        self.check_may_be_made(levels, &name)?;
        let draft = self.draft_new(levels, &name, metadata)?;
        let (location, metadata) =
            (draft.record.metadata_location.clone(), Arc::clone(&draft.metadata));
        self.publish(vec![draft])?;
        Ok(self.describe_own(Some(location), metadata))
    }

    /// Changes one table, or makes it (`assert-create`); its metadata and where that is.
    pub fn commit_table(
        &self,
        levels: &[String],
        name: &str,
        request: CommitTableRequest,
    ) -> Result<LoadedTable, CatalogError> {
        let change = Change { requirements: request.requirements, updates: request.updates };
        if self.is_topics(levels) {
            return self.commit_topic_table(levels, name, change);
        }
        let _held = self.hold(vec![records::table_key(levels, name)])?;
        let draft = self.draft(levels, name, change)?;
        let (location, metadata) =
            (draft.record.metadata_location.clone(), Arc::clone(&draft.metadata));
        self.publish(vec![draft])?;
        Ok(self.describe_own(Some(location), metadata))
    }

    /// Changes several tables, all or none.
    pub fn commit_transaction(&self, changes: Vec<CommitTableRequest>) -> Result<(), CatalogError> {
        let mut parts = Vec::new();
        for CommitTableRequest { identifier, requirements, updates } in changes {
            let ident = identifier.ok_or_else(|| {
                CatalogError::bad_request("Every table change of a transaction needs an identifier")
            })?;
            parts.push((ident, Change { requirements, updates }));
        }
        if let [(ident, _)] = parts.as_slice()
            && self.is_topics(ident.namespace())
        {
            let (ident, change) = parts.remove(0);
            return self.commit_topic_table(ident.namespace(), ident.name(), change).map(|_| ());
        }
        self.check_transaction(&parts)?;
        let keys = parts.iter().map(|(ident, _)| key_of(ident)).collect();
        let _held = self.hold(keys)?;
        let draft = |(ident, change): (TableIdent, Change)| {
            self.draft(ident.namespace(), ident.name(), change)
        };
        let drafts = parts.into_iter().map(draft).collect::<Result<Vec<_>, _>>()?;
        self.publish(drafts)
    }

    /// Drops a table; with `purge` its files go too, if nothing else is where they are.
    pub fn drop_table(
        &self,
        levels: &[String],
        name: &str,
        purge: bool,
    ) -> Result<(), CatalogError> {
        self.check_not_topics_table(levels, name, "delete the topic to drop it")?;
        let key = records::table_key(levels, name);
        let _held = self.hold(vec![key.clone()])?;
        let (record, value) = self.table_to_change(levels, name)?;
        let mut changes = vec![LogChange::Delete { key: key.clone() }];
        let ticket = {
            let _structure = self.own.structure();
            let is_purged = purge && self.is_alone(&record);
            if is_purged {
                changes.push(garbage::mark(&Unwanted::Tree(record.location.clone())));
            } else if purge {
                tracing::warn!(
                    table = name,
                    location = record.location,
                    "the files of a purged table stay: they are not its own alone"
                );
            }
            let applied = self.shared.store.metadata();
            let applied = applied.compare_and_apply(&[(key, Some(value))], changes);
            applied.map_err(|_| changed_meanwhile(levels, name))?
        };
        wait(ticket)?;
        self.own.cache.remove(&record.metadata_location);
        self.shared.queue.sweep();
        Ok(())
    }

    /// Gives a table another name, perhaps in another namespace. Its files stay where they are.
    pub fn rename_table(
        &self,
        source: &TableIdent,
        destination: &TableIdent,
    ) -> Result<(), CatalogError> {
        let (from, to) = (source.namespace().as_ref(), destination.namespace().as_ref());
        self.check_not_topics_table(from, source.name(), "it is named after its topic")?;
        let (old, new) = (key_of(source), key_of(destination));
        let mut keys = vec![old.clone(), new.clone()];
        keys.dedup();
        let _held = self.hold(keys)?;
        let (record, value) = self.table_to_change(from, source.name())?;
        if old == new {
            return Err(CatalogError::table_exists(to, destination.name()));
        }
        self.check_may_be_made(to, destination.name())?;
        let renamed =
            TableRecord { namespace: to.clone(), table: destination.name().to_string(), ..record };
        let changes = vec![
            LogChange::Delete { key: old.clone() },
            LogChange::Put { key: new.clone(), value: records::encode(&renamed) },
        ];
        let ticket = {
            let _structure = self.own.structure();
            self.namespace_to_change(to)?;
            let metadata = self.shared.store.metadata();
            metadata
                .compare_and_apply(&[(old, Some(value)), (new, None)], changes)
                .map_err(|_| changed_meanwhile(from, source.name()))?
        };
        wait(ticket)
    }

    /// Makes a table of a metadata file that is there already.
    pub fn register_table(
        &self,
        levels: &[String],
        request: RegisterTableRequest,
    ) -> Result<LoadedTable, CatalogError> {
        let name = request.name.as_str();
        let overwrites = request.overwrite == Some(true);
        let key = records::table_key(levels, name);
        if !overwrites {
            self.check_may_be_made(levels, name)?;
        } else if self.is_topics(levels) {
            return Err(self.topics_namespace_refused("takes no other tables"));
        }
        let file = self.places().check(&request.metadata_location)?;
        let _held = self.hold(vec![key.clone()])?;
        let expected = self.shared.store.metadata().get(&key);
        if !overwrites || expected.is_none() {
            self.check_may_be_made(levels, name)?;
        }
        let metadata = self.read_registered(&file)?;
        self.places().check(metadata.location())?;
        self.check_metadata_path(&metadata)?;
        self.check_not_known(&key, metadata.uuid())?;
        let record = TableRecord {
            namespace: levels.to_vec(),
            table: name.to_string(),
            table_uuid: metadata.uuid(),
            commit: number_of(&file),
            location: metadata.location().to_string(),
            metadata_location: file.clone(),
            previous_metadata_location: None,
        };
        let metadata = Arc::new(metadata);
        let registered = Arc::clone(&metadata);
        let draft = Draft { key, expected, record, metadata, file: None, expired: Vec::new() };
        self.publish(vec![draft])?;
        Ok(self.describe_own(Some(file), registered))
    }

    /// An engine's table and its metadata; the metadata may be in memory.
    pub(super) fn load_own(
        &self,
        levels: &[String],
        name: &str,
    ) -> Result<(TableRecord, Arc<TableMetadata>), CatalogError> {
        let (record, value) = self.own_table(levels, name)?;
        match self.read_metadata(&record.metadata_location) {
            Ok(metadata) => Ok((record, metadata)),
            Err(error) => {
                // The pointer may have moved while a file that it left was removed.
                let (record, now) = self.own_table(levels, name)?;
                if now == value {
                    return Err(error);
                }
                let metadata = self.read_metadata(&record.metadata_location)?;
                Ok((record, metadata))
            }
        }
    }

    /// The pointer of an engine's table, and its bytes.
    pub(super) fn own_table(
        &self,
        levels: &[String],
        name: &str,
    ) -> Result<(TableRecord, Bytes), CatalogError> {
        let key = records::table_key(levels, name);
        let value = self.shared.store.metadata().get(&key);
        let value = value.ok_or_else(|| CatalogError::no_table(levels, name))?;
        let record = records::decode(&key, &value).map_err(CatalogError::unavailable)?;
        Ok((record, value))
    }

    /// [`own_table`](Self::own_table) for what changes it.
    fn table_to_change(
        &self,
        levels: &[String],
        name: &str,
    ) -> Result<(TableRecord, Bytes), CatalogError> {
        self.own_table(levels, name).map_err(CatalogError::not_applied)
    }

    fn read_metadata(&self, location: &str) -> Result<Arc<TableMetadata>, CatalogError> {
        if let Some(metadata) = self.own.cache.get(location) {
            return Ok(metadata);
        }
        let bytes = self.shared.warehouse.read(location)?;
        let metadata: TableMetadata = serde_json::from_slice(&bytes)
            .map_err(|e| CatalogError::unavailable(format!("Cannot read {location}: {e}")))?;
        let metadata = Arc::new(metadata);
        self.own.cache.put(location, &metadata, bytes.len());
        Ok(metadata)
    }

    fn read_registered(&self, location: &str) -> Result<TableMetadata, CatalogError> {
        if !location.ends_with(".metadata.json") {
            return Err(CatalogError::bad_request(format!(
                "Cannot register {location}: a table's metadata file ends in .metadata.json"
            )));
        }
        let cannot = |reason: String| {
            CatalogError::bad_request(format!("Cannot register {location}: {reason}"))
        };
        let read = self.shared.warehouse.read(location);
        let bytes = read.map_err(|error| match error.is_no_file() {
            true => cannot(error.to_string()),
            false => CatalogError::of_change(error),
        })?;
        serde_json::from_slice(&bytes).map_err(|e| cannot(format!("it is no table metadata: {e}")))
    }

    /// Takes the locks of tables.
    fn hold(&self, keys: Vec<Bytes>) -> Result<super::locks::Held<'_>, CatalogError> {
        self.own.locks.take(keys).ok_or_else(|| {
            CatalogError::busy("The table is being changed by others: try again later")
        })
    }

    /// What a change makes of one table, whose lock is held.
    fn draft(&self, levels: &[String], name: &str, change: Change) -> Result<Draft, CatalogError> {
        if change.creates() {
            self.check_may_be_made(levels, name)?;
            let uuid = change.uuid().unwrap_or_else(Uuid::new_v4);
            let location = self.new_location(levels, name, change.location(), uuid)?;
            let metadata = metadata::create_by_commit(change, location, uuid)?;
            self.check_metadata_path(&metadata)?;
            return self.draft_new(levels, name, metadata);
        }
        let (record, value) = self.table_to_change(levels, name)?;
        let base = self.read_metadata(&record.metadata_location);
        let base = base.map_err(CatalogError::not_applied)?;
        if let Some(location) = change.location()
            && location.trim_end_matches('/') != base.location()
        {
            self.places().check(location)?;
        }
        let changed = metadata::change(&base, &record.metadata_location, change)?;
        let key = records::table_key(levels, name);
        if !changed.is_changed {
            let (metadata, expected, file) = (base, Some(value), None);
            return Ok(Draft { key, expected, record, metadata, file, expired: Vec::new() });
        }
        self.check_metadata_path(&changed.metadata)?;
        let commit = record.commit + 1;
        let mut expired = changed.expired;
        // Only what is the table's own: a registered table may share a history with others.
        expired.retain(|file| file.starts_with(&format!("{}/", record.location)));
        Ok(Draft {
            key,
            expected: Some(value),
            record: TableRecord {
                table_uuid: changed.metadata.uuid(),
                commit,
                location: changed.metadata.location().to_string(),
                metadata_location: metadata::file_location(
                    &changed.metadata,
                    commit,
                    Uuid::new_v4(),
                ),
                previous_metadata_location: Some(record.metadata_location.clone()),
                ..record
            },
            file: Some(metadata::encode(&changed.metadata)?.into()),
            metadata: Arc::new(changed.metadata),
            expired,
        })
    }

    fn draft_new(
        &self,
        levels: &[String],
        name: &str,
        metadata: TableMetadata,
    ) -> Result<Draft, CatalogError> {
        let commit = 1;
        let record = TableRecord {
            namespace: levels.to_vec(),
            table: name.to_string(),
            table_uuid: metadata.uuid(),
            commit,
            location: metadata.location().to_string(),
            metadata_location: metadata::file_location(&metadata, commit, Uuid::new_v4()),
            previous_metadata_location: None,
        };
        Ok(Draft {
            key: records::table_key(levels, name),
            expected: None,
            record,
            file: Some(metadata::encode(&metadata)?.into()),
            metadata: Arc::new(metadata),
            expired: Vec::new(),
        })
    }

    /// Fails unless a table of that name may be made.
    fn check_may_be_made(&self, levels: &[String], name: &str) -> Result<(), CatalogError> {
        if self.is_topics(levels) {
            return Err(match self.find_topics_table(levels, name) {
                Ok(_) => CatalogError::table_exists(levels, name),
                Err(_) => self.topics_namespace_refused("takes no other tables"),
            });
        }
        self.namespace_to_change(levels)?;
        names::check_table(name)?;
        match self.shared.store.metadata().get(&records::table_key(levels, name)) {
            Some(_) => Err(CatalogError::table_exists(levels, name)),
            None => Ok(()),
        }
    }

    /// Fails if a topic's table has that name, saying what to do instead.
    fn check_not_topics_table(
        &self,
        levels: &[String],
        name: &str,
        remedy: &str,
    ) -> Result<(), CatalogError> {
        if !self.is_topics(levels) {
            return Ok(());
        }
        let table = self.find_topics_table(levels, name)?;
        Err(super::topics::refused(&table.identity, remedy))
    }

    fn check_transaction(&self, parts: &[(TableIdent, Change)]) -> Result<(), CatalogError> {
        if parts.is_empty() || parts.len() > TRANSACTION_TABLES_MAX {
            let count = parts.len();
            return Err(CatalogError::bad_request(format!(
                "A transaction of {count} tables cannot be committed (1 to \
                 {TRANSACTION_TABLES_MAX} are possible)"
            )));
        }
        for (index, (ident, _)) in parts.iter().enumerate() {
            if parts[..index].iter().any(|(other, _)| other == ident) {
                let (namespace, name) = (ident.namespace(), ident.name());
                return Err(CatalogError::bad_request(format!(
                    "Table {namespace}.{name} is in the transaction twice"
                )));
            }
            self.check_not_topics_table(
                ident.namespace(),
                ident.name(),
                "its snapshots and properties are changed alone, not in a transaction with others",
            )?;
        }
        Ok(())
    }

    /// Where a new table goes.
    fn new_location(
        &self,
        levels: &[String],
        name: &str,
        wanted: Option<&str>,
        uuid: Uuid,
    ) -> Result<String, CatalogError> {
        let location = match wanted {
            Some(wanted) => wanted.to_string(),
            None => {
                let namespace = self.location_of(&self.namespace_to_change(levels)?);
                format!("{namespace}/{}-{uuid}", names::directory(name))
            }
        };
        let location = self.places().check(&location)?;
        if garbage::is_pending(self.shared.store.metadata(), &location) {
            return Err(being_removed(&location));
        }
        Ok(location)
    }

    /// Makes the local directory of metadata files: DuckDB, which writes manifests before a staged
    /// table's first commit, does not. An empty directory is all that a table leaves that is
    /// staged and given up.
    fn prepare(&self, metadata: &TableMetadata) -> Result<(), CatalogError> {
        if metadata.location().starts_with("file:") {
            let file = metadata::file_location(metadata, 0, metadata.uuid());
            self.shared.warehouse.stage(&file).map_err(CatalogError::of_change)?;
        }
        Ok(())
    }

    fn check_metadata_path(&self, metadata: &TableMetadata) -> Result<(), CatalogError> {
        metadata::metadata_path(metadata).map_or(Ok(()), |path| self.places().check(path).map(drop))
    }

    /// Two names for one table would remove each other's files.
    fn check_not_known(&self, key: &Bytes, uuid: Uuid) -> Result<(), CatalogError> {
        let known = self.own_tables().into_iter();
        let mut known = known.filter(|(other, record)| other != key && record.table_uuid == uuid);
        match known.next() {
            None => Ok(()),
            Some((_, record)) => Err(CatalogError::bad_request(format!(
                "Cannot register the table: it is in the catalog already, as {}.{}; rename that \
                 one, or drop it without purging",
                record.namespace.join("."),
                record.table
            ))),
        }
    }

    /// Whether nothing else of the catalog is where a table is: no other table, and no place
    /// where a namespace's tables go.
    fn is_alone(&self, dropped: &TableRecord) -> bool {
        let key = records::table_key(&dropped.namespace, &dropped.table);
        let below = format!("{}/", dropped.location);
        let namespaces = self.shared.store.metadata().scan(records::NAMESPACES).into_iter();
        let namespaces = namespaces.filter_map(|(key, value)| records::decode(&key, &value).ok());
        self.places().check(&dropped.location).is_ok()
            && self.own_tables().iter().all(|(other, record)| {
                *other == key || !locations::overlap(&record.location, &dropped.location)
            })
            && namespaces
                .map(|namespace| self.location_of(&namespace))
                .all(|location| !format!("{location}/").starts_with(&below))
    }

    fn own_tables(&self) -> Vec<(Bytes, TableRecord)> {
        let found = self.shared.store.metadata().scan(records::TABLES).into_iter();
        found
            .filter_map(|(key, value)| Some((key.clone(), records::decode(&key, &value).ok()?)))
            .collect()
    }
}

fn key_of(ident: &TableIdent) -> Bytes {
    records::table_key(ident.namespace(), ident.name())
}

fn changed_meanwhile(levels: &[String], name: &str) -> CatalogError {
    let table = format!("{}.{name}", levels.join("."));
    CatalogError::stale(format!("Table was changed by somebody else: {table}"))
}

/// The number in a metadata file's name, or zero: what is written next counts on from it.
fn number_of(location: &str) -> u64 {
    let name = location.rsplit('/').next().unwrap_or(location);
    let number = name.split(['-', '.']).next().unwrap_or(name);
    number.trim_start_matches('v').parse().unwrap_or(0)
}
