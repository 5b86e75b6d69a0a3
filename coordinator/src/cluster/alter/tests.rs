//! Changes of topics: every rule, and that the records alone make the cluster.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use strom_protocol::{TopicId, Uuid};

use super::ConfigOperation::{Append, Delete, Set, Subtract};
use super::*;
use crate::cluster::{ClusterDefaults, CreateTopic};

fn create(cluster: &mut Cluster, name: &str, partitions: i32, configs: &[(&str, &str)]) {
    let value = |value: &str| Some(value.to_owned());
    let request = CreateTopic {
        name: name.to_owned(),
        partitions,
        replication_factor: -1,
        assignments: Vec::new(),
        configs: configs.iter().map(|(k, v)| ((*k).to_owned(), value(v))).collect(),
        id: TopicId(Uuid::from_u128(cluster.topics().len() as u128 + 1)),
        now_ms: 5,
    };
    let record = cluster.decide_create(&request, &Limits::default()).unwrap();
    cluster.apply(&record);
}

fn cluster() -> Cluster {
    let mut cluster = Cluster::new(ClusterDefaults::default());
    create(&mut cluster, "orders", 3, &[("retention.ms", "1000")]);
    create(&mut cluster, "__consumer_offsets", 50, &[("cleanup.policy", "compact")]);
    cluster
}

fn to(name: &str, count: i32, assignments: Option<&[&[i32]]>) -> GrowTopic {
    let assignments = assignments.map(|all| all.iter().map(|ids| ids.to_vec()).collect());
    GrowTopic { name: name.to_owned(), count, assignments }
}

fn changes(all: &[(&str, ConfigOperation)]) -> Vec<ConfigChange> {
    let change = |(name, operation): &(&str, ConfigOperation)| ConfigChange {
        name: (*name).to_owned(),
        operation: operation.clone(),
    };
    all.iter().map(change).collect()
}

fn set(value: &str) -> ConfigOperation {
    Set(value.to_owned())
}

#[test]
fn a_topic_grows_and_nothing_else_of_it_changes() {
    let mut cluster = cluster();
    let before = cluster.topic("orders").unwrap().clone();
    for (count, assignments) in [(4, None), (6, Some(&[&[1][..], &[1][..]][..]))] {
        let request = to("orders", count, assignments);
        let record = cluster.decide_grow(&request, &Limits::default()).unwrap();
        cluster.apply(&record);
        assert_eq!(
            *cluster.topic("orders").unwrap(),
            Topic { partitions: count, ..before.clone() }
        );
        assert_eq!(cluster.partitions(), 50 + count as usize);
    }
}

#[test]
fn growth_is_refused_with_code_and_remedy() {
    use ErrorCode as E;
    let cluster = cluster();
    let limits = Limits { partitions_per_topic_max: 8, partitions_total_max: 58 };
    for (request, code, words) in [
        (to("absent", 4, None), E::UnknownTopicOrPartition, "no topic \"absent\""),
        (to("", 4, None), E::UnknownTopicOrPartition, "no topic"),
        (to("orders", 3, None), E::InvalidPartitions, "already has 3"),
        (to("orders", 2, None), E::InvalidPartitions, "2 would not be an increase"),
        (to("orders", 0, None), E::InvalidPartitions, "0 would not be an increase"),
        (to("orders", -1, None), E::InvalidPartitions, "-1 would not be an increase"),
        (to("orders", i32::MIN, None), E::InvalidPartitions, "would not be an increase"),
        (to("orders", 9, None), E::InvalidPartitions, "at most 8"),
        (to("orders", i32::MAX, None), E::InvalidPartitions, "at most 8"),
        (to("orders", 4, Some(&[])), E::InvalidReplicaAssignment, "only 0 assignment(s)"),
        (to("orders", 4, Some(&[&[1], &[1]])), E::InvalidReplicaAssignment, "add 1 additional"),
        (to("orders", 4, Some(&[&[]])), E::InvalidReplicaAssignment, "partition 3 has 0 replicas"),
        (to("orders", 4, Some(&[&[1, 1]])), E::InvalidReplicaAssignment, "has 2 replicas"),
        (to("orders", 5, Some(&[&[1], &[7]])), E::InvalidReplicaAssignment, "partition 4"),
        (to("__consumer_offsets", 51, None), E::InvalidRequest, "internal"),
    ] {
        let error = cluster.decide_grow(&request, &limits).unwrap_err();
        assert_eq!(error.code, code, "{request:?}: {}", error.message);
        assert!(error.message.contains(words), "{words:?} is not in {:?}", error.message);
    }
    let limits = Limits { partitions_total_max: 55, ..limits };
    let error = cluster.decide_grow(&to("orders", 6, None), &limits).unwrap_err();
    assert!(error.message.contains("3 partitions more than the 53"), "{}", error.message);
    assert!(cluster.decide_grow(&to("orders", 5, None), &limits).is_ok());
}

