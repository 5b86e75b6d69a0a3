//! Ports for servers that must be told theirs, and that keep them over restarts.
//!
//! The kernel gives port 0 and outgoing connections ports of one range, so a port of that range which is
//! free now may be somebody's a moment later. These come from below it, and no two from one process.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Above the ports of well-known services, and below those that the kernel gives (32768 on Linux).
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

/// A port of loopback that nobody listens on; this process does not get it twice.
pub fn free() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes that run at the same time begin at different places.
    let begin = u16::try_from(std::process::id() * 257 % u32::from(COUNT)).unwrap();
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (begin + step) % COUNT;
        if TcpListener::bind(address(port)).is_ok() {
            return port;
        }
    }
    panic!("there is no free port from {FIRST} on");
}

/// `127.0.0.1` with this port.
pub fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
