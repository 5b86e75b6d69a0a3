//! Topic options: one table of everything that can be set on a topic, and what follows from it.
//!
//! The table ([`TOPIC_OPTIONS`]) has every topic config of Kafka 4.3 and our own `table.…` options
//! that are built. An option is [`Effect::Honoured`] when the broker acts on it and
//! [`Effect::Stored`] when it means nothing here: it is checked as Kafka checks it, kept and echoed.
//! Where a topic does not say, the broker's configuration does (under the option's synonyms, in
//! order), and then the default.

mod effective;
mod partition_by;
mod table;
mod validate;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use strom_protocol::ErrorCode;

use super::{Topic, TopicError};

pub use effective::{Effective, LogCompression, OnFlushTimeout, effective};
pub use partition_by::parse_partition_by;
pub use table::TOPIC_OPTIONS;
pub use validate::parse_duration_ms;

use validate::Validator;

/// The longest value of an option, in bytes.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;

/// One row of the table.
#[derive(Debug)]
pub struct TopicOption {
    /// The option's name.
    pub name: &'static str,
    /// How DescribeConfigs shows its type.
    pub kind: ConfigKind,
    /// The default, in the option's own unit.
    pub default: &'static str,
    /// Whether the broker acts on it.
    pub effect: Effect,
    /// The broker-level options that give its default, the strongest first.
    pub synonyms: &'static [Synonym],
    /// What it does.
    pub doc: &'static str,
    validator: Validator,
}

/// A broker-level option that stands for a topic option.
#[derive(Debug)]
pub struct Synonym {
    /// Its name.
    pub name: &'static str,
    /// What one of it is in the topic option's unit.
    pub factor: i64,
    /// Its default, if it has one of its own.
    pub default: Option<&'static str>,
}

/// Whether an option does anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The broker acts on it.
    Honoured,
    /// Kept and echoed only.
    Stored,
}

/// Kafka's types of options, as in DescribeConfigs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum ConfigKind {
    /// `true` or `false`
    Boolean = 1,
    /// Text
    String = 2,
    /// 32 bits
    Int = 3,
    /// 16 bits
    Short = 4,
    /// 64 bits
    Long = 5,
    /// Floating point
    Double = 6,
    /// Comma-separated texts
    List = 7,
}

/// Where a value comes from, as in DescribeConfigs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum ConfigSource {
    /// Set on the topic.
    DynamicTopic = 1,
    /// The broker's configuration.
    StaticBroker = 4,
    /// Nobody said anything.
    Default = 5,
}

/// One row of a DescribeConfigs answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigRow {
    /// The option.
    pub name: String,
    /// Its effective value; `None` when it has none.
    pub value: Option<String>,
    /// Whether it can only be changed by restarting the broker.
    pub is_read_only: bool,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Every place that has a value for it, the effective one first.
    pub synonyms: Vec<ConfigSynonym>,
    /// Its type.
    pub kind: ConfigKind,
    /// What it does.
    pub doc: String,
}

/// A place that has a value for an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// The option's name in that place.
    pub name: String,
    /// Its value there, in that place's unit.
    pub value: Option<String>,
    /// Which place.
    pub source: ConfigSource,
}

/// Broker-level values that somebody configured, by name: synonyms of topic options
/// (`log.retention.hours`) and our own options under their own names (`table.datalake.enabled`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerDefaults {
    values: BTreeMap<String, String>,
}

impl BrokerDefaults {
    /// Takes from `values` what concerns topics and leaves the rest; all faults are reported.
    pub fn new(values: &BTreeMap<String, String>) -> Result<BrokerDefaults, Vec<TopicError>> {
        let mut defaults = BrokerDefaults::default();
        let mut errors = Vec::new();
        for option in TOPIC_OPTIONS {
            for synonym in option.synonyms {
                let Some(value) = values.get(synonym.name) else { continue };
                match check_synonym(option, synonym, value) {
                    Ok(()) => {
                        let value = value.trim().to_owned();
                        defaults.values.insert(synonym.name.to_owned(), value);
                    }
                    Err(error) => errors.push(error),
                }
            }
        }
        if errors.is_empty() { Ok(defaults) } else { Err(errors) }
    }

    /// The configured value of a broker-level option.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }
}

/// Whether a broker-level option is a default of a topic option.
pub fn is_topic_default(name: &str) -> bool {
    TOPIC_OPTIONS.iter().any(|option| option.synonyms.iter().any(|s| s.name == name))
}

/// The words of a list's value.
pub(super) fn words(value: &str) -> impl Iterator<Item = &str> {
    validate::words(value)
}

/// The option of this name.
pub fn option(name: &str) -> Option<&'static TopicOption> {
    TOPIC_OPTIONS.iter().find(|option| option.name == name)
}

