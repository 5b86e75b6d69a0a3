//! Where each written batch is in the journal: (offset) -> (LSN, bytes), 32 bytes a batch.
//!
//! Entries stand in chunks that are never moved, so that growing copies nothing and dropping the front frees
//! memory. Each chunk keeps its greatest timestamp, so that a search by time skips whole chunks.

use std::collections::VecDeque;

/// Entries of a chunk.
const CHUNK_ENTRIES: usize = 256;

/// A written batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    pub(crate) base_offset: i64,
    /// Of the batch's first byte.
    pub(crate) lsn: u64,
    pub(crate) max_timestamp: i64,
    pub(crate) bytes: u32,
    /// How many offsets the batch takes.
    pub(crate) offsets: u32,
}

const _: () = assert!(size_of::<IndexEntry>() == 32);

impl IndexEntry {
    pub(crate) fn next_offset(&self) -> i64 {
        self.base_offset + i64::from(self.offsets)
    }
}

#[derive(Debug)]
struct Chunk {
    entries: Vec<IndexEntry>,
    max_timestamp: i64,
}

/// The index of one partition, in the order of offsets and of LSNs.
#[derive(Debug, Default)]
pub(crate) struct Index {
    chunks: VecDeque<Chunk>,
    /// Entries of the first chunk that are gone.
    skipped: usize,
}

impl Index {
    pub(crate) fn push(&mut self, entry: IndexEntry) {
        debug_assert!(self.last().is_none_or(|last| last.next_offset() <= entry.base_offset));
        match self.chunks.back_mut() {
            Some(chunk) if chunk.entries.len() < CHUNK_ENTRIES => {
                chunk.max_timestamp = chunk.max_timestamp.max(entry.max_timestamp);
                chunk.entries.push(entry);
            }
            Some(_) => {
                let mut entries = Vec::with_capacity(CHUNK_ENTRIES);
                entries.push(entry);
                self.chunks.push_back(Chunk { entries, max_timestamp: entry.max_timestamp });
            }
            // The first chunk grows from small: most partitions of a large cluster hold little.
            None => self
                .chunks
                .push_back(Chunk { entries: vec![entry], max_timestamp: entry.max_timestamp }),
        }
    }

    /// The number of batches.
    pub(crate) fn len(&self) -> usize {
        let Some(last) = self.chunks.back() else { return 0 };
        (self.chunks.len() - 1) * CHUNK_ENTRIES + last.entries.len() - self.skipped
    }

    pub(crate) fn first(&self) -> Option<IndexEntry> {
        self.chunks.front()?.entries.get(self.skipped).copied()
    }

    pub(crate) fn last(&self) -> Option<IndexEntry> {
        self.chunks.back()?.entries.last().copied()
    }

