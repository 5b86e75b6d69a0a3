//! Behaviour of the primitive reader and writer at their limits.

use bytes::Bytes;
use bytestring::ByteString;

use super::{DecodeError, EncodeError, Reader, Records, Writer};

fn written(write: impl FnOnce(&mut Writer)) -> Bytes {
    let mut writer = Writer::new();
    write(&mut writer);
    writer.into_bytes()
}

#[test]
fn varints_have_golden_bytes() {
    let rows: &[(u32, &[u8])] = &[
        (0, &[0]),
        (127, &[0x7f]),
        (128, &[0x80, 0x01]),
        (300, &[0xac, 0x02]),
        (u32::MAX, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
    ];
    for &(value, expected) in rows {
        let bytes = written(|writer| writer.put_uvarint(value));
        assert_eq!(bytes, expected);
        assert_eq!(Reader::new(bytes).uvarint(), Ok(value));
    }
}

#[test]
fn strings_are_slices_of_the_frame() {
    let frame = written(|writer| writer.put_string(true, "events").unwrap());
    let text = Reader::new(frame.clone()).string(true).unwrap();
    assert_eq!(text.as_bytes().as_ptr(), frame[1..].as_ptr());
}

#[test]
fn strings_end_at_kafkas_limit() {
    for compact in [false, true] {
        let longest = "x".repeat(32767);
        let bytes = written(|writer| writer.put_string(compact, &longest).unwrap());
        assert_eq!(Reader::new(bytes).string(compact), Ok(ByteString::from(longest)));
        let result = Writer::new().put_string(compact, &"x".repeat(32768));
        assert_eq!(result, Err(EncodeError::TooLong(32768)));
    }
    let too_long = written(|writer| {
        writer.put_uvarint(32769);
        writer.put_slice(&[b'x'; 32768]);
    });
    assert_eq!(Reader::new(too_long).string(true), Err(DecodeError::InvalidLength(32768)));
}

#[test]
fn arrays_are_held_against_the_bytes_that_remain() {
    let read = |count: i32, body: usize, element_bytes_min: usize| {
        let bytes = written(|writer| {
            writer.put_i32(count);
            writer.put_slice(&vec![0; body]);
        });
        Reader::new(bytes).array(false, element_bytes_min, |reader| reader.i32())
    };
    assert_eq!(read(2, 8, 4), Ok(vec![0, 0]));
    let expected = DecodeError::UnexpectedEnd { needed: 12, remaining: 8 };
    assert_eq!(read(3, 8, 4), Err(expected));
    let expected = DecodeError::UnexpectedEnd { needed: i32::MAX as u64, remaining: 8 };
    assert_eq!(read(i32::MAX, 8, 0), Err(expected));
}

#[test]
fn arrays_of_small_elements_are_held_against_the_memory_limit() {
    // One byte on the wire, 32 in memory: a megabyte of them is more than any message needs.
    let count = 1 << 20;
    let bytes = written(|writer| {
        writer.put_i32(count);
        writer.put_slice(&vec![1; count as usize]);
    });
    let result = Reader::new(bytes).array(false, 1, |reader| reader.string(true));
    assert!(matches!(result, Err(DecodeError::MemoryLimit(_))), "{result:?}");
}

#[test]
fn empty_records_and_null_records_differ() {
    for compact in [false, true] {
        let write = |records: Option<&Records>| {
            written(|writer| writer.put_records_or_null(compact, records).unwrap())
        };
        let read = |bytes| Reader::new(bytes).bytes_or_null(compact);
        assert_eq!(read(write(None)), Ok(None));
        assert_eq!(read(write(Some(&Records::default()))), Ok(Some(Bytes::new())));
    }
}

#[test]
fn records_are_equal_however_they_are_cut() {
    let cut = |sizes: &[usize]| Records {
        chunks: sizes.iter().map(|&size| Bytes::from(vec![7; size])).collect(),
    };
    assert_eq!(cut(&[3, 0, 2]), cut(&[5]));
    assert_ne!(cut(&[3]), cut(&[4]));
    assert!(cut(&[0, 0]).is_empty());
    assert_eq!(cut(&[1, 2]).to_bytes().len(), 3);
}
