//! Fetch sessions (KIP-227) as the wire shows them: what is answered, and what is refused.

use kafka_protocol::messages::FetchResponse;
use kafka_protocol::messages::fetch_request::ForgottenTopic;
use strom_integration_tests::broker::{Against, Broker};

use super::*;

const FETCH_SESSION_ID_NOT_FOUND: i16 = 70;
const INVALID_FETCH_SESSION_EPOCH: i16 = 71;
const INCONSISTENT_TOPIC_ID: i16 = 103;
const FETCH_SESSION_TOPIC_ID_ERROR: i16 = 106;
/// A version with sessions in which topics have names.
const NAMES: i16 = 12;

/// A request of a session, with partitions and the offsets to read them from.
fn request(
    session: i32,
    epoch: i32,
    parts: &[(&str, i32, i64)],
    forgotten: &[(&str, i32)],
) -> FetchRequest {
    let part = |(topic, partition, offset): &(&str, i32, i64)| {
        let partition = FetchPartition::default()
            .with_partition(*partition)
            .with_fetch_offset(*offset)
            .with_partition_max_bytes(1 << 20);
        FetchTopic::default().with_topic(name(topic)).with_partitions(vec![partition])
    };
    let gone = |(topic, partition): &(&str, i32)| {
        ForgottenTopic::default().with_topic(name(topic)).with_partitions(vec![*partition])
    };
    FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_bytes(1 << 20)
        .with_session_id(session)
        .with_session_epoch(epoch)
        .with_topics(parts.iter().map(part).collect())
        .with_forgotten_topics_data(forgotten.iter().map(gone).collect())
}

/// Partitions that the answer names, with error and bytes of records.
fn named(response: &FetchResponse) -> Vec<(i32, i16, bool)> {
    assert_eq!(response.error_code, 0, "{response:?}");
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    let mut named: Vec<_> = partitions
        .map(|found| {
            let records = found.records.as_ref().is_some_and(|records| !records.is_empty());
            (found.partition_index, found.error_code, records)
        })
        .collect();
    named.sort_unstable();
    named
}

fn wide_topic(partitions: i32) -> String {
    let topic = unique("sessions");
    create_topic(shared().bootstrap(), &topic, partitions);
    let mut wire = wire();
    for partition in 0..partitions {
        wait_for("the partitions to take records", Duration::from_secs(30), || {
            (produced(&mut wire, &topic, partition, &batch(&[b"first"])) == 0).then_some(())
        });
    }
    topic
}

#[test]
fn a_session_answers_only_what_changed() {
    let (topic, mut wire) = (wide_topic(3), wire());
    let at = |partition, offset| (&*topic, partition, offset);
    let first = wire.call(NAMES, &request(0, 0, &[at(0, 0), at(1, 1), at(2, 1)], &[]));
    assert_eq!(named(&first), [(0, 0, true), (1, 0, false), (2, 0, false)]);
    let id = first.session_id;
    assert!(id > 0, "{first:?}");
    // Only a position changed, and nothing is new.
    let idle = wire.call(NAMES, &request(id, 1, &[at(0, 1)], &[]));
    assert_eq!((named(&idle), idle.session_id), (vec![], id));
    assert_eq!(produced(&mut wire, &topic, 1, &batch(&[b"second"])), 0);
    let news = wire.call(NAMES, &request(id, 2, &[], &[]));
    assert_eq!(named(&news), [(1, 0, true)]);
    // The consumer has not moved on, so it gets the record again.
    assert_eq!(named(&wire.call(NAMES, &request(id, 3, &[], &[]))), [(1, 0, true)]);
    let moved = wire.call(NAMES, &request(id, 4, &[at(1, 2)], &[(&topic, 2)]));
    assert_eq!(named(&moved), []);
    assert_eq!(produced(&mut wire, &topic, 2, &batch(&[b"forgotten"])), 0);
    assert_eq!(named(&wire.call(NAMES, &request(id, 5, &[], &[]))), []);
    // A partition that is new to the session is answered, whatever it has; so is an error.
    let added = wire.call(NAMES, &request(id, 6, &[at(2, 2), at(0, 77)], &[]));
    assert_eq!(named(&added), [(0, OFFSET_OUT_OF_RANGE, false), (2, 0, false)]);
    let again = wire.call(NAMES, &request(id, 7, &[], &[]));
    assert_eq!(named(&again), [(0, OFFSET_OUT_OF_RANGE, false)]);
    let healed = wire.call(NAMES, &request(id, 8, &[at(0, 1)], &[]));
    assert_eq!(named(&healed), [(0, 0, false)]);
}

