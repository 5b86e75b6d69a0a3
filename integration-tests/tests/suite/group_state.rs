//! Groups whose commits are many: their state is written anew from time to time, so that a start
//! does not read a long history, and neither a kill nor that writing takes a commit back.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::{GroupId, OffsetCommitRequest, TopicName};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use strom_integration_tests::broker::Broker;
use strom_integration_tests::client::Client;
use strom_integration_tests::record::{Record, numbered};
use strom_integration_tests::session::{Join, Produce};
use strom_integration_tests::wait::wait_for;

use crate::records::client;
use crate::wire::{Wire, text};

const TOPIC: &str = "counted";
const GROUP: &str = "counters";
const PARTITIONS: i32 = 50;
/// Enough for two checkpoints: one is due after 10 000 records.
const ROUNDS: i64 = 420;
const GROUP_PARTITIONS: i32 = 50;

/// One commit of every partition of the topic, by a group without members.
fn commit(wire: &mut Wire, offset: i64) {
    let partitions = (0..PARTITIONS).map(|partition| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(partition)
            .with_committed_offset(offset)
    });
    let topic = OffsetCommitRequestTopic::default()
        .with_name(TopicName(text(TOPIC)))
        .with_partitions(partitions.collect());
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(text(GROUP)))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    let answer = wire.call(8, &request);
    let codes = answer.topics[0].partitions.iter().map(|partition| partition.error_code);
    assert!(codes.into_iter().all(|code| code == 0), "commit {offset}: {answer:?}");
}

/// Beginning and end of each partition of the offsets topic that has ever held anything.
fn offsets_topic(broker: &Broker) -> BTreeMap<i32, (i64, i64)> {
    let consumer: BaseConsumer = client(broker.bootstrap(), &[]).create().unwrap();
    let watermarks = |partition| {
        let patience = Duration::from_secs(20);
        consumer.fetch_watermarks("__consumer_offsets", partition, patience).unwrap()
    };
    let found = (0..GROUP_PARTITIONS).map(|partition| (partition, watermarks(partition)));
    found.filter(|(_, (_, end))| *end > 0).collect()
}

#[test]
fn ten_thousand_commits_are_written_anew_and_survive_a_kill() {
    let mut broker = Broker::start_strom(&[("group.initial.rebalance.delay.ms", "0")]);
    let mut session = Client::Confluent.start(broker.bootstrap());
    session.create_topic(TOPIC, PARTITIONS);
    let mut wire = Wire::open(broker.bootstrap());
    wait_for("the coordinator of groups", Duration::from_secs(30), || {
        session.committed(GROUP, TOPIC).is_empty().then_some(())
    });
    for offset in 1..=ROUNDS {
        commit(&mut wire, offset);
    }
    let written = ROUNDS * i64::from(PARTITIONS);
    let before = offsets_topic(&broker);
    assert_eq!(before.len(), 1, "one group, one partition: {before:?}");
    let (&partition, &(begin, end)) = before.first_key_value().unwrap();
    assert!(end >= written && written >= 10_000, "{end} records");
    assert!(begin > 10_000, "checkpoints have moved the beginning: {begin}..{end}");
    assert!(end - begin < 11_000, "a start reads what is left: {begin}..{end}");

    broker.kill();
    broker.start_again();
    let after = offsets_topic(&broker)[&partition];
    assert!(after.0 >= begin && after.1 >= end, "{after:?} after {begin}..{end}");
    let mut session = Client::Confluent.start(broker.bootstrap());
    let committed = session.committed(GROUP, TOPIC);
    let expected: BTreeMap<i32, i64> = (0..PARTITIONS).map(|p| (p, ROUNDS)).collect();
    assert_eq!(committed, expected);

    // A member of the group resumes there: of 425 records, the last five of a partition are new.
    let records: Vec<Record> = numbered("", 425).into_iter().map(|record| record.on(7)).collect();
    session.produce(TOPIC, Produce::default(), &records);
    let join = Join {
        group: GROUP,
        topics: &[TOPIC.to_string()],
        assignor: "eager",
        instance_id: None,
        session_timeout: Duration::from_secs(10),
    };
    session.join("member", &join);
    let mut seen = Vec::new();
    wait_for("the five records after the commit", Duration::from_secs(30), || {
        let found = session
            .member("member")
            .records
            .into_iter()
            .filter(|found| found.record.partition == Some(7));
        seen.extend(found.map(|found| found.offset));
        (seen.len() >= 5).then_some(())
    });
    assert_eq!(seen, [420, 421, 422, 423, 424]);
    broker.stop();
}
