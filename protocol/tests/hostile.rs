//! Bytes that no honest client sends: everything is refused or read, nothing panics.
//!
//! What it may cost in memory is measured in `allocation.rs`.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use bytes::Bytes;
use proptest::prelude::*;
use strom_protocol::api::{ApiKey, Request, SERVED};
use strom_protocol::frame;
use strom_protocol::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use strom_protocol::messages::metadata::MetadataRequest;
use strom_protocol::wire::{DecodeError, Message, Reader, Writer};
use support::{checks, for_each_message, subjects};

fn decode<M: Message>(bytes: &'static [u8], version: i16) -> Result<M, DecodeError> {
    M::decode(&mut Reader::new(Bytes::from_static(bytes)), version)
}

#[test]
fn every_truncation_of_every_message_is_refused() {
    for_each_message(3, |subject, version, bytes| {
        let bytes = Bytes::from(bytes);
        assert_eq!((subject.decode)(bytes.clone(), version), Ok(()));
        for length in 0..bytes.len() {
            let result = (subject.decode)(bytes.slice(..length), version);
            assert!(result.is_err(), "{} v{version} cut to {length} of {bytes:x}", subject.name);
        }
    });
}

#[test]
fn every_flipped_byte_of_every_message_is_survived() {
    for_each_message(3, |subject, version, bytes| {
        for index in 0..bytes.len() {
            for value in [0x00, 0x7f, 0x80, 0xff] {
                let mut bytes = bytes.clone();
                bytes[index] = value;
                let _ = (subject.decode)(Bytes::from(bytes), version);
            }
        }
    });
}

#[test]
fn a_huge_array_length_is_refused() {
    let rows: &[(&[u8], i16)] = &[
        (&[0x7f, 0xff, 0xff, 0xff, 0], 1),
        (&[0x7f, 0xff, 0xff, 0xff], 0),
        (&[0xff, 0xff, 0xff, 0xff, 0x0f], 9),
        (&[0xff, 0xff, 0xff, 0xff, 0x07, 0, 0], 12),
    ];
    for &(bytes, version) in rows {
        let result = decode::<MetadataRequest>(bytes, version);
        assert!(matches!(result, Err(DecodeError::UnexpectedEnd { .. })), "{result:?}");
    }
}

#[test]
fn lengths_below_minus_one_are_refused() {
    let result = decode::<MetadataRequest>(&[0xff, 0xff, 0xff, 0xfe], 1);
    assert_eq!(result, Err(DecodeError::InvalidLength(-2)));
    let result = decode::<ApiVersionsRequest>(&[0xff, 0xff, 0xff, 0xff, 0x1f], 3);
    assert_eq!(result, Err(DecodeError::InvalidVarint));
    let result = decode::<ApiVersionsRequest>(&[0xff, 0xff, 0xff, 0xff, 0xff, 0x01], 3);
    assert_eq!(result, Err(DecodeError::InvalidVarint));
}

#[test]
fn null_and_empty_arrays_are_told_apart_where_kafka_does() {
    let topics = |bytes, version| decode::<MetadataRequest>(bytes, version).map(|m| m.topics);
    assert_eq!(topics(&[0xff, 0xff, 0xff, 0xff], 1), Ok(None));
    assert_eq!(topics(&[0, 0, 0, 0], 1), Ok(Some(Vec::new())));
    assert_eq!(topics(&[0, 0, 0, 0, 0], 9), Ok(None));
    assert_eq!(topics(&[1, 0, 0, 0, 0], 9), Ok(Some(Vec::new())));
    // Version 0 has no null, but clients send one: it is read as the empty array.
    assert_eq!(topics(&[0xff, 0xff, 0xff, 0xff], 0), Ok(Some(Vec::new())));
}

#[test]
fn null_is_refused_for_strings_that_must_not_be_null() {
    let result = decode::<ApiVersionsRequest>(&[0, 1, 0], 3);
    assert_eq!(result, Err(DecodeError::InvalidLength(-1)));
}

#[test]
fn invalid_utf8_is_refused() {
    let result = decode::<ApiVersionsRequest>(&[2, 0xff, 1, 0], 3);
    assert_eq!(result, Err(DecodeError::InvalidUtf8));
}

