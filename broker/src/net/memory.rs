//! The memory that requests may hold, reserved before a frame is read, and that replies may.
//!
//! Two pools: large frames (produce, mostly) wait on the big one; small frames (heartbeats,
//! commits, metadata) have a reserve of their own, so they never wait behind producers.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Frames up to this size take from the reserve.
const SMALL_FRAME_BYTES: usize = 16 * 1024;
/// The reserve for small frames: 512 of the largest of them.
const RESERVE_BYTES: usize = 8 * 1024 * 1024;
/// What a fetch may return while the budget of replies is used up.
const SMALL_REPLY_BYTES: usize = 64 * 1024;
/// One permit stands for this many bytes.
const UNIT_BYTES: usize = 1024;

/// Byte budget of all requests in flight, shared by every connection.
#[derive(Debug, Clone)]
pub struct RequestMemory {
    large: Arc<Semaphore>,
    large_units: usize,
    small: Arc<Semaphore>,
}

impl RequestMemory {
    /// `bytes` is the budget for large frames. A single frame larger than the whole budget
    /// takes all of it, so it is served alone instead of never.
    pub fn new(bytes: usize) -> Self {
        let large_units = (bytes / UNIT_BYTES).max(1);
        Self {
            large: Arc::new(Semaphore::new(large_units)),
            large_units,
            small: Arc::new(Semaphore::new(RESERVE_BYTES / UNIT_BYTES)),
        }
    }

    /// Waits until `bytes` fit; the reservation lasts until the permit is dropped.
    pub async fn reserve(&self, bytes: usize) -> OwnedSemaphorePermit {
        let units = bytes.div_ceil(UNIT_BYTES).max(1);
        let (pool, units) = if bytes <= SMALL_FRAME_BYTES {
            (&self.small, units)
        } else {
            (&self.large, units.min(self.large_units))
        };
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        Arc::clone(pool).acquire_many_owned(units).await.expect("the pools are never closed")
    }
}

/// Byte budget of fetched records that wait for slow consumers, shared by every connection.
#[derive(Debug, Clone)]
pub struct ReplyMemory(Arc<Semaphore>);

impl ReplyMemory {
    /// A budget of `bytes`.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / UNIT_BYTES).max(1))))
    }

    /// What a reply may hold now, in bytes. At least a little: a consumer that reads must get on
    /// even while others keep the budget.
    pub fn room(&self) -> usize {
        (self.0.available_permits() * UNIT_BYTES).max(SMALL_REPLY_BYTES)
    }

    /// Charges `bytes`, or what is left of the budget, for as long as the result lives.
    pub fn hold(&self, bytes: Bytes, charged: usize) -> Bytes {
        let units = charged.div_ceil(UNIT_BYTES).min(self.0.available_permits());
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        match Arc::clone(&self.0).try_acquire_many_owned(units) {
            Ok(permit) => Bytes::from_owner(Held { bytes, _permit: permit }),
            Err(_) => bytes,
        }
    }
}

/// Bytes that keep their reservation until they are sent.
struct Held {
    bytes: Bytes,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
impl RequestMemory {
    /// Takes both pools.
    pub(super) async fn reserve_everything(&self) -> [OwnedSemaphorePermit; 2] {
        let small = u32::try_from(RESERVE_BYTES / UNIT_BYTES).expect("the reserve is small");
        let small = Arc::clone(&self.small).acquire_many_owned(small).await;
        [self.reserve(usize::MAX / 2).await, small.expect("the pools are never closed")]
    }

    /// Free units of the reserve.
    pub(super) fn small_free(&self) -> usize {
        self.small.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_charged_until_its_bytes_are_dropped() {
        let memory = ReplyMemory::new(1024 * 1024);
        let held = memory.hold(Bytes::from_static(b"records"), 1000 * 1024);
        assert_eq!((held.as_ref(), memory.room()), (&b"records"[..], SMALL_REPLY_BYTES));
        let slice = held.slice(1..);
        drop(held);
        assert_eq!(memory.room(), SMALL_REPLY_BYTES);
        drop(slice);
        assert_eq!(memory.room(), 1024 * 1024);
    }

    #[tokio::test]
    async fn small_frames_pass_while_large_ones_hold_the_budget() {
        let memory = RequestMemory::new(1024 * 1024);
        let whole = memory.reserve(5 * 1024 * 1024).await;
        assert_eq!(memory.large.available_permits(), 0);
        drop(memory.reserve(100).await);
        drop(whole);
        assert_eq!(memory.large.available_permits(), 1024);
    }
}
