//! The suite: the broker as a process, under real clients and engines. One binary, so that all of
//! it shares one broker and one link step.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod crash;
mod engines;
mod fidelity;
mod records;
