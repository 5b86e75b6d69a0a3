//! The checked-in generated code is what the generator makes of the checked-in schema.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::path::Path;

#[test]
fn generated_messages_are_up_to_date() {
    let protocol = Path::new(env!("CARGO_MANIFEST_DIR"));
    support::generate::run_in(protocol, true).unwrap();
}
