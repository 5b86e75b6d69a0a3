use super::*;
use crate::record::{Attributes, BatchBuilder, CompressionError, RecordFault};

fn three_records(compression: Compression) -> Vec<u8> {
    let mut builder = BatchBuilder::new(compression).producer(4711, 3, 17);
    builder.append(1_000, Some(b"a"), Some(b"1"), &[]);
    builder.append(3_000, None, Some(b"2"), &[]);
    builder.append(2_000, Some(b"c"), None, &[]);
    builder.build().to_vec()
}

/// The uncompressed batch with its head changed and its CRC right.
fn changed(change: impl FnOnce(&mut BatchHeader)) -> Vec<u8> {
    let mut batch = three_records(Compression::None);
    let mut header = BatchHeader::parse(&batch).unwrap();
    change(&mut header);
    batch[..HEADER_BYTES].copy_from_slice(&header.encode());
    summed(batch)
}

fn summed(mut batch: Vec<u8>) -> Vec<u8> {
    let crc = crc_of(&batch);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch
}

fn judge(batch: &[u8], rules: &ProduceRules) -> Result<ValidBatch, BatchFault> {
    validate_produced(batch, rules, &mut Scratch::new())
}

fn check(batch: &[u8], fault: &BatchFault, class: FaultClass) {
    assert_eq!(judge(batch, &ProduceRules::ANY).as_ref(), Err(fault));
    assert_eq!(fault.class(), class, "{fault}");
}

#[test]
fn a_good_batch_tells_its_timestamps_and_null_keys() {
    for compression in Compression::ALL {
        let batch = three_records(compression);
        let expected = ValidBatch {
            header: BatchHeader::parse(&batch).unwrap(),
            min_timestamp: 1_000,
            max_timestamp: 3_000,
            max_timestamp_delta: 1,
            has_null_key: true,
            record_bytes: three_records(Compression::None).len() - HEADER_BYTES,
        };
        assert_eq!(judge(&batch, &ProduceRules::ANY), Ok(expected));
        assert!(!expected.max_timestamp_is_wrong());
    }
}

#[test]
fn a_wrong_max_timestamp_is_reported_not_refused() {
    let batch = changed(|header| header.max_timestamp = 999_999);
    let valid = judge(&batch, &ProduceRules::ANY).unwrap();
    assert!(valid.max_timestamp_is_wrong());
    assert_eq!(valid.max_timestamp, 3_000);
}

#[test]
fn framing_faults() {
    use FaultClass::{Corrupt, InvalidRecord};
    let good = three_records(Compression::None);
    check(&[], &BatchFault::Empty, InvalidRecord);
    let twice = good.repeat(2);
    check(&twice, &BatchFault::MoreThanOneBatch(good.len()), InvalidRecord);
    check(&[&good[..], &[0]].concat(), &BatchFault::MoreThanOneBatch(1), InvalidRecord);
    for magic in [0, 1, 3] {
        let batch = changed(|header| header.magic = magic);
        check(&batch, &BatchError::Magic(magic).into(), InvalidRecord);
    }
    let short = changed(|header| header.batch_length = 48);
    check(&short, &BatchError::Length(48).into(), Corrupt);
    let long = changed(|header| header.batch_length = i32::MAX);
    let cut = BatchError::Truncated { needed: 12 + i32::MAX as usize, available: good.len() };
    check(&long, &cut.into(), Corrupt);
    for end in 1..good.len() {
        let fault = judge(&good[..end], &ProduceRules::ANY).unwrap_err();
        assert_eq!(fault.class(), Corrupt, "cut at {end}: {fault}");
    }
    let mut wrong = good.clone();
    wrong[40] ^= 1;
    let (stored, computed) = (crc_of(&good), crc_of(&wrong));
    check(&wrong, &BatchFault::Crc { stored, computed }, Corrupt);
}

