//! `strom verify` finds nothing wrong with what real clients wrote. It is run after every test of a
//! client, over each topic that the test wrote and left, and over all that all clients wrote once
//! that has moved into segments.

use std::sync::{Mutex, PoisonError};

use strom_integration_tests::broker::{self, Against, Broker};
use strom_integration_tests::raw::{Log, logs};
use strom_integration_tests::written;

use crate::commands::strom;

/// What was verified of a topic, or of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    pub records: u64,
    pub batches: u64,
    pub bytes: u64,
    /// Those of the records that were read from segments.
    pub segment_records: u64,
}

/// Runs a test of clients on the shared broker, then verifies what was written in it.
pub fn afterwards(test: impl FnOnce()) {
    test();
    if !written::is_empty() {
        written_to(broker::shared());
    }
}

/// Verifies every topic of this broker that clients wrote in this test. Apache Kafka, the control, has
/// nothing like it.
pub fn written_to(broker: &Broker) {
    for topic in written::take(broker.bootstrap()) {
        if broker.against() == Against::Strom {
            verify(broker, &topic);
        }
    }
}

/// `strom verify` ends with 0, names no mismatch, and has read what the log has: every record of every
/// batch that has one above the log start.
pub fn verify(broker: &Broker, topic: &str) -> Verified {
    /// The broker verifies one topic at a time, and refuses a second one.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut before = logs(broker.bootstrap(), topic);
    loop {
        let verified = run(broker, topic);
        let after = logs(broker.bootstrap(), topic);
        // A record that was not awaited (acks=0, acks=1) may come into sight meanwhile.
        if after == before {
            let records: i64 =
                after.iter().map(|Log { end, first_batch, .. }| end - first_batch).sum();
            assert_eq!(i64::try_from(verified.records), Ok(records), "{topic}: {after:?}");
            return verified;
        }
        before = after;
    }
}

fn run(broker: &Broker, topic: &str) -> Verified {
    let (code, printed, complaint) = strom(&["verify", topic, "--http", broker.http()]);
    assert_eq!((code, complaint.as_str()), (Some(0), ""), "{topic}: {printed}");
    let numbers = printed.strip_prefix(&format!("{topic}: ")).unwrap_or_default();
    let numbers: Vec<u64> =
        numbers.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
    let [records, batches, bytes, segment_records, 0] = numbers[..] else {
        panic!("not five numbers, the last of them 0: {printed}");
    };
    let expected = format!(
        "{topic}: {records} records in {batches} batches ({bytes} bytes; {segment_records} records in \
         segments) verified, 0 mismatches\n"
    );
    assert_eq!(printed, expected);
    Verified { records, batches, bytes, segment_records }
}

mod strom_only {
    use std::time::Duration;

    use strom_integration_tests::broker::{shared, unique};
    use strom_integration_tests::capability::CODECS;
    use strom_integration_tests::client::Client;
    use strom_integration_tests::record::numbered;
    use strom_integration_tests::session::Produce;
    use strom_integration_tests::wait::wait_for;

    use super::*;
    use crate::fidelity;
    use crate::records::press_journal;

    /// Every client with every codec: what they wrote first is verified in segments, what they write
    /// then in the journal.
    #[test]
    fn what_every_client_wrote_is_verified_in_segments_and_in_the_journal() {
        let broker = shared();
        let delicate = Client::ALL.map(fidelity::written);
        press_journal(broker.bootstrap());
        let mut in_segments = Verified::default();
        for written in delicate {
            let count: usize = written.partitions.values().map(Vec::len).sum();
            let what = format!("{} to be in segments", written.topic);
            let verified = wait_for(&what, Duration::from_secs(60), || {
                let verified = verify(broker, &written.topic);
                assert_eq!(usize::try_from(verified.records), Ok(count), "{}", written.topic);
                (verified.segment_records == verified.records).then_some(verified)
            });
            in_segments.add(verified);
        }
        let mut in_journal = Verified::default();
        for client in Client::ALL {
            let topic = unique(&format!("verified-{}", client.name()));
            Client::Confluent.shared().create_topic(&topic, 1);
            for codec in CODECS {
                let records: Vec<_> = numbered(codec, 20).into_iter().map(|r| r.on(0)).collect();
                client.shared().produce(&topic, Produce { codec, ..Produce::default() }, &records);
            }
            let verified = verify(broker, &topic);
            assert_eq!(usize::try_from(verified.records), Ok(20 * CODECS.len()), "{topic}");
            in_journal.add(verified);
        }
        println!("verified in segments: {in_segments:?}; later: {in_journal:?}");
        assert!(in_segments.batches >= (Client::ALL.len() * CODECS.len()) as u64);
        assert!(in_journal.segment_records < in_journal.records, "the journal is not so small");
    }

    impl Verified {
        fn add(&mut self, more: Verified) {
            self.records += more.records;
            self.batches += more.batches;
            self.bytes += more.bytes;
            self.segment_records += more.segment_records;
        }
    }
}
