//! Options as rows: for DescribeConfigs of the broker, and as the page `docs/configuration.md`.

use std::fmt::Write;

use super::sources::Origin;
use super::table::{ConfigOption, OPTIONS, Section};
use super::topic_defaults::{self, SYNONYMS};
use super::value::Kind;
use super::{Config, foreign};

/// One option of the broker as DescribeConfigs shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedOption {
    /// The key.
    pub name: &'static str,
    /// The value in force.
    pub value: String,
    /// Whether nobody set it: DEFAULT_CONFIG rather than STATIC_BROKER_CONFIG.
    pub is_default: bool,
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
    /// Every option with the value in force: those of the broker, then the broker-wide defaults of
    /// topic options under Kafka's names.
    pub fn describe(&self) -> Vec<DescribedOption> {
        let options = OPTIONS.iter().map(|option| self.row(option));
        let topic = topic_defaults::describe(self);
        options.chain(topic).collect()
    }

    fn row(&self, option: &ConfigOption) -> DescribedOption {
        let setting = &self.settings[option.name];
        let computed = match option.name {
            // Defaults that only the machine can tell: shown as they are in force.
            "data.dir" => Some(self.data_dir.display().to_string()),
            "lake.warehouse" => Some(self.lake.warehouse.display().to_string()),
            _ => None,
        };
        DescribedOption {
            name: option.name,
            value: computed.unwrap_or_else(|| setting.value.clone()),
            is_default: setting.origin == Origin::Default,
            kafka_type: option.kind.kafka_type(),
            doc: option.doc.to_owned(),
            read_only: true,
            sensitive: false,
        }
    }
}

const INTRODUCTION: &str = "\
<!-- Written by `strom config`; do not edit. STROM_UPDATE_DOCS=1 cargo test -p strom renews it. -->
# Configuration

Every option has one name, Kafka's where Kafka has the option, and can be set in four places. An
earlier one wins:

1. a flag: `strom --set num.partitions=3`, repeatable;
2. the environment: `STROM_NUM_PARTITIONS=3`, that is `STROM_` and the name in capitals with `_` for
   `.` and `-`;
3. the file of `--config strom.toml`: `num.partitions = 3`, a section `[num]` with `partitions = 3`,
   or `\"num.partitions\" = 3`; text stands in quotes, lists are text with commas or TOML arrays;
4. the defaults below.

Sizes may carry `KB`, `MB`, `GB`, `KiB`, `MiB` or `GiB`; times `ms`, `s`, `min`, `h` or `d`.
All errors are reported at once, each with its remedy, before anything is opened. An unknown key in
a flag or the file is an error; an unknown `STROM_` variable is a warning, since Kubernetes injects
some. Options are read at start.
";

/// The page `docs/configuration.md`.
pub fn documentation() -> String {
    let mut page = INTRODUCTION.to_owned();
    for section in Section::ALL {
        page.push_str(&format!("\n## {}\n\n", section.title()));
        page.push_str("| Option | Type | Default | |\n|---|---|---|---|\n");
        for option in OPTIONS.iter().filter(|option| option.section == section) {
            let ConfigOption { name, kind, default, doc, .. } = option;
            let default = shown(*kind, default);
            let kind = kind.words();
            writeln!(page, "| `{name}` | {kind} | {default} | {doc} |").expect(INFALLIBLE);
        }
    }
    page.push_str(
        "\n## Broker-wide defaults of topic options\n\n\
         A topic option is given a default for all topics that do not set it, under its own name or \
         under Kafka's name for the broker setting, where there is one.\n\n\
         | Topic option | Kafka's broker setting |\n|---|---|\n",
    );
    for topic in topic_defaults::topic_options() {
        let synonyms: Vec<String> = SYNONYMS
            .iter()
            .filter(|synonym| synonym.topic == topic)
            .map(|synonym| format!("`{}`", synonym.broker))
            .collect();
        writeln!(page, "| `{topic}` | {} |", synonyms.join(", ")).expect(INFALLIBLE);
    }
    page.push_str(
        "\n## Settings of Kafka without meaning here\n\n\
         They are accepted with one warning, so that lines of a `server.properties` can be pasted. \
         Settings that promise protection (`ssl.*`, `sasl.*`, `authorizer.class.name`, …) are \
         refused, because encryption, authentication and authorization do not exist yet.\n\n",
    );
    let ignored: Vec<String> = foreign::ignored().map(|name| format!("`{name}`")).collect();
    page.push_str(&ignored.join(", "));
    page.push_str(".\n");
    page
}

const INFALLIBLE: &str = "writing to a String cannot fail";

/// A default as people write it: with a unit where that is exact.
fn shown(kind: Kind, default: &str) -> String {
    if default.is_empty() {
        return "–".to_owned();
    }
    let units: &[(&str, i64)] = match kind {
        Kind::Bytes { .. } => &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)],
        Kind::Milliseconds { .. } => {
            &[("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000)]
        }
        _ => &[],
    };
    let number: i64 = default.parse().unwrap_or(0);
    let fits = units.iter().find(|(_, factor)| number >= *factor && number % factor == 0);
    match fits {
        Some((unit, factor)) => format!("`{default}` ({} {unit})", number / factor),
        None => format!("`{default}`"),
    }
}
