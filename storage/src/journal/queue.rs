//! What waits to be written, and the room that it has.
//!
//! Room is given when an entry is queued, for the worst case that it is written as a group of its own; so
//! what is queued always fits, and the first entry that goes to the next file carries that file.

use std::sync::Arc;

use bytes::Bytes;

use super::Landing;
use super::entry::{EntryHead, group_bytes};
use super::file::{HEADER_BYTES, JournalFile, usable_bytes};
use crate::error::StorageFailed;

/// The part of a file that clients leave to the broker's own topics while there is no next file.
const RESERVE_DIVISOR: u64 = 16;

/// One batch on its way into the journal.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) landing: Arc<dyn Landing>,
    pub(crate) head: EntryHead,
    /// The batch's head with base offset and leader epoch, and its body.
    pub(crate) payload: [Bytes; 2],
    pub(crate) max_timestamp: i64,
    /// Whether it counts as durable only when synced.
    pub(crate) needs_sync: bool,
}

#[derive(Debug)]
pub(super) struct Queued {
    pub(super) entry: Entry,
    /// The file that this entry is the first of.
    pub(super) starts_file: Option<Arc<JournalFile>>,
}

/// The file behind the one that entries go to.
#[derive(Debug)]
pub(super) enum Next {
    /// Not needed yet.
    Unwanted,
    /// The preparer is asked for it.
    Wanted,
    /// It is prepared.
    Ready(Arc<JournalFile>),
    /// There is no room for it: what is full, and what to do.
    Refused(String),
}

/// Why an entry gets no room.
#[derive(Debug)]
pub(crate) enum NoRoom {
    /// The next file is being prepared.
    Preparing,
    /// Disk or budget are full.
    Full(String),
    /// The entry is larger than a file.
    TooLarge { max: usize },
    /// The journal has stopped.
    Failed(StorageFailed),
}

/// Room for one entry: whether it starts the next file.
#[derive(Debug)]
pub(crate) struct Room {
    starts_file: Option<Arc<JournalFile>>,
}

#[derive(Debug)]
pub(crate) struct Queue {
    pub(super) entries: Vec<Queued>,
    last_ordinal: u64,
    /// The file of the last entry.
    file: Arc<JournalFile>,
    left: u64,
    pub(super) next: Next,
    /// Whether an append waits for the next file: then it must come soon rather than zero-filled.
    is_urgent: bool,
    /// Whether the writer sleeps and wants to be woken.
    pub(super) is_writer_waiting: bool,
    is_stopping: bool,
    failure: Option<StorageFailed>,
}

impl Queue {
    pub(super) fn new(file: &Arc<JournalFile>, position: u64) -> Queue {
        let used = position - HEADER_BYTES;
        Queue {
            entries: Vec::new(),
            last_ordinal: 0,
            left: usable_bytes(file.header.capacity).saturating_sub(used),
            file: Arc::clone(file),
            next: Next::Unwanted,
            is_urgent: false,
            is_writer_waiting: false,
            is_stopping: false,
            failure: None,
        }
    }

    /// Takes room for a payload. `file_bytes` is the size of files to come.
    pub(crate) fn take_room(
        &mut self,
        payload_bytes: usize,
        is_internal: bool,
        file_bytes: u64,
    ) -> Result<Room, NoRoom> {
        if let Some(failure) = &self.failure {
            return Err(NoRoom::Failed(failure.clone()));
        }
        let cost = group_bytes(1, payload_bytes as u64);
        if cost > usable_bytes(file_bytes) {
            let overhead = group_bytes(1, 0);
            let max = usable_bytes(file_bytes).saturating_sub(overhead) as usize;
            return Err(NoRoom::TooLarge { max });
        }
        let has_next = matches!(self.next, Next::Ready(_));
        let reserve =
            if !has_next && !is_internal { self.file.header.capacity / RESERVE_DIVISOR } else { 0 };
        if cost + reserve <= self.left {
            self.left -= cost;
            if matches!(self.next, Next::Unwanted) && self.left < self.file.header.capacity / 4 * 3
            {
                self.next = Next::Wanted;
            }
            return Ok(Room { starts_file: None });
        }
        match std::mem::replace(&mut self.next, Next::Wanted) {
            Next::Ready(file) => {
                self.left = usable_bytes(file.header.capacity) - cost;
                self.file = Arc::clone(&file);
                self.next = Next::Unwanted;
                Ok(Room { starts_file: Some(file) })
            }
            Next::Unwanted | Next::Wanted => {
                self.is_urgent = true;
                Err(NoRoom::Preparing)
            }
            Next::Refused(message) => {
                self.next = Next::Refused(message.clone());
                Err(NoRoom::Full(message))
            }
        }
    }

    /// Queues an entry in its room; gives its ordinal.
    pub(crate) fn push(&mut self, room: Room, entry: Entry) -> u64 {
        self.entries.push(Queued { entry, starts_file: room.starts_file });
        self.last_ordinal += 1;
        self.last_ordinal
    }

    pub(crate) fn last_ordinal(&self) -> u64 {
        self.last_ordinal
    }

    pub(crate) fn is_file_wanted(&self) -> bool {
        matches!(self.next, Next::Wanted) && self.failure.is_none()
    }

    pub(super) fn is_urgent(&self) -> bool {
        self.is_urgent
    }

    /// Answers the wish for a next file.
    pub(super) fn set_next(&mut self, next: Next) {
        self.next = next;
        self.is_urgent = false;
    }

    /// The end of the file that entries go to: where the next file begins.
    pub(super) fn next_first_lsn(&self) -> u64 {
        self.file.end_lsn()
    }

    /// Lets the preparer try again after it was refused.
    pub(super) fn retry_refused(&mut self) {
        if matches!(self.next, Next::Refused(_)) {
            self.next = Next::Wanted;
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping
    }

    /// Refuses appends from now on; what is queued will be written. Gives the last ordinal.
    pub(super) fn close(&mut self) -> u64 {
        self.is_stopping = true;
        self.failure.get_or_insert(StorageFailed::new("the storage is closed"));
        self.last_ordinal
    }

    /// Refuses appends from now on, and drops what is queued.
    pub(super) fn fail(&mut self, failure: StorageFailed) {
        self.is_stopping = true;
        self.failure = Some(failure);
        self.entries.clear();
    }
}
