//! What a request costs in allocations from its frame to its reply, on the thread that serves it:
//! a fixed number, whatever a batch's size, and next to nothing for partitions without news.

use bytes::Bytes;
use strom_protocol::api::Request;
use strom_protocol::frame;
use strom_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use strom_protocol::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use strom_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use strom_protocol::record::{BatchBuilder, Compression};
use strom_protocol::wire::Reader;
use tokio::runtime::Runtime;

use super::*;
use crate::config::Sources;
use crate::net::{Frame, Handler, Verdict};

const TOPIC: &str = "counted";
const PRODUCE_VERSION: i16 = 9;
const FETCH_VERSION: i16 = 12;
const ROUNDS: usize = 51;
/// One request, one batch: frame, typed request, journal entry, ticket, reply.
const PRODUCE_MAX: u64 = 12;
/// A hundred partitions, none with anything new.
const QUIET_FETCH_MAX: u64 = 8;
/// The same hundred, one with a batch.
const FETCH_MAX: u64 = 18;

/// One connection to a broker in this process, served by this thread.
struct Connection {
    session: Session,
    runtime: Runtime,
    _gone: watch::Sender<bool>,
    _data: tempfile::TempDir,
}

impl Connection {
    fn open() -> Connection {
        let data = tempfile::tempdir().unwrap();
        let flags = [
            "listeners=PLAINTEXT://127.0.0.1:0".to_owned(),
            "http.address=127.0.0.1:0".to_owned(),
            "flush.policy=os".to_owned(),
            "table.datalake.enabled=false".to_owned(),
            format!("data.dir={}", data.path().display()),
        ];
        let sources = Sources { flags: flags.to_vec(), ..Sources::default() };
        let config = Config::load(&sources, data.path()).unwrap().config;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let broker = runtime.block_on(async {
            let sockets = bind::bind_all(&config).await.unwrap();
            super::open(&config, &sockets).await.unwrap().0
        });
        let (gone_sender, gone) = watch::channel(false);
        let session = Session::new(broker, ([127, 0, 0, 1], 9).into(), 0, gone);
        Connection { session, runtime, _gone: gone_sender, _data: data }
    }

    fn call(&mut self, frame: Bytes) -> Vec<Bytes> {
        let reply = self.session.handle(Frame { bytes: frame }).expect("it is understood");
        match self.runtime.block_on(reply.future) {
            Verdict::Send(chunks) => chunks,
            other => panic!("{other:?}"),
        }
    }

    fn create(&mut self, partitions: i32) {
        let topic = CreatableTopic {
            name: TOPIC.into(),
            num_partitions: partitions,
            replication_factor: 1,
            ..Default::default()
        };
        let request =
            CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
        self.call(frame_of(7, request));
    }

    fn fetch(&mut self, request: FetchRequest) -> FetchResponse {
        let answer = self.call(frame_of(FETCH_VERSION, request)).concat();
        let mut reader = Reader::new(Bytes::from(answer).slice(4..));
        let key = strom_protocol::api::ApiKey::Fetch;
        frame::decode_response_header(key, FETCH_VERSION, &mut reader).unwrap();
        match strom_protocol::api::Response::decode(key, FETCH_VERSION, &mut reader).unwrap() {
            strom_protocol::api::Response::Fetch(response) => response,
            other => panic!("{other:?}"),
        }
    }

    /// The median of what serving a frame allocates: now and then a queue grows.
    fn allocations(&mut self, mut frame_at: impl FnMut(usize) -> Bytes) -> u64 {
        let mut counts: Vec<u64> = (0..ROUNDS)
            .map(|round| {
                let frame = frame_at(round);
                allocation_counter::measure(|| drop(self.call(frame))).count_total
            })
            .collect();
        counts.sort_unstable();
        counts[ROUNDS / 2]
    }
}

/// A request without its size.
fn frame_of(version: i16, request: impl Into<Request>) -> Bytes {
    let bytes = frame::encode_request(7, Some("counted"), version, &request.into()).unwrap();
    bytes.slice(4..)
}

fn produce(records: usize) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    for index in 0..records {
        builder.append(1_000 + index as i64, None, Some(&[7; 100]), &[]);
    }
    let records = Some(builder.build());
    let partition = PartitionProduceData { index: 0, records };
    let topic = TopicProduceData {
        name: TOPIC.into(),
        partition_data: vec![partition],
        ..Default::default()
    };
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 1000,
        topic_data: vec![topic],
        ..Default::default()
    };
    frame_of(PRODUCE_VERSION, request)
}

fn fetch(session_id: i32, session_epoch: i32, partitions: i32, offset: i64) -> FetchRequest {
    let partition = |partition| FetchPartition {
        partition,
        fetch_offset: offset,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    let partitions: Vec<FetchPartition> = (0..partitions).map(partition).collect();
    let topic = FetchTopic { topic: TOPIC.into(), partitions, ..Default::default() };
    let topics = if topic.partitions.is_empty() { Vec::new() } else { vec![topic] };
    FetchRequest { max_bytes: 50 << 20, session_id, session_epoch, topics, ..Default::default() }
}

#[test]
fn a_produce_allocates_a_fixed_number_of_times() {
    let mut connection = Connection::open();
    connection.create(1);
    let (small, large) = (produce(1), produce(500));
    connection.allocations(|_| small.clone());
    let counts = [small, large].map(|frame| connection.allocations(|_| frame.clone()));
    assert_eq!(counts[0], counts[1], "a batch's size must not matter");
    assert!(counts[0] <= PRODUCE_MAX, "a produce of one batch allocates {counts:?} times");
}

#[test]
fn a_fetch_in_a_session_allocates_for_news_and_not_for_partitions() {
    let partitions = 100;
    let mut connection = Connection::open();
    connection.create(partitions);
    for _ in 0..10 {
        connection.call(produce(500));
    }
    let opened = connection.fetch(fetch(0, 0, partitions, 0));
    assert_ne!(opened.session_id, 0, "{opened:?}");
    let mut epoch = 0;
    // Everything was answered: partition 0 stands at its end from here on.
    let quiet = fetch(opened.session_id, 1, 0, 0);
    let mut at_end = fetch(opened.session_id, 1, 1, 5_000);
    let mut next = |request: &FetchRequest| {
        epoch += 1;
        frame_of(FETCH_VERSION, FetchRequest { session_epoch: epoch, ..request.clone() })
    };
    connection.call(next(&at_end));
    let without_news = connection.allocations(|_| next(&quiet));
    at_end.topics[0].partitions[0].fetch_offset = 4_500;
    let with_news = connection.allocations(|_| next(&at_end));
    epoch += 1;
    at_end.session_epoch = epoch;
    let answer = connection.fetch(at_end);
    let batches = answer.responses.iter().flat_map(|topic| &topic.partitions).count();
    assert_eq!((answer.error_code, batches), (0, 1), "only the partition with news is named");
    assert!(without_news <= QUIET_FETCH_MAX, "nothing new: {without_news} allocations");
    assert!(with_news <= FETCH_MAX, "one batch: {with_news} allocations");
}
