use super::*;

/// A head with a different value in every field, written out by hand from the table in the module's docs.
const GOLDEN: [u8; HEADER_BYTES] = [
    0,
    0,
    0,
    0,
    0,
    0,
    0x30,
    0x39, // base offset 12345
    0,
    0,
    0,
    49, // batch length: nothing behind the head
    0,
    0,
    0,
    7, // leader epoch
    2, // magic
    0xde,
    0xad,
    0xbe,
    0xef, // crc
    0,
    0b0001_1100, // zstd, LogAppendTime, transactional
    0,
    0,
    0,
    9, // last offset delta
    0,
    0,
    1,
    0x8b,
    0xcf,
    0xe5,
    0x68,
    0, // base timestamp 1700000000000
    0,
    0,
    1,
    0x8b,
    0xcf,
    0xe5,
    0x68,
    5, // max timestamp
    0,
    0,
    0,
    0,
    0,
    0,
    0x12,
    0x67, // producer id 4711
    0,
    3, // producer epoch
    0,
    0,
    0,
    17, // base sequence
    0,
    0,
    0,
    8, // record count
];

fn golden() -> BatchHeader {
    BatchHeader {
        base_offset: 12345,
        batch_length: 49,
        partition_leader_epoch: 7,
        magic: 2,
        crc: 0xdead_beef,
        attributes: Attributes(0b0001_1100),
        last_offset_delta: 9,
        base_timestamp: 1_700_000_000_000,
        max_timestamp: 1_700_000_000_005,
        producer_id: 4711,
        producer_epoch: 3,
        base_sequence: 17,
        record_count: 8,
    }
}

#[test]
fn the_head_has_its_golden_bytes() {
    let header = BatchHeader::parse(&GOLDEN).unwrap();
    assert_eq!(header, golden());
    assert_eq!(header.encode(), GOLDEN);
    assert_eq!(header.total_bytes(), HEADER_BYTES);
    assert_eq!(header.last_offset(), 12354);
    assert_eq!(header.attributes.compression(), Ok(Compression::Zstd));
    assert_eq!(header.timestamp_of(-3), 1_700_000_000_005, "LogAppendTime wins over the delta");
}

#[test]
fn heads_that_cannot_be_are_refused() {
    let check = |bytes: &[u8], expected: BatchError| {
        assert_eq!(BatchHeader::parse(bytes), Err(expected));
    };
    for available in 0..HEADER_BYTES {
        check(&GOLDEN[..available], BatchError::Truncated { needed: HEADER_BYTES, available });
    }
    for magic in [-1_i8, 0, 1, 3] {
        let mut old = GOLDEN;
        old[16] = magic as u8;
        check(&old, BatchError::Magic(magic));
        // Message sets of the older formats can be shorter than our head.
        check(&old[..17], BatchError::Magic(magic));
    }
    for length in [i32::MIN, -1, 0, 48] {
        let mut short = GOLDEN;
        short[8..12].copy_from_slice(&length.to_be_bytes());
        check(&short, BatchError::Length(length));
    }
}

#[test]
fn attributes_keep_the_bits_they_do_not_name() {
    let odd = Attributes(0x7f80_u16 as i16);
    let all = odd
        .with_compression(Compression::Snappy)
        .with_log_append_time(true)
        .with_transactional(true)
        .with_control(true);
    assert_eq!(all.0, 0x7f80 | 0b0011_1010);
    assert!(all.is_log_append_time() && all.is_transactional() && all.is_control());
    assert!(!all.has_delete_horizon());
    let none = all
        .with_compression(Compression::None)
        .with_log_append_time(false)
        .with_transactional(false)
        .with_control(false);
    assert_eq!(none, odd);
    for compression in Compression::ALL {
        assert_eq!(odd.with_compression(compression).compression(), Ok(compression));
    }
    for unknown in 5..8 {
        let error = BatchError::UnknownCompression(unknown);
        assert_eq!(Attributes(i16::from(unknown)).compression(), Err(error));
    }
}

#[test]
fn the_crc_is_castagnolis_from_the_attributes_on() {
    // "123456789" is the check value of CRC-32C: E3069283.
    let batch = [&[0x55; 21][..], b"123456789"].concat();
    assert_eq!(crc_of(&batch), 0xe306_9283);
    assert_eq!(crc_of(&[0x55; 21]), 0);
    assert_eq!(crc_of(&[]), 0);
    let body = [7; 1000];
    assert_eq!(crc_of_parts(&GOLDEN, &body), crc_of(&[&GOLDEN[..], &body].concat()));
}

#[test]
fn placing_changes_offset_and_epoch_only() {
    let mut head = GOLDEN;
    set_base(&mut head, 1 << 40, 8);
    let placed = BatchHeader { base_offset: 1 << 40, partition_leader_epoch: 8, ..golden() };
    assert_eq!(BatchHeader::parse(&head), Ok(placed));
    assert_eq!(crc_of(&head), crc_of(&GOLDEN));
}

#[test]
fn setting_the_max_timestamp_changes_bit_timestamp_and_crc_only() {
    let mut head = GOLDEN;
    set_max_timestamp(&mut head, b"body", 99, false);
    let expected = BatchHeader {
        max_timestamp: 99,
        attributes: golden().attributes.with_log_append_time(false),
        crc: crc_of_parts(&head, b"body"),
        ..golden()
    };
    assert_eq!(BatchHeader::parse(&head), Ok(expected));
}
