//! Reading the journal from its oldest file to its end, which is how it is opened.
//!
//! The chain of groups: sequences count up by one, generations never go down. Where the chain breaks, the
//! question is whether what should be there had been synced:
//!
//! ```text
//! … valid │ valid │ broken │ …   no later group says "durable through" beyond the break: a torn write of an
//!                                 unsynced group; the journal ends at the break
//! … valid │ broken │ valid │ …   a later group says so, or the clean end lies behind: damage; it is recorded
//!                                 and reading goes on at the next valid group
//! ```

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use strom_protocol::record::BatchHeader;

use super::Place;
use super::entry::{EntryHead, GROUP_HEAD_BYTES, GroupHead};
use super::file::{HEADER_BYTES, JournalFile};
use crate::encoding::checksum;
use crate::error::OpenError;
use crate::io::SECTOR_BYTES;

/// What is read at once.
const WINDOW_BYTES: usize = 1 << 20;

/// What the scan comes across, in the order of the journal.
pub(crate) enum Found<'a> {
    /// A batch as it was appended; its payload is at the LSN.
    Batch { entry: &'a EntryHead, header: &'a BatchHeader, lsn: u64 },
    /// A batch whose payload is damaged: the index of the damage.
    Damaged { entry: &'a EntryHead, damage: usize },
}

/// Damage of what was durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) file: PathBuf,
    pub(crate) position: u64,
    pub(crate) reason: String,
}

/// Where the journal ends, and what is known by then.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    /// The index of the file with the end; files behind it hold nothing.
    pub(crate) end_file: usize,
    pub(crate) end_position: u64,
    /// The next group's sequence.
    pub(crate) sequence: u64,
    /// The greatest generation of the chain.
    pub(crate) generation: u64,
    /// Whether there is part of a group at the end.
    pub(crate) is_torn: bool,
    pub(crate) damages: Vec<Damage>,
    pub(crate) batches: u64,
    pub(crate) bytes_read: u64,
}

/// A group that is in the chain, with the judgement of each payload.
struct Group {
    head: GroupHead,
    entries: Vec<EntryHead>,
    batches: Vec<Result<BatchHeader, String>>,
}

impl Group {
    fn first_fault(&self) -> Option<&String> {
        self.batches.iter().find_map(|batch| batch.as_ref().err())
    }
}

pub(crate) struct Scan<'a, F> {
    files: &'a [Arc<JournalFile>],
    /// The LSN at which a clean shutdown ended the journal.
    clean_end: Option<u64>,
    /// Where reading begins in the first file.
    first_position: u64,
    on_found: F,
    result: Scanned,
    /// Whether the next group must have the next sequence: not at the start, behind freed files or damage.
    is_chained: bool,
    /// The greatest durable-through LSN of what lies behind the first break, once that was looked for.
    proven: Option<u64>,
    /// Whether anything of the chain's generation lies behind the first break.
    has_later_groups: bool,
}

