//! `/iceberg`: the Iceberg REST catalog over HTTP.
//!
//! Translation only: paths, queries and bodies in, [`strom_lake::Catalog`] asked, its answers and
//! errors out in the specification's JSON. What reads is here, what writes in write.rs. Views are
//! answered as absent. A load compares `If-None-Match` after the flush, never before. Keys of a bucket
//! go only to clients whose `X-Iceberg-Access-Delegation` has `vended-credentials`.

mod answer;
mod parts;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use strom_lake::{CatalogError, Lake, Page, Representation};
use tokio::sync::Semaphore;

use answer::{Answer, Failure};
use parts::{Path, Query};

/// What `/v1/config` lists: what is served. Views are not: a client that does not see them asks
/// for none, which saves a round trip per query.
const ENDPOINTS: [&str; 16] = [
    "GET /v1/{prefix}/namespaces",
    "POST /v1/{prefix}/namespaces",
    "GET /v1/{prefix}/namespaces/{namespace}",
    "HEAD /v1/{prefix}/namespaces/{namespace}",
    "DELETE /v1/{prefix}/namespaces/{namespace}",
    "POST /v1/{prefix}/namespaces/{namespace}/properties",
    "GET /v1/{prefix}/namespaces/{namespace}/tables",
    "POST /v1/{prefix}/namespaces/{namespace}/tables",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/metrics",
    "POST /v1/{prefix}/namespaces/{namespace}/register",
    "POST /v1/{prefix}/tables/rename",
    "POST /v1/{prefix}/transactions/commit",
];

/// Separates the levels of a namespace in paths, as `/v1/config` tells (percent-encoded there).
/// Levels never have dots here, so the specification's older default is understood as well.
const SEPARATORS: [char; 2] = ['.', '\u{1f}'];

/// What every handler gets.
#[derive(Clone)]
struct Served {
    lake: Arc<Lake>,
    /// One permit per change in progress.
    changes: Arc<Semaphore>,
}

type Catalog = State<Served>;

/// The routes below `/iceberg`, where the caller nests them.
pub fn router(lake: Arc<Lake>) -> Router {
    let namespace = "/v1/namespaces/{namespace}";
    let table = format!("{namespace}/tables/{{table}}");
    let view = format!("{namespace}/views/{{view}}");
    let served = Served { lake, changes: Arc::new(Semaphore::new(write::CHANGES_MAX)) };
    Router::new()
        .route("/", get(welcome))
        .route("/v1/config", get(config))
        .route("/v1/namespaces", get(list_namespaces).post(write::create_namespace))
        .route(namespace, get(get_namespace).head(head_namespace).delete(write::drop_namespace))
        .route(&format!("{namespace}/properties"), post(write::update_namespace))
        .route(&format!("{namespace}/tables"), get(list_tables).post(write::create_table))
        .route(
            &table,
            get(load_table).head(head_table).post(write::commit_table).delete(write::drop_table),
        )
        .route(&format!("{table}/metrics"), post(report_metrics))
        .route(&format!("{namespace}/register"), post(write::register_table))
        .route(&format!("{namespace}/views"), get(list_views).post(no_views))
        .route(&view, get(load_view).post(no_views).delete(load_view))
        .route("/v1/tables/rename", post(write::rename_table))
        .route("/v1/views/rename", post(no_views))
        .route("/v1/transactions/commit", post(write::commit_transaction))
        .fallback(no_route)
        .method_not_allowed_fallback(no_route)
        .with_state(served)
}

/// For a person who opens the catalog's address.
pub(super) async fn welcome() -> impl IntoResponse {
    axum::Json(serde_json::json!({
        "message": "This is an Iceberg REST catalog. Give engines this address as its URI.",
        "config": "/iceberg/v1/config",
        "namespaces": "/iceberg/v1/namespaces",
    }))
}

