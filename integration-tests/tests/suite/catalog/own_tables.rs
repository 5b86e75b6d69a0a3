//! Engines' own tables: each client's life of a table, and what happens between clients.

use std::time::Duration;

use serde_json::{Value, json};
use strom_integration_tests::broker::Broker;
use strom_integration_tests::wait::wait_for;

use super::{Author, LIBRARIES, Library, Writer, expected, own_metadata_files};
use crate::engines::{BROKER_OPTIONS, Engine, Kind};

const ONE: [(i64, &str); 2] = [(1, "one"), (2, "two")];
const TWO: [(i64, &str); 2] = [(3, "three"), (4, "four")];

fn broker() -> Broker {
    Broker::start_strom(BROKER_OPTIONS)
}

#[test]
fn the_java_reference_client_lives_with_tables_of_its_own() {
    life_with_a_library(&broker(), Library::Java, "NamespaceNotEmptyException");
}

#[test]
fn pyiceberg_lives_with_tables_of_its_own() {
    life_with_a_library(&broker(), Library::Pyiceberg, "NamespaceNotEmptyError");
}

/// Every kind of change that a library has, up to the table's end.
pub(super) fn life_with_a_library(broker: &Broker, library: Library, not_empty: &str) {
    let mut author = Author::open(library, broker);
    for namespace in ["shop", "shop.eu"] {
        author.does("create_namespace", json!({ "namespace": namespace }));
    }
    author.refuses("create_namespace", json!({"namespace": "shop"}), &["AlreadyExists", "shop"]);
    author.does("set_namespace", json!({"namespace": "shop.eu"}));
    let properties = author.does("namespace", json!({"namespace": "shop.eu"}));
    let properties = properties[0][0].as_str().unwrap();
    assert!(properties.contains("owner") && properties.contains("blue"), "{properties}");

    let table = json!({"table": "shop.eu.t"});
    let with = |extra: Value| {
        let mut arguments = table.clone();
        arguments.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        arguments
    };
    author.does("create", table.clone());
    author.refuses("create", table.clone(), &["AlreadyExists", "Table already exists: shop.eu.t"]);
    author.does("append", with(json!({ "rows": ONE })));
    assert_eq!(author.does("rows", table.clone()), expected(&ONE));
    author.does("add_column", with(json!({"column": "extra"})));
    author.does("set_property", with(json!({"key": "flavour", "value": "salty"})));
    author.does("partition", table.clone());
    author.does("append", with(json!({ "rows": TWO })));
    let all = expected(&[ONE, TWO].concat());
    assert_eq!(author.does("rows", table.clone()), all);
    let properties = author.does("properties", table.clone());
    assert!(properties[0][0].as_str().unwrap().contains("salty"), "{properties:?}");
    author.does("expire", table.clone());
    assert_eq!(author.does("snapshots", table.clone()).len(), 1);

    author.does("rename", with(json!({"to": "shop.u"})));
    author.refuses("rows", table.clone(), &["NoSuchTable", "Table does not exist: shop.eu.t"]);
    assert_eq!(author.does("rows", json!({"table": "shop.u"})), all);
    let location = author.does("metadata_location", json!({"table": "shop.u"}))[0][0].clone();
    author.does("drop", json!({"table": "shop.u"}));
    author.does("register", json!({"table": "shop.back", "location": location}));
    assert_eq!(author.does("rows", json!({"table": "shop.back"})), all, "dropped is not purged");

    let staged = json!({"table": "shop.staged", "rows": ONE, "version": "2"});
    author.does("create_staged", staged);
    assert_eq!(author.does("rows", json!({"table": "shop.staged"})), expected(&ONE));
    assert_eq!(
        author.does("tables", json!({"namespace": "shop"})),
        [[json!("back")], [json!("staged")]]
    );
    author.refuses("drop_namespace", json!({"namespace": "shop"}), &[not_empty]);
    for name in ["shop.back", "shop.staged"] {
        author.does("drop", json!({"table": name, "purge": true}));
    }
    for namespace in ["shop.eu", "shop"] {
        author.does("drop_namespace", json!({ "namespace": namespace }));
    }
    assert_eq!(author.does("namespaces", json!({})), [[json!("kafka")]]);
}

#[test]
fn trino_lives_with_tables_of_its_own() {
    let broker = broker();
    life_with_trino(&broker);
    wait_for("purged files to go", Duration::from_secs(30), || {
        own_metadata_files(&broker).is_empty().then_some(())
    });
}

