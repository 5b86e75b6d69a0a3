//! ListGroups (key 16), versions 0-5. v3 flexible; v4 state filter (KIP-518); v5 type filter (KIP-848).

use strom_coordinator::group::ListFilter;
use strom_protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};

use crate::session::Context;

/// Lists the groups of every shard that pass the filters.
pub async fn handle(context: Context, request: ListGroupsRequest) -> ListGroupsResponse {
    let filter = ListFilter { states: request.states_filter, types: request.types_filter };
    let listed = match context.broker.groups.list(&filter).await {
        Ok(listed) => listed,
        Err(code) => return ListGroupsResponse { error_code: code.code(), ..Default::default() },
    };
    let groups = listed.into_iter().map(|group| ListedGroup {
        group_id: group.group_id,
        protocol_type: group.protocol_type,
        group_state: group.state.name().into(),
        group_type: group.group_type.into(),
    });
    ListGroupsResponse { groups: groups.collect(), ..Default::default() }
}
