//! Every served API in every served version, over a socket, against a running broker: the answer
//! must decode in that version and carry no error. What the fields mean is other tests' business.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

mod newest;
mod running;

use strom_protocol::api::{ApiKey, Request, Response, SERVED};
use strom_protocol::messages::{
    alter_configs::{AlterConfigsRequest, AlterConfigsResource, AlterableConfig},
    api_versions::ApiVersionsRequest,
    create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic},
    create_topics::{CreatableTopic, CreateTopicsRequest},
    delete_groups::DeleteGroupsRequest,
    delete_records::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic},
    delete_topics::{DeleteTopicState, DeleteTopicsRequest},
    describe_cluster::DescribeClusterRequest,
    describe_configs::{DescribeConfigsRequest, DescribeConfigsResource},
    describe_groups::DescribeGroupsRequest,
    describe_log_dirs::DescribeLogDirsRequest,
    describe_topic_partitions::{DescribeTopicPartitionsRequest, TopicRequest},
    elect_leaders::{ElectLeadersRequest, TopicPartitions},
    fetch::{FetchPartition, FetchRequest, FetchTopic},
    find_coordinator::FindCoordinatorRequest,
    heartbeat::HeartbeatRequest,
    incremental_alter_configs::{self, IncrementalAlterConfigsRequest},
    init_producer_id::InitProducerIdRequest,
    join_group::{JoinGroupRequest, JoinGroupRequestProtocol},
    leave_group::{LeaveGroupRequest, MemberIdentity},
    list_groups::ListGroupsRequest,
    list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic},
    list_partition_reassignments::ListPartitionReassignmentsRequest,
    metadata::{MetadataRequest, MetadataRequestTopic},
    offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic},
    offset_delete::{OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
    offset_fetch::{
        OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic,
        OffsetFetchRequestTopics,
    },
    offset_for_leader_epoch::{
        OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
    },
    produce::{PartitionProduceData, ProduceRequest, TopicProduceData},
    sync_group::SyncGroupRequest,
};
use strom_protocol::record::{BatchBuilder, Compression};
use strom_protocol::{Bytes, ErrorCode, Uuid};

use self::running::{Client, create, start};

const TOPIC: &str = "every-version";

/// What the requests need to know of the broker's state.
struct State {
    topic_id: Uuid,
    scratch_topic_id: Uuid,
    member_id: strom_protocol::ByteString,
    generation: i32,
    group: String,
}

#[test]
fn every_api_answers_in_every_version() {
    let broker = start();
    let mut client = Client::open(&broker);
    let topic_id = create(&mut client, TOPIC);
    for spec in SERVED {
        for version in spec.min..=spec.max {
            let state = prepare(&mut client, spec.key, version, topic_id);
            let response = client.call(version, request(spec.key, version, &state));
            let code = error_of(&response);
            let expected = expected_error(spec.key, version);
            assert_eq!(
                ErrorCode::from_code(code),
                Some(expected),
                "{} version {version}: {response:?}",
                spec.name
            );
        }
    }
}

/// JoinGroup asks dynamic members to come back with their id from version 4 on (KIP-394); a single
/// broker leads already whatever could be elected.
fn expected_error(key: ApiKey, version: i16) -> ErrorCode {
    match key {
        ApiKey::JoinGroup if version >= 4 => ErrorCode::MemberIdRequired,
        ApiKey::ElectLeaders => ErrorCode::ElectionNotNeeded,
        _ => ErrorCode::None,
    }
}

fn prepare(client: &mut Client, key: ApiKey, version: i16, topic_id: Uuid) -> State {
    let group = format!("{key}-{version}");
    let mut state = State {
        topic_id,
        scratch_topic_id: Uuid::nil(),
        member_id: "".into(),
        generation: -1,
        group: group.clone(),
    };
    match key {
        ApiKey::DeleteTopics | ApiKey::CreatePartitions => {
            state.scratch_topic_id = create(client, &format!("scratch-{}-{version}", key.code()));
        }
        ApiKey::Heartbeat | ApiKey::SyncGroup | ApiKey::LeaveGroup => {
            let Response::JoinGroup(joined) = client.call(3, join(&group)) else { unreachable!() };
            assert_eq!(joined.error_code, 0, "{joined:?}");
            state.member_id = joined.member_id;
            state.generation = joined.generation_id;
            if key == ApiKey::Heartbeat {
                client.call(3, request(ApiKey::SyncGroup, 3, &state));
            }
        }
        ApiKey::DeleteGroups | ApiKey::DescribeGroups | ApiKey::OffsetDelete => {
            client.call(9, request(ApiKey::OffsetCommit, 9, &state));
        }
        _ => {}
    }
    state
}