#[test]
fn options_are_set_deleted_appended_and_subtracted_in_order() {
    let text = str::to_owned;
    for (operations, expected) in [
        (changes(&[]), vec![("retention.ms", "1000")]),
        (changes(&[("retention.ms", set(" 7 "))]), vec![("retention.ms", "7")]),
        (changes(&[("retention.ms", Delete)]), vec![]),
        (changes(&[("no.such.option", Delete)]), vec![("retention.ms", "1000")]),
        (
            changes(&[("cleanup.policy", Append(text("compact")))]),
            vec![("cleanup.policy", "delete,compact"), ("retention.ms", "1000")],
        ),
        (
            changes(&[("cleanup.policy", Append(text("delete")))]),
            vec![("cleanup.policy", "delete"), ("retention.ms", "1000")],
        ),
        (
            changes(&[
                ("cleanup.policy", set("compact,delete")),
                ("cleanup.policy", Subtract(text("delete,other"))),
            ]),
            vec![("cleanup.policy", "compact"), ("retention.ms", "1000")],
        ),
        (
            changes(&[("cleanup.policy", Subtract(text("delete")))]),
            vec![("cleanup.policy", ""), ("retention.ms", "1000")],
        ),
        (
            changes(&[("leader.replication.throttled.replicas", Append(text("0:1,1:1")))]),
            vec![("leader.replication.throttled.replicas", "0:1,1:1"), ("retention.ms", "1000")],
        ),
    ] {
        let cluster = cluster();
        let record = cluster.decide_alter("orders", &operations).unwrap();
        let ClusterRecord::Topic(topic) = record else { panic!("{record:?}") };
        let expected: BTreeMap<_, _> =
            expected.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        assert_eq!(topic.configs, expected, "{operations:?}");
        assert_eq!(Topic { configs: BTreeMap::new(), ..topic }.partitions, 3);
    }
}

#[test]
fn what_a_whole_set_does_not_name_is_no_longer_set() {
    let cluster = cluster();
    let wanted = [("segment.ms".to_owned(), "5".to_owned())];
    let record = cluster.decide_replace("orders", &wanted).unwrap();
    let ClusterRecord::Topic(topic) = record else { panic!("{record:?}") };
    assert_eq!(topic.configs, BTreeMap::from(wanted));
    let record = cluster.decide_replace("orders", &[]).unwrap();
    assert!(matches!(record, ClusterRecord::Topic(topic) if topic.configs.is_empty()));
}

#[test]
fn changes_of_options_are_refused_with_code_and_remedy() {
    use ErrorCode as E;
    let text = str::to_owned;
    let lags = [("min.compaction.lag.ms", set("9")), ("max.compaction.lag.ms", set("3"))];
    let table = [("table.datalake.enabled", set("true")), ("cleanup.policy", set("compact"))];
    for (name, operations, code, words) in [
        ("absent", vec![("retention.ms", set("1"))], E::UnknownTopicOrPartition, "\"absent\""),
        ("", vec![("retention.ms", set("1"))], E::InvalidRequest, "Default topic resources"),
        ("a b", vec![("retention.ms", set("1"))], E::InvalidTopicException, "\"a b\""),
        ("orders", vec![("no.such", set("1"))], E::InvalidConfig, "Unknown topic config name"),
        ("orders", vec![("retention.ms", set("soon"))], E::InvalidConfig, "Invalid value soon"),
        ("orders", vec![("cleanup.policy", set("burn"))], E::InvalidConfig, "Invalid value burn"),
        ("orders", vec![("retention.ms", Append(text("1")))], E::InvalidConfig, "Can't APPEND"),
        ("orders", vec![("no.such", Subtract(text("1")))], E::InvalidConfig, "Can't SUBTRACT"),
        ("orders", vec![("cleanup.policy", Append(text("x")))], E::InvalidConfig, "delete,x"),
        ("orders", lags.to_vec(), E::InvalidConfig, "conflict"),
        ("orders", table.to_vec(), E::InvalidConfig, "table.datalake.enabled"),
    ] {
        let error = cluster().decide_alter(name, &changes(&operations)).unwrap_err();
        assert_eq!(error.code, code, "{operations:?}: {}", error.message);
        assert!(error.message.contains(words), "{words:?} is not in {:?}", error.message);
    }
    let wanted = [("retention.ms".to_owned(), "soon".to_owned())];
    assert_eq!(cluster().decide_replace("orders", &wanted).unwrap_err().code, E::InvalidConfig);
    assert_eq!(cluster().decide_replace("x", &[]).unwrap_err().code, E::UnknownTopicOrPartition);
}

