//! `/iceberg`: the Iceberg REST catalog over HTTP, read path.
//!
//! Translation only: paths and queries in, [`strom_lake::Catalog`] asked, its answers and errors
//! out in the specification's JSON. Everything that writes is refused with 403 and a reason; views
//! are answered as absent. A load compares `If-None-Match` after the flush, never before.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use strom_lake::{CatalogError, Lake, Page};

/// What `/v1/config` lists: what is served, and the writes that are refused. The latter are here
/// because Java clients refuse on their own what is not, and their users would never read our
/// reason. Views are not: a client that does not see them asks for none, which saves a round trip
/// per query.
const ENDPOINTS: [&str; 15] = [
    "GET /v1/{prefix}/namespaces",
    "GET /v1/{prefix}/namespaces/{namespace}",
    "HEAD /v1/{prefix}/namespaces/{namespace}",
    "GET /v1/{prefix}/namespaces/{namespace}/tables",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/metrics",
    // Refused.
    "POST /v1/{prefix}/namespaces",
    "DELETE /v1/{prefix}/namespaces/{namespace}",
    "POST /v1/{prefix}/namespaces/{namespace}/properties",
    "POST /v1/{prefix}/namespaces/{namespace}/tables",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/namespaces/{namespace}/register",
    "POST /v1/{prefix}/tables/rename",
];

/// Separates the levels of a namespace in paths, as `/v1/config` tells (percent-encoded there).
/// Levels never have dots here, so the specification's older default is understood as well.
const SEPARATORS: [char; 2] = ['.', '\u{1f}'];

type Catalog = State<Arc<Lake>>;

/// The routes below `/iceberg`, where the caller nests them.
pub fn router(lake: Arc<Lake>) -> Router {
    let namespace = "/v1/namespaces/{namespace}";
    let table = format!("{namespace}/tables/{{table}}");
    let view = format!("{namespace}/views/{{view}}");
    Router::new()
        .route("/v1/config", get(config))
        .route("/v1/namespaces", get(list_namespaces).post(refuse))
        .route(namespace, get(get_namespace).head(head_namespace).delete(refuse))
        .route(&format!("{namespace}/properties"), post(refuse))
        .route(&format!("{namespace}/tables"), get(list_tables).post(refuse))
        .route(&table, get(load_table).head(head_table).post(refuse).delete(refuse))
        .route(&format!("{table}/metrics"), post(report_metrics))
        .route(&format!("{namespace}/register"), post(refuse))
        .route(&format!("{namespace}/views"), get(list_views).post(refuse))
        .route(&view, get(load_view).post(refuse).delete(refuse))
        .route("/v1/tables/rename", post(refuse))
        .route("/v1/views/rename", post(refuse))
        .route("/v1/transactions/commit", post(refuse))
        .fallback(no_route)
        .method_not_allowed_fallback(no_route)
        .with_state(lake)
}

/// A catalog's error as a response.
struct Failure(CatalogError);

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Failure {
        Failure(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct ErrorResponse {
            error: ErrorModel,
        }
        #[derive(Serialize)]
        struct ErrorModel {
            message: String,
            r#type: &'static str,
            code: u16,
        }
        let CatalogError { status, kind, message, retry_after_seconds } = self.0;
        let error = ErrorModel { message, r#type: kind, code: status };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(ErrorResponse { error })).into_response();
        if let Some(seconds) = retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

type Answer = Result<Response, Failure>;

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
    fn page(self) -> Result<Page, CatalogError> {
        let size = match self.page_size.as_deref() {
            None | Some("") => None,
            Some(text) => Some(text.parse().map_err(|_| {
                let message = format!("Invalid page size: {text} (expected a number)");
                CatalogError::new(400, "BadRequestException", message)
            })?),
        };
        Ok(Page { token: self.page_token, size })
    }
}

async fn list_namespaces(State(lake): Catalog, Query(listing): Query<Listing>) -> Answer {
    let parent = listing.parent.as_deref().filter(|parent| !parent.is_empty()).map(levels);
    let namespaces = lake.catalog().list_namespaces(parent.as_deref())?;
    Ok(axum::Json(namespaces).into_response())
}

async fn get_namespace(State(lake): Catalog, Path(namespace): Path<String>) -> Answer {
    Ok(axum::Json(lake.catalog().namespace(&levels(&namespace))?).into_response())
}

async fn head_namespace(State(lake): Catalog, Path(namespace): Path<String>) -> Answer {
    lake.catalog().namespace(&levels(&namespace))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn list_tables(
    State(lake): Catalog,
    Path(namespace): Path<String>,
    Query(listing): Query<Listing>,
) -> Answer {
    let tables = lake.catalog().list_tables(&levels(&namespace), &listing.page()?)?;
    Ok(axum::Json(tables).into_response())
}

async fn head_table(
    State(lake): Catalog,
    Path((namespace, table)): Path<(String, String)>,
) -> Answer {
    lake.catalog().table_exists(&levels(&namespace), &table)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize)]
struct Load {
    snapshots: Option<String>,
}

async fn load_table(
    State(lake): Catalog,
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
    let loaded = lake.catalog().load_table(&levels(&namespace), &table).await?;
    let mode = if refs_only { "refs" } else { "all" };
    let etag = format!("\"{}-{mode}\"", loaded.version);
    if is_unchanged(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let body = loaded.to_json(refs_only)?;
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_string()),
        (header::ETAG, etag),
        // Fresh means fresh: no proxy may answer for us.
        (header::CACHE_CONTROL, "no-cache".to_string()),
    ];
    Ok((headers, Body::from(body)).into_response())
}

/// Whether a client has this very answer already; a weak tag compares like a strong one.
fn is_unchanged(headers: &HeaderMap, etag: &str) -> bool {
    let tags = headers.get_all(header::IF_NONE_MATCH).into_iter().filter_map(|v| v.to_str().ok());
    tags.flat_map(|tags| tags.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == etag || tag == "*")
}

/// Scan and commit reports are taken and dropped: metrics of engines are theirs.
async fn report_metrics() -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn list_views(State(lake): Catalog, Path(namespace): Path<String>) -> Answer {
    lake.catalog().namespace(&levels(&namespace))?;
    let none = serde_json::json!({ "identifiers": [], "next-page-token": null });
    Ok(axum::Json(none).into_response())
}

async fn load_view(Path((namespace, view)): Path<(String, String)>) -> Answer {
    Err(CatalogError::no_view(&levels(&namespace), &view).into())
}

/// Everything that writes.
async fn refuse(method: Method, uri: Uri) -> Failure {
    let message = format!(
        "This catalog is read-only: tables are written by the broker from their topics \
         (refused: {method} {})",
        uri.path()
    );
    Failure(CatalogError::forbidden(message))
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
