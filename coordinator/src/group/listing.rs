//! What administrators ask: describe, list and delete groups.

use strom_protocol::{ByteString, ErrorCode};

use super::classic::Groups;
use super::offsets::delete_all;
use super::step::Step;
use super::{DescribedGroup, GroupRecord, GroupState, ListFilter, ListedGroup, Phase};

/// DescribeGroups, in the order asked.
pub(super) fn describe(
    groups: &Groups,
    group_ids: Vec<ByteString>,
    missing_is_error: bool,
) -> Vec<DescribedGroup> {
    let describe = |group_id: ByteString| match groups.get(&group_id) {
        Some(group) => group.describe(),
        None => missing(group_id, missing_is_error),
    };
    group_ids.into_iter().map(describe).collect()
}

fn missing(group_id: ByteString, is_error: bool) -> DescribedGroup {
    let error = if is_error { ErrorCode::GroupIdNotFound } else { ErrorCode::None };
    DescribedGroup {
        error_message: is_error.then(|| format!("Group {group_id} not found.")),
        group_id,
        error,
        state: Phase::Dead,
        protocol_type: ByteString::new(),
        protocol: ByteString::new(),
        members: Vec::new(),
    }
}

/// ListGroups, sorted by group id.
pub(super) fn list(groups: &Groups, filter: &ListFilter) -> Vec<ListedGroup> {
    let admits = |names: &[ByteString], name: &str| {
        names.is_empty() || names.iter().any(|n| n.eq_ignore_ascii_case(name))
    };
    let mut listed: Vec<ListedGroup> = groups
        .iter()
        .map(|group| group.listed())
        .filter(|group| admits(&filter.states, group.state.name()))
        .filter(|group| admits(&filter.types, group.group_type))
        .collect();
    listed.sort_by(|a, b| a.group_id.cmp(&b.group_id));
    listed
}

/// DeleteGroups: a group without members goes with all its offsets.
pub(super) fn delete(
    state: &GroupState,
    groups: &mut Groups,
    group_ids: Vec<ByteString>,
    step: &mut Step<'_>,
) -> Vec<(ByteString, ErrorCode)> {
    let mut deleted = Vec::with_capacity(group_ids.len());
    for group_id in group_ids {
        let error = match groups.get(&group_id) {
            None => ErrorCode::GroupIdNotFound,
            Some(group) if !group.is_empty() => ErrorCode::NonEmptyGroup,
            Some(_) => ErrorCode::None,
        };
        if error == ErrorCode::None {
            groups.forget(&group_id, step);
            delete_all(state, &group_id, step);
            step.record(GroupRecord::Group { group_id: group_id.clone(), metadata: None });
        }
        deleted.push((group_id, error));
    }
    deleted
}