impl<'a, F: FnMut(Found<'_>)> Scan<'a, F> {
    /// `files` are sorted by their first LSN. Reading begins at `from`, if the first file contains it.
    pub(crate) fn new(
        files: &'a [Arc<JournalFile>],
        clean_end: Option<u64>,
        from: Place,
        on_found: F,
    ) -> Self {
        let begins_at = files.first().filter(|file| file.contains(from.lsn));
        let mut result = Scanned::default();
        let is_chained = begins_at.is_some() && from.sequence > 0;
        if is_chained {
            (result.sequence, result.generation) = (from.sequence, from.generation);
        }
        Scan {
            files,
            clean_end,
            first_position: begins_at
                .map_or(0, |file| file.position_of(from.lsn))
                .max(HEADER_BYTES),
            on_found,
            result,
            is_chained,
            proven: None,
            has_later_groups: false,
        }
    }

    pub(crate) fn run(mut self) -> Result<Scanned, OpenError> {
        let mut expected_lsn = self.files.first().map(|file| file.first_lsn());
        for (index, file) in self.files.iter().enumerate() {
            if expected_lsn != Some(file.first_lsn()) {
                self.is_chained = false;
            }
            expected_lsn = Some(file.end_lsn());
            self.result.end_file = index;
            let position = if index == 0 { self.first_position } else { HEADER_BYTES };
            self.result.end_position = position;
            if self.scan_file(index, position)? {
                break;
            }
        }
        self.keep_damaged_end();
        Ok(self.result)
    }

    /// What was durable but is damaged at the very end is not written over.
    fn keep_damaged_end(&mut self) {
        let durable = self.clean_end.or(self.proven).unwrap_or_default();
        if let Some(file) = self.files.get(self.result.end_file)
            && file.contains(durable)
        {
            let position = file.position_of(durable);
            self.result.end_position = self.result.end_position.max(position);
        }
    }

    /// Scans one file; true if the journal ends in it.
    fn scan_file(&mut self, index: usize, position: u64) -> Result<bool, OpenError> {
        let file = &self.files[index];
        let mut window = Window::new(file);
        let mut at = position;
        while at < file.header.capacity {
            match self.group_at(&mut window, at)? {
                Ok(group) => {
                    let fault = group.first_fault().cloned();
                    if let Some(fault) = fault
                        && !self.judge(index, at, &fault)?
                    {
                        self.result.is_torn = true;
                        return Ok(true);
                    }
                    self.visit(file, at, &group);
                    at += group.head.group_bytes();
                    self.result.end_position = at;
                    if group.head.is_last_of_file {
                        // Nothing may follow in this file, even if the next one is lost.
                        self.result.end_position = file.header.capacity;
                        return Ok(false);
                    }
                }
                Err(reason) => {
                    if !self.judge(index, at, &reason)? {
                        self.result.is_torn |= self.head_at(&mut window, at)?.is_ok();
                        return Ok(true);
                    }
                    self.is_chained = false;
                    match self.next_group(&mut window, at)? {
                        Some(next) => at = next,
                        None => return Ok(false),
                    }
                }
            }
        }
        Ok(false)
    }

    /// Whether a break is damage, which is recorded, or the end.
    fn judge(&mut self, index: usize, at: u64, reason: &str) -> Result<bool, OpenError> {
        let file = &self.files[index];
        let lsn = file.first_lsn() + at;
        let is_durable = match self.clean_end {
            Some(end) => lsn < end,
            None => self.proven(index, at)? > lsn,
        };
        self.result.is_torn = !is_durable && self.clean_end.is_none() && self.has_later_groups;
        if is_durable {
            self.result.damages.push(Damage {
                file: file.path.clone(),
                position: at,
                reason: reason.to_owned(),
            });
        }
        Ok(is_durable)
    }

    /// The group at a position, or why there is none that continues the chain.
    fn group_at(
        &mut self,
        window: &mut Window<'_>,
        at: u64,
    ) -> Result<Result<Group, String>, OpenError> {
        let head = match self.head_at(window, at)? {
            Ok(head) => head,
            Err(reason) => return Ok(Err(reason)),
        };
        let bytes = window.get(at, head.group_bytes() as usize)?;
        let entry_heads = bytes.get(GROUP_HEAD_BYTES..head.payloads_at()).unwrap_or_default();
        let is_whole = bytes.len() as u64 == head.group_bytes();
        if !is_whole || checksum(entry_heads) != head.entries_checksum {
            return Ok(Err("the heads of a group's entries are damaged".to_owned()));
        }
        let path = &window.file.path;
        let entries =
            EntryHead::decode_all(entry_heads).map_err(|kind| OpenError::NewerFormat {
                path: path.clone(),
                found: format!("1 with entry kind {kind} at position {at}"),
                supported: 1,
            })?;
        let mut payloads = &bytes[head.payloads_at()..];
        let mut batches = Vec::with_capacity(entries.len());
        for entry in &entries {
            let Some((payload, rest)) = payloads.split_at_checked(entry.payload_bytes as usize)
            else {
                return Ok(Err("a group's entries exceed it".to_owned()));
            };
            batches.push(entry.check(payload));
            payloads = rest;
        }
        Ok(Ok(Group { head, entries, batches }))
    }

    fn head_at(
        &self,
        window: &mut Window<'_>,
        at: u64,
    ) -> Result<Result<GroupHead, String>, OpenError> {
        let bytes = window.get(at, GROUP_HEAD_BYTES)?;
        let Some(head) = GroupHead::decode(&bytes, window.file.header.nonce) else {
            return Ok(Err("there is no valid group".to_owned()));
        };
        let generation = window.file.header.generation.max(self.result.generation);
        let is_next = head.sequence == self.result.sequence
            || !self.is_chained && head.sequence > self.result.sequence;
        let fits = at + head.group_bytes() <= window.file.header.capacity;
        let is_in_chain = head.generation >= generation && is_next && fits;
        Ok(if is_in_chain { Ok(head) } else { Err("the group there is an older one".to_owned()) })
    }

    fn visit(&mut self, file: &JournalFile, at: u64, group: &Group) {
        let mut lsn = file.first_lsn() + at + group.head.payloads_at() as u64;
        let damage = self.result.damages.len().saturating_sub(1);
        for (entry, batch) in group.entries.iter().zip(&group.batches) {
            match batch {
                Ok(header) => (self.on_found)(Found::Batch { entry, header, lsn }),
                Err(_) => (self.on_found)(Found::Damaged { entry, damage }),
            }
            lsn += u64::from(entry.payload_bytes);
        }
        self.is_chained = true;
        self.result.batches += group.entries.len() as u64;
        self.result.sequence = group.head.sequence + 1;
        self.result.generation = group.head.generation;
        self.result.bytes_read += group.head.group_bytes();
    }

    /// Where the next valid group of this file begins, behind damage.
    fn next_group(&mut self, window: &mut Window<'_>, at: u64) -> Result<Option<u64>, OpenError> {
        let mut next = at + SECTOR_BYTES as u64;
        while next < window.file.header.capacity {
            if self.head_at(window, next)?.is_ok() && self.group_at(window, next)?.is_ok() {
                return Ok(Some(next));
            }
            next += SECTOR_BYTES as u64;
        }
        Ok(None)
    }

    /// The LSN through which groups behind a break say that the journal was synced.
    fn proven(&mut self, index: usize, at: u64) -> Result<u64, OpenError> {
        if let Some(proven) = self.proven {
            return Ok(proven);
        }
        let mut proven = 0;
        for (offset, file) in self.files[index..].iter().enumerate() {
            let mut window = Window::new(file);
            let mut next = if offset == 0 { at + SECTOR_BYTES as u64 } else { HEADER_BYTES };
            let generation = file.header.generation.max(self.result.generation);
            while next < file.header.capacity {
                let bytes = window.get(next, GROUP_HEAD_BYTES)?;
                if let Some(head) = GroupHead::decode(&bytes, file.header.nonce)
                    && head.generation >= generation
                {
                    proven = proven.max(head.durable_through);
                    self.has_later_groups = true;
                }
                next += SECTOR_BYTES as u64;
            }
        }
        self.proven = Some(proven);
        Ok(proven)
    }
}

/// A part of a file in memory, so that small groups cost no system call each.
struct Window<'a> {
    file: &'a JournalFile,
    start: u64,
    bytes: Bytes,
}

impl<'a> Window<'a> {
    fn new(file: &'a JournalFile) -> Window<'a> {
        Window { file, start: 0, bytes: Bytes::new() }
    }

    /// Bytes of the file: fewer only at its end.
    fn get(&mut self, at: u64, bytes: usize) -> Result<Bytes, OpenError> {
        let end = self.start + self.bytes.len() as u64;
        if at < self.start || at + bytes as u64 > end {
            self.bytes = self
                .file
                .file
                .read_at(at, bytes.max(WINDOW_BYTES))
                .map_err(OpenError::io("reading", &self.file.path))?;
            self.start = at;
        }
        let from = (at - self.start) as usize;
        let to = (from + bytes).min(self.bytes.len());
        Ok(self.bytes.slice(from..to))
    }
}