/// Every kind of change that Trino has; its drops purge.
pub(super) fn life_with_trino(broker: &Broker) {
    let mut trino = Engine::open(Kind::Trino, broker);
    trino.sql("CREATE SCHEMA shop");
    trino.sql("CREATE TABLE shop.t (id bigint NOT NULL, name varchar) COMMENT 'ours'");
    trino.sql("INSERT INTO shop.t VALUES (1, 'one'), (2, 'two')");
    trino.sql("ALTER TABLE shop.t ADD COLUMN day date");
    trino.sql("ALTER TABLE shop.t RENAME COLUMN name TO label");
    trino.sql("ALTER TABLE shop.t SET PROPERTIES partitioning = ARRAY['day', 'bucket(id, 4)']");
    trino.sql("INSERT INTO shop.t VALUES (3, 'three', DATE '2026-01-01')");
    trino.sql("UPDATE shop.t SET label = 'zwei' WHERE id = 2");
    trino.sql("DELETE FROM shop.t WHERE id = 1");
    let rows = trino.sql("SELECT id, label, CAST(day AS varchar) FROM shop.t ORDER BY id");
    let (second, third) = (json!([2, "zwei", null]), json!([3, "three", "2026-01-01"]));
    assert_eq!(json!(rows), json!([second, third]));
    trino.sql("ALTER TABLE shop.t EXECUTE optimize");
    trino.sql("ANALYZE shop.t");
    trino.sql("ALTER TABLE shop.t RENAME TO shop.u");
    trino.sql("CREATE TABLE shop.copied AS SELECT id, label FROM shop.u");
    trino.sql("CREATE OR REPLACE TABLE shop.copied AS SELECT id + 10 AS id FROM shop.u");
    assert_eq!(json!(trino.sql("SELECT id FROM shop.copied ORDER BY id")), json!([[12], [13]]));
    assert_eq!(json!(trino.sql("SHOW TABLES FROM shop")), json!([["copied"], ["u"]]));
    let exists = trino.try_sql("CREATE TABLE shop.u (a bigint)").unwrap_err();
    assert!(exists.contains("already exists"), "{exists}");
    let full = trino.try_sql("DROP SCHEMA shop").unwrap_err();
    assert!(full.to_lowercase().contains("non-empty") || full.contains("not empty"), "{full}");
    trino.sql("DROP TABLE shop.copied");
    trino.sql("DROP TABLE shop.u");
    trino.sql("DROP SCHEMA shop");
}

#[test]
fn duckdb_lives_with_tables_of_its_own() {
    life_with_duckdb(&broker());
}

/// Every kind of change that DuckDB has.
pub(super) fn life_with_duckdb(broker: &Broker) {
    let mut duckdb = Engine::open(Kind::DuckDb, broker);
    for sql in [
        "CREATE SCHEMA ice.shop",
        "CREATE TABLE ice.shop.t (id bigint, name varchar)",
        "INSERT INTO ice.shop.t VALUES (1, 'one'), (2, 'two')",
        "CREATE TABLE ice.shop.copied AS SELECT id + 10 AS id FROM ice.shop.t",
        "DELETE FROM ice.shop.t WHERE id = 1",
        "UPDATE ice.shop.t SET name = 'zwei' WHERE id = 2",
        "ALTER TABLE ice.shop.t ADD COLUMN extra bigint",
        "ALTER TABLE ice.shop.t RENAME COLUMN name TO label",
        "CALL set_iceberg_table_properties(ice.shop.t, {'flavour': 'salty'})",
        "ALTER TABLE ice.shop.t SET PARTITIONED BY (bucket(4, id))",
        "BEGIN",
        "INSERT INTO ice.shop.t VALUES (3, 'three', 1)",
        "INSERT INTO ice.shop.copied VALUES (3)",
        "COMMIT",
        "ALTER TABLE ice.shop.t RENAME TO u",
    ] {
        duckdb.sql(sql);
    }
    // A session of its own: what the first one sees is perhaps what it remembers.
    let mut other = Engine::open(Kind::DuckDb, broker);
    let rows = other.sql("SELECT * FROM ice.shop.u ORDER BY id");
    assert_eq!(json!(rows), json!([[2, "zwei", null], [3, "three", 1]]));
    let copied = other.sql("SELECT id FROM ice.shop.copied ORDER BY id");
    assert_eq!(json!(copied), json!([[3], [11], [12]]));
    let columns = other.sql("SELECT column_name FROM (DESCRIBE ice.shop.u)");
    assert_eq!(json!(columns), json!([["id"], ["label"], ["extra"]]));
    assert!(other.try_sql("SELECT * FROM ice.shop.t").is_err(), "it was renamed");
    for sql in ["DROP TABLE ice.shop.copied", "DROP TABLE ice.shop.u", "DROP SCHEMA ice.shop"] {
        duckdb.sql(sql);
    }
    let mut author = Author::open(Library::Pyiceberg, broker);
    assert_eq!(author.does("namespaces", json!({})), [[json!("kafka")]]);
}

#[test]
fn everybody_reads_what_everybody_wrote() {
    common_tables(&broker(), &LIBRARIES);
}

