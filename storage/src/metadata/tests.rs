//! The metadata log: durability, order, checkpoints, damage, golden files.

mod copies;

use std::path::{Path, PathBuf};

use super::*;
use crate::io::simulated::SimulatedDisk;
use crate::io::{Disk, replace_file};

const DIR: &str = "/data/metadata";

fn open(disk: &SimulatedDisk) -> Result<MetadataLog, OpenError> {
    MetadataLog::open(&DataDir::open_on(Arc::new(disk.clone()), "/data")?)
}

fn put(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Change {
    Change::Put { key: Bytes::from(key.into()), value: Bytes::from(value.into()) }
}

fn delete(key: &'static str) -> Change {
    Change::Delete { key: key.into() }
}

fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

/// Two groups: `t/a` = 1, then `t/b` = 2 without `t/a`.
fn write_two(disk: &SimulatedDisk) {
    let log = open(disk).unwrap();
    log.apply(vec![put("t/a", "1")]).wait().unwrap();
    log.apply(vec![put("t/b", "2"), delete("t/a")]).wait().unwrap();
}

/// As in a directory of a version that wrote none.
fn remove_copies(disk: &SimulatedDisk) {
    for name in disk.list(Path::new(DIR)).unwrap() {
        if name.ends_with(".copy") {
            disk.remove(&path(&name)).unwrap();
        }
    }
    disk.sync_dir(Path::new(DIR)).unwrap();
}

#[test]
fn changes_are_visible_at_once_and_durable_after_their_ticket() {
    let disk = SimulatedDisk::default();
    let log = open(&disk).unwrap();
    let ticket = log.apply(vec![put("t/b", "2"), put("t/a", "1"), put("u/c", "3")]);
    assert_eq!(log.get(b"t/a"), Some(Bytes::from("1")));
    let pairs = vec![("t/a".into(), "1".into()), ("t/b".into(), "2".into())];
    assert_eq!(log.scan(b"t/"), pairs);
    ticket.wait().unwrap();
    for seed in 0..20 {
        let log = open(&disk.after_crash(seed)).unwrap();
        assert_eq!(log.scan(b"t/"), pairs);
    }
}

#[test]
fn compare_and_apply_changes_all_or_nothing() {
    let log = open(&SimulatedDisk::default()).unwrap();
    let key = Bytes::from("i/t");
    let expect = |value: Option<&'static str>| [(key.clone(), value.map(Bytes::from))];
    log.compare_and_apply(&expect(None), vec![put("i/t", "1")]).unwrap().wait().unwrap();
    let conflict = log.compare_and_apply(&expect(None), vec![put("i/t", "2")]).unwrap_err();
    assert_eq!(conflict, Conflict { key: key.clone(), found: Some("1".into()) });
    assert_eq!(log.get(b"i/t"), Some("1".into()));
    log.compare_and_apply(&expect(Some("1")), vec![put("i/t", "2")]).unwrap().wait().unwrap();
    assert_eq!(log.get(b"i/t"), Some("2".into()));
}

#[test]
fn many_changes_share_a_sync() {
    let disk = SimulatedDisk::default();
    let log = open(&disk).unwrap();
    let before = disk.operations();
    let tickets: Vec<_> = (0..1000).map(|n| log.apply(vec![put(format!("k{n}"), "v")])).collect();
    for ticket in tickets {
        ticket.wait().unwrap();
    }
    assert!(disk.operations() - before < 1000);
}

#[test]
fn checkpoints_keep_the_files_as_small_as_the_map() {
    let disk = SimulatedDisk::default();
    let log = open(&disk).unwrap();
    for round in 0..60u8 {
        log.apply(vec![put("k", vec![round; 100_000]), put(format!("n{round}"), "v")])
            .wait()
            .unwrap();
    }
    drop(log);
    let names = disk.list(Path::new(DIR)).unwrap();
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(!names.contains(&"checkpoint-0".to_owned()), "{names:?}");
    let bytes: usize = names.iter().map(|name| disk.content(&path(name)).unwrap().len()).sum();
    assert!(bytes < 2 * 2_000_000, "with their copies: {bytes}");
    for seed in 0..10 {
        let log = open(&disk.after_crash(seed)).unwrap();
        assert_eq!(log.get(b"k"), Some(vec![59; 100_000].into()));
        assert_eq!(log.scan(b"n").len(), 60);
    }
}

#[test]
fn a_crash_at_every_operation_keeps_what_was_acknowledged_and_whole_changes() {
    let mut power_off = 0;
    loop {
        let disk = SimulatedDisk::default();
        disk.power_off_after(power_off);
        let mut acknowledged = 0u32;
        if let Ok(log) = open(&disk) {
            for number in 1..=30u32 {
                let value = vec![number as u8; 80_000];
                let ticket = log.apply(vec![put("a", value.clone()), put("b", value)]);
                if ticket.wait().is_err() {
                    break;
                }
                acknowledged = number;
            }
        }
        for seed in 0..5 {
            let log = open(&disk.after_crash(seed)).unwrap();
            let (a, b) = (log.get(b"a"), log.get(b"b"));
            assert_eq!(a, b, "power off after {power_off}, seed {seed}");
            let found = a.map_or(0, |value| u32::from(value[0]));
            assert!((acknowledged..=acknowledged + 1).contains(&found), "{acknowledged} {found}");
        }
        if acknowledged == 30 {
            assert!(power_off > 60, "the crashes reached the checkpoints");
            return;
        }
        power_off += 1;
    }
}

#[test]
fn a_torn_tail_ends_the_log_and_damage_before_it_is_named() {
    let disk = SimulatedDisk::default();
    write_two(&disk);
    remove_copies(&disk);
    let torn = disk.after_crash(0);
    torn.damage(&path("deltas-0"), 512 + 512 + 30, |byte| !byte);
    assert_eq!(open(&torn).unwrap().scan(b""), vec![("t/a".into(), "1".into())]);
    let log = open(&torn).unwrap();
    log.apply(vec![put("t/c", "3")]).wait().unwrap();
    drop(log);
    assert_eq!(open(&torn).unwrap().scan(b"").len(), 2, "it goes on where it ended");

    for (file, position, expected) in [
        ("deltas-0", 512 + 30, "deltas-0 is damaged at position 512"),
        ("checkpoint-0", 512 + 4, "checkpoint-0 is damaged at position 512"),
        ("deltas-0", 20, "deltas-0 is damaged at position 0"),
    ] {
        let damaged = disk.after_crash(0);
        remove_copies(&damaged);
        damaged.damage(&path(file), position, |byte| !byte);
        let message = open(&damaged).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_full_disk_puts_checkpoints_off_and_changes_go_on() {
    let disk = SimulatedDisk::default();
    let log = open(&disk).unwrap();
    disk.set_capacity(Some(0));
    for round in 0..20u8 {
        log.apply(vec![put("k", vec![round; 12_000])]).wait().unwrap();
    }
    let before = disk.list(Path::new(DIR)).unwrap();
    disk.set_capacity(None);
    log.apply(vec![put("k", "last")]).wait().unwrap();
    drop(log);
    assert_ne!(disk.list(Path::new(DIR)).unwrap(), before);
    assert_eq!(open(&disk).unwrap().get(b"k"), Some("last".into()));
}

#[test]
fn a_newer_format_is_refused() {
    let disk = SimulatedDisk::default();
    write_two(&disk);
    remove_copies(&disk);
    disk.damage(&path("checkpoint-0"), 8, |_| 2);
    let message = open(&disk).unwrap_err().to_string();
    assert!(message.contains("checkpoint-0 has format 2, this version reads up to 1"), "{message}");
}

#[test]
fn a_failed_write_fails_the_tickets_and_stops_the_storage() {
    let disk = SimulatedDisk::default();
    let data_dir = DataDir::open_on(Arc::new(disk.clone()), "/data").unwrap();
    let log = MetadataLog::open(&data_dir).unwrap();
    disk.fail_with("device error");
    let failure = log.apply(vec![put("k", "v")]).wait().unwrap_err();
    assert!(failure.reason.contains("/data/metadata failed: device error"), "{failure}");
    assert_eq!(data_dir.fail_stop().failure(), Some(failure));
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

#[test]
fn the_log_produces_the_golden_files_and_reads_them() {
    let disk = SimulatedDisk::default();
    write_two(&disk);
    let copy = SimulatedDisk::default();
    drop(DataDir::open_on(Arc::new(copy.clone()), "/data").unwrap());
    for name in ["checkpoint-0", "deltas-0"] {
        let mut written = disk.content(&path(name)).unwrap();
        let used = written.iter().rposition(|&byte| byte != 0).unwrap() + 1;
        written.truncate(used.next_multiple_of(512));
        let golden = golden(&format!("metadata-{name}-1.bin"));
        if std::env::var_os("STROM_UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &written).unwrap();
        }
        let expected = std::fs::read(&golden).unwrap();
        assert!(written == expected, "the format of {name} has changed");
        replace_file(&copy, &path(name), &expected).unwrap();
    }
    assert_eq!(open(&copy).unwrap().scan(b""), vec![("t/b".into(), "2".into())]);
}

#[test]
fn a_full_disk_leaves_room_for_small_changes_then_stops_and_a_restart_recovers() {
    let disk = SimulatedDisk::default();
    let data_dir = DataDir::open_on(Arc::new(disk.clone()), "/data").unwrap();
    let log = MetadataLog::open(&data_dir).unwrap();
    log.apply(vec![put("large", vec![1; 400_000])]).wait().unwrap();
    disk.set_capacity(Some(0));
    let mut acknowledged = 0u32;
    let failure = loop {
        match log.apply(vec![put("small", acknowledged.to_le_bytes().to_vec())]).wait() {
            Ok(()) => acknowledged += 1,
            Err(failure) => break failure,
        }
        assert!(acknowledged < 10_000, "the disk is full");
    };
    assert!(acknowledged >= 256, "128 KiB of changes go on: {acknowledged}");
    assert!(failure.to_string().contains("free space on the disk"), "{failure}");
    assert_eq!(data_dir.fail_stop().failure(), Some(failure));
    drop((log, data_dir));
    let recovers = |disk: &SimulatedDisk| {
        let log = open(disk).unwrap();
        let small = u32::from_le_bytes(log.get(b"small").unwrap()[..].try_into().unwrap());
        assert!((acknowledged - 1..=acknowledged).contains(&small), "{small} {acknowledged}");
        log
    };
    drop(recovers(&disk.after_crash(1)));
    disk.set_capacity(None);
    recovers(&disk).apply(vec![put("more", vec![2; 100_000])]).wait().unwrap();
}
