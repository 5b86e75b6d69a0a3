//! Administration that cannot be granted: Kafka's own error for each.

use kafka_protocol::messages::alter_configs_request;
use kafka_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::{
    AlterConfigsRequest, CreatePartitionsRequest, DeleteRecordsRequest,
    DescribeTopicPartitionsRequest, ElectLeadersRequest, IncrementalAlterConfigsRequest,
    ListPartitionReassignmentsRequest, OffsetDeleteRequest,
};
use strom_integration_tests::broker::Against;

use super::*;

const UNKNOWN_SERVER_ERROR: i16 = -1;
const INVALID_REPLICA_ASSIGNMENT: i16 = 39;
const INVALID_REQUEST: i16 = 42;
const POLICY_VIOLATION: i16 = 44;
const ELECTION_NOT_NEEDED: i16 = 84;
const GROUP_SUBSCRIBED_TO_TOPIC: i16 = 86;

pub const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;
pub const SET: i8 = 0;
pub const DELETE: i8 = 1;
pub const APPEND: i8 = 2;
pub const SUBTRACT: i8 = 3;

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

/// All options of a resource, as AlterConfigs has them.
pub fn replacing(
    kind: i8,
    resource: &str,
    configs: &[(&str, Option<&str>)],
) -> alter_configs_request::AlterConfigsResource {
    let config = |(option, value): &(&str, Option<&str>)| {
        alter_configs_request::AlterableConfig::default()
            .with_name(text(option))
            .with_value(value.map(text))
    };
    alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(resource))
        .with_configs(configs.iter().map(config).collect())
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
        (77, "what", vec![("retention.ms", Some("1"))], INVALID_REQUEST),
        (TOPIC, &topic, vec![], 0),
    ] {
        let resource = replacing(kind, resource, &configs);
        for version in 0..=2 {
            let request = AlterConfigsRequest::default().with_resources(vec![resource.clone()]);
            let response = &wire.call(version, &request).responses[0];
            assert_eq!(response.error_code, expected, "{configs:?}: {response:?}");
        }
    }
}

/// Kind and name of a resource, an option, an operation; Strom's answer and Kafka's.
type NotServed<'a> = ((i8, &'a str), &'a str, i8, (i16, i16));

