//! Listeners: which sockets the broker binds and what it tells clients to connect to.
//!
//! A listener has a name, unique among the listeners; `advertised.listeners` and the protocol map
//! refer to it. A client is told the advertised address of the listener through which it came, so
//! a client that can reach a listener can also follow what that listener answers.

use std::fmt;

use super::value::list;

/// A socket of the Kafka protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Its name, upper case.
    pub name: String,
    /// Host to bind: a name or a literal address, without brackets.
    pub host: String,
    /// Port to bind; 0 takes a free one.
    pub port: u16,
    /// What is spoken on it.
    pub protocol: SecurityProtocol,
    /// Skipped with one line of information where its address does not exist on this machine: only
    /// the IPv6 half of the default is optional.
    pub optional: bool,
}

/// The protocol under the Kafka protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityProtocol {
    /// Neither encrypted nor authenticated.
    Plaintext,
}

/// What a listener's clients are told to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertised {
    /// The name of the listener.
    pub listener: String,
    /// Host name or literal address, without brackets.
    pub host: String,
    /// The port; 0 stands for the port that the listener is bound to.
    pub port: u16,
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// A name or a literal address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A fault in one of the three listener options: the option, the fault, the remedy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ListenerFault {
    pub option: &'static str,
    pub problem: String,
    pub remedy: String,
}

fn fault(option: &'static str, problem: String, remedy: &str) -> ListenerFault {
    ListenerFault { option, problem, remedy: remedy.to_owned() }
}

/// Whether `host` means "every interface".
pub fn is_wildcard(host: &str) -> bool {
    host.is_empty() || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_unspecified())
}

/// Reads `host:port`, with brackets around a literal IPv6 address.
pub fn parse_host_port(text: &str) -> Result<HostPort, String> {
    let (host, port) = text.rsplit_once(':').ok_or("has no port: write host:port")?;
    let port = port.parse().map_err(|_| format!("has the port {port:?}: not 0 to 65535"))?;
    let host = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
        Some(Some(inner)) if inner.parse::<std::net::Ipv6Addr>().is_ok() => inner,
        Some(_) => return Err(format!("has no IPv6 address between its brackets: {host}")),
        None if host.contains(':') => {
            return Err(format!("has an IPv6 address without brackets: write [{host}]:{port}"));
        }
        None => host,
    };
    if let Some(bad) = host.chars().find(|c| !c.is_ascii_alphanumeric() && !"._-:".contains(*c)) {
        return Err(format!("has the character {bad:?} in its host"));
    }
    Ok(HostPort { host: host.to_owned(), port })
}

/// The three options, resolved together.
pub(super) struct Listeners {
    pub listeners: Vec<Listener>,
    pub advertised: Vec<Advertised>,
}

/// Resolves `listeners`, `advertised.listeners` and `listener.security.protocol.map`;
/// `is_default` when nobody set `listeners`.
pub(super) fn resolve(
    listeners: &str,
    advertised: &str,
    protocols: &str,
    is_default: bool,
    faults: &mut Vec<ListenerFault>,
) -> Listeners {
    let protocols = parse_protocols(protocols, faults);
    let bound = parse_listeners(listeners, &protocols, is_default, faults);
    if bound.is_empty() && faults.is_empty() {
        faults.push(fault(
            "listeners",
            "names no listener".to_owned(),
            "write for example PLAINTEXT://127.0.0.1:9092",
        ));
    }
    let advertised = parse_advertised(advertised, &bound, faults);
    Listeners { listeners: bound, advertised }
}

fn parse_protocols(text: &str, faults: &mut Vec<ListenerFault>) -> Vec<String> {
    const OPTION: &str = "listener.security.protocol.map";
    let mut names = vec!["PLAINTEXT".to_owned(), "PLAINTEXT_IPV6".to_owned()];
    for entry in list(text) {
        match entry.split_once(':').map(|(name, protocol)| (name.trim(), protocol.trim())) {
            Some((name, protocol)) if protocol.eq_ignore_ascii_case("PLAINTEXT") => {
                names.push(name.to_ascii_uppercase());
            }
            // Kafka's own default map names all four protocols; only a listener that uses one is
            // refused, by its name.
            Some((name, protocol)) if is_secure(protocol) && is_secure(name) => {}
            Some((name, protocol)) if is_secure(protocol) => faults.push(fault(
                OPTION,
                format!("maps {name} to {protocol}, and only PLAINTEXT exists yet"),
                "map the listener to PLAINTEXT and keep it on a trusted network",
            )),
            _ => faults.push(fault(
                OPTION,
                format!("has the entry {entry:?}, which is not NAME:PROTOCOL"),
                "write for example INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT",
            )),
        }
    }
    names
}

