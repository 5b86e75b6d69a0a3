//! What administration does to a running broker, seen from the wire, and that it outlives a crash.

use std::time::Duration;

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsTopic,
};
use kafka_protocol::messages::fetch_request::FetchTopic;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    AlterConfigsRequest, CreatePartitionsRequest, CreateTopicsRequest, DescribeConfigsRequest,
    DescribeLogDirsRequest, IncrementalAlterConfigsRequest, ListOffsetsRequest, MetadataRequest,
};
use strom_integration_tests::broker::{shared, unique};
use strom_integration_tests::record::now_ms;
use strom_integration_tests::wait::wait_for;

use crate::records::client;
use crate::refusals::admin::{
    APPEND, DELETE, Operation, SET, SUBTRACT, TOPIC, delete_records, grow, incremental, replacing,
};
use crate::refusals::{fetch, fetched, name, produce, produced, topic, wire};
use crate::wire::{Wire, batch, batch_at, field, forge, text};

const OFFSET_OUT_OF_RANGE: i16 = 1;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const MESSAGE_TOO_LARGE: i16 = 10;
const INVALID_PARTITIONS: i16 = 37;
const INVALID_CONFIG: i16 = 40;
const INVALID_RECORD: i16 = 87;
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

/// A change that Kafka's controller has confirmed reaches its brokers a little later.
const PATIENCE: Duration = Duration::from_secs(20);

fn alter(wire: &mut Wire, topic: &str, configs: &[Operation<'_>]) {
    let request = IncrementalAlterConfigsRequest::default()
        .with_resources(vec![incremental(TOPIC, topic, configs)]);
    let response = &wire.call(1, &request).responses[0];
    assert_eq!(response.error_code, 0, "{response:?}");
}

fn add_partitions(wire: &mut Wire, topic: &str, count: i32) {
    let request = CreatePartitionsRequest::default()
        .with_timeout_ms(10_000)
        .with_topics(vec![grow(topic, count, None)]);
    let result = &wire.call(3, &request).results[0];
    assert_eq!(result.error_code, 0, "{result:?}");
}

fn offset_at(wire: &mut Wire, topic: &str, timestamp: i64) -> i64 {
    let partition =
        ListOffsetsPartition::default().with_partition_index(0).with_timestamp(timestamp);
    let listed =
        ListOffsetsTopic::default().with_name(name(topic)).with_partitions(vec![partition]);
    let request =
        ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![listed]);
    let partition = &wire.call(6, &request).topics[0].partitions[0];
    assert_eq!(partition.error_code, 0, "{partition:?}");
    partition.offset
}

fn option_of(wire: &mut Wire, topic: &str, option: &str) -> (String, i8) {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text(topic))
        .with_configuration_keys(Some(vec![text(option)]));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let config = &wire.call(1, &request).results[0].configs[0];
    (config.value.as_ref().unwrap().to_string(), config.config_source)
}

/// Produces to a partition until it answers with `expected`.
fn produces(wire: &mut Wire, (topic, partition): (&str, i32), values: &[&[u8]], expected: i16) {
    let what = format!("{topic}-{partition} to answer produce with {expected}");
    wait_for(&what, PATIENCE, || {
        (produced(wire, topic, partition, &batch(values)) == expected).then_some(())
    });
}

#[test]
fn further_partitions_take_and_give_records() {
    let (topic, mut wire) = (topic(), wire());
    assert_ne!(produced(&mut wire, &topic, 2, &batch(&[b"early"])), 0);
    add_partitions(&mut wire, &topic, 3);
    produces(&mut wire, (&topic, 2), &[b"late"], 0);
    produces(&mut wire, (&topic, 0), &[b"first"], 0);
    assert_ne!(produced(&mut wire, &topic, 3, &batch(&[b"beyond"])), 0);
}

