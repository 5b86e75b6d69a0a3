//! The composition root: which parts there are, in which order they start and stop.

use std::sync::Arc;

use strom_lake::Lake;
use strom_storage::Store;
use tokio::sync::watch;

use crate::api::fetch::Sessions;
use crate::clock::Clock;
use crate::config::{Config, HostPort};
use crate::coordinators::groups::Groups;
use crate::coordinators::topics::Topics;
use crate::metrics::Metrics;
use crate::net::ReplyMemory;

/// Everything a request may need.
pub struct Broker {
    /// The configuration.
    pub config: Config,
    /// Partitions and their journal.
    pub store: Arc<Store>,
    /// Topics.
    pub topics: Arc<Topics>,
    /// Groups.
    pub groups: Arc<Groups>,
    /// The lake.
    pub lake: Arc<Lake>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// What consumers read, so that they need not say it again.
    pub fetch_sessions: Sessions,
    /// What fetched records may hold until consumers have taken them.
    pub replies: ReplyMemory,
    /// The time.
    pub clock: Clock,
    /// Turns true when the broker stops.
    pub shutdown: watch::Sender<bool>,
    /// What clients of each listener are told, by the listener's index.
    pub endpoints: Vec<HostPort>,
}

impl Broker {
    /// The address that clients of `listener` are told to connect to.
    pub fn advertised(&self, listener: usize) -> (String, i32) {
        let endpoint = &self.endpoints[listener];
        (endpoint.host.clone(), i32::from(endpoint.port))
    }
}
