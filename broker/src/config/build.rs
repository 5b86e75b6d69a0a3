//! From settings in force to the struct: the checks that need more than one value's type.

use std::path::{Path, PathBuf};
use std::time::Duration;

use strom_lake::warehouse::{Keys, Root, S3Options, Secret, Vend};

use super::listener::{self, HostPort};
use super::resolve::Resolved;
use super::table;
use super::value::{Kind, list};
use super::{Config, ConfigError, FlushPolicy, Groups, Lake, Limits, LogFormat, Settings};
use super::{Origin, Setting};

/// Builds the configuration; `None` only when `errors` says why.
pub(super) fn build(
    resolved: Resolved,
    current_dir: &Path,
    errors: &mut Vec<ConfigError>,
) -> Option<Config> {
    let before = errors.len();
    let Resolved { settings, topic_defaults, places } = resolved;
    let mut faults = Faults { settings: &settings, places: &places, errors };
    let values = Values(&settings);
    let listeners = listeners(&values, &mut faults);
    let http_address = http_address(&values, &mut faults);
    let data_dir = directory(values.text("data.dir"), current_dir, "data.dir", &mut faults);
    let lake = lake(&values, &data_dir, current_dir, &mut faults);
    let log_level = values.text("log.level").to_owned();
    if let Some(part) = list(&log_level).find(|part| !is_log_directive(part)) {
        let problem = format!("is not a log filter at {part:?}");
        faults.push("log.level", problem, "write info or debug, or info,strom_lake=debug");
    }
    cross_checks(&values, &mut faults);
    if errors.len() > before {
        return None;
    }
    let config = Config {
        node_id: values.i32("node.id"),
        listeners: listeners.listeners,
        advertised: listeners.advertised,
        http_address: http_address?,
        data_dir,
        flush_policy: match values.text("flush.policy") {
            "os" => FlushPolicy::Os,
            _ => FlushPolicy::Sync,
        },
        journal_retention_bytes: values.u64("journal.retention.bytes"),
        journal_file_bytes: values.u64("journal.file.bytes"),
        memory_limit: values.usize("memory.limit"),
        retention_check_interval: values.duration("log.retention.check.interval.ms"),
        producer_id_expiration_ms: values.i64("producer.id.expiration.ms"),
        auto_create_topics_enable: values.text("auto.create.topics.enable") == "true",
        num_partitions: values.i32("num.partitions"),
        default_replication_factor: values.i16("default.replication.factor"),
        replication_factor_max_accepted: values.i16("replication.factor.max.accepted"),
        limits: limits(&values),
        groups: groups(&values),
        lake,
        log_format: match values.text("log.format") {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            _ => LogFormat::Auto,
        },
        log_level,
        topic_defaults,
        settings: without_secrets(&settings),
    };
    Some(config)
}

/// `level` or `module=level`. Stricter than the filter's own parser, to which any word is a module.
fn is_log_directive(part: &str) -> bool {
    let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
    ["off", "error", "warn", "info", "debug", "trace"].iter().any(|l| l.eq_ignore_ascii_case(level))
}

fn limits(values: &Values<'_>) -> Limits {
    Limits {
        message_max_bytes: values.usize("message.max.bytes"),
        socket_request_max_bytes: values.usize("socket.request.max.bytes"),
        max_connections: values.usize("max.connections"),
        max_connections_per_ip: values.usize("max.connections.per.ip"),
        connections_max_idle: values.duration("connections.max.idle.ms"),
        fetch_sessions: values.usize("max.incremental.fetch.session.cache.slots"),
    }
}

fn groups(values: &Values<'_>) -> Groups {
    Groups {
        initial_rebalance_delay_ms: values.i64("group.initial.rebalance.delay.ms"),
        min_session_timeout_ms: values.i64("group.min.session.timeout.ms"),
        max_session_timeout_ms: values.i64("group.max.session.timeout.ms"),
        max_size: values.usize("group.max.size"),
        offsets_retention_ms: values.i64("offsets.retention.minutes") * 60_000,
        offset_metadata_max_bytes: values.usize("offset.metadata.max.bytes"),
        offsets_topic_partitions: values.i32("offsets.topic.num.partitions"),
    }
}

fn listeners(values: &Values<'_>, faults: &mut Faults<'_>) -> listener::Listeners {
    let mut found = Vec::new();
    let listeners = listener::resolve(
        values.text("listeners"),
        values.text("advertised.listeners"),
        values.text("listener.security.protocol.map"),
        values.0.get("listeners").is_none_or(|setting| setting.origin == Origin::Default),
        &mut found,
    );
    for fault in found {
        faults.push(fault.option, fault.problem, &fault.remedy);
    }
    listeners
}

fn http_address(values: &Values<'_>, faults: &mut Faults<'_>) -> Option<HostPort> {
    match listener::parse_host_port(values.text("http.address")) {
        Ok(address) if address.host.is_empty() => {
            let remedy = "write 127.0.0.1:8081, or 0.0.0.0:8081 for every interface";
            faults.push("http.address", "has no host".to_owned(), remedy);
            None
        }
        Ok(address) => Some(address),
        Err(problem) => {
            faults.push("http.address", problem, "write for example 127.0.0.1:8081");
            None
        }
    }
}

fn directory(
    text: &str,
    current_dir: &Path,
    key: &'static str,
    faults: &mut Faults<'_>,
) -> PathBuf {
    if text.is_empty() {
        faults.push(key, "names no directory".to_owned(), "write a path, as ./strom-data");
    }
    // Joining and normalising by components takes out `.`; `..` stays, for links may be involved.
    current_dir.join(text).components().collect()
}

