//! Accepting connections: one task per listener, one task pair per connection, a limit on both.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::connection::{self, ConnectionLimits, Handler, Signals};

/// After a failed accept (out of file descriptors, mostly) the listener rests this long.
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// Connections get this long to finish their replies at shutdown.
const DRAIN: Duration = Duration::from_secs(5);
/// Refused connections are logged at most this often; the line says how many went unsaid.
const REFUSAL_LOG_INTERVAL: Duration = Duration::from_secs(1);

/// A socket that listens, with the index of the configured listener it belongs to.
#[derive(Debug)]
pub struct BoundListener {
    /// The listening socket.
    pub socket: TcpListener,
    /// Position in the configuration's list of listeners.
    pub index: usize,
}

/// What every listener shares.
#[derive(Debug, Clone)]
pub struct ServeContext {
    /// Limits of each connection.
    pub limits: ConnectionLimits,
    /// `max.connections` over all listeners; one more is closed at once with a log line.
    pub connections_max: usize,
    /// `max.connections.per.ip`.
    pub connections_per_address_max: usize,
    /// Connections open now.
    pub connections: Arc<AtomicUsize>,
    /// Connections open now, by the client's address.
    pub addresses: Arc<Mutex<HashMap<IpAddr, usize>>>,
    /// Keeps a storm of refused connections from becoming a storm of log lines.
    pub refusals: Arc<Refusals>,
    /// Becomes true when the broker stops.
    pub shutdown: watch::Receiver<bool>,
}

/// Accepts on `listener` until shutdown, then waits (bounded) for its connections to finish.
/// `handler` makes the handler of a new connection; it is given the peer's address, the
/// listener's index and a receiver that turns true when the client has hung up.
pub async fn serve<H, F>(listener: BoundListener, context: ServeContext, handler: F)
where
    H: Handler,
    F: Fn(SocketAddr, usize, watch::Receiver<bool>) -> H,
{
    let mut shutdown = context.shutdown.clone();
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.socket.accept() => match accepted {
                Ok((stream, peer)) => {
                    if let Some(slot) = admit(&context, &stream, peer) {
                        let (gone, gone_seen) = watch::channel(false);
                        let handler = handler(peer, listener.index, gone_seen);
                        let signals = Signals { shutdown: context.shutdown.clone(), gone: Arc::new(gone) };
                        let limits = context.limits.clone();
                        tasks.spawn(async move {
                            connection::run(stream, handler, limits, signals).await;
                            drop(slot);
                        });
                    }
                }
                Err(error) => {
                    warn!(%error, "accepting a connection failed");
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            },
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
            () = raised(&mut shutdown) => break,
        }
    }
    drop(listener.socket);
    let drained = tokio::time::timeout(DRAIN, async { while tasks.join_next().await.is_some() {} });
    if drained.await.is_err() {
        info!(connections = tasks.len(), "connections still busy at shutdown were closed");
    }
}

/// Resolves when `flag` is true, or when nobody can set it any more.
pub async fn raised(flag: &mut watch::Receiver<bool>) {
    let _ = flag.wait_for(|raised| *raised).await;
}

/// A counted connection; gives its places back when dropped.
struct Slot {
    connections: Arc<AtomicUsize>,
    addresses: Arc<Mutex<HashMap<IpAddr, usize>>>,
    address: IpAddr,
}

impl Slot {
    /// Counts a connection and returns its place with how many there were before: in all, and
    /// from its address.
    fn take(context: &ServeContext, address: IpAddr) -> (Self, usize, usize) {
        let open = context.connections.fetch_add(1, Ordering::Relaxed);
        let mut addresses = context.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let count = addresses.entry(address).or_insert(0);
        let from_address = *count;
        *count += 1;
        drop(addresses);
        let connections = Arc::clone(&context.connections);
        let addresses = Arc::clone(&context.addresses);
        (Self { connections, addresses, address }, open, from_address)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = addresses.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&self.address);
            }
        }
    }
}

/// When a refused connection was logged last, and how many were not since.
#[derive(Debug, Default)]
pub struct Refusals {
    state: Mutex<(Option<Instant>, u64)>,
}

impl Refusals {
    /// Whether this refusal is to be logged, and then how many before it were not.
    fn count(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, unsaid) = &mut *state;
        if last.is_some_and(|last| now.duration_since(last) < REFUSAL_LOG_INTERVAL) {
            *unsaid += 1;
            return None;
        }
        *last = Some(now);
        Some(std::mem::take(unsaid))
    }
}

fn refused(context: &ServeContext, peer: SocketAddr, limit: usize, reason: &'static str) {
    if let Some(unsaid) = context.refusals.count(Instant::now()) {
        warn!(%peer, limit, unsaid, "refusing connection: {reason} reached");
    }
}

fn admit(context: &ServeContext, stream: &TcpStream, peer: SocketAddr) -> Option<Slot> {
    let (slot, open, from_address) = Slot::take(context, peer.ip());
    if open >= context.connections_max {
        refused(context, peer, context.connections_max, "max.connections");
        return None;
    }
    if from_address >= context.connections_per_address_max {
        refused(context, peer, context.connections_per_address_max, "max.connections.per.ip");
        return None;
    }
    if let Err(error) = stream.set_nodelay(true) {
        warn!(%peer, %error, "refusing connection: TCP_NODELAY cannot be set");
        return None;
    }
    Some(slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_of_refusals_is_logged_once_a_second_with_its_count() {
        let refusals = Refusals::default();
        let began = Instant::now();
        let at = |ms| refusals.count(began + Duration::from_millis(ms));
        assert_eq!(
            [at(0), at(1), at(999), at(1000), at(1001), at(5000)],
            [Some(0), None, None, Some(2), None, Some(1)]
        );
    }
}
