//! THE table: which APIs are served, in which versions, and what their bodies are.
//!
//! ApiVersions is answered from [`SERVED`], frames are decoded through it, and the request and
//! response enums have exactly its rows, so an API is advertised if and only if it is served.

use crate::messages::{
    alter_configs::{AlterConfigsRequest, AlterConfigsResponse},
    api_versions::{ApiVersionsRequest, ApiVersionsResponse},
    create_partitions::{CreatePartitionsRequest, CreatePartitionsResponse},
    create_topics::{CreateTopicsRequest, CreateTopicsResponse},
    delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse},
    delete_records::{DeleteRecordsRequest, DeleteRecordsResponse},
    delete_topics::{DeleteTopicsRequest, DeleteTopicsResponse},
    describe_cluster::{DescribeClusterRequest, DescribeClusterResponse},
    describe_configs::{DescribeConfigsRequest, DescribeConfigsResponse},
    describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse},
    describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResponse},
    describe_topic_partitions::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse},
    elect_leaders::{ElectLeadersRequest, ElectLeadersResponse},
    fetch::{FetchRequest, FetchResponse},
    find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse},
    heartbeat::{HeartbeatRequest, HeartbeatResponse},
    incremental_alter_configs::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse},
    init_producer_id::{InitProducerIdRequest, InitProducerIdResponse},
    join_group::{JoinGroupRequest, JoinGroupResponse},
    leave_group::{LeaveGroupRequest, LeaveGroupResponse},
    list_groups::{ListGroupsRequest, ListGroupsResponse},
    list_offsets::{ListOffsetsRequest, ListOffsetsResponse},
    list_partition_reassignments::{
        ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
    },
    metadata::{MetadataRequest, MetadataResponse},
    offset_commit::{OffsetCommitRequest, OffsetCommitResponse},
    offset_delete::{OffsetDeleteRequest, OffsetDeleteResponse},
    offset_fetch::{OffsetFetchRequest, OffsetFetchResponse},
    offset_for_leader_epoch::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse},
    produce::{ProduceRequest, ProduceResponse},
    sync_group::{SyncGroupRequest, SyncGroupResponse},
};
use crate::wire::{DecodeError, EncodeError, Message, Reader, Writer};

/// The versions in which one API is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiSpec {
    /// The API.
    pub key: ApiKey,
    /// Kafka's name, as in `ListOffsets`.
    pub name: &'static str,
    /// Lowest version that is served.
    pub min: i16,
    /// Highest version that is served.
    pub max: i16,
    /// Lowest version that ApiVersions announces. Differs from `min` for Produce only: older
    /// librdkafka turns compression off unless version 0 is announced.
    pub advertised_min: i16,
}

impl ApiSpec {
    /// Whether `version` is served.
    pub fn serves(&self, version: i16) -> bool {
        (self.min..=self.max).contains(&version)
    }
}

macro_rules! apis {
    ($($name:ident = $key:literal, $min:literal..=$max:literal, advertised $advertised:literal,
       $request:ident -> $response:ident;)*) => {
        /// An API that is served. The number is Kafka's API key.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(i16)]
        #[allow(missing_docs)] // The names are Kafka's.
        pub enum ApiKey {
            $($name = $key,)*
        }

        /// Every API that is served, ordered by key.
        pub const SERVED: &[ApiSpec] = &[
            $(ApiSpec {
                key: ApiKey::$name,
                name: stringify!($name),
                min: $min,
                max: $max,
                advertised_min: $advertised,
            },)*
        ];

        /// The body of a request.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs)] // The names are Kafka's.
        pub enum Request {
            $($name($request),)*
        }

        /// The body of a response.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs)] // The names are Kafka's.
        pub enum Response {
            $($name($response),)*
        }

        impl ApiKey {
            /// The API with Kafka's key `code`, if it is served.
            pub fn from_code(code: i16) -> Option<ApiKey> {
                match code {
                    $($key => Some(ApiKey::$name),)*
                    _ => None,
                }
            }

            /// Whether `version` has compact lengths and tagged fields (KIP-482).
            pub fn is_flexible(self, version: i16) -> bool {
                match self {
                    $(ApiKey::$name => $request::is_flexible(version),)*
                }
            }
        }

        impl Request {
            /// The API that the request belongs to.
            pub fn api_key(&self) -> ApiKey {
                match self {
                    $(Request::$name(_) => ApiKey::$name,)*
                }
            }

            /// Reads the body of a request; fails for versions that are not served. Bytes behind it
            /// are ignored, as in Kafka: librdkafka 2.16 sends some after Metadata v13.
            pub fn decode(key: ApiKey, version: i16, reader: &mut Reader) -> Result<Request, DecodeError> {
                check_served(key, version)?;
                let request = match key {
                    $(ApiKey::$name => Request::$name($request::decode(reader, version)?),)*
                };
                Ok(request)
            }

            /// Appends the body of the request (clients and tests).
            pub fn encode(&self, version: i16, writer: &mut Writer) -> Result<(), EncodeError> {
                match self {
                    $(Request::$name(body) => body.encode(writer, version),)*
                }
            }
        }

        impl Response {
            /// The API that the response belongs to.
            pub fn api_key(&self) -> ApiKey {
                match self {
                    $(Response::$name(_) => ApiKey::$name,)*
                }
            }

            /// Reads the body of a response (clients and tests).
            pub fn decode(key: ApiKey, version: i16, reader: &mut Reader) -> Result<Response, DecodeError> {
                let response = match key {
                    $(ApiKey::$name => Response::$name($response::decode(reader, version)?),)*
                };
                reader.finish()?;
                Ok(response)
            }

            /// Appends the body of the response.
            pub fn encode(&self, version: i16, writer: &mut Writer) -> Result<(), EncodeError> {
                match self {
                    $(Response::$name(body) => body.encode(writer, version),)*
                }
            }
        }

        $(
            impl From<$request> for Request {
                fn from(body: $request) -> Self {
                    Request::$name(body)
                }
            }

            impl From<$response> for Response {
                fn from(body: $response) -> Self {
                    Response::$name(body)
                }
            }
        )*
    };
}

