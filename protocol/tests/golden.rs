//! Bytes written by Apache Kafka 4.3.1's own classes (`org.apache.kafka.common.message.*Data`),
//! above all for the versions that kafka-protocol lacks.

#![allow(clippy::unwrap_used, reason = "a test may")]

use bytes::Bytes;
use bytestring::ByteString;
use strom_protocol::messages::{
    describe_log_dirs::*, fetch::*, group_state::*, init_producer_id::*, list_offsets::*,
    offset_commit::*, offset_fetch::*,
};
use strom_protocol::wire::{Message, Reader, Writer, decode_versioned, encode_versioned};
use strom_protocol::{TopicId, Uuid};

const ID: Uuid = Uuid::from_u128(0x1234567890abcdef1122334455667788);

fn text(text: &'static str) -> ByteString {
    ByteString::from_static(text)
}

fn bytes(hex: &str) -> Bytes {
    let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digits).collect()
}

fn check<M: Message + PartialEq + std::fmt::Debug>(version: i16, hex: &str, message: M) {
    let mut reader = Reader::new(bytes(hex));
    assert_eq!(M::decode(&mut reader, version).as_ref(), Ok(&message));
    assert_eq!(reader.finish(), Ok(()));
    let mut writer = Writer::new();
    message.encode(&mut writer, version).unwrap();
    assert_eq!(writer.into_bytes(), bytes(hex));
}

#[test]
fn list_offsets_11_is_kafkas() {
    check(
        11,
        "ffffffff0102076576656e7473020000000300000007fffffffffffffffa00000000753000",
        ListOffsetsRequest {
            replica_id: -1,
            isolation_level: 1,
            topics: vec![ListOffsetsTopic {
                name: text("events"),
                partitions: vec![ListOffsetsPartition {
                    partition_index: 3,
                    current_leader_epoch: 7,
                    timestamp: -6,
                }],
            }],
            timeout_ms: 30000,
        },
    );
    check(
        11,
        "0000000502076576656e7473020000000300060000018bcfe56800000000000000002a00000007000000",
        ListOffsetsResponse {
            throttle_time_ms: 5,
            topics: vec![ListOffsetsTopicResponse {
                name: text("events"),
                partitions: vec![ListOffsetsPartitionResponse {
                    partition_index: 3,
                    error_code: 6,
                    timestamp: 1_700_000_000_000,
                    offset: 42,
                    leader_epoch: 7,
                }],
            }],
        },
    );
}

#[test]
fn offset_commit_10_is_kafkas() {
    check(
        10,
        "026700000009026d0269021234567890abcdef11223344556677880200000003000000000000002a\
         00000007056d657461000000",
        OffsetCommitRequest {
            group_id: text("g"),
            generation_id_or_member_epoch: 9,
            member_id: text("m"),
            group_instance_id: Some(text("i")),
            topics: vec![OffsetCommitRequestTopic {
                topic_id: ID,
                partitions: vec![OffsetCommitRequestPartition {
                    partition_index: 3,
                    committed_offset: 42,
                    committed_leader_epoch: 7,
                    committed_metadata: Some(text("meta")),
                }],
                ..Default::default()
            }],
            ..Default::default()
        },
    );
    check(
        10,
        "00000005021234567890abcdef112233445566778802000000030016000000",
        OffsetCommitResponse {
            throttle_time_ms: 5,
            topics: vec![OffsetCommitResponseTopic {
                topic_id: ID,
                partitions: vec![OffsetCommitResponsePartition {
                    partition_index: 3,
                    error_code: 22,
                }],
                ..Default::default()
            }],
        },
    );
}

#[test]
fn offset_fetch_10_is_kafkas() {
    check(
        10,
        "030267026d00000009021234567890abcdef1122334455667788030000000300000004000002680\
         0ffffffff00000100",
        OffsetFetchRequest {
            groups: vec![
                OffsetFetchRequestGroup {
                    group_id: text("g"),
                    member_id: Some(text("m")),
                    member_epoch: 9,
                    topics: Some(vec![OffsetFetchRequestTopics {
                        topic_id: ID,
                        partition_indexes: vec![3, 4],
                        ..Default::default()
                    }]),
                },
                OffsetFetchRequestGroup { group_id: text("h"), topics: None, ..Default::default() },
            ],
            require_stable: true,
            ..Default::default()
        },
    );
    check(
        10,
        "00000005020267021234567890abcdef11223344556677880200000003000000000000002a00000007\
         056d6574610000000000000000",
        OffsetFetchResponse {
            throttle_time_ms: 5,
            groups: vec![OffsetFetchResponseGroup {
                group_id: text("g"),
                topics: vec![OffsetFetchResponseTopics {
                    topic_id: ID,
                    partitions: vec![OffsetFetchResponsePartitions {
                        partition_index: 3,
                        committed_offset: 42,
                        committed_leader_epoch: 7,
                        metadata: Some(text("meta")),
                        error_code: 0,
                    }],
                    ..Default::default()
                }],
                error_code: 0,
            }],
            ..Default::default()
        },
    );
}

