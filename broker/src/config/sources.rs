//! Where settings come from: flags, the environment and a file, as raw text with their origin.
//!
//! Nothing is judged here except the form: what a key means and whether its value is right is
//! decided in `resolve`. Environment variables are looked up in the table of names, never
//! transformed back into keys, so `STROM_FLUSH_POLICY` can only mean what the table says.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{ConfigError, foreign, table, topic_defaults};

/// Where a setting was made; a later variant wins over an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The file of `--config`.
    File,
    /// An environment variable.
    Environment,
    /// `--set` on the command line.
    Flag,
}

/// What was given to the broker, unread.
#[derive(Debug, Default, Clone)]
pub struct Sources {
    /// The arguments of `--set`, each `key=value`.
    pub flags: Vec<String>,
    /// The environment, or at least all of it that begins with `STROM_` or `AWS_`.
    pub environment: Vec<(String, String)>,
    /// The file of `--config`, with its text.
    pub file: Option<(PathBuf, String)>,
}

/// One setting, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub key: String,
    pub value: String,
    pub origin: Origin,
    /// Where it stands, for messages: `--set`, `STROM_NODE_ID`, `strom.toml`.
    pub place: String,
}

/// Everything that was set, weakest origin first and in the order written within one origin.
pub(super) fn gather(
    sources: &Sources,
    errors: &mut Vec<ConfigError>,
    warnings: &mut Vec<String>,
) -> Vec<Given> {
    let mut given = from_aws(&sources.environment);
    if let Some((path, text)) = &sources.file {
        let place = path.display().to_string();
        match text.parse::<toml::Table>() {
            Ok(root) => flatten("", &root, &place, &mut given, errors),
            Err(e) => errors.push(ConfigError {
                key: "--config".to_owned(),
                value: Some(place),
                place: "the command line".to_owned(),
                problem: format!("is not TOML: {}", e.to_string().trim_end()),
                remedy: "write lines like num.partitions = 3 or sections like [log]; text stands \
                         in quotes"
                    .to_owned(),
            }),
        }
    }
    from_environment(&sources.environment, &mut given, warnings);
    for flag in &sources.flags {
        match flag.split_once('=') {
            Some((key, value)) => given.push(Given {
                key: key.trim().to_owned(),
                value: value.to_owned(),
                origin: Origin::Flag,
                place: "--set".to_owned(),
            }),
            None => errors.push(ConfigError {
                key: flag.clone(),
                value: None,
                place: "--set".to_owned(),
                problem: "has no value".to_owned(),
                remedy: format!("write --set {flag}=<value>"),
            }),
        }
    }
    drop_foreign_keys(&mut given);
    given
}

/// Variables that the tools of Amazon share, for the options that they stand in for; the later of
/// two names for one option wins. Weaker than everything else.
const AWS_VARIABLES: [(&str, &str); 7] = [
    ("AWS_ACCESS_KEY_ID", "s3.access-key-id"),
    ("AWS_SECRET_ACCESS_KEY", "s3.secret-access-key"),
    ("AWS_SESSION_TOKEN", "s3.session-token"),
    ("AWS_DEFAULT_REGION", "s3.region"),
    ("AWS_REGION", "s3.region"),
    ("AWS_ENDPOINT_URL", "s3.endpoint"),
    ("AWS_ENDPOINT_URL_S3", "s3.endpoint"),
];

fn from_aws(environment: &[(String, String)]) -> Vec<Given> {
    let value = |name: &str| environment.iter().find(|(known, _)| known == name);
    let given = AWS_VARIABLES.iter().filter_map(|(name, key)| {
        let (_, value) = value(name).filter(|(_, value)| !value.is_empty())?;
        Some(Given {
            key: (*key).to_owned(),
            value: value.clone(),
            origin: Origin::Environment,
            place: (*name).to_owned(),
        })
    });
    given.collect()
}

/// Keys that come as one: who sets the first by an option wants none of the others from elsewhere.
fn drop_foreign_keys(given: &mut Vec<Given>) {
    let is_aws = |setting: &Given| setting.place.starts_with("AWS_");
    if given.iter().any(|setting| setting.key == "s3.access-key-id" && !is_aws(setting)) {
        let keys = ["s3.access-key-id", "s3.secret-access-key", "s3.session-token"];
        given.retain(|setting| !(is_aws(setting) && keys.contains(&setting.key.as_str())));
    }
}

fn is_twice(given: &[Given], key: &str) -> bool {
    given.iter().any(|known| known.key == key && known.origin == Origin::File)
}

fn from_environment(
    environment: &[(String, String)],
    given: &mut Vec<Given>,
    warnings: &mut Vec<String>,
) {
    let keys = environment_keys();
    let mut unknown = Vec::new();
    for (name, value) in environment.iter().filter(|(name, _)| name.starts_with("STROM_")) {
        match keys.get(name) {
            Some(key) => given.push(Given {
                key: (*key).to_owned(),
                value: value.clone(),
                origin: Origin::Environment,
                place: name.clone(),
            }),
            None => unknown.push(name.as_str()),
        }
    }
    if !unknown.is_empty() {
        unknown.sort_unstable();
        warnings.push(format!(
            "environment variables that are no option of the broker are ignored: {}",
            unknown.join(", ")
        ));
    }
}

/// Environment name to key, for every key that has one.
pub(super) fn environment_keys() -> BTreeMap<String, &'static str> {
    let options = table::OPTIONS.iter().map(|option| option.name);
    let topic = topic_defaults::names();
    let ignored = foreign::ignored_names();
    options.chain(topic).chain(ignored).map(|key| (table::environment_name(key), key)).collect()
}

/// Walks a TOML table: `[log.retention] ms = 1` and `"log.retention.ms" = 1` are the same key.
fn flatten(
    prefix: &str,
    node: &toml::Table,
    place: &str,
    given: &mut Vec<Given>,
    errors: &mut Vec<ConfigError>,
) {
    for (name, value) in node {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        if let toml::Value::Table(inner) = value {
            flatten(&key, inner, place, given, errors);
            continue;
        }
        let error = |problem: &str, remedy: &str| ConfigError {
            key: key.clone(),
            value: None,
            place: place.to_owned(),
            problem: problem.to_owned(),
            remedy: remedy.to_owned(),
        };
        match scalar(value) {
            None => errors.push(error(
                "is neither text, number, boolean nor a list of these",
                "put the value in quotes",
            )),
            Some(_) if is_twice(given, &key) => {
                errors.push(error("stands twice in the file", "keep one of the two"));
            }
            Some(value) => {
                given.push(Given { key, value, origin: Origin::File, place: place.to_owned() })
            }
        }
    }
}

fn scalar(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        toml::Value::Array(elements) => {
            let parts: Option<Vec<String>> = elements.iter().map(scalar).collect();
            parts.map(|parts| parts.join(","))
        }
        toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}
