//! The embedded catalog: namespaces, tables, loads that are fresh, and what engines may change.
//!
//! ```text
//!  catalog.rs     listings and loads; a topic's table is flushed first
//!  namespaces.rs  namespaces that engines make          records.rs    their records in the log
//!  tables.rs      tables that engines make              metadata.rs   a change applied (pure)
//!  publish.rs     what was decided, carried out         garbage.rs    what is to be removed
//!  topics.rs      what may be changed about topics'     locations.rs  where tables may be (pure)
//! ```
//!
//! A load of a topic's table first has the table's tail committed, so that what it returns holds
//! every record below the last stable offset of the moment it arrived; what happens when that
//! takes too long is the topic's choice, and said in the answer (`strom.fresh`, `strom.offsets`).
//! Nothing else flushes. This module knows no HTTP: a status is a number here, and bodies are
//! made elsewhere. Whatever changes something blocks until that is durable.

mod cache;
mod error;
pub(crate) mod garbage;
mod locations;
mod locks;
mod metadata;
mod names;
mod namespaces;
mod publish;
pub(crate) mod records;
mod tables;
mod topics;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use iceberg::spec::TableMetadata;
use iceberg::{NamespaceIdent, TableIdent};
use iceberg_catalog_rest::{ListTablesResponse, LoadTableResult};
use strom_storage::{MetadataLog, Partition};
use tokio::sync::oneshot;

use crate::commit::{self, Committed};
use crate::lake::Shared;
use crate::table::Table;
use crate::warehouse::Keys;
use crate::{LakeError, LakeOptions, Warehouse};
use cache::Cache;
pub use error::CatalogError;
use locations::Places;
use locks::Locks;
use records::{NamespaceRecord, TableRecord};

/// Looks at what the metadata log has of engines' namespaces and tables: whether it can be read,
/// and whether anything is left to be removed.
pub(crate) fn open(log: &MetadataLog, options: &LakeOptions) -> Result<bool, LakeError> {
    for (key, value) in log.scan(records::NAMESPACES) {
        let record: NamespaceRecord = records::decode(&key, &value).map_err(LakeError::Pointer)?;
        if record.namespace.first() == Some(&options.namespace) {
            return Err(LakeError::Options(format!(
                "an engine has made a namespace {}; set lake.namespace to another one for topics",
                options.namespace
            )));
        }
    }
    for (key, value) in log.scan(records::TABLES) {
        let _: TableRecord = records::decode(&key, &value).map_err(LakeError::Pointer)?;
    }
    garbage::recover(log)
}

/// One page of a listing: all of it unless a size is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Where the page before ended; empty and none both mean the beginning.
    pub token: Option<String>,
    /// How many names at most.
    pub size: Option<usize>,
}

impl Page {
    /// The names of this page in their order, and where the next one begins.
    fn of(&self, mut names: Vec<String>) -> (Vec<String>, Option<String>) {
        let after = self.token.as_deref().unwrap_or("");
        let limit = self.size.unwrap_or(usize::MAX).max(1);
        names.retain(|name| name.as_str() > after);
        names.sort_unstable();
        let has_more = names.len() > limit;
        names.truncate(limit);
        let next = names.last().filter(|_| has_more).cloned();
        (names, next)
    }
}

/// A table as a load returns it.
#[derive(Clone, Debug)]
pub struct LoadedTable {
    /// Location of the metadata file; none while a table is only staged.
    pub metadata_location: Option<String>,
    /// Its content.
    pub metadata: Arc<TableMetadata>,
    /// `strom.fresh`, `strom.offsets`, and what clients insist on.
    pub config: BTreeMap<String, String>,
    /// Keys for its files, for whoever asks for them.
    pub keys: Option<Keys>,
    /// Changes whenever the table, or how far it reaches, does.
    pub version: String,
}

/// Which form of a table is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Representation {
    /// Without snapshots that no branch or tag names.
    pub refs_only: bool,
    /// With the keys that are given out, if there are any.
    pub with_keys: bool,
}

impl LoadedTable {
    /// The body of the answer.
    pub fn to_json(&self, wanted: Representation) -> Result<Vec<u8>, CatalogError> {
        let keys = self.keys.as_ref().filter(|_| wanted.with_keys);
        let keys = keys.into_iter().flat_map(Keys::reveal);
        let result = LoadTableResult {
            metadata_location: self.metadata_location.clone(),
            metadata: self.metadata.as_ref().clone(),
            config: self.config.clone().into_iter().chain(keys).collect(),
            storage_credentials: None,
        };
        let unwritable = |e: serde_json::Error| {
            CatalogError::new(500, "InternalServerError", format!("cannot write the table: {e}"))
        };
        if !wanted.refs_only {
            return serde_json::to_vec(&result).map_err(unwritable);
        }
        let mut json = serde_json::to_value(&result).map_err(unwritable)?;
        retain_referenced(&mut json["metadata"]);
        serde_json::to_vec(&json).map_err(unwritable)
    }
}