async fn config() -> impl IntoResponse {
    #[derive(Serialize)]
    struct CatalogConfig {
        defaults: BTreeMap<&'static str, &'static str>,
        overrides: BTreeMap<&'static str, &'static str>,
        endpoints: &'static [&'static str],
    }
    axum::Json(CatalogConfig {
        defaults: BTreeMap::new(),
        overrides: BTreeMap::from([("namespace-separator", "%2E")]),
        endpoints: &ENDPOINTS,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    parent: Option<String>,
    page_token: Option<String>,
    /// Text, so that a wrong number is an error of the catalog's shape.
    page_size: Option<String>,
}

impl Listing {
    fn page(&self) -> Result<Page, CatalogError> {
        let size = match self.page_size.as_deref() {
            None | Some("") => None,
            Some(text) => Some(text.parse().map_err(|_| {
                let message = format!("Invalid page size: {text} (expected a number)");
                CatalogError::new(400, "BadRequestException", message)
            })?),
        };
        Ok(Page { token: self.page_token.clone(), size })
    }
}

async fn list_namespaces(State(served): Catalog, Query(listing): Query<Listing>) -> Answer {
    let parent = listing.parent.as_deref().filter(|parent| !parent.is_empty()).map(levels);
    let page = listing.page()?;
    let namespaces = served.lake.catalog().list_namespaces(parent.as_deref(), &page)?;
    Ok(axum::Json(namespaces).into_response())
}

async fn get_namespace(State(served): Catalog, Path(namespace): Path<String>) -> Answer {
    Ok(axum::Json(served.lake.catalog().namespace(&levels(&namespace))?).into_response())
}

async fn head_namespace(State(served): Catalog, Path(namespace): Path<String>) -> Answer {
    served.lake.catalog().namespace(&levels(&namespace))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn list_tables(
    State(served): Catalog,
    Path(namespace): Path<String>,
    Query(listing): Query<Listing>,
) -> Answer {
    let tables = served.lake.catalog().list_tables(&levels(&namespace), &listing.page()?)?;
    Ok(axum::Json(tables).into_response())
}

async fn head_table(
    State(served): Catalog,
    Path((namespace, table)): Path<(String, String)>,
) -> Answer {
    served.lake.catalog().table_exists(&levels(&namespace), &table)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize)]
struct Load {
    snapshots: Option<String>,
}

async fn load_table(
    State(served): Catalog,
    Path((namespace, table)): Path<(String, String)>,
    Query(load): Query<Load>,
    headers: HeaderMap,
) -> Answer {
    let refs_only = match load.snapshots.as_deref() {
        None | Some("all") => false,
        Some("refs") => true,
        Some(other) => {
            let message = format!("Invalid snapshot mode: {other} (expected all or refs)");
            return Err(CatalogError::new(400, "BadRequestException", message).into());
        }
    };
    let loaded = served.lake.catalog().load_table(&levels(&namespace), &table).await?;
    let with_keys = answer::asks_for_keys(&headers);
    answer::table(&loaded, Representation { refs_only, with_keys }, &headers)
}

/// Scan and commit reports of tables that exist are taken and dropped: metrics of engines are theirs.
async fn report_metrics(
    State(served): Catalog,
    Path((namespace, table)): Path<(String, String)>,
) -> Answer {
    served.lake.catalog().table_exists(&levels(&namespace), &table)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn list_views(State(served): Catalog, Path(namespace): Path<String>) -> Answer {
    served.lake.catalog().namespace(&levels(&namespace))?;
    let none = serde_json::json!({ "identifiers": [], "next-page-token": null });
    Ok(axum::Json(none).into_response())
}

async fn load_view(Path((namespace, view)): Path<(String, String)>) -> Answer {
    Err(CatalogError::no_view(&levels(&namespace), &view).into())
}

async fn no_views() -> Failure {
    let message = "Views are not supported by this catalog: create a table";
    Failure(CatalogError::new(406, "UnsupportedOperationException", message))
}

async fn no_route(method: Method, uri: Uri) -> Failure {
    let message = format!("No route for request: {method} {}", uri.path());
    Failure(CatalogError::new(404, "BadRequestException", message))
}

/// The levels of a namespace as it stands in a path, percent-decoded already.
fn levels(namespace: &str) -> Vec<String> {
    namespace.split(SEPARATORS).map(str::to_string).collect()
}

#[cfg(test)]
mod tests;
