//! A connection that speaks the protocol directly, by the kafka-protocol crate's codec: for what
//! no client shows, such as the codec of a stored batch.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    FetchRequest, ListOffsetsRequest, MetadataRequest, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable as _, Encodable as _, HeaderVersion, Request, StrBytes};

pub struct Connection {
    stream: TcpStream,
    correlation: i32,
}

impl Connection {
    pub fn open(address: &str) -> std::io::Result<Connection> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, correlation: 0 })
    }

    /// One request, one answer.
    pub fn call<R: Request>(&mut self, version: i16, request: &R) -> std::io::Result<R::Response> {
        self.correlation += 1;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(StrBytes::from_static_str("suite")));
        let mut frame = BytesMut::new();
        header.encode(&mut frame, R::header_version(version)).map_err(std::io::Error::other)?;
        request.encode(&mut frame, version).map_err(std::io::Error::other)?;
        let length = u32::try_from(frame.len()).map_err(std::io::Error::other)?;
        self.stream.write_all(&length.to_be_bytes())?;
        self.stream.write_all(&frame)?;
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut answer)?;
        let mut answer = Bytes::from(answer);
        ResponseHeader::decode(&mut answer, R::Response::header_version(version))
            .map_err(std::io::Error::other)?;
        R::Response::decode(&mut answer, version).map_err(std::io::Error::other)
    }
}

/// Whether a broker answers there and knows itself.
pub fn serves(address: &str) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut connection = Connection::open(address)?;
        let request = MetadataRequest::default().with_topics(Some(Vec::new()));
        Ok(!connection.call(4, &request)?.brokers.is_empty())
    };
    ask().unwrap_or(false)
}

/// What a stored batch's header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBatch {
    pub codec: &'static str,
    pub producer_id: i64,
    pub records: i32,
}

/// The answer to a Fetch of a partition from its beginning, at most 8 MiB, below v13.
pub fn fetch(address: &str, version: i16, topic: &str, partition: i32) -> PartitionData {
    fetch_from(address, version, (topic, partition), 0)
}

fn fetch_from(address: &str, version: i16, place: (&str, i32), offset: i64) -> PartitionData {
    let (topic, partition) = place;
    let part = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(8 << 20);
    let topic = FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_string(topic.to_string())))
        .with_partitions(vec![part]);
    let request = FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_wait_ms(1000)
        .with_min_bytes(1)
        .with_max_bytes(8 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic]);
    let answer = Connection::open(address).unwrap().call(version, &request).unwrap();
    answer.responses[0].partitions[0].clone()
}

/// The first batches of a partition, at most 8 MiB.
pub fn stored_batches(address: &str, topic: &str, partition: i32) -> Vec<StoredBatch> {
    let partition = fetch(address, 11, topic, partition);
    assert_eq!(partition.error_code, 0);
    let mut records = partition.records.unwrap_or_default();
    let mut batches = Vec::new();
    while records.len() >= HEADER_BYTES {
        let length = 12 + usize::try_from((&records[8..12]).get_i32()).unwrap();
        // Base offset 8, length 4, leader epoch 4, magic 1, crc 4, attributes 2.
        let codec = usize::from((&records[21..23]).get_u16() & 7);
        batches.push(StoredBatch {
            codec: ["none", "gzip", "snappy", "lz4", "zstd"][codec],
            producer_id: (&records[43..51]).get_i64(),
            records: (&records[57..61]).get_i32(),
        });
        records.advance(length.min(records.len()));
    }
    batches
}

/// Where the log of a topic's partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    pub start: i64,
    /// The high watermark.
    pub end: i64,
    /// Where the batch begins that has `start` in it; `end` when there is none.
    pub first_batch: i64,
}

/// The logs of all partitions of a topic that exists.
pub fn logs(address: &str, topic: &str) -> Vec<Log> {
    let mut connection = Connection::open(address).unwrap();
    let name = TopicName(StrBytes::from_string(topic.to_string()));
    let asked = MetadataRequestTopic::default().with_name(Some(name.clone()));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![asked]))
        .with_allow_auto_topic_creation(false);
    let metadata = connection.call(4, &request).unwrap();
    let found = &metadata.topics[0];
    assert_eq!(found.error_code, 0, "{topic}: {found:?}");
    let mut partitions: Vec<i32> = found.partitions.iter().map(|p| p.partition_index).collect();
    partitions.sort_unstable();
    let [starts, ends] = [EARLIEST, LATEST].map(|when| {
        let ask =
            |p: &i32| ListOffsetsPartition::default().with_partition_index(*p).with_timestamp(when);
        let listed = ListOffsetsTopic::default()
            .with_name(name.clone())
            .with_partitions(partitions.iter().map(ask).collect());
        let request =
            ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![listed]);
        let mut answered = connection.call(1, &request).unwrap().topics.remove(0).partitions;
        assert!(answered.iter().all(|partition| partition.error_code == 0), "{answered:?}");
        answered.sort_unstable_by_key(|partition| partition.partition_index);
        answered.into_iter().map(|partition| partition.offset).collect::<Vec<i64>>()
    });
    let log = |((partition, start), end): ((i32, i64), i64)| {
        let first_batch = if start == end { end } else { base(address, (topic, partition), start) };
        Log { start, end, first_batch }
    };
    partitions.into_iter().zip(starts).zip(ends).map(log).collect()
}

const EARLIEST: i64 = -2;
const LATEST: i64 = -1;

/// Where the batch begins that has this offset.
fn base(address: &str, place: (&str, i32), offset: i64) -> i64 {
    let found = fetch_from(address, 11, place, offset);
    assert_eq!(found.error_code, 0, "{place:?} from {offset}");
    let records = found.records.unwrap_or_default();
    assert!(records.len() >= HEADER_BYTES, "{place:?} has no batch at {offset}");
    (&records[..8]).get_i64()
}

/// Of a record batch, format 2.
const HEADER_BYTES: usize = 61;
