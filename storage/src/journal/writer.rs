//! The writer: takes everything that is queued, makes groups of it, and writes each in one go.
//!
//! Large payloads go to the disk from where they are; heads and small payloads are gathered in one buffer
//! that is kept. After the write the partitions learn where their batches are, then the syncer gets the group.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::mem;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use bytes::Bytes;

use super::entry::{ENTRY_HEAD_BYTES, GROUP_HEAD_BYTES, GroupHead};
use super::file::{HEADER_BYTES, JournalFile};
use super::queue::{Entry, Queued};
use super::syncer::Written;
use super::{Landing, Place, Shared};
use crate::encoding::checksum;

/// A group ends before it has more bytes, except for a single large entry.
const GROUP_BYTES_MAX: u64 = 4 << 20;
const GROUP_ENTRIES_MAX: usize = 1024;
/// Payload parts up to this size are copied rather than given to the system one by one.
const GATHER_BYTES_MAX: usize = 4096;
/// What the buffer may keep between groups.
const BUFFER_BYTES_KEPT: usize = 1 << 20;

/// The next group's place.
pub(super) struct Position {
    pub(super) at: u64,
    pub(super) sequence: u64,
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    file: Arc<JournalFile>,
    position: Position,
    /// The generation of the file's groups.
    generation: u64,
    generations: Arc<AtomicU64>,
    /// Ordinals written.
    ordinal: u64,
    buffer: Vec<u8>,
}

