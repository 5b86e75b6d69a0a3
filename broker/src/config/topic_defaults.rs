//! Broker-wide defaults of topic options: which keys there are and what they stand for.
//!
//! The options, their types, defaults and broker-level names are the coordinator's table. Here a key
//! is recognised, whichever of its names was written: Kafka's for the broker setting
//! (`log.retention.hours`) or the topic option's own (`cleanup.policy`).

use std::collections::BTreeMap;

use strom_coordinator::cluster::topic_config::{
    BrokerDefaults, Synonym, TOPIC_OPTIONS, TopicOption,
};

use super::sources::Origin;
use super::{Setting, table};

/// The broker-level name, known to the coordinator, of a key that gives a topic option a default.
pub(super) fn find(key: &str) -> Option<&'static str> {
    let synonyms = TOPIC_OPTIONS.iter().flat_map(|option| option.synonyms);
    if let Some(synonym) = synonyms.into_iter().find(|synonym| synonym.name == key) {
        return Some(synonym.name);
    }
    let option = TOPIC_OPTIONS.iter().find(|option| option.name == key)?;
    option.synonyms.iter().find(|synonym| synonym.factor == 1).map(|synonym| synonym.name)
}

/// Every key that [`find`] finds.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    TOPIC_OPTIONS.iter().filter(|option| !option.synonyms.is_empty()).flat_map(|option| {
        let own = (!option.synonyms.iter().any(|s| s.name == option.name)).then_some(option.name);
        option.synonyms.iter().map(|synonym| synonym.name).chain(own)
    })
}

/// What is wrong with `value` for the broker-level name `name`, and what to write instead.
pub(super) fn check(name: &str, value: &str) -> Result<(), (String, String)> {
    let alone = BTreeMap::from([(name.to_owned(), value.to_owned())]);
    BrokerDefaults::new(&alone).map(|_| ()).map_err(|errors| {
        let messages: Vec<String> = errors.into_iter().map(|error| error.message).collect();
        let message = messages.join("; ");
        // The coordinator's sentence has key and value once more in front of its remedy.
        let remedy = message.split_once(&format!("configuration {name}: "));
        let remedy = remedy.map_or(message.as_str(), |(_, remedy)| remedy);
        ("is not valid".to_owned(), remedy.to_owned())
    })
}

/// The defaults that hold. Of several names for one option those of the strongest origin count, so
/// that a flag in hours beats a file in milliseconds; among these the coordinator takes the finest.
pub(super) fn in_force(set: &BTreeMap<&'static str, Setting>) -> BrokerDefaults {
    let mut values = BTreeMap::new();
    for option in TOPIC_OPTIONS {
        let named = |name: &str| set.get(name);
        let origins = option.synonyms.iter().filter_map(|synonym| named(synonym.name));
        let strongest = origins.map(|setting| setting.origin).max().unwrap_or(Origin::Default);
        for synonym in option.synonyms {
            if let Some(setting) = named(synonym.name).filter(|s| s.origin == strongest) {
                values.insert(synonym.name.to_owned(), setting.value.clone());
            }
        }
    }
    BrokerDefaults::new(&values).expect("each value was checked when it was read")
}

/// Every broker-level name that is not an option of the broker's own table, with the topic option
/// that it stands for.
pub(super) fn broker_names() -> impl Iterator<Item = (&'static Synonym, &'static TopicOption)> {
    TOPIC_OPTIONS.iter().flat_map(|option| {
        let foreign = option.synonyms.iter().filter(|synonym| table::find(synonym.name).is_none());
        foreign.map(move |synonym| (synonym, option))
    })
}
