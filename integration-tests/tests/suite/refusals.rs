//! Requests that are well formed and cannot be granted: Kafka's own error for each. These run
//! against Apache Kafka too, so the expectations are Kafka's and not ours.

pub mod admin;
mod fetch_sessions;
mod leader_epochs;
mod producing;

use std::time::Duration;

use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    CreateTopicsRequest, DeleteGroupsRequest, DeleteTopicsRequest, DescribeGroupsRequest,
    FetchRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest, JoinGroupRequest,
    LeaveGroupRequest, ListOffsetsRequest, MetadataRequest, OffsetCommitRequest, ProduceRequest,
    SyncGroupRequest, TopicName,
};
use strom_integration_tests::broker::{shared, unique};
use strom_integration_tests::wait::wait_for;

use crate::records::create_topic;
use crate::wire::{Wire, api_versions, batch, field, forge, text};

const OFFSET_OUT_OF_RANGE: i16 = 1;
const CORRUPT_MESSAGE: i16 = 2;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const MESSAGE_TOO_LARGE: i16 = 10;
const INVALID_TOPIC_EXCEPTION: i16 = 17;
const INVALID_REQUIRED_ACKS: i16 = 21;
const ILLEGAL_GENERATION: i16 = 22;
const INCONSISTENT_GROUP_PROTOCOL: i16 = 23;
const INVALID_GROUP_ID: i16 = 24;
const UNKNOWN_MEMBER_ID: i16 = 25;
const INVALID_SESSION_TIMEOUT: i16 = 26;
const UNSUPPORTED_VERSION: i16 = 35;
const TOPIC_ALREADY_EXISTS: i16 = 36;
const INVALID_PARTITIONS: i16 = 37;
const INVALID_REPLICATION_FACTOR: i16 = 38;
const INVALID_CONFIG: i16 = 40;
const GROUP_ID_NOT_FOUND: i16 = 69;
const MEMBER_ID_REQUIRED: i16 = 79;
const INVALID_RECORD: i16 = 87;
const UNKNOWN_TOPIC_ID: i16 = 100;

pub fn wire() -> Wire {
    Wire::open(shared().bootstrap())
}

/// A connection to the groups' coordinator: Kafka makes its topic when it is first asked for.
fn coordinator() -> Wire {
    let mut wire = wire();
    let find = FindCoordinatorRequest::default().with_key(text("any"));
    let heartbeat =
        HeartbeatRequest::default().with_group_id(group("any")).with_member_id(text("any"));
    wait_for("the coordinator of groups", Duration::from_secs(60), || {
        let found = wire.call(3, &find).error_code == 0;
        let answers = wire.call(3, &heartbeat).error_code == UNKNOWN_MEMBER_ID;
        (found && answers).then_some(())
    });
    wire
}

pub fn name(topic: &str) -> TopicName {
    TopicName(text(topic))
}

fn group(id: &str) -> GroupId {
    GroupId(text(id))
}

/// A new topic of one partition that is ready: Kafka's leader may need a moment.
pub fn topic() -> String {
    let topic = unique("refusals");
    create_topic(shared().bootstrap(), &topic, 1);
    let mut wire = wire();
    wait_for("the new topic to be served", Duration::from_secs(30), || {
        (fetched(&mut wire, &topic, 0) == 0).then_some(())
    });
    topic
}

/// A Produce request of one partition.
pub fn produce(topic: &str, partition: i32, acks: i16, records: &[u8]) -> ProduceRequest {
    let data = PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(bytes::Bytes::copy_from_slice(records)));
    let topic = TopicProduceData::default().with_name(name(topic)).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(10_000).with_topic_data(vec![topic])
}

pub fn produced(wire: &mut Wire, topic: &str, partition: i32, records: &[u8]) -> i16 {
    let response = wire.call(9, &produce(topic, partition, -1, records));
    response.responses[0].partition_responses[0].error_code
}

/// A Fetch of one partition of a topic from an offset.
pub fn fetch(topic: FetchTopic, partition: i32, offset: i64) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20);
    FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_bytes(1 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic.with_partitions(vec![partition])])
}