fn join(group: &str) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: group.to_owned().into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".into(),
            metadata: Bytes::from_static(b"m"),
        }],
        ..Default::default()
    }
}

#[allow(clippy::too_many_lines, reason = "one arm per API")]
fn request(key: ApiKey, version: i16, state: &State) -> Request {
    let group = || state.group.clone().into();
    match key {
        ApiKey::Produce => produce(version, state).into(),
        ApiKey::Fetch => fetch(version, state).into(),
        ApiKey::ListOffsets => {
            let partition = ListOffsetsPartition {
                partition_index: 0,
                current_leader_epoch: -1,
                timestamp: -1,
            };
            let topic = ListOffsetsTopic { name: TOPIC.into(), partitions: vec![partition] };
            ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() }.into()
        }
        ApiKey::Metadata => {
            let topic = MetadataRequestTopic { name: Some(TOPIC.into()), ..Default::default() };
            MetadataRequest { topics: Some(vec![topic]), ..Default::default() }.into()
        }
        ApiKey::OffsetCommit => offset_commit(version, state).into(),
        ApiKey::OffsetFetch => offset_fetch(version, state).into(),
        ApiKey::FindCoordinator if version >= 4 => {
            FindCoordinatorRequest { coordinator_keys: vec![group()], ..Default::default() }.into()
        }
        ApiKey::FindCoordinator => {
            FindCoordinatorRequest { key: group(), ..Default::default() }.into()
        }
        ApiKey::JoinGroup => join(&state.group).into(),
        ApiKey::Heartbeat => HeartbeatRequest {
            group_id: group(),
            generation_id: state.generation,
            member_id: state.member_id.clone(),
            ..Default::default()
        }
        .into(),
        ApiKey::LeaveGroup if version >= 3 => {
            let member =
                MemberIdentity { member_id: state.member_id.clone(), ..Default::default() };
            LeaveGroupRequest { group_id: group(), members: vec![member], ..Default::default() }
                .into()
        }
        ApiKey::LeaveGroup => LeaveGroupRequest {
            group_id: group(),
            member_id: state.member_id.clone(),
            ..Default::default()
        }
        .into(),
        ApiKey::SyncGroup => SyncGroupRequest {
            group_id: group(),
            generation_id: state.generation,
            member_id: state.member_id.clone(),
            protocol_type: (version >= 5).then(|| "consumer".into()),
            protocol_name: (version >= 5).then(|| "range".into()),
            ..Default::default()
        }
        .into(),
        ApiKey::DescribeGroups => {
            DescribeGroupsRequest { groups: vec![group()], ..Default::default() }.into()
        }
        ApiKey::ListGroups => ListGroupsRequest::default().into(),
        ApiKey::ApiVersions => ApiVersionsRequest {
            client_software_name: "every-version".into(),
            client_software_version: "1".into(),
        }
        .into(),
        ApiKey::CreateTopics => {
            let topic = CreatableTopic {
                name: format!("created-{version}").into(),
                num_partitions: 1,
                replication_factor: 1,
                ..Default::default()
            };
            CreateTopicsRequest { topics: vec![topic], ..Default::default() }.into()
        }
        ApiKey::DeleteTopics if version >= 6 => {
            let topic = DeleteTopicState { name: None, topic_id: state.scratch_topic_id };
            DeleteTopicsRequest { topics: vec![topic], ..Default::default() }.into()
        }
        ApiKey::DeleteTopics => DeleteTopicsRequest {
            topic_names: vec![format!("scratch-20-{version}").into()],
            ..Default::default()
        }
        .into(),
        ApiKey::InitProducerId => {
            InitProducerIdRequest { transactional_id: None, ..Default::default() }.into()
        }
        ApiKey::DescribeConfigs => {
            let resource = DescribeConfigsResource {
                resource_type: 2,
                resource_name: TOPIC.into(),
                configuration_keys: None,
            };
            DescribeConfigsRequest {
                resources: vec![resource],
                include_synonyms: true,
                include_documentation: version >= 3,
            }
            .into()
        }
        ApiKey::DeleteGroups => DeleteGroupsRequest { groups_names: vec![group()] }.into(),
        ApiKey::DescribeCluster => DescribeClusterRequest::default().into(),
        ApiKey::CreatePartitions => {
            let name = format!("scratch-37-{version}").into();
            let topic = CreatePartitionsTopic { name, count: 3, assignments: None };
            CreatePartitionsRequest { topics: vec![topic], ..Default::default() }.into()
        }
        ApiKey::DeleteRecords => {
            let partition = DeleteRecordsPartition { partition_index: 0, offset: 0 };
            let topic = DeleteRecordsTopic { name: TOPIC.into(), partitions: vec![partition] };
            DeleteRecordsRequest { topics: vec![topic], timeout_ms: 30_000 }.into()
        }
        ApiKey::AlterConfigs => {
            let config = AlterableConfig { name: "segment.ms".into(), value: Some("5".into()) };
            let resource = AlterConfigsResource {
                resource_type: 2,
                resource_name: TOPIC.into(),
                configs: vec![config],
            };
            AlterConfigsRequest { resources: vec![resource], validate_only: false }.into()
        }
        ApiKey::IncrementalAlterConfigs => {
            let config = incremental_alter_configs::AlterableConfig {
                name: "segment.ms".into(),
                config_operation: 1,
                value: None,
            };
            let resource = incremental_alter_configs::AlterConfigsResource {
                resource_type: 2,
                resource_name: TOPIC.into(),
                configs: vec![config],
            };
            IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false }
                .into()
        }
        ApiKey::OffsetForLeaderEpoch => {
            let partition = OffsetForLeaderPartition {
                partition: 0,
                current_leader_epoch: -1,
                leader_epoch: 0,
            };
            let topic = OffsetForLeaderTopic { topic: TOPIC.into(), partitions: vec![partition] };
            let replica_id = if version >= 3 { -1 } else { -2 };
            OffsetForLeaderEpochRequest { replica_id, topics: vec![topic] }.into()
        }
        ApiKey::ElectLeaders => {
            let topic = TopicPartitions { topic: TOPIC.into(), partitions: vec![0] };
            ElectLeadersRequest { topic_partitions: Some(vec![topic]), ..Default::default() }.into()
        }
        ApiKey::ListPartitionReassignments => {
            ListPartitionReassignmentsRequest { topics: None, ..Default::default() }.into()
        }
        ApiKey::OffsetDelete => {
            let partition = OffsetDeleteRequestPartition { partition_index: 0 };
            let topic =
                OffsetDeleteRequestTopic { name: TOPIC.into(), partitions: vec![partition] };
            OffsetDeleteRequest { group_id: group(), topics: vec![topic] }.into()
        }
        ApiKey::DescribeTopicPartitions => {
            let topic = TopicRequest { name: TOPIC.into() };
            DescribeTopicPartitionsRequest { topics: vec![topic], ..Default::default() }.into()
        }
        ApiKey::DescribeLogDirs => DescribeLogDirsRequest { topics: None }.into(),
    }
}