#[test]
fn header_faults() {
    use FaultClass::{InvalidRecord, InvalidTimestamp, UnsupportedCompression};
    for code in 5..8 {
        let batch = changed(|header| header.attributes = Attributes(code));
        check(&batch, &BatchError::UnknownCompression(code as u8).into(), UnsupportedCompression);
    }
    let batch = changed(|header| header.base_offset = 1);
    assert!(judge(&batch, &ProduceRules::ANY).is_ok());
    let batch = changed(|header| {
        header.base_offset = 1;
        header.attributes = header.attributes.with_compression(Compression::Lz4);
    });
    check(&batch, &BatchFault::BaseOffset(1), InvalidRecord);
    let batch = changed(|header| header.attributes = header.attributes.with_control(true));
    check(&batch, &BatchFault::Control, InvalidRecord);
    let batch = changed(|header| header.attributes = header.attributes.with_log_append_time(true));
    check(&batch, &BatchFault::LogAppendTime, InvalidTimestamp);
    let batch = changed(|header| {
        header.attributes = header.attributes.with_transactional(true);
        header.producer_id = -1;
    });
    check(&batch, &BatchFault::TransactionalWithoutProducerId, InvalidRecord);
    let batch = changed(|header| header.producer_epoch = -1);
    let fault = BatchFault::ProducerEpoch { producer_id: 4711, epoch: -1 };
    check(&batch, &fault, InvalidRecord);
    let batch = changed(|header| header.base_sequence = -1);
    let fault = BatchFault::BaseSequence { producer_id: 4711, base_sequence: -1 };
    check(&batch, &fault, InvalidRecord);
    for (record_count, last_offset_delta) in
        [(0, -1), (-1, -2), (0, 0), (3, 3), (2, 2), (i32::MIN, i32::MAX), (1, 0x7fff_ffff)]
    {
        let batch = changed(|header| {
            header.record_count = record_count;
            header.last_offset_delta = last_offset_delta;
        });
        check(&batch, &BatchFault::Count { record_count, last_offset_delta }, InvalidRecord);
    }
}

#[test]
fn epoch_and_sequence_mean_nothing_without_a_producer() {
    // kafkajs sends -1, 0, 0, the others -1, -1, -1.
    for (producer_epoch, base_sequence) in [(0, 0), (-1, -1)] {
        let batch = changed(|header| {
            header.producer_id = -1;
            header.producer_epoch = producer_epoch;
            header.base_sequence = base_sequence;
        });
        assert!(judge(&batch, &ProduceRules::ANY).is_ok());
    }
}

#[test]
fn record_faults() {
    use FaultClass::InvalidRecord;
    let counted = |record_count: i32| {
        changed(|header| {
            header.record_count = record_count;
            header.last_offset_delta = record_count - 1;
        })
    };
    // The third record's nine bytes are one too many.
    check(&counted(2), &BatchError::TrailingBytes(9).into(), InvalidRecord);
    let missing = BatchError::Record { index: 3, fault: RecordFault::Truncated };
    check(&counted(4), &missing.clone().into(), InvalidRecord);
    check(&counted(i32::MAX), &missing.into(), InvalidRecord);

    // The first record's offset delta is behind length, attributes and timestamp delta.
    let mut batch = three_records(Compression::None);
    batch[HEADER_BYTES + 3] = 2;
    let fault = BatchFault::OffsetDelta { index: 0, offset_delta: 1 };
    check(&summed(batch), &fault, InvalidRecord);
    assert_eq!(fault.record_errors().len(), 1);

    let batch = changed(|header| header.base_timestamp = i64::MAX - 100);
    check(&batch, &BatchFault::TimestampOverflow { index: 1 }, InvalidRecord);
}