/// The error code of a read of partition 0 from an offset.
pub fn fetched(wire: &mut Wire, topic: &str, offset: i64) -> i16 {
    let topic = FetchTopic::default().with_topic(name(topic));
    wire.call(11, &fetch(topic, 0, offset)).responses[0].partitions[0].error_code
}

#[test]
fn faulty_batches_are_refused_and_take_no_offset() {
    let (topic, mut wire) = (topic(), wire());
    let good = batch(&[b"one", b"two", b"three"]);
    let forged = |position: usize, bytes: &[u8]| {
        let mut batch = good.clone();
        forge(&mut batch, position, bytes);
        batch.to_vec()
    };
    let mut wrong_crc = good.to_vec();
    wrong_crc[field::RECORDS] ^= 1;
    let mut twice = good.to_vec();
    twice.extend_from_slice(&good);
    let cases = [
        ("a wrong CRC", wrong_crc, CORRUPT_MESSAGE),
        ("magic 1", forged(field::MAGIC, &[1]), INVALID_RECORD),
        ("a count above the records", forged(field::COUNT, &9_i32.to_be_bytes()), INVALID_RECORD),
        ("a count below the records", forged(field::COUNT, &2_i32.to_be_bytes()), INVALID_RECORD),
        ("a hostile count", forged(field::COUNT, &i32::MAX.to_be_bytes()), INVALID_RECORD),
        ("a negative count", forged(field::COUNT, &(-1_i32).to_be_bytes()), INVALID_RECORD),
        (
            "a wrong last offset",
            forged(field::LAST_OFFSET_DELTA, &7_i32.to_be_bytes()),
            INVALID_RECORD,
        ),
        ("a control batch", forged(field::ATTRIBUTES, &0x20_i16.to_be_bytes()), INVALID_RECORD),
        ("two batches", twice, INVALID_RECORD),
        ("no batch", Vec::new(), INVALID_RECORD),
    ];
    for (what, records, expected) in cases {
        assert_eq!(produced(&mut wire, &topic, 0, &records), expected, "{what}");
    }
    let response = wire.call(9, &produce(&topic, 0, -1, &good));
    let partition = &response.responses[0].partition_responses[0];
    assert_eq!((partition.error_code, partition.base_offset), (0, 0));
}

/// Kafka's answer depends on the path that its checks take (up to UNKNOWN_SERVER_ERROR): any refusal
/// will do, and nothing is stored.
#[test]
fn truncated_and_padded_batches_are_refused() {
    let (topic, mut wire) = (topic(), wire());
    let good = batch(&[b"one", b"two", b"three"]);
    let mut long = good.clone();
    long[field::LENGTH..field::LENGTH + 4].copy_from_slice(&i32::MAX.to_be_bytes());
    let mut negative = good.clone();
    negative[field::LENGTH..field::LENGTH + 4].copy_from_slice(&(-5_i32).to_be_bytes());
    for (what, records) in [
        ("a batch cut in its header", good[..40].to_vec()),
        ("a batch cut in its records", good[..good.len() - 3].to_vec()),
        ("a length beyond the batch", long.to_vec()),
        ("a negative length", negative.to_vec()),
        ("noise", vec![0x5A; 200]),
    ] {
        let code = produced(&mut wire, &topic, 0, &records);
        println!("{what}: {code}");
        assert_ne!(code, 0, "{what}");
    }
    assert_eq!(produced(&mut wire, &topic, 0, &good), 0);
}

