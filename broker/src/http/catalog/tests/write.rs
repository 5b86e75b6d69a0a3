//! The endpoints that change something, as clients call them.

use serde_json::json;
use strom_storage::io::simulated::SimulatedDisk;

use super::*;

const A: &str = "/v1/namespaces/a";
const T: &str = "/v1/namespaces/a/tables/t";

fn schema() -> Value {
    let field = json!({"id": 1, "name": "a", "required": false, "type": "long"});
    json!({"type": "struct", "fields": [field]})
}

/// Serves a catalog with the namespace `a` and the table `a.t`.
async fn serve_table() -> Served {
    let served = serve().await;
    for (path, body) in [
        ("/v1/namespaces", json!({"namespace": ["a"]})),
        ("/v1/namespaces/a/tables", json!({"name": "t", "schema": schema()})),
    ] {
        let made = served.send("POST", path, &body).await;
        assert_eq!(made.status, 200, "{}", made.body);
    }
    served
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_has_its_endpoint() {
    let served = serve_table().await;
    let property = json!({"updates": {"k": "v"}});
    let set = json!({"action": "set-properties", "updates": {"k": "v"}});
    let ident = |name: &str| json!({"namespace": ["a"], "name": name});
    let loaded = served.get(T).await.json();
    let file = loaded["metadata-location"].clone();
    let change = json!({"identifier": ident("u"), "requirements": [], "updates": [set]});
    for (method, path, body, status) in [
        ("POST", "/v1/namespaces/a/properties", property, 200),
        ("POST", "/v1/namespaces", json!({"namespace": ["a", "b"], "properties": {"x": "y"}}), 200),
        ("DELETE", "/v1/namespaces/a%1Fb", Value::Null, 204),
        ("POST", T, json!({"requirements": [], "updates": [set]}), 200),
        (
            "POST",
            "/v1/tables/rename",
            json!({"source": ident("t"), "destination": ident("u")}),
            204,
        ),
        ("POST", "/v1/transactions/commit", json!({"table-changes": [change]}), 204),
        ("DELETE", "/v1/namespaces/a/tables/u?purgeRequested=False", Value::Null, 204),
        ("POST", "/v1/namespaces/a/register", json!({"name": "t", "metadata-location": file}), 200),
        ("DELETE", "/v1/namespaces/a/tables/t?purgeRequested=True", Value::Null, 204),
        ("DELETE", A, Value::Null, 204),
    ] {
        let answer = served.send(method, path, &body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
    }
    assert_eq!(served.get("/v1/namespaces").await.json()["namespaces"], json!([["kafka"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_answered_as_the_specification_has_it() {
    let served = serve_table().await;
    let loaded = served.get(T).await;
    let tag = loaded.header("etag").unwrap().to_string();
    let known = format!("if-none-match: {tag}\r\n");
    assert_eq!(served.ask("GET", T, &known).await.status, 304);
    let location = loaded.json()["metadata-location"].as_str().unwrap().to_string();
    let set = json!({"action": "set-properties", "updates": {"k": "v"}});
    let committed = served.send("POST", T, &json!({"requirements": [], "updates": [set]})).await;
    let changed = committed.json();
    assert_eq!(changed["metadata"]["properties"]["k"], "v");
    assert_eq!(changed["metadata"]["metadata-log"][0]["metadata-file"], location.as_str());
    assert_ne!(committed.header("etag").unwrap(), tag);
    assert_eq!(served.ask("GET", T, &known).await.status, 200);

    let staged = json!({"name": "s", "schema": schema(), "stage-create": true});
    let staged = served.send("POST", "/v1/namespaces/a/tables", &staged).await;
    assert_eq!((staged.status, &staged.json()["metadata-location"]), (200, &Value::Null));
    let listed = served.get("/v1/namespaces/a/tables").await.json();
    assert_eq!(listed["identifiers"], json!([{"namespace": ["a"], "name": "t"}]));
    assert_eq!(served.ask("HEAD", T, "").await.status, 204);
}

/// Method, path, body; status, type, and a part of the message.
type Refusal = (&'static str, &'static str, Value, (u16, &'static str, &'static str));

fn refused_namespaces() -> Vec<Refusal> {
    let exists = (409, "AlreadyExistsException", "Namespace already exists: a");
    let no_parent = (404, "NoSuchNamespaceException", "Namespace does not exist: x");
    let malformed = (400, "BadRequestException", "Malformed request: missing field `namespace`");
    vec![
        ("POST", "/v1/namespaces", json!({"namespace": ["a"]}), exists),
        ("POST", "/v1/namespaces", json!({"namespace": ["x", "y"]}), no_parent),
        (
            "POST",
            "/v1/namespaces",
            json!({"namespace": [""]}),
            (400, "BadRequestException", "Invalid namespace"),
        ),
        ("POST", "/v1/namespaces", json!({"names": 3}), malformed),
        (
            "DELETE",
            A,
            Value::Null,
            (409, "NamespaceNotEmptyException", "Namespace is not empty: a"),
        ),
    ]
}

fn refused_tables() -> Vec<Refusal> {
    let table = json!({"name": "t", "schema": schema()});
    let stale = json!([{"type": "assert-default-spec-id", "default-spec-id": 7}]);
    let unknown = json!([{"action": "polish"}]);
    let missing = (404, "NoSuchTableException", "Table does not exist: a.x");
    vec![
        (
            "POST",
            "/v1/namespaces/a/tables",
            table.clone(),
            (409, "AlreadyExistsException", "Table already exists: a.t"),
        ),
        (
            "POST",
            "/v1/namespaces/x/tables",
            table,
            (404, "NoSuchNamespaceException", "Namespace does not exist: x"),
        ),
        (
            "POST",
            T,
            json!({"requirements": stale, "updates": []}),
            (409, "CommitFailedException", "Requirement failed"),
        ),
        (
            "POST",
            T,
            json!({"requirements": [], "updates": unknown}),
            (400, "BadRequestException", "unknown variant `polish`"),
        ),
        ("POST", "/v1/namespaces/a/tables/x", json!({"requirements": [], "updates": []}), missing),
        ("DELETE", "/v1/namespaces/a/tables/x", Value::Null, missing),
    ]
}

fn refused_for_topics_and_views() -> Vec<Refusal> {
    let ident = |namespace: &str| json!({"namespace": [namespace], "name": "t"});
    let rename = json!({"source": ident("a"), "destination": ident("kafka")});
    let add = json!([{"action": "add-schema", "schema": schema()}]);
    let no_views = (406, "UnsupportedOperationException", "Views are not supported");
    vec![
        (
            "POST",
            "/v1/tables/rename",
            rename,
            (403, "ForbiddenException", "Namespace kafka holds the tables of topics"),
        ),
        (
            "POST",
            TABLE,
            json!({"requirements": [], "updates": add}),
            (403, "ForbiddenException", "Table kafka.orders is the table of topic Orders"),
        ),
        (
            "DELETE",
            "/v1/namespaces/kafka/tables/orders?purgeRequested=true",
            Value::Null,
            (403, "ForbiddenException", "delete the topic"),
        ),
        ("POST", "/v1/namespaces/a/views", json!({}), no_views),
        ("POST", "/v1/views/rename", json!({}), no_views),
        (
            "DELETE",
            "/v1/namespaces/a/views/v",
            Value::Null,
            (404, "NoSuchViewException", "View does not exist: a.v"),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_said_in_the_references_words() {
    let served = serve_table().await;
    served.append().await;
    let before = served.get(T).await.body;
    let refused = [refused_namespaces(), refused_tables(), refused_for_topics_and_views()];
    for (method, path, body, (status, kind, message)) in refused.concat() {
        let answer = served.send(method, path, &body).await;
        let error = answer.json()["error"].clone();
        assert_eq!((answer.status, &error["code"]), (status, &json!(status)), "{path}: {error}");
        assert_eq!(error["type"], kind, "{method} {path}: {error}");
        assert!(error["message"].as_str().unwrap().contains(message), "{method} {path}: {error}");
    }
    assert_eq!(served.get(T).await.body, before, "nothing happened");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_and_broken_bodies_are_refused() {
    let served = serve_table().await;
    let head = "content-type: application/json\r\n";
    let sent = served.ask("POST", T, &format!("{head}content-length: 3\r\n\r\n{{\"a")).await;
    assert_eq!((sent.status, sent.body.contains("Malformed request")), (400, true));
    // Refused by its length alone: nothing of it is waited for.
    let sent = served.ask("POST", T, "content-length: 5000000\r\n").await;
    assert_eq!((sent.status, sent.body.contains("more than 4194304 bytes")), (413, true));
    let properties = json!({"requirements": [], "updates": [{"action": "set-properties",
        "updates": {"k": "x".repeat(1 << 20)}}]});
    let sent = served.send("POST", T, &properties).await;
    assert_eq!((sent.status, sent.body.contains("remove some")), (400, true));
}

/// A change that surely did not happen is 429, which every client repeats; never 5xx.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_finds_no_turn_is_told_to_come_back() {
    let served = serve_table().await;
    let head = format!("POST /iceberg{T} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n");
    let take_a_turn = || {
        let mut stream = TcpStream::connect(served.address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let mut waiting: Vec<_> =
        (0..crate::http::catalog::write::CHANGES_MAX).map(|_| take_a_turn()).collect();
    let nothing = json!({"requirements": [], "updates": []});
    // Until all turns are taken: one of them may have been refused because of this very request.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(15);
    let mut answer = served.send("POST", T, &nothing).await;
    while answer.status != 429 && std::time::Instant::now() < deadline {
        waiting.push(take_a_turn());
        answer = served.send("POST", T, &nothing).await;
    }
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")));
    assert_eq!(answer.json()["error"]["type"], "TooManyRequestsException");
    assert_eq!(served.get(T).await.status, 200, "loads go on");
    drop(waiting);
    let mut answer = served.send("POST", T, &nothing).await;
    while answer.status == 429 {
        answer = served.send("POST", T, &nothing).await;
    }
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Only a change that may have been made is 5xx: what fails before its pointer moves is 429.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_metadata_log_makes_a_change_unknown_only_once_it_has_been_asked_to() {
    for (path, body, expected) in [
        (
            "/v1/namespaces",
            json!({"namespace": ["b"]}),
            (500, "CommitStateUnknownException", None, "not known whether the change was applied"),
        ),
        (
            "/v1/namespaces/a/tables",
            json!({"name": "u", "schema": schema()}),
            (429, "TooManyRequestsException", Some("1"), "The change was not applied"),
        ),
    ] {
        let disk = SimulatedDisk::default();
        let data_dir = DataDir::open_on(Arc::new(disk.clone()), "/data").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let options = local(dir.path());
        let served = serve_from(dir, data_dir, options).await;
        let made = served.send("POST", "/v1/namespaces", &json!({"namespace": ["a"]})).await;
        assert_eq!(made.status, 200, "{}", made.body);
        disk.fail_with("the disk is broken");
        let answer = served.send("POST", path, &body).await;
        let error = answer.json()["error"].clone();
        let (status, kind, retry_after, message) = expected;
        assert_eq!((answer.status, answer.header("retry-after")), (status, retry_after), "{path}");
        assert_eq!((&error["code"], &error["type"]), (&json!(status), &json!(kind)), "{path}");
        let said = error["message"].as_str().unwrap();
        assert!(said.contains(message) && said.contains("the disk is broken"), "{path}: {said}");
    }
}

/// Nobody can say how far a change came that panicked; its turn is not lost with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_panics_is_unknown_and_gives_its_turn_back() {
    let served = serve().await;
    let changes = Arc::new(Semaphore::new(1));
    let handlers =
        crate::http::catalog::Served { lake: Arc::clone(&served.lake), changes: changes.clone() };
    let turn = crate::http::catalog::write::Turn::take(&handlers).ok().unwrap();
    assert_eq!(changes.available_permits(), 0);
    let changed = turn.change::<(), _>(|_| panic!("on purpose")).await;
    let Err(Failure(error)) = changed else { panic!("a change that panicked was answered") };
    assert_eq!((error.status, error.kind), (500, "CommitStateUnknownException"));
    assert_eq!(changes.available_permits(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogs_own_address_says_what_it_is() {
    let served = serve().await;
    let answer = served.get("").await;
    assert_eq!(
        (answer.status, answer.json()["config"].as_str()),
        (200, Some("/iceberg/v1/config"))
    );
}