/// Growth is the client's to see: its next look at the metadata makes it join again.
#[test]
fn a_group_takes_up_further_partitions_by_itself() {
    use rdkafka::consumer::{BaseConsumer, Consumer as _};
    let (topic, mut wire) = (topic(), wire());
    let group = unique("growing");
    let settings = [
        ("group.id", group.as_str()),
        ("topic.metadata.refresh.interval.ms", "500"),
        ("auto.offset.reset", "earliest"),
    ];
    let bootstrap = shared().bootstrap();
    let consumer: BaseConsumer = client(bootstrap, &settings).create().unwrap();
    consumer.subscribe(&[&topic]).unwrap();
    let has = |count: usize| {
        wait_for(&format!("{count} partitions to be assigned"), Duration::from_secs(60), || {
            if let Some(Err(error)) = consumer.poll(Duration::from_millis(200)) {
                println!("{error}");
            }
            (consumer.assignment().unwrap().count() == count).then_some(())
        });
    };
    has(1);
    add_partitions(&mut wire, &topic, 3);
    has(3);
}

#[test]
fn changed_options_hold_for_the_next_record() {
    let (topic, mut wire) = (topic(), wire());
    let large = vec![7; 1000];
    produces(&mut wire, (&topic, 0), &[&large], 0);
    alter(&mut wire, &topic, &[("max.message.bytes", SET, Some("500"))]);
    produces(&mut wire, (&topic, 0), &[&large], MESSAGE_TOO_LARGE);
    assert_eq!(option_of(&mut wire, &topic, "max.message.bytes"), ("500".to_string(), 1));
    alter(&mut wire, &topic, &[("max.message.bytes", DELETE, None)]);
    produces(&mut wire, (&topic, 0), &[&large], 0);
    assert_eq!(option_of(&mut wire, &topic, "max.message.bytes"), ("1048588".to_string(), 5));
    // Records of a compacted topic need keys, and those of `batch` have none.
    alter(&mut wire, &topic, &[("cleanup.policy", SET, Some("compact"))]);
    produces(&mut wire, (&topic, 0), &[b"no key"], INVALID_RECORD);
    let refused = wire.call(9, &produce(&topic, 0, -1, &batch(&[b"one", b"two"])));
    let partition = &refused.responses[0].partition_responses[0];
    let faulty: Vec<i32> = partition.record_errors.iter().map(|fault| fault.batch_index).collect();
    assert_eq!((partition.error_code, faulty), (INVALID_RECORD, vec![0, 1]), "{partition:?}");
    assert!(partition.error_message.as_ref().is_some_and(|message| !message.is_empty()));
    alter(&mut wire, &topic, &[("cleanup.policy", SET, Some("delete"))]);
    produces(&mut wire, (&topic, 0), &[b"no key"], 0);
}

#[test]
fn deleted_records_are_gone_at_once() {
    let (topic, mut wire) = (topic(), wire());
    for value in [b"a", b"b", b"c", b"d"] {
        assert_eq!(produced(&mut wire, &topic, 0, &batch(&[value])), 0);
    }
    assert_eq!(delete_records(&mut wire, 2, (&topic, 0), 3), (0, 3));
    assert_eq!(fetched(&mut wire, &topic, 2), OFFSET_OUT_OF_RANGE);
    assert_eq!(fetched(&mut wire, &topic, 3), 0);
    assert_eq!(offset_at(&mut wire, &topic, EARLIEST), 3);
    // What is below the log start is gone already.
    assert_eq!(delete_records(&mut wire, 1, (&topic, 0), 1), (0, 3));
    assert_eq!(delete_records(&mut wire, 0, (&topic, 0), -1), (0, 4));
    assert_eq!(offset_at(&mut wire, &topic, EARLIEST), offset_at(&mut wire, &topic, LATEST));
}

