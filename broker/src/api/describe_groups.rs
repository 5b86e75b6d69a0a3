//! DescribeGroups (key 15), versions 0-6. v3 authorized operations; v4 static members; v5 flexible; v6
//! an absent group is GROUP_ID_NOT_FOUND with a message (KIP-1043).

use std::collections::HashSet;

use strom_coordinator::group::{DescribedGroup as Found, DescribedMember};
use strom_protocol::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};
use strom_protocol::{ByteString, ErrorCode};

use super::{GROUP_OPERATIONS, OPERATIONS_NOT_ASKED};
use crate::session::Context;

const MISSING_IS_ERROR_SINCE: i16 = 6;

/// Describes the groups in the order asked.
pub async fn handle(
    context: Context,
    version: i16,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let operations =
        if request.include_authorized_operations { GROUP_OPERATIONS } else { OPERATIONS_NOT_ASKED };
    let missing_is_error = version >= MISSING_IS_ERROR_SINCE;
    let groups = &context.broker.groups;
    let mut described = Vec::with_capacity(request.groups.len().min(1024));
    let mut seen = HashSet::new();
    // Once each: an answer may be far larger than the question.
    for group_id in request.groups.into_iter().filter(|id| seen.insert(id.clone())) {
        described.push(match groups.describe(&group_id, missing_is_error).await {
            Ok(found) => shown(found, operations),
            Err(code) => failed(group_id, code),
        });
    }
    DescribeGroupsResponse { groups: described, ..Default::default() }
}

fn failed(group_id: ByteString, code: ErrorCode) -> DescribedGroup {
    DescribedGroup {
        error_code: code.code(),
        group_id,
        authorized_operations: OPERATIONS_NOT_ASKED,
        ..Default::default()
    }
}

fn shown(found: Found, operations: i32) -> DescribedGroup {
    DescribedGroup {
        error_code: found.error.code(),
        error_message: found.error_message.map(Into::into),
        group_id: found.group_id,
        group_state: found.state.name().into(),
        protocol_type: found.protocol_type,
        protocol_data: found.protocol,
        members: found.members.into_iter().map(member).collect(),
        authorized_operations: operations,
    }
}

fn member(found: DescribedMember) -> DescribedGroupMember {
    DescribedGroupMember {
        member_id: found.member_id,
        group_instance_id: found.group_instance_id,
        client_id: found.client_id,
        client_host: found.client_host,
        member_metadata: found.metadata,
        member_assignment: found.assignment,
    }
}
