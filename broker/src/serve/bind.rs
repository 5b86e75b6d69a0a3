//! Binding every socket before anything else, with an error that can be pasted back as a remedy.

use std::io;

use tokio::net::TcpListener;
use tracing::info;

use crate::config::{Config, HostPort, Listener};
use crate::net::BoundListener;

/// The sockets, each with the address it got.
pub(super) struct Sockets {
    pub kafka: Vec<(BoundListener, HostPort)>,
    pub http: (TcpListener, HostPort),
}

impl Sockets {
    /// What clients of each configured listener are told, by the listener's index. A listener
    /// that was skipped has no clients; its entry is what the configuration says.
    pub fn endpoints(&self, config: &Config) -> Vec<HostPort> {
        let port_of = |index: usize| {
            let bound = self.kafka.iter().find(|(listener, _)| listener.index == index);
            bound.map_or(config.listeners[index].port, |(_, address)| address.port)
        };
        let listeners = config.listeners.iter().enumerate();
        listeners.map(|(index, listener)| config.advertised_for(listener, port_of(index))).collect()
    }
}

/// Binds the Kafka listeners and HTTP, or says which addresses failed, all of them, and what to paste.
pub(super) async fn bind_all(config: &Config) -> Result<Sockets, String> {
    let mut kafka: Vec<(BoundListener, HostPort)> = Vec::new();
    let mut failures = Vec::new();
    for (index, listener) in config.listeners.iter().enumerate() {
        let address = HostPort { host: listener.host.clone(), port: listener.port };
        match bind(&address).await {
            Ok((socket, bound)) => kafka.push((BoundListener { socket, index }, bound)),
            Err(error) if listener.optional && is_absent(&error) => {
                info!(%address, %error, "this machine has no such address, listening without it");
            }
            Err(error) => failures.push(listener_error(config, listener, &error)),
        }
    }
    match bind(&config.http_address).await {
        Ok(http) if failures.is_empty() => Ok(Sockets { kafka, http }),
        Ok(_) => Err(failures.join("\n")),
        Err(error) => {
            failures.push(http_error(&config.http_address, &error));
            Err(failures.join("\n"))
        }
    }
}

fn http_error(wanted: &HostPort, error: &io::Error) -> String {
    let free = HostPort { host: wanted.host.clone(), port: 0 };
    format!(
        "http.address {wanted} cannot be bound: {error}; free it, or start with --set http.address={free}"
    )
}

async fn bind(address: &HostPort) -> io::Result<(TcpListener, HostPort)> {
    let socket = TcpListener::bind((address.host.as_str(), address.port)).await?;
    let port = socket.local_addr()?.port();
    Ok((socket, HostPort { host: address.host.clone(), port }))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

fn listener_error(config: &Config, listener: &Listener, error: &io::Error) -> String {
    let wanted = HostPort { host: listener.host.clone(), port: listener.port };
    let others = config.listeners.iter().map(|other| {
        let port = if other.port == listener.port { 0 } else { other.port };
        format!("{}://{}", other.name, HostPort { host: other.host.clone(), port })
    });
    // One listener in the remedy keeps the line short; further ones only if they were asked for.
    let remedy: Vec<String> = if config.listeners.iter().any(|other| other.optional) {
        others.take(1).collect()
    } else {
        others.collect()
    };
    format!(
        "listener {}://{wanted} cannot be bound: {error}; free it, or start with --set listeners={}",
        listener.name,
        remedy.join(",")
    )
}
