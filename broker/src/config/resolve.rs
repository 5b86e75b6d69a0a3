//! From written settings to settings in force: every key is looked up, every value read.
//!
//! A key is an option of the table, a broker-wide default of a topic option (or both, as
//! `message.max.bytes`), or one of Kafka's settings that mean nothing here; anything else is
//! refused with the nearest known key.

use std::collections::BTreeMap;

use strom_coordinator::cluster::topic_config::BrokerDefaults;

use super::foreign::{self, Foreign};
use super::sources::{Given, Origin};
use super::value::Kind;
use super::{ConfigError, Setting, Settings, table, topic_defaults};

/// What came out of the sources.
pub(super) struct Resolved {
    /// Every option of the table.
    pub settings: Settings,
    /// Broker-wide defaults of topic options.
    pub topic_defaults: BrokerDefaults,
    /// Where each set option stands, for faults that are found later.
    pub places: BTreeMap<&'static str, String>,
}

/// Looks up and reads everything in `given`, which stands weakest origin first.
pub(super) fn resolve(
    given: Vec<Given>,
    errors: &mut Vec<ConfigError>,
    warnings: &mut Vec<String>,
) -> Resolved {
    let mut reader = Reader {
        settings: table::OPTIONS.iter().map(|option| (option.name, default_of(option))).collect(),
        topic_defaults: BTreeMap::new(),
        places: BTreeMap::new(),
        ignored: Vec::new(),
        errors,
    };
    for setting in given {
        reader.read(&setting);
    }
    let Reader { settings, topic_defaults, places, ignored, .. } = reader;
    if !ignored.is_empty() {
        warnings.push(format!(
            "settings of Kafka that mean nothing here are ignored: {}",
            ignored.join(", ")
        ));
    }
    let topic_defaults = topic_defaults::in_force(&topic_defaults);
    Resolved { settings, topic_defaults, places }
}

fn default_of(option: &table::ConfigOption) -> Setting {
    Setting { value: option.default.to_owned(), origin: Origin::Default }
}

struct Reader<'a> {
    settings: Settings,
    topic_defaults: Settings,
    places: BTreeMap<&'static str, String>,
    ignored: Vec<String>,
    errors: &'a mut Vec<ConfigError>,
}

impl Reader<'_> {
    fn read(&mut self, given: &Given) {
        let topic_default = topic_defaults::find(&given.key);
        let option = table::find(topic_default.unwrap_or(&given.key));
        let read = match (option, topic_default) {
            (None, None) => self.read_foreign(given),
            (None, Some(name)) => self.read_topic_default(name, given),
            (Some(option), None) => self.read_option(option, given),
            (Some(option), Some(name)) => {
                self.read_option(option, given).and_then(|()| self.read_topic_default(name, given))
            }
        };
        if let Err((problem, remedy)) = read {
            self.errors.push(ConfigError {
                key: given.key.clone(),
                value: option
                    .is_none_or(|option| option.kind != Kind::Secret)
                    .then(|| given.value.clone()),
                place: given.place.clone(),
                problem,
                remedy,
            });
        }
    }

    fn read_option(&mut self, option: &table::ConfigOption, given: &Given) -> Result<(), Fault> {
        let value = option.kind.canonical(&given.value).map_err(|e| (e, option.kind.remedy()))?;
        self.settings.insert(option.name, Setting { value, origin: given.origin });
        self.places.insert(option.name, given.place.clone());
        Ok(())
    }

    fn read_topic_default(&mut self, name: &'static str, given: &Given) -> Result<(), Fault> {
        // An option of both tables has been read: its canonical value is a plain number.
        let value = match table::find(name) {
            Some(option) => self.settings[option.name].value.clone(),
            None => given.value.trim().to_owned(),
        };
        topic_defaults::check(name, &value)?;
        self.topic_defaults.insert(name, Setting { value, origin: given.origin });
        Ok(())
    }

    fn read_foreign(&mut self, given: &Given) -> Result<(), Fault> {
        match foreign::judge(&given.key) {
            Some(Foreign::Ignored("")) => self.ignored.push(given.key.clone()),
            Some(Foreign::Ignored(instead)) => {
                self.ignored.push(format!("{} ({instead})", given.key));
            }
            Some(Foreign::Refused(why)) => {
                return Err((format!("is refused: {why}"), "remove it".to_owned()));
            }
            None => {
                let remedy = match nearest(&given.key) {
                    Some(known) => format!("did you mean {known}?"),
                    None => "`strom config` lists the options".to_owned(),
                };
                return Err(("is not an option of the broker".to_owned(), remedy));
            }
        }
        Ok(())
    }
}

/// Problem and remedy.
type Fault = (String, String);

/// The known key that `key` most likely meant: the closest by edits, if close at all.
fn nearest(key: &str) -> Option<&'static str> {
    let key = key.to_ascii_lowercase().replace(['_', '-'], ".");
    let names = table::OPTIONS.iter().map(|option| option.name).chain(topic_defaults::names());
    let (distance, name) = names.map(|name| (edits(&key, name), name)).min()?;
    (distance <= 1 + key.len() / 6).then_some(name)
}

/// The Levenshtein distance of two short texts.
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