/// Operations that do not exist, of which Kafka's controller does not know what went wrong, and
/// resources that it has and this broker has not.
#[test]
fn operations_and_resources_that_are_not_served_are_refused() {
    let (topic, mut wire) = (topic(), wire());
    let cases: &[NotServed<'_>] = &[
        ((TOPIC, &topic), "retention.ms", 4, (INVALID_REQUEST, UNKNOWN_SERVER_ERROR)),
        ((TOPIC, &topic), "retention.ms", -1, (INVALID_REQUEST, UNKNOWN_SERVER_ERROR)),
        ((TOPIC, &topic), "cleanup.policy", i8::MAX, (INVALID_REQUEST, UNKNOWN_SERVER_ERROR)),
        ((BROKER, "1"), "node.id", 4, (INVALID_REQUEST, INVALID_REQUEST)),
        ((CLIENT_METRICS, "all"), "interval.ms", SET, (INVALID_REQUEST, INVALID_CONFIG)),
        ((CLIENT_METRICS, "all"), "no.such.option", SET, (INVALID_REQUEST, INVALID_REQUEST)),
        ((GROUP, "any"), "no.such.option", SET, (INVALID_REQUEST, INVALID_CONFIG)),
    ];
    for ((kind, resource), option, operation, (strom, kafka)) in cases {
        let expected = if Against::chosen() == Against::Strom { strom } else { kafka };
        let change = [(*option, *operation, Some("far too much"))];
        let request = IncrementalAlterConfigsRequest::default()
            .with_resources(vec![incremental(*kind, resource, &change)]);
        for version in 0..=1 {
            let response = &wire.call(version, &request).responses[0];
            assert_eq!(response.error_code, *expected, "{kind} {change:?}: {response:?}");
        }
        if *operation != SET {
            continue;
        }
        let request = AlterConfigsRequest::default().with_resources(vec![replacing(
            *kind,
            resource,
            &[(*option, Some("far too much"))],
        )]);
        for version in 0..=2 {
            let response = &wire.call(version, &request).responses[0];
            assert_eq!(response.error_code, *expected, "{kind} {option}: {response:?}");
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

#[test]
fn elections_are_not_needed_and_unknown_partitions_have_none() {
    let (topic, mut wire) = (topic(), wire());
    let absent = unique("absent");
    let of = |topic: &str, partitions: &[i32]| {
        TopicPartitions::default().with_topic(name(topic)).with_partitions(partitions.to_vec())
    };
    for version in 0..=2 {
        for kind in 0..=i8::from(version >= 1) {
            let request = ElectLeadersRequest::default()
                .with_timeout_ms(10_000)
                .with_election_type(kind)
                .with_topic_partitions(Some(vec![of(&topic, &[0, 6]), of(&absent, &[0])]));
            let response = wire.call(version, &request);
            assert_eq!(response.error_code, 0, "{response:?}");
            let results = response.replica_election_results.iter();
            let codes: Vec<i16> =
                results.flat_map(|one| &one.partition_result).map(|one| one.error_code).collect();
            let expected =
                [ELECTION_NOT_NEEDED, UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_OR_PARTITION];
            assert_eq!(codes, expected, "{response:?}");
        }
        let all =
            ElectLeadersRequest::default().with_timeout_ms(10_000).with_topic_partitions(None);
        let response = wire.call(version, &all);
        let elected: usize =
            response.replica_election_results.iter().map(|one| one.partition_result.len()).sum();
        assert_eq!((response.error_code, elected), (0, 0), "{response:?}");
    }
    let unheard_of = ElectLeadersRequest::default()
        .with_timeout_ms(10_000)
        .with_election_type(7)
        .with_topic_partitions(Some(vec![of(&topic, &[0])]));
    let response = wire.call(2, &unheard_of);
    let partition = &response.replica_election_results[0].partition_result[0];
    assert_eq!((response.error_code, partition.error_code), (INVALID_REQUEST, INVALID_REQUEST));
}

#[test]
fn nothing_is_ever_being_moved_whatever_is_asked_for() {
    let (topic, mut wire) = (topic(), wire());
    let absent = unique("absent");
    let of = |topic: &str, partitions: &[i32]| {
        ListPartitionReassignmentsTopics::default()
            .with_name(name(topic))
            .with_partition_indexes(partitions.to_vec())
    };
    for topics in [
        None,
        Some(vec![]),
        Some(vec![of(&topic, &[0])]),
        Some(vec![of(&topic, &[0, 0, 7]), of(&topic, &[-1])]),
        Some(vec![of(&absent, &[0])]),
        Some(vec![of("no/slash", &[0]), of(&topic, &[])]),
    ] {
        let request = ListPartitionReassignmentsRequest::default()
            .with_timeout_ms(10_000)
            .with_topics(topics.clone());
        let moving = wire.call(0, &request);
        assert_eq!((moving.error_code, moving.topics.len()), (0, 0), "{topics:?}: {moving:?}");
    }
}

fn page(
    topics: &[&str],
    limit: i32,
    cursor: Option<(&str, i32)>,
) -> DescribeTopicPartitionsRequest {
    let topic = |topic: &&str| TopicRequest::default().with_name(name(topic));
    let cursor = cursor.map(|(topic, partition)| {
        Cursor::default().with_topic_name(name(topic)).with_partition_index(partition)
    });
    DescribeTopicPartitionsRequest::default()
        .with_topics(topics.iter().map(topic).collect())
        .with_response_partition_limit(limit)
        .with_cursor(cursor)
}

#[test]
fn topics_are_described_a_page_at_a_time() {
    let (prefix, mut wire) = (unique("pages"), wire());
    let [a, b, c] = ["a", "b", "c"].map(|end| format!("{prefix}-{end}"));
    create_topic(shared().bootstrap(), &a, 3);
    create_topic(shared().bootstrap(), &c, 2);
    for topic in [&a, &c] {
        wait_for("the new topics to be served", Duration::from_secs(30), || {
            (fetched(&mut wire, topic, 0) == 0).then_some(())
        });
    }
    let asked = [&*c, &b, &a];
    // (limit, cursor, topics with error and number of partitions, next cursor)
    let unknown = UNKNOWN_TOPIC_OR_PARTITION;
    for (limit, cursor, expected, next) in [
        (100, None, vec![(&a, 0, 3), (&b, unknown, 0), (&c, 0, 2)], None),
        (2, None, vec![(&a, 0, 2)], Some((&a, 2))),
        (2, Some((&*a, 2)), vec![(&a, 0, 1), (&b, unknown, 0), (&c, 0, 1)], Some((&c, 1))),
        (3, None, vec![(&a, 0, 3)], Some((&b, 0))),
        (100, Some((&b, 0)), vec![(&b, unknown, 0), (&c, 0, 2)], None),
        (0, Some((&c, 1)), vec![(&c, 0, 1)], None),
    ] {
        let response = wire.call(0, &page(&asked, limit, cursor));
        let found: Vec<_> = response
            .topics
            .iter()
            .map(|topic| {
                let name = topic.name.as_ref().unwrap().to_string();
                (name, topic.error_code, topic.partitions.len())
            })
            .collect();
        let expected: Vec<_> =
            expected.into_iter().map(|(name, code, count)| (name.clone(), code, count)).collect();
        assert_eq!(found, expected, "limit {limit}, cursor {cursor:?}");
        let found = response.next_cursor.map(|c| (c.topic_name.to_string(), c.partition_index));
        assert_eq!(found, next.map(|(topic, index)| (topic.clone(), index)));
    }
    for cursor in [(&*prefix, 0), (&a, -1)] {
        let response = wire.call(0, &page(&[&a], 10, Some(cursor)));
        assert_eq!(response.topics[0].error_code, INVALID_REQUEST, "{cursor:?}: {response:?}");
    }
    let all = wire.call(0, &page(&[], 2000, None));
    assert!(all.topics.iter().any(|topic| topic.name == Some(name(&c))));
}

#[test]
fn offsets_of_a_live_group_are_not_deleted() {
    let (id, topic, mut wire) = (unique("offset-delete"), topic(), coordinator());
    let delete = |wire: &mut Wire, id: &str, topic: &str, partition: i32| {
        let partition = OffsetDeleteRequestPartition::default().with_partition_index(partition);
        let topic = OffsetDeleteRequestTopic::default()
            .with_name(name(topic))
            .with_partitions(vec![partition]);
        let request =
            OffsetDeleteRequest::default().with_group_id(group(id)).with_topics(vec![topic]);
        let response = wire.call(0, &request);
        let partitions = response.topics.first().map_or(0, |t| t.partitions[0].error_code);
        (response.error_code, partitions)
    };
    let absent = unique("absent");
    assert_eq!(delete(&mut wire, &absent, &topic, 0), (GROUP_ID_NOT_FOUND, 0));
    assert_eq!(delete(&mut wire, "", &topic, 0), (INVALID_GROUP_ID, 0));
    let commit = |wire: &mut Wire| {
        let committed = OffsetCommitRequestPartition::default()
            .with_partition_index(0)
            .with_committed_offset(0);
        let topics = OffsetCommitRequestTopic::default()
            .with_name(name(&topic))
            .with_partitions(vec![committed]);
        let request = OffsetCommitRequest::default()
            .with_group_id(group(&id))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![topics]);
        wire.call(8, &request).topics[0].partitions[0].error_code
    };
    assert_eq!(commit(&mut wire), 0);
    assert_eq!(delete(&mut wire, &id, &absent, 0), (0, UNKNOWN_TOPIC_OR_PARTITION));
    assert_eq!(delete(&mut wire, &id, &topic, 9), (0, UNKNOWN_TOPIC_OR_PARTITION));
    assert_eq!(delete(&mut wire, &id, &topic, 0), (0, 0));
    // A member that reads the topic.
    let mut subscription = vec![0, 1, 0, 0, 0, 1];
    subscription.extend(u16::try_from(topic.len()).unwrap().to_be_bytes());
    subscription.extend(topic.as_bytes());
    subscription.extend([255; 4]);
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(subscription.into());
    let join = |member: &str| join(&id, member, "range").with_protocols(vec![protocol.clone()]);
    let member = wire.call(5, &join("")).member_id;
    let joined = wire.call(5, &join(&member));
    assert_eq!(joined.error_code, 0, "{joined:?}");
    let sync = SyncGroupRequest::default()
        .with_group_id(group(&id))
        .with_member_id(member)
        .with_generation_id(joined.generation_id);
    assert_eq!(wire.call(3, &sync).error_code, 0);
    assert_eq!(delete(&mut wire, &id, &topic, 0), (0, GROUP_SUBSCRIBED_TO_TOPIC));
    let other = self::topic();
    assert_eq!(delete(&mut wire, &id, &other, 0), (0, 0));
}