/// A part of a group's bytes.
enum Part {
    Buffer(Range<usize>),
    Payload(Bytes),
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        file: Arc<JournalFile>,
        position: Position,
        generations: Arc<AtomicU64>,
    ) -> Writer {
        let generation = generations.load(Ordering::Relaxed);
        let buffer = Vec::new();
        Writer { shared, file, position, generation, generations, ordinal: 0, buffer }
    }

    pub(super) fn run(mut self) {
        let mut taken = Vec::new();
        while self.take(&mut taken) {
            let mut queued: VecDeque<Queued> = mem::take(&mut taken).into();
            while !queued.is_empty() {
                if let Err(error) = self.write_next(&mut queued) {
                    let path = self.file.path.display();
                    self.shared.fail(format!("writing {path} failed: {error}"));
                    return;
                }
            }
            taken = queued.into();
        }
    }

    /// Swaps the queue for an empty one; false when there is nothing more to come.
    fn take(&self, taken: &mut Vec<Queued>) -> bool {
        let mut queue = self.shared.queue();
        while queue.entries.is_empty() {
            if queue.is_stopping() {
                return false;
            }
            queue.is_writer_waiting = true;
            queue = self.shared.queued.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        mem::swap(&mut queue.entries, taken);
        true
    }

    /// Writes one group off the front of the queue.
    fn write_next(&mut self, queued: &mut VecDeque<Queued>) -> io::Result<()> {
        if let Some(file) = queued.front_mut().and_then(|first| first.starts_file.take()) {
            self.turn_to(file)?;
        }
        let entries = group_length(queued);
        let group: Vec<Entry> = queued.drain(..entries).map(|queued| queued.entry).collect();
        let head = self.write_group(&group)?;
        self.land(group, &head);
        Ok(())
    }

    /// Ends the current file and goes on in the next one.
    fn turn_to(&mut self, file: Arc<JournalFile>) -> io::Result<()> {
        let mut sequence = self.position.sequence;
        let head = self.head(&[], true);
        // There is always room, except in a file that was ended before and whose successor was lost.
        if self.position.at + head.group_bytes() <= self.file.header.capacity {
            self.buffer.clear();
            self.buffer.extend_from_slice(&head.encode(self.file.header.nonce));
            self.buffer.resize(head.group_bytes() as usize, 0);
            self.file.file.write_at(&[IoSlice::new(&self.buffer)], self.position.at)?;
            sequence += 1;
            let end = Place { lsn: self.file.end_lsn(), sequence, generation: self.generation };
            self.shared.hand_to_syncer(Written::end_of(&self.file, end, self.ordinal));
        }
        self.position = Position { at: HEADER_BYTES, sequence };
        self.generation = self.generations.fetch_add(1, Ordering::Relaxed) + 1;
        self.shared.add_file(&file);
        self.shared.upkeep.raise();
        self.file = file;
        Ok(())
    }

    fn head(&self, entries: &[Entry], is_last_of_file: bool) -> GroupHead {
        let payload_bytes: u32 = entries.iter().map(|entry| entry.head.payload_bytes).sum();
        GroupHead {
            is_last_of_file,
            generation: self.generation,
            sequence: self.position.sequence,
            durable_through: self.shared.synced_lsn.load(Ordering::Acquire),
            entries: entries.len() as u32,
            payload_bytes,
            entries_checksum: checksum(&[]),
        }
    }

    fn write_group(&mut self, entries: &[Entry]) -> io::Result<GroupHead> {
        let mut buffer = mem::take(&mut self.buffer);
        buffer.clear();
        buffer.resize(GROUP_HEAD_BYTES, 0);
        for entry in entries {
            entry.head.encode(&mut buffer);
        }
        let mut head = self.head(entries, false);
        head.entries_checksum = checksum(&buffer[GROUP_HEAD_BYTES..]);
        buffer[..GROUP_HEAD_BYTES].copy_from_slice(&head.encode(self.file.header.nonce));
        let parts = gather(&mut buffer, entries, head.group_bytes());
        let slices: Vec<IoSlice<'_>> = parts
            .iter()
            .map(|part| match part {
                Part::Buffer(range) => IoSlice::new(&buffer[range.clone()]),
                Part::Payload(bytes) => IoSlice::new(bytes),
            })
            .collect();
        self.file.file.write_at(&slices, self.position.at)?;
        if buffer.capacity() <= BUFFER_BYTES_KEPT {
            self.buffer = buffer;
        }
        Ok(head)
    }

    /// Tells everyone that the group is written.
    fn land(&mut self, group: Vec<Entry>, head: &GroupHead) {
        let start = self.file.first_lsn() + self.position.at;
        let end = start + head.group_bytes();
        let mut lsn = start + head.payloads_at() as u64;
        self.ordinal += group.len() as u64;
        self.position.at += head.group_bytes();
        self.position.sequence += 1;
        self.shared.written_lsn.store(end, Ordering::Release);
        let counters = &self.shared.counters;
        counters.writes.fetch_add(1, Ordering::Relaxed);
        counters.appends.fetch_add(u64::from(head.entries), Ordering::Relaxed);
        counters.append_bytes.fetch_add(u64::from(head.payload_bytes), Ordering::Relaxed);
        let mut needs_sync = self.shared.options.syncs_every_write;
        let mut waiting: Vec<(Arc<dyn Landing>, i64)> = Vec::with_capacity(group.len());
        for entry in group {
            entry.landing.written(&entry, lsn);
            lsn += u64::from(entry.head.payload_bytes);
            needs_sync |= entry.needs_sync;
            if entry.needs_sync {
                waiting
                    .push((entry.landing, entry.head.base_offset + i64::from(entry.head.offsets)));
            }
        }
        self.shared.hand_to_syncer(Written {
            file: Arc::clone(&self.file),
            end: Place { lsn: end, sequence: self.position.sequence, generation: self.generation },
            ordinal: self.ordinal,
            waiting,
            needs_sync,
        });
        self.shared.progress.written.reach(self.ordinal);
    }
}

/// How many entries the next group takes.
fn group_length(queued: &VecDeque<Queued>) -> usize {
    let mut bytes = 0;
    for (index, next) in queued.iter().enumerate().take(GROUP_ENTRIES_MAX) {
        bytes += u64::from(next.entry.head.payload_bytes) + ENTRY_HEAD_BYTES as u64;
        if index > 0 && (bytes > GROUP_BYTES_MAX || next.starts_file.is_some()) {
            return index;
        }
    }
    queued.len().min(GROUP_ENTRIES_MAX)
}

/// Lays the payloads out behind what the buffer begins with: small parts are copied into it.
fn gather(buffer: &mut Vec<u8>, entries: &[Entry], group_bytes: u64) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut gathered = 0;
    let mut direct_bytes = 0;
    for bytes in entries.iter().flat_map(|entry| &entry.payload) {
        if bytes.len() <= GATHER_BYTES_MAX {
            buffer.extend_from_slice(bytes);
        } else {
            parts.push(Part::Buffer(gathered..buffer.len()));
            parts.push(Part::Payload(bytes.clone()));
            gathered = buffer.len();
            direct_bytes += bytes.len();
        }
    }
    buffer.resize(group_bytes as usize - direct_bytes, 0);
    parts.push(Part::Buffer(gathered..buffer.len()));
    parts
}
