//! `cargo +nightly fuzz run record_batch` in `protocol/`.
#![no_main]

#[path = "../checks/record_batch.rs"]
mod record_batch;

libfuzzer_sys::fuzz_target!(|input: &[u8]| record_batch::check(input));
