//! What must hold for any bytes that claim to be a record batch. Used by the fuzz target and by the test that
//! replays its corpus.

use strom_protocol::record::{
    BatchHeader, Compression, HEADER_BYTES, ProduceRules, Scratch, crc_of, set_base,
    set_max_timestamp, validate_produced, visit,
};

/// Small enough that a bomb ends at once.
const LIMIT: usize = 1 << 20;

/// Judges `input` as it is, with its framing repaired so that the records are reached, and as a bare body.
pub fn check(input: &[u8]) {
    let mut scratch = Scratch::with_limit(LIMIT);
    check_batch(input, &mut scratch);
    if input.len() >= HEADER_BYTES {
        check_batch(&repaired(input), &mut scratch);
    }
    for compression in Compression::ALL {
        if let Ok(records) = scratch.decompress(compression, input) {
            assert!(compression == Compression::None || records.len() <= LIMIT);
        }
    }
}

fn repaired(input: &[u8]) -> Vec<u8> {
    let mut batch = input.to_vec();
    batch[..8].fill(0);
    batch[8..12].copy_from_slice(&(input.len() as i32 - 12).to_be_bytes());
    batch[16] = 2;
    let crc = crc_of(&batch);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch
}

fn check_batch(batch: &[u8], scratch: &mut Scratch) {
    let Ok(header) = BatchHeader::parse(batch) else {
        assert!(validate_produced(batch, &ProduceRules::ANY, scratch).is_err());
        return;
    };
    assert_eq!(header.encode()[..], batch[..HEADER_BYTES]);
    let mut visited = 0;
    let result = visit(&header, &batch[HEADER_BYTES..], scratch, |record| {
        visited += 1;
        assert_eq!(record.headers.iter().count(), record.headers.count());
        Ok::<(), ()>(())
    });
    if result.is_ok() {
        assert_eq!(visited, header.record_count);
    }
    match validate_produced(batch, &ProduceRules::ANY, scratch) {
        Ok(valid) => {
            assert!(result.is_ok());
            assert_eq!(valid.header, header);
            check_rewrites(batch, valid.max_timestamp, scratch);
        }
        Err(fault) => assert!(!fault.to_string().is_empty() && fault.record_errors().len() <= 100),
    }
}

/// What the broker stores in place of a valid batch must be valid where the producer's was.
fn check_rewrites(batch: &[u8], max_timestamp: i64, scratch: &mut Scratch) {
    let (head, body) = batch.split_at(HEADER_BYTES);
    let mut head: [u8; HEADER_BYTES] = head.try_into().expect("the split is at the head's size");
    set_max_timestamp(&mut head, body, max_timestamp, false);
    let corrected = [&head[..], body].concat();
    let valid = validate_produced(&corrected, &ProduceRules::ANY, scratch)
        .expect("a corrected max timestamp keeps the batch valid");
    assert!(!valid.max_timestamp_is_wrong());

    set_base(&mut head, 42, 7);
    let placed = BatchHeader::parse(&head).expect("placing keeps the head readable");
    assert_eq!(placed.base_offset, 42);
    assert_eq!(placed.partition_leader_epoch, 7);
    assert_eq!(placed.crc, valid.header.crc);
}
