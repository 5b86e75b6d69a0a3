//! Damage of the metadata log's files, and what their copies can do about it.

use super::*;
use crate::recovery::Corruption;

/// Changes that are durable one by one: 20 groups of a sector, and one of several.
const CHANGES: u32 = 20;

fn written() -> SimulatedDisk {
    let disk = SimulatedDisk::default();
    write(&disk, 0..CHANGES);
    disk
}

fn write(disk: &SimulatedDisk, numbers: std::ops::Range<u32>) {
    let log = open(disk).unwrap();
    for number in numbers {
        let large = put("large", vec![number as u8; if number == 7 { 3000 } else { 10 }]);
        let change = put(format!("k{number:03}"), number.to_le_bytes().to_vec());
        log.apply(vec![change, large]).wait().unwrap();
    }
}

/// A disk whose checkpoint is of several groups: 40 values of 100 kB.
fn written_large() -> SimulatedDisk {
    let disk = SimulatedDisk::default();
    let log = open(&disk).unwrap();
    for number in 0..40u8 {
        log.apply(vec![put(format!("k{number:03}"), vec![number; 100_000])]).wait().unwrap();
    }
    drop(log);
    disk
}

fn flip(disk: &SimulatedDisk, name: &str, position: usize) {
    disk.damage(&path(name), position, |byte| !byte);
}

fn names(disk: &SimulatedDisk) -> Vec<String> {
    let mut names = disk.list(Path::new(DIR)).unwrap();
    names.sort();
    names
}

/// Opens twice: the map is whole, the damage is told once, and all four files are sound after it.
fn check_heals(disk: &SimulatedDisk, expected: &[(Bytes, Bytes)], file: &str, position: u64) {
    let log = open(disk).unwrap();
    assert_eq!(log.scan(b""), expected);
    let [healed] = log.healed() else { panic!("{:?}", log.healed()) };
    assert_eq!((healed.file.clone(), healed.position), (path(file), position), "{healed:?}");
    assert!(healed.reason.contains(&format!("restored from {file}.copy")), "{healed:?}");
    assert_eq!(healed.lost, Vec::new());
    log.apply(vec![put("after", "healing")]).wait().unwrap();
    drop(log);
    for seed in 0..3 {
        let disk = disk.after_crash(seed);
        let log = open(&disk).unwrap();
        assert_eq!(log.healed(), &[], "the damage is gone");
        assert_eq!(log.get(b"after"), Some("healing".into()));
        assert_eq!(log.scan(b"k"), expected_keys(expected));
        drop(log);
        assert_eq!(names(&disk).len(), 4);
        assert_copies_are_equal(&disk);
    }
}

fn expected_keys(all: &[(Bytes, Bytes)]) -> Vec<(Bytes, Bytes)> {
    all.iter().filter(|(key, _)| key.starts_with(b"k")).cloned().collect()
}

fn assert_copies_are_equal(disk: &SimulatedDisk) {
    let files = names(disk);
    for name in files.iter().filter(|name| !name.ends_with(".copy")) {
        let file = disk.content(&path(name)).unwrap();
        let copy = disk.content(&path(&format!("{name}.copy"))).unwrap();
        assert!(copy.len() > 512 || name.starts_with("deltas"), "{name}");
        assert!(file[..copy.len()] == copy, "{name} and its copy differ");
        assert!(file[copy.len()..].iter().all(|&byte| byte == 0), "{name} has more than its copy");
    }
}

#[test]
fn a_group_goes_to_the_copy_when_it_is_synced_and_the_copy_is_synced_at_the_end() {
    let disk = written();
    assert_copies_are_equal(&disk);
    for seed in 0..5 {
        let disk = disk.after_crash(seed);
        assert_copies_are_equal(&disk);
    }
}

#[test]
fn damage_of_any_class_of_position_in_the_deltas_is_healed_from_the_copy() {
    let disk = written();
    let expected = open(&disk).unwrap().scan(b"");
    let group = |number: usize| 512 + number * 512;
    // The eighth group is the one of several sectors.
    let classes = [
        (0, 0),
        (8, 0),
        (20, 0),
        (26, 0),
        (511, 0),
        (group(0), group(0)),
        (group(5), group(5)),
        (group(5) + 5, group(5)),
        (group(5) + 10, group(5)),
        (group(5) + 18, group(5)),
        (group(5) + 22, group(5)),
        (group(5) + 30, group(5)),
        (group(7) + 1500, group(7)),
        (disk_end(&disk) - 512 + 30, disk_end(&disk) - 512),
    ];
    for (position, at) in classes {
        let disk = disk.after_crash(0);
        flip(&disk, "deltas-0", position);
        check_heals(&disk, &expected, "deltas-0", at as u64);
        let disk = written();
        disk.spoil(&path("deltas-0"), position);
        check_heals(&disk, &expected, "deltas-0", at as u64);
    }
}

