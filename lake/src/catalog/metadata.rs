//! From a table's metadata and a change to its new metadata, as the specification has it. Pure.
//!
//! The iceberg crate checks requirements and applies updates; this module adds what a server
//! owes its clients beyond that: a table can be created by its first commit, with the ids that
//! the client was given when it staged the table; removing snapshots removes what refers to
//! them; and what cannot be applied is told apart from what no longer holds.

use std::collections::HashMap;

use iceberg::spec::{
    FormatVersion, PartitionSpec, Schema, SortOrder, TableMetadata, TableMetadataBuilder,
    UnboundPartitionSpec,
};
use iceberg::{ErrorKind, TableRequirement, TableUpdate};
use iceberg_catalog_rest::CreateTableRequest;
use uuid::Uuid;

use super::error::CatalogError;

/// A metadata file at most: beyond that a table needs upkeep, not more history.
const METADATA_BYTES_MAX: usize = 16 << 20;
/// All keys and values of a table's properties together.
const PROPERTY_BYTES_MAX: usize = 256 << 10;

const MAIN: &str = "main";
const FORMAT_VERSION: &str = "format-version";
const METADATA_PATH: &str = "write.metadata.path";
const DELETE_AFTER_COMMIT: &str = "write.metadata.delete-after-commit.enabled";
/// The last partition field id of a table without partitions.
const NO_PARTITION_FIELD: i32 = 999;

/// A table's metadata after a change.
#[derive(Debug)]
pub(crate) struct Changed {
    /// The new metadata.
    pub(crate) metadata: TableMetadata,
    /// Metadata files that it no longer mentions, if the table wants them removed.
    pub(crate) expired: Vec<String>,
    /// Whether anything changed at all.
    pub(crate) is_changed: bool,
}

/// What a client sends to change one table.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) requirements: Vec<TableRequirement>,
    pub(crate) updates: Vec<TableUpdate>,
}

impl Change {
    /// Whether the change makes a table.
    pub(crate) fn creates(&self) -> bool {
        self.requirements.contains(&TableRequirement::NotExist)
    }

    /// The location that the change gives its table.
    pub(crate) fn location(&self) -> Option<&str> {
        self.updates.iter().rev().find_map(|update| match update {
            TableUpdate::SetLocation { location } => Some(location.as_str()),
            _ => None,
        })
    }

    /// The uuid that the change gives its table.
    pub(crate) fn uuid(&self) -> Option<Uuid> {
        self.updates.iter().rev().find_map(|update| match update {
            TableUpdate::AssignUuid { uuid } => Some(*uuid),
            _ => None,
        })
    }
}

/// The metadata of a new table; field ids are assigned here, as the specification wants it.
pub(crate) fn create(
    request: CreateTableRequest,
    location: String,
    uuid: Uuid,
) -> Result<TableMetadata, CatalogError> {
    let mut properties = request.properties;
    let format_version = match properties.remove(FORMAT_VERSION).as_deref() {
        None | Some("2") => FormatVersion::V2,
        Some("1") => FormatVersion::V1,
        Some("3") => FormatVersion::V3,
        Some(other) => {
            return Err(CatalogError::bad_request(format!(
                "Unsupported format version: {other} (1, 2 and 3 are possible)"
            )));
        }
    };
    let builder = TableMetadataBuilder::new(
        request.schema,
        request.partition_spec.unwrap_or_default(),
        request.write_order.unwrap_or_else(SortOrder::unsorted_order),
        location,
        format_version,
        properties,
    );
    let built = builder.and_then(|builder| builder.assign_uuid(uuid).build()).map_err(invalid)?;
    Ok(built.metadata)
}

/// The metadata of a table that its first commit makes. Ids in the updates are kept: the client
/// has written files with them already.
pub(crate) fn create_by_commit(
    change: Change,
    location: String,
    uuid: Uuid,
) -> Result<TableMetadata, CatalogError> {
    check_requirements(&change.requirements, None)?;
    let first = first_metadata(&change.updates, &location, uuid)?;
    let mut builder = first.into_builder(None);
    for update in change.updates {
        builder = match update {
            // Judged and spelled by the caller.
            TableUpdate::SetLocation { .. } => builder.set_location(location.clone()),
            update => update.apply(builder).map_err(invalid)?,
        };
    }
    Ok(builder.build().map_err(invalid)?.metadata)
}

/// A table's metadata, which stands at `location`, after a change.
pub(crate) fn change(
    base: &TableMetadata,
    location: &str,
    change: Change,
) -> Result<Changed, CatalogError> {
    check_requirements(&change.requirements, Some(base))?;
    let mut builder = base.clone().into_builder(Some(location.to_string()));
    let mut current = base.current_snapshot_id();
    for update in change.updates {
        for update in completed(update, &mut current) {
            builder = update.apply(builder).map_err(invalid)?;
        }
    }
    let built = builder.build().map_err(invalid)?;
    let wants_removal = built.metadata.properties().get(DELETE_AFTER_COMMIT);
    let wants_removal = wants_removal.is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let expired = built.expired_metadata_logs.into_iter().map(|log| log.metadata_file);
    Ok(Changed {
        expired: expired.filter(|_| wants_removal).collect(),
        is_changed: !built.changes.is_empty(),
        metadata: built.metadata,
    })
}

/// Where a table's metadata file number `commit` is.
pub(crate) fn file_location(metadata: &TableMetadata, commit: u64, unique: Uuid) -> String {
    let folder = match metadata_path(metadata) {
        Some(path) => path.trim_end_matches('/').to_string(),
        None => format!("{}/metadata", metadata.location()),
    };
    format!("{folder}/{commit:05}-{unique}.metadata.json")
}

