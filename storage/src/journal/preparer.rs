//! The preparer: has the next file ready before the current one is full.
//!
//! A new file is reserved and zero-filled, so that syncs into it change no file-system metadata; a recycled
//! one only gets its new header. Both are synced before they are used. When an append waits already, or
//! syncs are rare (`flush.policy=os`), the zeros are left out: the reserved room is enough.

use std::io::{self, ErrorKind, IoSlice};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use strom_protocol::Uuid;

use super::Shared;
use super::file::{FileHeader, JournalFile, file_path};
use super::queue::Next;
use crate::io::{Disk, DiskFile, SECTOR_BYTES};
use crate::ticket::lock;

/// How long a file that the budget has no room for waits until flushing makes room, before it is refused.
const PATIENCE: Duration = Duration::from_secs(2);
const PATIENCE_INTERVAL: Duration = Duration::from_millis(50);
/// How often a refused file is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// Zeros are written and synced in pieces, so that they stand in the way of no other sync for long.
const FILL_BYTES: usize = 4 << 20;

pub(super) struct Preparer {
    shared: Arc<Shared>,
    generations: Arc<AtomicU64>,
    last_number: u64,
    /// Since when the budget has no room for the next file.
    over_budget_since: Option<Instant>,
}

/// What became of the wish for a file.
enum Prepared {
    Ready(Arc<JournalFile>),
    /// The budget has no room for it.
    OverBudget(String),
}

impl Preparer {
    pub(super) fn new(
        shared: Arc<Shared>,
        generations: Arc<AtomicU64>,
        last_number: u64,
    ) -> Preparer {
        Preparer { shared, generations, last_number, over_budget_since: None }
    }

    pub(super) fn run(mut self) {
        while let Some(first_lsn) = self.wait() {
            let next = match self.prepare(first_lsn) {
                Ok(Prepared::Ready(file)) => {
                    self.over_budget_since = None;
                    self.shared.is_over_budget.store(false, Ordering::Relaxed);
                    Next::Ready(file)
                }
                Ok(Prepared::OverBudget(_)) if self.has_patience() => {
                    self.pause();
                    continue;
                }
                Ok(Prepared::OverBudget(message)) => {
                    self.shared.pressure.notify_one();
                    Next::Refused(message)
                }
                Err(error) => self.refusal(&error),
            };
            self.shared.queue().set_next(next);
            self.shared.room_changed.notify_all();
        }
    }

