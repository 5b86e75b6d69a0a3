//! A request's path and query, where what cannot be read is an error of the catalog's shape.

use axum::extract::{self, FromRequestParts};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use strom_lake::CatalogError;

use super::answer::Failure;

/// The names in a path, percent-decoded.
pub(super) struct Path<T>(pub(super) T);

/// The parameters behind a path.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let read = extract::Path::<T>::from_request_parts(parts, state).await;
        read.map(|path| Path(path.0)).map_err(|rejection| malformed(&rejection.body_text()))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let read = extract::Query::<T>::from_request_parts(parts, state).await;
        read.map(|query| Query(query.0)).map_err(|rejection| malformed(&rejection.body_text()))
    }
}

fn malformed(reason: &str) -> Failure {
    Failure(CatalogError::bad_request(format!("Malformed request: {reason}")))
}
