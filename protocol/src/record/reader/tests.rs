use super::*;
use crate::record::{Attributes, BatchBuilder, HEADER_BYTES};

fn header(record_count: i32) -> BatchHeader {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.append(0, None, None, &[]);
    BatchHeader { record_count, ..BatchHeader::parse(&builder.build()).unwrap() }
}

/// Visits `body` as so many records; returns how many were seen, and the error.
fn visited(record_count: i32, body: &[u8]) -> (i32, Option<BatchError>) {
    let mut seen = 0;
    let result = visit(&header(record_count), body, &mut Scratch::new(), |_| {
        seen += 1;
        Ok::<(), ()>(())
    });
    let error = result.err().map(|error| match error {
        VisitError::Batch(error) => error,
        VisitError::Visitor(()) => unreachable!("the visitor does not fail"),
    });
    (seen, error)
}

/// A record of these field bytes with its length in front.
fn framed(fields: &[u8]) -> Vec<u8> {
    assert!(fields.len() < 64);
    [&[2 * fields.len() as u8], fields].concat()
}

#[test]
fn a_record_is_read_by_hand() {
    let body = framed(&[
        0x40, // attributes: an unused bit
        0x09, // timestamp delta -5
        0x06, // offset delta 3
        0x02, b'k', // key
        0x01, // null value
        0x06, // three headers
        0x02, b'h', 0x02, b'v', // h = v
        0x02, b'h', 0x01, // h again, null
        0x00, 0x00, // empty = empty
    ]);
    let mut seen = Vec::new();
    visit(&header(1), &body, &mut Scratch::new(), |record| {
        assert_eq!(record.attributes, 0x40);
        assert_eq!((record.timestamp_delta, record.offset_delta), (-5, 3));
        assert_eq!((record.key, record.value), (Some(&b"k"[..]), None));
        assert_eq!(record.headers.count(), 3);
        let copy = record.headers;
        seen = copy.iter().map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec))).collect();
        Ok::<(), ()>(())
    })
    .unwrap();
    let expected = [(&b"h"[..], Some(&b"v"[..])), (b"h", None), (b"", Some(b""))]
        .map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec)));
    assert_eq!(seen, expected);
}

#[test]
fn padded_varints_are_read() {
    let fields = [0, 0x80, 0x00, 0x80, 0x80, 0x00, 0x82, 0x00, b'k', 0x81, 0x00, 0x80, 0x00];
    let body = [&[0x80 | (2 * fields.len() as u8), 0x00], &fields[..]].concat();
    assert_eq!(visited(1, &body), (1, None));
}

