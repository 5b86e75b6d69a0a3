//! docs/clients.md says what each real client can do, which test runs it, and why a client cannot;
//! the table of it is at the end of docs/kafka-compatibility.md too. Both are written from the lists
//! of clients that the tests themselves run with and from their limits, with `STROM_UPDATE_DOCS=1`;
//! else these tests say when a page is stale. What stands before the mark of docs/clients.md is
//! written by hand, and of docs/kafka-compatibility.md from the table of APIs (the broker's test).

use std::fmt::Write as _;
use std::path::Path;

use strom_integration_tests::capability::{CODECS, Capability};
use strom_integration_tests::client::Client;

use crate::{admin, administration, delivery, fidelity, groups, seek, static_members, tools};

/// A row of the table: the capability in words, the file of the test that runs it, the clients
/// that the test runs with, and what the others lack.
type Row = (&'static str, &'static str, &'static [&'static str], &'static [Capability]);

const WRITES: &[&str] = fidelity::every_codec_is_stored_as_it_was_written::TESTED;
/// For a test that asks every client that can.
const EVERY: &[&str] = WRITES;
const READS: &[&str] = fidelity::what_every_client_wrote_is_read_back_unchanged::TESTED;

const ROWS: &[Row] = &[
    ("writes with every codec", "fidelity", WRITES, &[]),
    ("reads every codec of the others", "fidelity", READS, &[]),
    ("null and empty keys and values, empty headers", "fidelity", READS, &[]),
    ("records with neither key nor value", "fidelity", WRITES, &[Capability::BareRecords]),
    ("duplicate headers", "fidelity", READS, &[Capability::DuplicateHeaders]),
    ("order of headers", "fidelity", READS, &[Capability::HeaderOrder]),
    ("writes null headers", "fidelity", WRITES, &[Capability::ProducesNullHeaders]),
    ("reads null headers", "fidelity", READS, &[Capability::ReadsNullHeaders]),
    ("zero bytes in keys and headers", "fidelity", WRITES, &[Capability::ZeroBytes]),
    ("sets timestamps", "fidelity", WRITES, &[Capability::SetsTimestamps]),
    (
        "reads from beginning, end, offset, timestamp",
        "seek",
        seek::reading_begins_where_asked::TESTED,
        &[],
    ),
    (
        "idempotent producer",
        "delivery",
        delivery::idempotent_producers_keep_order_and_count::TESTED,
        &[Capability::IdempotentProducer],
    ),
    (
        "acks 0, 1, all",
        "delivery",
        delivery::every_kind_of_acknowledgement_delivers::TESTED,
        &[Capability::Acknowledgements],
    ),
    ("creates topics by producing", "delivery", delivery::producing_creates_a_topic::TESTED, &[]),
    (
        "creates and describes topics with a configuration",
        "admin",
        admin::topics_are_created_described_and_deleted::TESTED,
        &[Capability::DescribesConfigs],
    ),
    (
        "creates, lists, deletes topics",
        "administration",
        administration::topics_are_created_and_deleted::TESTED,
        &[Capability::ManagesTopics],
    ),
    (
        "alters the configuration of topics",
        "administration",
        administration::options_are_altered::TESTED,
        &[Capability::AltersConfigs],
    ),
    (
        "alters single options, keeping the others",
        "administration",
        administration::options_are_altered::TESTED,
        &[Capability::AltersSingleConfigs],
    ),
    (
        "learns that an option was refused",
        "administration",
        administration::options_are_altered::TESTED,
        &[Capability::TellsOfRefusedOptions],
    ),
    (
        "adds partitions",
        "administration",
        administration::partitions_are_added::TESTED,
        &[Capability::AddsPartitions],
    ),
    (
        "deletes records",
        "administration",
        administration::records_are_deleted::TESTED,
        &[Capability::DeletesRecords],
    ),
    (
        "groups: join, leave, death, commit and resume",
        "groups",
        groups::eager_groups_survive_join_leave_and_death::TESTED,
        &[Capability::Groups],
    ),
    (
        "the same with cooperative rebalances",
        "groups",
        groups::cooperative_groups_survive_join_leave_and_death::TESTED,
        &[Capability::CooperativeGroups],
    ),
    (
        "static membership",
        "static_members",
        static_members::static_members_come_back_without_a_rebalance::TESTED,
        &[Capability::StaticMembership],
    ),
    (
        "learns that it was fenced",
        "static_members",
        static_members::a_second_holder_of_an_instance_id_fences_the_first::TESTED,
        &[Capability::TellsOfFencing],
    ),
    ("resumes from commits after a restart of the broker", "restart", EVERY, &[Capability::Groups]),
    (
        "keeps running through a restart of the broker",
        "restart",
        EVERY,
        &[Capability::Groups, Capability::OutlivesItsBroker],
    ),
];

