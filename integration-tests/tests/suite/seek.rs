//! Reading begins where the client asks: beginning, end, an offset, a timestamp.

use strom_integration_tests::broker::unique;
use strom_integration_tests::client::Client;
use strom_integration_tests::record::{Record, now_ms, numbered};
use strom_integration_tests::session::{From, Produce};

pub(crate) mod reading_begins_where_asked {
    crate::with_clients!(
        super::check; kcat java confluent_kafka franz_go kafkajs rdkafka kafka_python aiokafka
        platformatic sarama rskafka
    );
}

fn check(reader: Client) {
    let topic = unique(&format!("seek-{}", reader.name()));
    let start = now_ms() - 60_000;
    let records: Vec<Record> = (0_i64..)
        .zip(numbered("", 10))
        .map(|(index, record)| record.on(0).at(start + index * 1000))
        .collect();
    Client::Confluent.shared().create_topic(&topic, 1);
    // Two batches, so that places lie within one and between two.
    for half in records.chunks(5) {
        Client::Confluent.shared().produce(&topic, Produce::default(), half);
    }
    let rows = [
        (From::Beginning, 0),
        (From::Offset(0), 0),
        (From::Offset(4), 4),
        (From::Offset(5), 5),
        (From::Timestamp(0), 0),
        (From::Timestamp(start + 6000), 6),
        (From::Timestamp(start + 6001), 7),
        (From::Timestamp(start + 4500), 5),
        (From::Timestamp(start + 9000), 9),
    ];
    let mut session = reader.shared();
    for (from, expected) in rows {
        let (handle, positions) = session.open(&[(&topic, 0, from)]);
        assert_eq!(positions, [expected], "{reader:?} {from:?}");
        let left = 10 - usize::try_from(expected).unwrap();
        let found: Vec<i64> = session.read(&handle, left).iter().map(|f| f.offset).collect();
        assert_eq!(found, (expected..10).collect::<Vec<_>>(), "{reader:?} {from:?}");
        session.close(&handle);
    }
    from_the_end(&mut session, &topic, From::Timestamp(start + 9001), 10);
    from_the_end(&mut session, &topic, From::End, 11);
}

/// Nothing is there yet; then one record comes, and it is the first that is read.
fn from_the_end(
    session: &mut strom_integration_tests::session::Session,
    topic: &str,
    from: From,
    end: i64,
) {
    let (handle, positions) = session.open(&[(topic, 0, from)]);
    assert_eq!(positions, [end], "{from:?}");
    let record = [Record::text("new").on(0)];
    if session.client == Client::Confluent {
        session.produce(topic, Produce::default(), &record);
    } else {
        Client::Confluent.shared().produce(topic, Produce::default(), &record);
    }
    let found = session.read(&handle, 1);
    assert_eq!((found[0].offset, found[0].record.value_text().as_str()), (end, "new"));
    session.close(&handle);
}
