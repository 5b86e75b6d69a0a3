//! What a person sees on standard output when the broker is ready: addresses, data directory and
//! three commands to try. Nothing else is ever written to standard output while serving.

use std::fmt;
use std::io::Write;
use std::path::Path;

use crate::config::{HostPort, is_wildcard};

/// The facts of the banner.
#[derive(Debug)]
pub struct Banner<'a> {
    /// The addresses the Kafka protocol is bound to, in the order of `listeners`.
    pub kafka: &'a [HostPort],
    /// What clients of the first listener are told to connect to.
    pub bootstrap: &'a HostPort,
    /// The address HTTP is bound to.
    pub http: &'a HostPort,
    /// The data directory, absolute.
    pub data_dir: &'a Path,
    /// What was found there.
    pub found: Found,
    /// Namespace of the tables.
    pub namespace: &'a str,
}

/// What the data directory held when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing: it has just been created.
    New,
    /// The topics of an earlier run, internal ones not counted.
    Recovered {
        /// How many.
        topics: usize,
    },
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Found::New => f.write_str("new"),
            Found::Recovered { topics: 1 } => f.write_str("1 topic recovered"),
            Found::Recovered { topics } => write!(f, "{topics} topics recovered"),
        }
    }
}

impl fmt::Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Banner { bootstrap, data_dir, found, namespace, .. } = self;
        let kafka: Vec<String> = self.kafka.iter().map(ToString::to_string).collect();
        let http = reachable(self.http);
        writeln!(f, "strom {} is ready", env!("CARGO_PKG_VERSION"))?;
        writeln!(f, "  kafka  {}", kafka.join(", "))?;
        writeln!(f, "  http   http://{http} (Iceberg catalog at /iceberg, metrics at /metrics)")?;
        writeln!(f, "  data   {} ({found})", data_dir.display())?;
        writeln!(f, "\nTry it:")?;
        writeln!(f, "  echo 'hello, river' | kcat -P -b {bootstrap} -t greetings")?;
        writeln!(
            f,
            "  python3 -c \"from confluent_kafka import Producer; \
             p = Producer({{'bootstrap.servers': '{bootstrap}'}}); \
             p.produce('greetings', 'hello from Python'); p.flush()\""
        )?;
        writeln!(
            f,
            "  duckdb -c \"INSTALL iceberg; LOAD iceberg; ATTACH '' AS ice (TYPE iceberg, \
             ENDPOINT 'http://{http}/iceberg', AUTHORIZATION_TYPE 'none'); \
             SELECT __offset, decode(value) AS value FROM ice.{namespace}.greetings\""
        )
    }
}

/// An address on this machine that reaches a socket bound to `address`.
fn reachable(address: &HostPort) -> HostPort {
    let HostPort { host, port } = address;
    let local = if host.contains(':') { "::1" } else { "127.0.0.1" };
    let host = if is_wildcard(host) { local.to_owned() } else { host.clone() };
    HostPort { host, port: *port }
}

/// Writes the banner to standard output. A closed output is no reason to stop serving.
pub fn print(banner: &Banner<'_>) {
    let mut out = std::io::stdout().lock();
    let _ = write!(out, "{banner}").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str, port: u16) -> HostPort {
        HostPort { host: host.to_owned(), port }
    }

    #[test]
    fn banner_names_addresses_data_and_three_commands() {
        let kafka = [at("127.0.0.1", 9092), at("::1", 9092)];
        let http = at("0.0.0.0", 8081);
        let banner = Banner {
            kafka: &kafka,
            bootstrap: &kafka[0],
            http: &http,
            data_dir: Path::new("/srv/strom-data"),
            found: Found::Recovered { topics: 3 },
            namespace: "kafka",
        };
        let text = banner.to_string();
        for part in [
            "127.0.0.1:9092, [::1]:9092",
            "/srv/strom-data (3 topics recovered)",
            "kcat -P -b 127.0.0.1:9092 -t greetings",
            "Producer({'bootstrap.servers': '127.0.0.1:9092'})",
            "ENDPOINT 'http://127.0.0.1:8081/iceberg'",
            "decode(value) AS value FROM ice.kafka.greetings",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
    }
}
