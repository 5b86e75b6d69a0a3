//! Health for orchestrators: `/health/live` says whether a restart would help, `/health/ready`
//! whether clients should be sent here.

use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

/// Where the broker is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Opening the data directory: alive, not ready.
    Starting,
    /// Serving.
    Ready,
    /// Ending on request: alive, not ready.
    Stopping,
    /// Storage has failed, nothing can be acknowledged: neither alive nor ready.
    Failed(String),
}

/// The broker's phase, shared between the one who changes it and those who ask.
#[derive(Debug)]
pub struct Health(RwLock<Phase>);

impl Default for Health {
    fn default() -> Self {
        Health(RwLock::new(Phase::Starting))
    }
}

impl Health {
    /// Enters `phase`. A failure is final: nothing that is set later hides it.
    pub fn enter(&self, phase: Phase) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*current, Phase::Failed(_)) {
            *current = phase;
        }
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The two paths.
pub fn router(health: Arc<Health>) -> Router {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .with_state(health)
}

async fn live(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    match health.phase() {
        Phase::Starting | Phase::Ready | Phase::Stopping => (StatusCode::OK, "live\n".to_owned()),
        Phase::Failed(reason) => unavailable(&format!("failed: {reason}")),
    }
}

async fn ready(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    match health.phase() {
        Phase::Ready => (StatusCode::OK, "ready\n".to_owned()),
        Phase::Starting => unavailable("starting"),
        Phase::Stopping => unavailable("stopping"),
        Phase::Failed(reason) => unavailable(&format!("failed: {reason}")),
    }
}

fn unavailable(reason: &str) -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n"))
}
