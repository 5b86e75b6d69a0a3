//! A file system without room: produce is refused, nothing that was acknowledged is lost, reads go
//! on, and all is well again as soon as there is room.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use strom_integration_tests::broker::Broker;
use strom_integration_tests::record::noise;
use strom_integration_tests::strom::get;
use strom_integration_tests::wait::wait_for;

use crate::engines::checks::assert_equal;
use crate::engines::{Engine, Kind};
use crate::records::{consume, create_topic};
use crate::refusals::{fetched, produce};
use crate::wire::{Wire, batch};

const TOPIC: &str = "ledger";
const KAFKA_STORAGE_ERROR: i16 = 56;
const MIB: usize = 1024 * 1024;
const DISK_BYTES: usize = 64 * MIB;
/// What is in the way, and then no more.
const BALLAST_BYTES: usize = 24 * MIB;
const RECORD_BYTES: usize = 100_000;
const OPTIONS: &[(&str, &str)] = &[("journal.file.bytes", "4194304")];

/// A small file system in memory, mounted for the test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None, with a word about it, where the machine does not let this process mount anything.
    fn mount() -> Option<SmallDisk> {
        let folder = tempfile::Builder::new().prefix("strom-disk-").tempdir().unwrap().keep();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={DISK_BYTES}"), "tmpfs"]).arg(&folder);
        let output = mount.output().expect("mount is on every Linux");
        if output.status.success() {
            return Some(SmallDisk(folder));
        }
        let reason = String::from_utf8_lossy(&output.stderr).into_owned();
        println!("NOT RUN: a full file system needs the right to mount one (root): {reason}");
        let _ = std::fs::remove_dir(&folder);
        None
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// To the last byte, however much there was.
    fn fill(&self) {
        let mut ballast = std::fs::File::create(self.ballast()).unwrap();
        while std::io::Write::write_all(&mut ballast, &[1; 4096]).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: what a failing broker still holds open must not keep the mount.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// A producer of numbered records that knows which were acknowledged.
struct Ledger {
    wire: Wire,
    acknowledged: Vec<usize>,
    next: usize,
}

impl Ledger {
    fn open(broker: &Broker) -> Ledger {
        Ledger { wire: Wire::open(broker.bootstrap()), acknowledged: Vec::new(), next: 0 }
    }

    /// Produces the next record with acks=all; returns the error code.
    fn write(&mut self) -> i16 {
        let number = self.next;
        self.next += 1;
        let request = produce(TOPIC, 0, -1, &batch(&[&value(number)]));
        let answer = self.wire.call(9, &request);
        let partition = &answer.responses[0].partition_responses[0];
        if partition.error_code == 0 {
            self.acknowledged.push(number);
        }
        partition.error_code
    }

    /// All that was acknowledged is there, in its order, once. What was refused is not.
    fn check(&self, broker: &Broker) {
        let found = consume(broker.bootstrap(), TOPIC);
        let found: Vec<usize> = found.iter().map(|found| number_of(&found.record.value)).collect();
        assert_eq!(found, self.acknowledged);
    }
}

/// A number and bytes that no codec makes small.
fn value(number: usize) -> Vec<u8> {
    let mut value = format!("{number:08}").into_bytes();
    value.extend(noise(number, RECORD_BYTES - value.len()));
    value
}

fn number_of(found: &Option<Vec<u8>>) -> usize {
    let found = found.as_ref().expect("every record has a value");
    let number = String::from_utf8_lossy(&found[..8]).parse().expect("a number");
    assert!(*found == value(number), "the bytes of record {number}");
    number
}

fn is_full(folder: &Path) -> bool {
    let found = rustix::fs::statvfs(folder).unwrap();
    // Less than the next journal file needs.
    found.f_bavail * found.f_frsize < 4 * MIB as u64
}

#[test]
fn a_full_file_system_refuses_produce_and_heals_when_there_is_room() {
    let Some(disk) = SmallDisk::mount() else { return };
    std::fs::write(disk.ballast(), vec![1; BALLAST_BYTES]).unwrap();
    let mut broker = Broker::start_strom_in(&disk.0, OPTIONS);
    create_topic(broker.bootstrap(), TOPIC, 1);
    let mut ledger = Ledger::open(&broker);
    let refused = (0..DISK_BYTES / RECORD_BYTES).map(|_| ledger.write()).find(|code| *code != 0);
    assert_eq!(refused, Some(KAFKA_STORAGE_ERROR), "{}", broker.log());
    assert!(is_full(&disk.0), "produce is refused for want of room only");
    assert!(ledger.acknowledged.len() > 100, "{} records fitted", ledger.acknowledged.len());

    // It stays refused, with a reason in the log, and everything else goes on.
    assert_eq!(ledger.write(), KAFKA_STORAGE_ERROR);
    assert!(broker.log().contains("is full"), "{}", broker.log());
    ledger.check(&broker);
    assert_eq!(fetched(&mut ledger.wire, TOPIC, 0), 0);

    std::fs::remove_file(disk.ballast()).unwrap();
    wait_for("produce after space was freed", Duration::from_secs(60), || {
        (ledger.write() == 0).then_some(())
    });
    let healed = ledger.acknowledged.len();
    for _ in 0..50 {
        assert_eq!(ledger.write(), 0, "after it had healed: {}", broker.log());
    }
    assert_eq!(ledger.acknowledged.len(), healed + 50);
    ledger.check(&broker);
    broker.kill();
    broker.start_again();
    ledger.check(&broker);
    broker.stop();
}

/// A disk that is full when the broker starts is no reason to lose or refuse what is on it.
#[test]
fn a_restart_on_a_full_file_system_still_reads() {
    let Some(disk) = SmallDisk::mount() else { return };
    let mut broker = Broker::start_strom_in(&disk.0, OPTIONS);
    create_topic(broker.bootstrap(), TOPIC, 1);
    let mut ledger = Ledger::open(&broker);
    for _ in 0..60 {
        assert_eq!(ledger.write(), 0);
    }
    broker.kill();
    disk.fill();
    broker.start_again();
    ledger.check(&broker);
    std::fs::remove_file(disk.ballast()).unwrap();
    ledger.wire = Wire::open(broker.bootstrap());
    wait_for("produce after space was freed", Duration::from_secs(60), || {
        (ledger.write() == 0).then_some(())
    });
    ledger.check(&broker);
    broker.stop();
}

/// The warehouse is full, the data directory is not: only the table waits, and says why.
#[test]
fn a_full_warehouse_makes_its_tables_wait_and_nothing_else() {
    let Some(disk) = SmallDisk::mount() else { return };
    let warehouse = disk.0.join("warehouse").display().to_string();
    let timeout = ("table.datalake.read-flush.timeout", "5s");
    let fails = ("table.datalake.read-flush.on-timeout", "fail");
    let mut broker = Broker::start_strom(&[("lake.warehouse", &warehouse), timeout, fails]);
    create_topic(broker.bootstrap(), TOPIC, 1);
    let mut ledger = Ledger::open(&broker);
    let load = |broker: &Broker| {
        get(broker.http(), &format!("/iceberg/v1/namespaces/kafka/tables/{TOPIC}")).unwrap()
    };
    for _ in 0..20 {
        assert_eq!(ledger.write(), 0);
    }
    assert_eq!(load(&broker).0, 200);
    disk.fill();
    for _ in 0..20 {
        assert_eq!(ledger.write(), 0, "produce goes on: {}", broker.log());
    }
    for _ in 0..2 {
        let (status, body) = load(&broker);
        assert_eq!(status, 503, "{body}");
        assert!(body.contains(TOPIC) && body.contains("No space left"), "{body}");
    }
    let log = broker.log();
    let lines = log.lines().filter(|line| line.contains("No space left")).count();
    assert!((1..=20).contains(&lines), "it is said, and not all the time: {log}");
    assert_eq!(fetched(&mut ledger.wire, TOPIC, 0), 0);
    ledger.check(&broker);
    // Also when it is started on the full one.
    broker.kill();
    broker.start_again();
    ledger.wire = Wire::open(broker.bootstrap());
    assert_eq!((ledger.write(), load(&broker).0), (0, 503));

    std::fs::remove_file(disk.ballast()).unwrap();
    wait_for("the table after space was freed", Duration::from_secs(60), || {
        (load(&broker).0 == 200).then_some(())
    });
    let consumed = consume(broker.bootstrap(), TOPIC);
    assert_eq!(consumed.len(), 41);
    assert_equal(&mut Engine::open(Kind::DuckDb, &broker), TOPIC, &consumed);
    ledger.check(&broker);
    broker.stop();
}

/// Everywhere, also without the right to mount: a journal at its limit is no full disk. What it
/// holds goes into segments, and produce goes on.
#[test]
fn a_journal_at_its_limit_makes_room_by_itself() {
    // The least that it may be.
    let limit = 64 * MIB;
    let limit_option = ("journal.retention.bytes", "67108864");
    let mut broker = Broker::start_strom(&[OPTIONS[0], limit_option]);
    create_topic(broker.bootstrap(), TOPIC, 1);
    let mut ledger = Ledger::open(&broker);
    for number in 0..3 * limit / RECORD_BYTES / 2 {
        assert_eq!(ledger.write(), 0, "record {number}: {}", broker.log());
    }
    ledger.check(&broker);
    broker.kill();
    broker.start_again();
    ledger.check(&broker);
    broker.stop();
}
