//! Our schema against Kafka's own, field by field: the kafka-clients jar carries the definitions
//! that its classes are generated from.
//!
//! `cargo xtask test` fetches the jar among the Java client's and sets `STROM_CLIENT_JAVA` to their
//! folder; `STROM_KAFKA_CLIENTS_JAR` names the jar itself instead.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::io::Read;

use serde_json::Value;
use support::generate::schema::{Field, Message, Versions};

const REMEDY: &str = "run `cargo xtask test`, which fetches the jar and says where it is";

fn jar_path() -> String {
    if let Ok(path) = std::env::var("STROM_KAFKA_CLIENTS_JAR") {
        return path;
    }
    match std::env::var("STROM_CLIENT_JAVA") {
        Ok(folder) => format!("{folder}/lib/kafka-clients-4.3.1.jar"),
        Err(_) => panic!("neither STROM_CLIENT_JAVA nor STROM_KAFKA_CLIENTS_JAR is set: {REMEDY}"),
    }
}

#[test]
fn schema_equals_kafkas_field_by_field() {
    let path = jar_path();
    let jar = std::fs::read(&path).unwrap_or_else(|error| {
        panic!("`{path}` (the kafka-clients 4.3.1 jar): {error}; {REMEDY}")
    });
    let mut faults = Vec::new();
    let mut compared = 0;
    for (api_key, ours) in support::schema() {
        // The formats of group state are not in this jar; `golden.rs` holds bytes of theirs.
        if ["OffsetCommitKey", "OffsetCommitValue", "GroupMetadataKey", "GroupMetadataValue"]
            .contains(&ours.name.as_str())
        {
            continue;
        }
        let entry = format!("common/message/{}.json", ours.name);
        let text = unzip(&jar, &entry).unwrap_or_else(|| panic!("{path} has no {entry}"));
        let theirs = parse_with_comments(&text);
        compare_message(api_key, &ours, &theirs, &mut faults);
        compared += 1;
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(compared >= 62, "only {compared} messages were compared");
}

fn compare_message(api_key: i16, ours: &Message, theirs: &Value, faults: &mut Vec<String>) {
    let name = &ours.name;
    let their_key = theirs["apiKey"].as_i64().unwrap_or(-1);
    if their_key != i64::from(api_key) {
        faults.push(format!("{name}: api key {api_key}, Kafka's {their_key}"));
    }
    let their_versions =
        (versions(&theirs["validVersions"]), versions(&theirs["flexibleVersions"]));
    if (ours.versions, ours.flexible) != their_versions {
        faults.push(format!("{name}: versions differ from {their_versions:?}"));
    }
    if ours.unstable_latest != (theirs["latestVersionUnstable"] == true) {
        faults.push(format!("{name}: unstable_latest"));
    }
    let structs = &theirs["commonStructs"];
    compare_fields(name, &ours.fields, &theirs["fields"], structs, faults);
}

fn compare_fields(
    place: &str,
    ours: &[Field],
    theirs: &Value,
    structs: &Value,
    faults: &mut Vec<String>,
) {
    let empty = Vec::new();
    let theirs = theirs.as_array().unwrap_or(&empty);
    if ours.len() != theirs.len() {
        faults.push(format!("{place}: {} fields, Kafka has {}", ours.len(), theirs.len()));
        return;
    }
    for (ours, theirs) in ours.iter().zip(theirs) {
        let place = format!("{place}.{}", ours.name);
        let tag = theirs.get("tag").map(|tag| (number(tag), versions(&theirs["taggedVersions"])));
        let expected = (
            (text(&theirs["name"]), text(&theirs["type"]), versions(&theirs["versions"])),
            (versions(&theirs["nullableVersions"]), tag),
            (text(&theirs["default"]), text(&theirs["ignorable"]) == "true"),
        );
        let found = (
            (ours.name.clone(), ours.kind.clone(), ours.versions),
            (ours.nullable, ours.tag),
            (ours.default.clone(), ours.ignorable),
        );
        if found != expected {
            faults.push(format!("{place}: {found:?}, Kafka's {expected:?}"));
        }
        let common = structs.as_array().and_then(|structs| {
            let element = ours.kind.trim_start_matches("[]");
            structs.iter().find(|common| common["name"] == element)
        });
        let fields = common.map_or(&theirs["fields"], |common| &common["fields"]);
        compare_fields(&place, &ours.fields, fields, structs, faults);
        // A schema with a flexible exception would need a rule of its own.
        assert!(theirs.get("flexibleVersions").is_none(), "{place} has its own flexibleVersions");
    }
}

fn versions(value: &Value) -> Versions {
    value.as_str().map_or(Versions::NONE, |text| Versions::parse(text).unwrap())
}

fn number(value: &Value) -> u32 {
    value.as_u64().unwrap() as u32
}

/// Kafka writes booleans and numbers with and without quotes.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn parse_with_comments(text: &str) -> Value {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    serde_json::from_str(&lines.collect::<Vec<_>>().join("\n")).unwrap()
}

/// The text of one entry of a zip archive, found through its central directory.
fn unzip(archive: &[u8], name: &str) -> Option<String> {
    let u16_at = |at: usize| u16::from_le_bytes([archive[at], archive[at + 1]]) as usize;
    let u32_at = |at: usize| u16_at(at) | u16_at(at + 2) << 16;
    let end = (0..archive.len() - 21).rev().find(|&at| archive[at..].starts_with(b"PK\x05\x06"))?;
    let mut at = u32_at(end + 16);
    for _ in 0..u16_at(end + 10) {
        let (name_bytes, extra_bytes, comment_bytes) =
            (u16_at(at + 28), u16_at(at + 30), u16_at(at + 32));
        if &archive[at + 46..at + 46 + name_bytes] == name.as_bytes() {
            let local = u32_at(at + 42);
            let start = local + 30 + u16_at(local + 26) + u16_at(local + 28);
            let data = &archive[start..start + u32_at(at + 20)];
            let mut text = String::new();
            match u16_at(at + 10) {
                0 => text.push_str(std::str::from_utf8(data).ok()?),
                _ => {
                    flate2::read::DeflateDecoder::new(data).read_to_string(&mut text).ok()?;
                }
            }
            return Some(text);
        }
        at += 46 + name_bytes + extra_bytes + comment_bytes;
    }
    None
}
