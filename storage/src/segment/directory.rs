//! The directory: what runs an object holds and where their chunks are.
//!
//! ```text
//! directory: run count u32 │ index: (topic id, partition i32, position u32, bytes u32, CRC u32) …, sorted
//!            │ section of each run
//! section  : schema │ summary │ leader epochs │ chunk count │ chunk …
//! locator  : magic "STROMSEG" │ format u32 │ directory: bytes u32, position u64 │ CRC of count and index u32
//!            │ CRC of this locator u32
//! ```
//!
//! The locator stands right before the Arrow footer, whose length is in the object's last ten bytes. A section
//! is decoded when its run is asked for, and its damage is that run's alone.

use strom_protocol::{TopicId, Uuid};

use super::batch_table::put;
use super::chunk::Chunk;
use super::{FORMAT_VERSION, RunSummary, SegmentError};
use crate::encoding::{Input, checksum};

/// The schema of runs whose values are bytes; typed runs will have others.
const RAW_SCHEMA: u32 = 0;
const MAGIC: &[u8; 8] = b"STROMSEG";
pub(super) const LOCATOR_BYTES: usize = 32;
const INDEX_ENTRY_BYTES: usize = 32;
const COUNT_BYTES: usize = 4;
/// The least that a chunk takes, so that a count cannot promise more than there is.
const CHUNK_BYTES_MIN: usize = 16;

/// Where the directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Locator {
    pub(super) directory_position: u64,
    pub(super) directory_bytes: u32,
    pub(super) index_crc: u32,
}

impl Locator {
    pub(super) fn encode(&self) -> [u8; LOCATOR_BYTES] {
        let mut bytes = Vec::with_capacity(LOCATOR_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.directory_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.directory_position.to_le_bytes());
        bytes.extend_from_slice(&self.index_crc.to_le_bytes());
        bytes.extend_from_slice(&checksum(&bytes).to_le_bytes());
        bytes.try_into().expect("the fields add up to the locator's size")
    }

    /// Reads a locator that stands at `position`.
    pub(super) fn decode(bytes: &[u8], position: u64) -> Result<Locator, SegmentError> {
        let damaged = |reason: &str| SegmentError::whole(position, reason);
        let cut_off = || damaged("the locator is cut off");
        let mut input = Input(bytes);
        if input.take(MAGIC.len()).ok_or_else(cut_off)? != MAGIC {
            return Err(damaged("there is no locator: not a segment, or its end is damaged"));
        }
        let body = bytes.get(..LOCATOR_BYTES - 4).ok_or_else(cut_off)?;
        let version = input.u32().ok_or_else(cut_off)?;
        let directory_bytes = input.u32().ok_or_else(cut_off)?;
        let directory_position = input.u64().ok_or_else(cut_off)?;
        let index_crc = input.u32().ok_or_else(cut_off)?;
        if input.u32() != Some(checksum(body)) {
            return Err(damaged("the locator has a wrong checksum"));
        }
        if version > FORMAT_VERSION {
            return Err(SegmentError::Newer { version });
        }
        if directory_position.checked_add(u64::from(directory_bytes)) != Some(position) {
            return Err(damaged("the directory does not end where the locator begins"));
        }
        Ok(Locator { directory_position, directory_bytes, index_crc })
    }
}

/// A run as the directory has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) summary: RunSummary,
    pub(super) chunks: Vec<Chunk>,
}

impl Section {
    fn encode(&self) -> Vec<u8> {
        let summary = &self.summary;
        let mut out = RAW_SCHEMA.to_le_bytes().to_vec();
        for number in [
            summary.base_offset,
            summary.next_offset,
            summary.batches as i64,
            summary.wire_bytes as i64,
            summary.stored_bytes as i64,
            summary.min_timestamp,
            summary.max_timestamp,
            summary.leader_epochs.len() as i64,
        ] {
            put(&mut out, number);
        }
        for &(epoch, offset) in &summary.leader_epochs {
            put(&mut out, i64::from(epoch));
            put(&mut out, offset);
        }
        put(&mut out, self.chunks.len() as i64);
        for chunk in &self.chunks {
            chunk.encode(&mut out);
        }
        out
    }

    fn decode(input: &mut Input<'_>, key: RunKey, limit: u64) -> Option<Section> {
        let mut summary = RunSummary {
            topic: key.topic,
            partition: key.partition,
            base_offset: input.varlong()?,
            next_offset: input.varlong()?,
            batches: input.varlong()?.try_into().ok()?,
            wire_bytes: input.varlong()?.try_into().ok()?,
            stored_bytes: input.varlong()?.try_into().ok()?,
            min_timestamp: input.varlong()?,
            max_timestamp: input.varlong()?,
            leader_epochs: Vec::new(),
        };
        for _ in 0..input.count(2)? {
            let epoch = input.varlong()?.try_into().ok()?;
            summary.leader_epochs.push((epoch, input.varlong()?));
        }
        let chunk_count = input.count(CHUNK_BYTES_MIN)?;
        let mut chunks = Vec::with_capacity(chunk_count);
        for _ in 0..chunk_count {
            chunks.push(Chunk::decode(input, limit)?);
        }
        let section = Section { summary, chunks };
        (input.is_empty() && section.is_sound()).then_some(section)
    }

