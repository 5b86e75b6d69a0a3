//! The store against a model: random appends, duplicates, reads, flushes into segments, merging, retention,
//! deletion of records and restarts, with the power going off at any write and the disk keeping any part of
//! what was not synced. The flusher works beside it, as it always does: segments and journal are small.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use strom_protocol::record::{BatchBuilder, Compression};
use strom_storage::io::Disk;
use strom_storage::io::simulated::SimulatedDisk;
use strom_storage::{AppendError, FlushPolicy, Partition, PartitionSettings, Store, StoreOptions};
use support::*;

const PARTITIONS: i32 = 3;

#[derive(Clone, Debug)]
enum Step {
    /// Appends a batch, by the partition's idempotent producer or without one; waits for it or not.
    Append {
        partition: i32,
        idempotent: bool,
        bytes: usize,
        waits: bool,
    },
    /// Repeats one of the producer's last batches.
    Repeat {
        partition: i32,
        back: usize,
    },
    Read {
        partition: i32,
        from: u8,
        max_bytes: usize,
    },
    AdvanceLogStart {
        partition: i32,
        by: i64,
    },
    Retention {
        keep_bytes: i64,
    },
    /// Finds the first record at or above a time.
    Find {
        partition: i32,
        timestamp: i64,
    },
    /// Flushes everything that was appended.
    Flush,
    Merge,
    Reopen,
    /// The power goes off after some more operations of the disk, or now.
    PowerOffAfter {
        operations: u64,
    },
    Crash {
        seed: u64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let partition = 0..PARTITIONS;
    let step = prop_oneof![
        12 => (partition.clone(), any::<bool>(), prop_oneof![0..40usize, 0..3000usize], any::<bool>())
            .prop_map(|(partition, idempotent, bytes, waits)| {
                Step::Append { partition, idempotent, bytes, waits }
            }),
        3 => (partition.clone(), 0..5usize).prop_map(|(partition, back)| Step::Repeat { partition, back }),
        3 => (partition.clone(), any::<u8>(), 0..8000usize)
            .prop_map(|(partition, from, max_bytes)| Step::Read { partition, from, max_bytes }),
        1 => (partition, 0..5i64).prop_map(|(partition, by)| Step::AdvanceLogStart { partition, by }),
        1 => (0..20_000i64).prop_map(|keep_bytes| Step::Retention { keep_bytes }),
        2 => (0..PARTITIONS, 0..400i64).prop_map(|(partition, timestamp)| Step::Find { partition, timestamp }),
        2 => Just(Step::Flush),
        1 => Just(Step::Merge),
        1 => Just(Step::Reopen),
        1 => (0..20u64).prop_map(|operations| Step::PowerOffAfter { operations }),
        1 => any::<u64>().prop_map(|seed| Step::Crash { seed }),
    ];
    proptest::collection::vec(step, 1..120)
}

#[derive(Clone, Debug)]
struct ModelBatch {
    base: i64,
    next: i64,
    records: Bytes,
    timestamp: i64,
    /// The producer's sequence behind it, if it was the producer's.
    sequence: Option<i32>,
}

#[derive(Clone, Debug, Default)]
struct ModelPartition {
    batches: Vec<ModelBatch>,
    log_start: i64,
    end: i64,
    /// Everything below was acknowledged.
    acknowledged: i64,
    sequence: i32,
}

struct World {
    disk: SimulatedDisk,
    options: StoreOptions,
    store: Option<Arc<Store>>,
    model: Vec<ModelPartition>,
    count: u32,
}

impl World {
    fn new(
        flush_policy: FlushPolicy,
        tail_bytes: u64,
        segment_bytes: u64,
        index_bytes: u64,
    ) -> World {
        let options = StoreOptions {
            journal_file_bytes: 16 << 10,
            journal_retention_bytes: 128 << 10,
            flush_policy,
            tail_bytes,
            segment_bytes,
            index_bytes,
            ..StoreOptions::default()
        };
        let model = vec![ModelPartition::default(); PARTITIONS as usize];
        let mut world =
            World { disk: SimulatedDisk::default(), options, store: None, model, count: 0 };
        world.open();
        world
    }

    /// Opens, crashing again whenever the power goes off meanwhile, and compares.
    fn open(&mut self) {
        let open = |disk: &SimulatedDisk| {
            let disk: Arc<dyn Disk> = Arc::new(disk.clone());
            open_on(&disk, self.options.clone(), vec![spec(1, PARTITIONS)])
        };
        let (store, report) = match open(&self.disk) {
            Ok(opened) => opened,
            Err(error) => {
                assert!(error.to_string().contains("the power is off"), "{error}");
                self.disk = self.disk.after_crash(u64::from(self.count));
                open(&self.disk).expect("it opens")
            }
        };
        assert_eq!(report.corruptions, Vec::new(), "a crash is not damage");
        self.store = Some(store);
        for index in 0..PARTITIONS {
            if !self.compare_after_open(index) {
                // The flusher has used up the power.
                return self.crash(5);
            }
        }
    }

    fn partition(&self, index: i32) -> Arc<Partition> {
        self.store.as_ref().unwrap().partition(topic(1), index).unwrap()
    }

