//! The formats of `__consumer_offsets`, byte for byte. The bytes are composed by hand from Kafka's
//! message definitions; every other test sends its records through encode and decode as well.

use super::*;

fn hex(text: &str) -> Bytes {
    let digits: Vec<u8> = text
        .bytes()
        .filter(u8::is_ascii_hexdigit)
        .map(|b| (b as char).to_digit(16).unwrap() as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<_>>().into()
}

fn offset(group: &str, leader_epoch: i32, expire_timestamp_ms: Option<i64>) -> GroupRecord {
    GroupRecord::Offset {
        key: OffsetKey { group_id: group.into(), topic: "tp".into(), partition: 3 },
        committed: Some(CommittedOffset {
            offset: 258,
            leader_epoch,
            metadata: "m".into(),
            commit_timestamp_ms: 1,
            expire_timestamp_ms,
        }),
    }
}

fn member(instance_id: Option<&str>) -> MemberMetadata {
    MemberMetadata {
        member_id: "m1".into(),
        group_instance_id: instance_id.map(ByteString::from),
        client_id: "c".into(),
        client_host: "/h".into(),
        rebalance_timeout_ms: 2,
        session_timeout_ms: 1,
        subscription: Bytes::from_static(b"su"),
        assignment: Bytes::from_static(b"a"),
    }
}

fn group(members: Vec<MemberMetadata>) -> GroupRecord {
    let metadata = GroupMetadata {
        protocol_type: "consumer".into(),
        generation: 7,
        protocol: Some("range".into()),
        leader: Some("m1".into()),
        state_since_ms: 9,
        members,
    };
    GroupRecord::Group { group_id: "g".into(), metadata: Some(metadata) }
}

#[test]
fn golden_bytes() {
    let rows = [
        (
            "offset, version 3",
            offset("g", 5, None),
            "0001 0001 67 0002 7470 00000003",
            Some("0003 0000000000000102 00000005 0001 6d 0000000000000001"),
        ),
        (
            "offset with an expiry, version 1",
            offset("g", -1, Some(513)),
            "0001 0001 67 0002 7470 00000003",
            Some("0001 0000000000000102 0001 6d 0000000000000001 0000000000000201"),
        ),
        (
            "group, version 3",
            group(vec![member(Some("i")), member(None)]),
            "0002 0001 67",
            Some(
                "0003 0008 636f6e73756d6572 00000007 0005 72616e6765 0002 6d31 0000000000000009 \
                 00000002 \
                 0002 6d31 0001 69 0001 63 0002 2f68 00000002 00000001 00000002 7375 00000001 61 \
                 0002 6d31 ffff    0001 63 0002 2f68 00000002 00000001 00000002 7375 00000001 61",
            ),
        ),
        (
            "a group that only exists",
            GroupRecord::Group {
                group_id: "g".into(),
                metadata: Some(GroupMetadata { state_since_ms: -1, ..GroupMetadata::default() }),
            },
            "0002 0001 67",
            Some("0003 0000 00000000 ffff ffff ffffffffffffffff 00000000"),
        ),
        (
            "offset tombstone",
            GroupRecord::Offset {
                key: OffsetKey { group_id: "g".into(), topic: "tp".into(), partition: 3 },
                committed: None,
            },
            "0001 0001 67 0002 7470 00000003",
            None,
        ),
        (
            "group tombstone",
            GroupRecord::Group { group_id: "g".into(), metadata: None },
            "0002 0001 67",
            None,
        ),
    ];
    for (name, record, key, value) in rows {
        let (key, value) = (hex(key), value.map(hex));
        assert_eq!(record.encode(), (key.clone(), value.clone()), "{name}");
        assert_eq!(GroupRecord::decode(&key, value.as_ref()), Ok(record), "{name}");
    }
}

#[test]
fn records_of_other_versions_are_read() {
    let rows = [
        (
            "offset value 0",
            "0001 0001 67 0002 7470 00000003",
            "0000 0000000000000102 0001 6d 0000000000000001",
            offset("g", -1, None),
        ),
        (
            "offset value 2",
            "0000 0001 67 0002 7470 00000003",
            "0002 0000000000000102 0001 6d 0000000000000001",
            offset("g", -1, None),
        ),
        (
            "offset value 4",
            "0001 0001 67 0002 7470 00000003",
            "0004 0000000000000102 00000005 02 6d 0000000000000001 00",
            offset("g", 5, None),
        ),
        (
            "offset value 4 with a topic id",
            "0001 0001 67 0002 7470 00000003",
            "0004 0000000000000102 00000005 02 6d 0000000000000001 01 00 10 000102030405060708090a0b0c0d0e0f",
            offset("g", 5, None),
        ),
        (
            "group value 0",
            "0002 0001 67",
            "0000 0008 636f6e73756d6572 00000007 0005 72616e6765 0002 6d31 00000001 \
             0002 6d31 0001 63 0002 2f68 00000001 00000002 7375 00000001 61",
            match group(vec![MemberMetadata { rebalance_timeout_ms: 1, ..member(None) }]) {
                GroupRecord::Group { group_id, metadata } => GroupRecord::Group {
                    group_id,
                    metadata: metadata.map(|m| GroupMetadata { state_since_ms: -1, ..m }),
                },
                offset => offset,
            },
        ),
        (
            "group value 4",
            "0002 0001 67",
            "0004 09 636f6e73756d6572 00000007 06 72616e6765 03 6d31 0000000000000009 02 \
             03 6d31 02 69 02 63 03 2f68 00000002 00000001 03 7375 02 61 00 00",
            group(vec![member(Some("i"))]),
        ),
    ];
    for (name, key, value, record) in rows {
        assert_eq!(GroupRecord::decode(&hex(key), Some(&hex(value))), Ok(record), "{name}");
    }
}

#[test]
fn foreign_and_damaged_records_are_told_apart() {
    let decode =
        |key: &str, value: Option<&str>| GroupRecord::decode(&hex(key), value.map(hex).as_ref());
    assert_eq!(decode("0003 0001 67", None), Err(RecordError::UnknownKey(3)));
    assert_eq!(decode("ffff", None), Err(RecordError::UnknownKey(-1)));
    for (key, value) in [
        ("", None),
        ("00", None),
        ("0002 0005 67", None),
        ("0002 0001 67", Some("0009 0000")),
        ("0001 0001 67 0002 7470 00000003", Some("0003 00")),
    ] {
        let result = decode(key, value);
        assert!(matches!(result, Err(RecordError::Malformed(_))), "{key} {value:?}: {result:?}");
    }
}