#[test]
fn malformed_records_are_refused_with_their_index() {
    let good = framed(&[0, 0, 0, 1, 1, 0]);
    let check = |fields: &[u8], fault: RecordFault| {
        let body = [&good[..], fields].concat();
        let expected = BatchError::Record { index: 1, fault };
        assert_eq!(visited(2, &body), (1, Some(expected)), "{fields:x?}");
    };
    use RecordFault::{
        HeaderCount, NegativeLength, TrailingBytes, Truncated, VarintTooLarge, VarintTooLong,
    };
    // The record's own length.
    check(&[], Truncated);
    check(&[0x80], Truncated);
    check(&[0x01], NegativeLength(-1));
    check(&[0x03], NegativeLength(-2));
    check(&[0xff, 0xff, 0xff, 0xff, 0x0f], NegativeLength(i32::MIN));
    check(&[0xfe, 0xff, 0xff, 0xff, 0x0f], Truncated);
    check(&[0x80; 6], VarintTooLong);
    check(&[0xff, 0xff, 0xff, 0xff, 0x7f], VarintTooLarge);
    check(&[0x0e, 0, 0, 0, 1, 1, 0], Truncated);
    // A record too short for its fields.
    for length in 0..6 {
        check(&framed(&[0, 0, 0, 1, 1, 0][..length]), Truncated);
    }
    // Key and value.
    check(&framed(&[0, 0, 0, 3, 1, 0]), NegativeLength(-2));
    check(&framed(&[0, 0, 0, 1, 5, 0]), NegativeLength(-3));
    check(&framed(&[0, 0, 0, 20, 1, 0]), Truncated);
    check(&framed(&[0, 0, 0, 1, 4, 0]), Truncated);
    // Timestamps of eleven bytes, offsets of six.
    check(&framed(&[&[0][..], &[0x80; 11], &[0, 1, 1, 0]].concat()), VarintTooLong);
    check(&framed(&[&[0, 0][..], &[0x80; 6], &[1, 1, 0]].concat()), VarintTooLong);
    // Headers.
    check(&framed(&[0, 0, 0, 1, 1, 1]), HeaderCount(-1));
    check(&framed(&[0, 0, 0, 1, 1, 2]), HeaderCount(1));
    check(&framed(&[0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f]), HeaderCount(i32::MAX));
    check(&framed(&[0, 0, 0, 1, 1, 2, 1, 1]), NegativeLength(-1));
    check(&framed(&[0, 0, 0, 1, 1, 2, 0, 3]), NegativeLength(-2));
    check(&framed(&[0, 0, 0, 1, 1, 2, 4, 0]), Truncated);
    check(&framed(&[0, 0, 0, 1, 1, 2, 0, 1, 9]), TrailingBytes(1));
    check(&framed(&[0, 0, 0, 1, 1, 0, 0]), TrailingBytes(1));
}

#[test]
fn the_count_and_the_bytes_must_agree() {
    let body = framed(&[0, 0, 0, 1, 1, 0]).repeat(3);
    assert_eq!(visited(3, &body), (3, None));
    assert_eq!(visited(2, &body), (2, Some(BatchError::TrailingBytes(7))));
    let missing = BatchError::Record { index: 3, fault: RecordFault::Truncated };
    assert_eq!(visited(4, &body), (3, Some(missing.clone())));
    assert_eq!(visited(i32::MAX, &body), (3, Some(missing)));
    assert_eq!(visited(-1, &body), (0, Some(BatchError::RecordCount(-1))));
    // Compaction may leave a batch without records.
    assert_eq!(visited(0, &[]), (0, None));
}

#[test]
fn a_visitor_can_stop() {
    let body = framed(&[0, 0, 0, 1, 1, 0]).repeat(3);
    let mut seen = 0;
    let result = visit(&header(3), &body, &mut Scratch::new(), |_| {
        seen += 1;
        if seen == 2 { Err("enough") } else { Ok(()) }
    });
    assert_eq!((seen, result), (2, Err(VisitError::Visitor("enough"))));
}

#[test]
fn batches_cut_anywhere_are_refused() {
    for compression in Compression::ALL {
        let mut builder = BatchBuilder::new(compression);
        for i in 0..20 {
            builder.append(i, Some(b"key"), Some(&[7; 30]), &[(b"h", Some(b"v"))]);
        }
        let batch = builder.build();
        let header = BatchHeader::parse(&batch).unwrap();
        for end in HEADER_BYTES..batch.len() {
            let body = &batch[HEADER_BYTES..end];
            let result = visit(&header, body, &mut Scratch::new(), |_| Ok::<(), ()>(()));
            assert!(matches!(result, Err(VisitError::Batch(_))), "{compression} cut at {end}");
        }
    }
}

#[test]
fn unknown_codecs_and_foreign_bytes_are_refused() {
    let body = framed(&[0, 0, 0, 1, 1, 0]);
    for code in 1..8 {
        let header = BatchHeader { attributes: Attributes(code), ..header(1) };
        let result = visit(&header, &body, &mut Scratch::new(), |_| Ok::<(), ()>(()));
        let Err(VisitError::Batch(error)) = result else { panic!("codec {code} was read") };
        match code {
            1..=4 => assert!(matches!(error, BatchError::Decompress(_)), "{error}"),
            _ => assert_eq!(error, BatchError::UnknownCompression(code as u8)),
        }
    }
}