    /// What was acknowledged is there; what was not may be gone from the end, never from the middle.
    /// False if the power went off meanwhile.
    fn compare_after_open(&mut self, index: i32) -> bool {
        let partition = self.partition(index);
        let model = &mut self.model[index as usize];
        let offsets = partition.offsets();
        assert!(offsets.log_end >= model.acknowledged, "acknowledged records are gone");
        assert_eq!(offsets.log_start, model.log_start);
        model.batches.retain(|batch| batch.next <= offsets.log_end);
        model.end = model.batches.last().map_or(0, |batch| batch.next);
        assert_eq!(offsets.log_end, model.end);
        assert_eq!(offsets.high_watermark, model.end);
        let last = model.batches.iter().rev().find_map(|batch| batch.sequence);
        model.sequence = last.unwrap_or(model.sequence);
        model.acknowledged = model.end;
        let live = model.batches.iter().filter(|batch| batch.next > model.log_start);
        let expected: Vec<_> = live.map(|batch| (batch.base, covered_of(&batch.records))).collect();
        let found = match try_contents(&partition, offsets.log_start) {
            Ok(found) => found,
            Err(error) => {
                assert!(error.to_string().contains("the power is off"), "{error}");
                return false;
            }
        };
        let found: Vec<_> =
            found.into_iter().map(|(base, bytes)| (base, bytes[1..].to_vec())).collect();
        assert_eq!(found.len(), expected.len());
        assert!(found == expected, "partition {index} differs");
        true
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Append { partition, idempotent, bytes, waits } => {
                self.append(*partition, *idempotent, *bytes, *waits);
            }
            Step::Repeat { partition, back } => self.repeat(*partition, *back),
            Step::Read { partition, from, max_bytes } => self.read(*partition, *from, *max_bytes),
            Step::AdvanceLogStart { partition, by } => self.advance(*partition, *by),
            Step::Retention { keep_bytes } => self.retain(*keep_bytes),
            Step::Find { partition, timestamp } => self.find(*partition, NOW_MS + timestamp * 10),
            Step::Flush => self.flush(),
            Step::Merge => self.merge(),
            Step::Reopen => {
                let closed = self.store.take().unwrap().close();
                if closed.is_ok() { self.open() } else { self.crash(7) }
            }
            Step::PowerOffAfter { operations } => self.disk.power_off_after(*operations),
            Step::Crash { seed } => self.crash(*seed),
        }
    }

    fn crash(&mut self, seed: u64) {
        let after = self.disk.after_crash(seed);
        // What still runs on the old disk ends with it.
        self.disk.power_off_after(0);
        self.store = None;
        self.disk = after;
        self.open();
    }

    fn append(&mut self, index: i32, idempotent: bool, bytes: usize, waits: bool) {
        self.count += 1;
        let mut value = vec![self.count as u8; bytes];
        value.extend_from_slice(&self.count.to_le_bytes());
        let sequence = self.model[index as usize].sequence;
        let values: [&[u8]; 2] = [&value, b"second"];
        let timestamp = NOW_MS + i64::from(self.count) * 10;
        let mut builder = BatchBuilder::new(Compression::None);
        if idempotent {
            builder = builder.producer(100 + i64::from(index), 0, sequence);
        }
        let records = batch_of(builder, timestamp, &values);
        let result = append(&self.partition(index), records.clone());
        let model = &mut self.model[index as usize];
        let appended = match result {
            Ok(appended) => appended,
            Err(AppendError::Full { .. }) => return,
            Err(AppendError::Failed(_)) => return self.crash(u64::from(self.count)),
            Err(other) => panic!("{other}"),
        };
        assert_eq!((appended.base_offset, appended.duplicate), (model.end, false));
        let sequence = idempotent.then_some(sequence + 2);
        model.sequence = sequence.unwrap_or(model.sequence);
        let (base, next) = (model.end, model.end + 2);
        model.batches.push(ModelBatch { base, next, records, timestamp, sequence });
        model.end = next;
        if waits {
            match appended.ticket.wait_durable() {
                // Under `os` a crash of the machine may take what was acknowledged.
                Ok(()) if self.options.flush_policy == FlushPolicy::Sync => {
                    self.model[index as usize].acknowledged = next;
                }
                Ok(()) => {}
                Err(_) => self.crash(u64::from(self.count)),
            }
        }
    }

