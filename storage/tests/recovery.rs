//! Opening after a crash, and over damage: what is gone is named, all else is served.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use strom_storage::io::Disk;
use strom_storage::io::simulated::SimulatedDisk;
use strom_storage::{AppendError, OpenError, PartitionSettings, ReadError, StoreOptions};
use support::*;

fn disk_of(disk: &SimulatedDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

fn first_file() -> PathBuf {
    PathBuf::from("/data/journal/00000001.journal")
}

/// Where a value's bytes are in the first journal file.
fn position_of(disk: &SimulatedDisk, value: &[u8]) -> usize {
    let content = disk.content(&first_file()).unwrap();
    content.windows(value.len()).position(|window| window == value).unwrap()
}

/// Three batches in each of two partitions, each in a group of its own, all durable; as after kill -9.
fn killed() -> SimulatedDisk {
    let disk = SimulatedDisk::default();
    let (store, report) = open_on(&disk_of(&disk), small_options(), vec![spec(1, 2)]).unwrap();
    assert!(report.was_clean);
    for name in ["first", "second", "third"] {
        for index in 0..2 {
            let partition = store.partition(topic(1), index).unwrap();
            append_durably(&partition, batch(&[format!("{name}-{index}").as_bytes(), b"more"]));
        }
    }
    let killed = disk.after_crash(1);
    drop(store);
    killed
}

#[test]
fn after_a_crash_everything_durable_is_there_under_a_higher_epoch() {
    let disk = killed();
    let (store, report) = open_on(&disk_of(&disk), small_options(), vec![spec(1, 2)]).unwrap();
    assert!(!report.was_clean);
    assert_eq!((report.batches, report.leader_epoch, report.torn_tail), (6, 1, None));
    assert_eq!(report.corruptions, Vec::new());
    let partition = store.partition(topic(1), 0).unwrap();
    assert_eq!(partition.offsets().high_watermark, 6);
    append_durably(&partition, batch(&[b"fourth"]));
    let epochs: Vec<i32> = read(&partition, 0)
        .unwrap()
        .batches
        .iter()
        .map(|batch| batch.header.partition_leader_epoch)
        .collect();
    assert_eq!(epochs, [0, 0, 0, 1]);
}

#[test]
fn leader_epochs_end_where_the_next_one_began_whatever_came_between() {
    let mut disk = killed();
    for epoch in 1..=3 {
        let (store, report) = open_on(&disk_of(&disk), small_options(), vec![spec(1, 2)]).unwrap();
        assert_eq!(report.leader_epoch, epoch);
        let partition = store.partition(topic(1), 0).unwrap();
        let end = partition.offsets().log_end;
        assert_eq!(partition.end_of_epoch(0), Some((0, 6)));
        assert_eq!(partition.end_of_epoch(epoch), Some((epoch, end)));
        assert_eq!(partition.end_of_epoch(epoch + 1), None);
        assert_eq!((partition.epoch_of(5), partition.epoch_of(end)), (0, epoch));
        // Epoch 2 writes nothing, so it ends with epoch 1.
        if epoch == 3 {
            assert_eq!(partition.end_of_epoch(2), Some((1, 7)));
            partition.advance_log_start(7).unwrap().wait().unwrap();
            assert_eq!(partition.end_of_epoch(1), Some((1, 7)));
            assert_eq!(partition.end_of_epoch(0), Some((0, 7)));
        }
        if epoch != 2 {
            append_durably(&partition, batch(&[b"one"]));
        }
        let crashed = disk.after_crash(epoch as u64);
        drop(store);
        disk = crashed;
    }
}

#[test]
fn a_torn_last_group_ends_the_journal_and_its_place_is_used_again() {
    let disk = killed();
    disk.damage(&first_file(), position_of(&disk, b"third-1"), |byte| !byte);
    let (store, report) = open_on(&disk_of(&disk), small_options(), vec![spec(1, 2)]).unwrap();
    assert_eq!(report.corruptions, Vec::new());
    let (file, position) = report.torn_tail.unwrap();
    assert_eq!((file, position % 512), (first_file(), 0));
    let partition = store.partition(topic(1), 1).unwrap();
    assert_eq!(partition.offsets().log_end, 4);
    assert_eq!(append_durably(&partition, batch(&[b"other"])).base_offset, 4);
    store.close().unwrap();
    drop((store, partition));
    let (store, report) = open_on(&disk_of(&disk), small_options(), vec![spec(1, 2)]).unwrap();
    assert!(report.was_clean && report.torn_tail.is_none() && report.corruptions.is_empty());
    assert_eq!(contents(&store.partition(topic(1), 1).unwrap(), 0).len(), 3);
}

#[test]
fn damage_below_the_durable_position_hits_only_its_own_batches() {
    for (hit, is_head) in [("second-0", false), ("second-0", true)] {
        let disk = killed();
        let payload = position_of(&disk, hit.as_bytes());
        let position = if is_head { payload / 512 * 512 } else { payload };
        disk.damage(&first_file(), position, |byte| !byte);
        let (store, report) = open_on(&disk_of(&disk), small_options(), vec![spec(1, 2)]).unwrap();
        let corruption = &report.corruptions[0];
        assert_eq!(report.corruptions.len(), 1);
        assert_eq!(
            (&corruption.file, corruption.position),
            (&first_file(), payload as u64 / 512 * 512)
        );
        assert_eq!(corruption.lost, [(topic(1), 0, 2, 4)]);
        let hit = store.partition(topic(1), 0).unwrap();
        assert_eq!(hit.offsets().log_end, 6);
        assert_eq!(read(&hit, 0).unwrap().batches.len(), 1, "reads stop before the damage");
        let Err(ReadError::Corrupt { file, next_offset: 4, .. }) = read(&hit, 2) else {
            panic!("{:?}", read(&hit, 2))
        };
        assert_eq!(file, first_file());
        assert_eq!(read(&hit, 4).unwrap().batches.len(), 1, "behind it all is served");
        assert_eq!(contents(&store.partition(topic(1), 1).unwrap(), 0).len(), 3);
        append_durably(&hit, batch(&[b"fourth"]));
    }
}

#[test]
fn damage_of_the_metadata_is_healed_and_told_and_nothing_is_lost() {
    for is_clean in [true, false] {
        let disk = SimulatedDisk::default();
        let (store, _) = open_on(&disk_of(&disk), small_options(), vec![spec(1, 1)]).unwrap();
        let partition = store.partition(topic(1), 0).unwrap();
        append_durably(&partition, batch(&[b"a", b"b"]));
        assert_eq!(store.flush_now().unwrap(), 1);
        append_durably(&partition, batch(&[b"c"]));
        if is_clean {
            store.close().unwrap();
        }
        drop((store, partition));
        let deltas = PathBuf::from("/data/metadata/deltas-0");
        let content = disk.content(&deltas).unwrap();
        let segments = content.windows(11).position(|window| window == b"s/segments/").unwrap();
        disk.damage(&deltas, segments, |byte| !byte);
        let (store, report) = open_on(&disk_of(&disk), small_options(), vec![spec(1, 1)]).unwrap();
        let [damage] = &report.corruptions[..] else { panic!("{:?}", report.corruptions) };
        assert_eq!((&damage.file, damage.position), (&deltas, segments as u64 / 512 * 512));
        assert!(damage.reason.contains("restored from deltas-0.copy"), "{}", damage.reason);
        assert_eq!(damage.lost, []);
        assert_eq!(report.leader_epoch, i32::from(!is_clean), "nothing anyone has seen is gone");
        let partition = store.partition(topic(1), 0).unwrap();
        assert_eq!(contents(&partition, 0).len(), 2);
        store.close().unwrap();
        drop((store, partition));
        let (_, report) = open_on(&disk_of(&disk), small_options(), vec![spec(1, 1)]).unwrap();
        assert_eq!(report.corruptions, Vec::new(), "told once");
    }
}

#[test]
fn a_log_start_behind_lost_offsets_forgets_that_they_are_lost() {
    let disk = killed();
    disk.damage(&first_file(), position_of(&disk, b"second-0"), |byte| !byte);
    let open = || open_on(&disk_of(&disk), small_options(), vec![spec(1, 2)]).unwrap().0;
    let store = open();
    let partition = store.partition(topic(1), 0).unwrap();
    let noted = |store: &strom_storage::Store| store.metadata().scan(b"s/lost/").len();
    assert_eq!(noted(&store), 1);
    partition.advance_log_start(3).unwrap().wait().unwrap();
    assert_eq!(noted(&store), 1, "offset 3 is still lost");
    partition.advance_log_start(4).unwrap().wait().unwrap();
    assert_eq!(noted(&store), 0);
    drop((store, partition));
    let store = open();
    assert_eq!(noted(&store), 0, "and is not noted again");
    assert_eq!(contents(&store.partition(topic(1), 0).unwrap(), 4).len(), 1);
}

#[test]
fn damage_after_opening_is_found_by_the_read() {
    let disk = SimulatedDisk::default();
    let options = StoreOptions { tail_bytes: 0, ..small_options() };
    let (store, _) = open_on(&disk_of(&disk), options, vec![spec(1, 1)]).unwrap();
    let partition = store.partition(topic(1), 0).unwrap();
    append_durably(&partition, batch(&[b"good"]));
    append_durably(&partition, batch(&[b"victim"]));
    disk.damage(&first_file(), position_of(&disk, b"victim"), |byte| !byte);
    assert_eq!(read(&partition, 0).unwrap().batches.len(), 1);
    assert!(matches!(
        read(&partition, 1),
        Err(ReadError::Corrupt { offset: 1, next_offset: 2, .. })
    ));
}

#[test]
fn a_clean_end_makes_even_the_last_group_durable() {
    let disk = SimulatedDisk::default();
    let (store, _) = open_on(&disk_of(&disk), small_options(), vec![spec(1, 1)]).unwrap();
    let partition = store.partition(topic(1), 0).unwrap();
    append_durably(&partition, batch(&[b"first"]));
    append_durably(&partition, batch(&[b"last"]));
    store.close().unwrap();
    drop((store, partition));
    disk.damage(&first_file(), position_of(&disk, b"last"), |byte| !byte);
    let (store, report) = open_on(&disk_of(&disk), small_options(), vec![spec(1, 1)]).unwrap();
    assert_eq!(report.corruptions[0].lost, [(topic(1), 0, 1, 2)]);
    let partition = store.partition(topic(1), 0).unwrap();
    assert_eq!(append_durably(&partition, batch(&[b"new"])).base_offset, 2, "no offset is reused");
}

#[test]
fn a_log_end_is_never_below_its_floor() {
    let disk = killed();
    let mut topics = vec![spec(1, 2)];
    topics[0].min_log_end = vec![(1, 10)];
    let (store, report) = open_on(&disk_of(&disk), small_options(), topics).unwrap();
    assert_eq!(report.corruptions[0].lost, [(topic(1), 1, 6, 10)]);
    let partition = store.partition(topic(1), 1).unwrap();
    assert_eq!(append_durably(&partition, batch(&[b"a"])).base_offset, 10);
    assert!(matches!(read(&partition, 6), Err(ReadError::Corrupt { next_offset: 10, .. })));
}

#[test]
fn a_file_of_a_newer_format_or_another_cluster_is_refused_untouched() {
    let disk = killed();
    disk.damage(&first_file(), 8, |_| 253);
    let before = disk.content(&first_file());
    let error = open_on(&disk_of(&disk), small_options(), vec![spec(1, 2)]).unwrap_err();
    assert!(matches!(error, OpenError::NewerFormat { .. }));
    assert!(error.to_string().contains("has format 253, this version reads up to 1"), "{error}");
    assert_eq!(disk.content(&first_file()), before);
    let (disk, other) = (killed(), killed());
    let foreign = other.content(&first_file()).unwrap();
    for (position, byte) in foreign.iter().enumerate().take(512) {
        disk.damage(&first_file(), position, |_| *byte);
    }
    let error = open_on(&disk_of(&disk), small_options(), vec![spec(1, 2)]).unwrap_err();
    assert!(error.to_string().contains("belongs to another cluster id"), "{error}");
}

#[test]
fn a_file_without_a_valid_header_is_named_and_left_alone() {
    let disk = killed();
    disk.damage(&first_file(), 40, |byte| !byte);
    let before = disk.content(&first_file());
    let (store, report) = open_on(&disk_of(&disk), small_options(), vec![spec(1, 2)]).unwrap();
    assert_eq!((&report.corruptions[0].file, report.corruptions[0].position), (&first_file(), 0));
    append_durably(&store.partition(topic(1), 0).unwrap(), batch(&[b"a"]));
    assert_eq!(disk.content(&first_file()), before);
}

#[test]
fn a_full_disk_refuses_before_sequencing_and_heals() {
    let disk = SimulatedDisk::default();
    let (store, _) = open_on(&disk_of(&disk), small_options(), vec![spec(1, 1)]).unwrap();
    let partition = store.partition(topic(1), 0).unwrap();
    disk.set_capacity(Some(0));
    let value = vec![1; 5000];
    let message = loop {
        match append(&partition, batch(&[&value])) {
            Ok(appended) => appended.ticket.wait_durable().unwrap(),
            Err(AppendError::Full { message }) => break message,
            Err(other) => panic!("{other}"),
        }
    };
    assert!(message.contains("the disk of /data/journal is full"), "{message}");
    let end = partition.offsets().log_end;
    assert!(end > 0);
    assert_eq!(contents(&partition, 0).len() as i64, end, "reads go on");
    disk.set_capacity(None);
    let deadline = Instant::now() + Duration::from_secs(120);
    let appended = loop {
        match append(&partition, batch(&[&value])) {
            Ok(appended) => break appended,
            Err(AppendError::Full { .. }) if Instant::now() < deadline => std::thread::yield_now(),
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(appended.base_offset, end);
    appended.ticket.wait_durable().unwrap();
}

#[test]
fn internal_topics_have_a_reserve_when_clients_are_refused() {
    let disk = SimulatedDisk::default();
    let topics = vec![spec(1, 1), spec(2, 1)];
    let (store, _) = open_on(&disk_of(&disk), small_options(), topics).unwrap();
    store.update_topic(topic(2), PartitionSettings { internal: true, ..settings() });
    disk.set_capacity(Some(0));
    let clients = store.partition(topic(1), 0).unwrap();
    while append(&clients, batch(&[b"a"])).is_ok() {}
    assert!(matches!(append(&clients, batch(&[b"a"])), Err(AppendError::Full { .. })));
    append_durably(&store.partition(topic(2), 0).unwrap(), batch(&[b"commit"]));
}

#[test]
fn a_failed_sync_fails_what_is_in_flight_and_tells_the_owner() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let disk = SimulatedDisk::default();
    let (store, _) = open_on(&disk_of(&disk), small_options(), vec![spec(1, 1)]).unwrap();
    let partition = store.partition(topic(1), 0).unwrap();
    append_durably(&partition, batch(&[b"a"]));
    disk.fail_with("device error");
    let ticket = append(&partition, batch(&[b"b"])).unwrap().ticket;
    let failure = ticket.wait_durable().unwrap_err();
    assert_eq!(runtime.block_on(store.failed()), failure);
    assert_eq!(
        append(&partition, batch(&[b"c"])).unwrap_err(),
        AppendError::Failed(failure.clone())
    );
    assert_eq!(partition.offsets().high_watermark, 1, "what is not durable is not shown");
    assert_eq!(store.close(), Err(failure));
}

/// A crash loses the group at the end of the chain and keeps the ones behind it; a new group of the
/// same size takes its place. What is behind must stay dead, or records return that nobody appended.
#[test]
fn what_a_crash_kept_behind_a_lost_group_stays_dead() {
    for seed in 0..100 {
        let disk = SimulatedDisk::default();
        let open =
            |disk: &SimulatedDisk| open_on(&disk_of(disk), os_options(), vec![spec(1, 2)]).unwrap();
        let (store, _) = open(&disk);
        for _ in 0..3 {
            append_durably(&store.partition(topic(1), 0).unwrap(), batch(&[b"old"]));
        }
        let crashed = disk.after_crash(seed);
        drop(store);

        let (store, _) = open(&crashed);
        let kept = store.partition(topic(1), 0).unwrap().offsets().log_end;
        append_durably(&store.partition(topic(1), 1).unwrap(), batch(&[b"new"]));
        store.close().unwrap();
        drop(store);

        let (store, report) = open(&crashed);
        assert_eq!(report.corruptions, Vec::new(), "seed {seed}");
        let ends = [0, 1].map(|index| store.partition(topic(1), index).unwrap().offsets().log_end);
        assert_eq!(ends, [kept, 1], "seed {seed}");
    }
}
