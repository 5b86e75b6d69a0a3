//! Every example of the documentation is run as its reader would run it, against a fresh broker,
//! and must show what is written here. A page's tables list all of its examples in their order: an
//! example that is new or has moved fails the test until the table says how it is run.

use std::fs;
use std::path::{Path, PathBuf};

use reader::Reader;
use serde_json::json;

use crate::engines::{Engine, Kind};

mod reader;

/// How an example is run.
#[derive(Clone, Copy, Debug)]
enum Run {
    /// In a shell that finds the commands of the documentation.
    Shell,
    /// In a shell, where it starts a broker that serves until it is ended.
    Broker,
    /// As the file `strom.toml` of a broker.
    BrokerConfig,
    Python,
    DuckDb,
    /// As the definition of Trino's catalog `ice`.
    TrinoCatalog,
    Trino,
    /// Not at all, for this reason.
    Omitted(&'static str),
}

/// An example: the language of its fence, how it begins, how it is run, and parts of what it shows.
type Example = (&'static str, &'static str, Run, &'static [&'static str]);

const BUILT: Run = Run::Omitted("cargo has built the broker that this test starts");
const TESTED: Run = Run::Omitted("it is what runs this test");

const NO_ENGINE: Run =
    Run::Omitted("it needs a container engine; suite/compose.rs checks what it starts");

const README: &[Example] =
    &[("sh", "cargo run --release\n", BUILT, &[]), ("sh", "cargo xtask test\n", TESTED, &[])];

const QUICKSTART: &[Example] = &[
    ("sh", "cargo run --release\n", BUILT, &[]),
    ("sh", "printf 'alice:", Run::Shell, &["0/0 alice = hello\n", "0/1 bob = hi\n"]),
    ("sh", "kafka-topics.sh", Run::Shell, &["Created topic orders.", "typed first\n", "third\n"]),
    (
        "python",
        "from confluent_kafka",
        Run::Python,
        &["0 0 b'alice' b'hello'\n", "0 1 b'bob' b'hi'\n", "0 2 b'carol' b'good morning'\n"],
    ),
    (
        "sql",
        "INSTALL iceberg",
        Run::DuckDb,
        &["0 0 alice hello\n0 1 bob hi\n0 2 carol good morning\n"],
    ),
    ("sh", "strom --set listeners", Run::Broker, &["at broker.example.com:{port}"]),
    ("toml", "# strom.toml", Run::BrokerConfig, &["at strom:{port}", "at localhost:{port}"]),
];

const QUERY: &[Example] = &[
    ("sql", "INSTALL iceberg", Run::DuckDb, &["ice kafka greetings", "alice 2 20", "bob 1 20"]),
    ("properties", "connector.name", Run::TrinoCatalog, &[]),
    ("sql", "SHOW TABLES", Run::Trino, &["greetings\n", "0 0 hello\n0 1 hi\n0 2 bye\n"]),
    // pyarrow prints bytes as hexadecimal digits.
    ("python", "from pyiceberg", Run::Python, &["68656C6C6F", "6869", "627965"]),
];

const CATALOG: &[Example] = &[
    ("sql", "INSTALL iceberg", Run::DuckDb, &["alice 2\nbob 1\n"]),
    (
        "python",
        "from pyiceberg",
        Run::Python,
        &["visitor: optional string", "country: optional string"],
    ),
];

const TOPICS: &[Example] = &[
    (
        "sh",
        "strom topic create payments",
        Run::Shell,
        &["created topic payments with 3 partitions\n", "payments", "retention.ms=86400000"],
    ),
    (
        "sh",
        "kafka-configs.sh",
        Run::Shell,
        &["max.message.bytes=2097152", "retention.ms=604800000", "\n5          0 "],
    ),
    ("sh", "printf 'one", Run::Shell, &["low_watermark: 2", "three\n"]),
    (
        "sh",
        "strom verify payments",
        Run::Shell,
        &["payments: ", " records in ", " verified, 0 mismatches\n"],
    ),
];

