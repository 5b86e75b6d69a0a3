//! Which partition of an internal topic a group (or, later, a transactional id) lives in. Kafka
//! clients and tools compute the same number, so it is part of the format.

/// Java's `String.hashCode`: over UTF-16 units, `31 * hash + unit`, wrapping.
pub fn java_string_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// The partition (of `partitions` > 0) that keeps `group_id`; Kafka's `Utils.abs` makes
/// `i32::MIN` zero.
pub fn partition_for(group_id: &str, partitions: i32) -> i32 {
    assert!(partitions > 0, "an internal topic has at least one partition");
    java_string_hash(group_id).checked_abs().unwrap_or(0) % partitions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_string_hash_and_placement() {
        // Values of java.lang.String.hashCode, and of abs(hash) % 50.
        for (text, hash, partition) in [
            ("", 0, 0),
            ("a", 97, 47),
            ("group", 98_629_247, 47),
            ("test", 3_556_498, 48),
            ("polygenelubricants", i32::MIN, 0),
            ("my-group", -1_906_497_762, 12),
            ("gr\u{00fc}n", 3_185_949, 49),
            ("\u{1F980}", 1_772_802, 2),
            ("console-consumer-12345", 158_455_506, 6),
        ] {
            assert_eq!(java_string_hash(text), hash, "{text}");
            assert_eq!(partition_for(text, 50), partition, "{text}");
        }
    }
}
