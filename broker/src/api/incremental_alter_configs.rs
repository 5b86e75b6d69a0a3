//! IncrementalAlterConfigs (key 44), versions 0-1 (KIP-339). v1 flexible. Changes single options:
//! SET, DELETE, and APPEND and SUBTRACT for lists.

use strom_protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};

use super::altering::{self, Entry, Mode, Outcome, Resource};
use crate::session::Context;

/// Changes options of each resource, or says why not; with `validate_only` it only says.
pub async fn handle(
    context: Context,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let mode = Mode { replaces: false, validate_only: request.validate_only };
    let resources = request.resources.into_iter().map(resource).collect();
    let outcomes = altering::alter(&context, resources, mode).await;
    IncrementalAlterConfigsResponse {
        responses: outcomes.into_iter().map(answer).collect(),
        ..Default::default()
    }
}

fn resource(wanted: AlterConfigsResource) -> Resource {
    let entry = |config: strom_protocol::messages::incremental_alter_configs::AlterableConfig| {
        Entry { name: config.name, operation: config.config_operation, value: config.value }
    };
    Resource {
        kind: wanted.resource_type,
        name: wanted.resource_name,
        entries: wanted.configs.into_iter().map(entry).collect(),
    }
}

fn answer(outcome: Outcome) -> AlterConfigsResourceResponse {
    AlterConfigsResourceResponse {
        error_code: outcome.code,
        error_message: outcome.message,
        resource_type: outcome.kind,
        resource_name: outcome.name,
    }
}