const DOCKER: &[Example] = &[
    ("sh", "docker compose up", NO_ENGINE, &[]),
    ("sh", "echo 'hello, river'", NO_ENGINE, &[]),
    ("sh", "docker compose exec strom", NO_ENGINE, &[]),
    ("sh", "STROM_LAKE_WAREHOUSE=s3://warehouse docker", NO_ENGINE, &[]),
];

const CLIENTS: &[Example] = &[
    ("sh", "printf 'k1:one", Run::Shell, &["0 k1 = one\n1 k2 = two\n2 k3 = three\n"]),
    ("sh", "kafka-topics.sh", Run::Shell, &["PartitionCount: 1", "one\ntwo\nthree\n", "LAG"]),
    ("python", "from itertools", Run::Python, &["0 k1 one\n", "2 k3 three\n3 k4 four\n"]),
    ("python", "import asyncio", Run::Python, &["0 k1 one\n", "3 k4 four\n4 k5 five\n"]),
];

const S3: &[Example] = &[
    ("toml", "# strom.toml", Run::BrokerConfig, &["at 127.0.0.1:{port}"]),
    ("sql", "INSTALL iceberg", Run::DuckDb, &["0 hello\n1 hi\n2 bye\n"]),
    ("python", "from pyiceberg", Run::Python, &["True\n3\n"]),
    ("properties", "connector.name", Run::TrinoCatalog, &[]),
    ("sql", "SELECT __offset", Run::Trino, &["0 hello\n1 hi\n2 bye\n"]),
];

/// Every page that has examples in a language that can be run.
const PAGES: &[(&str, &[Example])] = &[
    ("README.md", README),
    ("docs/quickstart.md", QUICKSTART),
    ("docs/query-with-trino-and-duckdb.md", QUERY),
    ("docs/clients.md", CLIENTS),
    ("docs/catalog.md", CATALOG),
    ("docs/docker.md", DOCKER),
    ("docs/topics.md", TOPICS),
    ("docs/s3.md", S3),
];

#[test]
fn every_page_with_examples_is_known() {
    let root = root();
    let mut pages = Vec::new();
    markdown_below(&root, &mut pages);
    pages.sort();
    assert!(pages.len() > PAGES.len(), "{pages:?}");
    for path in pages {
        let page = path.strip_prefix(&root).unwrap().to_str().unwrap();
        let known = PAGES.iter().any(|(known, _)| *known == page);
        // Fences without a language are drawings.
        let runnable = examples_of(page).iter().any(|(language, _)| !language.is_empty());
        assert!(known || !runnable, "{page} has examples that no test runs: list it in PAGES");
    }
}

#[test]
fn the_readme_works() {
    check("README.md", None);
}

#[test]
fn the_quickstart_works() {
    check("docs/quickstart.md", None);
}

#[test]
fn the_page_about_topics_works() {
    check("docs/topics.md", None);
}

#[test]
fn the_examples_of_the_docker_page_are_known() {
    check("docs/docker.md", None);
}

#[test]
fn the_page_about_clients_works() {
    check("docs/clients.md", None);
}

#[test]
fn the_page_about_queries_works() {
    // What its reader has done before, as in the quickstart.
    let before = "printf 'alice:hello\\nbob:hi\\nalice:bye\\n' \
                  | kcat -P -b 127.0.0.1:9092 -t greetings -K :";
    check("docs/query-with-trino-and-duckdb.md", Some(before));
}

#[test]
fn the_page_about_the_catalog_works() {
    let before = "printf 'alice:hello\\nbob:hi\\nalice:bye\\n' \
                  | kcat -P -b 127.0.0.1:9092 -t greetings -K :";
    check("docs/catalog.md", Some(before));
}

#[test]
fn the_page_about_buckets_works() {
    let before = "printf 'alice:hello\\nbob:hi\\nalice:bye\\n' \
                  | kcat -P -b 127.0.0.1:9092 -t greetings -K :";
    check_at(Reader::at_a_bucket(), "docs/s3.md", Some(before));
}