#[test]
fn describe_log_dirs_5_is_kafkas() {
    check(5, "0000", DescribeLogDirsRequest { topics: None });
    check(
        5,
        "000000050000020000032f6402076576656e7473020000000300000000000000640000000000000002\
         00000000000000000003e80000000000000384010000",
        DescribeLogDirsResponse {
            throttle_time_ms: 5,
            results: vec![DescribeLogDirsResult {
                log_dir: text("/d"),
                topics: vec![DescribeLogDirsTopic {
                    name: text("events"),
                    partitions: vec![DescribeLogDirsPartition {
                        partition_index: 3,
                        partition_size: 100,
                        offset_lag: 2,
                        is_future_key: false,
                    }],
                }],
                total_bytes: 1000,
                usable_bytes: 900,
                is_cordoned: true,
                ..Default::default()
            }],
            ..Default::default()
        },
    );
}

#[test]
fn init_producer_id_6_is_kafkas() {
    check(
        6,
        "000000ea60ffffffffffffffffffff000000",
        InitProducerIdRequest {
            transactional_id: None,
            transaction_timeout_ms: 60000,
            ..Default::default()
        },
    );
}

#[test]
fn fetch_response_with_a_tagged_leader_is_kafkas() {
    check(
        16,
        "00000005000000000008021234567890abcdef112233445566778802000000030000000000000000000a\
         000000000000000a000000000000000100ffffffff000101090000000100000007000000",
        FetchResponse {
            throttle_time_ms: 5,
            session_id: 8,
            responses: vec![FetchableTopicResponse {
                topic_id: ID,
                partitions: vec![PartitionData {
                    partition_index: 3,
                    high_watermark: 10,
                    last_stable_offset: 10,
                    log_start_offset: 1,
                    current_leader: LeaderIdAndEpoch { leader_id: 1, leader_epoch: 7 },
                    aborted_transactions: None,
                    records: None,
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        },
    );
}

#[test]
fn versioned_data_begins_with_its_version() {
    let key = OffsetCommitKey { group: text("g"), topic: text("t"), partition: 3 };
    let encoded = encode_versioned(&key, 1).unwrap();
    assert_eq!(encoded, bytes("000100016700017400000003"));
    assert_eq!(decode_versioned::<OffsetCommitKey>(encoded), Ok((1, key)));
    assert!(decode_versioned::<OffsetCommitKey>(bytes("0002000167")).is_err());
    assert!(decode_versioned::<OffsetCommitKey>(bytes("00")).is_err());
}

#[test]
fn topic_ids_are_displayed_as_by_kafka() {
    assert_eq!(TopicId(ID).to_string(), "EjRWeJCrze8RIjNEVWZ3iA");
}

/// Written by `MessageUtil.toVersionPrefixedBytes` from kafka-group-coordinator's classes.
fn check_versioned<M: Message + PartialEq + std::fmt::Debug>(version: i16, hex: &str, message: M) {
    assert_eq!(encode_versioned(&message, version), Ok(bytes(hex)));
    assert_eq!(decode_versioned(bytes(hex)), Ok((version, message)));
}

#[test]
fn group_state_is_kafkas() {
    let mut value = OffsetCommitValue {
        offset: 42,
        leader_epoch: 7,
        metadata: text("meta"),
        commit_timestamp: 1_700_000_000_000,
        ..Default::default()
    };
    let hex = "0003000000000000002a0000000700046d6574610000018bcfe56800";
    check_versioned(3, hex, value.clone());
    value.topic_id = ID;
    let hex = "0004000000000000002a00000007056d6574610000018bcfe56800\
               0100101234567890abcdef1122334455667788";
    check_versioned(4, hex, value);
    let member = MemberMetadata {
        member_id: text("m"),
        group_instance_id: None,
        client_id: text("c"),
        client_host: text("/127.0.0.1"),
        rebalance_timeout: 300_000,
        session_timeout: 45_000,
        subscription: Bytes::from_static(&[1, 2]),
        assignment: Bytes::from_static(&[3]),
    };
    let group = GroupMetadataValue {
        protocol_type: text("consumer"),
        generation: 3,
        protocol: Some(text("range")),
        leader: Some(text("m")),
        current_state_timestamp: 1_700_000_000_000,
        members: vec![member],
    };
    let hex = "00030008636f6e73756d657200000003000572616e676500016d0000018bcfe5680000000001\
               00016dffff000163000a2f3132372e302e302e31000493e00000afc80000000201020000000103";
    check_versioned(3, hex, group);
}
