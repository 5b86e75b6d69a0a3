//! The shells that run the coordinator's pure machines: they order commands, make the machines'
//! records durable, and send replies only then.

pub mod groups;
pub mod topics;