#[test]
fn log_directories_have_the_sizes_of_partitions() {
    let (topic, mut wire) = (topic(), wire());
    let large = vec![7; 100_000];
    produces(&mut wire, (&topic, 0), &[&large], 0);
    add_partitions(&mut wire, &topic, 3);
    // Kafka makes a partition's log some time after the partition: when it takes records, it is there.
    for partition in [1, 2] {
        produces(&mut wire, (&topic, partition), &[b"small"], 0);
    }
    let absent = unique("absent");
    let of = |topic: &str, partitions: &[i32]| {
        DescribableLogDirTopic::default()
            .with_topic(name(topic))
            .with_partitions(partitions.to_vec())
    };
    for version in 1..=4 {
        let mut ask = |topics: Option<Vec<DescribableLogDirTopic>>| {
            let request = DescribeLogDirsRequest::default().with_topics(topics);
            let mut response = wire.call(version, &request);
            assert_eq!((response.results.len(), response.results[0].error_code), (1, 0));
            response.results.remove(0)
        };
        let directory = ask(None);
        assert!(directory.log_dir.starts_with('/'), "{:?}", directory.log_dir);
        let found = directory.topics.iter().find(|found| found.name == name(&topic)).unwrap();
        assert_eq!(sizes(found), [(0, true), (1, false), (2, false)]);
        for partition in &found.partitions {
            assert_eq!((partition.offset_lag, partition.is_future_key), (0, false));
        }
        if version >= 4 {
            assert!(directory.total_bytes > directory.usable_bytes, "{directory:?}");
            assert!(directory.usable_bytes > 0);
        }
        // What is asked for twice is described once, and what is not there not at all.
        for (asked, expected) in [
            (vec![], vec![]),
            (vec![of(&topic, &[0])], vec![(0, true)]),
            (vec![of(&topic, &[2, 0, 2])], vec![(0, true), (2, false)]),
            (vec![of(&topic, &[2]), of(&topic, &[0, 2])], vec![(0, true), (2, false)]),
            (vec![of(&topic, &[1, 3, -1]), of(&absent, &[0])], vec![(1, false)]),
            (vec![of(&absent, &[0]), of("no/slash", &[0])], vec![]),
            (vec![of(&topic, &[])], vec![]),
        ] {
            let directory = ask(Some(asked.clone()));
            assert!(directory.topics.iter().all(|found| found.name == name(&topic)));
            let found: Vec<_> = directory.topics.iter().flat_map(sizes).collect();
            assert_eq!(found, expected, "version {version}: {asked:?}");
            assert!(directory.topics.len() <= 1, "{directory:?}");
        }
    }
}

/// A topic's partitions in order, and whether each has as much as the large record.
fn sizes(topic: &DescribeLogDirsTopic) -> Vec<(i32, bool)> {
    let size =
        |found: &DescribeLogDirsPartition| (found.partition_index, found.partition_size > 100_000);
    let mut sizes: Vec<_> = topic.partitions.iter().map(size).collect();
    sizes.sort_unstable();
    sizes
}

