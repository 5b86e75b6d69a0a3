//! What the catalog answers when it does not do what it was asked, in the specification's terms.
//!
//! Clients act on the status: 5xx on a commit means *unknown* to all of them and leaves files
//! behind, so whatever was surely not applied is 409 (stale) or 429 (try again). Messages and
//! types are those of the Java reference implementation, since clients match on them.

use crate::LakeError;

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

    /// `Namespace already exists: a.b`.
    pub fn namespace_exists(levels: &[String]) -> CatalogError {
        let message = format!("Namespace already exists: {}", levels.join("."));
        CatalogError::new(409, "AlreadyExistsException", message)
    }

    /// `Table already exists: a.b`.
    pub fn table_exists(levels: &[String], table: &str) -> CatalogError {
        let message = format!("Table already exists: {}.{table}", levels.join("."));
        CatalogError::new(409, "AlreadyExistsException", message)
    }

    /// A change that this catalog refuses, with the reason.
    pub fn forbidden(reason: impl Into<String>) -> CatalogError {
        CatalogError::new(403, "ForbiddenException", reason)
    }

    /// A request that cannot be meant.
    pub fn bad_request(reason: impl Into<String>) -> CatalogError {
        CatalogError::new(400, "BadRequestException", reason)
    }

    /// A commit whose requirements do not hold: nothing was changed.
    pub fn stale(reason: impl Into<String>) -> CatalogError {
        CatalogError::new(409, "CommitFailedException", reason)
    }

    /// A change that was surely not applied, and may succeed later.
    pub fn busy(reason: impl Into<String>) -> CatalogError {
        CatalogError {
            retry_after_seconds: Some(RETRY_AFTER_SECONDS),
            ..CatalogError::new(429, "TooManyRequestsException", reason)
        }
    }

    /// Something that cannot be served now. What a change answers instead is
    /// [`not_applied`](Self::not_applied).
    pub(crate) fn unavailable(message: String) -> CatalogError {
        CatalogError {
            retry_after_seconds: Some(RETRY_AFTER_SECONDS),
            ..CatalogError::new(503, "ServiceUnavailableException", message)
        }
    }

    /// What a change answers that could not even read what it builds on: nothing was done, which
    /// 503 would not say to any client.
    pub(crate) fn not_applied(self) -> CatalogError {
        match self.status {
            503 => CatalogError::busy(format!("The change was not applied: {}", self.message)),
            _ => self,
        }
    }

    /// A change of which nobody can say whether it is durable: the metadata log has failed.
    pub(crate) fn unknown(reason: impl std::fmt::Display) -> CatalogError {
        CatalogError::new(
            500,
            "CommitStateUnknownException",
            format!("It is not known whether the change was applied: {reason}"),
        )
    }

    /// Why a change could not be made: before its pointer moved, unless storage failed.
    pub(crate) fn of_change(error: LakeError) -> CatalogError {
        match error {
            LakeError::Storage(_) | LakeError::Fault(_) => CatalogError::unknown(error),
            LakeError::Conflict { .. } => CatalogError::stale(error.to_string()),
            LakeError::Closing { .. }
            | LakeError::Io { .. }
            | LakeError::Store { .. }
            | LakeError::Parquet { .. }
            | LakeError::Metadata { .. }
            | LakeError::Pointer(_)
            | LakeError::Read { .. }
            | LakeError::Options(_) => {
                CatalogError::busy(format!("The change was not applied: {error}"))
            }
        }
    }
}

impl From<LakeError> for CatalogError {
    fn from(error: LakeError) -> CatalogError {
        CatalogError::unavailable(error.to_string())
    }
}
