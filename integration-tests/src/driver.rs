//! The other side of the command protocol, for drivers that are programs of this crate.
#![allow(clippy::print_stdout, reason = "the protocol")]

use serde_json::{Value, json};

use crate::session::Answer;

/// Answers the commands on stdin until it ends.
pub fn serve(mut call: impl FnMut(&Value) -> Answer) {
    for line in std::io::stdin().lines() {
        let command: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let mut answer = match call(&command) {
            Ok(ok) => json!({ "ok": ok }),
            Err(refused) => json!({"error": refused.error, "message": refused.message}),
        };
        answer["id"] = command["id"].clone();
        println!("{answer}");
    }
}

/// An argument that is a text.
pub fn text<'a>(command: &'a Value, name: &str) -> &'a str {
    command[name].as_str().unwrap_or_else(|| panic!("{name} is missing in {command}"))
}

/// Kafka's name for an error that Rust calls by a type's: `TopicAlreadyExists` is
/// TOPIC_ALREADY_EXISTS.
pub fn constant_name(type_name: &str) -> String {
    let mut name = String::new();
    for letter in type_name.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}
