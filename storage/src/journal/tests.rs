//! The journal alone: its bytes against the golden file, entries of versions to come, and failures.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use bytes::Bytes;
use strom_protocol::record::{BatchBuilder, BatchHeader, Compression, HEADER_BYTES, set_base};
use strom_protocol::{TopicId, Uuid};

use super::entry::{EntryHead, GROUP_HEAD_BYTES, GroupHead};
use super::file::FileHeader;
use super::scan::{Found, Scan, Scanned};
use super::*;
use crate::encoding::checksum;
use crate::error::OpenError;
use crate::io::simulated::SimulatedDisk;

const CAPACITY: u64 = 16 << 10;
const GROUPS_AT: usize = file::HEADER_BYTES as usize;

/// Remembers what it was told.
#[derive(Debug, Default)]
struct Probe {
    events: Mutex<Vec<(&'static str, i64, u64)>>,
}

impl Landing for Probe {
    fn written(&self, entry: &Entry, lsn: u64) {
        lock(&self.events).push(("written", entry.head.base_offset, lsn));
    }

    fn synced(&self, offset: i64) {
        lock(&self.events).push(("synced", offset, 0));
    }
}

fn path() -> PathBuf {
    PathBuf::from("/j/00000001.journal")
}

fn first_file(disk: &SimulatedDisk) -> Arc<JournalFile> {
    let header = FileHeader {
        cluster_id: [7; 16],
        generation: 1,
        first_lsn: 0,
        capacity: CAPACITY,
        nonce: 0x0102_0304_0506_0708,
    };
    let file = create_file(disk, &path(), &header, || false).unwrap();
    Arc::new(JournalFile { file, path: path(), header })
}

fn start(disk: &SimulatedDisk) -> Journal {
    let options = JournalOptions {
        dir: PathBuf::from("/j"),
        cluster_id: [7; 16],
        file_bytes: CAPACITY,
        retention_bytes: 1 << 20,
        syncs_every_write: true,
    };
    let start = Start {
        files: vec![first_file(disk)],
        spares: Vec::new(),
        position: file::HEADER_BYTES,
        sequence: 0,
        generation: 1,
        last_number: 1,
    };
    Journal::start(options, Arc::new(disk.clone()), Arc::default(), start).unwrap()
}

fn entry(landing: &Arc<Probe>, base_offset: i64, values: &[&[u8]]) -> Entry {
    let mut builder = BatchBuilder::new(Compression::None);
    for value in values {
        builder.append(1000, Some(b"k"), Some(value), &[]);
    }
    let mut batch = builder.build().to_vec();
    set_base(batch.first_chunk_mut().unwrap(), base_offset, 3);
    let header = BatchHeader::parse(&batch).unwrap();
    let batch = Bytes::from(batch);
    Entry {
        landing: Arc::clone(landing) as Arc<dyn Landing>,
        head: EntryHead {
            topic: TopicId(Uuid::from_u128(0x1234)),
            partition: 5,
            leader_epoch: 3,
            base_offset,
            offsets: values.len() as u32,
            payload_bytes: batch.len() as u32,
            payload_checksum: header.crc,
        },
        payload: [batch.slice(..HEADER_BYTES), batch.slice(HEADER_BYTES..)],
        max_timestamp: header.max_timestamp,
        needs_sync: true,
    }
}

fn push(journal: &Journal, entry: Entry) -> Result<u64, NoRoomText> {
    let shared = &journal.shared;
    loop {
        let mut queue = shared.queue();
        let bytes = entry.head.payload_bytes as usize;
        match queue.take_room(bytes, false, CAPACITY) {
            Ok(room) => {
                let ordinal = queue.push(room, entry);
                shared.release(queue);
                return Ok(ordinal);
            }
            Err(queue::NoRoom::Preparing) => {
                shared.release(queue);
                assert!(shared.wait_for_room());
            }
            Err(other) => return Err(format!("{other:?}")),
        }
    }
}

type NoRoomText = String;

/// Two groups, each synced before the next.
fn write_two(disk: &SimulatedDisk) -> Arc<Probe> {
    let journal = start(disk);
    let probe = Arc::new(Probe::default());
    for (offset, values) in [(10, &[b"a".as_slice(), b"bc"][..]), (12, &[b"d"])] {
        let ordinal = push(&journal, entry(&probe, offset, values)).unwrap();
        journal.shared.progress.synced.wait_blocking(ordinal).unwrap();
    }
    journal.close().unwrap();
    probe
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn scan(content: &[u8]) -> Result<(Vec<i64>, Scanned), OpenError> {
    let disk = SimulatedDisk::default();
    let file = disk.create(&path()).unwrap();
    file.write_at(&[IoSlice::new(content)], 0).unwrap();
    let header = FileHeader::decode(&content[..512], &path(), [7; 16]).unwrap().unwrap();
    let files = [Arc::new(JournalFile { file, path: path(), header })];
    let mut offsets = Vec::new();
    let scanned = Scan::new(&files, None, Place::default(), |found| {
        if let Found::Batch { entry, .. } = found {
            offsets.push(entry.base_offset);
        }
    })
    .run()?;
    Ok((offsets, scanned))
}

#[test]
fn the_writer_produces_the_golden_file() {
    let disk = SimulatedDisk::default();
    write_two(&disk);
    let written = disk.content(&path()).unwrap();
    let path = golden("journal-1.bin");
    if std::env::var_os("STROM_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &written).unwrap();
    }
    assert!(written == std::fs::read(&path).unwrap(), "the journal's format has changed");
}

#[test]
fn the_golden_file_is_read() {
    let (offsets, scanned) = scan(&std::fs::read(golden("journal-1.bin")).unwrap()).unwrap();
    assert_eq!(offsets, [10, 12]);
    assert_eq!((scanned.sequence, scanned.end_position), (2, file::HEADER_BYTES + 1024));
    assert!(!scanned.is_torn && scanned.damages.is_empty());
}

#[test]
fn landings_hear_of_the_write_before_the_sync_and_in_order() {
    let events = write_two(&SimulatedDisk::default()).events.lock().unwrap().clone();
    let payload = (GROUP_HEAD_BYTES + entry::ENTRY_HEAD_BYTES) as u64;
    let first = file::HEADER_BYTES + payload;
    let expected = [
        ("written", 10, first),
        ("synced", 12, 0),
        ("written", 12, first + 512),
        ("synced", 13, 0),
    ];
    assert_eq!(events, expected);
}

#[test]
fn an_entry_kind_of_a_later_version_is_refused() {
    let mut content = std::fs::read(golden("journal-1.bin")).unwrap();
    let nonce = 0x0102_0304_0506_0708;
    content[GROUPS_AT + GROUP_HEAD_BYTES] = 8;
    let mut head = GroupHead::decode(&content[GROUPS_AT..], nonce).unwrap();
    let entries = &content[GROUPS_AT + GROUP_HEAD_BYTES..GROUPS_AT + head.payloads_at()];
    head.entries_checksum = checksum(entries);
    content[GROUPS_AT..GROUPS_AT + GROUP_HEAD_BYTES].copy_from_slice(&head.encode(nonce));
    let message = scan(&content).unwrap_err().to_string();
    assert!(message.contains("entry kind 8 at position 4096"), "{message}");
}

/// What a byte hits decides what is lost: the last group is a torn write, the first one damage, since the
/// second says that it had been synced.
#[test]
fn every_flipped_byte_is_a_torn_tail_or_damage_and_never_a_wrong_batch() {
    let content = std::fs::read(golden("journal-1.bin")).unwrap();
    let group = |index: usize| {
        let start = GROUPS_AT + index * 512;
        let head = GroupHead::decode(&content[start..], 0x0102_0304_0506_0708).unwrap();
        start..start + head.payloads_at() + head.payload_bytes as usize
    };
    for at in group(0).chain(group(1)) {
        let mut damaged = content.clone();
        damaged[at] ^= 0x10;
        let (offsets, scanned) = scan(&damaged).unwrap();
        if group(0).contains(&at) {
            assert_eq!(offsets, [12], "byte {at}");
            assert_eq!(scanned.damages.len(), 1, "byte {at}");
            assert_eq!(scanned.damages[0].position, file::HEADER_BYTES);
        } else {
            assert_eq!(offsets, [10], "byte {at}");
            assert_eq!(scanned.damages, Vec::new(), "byte {at}");
            assert_eq!(scanned.end_position, file::HEADER_BYTES + 512);
        }
    }
}

#[test]
fn a_failed_write_stops_the_journal_for_everyone() {
    let disk = SimulatedDisk::default();
    let journal = start(&disk);
    let probe = Arc::new(Probe::default());
    let first = push(&journal, entry(&probe, 0, &[b"a"])).unwrap();
    journal.shared.progress.synced.wait_blocking(first).unwrap();
    disk.fail_with("device error");
    let second = push(&journal, entry(&probe, 1, &[b"b"])).unwrap();
    let failure = journal.shared.progress.written.wait_blocking(second).unwrap_err();
    assert!(failure.reason.contains("00000001.journal failed: device error"), "{failure}");
    assert!(push(&journal, entry(&probe, 2, &[b"c"])).unwrap_err().contains("device error"));
    assert_eq!(journal.shared.fail_stop.failure(), Some(failure.clone()));
    assert_eq!(journal.close(), Err(failure));
}

#[test]
fn entries_go_on_in_the_next_file_and_too_large_ones_are_refused() {
    let disk = SimulatedDisk::default();
    let journal = start(&disk);
    let probe = Arc::new(Probe::default());
    let value = vec![1; 5000];
    for offset in 0..7 {
        let ordinal = push(&journal, entry(&probe, offset, &[&value])).unwrap();
        journal.shared.progress.synced.wait_blocking(ordinal).unwrap();
    }
    assert_eq!(journal.shared.files().len(), 4);
    let too_large = push(&journal, entry(&probe, 7, &[&vec![1; 16_000]])).unwrap_err();
    assert!(too_large.starts_with("TooLarge"), "{too_large}");
    assert_eq!(lock(&probe.events).len(), 14);
}
