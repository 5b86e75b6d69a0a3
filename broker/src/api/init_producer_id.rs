//! InitProducerId (key 22), versions 0-5. v2 flexible; v3 continuation (KIP-360); v5 transactions v2.
//!
//! Serves idempotent producers. A transactional id is refused with the error that FindCoordinator
//! gives for it, fatal for every client, because transactions are not served. As in Kafka, an empty
//! one is INVALID_REQUEST.

use strom_protocol::error_code::ErrorCode;
use strom_protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use tracing::{info, warn};

use crate::session::Context;

const NO_PRODUCER_ID: i64 = -1;
const NO_PRODUCER_EPOCH: i16 = -1;

/// Hands out a producer id that no producer ever had, with epoch 0.
pub async fn handle(context: Context, request: InitProducerIdRequest) -> InitProducerIdResponse {
    if let Some(id) = &request.transactional_id {
        info!(peer = %context.peer, transactional_id = %id, "refusing a transactional producer: transactions are not served");
        return failed(if id.is_empty() {
            ErrorCode::InvalidRequest
        } else {
            ErrorCode::TransactionalIdAuthorizationFailed
        });
    }
    // Kafka gives a new id to every idempotent producer, also to one that names the id it had;
    // half a name is a fault (KIP-360).
    if (request.producer_id == NO_PRODUCER_ID) != (request.producer_epoch == NO_PRODUCER_EPOCH) {
        return failed(ErrorCode::InvalidRequest);
    }
    match context.broker.store.allocate_producer_id().await {
        Ok(producer_id) => {
            InitProducerIdResponse { producer_id, producer_epoch: 0, ..Default::default() }
        }
        Err(error) => {
            warn!(%error, "no producer id can be handed out");
            failed(ErrorCode::CoordinatorNotAvailable)
        }
    }
}

fn failed(code: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse {
        error_code: code.code(),
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    }
}
