//! Namespaces: those that engines make, and the one of topics' tables, which always exists and
//! takes no change.
//!
//! A nested namespace needs its parent, and one that has tables or namespaces in it cannot be
//! dropped. Whatever makes or drops a namespace, or puts a table into one, looks and applies
//! under one short lock ([`Own::structure`](super::Own)) that is never held across I/O.

use std::collections::{BTreeMap, HashMap, HashSet};

use iceberg::NamespaceIdent;
use iceberg_catalog_rest::{
    CreateNamespaceRequest, ListNamespaceResponse, NamespaceResponse,
    UpdateNamespacePropertiesRequest, UpdateNamespacePropertiesResponse,
};
use strom_storage::{Change, MetadataTicket};

use super::records::{self, NamespaceRecord};
use super::{Catalog, CatalogError, Page, names};

/// Namespaces at most.
const NAMESPACES_MAX: usize = 1_000;
/// All keys and values of a namespace's properties together.
const PROPERTY_BYTES_MAX: usize = 64 << 10;
/// Where a namespace's tables go unless they say otherwise.
const LOCATION: &str = "location";

impl Catalog {
    /// The namespaces directly under `parent`, or the top ones.
    pub fn list_namespaces(
        &self,
        parent: Option<&[String]>,
        page: &Page,
    ) -> Result<ListNamespaceResponse, CatalogError> {
        let parent = parent.unwrap_or_default();
        let mut names = Vec::new();
        if parent.is_empty() {
            names.push(self.shared.options.namespace.clone());
        } else {
            self.namespace_record(parent)?;
        }
        let prefix = records::namespaces_below(parent);
        for (key, _) in self.shared.store.metadata().scan(&prefix) {
            let name = String::from_utf8_lossy(&key[prefix.len()..]).into_owned();
            if !name.contains(char::is_control) {
                names.push(name);
            }
        }
        let (names, next_page_token) = page.of(names);
        let ident = |name| {
            let levels = [parent, &[name]].concat();
            NamespaceIdent::from_vec(levels).map_err(|e| CatalogError::bad_request(e.message()))
        };
        let namespaces = names.into_iter().map(ident).collect::<Result<_, _>>()?;
        Ok(ListNamespaceResponse { namespaces, next_page_token })
    }

    /// A namespace with its properties.
    pub fn namespace(&self, levels: &[String]) -> Result<NamespaceResponse, CatalogError> {
        self.describe_namespace(self.namespace_record(levels)?)
    }

    fn describe_namespace(
        &self,
        record: NamespaceRecord,
    ) -> Result<NamespaceResponse, CatalogError> {
        let mut properties: HashMap<String, String> = record.properties.into_iter().collect();
        let location = || self.places().of_namespace(&record.namespace);
        properties.entry(LOCATION.into()).or_insert_with(location);
        let namespace = NamespaceIdent::from_vec(record.namespace)
            .map_err(|e| CatalogError::bad_request(e.message()))?;
        Ok(NamespaceResponse { namespace, properties })
    }

    /// Makes a namespace. Blocks until it is durable.
    pub fn create_namespace(
        &self,
        request: CreateNamespaceRequest,
    ) -> Result<NamespaceResponse, CatalogError> {
        let levels = request.namespace.inner();
        names::check_levels(&levels)?;
        if self.is_topics(&levels[..1]) {
            return Err(match levels.len() {
                1 => CatalogError::namespace_exists(&levels),
                _ => self.topics_namespace_refused("has no namespaces in it"),
            });
        }
        let properties: BTreeMap<String, String> = request.properties.into_iter().collect();
        let record = NamespaceRecord { properties, namespace: levels };
        self.check_properties(&record)?;
        let key = records::namespace_key(&record.namespace);
        let ticket = {
            let _structure = self.own.structure();
            let metadata = self.shared.store.metadata();
            if let [parent @ .., _] = record.namespace.as_slice()
                && !parent.is_empty()
            {
                self.namespace_to_change(parent)?;
            }
            if metadata.scan(records::NAMESPACES).len() >= NAMESPACES_MAX {
                return Err(CatalogError::bad_request(format!(
                    "There are {NAMESPACES_MAX} namespaces, which is the limit: drop one first"
                )));
            }
            let change = Change::Put { key: key.clone(), value: records::encode(&record) };
            metadata
                .compare_and_apply(&[(key, None)], vec![change])
                .map_err(|_| CatalogError::namespace_exists(&record.namespace))?
        };
        wait(ticket)?;
        self.describe_namespace(record)
    }

