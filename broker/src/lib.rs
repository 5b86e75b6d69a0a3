//! Strom: a Kafka broker whose topics are Iceberg tables.
//!
//! This crate is the only one with sockets, configuration and wiring. Rules live in the crates
//! below it: `strom-coordinator` decides, `strom-storage` keeps, `strom-lake` writes tables, and
//! `strom-protocol` knows the wire.

pub mod banner;
pub mod cli;
pub mod config;
pub mod http;
pub mod logging;