fn produce(version: i16, state: &State) -> ProduceRequest {
    let mut batch = BatchBuilder::new(Compression::None);
    batch.append(1_700_000_000_000, Some(b"k"), Some(b"v"), &[]);
    let partition = PartitionProduceData { index: 0, records: Some(batch.build()) };
    let topic = TopicProduceData {
        name: if version >= 13 { "".into() } else { TOPIC.into() },
        topic_id: if version >= 13 { state.topic_id } else { Uuid::nil() },
        partition_data: vec![partition],
    };
    ProduceRequest { acks: -1, timeout_ms: 1000, topic_data: vec![topic], ..Default::default() }
}

fn fetch(version: i16, state: &State) -> FetchRequest {
    let partition = FetchPartition {
        partition: 0,
        current_leader_epoch: -1,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    let topic = FetchTopic {
        topic: if version >= 13 { "".into() } else { TOPIC.into() },
        topic_id: if version >= 13 { state.topic_id } else { Uuid::nil() },
        partitions: vec![partition],
    };
    FetchRequest {
        max_bytes: 1 << 20,
        session_epoch: -1,
        topics: vec![topic],
        ..Default::default()
    }
}

fn offset_commit(version: i16, state: &State) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition {
        partition_index: 0,
        committed_offset: 1,
        committed_metadata: Some("note".into()),
        ..Default::default()
    };
    let topic = OffsetCommitRequestTopic {
        name: if version >= 10 { "".into() } else { TOPIC.into() },
        topic_id: if version >= 10 { state.topic_id } else { Uuid::nil() },
        partitions: vec![partition],
    };
    OffsetCommitRequest {
        group_id: state.group.clone().into(),
        generation_id_or_member_epoch: -1,
        topics: vec![topic],
        ..Default::default()
    }
}