/// One administrator's request out of a small world of names, options and values.
#[derive(Debug, Clone)]
enum Act {
    Create(u8),
    Delete(u8),
    Grow(u8, i32),
    Alter(u8, Vec<(u8, u8, u8)>),
    Replace(u8, Vec<(u8, u8)>),
}

const OPTIONS: [&str; 4] = ["cleanup.policy", "retention.ms", "max.message.bytes", "no.such"];
const VALUES: [&str; 5] = ["delete", "compact", "100", "-1", "soon"];

fn act() -> impl Strategy<Value = Act> {
    let topic = 0..3_u8;
    let words = || (0..4_u8, 0..5_u8);
    let operations = prop::collection::vec((0..4_u8, 0..4_u8, 0..5_u8), 0..3);
    prop_oneof![
        topic.clone().prop_map(Act::Create),
        topic.clone().prop_map(Act::Delete),
        (topic.clone(), -1..30).prop_map(|(topic, count)| Act::Grow(topic, count)),
        (topic.clone(), operations).prop_map(|(topic, all)| Act::Alter(topic, all)),
        (topic, prop::collection::vec(words(), 0..3)).prop_map(|(t, all)| Act::Replace(t, all)),
    ]
}

fn decide(cluster: &Cluster, act: &Act, drawn: u128) -> Result<ClusterRecord, TopicError> {
    let limits = Limits { partitions_per_topic_max: 20, partitions_total_max: 40 };
    let name = |topic: u8| format!("t{topic}");
    let option = |index: u8| OPTIONS[usize::from(index)].to_owned();
    let value = |index: u8| VALUES[usize::from(index)].to_owned();
    match act {
        Act::Create(topic) => {
            let request = CreateTopic {
                name: name(*topic),
                partitions: 2,
                replication_factor: -1,
                assignments: Vec::new(),
                configs: Vec::new(),
                id: TopicId(Uuid::from_u128(drawn)),
                now_ms: 0,
            };
            cluster.decide_create(&request, &limits)
        }
        Act::Delete(topic) => {
            let id = cluster.topic(&name(*topic)).map_or(TopicId(Uuid::nil()), |topic| topic.id);
            cluster.decide_delete(id)
        }
        Act::Grow(topic, count) => cluster.decide_grow(&to(&name(*topic), *count, None), &limits),
        Act::Alter(topic, all) => {
            let change = |(index, kind, word): &(u8, u8, u8)| ConfigChange {
                name: option(*index),
                operation: match kind {
                    0 => Set(value(*word)),
                    1 => Delete,
                    2 => Append(value(*word)),
                    _ => Subtract(value(*word)),
                },
            };
            cluster.decide_alter(&name(*topic), &all.iter().map(change).collect::<Vec<_>>())
        }
        Act::Replace(topic, all) => {
            let wanted: Vec<_> = all.iter().map(|(o, v)| (option(*o), value(*v))).collect();
            cluster.decide_replace(&name(*topic), &wanted)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever administrators ask for: partitions never become fewer, every option of a topic is
    /// one that a request could set, limits hold, and the log's latest entries make an equal cluster.
    #[test]
    fn changes_keep_the_rules_and_replay_gives_an_equal_cluster(
        acts in prop::collection::vec(act(), 1..60)
    ) {
        let mut cluster = Cluster::new(ClusterDefaults::default());
        let mut log: HashMap<Vec<u8>, Option<Vec<u8>>> = HashMap::new();
        for (drawn, act) in acts.iter().enumerate() {
            let Ok(record) = decide(&cluster, act, drawn as u128 + 1) else { continue };
            if let ClusterRecord::Topic(after) = &record
                && let Some(before) = cluster.topic_by_id(after.id)
            {
                prop_assert!(after.partitions >= before.partitions);
                prop_assert_eq!((&after.name, after.created_ms), (&before.name, before.created_ms));
            }
            cluster.apply(&record);
            let (key, value) = record.to_change();
            log.insert(key, value);
            prop_assert!(cluster.partitions() <= 40);
            for topic in cluster.topics() {
                for (option, value) in &topic.configs {
                    prop_assert!(topic_config::check(option, Some(value)).is_ok());
                }
            }
        }
        let mut replayed = Cluster::new(ClusterDefaults::default());
        for (key, value) in &log {
            if let Some(value) = value {
                replayed.apply(&ClusterRecord::from_entry(key, value).unwrap());
            }
        }
        prop_assert_eq!(replayed.partitions(), cluster.partitions());
        prop_assert!(replayed.topics().eq(cluster.topics()));
    }
}
