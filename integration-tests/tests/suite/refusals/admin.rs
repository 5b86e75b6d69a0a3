//! Administration that cannot be granted: Kafka's own error for each.

use kafka_protocol::messages::alter_configs_request;
use kafka_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::{
    AlterConfigsRequest, CreatePartitionsRequest, DeleteRecordsRequest,
    IncrementalAlterConfigsRequest,
};

use super::*;

const INVALID_REPLICA_ASSIGNMENT: i16 = 39;
const INVALID_REQUEST: i16 = 42;
const POLICY_VIOLATION: i16 = 44;

pub const TOPIC: i8 = 2;
const BROKER: i8 = 4;
pub const SET: i8 = 0;
pub const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

pub fn grow(topic: &str, count: i32, assignments: Option<&[&[i32]]>) -> CreatePartitionsTopic {
    let assignment = |ids: &&[i32]| {
        let ids = ids.iter().map(|id| (*id).into()).collect();
        CreatePartitionsAssignment::default().with_broker_ids(ids)
    };
    CreatePartitionsTopic::default()
        .with_name(name(topic))
        .with_count(count)
        .with_assignments(assignments.map(|all| all.iter().map(assignment).collect()))
}

#[test]
fn partitions_that_cannot_be_are_not_created() {
    let (topic, mut wire) = (topic(), wire());
    let absent = unique("absent");
    for version in 0..=3 {
        for (wanted, expected) in [
            (grow(&absent, 2, None), UNKNOWN_TOPIC_OR_PARTITION),
            (grow(&topic, 1, None), INVALID_PARTITIONS),
            (grow(&topic, 0, None), INVALID_PARTITIONS),
            (grow(&topic, -1, None), INVALID_PARTITIONS),
            (grow(&topic, 3, Some(&[&[1]])), INVALID_REPLICA_ASSIGNMENT),
            (grow(&topic, 2, Some(&[&[1], &[1]])), INVALID_REPLICA_ASSIGNMENT),
            (grow(&topic, 2, Some(&[&[]])), INVALID_REPLICA_ASSIGNMENT),
            (grow(&topic, 2, Some(&[&[7]])), INVALID_REPLICA_ASSIGNMENT),
            (grow(&topic, 2, Some(&[&[1, 1]])), INVALID_REPLICA_ASSIGNMENT),
        ] {
            let request = CreatePartitionsRequest::default()
                .with_timeout_ms(10_000)
                .with_topics(vec![wanted.clone()]);
            let result = &wire.call(version, &request).results[0];
            assert_eq!(result.error_code, expected, "version {version}: {wanted:?}: {result:?}");
            let has_message = result.error_message.as_ref().is_some_and(|text| !text.is_empty());
            let needs_message = expected != UNKNOWN_TOPIC_OR_PARTITION;
            assert!(has_message || !needs_message, "no message for {wanted:?}");
        }
    }
    let twice = vec![grow(&topic, 2, None), grow(&topic, 3, None)];
    let request = CreatePartitionsRequest::default().with_timeout_ms(10_000).with_topics(twice);
    let results = wire.call(3, &request).results;
    let codes: Vec<i16> = results.iter().map(|result| result.error_code).collect();
    assert_eq!(codes, [INVALID_REQUEST], "{results:?}");
    // Nothing of all that has changed the topic.
    let request = CreatePartitionsRequest::default()
        .with_timeout_ms(10_000)
        .with_validate_only(true)
        .with_topics(vec![grow(&topic, 2, Some(&[&[1]]))]);
    for _ in 0..2 {
        assert_eq!(wire.call(3, &request).results[0].error_code, 0);
    }
}

/// An option, what becomes of it, and the operand.
pub type Operation<'a> = (&'a str, i8, Option<&'a str>);

pub fn incremental(kind: i8, resource: &str, configs: &[Operation<'_>]) -> AlterConfigsResource {
    let config = |(option, operation, value): &Operation<'_>| {
        AlterableConfig::default()
            .with_name(text(option))
            .with_config_operation(*operation)
            .with_value(value.map(text))
    };
    AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(resource))
        .with_configs(configs.iter().map(config).collect())
}

