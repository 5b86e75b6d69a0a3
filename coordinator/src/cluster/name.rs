//! Topic names: Kafka's rules.

use strom_protocol::ErrorCode;

use super::TopicError;

/// The longest name: it is part of file and metric names elsewhere.
pub const TOPIC_NAME_BYTES_MAX: usize = 249;

/// Whether `name` can be a topic's: 1 to 249 of the characters `a-z A-Z 0-9 . _ -`, and neither
/// `.` nor `..`. INVALID_TOPIC_EXCEPTION otherwise.
pub fn check_topic_name(name: &str) -> Result<(), TopicError> {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let message = if name.is_empty() {
        "topic name is empty: give it 1 to 249 characters".to_owned()
    } else if name == "." || name == ".." {
        format!("topic name {name:?} is reserved: use another")
    } else if name.len() > TOPIC_NAME_BYTES_MAX {
        format!(
            "topic name has {} bytes: use at most {TOPIC_NAME_BYTES_MAX} (it begins with {:?})",
            name.len(),
            name.chars().take(32).collect::<String>(),
        )
    } else if !name.chars().all(is_legal) {
        format!("topic name {name:?} may only contain ASCII letters, digits, '.', '_' and '-'")
    } else {
        return Ok(());
    };
    Err(TopicError::new(ErrorCode::InvalidTopicException, message))
}

/// Whether two names differ only in `.` and `_`, which metric names do not tell apart.
pub fn names_collide(a: &str, b: &str) -> bool {
    let same = |(x, y): (u8, u8)| x == y || (matches!(x, b'.' | b'_') && matches!(y, b'.' | b'_'));
    a.len() == b.len() && a.bytes().zip(b.bytes()).all(same)
}
