//! Classic groups: the client's leader assigns, the coordinator collects members and hands the
//! assignment out.
//!
//! ```text
//!                 join                    all joined / time        leader's sync
//!   Empty ───────────────► PreparingRebalance ───────► CompletingRebalance ───────► Stable
//!     ▲                      │    ▲      ▲                    │                        │
//!     └──────────────────────┘    │      └────────────────────┴── join, leave, death ──┘
//!          nobody joined          └─ still somebody missing: wait again
//! ```
//!
//! A generation becomes durable with the leader's sync (or when the group has become empty);
//! everything before that is soft: after a restart the members of the last recorded generation
//! are taken up again, with fresh session timers.

mod group;
mod heartbeat;
mod join;
mod leave;
mod member;
mod rebalance;
mod restore;
mod sync;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use strom_protocol::ByteString;

use super::step::Step;

pub(super) use group::ClassicGroup;
pub(super) use heartbeat::{heartbeat, session_expired};
pub(super) use join::join;
pub(super) use leave::leave;
pub(super) use rebalance::{join_phase_over, pending_sync_over};
pub(super) use restore::restore;
pub(super) use sync::sync;

/// The groups of a shard, soft state included. Bounded by `groups_max`.
#[derive(Debug, Default)]
pub(super) struct Groups {
    by_id: HashMap<ByteString, ClassicGroup>,
}

impl Groups {
    pub(super) fn get(&self, group_id: &str) -> Option<&ClassicGroup> {
        self.by_id.get(group_id)
    }

    pub(super) fn get_mut(&mut self, group_id: &str) -> Option<&mut ClassicGroup> {
        self.by_id.get_mut(group_id)
    }

    pub(super) fn contains(&self, group_id: &str) -> bool {
        self.by_id.contains_key(group_id)
    }

    /// The group, created empty when it is absent.
    pub(super) fn get_or_create(
        &mut self,
        group_id: &ByteString,
        now_ms: i64,
    ) -> &mut ClassicGroup {
        match self.by_id.entry(group_id.clone()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(ClassicGroup::new(group_id.clone(), now_ms)),
        }
    }

    pub(super) fn insert(&mut self, group: ClassicGroup) {
        self.by_id.insert(group.id.clone(), group);
    }

    pub(super) fn remove(&mut self, group_id: &str) -> Option<ClassicGroup> {
        self.by_id.remove(group_id)
    }

    /// Removes an empty group with the timers of its pending members.
    pub(super) fn forget(&mut self, group_id: &ByteString, step: &mut Step<'_>) {
        let Some(group) = self.by_id.remove(group_id) else { return };
        for member_id in &group.pending_join {
            step.timers.cancel(&group.session_key(member_id));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &ClassicGroup> {
        self.by_id.values()
    }
}
