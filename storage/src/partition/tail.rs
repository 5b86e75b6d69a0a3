//! The newest batches, in memory, for consumers that keep up.
//!
//! Each partition keeps its own; one budget bounds them all, and what is over it goes oldest first. Only
//! what is written leaves: an offset below the high watermark is always in the tail or in the index.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Weak};

use bytes::{Bytes, BytesMut};
use strom_protocol::record::HEADER_BYTES;

use super::Partition;
use super::batch::StoredBatch;
use crate::ticket::lock;

/// What a batch costs beside its bytes.
const BATCH_OVERHEAD_BYTES: usize = 200;
/// Batches below this are copied out of their frame, whatever its size.
const COPY_BYTES_ALWAYS: usize = 1024;
/// Batches from this size on are never copied.
const COPY_BYTES_NEVER: usize = 32 * 1024;

/// Where a batch's bytes are until it has its offset.
pub(super) enum Payload {
    /// Head and body in an allocation of their own.
    Copied(BytesMut),
    /// The body is a slice of the request's frame.
    Sliced([u8; HEADER_BYTES], Bytes),
}

impl Payload {
    /// A small batch is copied, so that it does not keep a large frame alive.
    pub(super) fn new(head: [u8; HEADER_BYTES], records: &Bytes, frame_bytes: usize) -> Payload {
        let bytes = records.len();
        let is_small =
            bytes < COPY_BYTES_ALWAYS || bytes < COPY_BYTES_NEVER && bytes < frame_bytes / 2;
        if is_small {
            let mut copy = BytesMut::with_capacity(bytes);
            copy.extend_from_slice(&head);
            copy.extend_from_slice(&records[HEADER_BYTES..]);
            Payload::Copied(copy)
        } else {
            Payload::Sliced(head, records.slice(HEADER_BYTES..))
        }
    }

    /// Head and body, with the head replaced by one that has its offset.
    pub(super) fn finish(self, head: &[u8; HEADER_BYTES]) -> [Bytes; 2] {
        match self {
            Payload::Copied(mut copy) => {
                copy[..HEADER_BYTES].copy_from_slice(head);
                let mut head = copy.freeze();
                let body = head.split_off(HEADER_BYTES);
                [head, body]
            }
            Payload::Sliced(_, body) => [Bytes::copy_from_slice(head), body],
        }
    }

    pub(super) fn head(&self) -> [u8; HEADER_BYTES] {
        match self {
            Payload::Copied(copy) => {
                *copy.first_chunk().expect("a copied batch begins with its head")
            }
            Payload::Sliced(head, _) => *head,
        }
    }
}

/// The newest batches of one partition, in offset order without gaps.
#[derive(Debug, Default)]
pub(super) struct Tail {
    batches: VecDeque<StoredBatch>,
}

impl Tail {
    pub(super) fn push(&mut self, batch: StoredBatch) {
        self.batches.push_back(batch);
    }

    /// The first offset held; `None` if there is none.
    pub(super) fn start(&self) -> Option<i64> {
        self.batches.front().map(|batch| batch.header.base_offset)
    }

    pub(super) fn pop(&mut self) {
        self.batches.pop_front();
    }

    pub(super) fn clear(&mut self) {
        self.batches.clear();
    }

    /// The batches from the one that contains `from`.
    pub(super) fn from(&self, from: i64) -> impl Iterator<Item = &StoredBatch> {
        let first = self.batches.partition_point(|batch| batch.header.last_offset() < from);
        self.batches.range(first..)
    }
}

/// What a batch is charged.
pub(super) fn charge_of(bytes: usize) -> u64 {
    (bytes + BATCH_OVERHEAD_BYTES) as u64
}

/// The budget of all tails.
#[derive(Debug)]
pub(crate) struct TailBudget {
    limit: u64,
    used: AtomicU64,
    /// Batches in the order of the journal: whose tail, and what is charged.
    oldest: Mutex<VecDeque<(Weak<Partition>, u32)>>,
}

impl TailBudget {
    pub(crate) fn new(limit: u64) -> TailBudget {
        TailBudget { limit, used: AtomicU64::new(0), oldest: Mutex::default() }
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Charges a written batch, and lets the oldest ones go that are over the budget. Called by the
    /// journal's writer only, without any partition's lock.
    pub(super) fn charge(&self, partition: &Weak<Partition>, bytes: u64) {
        let mut oldest = lock(&self.oldest);
        oldest.push_back((partition.clone(), bytes as u32));
        let mut used = self.used.load(Ordering::Relaxed) + bytes;
        while used > self.limit
            && let Some((partition, bytes)) = oldest.pop_front()
        {
            used -= u64::from(bytes);
            if let Some(partition) = partition.upgrade() {
                partition.evict_oldest();
            }
        }
        self.used.store(used, Ordering::Relaxed);
    }
}