/// The folder of metadata files that a table's properties ask for.
pub(crate) fn metadata_path(metadata: &TableMetadata) -> Option<&str> {
    metadata.properties().get(METADATA_PATH).map(String::as_str)
}

/// The content of a metadata file; too large ones are refused with what to do.
pub(crate) fn encode(metadata: &TableMetadata) -> Result<Vec<u8>, CatalogError> {
    let properties = metadata.properties().iter();
    let bytes: usize = properties.map(|(key, value)| key.len() + value.len()).sum();
    if bytes > PROPERTY_BYTES_MAX {
        return Err(CatalogError::bad_request(format!(
            "The table's properties have {bytes} bytes ({PROPERTY_BYTES_MAX} are possible): \
             remove some"
        )));
    }
    let json = serde_json::to_vec(metadata)
        .map_err(|e| CatalogError::bad_request(format!("Cannot write table metadata: {e}")))?;
    if json.len() > METADATA_BYTES_MAX {
        return Err(CatalogError::bad_request(format!(
            "The table's metadata has {} bytes ({METADATA_BYTES_MAX} are possible): expire \
             snapshots, or drop columns",
            json.len()
        )));
    }
    Ok(json)
}

fn check_requirements(
    requirements: &[TableRequirement],
    base: Option<&TableMetadata>,
) -> Result<(), CatalogError> {
    for requirement in requirements {
        requirement.check(base).map_err(|error| match error.kind() {
            ErrorKind::CatalogCommitConflicts | ErrorKind::TableNotFound => {
                CatalogError::stale(error.message())
            }
            _ => invalid(error),
        })?;
    }
    Ok(())
}

fn invalid(error: iceberg::Error) -> CatalogError {
    CatalogError::bad_request(error.message())
}

/// An update with those that it entails; `current` is the current snapshot before and after it.
fn completed(update: TableUpdate, current: &mut Option<i64>) -> Vec<TableUpdate> {
    let mut updates = Vec::new();
    match &update {
        TableUpdate::SetSnapshotRef { ref_name, reference } if ref_name == MAIN => {
            *current = Some(reference.snapshot_id);
        }
        TableUpdate::RemoveSnapshotRef { ref_name } if ref_name == MAIN => *current = None,
        TableUpdate::RemoveSnapshots { snapshot_ids } => {
            if current.is_some_and(|current| snapshot_ids.contains(&current)) {
                *current = None;
                updates.push(TableUpdate::RemoveSnapshotRef { ref_name: MAIN.into() });
            }
            for &snapshot_id in snapshot_ids {
                updates.push(TableUpdate::RemoveStatistics { snapshot_id });
                updates.push(TableUpdate::RemovePartitionStatistics { snapshot_id });
            }
        }
        _ => {}
    }
    updates.push(update);
    updates
}

/// Metadata with the first schema, partition spec and sort order of a creating commit, so that
/// its updates find them there, under the ids that the client knows.
fn first_metadata(
    updates: &[TableUpdate],
    location: &str,
    uuid: Uuid,
) -> Result<TableMetadata, CatalogError> {
    let mut version = FormatVersion::V2;
    let (mut schema, mut spec, mut order) = (None, None, None);
    for update in updates {
        match update {
            TableUpdate::UpgradeFormatVersion { format_version } => version = *format_version,
            TableUpdate::AddSchema { schema: added } => schema = schema.or(Some(added)),
            TableUpdate::AddSpec { spec: added } => spec = spec.or(Some(added)),
            TableUpdate::AddSortOrder { sort_order } => order = order.or(Some(sort_order)),
            _ => {}
        }
    }
    let Some(schema) = schema else {
        return Err(CatalogError::bad_request("A new table needs a schema (add-schema)"));
    };
    let spec = bound(spec, schema)?;
    let order = numbered(order);
    let document = serde_json::json!({
        "format-version": version,
        "table-uuid": uuid,
        "location": location,
        "last-sequence-number": 0,
        "last-updated-ms": 0,
        "last-column-id": schema.highest_field_id(),
        "current-schema-id": schema.schema_id(),
        "schemas": [schema],
        "default-spec-id": spec.spec_id(),
        "last-partition-id": spec.highest_field_id().unwrap_or(0).max(NO_PARTITION_FIELD),
        "partition-specs": [spec],
        "default-sort-order-id": order.order_id,
        "sort-orders": [order],
        "properties": HashMap::<String, String>::new(),
        "next-row-id": 0,
    });
    serde_json::from_value(document)
        .map_err(|e| CatalogError::bad_request(format!("Cannot make table metadata: {e}")))
}

fn bound(
    spec: Option<&UnboundPartitionSpec>,
    schema: &Schema,
) -> Result<PartitionSpec, CatalogError> {
    match spec.filter(|spec| !spec.fields().is_empty()) {
        Some(spec) => spec.clone().bind(schema.clone()).map_err(invalid),
        None => Ok(PartitionSpec::unpartition_spec()),
    }
}

/// The order with an id that it may have: 0 is the unsorted one's alone.
fn numbered(order: Option<&SortOrder>) -> SortOrder {
    match order {
        Some(order) if !order.is_unsorted() => order.clone().with_order_id(order.order_id.max(1)),
        _ => SortOrder::unsorted_order(),
    }
}

#[cfg(test)]
mod tests;