#[test]
fn options_that_cannot_be_are_not_set_one_by_one() {
    let (topic, mut wire) = (topic(), wire());
    let absent = unique("absent");
    let some = Some;
    let cases: Vec<(i8, &str, Vec<Operation<'_>>, i16)> = vec![
        (TOPIC, &absent, vec![("retention.ms", SET, some("1"))], UNKNOWN_TOPIC_OR_PARTITION),
        (TOPIC, "", vec![("retention.ms", SET, some("1"))], INVALID_REQUEST),
        (TOPIC, "a/b", vec![("retention.ms", SET, some("1"))], INVALID_TOPIC_EXCEPTION),
        (TOPIC, &topic, vec![("no.such.option", SET, some("1"))], INVALID_CONFIG),
        (TOPIC, &topic, vec![("retention.ms", SET, some("a while"))], INVALID_CONFIG),
        (TOPIC, &topic, vec![("cleanup.policy", SET, some("burn"))], INVALID_CONFIG),
        (TOPIC, &topic, vec![("cleanup.policy", APPEND, some("burn"))], INVALID_CONFIG),
        (TOPIC, &topic, vec![("retention.ms", APPEND, some("1"))], INVALID_CONFIG),
        (TOPIC, &topic, vec![("retention.ms", SUBTRACT, some("1"))], INVALID_CONFIG),
        (TOPIC, &topic, vec![("retention.ms", SET, None)], INVALID_REQUEST),
        (
            TOPIC,
            &topic,
            vec![("retention.ms", SET, some("1")), ("retention.ms", DELETE, None)],
            INVALID_REQUEST,
        ),
        (
            TOPIC,
            &topic,
            vec![
                ("min.compaction.lag.ms", SET, some("9")),
                ("max.compaction.lag.ms", SET, some("3")),
            ],
            INVALID_CONFIG,
        ),
        (BROKER, "1", vec![("node.id", SET, some("2"))], INVALID_REQUEST),
        (BROKER, "2", vec![("node.id", SET, some("2"))], INVALID_REQUEST),
        (BROKER, "one", vec![("node.id", SET, some("2"))], INVALID_REQUEST),
        (BROKER, "1", vec![("node.id", DELETE, None)], 0),
        (77, "what", vec![("retention.ms", SET, some("1"))], INVALID_REQUEST),
        (TOPIC, &topic, vec![("no.such.option", DELETE, None)], 0),
    ];
    for (kind, resource, configs, expected) in cases {
        for version in 0..=1 {
            let request = IncrementalAlterConfigsRequest::default()
                .with_resources(vec![incremental(kind, resource, &configs)]);
            let response = &wire.call(version, &request).responses[0];
            assert_eq!(
                response.error_code, expected,
                "{kind} {resource:?} {configs:?}: {response:?}"
            );
            let has_message = response.error_message.as_ref().is_some_and(|text| !text.is_empty());
            let needs_message = expected != 0 && expected != UNKNOWN_TOPIC_OR_PARTITION;
            assert!(has_message || !needs_message, "no message for {configs:?}");
        }
    }
    let once = incremental(TOPIC, &topic, &[("retention.ms", SET, some("1"))]);
    let request =
        IncrementalAlterConfigsRequest::default().with_resources(vec![once.clone(), once]);
    let responses = wire.call(1, &request).responses;
    assert!(!responses.is_empty());
    assert!(responses.iter().all(|one| one.error_code == INVALID_REQUEST), "{responses:?}");
}

