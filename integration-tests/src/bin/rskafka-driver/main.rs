//! Drives the rskafka crate by the command protocol of clients/README.md, as far as the crate
//! goes: it has neither groups nor configurations, and every producer waits for all replicas.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test code ends at the first fault")]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rskafka::BackoffConfig;
use rskafka::chrono::{DateTime, Utc};
use rskafka::client::error::Error;
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::{Record as Produced, RecordAndOffset};
use serde_json::{Map, Value, json};
use strom_integration_tests::driver::{constant_name, serve, text};
use strom_integration_tests::record::{Record, now_ms};
use strom_integration_tests::session::{Answer, Refused};

/// How long a question to the broker may take, retries and all.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a fetch waits at the end of a partition: a reader asks one after the other.
const FETCH_WAIT_MS: i32 = 20;
const FETCH_BYTES: i32 = 8 << 20;

fn main() {
    let bootstrap = std::env::args().nth(1).expect("the first argument is the bootstrap address");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut driver = Driver { bootstrap, client: None, readers: HashMap::new() };
    serve(|command| runtime.block_on(driver.call(command)));
}

struct Driver {
    bootstrap: String,
    client: Option<Client>,
    readers: HashMap<String, Vec<Part>>,
}

/// A partition being read, and the offset of its next record.
struct Part {
    client: PartitionClient,
    next: i64,
}

impl Driver {
    async fn call(&mut self, command: &Value) -> Answer {
        if self.client.is_none() {
            self.client = Some(connect(&self.bootstrap).await.map_err(refused)?);
        }
        let client = self.client.as_ref().expect("it has just been made");
        let answered = match text(command, "op") {
            "hello" => return Ok(hello()),
            "produce" => produce(client, command).await,
            "open" => {
                let parts = open(client, command).await.map_err(refused)?;
                let positions: Vec<i64> = parts.iter().map(|part| part.next).collect();
                self.readers.insert(text(command, "handle").to_string(), parts);
                Ok(json!({ "positions": positions }))
            }
            "read" => {
                let parts = self.readers.get_mut(text(command, "handle"));
                read(parts.expect("the reader is open"), command).await
            }
            "close" => {
                self.readers.remove(text(command, "handle")).expect("the reader is open");
                Ok(json!({}))
            }
            _ => administer(client, command).await,
        };
        answered.map_err(refused)
    }
}

async fn connect(bootstrap: &str) -> Result<Client, Error> {
    let backoff = BackoffConfig {
        max_backoff: Duration::from_millis(500),
        deadline: Some(PATIENCE),
        ..BackoffConfig::default()
    };
    ClientBuilder::new(vec![bootstrap.to_string()])
        .client_id("suite-rskafka")
        .backoff_config(backoff)
        .build()
        .await
}

/// The crate does not tell its own version; the suite compares clients/versions.toml with the
/// workspace's dependencies.
fn hello() -> Value {
    let versions: toml::Table = include_str!("../../../clients/versions.toml").parse().unwrap();
    json!({"client": "rskafka", "version": versions["rskafka"].as_str()})
}

/// A batch for each partition; records that name none go to the first.
async fn produce(client: &Client, command: &Value) -> Result<Value, Error> {
    let compression = match text(command, "codec") {
        "gzip" => Compression::Gzip,
        "snappy" => Compression::Snappy,
        "lz4" => Compression::Lz4,
        "zstd" => Compression::Zstd,
        _ => Compression::NoCompression,
    };
    let records: Vec<Record> =
        command["records"].as_array().unwrap().iter().map(Record::from_json).collect();
    let mut offsets = vec![-1; records.len()];
    let mut partitions: Vec<i32> =
        records.iter().map(|record| record.partition.unwrap_or(0)).collect();
    partitions.sort_unstable();
    partitions.dedup();
    for partition in partitions {
        let indexes: Vec<usize> = (0..records.len())
            .filter(|index| records[*index].partition.unwrap_or(0) == partition)
            .collect();
        let batch = indexes.iter().map(|index| produced(&records[*index])).collect();
        let topic = text(command, "topic");
        let partition =
            client.partition_client(topic, partition, UnknownTopicHandling::Retry).await?;
        let found = partition.produce(batch, compression).await?;
        for (index, offset) in indexes.into_iter().zip(found) {
            offsets[index] = offset;
        }
    }
    Ok(json!({ "offsets": offsets }))
}