fn is_secure(protocol: &str) -> bool {
    ["SSL", "SASL_PLAINTEXT", "SASL_SSL"].iter().any(|name| name.eq_ignore_ascii_case(protocol))
}

fn parse_listeners(
    text: &str,
    plaintext_names: &[String],
    is_default: bool,
    faults: &mut Vec<ListenerFault>,
) -> Vec<Listener> {
    const OPTION: &str = "listeners";
    let mut found: Vec<Listener> = Vec::new();
    for entry in list(text) {
        let (name, address) = match parse_entry(entry) {
            Ok(parsed) => parsed,
            Err(problem) => {
                let remedy = "write NAME://host:port, for example PLAINTEXT://127.0.0.1:9092";
                faults.push(fault(OPTION, format!("{entry:?} {problem}"), remedy));
                continue;
            }
        };
        if is_secure(&name) {
            let problem = format!("{entry:?} asks for {name}, and only PLAINTEXT exists yet");
            let remedy = "use PLAINTEXT:// and keep the listener on a trusted network";
            faults.push(fault(OPTION, problem, remedy));
        } else if !plaintext_names.contains(&name) {
            let remedy = format!("add {name}:PLAINTEXT to listener.security.protocol.map");
            faults.push(fault(OPTION, format!("{entry:?} has a name without protocol"), &remedy));
        } else if found.iter().any(|listener| listener.name == name) {
            let problem = format!("has two listeners called {name}");
            faults.push(fault(OPTION, problem, "give each listener a name of its own"));
        } else if address.port != 0
            && found.iter().any(|l| l.port == address.port && l.host == address.host)
        {
            let problem = format!("binds {address} twice");
            faults.push(fault(OPTION, problem, "give each listener an address of its own"));
        } else {
            let optional = is_default && address.host.contains(':');
            let HostPort { host, port } = address;
            found.push(Listener {
                name,
                host,
                port,
                protocol: SecurityProtocol::Plaintext,
                optional,
            });
        }
    }
    found
}

fn parse_advertised(
    text: &str,
    listeners: &[Listener],
    faults: &mut Vec<ListenerFault>,
) -> Vec<Advertised> {
    const OPTION: &str = "advertised.listeners";
    const EXAMPLE: &str = "write for example PLAINTEXT://broker.example.com:9092";
    let mut given: Vec<Advertised> = Vec::new();
    for entry in list(text) {
        match parse_entry(entry) {
            Err(problem) => faults.push(fault(OPTION, format!("{entry:?} {problem}"), EXAMPLE)),
            Ok((_, address)) if is_wildcard(&address.host) => faults.push(fault(
                OPTION,
                format!("{entry:?} is an address that no client can connect to"),
                "name a host that clients can reach",
            )),
            Ok((name, _)) if !listeners.iter().any(|listener| listener.name == name) => {
                let problem = format!("{entry:?} belongs to no listener");
                let remedy = format!("add {name}:// to listeners or remove it here");
                faults.push(fault(OPTION, problem, &remedy));
            }
            Ok((name, _)) if given.iter().any(|known| known.listener == name) => {
                let remedy = "give each listener one advertised address";
                faults.push(fault(OPTION, format!("names {name} twice"), remedy));
            }
            Ok((listener, HostPort { host, port })) => {
                given.push(Advertised { listener, host, port });
            }
        }
    }
    for listener in listeners {
        if given.iter().any(|known| known.listener == listener.name) {
            continue;
        }
        let Listener { name, host, port, .. } = listener;
        if is_wildcard(host) && !text.contains(&format!("{name}://")) {
            let problem = format!(
                "is missing for {name}, which binds every interface, so clients cannot be told \
                 where to connect"
            );
            let remedy =
                format!("add --set advertised.listeners={name}://<host that clients reach>:{port}");
            faults.push(fault(OPTION, problem, &remedy));
        }
        given.push(Advertised { listener: name.clone(), host: host.clone(), port: *port });
    }
    given
}

fn parse_entry(entry: &str) -> Result<(String, HostPort), String> {
    let (name, address) = entry.split_once("://").ok_or("is not NAME://host:port")?;
    let legal = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if name.is_empty() || !name.chars().all(legal) {
        return Err("has a name that is not letters, digits, `_`, `-` and `.`".to_owned());
    }
    Ok((name.to_ascii_uppercase(), parse_host_port(address)?))
}