/// Where the last group of `deltas-0` ends.
fn disk_end(disk: &SimulatedDisk) -> usize {
    disk.content(&path("deltas-0.copy")).unwrap().len()
}

#[test]
fn damage_of_any_class_of_position_in_a_checkpoint_is_healed_from_the_copy() {
    let written = written_large();
    let expected = open(&written).unwrap().scan(b"");
    let name = names(&written).into_iter().find(|name| name.starts_with("checkpoint")).unwrap();
    let content = written.content(&path(&name)).unwrap();
    let group = |nth: usize| {
        let starts = content.windows(4).enumerate().filter(|(_, window)| window == b"MGRP");
        starts.map(|(at, _)| at).nth(nth).unwrap()
    };
    let (first, second, last) = (group(0), group(1), content.len() - 512);
    let classes = [
        (3, 0),
        (8, 0),
        (first, first),
        (first + 5, first),
        (first + 500_000, first),
        (second + 23, second),
        (second + 1000, second),
        (last, last),
        (last + 20, last),
    ];
    for (position, at) in classes {
        let disk = written.after_crash(0);
        flip(&disk, &name, position);
        check_heals(&disk, &expected, &name, at as u64);
    }
    let disk = written.after_crash(0);
    disk.remove(&path(&name)).unwrap();
    check_heals(&disk, &expected, &name, 0);
}

#[test]
fn each_file_heals_the_other_where_both_are_damaged_in_different_groups() {
    let disk = written();
    let expected = open(&disk).unwrap().scan(b"");
    for (file, copy) in [(3, 4), (4, 3), (3, 12)] {
        let disk = disk.after_crash(0);
        flip(&disk, "deltas-0", 512 + file * 512 + 40);
        flip(&disk, "deltas-0.copy", 512 + copy * 512 + 40 + if copy > 7 { 3072 } else { 0 });
        check_heals(&disk, &expected, "deltas-0", 512 + file as u64 * 512);
    }
}

#[test]
fn neighbouring_damaged_groups_are_one_damage() {
    let disk = written();
    for number in 2..5 {
        flip(&disk, "deltas-0", 512 + number * 512 + 40);
    }
    flip(&disk, "checkpoint-0", 512);
    let log = open(&disk).unwrap();
    let places: Vec<_> =
        log.healed().iter().map(|Corruption { file, position, .. }| (file, *position)).collect();
    assert_eq!(places, [(&path("checkpoint-0"), 512), (&path("deltas-0"), 512 + 2 * 512)]);
}

#[test]
fn what_neither_has_is_refused_with_both_files_and_the_remedy() {
    for (file, position, at) in [
        ("deltas-0", 512 + 3 * 512 + 40, 512 + 3 * 512),
        ("deltas-0", 20, 0),
        ("checkpoint-0", 530, 512),
    ] {
        let disk = written();
        flip(&disk, file, position);
        flip(&disk, &format!("{file}.copy"), position);
        let before: Vec<_> = names(&disk).iter().map(|name| disk.content(&path(name))).collect();
        let message = open(&disk).unwrap_err().to_string();
        for part in [
            format!("{DIR}/{file} is damaged at position {at}"),
            format!("{DIR}/{file}.copy does not have it either"),
            "restore the data directory from a backup".to_owned(),
        ] {
            assert!(message.contains(&part), "{message}");
        }
        let after: Vec<_> = names(&disk).iter().map(|name| disk.content(&path(name))).collect();
        assert!(before == after, "nothing is changed");
    }
    let disk = written();
    remove_copies(&disk);
    flip(&disk, "checkpoint-0", 530);
    let message = open(&disk).unwrap_err().to_string();
    assert!(message.contains("there is no /data/metadata/checkpoint-0.copy"), "{message}");
    let disk = written();
    disk.remove(&path("deltas-0")).unwrap();
    let message = open(&disk).unwrap_err().to_string();
    assert!(message.contains("deltas-0.copy may lack the latest changes"), "{message}");
}

#[test]
fn a_copy_that_is_missing_torn_or_damaged_is_written_again() {
    for (name, position, is_told) in [
        ("checkpoint-0.copy", Some(5), true),
        ("checkpoint-0.copy", Some(512), true),
        ("checkpoint-0.copy", None, false),
        ("deltas-0.copy", Some(5), false),
        ("deltas-0.copy", Some(512 + 512 + 40), false),
        ("deltas-0.copy", None, false),
    ] {
        let disk = written();
        match position {
            Some(position) => flip(&disk, name, position),
            None => disk.remove(&path(name)).unwrap(),
        }
        let log = open(&disk).unwrap();
        let told: Vec<_> = log.healed().iter().map(|damage| damage.file.clone()).collect();
        assert_eq!(told, if is_told { vec![path(name)] } else { vec![] }, "{name} {position:?}");
        assert_eq!(log.scan(b"k").len(), CHANGES as usize);
        drop(log);
        assert_copies_are_equal(&disk);
        assert_eq!(open(&disk).unwrap().healed(), &[]);
    }
}