#[test]
fn what_is_only_validated_is_not_done() {
    let (topic, mut wire) = (topic(), wire());
    alter(&mut wire, &topic, &[("retention.ms", SET, Some("777"))]);
    let is_set =
        |wire: &mut Wire| option_of(wire, &topic, "retention.ms") == ("777".to_string(), 1);
    wait_for("the option to be set", PATIENCE, || is_set(&mut wire).then_some(()));
    let retention = |value: &str| {
        let resource = replacing(TOPIC, &topic, &[("retention.ms", Some(value))]);
        AlterConfigsRequest::default().with_validate_only(true).with_resources(vec![resource])
    };
    let operation = |operation: &Operation<'_>| {
        IncrementalAlterConfigsRequest::default()
            .with_validate_only(true)
            .with_resources(vec![incremental(TOPIC, &topic, std::slice::from_ref(operation))])
    };
    let unmade = unique("validated");
    let new = |partitions: i32| {
        let topic = CreatableTopic::default()
            .with_name(name(&unmade))
            .with_num_partitions(partitions)
            .with_replication_factor(1);
        CreateTopicsRequest::default()
            .with_timeout_ms(10_000)
            .with_validate_only(true)
            .with_topics(vec![topic])
    };
    // Twice, since a change that Kafka's controller makes is seen a little later.
    for _ in 0..2 {
        for version in 0..=2 {
            for (value, expected) in [("1", 0), ("a while", INVALID_CONFIG)] {
                let code = wire.call(version, &retention(value)).responses[0].error_code;
                assert_eq!(code, expected, "AlterConfigs {version} to {value}");
            }
        }
        for version in 0..=1 {
            for (change, expected) in [
                (("retention.ms", SET, Some("1")), 0),
                (("retention.ms", DELETE, None), 0),
                (("cleanup.policy", APPEND, Some("compact")), 0),
                (("retention.ms", SET, Some("a while")), INVALID_CONFIG),
            ] {
                let code = wire.call(version, &operation(&change)).responses[0].error_code;
                assert_eq!(code, expected, "IncrementalAlterConfigs {version}: {change:?}");
            }
        }
        for version in 2..=7 {
            for (partitions, expected) in [(3, 0), (0, INVALID_PARTITIONS)] {
                let result = wire.call(version, &new(partitions)).topics.remove(0);
                assert_eq!(result.error_code, expected, "CreateTopics {version}: {result:?}");
                if version >= 5 && expected == 0 {
                    assert_eq!((result.num_partitions, result.replication_factor), (3, 1));
                }
            }
        }
        let grown = CreatePartitionsRequest::default()
            .with_timeout_ms(10_000)
            .with_validate_only(true)
            .with_topics(vec![grow(&topic, 3, None)]);
        assert_eq!(wire.call(3, &grown).results[0].error_code, 0);
        assert!(is_set(&mut wire));
        assert_eq!(option_of(&mut wire, &topic, "cleanup.policy"), ("delete".to_string(), 5));
        assert_eq!(partitions_of(&mut wire, &topic), Ok(1));
        assert_eq!(partitions_of(&mut wire, &unmade), Err(UNKNOWN_TOPIC_OR_PARTITION));
    }
}

/// How many partitions a topic has.
fn partitions_of(wire: &mut Wire, topic: &str) -> Result<usize, i16> {
    let request = MetadataRequest::default()
        .with_topics(Some(vec![MetadataRequestTopic::default().with_name(Some(name(topic)))]))
        .with_allow_auto_topic_creation(false);
    let found = wire.call(9, &request).topics.remove(0);
    if found.error_code == 0 { Ok(found.partitions.len()) } else { Err(found.error_code) }
}

/// What MirrorMaker 2 does to the topics that it copies.
#[test]
fn lists_are_added_to_and_taken_from() {
    let (topic, mut wire) = (topic(), wire());
    for (operation, value, expected) in [
        (APPEND, "compact", "delete,compact"),
        (APPEND, "compact", "delete,compact"),
        (SUBTRACT, "delete", "compact"),
        (SUBTRACT, "delete", "compact"),
        (APPEND, "delete", "compact,delete"),
        (SUBTRACT, "compact", "delete"),
    ] {
        alter(&mut wire, &topic, &[("cleanup.policy", operation, Some(value))]);
        let what = format!("{operation} {value} to make cleanup.policy {expected}");
        wait_for(&what, PATIENCE, || {
            (option_of(&mut wire, &topic, "cleanup.policy") == (expected.to_string(), 1))
                .then_some(())
        });
    }
}

