//! A Kafka connection by hand: bytes that no client sends, and the crate `kafka-protocol` (not the
//! codec under test) for those that one does.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use kafka_protocol::messages::{
    ApiVersionsRequest, MetadataRequest, RequestHeader, ResponseHeader,
};
use kafka_protocol::protocol::{Decodable as _, Encodable as _, HeaderVersion, Request, StrBytes};
use kafka_protocol::records::{
    Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use strom_integration_tests::record::now_ms;

/// Longest wait for an answer, or for the broker to close a connection.
const PATIENCE: Duration = Duration::from_secs(20);

/// One connection.
pub struct Wire {
    stream: TcpStream,
    correlation: i32,
}

impl Wire {
    pub fn open(address: &str) -> Wire {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Wire { stream, correlation: 0 }
    }

    /// The address by which the broker's log knows this connection.
    pub fn local(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    /// Bytes as they are. A broker that has closed already is no error: the answer shows it.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// A frame: the size of `bytes`, then `bytes`.
    pub fn write_frame(&mut self, bytes: &[u8]) {
        self.write(&u32::try_from(bytes.len()).unwrap().to_be_bytes());
        self.write(bytes);
    }

    /// No more bytes come from this side.
    pub fn finish(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }

    /// The next frame; `None` when the broker has closed the connection.
    pub fn answer(&mut self) -> Option<Bytes> {
        let mut size = [0; 4];
        if !self.read(&mut size) {
            return None;
        }
        let mut frame = vec![0; u32::from_be_bytes(size) as usize];
        assert!(self.read(&mut frame), "the broker closed inside an answer");
        Some(frame.into())
    }

    fn read(&mut self, buffer: &mut [u8]) -> bool {
        match self.stream.read_exact(buffer) {
            Ok(()) => true,
            Err(error) if is_end(error.kind()) => false,
            Err(error) => panic!("neither an answer nor an end within {PATIENCE:?}: {error}"),
        }
    }

    /// Whether the broker has closed the connection, waiting for it; an answer is a failure.
    pub fn is_closed(&mut self) -> bool {
        self.answer().is_none()
    }

    /// Sends a request and reads its answer.
    pub fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.correlation += 1;
        let frame = request_frame(R::KEY, version, self.correlation, request);
        self.write_frame(&frame);
        let mut answer = self.answer().expect("an answer, not a closed connection");
        let header_version = R::Response::header_version(version);
        let header = ResponseHeader::decode(&mut answer, header_version).unwrap();
        assert_eq!(header.correlation_id, self.correlation);
        let response = R::Response::decode(&mut answer, version).unwrap();
        assert!(!answer.has_remaining(), "{} bytes after the answer", answer.remaining());
        response
    }

    /// Panics unless this connection is served.
    pub fn assert_serves(&mut self, after: &str) {
        let versions = self.call(3, &api_versions());
        assert_eq!(versions.error_code, 0, "after {after}");
        let metadata = self.call(9, &MetadataRequest::default());
        assert!(!metadata.brokers.is_empty(), "after {after}");
    }
}

fn is_end(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

/// An ApiVersions request; from version 3 on Kafka wants to know what software asks.
pub fn api_versions() -> ApiVersionsRequest {
    ApiVersionsRequest::default()
        .with_client_software_name(text("suite-wire"))
        .with_client_software_version(text("1"))
}

/// A request as it stands in a frame.
pub fn request_frame<R: Request>(key: i16, version: i16, correlation: i32, request: &R) -> Bytes {
    let mut frame = BytesMut::from(header(key, version, correlation).as_ref());
    request.encode(&mut frame, version).unwrap();
    frame.freeze()
}

/// The header of a request, in the version that goes with the API's.
pub fn header(key: i16, version: i16, correlation: i32) -> Bytes {
    let header_version = kafka_protocol::messages::ApiKey::try_from(key)
        .map_or(1, |key| key.request_header_version(version));
    let mut bytes = BytesMut::new();
    RequestHeader::default()
        .with_request_api_key(key)
        .with_request_api_version(version)
        .with_correlation_id(correlation)
        .with_client_id(Some(text("suite-wire")))
        .encode(&mut bytes, header_version)
        .unwrap();
    bytes.freeze()
}

/// A string of the kafka-protocol crate.
pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

/// One batch of plain records with these values.
pub fn batch(values: &[&[u8]]) -> BytesMut {
    let records: Vec<Record> =
        (0..).zip(values).map(|(index, value)| record(index, value)).collect();
    let mut bytes = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut bytes, &records, &options).unwrap();
    bytes
}

/// One batch of one record with this timestamp.
pub fn batch_at(timestamp: i64) -> BytesMut {
    let mut batch = batch(&[b"timed"]);
    for position in [field::BASE_TIMESTAMP, field::MAX_TIMESTAMP] {
        forge(&mut batch, position, &timestamp.to_be_bytes());
    }
    batch
}

/// One batch of an idempotent producer.
pub fn sequenced(producer_id: i64, epoch: i16, sequence: i32, values: &[&[u8]]) -> BytesMut {
    let mut batch = batch(values);
    let producer =
        [&producer_id.to_be_bytes()[..], &epoch.to_be_bytes(), &sequence.to_be_bytes()].concat();
    forge(&mut batch, field::PRODUCER, &producer);
    batch
}

/// The record with this offset and sequence in its batch.
pub fn record(index: i32, value: &[u8]) -> Record {
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset: i64::from(index),
        sequence: index,
        timestamp: now_ms(),
        key: None,
        value: Some(Bytes::copy_from_slice(value)),
        headers: Default::default(),
    }
}

/// Positions of a batch's header fields.
pub mod field {
    pub const LENGTH: usize = 8;
    pub const MAGIC: usize = 16;
    pub const CRC: usize = 17;
    pub const ATTRIBUTES: usize = 21;
    pub const LAST_OFFSET_DELTA: usize = 23;
    pub const BASE_TIMESTAMP: usize = 27;
    pub const MAX_TIMESTAMP: usize = 35;
    /// Id, epoch and base sequence, one after the other.
    pub const PRODUCER: usize = 43;
    pub const COUNT: usize = 57;
    pub const RECORDS: usize = 61;
}

/// Overwrites bytes of a batch and makes its CRC right again.
pub fn forge(batch: &mut BytesMut, position: usize, bytes: &[u8]) {
    batch[position..position + bytes.len()].copy_from_slice(bytes);
    let crc = crc32c(&batch[field::ATTRIBUTES..]);
    batch[field::CRC..field::ATTRIBUTES].copy_from_slice(&crc.to_be_bytes());
}

/// CRC-32C, bit by bit: an independent one is worth more here than a fast one.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82F6_3B78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[test]
fn the_forgers_crc_is_the_crates() {
    let original = batch(&[b"one", b"two"]);
    let mut forged = original.clone();
    forge(&mut forged, field::RECORDS, &original[field::RECORDS..]);
    assert_eq!(forged, original);
}
