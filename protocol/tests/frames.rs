//! Size prefix and headers: ours against kafka-protocol's for every served API and version.

#![allow(clippy::unwrap_used, reason = "a test may")]

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey as TheirKey, RequestHeader as TheirHeader};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use strom_protocol::api::{
    ApiKey, Request, Response, SERVED, request_header_version, response_header_version,
};
use strom_protocol::frame::{self, RequestHeader};
use strom_protocol::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use strom_protocol::messages::fetch::{FetchResponse, FetchableTopicResponse, PartitionData};
use strom_protocol::messages::heartbeat::HeartbeatResponse;
use strom_protocol::wire::{Reader, Records};
use strom_protocol::{ByteString, ErrorCode};

fn each_served_version(mut check: impl FnMut(ApiKey, i16, TheirKey)) {
    for spec in SERVED {
        let their_key = TheirKey::try_from(spec.key.code()).unwrap();
        for version in spec.min..=spec.max {
            check(spec.key, version, their_key);
        }
    }
}

#[test]
fn header_versions_agree_with_the_oracle() {
    each_served_version(|key, version, their_key| {
        let ours = (request_header_version(key, version), response_header_version(key, version));
        let theirs =
            (their_key.request_header_version(version), their_key.response_header_version(version));
        assert_eq!(ours, theirs, "{key} v{version}");
    });
    assert_eq!(response_header_version(ApiKey::ApiVersions, 4), 0);
}

#[test]
fn request_headers_of_the_oracle_are_read() {
    each_served_version(|key, version, their_key| {
        for client_id in [Some("kafka-client"), Some(""), None] {
            let header = TheirHeader::default()
                .with_request_api_key(key.code())
                .with_request_api_version(version)
                .with_correlation_id(-7)
                .with_client_id(client_id.map(StrBytes::from_static_str));
            let mut bytes = BytesMut::new();
            header.encode(&mut bytes, their_key.request_header_version(version)).unwrap();
            bytes.extend(*b"body");
            let mut reader = Reader::new(bytes.freeze());
            let expected = RequestHeader {
                api_key: key.code(),
                api_version: version,
                correlation_id: -7,
                client_id: client_id.map(ByteString::from_static),
            };
            assert_eq!(frame::decode_request_header(&mut reader), Ok(expected));
            assert_eq!(reader.remaining(), 4, "{key} v{version}");
        }
    });
}

#[test]
fn encoded_requests_are_read_back_and_by_the_oracle() {
    let request = Request::from(ApiVersionsRequest {
        client_software_name: "strom".into(),
        client_software_version: "1".into(),
    });
    let mut bytes = frame::encode_request(9, Some("c"), 3, &request).unwrap();
    let size = i32::from_be_bytes(bytes.split_to(4)[..].try_into().unwrap());
    assert_eq!(size as usize, bytes.len());
    let theirs = TheirHeader::decode(&mut bytes.clone(), 2).unwrap();
    assert_eq!((theirs.correlation_id, theirs.request_api_version), (9, 3));
    let mut reader = Reader::new(bytes);
    let header = frame::decode_request_header(&mut reader).unwrap();
    assert_eq!((header.correlation_id, header.client_id), (9, Some("c".into())));
    assert_eq!(Request::decode(ApiKey::ApiVersions, 3, &mut reader), Ok(request));
}