    fn repeat(&mut self, index: i32, back: usize) {
        let model = &self.model[index as usize];
        let mut own = model.batches.iter().rev().filter(|batch| batch.sequence.is_some());
        let Some(original) = own.nth(back).cloned() else { return };
        match append(&self.partition(index), original.records) {
            Ok(appended) => {
                assert_eq!((appended.base_offset, appended.duplicate), (original.base, true));
            }
            Err(AppendError::Full { .. } | AppendError::Failed(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }

    fn read(&mut self, index: i32, from: u8, max_bytes: usize) {
        let model = &self.model[index as usize];
        let from = model.log_start + i64::from(from) % (model.end - model.log_start + 1);
        let limits = strom_storage::ReadLimits { max_bytes, at_least_one: true };
        let isolation = strom_storage::Isolation::ReadCommitted;
        let Ok(read) = self.partition(index).read(from, isolation, limits) else {
            // The power is off.
            return;
        };
        let first = model.batches.iter().position(|batch| batch.next > from);
        let expected = first.map_or(&[][..], |first| &model.batches[first..]);
        for (found, expected) in read.batches.iter().zip(expected) {
            assert_eq!(found.header.base_offset, expected.base);
            assert_eq!(found.body, expected.records[61..]);
        }
        assert!(read.batches.len() <= expected.len());
        assert!(read.batches.len() <= 1 || read.bytes <= max_bytes);
    }

    /// The first record at or above a time is found if everyone may see it, and never another one.
    fn find(&mut self, index: i32, timestamp: i64) {
        let model = &self.model[index as usize];
        let records = model.batches.iter().flat_map(|batch| {
            [(batch.base, batch.timestamp), (batch.base + 1, batch.timestamp + 1)]
        });
        let expected = records
            .filter(|(offset, at)| *offset >= model.log_start && *at >= timestamp)
            .map(|(offset, _)| offset)
            .next();
        let partition = self.partition(index);
        let visible = partition.offsets().high_watermark;
        // An error says that the power is off.
        let Ok(found) = partition.offset_for_timestamp(timestamp) else { return };
        match (found, expected) {
            (Some(found), expected) => assert_eq!(Some(found.offset), expected),
            (None, Some(expected)) => assert!(expected >= visible, "{expected} was not found"),
            (None, None) => {}
        }
    }

    fn flush(&mut self) {
        let store = Arc::clone(self.store.as_ref().unwrap());
        let flushed = store.flush_now();
        drop(store);
        if flushed.is_err() {
            return self.crash(u64::from(self.count));
        }
        // What was appended is synced by then.
        for model in &mut self.model {
            model.acknowledged = model.end;
        }
    }

    fn merge(&mut self) {
        let store = Arc::clone(self.store.as_ref().unwrap());
        let merged = store.merge_now();
        drop(store);
        if merged.is_err() {
            self.crash(u64::from(self.count));
        }
    }

    fn advance(&mut self, index: i32, by: i64) {
        let model = &mut self.model[index as usize];
        let partition = self.store.as_ref().unwrap().partition(topic(1), index).unwrap();
        let Ok(ticket) = partition.advance_log_start(model.log_start + by) else {
            return self.crash(3);
        };
        let is_durable = ticket.wait().is_ok();
        let log_start = partition.offsets().log_start;
        assert!(log_start <= model.log_start + by);
        if is_durable {
            model.log_start = log_start;
        } else {
            self.crash_with_open_log_starts();
        }
    }

    fn retain(&mut self, keep_bytes: i64) {
        let store = Arc::clone(self.store.as_ref().unwrap());
        store.update_topic(
            topic(1),
            PartitionSettings { retention_bytes: keep_bytes, ..settings() },
        );
        store.run_retention(NOW_MS);
        // A restart forgets settings; the next run sets its own.
        let is_durable = store.metadata().apply(Vec::new()).wait().is_ok();
        drop(store);
        if !is_durable {
            return self.crash_with_open_log_starts();
        }
        for index in 0..PARTITIONS {
            self.model[index as usize].log_start = self.partition(index).offsets().log_start;
        }
    }

    /// Log starts that were not durable may or may not have moved.
    fn crash_with_open_log_starts(&mut self) {
        let after = self.disk.after_crash(11);
        self.disk.power_off_after(0);
        self.store = None;
        self.disk = after;
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let (store, _) = open_on(&disk, self.options.clone(), vec![spec(1, PARTITIONS)]).unwrap();
        for index in 0..PARTITIONS {
            let log_start = store.partition(topic(1), index).unwrap().offsets().log_start;
            let model = &mut self.model[index as usize];
            assert!(log_start >= model.log_start && log_start <= model.end);
            model.log_start = log_start;
        }
        drop(store);
        self.open();
    }
}

/// What is as produced: behind the leader epoch and the magic.
fn covered_of(records: &[u8]) -> Vec<u8> {
    records[17..].to_vec()
}

/// `STROM_MODEL_CASES` runs more of them.
fn cases() -> u32 {
    let wished = std::env::var("STROM_MODEL_CASES").ok();
    wished.map_or(150, |cases| cases.parse().expect("a number"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_is_its_model(
        steps in steps(),
        is_sync in any::<bool>(),
        tail_bytes in prop_oneof![Just(0u64), Just(4000u64), Just(1u64 << 20)],
        segment_bytes in prop_oneof![Just(500u64), Just(8000u64), Just(64u64 << 20)],
        index_bytes in prop_oneof![Just(800u64), Just(1u64 << 20)],
    ) {
        let policy = if is_sync { FlushPolicy::Sync } else { FlushPolicy::Os };
        let mut world = World::new(policy, tail_bytes, segment_bytes, index_bytes);
        for step in &steps {
            world.run(step);
        }
        world.crash(steps.len() as u64);
    }
}
