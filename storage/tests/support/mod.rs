//! What the tests of the store share: opening one, making batches, reading everything.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use strom_protocol::record::{BatchBuilder, Compression, Scratch};
use strom_protocol::{TopicId, Uuid};
use strom_storage::io::Disk;
use strom_storage::{
    AppendError, AppendRequest, Appended, DataDir, FlushPolicy, Isolation, MetadataLog, OpenError,
    Origin, Partition, PartitionSettings, Read, ReadError, ReadLimits, RecoveryReport, Store,
    StoreOptions, TopicList, TopicSpec,
};

pub const NOW_MS: i64 = 1_700_000_000_000;

pub fn topic(number: u128) -> TopicId {
    TopicId(Uuid::from_u128(number))
}

pub fn spec(number: u128, partitions: i32) -> TopicSpec {
    TopicSpec {
        id: topic(number),
        name: format!("topic-{number}"),
        partitions,
        settings: settings(),
        min_log_end: Vec::new(),
    }
}

/// Nothing is bounded, so that tests say what they test.
pub fn settings() -> PartitionSettings {
    PartitionSettings {
        max_message_bytes: 32 << 20,
        timestamp_after_max_ms: i64::MAX,
        retention_ms: -1,
        ..PartitionSettings::default()
    }
}

pub fn small_options() -> StoreOptions {
    StoreOptions {
        journal_file_bytes: 64 << 10,
        journal_retention_bytes: 16 << 20,
        ..StoreOptions::default()
    }
}

pub fn os_options() -> StoreOptions {
    StoreOptions { flush_policy: FlushPolicy::Os, ..small_options() }
}

pub type Opened = Result<(Arc<Store>, RecoveryReport), OpenError>;

pub fn open_dir(data_dir: DataDir, options: StoreOptions, topics: impl Into<TopicList>) -> Opened {
    let metadata = MetadataLog::open(&data_dir)?;
    Store::open(data_dir, metadata, options, topics, NOW_MS)
}

pub fn open(
    path: &Path,
    options: StoreOptions,
    topics: Vec<TopicSpec>,
) -> (Arc<Store>, RecoveryReport) {
    open_dir(DataDir::open(path).unwrap(), options, TopicList::Complete(topics)).unwrap()
}

/// As the broker does: these topics are all that there are.
pub fn open_on(disk: &Arc<dyn Disk>, options: StoreOptions, topics: Vec<TopicSpec>) -> Opened {
    open_partly_on(disk, options, TopicList::Complete(topics))
}

/// Opens with a list of topics that says itself what it is.
pub fn open_partly_on(
    disk: &Arc<dyn Disk>,
    options: StoreOptions,
    topics: impl Into<TopicList>,
) -> Opened {
    open_dir(DataDir::open_on(Arc::clone(disk), "/data")?, options, topics)
}

/// A batch of records with these values; timestamps count up from `NOW_MS`.
pub fn batch(values: &[&[u8]]) -> Bytes {
    batch_of(BatchBuilder::new(Compression::None), NOW_MS, values)
}

pub fn produced(producer: (i64, i16, i32), values: &[&[u8]]) -> Bytes {
    let (id, epoch, sequence) = producer;
    let builder = BatchBuilder::new(Compression::None).producer(id, epoch, sequence);
    batch_of(builder, NOW_MS, values)
}

pub fn batch_at(timestamp: i64, values: &[&[u8]]) -> Bytes {
    batch_of(BatchBuilder::new(Compression::None), timestamp, values)
}

pub fn batch_of(mut builder: BatchBuilder, timestamp: i64, values: &[&[u8]]) -> Bytes {
    for (index, value) in values.iter().enumerate() {
        builder.append(timestamp + index as i64, Some(b"key"), Some(value), &[]);
    }
    builder.build()
}

pub fn append(partition: &Partition, records: Bytes) -> Result<Appended, AppendError> {
    append_at(partition, records, NOW_MS)
}

pub fn append_at(
    partition: &Partition,
    records: Bytes,
    now_ms: i64,
) -> Result<Appended, AppendError> {
    partition.append(AppendRequest {
        frame_bytes: records.len(),
        records,
        zstd_allowed: true,
        origin: Origin::Client,
        now_ms,
        scratch: &mut Scratch::new(),
    })
}

/// Appends and waits until it is durable.
pub fn append_durably(partition: &Partition, records: Bytes) -> Appended {
    let appended = append(partition, records).unwrap();
    appended.ticket.clone().wait_durable().unwrap();
    appended
}

pub fn read(partition: &Partition, from: i64) -> Result<Read, ReadError> {
    let limits = ReadLimits { max_bytes: usize::MAX, at_least_one: true };
    partition.read(from, Isolation::ReadUncommitted, limits)
}

/// Every batch from an offset on: base offset and the bytes behind the fields that the broker sets.
pub fn contents(partition: &Partition, from: i64) -> Vec<(i64, Vec<u8>)> {
    try_contents(partition, from).unwrap()
}

pub fn try_contents(partition: &Partition, from: i64) -> Result<Vec<(i64, Vec<u8>)>, ReadError> {
    let mut all = Vec::new();
    let mut next = from;
    loop {
        let read = read(partition, next)?;
        let Some(last) = read.batches.last() else { return Ok(all) };
        next = last.header.last_offset() + 1;
        for batch in &read.batches {
            all.push((batch.header.base_offset, covered(&[&batch.head[..], &batch.body].concat())));
        }
    }
}

/// The part of a batch that is as produced.
pub fn covered(batch: &[u8]) -> Vec<u8> {
    batch[16..].to_vec()
}
