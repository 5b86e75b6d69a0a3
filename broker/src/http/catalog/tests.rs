//! Requests over a loopback socket, answered by the router over a real lake and store.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;
use strom_lake::{LakeOptions, LakeTopic};
use strom_protocol::record::{BatchBuilder, Compression, Scratch};
use strom_protocol::{TopicId, Uuid};
use strom_storage::{
    AppendRequest, DataDir, MetadataLog, Origin, PartitionSettings, Store, StoreOptions, TopicSpec,
};

use super::*;

struct Served {
    address: SocketAddr,
    store: Arc<Store>,
    lake: Arc<Lake>,
    topic: TopicId,
    _dir: tempfile::TempDir,
}

struct Response {
    status: u16,
    head: String,
    body: String,
}

impl Response {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Serves the catalog of a lake with one topic, `Orders`, without records.
async fn serve() -> Served {
    serve_with(local).await
}

/// A warehouse in a directory.
fn local(dir: &std::path::Path) -> LakeOptions {
    LakeOptions::new(dir.join("warehouse"), dir.join("spool"))
}

/// The same with these options for a directory.
async fn serve_with(options: impl FnOnce(&std::path::Path) -> LakeOptions) -> Served {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = DataDir::open(dir.path().join("data")).unwrap();
    let options = options(dir.path());
    serve_from(dir, data_dir, options).await
}

/// The same with the data in another directory.
async fn serve_from(dir: tempfile::TempDir, data_dir: DataDir, options: LakeOptions) -> Served {
    let metadata = MetadataLog::open(&data_dir).unwrap();
    let topic = TopicId(Uuid::from_u128(7));
    let spec = TopicSpec {
        id: topic,
        name: "Orders".into(),
        partitions: 1,
        settings: PartitionSettings::default(),
        min_log_end: Vec::new(),
    };
    let store_options = StoreOptions { journal_file_bytes: 4 << 20, ..StoreOptions::default() };
    let store = Store::open(data_dir, metadata, store_options, vec![spec], 0).unwrap().0;
    let options = LakeOptions {
        fail_on_timeout: true,
        read_flush_timeout: std::time::Duration::from_secs(60),
        ..options
    };
    let lake = Lake::open(Arc::clone(&store), options).unwrap();
    lake.add_topic(LakeTopic::new(topic, "Orders", 1, 0));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().nest("/iceberg", router(Arc::clone(&lake)));
    tokio::spawn(async move { axum::serve(listener, app).await });
    Served { address, store, lake, topic, _dir: dir }
}

impl Served {
    async fn append(&self) {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.append(1, None, Some(b"v"), &[]);
        let records = builder.build();
        let request = AppendRequest {
            frame_bytes: records.len(),
            records,
            zstd_allowed: true,
            origin: Origin::Client,
            now_ms: 1,
            scratch: &mut Scratch::default(),
        };
        let appended = self.store.partition(self.topic, 0).unwrap().append(request).unwrap();
        appended.ticket.durable().await.unwrap();
    }

    async fn ask(&self, method: &str, path: &str, headers: &str) -> Response {
        let request = format!(
            "{method} /iceberg{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n"
        );
        let address = self.address;
        let answer = tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        let answer = answer.await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Response { status, head: head.to_string(), body: body.to_string() }
    }

    async fn get(&self, path: &str) -> Response {
        self.ask("GET", path, "").await
    }

    /// A request with a JSON body.
    async fn send(&self, method: &str, path: &str, body: &Value) -> Response {
        self.send_with("", (method, path), body).await
    }