#[test]
fn produce_names_what_it_cannot_find_or_take() {
    let (topic, mut wire) = (topic(), wire());
    let good = batch(&[b"value"]);
    assert_eq!(produced(&mut wire, &unique("absent"), 0, &good), UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(produced(&mut wire, &topic, 5, &good), UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(produced(&mut wire, &topic, -1, &good), UNKNOWN_TOPIC_OR_PARTITION);
    let large = batch(&[&vec![7; 1_100_000]]);
    assert_eq!(produced(&mut wire, &topic, 0, &large), MESSAGE_TOO_LARGE);
    let response = wire.call(9, &produce(&topic, 0, 5, &good));
    let code = response.responses[0].partition_responses[0].error_code;
    assert_eq!(code, INVALID_REQUIRED_ACKS);
}

#[test]
fn fetch_and_list_offsets_name_what_they_cannot_find() {
    let (topic, mut wire) = (topic(), wire());
    let named = |topic: &str| FetchTopic::default().with_topic(name(topic));
    let absent = unique("absent");
    for (request, expected) in [
        (fetch(named(&absent), 0, 0), UNKNOWN_TOPIC_OR_PARTITION),
        (fetch(named(&topic), 9, 0), UNKNOWN_TOPIC_OR_PARTITION),
        (fetch(named(&topic), 0, 100), OFFSET_OUT_OF_RANGE),
        (fetch(named(&topic), 0, -7), OFFSET_OUT_OF_RANGE),
        (fetch(named(&topic), 0, 0), 0),
    ] {
        let response = wire.call(11, &request);
        assert_eq!(response.responses[0].partitions[0].error_code, expected, "{request:?}");
    }
    let by_id = FetchTopic::default().with_topic_id(uuid::Uuid::new_v4());
    let response = wire.call(13, &fetch(by_id, 0, 0));
    assert_eq!(response.responses[0].partitions[0].error_code, UNKNOWN_TOPIC_ID);

    let partition = ListOffsetsPartition::default().with_partition_index(3).with_timestamp(-1);
    let listed =
        ListOffsetsTopic::default().with_name(name(&topic)).with_partitions(vec![partition]);
    let request =
        ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![listed]);
    let response = wire.call(6, &request);
    assert_eq!(response.topics[0].partitions[0].error_code, UNKNOWN_TOPIC_OR_PARTITION);
}

#[test]
fn topics_with_impossible_names_or_settings_are_not_created() {
    let existing = topic();
    let mut wire = wire();
    let new = |topic: &str| {
        CreatableTopic::default()
            .with_name(name(topic))
            .with_num_partitions(1)
            .with_replication_factor(1)
    };
    let with_config = |key: &str, value: &str| {
        let config =
            CreatableTopicConfig::default().with_name(text(key)).with_value(Some(text(value)));
        new(&unique("configured")).with_configs(vec![config])
    };
    let dotted = unique("collides.by");
    let cases = [
        (new("no/slash"), INVALID_TOPIC_EXCEPTION),
        (new("."), INVALID_TOPIC_EXCEPTION),
        (new(".."), INVALID_TOPIC_EXCEPTION),
        (new(""), INVALID_TOPIC_EXCEPTION),
        (new("sn\u{f6}"), INVALID_TOPIC_EXCEPTION),
        (new(&"x".repeat(250)), INVALID_TOPIC_EXCEPTION),
        (new(&existing), TOPIC_ALREADY_EXISTS),
        (new(&unique("none")).with_num_partitions(0), INVALID_PARTITIONS),
        (new(&unique("none")).with_num_partitions(-2), INVALID_PARTITIONS),
        (new(&unique("none")).with_replication_factor(0), INVALID_REPLICATION_FACTOR),
        (new(&unique("none")).with_replication_factor(99), INVALID_REPLICATION_FACTOR),
        (with_config("no.such.option", "1"), INVALID_CONFIG),
        (with_config("retention.ms", "a while"), INVALID_CONFIG),
        (with_config("cleanup.policy", "burn"), INVALID_CONFIG),
        (new(&dotted), 0),
        (new(&dotted.replace('.', "_")), INVALID_TOPIC_EXCEPTION),
    ];
    for (topic, expected) in cases {
        let request =
            CreateTopicsRequest::default().with_timeout_ms(10_000).with_topics(vec![topic.clone()]);
        let response = wire.call(5, &request);
        let result = &response.topics[0];
        assert_eq!(result.error_code, expected, "{topic:?}: {result:?}");
        if expected != 0 {
            let message = result.error_message.as_deref().unwrap_or_default();
            assert!(!message.is_empty(), "no message for {topic:?}");
        }
    }
    let delete = DeleteTopicsRequest::default()
        .with_timeout_ms(10_000)
        .with_topic_names(vec![name(&unique("absent"))]);
    assert_eq!(wire.call(4, &delete).responses[0].error_code, UNKNOWN_TOPIC_OR_PARTITION);
    // By id, of which none is known; the existing topic is what it was.
    let by_id = DeleteTopicState::default().with_name(None).with_topic_id(uuid::Uuid::new_v4());
    let delete = DeleteTopicsRequest::default().with_timeout_ms(10_000).with_topics(vec![by_id]);
    assert_eq!(wire.call(6, &delete).responses[0].error_code, UNKNOWN_TOPIC_ID);
    assert_eq!(fetched(&mut wire, &existing, 0), 0);
}

#[test]
fn metadata_of_impossible_topics_creates_nothing() {
    let mut wire = wire();
    let mut ask = |topic: &str, create: bool| {
        let topic = MetadataRequestTopic::default().with_name(Some(name(topic)));
        let request = MetadataRequest::default()
            .with_topics(Some(vec![topic]))
            .with_allow_auto_topic_creation(create);
        wire.call(9, &request).topics[0].error_code
    };
    assert_eq!(ask("no/slash", true), INVALID_TOPIC_EXCEPTION);
    let absent = unique("absent");
    for _ in 0..2 {
        assert_eq!(ask(&absent, false), UNKNOWN_TOPIC_OR_PARTITION);
    }
}

fn join(id: &str, member: &str, protocol: &str) -> JoinGroupRequest {
    let range = JoinGroupRequestProtocol::default()
        .with_name(text(protocol))
        .with_metadata(bytes::Bytes::from_static(&[0, 1, 0, 0, 0, 0, 255, 255, 255, 255]));
    JoinGroupRequest::default()
        .with_group_id(group(id))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_member_id(text(member))
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![range])
}