fn retain_referenced(metadata: &mut serde_json::Value) {
    let referenced: Vec<i64> = metadata["refs"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, reference)| reference["snapshot-id"].as_i64())
        .collect();
    if let Some(snapshots) = metadata["snapshots"].as_array_mut() {
        snapshots.retain(|s| s["snapshot-id"].as_i64().is_some_and(|id| referenced.contains(&id)));
    }
}

/// The embedded catalog.
#[derive(Clone, Debug)]
pub struct Catalog {
    shared: Arc<Shared>,
    own: Arc<Own>,
}

/// What belongs to engines' own namespaces and tables.
#[derive(Debug, Default)]
struct Own {
    locks: Locks,
    cache: Cache,
    /// Held while something looks at which namespaces and tables there are, and applies a change
    /// that depends on it. Never across I/O.
    structure: Mutex<()>,
}

impl Own {
    fn structure(&self) -> MutexGuard<'_, ()> {
        self.structure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Catalog {
    pub(crate) fn new(shared: Arc<Shared>) -> Catalog {
        Catalog { shared, own: Arc::default() }
    }

    /// The tables of a namespace; those of topics once the topic has had a record.
    pub fn list_tables(
        &self,
        levels: &[String],
        page: &Page,
    ) -> Result<ListTablesResponse, CatalogError> {
        let record = self.namespace_record(levels)?;
        let names: Vec<String> = if self.is_topics(levels) {
            let tables = self.shared.tables().into_iter();
            let visible = tables.filter(|table| self.is_visible(table));
            visible.map(|table| table.identity.table.clone()).collect()
        } else {
            let prefix = records::tables_in(levels);
            let found = self.shared.store.metadata().scan(&prefix).into_iter();
            found.map(|(key, _)| String::from_utf8_lossy(&key[prefix.len()..]).into()).collect()
        };
        let (names, next_page_token) = page.of(names);
        let namespace = NamespaceIdent::from_vec(record.namespace)
            .map_err(|e| CatalogError::bad_request(e.message()))?;
        let ident = |name| TableIdent::new(namespace.clone(), name);
        Ok(ListTablesResponse {
            identifiers: names.into_iter().map(ident).collect(),
            next_page_token,
        })
    }

    /// Fails unless the table exists. Never flushes.
    pub fn table_exists(&self, levels: &[String], name: &str) -> Result<(), CatalogError> {
        match self.is_topics(levels) {
            true => self.find_topics_table(levels, name).map(drop),
            false => self.own_table(levels, name).map(drop),
        }
    }

    /// Loads a table. A topic's has every record that was committed in its topic when the load
    /// arrived, or says that it is stale, or fails, as the topic has it.
    pub async fn load_table(
        &self,
        levels: &[String],
        name: &str,
    ) -> Result<LoadedTable, CatalogError> {
        if !self.is_topics(levels) {
            return self.load_own_table(levels, name).await;
        }
        let table = self.find_topics_table(levels, name)?;
        let partitions = table.partitions(&self.shared.store);
        if table.is_fresh(&partitions) {
            return self.loaded(&table, &partitions, None);
        }
        let stale = self.freshen(&table).await.err();
        let was_chosen = table.is_within_interval((self.shared.options.clock)());
        if stale.is_some() && !was_chosen && self.fails_when_stale(&table) {
            return Err(not_fresh(&table, stale));
        }
        self.loaded(&table, &partitions, stale)
    }

    async fn load_own_table(
        &self,
        levels: &[String],
        name: &str,
    ) -> Result<LoadedTable, CatalogError> {
        let (catalog, levels, name) = (self.clone(), levels.to_vec(), name.to_string());
        let loading = tokio::task::spawn_blocking(move || catalog.load_own(&levels, &name));
        let loaded = loading.await.map_err(|e| CatalogError::unavailable(e.to_string()))?;
        let (record, metadata) = loaded?;
        Ok(self.describe_own(Some(record.metadata_location), metadata))
    }

    /// An engine's table as it is answered.
    fn describe_own(
        &self,
        metadata_location: Option<String>,
        metadata: Arc<TableMetadata>,
    ) -> LoadedTable {
        let file = metadata_location.as_deref().and_then(|location| location.rsplit('/').next());
        let version = format!("{}-{}", metadata.uuid().simple(), file.unwrap_or("staged"));
        let config = self.shared.warehouse.told(metadata.location());
        let keys = self.shared.warehouse.vended(metadata.location());
        LoadedTable { metadata_location, metadata, config, keys, version }
    }

    /// Has the table flushed, and waits for that as long as its topic allows.
    async fn freshen(&self, table: &Arc<Table>) -> Result<(), String> {
        let options = &self.shared.options;
        let now_ms = (options.clock)();
        if table.is_within_interval(now_ms) {
            let interval = in_ms(table.topic.read_flush_min_interval);
            return Err(format!("its last flush is younger than {interval}"));
        }
        if let Some(failure) = &table.state().failure {
            // A bucket that is back serves every table at once, whenever each had failed.
            let waits = match failure.is_outage {
                true => self.shared.warehouse.outage(&table.identity.location).is_some(),
                false => now_ms < failure.retry_at_ms,
            };
            if waits {
                return Err(format!("its last commit failed: {}", failure.reason));
            }
        }
        let timeout = table.topic.read_flush_timeout.unwrap_or(options.read_flush_timeout);
        let (sender, receiver) = oneshot::channel();
        self.shared.queue.want(table, Some(sender));
        match tokio::time::timeout(timeout, receiver).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(error))) => Err(error.to_string()),
            Ok(Err(_)) => Err("the lake is closing".to_string()),
            Err(_) => Err(format!(
                "it was not committed within {} (table.datalake.read-flush.timeout)",
                in_ms(timeout)
            )),
        }
    }

    fn fails_when_stale(&self, table: &Table) -> bool {
        table.topic.fail_on_timeout.unwrap_or(self.shared.options.fail_on_timeout)
    }

    fn loaded(
        &self,
        table: &Table,
        partitions: &[Arc<Partition>],
        stale: Option<String>,
    ) -> Result<LoadedTable, CatalogError> {
        let committed = {
            let mut state = table.state();
            state.last_used_ms = (self.shared.options.clock)();
            state.committed.clone()
        };
        let Some(committed) = committed else {
            if stale.is_none() && partitions.is_empty() && !table.is_frozen() {
                let levels = [table.identity.namespace.clone()];
                return Err(CatalogError::no_table(&levels, &table.identity.table));
            }
            return Err(not_fresh(table, stale));
        };
        let is_fresh = stale.is_none() && (!table.is_frozen() || table.has_all(partitions));
        Ok(describe(&self.shared.warehouse, &committed, is_fresh))
    }

    /// A topic's table, once the topic has had a record.
    fn find_topics_table(&self, levels: &[String], name: &str) -> Result<Arc<Table>, CatalogError> {
        let missing = || CatalogError::no_table(levels, name);
        let table = self.shared.table(name).ok_or_else(missing)?;
        if self.is_visible(&table) { Ok(table) } else { Err(missing()) }
    }

    fn is_visible(&self, table: &Table) -> bool {
        table.has_had_a_record(&table.partitions(&self.shared.store))
    }

    /// Where tables may be.
    fn places(&self) -> Places<'_> {
        Places { root: self.shared.warehouse.root(), topics: &self.shared.options.namespace }
    }
}

fn describe(warehouse: &Warehouse, committed: &Committed, is_fresh: bool) -> LoadedTable {
    let pointer = &committed.pointer;
    let offsets = pointer.reached.iter().map(|reached| reached.next_offset).enumerate();
    let mut config = warehouse.told(&pointer.location);
    config.insert("strom.fresh".to_string(), is_fresh.to_string());
    config.insert(commit::OFFSETS.to_string(), commit::offsets_json(offsets));
    LoadedTable {
        metadata_location: Some(pointer.metadata_location.clone()),
        metadata: Arc::clone(&committed.metadata),
        config,
        keys: warehouse.vended(&pointer.location),
        version: format!("{}-{}-{is_fresh}", pointer.table_uuid.simple(), pointer.commit),
    }
}

fn not_fresh(table: &Table, reason: Option<String>) -> CatalogError {
    let reason = reason.unwrap_or_else(|| "its metadata is not there yet".to_string());
    let identity = &table.identity;
    CatalogError::unavailable(format!(
        "Table cannot be loaded now: {}.{}: {reason}",
        identity.namespace, identity.table
    ))
}

fn in_ms(timeout: Duration) -> String {
    format!("{} ms", timeout.as_millis())
}

#[cfg(test)]
mod tests;
