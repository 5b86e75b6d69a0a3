//! What the newest versions say, of which no other codec of the tests knows anything yet.

use strom_protocol::api::Response;
use strom_protocol::messages::{
    describe_log_dirs::{DescribableLogDirTopic, DescribeLogDirsRequest},
    list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic},
    offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic},
    offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics},
    produce::{PartitionProduceData, ProduceRequest, TopicProduceData},
};
use strom_protocol::record::{BatchBuilder, Compression};
use strom_protocol::{ErrorCode, Uuid};

use crate::running::{Client, create, start};

const TOPIC: &str = "newest";

/// Two records, the greater timestamp first.
fn produce(client: &mut Client, id: Uuid) {
    let mut batch = BatchBuilder::new(Compression::None);
    for timestamp in [5000, 3000] {
        batch.append(1_700_000_000_000 + timestamp, None, Some(&[7; 1000]), &[]);
    }
    let partition = PartitionProduceData { index: 0, records: Some(batch.build()) };
    let topic =
        TopicProduceData { topic_id: id, partition_data: vec![partition], ..Default::default() };
    let request = ProduceRequest { acks: -1, topic_data: vec![topic], ..Default::default() };
    let Response::Produce(answer) = client.call(13, request) else { unreachable!() };
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0, "{answer:?}");
}

/// ListOffsets v11 has a name for the first offset that is not in a tier yet (KIP-1023): none is.
#[test]
fn every_name_of_an_offset_is_answered() {
    let broker = start();
    let mut client = Client::open(&broker);
    let id = create(&mut client, TOPIC);
    produce(&mut client, id);
    let nothing = (ErrorCode::None, -1, -1, -1);
    let unsupported = (ErrorCode::UnsupportedVersion, -1, -1, -1);
    for (version, timestamp, expected) in [
        (11, -1, (ErrorCode::None, 2, -1, 0)),
        (11, -2, (ErrorCode::None, 0, -1, 0)),
        (11, -3, (ErrorCode::None, 0, 1_700_000_005_000, 0)),
        (11, -4, (ErrorCode::None, 0, -1, 0)),
        (11, -5, nothing),
        (11, -6, nothing),
        (11, -7, unsupported),
        (10, -6, unsupported),
    ] {
        for isolation_level in 0..=1 {
            let partition =
                ListOffsetsPartition { partition_index: 0, current_leader_epoch: -1, timestamp };
            let topic = ListOffsetsTopic { name: TOPIC.into(), partitions: vec![partition] };
            let request = ListOffsetsRequest {
                replica_id: -1,
                isolation_level,
                topics: vec![topic],
                ..Default::default()
            };
            let Response::ListOffsets(answer) = client.call(version, request) else {
                unreachable!()
            };
            let found = &answer.topics[0].partitions[0];
            let code = ErrorCode::from_code(found.error_code).unwrap();
            let told = (code, found.offset, found.timestamp, found.leader_epoch);
            assert_eq!(told, expected, "version {version}, timestamp {timestamp}");
        }
    }
}

/// OffsetCommit and OffsetFetch v10 name topics by id alone.
#[test]
fn offsets_are_committed_and_fetched_by_topic_ids_that_exist() {
    let broker = start();
    let mut client = Client::open(&broker);
    let (known, unknown) = (create(&mut client, TOPIC), Uuid::from_u128(77));
    // (topic id, partition, outcome of the commit, offset and outcome of the fetch); an offset of a
    // partition that does not exist was never committed.
    let cases = [
        (unknown, 0, ErrorCode::UnknownTopicId, (-1, ErrorCode::UnknownTopicId)),
        (Uuid::nil(), 0, ErrorCode::UnknownTopicId, (-1, ErrorCode::UnknownTopicId)),
        (known, 3, ErrorCode::UnknownTopicOrPartition, (-1, ErrorCode::None)),
        (known, 0, ErrorCode::None, (42, ErrorCode::None)),
    ];
    let commit_topic = |(topic_id, partition_index, ..): &(Uuid, i32, _, _)| {
        let partition = OffsetCommitRequestPartition {
            partition_index: *partition_index,
            committed_offset: 42,
            ..Default::default()
        };
        OffsetCommitRequestTopic {
            topic_id: *topic_id,
            partitions: vec![partition],
            ..Default::default()
        }
    };
    let request = OffsetCommitRequest {
        group_id: "newest".into(),
        generation_id_or_member_epoch: -1,
        topics: cases.iter().map(commit_topic).collect(),
        ..Default::default()
    };
    let Response::OffsetCommit(answer) = client.call(10, request) else { unreachable!() };
    let committed = answer.topics.iter().map(|topic| {
        let found = &topic.partitions[0];
        (topic.topic_id, found.partition_index, ErrorCode::from_code(found.error_code).unwrap())
    });
    let committed: Vec<_> = committed.collect();
    assert_eq!(committed, cases.map(|(id, partition, code, _)| (id, partition, code)));

    for case in cases {
        let (topic_id, partition, _, (offset, code)) = case;
        let topic = OffsetFetchRequestTopics {
            topic_id,
            partition_indexes: vec![partition],
            ..Default::default()
        };
        let group = OffsetFetchRequestGroup {
            group_id: "newest".into(),
            topics: Some(vec![topic]),
            ..Default::default()
        };
        let request = OffsetFetchRequest { groups: vec![group], ..Default::default() };
        let Response::OffsetFetch(answer) = client.call(10, request) else { unreachable!() };
        let group = &answer.groups[0];
        assert_eq!((group.error_code, group.topics.len()), (0, 1), "{answer:?}");
        assert_eq!(group.topics[0].topic_id, topic_id);
        let found = &group.topics[0].partitions[0];
        let told = (found.partition_index, found.committed_offset, found.error_code);
        assert_eq!(told, (partition, offset, code.code()), "{case:?}");
    }
}

/// DescribeLogDirs v5 says whether a directory takes further partitions (KIP-1066): the one there is
/// always does.
#[test]
fn the_log_directory_is_described_with_its_space() {
    let broker = start();
    let mut client = Client::open(&broker);
    let id = create(&mut client, TOPIC);
    produce(&mut client, id);
    let of = |name: &str, partitions: &[i32]| DescribableLogDirTopic {
        topic: name.to_owned().into(),
        partitions: partitions.to_vec(),
    };
    for topics in [
        None,
        Some(vec![of(TOPIC, &[0])]),
        Some(vec![of("absent", &[0]), of(TOPIC, &[0, 0, 9]), of(TOPIC, &[0])]),
    ] {
        let Response::DescribeLogDirs(answer) = client.call(5, DescribeLogDirsRequest { topics })
        else {
            unreachable!()
        };
        assert_eq!((answer.error_code, answer.results.len()), (0, 1), "{answer:?}");
        let directory = &answer.results[0];
        assert!(!directory.is_cordoned, "{answer:?}");
        assert!(0 < directory.usable_bytes, "{answer:?}");
        assert!(directory.usable_bytes < directory.total_bytes, "{answer:?}");
        let found: Vec<_> = directory.topics.iter().filter(|topic| topic.name == TOPIC).collect();
        assert_eq!((found.len(), directory.topics.len()), (1, 1), "{answer:?}");
        let partition = &found[0].partitions;
        assert_eq!((partition[0].partition_index, partition.len()), (0, 1));
        assert!(partition[0].partition_size > 2000, "{answer:?}");
    }
}
