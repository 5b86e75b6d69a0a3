//! What the fuzz targets call, one function per target: anything may be put in, and none may
//! panic. `hostile.rs` replays the checked-in corpora through the same functions.

use strom_protocol::Bytes;
use strom_protocol::api::{ApiKey, Request, Response, SERVED};
use strom_protocol::frame;
use strom_protocol::wire::{Reader, Writer};

/// Takes any bytes and panics when something is wrong with us.
pub type Check = fn(&[u8]);

/// The checks, each behind the directory of its corpus in `fuzz/corpus`.
pub const ALL: &[(&str, Check)] =
    &[("request_frame", request_frame), ("response_body", response_body)];

/// A request as it arrives behind its size prefix. What can be read must be written and read again
/// with the same result.
pub fn request_frame(data: &[u8]) {
    let mut reader = Reader::new(Bytes::copy_from_slice(data));
    let Ok(header) = frame::decode_request_header(&mut reader) else { return };
    let Some(key) = ApiKey::from_code(header.api_key) else { return };
    let Ok(request) = Request::decode(key, header.api_version, &mut reader) else { return };
    let mut writer = Writer::new();
    request
        .encode(header.api_version, &mut writer)
        .expect("a request that was read can be written");
    let again = Request::decode(key, header.api_version, &mut Reader::new(writer.into_bytes()));
    assert_eq!(again.as_ref(), Ok(&request));
}

/// A response body behind one byte that chooses the API and one for the version.
pub fn response_body(data: &[u8]) {
    let [api, version, body @ ..] = data else { return };
    let key = SERVED[usize::from(*api) % SERVED.len()].key;
    let version = i16::from(*version);
    let mut reader = Reader::new(Bytes::copy_from_slice(body));
    let Ok(response) = Response::decode(key, version, &mut reader) else { return };
    let mut writer = Writer::new();
    response.encode(version, &mut writer).expect("a response that was read can be written");
    let again = Response::decode(key, version, &mut Reader::new(writer.into_bytes()));
    assert_eq!(again.as_ref(), Ok(&response));
}
