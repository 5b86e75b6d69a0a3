//! Strom: a Kafka broker whose topics are Iceberg tables.
//!
//! This crate is the only one with sockets, configuration and wiring. Rules live in the crates
//! below it: `strom-coordinator` decides, `strom-storage` keeps, `strom-lake` writes tables, and
//! `strom-protocol` knows the wire.

pub mod api;
pub mod banner;
pub mod broker;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod compatibility;
pub mod config;
pub mod coordinators;
pub mod dispatch;
pub mod errors;
pub mod http;
pub mod logging;
pub mod maintenance;
pub mod metrics;
pub mod net;
pub mod serve;
pub mod session;
