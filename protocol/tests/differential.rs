//! Our codec against the independent kafka-protocol crate: both read the same bytes and write them
//! back unchanged, in every version of every message.
//!
//! The bytes come from `support::values`, which knows only the schema; that the schema is Kafka's
//! is checked field by field in `schema_oracle.rs`.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use bytes::Bytes;
use support::for_each_message;

/// Versions that are in Kafka 4.3's schema and not in kafka-protocol 0.18. For these there are
/// golden bytes written by Kafka's own client in `golden.rs`.
const NOT_IN_ORACLE: &[(&str, i16)] = &[
    ("DescribeLogDirsRequest", 5),
    ("DescribeLogDirsResponse", 5),
    ("GroupMetadataKey", 2),
    ("GroupMetadataValue", 0),
    ("GroupMetadataValue", 1),
    ("GroupMetadataValue", 2),
    ("GroupMetadataValue", 3),
    ("GroupMetadataValue", 4),
    ("InitProducerIdRequest", 6),
    ("ListOffsetsRequest", 11),
    ("ListOffsetsResponse", 11),
    ("OffsetCommitKey", 0),
    ("OffsetCommitKey", 1),
    ("OffsetCommitRequest", 10),
    ("OffsetCommitValue", 0),
    ("OffsetCommitValue", 1),
    ("OffsetCommitValue", 2),
    ("OffsetCommitValue", 3),
    ("OffsetCommitValue", 4),
    ("OffsetFetchRequest", 10),
];

#[test]
fn every_message_round_trips_and_agrees_with_the_oracle() {
    let mut missing = Vec::new();
    let mut faults = Vec::new();
    for_each_message(24, |subject, version, bytes| {
        let bytes = Bytes::from(bytes);
        let name = subject.name;
        match (subject.recode)(bytes.clone(), version) {
            Ok(written) if written == bytes => {}
            Ok(written) => faults.push(format!("{name} v{version}: {bytes:x} became {written:x}")),
            Err(error) => faults.push(format!("{name} v{version}: {error} in {bytes:x}")),
        }
        let oracle = (subject.recode_by_oracle)(bytes.clone(), version);
        match oracle {
            Some(Ok(written)) if written == bytes => {}
            Some(Ok(written)) => {
                faults.push(format!("oracle {name} v{version}: {bytes:x} became {written:x}"));
            }
            Some(Err(error)) => {
                faults.push(format!("oracle {name} v{version}: {error} in {bytes:x}"))
            }
            None if !missing.contains(&(name, version)) => missing.push((name, version)),
            None => {}
        }
    });
    faults.truncate(20);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    missing.sort_unstable();
    assert_eq!(missing, NOT_IN_ORACLE);
}
