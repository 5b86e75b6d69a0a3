//! Reading everything again and comparing: what `strom verify` rests on.

use std::convert::Infallible;
use std::ops::Range;

use strom_protocol::record::{Scratch, visit};

use super::batch_table::BatchEntry;
use super::chunk::{Chunk, ChunkKind};
use super::columns::BufferSet;
use super::digest::digest_of;
use super::fetch::{Loaded, Wanted, fetch};
use super::open::Run;
use super::wire::{self, Rows};
use super::{SegmentError, SourceError};
use crate::partition::StoredBatch;

/// What verifying a run found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// The batches that were read and are those that were produced.
    pub batches: u64,
    /// Their records.
    pub records: u64,
    /// Their size as consumers get them.
    pub bytes: u64,
    /// What is not as it was produced.
    pub mismatches: Vec<Mismatch>,
}

/// Offsets whose records are not those that were produced, or cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The offsets.
    pub offsets: Range<i64>,
    /// What is wrong, and where.
    pub reason: String,
}

impl Run {
    /// Reads every batch from an offset on and compares it with the digest that it was written with, and the
    /// columns beside blocks with what is in them. Damage is reported, not an error; what the store fails
    /// with is.
    pub fn verify(&self, from: i64, scratch: &mut Scratch) -> Result<Verified, SourceError> {
        let mut verified = Verified::default();
        for chunk in self.chunks_from(from) {
            match self.load_chunk(chunk, Wanted::batches(chunk), scratch)? {
                Ok(loaded) => verified.add_batches(chunk, &loaded, from, scratch),
                Err(error) => verified.add_mismatch(chunk.offsets(), &error),
            }
            if chunk.kind == ChunkKind::Block {
                let beside = BufferSet::ALL.without(BufferSet::VALUE);
                let wanted = Wanted { buffers: beside, has_table: true, has_blocks: true };
                match self.load_chunk(chunk, wanted, scratch)? {
                    Ok(loaded) => verified.add_columns(chunk, &loaded, scratch),
                    Err(error) => verified.add_mismatch(chunk.offsets(), &error),
                }
            }
        }
        Ok(verified)
    }

    fn load_chunk(
        &self,
        chunk: &Chunk,
        wanted: Wanted,
        scratch: &mut Scratch,
    ) -> Result<Result<Loaded, SegmentError>, SourceError> {
        match fetch(&*self.shared.source, &[(chunk, wanted)], scratch) {
            Ok(mut loads) => Ok(loads.remove(0)),
            Err(SegmentError::Source(error)) => Err(error),
            Err(error) => Ok(Err(error)),
        }
    }
}

impl Verified {
    fn add_mismatch(&mut self, offsets: Range<i64>, reason: &dyn ToString) {
        let mismatch = Mismatch { offsets, reason: reason.to_string() };
        if self.mismatches.last() != Some(&mismatch) {
            self.mismatches.push(mismatch);
        }
    }

    fn add_batches(&mut self, chunk: &Chunk, loaded: &Loaded, from: i64, scratch: &mut Scratch) {
        let mut read: Vec<StoredBatch> = Vec::new();
        for entry in loaded.table.batches.iter().filter(|entry| entry.next_offset() > from) {
            let offsets = entry.header.base_offset..entry.next_offset();
            read.clear();
            match wire::batches(chunk, loaded, std::slice::from_ref(entry), &mut read) {
                Err(error) => self.add_mismatch(offsets, &error),
                Ok(()) if read.iter().any(|batch| digest_of(batch, scratch) != entry.digest) => {
                    self.add_mismatch(offsets, &"the batch has another digest than was produced");
                }
                Ok(()) => {
                    self.batches += 1;
                    self.records += u64::from(entry.rows);
                    self.bytes += entry.header.total_bytes() as u64;
                }
            }
        }
    }

    /// Compares the columns beside blocks with the records in them.
    fn add_columns(&mut self, chunk: &Chunk, loaded: &Loaded, scratch: &mut Scratch) {
        let rows = Rows::of(chunk, loaded);
        for entry in loaded.table.batches.iter().filter(|entry| entry.rows > 0) {
            if !columns_agree(&rows, loaded, entry, scratch) {
                let offsets = entry.header.base_offset..entry.next_offset();
                self.add_mismatch(offsets, &"columns differ from the records in the block");
            }
        }
    }
}

fn columns_agree(
    rows: &Rows<'_>,
    loaded: &Loaded,
    entry: &BatchEntry,
    scratch: &mut Scratch,
) -> bool {
    let header = &entry.header;
    let body = entry.block_position as usize..entry.block_position as usize + entry.body_bytes();
    let mut index = 0;
    let mut agrees = true;
    let visited = visit(header, &loaded.blocks[body], scratch, |record| {
        let row = (entry.first_row + index) as usize;
        let timestamp = header.base_timestamp.wrapping_add(record.timestamp_delta);
        agrees &= rows.timestamp(row) == timestamp
            && rows.key.get(row) == record.key
            && rows.headers(row).eq(record.headers)
            && loaded.table.offset_delta(entry, index) == record.offset_delta;
        index += 1;
        Ok::<(), Infallible>(())
    });
    visited.is_ok() && agrees
}