/// Whether the test of a row runs with a client in earnest.
fn runs((_, _, tested, needed): &Row, client: Client) -> bool {
    let can = needed.iter().all(|capability| client.can(*capability));
    tested.contains(&client.test_name().as_str()) && can
}

/// A test that leaves out a client which lacks nothing would look like a limit of the client.
#[test]
fn a_client_is_left_out_only_for_a_reason() {
    for row in ROWS {
        for client in Client::ALL {
            let reason = row.3.iter().find_map(|needed| client.lacks(*needed));
            assert_eq!(runs(row, client), reason.is_none(), "{}: {client:?}, {reason:?}", row.0);
        }
    }
}

/// What is generated begins here.
const MARK: &str =
    "<!-- Written by the tests below this line (STROM_UPDATE_DOCS=1); do not edit. -->";

/// Where it begins in docs/kafka-compatibility.md.
const COMPATIBILITY_MARK: &str =
    "<!-- Written by the suite below this line (STROM_UPDATE_DOCS=1); do not edit. -->";

/// What each client can do, and the test that has it do so.
fn table() -> String {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
    let versions = std::fs::read_to_string(clients.join("versions.toml")).unwrap();
    let versions: toml::Table = versions.parse().unwrap();
    let mut page = format!(
        "In every run of `cargo xtask test` with Strom, and with Apache Kafka, the control, when run\n\
         with `--against kafka`. Codecs are {}.\n\n| client |",
        CODECS.join(", ")
    );
    for client in Client::ALL {
        write!(page, " {} |", client.name()).unwrap();
    }
    page.push_str(" tests |\n|---|");
    page.push_str(&"---|".repeat(Client::ALL.len() + 1));
    page.push_str("\n| version |");
    for client in Client::ALL {
        write!(page, " {} |", versions[client.version_key()].as_str().unwrap()).unwrap();
    }
    page.push_str(" |\n");
    for row in ROWS {
        write!(page, "| {} |", row.0).unwrap();
        for client in Client::ALL {
            page.push_str(if runs(row, client) { " yes |" } else { " no |" });
        }
        writeln!(page, " `{}` |", row.1).unwrap();
    }
    page
}

fn tables() -> String {
    let mut page = format!("{MARK}\n\n## What is tested\n\n{}", table());
    let tools = tools::NAMES.join(", ");
    write!(
        page,
        "\nApache's command-line tools of the Java client's version, run by `tools`: {tools}.\n"
    )
    .unwrap();
    page.push_str("\n## Why not\n\nEach \"no\" is the client's own limit, or its driver's:\n\n");
    for client in Client::ALL {
        for (lacking, why) in client.limits() {
            let shown: Vec<&str> = ROWS
                .iter()
                .filter(|row| row.3.iter().any(|needed| lacking.contains(needed)))
                .map(|row| row.0)
                .collect();
            writeln!(page, "- {} ({}): {why}.", client.name(), shown.join("; ")).unwrap();
        }
    }
    page
}

/// Holds what a page has from its mark on against what it should have, or renews it.
fn check_page(page: &str, mark: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(page);
    let present = std::fs::read_to_string(&path).unwrap();
    let (before, _) = present.split_once(mark).expect("the page has its mark");
    let wanted = format!("{before}{generated}");
    if std::env::var_os("STROM_UPDATE_DOCS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &wanted).unwrap();
        return;
    }
    assert!(present == wanted, "{page} is stale: `STROM_UPDATE_DOCS=1 cargo xtask test`");
}

#[test]
fn the_page_about_clients_is_up_to_date() {
    check_page("docs/clients.md", MARK, &tables());
}

#[test]
fn the_page_about_compatibility_says_what_clients_can_do() {
    let generated = format!("{COMPATIBILITY_MARK}\n\n## What clients can do\n\n{}", table());
    check_page("docs/kafka-compatibility.md", COMPATIBILITY_MARK, &generated);
}