#[test]
fn unknown_tagged_fields_are_skipped() {
    let name = |tags: &[u8]| {
        let bytes = Bytes::from([&[2, b'n', 2, b'v'], tags].concat());
        let mut reader = Reader::new(bytes);
        let message = ApiVersionsRequest::decode(&mut reader, 3)?;
        reader.finish()?;
        Ok(message.client_software_name)
    };
    assert_eq!(name(&[0]), Ok("n".into()));
    assert_eq!(name(&[1, 77, 3, 1, 2, 3]), Ok("n".into()));
    assert_eq!(name(&[2, 0, 0, 0xff, 0x01, 1, 9]), Ok("n".into()));
    assert_eq!(name(&[2, 5, 0, 5, 0]), Err(DecodeError::InvalidTaggedField(5)));
    assert!(matches!(name(&[1, 77, 4, 1, 2, 3]), Err(DecodeError::UnexpectedEnd { .. })));
    assert!(matches!(name(&[9, 77, 1, 1]), Err(DecodeError::UnexpectedEnd { .. })));
}

#[test]
fn a_tagged_field_of_another_size_is_refused() {
    // Tag 1 is FinalizedFeaturesEpoch, an int64.
    let response = |size: u8| {
        let mut bytes = vec![0, 0, 1, 0, 0, 0, 0, 1, 1, size];
        bytes.extend(vec![7; usize::from(size)]);
        ApiVersionsResponse::decode(&mut Reader::new(bytes.into()), 3)
    };
    assert_eq!(response(8).unwrap().finalized_features_epoch, 0x0707_0707_0707_0707);
    assert_eq!(response(9), Err(DecodeError::InvalidTaggedField(1)));
    assert_eq!(response(7), Err(DecodeError::UnexpectedEnd { needed: 8, remaining: 7 }));
}

#[test]
fn versions_that_are_not_served_are_refused() {
    for spec in SERVED {
        for version in [i16::MIN, -1, spec.min - 1, spec.max + 1, i16::MAX] {
            let result = Request::decode(spec.key, version, &mut Reader::new(Bytes::new()));
            let api_key = spec.key.code();
            assert_eq!(result, Err(DecodeError::UnsupportedVersion { api_key, version }));
        }
    }
}

#[test]
fn bytes_after_a_request_are_ignored_as_in_kafka() {
    let mut writer = Writer::new();
    MetadataRequest::default().encode(&mut writer, 12).unwrap();
    writer.put_i8(0);
    let mut reader = Reader::new(writer.into_bytes());
    let result = Request::decode(ApiKey::Metadata, 12, &mut reader);
    assert_eq!(result, Ok(MetadataRequest::default().into()));
}

#[test]
fn apiversions_of_an_unknown_version_still_has_a_header() {
    for (version, rest) in
        [(5, &b"\x00\x03abc\x00"[..]), (99, b"\xff\xff\x01\x02"), (-1, b"\x00\x00")]
    {
        let mut bytes = vec![0, 18];
        bytes.extend(i16::to_be_bytes(version));
        bytes.extend([0, 0, 0, 42]);
        bytes.extend(rest);
        let header = frame::decode_request_header(&mut Reader::new(bytes.into())).unwrap();
        assert_eq!((header.api_key, header.api_version, header.correlation_id), (18, version, 42));
    }
}

#[test]
fn corpora_replay_without_a_panic() {
    for (directory, check) in checks::ALL {
        let path = format!("{}/fuzz/corpus/{directory}", env!("CARGO_MANIFEST_DIR"));
        let mut count = 0;
        for entry in std::fs::read_dir(&path).unwrap_or_else(|error| panic!("{path}: {error}")) {
            check(&std::fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "{path} is empty");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn random_bytes_never_panic(
        subject in 0..subjects::all().len(),
        version in 0i16..19,
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = (subjects::all()[subject].decode)(Bytes::from(bytes), version);
    }

    #[test]
    fn random_frames_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        checks::request_frame(&bytes);
    }

    #[test]
    fn random_small_lengths_never_panic(
        subject in 0..subjects::all().len(),
        version in 0i16..19,
        bytes in proptest::collection::vec(0u8..6, 0..200),
    ) {
        let _ = (subjects::all()[subject].decode)(Bytes::from(bytes), version);
    }
}
