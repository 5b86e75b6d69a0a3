//! AlterConfigs (key 33), versions 0-2. v2 flexible. Sets all options of a resource at once: those
//! not named go back to their defaults, which is why clients prefer IncrementalAlterConfigs.

use strom_protocol::messages::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterConfigsResourceResponse, AlterConfigsResponse,
};

use super::altering::{self, Entry, Mode, Outcome, Resource};
use crate::session::Context;

/// Replaces the options of each resource, or says why not; with `validate_only` it only says.
pub async fn handle(context: Context, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let mode = Mode { replaces: true, validate_only: request.validate_only };
    let resources = request.resources.into_iter().map(resource).collect();
    let outcomes = altering::alter(&context, resources, mode).await;
    AlterConfigsResponse {
        responses: outcomes.into_iter().map(answer).collect(),
        ..Default::default()
    }
}

fn resource(wanted: AlterConfigsResource) -> Resource {
    let entries = wanted.configs.into_iter();
    Resource {
        kind: wanted.resource_type,
        name: wanted.resource_name,
        entries: entries.map(|config| Entry::set(config.name, config.value)).collect(),
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
