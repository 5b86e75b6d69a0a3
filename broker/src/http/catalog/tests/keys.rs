//! Who gets the keys of a bucket: those who say that they can use them.

use serde_json::json;
use strom_lake::warehouse::{Keys, Root, S3Options, Secret};

use super::*;

/// Ways that a client names, and whether it gets keys.
const ASKED: [(&str, bool); 8] = [
    ("", false),
    ("X-Iceberg-Access-Delegation: vended-credentials\r\n", true),
    ("x-iceberg-access-delegation: remote-signing, vended-credentials\r\n", true),
    ("X-Iceberg-Access-Delegation: Vended-Credentials,remote-signing\r\n", true),
    (
        "X-Iceberg-Access-Delegation: remote-signing\r\n\
         X-Iceberg-Access-Delegation: vended-credentials\r\n",
        true,
    ),
    ("X-Iceberg-Access-Delegation: remote-signing\r\n", false),
    ("X-Iceberg-Access-Delegation: \r\n", false),
    ("X-Iceberg-Access-Delegation: no-vended-credentials, new-way\r\n", false),
];

/// A warehouse in a bucket that is never asked for anything here.
fn bucket(dir: &std::path::Path) -> LakeOptions {
    let keys = |id: &str| Keys {
        access_key_id: id.into(),
        secret_access_key: Secret::new(format!("{id}-secret")),
        session_token: None,
    };
    let mut options =
        LakeOptions::new(Root::parse("s3://lake/warehouse").unwrap(), dir.join("spool"));
    options.s3 = S3Options {
        endpoint: Some("http://127.0.0.1:1".into()),
        keys: Some(keys("broker")),
        vended_keys: Some(keys("reader")),
        ..S3Options::default()
    };
    options
}

fn staged(name: &str) -> Value {
    let field = json!({"id": 1, "name": "a", "required": false, "type": "long"});
    let schema = json!({"type": "struct", "fields": [field]});
    json!({"name": name, "schema": schema, "stage-create": true})
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_go_to_clients_that_can_use_them_and_nobody_is_refused() {
    let served = serve_with(bucket).await;
    let made = served.send("POST", "/v1/namespaces", &json!({"namespace": ["a"]})).await;
    assert_eq!(made.status, 200, "{}", made.body);
    for (headers, is_given) in ASKED {
        let to = ("POST", "/v1/namespaces/a/tables");
        let answer = served.send_with(headers, to, &staged("t")).await;
        assert_eq!(answer.status, 200, "{headers}: {}", answer.body);
        assert_eq!(answer.header("vary"), Some("x-iceberg-access-delegation"));
        let config = &answer.json()["config"];
        assert_eq!(config["s3.endpoint"], "http://127.0.0.1:1", "{headers}: this is no secret");
        assert_eq!(config["s3.access-key-id"] == "reader", is_given, "{headers}: {config}");
        assert_eq!(answer.body.contains("reader-secret"), is_given, "{headers}: {config}");
        assert!(!answer.body.contains("broker"), "{headers}: {config}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_with_keys_is_another_representation() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = DataDir::open(dir.path().join("data")).unwrap();
    let metadata = MetadataLog::open(&data_dir).unwrap();
    let store = Store::open(data_dir, metadata, StoreOptions::default(), Vec::new(), 0).unwrap().0;
    let lake = Lake::open(store, bucket(dir.path())).unwrap();
    let catalog = lake.catalog();
    let namespace = json!({"namespace": ["a"]});
    catalog.create_namespace(serde_json::from_value(namespace).unwrap()).unwrap();
    let request = serde_json::from_value(staged("t")).unwrap();
    let mut loaded = catalog.create_table(&["a".into()], request).unwrap();
    assert!(!format!("{loaded:?}").contains("reader-secret"), "keys do not print");

    let answer = |loaded: &strom_lake::LoadedTable, with_keys, known: &HeaderMap| {
        let wanted = Representation { refs_only: false, with_keys };
        let answer =
            answer::table(loaded, wanted, known).unwrap_or_else(IntoResponse::into_response);
        let tag = answer.headers()["etag"].clone();
        assert_eq!(answer.headers()["vary"], "x-iceberg-access-delegation");
        (answer.status().as_u16(), HeaderMap::from_iter([(axum::http::header::IF_NONE_MATCH, tag)]))
    };
    let (_, without) = answer(&loaded, false, &HeaderMap::new());
    let (_, with) = answer(&loaded, true, &HeaderMap::new());
    assert_eq!(answer(&loaded, true, &without).0, 200, "who asks for keys now gets them");
    assert_eq!(answer(&loaded, false, &with).0, 200);
    assert_eq!(answer(&loaded, true, &with).0, 304);
    assert_eq!(answer(&loaded, false, &without).0, 304);
    loaded.keys = None;
    assert_eq!(answer(&loaded, true, &without).0, 304, "there are none to give");
}
