//! The pure state machines of the broker: cluster metadata (topics and their configuration) and
//! groups with their committed offsets.
//!
//! Nothing here reads a clock, does I/O, draws a random number or knows an API message: the shell
//! (the broker) passes `now_ms`, ids and limits in, appends the records that come out, and sends
//! the replies. Durable state changes only in `apply`, live and on replay, so a machine that is
//! rebuilt from its records is equal to the one that wrote them.
//!
//! `cluster` decides about topics and lives in the metadata log; `group` decides about groups and
//! lives in the partitions of `__consumer_offsets`.

pub mod cluster;
pub mod group;