    /// Waits until a file is wanted; gives its first LSN, or `None` at the end.
    fn wait(&self) -> Option<u64> {
        let mut queue = self.shared.queue();
        let mut is_retry = false;
        loop {
            if queue.is_stopping() {
                return None;
            }
            if queue.is_file_wanted() || is_retry {
                return Some(queue.next_first_lsn());
            }
            let is_refused = matches!(queue.next, Next::Refused(_));
            if is_refused {
                let waited = self.shared.file_wanted.wait_timeout(queue, RETRY_INTERVAL);
                (queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
                is_retry = matches!(queue.next, Next::Refused(_));
            } else {
                let waited = self.shared.file_wanted.wait(queue);
                queue = waited.unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Whether room may still come: asks for it, and for a while waits.
    fn has_patience(&mut self) -> bool {
        self.shared.is_over_budget.store(true, Ordering::Relaxed);
        self.shared.upkeep.raise();
        self.over_budget_since.get_or_insert_with(Instant::now).elapsed() < PATIENCE
    }

    fn pause(&self) {
        let queue = self.shared.queue();
        if !queue.is_stopping() {
            drop(self.shared.file_wanted.wait_timeout(queue, PATIENCE_INTERVAL));
        }
    }

    fn prepare(&mut self, first_lsn: u64) -> io::Result<Prepared> {
        let options = &self.shared.options;
        let header = FileHeader {
            cluster_id: options.cluster_id,
            generation: self.generations.fetch_add(1, Ordering::Relaxed) + 1,
            first_lsn,
            capacity: options.file_bytes,
            nonce: new_nonce(),
        };
        let files = self.shared.files();
        let used: u64 = files.iter().map(|file| file.header.capacity).sum();
        let budget = options.retention_bytes;
        if files.len() >= 2 && used + header.capacity > budget {
            return Ok(Prepared::OverBudget(format!(
                "the journal is full: its files take {used} bytes of journal.retention.bytes={budget} \
                 and what they hold cannot be written to segments fast enough, or at all; \
                 look for a warning about segments, and make room on the disk"
            )));
        }
        // Also a spare counts from now on: readers may have kept it while another was made.
        if let Some(spare) = self.take_spare()? {
            spare.file.write_at(&[IoSlice::new(&header.encode())], 0)?;
            spare.file.sync_data()?;
            let (file, path) = (Arc::clone(&spare.file), spare.path.clone());
            return Ok(Prepared::Ready(Arc::new(JournalFile { file, path, header })));
        }
        self.last_number += 1;
        let path = file_path(&options.dir, self.last_number);
        let shared = &self.shared;
        let is_urgent = || {
            let queue = shared.queue();
            !options.syncs_every_write || queue.is_urgent() || queue.is_stopping()
        };
        let file = create(shared.disk.as_ref(), &path, &header, is_urgent)?;
        Ok(Prepared::Ready(Arc::new(JournalFile { file, path, header })))
    }

    /// A freed file that no reader has any more, of the right size; others are removed.
    fn take_spare(&self) -> io::Result<Option<Arc<JournalFile>>> {
        let mut found = None;
        let mut spares = lock(&self.shared.spares);
        let mut index = 0;
        while index < spares.len() {
            let spare = &spares[index];
            let is_unread = Arc::strong_count(spare) == 1;
            let fits = spare.header.capacity == self.shared.options.file_bytes;
            if is_unread && fits && found.is_none() {
                found = Some(spares.swap_remove(index));
            } else if is_unread {
                self.shared.disk.remove(&spare.path)?;
                spares.swap_remove(index);
            } else {
                index += 1;
            }
        }
        Ok(found)
    }

    fn refusal(&self, error: &io::Error) -> Next {
        let dir = self.shared.options.dir.display();
        let message = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => format!(
                "the disk of {dir} is full ({error}); free space on it, or lower journal.retention.bytes"
            ),
            _ => format!("the next journal file in {dir} cannot be prepared: {error}"),
        };
        tracing::warn!(reason = %message, "produce is refused until there is room");
        Next::Refused(message)
    }
}

/// A number that no client can guess.
pub(crate) fn new_nonce() -> u64 {
    Uuid::new_v4().as_u64_pair().1
}

/// Creates, reserves and zero-fills a file under a temporary name, and gives it its own when it is synced.
/// On an error nothing is left behind. `is_urgent` says that zeros may be left out.
pub(crate) fn create(
    disk: &dyn Disk,
    path: &Path,
    header: &FileHeader,
    is_urgent: impl Fn() -> bool,
) -> io::Result<Arc<dyn DiskFile>> {
    let temporary = path.with_extension("journal.tmp");
    let result = disk.create(&temporary).and_then(|file| {
        fill(file.as_ref(), header, is_urgent)?;
        Ok(file)
    });
    if result.is_err() {
        // The error that matters is the one that led here.
        drop(disk.remove(&temporary));
    }
    let file = result?;
    disk.rename(&temporary, path)?;
    disk.sync_dir(path.parent().expect("a journal file is in a directory"))?;
    Ok(file)
}

fn fill(file: &dyn DiskFile, header: &FileHeader, is_urgent: impl Fn() -> bool) -> io::Result<()> {
    let is_reserved = match file.reserve(header.capacity) {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::Unsupported => false,
        Err(error) => return Err(error),
    };
    file.write_at(&[IoSlice::new(&header.encode())], 0)?;
    let zeros = vec![0; FILL_BYTES.min(header.capacity as usize)];
    let mut at = SECTOR_BYTES as u64;
    while at < header.capacity && !(is_reserved && is_urgent()) {
        let bytes = zeros.len().min((header.capacity - at) as usize);
        file.write_at(&[IoSlice::new(&zeros[..bytes])], at)?;
        file.sync_data()?;
        at += bytes as u64;
    }
    file.sync_data()
}
