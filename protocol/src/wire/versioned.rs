//! Data that carries its version in its first two bytes: the keys and values of
//! `__consumer_offsets` and the metadata of the consumer protocol.

use bytes::Bytes;

use super::{DecodeError, EncodeError, Message, Reader, Writer};

/// Reads a message behind its version; bytes after it are ignored, as Kafka does, so that a later
/// version may append fields. Returns the version too.
pub fn decode_versioned<M: Message>(bytes: Bytes) -> Result<(i16, M), DecodeError> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16()?;
    Ok((version, M::decode(&mut reader, version)?))
}

/// Writes a message behind its version.
pub fn encode_versioned<M: Message>(message: &M, version: i16) -> Result<Bytes, EncodeError> {
    let mut writer = Writer::with_capacity(128);
    writer.put_i16(version);
    message.encode(&mut writer, version)?;
    Ok(writer.into_bytes())
}
