//! Reading chosen partitions from chosen places, without a group.

use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::Value;
use strom_integration_tests::driver::text;
use strom_integration_tests::session::Answer;

use crate::{PATIENCE, record_of, refused, with};

pub struct Reader(BaseConsumer);

impl Reader {
    /// Starts reading; also returns the offset at which each part begins.
    pub fn open(config: &ClientConfig, command: &Value) -> Answer<(Reader, Vec<i64>)> {
        // It joins no group; an offset that is not there must not become another one unnoticed.
        let settings = [
            ("group.id", "unused"),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "error"),
            ("allow.auto.create.topics", &command["create"].as_bool().unwrap_or(false).to_string()),
            ("check.crcs", "true"),
        ];
        let consumer: BaseConsumer = with(config, &settings).create().map_err(refused)?;
        let mut assignment = TopicPartitionList::new();
        let mut positions = Vec::new();
        for part in command["parts"].as_array().unwrap() {
            let topic = text(part, "topic");
            let partition = i32::try_from(part["partition"].as_i64().unwrap()).unwrap();
            let position =
                position_of(&consumer, topic, partition, &part["from"]).map_err(refused)?;
            let offset = Offset::Offset(position);
            assignment.add_partition_offset(topic, partition, offset).map_err(refused)?;
            positions.push(position);
        }
        consumer.assign(&assignment).map_err(refused)?;
        Ok((Reader(consumer), positions))
    }

    pub fn read(&self, command: &Value) -> Answer<Vec<Value>> {
        let count = usize::try_from(command["count"].as_u64().unwrap()).unwrap();
        let time = Duration::from_millis(command["timeout_ms"].as_u64().unwrap());
        let deadline = Instant::now() + time;
        let mut records = Vec::new();
        while records.len() < count && Instant::now() < deadline {
            match self.0.poll(Duration::from_millis(100)) {
                None => {}
                Some(Ok(message)) => records.push(record_of(&message)),
                Some(Err(error)) if is_passing(&error) => eprintln!("reader: {error}"),
                Some(Err(error)) => return Err(refused(error)),
            }
        }
        Ok(records)
    }
}

/// Whether librdkafka goes on by itself: it connects again.
fn is_passing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown)
    )
}

fn position_of(
    consumer: &BaseConsumer,
    topic: &str,
    partition: i32,
    from: &Value,
) -> KafkaResult<i64> {
    if let Some(offset) = from.as_i64() {
        return Ok(offset);
    }
    let (low, high) = consumer.fetch_watermarks(topic, partition, PATIENCE)?;
    let Some(timestamp) = from["timestamp"].as_i64() else {
        return Ok(if from == "end" { high } else { low });
    };
    let mut wanted = TopicPartitionList::new();
    wanted.add_partition_offset(topic, partition, Offset::Offset(timestamp))?;
    let found = consumer.offsets_for_times(wanted, PATIENCE)?;
    let found = found.find_partition(topic, partition).expect("the partition was asked for");
    found.error()?;
    // Nothing as late as the timestamp: what comes next is.
    Ok(if let Offset::Offset(offset) = found.offset() { offset } else { high })
}
