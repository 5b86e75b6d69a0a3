//! One member of a group, polled by a thread of its own, which also commits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::{Value, json};
use strom_integration_tests::driver::text;
use strom_integration_tests::session::{Answer, Refused};

use crate::{record_of, refused, with};

pub struct Member {
    watch: Arc<Watch>,
    /// Commits to make, each with where its result goes. Closed, the member leaves.
    commits: Sender<Sender<KafkaResult<()>>>,
    thread: JoinHandle<()>,
}

/// What a member has seen, kept by librdkafka's callbacks and the polling thread.
#[derive(Default)]
struct Watch(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    assigned: BTreeSet<(String, i32)>,
    rebalances: u64,
    /// Not handed out yet.
    records: Vec<Value>,
    /// After the last record handed out, of each partition held.
    next: BTreeMap<(String, i32), i64>,
    /// Why it has stopped.
    failure: Option<Refused>,
}

impl Seen {
    fn take(&mut self) -> Vec<Value> {
        for record in &self.records {
            let partition = i32::try_from(record["partition"].as_i64().unwrap()).unwrap();
            let partition = (text(record, "topic").to_string(), partition);
            if self.assigned.contains(&partition) {
                self.next.insert(partition, record["offset"].as_i64().unwrap() + 1);
            }
        }
        std::mem::take(&mut self.records)
    }
}

impl ClientContext for Watch {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        eprintln!("{facility}: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        eprintln!("{error}: {reason}");
    }
}

impl ConsumerContext for Watch {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let of = |list: &TopicPartitionList| -> Vec<(String, i32)> {
            list.elements().iter().map(|e| (e.topic().to_string(), e.partition())).collect()
        };
        let mut seen = self.0.lock().unwrap();
        match rebalance {
            Rebalance::Assign(list) => {
                seen.rebalances += 1;
                seen.assigned.extend(of(list));
            }
            Rebalance::Revoke(list) => {
                for partition in of(list) {
                    seen.assigned.remove(&partition);
                    seen.next.remove(&partition);
                }
            }
            Rebalance::Error(error) => eprintln!("rebalance: {error}"),
        }
    }
}

impl Member {
    pub fn join(config: &ClientConfig, command: &Value) -> Answer<Member> {
        let strategy = match text(command, "assignor") {
            "eager" => "range",
            "cooperative" => "cooperative-sticky",
            other => panic!("no assignor is called {other}"),
        };
        let settings = [
            ("group.id", text(command, "group")),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "earliest"),
            ("session.timeout.ms", &command["session_timeout_ms"].to_string()),
            ("heartbeat.interval.ms", "300"),
            ("topic.metadata.refresh.interval.ms", "1000"),
            ("partition.assignment.strategy", strategy),
        ];
        let mut config = with(config, &settings);
        if let Some(instance) = command["instance_id"].as_str() {
            config.set("group.instance.id", instance);
        }
        let consumer: BaseConsumer<Watch> =
            config.create_with_context(Watch::default()).map_err(refused)?;
        let topics = command["topics"].as_array().unwrap().iter();
        let topics: Vec<&str> = topics.map(|topic| topic.as_str().unwrap()).collect();
        consumer.subscribe(&topics).map_err(refused)?;
        let watch = Arc::clone(consumer.context());
        let (commits, asked) = channel();
        let thread = std::thread::spawn(move || run(&consumer, &asked));
        Ok(Member { watch, commits, thread })
    }

    pub fn state(&self) -> Answer {
        let mut seen = self.watch.0.lock().unwrap();
        if let Some(failure) = &seen.failure {
            return Err(failure.clone());
        }
        let records = seen.take();
        Ok(json!({
            "assignment": seen.assigned, "rebalances": seen.rebalances, "records": records,
        }))
    }

    pub fn commit(&self) -> Answer<()> {
        let (done, result) = channel();
        // A thread that has stopped takes nothing any more, and has said why.
        let _ = self.commits.send(done);
        match result.recv() {
            Ok(result) => result.map_err(refused),
            Err(_) => Err(self.watch.0.lock().unwrap().failure.clone().expect("why it stopped")),
        }
    }

    /// Leaves the group; returns the records that were not handed out yet.
    pub fn leave(self) -> Vec<Value> {
        drop(self.commits);
        self.thread.join().unwrap();
        self.watch.0.lock().unwrap().take()
    }
}

/// Polls until the member leaves or fails. Dropping the consumer then leaves the group.
fn run(consumer: &BaseConsumer<Watch>, commits: &Receiver<Sender<KafkaResult<()>>>) {
    loop {
        match commits.try_recv() {
            // Nobody waits for the result of a commit whose asker is gone.
            Ok(done) => drop(done.send(commit(consumer))),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return,
        }
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            Some(Ok(message)) => {
                consumer.context().0.lock().unwrap().records.push(record_of(&message));
            }
            Some(Err(error)) => {
                eprintln!("member: {error}");
                if let Some(failure) = last_failure(consumer, &error) {
                    consumer.context().0.lock().unwrap().failure = Some(failure);
                    return;
                }
            }
        }
    }
}

/// Why the member cannot go on after an error; None when librdkafka goes on by itself.
fn last_failure(consumer: &BaseConsumer<Watch>, error: &KafkaError) -> Option<Refused> {
    if let Some((code, reason)) = consumer.client().fatal_error() {
        return Some(Refused { error: crate::kafka_name(code), message: reason });
    }
    let fenced = error.rdkafka_error_code() == Some(RDKafkaErrorCode::FencedInstanceId);
    let fatal = matches!(error, KafkaError::MessageConsumptionFatal(_));
    (fenced || fatal).then(|| refused(error.clone()))
}

fn commit(consumer: &BaseConsumer<Watch>) -> KafkaResult<()> {
    let mut offsets = TopicPartitionList::new();
    for ((topic, partition), next) in &consumer.context().0.lock().unwrap().next {
        offsets.add_partition_offset(topic, *partition, Offset::Offset(*next))?;
    }
    if offsets.count() == 0 { Ok(()) } else { consumer.commit(&offsets, CommitMode::Sync) }
}