/// Each writes a table that all the others read, and goes on with.
pub(super) fn common_tables(broker: &Broker, libraries: &[Library]) {
    let mut writers = Writer::all(broker, libraries);
    let Writer::Library(author) = &mut writers[0] else { panic!("libraries come first") };
    author.does("create_namespace", json!({"namespace": "common"}));
    let name = |writer: &Writer| format!("common.by_{}", writer.name());
    for writer in &mut writers {
        let table = name(writer);
        writer.write(&table, &ONE);
    }
    let names: Vec<String> = writers.iter().map(name).collect();
    // Sessions of their own: DuckDB looks for tables that it does not know only once.
    for mut reader in Writer::all(broker, libraries) {
        for table in &names {
            let rows = reader.read(table);
            assert_eq!(rows, expected(&ONE), "{} reads {table}", reader.name());
        }
    }
    // And each goes on where another left off.
    for (writer, table) in libraries.iter().cycle().zip(names.iter().rev()) {
        let more = json!({"table": table, "rows": TWO});
        Author::open(*writer, broker).does("append", more);
    }
    let mut trino = Engine::open(Kind::Trino, broker);
    for table in &names {
        assert_eq!(json!(trino.sql(&format!("SELECT sum(id) FROM {table}"))), json!([[10]]));
    }
}

#[test]
fn a_stale_commit_is_refused_and_changes_nothing() {
    let broker = broker();
    for library in LIBRARIES {
        let mut author = Author::open(library, &broker);
        let namespace = format!("stale_{library:?}").to_lowercase();
        author.does("create_namespace", json!({ "namespace": namespace }));
        let table = json!({"table": format!("{namespace}.t")});
        author.does("create", table.clone());
        let second = author.does("stale", table.clone());
        let said = second[0][0].as_str().unwrap();
        assert!(said.starts_with("CommitFailedException"), "{library:?}: {said}");
        assert!(said.contains("Requirement failed"), "{library:?}: {said}");
        let mut duckdb = Engine::open(Kind::DuckDb, &broker);
        let columns = duckdb.sql(&format!("SELECT column_name FROM (DESCRIBE ice.{namespace}.t)"));
        assert_eq!(json!(columns), json!([["id"], ["name"], ["first"]]), "{library:?}");
    }
}

/// `commitTransaction` of the reference client, the only one that offers it.
#[test]
fn a_transaction_over_tables_is_all_or_nothing() {
    let broker = broker();
    let mut author = Author::open(Library::Java, &broker);
    author.does("create_namespace", json!({"namespace": "tx"}));
    let tables = ["tx.a", "tx.b"];
    for table in tables {
        author.does("create", json!({ "table": table }));
    }
    let files = own_metadata_files(&broker).len();
    author.refuses(
        "transaction",
        json!({"tables": tables, "stale": true}),
        &["CommitFailedException"],
    );
    assert_eq!(own_metadata_files(&broker).len(), files + 1, "only the change that was sooner");
    author.does("transaction", json!({ "tables": tables }));
    assert_eq!(own_metadata_files(&broker).len(), files + 3);
    author.does("replace", json!({"table": "tx.a", "rows": TWO}));
    assert_eq!(author.does("rows", json!({"table": "tx.a"})), expected(&TWO));
}

/// Many clients append to one table at once. Each commit is on the state that it says, so that no
/// row is lost or doubled; who loses a race is told, and tries again.
#[test]
fn concurrent_committers_lose_nothing() {
    const ROUNDS: i64 = 8;
    let broker = broker();
    let mut author = Author::open(Library::Pyiceberg, &broker);
    author.does("create_namespace", json!({"namespace": "race"}));
    author.does("create", json!({"table": "race.t"}));
    let conflicts: usize = std::thread::scope(|scope| {
        let racers = [Library::Java, Library::Pyiceberg, Library::Java, Library::Pyiceberg];
        let racers: Vec<_> = (0_i64..)
            .zip(racers)
            .map(|(number, library)| {
                let broker = &broker;
                scope.spawn(move || race(Author::open(library, broker), number, ROUNDS))
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).sum()
    });
    println!("{conflicts} commits were refused as stale");
    let rows = author.does("rows", json!({"table": "race.t"}));
    let found: Vec<i64> = rows.iter().map(|row| row[0].as_i64().unwrap()).collect();
    let mut expected: Vec<i64> =
        (0..4).flat_map(|racer| (0..ROUNDS).map(move |round| racer * 100 + round)).collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

fn race(mut author: Author, number: i64, rounds: i64) -> usize {
    let mut conflicts = 0;
    for round in 0..rounds {
        let row = json!({"op": "append", "table": "race.t", "rows": [[number * 100 + round, "x"]]});
        while let Err(error) = author.ask(&row) {
            assert!(error.contains("CommitFailed"), "{error}");
            conflicts += 1;
        }
    }
    conflicts
}
