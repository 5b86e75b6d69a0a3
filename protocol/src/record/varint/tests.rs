use super::*;

fn encoded(value: i64) -> Vec<u8> {
    let mut bytes = [0; MAX_VARLONG_BYTES];
    let end = put_varlong(&mut bytes, 0, value);
    assert_eq!(end, varlong_len(value));
    bytes[..end].to_vec()
}

#[test]
fn values_have_their_golden_bytes() {
    let check = |value: i64, bytes: &[u8]| {
        assert_eq!(encoded(value), bytes, "{value}");
        assert_eq!(read_varlong(&mut &bytes[..]), Ok(value));
        if let Ok(value) = i32::try_from(value) {
            assert_eq!(read_varint(&mut &bytes[..]), Ok(value));
            assert_eq!(varint_len(value), bytes.len());
        }
    };
    check(0, &[0]);
    check(-1, &[1]);
    check(1, &[2]);
    check(63, &[0x7e]);
    check(-64, &[0x7f]);
    check(64, &[0x80, 0x01]);
    check(-65, &[0x81, 0x01]);
    check(8191, &[0xfe, 0x7f]);
    check(8192, &[0x80, 0x80, 0x01]);
    check(i64::from(i32::MAX), &[0xfe, 0xff, 0xff, 0xff, 0x0f]);
    check(i64::from(i32::MIN), &[0xff, 0xff, 0xff, 0xff, 0x0f]);
    check(i64::MAX, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
    check(i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
}

#[test]
fn padding_is_read_up_to_the_greatest_length() {
    for padding in 0..4 {
        let bytes = [&[0x82][..], &[0x80].repeat(padding), &[0]].concat();
        let mut rest = &bytes[..];
        assert_eq!((read_varint(&mut rest), rest.len()), (Ok(1), 0), "{bytes:x?}");
    }
    for padding in 0..9 {
        let bytes = [&[0x82][..], &[0x80].repeat(padding), &[0]].concat();
        let mut rest = &bytes[..];
        assert_eq!((read_varlong(&mut rest), rest.len()), (Ok(1), 0), "{bytes:x?}");
    }
}

#[test]
fn what_is_no_value_is_refused() {
    let check = |bytes: &[u8], as_varint: RecordFault, as_varlong: RecordFault| {
        assert_eq!(read_varint(&mut &bytes[..]), Err(as_varint), "{bytes:x?}");
        assert_eq!(read_varlong(&mut &bytes[..]), Err(as_varlong), "{bytes:x?}");
    };
    use RecordFault::{Truncated, VarintTooLarge, VarintTooLong};
    check(&[], Truncated, Truncated);
    check(&[0x80], Truncated, Truncated);
    check(&[0x80; 4], Truncated, Truncated);
    check(&[0x80; 5], VarintTooLong, Truncated);
    check(&[0x80; 10], VarintTooLong, VarintTooLong);
    check(&[0xff; 30], VarintTooLong, VarintTooLarge);

    let beyond_32_bits = [0xff, 0xff, 0xff, 0xff, 0x1f];
    assert_eq!(read_varint(&mut &beyond_32_bits[..]), Err(VarintTooLarge));
    assert_eq!(read_varlong(&mut &beyond_32_bits[..]), Ok(-(1 << 32)));
    let beyond_64_bits = [&[0xff; 9][..], &[0x02]].concat();
    assert_eq!(read_varlong(&mut &beyond_64_bits[..]), Err(VarintTooLarge));
}