#[test]
fn a_torn_last_group_does_not_come_back_from_the_copy() {
    // Whatever the power loss keeps of a group that was never synced: the copy has nothing of it.
    let disk = SimulatedDisk::default();
    let log = open(&disk).unwrap();
    log.apply(vec![put("k", "1")]).wait().unwrap();
    // The write reaches the disk, the sync does not.
    disk.power_off_after(1);
    log.apply(vec![put("k", vec![2; 2000])]).wait().unwrap_err();
    drop(log);
    let mut found = std::collections::BTreeSet::new();
    for seed in 0..100 {
        let disk = disk.after_crash(seed);
        let log = open(&disk).unwrap();
        assert_eq!(log.healed(), &[]);
        found.insert(log.get(b"k").unwrap().len());
        drop(log);
        assert_copies_are_equal(&disk);
    }
    assert_eq!(Vec::from_iter(found), [1, 2000], "all of it or nothing");
}

#[test]
fn a_crash_while_damage_is_healed_leaves_it_to_be_healed() {
    let damaged = written();
    let expected = open(&damaged).unwrap().scan(b"");
    flip(&damaged, "deltas-0", 512 + 3 * 512 + 40);
    let mut power_off = 0;
    loop {
        let disk = damaged.after_crash(0);
        disk.power_off_after(power_off);
        let is_done = open(&disk).is_ok_and(|log| log.apply(vec![put("x", "y")]).wait().is_ok());
        for seed in 0..5 {
            let log = open(&disk.after_crash(seed)).unwrap();
            let found: Vec<_> = log.scan(b"").into_iter().filter(|(key, _)| key != "x").collect();
            assert_eq!(found, expected, "power off after {power_off}, seed {seed}");
        }
        if is_done {
            assert!(power_off > 10, "{power_off}");
            return;
        }
        power_off += 1;
    }
}

#[test]
fn a_copy_that_cannot_be_written_fails_no_change_and_comes_back_with_the_next_checkpoint() {
    let disk = SimulatedDisk::default();
    let log = open(&disk).unwrap();
    log.apply(vec![put("k", "1")]).wait().unwrap();
    disk.fail_under(Some((path("deltas-0.copy"), std::io::ErrorKind::Other)));
    log.apply(vec![put("k", "2")]).wait().unwrap();
    // A change is durable before it is copied: when the next one is, its copy has failed.
    log.apply(vec![put("k", "3")]).wait().unwrap();
    disk.fail_under(None);
    log.apply(vec![put("k", "4")]).wait().unwrap();
    drop(log);
    // What the copy has is what was durable before it failed; the file has all.
    let copy = disk.content(&path("deltas-0.copy")).unwrap();
    assert!(copy.len() <= 1024, "it was given up: {}", copy.len());
    assert_eq!(open(&disk).unwrap().get(b"k"), Some("4".into()));
    assert_copies_are_equal(&disk);

    disk.fail_under(Some((path("deltas-0.copy"), std::io::ErrorKind::Other)));
    let log = open(&disk).unwrap();
    for round in 0..30u8 {
        log.apply(vec![put("k", vec![round; 10_000])]).wait().unwrap();
    }
    drop(log);
    assert!(names(&disk).contains(&"deltas-1.copy".to_owned()), "{:?}", names(&disk));
    assert_copies_are_equal(&disk);
}

#[test]
fn on_a_full_disk_the_copies_give_their_room_to_the_log() {
    let disk = SimulatedDisk::default();
    let log = open(&disk).unwrap();
    log.apply(vec![put("large", vec![1; 400_000])]).wait().unwrap();
    drop(log);
    let used = || -> usize {
        let files = disk.files().into_iter().filter_map(|file| disk.content(&file));
        files.map(|content| content.len()).sum()
    };
    let before = used();
    // Room for a reservation or two, none for another checkpoint.
    let capacity = before + 300_000;
    disk.set_capacity(Some(capacity as u64));
    let log = open(&disk).unwrap();
    let mut written = 0;
    let failure = loop {
        match log.apply(vec![put("small", vec![1; 400])]).wait() {
            Ok(()) => written += 512,
            Err(failure) => break failure,
        }
        assert!(written < capacity, "the disk is full");
    };
    assert!(failure.to_string().contains("free space on the disk"), "{failure}");
    drop(log);
    assert_eq!(names(&disk), ["checkpoint-1", "deltas-1"], "no copy keeps room from the log");
    assert!(capacity - used() < 512, "the last group had no room: {} of {capacity}", used());
    assert!(written > 600_000, "the copies' room and the rest of it: {written}");
}
