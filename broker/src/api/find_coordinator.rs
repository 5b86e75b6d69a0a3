//! FindCoordinator (key 10), versions 0-6. v1 key types; v3 flexible; v4 batches; v6 share groups.
//!
//! This broker coordinates every group. Transactions are not served: their keys get
//! TRANSACTIONAL_ID_AUTHORIZATION_FAILED with a sentence, the one error that both the Java client and
//! librdkafka take as fatal (librdkafka asks again for ever on INVALID_REQUEST). Share groups get
//! INVALID_REQUEST.

use strom_protocol::error_code::ErrorCode;
use strom_protocol::messages::find_coordinator::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse,
};
use tracing::info;

use crate::session::Context;

const BATCHES_SINCE: i16 = 4;
const KEY_TYPE_GROUP: i8 = 0;

/// Names this node for groups, once the topic that keeps their state exists.
pub async fn handle(
    context: Context,
    version: i16,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let outcome = find(&context, request.key_type).await;
    if version < BATCHES_SINCE {
        let one = coordinator(&context, String::new(), &outcome);
        return FindCoordinatorResponse {
            error_code: one.error_code,
            error_message: one.error_message,
            node_id: one.node_id,
            host: one.host,
            port: one.port,
            ..Default::default()
        };
    }
    let keys = request.coordinator_keys.iter();
    FindCoordinatorResponse {
        coordinators: keys.map(|key| coordinator(&context, key.to_string(), &outcome)).collect(),
        ..Default::default()
    }
}

async fn find(context: &Context, key_type: i8) -> Result<(), (ErrorCode, &'static str)> {
    match key_type {
        KEY_TYPE_GROUP => {
            context.broker.groups.ensure_topic().await.map_err(|_| {
                (ErrorCode::CoordinatorNotAvailable, "the group state cannot be stored")
            })
        }
        1 => {
            let reason = "transactions are not served by this broker; leave transactional.id unset";
            info!(peer = %context.peer, reason, "refusing a transactional producer");
            Err((ErrorCode::TransactionalIdAuthorizationFailed, reason))
        }
        2 => Err((ErrorCode::InvalidRequest, "share groups are not served by this broker")),
        _ => Err((ErrorCode::InvalidRequest, "the key type is not one of 0 (group), 1, 2")),
    }
}

fn coordinator(
    context: &Context,
    key: String,
    outcome: &Result<(), (ErrorCode, &'static str)>,
) -> Coordinator {
    match outcome {
        Ok(()) => {
            let (host, port) = context.broker.advertised(context.listener);
            Coordinator {
                key: key.into(),
                node_id: context.broker.config.node_id,
                host: host.into(),
                port,
                ..Default::default()
            }
        }
        Err((code, message)) => Coordinator {
            key: key.into(),
            node_id: -1,
            port: -1,
            error_code: code.code(),
            error_message: Some((*message).into()),
            ..Default::default()
        },
    }
}