/// The three commands that the broker prints when it is ready.
#[test]
fn the_commands_of_the_banner_work() {
    let reader = Reader::new();
    let log = reader.broker().log();
    let (head, commands) = log.split_once("\nTry it:\n").expect("the banner is printed");
    assert!(head.contains(" is ready\n") && head.contains("(new)"), "{head}");
    let commands: Vec<&str> = commands.lines().map_while(|line| line.strip_prefix("  ")).collect();
    let begins = commands.iter().map(|command| &command[..5]).collect::<Vec<_>>();
    assert_eq!(begins, ["echo ", "pytho", "duckd"], "{log}");
    reader.shell(commands[0]);
    reader.shell(commands[1]);
    let shown = reader.shell(commands[2]);
    assert_eq!(shown, "0 hello, river\n1 hello from Python\n");
}

/// The expressions that the page about queries gives in a sentence.
#[test]
fn the_expressions_for_text_work() {
    let page = fs::read_to_string(root().join("docs/query-with-trino-and-duckdb.md")).unwrap();
    let given = |expression: &'static str| {
        assert!(page.contains(&format!("`{expression}`")), "the page does not say {expression}");
        expression
    };
    let reader = Reader::new();
    let produce = "echo '{\"id\": 7}' | kcat -P -b 127.0.0.1:9092 -t texts";
    reader.shell(&reader.here(produce));

    let text = json!("{\"id\": 7}");
    let rows = |kind: Kind, columns: &[&str]| {
        let sql = format!("SELECT {} FROM texts", columns.join(", "));
        Engine::open(kind, reader.broker()).sql(&sql)
    };
    assert_eq!(rows(Kind::DuckDb, &[given("decode(value)")]), [[text.clone()]]);
    let id = given("json_extract_scalar(from_utf8(value), '$.id')");
    assert_eq!(rows(Kind::Trino, &[given("from_utf8(value)"), id]), [[text, json!("7")]]);
    let code = format!(
        "from pyiceberg.catalog import load_catalog\n\
         catalog = load_catalog('strom', type='rest', uri='http://127.0.0.1:8081/iceberg')\n\
         print(catalog.load_table('kafka.texts').scan().to_arrow()['value']{})",
        given(".cast(\"string\")"),
    );
    let shown = reader.python(&reader.here(&code));
    assert!(shown.contains("{\"id\": 7}"), "{shown}");
}

/// Runs the examples of a page in their order, after `before`, on one fresh broker.
fn check(page: &str, before: Option<&str>) {
    check_at(Reader::new(), page, before);
}

/// The same at the desk of a reader who has prepared something.
fn check_at(mut reader: Reader, page: &str, before: Option<&str>) {
    let (_, known) = PAGES.iter().find(|(known, _)| *known == page).unwrap();
    let examples = examples_of(page);
    let found: Vec<_> =
        examples.iter().map(|(language, text)| (language, first_line(text))).collect();
    assert_eq!(known.len(), found.len(), "{page} has examples that are not listed: {found:?}");
    if let Some(before) = before {
        reader.shell(&reader.here(before));
    }
    for ((language, text), (fence, begins, run, shows)) in examples.iter().zip(*known) {
        let listed = language == fence && text.starts_with(begins);
        assert!(listed, "{page}: {:?} is not the listed {begins:?}", first_line(text));
        let shown = match run {
            Run::Shell => reader.shell(&reader.here(text)),
            Run::Broker => reader.broker_started_by(text),
            Run::BrokerConfig => reader.broker_configured_by(text),
            Run::Python => reader.python(&reader.here(text)),
            Run::DuckDb => reader.duckdb(&reader.here(text)),
            Run::TrinoCatalog => reader.trino_catalog(&reader.here(text)),
            Run::Trino => reader.trino(&reader.here(text)),
            Run::Omitted(reason) => {
                println!("{page}: not run, {reason}: {}", first_line(text));
                continue;
            }
        };
        for part in *shows {
            assert!(shown.contains(part), "{page}: {part:?} is missing\n{text}\nshowed\n{shown}");
        }
    }
}

/// The fenced blocks of a page: language and text.
fn examples_of(page: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join(page)).unwrap();
    let mut examples = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(language), None) => open = Some((language.trim().to_string(), String::new())),
            (Some(_), Some(_)) => examples.extend(open.take()),
            (None, Some((_, text))) => *text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{page}: a fence does not end");
    examples
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The Markdown files of the checkout, hidden folders, build output and packages apart.
fn markdown_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                markdown_below(&path, found);
            }
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}
