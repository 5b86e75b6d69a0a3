//! Topics: every rule of creation, deletion, records.

use std::collections::BTreeMap;

use strom_protocol::{ErrorCode, TopicId, Uuid};

use super::*;

fn id(n: u128) -> TopicId {
    TopicId(Uuid::from_u128(n))
}

fn new_topic(name: &str, n: u128) -> CreateTopic {
    CreateTopic {
        name: name.to_owned(),
        partitions: -1,
        replication_factor: -1,
        assignments: Vec::new(),
        configs: Vec::new(),
        id: id(n),
        now_ms: 77,
    }
}

fn with_config(name: &str, value: &str) -> CreateTopic {
    let configs = vec![(name.to_owned(), Some(value.to_owned()))];
    CreateTopic { configs, ..new_topic("t", 1) }
}

fn cluster_with(topics: &[&str]) -> Cluster {
    let mut cluster = Cluster::new(ClusterDefaults::default());
    for (n, name) in topics.iter().enumerate() {
        let request = new_topic(name, 100 + n as u128);
        let record = cluster.decide_create(&request, &Limits::default()).unwrap();
        cluster.apply(&record);
    }
    cluster
}

fn broker(values: &[(&str, &str)]) -> BTreeMap<String, String> {
    values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

#[test]
fn topic_is_created_with_the_brokers_defaults_or_as_asked() {
    let defaults = ClusterDefaults {
        partitions: 6,
        replication_factor: 2,
        broker_ids: vec![1, 2],
        ..ClusterDefaults::default()
    };
    let cluster = Cluster::new(defaults);
    let assign = |partition, broker_ids: &[i32]| ManualAssignment {
        partition,
        broker_ids: broker_ids.to_vec(),
    };
    // (request, partitions, replication factor)
    for (request, partitions, replication_factor) in [
        (new_topic("t", 1), 6, 2),
        (CreateTopic { partitions: 3, replication_factor: 3, ..new_topic("t", 1) }, 3, 3),
        (CreateTopic { partitions: 1, replication_factor: 1, ..new_topic("t", 1) }, 1, 1),
        (
            CreateTopic {
                assignments: vec![assign(1, &[1, 2]), assign(0, &[2, 1])],
                ..new_topic("t", 1)
            },
            2,
            2,
        ),
    ] {
        let record = cluster.decide_create(&request, &Limits::default()).unwrap();
        let expected = Topic {
            id: id(1),
            name: "t".to_owned(),
            partitions,
            replication_factor,
            configs: BTreeMap::new(),
            created_ms: 77,
        };
        assert_eq!(record, ClusterRecord::Topic(expected));
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "one table")]
fn topics_are_refused_with_code_and_remedy() {
    let assigned = |assignments: &[(i32, &[i32])]| CreateTopic {
        assignments: assignments
            .iter()
            .map(|(partition, ids)| ManualAssignment {
                partition: *partition,
                broker_ids: ids.to_vec(),
            })
            .collect(),
        ..new_topic("t", 1)
    };
    use ErrorCode as E;
    let long = "x".repeat(250);
    let rows: Vec<(CreateTopic, ErrorCode, &str)> = vec![
        (new_topic("", 1), E::InvalidTopicException, "empty"),
        (new_topic(".", 1), E::InvalidTopicException, "reserved"),
        (new_topic("..", 1), E::InvalidTopicException, "reserved"),
        (new_topic(&long, 1), E::InvalidTopicException, "at most 249"),
        (new_topic("a b", 1), E::InvalidTopicException, "\"a b\""),
        (new_topic("gr\u{fc}n", 1), E::InvalidTopicException, "ASCII"),
        (new_topic("a/b", 1), E::InvalidTopicException, "\"a/b\""),
        (new_topic("taken", 1), E::TopicAlreadyExists, "'taken' already exists"),
        (
            new_topic("with_dot", 1),
            E::InvalidTopicException,
            "collides with existing topic \"with.dot\"",
        ),
        (CreateTopic { partitions: 0, ..new_topic("t", 1) }, E::InvalidPartitions, "at least 1"),
        (CreateTopic { partitions: -2, ..new_topic("t", 1) }, E::InvalidPartitions, "-2"),
        (CreateTopic { partitions: 11, ..new_topic("t", 1) }, E::InvalidPartitions, "at most 10"),
        (CreateTopic { partitions: 9, ..new_topic("t", 1) }, E::InvalidPartitions, "limit of 10"),
        (
            CreateTopic { replication_factor: 0, ..new_topic("t", 1) },
            E::InvalidReplicationFactor,
            "at least 1",
        ),
        (
            CreateTopic { replication_factor: 4, ..new_topic("t", 1) },
            E::InvalidReplicationFactor,
            "replication.factor.max.accepted",
        ),
        (
            CreateTopic { partitions: 1, ..assigned(&[(0, &[1])]) },
            E::InvalidRequest,
            "give -1 for both",
        ),
        (assigned(&[(0, &[1]), (0, &[1])]), E::InvalidReplicaAssignment, "twice"),
        (assigned(&[(0, &[])]), E::InvalidReplicaAssignment, "at least 1"),
        (assigned(&[(0, &[1, 1])]), E::InvalidReplicaAssignment, "twice"),
        (assigned(&[(0, &[2])]), E::InvalidReplicaAssignment, "broker 2, which does not exist"),
        (assigned(&[(0, &[1]), (2, &[1])]), E::InvalidReplicaAssignment, "without gaps"),
        (assigned(&[(1, &[1])]), E::InvalidReplicaAssignment, "without gaps"),
        (assigned(&[(-1, &[1])]), E::InvalidReplicaAssignment, "without gaps"),
        (with_config("no.such.option", "1"), E::InvalidConfig, "no.such.option"),
        (with_config("table.value.format", "json"), E::InvalidConfig, "table.value.format"),
        (with_config("retention_ms", "1"), E::InvalidConfig, "did you mean retention.ms?"),
        (with_config("log.retention.hours", "1"), E::InvalidConfig, "did you mean retention.ms?"),
        (
            with_config("retention.ms", "soon"),
            E::InvalidConfig,
            "Invalid value soon for configuration retention.ms",
        ),
        (
            CreateTopic { configs: vec![("retention.ms".into(), None)], ..new_topic("t", 1) },
            E::InvalidConfig,
            "retention.ms has no value",
        ),
    ];
    let cluster = cluster_with(&["taken", "with.dot"]);
    let limits = Limits { partitions_per_topic_max: 10, partitions_total_max: 10 };
    for (request, code, words) in rows {
        let error = cluster.decide_create(&request, &limits).unwrap_err();
        assert_eq!(error.code, code, "{}: {}", request.name, error.message);
        assert!(error.message.contains(words), "{words:?} is not in {:?}", error.message);
    }
    for name in [&"x".repeat(249), "a.b-c_D9", "_", "__own", "dot.with", "with.dots"] {
        assert!(cluster.decide_create(&new_topic(name, 1), &limits).is_ok(), "{name}");
    }
}

#[test]
fn deleted_name_can_be_taken_again_under_a_new_id() {
    let mut cluster = cluster_with(&["a", "b"]);
    let old = cluster.topic("a").unwrap().id;
    let record = cluster.decide_delete(old).unwrap();
    cluster.apply(&record);
    assert_eq!((cluster.topic("a"), cluster.topic_by_id(old)), (None, None));
    assert_eq!((cluster.topics().len(), cluster.partitions()), (1, 1));
    assert_eq!(cluster.decide_delete(old).unwrap_err().code, ErrorCode::UnknownTopicId);
    let record = cluster.decide_create(&new_topic("a", 9), &Limits::default()).unwrap();
    cluster.apply(&record);
    assert_eq!(cluster.topic("a").unwrap().id, id(9));
    assert_eq!(cluster.topic_by_id(id(9)).unwrap().name, "a");
    assert_eq!(cluster.topic_by_id(old), None);
    cluster.apply(&ClusterRecord::TopicDeleted { id: old });
    assert!(cluster.topic("a").is_some(), "the old topic's tombstone leaves the new one");
}

#[test]
fn internal_topics_cannot_be_deleted() {
    let cluster = cluster_with(&["__consumer_offsets", "__mine"]);
    let internal = cluster.topic("__consumer_offsets").unwrap();
    assert!(internal.is_internal());
    assert_eq!(cluster.decide_delete(internal.id).unwrap_err().code, ErrorCode::InvalidRequest);
    assert!(cluster.decide_delete(cluster.topic("__mine").unwrap().id).is_ok());
}

#[test]
fn records_have_golden_bytes_and_replay_gives_an_equal_cluster() {
    let topic = Topic {
        id: TopicId(Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10)),
        name: "orders".to_owned(),
        partitions: 12,
        replication_factor: 3,
        configs: broker(&[("retention.ms", "1000"), ("cleanup.policy", "delete")]),
        created_ms: 0x0102_0304,
    };
    let (key, value) = ClusterRecord::Topic(topic.clone()).to_change();
    let expected_key = b"t/\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10";
    assert_eq!(key, expected_key);
    let expected = [
        &b"\x01\x00\x06orders\x00\x00\x00\x0c\x00\x03\x00\x00\x00\x00\x01\x02\x03\x04\x00\x02"[..],
        b"\x00\x0ecleanup.policy\x00\x00\x00\x06delete",
        b"\x00\x0cretention.ms\x00\x00\x00\x041000",
    ]
    .concat();
    assert_eq!(value.as_ref(), Some(&expected));
    let record = ClusterRecord::Topic(topic.clone());
    assert_eq!(ClusterRecord::from_entry(&key, &expected), Ok(record));
    let deleted = ClusterRecord::TopicDeleted { id: topic.id };
    assert_eq!(deleted.to_change(), (key.clone(), None));

    // Damage of every kind is an error, never a panic and never another topic.
    for end in 0..expected.len() {
        let result = ClusterRecord::from_entry(&key, &expected[..end]);
        assert!(matches!(result, Err(ClusterRecordError::Malformed(_))), "cut at {end}");
    }
    let longer = [&expected[..], b"x"].concat();
    assert!(matches!(
        ClusterRecord::from_entry(&key, &longer),
        Err(ClusterRecordError::Malformed("bytes after the end"))
    ));
    let newer = [&[2], &expected[1..]].concat();
    let result = ClusterRecord::from_entry(&key, &newer);
    assert_eq!(result, Err(ClusterRecordError::UnknownVersion(2)));
    for key in [&b"s/x"[..], b"t/short", b""] {
        let result = ClusterRecord::from_entry(key, &expected);
        assert_eq!(result, Err(ClusterRecordError::UnknownKey(key.to_vec())));
    }
}
