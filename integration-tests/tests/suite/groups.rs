//! Groups of three members through join, leave and death, and what a successor reads afterwards.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use strom_integration_tests::broker::{self, unique};
use strom_integration_tests::client::Client;
use strom_integration_tests::record::{Found, Record};
use strom_integration_tests::session::{Join, Produce, Session};

pub(crate) mod eager_groups_survive_join_leave_and_death {
    crate::with_clients!(
        super::eager; kcat java confluent_kafka franz_go kafkajs rdkafka kafka_python aiokafka
        platformatic sarama
    );
}

pub(crate) mod cooperative_groups_survive_join_leave_and_death {
    crate::with_clients!(
        super::cooperative; kcat java confluent_kafka franz_go rdkafka kafka_python platformatic
        sarama
    );
}

fn eager(client: Client) {
    check(client, "eager");
}

fn cooperative(client: Client) {
    check(client, "cooperative");
}

const PARTITIONS: i32 = 6;

/// What a member may answer to a commit while its group changes.
const PASSING: &[&str] = &[
    "REBALANCE_IN_PROGRESS",
    "ILLEGAL_GENERATION",
    "UNKNOWN_MEMBER_ID",
    "RebalanceInProgressException",
    "CommitFailedException",
    "NO_OFFSET",
];

/// A group at work: its members, what was produced for it, and what it delivered.
struct Group {
    client: Client,
    assignor: &'static str,
    name: String,
    topic: String,
    members: BTreeMap<&'static str, Session>,
    delivered: BTreeMap<String, u32>,
    produced: usize,
}

fn check(client: Client, assignor: &'static str) {
    let name = unique(&format!("group-{}-{assignor}", client.name()));
    let mut group = Group {
        client,
        assignor,
        topic: name.clone(),
        name,
        members: BTreeMap::new(),
        delivered: BTreeMap::new(),
        produced: 0,
    };
    Client::Confluent.shared().create_topic(&group.topic, PARTITIONS);
    group.join("a");
    group.settle(&[6]);
    group.join("b");
    group.settle(&[3, 3]);
    group.join("c");
    group.settle(&[2, 2, 2]);
    group.drain_kcat();
    group.leave("b");
    group.settle(&[3, 3]);
    group.drain_kcat();
    let found = group.members.remove("c").unwrap().kill();
    group.note(found);
    group.settle(&[6]);
    group.wait_for_all();
    group.commit("a");
    group.leave("a");
    group.successor_reads_only_what_is_new();
}

impl Group {
    fn join(&mut self, member: &'static str) {
        let mut session = self.client.start(broker::shared().bootstrap());
        session.join(member, &self.how());
        self.members.insert(member, session);
    }

    fn how(&self) -> Join<'_> {
        Join {
            group: &self.name,
            topics: std::slice::from_ref(&self.topic),
            assignor: self.assignor,
            instance_id: None,
            session_timeout: Duration::from_secs(6),
        }
    }

    fn leave(&mut self, member: &'static str) {
        let found = self.members.remove(member).unwrap().leave(member);
        self.note(found);
    }

    fn note(&mut self, found: Vec<Found>) {
        for found in found {
            *self.delivered.entry(found.record.value_text()).or_default() += 1;
        }
    }

    /// One record for each partition.
    fn feed(&mut self) {
        let records: Vec<Record> = (0..PARTITIONS)
            .map(|partition| Record::text(&format!("{}-{partition}", self.produced)).on(partition))
            .collect();
        Client::Confluent.shared().produce(&self.topic, Produce::default(), &records);
        self.produced += records.len();
    }

    /// Asks every member once; returns how many partitions each has.
    fn ask(&mut self) -> Vec<usize> {
        let mut sizes = Vec::new();
        let mut partitions = Vec::new();
        let mut found = Vec::new();
        for (handle, session) in &mut self.members {
            let state = session.member(handle);
            sizes.push(state.assignment.len());
            partitions.extend(state.assignment);
            found.extend(state.records);
        }
        self.note(found);
        partitions.sort();
        partitions.dedup();
        sizes.sort_unstable();
        // Two members may name one partition for a moment; that is not settled.
        if partitions.len() == sizes.iter().sum::<usize>() { sizes } else { Vec::new() }
    }

    /// Produces, consumes and commits until the members share the partitions like this.
    fn settle(&mut self, expected: &[usize]) {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            self.feed();
            let sizes = self.ask();
            if sizes == expected {
                return;
            }
            assert!(Instant::now() < end, "{}: {sizes:?}, not {expected:?}", self.name);
            for (handle, session) in &mut self.members {
                if let Err(refused) = session.commit(handle) {
                    let passing = PASSING.contains(&refused.error.as_str());
                    assert!(passing, "{}: commit by {handle}: {refused:?}", self.name);
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Leaves nothing on its way to a kcat that is about to end. With `-G`, librdkafka counts a
    /// record as read before kcat prints it, and kcat drops the one it polls after a SIGTERM and
    /// then commits it: with any broker, that record is printed by nobody.
    fn drain_kcat(&mut self) {
        if self.client == Client::Kcat {
            self.wait_for_all();
        }
    }

    /// Every record that was ever produced has been delivered.
    fn wait_for_all(&mut self) {
        let end = Instant::now() + Duration::from_secs(30);
        while self.delivered.len() < self.produced {
            assert!(
                Instant::now() < end,
                "{}: {} of {} records delivered, not {:?}",
                self.name,
                self.delivered.len(),
                self.produced,
                self.missing()
            );
            self.ask();
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What was produced and not delivered, named as `feed` names it.
    fn missing(&self) -> Vec<String> {
        let rounds = (0..self.produced).step_by(PARTITIONS as usize);
        rounds
            .flat_map(|round| (0..PARTITIONS).map(move |partition| format!("{round}-{partition}")))
            .filter(|value| !self.delivered.contains_key(value))
            .collect()
    }

    fn commit(&mut self, member: &'static str) {
        self.members.get_mut(member).unwrap().commit(member).unwrap();
    }

    /// A member that starts when all others are gone begins where they committed.
    fn successor_reads_only_what_is_new(&mut self) {
        let before = self.delivered.clone();
        let ends: i64 =
            Client::Confluent.shared().committed(&self.name, &self.topic).values().sum();
        assert_eq!(ends, i64::try_from(self.produced).unwrap(), "{} committed", self.name);
        self.feed();
        self.feed();
        self.join("d");
        self.wait_for_all();
        for (value, count) in &before {
            assert_eq!(self.delivered[value], *count, "{value} was delivered again");
        }
        self.leave("d");
    }
}
