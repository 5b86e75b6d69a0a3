//! The memory that requests may hold, reserved before a frame is read.
//!
//! Two pools: large frames (produce, mostly) wait on the big one; small frames (heartbeats,
//! commits, metadata) have a reserve of their own, so they never wait behind producers.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Frames up to this size take from the reserve.
const SMALL_FRAME_BYTES: usize = 16 * 1024;
/// The reserve for small frames: 512 of the largest of them.
const RESERVE_BYTES: usize = 8 * 1024 * 1024;
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
