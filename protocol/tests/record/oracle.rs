//! The kafka-protocol crate reads what we write and the other way round, for every codec. Its headers go
//! through a map, so the records here have no duplicate header keys, and its header keys are UTF-8.

use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records as oracle;
use strom_protocol::record::{Compression, ProduceRules, Scratch, validate_produced};

use crate::{Owned, build, read_all};

fn records() -> Vec<Owned> {
    let pairs = |count: usize| -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        (0..count)
            .map(|i| (format!("k{i}").into_bytes(), (i % 3 != 0).then(|| vec![i as u8; i])))
            .collect()
    };
    (0..2_000_usize)
        .map(|i| Owned {
            timestamp: 1_700_000_000_000 + (i as i64 * 7_919) % 100_000,
            key: (i % 4 != 0).then(|| format!("key-{}", "k".repeat(i % 70)).into_bytes()),
            value: (i % 5 != 0).then(|| vec![b'a' + (i % 26) as u8; i % 300]),
            headers: pairs(i % 4),
        })
        .collect()
}

fn theirs(compression: Compression) -> oracle::Compression {
    match compression {
        Compression::None => oracle::Compression::None,
        Compression::Gzip => oracle::Compression::Gzip,
        Compression::Snappy => oracle::Compression::Snappy,
        Compression::Lz4 => oracle::Compression::Lz4,
        Compression::Zstd => oracle::Compression::Zstd,
    }
}

fn to_oracle(index: usize, record: &Owned) -> oracle::Record {
    let headers: IndexMap<StrBytes, Option<Bytes>> = record
        .headers
        .iter()
        .map(|(key, value)| {
            let key = StrBytes::from_string(String::from_utf8(key.clone()).unwrap());
            (key, value.clone().map(Bytes::from))
        })
        .collect();
    oracle::Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: 4711,
        producer_epoch: 3,
        timestamp_type: oracle::TimestampType::Creation,
        offset: index as i64,
        sequence: 17 + index as i32,
        timestamp: record.timestamp,
        key: record.key.clone().map(Bytes::from),
        value: record.value.clone().map(Bytes::from),
        headers,
    }
}

#[test]
fn the_oracle_reads_what_we_build() {
    let records = records();
    for compression in Compression::ALL {
        let mut batch = build(compression, &records);
        let set = oracle::RecordBatchDecoder::decode(&mut batch).unwrap();
        assert_eq!(set.compression, theirs(compression));
        assert_eq!(set.records.len(), records.len());
        for (index, (read, record)) in set.records.iter().zip(&records).enumerate() {
            assert_eq!(*read, to_oracle(index, record), "{compression} record {index}");
        }
    }
}

#[test]
fn we_read_what_the_oracle_builds() {
    let records = records();
    let given: Vec<_> = records.iter().enumerate().map(|(i, r)| to_oracle(i, r)).collect();
    let mut scratch = Scratch::new();
    for compression in Compression::ALL {
        let mut batch = BytesMut::new();
        let options = oracle::RecordEncodeOptions { version: 2, compression: theirs(compression) };
        oracle::RecordBatchEncoder::encode(&mut batch, &given, &options).unwrap();
        assert_eq!(read_all(&batch, &mut scratch).unwrap(), records, "{compression}");
        let valid = validate_produced(&batch, &ProduceRules::ANY, &mut scratch).unwrap();
        assert!(!valid.max_timestamp_is_wrong());
        assert!(valid.has_null_key);
    }
}

#[test]
fn uncompressed_batches_equal_the_oracles() {
    let records = records();
    let given: Vec<_> = records.iter().enumerate().map(|(i, r)| to_oracle(i, r)).collect();
    let mut batch = BytesMut::new();
    let options =
        oracle::RecordEncodeOptions { version: 2, compression: oracle::Compression::None };
    oracle::RecordBatchEncoder::encode(&mut batch, &given, &options).unwrap();
    // The oracle takes the least timestamp as the base, we the first: here they are the same.
    assert_eq!(build(Compression::None, &records), batch);
}
