//! Engines' own tables with the warehouse in a bucket: the same lives as in a directory, with the keys
//! that the catalog gives (pyiceberg, DuckDB) or with keys of their own (Trino).
//!
//! The Java reference client would need Amazon's whole client for a bucket, which is not installed.

use std::time::Duration;

use strom_integration_tests::broker::Broker;
use strom_integration_tests::s3::S3Server;
use strom_integration_tests::wait::wait_for;

use super::Library;
use super::own_tables::{common_tables, life_with_a_library, life_with_duckdb, life_with_trino};
use crate::engines::s3::writable_broker;

fn start() -> (S3Server, Broker) {
    let server = S3Server::start();
    let broker = writable_broker(&server);
    (server, broker)
}

/// What was purged leaves the bucket, in the background.
fn await_emptiness(server: &mut S3Server) {
    wait_for("purged objects to go", Duration::from_secs(30), || {
        server.objects("warehouse/shop").is_empty().then_some(())
    });
}

#[test]
fn pyiceberg_lives_with_tables_in_a_bucket() {
    let (mut server, broker) = start();
    life_with_a_library(&broker, Library::Pyiceberg, "NamespaceNotEmptyError");
    await_emptiness(&mut server);
}

#[test]
fn trino_lives_with_tables_in_a_bucket() {
    let (mut server, broker) = start();
    life_with_trino(&broker);
    await_emptiness(&mut server);
}

#[test]
fn duckdb_lives_with_tables_in_a_bucket() {
    let (_server, broker) = start();
    life_with_duckdb(&broker);
}

#[test]
fn everybody_reads_what_everybody_wrote_into_a_bucket() {
    let (mut server, broker) = start();
    common_tables(&broker, &[Library::Pyiceberg]);
    let objects = server.objects("warehouse/common");
    for writer in ["pyiceberg", "trino", "duckdb"] {
        let is_data = |key: &&String| key.contains(writer) && key.ends_with(".parquet");
        assert!(objects.iter().filter(is_data).count() >= 2, "{writer}: {objects:?}");
    }
}
