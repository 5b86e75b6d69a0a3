//! InitProducerId (key 22), versions 0-5. v2 flexible; v3 continuation (KIP-360); v5 transactions v2.
//!
//! Serves idempotent producers. A transactional id is refused with INVALID_REQUEST, fatal for
//! every client, because transactions are not served.

use strom_protocol::error_code::ErrorCode;
use strom_protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use tracing::{info, warn};

use crate::session::Context;

/// Hands out a producer id that no producer ever had, with epoch 0.
pub async fn handle(context: Context, request: InitProducerIdRequest) -> InitProducerIdResponse {
    if let Some(id) = &request.transactional_id {
        info!(peer = %context.peer, transactional_id = %id, "refusing a transactional producer: transactions are not served");
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