    /// Drops an empty namespace. Blocks until that is durable.
    pub fn drop_namespace(&self, levels: &[String]) -> Result<(), CatalogError> {
        self.namespace_to_change(levels)?;
        if self.is_topics(levels) {
            return Err(self.topics_namespace_refused("cannot be dropped"));
        }
        let ticket = {
            let _structure = self.own.structure();
            self.namespace_to_change(levels)?;
            let metadata = self.shared.store.metadata();
            let has_tables = !metadata.scan(&records::tables_in(levels)).is_empty();
            if has_tables || !metadata.scan(&records::namespaces_below(levels)).is_empty() {
                let message = format!("Namespace is not empty: {}", levels.join("."));
                return Err(CatalogError::new(409, "NamespaceNotEmptyException", message));
            }
            metadata.apply(vec![Change::Delete { key: records::namespace_key(levels) }])
        };
        wait(ticket)
    }

    /// Sets and removes properties of a namespace. Blocks until that is durable.
    pub fn update_namespace(
        &self,
        levels: &[String],
        request: UpdateNamespacePropertiesRequest,
    ) -> Result<UpdateNamespacePropertiesResponse, CatalogError> {
        let removals: HashSet<String> = request.removals.into_iter().flatten().collect();
        if let Some(both) = request.updates.keys().find(|key| removals.contains(*key)) {
            let message = format!("Property {both} is both updated and removed");
            return Err(CatalogError::new(422, "UnprocessableEntityException", message));
        }
        self.namespace_to_change(levels)?;
        if self.is_topics(levels) {
            return Err(self.topics_namespace_refused("keeps the properties that it has"));
        }
        let mut response = UpdateNamespacePropertiesResponse {
            updated: request.updates.keys().cloned().collect(),
            removed: Vec::new(),
            missing: None,
        };
        let mut missing = Vec::new();
        let ticket = {
            let _structure = self.own.structure();
            let mut record = self.namespace_to_change(levels)?;
            for key in removals {
                let list = match record.properties.remove(&key) {
                    Some(_) => &mut response.removed,
                    None => &mut missing,
                };
                list.push(key);
            }
            record.properties.extend(request.updates);
            self.check_properties(&record)?;
            let change = Change::Put {
                key: records::namespace_key(levels),
                value: records::encode(&record),
            };
            self.shared.store.metadata().apply(vec![change])
        };
        wait(ticket)?;
        response.missing = Some(missing);
        Ok(response)
    }

    /// The record of a namespace; that of topics' tables is made up.
    pub(super) fn namespace_record(
        &self,
        levels: &[String],
    ) -> Result<NamespaceRecord, CatalogError> {
        if self.is_topics(levels) {
            return Ok(NamespaceRecord { namespace: levels.to_vec(), properties: BTreeMap::new() });
        }
        let key = records::namespace_key(levels);
        let value = self.shared.store.metadata().get(&key);
        let value = value.ok_or_else(|| CatalogError::no_namespace(levels))?;
        records::decode(&key, &value).map_err(CatalogError::unavailable)
    }

    /// [`namespace_record`](Self::namespace_record) for what changes it, or puts something there.
    pub(super) fn namespace_to_change(
        &self,
        levels: &[String],
    ) -> Result<NamespaceRecord, CatalogError> {
        self.namespace_record(levels).map_err(CatalogError::not_applied)
    }

    /// Where a namespace's tables go unless they say otherwise.
    pub(super) fn location_of(&self, namespace: &NamespaceRecord) -> String {
        match namespace.properties.get(LOCATION) {
            Some(location) => location.trim_end_matches('/').to_string(),
            None => self.places().of_namespace(&namespace.namespace),
        }
    }

    /// Whether these are the levels of the namespace of topics' tables.
    pub(super) fn is_topics(&self, levels: &[String]) -> bool {
        matches!(levels, [only] if *only == self.shared.options.namespace)
    }

    /// Why a change in the namespace of topics is refused.
    pub(super) fn topics_namespace_refused(&self, reason: &str) -> CatalogError {
        CatalogError::forbidden(format!(
            "Namespace {} holds the tables of topics and {reason}: create a topic to get a table \
             there, or use another namespace",
            self.shared.options.namespace
        ))
    }

    fn check_properties(&self, record: &NamespaceRecord) -> Result<(), CatalogError> {
        let bytes: usize = record.properties.iter().map(|(k, v)| k.len() + v.len()).sum();
        if bytes > PROPERTY_BYTES_MAX {
            return Err(CatalogError::bad_request(format!(
                "The namespace's properties have {bytes} bytes ({PROPERTY_BYTES_MAX} are \
                 possible): remove some"
            )));
        }
        if let Some(location) = record.properties.get(LOCATION) {
            self.places().check(location)?;
        }
        Ok(())
    }
}

/// Waits until a change is durable.
pub(super) fn wait(ticket: MetadataTicket) -> Result<(), CatalogError> {
    ticket.wait().map_err(CatalogError::unknown)
}
