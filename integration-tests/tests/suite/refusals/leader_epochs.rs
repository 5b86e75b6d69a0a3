//! Leader epochs that a client believes in (KIP-320), in each API that carries one.

use kafka_protocol::messages::OffsetForLeaderEpochRequest;
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use strom_integration_tests::broker::Broker;

use super::*;

const FENCED_LEADER_EPOCH: i16 = 74;
const UNKNOWN_LEADER_EPOCH: i16 = 75;

/// The answer for one partition: error code, epoch, end offset.
fn end_of_epoch(
    wire: &mut Wire,
    version: i16,
    (topic, partition): (&str, i32),
    (current, asked): (i32, i32),
) -> (i16, i32, i64) {
    let partition = OffsetForLeaderPartition::default()
        .with_partition(partition)
        .with_current_leader_epoch(current)
        .with_leader_epoch(asked);
    let topic =
        OffsetForLeaderTopic::default().with_topic(name(topic)).with_partitions(vec![partition]);
    let mut request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
    if version >= 3 {
        request = request.with_replica_id((-1).into());
    }
    let found = &wire.call(version, &request).topics[0].partitions[0];
    (found.error_code, found.leader_epoch, found.end_offset)
}

/// The error code of a read of partition 0 by a consumer that believes in this epoch.
fn read_in_epoch(wire: &mut Wire, version: i16, topic: &str, current: i32) -> i16 {
    let mut request = fetch(FetchTopic::default().with_topic(name(topic)), 0, 0);
    request.topics[0].partitions[0].current_leader_epoch = current;
    wire.call(version, &request).responses[0].partitions[0].error_code
}

/// The error code of a look-up of partition 0's end, likewise.
fn listed_in_epoch(wire: &mut Wire, version: i16, topic: &str, current: i32) -> i16 {
    let partition = ListOffsetsPartition::default()
        .with_partition_index(0)
        .with_current_leader_epoch(current)
        .with_timestamp(-1);
    let topic = ListOffsetsTopic::default().with_name(name(topic)).with_partitions(vec![partition]);
    let request =
        ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![topic]);
    wire.call(version, &request).topics[0].partitions[0].error_code
}

/// The epoch of partition 0's leader.
fn leader_epoch(wire: &mut Wire, topic: &str) -> i32 {
    let metadata = MetadataRequest::default()
        .with_topics(Some(vec![MetadataRequestTopic::default().with_name(Some(name(topic)))]))
        .with_allow_auto_topic_creation(false);
    wire.call(9, &metadata).topics[0].partitions[0].leader_epoch
}

#[test]
fn leader_epochs_end_at_the_log_end_or_are_refused() {
    let (topic, mut wire) = (topic(), wire());
    assert_eq!(produced(&mut wire, &topic, 0, &batch(&[b"one", b"two"])), 0);
    let absent = unique("absent");
    let now = leader_epoch(&mut wire, &topic);
    for version in 2..=4 {
        for (place, epochs, expected) in [
            ((&*topic, 0), (-1, now), (0, now, 2)),
            ((&topic, 0), (now, now), (0, now, 2)),
            ((&topic, 0), (-1, now + 1), (0, -1, -1)),
            ((&topic, 0), (-1, -1), (0, -1, -1)),
            ((&topic, 0), (now + 1, now), (UNKNOWN_LEADER_EPOCH, -1, -1)),
            ((&topic, 4), (-1, now), (UNKNOWN_TOPIC_OR_PARTITION, -1, -1)),
            ((&absent, 0), (-1, now), (UNKNOWN_TOPIC_OR_PARTITION, -1, -1)),
        ] {
            let found = end_of_epoch(&mut wire, version, place, epochs);
            assert_eq!(found, expected, "version {version}: {place:?} {epochs:?}");
        }
    }
}

#[test]
fn a_client_of_a_former_epoch_is_fenced_and_one_of_a_later_is_unknown() {
    let mut broker = Broker::start(&[]);
    create_topic(broker.bootstrap(), "epochs", 1);
    let mut wire = Wire::open(broker.bootstrap());
    wait_for("the new topic to take records", Duration::from_secs(30), || {
        (produced(&mut wire, "epochs", 0, &batch(&[b"before"])) == 0).then_some(())
    });
    let former = leader_epoch(&mut wire, "epochs");
    broker.kill();
    broker.start_again();
    let mut wire = Wire::open(broker.bootstrap());
    let now = wait_for("a later leader", Duration::from_secs(60), || {
        let now = leader_epoch(&mut wire, "epochs");
        (now > former && fetched(&mut wire, "epochs", 0) == 0).then_some(now)
    });
    assert_eq!(produced(&mut wire, "epochs", 0, &batch(&[b"after"])), 0);
    for (current, expected) in [
        (now - 1, FENCED_LEADER_EPOCH),
        (former, FENCED_LEADER_EPOCH),
        (0, FENCED_LEADER_EPOCH),
        (now, 0),
        (-1, 0),
        (now + 1, UNKNOWN_LEADER_EPOCH),
        (i32::MAX, UNKNOWN_LEADER_EPOCH),
    ] {
        for version in [9, 11, 12] {
            let code = read_in_epoch(&mut wire, version, "epochs", current);
            assert_eq!(code, expected, "Fetch {version} in {current} of {now}");
        }
        for version in [4, 6, 10] {
            let code = listed_in_epoch(&mut wire, version, "epochs", current);
            assert_eq!(code, expected, "ListOffsets {version} in {current} of {now}");
        }
        for version in 2..=4 {
            let (code, ..) = end_of_epoch(&mut wire, version, ("epochs", 0), (current, now));
            assert_eq!(code, expected, "OffsetForLeaderEpoch {version} in {current} of {now}");
        }
    }
    // The former leader's last record is where its epoch ends; a consumer that had read on would learn
    // so of what it has lost.
    for (asked, expected) in [(former, (0, former, 1)), (now, (0, now, 2))] {
        assert_eq!(end_of_epoch(&mut wire, 4, ("epochs", 0), (now, asked)), expected);
    }
}
