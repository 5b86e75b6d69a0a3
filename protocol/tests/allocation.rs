//! What decoding may cost in memory, measured by counting allocations.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use allocation_counter::measure;
use bytes::Bytes;
use strom_protocol::api::{ApiKey, Request};
use strom_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use strom_protocol::wire::{Message, Reader, Writer};

/// The promise of `wire::Reader`, and one kilobyte for the test itself.
fn limit(message_bytes: usize) -> usize {
    8 * message_bytes + (1 << 20) + 1024
}

fn bytes_max(work: impl FnOnce()) -> usize {
    measure(work).bytes_max as usize
}

#[test]
fn announced_lengths_cost_nothing() {
    for version in [0, 1, 8] {
        let body = Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff, 0]);
        let peak = bytes_max(|| {
            let _ = Request::decode(ApiKey::Metadata, version, &mut Reader::new(body));
        });
        assert_eq!(peak, 0, "Metadata v{version}");
    }
    support::for_each_message(2, |subject, version, bytes| {
        for index in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[index] = 0x7f;
            let bytes = Bytes::from(bytes);
            let length = bytes.len();
            let peak = bytes_max(|| drop((subject.decode)(bytes, version)));
            let limit = 64 * length + 1024;
            assert!(peak <= limit, "{} v{version}: {peak} > {limit}", subject.name);
        }
    });
}

#[test]
fn long_hostile_bodies_stay_below_the_limit() {
    const LENGTH: usize = 1 << 18;
    let mut worst = (0, "", 0);
    for subject in support::subjects::all() {
        for version in 0..19 {
            for filler in [0u8, 1, 2] {
                let mut attempt = |place: usize, length: [u8; 4]| {
                    let mut body = vec![filler; LENGTH];
                    body[place..place + 4].copy_from_slice(&length);
                    let body = Bytes::from(body);
                    let peak = bytes_max(|| drop((subject.decode)(body, version)));
                    worst = worst.max((peak, subject.name, version));
                };
                // As long an array as the rest can hold, fixed or compact, in each place.
                for place in 0..24 {
                    attempt(place, [0xff, 0xff, 0x0f, 0]);
                    attempt(place, (LENGTH as u32 / 8).to_be_bytes());
                }
            }
        }
    }
    assert!(worst.0 <= limit(LENGTH), "{worst:?}");
    assert!(worst.0 > LENGTH, "the bodies do not reach the arrays: {worst:?}");
}

#[test]
fn produce_does_not_allocate_per_record() {
    let frame = |record_bytes: usize| {
        let partition =
            PartitionProduceData { index: 0, records: Some(vec![7; record_bytes].into()) };
        let topic = TopicProduceData {
            name: "events".into(),
            partition_data: vec![partition],
            ..Default::default()
        };
        let request = ProduceRequest { topic_data: vec![topic], acks: -1, ..Default::default() };
        let mut writer = Writer::new();
        request.encode(&mut writer, 9).unwrap();
        writer.into_bytes()
    };
    for record_bytes in [100, 1_000_000] {
        let bytes = frame(record_bytes);
        let used = measure(|| {
            let request = Request::decode(ApiKey::Produce, 9, &mut Reader::new(bytes));
            assert!(request.is_ok());
        });
        // Two arrays, and the sharing of the frame.
        assert!(used.count_total <= 3, "{used:?}");
        assert!(used.bytes_max <= 1024, "{used:?}");
    }
}
