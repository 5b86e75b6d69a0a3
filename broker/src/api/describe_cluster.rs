//! DescribeCluster (key 60), versions 0-2. v1 endpoint types (KIP-919); v2 fenced brokers.

use strom_protocol::error_code::ErrorCode;
use strom_protocol::messages::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};

use super::{CLUSTER_OPERATIONS, OPERATIONS_NOT_ASKED};
use crate::session::Context;

const ENDPOINT_BROKERS: i8 = 1;
const ENDPOINT_CONTROLLERS: i8 = 2;

/// One node, which is also the controller.
pub async fn handle(context: Context, request: DescribeClusterRequest) -> DescribeClusterResponse {
    let broker = &context.broker;
    if request.endpoint_type != ENDPOINT_BROKERS {
        let (code, message) = if request.endpoint_type == ENDPOINT_CONTROLLERS {
            (ErrorCode::MismatchedEndpointType, "this listener serves brokers, not controllers")
        } else {
            (ErrorCode::UnsupportedEndpointType, "the endpoint type is not 1 (brokers)")
        };
        return DescribeClusterResponse {
            error_code: code.code(),
            error_message: Some(message.into()),
            endpoint_type: ENDPOINT_BROKERS,
            ..Default::default()
        };
    }
    let (host, port) = broker.advertised(context.listener);
    DescribeClusterResponse {
        endpoint_type: ENDPOINT_BROKERS,
        cluster_id: broker.store.cluster_id().into(),
        controller_id: broker.config.node_id,
        brokers: vec![DescribeClusterBroker {
            broker_id: broker.config.node_id,
            host: host.into(),
            port,
            ..Default::default()
        }],
        cluster_authorized_operations: if request.include_cluster_authorized_operations {
            CLUSTER_OPERATIONS
        } else {
            OPERATIONS_NOT_ASKED
        },
        ..Default::default()
    }
}
