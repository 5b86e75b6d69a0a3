//! A member of a classic group, with the request of it that waits, if any.

use strom_protocol::{ByteString, Bytes};

use crate::group::{DescribedMember, JoinedMember, MemberMetadata, Protocol, Token};

/// A member that has joined (pending members are only ids, kept by the group).
#[derive(Debug, Clone)]
pub(in crate::group) struct Member {
    pub(super) id: ByteString,
    pub(super) instance_id: Option<ByteString>,
    pub(super) client_id: ByteString,
    pub(super) client_host: ByteString,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) session_timeout_ms: i32,
    /// Most preferred first.
    pub(super) protocols: Vec<Protocol>,
    pub(super) assignment: Bytes,
    /// Has never been told a generation: its JoinGroup may expire while it waits.
    pub(super) is_new: bool,
    pub(super) awaiting_join: Option<Token>,
    pub(super) awaiting_sync: Option<Token>,
}

impl Member {
    pub(super) fn is_static(&self) -> bool {
        self.instance_id.is_some()
    }

    pub(super) fn is_awaiting_join(&self) -> bool {
        self.awaiting_join.is_some()
    }

    pub(super) fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|p| p.name == protocol)
    }

    /// Its metadata under `protocol`, empty if it does not speak it.
    pub(super) fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|p| p.name == protocol);
        found.map(|p| p.metadata.clone()).unwrap_or_default()
    }

    /// A waiting member is alive although it sends no heartbeats, unless it is new: then nobody
    /// would notice that its client is gone.
    pub(super) fn satisfies_heartbeat(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }

    pub(super) fn joined(&self, protocol: &str) -> JoinedMember {
        JoinedMember {
            member_id: self.id.clone(),
            group_instance_id: self.instance_id.clone(),
            metadata: self.metadata(protocol),
        }
    }

    pub(super) fn described(&self, protocol: Option<&str>) -> DescribedMember {
        DescribedMember {
            member_id: self.id.clone(),
            group_instance_id: self.instance_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            metadata: protocol.map(|p| self.metadata(p)).unwrap_or_default(),
            assignment: self.assignment.clone(),
        }
    }

    pub(super) fn to_metadata(&self, protocol: &str) -> MemberMetadata {
        MemberMetadata {
            member_id: self.id.clone(),
            group_instance_id: self.instance_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            session_timeout_ms: self.session_timeout_ms,
            subscription: self.metadata(protocol),
            assignment: self.assignment.clone(),
        }
    }
}
