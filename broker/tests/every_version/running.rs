//! A broker as a process of its own, and a connection to it by the codec under test, which knows every
//! version that is served.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use strom_protocol::api::{Request, Response};
use strom_protocol::frame;
use strom_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use strom_protocol::wire::Reader;
use strom_protocol::{Bytes, Uuid};

/// A broker process. Dropping it kills it.
pub struct Running {
    process: Child,
    address: String,
    _data: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A broker on a data folder of its own.
pub fn start() -> Running {
    let data = tempfile::tempdir().unwrap();
    let process = Command::new(env!("CARGO_BIN_EXE_strom"))
        .args(["--set", "listeners=PLAINTEXT://127.0.0.1:0", "--set", "http.address=127.0.0.1:0"])
        .args(["--set", "group.initial.rebalance.delay.ms=0"])
        .args(["--set", &format!("data.dir={}", data.path().display())])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let address = address(data.path());
    Running { process, address, _data: data }
}

fn address(data: &Path) -> String {
    let patience = Instant::now() + Duration::from_secs(60);
    while Instant::now() < patience {
        if let Ok(text) = std::fs::read_to_string(data.join("addresses.json")) {
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            return json["kafka"][0].as_str().unwrap().to_owned();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the broker did not write addresses.json");
}

/// One connection.
pub struct Client(TcpStream);

impl Client {
    pub fn open(broker: &Running) -> Client {
        let stream = TcpStream::connect(&broker.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Client(stream)
    }

    /// Sends a request and reads its answer.
    pub fn call(&mut self, version: i16, request: impl Into<Request>) -> Response {
        let request = request.into();
        let key = request.api_key();
        let bytes = frame::encode_request(7, Some("every-version"), version, &request).unwrap();
        self.0.write_all(&bytes).unwrap();
        let mut size = [0; 4];
        let read = self.0.read_exact(&mut size);
        read.unwrap_or_else(|error| panic!("{key} version {version}: no answer: {error}"));
        let mut body = vec![0; u32::from_be_bytes(size) as usize];
        self.0.read_exact(&mut body).unwrap();
        let mut reader = Reader::new(Bytes::from(body));
        let correlation = frame::decode_response_header(key, version, &mut reader).unwrap();
        assert_eq!(correlation, 7, "{key} version {version}");
        Response::decode(key, version, &mut reader)
            .unwrap_or_else(|error| panic!("{key} version {version}: {error}"))
    }
}

/// Creates a topic of one partition and returns its id.
pub fn create(client: &mut Client, name: &str) -> Uuid {
    let topic = CreatableTopic {
        name: name.to_owned().into(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    };
    let request =
        CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
    match client.call(7, request) {
        Response::CreateTopics(response) => {
            assert_eq!(response.topics[0].error_code, 0, "{response:?}");
            response.topics[0].topic_id
        }
        other => panic!("{other:?}"),
    }
}
