//! Answers of the catalog as HTTP: errors in the specification's shape, tables with their tag.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use strom_lake::{CatalogError, LoadedTable};

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

/// A table: all of its snapshots, or those that a branch or tag names.
pub(super) fn table(loaded: &LoadedTable, refs_only: bool, known: &HeaderMap) -> Answer {
    let mode = if refs_only { "refs" } else { "all" };
    let etag = format!("\"{}-{mode}\"", loaded.version);
    if is_unchanged(known, &etag) {
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