/// Checks one option of a request and gives the value to keep. INVALID_CONFIG names the option,
/// the value and what to change.
pub fn check(name: &str, value: Option<&str>) -> Result<String, TopicError> {
    let Some(option) = option(name) else {
        let message = match closest(name) {
            Some(other) => format!("Unknown topic config name: {name} (did you mean {other}?)"),
            None => format!("Unknown topic config name: {name}: leave it out"),
        };
        return Err(TopicError::new(ErrorCode::InvalidConfig, message));
    };
    let Some(value) = value else {
        let message = format!("topic config {name} has no value: give it one or leave it out");
        return Err(TopicError::new(ErrorCode::InvalidConfig, message));
    };
    check_value(option, name, value)?;
    Ok(value.trim().to_owned())
}

/// Checks options against each other.
pub fn check_together(configs: &BTreeMap<String, String>) -> Result<(), TopicError> {
    validate::check_together(configs)
        .map_err(|message| TopicError::new(ErrorCode::InvalidConfig, message))
}

/// The DescribeConfigs rows of a topic, for `names` or for every option.
pub fn describe(
    topic: &Topic,
    defaults: &BrokerDefaults,
    names: Option<&[String]>,
) -> Vec<ConfigRow> {
    let is_wanted =
        |option: &&TopicOption| names.is_none_or(|names| names.iter().any(|n| n == option.name));
    let set = |option: &TopicOption| topic.configs.get(option.name).map(String::as_str);
    TOPIC_OPTIONS.iter().filter(is_wanted).map(|o| o.describe(set(o), defaults)).collect()
}

impl TopicOption {
    /// The value that holds: the topic's, the broker's under the first synonym that is configured,
    /// or the default; in the option's own unit.
    pub fn resolve(&self, set: Option<&str>, defaults: &BrokerDefaults) -> String {
        if let Some(value) = set {
            return value.to_owned();
        }
        for synonym in self.synonyms {
            if let Some(value) = defaults.get(synonym.name) {
                return synonym.convert(value);
            }
        }
        self.default.to_owned()
    }

    fn describe(&self, set: Option<&str>, defaults: &BrokerDefaults) -> ConfigRow {
        let own = set.map(|value| (self.name, value, ConfigSource::DynamicTopic));
        let configured = self.synonyms.iter().filter_map(|synonym| {
            Some((synonym.name, defaults.get(synonym.name)?, ConfigSource::StaticBroker))
        });
        let built_in = self
            .synonyms
            .iter()
            .filter_map(|synonym| Some((synonym.name, synonym.default?, ConfigSource::Default)));
        let synonyms: Vec<ConfigSynonym> = own
            .into_iter()
            .chain(configured)
            .chain(built_in)
            .map(|(name, value, source)| ConfigSynonym {
                name: name.to_owned(),
                value: Some(value.to_owned()),
                source,
            })
            .collect();
        ConfigRow {
            name: self.name.to_owned(),
            value: Some(self.resolve(set, defaults)),
            is_read_only: false,
            source: synonyms.first().map_or(ConfigSource::Default, |s| s.source),
            synonyms,
            kind: self.kind,
            doc: self.doc.to_owned(),
        }
    }
}

impl Synonym {
    /// A value of the synonym in the topic option's unit. Negative values mean "no limit" in every
    /// unit.
    fn convert(&self, value: &str) -> String {
        match value.trim().parse::<i64>() {
            Ok(number) if number >= 0 => number.saturating_mul(self.factor).to_string(),
            Ok(_) | Err(_) => value.trim().to_owned(),
        }
    }
}

fn check_synonym(option: &TopicOption, synonym: &Synonym, value: &str) -> Result<(), TopicError> {
    check_value(option, synonym.name, value)?;
    if synonym.factor != 1 {
        check_value(option, synonym.name, &synonym.convert(value))?;
    }
    Ok(())
}

fn check_value(option: &TopicOption, name: &str, value: &str) -> Result<(), TopicError> {
    let checked = if value.len() > VALUE_BYTES_MAX {
        Err(format!("at most {VALUE_BYTES_MAX} bytes"))
    } else {
        option.validator.check(option.kind, value.trim())
    };
    checked.map_err(|remedy| {
        let shown: String = value.chars().take(100).collect();
        let message = format!("Invalid value {shown} for configuration {name}: use {remedy}");
        TopicError::new(ErrorCode::InvalidConfig, message)
    })
}

/// The option whose name is nearest, if it is near enough to be a slip.
fn closest(name: &str) -> Option<&'static str> {
    let squeeze = |s: &str| s.to_ascii_lowercase().replace(['_', '-'], ".");
    let wanted = squeeze(name);
    let found = TOPIC_OPTIONS.iter().find(|option| {
        option.name == wanted || option.synonyms.iter().any(|synonym| synonym.name == wanted)
    });
    found.map(|option| option.name)
}
