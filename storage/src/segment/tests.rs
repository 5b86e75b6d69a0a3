//! Segments against the batches that they were made of.

mod allocation;
mod arrow_reader;
mod batches;
mod golden;
mod hostile;
mod merge;
mod model;
mod round_trip;
mod scan;
mod source;
