//! A record set on its way out: the batches of a fetch response, linked and not copied.

use bytes::Bytes;

/// Bytes of a record set in pieces, in order. Two values are equal when their bytes are, however
/// they are cut.
#[derive(Debug, Clone, Default)]
pub struct Records {
    /// The pieces; for a fetched batch its rewritten header and its stored body.
    pub chunks: Vec<Bytes>,
}

impl Records {
    /// Total length in bytes.
    pub fn len(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum()
    }

    /// Whether there are no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.chunks.iter().all(Bytes::is_empty)
    }

    /// The record set as one slice; copies when there is more than one piece.
    pub fn to_bytes(&self) -> Bytes {
        match self.chunks.as_slice() {
            [] => Bytes::new(),
            [one] => one.clone(),
            many => many.concat().into(),
        }
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Self {
        Records { chunks: vec![bytes] }
    }
}

impl PartialEq for Records {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.chunks.iter().flatten().eq(other.chunks.iter().flatten())
    }
}
