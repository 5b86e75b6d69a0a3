use super::*;

fn warehouse(dir: &Path) -> Warehouse {
    Warehouse::new(dir.to_path_buf().into(), S3Options::default(), dir.join("spool"))
}

#[test]
fn roots_are_urls_or_absolute_paths() {
    for (text, url) in [
        ("/srv/w", "file:///srv/w"),
        ("/srv/./w/", "file:///srv/w"),
        ("file:///srv/w", "file:///srv/w"),
        ("file:/srv/w", "file:///srv/w"),
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://my-bucket.x/a/b=1/", "s3://my-bucket.x/a/b=1"),
        ("s3a://bucket/lake", "s3://bucket/lake"),
    ] {
        assert_eq!(Root::parse(text).unwrap().url(), url, "{text}");
    }
    for (text, expected) in [
        ("relative", "not an absolute path"),
        ("file://host/w", "not an absolute path"),
        ("", "not an absolute path"),
        ("s3://", "no bucket"),
        ("s3://Bucket/x", "no bucket"),
        ("s3://ab", "no bucket"),
        ("s3://bucket/a//b", "no prefix"),
        ("s3://bucket/../b", "no prefix"),
        ("s3://bucket/a?b", "no prefix"),
        ("gs://bucket/a", "gs:// is no warehouse"),
    ] {
        let error = Root::parse(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn a_local_file_is_written_once_and_never_over_another() {
    let dir = tempfile::tempdir().unwrap();
    let warehouse = warehouse(dir.path());
    let at = |path: &str| format!("{}/{path}", warehouse.root());
    let first = at("ns/t-1/metadata/a.json");
    assert!(!warehouse.exists(&first).unwrap());
    assert!(warehouse.read(&first).unwrap_err().is_missing());
    warehouse.write(&first, Bytes::from_static(b"one")).unwrap();
    warehouse.write(&first, Bytes::from_static(b"one")).unwrap();
    assert!(warehouse.write(&first, Bytes::from_static(b"two")).unwrap_err().is_exists());
    assert_eq!(warehouse.read(&first).unwrap(), "one");
    assert_eq!(warehouse.list(&at("ns/t-1/metadata"), None).unwrap(), ["a.json"]);
    assert!(warehouse.list(&at("ns/none"), None).unwrap().is_empty());
    warehouse.delete(&first).unwrap();
    warehouse.delete(&first).unwrap();
    warehouse.write(&first, Bytes::from_static(b"two")).unwrap();
    warehouse.delete_under(&at("ns/t-1")).unwrap();
    assert!(!warehouse.exists(&at("ns/t-1")).unwrap());
    warehouse.delete_under(&at("ns/t-1")).unwrap();
}

#[test]
fn locations_below_the_root_are_told_from_others() {
    let root = Root::parse("s3://bucket/lake").unwrap();
    let warehouse = Warehouse::new(root, S3Options::default(), PathBuf::new());
    assert!(warehouse.contains("s3://bucket/lake/ns/t"));
    for other in [
        "s3://bucket/lake",
        "s3://bucket/lakes/t",
        "s3://bucket/lake/../secret",
        "s3://bucket/lake//t",
        "s3://other/lake/t",
        "file:///bucket/lake/t",
    ] {
        assert!(!warehouse.contains(other), "{other}");
    }
    for wrong in ["s3://", "s3://bucket", "s3://bucket/", "relative", "gs://b/x"] {
        assert!(matches!(warehouse.read(wrong), Err(LakeError::Options(_))), "{wrong}");
    }
}

#[test]
fn engines_get_what_they_need_and_no_more() {
    let keys = |id: &str| Keys {
        access_key_id: id.into(),
        secret_access_key: Secret::new("hush"),
        session_token: None,
    };
    let mut options = S3Options {
        endpoint: Some("http://127.0.0.1:9".into()),
        keys: Some(keys("broker")),
        ..S3Options::default()
    };
    let given = |options: &S3Options| options.vended().map(|keys| keys.access_key_id.clone());
    let config = options.told();
    for (key, value) in [
        ("client.region", "us-east-1"),
        ("s3.region", "us-east-1"),
        ("s3.endpoint", "http://127.0.0.1:9"),
        ("s3.path-style-access", "true"),
    ] {
        assert_eq!(config.get(key).map(String::as_str), Some(value), "{key}");
    }
    assert_eq!(given(&options), None, "the broker's own keys are given out only if told so");
    options.vend = Vend::Own;
    assert_eq!(given(&options).as_deref(), Some("broker"));
    options.vended_keys = Some(keys("reader"));
    for (vend, expected) in
        [(Vend::None, None), (Vend::ReadOnly, Some("reader")), (Vend::Own, Some("reader"))]
    {
        options.vend = vend;
        assert_eq!(given(&options).as_deref(), expected, "{vend:?}");
    }
    let mut vended = options.vended().unwrap().clone();
    let revealed = |id: &str, value: &str| (format!("s3.{id}"), value.to_string());
    let pair = [revealed("access-key-id", "reader"), revealed("secret-access-key", "hush")];
    assert_eq!(vended.reveal(), pair);
    vended.session_token = Some(Secret::new("hush"));
    assert_eq!(vended.reveal()[2], revealed("session-token", "hush"));
    assert!(!options.told().values().any(|value| value == "hush"), "keys are for who asks");
    assert!(!format!("{options:?}").contains("hush"), "secrets do not print");
}

#[test]
fn a_bucket_that_nobody_serves_is_given_up_fast_and_then_at_once() {
    // Nothing listens there: the port was free a moment ago and stays closed.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options = S3Options {
        endpoint: Some(format!("http://127.0.0.1:{port}")),
        keys: Some(Keys {
            access_key_id: "a".into(),
            secret_access_key: Secret::new("b"),
            session_token: None,
        }),
        ..S3Options::default()
    };
    let root = Root::parse("s3://bucket/lake").unwrap();
    let warehouse = Warehouse::new(root, options, PathBuf::new());
    let location = "s3://bucket/lake/a";
    assert_eq!(warehouse.outage(location), None);
    let began = std::time::Instant::now();
    let first = warehouse.read(location).unwrap_err();
    assert!(first.is_outage() && began.elapsed().as_secs() < 10, "{first}");
    assert!(first.to_string().contains(location), "{first}");
    assert!(warehouse.outage(location).is_some());
    let began = std::time::Instant::now();
    let second = warehouse.write(location, Bytes::new()).unwrap_err();
    assert!(second.is_outage() && began.elapsed().as_millis() < 100, "{second}");
    warehouse.close();
}
