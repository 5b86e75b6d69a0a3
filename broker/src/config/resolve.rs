//! From written settings to settings in force: every key is looked up, every value read.
//!
//! A key is an option of the table, a broker-wide default of a topic option, or one of Kafka's
//! settings that mean nothing here; anything else is refused with the nearest known key.

use std::collections::BTreeMap;

use super::sources::{Given, Origin};
use super::{ConfigError, Setting, Settings, foreign, table, topic_defaults};

/// What came out of the sources.
pub(super) struct Resolved {
    /// Every option of the table, and the topic defaults that were set.
    pub settings: Settings,
    /// Topic defaults by the topic's name.
    pub topic_defaults: BTreeMap<String, String>,
    /// Where each set key stands, for faults that are found later.
    pub places: BTreeMap<&'static str, String>,
}

/// Looks up and reads everything in `given`, which stands weakest origin first.
pub(super) fn resolve(
    given: Vec<Given>,
    errors: &mut Vec<ConfigError>,
    warnings: &mut Vec<String>,
) -> Resolved {
    let mut resolved = Resolved {
        settings: table::OPTIONS.iter().map(|option| (option.name, default_of(option))).collect(),
        topic_defaults: BTreeMap::new(),
        places: BTreeMap::new(),
    };
    let mut ignored = Vec::new();
    let mut candidates: BTreeMap<String, Candidate> = BTreeMap::new();
    for setting in given {
        if let Some(option) = table::find(&setting.key) {
            let origin = setting.origin;
            match option.kind.canonical(&setting.value) {
                Ok(value) => {
                    resolved.settings.insert(option.name, Setting { value, origin });
                    resolved.places.insert(option.name, setting.place.clone());
                }
                Err(problem) => {
                    errors.push(fault(&setting, problem, ""));
                    continue;
                }
            }
        }
        if let Some(name) = topic_defaults::find(&setting.key) {
            match read_topic_default(name, &setting) {
                Ok(candidate) => {
                    let value = setting.value.clone();
                    let in_force = Setting { value, origin: setting.origin };
                    resolved.settings.entry(name).or_insert_with(|| in_force.clone());
                    if table::find(name).is_none() {
                        resolved.settings.insert(name, in_force);
                    }
                    offer(&mut candidates, candidate);
                }
                Err(problem) => errors.push(fault(&setting, problem, "")),
            }
        } else if table::find(&setting.key).is_none() {
            match foreign::judge(&setting.key) {
                Some(foreign::Foreign::Ignored("")) => ignored.push(setting.key),
                Some(foreign::Foreign::Ignored(instead)) => {
                    ignored.push(format!("{} ({instead})", setting.key));
                }
                Some(foreign::Foreign::Refused(why)) => {
                    errors.push(fault(&setting, format!("is refused: {why}"), "remove it"));
                }
                None => errors.push(unknown(&setting)),
            }
        }
    }
    if !ignored.is_empty() {
        warnings.push(format!(
            "settings of Kafka that mean nothing here are ignored: {}",
            ignored.join(", ")
        ));
    }
    resolved.topic_defaults =
        candidates.into_values().map(|candidate| (candidate.topic, candidate.value)).collect();
    resolved
}

/// A value that wants to be the default of a topic option.
struct Candidate {
    topic: String,
    value: String,
    origin: Origin,
    /// Lower wins within one origin: the option's own name, then the finer unit.
    rank: usize,
}

fn offer(candidates: &mut BTreeMap<String, Candidate>, offered: Candidate) {
    let loses = candidates.get(&offered.topic).is_some_and(|known| {
        (known.origin, std::cmp::Reverse(known.rank))
            > (offered.origin, std::cmp::Reverse(offered.rank))
    });
    if !loses {
        candidates.insert(offered.topic.clone(), offered);
    }
}

fn read_topic_default(name: &str, setting: &Given) -> Result<Candidate, String> {
    let origin = setting.origin;
    let text = setting.value.trim();
    let position = topic_defaults::SYNONYMS.iter().position(|synonym| synonym.broker == name);
    let (topic, value, rank) = match position {
        Some(index) => {
            let synonym = topic_defaults::SYNONYMS[index];
            (synonym.topic, synonym.topic_value(text)?, index + 1)
        }
        None => (name, text.to_owned(), 0),
    };
    let value = topic_defaults::canonical(topic, &value)?;
    Ok(Candidate { topic: topic.to_owned(), value, origin, rank })
}

fn default_of(option: &table::ConfigOption) -> Setting {
    Setting { value: option.default.to_owned(), origin: Origin::Default }
}

fn fault(setting: &Given, problem: String, remedy: &str) -> ConfigError {
    ConfigError {
        key: setting.key.clone(),
        value: Some(setting.value.clone()),
        place: setting.place.clone(),
        problem,
        remedy: remedy.to_owned(),
    }
}

fn unknown(setting: &Given) -> ConfigError {
    let remedy = match nearest(&setting.key) {
        Some(known) => format!("did you mean {known}?"),
        None => "`strom config` lists the options".to_owned(),
    };
    fault(setting, "is not an option of the broker".to_owned(), &remedy)
}

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
