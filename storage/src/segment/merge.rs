//! Copying a run into another object: how small segments become large ones.

use strom_protocol::record::Scratch;

use super::chunk::{Chunk, ChunkKind};
use super::fetch::{Wanted, fetch, fetch_whole};
use super::open::Run;
use super::{SegmentError, SegmentWriter, wire};

/// A chunk is copied as it is if it is at least this fraction of a full one.
const LARGE_CHUNK: u64 = 2;

impl Run {
    /// Appends batches of this run to the writer's: chunk by chunk from the one that contains `from`, or the next
    /// one, until about `max_bytes` are copied. Returns the offset to go on from, or nothing at the end; between
    /// two calls the writer's parts can be taken.
    ///
    /// Chunks that are large enough and compressed as the writer's run asks for are copied as they are, checked
    /// but not decoded; others are written again, together. A chunk is checked before any of it is written, so an
    /// error names damage and the run being written ends before that chunk.
    ///
    /// # Panics
    /// As [`SegmentWriter::append`].
    pub fn copy_into(
        &self,
        from: i64,
        max_bytes: u64,
        writer: &mut SegmentWriter,
        scratch: &mut Scratch,
    ) -> Result<Option<i64>, SegmentError> {
        let mut copied_bytes = 0;
        for chunk in self.chunks_from(from) {
            if copied_bytes >= max_bytes {
                return Ok(Some(chunk.base_offset));
            }
            copied_bytes += chunk.wire_bytes;
            if is_kept(chunk, writer) {
                let (bytes, loaded) = fetch_whole(&*self.shared.source, chunk)?;
                if chunk.kind == ChunkKind::Block {
                    for entry in &loaded.table.batches {
                        wire::block_of(chunk, &loaded, entry)?;
                    }
                }
                writer.append_chunk(chunk, &loaded.table, bytes);
            } else {
                let mut loads =
                    fetch(&*self.shared.source, &[(chunk, Wanted::batches(chunk))], scratch)?;
                let loaded = loads.remove(0)?;
                let mut batches = Vec::new();
                wire::batches(chunk, &loaded, &loaded.table.batches, &mut batches)?;
                for batch in &batches {
                    writer.append(batch, scratch)?;
                }
            }
        }
        Ok(None)
    }
}

fn is_kept(chunk: &Chunk, writer: &SegmentWriter) -> bool {
    let (compression, chunk_bytes) = writer.target();
    let suits = match chunk.kind {
        ChunkKind::Plain => chunk.compression == compression,
        ChunkKind::Block => true,
    };
    suits && chunk.held_bytes() >= chunk_bytes as u64 / LARGE_CHUNK
}