#[test]
fn strangers_to_a_group_are_told_so() {
    let mut wire = coordinator();
    let absent = unique("no-group");
    let heartbeat = |id: &str, member: &str, generation: i32| {
        HeartbeatRequest::default()
            .with_group_id(group(id))
            .with_member_id(text(member))
            .with_generation_id(generation)
    };
    assert_eq!(wire.call(3, &heartbeat(&absent, "somebody", 1)).error_code, UNKNOWN_MEMBER_ID);
    assert_eq!(wire.call(5, &join(&absent, "somebody", "range")).error_code, UNKNOWN_MEMBER_ID);
    assert_eq!(wire.call(5, &join("", "", "range")).error_code, INVALID_GROUP_ID);
    let hasty = join(&absent, "", "range").with_session_timeout_ms(1);
    assert_eq!(wire.call(5, &hasty).error_code, INVALID_SESSION_TIMEOUT);
    let nothing_in_common = join(&absent, "", "range").with_protocols(Vec::new());
    assert_eq!(wire.call(5, &nothing_in_common).error_code, INCONSISTENT_GROUP_PROTOCOL);
    let sync = SyncGroupRequest::default()
        .with_group_id(group(&absent))
        .with_member_id(text("somebody"))
        .with_generation_id(1);
    assert_eq!(wire.call(3, &sync).error_code, UNKNOWN_MEMBER_ID);
    let member = MemberIdentity::default().with_member_id(text("somebody"));
    let leave =
        LeaveGroupRequest::default().with_group_id(group(&absent)).with_members(vec![member]);
    let left = wire.call(4, &leave);
    let code = left.members.first().map_or(left.error_code, |member| member.error_code);
    assert_eq!(code, UNKNOWN_MEMBER_ID);
    // Kafka keeps an empty group where a first join was refused: ask for one never heard of.
    let absent = unique("no-group");
    let delete = DeleteGroupsRequest::default().with_groups_names(vec![group(&absent)]);
    assert_eq!(wire.call(2, &delete).results[0].error_code, GROUP_ID_NOT_FOUND);
    let describe = DescribeGroupsRequest::default().with_groups(vec![group(&absent)]);
    let described = wire.call(5, &describe);
    assert_eq!((described.groups[0].error_code, &*described.groups[0].group_state), (0, "Dead"));
    assert_eq!(wire.call(6, &describe).groups[0].error_code, GROUP_ID_NOT_FOUND);
}

