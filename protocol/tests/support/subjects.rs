//! Every message of the crate, and its counterpart in the kafka-protocol crate, as functions from
//! bytes to bytes.

use bytes::Bytes;
use kafka_protocol::protocol::{Decodable, Encodable, VersionRange};
use strom_protocol::messages as ours;
use strom_protocol::wire::{DecodeError, Message, Reader, Writer};

/// One message.
pub struct Subject {
    pub name: &'static str,
    /// Only reads the bytes.
    pub decode: fn(Bytes, i16) -> Result<(), DecodeError>,
    /// Reads the bytes, which must be one message exactly, and writes it again.
    pub recode: fn(Bytes, i16) -> Result<Bytes, String>,
    /// The same by the other crate; `None` in versions that it lacks.
    pub recode_by_oracle: fn(Bytes, i16) -> Option<Result<Bytes, String>>,
}

fn decode<M: Message>(bytes: Bytes, version: i16) -> Result<(), DecodeError> {
    let mut reader = Reader::new(bytes);
    M::decode(&mut reader, version)?;
    reader.finish()
}

fn recode<M: Message + PartialEq + std::fmt::Debug>(
    bytes: Bytes,
    version: i16,
) -> Result<Bytes, String> {
    let mut reader = Reader::new(bytes);
    let message = M::decode(&mut reader, version).map_err(|error| error.to_string())?;
    reader.finish().map_err(|error| error.to_string())?;
    let mut writer = Writer::new();
    message.encode(&mut writer, version).map_err(|error| error.to_string())?;
    let length = writer.len();
    let written = writer.into_bytes();
    assert_eq!(written.len(), length);
    let again = M::decode(&mut Reader::new(written.clone()), version);
    assert_eq!(again.as_ref(), Ok(&message));
    Ok(written)
}

fn recode_by_oracle<M>(mut bytes: Bytes, version: i16) -> Option<Result<Bytes, String>>
where
    M: Decodable + Encodable + kafka_protocol::protocol::Message,
{
    let VersionRange { min, max } = M::VERSIONS;
    if !(min..=max).contains(&version) {
        return None;
    }
    let message = match M::decode(&mut bytes, version) {
        Ok(message) => message,
        Err(error) => return Some(Err(format!("oracle cannot read: {error}"))),
    };
    if !bytes.is_empty() {
        return Some(Err(format!("oracle leaves {} bytes", bytes.len())));
    }
    let mut written = bytes::BytesMut::new();
    Some(match message.encode(&mut written, version) {
        Ok(()) => Ok(written.freeze()),
        Err(error) => Err(format!("oracle cannot write: {error}")),
    })
}

macro_rules! subjects {
    (with_oracle { $($module:ident: $($name:ident)*;)* }
     alone { $($own_module:ident: $($own:ident)*;)* }) => {
        static SUBJECTS: &[Subject] = &[
            $($(Subject {
                name: stringify!($name),
                decode: decode::<ours::$module::$name>,
                recode: recode::<ours::$module::$name>,
                recode_by_oracle: recode_by_oracle::<kafka_protocol::messages::$name>,
            },)*)*
            $($(Subject {
                name: stringify!($own),
                decode: decode::<ours::$own_module::$own>,
                recode: recode::<ours::$own_module::$own>,
                recode_by_oracle: |_, _| None,
            },)*)*
        ];
    };
}

subjects! {
    with_oracle {
        produce: ProduceRequest ProduceResponse;
        fetch: FetchRequest FetchResponse;
        list_offsets: ListOffsetsRequest ListOffsetsResponse;
        metadata: MetadataRequest MetadataResponse;
        offset_commit: OffsetCommitRequest OffsetCommitResponse;
        offset_fetch: OffsetFetchRequest OffsetFetchResponse;
        find_coordinator: FindCoordinatorRequest FindCoordinatorResponse;
        join_group: JoinGroupRequest JoinGroupResponse;
        heartbeat: HeartbeatRequest HeartbeatResponse;
        leave_group: LeaveGroupRequest LeaveGroupResponse;
        sync_group: SyncGroupRequest SyncGroupResponse;
        describe_groups: DescribeGroupsRequest DescribeGroupsResponse;
        list_groups: ListGroupsRequest ListGroupsResponse;
        api_versions: ApiVersionsRequest ApiVersionsResponse;
        create_topics: CreateTopicsRequest CreateTopicsResponse;
        delete_topics: DeleteTopicsRequest DeleteTopicsResponse;
        delete_records: DeleteRecordsRequest DeleteRecordsResponse;
        init_producer_id: InitProducerIdRequest InitProducerIdResponse;
        offset_for_leader_epoch: OffsetForLeaderEpochRequest OffsetForLeaderEpochResponse;
        describe_configs: DescribeConfigsRequest DescribeConfigsResponse;
        alter_configs: AlterConfigsRequest AlterConfigsResponse;
        describe_log_dirs: DescribeLogDirsRequest DescribeLogDirsResponse;
        create_partitions: CreatePartitionsRequest CreatePartitionsResponse;
        delete_groups: DeleteGroupsRequest DeleteGroupsResponse;
        elect_leaders: ElectLeadersRequest ElectLeadersResponse;
        incremental_alter_configs: IncrementalAlterConfigsRequest IncrementalAlterConfigsResponse;
        list_partition_reassignments: ListPartitionReassignmentsRequest ListPartitionReassignmentsResponse;
        offset_delete: OffsetDeleteRequest OffsetDeleteResponse;
        describe_cluster: DescribeClusterRequest DescribeClusterResponse;
        describe_topic_partitions: DescribeTopicPartitionsRequest DescribeTopicPartitionsResponse;
        consumer_protocol: ConsumerProtocolSubscription ConsumerProtocolAssignment;
    }
    alone {
        group_state: OffsetCommitKey OffsetCommitValue GroupMetadataKey GroupMetadataValue;
    }
}

/// The message with Kafka's name `name`.
pub fn find(name: &str) -> &'static Subject {
    SUBJECTS
        .iter()
        .find(|subject| subject.name == name)
        .unwrap_or_else(|| panic!("{name} is in the schema but not in tests/support/subjects.rs"))
}

/// All messages.
pub fn all() -> &'static [Subject] {
    SUBJECTS
}
