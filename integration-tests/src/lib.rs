//! The harness of the suite: the broker (or Apache Kafka, the control) as a process, and real
//! clients behind one command protocol (clients/README.md).
//!
//! `cargo xtask test` installs what is needed and tells this crate by environment variables where
//! everything is: `STROM_BIN`, `STROM_CLIENT_<NAME>`, `STROM_TEST_AGAINST` (`strom` or `kafka`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "test code")]
#![allow(missing_docs, reason = "names in a test harness speak for themselves")]

pub mod broker;
pub mod capability;
pub mod client;
pub mod driver;
pub mod guarded;
pub mod installed;
pub mod kafka;
pub mod kcat;
pub mod ports;
pub mod raw;
pub mod record;
pub mod s3;
pub mod session;
pub mod strom;
pub mod wait;
pub mod written;
