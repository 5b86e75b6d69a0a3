//! Answers that clients and tools rely on, asked on the wire of Strom and of Apache Kafka alike.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    DescribeClusterRequest, DescribeConfigsRequest, FetchRequest, FindCoordinatorRequest,
    InitProducerIdRequest, ListOffsetsRequest, MetadataRequest,
};
use strom_integration_tests::broker::{Broker, shared, unique};
use strom_integration_tests::wait::wait_for;

use crate::records::{create_topic, delete_topic};
use crate::refusals::{fetched, name, produced, topic, wire};
use crate::wire::{Wire, batch, batch_at, text};

const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const UNSUPPORTED_VERSION: i16 = 35;
const INVALID_REQUEST: i16 = 42;
const UNKNOWN_TOPIC_ID: i16 = 100;

/// Looks a timestamp, or a name of an offset, up: error code, offset, timestamp, leader epoch.
fn offset_at(
    wire: &mut Wire,
    version: i16,
    topic: &str,
    (timestamp, isolation): (i64, i8),
) -> (i16, i64, i64, i32) {
    let partition =
        ListOffsetsPartition::default().with_partition_index(0).with_timestamp(timestamp);
    let listed =
        ListOffsetsTopic::default().with_name(name(topic)).with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_isolation_level(isolation)
        .with_topics(vec![listed]);
    let found = &wire.call(version, &request).topics[0].partitions[0];
    (found.error_code, found.offset, found.timestamp, found.leader_epoch)
}

#[test]
fn offsets_have_names_and_are_found_by_time() {
    let (topic, mut wire) = (topic(), wire());
    for version in [1, 5, 9] {
        let (code, offset, timestamp, _) = offset_at(&mut wire, version, &topic, (0, 0));
        assert_eq!((code, offset, timestamp), (0, -1, -1), "nothing is in the topic");
    }
    assert_eq!(
        offset_at(&mut wire, 7, &topic, (-3, 0)).1,
        -1,
        "no record has a greatest timestamp"
    );
    let start = 1_700_000_000_000;
    for (offset, later) in [(0, 1000), (1, 5000), (2, 3000), (3, 5000)] {
        let code = produced(&mut wire, &topic, 0, &batch_at(start + later));
        assert_eq!(code, 0, "record {offset}");
    }
    let epoch = offset_at(&mut wire, 10, &topic, (-1, 0)).3;
    assert!(epoch >= 0);
    for (version, timestamp, expected) in [
        (1, -1, (0, 4, -1, -1)),
        (1, -2, (0, 0, -1, -1)),
        (4, -1, (0, 4, -1, epoch)),
        (10, -2, (0, 0, -1, epoch)),
        (10, -3, (0, 1, start + 5000, epoch)),
        (10, -4, (0, 0, -1, epoch)),
        (10, -5, (0, -1, -1, -1)),
        (10, start, (0, 0, start + 1000, epoch)),
        (10, start + 1000, (0, 0, start + 1000, epoch)),
        (10, start + 1001, (0, 1, start + 5000, epoch)),
        (10, start + 5001, (0, -1, -1, -1)),
        (6, -3, (UNSUPPORTED_VERSION, -1, -1, -1)),
        (7, -4, (UNSUPPORTED_VERSION, -1, -1, -1)),
        (8, -5, (UNSUPPORTED_VERSION, -1, -1, -1)),
        (10, -9, (UNSUPPORTED_VERSION, -1, -1, -1)),
    ] {
        for isolation in 0..=i8::from(version >= 2) {
            let found = offset_at(&mut wire, version, &topic, (timestamp, isolation));
            assert_eq!(found, expected, "version {version}, timestamp {timestamp}");
        }
    }
}

/// Types as DescribeConfigs numbers them.
const BOOLEAN: i8 = 1;
const INT: i8 = 3;
const SHORT: i8 = 4;
const LONG: i8 = 5;
const LIST: i8 = 7;

