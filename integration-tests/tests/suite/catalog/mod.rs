//! The catalog under clients that write: Iceberg's Java reference client, pyiceberg, Trino and
//! DuckDB make, fill, change, rename and drop tables of their own, and each reads the others'.
//!
//! The two libraries are programs that take the same requests (engines/iceberg-java/Driver.java,
//! engines/pyiceberg_author.py); the two engines take SQL.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use strom_integration_tests::broker::Broker;
use strom_integration_tests::installed::installed;

use crate::engines::{Engine, Kind, Rows, python};

mod bucket;
mod crashes;
mod own_tables;
mod topics_tables;

/// The libraries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Library {
    Java,
    Pyiceberg,
}

const LIBRARIES: [Library; 2] = [Library::Java, Library::Pyiceberg];

/// A library over one broker's catalog, as a process.
struct Author {
    library: Library,
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Author {
    fn open(library: Library, broker: &Broker) -> Author {
        let mut command = match library {
            Library::Java => {
                let home = installed("iceberg-java");
                let path = format!("{}/classes:{}/lib/*", home.display(), home.display());
                let mut command = Command::new("java");
                command.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", &path, "Driver"]);
                command
            }
            Library::Pyiceberg => python("pyiceberg_author.py"),
        };
        command.arg(format!("http://{}/iceberg", broker.http()));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Author { library, child, requests, answers }
    }

    /// One request; the library's own error is `Err`.
    fn ask(&mut self, request: &Value) -> Result<Rows, String> {
        let requests = self.requests.as_mut().unwrap();
        writeln!(requests, "{request}").unwrap();
        requests.flush().unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "{:?} ended at {request}; its message is above", self.library);
        let mut answer: Value = serde_json::from_str(&line).unwrap();
        match answer["error"].as_str() {
            Some(error) => Err(error.to_string()),
            None => Ok(serde_json::from_value(answer["rows"].take()).unwrap()),
        }
    }

    /// A request that must succeed: an operation, and what it needs.
    fn does(&mut self, op: &str, mut arguments: Value) -> Rows {
        arguments["op"] = json!(op);
        let answer = self.ask(&arguments);
        answer.unwrap_or_else(|error| panic!("{:?}: {arguments}\n{error}", self.library))
    }

    /// A request that must fail with a message that has all these parts.
    fn refuses(&mut self, op: &str, mut arguments: Value, parts: &[&str]) {
        arguments["op"] = json!(op);
        let error = self.ask(&arguments).expect_err(&arguments.to_string());
        for part in parts {
            assert!(error.contains(part), "{:?}: {arguments}: {error}", self.library);
        }
    }
}

impl Drop for Author {
    fn drop(&mut self) {
        drop(self.requests.take());
        let _ = self.child.wait();
    }
}

/// Any of them, for what all of them can do.
enum Writer {
    Library(Author),
    Engine(Engine),
}

impl Writer {
    /// These libraries, and the engines that write.
    fn all(broker: &Broker, libraries: &[Library]) -> Vec<Writer> {
        let libraries =
            libraries.iter().map(|library| Writer::Library(Author::open(*library, broker)));
        let engines =
            [Kind::Trino, Kind::DuckDb].map(|kind| Writer::Engine(Engine::open(kind, broker)));
        libraries.chain(engines).collect()
    }

    fn name(&self) -> String {
        match self {
            Writer::Library(author) => format!("{:?}", author.library).to_lowercase(),
            Writer::Engine(engine) => format!("{:?}", engine.kind).to_lowercase(),
        }
    }

    /// Makes a table of `id` and `name`, and fills it.
    fn write(&mut self, table: &str, rows: &[(i64, &str)]) {
        match self {
            Writer::Library(author) => {
                author.does("create", json!({ "table": table }));
                author.does("append", json!({ "table": table, "rows": rows }));
            }
            Writer::Engine(engine) => {
                engine.sql(&format!("CREATE TABLE {table} (id bigint, name varchar)"));
                let values: Vec<String> =
                    rows.iter().map(|(id, name)| format!("({id}, '{name}')")).collect();
                engine.sql(&format!("INSERT INTO {table} VALUES {}", values.join(", ")));
            }
        }
    }

    fn read(&mut self, table: &str) -> Rows {
        match self {
            Writer::Library(author) => author.does("rows", json!({ "table": table })),
            Writer::Engine(engine) => {
                engine.sql(&format!("SELECT id, name FROM {table} ORDER BY id"))
            }
        }
    }
}

/// Rows of `id` and `name` as an answer has them.
fn expected(rows: &[(i64, &str)]) -> Rows {
    rows.iter().map(|(id, name)| vec![json!(id), json!(name)]).collect()
}

/// The metadata files below the warehouse that are not a topic's.
fn own_metadata_files(broker: &Broker) -> Vec<String> {
    fn walk(folder: &std::path::Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.to_string_lossy().ends_with(".metadata.json") {
                found.push(path.display().to_string());
            }
        }
    }
    let warehouse = broker.data_dir().join("warehouse");
    let topics = warehouse.join("kafka").display().to_string();
    let mut found = Vec::new();
    walk(&warehouse, &mut found);
    found.retain(|path| !path.starts_with(&topics));
    found
}
