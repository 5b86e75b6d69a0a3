//! Commits outlive the client that made them and the broker that took them; members that live
//! through a restart of the broker go on.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use strom_integration_tests::broker::{Broker, COMMON_OPTIONS};
use strom_integration_tests::capability::Capability;
use strom_integration_tests::client::Client;
use strom_integration_tests::record::{Record, numbered};
use strom_integration_tests::session::{Join, Produce, Session};

const ROUND: usize = 30;
const PARTITIONS: i32 = 3;

#[test]
fn groups_resume_after_restarts_of_clients_and_broker() {
    let mut broker = Broker::start(COMMON_OPTIONS);
    let mut producer = Client::Confluent.start(broker.bootstrap());
    let mut living: BTreeMap<Client, Session> = BTreeMap::new();
    for client in clients() {
        producer.create_topic(client.name(), PARTITIONS);
        produce(&mut producer, client, "before-");
        let mut session = client.start(broker.bootstrap());
        join(&mut session, "resuming");
        expect(&mut session, "resuming", "before-");
        session.commit("resuming").unwrap();
        session.leave("resuming");
        if client.can(Capability::OutlivesItsBroker) {
            join(&mut session, "living");
            expect(&mut session, "living", "before-");
            session.commit("living").unwrap();
        }
        living.insert(client, session);
    }
    let java = living.get_mut(&Client::Java).unwrap();
    let before = committed(java);
    broker.stop();
    broker.start_again();
    let java = living.get_mut(&Client::Java).unwrap();
    assert_eq!(committed(java), before, "committed offsets after the restart");
    for (client, session) in &mut living {
        produce(&mut producer, *client, "after-");
        if client.can(Capability::OutlivesItsBroker) {
            expect(session, "living", "after-");
        }
        let mut fresh = client.start(broker.bootstrap());
        join(&mut fresh, "resuming");
        expect(&mut fresh, "resuming", "after-");
    }
    drop(living);
    crate::verified::written_to(&broker);
    broker.stop();
}

fn clients() -> impl Iterator<Item = Client> {
    Client::ALL.into_iter().filter(|client| client.can(Capability::Groups))
}

fn produce(producer: &mut Session, client: Client, prefix: &str) {
    let records: Vec<Record> = (0..)
        .zip(numbered(prefix, ROUND))
        .map(|(index, record)| record.on(index % PARTITIONS))
        .collect();
    producer.produce(client.name(), Produce::default(), &records);
}

/// The group's name says whose it is and which of the two.
fn group(client: Client, handle: &str) -> String {
    format!("{}-{handle}", client.name())
}

fn join(session: &mut Session, handle: &str) {
    let (name, group) = (session.client.name().to_string(), group(session.client, handle));
    let join = Join {
        group: &group,
        topics: std::slice::from_ref(&name),
        assignor: "eager",
        instance_id: None,
        session_timeout: Duration::from_secs(10),
    };
    session.join(handle, &join);
}

/// Waits for exactly the records of one round: nothing of an earlier round may come again.
fn expect(session: &mut Session, handle: &str, prefix: &str) {
    let end = Instant::now() + Duration::from_secs(60);
    let mut seen = Vec::new();
    while seen.len() < ROUND {
        assert!(Instant::now() < end, "{:?} {handle}: {} {prefix}", session.client, seen.len());
        let found = session.member(handle).records;
        seen.extend(found.iter().map(|found| found.record.value_text()));
        std::thread::sleep(Duration::from_millis(50));
    }
    seen.sort();
    let mut expected: Vec<String> = (0..ROUND).map(|number| format!("{prefix}{number}")).collect();
    expected.sort();
    assert_eq!(seen, expected, "{:?} {handle}", session.client);
}

/// What each group has committed.
fn committed(admin: &mut Session) -> Vec<(String, BTreeMap<i32, i64>)> {
    let mut found = Vec::new();
    for client in clients() {
        for handle in ["resuming", "living"] {
            if handle == "resuming" || client.can(Capability::OutlivesItsBroker) {
                let group = group(client, handle);
                let offsets = admin.committed(&group, client.name());
                assert_eq!(offsets.values().sum::<i64>(), ROUND as i64, "{group}");
                found.push((group, offsets));
            }
        }
    }
    found
}
