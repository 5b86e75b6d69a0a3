//! The broker under test as a process of its own.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::guarded::Guarded;
use crate::installed::broker_binary;
use crate::ports;
use crate::wait::wait_for;

/// What `<data.dir>/addresses.json` says:
/// `{"kafka": ["127.0.0.1:9092", …], "http": "127.0.0.1:8081"}`.
#[derive(Clone, Debug)]
pub struct Addresses {
    pub kafka: Vec<String>,
    pub http: String,
}

/// Starts the broker and waits until it is ready, at `addresses` of an earlier start if they are given.
pub fn start(
    data: &Path,
    log: &Path,
    options: &[(String, String)],
    addresses: Option<&Addresses>,
) -> (Guarded, Addresses) {
    let free = || ports::address(ports::free()).to_string();
    let (kafka, http) = match addresses {
        Some(addresses) => (addresses.kafka[0].clone(), addresses.http.clone()),
        None => (free(), free()),
    };
    let file = data.join("addresses.json");
    let _ = std::fs::remove_file(&file);
    let mut command = Command::new(broker_binary());
    // The suite's own variables would look like settings to the broker.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("STROM_") {
            command.env_remove(name);
        }
    }
    command
        .args(["--set", &format!("listeners=PLAINTEXT://{kafka}")])
        .args(["--set", &format!("http.address={http}")])
        .args(["--set", &format!("data.dir={}", data.display())]);
    // The suite's own variables are no options of the broker, which would warn about them.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("STROM_") {
            command.env_remove(name);
        }
    }
    for (name, value) in options {
        command.args(["--set", &format!("{name}={value}")]);
    }
    let mut process = Guarded::start(&mut command, log);
    let addresses = wait_for("the broker to be ready", Duration::from_secs(30), || {
        if let Some(status) = process.ended() {
            panic!("the broker ended at its start: {status}\n{}", process.log_tail());
        }
        let addresses = parse(&std::fs::read_to_string(&file).ok()?)?;
        let (status, _) = get(&addresses.http, "/health/ready").ok()?;
        (status == 200).then_some(addresses)
    });
    (process, addresses)
}

fn parse(text: &str) -> Option<Addresses> {
    let json: Value = serde_json::from_str(text).ok()?;
    let kafka = json["kafka"].as_array()?.iter().filter_map(|a| Some(a.as_str()?.to_string()));
    Some(Addresses { kafka: kafka.collect(), http: json["http"].as_str()?.to_string() })
}

/// A plain HTTP GET: the status and the body.
pub fn get(address: &str, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    Ok((status, body.to_string()))
}
