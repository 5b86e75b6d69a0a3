//! The embedded catalog's read path: namespaces, tables, and loads that are fresh.
//!
//! A load first has the table's tail committed, so that what it returns holds every record below
//! the last stable offset of the moment it arrived; what happens when that takes too long is the
//! topic's choice, and said in the answer (`strom.fresh`, `strom.offsets`). Nothing else flushes.
//! Messages and types are those of the Java reference implementation, since clients match on
//! them. This module knows no HTTP: a status is a number here, and bodies are made elsewhere.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use iceberg::spec::TableMetadata;
use iceberg::{NamespaceIdent, TableIdent};
use iceberg_catalog_rest::{
    ListNamespaceResponse, ListTablesResponse, LoadTableResult, NamespaceResponse,
};
use strom_storage::Partition;
use tokio::sync::oneshot;

use crate::commit::{self, Committed};
use crate::lake::Shared;
use crate::table::Table;
use crate::{LakeError, Warehouse};

/// Seconds after which a client should try again what could not be served.
const RETRY_AFTER_SECONDS: u64 = 1;

/// An error of the catalog, in the terms of the REST specification.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CatalogError {
    /// The HTTP status.
    pub status: u16,
    /// The exception's name in the reference implementation.
    pub kind: &'static str,
    /// The message, in its wording where it has one.
    pub message: String,
    /// When to try again, for what may heal.
    pub retry_after_seconds: Option<u64>,
}

impl CatalogError {
    /// An error that trying again does not heal.
    pub fn new(status: u16, kind: &'static str, message: impl Into<String>) -> CatalogError {
        CatalogError { status, kind, message: message.into(), retry_after_seconds: None }
    }

    /// `Namespace does not exist: a.b`.
    pub fn no_namespace(levels: &[String]) -> CatalogError {
        let message = format!("Namespace does not exist: {}", levels.join("."));
        CatalogError::new(404, "NoSuchNamespaceException", message)
    }

    /// `Table does not exist: a.b`.
    pub fn no_table(levels: &[String], table: &str) -> CatalogError {
        let message = format!("Table does not exist: {}.{table}", levels.join("."));
        CatalogError::new(404, "NoSuchTableException", message)
    }

    /// `View does not exist: a.b`.
    pub fn no_view(levels: &[String], view: &str) -> CatalogError {
        let message = format!("View does not exist: {}.{view}", levels.join("."));
        CatalogError::new(404, "NoSuchViewException", message)
    }

    /// A change that this catalog refuses, with the reason.
    pub fn forbidden(reason: impl Into<String>) -> CatalogError {
        CatalogError::new(403, "ForbiddenException", reason)
    }

    fn unavailable(message: String) -> CatalogError {
        CatalogError {
            status: 503,
            kind: "ServiceUnavailableException",
            message,
            retry_after_seconds: Some(RETRY_AFTER_SECONDS),
        }
    }
}

/// One page of a listing: all of it unless a size is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Where the page before ended; empty and none both mean the beginning.
    pub token: Option<String>,
    /// How many names at most.
    pub size: Option<usize>,
}

/// A table as a load returns it.
#[derive(Clone, Debug)]
pub struct LoadedTable {
    /// Location of the metadata file.
    pub metadata_location: String,
    /// Its content.
    pub metadata: Arc<TableMetadata>,
    /// `strom.fresh`, `strom.offsets`, and what clients insist on.
    pub config: BTreeMap<String, String>,
    /// Changes whenever the table, or how far it reaches, does.
    pub version: String,
}

