//! Record batches against everything that was not written here: batches of the Java client, frames of the
//! codecs' own tools, the kafka-protocol crate, arbitrary records, hostile bytes, and a counting allocator.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of #[test] functions")]

mod allocations;
mod corpus;
mod foreign;
mod oracle;
mod round_trip;

use bytes::Bytes;
use strom_protocol::record::{
    BatchBuilder, BatchHeader, Compression, HEADER_BYTES, HeaderRef, Scratch, VisitError, visit,
};

/// A record with its fields copied out.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owned {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

fn header_of(batch: &[u8]) -> BatchHeader {
    let header = BatchHeader::parse(batch).unwrap();
    assert_eq!(header.total_bytes(), batch.len());
    header
}

fn read_all(batch: &[u8], scratch: &mut Scratch) -> Result<Vec<Owned>, VisitError<()>> {
    let header = header_of(batch);
    let mut records = Vec::new();
    visit(&header, &batch[HEADER_BYTES..], scratch, |record| {
        assert_eq!(record.offset_delta as usize, records.len());
        assert_eq!(record.headers.count(), record.headers.iter().count());
        records.push(Owned {
            timestamp: header.timestamp_of(record.timestamp_delta),
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record
                .headers
                .iter()
                .map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec)))
                .collect(),
        });
        Ok(())
    })?;
    Ok(records)
}

fn append(builder: &mut BatchBuilder, record: &Owned) {
    let headers: Vec<HeaderRef<'_>> =
        record.headers.iter().map(|(key, value)| (&key[..], value.as_deref())).collect();
    builder.append(record.timestamp, record.key.as_deref(), record.value.as_deref(), &headers);
}

fn build(compression: Compression, records: &[Owned]) -> Bytes {
    let mut builder = BatchBuilder::new(compression).producer(4711, 3, 17);
    records.iter().for_each(|record| append(&mut builder, record));
    builder.build()
}