#[test]
fn responses_have_golden_bytes() {
    let rows: &[(ApiKey, i16, Response, &[u8])] = &[
        (
            ApiKey::Heartbeat,
            3,
            HeartbeatResponse { throttle_time_ms: 0, error_code: 27 }.into(),
            &[0, 0, 0, 10, 0, 0, 0, 42, 0, 0, 0, 0, 0, 27],
        ),
        (
            ApiKey::Heartbeat,
            4,
            HeartbeatResponse { throttle_time_ms: 0, error_code: 27 }.into(),
            &[0, 0, 0, 12, 0, 0, 0, 42, 0, 0, 0, 0, 0, 0, 27, 0],
        ),
        // The answer to an unknown version of ApiVersions: version 0, and no tags in the header.
        (
            ApiKey::ApiVersions,
            0,
            ApiVersionsResponse { error_code: 35, ..Default::default() }.into(),
            &[0, 0, 0, 10, 0, 0, 0, 42, 0, 35, 0, 0, 0, 0],
        ),
        (
            ApiKey::ApiVersions,
            3,
            ApiVersionsResponse { error_code: 0, ..Default::default() }.into(),
            &[0, 0, 0, 12, 0, 0, 0, 42, 0, 0, 1, 0, 0, 0, 0, 0],
        ),
    ];
    for (key, version, response, expected) in rows {
        let chunks = frame::encode_response(42, *key, *version, response).unwrap();
        assert_eq!(chunks.concat(), *expected, "{key} v{version}");
        let mut reader = Reader::new(chunks.concat().into());
        reader.i32().unwrap();
        assert_eq!(frame::decode_response_header(*key, *version, &mut reader), Ok(42));
        assert_eq!(Response::decode(*key, *version, &mut reader).as_ref(), Ok(response));
    }
}

#[test]
fn fetched_batches_are_linked_and_not_copied() {
    let body = Bytes::from(vec![7u8; 4096]);
    let head = Bytes::from(vec![1u8; 61]);
    let partition = |index| PartitionData {
        partition_index: index,
        records: Some(Records { chunks: vec![head.clone(), body.clone(), head.clone()] }),
        ..Default::default()
    };
    let topic = FetchableTopicResponse {
        topic: "events".into(),
        partitions: vec![partition(0), partition(1)],
        ..Default::default()
    };
    let response = FetchResponse { responses: vec![topic], ..Default::default() };
    let response = Response::from(response);
    for version in [4, 12] {
        let chunks = frame::encode_response(1, ApiKey::Fetch, version, &response).unwrap();
        let linked: Vec<usize> =
            (0..chunks.len()).filter(|&index| chunks[index].as_ptr() == body.as_ptr()).collect();
        assert_eq!((chunks.len(), linked), (5, vec![1, 3]), "v{version}");
        let whole = Bytes::from(chunks.concat());
        assert_eq!(whole[..4], i32::to_be_bytes(whole.len() as i32 - 4));
        let mut reader = Reader::new(whole.slice(4..));
        frame::decode_response_header(ApiKey::Fetch, version, &mut reader).unwrap();
        assert_eq!(Response::decode(ApiKey::Fetch, version, &mut reader).as_ref(), Ok(&response));
    }
}

#[test]
fn the_table_is_ordered_and_consistent() {
    for pair in SERVED.windows(2) {
        assert!(pair[0].key < pair[1].key);
    }
    for spec in SERVED {
        assert!(spec.min <= spec.max && spec.advertised_min <= spec.min);
        assert_eq!(ApiKey::from_code(spec.key.code()), Some(spec.key));
        assert_eq!(spec.key.name(), spec.name);
    }
    assert_eq!(ApiKey::Produce.spec().advertised_min, 0);
    assert_eq!(ApiKey::from_code(999), None);
}

#[test]
fn error_codes_agree_with_the_oracle() {
    use kafka_protocol::error::ResponseError;
    let mut compared = 0;
    for &error in ErrorCode::ALL {
        let theirs = ResponseError::try_from_code(error.code());
        match theirs {
            None => assert_eq!(error, ErrorCode::None),
            // What kafka-protocol does not know is newer than it.
            Some(ResponseError::Unknown(code)) => assert!(code > 127, "{error}"),
            Some(theirs) => {
                assert_eq!(format!("{theirs:?}"), format!("{error:?}"));
                compared += 1;
            }
        }
    }
    assert!(compared > 120, "{compared}");
}
