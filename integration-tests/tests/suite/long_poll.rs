//! A fetch that waits is woken by what it waits for, not by the end of its patience: here it has far
//! more than the test has for an answer.

use std::time::Duration;

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::{ApiKey, FetchRequest, FetchResponse};
use kafka_protocol::protocol::Decodable as _;
use strom_integration_tests::broker::{Broker, shared};

use crate::records::{create_topic, delete_topic};
use crate::refusals::{name, produced, topic, wire};
use crate::wire::{Wire, api_versions, batch, request_frame};

const VERSION: i16 = 11;
/// Thirty times as long as `Wire` waits for an answer.
const MAX_WAIT: Duration = Duration::from_secs(600);
/// Round trips after which a request that was sent before them waits.
const ROUND_TRIPS: usize = 50;

/// Sends a fetch from the beginning of an empty partition.
fn begin(wire: &mut Wire, topic: &str, min_bytes: usize) {
    let partition = FetchPartition::default().with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(name(topic)).with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_wait_ms(i32::try_from(MAX_WAIT.as_millis()).unwrap())
        .with_min_bytes(i32::try_from(min_bytes).unwrap())
        .with_max_bytes(1 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic]);
    wire.write_frame(&request_frame(ApiKey::Fetch as i16, VERSION, 77, &request));
}

/// Its answer, for the one partition.
fn end(wire: &mut Wire) -> PartitionData {
    let answer = wire.answer().expect("an answer, not a closed connection");
    assert_eq!(answer[..4], 77_i32.to_be_bytes());
    let response = FetchResponse::decode(&mut answer.slice(4..), VERSION).unwrap();
    response.responses[0].partitions[0].clone()
}

fn records(found: &PartitionData) -> usize {
    found.records.as_ref().map_or(0, |records| records.len())
}

/// Asks for something else until what was sent before is surely being waited for.
fn let_it_wait(address: &str) {
    let mut other = Wire::open(address);
    for _ in 0..ROUND_TRIPS {
        assert_eq!(other.call(3, &api_versions()).error_code, 0);
    }
}

#[test]
fn an_append_wakes_a_fetch_that_waits_for_it() {
    let (topic, mut waiting, mut other) = (topic(), wire(), wire());
    begin(&mut waiting, &topic, 1);
    let_it_wait(shared().bootstrap());
    let batch = batch(&[b"news"]);
    assert_eq!(produced(&mut other, &topic, 0, &batch), 0);
    let found = end(&mut waiting);
    assert_eq!((found.error_code, records(&found)), (0, batch.len()));
}

/// It is woken by every append, and sleeps again until there is enough.
#[test]
fn a_fetch_waits_until_it_has_as_much_as_it_asked_for() {
    let (topic, mut waiting, mut other) = (topic(), wire(), wire());
    let batch = batch(&[b"part of the news"]);
    let enough = ROUND_TRIPS * batch.len();
    begin(&mut waiting, &topic, enough);
    for _ in 0..ROUND_TRIPS {
        assert_eq!(produced(&mut other, &topic, 0, &batch), 0);
    }
    let found = end(&mut waiting);
    assert_eq!((found.error_code, records(&found)), (0, enough));
}

#[test]
fn a_deletion_wakes_a_fetch_that_waits_for_records_of_the_topic() {
    const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
    let (topic, mut waiting) = (topic(), wire());
    begin(&mut waiting, &topic, 1);
    let_it_wait(shared().bootstrap());
    delete_topic(shared().bootstrap(), &topic);
    let found = end(&mut waiting);
    assert_eq!((found.error_code, records(&found)), (UNKNOWN_TOPIC_OR_PARTITION, 0));
}

/// Of Strom only: Kafka closes the connections of those who wait.
mod strom_only {
    use super::*;

    #[test]
    fn the_brokers_end_wakes_a_fetch_and_answers_it() {
        let mut broker = Broker::start_strom(&[]);
        create_topic(broker.bootstrap(), "quiet", 1);
        let mut waiting = Wire::open(broker.bootstrap());
        begin(&mut waiting, "quiet", 1);
        let_it_wait(broker.bootstrap());
        broker.stop();
        let found = end(&mut waiting);
        assert_eq!((found.error_code, records(&found)), (0, 0));
        assert!(waiting.is_closed());
    }
}