    /// The same with further headers.
    async fn send_with(&self, headers: &str, to: (&str, &str), body: &Value) -> Response {
        let body = body.to_string();
        let headers = format!(
            "{headers}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.ask(to.0, to.1, &headers).await
    }

    async fn refuses(&self, method: &str, path: &str, expected: (u16, &str, &str)) {
        let response = self.ask(method, path, "content-length: 0\r\n").await;
        let error = &response.json()["error"];
        let (status, kind, message) = expected;
        assert_eq!(response.status, status, "{method} {path}: {}", response.body);
        assert_eq!(error["code"], status, "{method} {path}");
        assert_eq!(error["type"], kind, "{method} {path}");
        let said = error["message"].as_str().unwrap();
        assert!(said.contains(message), "{method} {path}: {said}");
    }
}

const TABLE: &str = "/v1/namespaces/kafka/tables/orders";

#[tokio::test(flavor = "multi_thread")]
async fn missing_things_are_named_as_the_reference_names_them() {
    let served = serve().await;
    for (path, kind, message) in [
        ("/v1/namespaces/a", "NoSuchNamespaceException", "Namespace does not exist: a"),
        ("/v1/namespaces/a%2Eb", "NoSuchNamespaceException", "Namespace does not exist: a.b"),
        ("/v1/namespaces/a%1Fb", "NoSuchNamespaceException", "Namespace does not exist: a.b"),
        ("/v1/namespaces?parent=a", "NoSuchNamespaceException", "Namespace does not exist: a"),
        ("/v1/namespaces/a/tables", "NoSuchNamespaceException", "Namespace does not exist: a"),
        ("/v1/namespaces/a/tables/t", "NoSuchTableException", "Table does not exist: a.t"),
        ("/v1/namespaces/kafka/tables/t", "NoSuchTableException", "Table does not exist: kafka.t"),
        (TABLE, "NoSuchTableException", "Table does not exist: kafka.orders"),
        ("/v1/namespaces/kafka/views/v", "NoSuchViewException", "View does not exist: kafka.v"),
        ("/v1/nothing", "BadRequestException", "No route for request: GET /v1/nothing"),
    ] {
        served.refuses("GET", path, (404, kind, message)).await;
    }
    for path in ["/v1/namespaces/a", TABLE, "/v1/namespaces/kafka/views/v"] {
        assert_eq!(served.ask("HEAD", path, "").await.status, 404, "{path}");
    }
    let bad = (400, "BadRequestException", "");
    let no_table = (404, "NoSuchTableException", "Table does not exist: ");
    for table in ["kafka/tables/t", "kafka/tables/orders", "a/tables/t"] {
        let path = format!("/v1/namespaces/{table}/metrics");
        served.refuses("POST", &path, no_table).await;
    }
    served.append().await;
    served.refuses("GET", &format!("{TABLE}?snapshots=some"), bad).await;
    served.refuses("GET", "/v1/namespaces/kafka/tables?pageSize=many", bad).await;
}

/// What no handler gets to see has the specification's shape too.
#[tokio::test(flavor = "multi_thread")]
async fn paths_and_queries_that_cannot_be_read_are_malformed_requests() {
    let served = serve().await;
    let unreadable = (400, "BadRequestException", "Malformed request: Invalid URL: ");
    let twice = (400, "BadRequestException", "duplicate field `pageToken`");
    for (method, path, expected) in [
        ("GET", "/v1/namespaces/%FF", unreadable),
        ("GET", "/v1/namespaces/a/tables/%FF", unreadable),
        ("POST", "/v1/namespaces/a/tables/%FF", unreadable),
        ("POST", "/v1/namespaces/a/tables/%FF/metrics", unreadable),
        ("DELETE", "/v1/namespaces/%FF", unreadable),
        ("POST", "/v1/namespaces/%FF/register", unreadable),
        ("GET", "/v1/namespaces/a/views/%FF", unreadable),
        ("GET", "/v1/namespaces?pageToken=a&pageToken=b", twice),
        ("GET", "/v1/namespaces/a/tables?pageToken=a&pageToken=b", twice),
        (
            "DELETE",
            "/v1/namespaces/a/tables/t?purgeRequested=true&purgeRequested=false",
            (400, "BadRequestException", "duplicate field `purgeRequested`"),
        ),
        (
            "GET",
            "/v1/namespaces/a/tables/t?snapshots=all&snapshots=refs",
            (400, "BadRequestException", "duplicate field `snapshots`"),
        ),
    ] {
        served.refuses(method, path, expected).await;
    }
    assert_eq!(served.ask("HEAD", "/v1/namespaces/%FF", "").await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_and_exists_answer_without_a_flush() {
    let served = serve().await;
    let config = served.get("/v1/config?warehouse=x").await.json();
    assert_eq!(config["overrides"]["namespace-separator"], "%2E");
    assert_eq!(config["endpoints"].as_array().unwrap().len(), ENDPOINTS.len());
    assert_eq!(served.get("/v1/namespaces?pageToken=").await.json()["namespaces"][0][0], "kafka");
    let nested = served.get("/v1/namespaces?parent=kafka").await.json();
    assert_eq!(nested["namespaces"], Value::Array(vec![]));
    assert_eq!(served.get("/v1/namespaces/kafka").await.json()["namespace"][0], "kafka");
    assert_eq!(served.ask("HEAD", "/v1/namespaces/kafka", "").await.status, 204);
    let tables = "/v1/namespaces/kafka/tables?pageToken=&pageSize=5";
    assert_eq!(served.get(tables).await.json()["identifiers"], Value::Array(vec![]));

    served.append().await;
    let listed = served.get(tables).await.json();
    assert_eq!(listed["identifiers"][0]["name"], "orders");
    assert_eq!(listed["next-page-token"], Value::Null);
    assert_eq!(served.ask("HEAD", TABLE, "").await.status, 204);
    let metrics = served.ask("POST", &format!("{TABLE}/metrics"), "content-length: 0\r\n").await;
    assert_eq!(metrics.status, 204);
    let views = served.get("/v1/namespaces/kafka/views").await.json();
    assert_eq!(views["identifiers"], Value::Array(vec![]));
    let warehouse = served._dir.path().join("warehouse/kafka");
    assert_eq!(std::fs::read_dir(warehouse).unwrap().count(), 0, "nothing was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_is_fresh_and_compared_after_the_flush() {
    let served = serve().await;
    served.append().await;
    let first = served.get(TABLE).await;
    assert_eq!((first.status, first.header("content-type")), (200, Some("application/json")));
    let loaded = first.json();
    assert_eq!(loaded["config"]["strom.fresh"], "true");
    assert_eq!(loaded["config"]["strom.offsets"], "{\"0\":1}");
    assert_eq!(loaded["config"]["client.region"], "local", "DuckDB insists on one");
    let location = loaded["metadata-location"].as_str().unwrap();
    assert!(location.starts_with("file:///") && location.ends_with(".metadata.json"));
    assert_eq!(loaded["metadata"]["format-version"], 2);

    let tag = first.header("etag").unwrap();
    let known = format!("if-none-match: {tag}\r\n");
    let unchanged = served.ask("GET", TABLE, &known).await;
    assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""));
    let refs = served.ask("GET", &format!("{TABLE}?snapshots=refs"), &known).await;
    assert_eq!(refs.status, 200, "another representation has another tag");

    served.append().await;
    let changed = served.ask("GET", TABLE, &known).await;
    assert_eq!(changed.status, 200, "the flush comes before the comparison");
    assert_eq!(changed.json()["metadata"]["snapshots"].as_array().unwrap().len(), 2);
    let refs = served.get(&format!("{TABLE}?snapshots=refs")).await.json();
    assert_eq!(refs["metadata"]["snapshots"].as_array().unwrap().len(), 1);
    assert_eq!(refs["config"]["strom.offsets"], "{\"0\":2}");
}

mod keys;
mod write;
