//! The query engines over a running broker's catalog, and the checks that every engine passes.
//!
//! Each engine is a program (`integration-tests/engines/*_shell.py`) that answers one request per
//! line. Trino's server is started once for the whole run; each broker is a catalog of its own
//! in it. The broker must be fresh or fail (`BROKER_OPTIONS`): a stale answer is an error here.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use serde_json::{Value, json};
use strom_integration_tests::broker::Broker;
use strom_integration_tests::installed::{installed, log_folder};
use strom_integration_tests::ports;
use strom_integration_tests::record::Found;

/// The tests that every engine has, in the module of that engine.
macro_rules! checks_of {
    ($kind:expr) => {
        #[test]
        fn rows_equal_what_a_consumer_reads() {
            super::checks::contents($kind);
        }

        #[test]
        fn names_are_mapped() {
            super::checks::names($kind);
        }

        #[test]
        fn acknowledged_records_are_seen_at_once() {
            super::checks::freshness($kind);
        }

        #[test]
        fn queries_under_load_see_what_was_acknowledged() {
            super::checks::under_load($kind);
        }

        #[test]
        fn restarts_change_nothing() {
            super::checks::restart($kind);
        }

        #[test]
        fn a_table_keeps_what_its_topic_lost() {
            super::checks::removal($kind);
        }

        #[test]
        fn a_deleted_topic_drops_its_table() {
            super::checks::deletion($kind);
        }
    };
}
use checks_of;

pub mod checks;
mod duckdb;
mod options;
mod pyiceberg;
mod retention;
pub mod s3;
pub mod segments;
mod trino;

/// Fresh means fresh: a load that cannot flush in time fails instead of answering stale.
pub const BROKER_OPTIONS: &[(&str, &str)] = &[
    ("table.datalake.read-flush.on-timeout", "fail"),
    ("table.datalake.read-flush.timeout", "60s"),
    ("group.initial.rebalance.delay.ms", "0"),
];

/// The engines that read tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Trino,
    DuckDb,
    Pyiceberg,
}

/// One session of an engine on one broker's catalog.
pub struct Engine {
    pub kind: Kind,
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// The rows of an answer, values as in engines/shell.py.
pub type Rows = Vec<Vec<Value>>;

/// The numbers that are compared before any row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    pub count: i64,
    /// Distinct (partition, offset) pairs: less than `count` means a record came twice.
    pub distinct: i64,
    pub offsets: i64,
    pub value_bytes: i64,
    /// Records whose value is not null.
    pub valued: i64,
}

impl Engine {
    /// Opens a session; the table names in requests are those of namespace `kafka`.
    pub fn open(kind: Kind, broker: &Broker) -> Engine {
        static CATALOGS: AtomicU32 = AtomicU32::new(0);
        let uri = format!("http://{}/iceberg", broker.http());
        let (program, arguments) = match kind {
            Kind::Trino => {
                let catalog = format!("strom{}", CATALOGS.fetch_add(1, Ordering::Relaxed));
                let storage = trino_storage(broker).to_string();
                ("trino_shell.py", vec![trino_port().to_string(), uri, catalog, storage])
            }
            Kind::DuckDb => ("duckdb_shell.py", vec![uri]),
            Kind::Pyiceberg => ("pyiceberg_shell.py", vec![uri]),
        };
        let mut command = python(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Engine { kind, child, requests, answers }
    }

    /// One request of the engine's program. An engine's own error is `Err` with all it said.
    pub fn ask(&mut self, request: &Value) -> Result<Rows, String> {
        let requests = self.requests.as_mut().unwrap();
        writeln!(requests, "{request}").unwrap();
        requests.flush().unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "{:?} ended at {request}; its message is above", self.kind);
        let mut answer: Value = serde_json::from_str(&line).unwrap();
        if let Some(error) = answer["error"].as_str() {
            return Err(error.to_string());
        }
        Ok(serde_json::from_value(answer["rows"].take()).unwrap())
    }

    /// SQL that must succeed (Trino and DuckDB).
    pub fn sql(&mut self, sql: &str) -> Rows {
        self.try_sql(sql).unwrap_or_else(|error| panic!("{:?}: {sql}\n{error}", self.kind))
    }

    /// SQL that may fail.
    pub fn try_sql(&mut self, sql: &str) -> Result<Rows, String> {
        self.ask(&json!({ "sql": sql }))
    }

    /// An operation of pyiceberg's program that must succeed.
    pub fn operation(&mut self, request: &Value) -> Rows {
        self.ask(request).unwrap_or_else(|error| panic!("{:?}: {request}\n{error}", self.kind))
    }

    /// Count, distinct count and sums of a whole table.
    pub fn totals(&mut self, table: &str) -> Totals {
        let totals = self.try_totals(table);
        totals.unwrap_or_else(|error| panic!("{:?}: totals of {table}\n{error}", self.kind))
    }

    /// The same of a table that may not be readable.
    pub fn try_totals(&mut self, table: &str) -> Result<Totals, String> {
        let bytes = if self.kind == Kind::DuckDb { "octet_length" } else { "length" };
        let rows = match self.kind {
            Kind::Pyiceberg => self.ask(&json!({ "op": "totals", "table": table })),
            Kind::Trino | Kind::DuckDb => self.try_sql(&format!(
                "SELECT count(*), count(DISTINCT (__partition, __offset)), \
                 coalesce(sum(__offset), 0), coalesce(sum({bytes}(value)), 0), count(value) \
                 FROM {table}"
            )),
        }?;
        let number = |index: usize| rows[0][index].as_i64().unwrap();
        Ok(Totals {
            count: number(0),
            distinct: number(1),
            offsets: number(2),
            value_bytes: number(3),
            valued: number(4),
        })
    }

