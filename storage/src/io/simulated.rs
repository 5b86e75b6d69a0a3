//! The simulated disk.

/// A disk in memory.
#[derive(Debug)]
pub struct SimulatedDisk;
