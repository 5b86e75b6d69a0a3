//! kill -9 while clients commit: a pointer is old or new, never broken; what was acknowledged is
//! there; and nothing that was written for nothing stays.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use serde_json::json;
use strom_integration_tests::broker::Broker;
use strom_integration_tests::wait::wait_for;

use super::{Author, Library, own_metadata_files};
use crate::engines::BROKER_OPTIONS;

const KILLS: usize = 5;

#[test]
fn kills_between_commits_leave_tables_old_or_new() {
    let mut broker = Broker::start_strom(BROKER_OPTIONS);
    let mut author = Author::open(Library::Pyiceberg, &broker);
    author.does("create_namespace", json!({"namespace": "killed"}));
    for library in super::LIBRARIES {
        author.does("create", json!({"table": table_of(library)}));
    }
    let stop = AtomicBool::new(false);
    let commits = AtomicI64::new(0);
    let acknowledged = std::thread::scope(|scope| {
        let writers = super::LIBRARIES.map(|library| {
            let mut writer = Author::open(library, &broker);
            // It asks for the catalog's settings when it starts: not while the broker is down.
            writer.does("rows", json!({"table": table_of(library)}));
            let (stop, commits) = (&stop, &commits);
            scope.spawn(move || write_on(writer, stop, commits))
        });
        let stopper = StopOnDrop(&stop);
        for kill in 0..KILLS {
            let before = commits.load(Ordering::SeqCst);
            wait_for("commits after a restart", Duration::from_secs(120), || {
                (commits.load(Ordering::SeqCst) >= before + 4).then_some(())
            });
            std::thread::sleep(Duration::from_millis(13 * kill as u64));
            broker.kill();
            broker.start_again();
        }
        drop(stopper);
        writers.map(|writer| writer.join().unwrap())
    });
    println!("{} commits, {KILLS} kills", commits.load(Ordering::SeqCst));
    let mut referenced = 0;
    for (library, acknowledged) in super::LIBRARIES.iter().zip(acknowledged) {
        let rows = author.does("rows", json!({"table": table_of(*library)}));
        let found: Vec<i64> = rows.iter().map(|row| row[0].as_i64().unwrap()).collect();
        let unique: BTreeSet<i64> = found.iter().copied().collect();
        assert_eq!(unique.len(), found.len(), "{library:?}: a row came twice: {found:?}");
        let lost: Vec<&i64> = acknowledged.difference(&unique).collect();
        assert!(lost.is_empty(), "{library:?}: acknowledged and lost: {lost:?}");
        referenced += found.len() + 1;
    }
    // One metadata file per commit and one per table: nothing that a kill left half-done stays.
    let swept = || (own_metadata_files(&broker).len() == referenced).then_some(());
    wait_for("orphaned metadata files to go", Duration::from_secs(30), swept);
}

fn table_of(library: Library) -> String {
    format!("killed.by_{library:?}").to_lowercase()
}

/// Appends one row after the other; the ids whose commits were acknowledged.
fn write_on(mut author: Author, stop: &AtomicBool, commits: &AtomicI64) -> BTreeSet<i64> {
    let table = table_of(author.library);
    let mut acknowledged = BTreeSet::new();
    for id in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let row = json!({"op": "append", "table": table, "rows": [[id, "x"]]});
        // Refused while the broker is down; unknown when it went down meanwhile.
        if author.ask(&row).is_ok() {
            acknowledged.insert(id);
            commits.fetch_add(1, Ordering::SeqCst);
        }
    }
    acknowledged
}

/// Lets the writers end also when a check fails, so that the failure is seen.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
