//! The Arrow side of a segment: schema, record batch messages, footer.
//!
//! Arrow's own writer copies every buffer into one body; here the message is made from Arrow's flatbuffer
//! builders and the buffers go to the object as they are. That what results is an Arrow file, the tests have
//! Arrow's reader say.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::convert::{IpcSchemaEncoder, metadata_to_fb};
use arrow::ipc::writer::{
    DictionaryTracker, EncodedData, IpcDataGenerator, IpcWriteOptions, write_message,
};
use arrow::ipc::{
    Block, BodyCompressionBuilder, BodyCompressionMethod, Buffer, CompressionType, FieldNode,
    FooterBuilder, MessageBuilder, MessageHeader, MetadataVersion, RecordBatchBuilder,
};
use flatbuffers::FlatBufferBuilder;

/// Bodies and buffers begin at multiples of this.
pub(super) const ALIGNMENT: u64 = 64;
const MAGIC: &[u8; 6] = b"ARROW1";
/// The footer's length and the magic behind it.
pub(super) const END_BYTES: usize = 4 + MAGIC.len();
/// What precedes a compressed (or deliberately uncompressed) buffer in a body: its length uncompressed, or -1.
pub(super) const PREFIX_BYTES: usize = 8;
/// The prefix of a buffer that is not compressed in a body whose buffers may be.
pub(super) const RAW_PREFIX: i64 = -1;

/// The schema of raw runs.
pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("timestamp", DataType::Int64, false),
        Field::new("key", DataType::Binary, true),
        Field::new("value", DataType::Binary, true),
        headers_field(),
    ]))
}

/// The headers of a record: a list of key and value, in their order.
pub(super) fn headers_field() -> Field {
    Field::new("headers", DataType::List(Arc::new(header_field())), false)
}

/// One header.
pub(super) fn header_field() -> Field {
    let key = Field::new("key", DataType::Binary, false);
    let value = Field::new("value", DataType::Binary, true);
    Field::new("item", DataType::Struct(vec![key, value].into()), false)
}

/// The beginning of the object: a multiple of [`ALIGNMENT`].
pub(super) fn start() -> Vec<u8> {
    let options = IpcWriteOptions::default();
    let mut tracker = DictionaryTracker::new(true);
    let EncodedData { ipc_message, .. } = IpcDataGenerator::default()
        .schema_to_bytes_with_dictionary_tracker(&schema(), &mut tracker, &options);
    let mut bytes = MAGIC.to_vec();
    bytes.resize(ALIGNMENT as usize, 0);
    let message = EncodedData { ipc_message, arrow_data: Vec::new() };
    write_message(&mut bytes, message, &options).expect("writing to memory does not fail");
    bytes
}

/// What ends the stream of messages before what is ours.
pub(super) const END_OF_STREAM: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// A record batch as its message describes it: fields with rows and nulls, buffers with place and length, both
/// in Arrow's order.
pub(super) struct RecordBatchLayout<'a> {
    pub(super) rows: usize,
    pub(super) fields: &'a [(usize, u32)],
    pub(super) buffers: &'a [(u64, u64)],
    pub(super) body_bytes: u64,
    pub(super) compression: Option<CompressionType>,
}

/// The message of a record batch with prefix and padding: a multiple of [`ALIGNMENT`].
pub(super) fn record_batch_message(layout: &RecordBatchLayout<'_>) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let fields: Vec<FieldNode> = layout
        .fields
        .iter()
        .map(|&(rows, nulls)| FieldNode::new(rows as i64, i64::from(nulls)))
        .collect();
    let buffers: Vec<Buffer> = layout
        .buffers
        .iter()
        .map(|&(position, bytes)| Buffer::new(position as i64, bytes as i64))
        .collect();
    let buffers = builder.create_vector(&buffers);
    let fields = builder.create_vector(&fields);
    let compression = layout.compression.map(|codec| {
        let mut compression = BodyCompressionBuilder::new(&mut builder);
        compression.add_method(BodyCompressionMethod::BUFFER);
        compression.add_codec(codec);
        compression.finish()
    });
    let mut batch = RecordBatchBuilder::new(&mut builder);
    batch.add_length(layout.rows as i64);
    batch.add_nodes(fields);
    batch.add_buffers(buffers);
    if let Some(compression) = compression {
        batch.add_compression(compression);
    }
    let batch = batch.finish().as_union_value();
    let mut message = MessageBuilder::new(&mut builder);
    message.add_version(MetadataVersion::V5);
    message.add_header_type(MessageHeader::RecordBatch);
    message.add_bodyLength(layout.body_bytes as i64);
    message.add_header(batch);
    let message = message.finish();
    builder.finish(message, None);
    framed(builder.finished_data())
}

fn framed(message: &[u8]) -> Vec<u8> {
    let bytes = (PREFIX_BYTES + message.len()).next_multiple_of(ALIGNMENT as usize);
    let mut framed = Vec::with_capacity(bytes);
    framed.extend_from_slice(&END_OF_STREAM[..4]);
    framed.extend_from_slice(&((bytes - PREFIX_BYTES) as u32).to_le_bytes());
    framed.extend_from_slice(message);
    framed.resize(bytes, 0);
    framed
}

/// The end of the object. `blocks` are the record batches' position, message and body bytes.
pub(super) fn footer(blocks: &[(u64, u32, u64)], metadata: (&str, String)) -> Vec<u8> {
    let blocks: Vec<Block> = blocks
        .iter()
        .map(|&(position, message, body)| Block::new(position as i64, message as i32, body as i64))
        .collect();
    let metadata = HashMap::from([(metadata.0.to_owned(), metadata.1)]);
    let mut builder = FlatBufferBuilder::new();
    let dictionaries = builder.create_vector::<Block>(&[]);
    let batches = builder.create_vector(&blocks);
    let schema = IpcSchemaEncoder::new().schema_to_fb_offset(&mut builder, &schema());
    let metadata = metadata_to_fb(&mut builder, &metadata);
    let mut footer = FooterBuilder::new(&mut builder);
    footer.add_version(MetadataVersion::V5);
    footer.add_schema(schema);
    footer.add_dictionaries(dictionaries);
    footer.add_recordBatches(batches);
    footer.add_custom_metadata(metadata);
    let footer = footer.finish();
    builder.finish(footer, None);
    let mut bytes = builder.finished_data().to_vec();
    let footer_bytes = bytes.len() as u32;
    bytes.extend_from_slice(&footer_bytes.to_le_bytes());
    bytes.extend_from_slice(MAGIC);
    bytes
}

/// The length of the footer that these last [`END_BYTES`] of an object tell of.
pub(super) fn footer_bytes(end: &[u8]) -> Option<u64> {
    let (length, magic) = end.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length);
    (magic == MAGIC).then_some(u64::from(length))
}