#[test]
fn brokers_describe_what_tools_look_for() {
    let expected: BTreeMap<&str, (Option<&str>, i8)> = [
        ("num.partitions", (Some("1"), INT)),
        ("default.replication.factor", (Some("1"), INT)),
        ("auto.create.topics.enable", (Some("true"), BOOLEAN)),
        ("delete.topic.enable", (Some("true"), BOOLEAN)),
        ("log.retention.hours", (Some("168"), INT)),
        ("log.retention.minutes", (None, INT)),
        ("log.retention.ms", (None, LONG)),
        ("log.retention.bytes", (Some("-1"), LONG)),
        ("log.cleanup.policy", (Some("delete"), LIST)),
        ("log.segment.bytes", (Some("1073741824"), INT)),
        ("message.max.bytes", (Some("1048588"), INT)),
        ("min.insync.replicas", (Some("1"), INT)),
        ("node.id", (Some("1"), INT)),
        ("group.initial.rebalance.delay.ms", (Some("500"), INT)),
        ("group.min.session.timeout.ms", (Some("6000"), INT)),
        ("group.max.session.timeout.ms", (Some("1800000"), INT)),
        ("group.max.size", (Some("2147483647"), INT)),
        ("offsets.retention.minutes", (Some("10080"), INT)),
        ("offsets.topic.num.partitions", (Some("50"), INT)),
        ("offsets.topic.replication.factor", (Some("1"), SHORT)),
        ("offset.metadata.max.bytes", (Some("4096"), INT)),
        ("max.incremental.fetch.session.cache.slots", (Some("1000"), INT)),
    ]
    .into_iter()
    .collect();
    let resource = DescribeConfigsResource::default()
        .with_resource_type(4)
        .with_resource_name(text("1"))
        .with_configuration_keys(Some(expected.keys().map(|key| text(key)).collect()));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let result = wire().call(4, &request).results.remove(0);
    assert_eq!(result.error_code, 0, "{result:?}");
    let found: BTreeMap<&str, (Option<&str>, i8)> = result
        .configs
        .iter()
        .map(|config| (&*config.name, (config.value.as_deref(), config.config_type)))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn topics_keep_their_id_until_they_are_made_again() {
    let (topic, mut wire) = (topic(), wire());
    let by_name = MetadataRequest::default()
        .with_topics(Some(vec![MetadataRequestTopic::default().with_name(Some(name(&topic)))]));
    let id = wire.call(12, &by_name).topics[0].topic_id;
    assert!(!id.is_nil());
    let by_id = MetadataRequest::default()
        .with_topics(Some(vec![MetadataRequestTopic::default().with_topic_id(id)]));
    assert_eq!(wire.call(12, &by_id).topics[0].name, Some(name(&topic)));
    delete_topic(shared().bootstrap(), &topic);
    wait_for("the id to be forgotten", Duration::from_secs(30), || {
        (wire.call(12, &by_id).topics[0].error_code == UNKNOWN_TOPIC_ID).then_some(())
    });
    create_topic(shared().bootstrap(), &topic, 1);
    wait_for("the topic to be there again", Duration::from_secs(30), || {
        (fetched(&mut wire, &topic, 0) == 0).then_some(())
    });
    let again = wire.call(12, &by_name).topics[0].topic_id;
    assert!(!again.is_nil() && again != id);
    assert_eq!(wire.call(12, &by_id).topics[0].error_code, UNKNOWN_TOPIC_ID);
}

#[test]
fn the_cluster_has_an_id_a_controller_and_operations_when_asked() {
    let mut wire = wire();
    let plain = wire.call(1, &DescribeClusterRequest::default().with_endpoint_type(1));
    assert_eq!((plain.error_code, plain.brokers.len()), (0, 1), "{plain:?}");
    assert_eq!(plain.cluster_id.len(), 22, "{plain:?}");
    assert_eq!(plain.controller_id.0, 1);
    assert_eq!(plain.cluster_authorized_operations, i32::MIN);
    let asked = DescribeClusterRequest::default()
        .with_endpoint_type(1)
        .with_include_cluster_authorized_operations(true);
    let operations = wire.call(1, &asked).cluster_authorized_operations;
    assert!(operations > 0, "{operations:b}");
    let metadata = wire.call(9, &MetadataRequest::default());
    assert_eq!(metadata.cluster_id.as_ref(), Some(&plain.cluster_id));
}

#[test]
fn requests_that_are_half_meant_are_refused() {
    let mut wire = wire();
    let half = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_producer_id(77.into())
        .with_producer_epoch(-1);
    assert_eq!(wire.call(3, &half).error_code, INVALID_REQUEST);
    let nameless = InitProducerIdRequest::default()
        .with_transactional_id(Some(kafka_protocol::messages::TransactionalId(text(""))))
        .with_transaction_timeout_ms(1000);
    assert_eq!(wire.call(3, &nameless).error_code, INVALID_REQUEST);
    let unheard_of =
        FindCoordinatorRequest::default().with_key_type(9).with_coordinator_keys(vec![text("key")]);
    let found = wire.call(4, &unheard_of);
    let code = found.coordinators.first().map_or(found.error_code, |one| one.error_code);
    assert_eq!(code, INVALID_REQUEST, "{found:?}");
    let resource =
        DescribeConfigsResource::default().with_resource_type(4).with_resource_name(text("99"));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    assert_eq!(wire.call(4, &request).results[0].error_code, INVALID_REQUEST);
    let absent = DescribeConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text(&unique("absent")));
    let request = DescribeConfigsRequest::default().with_resources(vec![absent]);
    assert_eq!(wire.call(4, &request).results[0].error_code, UNKNOWN_TOPIC_OR_PARTITION);
}

