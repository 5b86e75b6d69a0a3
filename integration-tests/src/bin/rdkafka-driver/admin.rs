//! Topics and groups, by the admin client where it has the question.

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::{Value, json};
use strom_integration_tests::driver::text;
use strom_integration_tests::session::Answer;

use crate::{PATIENCE, refused, with};

pub struct Admin(AdminClient<DefaultClientContext>);

impl Admin {
    pub fn new(config: &ClientConfig) -> Admin {
        Admin(config.create().expect("an admin client needs an address only"))
    }

    pub fn create_topic(&self, command: &Value) -> Answer<()> {
        let number = |name: &str| i32::try_from(command[name].as_i64().unwrap()).unwrap();
        let replication = TopicReplication::Fixed(number("replication_factor"));
        let mut topic = NewTopic::new(text(command, "topic"), number("partitions"), replication);
        for (name, value) in command["configs"].as_object().into_iter().flatten() {
            topic = topic.set(name, value.as_str().unwrap());
        }
        let created = wait(self.0.create_topics([&topic], &AdminOptions::new()));
        only(created).and_then(|result| result.map_err(by_topic)).map(drop).map_err(refused)
    }

    pub fn delete_topic(&self, topic: &str) -> Answer<()> {
        let deleted = wait(self.0.delete_topics(&[topic], &AdminOptions::new()));
        only(deleted).and_then(|result| result.map_err(by_topic)).map(drop).map_err(refused)
    }

    /// The crate drops the error for a topic that is not there: it has no configs then.
    pub fn describe_topic_config(&self, topic: &str) -> Answer {
        let topic = ResourceSpecifier::Topic(topic);
        let described = wait(self.0.describe_configs([&topic], &AdminOptions::new()));
        let found = only(described)
            .and_then(|result| result.map_err(KafkaError::AdminOp))
            .map_err(refused)?;
        let configs = found.entries.into_iter().map(|entry| (entry.name, json!(entry.value)));
        Ok(json!({ "configs": configs.collect::<serde_json::Map<_, _>>() }))
    }

    /// The crate has the older request only, which resets whatever it does not name.
    pub fn replace_topic_config(&self, command: &Value) -> Answer<()> {
        let mut wanted = AlterConfig::new(ResourceSpecifier::Topic(text(command, "topic")));
        for (name, value) in command["set"].as_object().unwrap() {
            wanted = wanted.set(name, value.as_str().unwrap());
        }
        let altered = wait(self.0.alter_configs([&wanted], &AdminOptions::new()));
        let failed = |(_, code)| KafkaError::AdminOp(code);
        only(altered).and_then(|result| result.map_err(failed)).map(drop).map_err(refused)
    }

    pub fn create_partitions(&self, command: &Value) -> Answer<()> {
        let count = usize::try_from(command["count"].as_u64().unwrap()).unwrap();
        let wanted = NewPartitions::new(text(command, "topic"), count);
        let created = wait(self.0.create_partitions([&wanted], &AdminOptions::new()));
        only(created).and_then(|result| result.map_err(by_topic)).map(drop).map_err(refused)
    }

    pub fn delete_records(&self, command: &Value) -> Answer<()> {
        let partition = i32::try_from(command["partition"].as_i64().unwrap()).unwrap();
        let before = Offset::Offset(command["before"].as_i64().unwrap());
        let mut wanted = TopicPartitionList::new();
        let mut delete = || {
            wanted.add_partition_offset(text(command, "topic"), partition, before)?;
            let deleted = wait(self.0.delete_records(&wanted, &AdminOptions::new()))?;
            deleted.elements().iter().try_for_each(|element| element.error())
        };
        delete().map_err(refused)
    }

    pub fn topics(&self) -> Answer {
        let found = self.0.inner().fetch_metadata(None, PATIENCE).map_err(refused)?;
        let topics = found.topics().iter();
        let topics = topics.map(|t| (t.name().to_string(), json!(t.partitions().len())));
        Ok(json!({ "topics": topics.collect::<serde_json::Map<_, _>>() }))
    }

    pub fn groups(&self) -> Answer {
        let found = self.0.inner().fetch_group_list(None, PATIENCE).map_err(refused)?;
        let groups: Vec<&str> = found.groups().iter().map(|group| group.name()).collect();
        Ok(json!({ "groups": groups }))
    }

    /// By a consumer of the group that never joins it: the crate's admin client cannot ask.
    pub fn committed(&self, config: &ClientConfig, group: &str, topic: &str) -> Answer {
        let find = || -> KafkaResult<Vec<(i32, i64)>> {
            let metadata = self.0.inner().fetch_metadata(Some(topic), PATIENCE)?;
            let mut wanted = TopicPartitionList::new();
            for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
                wanted.add_partition(topic, partition.id());
            }
            let consumer: BaseConsumer = with(config, &[("group.id", group)]).create()?;
            let mut offsets = Vec::new();
            for found in consumer.committed_offsets(wanted, PATIENCE)?.elements() {
                found.error()?;
                if let Offset::Offset(offset) = found.offset() {
                    offsets.push((found.partition(), offset));
                }
            }
            Ok(offsets)
        };
        Ok(json!({ "offsets": find().map_err(refused)? }))
    }
}

/// The result for the one thing that was asked.
fn only<T>(results: KafkaResult<Vec<T>>) -> KafkaResult<T> {
    Ok(results?.pop().expect("one result for one question"))
}

fn by_topic((_, code): (String, RDKafkaErrorCode)) -> KafkaError {
    KafkaError::AdminOp(code)
}

/// Runs a future of the admin client, which a thread of its own completes.
fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
