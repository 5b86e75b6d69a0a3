//! DeleteGroups (key 42), versions 0-2. v2 flexible.

use strom_coordinator::group::{Command, Reply};
use strom_protocol::messages::delete_groups::{
    DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse,
};

use crate::coordinators::groups::unexpected;
use crate::session::Context;

/// Deletes groups without members, each with its own outcome.
pub async fn handle(context: Context, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let groups = &context.broker.groups;
    let mut results = Vec::with_capacity(request.groups_names.len().min(1024));
    for group_id in request.groups_names {
        let ids = vec![group_id.clone()];
        let code = match groups.ask(&group_id, |token| Command::Delete(token, ids)).await {
            Ok(Reply::Deleted(deleted)) => deleted.first().expect("one outcome for one group").1,
            Ok(other) => unexpected(&other),
            Err(code) => code,
        };
        results.push(DeletableGroupResult { group_id, error_code: code.code() });
    }
    DeleteGroupsResponse { results, ..Default::default() }
}
