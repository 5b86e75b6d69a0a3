//! The metadata log's thread: one write and one sync for everything that is queued.

use std::io::{self, IoSlice};
use std::sync::{Arc, PoisonError};

use super::load::{
    DELTAS_BYTES, Files, checkpoint_path, create_deltas, deltas_path, encode_checkpoint,
};
use super::{Map, Shared, format};
use crate::data_dir::DataDir;
use crate::error::StorageFailed;
use crate::io::replace_file;
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

impl Files {
    /// Keeps room ahead of the deltas' end. When there is none to be had, what is left must do; that it runs
    /// out, only the write itself tells.
    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        let wanted = self.deltas_end + bytes + DELTAS_BYTES / 2;
        if wanted <= self.deltas_room {
            return Ok(());
        }
        let room = self.deltas_end + bytes + 2 * DELTAS_BYTES;
        match self.deltas.reserve(room) {
            Ok(()) => self.deltas_room = room,
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                tracing::warn!(%error, "the disk is full: little more of the metadata can change");
            }
            // Then only writing gets room.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
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
        let files = &mut self.files;
        let mut group = Vec::new();
        format::encode_group(&mut group, files.sequence, &turn.payload);
        files.make_room(group.len() as u64)?;
        files.deltas.write_at(&[IoSlice::new(&group)], files.deltas_end)?;
        files.deltas.sync_data()?;
        files.deltas_end += group.len() as u64;
        files.sequence += 1;
        self.shared.progress.reach(turn.ordinal);
        match &turn.checkpoint {
            Some(map) => match self.checkpoint(map) {
                // The deltas grow on until there is room for a checkpoint.
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                    tracing::warn!(%error, "metadata checkpoint is put off, the disk is full");
                    Ok(())
                }
                other => other,
            },
            None => Ok(()),
        }
    }

    /// Starts a new pair of files. `map` is exactly what checkpoint and deltas say by now.
    fn checkpoint(&mut self, map: &Map) -> io::Result<()> {
        let files = &mut self.files;
        let (disk, dir, old) = (files.disk.as_ref(), files.dir.as_path(), files.number);
        let content = encode_checkpoint(map, old + 1);
        let deltas = create_deltas(disk, dir, old + 1)?;
        replace_file(disk, &checkpoint_path(dir, old + 1), &content)?;
        disk.remove(&checkpoint_path(dir, old))?;
        disk.remove(&deltas_path(dir, old))?;
        files.number = old + 1;
        files.checkpoint_bytes = content.len() as u64;
        files.deltas = deltas;
        files.deltas_end = format::HEADER_BYTES;
        files.deltas_room = DELTAS_BYTES;
        files.sequence = 0;
        Ok(())
    }
}