    /// The batches from the first one that ends behind `offset`.
    pub(crate) fn from(&self, offset: i64) -> impl Iterator<Item = IndexEntry> + '_ {
        self.starting_where(move |entry| entry.next_offset() > offset)
    }

    /// The first batch at or behind an LSN.
    pub(crate) fn at_lsn(&self, lsn: u64) -> Option<IndexEntry> {
        self.starting_where(move |entry| entry.lsn >= lsn).next()
    }

    /// The batches from the first one for which `is_in` holds; it must hold for all behind it.
    fn starting_where(
        &self,
        is_in: impl Fn(&IndexEntry) -> bool,
    ) -> impl Iterator<Item = IndexEntry> + '_ {
        let is_out = |chunk: &Chunk| chunk.entries.last().is_none_or(|last| !is_in(last));
        let first = self.chunks.partition_point(is_out);
        let within = match self.chunks.get(first) {
            Some(chunk) => chunk.entries.partition_point(|entry| !is_in(entry)),
            None => 0,
        };
        let within = if first == 0 { within.max(self.skipped) } else { within };
        self.chunks.range(first..).flat_map(|chunk| chunk.entries.iter()).skip(within).copied()
    }

    /// Drops the batches that end at or below an offset.
    pub(crate) fn drop_below(&mut self, offset: i64) {
        while let Some(first) = self.first()
            && first.next_offset() <= offset
        {
            self.skipped += 1;
            if self.chunks.front().is_some_and(|chunk| chunk.entries.len() == self.skipped) {
                self.chunks.pop_front();
                self.skipped = 0;
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Index::default();
    }

    /// The first batch from the one that contains `from` on with a timestamp at or above `timestamp`.
    pub(crate) fn at_timestamp(&self, from: i64, timestamp: i64) -> Option<IndexEntry> {
        let live = self.chunks.iter().filter(|chunk| {
            let is_behind = chunk.entries.last().is_some_and(|last| last.next_offset() > from);
            is_behind && chunk.max_timestamp >= timestamp
        });
        let mut entries = live.flat_map(|chunk| &chunk.entries);
        entries
            .find(|entry| entry.next_offset() > from && entry.max_timestamp >= timestamp)
            .copied()
    }

    /// The first of the batches from the one that contains `from`, below `end`, that have the greatest timestamp.
    pub(crate) fn greatest_timestamp(&self, from: i64, end: i64) -> Option<IndexEntry> {
        let live = self.from(from).take_while(|entry| entry.base_offset < end);
        live.reduce(
            |best, entry| if entry.max_timestamp > best.max_timestamp { entry } else { best },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(entries: i64) -> Index {
        let mut index = Index::default();
        for number in 0..entries {
            index.push(IndexEntry {
                base_offset: number * 10,
                lsn: number as u64 * 512,
                max_timestamp: if number == 300 { 5000 } else { number },
                bytes: 100,
                offsets: 10,
            });
        }
        index
    }

    #[test]
    fn offsets_timestamps_and_lsns_are_found() {
        let index = filled(1000);
        for (offset, expected) in [(0, 0), (9, 0), (10, 1), (2559, 255), (2560, 256), (9999, 999)] {
            assert_eq!(index.from(offset).next().unwrap().base_offset, expected * 10, "{offset}");
        }
        assert!(index.from(10_000).next().is_none());
        assert_eq!(index.from(9_950).count(), 5);
        assert_eq!(index.at_lsn(513).unwrap().base_offset, 20);
        for (from, timestamp, expected) in [
            (0, 299, Some(2990)),
            (0, 301, Some(3000)),
            (3000, 301, Some(3000)),
            (3010, 305, Some(3050)),
            (0, 5001, None),
        ] {
            let found = index.at_timestamp(from, timestamp).map(|entry| entry.base_offset);
            assert_eq!(found, expected, "{from} {timestamp}");
        }
        assert_eq!(index.greatest_timestamp(0, 10_000).unwrap().base_offset, 3000);
        assert_eq!(index.greatest_timestamp(0, 3000).unwrap().base_offset, 2990);
    }

    #[test]
    fn dropping_the_front_keeps_the_rest() {
        let mut index = filled(1000);
        index.drop_below(25);
        assert_eq!(index.first().unwrap().base_offset, 20);
        assert_eq!(index.from(0).next().unwrap().base_offset, 20);
        assert_eq!(index.len(), 998);
        index.drop_below(5_000);
        assert_eq!(index.from(0).next().unwrap().base_offset, 5_000);
        assert_eq!(index.at_timestamp(5_000, 0).unwrap().base_offset, 5_000);
        index.drop_below(10_000);
        assert_eq!((index.first(), index.last(), index.len()), (None, None, 0));
    }

    #[test]
    fn a_batch_costs_at_most_forty_bytes() {
        let index = filled(10_000);
        let capacity: usize = index.chunks.iter().map(|chunk| chunk.entries.capacity()).sum();
        let bytes =
            capacity * size_of::<IndexEntry>() + index.chunks.capacity() * size_of::<Chunk>();
        assert!(bytes <= 40 * 10_000, "{bytes}");
    }
}