#[test]
fn members_of_another_generation_are_told_so() {
    let (id, mut wire) = (unique("generations"), coordinator());
    let first = wire.call(5, &join(&id, "", "range"));
    assert_eq!(first.error_code, MEMBER_ID_REQUIRED);
    let member = first.member_id;
    let joined = wire.call(5, &join(&id, &member, "range"));
    assert_eq!(joined.error_code, 0);
    let sync = SyncGroupRequest::default()
        .with_group_id(group(&id))
        .with_member_id(member.clone())
        .with_generation_id(joined.generation_id + 1);
    assert_eq!(wire.call(3, &sync).error_code, ILLEGAL_GENERATION);
    let sync = sync.with_generation_id(joined.generation_id);
    assert_eq!(wire.call(3, &sync).error_code, 0);
    let heartbeat = HeartbeatRequest::default()
        .with_group_id(group(&id))
        .with_member_id(member.clone())
        .with_generation_id(joined.generation_id + 1);
    assert_eq!(wire.call(3, &heartbeat).error_code, ILLEGAL_GENERATION);
    let heartbeat = heartbeat.with_generation_id(joined.generation_id);
    assert_eq!(wire.call(3, &heartbeat).error_code, 0);
    let stranger = join(&id, "", "unheard-of");
    assert_eq!(wire.call(5, &stranger).error_code, INCONSISTENT_GROUP_PROTOCOL);

    let topic = topic();
    let mut commit = |generation: i32, member: &str, partition: i32| {
        let committed = OffsetCommitRequestPartition::default()
            .with_partition_index(partition)
            .with_committed_offset(0);
        let topics = OffsetCommitRequestTopic::default()
            .with_name(name(&topic))
            .with_partitions(vec![committed]);
        let request = OffsetCommitRequest::default()
            .with_group_id(group(&id))
            .with_generation_id_or_member_epoch(generation)
            .with_member_id(text(member))
            .with_topics(vec![topics]);
        wire.call(8, &request).topics[0].partitions[0].error_code
    };
    assert_eq!(commit(joined.generation_id, &member, 0), 0);
    assert_eq!(commit(joined.generation_id + 1, &member, 0), ILLEGAL_GENERATION);
    assert_eq!(commit(joined.generation_id, "somebody", 0), UNKNOWN_MEMBER_ID);
    assert_eq!(commit(-1, "", 0), UNKNOWN_MEMBER_ID);
    assert_eq!(commit(joined.generation_id, &member, 9), UNKNOWN_TOPIC_OR_PARTITION);
}

/// The one request whose unknown versions are answered: with version 0's body, and the
/// connection stays open, so that a newer client steps down.
#[test]
fn an_unknown_version_of_api_versions_is_answered_in_version_0() {
    let mut wire = wire();
    let mut frame = crate::wire::header(18, 3, 77).to_vec();
    frame[2..4].copy_from_slice(&99_i16.to_be_bytes());
    frame.extend_from_slice(&[1, 1, 0]);
    wire.write_frame(&frame);
    let mut answer = wire.answer().expect("an answer");
    use bytes::Buf as _;
    use kafka_protocol::protocol::Decodable as _;
    assert_eq!(answer.get_i32(), 77, "the correlation id, in a header of version 0");
    let response = kafka_protocol::messages::ApiVersionsResponse::decode(&mut answer, 0).unwrap();
    assert_eq!(response.error_code, UNSUPPORTED_VERSION);
    assert!(response.api_keys.iter().any(|api| api.api_key == 18), "{response:?}");
    assert!(!answer.has_remaining());
    assert_eq!(wire.call(3, &api_versions()).error_code, 0);
}

/// Some librdkafka versions append bytes to a Metadata request for all topics. Kafka reads the
/// request and leaves the rest of the frame alone.
#[test]
fn bytes_after_a_request_are_ignored() {
    let mut wire = wire();
    let metadata = crate::wire::request_frame(3, 9, 5, &MetadataRequest::default());
    wire.write_frame(&[metadata.as_ref(), &[0; 3]].concat());
    let answer = wire.answer().expect("an answer");
    assert_eq!(answer[..4], 5_i32.to_be_bytes());
    assert_eq!(wire.call(3, &api_versions()).error_code, 0);
}
