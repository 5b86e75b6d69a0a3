//! Sockets: listeners accept, connections read frames and write replies in request order.
//!
//! This module moves bytes. It knows the size prefix and the limits (frame size, memory,
//! connections, idle time); what a frame means is `dispatch`'s business.

mod chunks;
mod connection;
mod listener;
mod memory;
mod sniff;

pub use chunks::Chunks;
pub use connection::{ConnectionLimits, Frame, Handler, Reply, ReplyFuture, Verdict};
pub use listener::{BoundListener, ServeContext, raised, serve};
pub use memory::{ReplyMemory, RequestMemory};
