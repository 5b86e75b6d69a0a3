//! Options as rows: for DescribeConfigs of the broker, and as the page `docs/configuration.md`.

use std::fmt::Write;

use super::sources::Origin;
use super::table::{ConfigOption, OPTIONS, Section};
use strom_coordinator::cluster::topic_config::{ConfigKind, Effect, TOPIC_OPTIONS};

use super::value::Kind;
use super::{Config, foreign, topic_defaults};

/// One option of the broker as DescribeConfigs shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedOption {
    /// The key.
    pub name: &'static str,
    /// The value in force; `None` for a name that has none, as `log.retention.ms` where only
    /// `log.retention.hours` has a default.
    pub value: Option<String>,
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
        let topic = topic_defaults::broker_names().map(|(synonym, option)| {
            let set = self.topic_defaults.get(synonym.name);
            // Kafka's settings in hours and minutes are integers whatever the option's own type.
            let kind = if synonym.factor == 1 { option.kind } else { ConfigKind::Int };
            DescribedOption {
                name: synonym.name,
                value: set.or(synonym.default).map(str::to_owned),
                is_default: set.is_none(),
                kafka_type: kind as i8,
                doc: option.doc.to_owned(),
                read_only: true,
                sensitive: false,
            }
        });
        options.chain(topic).chain(self.facts()).collect()
    }

    /// Settings of Kafka's that are no options here but have an answer: tools look for them.
    fn facts(&self) -> impl Iterator<Item = DescribedOption> {
        let data_dir = self.data_dir.display().to_string();
        let facts = [
            ("broker.id", self.node_id.to_string(), 3, "The same as node.id."),
            ("log.dirs", data_dir, 2, "The same as data.dir."),
            ("delete.topic.enable", "true".to_owned(), 1, "Topics can be deleted."),
            (
                "offsets.topic.replication.factor",
                "1".to_owned(),
                4,
                "There is one copy of __consumer_offsets, as of every topic.",
            ),
        ];
        facts.into_iter().map(|(name, value, kafka_type, doc)| DescribedOption {
            name,
            value: Some(value),
            is_default: true,
            kafka_type,
            doc: doc.to_owned(),
            read_only: true,
            sensitive: false,
        })
    }

    fn row(&self, option: &ConfigOption) -> DescribedOption {
        let setting = &self.settings[option.name];
        let computed = match option.name {
            // Defaults that only the machine can tell: shown as they are in force.
            "data.dir" => Some(self.data_dir.display().to_string()),
            "lake.warehouse" => Some(self.lake.warehouse.url()),
            _ => None,
        };
        let is_secret = option.kind == Kind::Secret;
        DescribedOption {
            name: option.name,
            value: (!is_secret).then(|| computed.unwrap_or_else(|| setting.value.clone())),
            is_default: setting.origin == Origin::Default,
            kafka_type: option.kind.kafka_type(),
            doc: option.doc.to_owned(),
            read_only: true,
            sensitive: is_secret,
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
    page.push_str(&topic_default_documentation());
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

fn topic_default_documentation() -> String {
    let mut page = "\n## Broker-wide defaults of topic options\n\n\
        A topic option is given a default for all topics that do not set it, under its own name or \
        under a broker setting of Kafka's, where there is one. Those without effect are checked, \
        kept and shown to tools, and change nothing here.\n\n\
        | Topic option | Broker setting | Default | |\n|---|---|---|---|\n"
        .to_owned();
    for option in TOPIC_OPTIONS.iter().filter(|option| !option.synonyms.is_empty()) {
        let names = option.synonyms.iter().filter(|synonym| synonym.name != option.name);
        let synonyms: Vec<String> = names.map(|synonym| format!("`{}`", synonym.name)).collect();
        let effect = match option.effect {
            Effect::Honoured => "",
            Effect::Stored => "Without effect. ",
        };
        let default = if option.default.is_empty() { "–" } else { option.default };
        let (name, synonyms, doc) = (option.name, synonyms.join(", "), option.doc);
        writeln!(page, "| `{name}` | {synonyms} | `{default}` | {effect}{doc} |")
            .expect(INFALLIBLE);
    }
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