#[test]
fn sessions_that_are_unknown_stale_or_of_another_kind_are_refused() {
    let (topic, mut wire) = (wide_topic(1), wire());
    let part = [(&*topic, 0, 0)];
    let id = wire.call(NAMES, &request(0, 0, &part, &[])).session_id;
    let code = |wire: &mut Wire, version: i16, id: i32, epoch: i32| {
        let response = wire.call(version, &request(id, epoch, &[], &[]));
        assert_eq!(response.responses.len(), 0);
        response.error_code
    };
    assert_eq!(code(&mut wire, NAMES, id ^ 1, 1), FETCH_SESSION_ID_NOT_FOUND);
    assert_eq!(code(&mut wire, NAMES, 0, 1), FETCH_SESSION_ID_NOT_FOUND);
    for epoch in [2, 9, i32::MAX] {
        assert_eq!(code(&mut wire, NAMES, id, epoch), INVALID_FETCH_SESSION_EPOCH, "{epoch}");
    }
    assert_eq!(code(&mut wire, 13, id, 1), FETCH_SESSION_TOPIC_ID_ERROR);
    // None of that has closed it; a duplicate of what was answered is stale.
    assert_eq!(wire.call(7, &request(id, 1, &[], &[])).error_code, 0);
    assert_eq!(code(&mut wire, NAMES, id, 1), INVALID_FETCH_SESSION_EPOCH);
    // Another connection may go on with it.
    let mut other = super::wire();
    assert_eq!(other.call(NAMES, &request(id, 2, &[], &[])).session_id, id);
    // A full request closes the session that it names.
    let closing = wire.call(NAMES, &request(id, -1, &part, &[]));
    assert_eq!((closing.session_id, named(&closing)), (0, vec![(0, 0, true)]));
    assert_eq!(code(&mut wire, NAMES, id, 3), FETCH_SESSION_ID_NOT_FOUND);
    // So does one that forgets everything.
    let id = wire.call(NAMES, &request(0, 0, &part, &[])).session_id;
    let empty = wire.call(NAMES, &request(id, 1, &[], &[(&topic, 0)]));
    assert_eq!((empty.error_code, empty.session_id, empty.responses.len()), (0, 0, 0));
    assert_eq!(code(&mut wire, NAMES, id, 2), FETCH_SESSION_ID_NOT_FOUND);
    // A full request that opens one closes the former.
    let id = wire.call(NAMES, &request(0, 0, &part, &[])).session_id;
    let next = wire.call(NAMES, &request(id, 0, &part, &[])).session_id;
    assert!(next > 0 && next != id);
    assert_eq!(code(&mut wire, NAMES, id, 1), FETCH_SESSION_ID_NOT_FOUND);
}

/// A session that was opened by the id of a topic goes on to name it when it is gone, and when
/// another has its name: what a consumer is told then makes it ask for metadata.
#[test]
fn a_session_by_topic_id_says_when_its_topic_is_gone_or_another_has_its_name() {
    let (topic, mut wire) = (wide_topic(1), wire());
    let metadata = MetadataRequest::default()
        .with_topics(Some(vec![MetadataRequestTopic::default().with_name(Some(name(&topic)))]));
    let topic_id = wire.call(10, &metadata).topics[0].topic_id;
    let part = FetchPartition::default().with_partition_max_bytes(1 << 20);
    let by_id = FetchTopic::default().with_topic_id(topic_id).with_partitions(vec![part]);
    let opening = request(0, 0, &[], &[]).with_topics(vec![by_id]);
    let first = wire.call(17, &opening);
    assert_eq!(named(&first), [(0, 0, true)]);
    let mut epoch = 0;
    let mut says = |wire: &mut Wire, expected: i16| {
        let what = format!("the session to answer {expected}");
        wait_for(&what, Duration::from_secs(30), || {
            epoch += 1;
            let response = wire.call(17, &request(first.session_id, epoch, &[], &[]));
            assert!(response.responses.iter().all(|topic| topic.topic_id == topic_id));
            (named(&response) == [(0, expected, false)]).then_some(())
        });
    };
    crate::records::delete_topic(shared().bootstrap(), &topic);
    says(&mut wire, UNKNOWN_TOPIC_OR_PARTITION);
    create_topic(shared().bootstrap(), &topic, 1);
    wait_for("the new topic to take records", Duration::from_secs(30), || {
        (produced(&mut wire, &topic, 0, &batch(&[b"of another"])) == 0).then_some(())
    });
    says(&mut wire, INCONSISTENT_TOPIC_ID);
    // Nothing of the new topic is given for the id of the former, in a session or without.
    let alone = wire.call(17, &opening.clone().with_session_epoch(-1));
    assert_eq!(named(&alone), [(0, UNKNOWN_TOPIC_ID, false)]);
}

/// Kafka divides its places among eight shards, so this is asked of Strom only.
mod strom_only {
    use super::*;

    #[test]
    fn a_session_too_many_gets_no_place_and_its_consumer_is_served_all_the_same() {
        let slots = "max.incremental.fetch.session.cache.slots";
        let broker = Broker::start_strom(&[(slots, "2")]);
        assert_eq!(broker.against(), Against::Strom);
        create_topic(broker.bootstrap(), "crowded", 1);
        let mut wire = Wire::open(broker.bootstrap());
        assert_eq!(produced(&mut wire, "crowded", 0, &batch(&[b"record"])), 0);
        let opening = request(0, 0, &[("crowded", 0, 0)], &[]);
        let ids = [(); 3].map(|()| wire.call(NAMES, &opening).session_id);
        assert!(ids[0] > 0 && ids[1] > 0 && ids[0] != ids[1], "{ids:?}");
        assert_eq!(ids[2], 0, "there is no third place");
        assert_eq!(named(&wire.call(NAMES, &opening)), [(0, 0, true)]);
        // A place that becomes free is given again.
        wire.call(NAMES, &request(ids[0], -1, &[("crowded", 0, 0)], &[]));
        assert!(wire.call(NAMES, &opening).session_id > 0);
    }
}
