//! What administration does to a running broker, seen from the wire, and that it outlives a crash.

use std::time::Duration;

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{
    CreatePartitionsRequest, DescribeConfigsRequest, DescribeLogDirsRequest,
    IncrementalAlterConfigsRequest, ListOffsetsRequest,
};
use strom_integration_tests::broker::{shared, unique};
use strom_integration_tests::wait::wait_for;

use crate::records::client;
use crate::refusals::admin::{DELETE, Operation, SET, TOPIC, delete_records, grow, incremental};
use crate::refusals::{fetched, name, produce, produced, topic, wire};
use crate::wire::{Wire, batch, text};

const OFFSET_OUT_OF_RANGE: i16 = 1;
const MESSAGE_TOO_LARGE: i16 = 10;
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
    for version in 1..=4 {
        let response = wire.call(version, &DescribeLogDirsRequest::default().with_topics(None));
        let directory = &response.results[0];
        assert_eq!((response.results.len(), directory.error_code), (1, 0));
        assert!(directory.log_dir.starts_with('/'), "{:?}", directory.log_dir);
        let found = directory.topics.iter().find(|found| found.name == name(&topic)).unwrap();
        let partition = &found.partitions[0];
        assert!(partition.partition_size > 100_000, "{partition:?}");
        assert_eq!((partition.offset_lag, partition.is_future_key), (0, false));
        if version >= 4 {
            assert!(directory.total_bytes > directory.usable_bytes, "{directory:?}");
            assert!(directory.usable_bytes > 0);
        }
    }
    let nobody = DescribeLogDirsRequest::default().with_topics(Some(Vec::new()));
    assert_eq!(wire.call(2, &nobody).results[0].topics, Vec::new());
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
