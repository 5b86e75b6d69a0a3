//! Segments against the batches that they were made of.

mod batches;
mod round_trip;
mod source;
