//! Size prefix and headers around a request or a response.
//!
//! ```text
//! request:   size i32 | api key i16 | api version i16 | correlation i32 | client id | [tags] | body
//! response:  size i32 | correlation i32 | [tags] | body
//! ```
//!
//! The reader and writer of the socket strip and keep the size prefix; [`decode_request_header`]
//! starts behind it, [`encode_response`] puts it in.

use bytes::Bytes;
use bytestring::ByteString;

use crate::api::{ApiKey, Request, Response, request_header_version, response_header_version};
use crate::wire::{DecodeError, EncodeError, Reader, Writer};

/// Room for the values of a small response, so that it takes one allocation.
const RESPONSE_BYTES_GUESS: usize = 256;

/// What stands before every request body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestHeader {
    /// Kafka's number of the API, which need not be one that is served.
    pub api_key: i16,
    /// The version of the body, which need not be one that is served.
    pub api_version: i16,
    /// Chosen by the client, returned in the response.
    pub correlation_id: i32,
    /// The client's name for itself.
    pub client_id: Option<ByteString>,
}

/// Reads the header of a request and leaves `reader` at its body.
///
/// For an API that is not served, and for ApiVersions in an unknown version, the fields that all
/// header versions share are still returned; the body is then not to be read.
pub fn decode_request_header(reader: &mut Reader) -> Result<RequestHeader, DecodeError> {
    let mut header = RequestHeader {
        api_key: reader.i16()?,
        api_version: reader.i16()?,
        correlation_id: reader.i32()?,
        client_id: None,
    };
    let Some(key) = ApiKey::from_code(header.api_key) else { return Ok(header) };
    header.client_id = reader.string_or_null(false)?;
    let is_served = key.spec().serves(header.api_version);
    if is_served && request_header_version(key, header.api_version) >= 2 {
        reader.skip_tagged_fields()?;
    }
    Ok(header)
}

/// Encodes a response with its size prefix, as pieces for one vectored write.
pub fn encode_response(
    correlation_id: i32,
    key: ApiKey,
    version: i16,
    body: &Response,
) -> Result<Vec<Bytes>, EncodeError> {
    assert_eq!(body.api_key(), key, "the response answers another request");
    let mut writer = Writer::with_capacity(RESPONSE_BYTES_GUESS);
    writer.put_i32(0);
    writer.put_i32(correlation_id);
    if response_header_version(key, version) >= 1 {
        writer.put_uvarint(0);
    }
    body.encode(version, &mut writer)?;
    writer.set_size_prefix()?;
    Ok(writer.into_chunks())
}

/// Reads the header of a response to a request of this API and version (clients and tests);
/// returns the correlation id.
pub fn decode_response_header(
    key: ApiKey,
    version: i16,
    reader: &mut Reader,
) -> Result<i32, DecodeError> {
    let correlation_id = reader.i32()?;
    if response_header_version(key, version) >= 1 {
        reader.skip_tagged_fields()?;
    }
    Ok(correlation_id)
}

/// Encodes a request with its size prefix (clients and tests).
pub fn encode_request(
    correlation_id: i32,
    client_id: Option<&str>,
    version: i16,
    body: &Request,
) -> Result<Bytes, EncodeError> {
    let key = body.api_key();
    let mut writer = Writer::with_capacity(RESPONSE_BYTES_GUESS);
    writer.put_i32(0);
    writer.put_i16(key.code());
    writer.put_i16(version);
    writer.put_i32(correlation_id);
    writer.put_string_or_null(false, client_id)?;
    if request_header_version(key, version) >= 2 {
        writer.put_uvarint(0);
    }
    body.encode(version, &mut writer)?;
    writer.set_size_prefix()?;
    Ok(writer.into_bytes())
}
