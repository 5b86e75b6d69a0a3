//! The endpoints that change something: a body in, one call of the catalog, its answer out.
//!
//! A change blocks until it is durable, so it runs on a thread of its own; whoever hangs up
//! meanwhile does not stop it half-way. So many changes run at once and so many bodies are in
//! memory, and no more: the next one is told to come back, which every client does.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{self, Body, HttpBody as _};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use iceberg_catalog_rest::{
    CommitTableRequest, CreateNamespaceRequest, CreateTableRequest, RegisterTableRequest,
    RenameTableRequest, UpdateNamespacePropertiesRequest,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use strom_lake::{Catalog, CatalogError, Lake};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Served;
use super::answer::{self, Answer, Failure};
use super::levels;
use super::parts::{Path, Query};

/// Changes at once; each keeps its request's body in memory.
pub(super) const CHANGES_MAX: usize = 64;
/// Bytes of a request's body.
const BODY_BYTES_MAX: usize = 4 << 20;
/// A body must be there within this time.
const BODY_PATIENCE: Duration = Duration::from_secs(20);

/// The right to change something, for as long as it takes.
pub(super) struct Turn {
    lake: Arc<Lake>,
    permit: OwnedSemaphorePermit,
}

impl Turn {
    pub(super) fn take(served: &Served) -> Result<Turn, Failure> {
        let changes: Arc<Semaphore> = Arc::clone(&served.changes);
        let permit = changes.try_acquire_owned().map_err(|_| {
            CatalogError::busy(format!("{CHANGES_MAX} changes are in progress: try again later"))
        })?;
        Ok(Turn { lake: Arc::clone(&served.lake), permit })
    }

    /// Makes the change, whether or not the client still waits.
    pub(super) async fn change<T, F>(self, change: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Catalog) -> Result<T, CatalogError> + Send + 'static,
    {
        let Turn { lake, permit } = self;
        let changing = tokio::task::spawn_blocking(move || {
            let result = change(lake.catalog());
            drop(permit);
            result
        });
        let changed = changing.await.map_err(|error| {
            tracing::error!(%error, "a change of the catalog panicked");
            let message = "It is not known whether the change was applied";
            CatalogError::new(500, "CommitStateUnknownException", message)
        })?;
        Ok(changed?)
    }
}

/// Reads a request's body. The catalog's own turn comes first, so that bodies are bounded too.
async fn read<T: DeserializeOwned>(body: Body) -> Result<T, Failure> {
    let too_large = || {
        let message = format!("The request has more than {BODY_BYTES_MAX} bytes");
        CatalogError::new(413, "PayloadTooLargeException", message)
    };
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(too_large().into());
    }
    let reading = body::to_bytes(body, BODY_BYTES_MAX);
    let Ok(read) = tokio::time::timeout(BODY_PATIENCE, reading).await else {
        let message = format!("The request took more than {} s", BODY_PATIENCE.as_secs());
        return Err(CatalogError::new(408, "RequestTimeoutException", message).into());
    };
    let bytes = read.map_err(|_| too_large())?;
    serde_json::from_slice(&bytes)
        .map_err(|error| CatalogError::bad_request(format!("Malformed request: {error}")).into())
}

pub(super) async fn create_namespace(State(served): State<Served>, body: Body) -> Answer {
    let turn = Turn::take(&served)?;
    let request: CreateNamespaceRequest = read(body).await?;
    let created = turn.change(move |catalog| catalog.create_namespace(request)).await?;
    Ok(axum::Json(created).into_response())
}

pub(super) async fn drop_namespace(
    State(served): State<Served>,
    Path(namespace): Path<String>,
) -> Answer {
    let turn = Turn::take(&served)?;
    turn.change(move |catalog| catalog.drop_namespace(&levels(&namespace))).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn update_namespace(
    State(served): State<Served>,
    Path(namespace): Path<String>,
    body: Body,
) -> Answer {
    let turn = Turn::take(&served)?;
    let request: UpdateNamespacePropertiesRequest = read(body).await?;
    let update = move |catalog: &Catalog| catalog.update_namespace(&levels(&namespace), request);
    Ok(axum::Json(turn.change(update).await?).into_response())
}

pub(super) async fn create_table(
    State(served): State<Served>,
    Path(namespace): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let turn = Turn::take(&served)?;
    let request: CreateTableRequest = read(body).await?;
    let create = move |catalog: &Catalog| catalog.create_table(&levels(&namespace), request);
    answer::changed(&turn.change(create).await?, &headers)
}

pub(super) async fn commit_table(
    State(served): State<Served>,
    Path((namespace, table)): Path<(String, String)>,
    body: Body,
) -> Answer {
    let turn = Turn::take(&served)?;
    let request: CommitTableRequest = read(body).await?;
    let commit =
        move |catalog: &Catalog| catalog.commit_table(&levels(&namespace), &table, request);
    // The answer to a commit has no place for keys.
    answer::changed(&turn.change(commit).await?, &HeaderMap::new())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Drop {
    /// Text: some clients write `True`.
    purge_requested: Option<String>,
}

pub(super) async fn drop_table(
    State(served): State<Served>,
    Path((namespace, table)): Path<(String, String)>,
    Query(query): Query<Drop>,
) -> Answer {
    let turn = Turn::take(&served)?;
    let purge = query.purge_requested.is_some_and(|text| text.eq_ignore_ascii_case("true"));
    turn.change(move |catalog| catalog.drop_table(&levels(&namespace), &table, purge)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn rename_table(State(served): State<Served>, body: Body) -> Answer {
    let turn = Turn::take(&served)?;
    let RenameTableRequest { source, destination } = read(body).await?;
    turn.change(move |catalog| catalog.rename_table(&source, &destination)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn register_table(
    State(served): State<Served>,
    Path(namespace): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let turn = Turn::take(&served)?;
    let request: RegisterTableRequest = read(body).await?;
    let register = move |catalog: &Catalog| catalog.register_table(&levels(&namespace), request);
    answer::changed(&turn.change(register).await?, &headers)
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Transaction {
    table_changes: Vec<CommitTableRequest>,
}

pub(super) async fn commit_transaction(State(served): State<Served>, body: Body) -> Answer {
    let turn = Turn::take(&served)?;
    let Transaction { table_changes } = read(body).await?;
    turn.change(move |catalog| catalog.commit_transaction(table_changes)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
