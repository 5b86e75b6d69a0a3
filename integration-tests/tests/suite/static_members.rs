//! Static membership (KIP-345): a member that comes back under its instance id gets its
//! partitions without a rebalance of the others, and a second one under the same id fences it.

use std::time::Duration;

use strom_integration_tests::broker::{self, unique};
use strom_integration_tests::client::Client;
use strom_integration_tests::record::{Record, numbered};
use strom_integration_tests::session::{Join, Produce, Session};
use strom_integration_tests::wait::wait_for;

pub(crate) mod static_members_come_back_without_a_rebalance {
    crate::with_clients!(
        super::check; java confluent_kafka franz_go rdkafka kafka_python aiokafka platformatic
        sarama
    );
}

pub(crate) mod a_second_holder_of_an_instance_id_fences_the_first {
    crate::with_clients!(
        super::fenced; java confluent_kafka rdkafka sarama
    );
}

fn joined(client: Client, group: &str, instance: &str) -> Session {
    let mut session = client.start(broker::shared().bootstrap());
    let join = Join {
        group,
        topics: &[group.to_string()],
        assignor: "eager",
        instance_id: Some(instance),
        session_timeout: Duration::from_secs(30),
    };
    session.join("member", &join);
    session
}

fn assigned(session: &mut Session, count: usize) -> Vec<(String, i32)> {
    wait_for(&format!("{count} partitions"), Duration::from_secs(40), || {
        let assignment = session.member("member").assignment;
        (assignment.len() == count).then_some(assignment)
    })
}

fn check(client: Client) {
    let group = unique(&format!("static-{}", client.name()));
    Client::Confluent.shared().create_topic(&group, 4);
    let mut first = joined(client, &group, "first");
    assigned(&mut first, 4);
    let mut second = joined(client, &group, "second");
    assigned(&mut first, 2);
    let before = assigned(&mut second, 2);
    let rebalances = first.member("member").rebalances;

    second.kill();
    let mut again = joined(client, &group, "second");
    assert_eq!(assigned(&mut again, 2), before);
    // It has its partitions in earnest when it reads from them.
    let records: Vec<Record> =
        before.iter().zip(numbered("", 2)).map(|((_, p), record)| record.on(*p)).collect();
    Client::Confluent.shared().produce(&group, Produce::default(), &records);
    let mut seen = 0;
    wait_for("the records of its partitions", Duration::from_secs(30), || {
        seen += again.member("member").records.len();
        (seen == 2).then_some(())
    });
    let after = first.member("member");
    assert_eq!((after.rebalances, after.assignment.len()), (rebalances, 2));
}

fn fenced(client: Client) {
    let group = unique(&format!("fenced-{}", client.name()));
    Client::Confluent.shared().create_topic(&group, 1);
    let mut first = joined(client, &group, "only");
    assigned(&mut first, 1);
    let mut second = joined(client, &group, "only");
    assigned(&mut second, 1);
    let refused = wait_for("the first to be fenced", Duration::from_secs(30), || {
        let member = serde_json::json!({"handle": "member"});
        first.call("member", member).err()
    });
    let text = format!("{refused:?}").to_lowercase();
    assert!(text.contains("fenced"), "{refused:?}");
}
