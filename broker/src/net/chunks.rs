//! A rope of byte chunks as a `Buf`, so that one vectored write sends a response whose record
//! data are slices of the journal's tail.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// Chunks still to be written, first to last. Empty chunks are never kept.
#[derive(Debug, Default)]
pub struct Chunks {
    queue: VecDeque<Bytes>,
    remaining: usize,
}

impl Chunks {
    /// Takes the chunks of one response in order.
    pub fn new(chunks: Vec<Bytes>) -> Self {
        let remaining = chunks.iter().map(Bytes::len).sum();
        let mut queue = VecDeque::from(chunks);
        queue.retain(|chunk| !chunk.is_empty());
        Self { queue, remaining }
    }
}

impl Buf for Chunks {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.queue.front().map_or(&[], |chunk| chunk.as_ref())
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let count = self.queue.len().min(slices.len());
        for (slice, chunk) in slices.iter_mut().zip(&self.queue) {
            *slice = IoSlice::new(chunk);
        }
        count
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.remaining, "advance past the end of the response");
        self.remaining -= count;
        while count > 0 {
            let front = self.queue.front_mut().expect("remaining counts the queued chunks");
            if front.len() > count {
                front.advance(count);
                return;
            }
            count -= front.len();
            self.queue.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advances_across_chunks_and_skips_empty_ones() {
        let parts = vec![
            Bytes::from_static(b"abc"),
            Bytes::new(),
            Bytes::from_static(b"de"),
            Bytes::from_static(b"f"),
        ];
        let mut chunks = Chunks::new(parts);
        let mut slices = [IoSlice::new(&[]); 8];
        assert_eq!(chunks.chunks_vectored(&mut slices), 3);
        chunks.advance(4);
        assert_eq!((chunks.remaining(), chunks.chunk()), (2, &b"e"[..]));
        chunks.advance(2);
        assert_eq!((chunks.remaining(), chunks.chunk()), (0, &b""[..]));
    }
}