/// A consumer of several topics does not spin when one of them is gone.
#[test]
fn a_partition_that_is_not_there_does_not_end_the_wait_for_others() {
    let (topic, mut wire) = (topic(), wire());
    let part = |topic: &str| {
        let partition = FetchPartition::default().with_partition_max_bytes(1 << 20);
        FetchTopic::default().with_topic(name(topic)).with_partitions(vec![partition])
    };
    let absent = unique("absent");
    let waiting = FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_bytes(1 << 20)
        .with_max_wait_ms(1500)
        .with_min_bytes(1)
        .with_session_epoch(-1);
    let mut fetch = |topics: &[&str]| {
        let request = waiting.clone().with_topics(topics.iter().map(|topic| part(topic)).collect());
        let begun = Instant::now();
        let response = wire.call(11, &request);
        let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
        let mut codes: Vec<i16> = partitions.map(|partition| partition.error_code).collect();
        codes.sort_unstable();
        (codes, begun.elapsed() >= Duration::from_millis(1400))
    };
    assert_eq!(fetch(&[&topic]), (vec![0], true));
    assert_eq!(fetch(&[&absent, &topic]), (vec![0, UNKNOWN_TOPIC_OR_PARTITION], true));
    assert_eq!(fetch(&[&absent]), (vec![UNKNOWN_TOPIC_OR_PARTITION], false));
}

/// Until transactions exist nothing is aborted; who reads uncommitted records is not even told that.
#[test]
fn aborted_transactions_are_listed_for_those_who_read_committed_records() {
    let (topic, mut wire) = (topic(), wire());
    assert_eq!(produced(&mut wire, &topic, 0, &batch(&[b"record"])), 0);
    for version in [4, 11, 12] {
        for (isolation, offset, expected) in
            [(0, 0, None), (0, 1, None), (1, 0, Some(0)), (1, 1, Some(0))]
        {
            let partition = FetchPartition::default()
                .with_fetch_offset(offset)
                .with_partition_max_bytes(1 << 20);
            let asked =
                FetchTopic::default().with_topic(name(&topic)).with_partitions(vec![partition]);
            let request = FetchRequest::default()
                .with_replica_id((-1).into())
                .with_max_bytes(1 << 20)
                .with_session_epoch(-1)
                .with_isolation_level(isolation)
                .with_topics(vec![asked]);
            let found = &wire.call(version, &request).responses[0].partitions[0];
            assert_eq!(found.error_code, 0);
            let listed = found.aborted_transactions.as_ref().map(Vec::len);
            assert_eq!(listed, expected, "version {version}, isolation {isolation}, {offset}");
        }
    }
}

#[test]
fn topics_are_not_created_by_asking_where_the_broker_does_not_allow_it() {
    let broker = Broker::start(&[("auto.create.topics.enable", "false")]);
    let mut wire = Wire::open(broker.bootstrap());
    let ask = |topic: &str| {
        MetadataRequest::default()
            .with_topics(Some(vec![MetadataRequestTopic::default().with_name(Some(name(topic)))]))
            .with_allow_auto_topic_creation(true)
    };
    // Before version 4 a request cannot say that it would rather not create the topic.
    for version in [1, 3, 4, 9, 12] {
        let found = &wire.call(version, &ask("unmade")).topics[0];
        assert_eq!(found.error_code, UNKNOWN_TOPIC_OR_PARTITION, "version {version}: {found:?}");
    }
    create_topic(broker.bootstrap(), "made", 1);
    wait_for("the topic that was made", Duration::from_secs(30), || {
        (wire.call(9, &ask("made")).topics[0].error_code == 0).then_some(())
    });
    let all = wire.call(9, &MetadataRequest::default().with_topics(None));
    let names: Vec<_> = all.topics.iter().filter_map(|topic| topic.name.clone()).collect();
    assert_eq!(names, [name("made")]);
}