    /// Every row of a table, in the form of [`expected_row`], ordered by partition and offset.
    pub fn rows(&mut self, table: &str) -> Rows {
        match self.kind {
            Kind::Pyiceberg => self.operation(&json!({ "op": "rows", "table": table })),
            Kind::Trino | Kind::DuckDb => self.sql(&format!(
                "SELECT __partition, __offset, __timestamp, key, value, __headers \
                 FROM {table} ORDER BY __partition, __offset"
            )),
        }
    }

    /// (partition, records, greatest offset) of every partition that has a record.
    pub fn ends(&mut self, table: &str) -> Vec<(i64, i64, i64)> {
        let rows = match self.kind {
            Kind::Pyiceberg => self.operation(&json!({ "op": "ends", "table": table })),
            Kind::Trino | Kind::DuckDb => self.sql(&format!(
                "SELECT __partition, count(*), max(__offset) FROM {table} GROUP BY 1 ORDER BY 1"
            )),
        };
        let number = |value: &Value| value.as_i64().unwrap();
        rows.iter().map(|row| (number(&row[0]), number(&row[1]), number(&row[2]))).collect()
    }

    /// The names in namespace `kafka`.
    pub fn tables(&mut self) -> Vec<String> {
        let rows = match self.kind {
            Kind::Pyiceberg => self.operation(&json!({ "op": "tables" })),
            Kind::Trino | Kind::DuckDb => self.sql("SHOW TABLES"),
        };
        let mut names: Vec<_> = rows.iter().map(|row| row[0].as_str().unwrap().into()).collect();
        names.sort();
        names
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.requests.take());
        let _ = self.child.wait();
    }
}

/// A consumed record as engines/shell.py writes the row.
pub fn expected_row(found: &Found) -> Vec<Value> {
    let record = &found.record;
    let headers: Vec<Value> =
        record.headers.iter().map(|(key, value)| json!([key, bytes(value.as_deref())])).collect();
    vec![
        json!(record.partition),
        json!(found.offset),
        json!({ "micros": record.timestamp.unwrap() * 1000 }),
        bytes(record.key.as_deref()),
        bytes(record.value.as_deref()),
        json!(headers),
    ]
}

/// What [`Engine::totals`] must say of these records.
pub fn expected_totals(records: &[Found]) -> Totals {
    let count = i64::try_from(records.len()).unwrap();
    let values = records.iter().filter_map(|found| found.record.value.as_ref());
    Totals {
        count,
        distinct: count,
        offsets: records.iter().map(|found| found.offset).sum(),
        value_bytes: values.clone().map(|value| i64::try_from(value.len()).unwrap()).sum(),
        valued: i64::try_from(values.count()).unwrap(),
    }
}

/// Bytes, or none, as engines/shell.py writes them.
fn bytes(bytes: Option<&[u8]>) -> Value {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    bytes.map_or(Value::Null, |bytes| json!({ "hex": hex(bytes) }))
}

/// The properties by which Trino's catalog reaches the files of a broker's tables.
fn trino_storage(broker: &Broker) -> Value {
    match broker.option("s3.endpoint") {
        // `local.location=/` makes file:///absolute/path mean that path.
        None => json!({ "fs.local.enabled": "true", "local.location": "/" }),
        Some(endpoint) => {
            // As much as the broker gives to engines that ask it for keys.
            let is_own = broker.option("lake.vend-credentials") == Some("own");
            let user = if is_own { "broker" } else { "reader" };
            json!({
                "fs.s3.enabled": "true",
                "s3.endpoint": endpoint,
                "s3.region": "us-east-1",
                "s3.path-style-access": "true",
                "s3.aws-access-key": user,
                "s3.aws-secret-key": format!("{user}-secret"),
            })
        }
    }
}

/// One of the programs in engines/, with the Python that has the engines.
pub fn python(program: &str) -> Command {
    let mut command = Command::new(installed("engines").join("bin/python"));
    command.arg(programs().join(program)).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("engines")
}

/// The port of the run's one Trino server, started by whoever asks first. It ends when this
/// process does: its program watches the pipe that is kept here.
fn trino_port() -> u16 {
    static SERVER: OnceLock<(u16, Child)> = OnceLock::new();
    SERVER.get_or_init(start_trino).0
}

fn start_trino() -> (u16, Child) {
    let home = installed("trino");
    let java_home = std::fs::read_to_string(home.join("java-home")).unwrap();
    let (began, port) = (Instant::now(), ports::free());
    let mut child = python("trino_server.py")
        .arg(java_home)
        .arg(home)
        .arg(log_folder().join(format!("trino-{}", std::process::id())))
        .arg(port.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(!line.is_empty(), "Trino did not start; its message is above");
    let started: Value = serde_json::from_str(&line).unwrap();
    println!("trino (pid {}) started in {:.1?}", started["pid"], began.elapsed());
    (port, child)
}