#[test]
fn options_that_cannot_be_are_not_set_all_at_once() {
    let (topic, mut wire) = (topic(), wire());
    let absent = unique("absent");
    for (kind, resource, configs, expected) in [
        (TOPIC, &*absent, vec![("retention.ms", Some("1"))], UNKNOWN_TOPIC_OR_PARTITION),
        (TOPIC, &topic, vec![("no.such.option", Some("1"))], INVALID_CONFIG),
        (TOPIC, &topic, vec![("retention.ms", Some("a while"))], INVALID_CONFIG),
        (TOPIC, &topic, vec![("retention.ms", None)], INVALID_REQUEST),
        (TOPIC, &topic, vec![("a", Some("1")), ("a", Some("2"))], INVALID_REQUEST),
        (BROKER, "1", vec![("node.id", Some("2"))], INVALID_REQUEST),
        (8, "1", vec![("root", Some("INFO"))], INVALID_REQUEST),
        (TOPIC, &topic, vec![], 0),
    ] {
        let config = |(option, value): &(&str, Option<&str>)| {
            alter_configs_request::AlterableConfig::default()
                .with_name(text(option))
                .with_value(value.map(text))
        };
        let resource = alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(resource))
            .with_configs(configs.iter().map(config).collect());
        for version in 0..=2 {
            let request = AlterConfigsRequest::default().with_resources(vec![resource.clone()]);
            let response = &wire.call(version, &request).responses[0];
            assert_eq!(response.error_code, expected, "{configs:?}: {response:?}");
        }
    }
}

/// Deletes records of one partition; gives its error code and where it begins.
pub fn delete_records(
    wire: &mut Wire,
    version: i16,
    (topic, partition): (&str, i32),
    offset: i64,
) -> (i16, i64) {
    let partition =
        DeleteRecordsPartition::default().with_partition_index(partition).with_offset(offset);
    let topic =
        DeleteRecordsTopic::default().with_name(name(topic)).with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default().with_timeout_ms(30_000).with_topics(vec![topic]);
    let result = &wire.call(version, &request).topics[0].partitions[0];
    (result.error_code, result.low_watermark)
}

#[test]
fn records_that_are_not_there_or_not_to_go_are_not_deleted() {
    let (topic, mut wire) = (topic(), coordinator());
    assert_eq!(produced(&mut wire, &topic, 0, &batch(&[b"one", b"two", b"three"])), 0);
    let compacted = unique("compacted");
    let config = CreatableTopicConfig::default()
        .with_name(text("cleanup.policy"))
        .with_value(Some(text("compact")));
    let new = CreatableTopic::default()
        .with_name(name(&compacted))
        .with_num_partitions(1)
        .with_replication_factor(1)
        .with_configs(vec![config]);
    let request = CreateTopicsRequest::default().with_timeout_ms(10_000).with_topics(vec![new]);
    assert_eq!(wire.call(5, &request).topics[0].error_code, 0);
    wait_for("the compacted topic", Duration::from_secs(30), || {
        (fetched(&mut wire, &compacted, 0) == 0).then_some(())
    });
    let absent = unique("absent");
    for version in 0..=2 {
        for ((topic, partition), offset, expected) in [
            ((&*absent, 0), 0, (UNKNOWN_TOPIC_OR_PARTITION, -1)),
            ((&topic, 3), 0, (UNKNOWN_TOPIC_OR_PARTITION, -1)),
            ((&topic, -1), 0, (UNKNOWN_TOPIC_OR_PARTITION, -1)),
            ((&topic, 0), 4, (OFFSET_OUT_OF_RANGE, -1)),
            ((&topic, 0), i64::MAX, (OFFSET_OUT_OF_RANGE, -1)),
            ((&topic, 0), -2, (OFFSET_OUT_OF_RANGE, -1)),
            ((&compacted, 0), 0, (POLICY_VIOLATION, -1)),
            (("__consumer_offsets", 0), 0, (INVALID_TOPIC_EXCEPTION, -1)),
            ((&topic, 0), 0, (0, 0)),
        ] {
            let found = delete_records(&mut wire, version, (topic, partition), offset);
            assert_eq!(found, expected, "version {version}: {topic} {partition} below {offset}");
        }
    }
    assert_eq!(fetched(&mut wire, &topic, 0), 0);
}
