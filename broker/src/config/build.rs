//! From settings in force to the struct: the checks that need more than one value's type.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::listener::{self, HostPort};
use super::resolve::Resolved;
use super::value::list;
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
        settings: settings.clone(),
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

fn lake(values: &Values<'_>, data_dir: &Path, current_dir: &Path, faults: &mut Faults<'_>) -> Lake {
    let warehouse = match values.text("lake.warehouse") {
        "" => data_dir.join("warehouse"),
        text if text.contains("://") => {
            let problem = "is a URL, and only local directories work yet".to_owned();
            faults.push("lake.warehouse", problem, "write a path");
            PathBuf::new()
        }
        text => directory(text, current_dir, "lake.warehouse", faults),
    };
    let namespace = values.text("lake.namespace").to_owned();
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if namespace.is_empty() || !namespace.chars().all(legal) {
        let problem = "is not a name that every query engine accepts".to_owned();
        faults.push("lake.namespace", problem, "use lower-case letters, digits and `_`");
    }
    Lake { warehouse, namespace }
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
    let files = values.i64("journal.retention.bytes") / values.i64("journal.file.bytes");
    if files < 2 {
        faults.push(
            "journal.file.bytes",
            "is more than half of journal.retention.bytes, so nothing could ever be freed"
                .to_owned(),
            "lower it, or raise journal.retention.bytes",
        );
    }
}

/// Canonical values by key. A key that is not in the table is a mistake in this file.
struct Values<'a>(&'a Settings);

impl Values<'_> {
    fn text(&self, key: &str) -> &str {
        &self.0.get(key).expect("every option of the table has a setting").value
    }

    fn i64(&self, key: &str) -> i64 {
        self.text(key).parse().expect("canonical numbers parse")
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
        let set = |setting: &&Setting| setting.origin != Origin::Default;
        self.errors.push(ConfigError {
            key: key.to_owned(),
            value: self.settings.get(key).filter(set).map(|setting| setting.value.clone()),
            place: self.places.get(key).cloned().unwrap_or_default(),
            problem,
            remedy: remedy.to_owned(),
        });
    }
}