fn offset_fetch(version: i16, state: &State) -> OffsetFetchRequest {
    let group_id: strom_protocol::ByteString = state.group.clone().into();
    if version < 8 {
        let topic = OffsetFetchRequestTopic { name: TOPIC.into(), partition_indexes: vec![0] };
        return OffsetFetchRequest { group_id, topics: Some(vec![topic]), ..Default::default() };
    }
    let topic = OffsetFetchRequestTopics {
        name: if version >= 10 { "".into() } else { TOPIC.into() },
        topic_id: if version >= 10 { state.topic_id } else { Uuid::nil() },
        partition_indexes: vec![0],
    };
    let group =
        OffsetFetchRequestGroup { group_id, topics: Some(vec![topic]), ..Default::default() };
    OffsetFetchRequest { groups: vec![group], ..Default::default() }
}

/// The first error code in the answer, wherever this API keeps it.
fn error_of(response: &Response) -> i16 {
    match response {
        Response::Produce(r) => r.responses[0].partition_responses[0].error_code,
        Response::Fetch(r) if r.error_code != 0 => r.error_code,
        Response::Fetch(r) => {
            let partition = &r.responses[0].partitions[0];
            assert!(partition.records.as_ref().is_some_and(|records| !records.is_empty()));
            partition.error_code
        }
        Response::ListOffsets(r) => r.topics[0].partitions[0].error_code,
        Response::Metadata(r) => {
            assert_eq!(r.topics[0].partitions[0].leader_id, 1);
            r.topics[0].error_code
        }
        Response::OffsetCommit(r) => r.topics[0].partitions[0].error_code,
        Response::OffsetFetch(r) => r.groups.first().map_or(r.error_code, |group| group.error_code),
        Response::FindCoordinator(r) => {
            r.coordinators.first().map_or(r.error_code, |coordinator| coordinator.error_code)
        }
        Response::JoinGroup(r) => r.error_code,
        Response::Heartbeat(r) => r.error_code,
        Response::LeaveGroup(r) => r.members.first().map_or(r.error_code, |m| m.error_code),
        Response::SyncGroup(r) => r.error_code,
        Response::DescribeGroups(r) => r.groups[0].error_code,
        Response::ListGroups(r) => r.error_code,
        Response::ApiVersions(r) => r.error_code,
        Response::CreateTopics(r) => r.topics[0].error_code,
        Response::DeleteTopics(r) => r.responses[0].error_code,
        Response::InitProducerId(r) => r.error_code,
        Response::DescribeConfigs(r) => r.results[0].error_code,
        Response::DeleteGroups(r) => r.results[0].error_code,
        Response::DescribeCluster(r) => r.error_code,
        Response::CreatePartitions(r) => r.results[0].error_code,
        Response::DeleteRecords(r) => r.topics[0].partitions[0].error_code,
        Response::AlterConfigs(r) => r.responses[0].error_code,
        Response::IncrementalAlterConfigs(r) => r.responses[0].error_code,
        Response::OffsetForLeaderEpoch(r) => {
            let partition = &r.topics[0].partitions[0];
            assert_eq!(partition.leader_epoch, 0);
            assert!(partition.end_offset > 0, "{r:?}");
            partition.error_code
        }
        Response::ElectLeaders(r) => {
            assert_eq!(r.error_code, 0);
            r.replica_election_results[0].partition_result[0].error_code
        }
        Response::ListPartitionReassignments(r) => {
            assert!(r.topics.is_empty(), "{r:?}");
            r.error_code
        }
        Response::OffsetDelete(r) if r.error_code != 0 => r.error_code,
        Response::OffsetDelete(r) => r.topics[0].partitions[0].error_code,
        Response::DescribeTopicPartitions(r) => {
            assert_eq!(r.topics[0].partitions[0].leader_id, 1);
            r.topics[0].error_code
        }
        Response::DescribeLogDirs(r) => {
            let topic = r.results[0].topics.iter().find(|topic| topic.name == TOPIC).unwrap();
            assert!(topic.partitions[0].partition_size > 0, "{r:?}");
            r.results[0].error_code
        }
    }
}