    /// Whether the chunks follow each other and lie where the summary says.
    fn is_sound(&self) -> bool {
        let summary = &self.summary;
        let (Some(first), Some(last)) = (self.chunks.first(), self.chunks.last()) else {
            return false;
        };
        summary.base_offset <= first.base_offset
            && summary.next_offset == last.next_offset
            && self
                .chunks
                .is_sorted_by(|a, b| a.next_offset <= b.base_offset && a.end() <= b.position)
    }
}

/// Whose run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RunKey {
    pub(super) topic: TopicId,
    pub(super) partition: i32,
}

/// Encodes the directory of runs in any order, and sorts them.
pub(super) fn encode(runs: &mut [Section]) -> (Vec<u8>, u32) {
    runs.sort_by_key(|run| (run.summary.topic, run.summary.partition));
    let index_bytes = COUNT_BYTES + runs.len() * INDEX_ENTRY_BYTES;
    let mut index = Vec::with_capacity(index_bytes);
    index.extend_from_slice(&(runs.len() as u32).to_le_bytes());
    let mut sections = Vec::new();
    for run in &*runs {
        let section = run.encode();
        index.extend_from_slice(run.summary.topic.as_bytes());
        index.extend_from_slice(&run.summary.partition.to_le_bytes());
        index.extend_from_slice(&((index_bytes + sections.len()) as u32).to_le_bytes());
        index.extend_from_slice(&(section.len() as u32).to_le_bytes());
        index.extend_from_slice(&checksum(&section).to_le_bytes());
        sections.extend_from_slice(&section);
    }
    let crc = checksum(&index);
    index.extend_from_slice(&sections);
    (index, crc)
}

/// A directory in memory: its index is checked, its sections are not decoded.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    bytes: bytes::Bytes,
    locator: Locator,
    runs: usize,
}

impl Directory {
    pub(super) fn open(bytes: bytes::Bytes, locator: Locator) -> Result<Directory, SegmentError> {
        let position = locator.directory_position;
        let runs = Input(&bytes).u32().unwrap_or_default() as usize;
        let index_bytes =
            runs.checked_mul(INDEX_ENTRY_BYTES).map_or(usize::MAX, |entries| COUNT_BYTES + entries);
        match bytes.get(..index_bytes) {
            None => Err(SegmentError::whole(position, "the directory is cut off")),
            Some(index) if checksum(index) != locator.index_crc => {
                Err(SegmentError::whole(position, "the directory has a wrong checksum"))
            }
            Some(_) => Ok(Directory { bytes, locator, runs }),
        }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = RunKey> {
        (0..self.runs).map(|index| self.entry(index).0)
    }

    /// Decodes the section of a run; `None` if there is no such run.
    pub(super) fn section(&self, key: RunKey) -> Option<Result<Section, SegmentError>> {
        let index = self.find(key)?;
        let (_, from, bytes, crc) = self.entry(index);
        let (from, bytes) = (from as usize, bytes as usize);
        let position = self.locator.directory_position + from as u64;
        let section = self.bytes.get(from..from.saturating_add(bytes));
        let Some(section) = section.filter(|section| checksum(section) == crc) else {
            let reason = "the run's part of the directory has a wrong checksum";
            return Some(Err(SegmentError::whole(position, reason)));
        };
        let mut input = Input(section);
        if input.u32() != Some(RAW_SCHEMA) {
            return Some(Err(SegmentError::Newer { version: FORMAT_VERSION + 1 }));
        }
        let decoded = Section::decode(&mut input, key, self.locator.directory_position);
        Some(decoded.ok_or_else(|| {
            SegmentError::whole(position, "the run's part of the directory cannot be decoded")
        }))
    }

    fn find(&self, key: RunKey) -> Option<usize> {
        let (mut from, mut to) = (0, self.runs);
        while from < to {
            let middle = from + (to - from) / 2;
            match self.entry(middle).0.cmp(&key) {
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Greater => to = middle,
                std::cmp::Ordering::Equal => return Some(middle),
            }
        }
        None
    }

    fn entry(&self, index: usize) -> (RunKey, u32, u32, u32) {
        let from = COUNT_BYTES + index * INDEX_ENTRY_BYTES;
        let mut input = Input(&self.bytes[from..from + INDEX_ENTRY_BYTES]);
        let whole = "the index was checked when the directory was opened";
        let topic = TopicId(Uuid::from_bytes(input.array().expect(whole)));
        let partition = input.i32().expect(whole);
        let numbers = [(); 3].map(|()| input.u32().expect(whole));
        (RunKey { topic, partition }, numbers[0], numbers[1], numbers[2])
    }
}