#[test]
fn what_the_topic_decides() {
    let batch = three_records(Compression::Zstd);
    let rules = ProduceRules { zstd_allowed: false, ..ProduceRules::ANY };
    let fault = judge(&batch, &rules).unwrap_err();
    assert_eq!(
        (&fault, fault.class()),
        (&BatchFault::ZstdNotAllowed, FaultClass::UnsupportedCompression)
    );
    assert!(judge(&three_records(Compression::Lz4), &rules).is_ok());

    let rules = ProduceRules { require_keys: true, ..ProduceRules::ANY };
    let fault = judge(&batch, &rules).unwrap_err();
    assert_eq!(
        (&fault, fault.class()),
        (&BatchFault::NullKeys(vec![1]), FaultClass::InvalidRecord)
    );
    assert_eq!(fault.record_errors(), [(1, "the record has no key".to_owned())]);

    let bounds = |timestamp_min, timestamp_max| ProduceRules {
        timestamp_min,
        timestamp_max,
        ..ProduceRules::ANY
    };
    assert!(judge(&batch, &bounds(1_000, 3_000)).is_ok(), "bounds are inclusive");
    let fault = judge(&batch, &bounds(1_001, 2_999)).unwrap_err();
    assert_eq!(fault.class(), FaultClass::InvalidTimestamp);
    let records = vec![(0, 1_000), (1, 3_000)];
    assert_eq!(fault, BatchFault::Timestamps { min: 1_001, max: 2_999, records });
    let errors = fault.record_errors();
    assert_eq!(errors[1].0, 1);
    assert!(errors[1].1.contains("3000") && errors[1].1.contains("[1001, 2999]"), "{errors:?}");

    let mut builder = BatchBuilder::new(Compression::None);
    builder.append(-1, Some(b"k"), None, &[]);
    let valid = judge(&builder.build(), &bounds(1_000, 3_000)).unwrap();
    assert_eq!(
        (valid.min_timestamp, valid.max_timestamp),
        (-1, -1),
        "no timestamp is in no bounds"
    );
}

#[test]
fn control_batches_are_the_brokers() {
    let marker = crate::record::EndTransactionMarker { committed: false, coordinator_epoch: 1 };
    let batch = crate::record::control_batch(marker, 4711, 3, 1_000);
    assert_eq!(judge(&batch, &ProduceRules::ANY), Err(BatchFault::Control));
    let rules = ProduceRules { control_allowed: true, ..ProduceRules::ANY };
    assert!(judge(&batch, &rules).is_ok());
}

#[test]
fn listed_records_are_bounded() {
    let mut builder = BatchBuilder::new(Compression::None);
    for _ in 0..10 * MAX_RECORD_ERRORS {
        builder.append(5, None, None, &[]);
    }
    let batch = builder.build();
    let rules = ProduceRules { timestamp_min: 6, ..ProduceRules::ANY };
    assert_eq!(judge(&batch, &rules).unwrap_err().record_errors().len(), MAX_RECORD_ERRORS);
    let rules = ProduceRules { require_keys: true, ..ProduceRules::ANY };
    assert_eq!(judge(&batch, &rules).unwrap_err().record_errors().len(), MAX_RECORD_ERRORS);
}

#[test]
fn a_bomb_is_refused_with_the_limit() {
    for compression in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd]
    {
        let records = |bytes: usize| {
            let mut builder = BatchBuilder::new(compression);
            builder.append(0, None, Some(&vec![0; bytes]), &[]);
            (builder.uncompressed_bytes() - HEADER_BYTES, builder.build())
        };
        let (limit, fits) = records(100_000);
        let (_, too_large) = records(100_001);
        let mut scratch = Scratch::with_limit(limit);
        for _ in 0..2 {
            validate_produced(&fits, &ProduceRules::ANY, &mut scratch).unwrap();
            let fault =
                validate_produced(&too_large, &ProduceRules::ANY, &mut scratch).unwrap_err();
            let expected = BatchError::Decompress(CompressionError::TooLarge { limit });
            assert_eq!(fault, BatchFault::Batch(expected), "{compression}");
            assert_eq!(fault.class(), FaultClass::InvalidRecord);
            assert!(fault.to_string().contains(&format!("limit of {limit} bytes")), "{fault}");
        }
    }
}
