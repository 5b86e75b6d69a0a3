//! Record batches that are well formed and refused for what they say, and what idempotent producers
//! are answered: Kafka's own code for each.

use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{InitProducerIdRequest, ProducerId};
use strom_integration_tests::broker::Against;
use strom_integration_tests::record::now_ms;

use super::*;
use crate::wire::{batch_at, sequenced};

const INVALID_TIMESTAMP: i16 = 32;
const OUT_OF_ORDER_SEQUENCE_NUMBER: i16 = 45;
const INVALID_PRODUCER_EPOCH: i16 = 47;
const UNSUPPORTED_COMPRESSION_TYPE: i16 = 76;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The versions around what changed: zstd is legal from 7 on, records are named from 8 on, and 9 is
/// flexible.
const BEFORE_ZSTD: i16 = 6;
const FLEXIBLE: i16 = 9;

fn answered(
    wire: &mut Wire,
    version: i16,
    topic: &str,
    records: &[u8],
) -> PartitionProduceResponse {
    let response = wire.call(version, &produce(topic, 0, -1, records));
    response.responses[0].partition_responses[0].clone()
}

fn with_codec(codec: i16) -> Vec<u8> {
    let mut batch = batch(&[b"not compressed"]);
    forge(&mut batch, field::ATTRIBUTES, &codec.to_be_bytes());
    batch.to_vec()
}

#[test]
fn zstd_is_refused_where_clients_do_not_know_it() {
    let (topic, mut wire) = (topic(), wire());
    for version in [3, BEFORE_ZSTD] {
        let found = answered(&mut wire, version, &topic, &with_codec(4));
        assert_eq!(
            (found.error_code, found.base_offset),
            (UNSUPPORTED_COMPRESSION_TYPE, -1),
            "version {version}: {found:?}"
        );
    }
    // From then on it is judged by what it holds, which is no zstd.
    let found = answered(&mut wire, 7, &topic, &with_codec(4));
    assert!(![0, UNSUPPORTED_COMPRESSION_TYPE].contains(&found.error_code), "{found:?}");
    assert_eq!(answered(&mut wire, BEFORE_ZSTD, &topic, &batch(&[b"plain"])).base_offset, 0);
}

#[test]
fn codecs_that_nobody_knows_are_refused() {
    let (topic, mut wire) = (topic(), wire());
    // Kafka stumbles over them: UNKNOWN_SERVER_ERROR.
    let code = match Against::chosen() {
        Against::Strom => UNSUPPORTED_COMPRESSION_TYPE,
        Against::Kafka => -1,
    };
    for version in [BEFORE_ZSTD, FLEXIBLE] {
        for codec in 5..=7 {
            let found = answered(&mut wire, version, &topic, &with_codec(codec));
            assert_eq!(
                (found.error_code, found.base_offset),
                (code, -1),
                "codec {codec} in version {version}: {found:?}"
            );
        }
    }
    assert_eq!(answered(&mut wire, FLEXIBLE, &topic, &batch(&[b"plain"])).base_offset, 0);
}

#[test]
fn timestamps_too_far_ahead_are_named_record_by_record() {
    let (topic, mut wire) = (topic(), wire());
    // `message.timestamp.after.max.ms` is an hour unless a topic says otherwise.
    for version in [BEFORE_ZSTD, FLEXIBLE] {
        let found = answered(&mut wire, version, &topic, &batch_at(now_ms() + DAY_MS));
        assert_eq!(
            (found.error_code, found.base_offset, found.log_append_time_ms),
            (INVALID_TIMESTAMP, -1, -1),
            "version {version}: {found:?}"
        );
        let faulty: Vec<i32> = found.record_errors.iter().map(|one| one.batch_index).collect();
        let named: &[i32] = if version == FLEXIBLE { &[0] } else { &[] };
        assert_eq!(faulty, named, "version {version}: {found:?}");
        let has_message = found.error_message.is_some_and(|message| !message.is_empty());
        assert_eq!(has_message, version == FLEXIBLE, "version {version}");
    }
    assert_eq!(answered(&mut wire, FLEXIBLE, &topic, &batch_at(now_ms() - DAY_MS)).error_code, 0);
}

