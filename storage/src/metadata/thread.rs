//! The metadata log's thread: one write and one sync for everything that is queued.

use std::io;
use std::sync::{Arc, PoisonError};

use super::files::{DELTAS_BYTES, Files};
use super::{Map, Shared};
use crate::data_dir::DataDir;
use crate::error::StorageFailed;
use crate::ticket::lock;

/// Deltas may grow this far even beside a small checkpoint: most of what their file has from the start.
const DELTAS_BYTES_MIN: u64 = DELTAS_BYTES / 4 * 3;

pub(super) struct Worker {
    shared: Arc<Shared>,
    files: Files,
    _data_dir: DataDir,
}

/// What one turn writes.
struct Turn {
    payload: Vec<u8>,
    ordinal: u64,
    /// The map with everything of this turn applied, when a checkpoint is due.
    checkpoint: Option<Map>,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, files: Files, data_dir: DataDir) -> Worker {
        Worker { shared, files, _data_dir: data_dir }
    }

    pub(super) fn run(mut self) {
        while let Some(turn) = self.next_turn() {
            if let Err(error) = self.write(&turn) {
                let dir = self.files.dir.display();
                let remedy = match error.kind() {
                    io::ErrorKind::StorageFull => "; free space on the disk and start again",
                    _ => "",
                };
                self.fail(format!("writing the metadata log in {dir} failed: {error}{remedy}"));
                return;
            }
        }
        self.files.close();
        let closed = StorageFailed::new("the metadata log is closed");
        self.shared.progress.end(closed);
    }

    fn fail(&self, reason: String) {
        let failure = StorageFailed::new(reason);
        self.shared.fail_stop.fail(failure.clone());
        self.shared.progress.end(failure);
    }

    /// Waits for work; `None` when the last handle is gone and nothing is left to write.
    fn next_turn(&self) -> Option<Turn> {
        let mut state = lock(&self.shared.state);
        while state.queue.is_empty() {
            if state.is_closing {
                return None;
            }
            state = self.shared.queued.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let payload = std::mem::take(&mut state.queue).concat();
        let deltas = self.files.deltas_end + payload.len() as u64;
        let is_due = deltas > self.files.checkpoint_bytes.max(DELTAS_BYTES_MIN);
        let checkpoint = is_due.then(|| state.map.clone());
        Some(Turn { payload, ordinal: state.applied, checkpoint })
    }

    fn write(&mut self, turn: &Turn) -> io::Result<()> {
        let written = self.files.append(&turn.payload)?;
        self.shared.progress.reach(turn.ordinal);
        self.files.copy(&written);
        match turn.checkpoint.as_ref().map(|map| self.files.rotate(map)) {
            // The deltas grow on until there is room for a checkpoint.
            Some(Err(error)) if error.kind() == io::ErrorKind::StorageFull => {
                tracing::warn!(%error, "metadata checkpoint is put off, the disk is full");
                Ok(())
            }
            Some(other) => other,
            None => Ok(()),
        }
    }
}
