//! `cargo +nightly fuzz run response_body` in `protocol/`.
#![no_main]

#[path = "../checks/messages.rs"]
#[allow(dead_code)]
mod messages;

libfuzzer_sys::fuzz_target!(|input: &[u8]| messages::response_body(input));
