//! Answers of the catalog as HTTP: errors in the specification's shape, tables with their tag.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use strom_lake::{CatalogError, LoadedTable, Representation};

/// An answer, or the catalog's reason for none.
pub(super) type Answer = Result<Response, Failure>;

/// A catalog's error as a response.
pub(super) struct Failure(pub(super) CatalogError);

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

/// Names the ways in which a client can be given access to a table's files; a list with commas.
const ACCESS_DELEGATION: &str = "x-iceberg-access-delegation";

/// Whether a client can make use of keys. Other ways (`remote-signing`) are none of ours: as the
/// specification has it, such a client gets the table, and access by none of them.
pub(super) fn asks_for_keys(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(ACCESS_DELEGATION).into_iter().filter_map(|v| v.to_str().ok());
    lists
        .flat_map(|list| list.split(','))
        .any(|way| way.trim().eq_ignore_ascii_case("vended-credentials"))
}

/// A table in the form that is wanted, unless the client has this very form of it already.
pub(super) fn table(loaded: &LoadedTable, wanted: Representation, known: &HeaderMap) -> Answer {
    let mode = if wanted.refs_only { "refs" } else { "all" };
    let keys = if wanted.with_keys && loaded.keys.is_some() { "-keys" } else { "" };
    let etag = format!("\"{}-{mode}{keys}\"", loaded.version);
    // No cache may answer one client with the keys of another.
    let vary = (header::VARY, ACCESS_DELEGATION.to_string());
    if is_unchanged(known, &etag) {
        let headers = [(header::ETAG, etag), vary];
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let body = loaded.to_json(wanted)?;
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_string()),
        (header::ETAG, etag),
        // Fresh means fresh: no proxy may answer for us.
        (header::CACHE_CONTROL, "no-cache".to_string()),
        vary,
    ];
    Ok((headers, Body::from(body)).into_response())
}

/// A table as a change has made it, with keys if `asked` says so. What a client knows is no matter.
pub(super) fn changed(loaded: &LoadedTable, asked: &HeaderMap) -> Answer {
    let wanted = Representation { refs_only: false, with_keys: asks_for_keys(asked) };
    table(loaded, wanted, &HeaderMap::new())
}

/// Whether a client has this very answer already; a weak tag compares like a strong one.
fn is_unchanged(headers: &HeaderMap, etag: &str) -> bool {
    let tags = headers.get_all(header::IF_NONE_MATCH).into_iter().filter_map(|v| v.to_str().ok());
    tags.flat_map(|tags| tags.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == etag || tag == "*")
}