apis! {
    Produce = 0, 3..=13, advertised 0, ProduceRequest -> ProduceResponse;
    Fetch = 1, 4..=18, advertised 4, FetchRequest -> FetchResponse;
    ListOffsets = 2, 1..=11, advertised 1, ListOffsetsRequest -> ListOffsetsResponse;
    Metadata = 3, 0..=13, advertised 0, MetadataRequest -> MetadataResponse;
    OffsetCommit = 8, 2..=10, advertised 2, OffsetCommitRequest -> OffsetCommitResponse;
    OffsetFetch = 9, 1..=10, advertised 1, OffsetFetchRequest -> OffsetFetchResponse;
    FindCoordinator = 10, 0..=6, advertised 0, FindCoordinatorRequest -> FindCoordinatorResponse;
    JoinGroup = 11, 0..=9, advertised 0, JoinGroupRequest -> JoinGroupResponse;
    Heartbeat = 12, 0..=4, advertised 0, HeartbeatRequest -> HeartbeatResponse;
    LeaveGroup = 13, 0..=5, advertised 0, LeaveGroupRequest -> LeaveGroupResponse;
    SyncGroup = 14, 0..=5, advertised 0, SyncGroupRequest -> SyncGroupResponse;
    DescribeGroups = 15, 0..=6, advertised 0, DescribeGroupsRequest -> DescribeGroupsResponse;
    ListGroups = 16, 0..=5, advertised 0, ListGroupsRequest -> ListGroupsResponse;
    ApiVersions = 18, 0..=4, advertised 0, ApiVersionsRequest -> ApiVersionsResponse;
    CreateTopics = 19, 2..=7, advertised 2, CreateTopicsRequest -> CreateTopicsResponse;
    DeleteTopics = 20, 1..=6, advertised 1, DeleteTopicsRequest -> DeleteTopicsResponse;
    DeleteRecords = 21, 0..=2, advertised 0, DeleteRecordsRequest -> DeleteRecordsResponse;
    InitProducerId = 22, 0..=5, advertised 0, InitProducerIdRequest -> InitProducerIdResponse;
    OffsetForLeaderEpoch = 23, 2..=4, advertised 2, OffsetForLeaderEpochRequest -> OffsetForLeaderEpochResponse;
    DescribeConfigs = 32, 1..=4, advertised 1, DescribeConfigsRequest -> DescribeConfigsResponse;
    AlterConfigs = 33, 0..=2, advertised 0, AlterConfigsRequest -> AlterConfigsResponse;
    DescribeLogDirs = 35, 1..=5, advertised 1, DescribeLogDirsRequest -> DescribeLogDirsResponse;
    CreatePartitions = 37, 0..=3, advertised 0, CreatePartitionsRequest -> CreatePartitionsResponse;
    DeleteGroups = 42, 0..=2, advertised 0, DeleteGroupsRequest -> DeleteGroupsResponse;
    ElectLeaders = 43, 0..=2, advertised 0, ElectLeadersRequest -> ElectLeadersResponse;
    IncrementalAlterConfigs = 44, 0..=1, advertised 0, IncrementalAlterConfigsRequest -> IncrementalAlterConfigsResponse;
    ListPartitionReassignments = 46, 0..=0, advertised 0, ListPartitionReassignmentsRequest -> ListPartitionReassignmentsResponse;
    OffsetDelete = 47, 0..=0, advertised 0, OffsetDeleteRequest -> OffsetDeleteResponse;
    DescribeCluster = 60, 0..=2, advertised 0, DescribeClusterRequest -> DescribeClusterResponse;
    DescribeTopicPartitions = 75, 0..=0, advertised 0, DescribeTopicPartitionsRequest -> DescribeTopicPartitionsResponse;
}

impl ApiKey {
    /// Kafka's number.
    pub fn code(self) -> i16 {
        self as i16
    }

    /// The row of [`SERVED`].
    pub fn spec(self) -> &'static ApiSpec {
        SERVED.iter().find(|spec| spec.key == self).expect("every key has a row: one macro")
    }

    /// Kafka's name, as in `ListOffsets`.
    pub fn name(self) -> &'static str {
        self.spec().name
    }
}

impl std::fmt::Display for ApiKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Version of the request header: 2 adds tagged fields.
pub fn request_header_version(key: ApiKey, version: i16) -> i16 {
    if key.is_flexible(version) { 2 } else { 1 }
}

/// Version of the response header: 1 adds tagged fields. ApiVersions always has version 0, because
/// a client reads that response before it knows what the broker speaks (KIP-511).
pub fn response_header_version(key: ApiKey, version: i16) -> i16 {
    i16::from(key != ApiKey::ApiVersions && key.is_flexible(version))
}

fn check_served(key: ApiKey, version: i16) -> Result<(), DecodeError> {
    if key.spec().serves(version) {
        Ok(())
    } else {
        Err(DecodeError::UnsupportedVersion { api_key: key.code(), version })
    }
}