/// What Produce says of where and when records went, and what a consumer gets of it.
#[test]
fn produce_tells_the_time_of_its_log_and_where_that_begins() {
    let (topic, mut wire) = (topic(), wire());
    let sends = |wire: &mut Wire| {
        let response = wire.call(9, &produce(&topic, 0, -1, &batch_at(OLD)));
        let found = response.responses[0].partition_responses[0].clone();
        assert_eq!(found.error_code, 0, "{found:?}");
        found
    };
    const OLD: i64 = 1_700_000_000_000;
    for offset in 0..3 {
        let found = sends(&mut wire);
        let told = (found.base_offset, found.log_append_time_ms, found.log_start_offset);
        assert_eq!(told, (offset, -1, 0), "{found:?}");
    }
    assert_eq!(delete_records(&mut wire, 2, (&topic, 0), 2), (0, 2));
    assert_eq!(sends(&mut wire).log_start_offset, 2);

    let before = now_ms();
    alter(&mut wire, &topic, &[("message.timestamp.type", SET, Some("LogAppendTime"))]);
    let found = wait_for("the log to give records its time", PATIENCE, || {
        let found = sends(&mut wire);
        (found.log_append_time_ms != -1).then_some(found)
    });
    let told = found.log_append_time_ms;
    assert!((before..=now_ms()).contains(&told), "{before} {found:?}");
    assert_eq!(found.log_start_offset, 2);
    let stored = batch_from(&mut wire, &topic, found.base_offset);
    assert_eq!(stored[field::MAX_TIMESTAMP..][..8], told.to_be_bytes());
    assert_eq!(stored[field::BASE_TIMESTAMP..][..8], OLD.to_be_bytes());
    assert_eq!(stored[field::ATTRIBUTES..][..2], 0b1000_i16.to_be_bytes());
    // The CRC is that of what is there now.
    let mut again = bytes::BytesMut::from(&stored[..]);
    forge(&mut again, field::MAX_TIMESTAMP, &told.to_be_bytes());
    assert_eq!(again, stored);

    alter(&mut wire, &topic, &[("message.timestamp.type", SET, Some("CreateTime"))]);
    let found = wait_for("the log to leave records their time", PATIENCE, || {
        let found = sends(&mut wire);
        (found.log_append_time_ms == -1).then_some(found)
    });
    let stored = batch_from(&mut wire, &topic, found.base_offset);
    assert_eq!(stored[field::MAX_TIMESTAMP..][..8], OLD.to_be_bytes());
    assert_eq!(stored[field::ATTRIBUTES..][..2], [0, 0]);
}

/// The batches of partition 0 from this one on.
fn batch_from(wire: &mut Wire, topic: &str, offset: i64) -> bytes::Bytes {
    let request = fetch(FetchTopic::default().with_topic(name(topic)), 0, offset);
    let found = wire.call(11, &request).responses[0].partitions[0].clone();
    assert_eq!(found.error_code, 0);
    let records = found.records.unwrap();
    assert_eq!(records[..8], offset.to_be_bytes(), "it begins with that batch");
    records
}

mod strom_only {
    use strom_integration_tests::broker::Broker;

    use super::*;
    use crate::records::create_topic;

    /// Kafka keeps log starts in a file that it writes once a minute, so this is asked of Strom only.
    #[test]
    fn acknowledged_changes_outlive_kill_9() {
        let mut broker = Broker::start_strom(&[]);
        create_topic(broker.bootstrap(), "orders", 2);
        let mut wire = Wire::open(broker.bootstrap());
        for value in [b"a", b"b", b"c", b"d"] {
            assert_eq!(produced(&mut wire, "orders", 0, &batch(&[value])), 0);
        }
        add_partitions(&mut wire, "orders", 4);
        alter(
            &mut wire,
            "orders",
            &[("retention.ms", SET, Some("123456")), ("max.message.bytes", SET, Some("500"))],
        );
        assert_eq!(produced(&mut wire, "orders", 3, &batch(&[b"further"])), 0);
        assert_eq!(delete_records(&mut wire, 2, ("orders", 0), 3), (0, 3));
        broker.kill();
        broker.start_again();
        let mut wire = Wire::open(broker.bootstrap());
        assert_eq!(option_of(&mut wire, "orders", "retention.ms"), ("123456".to_string(), 1));
        assert_eq!(produced(&mut wire, "orders", 3, &batch(&[&[7; 1000]])), MESSAGE_TOO_LARGE);
        assert_eq!(produced(&mut wire, "orders", 3, &batch(&[b"more"])), 0);
        assert_eq!(offset_at(&mut wire, "orders", EARLIEST), 3);
        assert_eq!(fetched(&mut wire, "orders", 2), OFFSET_OUT_OF_RANGE);
        assert_ne!(produced(&mut wire, "orders", 4, &batch(&[b"beyond"])), 0);
    }
}