/// The settings that are shown; secrets are in the configuration only, as a type that hides them.
fn without_secrets(settings: &Settings) -> Settings {
    let is_secret = |key: &str| table::find(key).is_some_and(|o| o.kind == Kind::Secret);
    let shown = |(key, setting): (&&'static str, &Setting)| {
        let value = if is_secret(key) { String::new() } else { setting.value.clone() };
        (*key, Setting { value, origin: setting.origin })
    };
    settings.iter().map(shown).collect()
}

fn lake(values: &Values<'_>, data_dir: &Path, current_dir: &Path, faults: &mut Faults<'_>) -> Lake {
    let warehouse = match values.text("lake.warehouse") {
        "" => Root::Local(data_dir.join("warehouse")),
        text if text.contains(':') => Root::parse(text).unwrap_or_else(|problem| {
            let problem = format!("cannot be used: {problem}");
            faults.push("lake.warehouse", problem, "write a path or s3://bucket/prefix");
            Root::Local(PathBuf::new())
        }),
        text => Root::Local(directory(text, current_dir, "lake.warehouse", faults)),
    };
    let namespace = values.text("lake.namespace").to_owned();
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if namespace.is_empty() || !namespace.chars().all(legal) {
        let problem = "is not a name that every query engine accepts".to_owned();
        faults.push("lake.namespace", problem, "use lower-case letters, digits and `_`");
    }
    Lake { warehouse, s3: s3(values, faults), namespace }
}

fn s3(values: &Values<'_>, faults: &mut Faults<'_>) -> S3Options {
    let endpoint = values.text("s3.endpoint").trim_end_matches('/');
    let host = endpoint.strip_prefix("http://").or_else(|| endpoint.strip_prefix("https://"));
    if !endpoint.is_empty() && host.is_none_or(|host| host.is_empty() || host.contains('/')) {
        let problem = "is not the URL of a server".to_owned();
        faults.push("s3.endpoint", problem, "write https://host or http://host:port");
    }
    let mut pair = |id: &'static str, secret: &'static str| {
        let (id_value, secret_value) = (values.text(id), values.text(secret));
        if id_value.is_empty() != secret_value.is_empty() {
            let problem = format!("and {secret} belong together, and one of them is missing");
            faults.push(id, problem, "set both or neither");
        }
        (!id_value.is_empty()).then(|| Keys {
            access_key_id: id_value.to_owned(),
            secret_access_key: Secret::new(secret_value),
            session_token: None,
        })
    };
    let keys = pair("s3.access-key-id", "s3.secret-access-key").map(|keys| Keys {
        session_token: Some(values.text("s3.session-token"))
            .filter(|token| !token.is_empty())
            .map(Secret::new),
        ..keys
    });
    let vended_keys = pair("lake.vended.access-key-id", "lake.vended.secret-access-key");
    S3Options {
        endpoint: (!endpoint.is_empty()).then(|| endpoint.to_owned()),
        region: values.text("s3.region").to_owned(),
        keys,
        is_path_style: values.text("s3.path-style-access") == "true",
        vend: match values.text("lake.vend-credentials") {
            "none" => Vend::None,
            "own" => Vend::Own,
            _ => Vend::ReadOnly,
        },
        vended_keys,
    }
}

/// What must hold between two options.
fn cross_checks(values: &Values<'_>, faults: &mut Faults<'_>) {
    let at_most = [
        ("group.min.session.timeout.ms", "group.max.session.timeout.ms"),
        ("message.max.bytes", "socket.request.max.bytes"),
        ("socket.request.max.bytes", "memory.limit"),
        ("default.replication.factor", "replication.factor.max.accepted"),
    ];
    for (small, large) in at_most {
        let limit = values.i64(large);
        if values.i64(small) > limit {
            let remedy = format!("lower it, or raise {large}");
            faults.push(small, format!("is larger than {large} = {limit}"), &remedy);
        }
    }
}

/// Canonical values by key. A key that is not in the table is a mistake in this file.
struct Values<'a>(&'a Settings);

impl Values<'_> {
    fn text(&self, key: &str) -> &str {
        &self.0.get(key).expect("every option of the table has a setting").value
    }

    fn i64(&self, key: &str) -> i64 {
        self.text(key)
            .parse()
            .expect("numbers were parsed and written canonically when they were read")
    }

    fn i32(&self, key: &str) -> i32 {
        i32::try_from(self.i64(key)).expect("the option's maximum fits")
    }

    fn i16(&self, key: &str) -> i16 {
        i16::try_from(self.i64(key)).expect("the option's maximum fits")
    }

    fn u64(&self, key: &str) -> u64 {
        u64::try_from(self.i64(key)).expect("the option's minimum is not negative")
    }

    fn usize(&self, key: &str) -> usize {
        usize::try_from(self.i64(key)).expect("the option's minimum is not negative")
    }

    fn duration(&self, key: &str) -> Duration {
        Duration::from_millis(self.u64(key))
    }
}

/// Collects faults of options, with the value and the place that the user wrote.
struct Faults<'a> {
    settings: &'a Settings,
    places: &'a std::collections::BTreeMap<&'static str, String>,
    errors: &'a mut Vec<ConfigError>,
}

impl Faults<'_> {
    fn push(&mut self, key: &'static str, problem: String, remedy: &str) {
        let is_shown = table::find(key).is_none_or(|option| option.kind != Kind::Secret);
        let set = |setting: &&Setting| is_shown && setting.origin != Origin::Default;
        self.errors.push(ConfigError {
            key: key.to_owned(),
            value: self.settings.get(key).filter(set).map(|setting| setting.value.clone()),
            place: self.places.get(key).cloned().unwrap_or_default(),
            problem,
            remedy: remedy.to_owned(),
        });
    }
}
