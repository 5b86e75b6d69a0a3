//! `cargo +nightly fuzz run request_frame` in `protocol/`.
#![no_main]

#[path = "../checks/messages.rs"]
#[allow(dead_code)]
mod messages;

libfuzzer_sys::fuzz_target!(|input: &[u8]| messages::request_frame(input));