/// The crate's record: its headers are a map, of values that are never null.
fn produced(record: &Record) -> Produced {
    let timestamp = record.timestamp.unwrap_or_else(now_ms);
    let headers = record.headers.iter();
    Produced {
        key: record.key.clone(),
        value: record.value.clone(),
        headers: headers.map(|(k, v)| (k.clone(), v.clone().unwrap_or_default())).collect(),
        timestamp: DateTime::<Utc>::from_timestamp_millis(timestamp).expect("a date of our time"),
    }
}

async fn open(client: &Client, command: &Value) -> Result<Vec<Part>, Error> {
    let mut parts = Vec::new();
    for part in command["parts"].as_array().unwrap() {
        let partition = i32::try_from(part["partition"].as_i64().unwrap()).unwrap();
        let client = client
            .partition_client(text(part, "topic"), partition, UnknownTopicHandling::Error)
            .await?;
        let next = position_of(&client, &part["from"]).await?;
        parts.push(Part { client, next });
    }
    Ok(parts)
}

async fn position_of(client: &PartitionClient, from: &Value) -> Result<i64, Error> {
    if let Some(offset) = from.as_i64() {
        return Ok(offset);
    }
    if let Some(timestamp) = from["timestamp"].as_i64() {
        let timestamp = DateTime::<Utc>::from_timestamp_millis(timestamp).unwrap();
        let found = client.get_offset(OffsetAt::Timestamp(timestamp)).await?;
        if found >= 0 {
            return Ok(found);
        }
    }
    let at = if from == "beginning" { OffsetAt::Earliest } else { OffsetAt::Latest };
    client.get_offset(at).await
}

async fn read(parts: &mut [Part], command: &Value) -> Result<Value, Error> {
    let count = usize::try_from(command["count"].as_u64().unwrap()).unwrap();
    let time = Duration::from_millis(command["timeout_ms"].as_u64().unwrap());
    let deadline = Instant::now() + time;
    let mut records = Vec::new();
    while records.len() < count && Instant::now() < deadline {
        for part in parts.iter_mut() {
            let bytes = 1..FETCH_BYTES;
            let (found, _) = part.client.fetch_records(part.next, bytes, FETCH_WAIT_MS).await?;
            for found in found.into_iter().take(count - records.len()) {
                part.next = found.offset + 1;
                records.push(shown(&part.client, found));
            }
        }
    }
    Ok(json!({ "records": records }))
}

fn shown(partition: &PartitionClient, found: RecordAndOffset) -> Value {
    let record = Record {
        key: found.record.key,
        value: found.record.value,
        headers: found.record.headers.into_iter().map(|(k, v)| (k, Some(v))).collect(),
        timestamp: Some(found.record.timestamp.timestamp_millis()),
        partition: Some(partition.partition()),
    };
    let mut shown = record.to_json();
    shown["topic"] = json!(partition.topic());
    shown["offset"] = json!(found.offset);
    shown
}

async fn administer(client: &Client, command: &Value) -> Result<Value, Error> {
    let timeout_ms = i32::try_from(PATIENCE.as_millis()).unwrap();
    let number = |name: &str| i32::try_from(command[name].as_i64().unwrap()).unwrap();
    match text(command, "op") {
        "create_topic" => {
            let factor = i16::try_from(number("replication_factor")).unwrap();
            client
                .controller_client()?
                .create_topic(text(command, "topic"), number("partitions"), factor, timeout_ms)
                .await?;
        }
        "delete_topic" => {
            client.controller_client()?.delete_topic(text(command, "topic"), timeout_ms).await?;
        }
        "delete_records" => {
            let before = command["before"].as_i64().unwrap();
            let partition = client
                .partition_client(
                    text(command, "topic"),
                    number("partition"),
                    UnknownTopicHandling::Error,
                )
                .await?;
            partition.delete_records(before, timeout_ms).await?;
        }
        "topics" => {
            let found = client.list_topics().await?.into_iter();
            let topics: Map<_, _> =
                found.map(|topic| (topic.name, json!(topic.partitions.len()))).collect();
            return Ok(json!({ "topics": topics }));
        }
        other => panic!("the crate has no {other}: the test must not ask for it"),
    }
    Ok(json!({}))
}

fn refused(error: Error) -> Refused {
    let name = match &error {
        Error::ServerError { protocol_error, .. } => constant_name(&format!("{protocol_error:?}")),
        _ => "CLIENT".into(),
    };
    Refused { error: name, message: error.to_string() }
}
