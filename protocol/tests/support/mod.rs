//! What the codec's tests share: the schema, all messages in one list, valid bytes for each.
#![allow(dead_code, reason = "each test binary uses a part of it")]

#[path = "../../fuzz/checks/messages.rs"]
pub mod checks;
#[path = "../../../xtask/src/generate/mod.rs"]
pub mod generate;
pub mod subjects;
pub mod values;

use generate::schema::{self as language, Message};
use subjects::Subject;
use values::Values;

/// The schema of every message, by name.
pub fn schema() -> Vec<(i16, Message)> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/schema");
    let mut messages = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let file = language::parse(&text).unwrap();
        messages.extend(file.messages.into_iter().map(|message| (file.api_key, message)));
    }
    messages
}

/// Calls `check` with valid bytes of every message in every version: the emptiest, the fullest and
/// some in between.
pub fn for_each_message(samples: u64, mut check: impl FnMut(&Subject, i16, Vec<u8>)) {
    for (_, message) in schema() {
        let subject = subjects::find(&message.name);
        for version in message.versions.low..=message.versions.high {
            for seed in 0..samples {
                let fill_percent = match seed {
                    0 => 0,
                    1 => 100,
                    _ => 30 + seed * 40 / samples,
                };
                let bytes = Values::new(seed + 1, fill_percent).message(&message, version);
                check(subject, version, bytes);
            }
        }
    }
}