/// A producer id that nobody else has.
fn producer_id(wire: &mut Wire) -> i64 {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1);
    // Kafka's broker has to fetch a block of ids first.
    wait_for("a producer id", Duration::from_secs(30), || {
        let given = wire.call(3, &request);
        (given.error_code == 0).then_some(given.producer_id.0)
    })
}

/// What a batch is, its epoch, first sequence and number of records; code and base offset of the answer.
type Step = (&'static str, i16, i32, usize, (i16, i64));

#[test]
fn sequences_of_an_idempotent_producer_are_kept() {
    let mut wire = wire();
    let out_of_order = (OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
    let fenced = (INVALID_PRODUCER_EPOCH, -1);
    // One after the other.
    let steps: &[Step] = &[
        ("a first batch", 0, 0, 2, (0, 0)),
        ("the same again", 0, 0, 2, (0, 0)),
        ("its successor", 0, 2, 1, (0, 2)),
        ("a gap", 0, 4, 1, out_of_order),
        ("a duplicate of both", 0, 0, 3, out_of_order),
        ("the first again", 0, 0, 2, (0, 0)),
        ("the third", 0, 3, 1, (0, 3)),
        ("the fourth", 0, 4, 1, (0, 4)),
        ("the fifth", 0, 5, 1, (0, 5)),
        ("the first, of five that are remembered", 0, 0, 2, (0, 0)),
        ("the sixth", 0, 6, 1, (0, 6)),
        ("the first, which is forgotten", 0, 0, 2, out_of_order),
        ("the second, which is not", 0, 2, 1, (0, 2)),
        ("a later epoch that does not begin at 0", 3, 7, 1, out_of_order),
        ("a later epoch", 3, 0, 1, (0, 7)),
        ("an epoch between", 2, 0, 1, fenced),
        ("the former epoch", 0, 7, 1, fenced),
        ("a duplicate of the former epoch", 0, 6, 1, fenced),
        ("its successor in the later epoch", 3, 1, 1, (0, 8)),
    ];
    for version in [BEFORE_ZSTD, FLEXIBLE] {
        let (topic, id) = (topic(), producer_id(&mut wire));
        for (what, epoch, sequence, records, expected) in steps {
            let batch = sequenced(id, *epoch, *sequence, &vec![b"record".as_slice(); *records]);
            let found = answered(&mut wire, version, &topic, &batch);
            let answer = (found.error_code, found.base_offset);
            assert_eq!(answer, *expected, "version {version}, {what}: {found:?}");
        }
        // Another producer, of which nothing is known, may begin anywhere; after the last number
        // comes 0.
        let id = producer_id(&mut wire);
        for (sequence, expected) in [(i32::MAX, (0, 9)), (0, (0, 10)), (i32::MAX, (0, 9))] {
            let found = answered(&mut wire, version, &topic, &sequenced(id, 0, sequence, &[b"r"]));
            assert_eq!((found.error_code, found.base_offset), expected, "{sequence}: {found:?}");
        }
        // What was refused took no offset.
        assert_eq!(answered(&mut wire, version, &topic, &batch(&[b"end"])).base_offset, 11);
    }
}

#[test]
fn topics_are_produced_to_by_ids_that_exist() {
    let (topic, mut wire) = (topic(), wire());
    let metadata = MetadataRequest::default()
        .with_topics(Some(vec![MetadataRequestTopic::default().with_name(Some(name(&topic)))]));
    let known = wire.call(12, &metadata).topics[0].topic_id;
    for (id, partition, expected) in [
        (uuid::Uuid::new_v4(), 0, UNKNOWN_TOPIC_ID),
        (uuid::Uuid::nil(), 0, UNKNOWN_TOPIC_ID),
        (known, 5, UNKNOWN_TOPIC_OR_PARTITION),
        (known, 0, 0),
    ] {
        let mut request = produce("", partition, -1, &batch(&[b"by id"]));
        request.topic_data[0].topic_id = id;
        let response = wire.call(13, &request);
        let topic = &response.responses[0];
        assert_eq!(topic.topic_id, id);
        assert_eq!(topic.partition_responses[0].error_code, expected, "{id} {partition}");
    }
}