impl LoadedTable {
    /// The body of the answer; with `refs_only` without snapshots that no branch or tag names.
    pub fn to_json(&self, refs_only: bool) -> Result<Vec<u8>, CatalogError> {
        let result = LoadTableResult {
            metadata_location: Some(self.metadata_location.clone()),
            metadata: self.metadata.as_ref().clone(),
            config: self.config.clone().into_iter().collect(),
            storage_credentials: None,
        };
        let unwritable = |e: serde_json::Error| {
            CatalogError::new(500, "InternalServerError", format!("cannot write the table: {e}"))
        };
        if !refs_only {
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
}

impl Catalog {
    pub(crate) fn new(shared: Arc<Shared>) -> Catalog {
        Catalog { shared }
    }

    /// The namespaces directly under `parent`, or the top ones.
    pub fn list_namespaces(
        &self,
        parent: Option<&[String]>,
    ) -> Result<ListNamespaceResponse, CatalogError> {
        let namespaces = match parent {
            None | Some([]) => vec![NamespaceIdent::new(self.shared.options.namespace.clone())],
            Some(parent) => {
                self.check_namespace(parent)?;
                Vec::new()
            }
        };
        Ok(ListNamespaceResponse { namespaces, next_page_token: None })
    }

    /// A namespace with its properties.
    pub fn namespace(&self, levels: &[String]) -> Result<NamespaceResponse, CatalogError> {
        self.check_namespace(levels)?;
        let options = &self.shared.options;
        let location = format!("{}/{}", self.shared.warehouse.root(), options.namespace);
        Ok(NamespaceResponse {
            namespace: NamespaceIdent::new(options.namespace.clone()),
            properties: HashMap::from([("location".to_string(), location)]),
        })
    }

    /// The tables of a namespace: those whose topics have had a record.
    pub fn list_tables(
        &self,
        levels: &[String],
        page: &Page,
    ) -> Result<ListTablesResponse, CatalogError> {
        self.check_namespace(levels)?;
        let namespace = NamespaceIdent::new(self.shared.options.namespace.clone());
        let after = page.token.as_deref().unwrap_or("");
        let limit = page.size.unwrap_or(usize::MAX).max(1);
        let mut names: Vec<String> = self
            .shared
            .tables()
            .iter()
            .filter(|table| table.identity.table.as_str() > after && self.is_visible(table))
            .map(|table| table.identity.table.clone())
            .collect();
        let has_more = names.len() > limit;
        names.truncate(limit);
        let next_page_token = names.last().filter(|_| has_more).cloned();
        let ident = |name| TableIdent::new(namespace.clone(), name);
        Ok(ListTablesResponse {
            identifiers: names.into_iter().map(ident).collect(),
            next_page_token,
        })
    }

    /// Fails unless the table exists. Never flushes.
    pub fn table_exists(&self, levels: &[String], name: &str) -> Result<(), CatalogError> {
        self.find(levels, name).map(|_| ())
    }

    /// Loads a table, with every record that was committed in its topic when the load arrived, or
    /// says that it is stale, or fails, as the topic has it.
    pub async fn load_table(
        &self,
        levels: &[String],
        name: &str,
    ) -> Result<LoadedTable, CatalogError> {
        let table = self.find(levels, name)?;
        let partitions = table.partitions(&self.shared.store);
        if table.is_fresh(&partitions) {
            return self.loaded(&table, &partitions, None);
        }
        let stale = self.freshen(&table).await.err();
        if stale.is_some() && self.fails_when_stale(&table) {
            return Err(not_fresh(&table, stale));
        }
        self.loaded(&table, &partitions, stale)
    }

    /// Has the table flushed, and waits for that as long as its topic allows.
    async fn freshen(&self, table: &Arc<Table>) -> Result<(), String> {
        let options = &self.shared.options;
        let now_ms = (options.clock)();
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
            Err(_) => Err(format!("it was not committed within {}", in_ms(timeout))),
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
            if stale.is_none() && partitions.is_empty() {
                let levels = [table.identity.namespace.clone()];
                return Err(CatalogError::no_table(&levels, &table.identity.table));
            }
            return Err(not_fresh(table, stale));
        };
        Ok(describe(&self.shared.warehouse, &committed, stale.is_none()))
    }

    fn find(&self, levels: &[String], name: &str) -> Result<Arc<Table>, CatalogError> {
        let missing = || CatalogError::no_table(levels, name);
        self.check_namespace(levels).map_err(|_| missing())?;
        let table = self.shared.table(name).ok_or_else(missing)?;
        if self.is_visible(&table) { Ok(table) } else { Err(missing()) }
    }

    fn is_visible(&self, table: &Table) -> bool {
        table.has_had_a_record(&table.partitions(&self.shared.store))
    }

    fn check_namespace(&self, levels: &[String]) -> Result<(), CatalogError> {
        match levels {
            [only] if *only == self.shared.options.namespace => Ok(()),
            _ => Err(CatalogError::no_namespace(levels)),
        }
    }
}

fn describe(warehouse: &Warehouse, committed: &Committed, is_fresh: bool) -> LoadedTable {
    let pointer = &committed.pointer;
    let offsets = pointer.reached.iter().map(|reached| reached.next_offset).enumerate();
    let mut config = warehouse.vended(&pointer.location);
    config.insert("strom.fresh".to_string(), is_fresh.to_string());
    config.insert(commit::OFFSETS.to_string(), commit::offsets_json(offsets));
    LoadedTable {
        metadata_location: pointer.metadata_location.clone(),
        metadata: Arc::clone(&committed.metadata),
        config,
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
    format!("{} ms (table.datalake.read-flush.timeout)", timeout.as_millis())
}

impl From<LakeError> for CatalogError {
    fn from(error: LakeError) -> CatalogError {
        CatalogError::unavailable(error.to_string())
    }
}
