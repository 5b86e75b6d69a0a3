//! Arbitrary records through the builder and back, and arbitrary damage to the result.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use strom_protocol::record::{
    Compression, HEADER_BYTES, ProduceRules, Scratch, crc_of, set_max_timestamp, validate_produced,
};

use crate::{Owned, build, read_all};

fn any_record() -> impl Strategy<Value = Owned> {
    let bytes = || vec(any::<u8>(), 0..80);
    // Few distinct header keys, so that duplicates are common; any bytes, so that UTF-8 is not.
    let header_key = prop_oneof![Just(Vec::new()), Just(b"k".to_vec()), vec(any::<u8>(), 0..4)];
    let timestamp = prop_oneof![Just(-1), 0..i64::MAX, 1_700_000_000_000..1_700_000_100_000_i64];
    let headers = vec((header_key, option::of(bytes())), 0..4);
    (timestamp, option::of(bytes()), option::of(bytes()), headers)
        .prop_map(|(timestamp, key, value, headers)| Owned { timestamp, key, value, headers })
}

fn any_codec() -> impl Strategy<Value = Compression> {
    proptest::sample::select(&Compression::ALL[..])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_built_is_read_back(records in vec(any_record(), 1..40), codec in any_codec()) {
        let mut scratch = Scratch::new();
        let batch = build(codec, &records);
        prop_assert_eq!(read_all(&batch, &mut scratch).unwrap(), records.clone());

        let valid = validate_produced(&batch, &ProduceRules::ANY, &mut scratch).unwrap();
        let timestamps = || records.iter().map(|record| record.timestamp);
        prop_assert_eq!(Some(valid.max_timestamp), timestamps().max());
        prop_assert_eq!(Some(valid.min_timestamp), timestamps().min());
        let first_max = timestamps().position(|timestamp| timestamp == valid.max_timestamp);
        prop_assert_eq!(first_max, Some(valid.max_timestamp_delta as usize));
        prop_assert_eq!(valid.has_null_key, records.iter().any(|record| record.key.is_none()));
        prop_assert!(!valid.max_timestamp_is_wrong());
    }

    #[test]
    fn a_changed_byte_is_noticed(
        records in vec(any_record(), 1..5), codec in any_codec(), at in any::<prop::sample::Index>(), bit in 0..8_u32,
    ) {
        let mut batch = build(codec, &records).to_vec();
        let at = at.index(batch.len());
        batch[at] ^= 1_u8 << bit;
        let result = validate_produced(&batch, &ProduceRules::ANY, &mut Scratch::new());
        // Neither summed nor judged are the leader epoch and, uncompressed, the base offset.
        let is_free = (12..16).contains(&at) || at < 8 && codec == Compression::None;
        prop_assert_eq!(result.is_ok(), is_free);
    }

    #[test]
    fn damage_below_a_right_checksum_is_survived(
        records in vec(any_record(), 1..5), codec in any_codec(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut batch = build(codec, &records).to_vec();
        for (at, byte) in damage {
            let at = at.index(batch.len() - HEADER_BYTES);
            batch[HEADER_BYTES + at] = byte;
        }
        let crc = crc_of(&batch);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
        let mut scratch = Scratch::with_limit(1 << 20);
        // Either way: no panic, and what validation accepts can be read.
        if validate_produced(&batch, &ProduceRules::ANY, &mut scratch).is_ok() {
            prop_assert!(read_all(&batch, &mut scratch).is_ok());
        }
    }

    #[test]
    fn arbitrary_bytes_are_survived(bytes in vec(any::<u8>(), 0..200), codec in any_codec()) {
        let mut scratch = Scratch::with_limit(1 << 20);
        let _ = validate_produced(&bytes, &ProduceRules::ANY, &mut scratch);
        let _ = scratch.decompress(codec, &bytes);
    }

    #[test]
    fn append_time_replaces_every_timestamp(
        records in vec(any_record(), 1..10), codec in any_codec(), now in 0..i64::MAX,
    ) {
        let batch = build(codec, &records);
        let mut head = *batch.first_chunk::<HEADER_BYTES>().unwrap();
        set_max_timestamp(&mut head, &batch[HEADER_BYTES..], now, true);
        let stamped = [&head[..], &batch[HEADER_BYTES..]].concat();
        let expected: Vec<Owned> =
            records.iter().map(|record| Owned { timestamp: now, ..record.clone() }).collect();
        prop_assert_eq!(read_all(&stamped, &mut Scratch::new()).unwrap(), expected);
        prop_assert_eq!(&stamped[17..21], &crc_of(&stamped).to_be_bytes()[..]);
        prop_assert_eq!(&stamped[27..35], &batch[27..35], "the base timestamp stays");
    }
}
