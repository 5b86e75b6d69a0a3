//! The page `docs/kafka-compatibility.md`, written from the table that dispatch works from: one
//! row per API key of Kafka 4.3, served or not. A test says when the page is stale. Below its mark
//! the page has what clients can do with it, written by the tests that run them.

use std::fmt::Write;

use strom_protocol::api::{ApiKey, SERVED};

/// What a user should know about an API as it is served here.
fn note(key: ApiKey) -> &'static str {
    match key {
        ApiKey::Produce => {
            "0-2 are advertised, as in Kafka 4, so that librdkafka keeps compression on; using them closes the connection. acks 0, 1 and all; idempotent producers; a transactional id is INVALID_REQUEST. `compression.type` of a topic is stored and echoed, batches keep the producer's codec."
        }
        ApiKey::Fetch => {
            "Fetch sessions as in Kafka, bounded by `max.incremental.fetch.session.cache.slots` and by 100000 partitions in all. Long polls wake on append, deletion and shutdown. Batches go out as they were produced to every version, zstd also below v10, as from Kafka."
        }
        ApiKey::ListOffsets => {
            "-1 latest, -2 earliest, -3 max timestamp, -4 earliest local (the log start), by time. -5 and -6 ask for a tier that does not exist: offset -1."
        }
        ApiKey::Metadata => {
            "One broker, which is every partition's leader and only replica. Topics are created when broker and request allow it, and are ready in the same answer."
        }
        ApiKey::OffsetCommit | ApiKey::OffsetFetch => {
            "Stored in `__consumer_offsets` in Kafka's formats."
        }
        ApiKey::FindCoordinator => {
            "Groups only. Keys of transactions are TRANSACTIONAL_ID_AUTHORIZATION_FAILED with a sentence: the error that the Java client and librdkafka both take as fatal. Share groups are INVALID_REQUEST."
        }
        ApiKey::JoinGroup | ApiKey::SyncGroup | ApiKey::Heartbeat | ApiKey::LeaveGroup => {
            "Classic protocol: dynamic and static members, eager and cooperative assignors, any protocol type."
        }
        ApiKey::DescribeGroups => "v6: an absent group is GROUP_ID_NOT_FOUND.",
        ApiKey::ListGroups => "Filters by state and type; every group is `classic`.",
        ApiKey::ApiVersions => {
            "No features are advertised. An unknown version gets the v0 answer with UNSUPPORTED_VERSION and this API's range."
        }
        ApiKey::CreateTopics => {
            "Replication factors up to `replication.factor.max.accepted` (3) are accepted and echoed; there is one copy, whose durability is `flush.policy`'s. Options without effect here are stored and echoed."
        }
        ApiKey::DeleteTopics => {
            "The topic's table in the lake is dropped and its files are removed. With `table.datalake.on-topic-delete=keep` it takes the topic's last records first, and stays under another name; if it cannot take them within the request's time-out, REQUEST_TIMED_OUT and the topic stays."
        }
        ApiKey::CreatePartitions => {
            "Further partitions are ready in the same answer. Internal topics are INVALID_REQUEST: the number of their partitions decides where groups are."
        }
        ApiKey::DeleteRecords => {
            "The topic's table takes what goes first; if it cannot within the request's time-out, which is that of all its topics together, REQUEST_TIMED_OUT and nothing of the topic is removed. Topics that are only compacted are POLICY_VIOLATION."
        }
        ApiKey::AlterConfigs | ApiKey::IncrementalAlterConfigs => {
            "Options of topics, in effect at once. Options of the broker are read at start: INVALID_REQUEST, as for Kafka's read-only ones. Groups, client metrics and loggers are INVALID_REQUEST."
        }
        ApiKey::DescribeLogDirs => {
            "One directory, `data.dir`, with its file system's size; a partition's size is that of its batches from the log start on."
        }
        ApiKey::OffsetForLeaderEpoch => {
            "A leader epoch begins with each start that is not a clean one's successor. An epoch that the log has not come to is -1."
        }
        ApiKey::ElectLeaders => "One broker leads every partition: ELECTION_NOT_NEEDED.",
        ApiKey::ListPartitionReassignments => "One broker: nothing is ever being moved.",
        ApiKey::OffsetDelete => {
            "Topics that a live group of consumers reads are GROUP_SUBSCRIBED_TO_TOPIC; live groups of other kinds are NON_EMPTY_GROUP."
        }
        ApiKey::DescribeTopicPartitions => "Pages of at most 2000 partitions, by cursor.",
        ApiKey::InitProducerId => {
            "Idempotent producers. A transactional id is TRANSACTIONAL_ID_AUTHORIZATION_FAILED, which clients treat as fatal."
        }
        ApiKey::DescribeConfigs => {
            "Topics and this broker, with sources, synonyms, types and documentation. Broker loggers are INVALID_REQUEST."
        }
        ApiKey::DeleteGroups => "Groups with members are NON_EMPTY_GROUP.",
        ApiKey::DescribeCluster => "One broker, which is also the controller.",
    }
}

/// Client-facing APIs of Kafka 4.3 that are not served: key, name. They are not advertised, and a
/// request for one closes the connection, as in Kafka.
const ABSENT: &[(i16, &str)] = &[
    (17, "SaslHandshake"),
    (24, "AddPartitionsToTxn"),
    (25, "AddOffsetsToTxn"),
    (26, "EndTxn"),
    (28, "TxnOffsetCommit"),
    (29, "DescribeAcls"),
    (30, "CreateAcls"),
    (31, "DeleteAcls"),
    (34, "AlterReplicaLogDirs"),
    (36, "SaslAuthenticate"),
    (38, "CreateDelegationToken"),
    (39, "RenewDelegationToken"),
    (40, "ExpireDelegationToken"),
    (41, "DescribeDelegationToken"),
    (45, "AlterPartitionReassignments"),
    (48, "DescribeClientQuotas"),
    (49, "AlterClientQuotas"),
    (50, "DescribeUserScramCredentials"),
    (51, "AlterUserScramCredentials"),
    (55, "DescribeQuorum"),
    (57, "UpdateFeatures"),
    (61, "DescribeProducers"),
    (65, "DescribeTransactions"),
    (66, "ListTransactions"),
    (68, "ConsumerGroupHeartbeat"),
    (69, "ConsumerGroupDescribe"),
    (71, "GetTelemetrySubscriptions"),
    (72, "PushTelemetry"),
    (74, "ListConfigResources"),
    (76, "ShareGroupHeartbeat"),
    (77, "ShareGroupDescribe"),
    (78, "ShareFetch"),
    (79, "ShareAcknowledge"),
    (88, "StreamsGroupHeartbeat"),
    (89, "StreamsGroupDescribe"),
    (90, "DescribeShareGroupOffsets"),
    (91, "AlterShareGroupOffsets"),
    (92, "DeleteShareGroupOffsets"),
];

const INTRODUCTION: &str = "\
<!-- Written from the API table; do not edit. STROM_UPDATE_DOCS=1 cargo test -p strom renews it. -->
# Kafka compatibility

The reference is Apache Kafka 4.3.1. An API is advertised if and only if it is served; the same
table answers ApiVersions, decodes requests and writes this page. At its end stands what each client
does with it; [clients](clients.md) says how to use them, and why one lacks what it lacks.

## Served

| key | API | versions | notes |
|---:|---|---|---|
";

/// What is below this line, the tests that run the clients write (suite/clients_page.rs).
#[cfg(test)]
const MARK: &str =
    "<!-- Written by the suite below this line (STROM_UPDATE_DOCS=1); do not edit. -->";

/// The page, to its mark.
pub fn documentation() -> String {
    let mut page = INTRODUCTION.to_owned();
    for spec in SERVED {
        let versions = if spec.min == spec.max {
            spec.min.to_string()
        } else {
            format!("{}-{}", spec.min, spec.max)
        };
        let (key, name, note) = (spec.key.code(), spec.name, note(spec.key));
        writeln!(page, "| {key} | {name} | {versions} | {note} |")
            .expect("a string takes any text");
    }
    page.push_str(
        "\n## Not served\n\nNot advertised; a request for one closes its connection with a log line.\n\n",
    );
    let absent: Vec<String> = ABSENT.iter().map(|(key, name)| format!("{name} ({key})")).collect();
    page.push_str(&absent.join(", "));
    page.push_str(".\n\n");
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_is_what_the_table_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/kafka-compatibility.md");
        let read = || std::fs::read_to_string(path).unwrap();
        if std::env::var_os("STROM_UPDATE_DOCS").is_some() {
            let page = read();
            let (_, clients) = page.split_once(MARK).expect("the page has its mark");
            std::fs::write(path, format!("{}{MARK}{clients}", documentation())).unwrap();
        }
        let page = read();
        let (found, _) = page.split_once(MARK).expect("the page has its mark");
        assert!(
            found == documentation(),
            "docs/kafka-compatibility.md is stale: STROM_UPDATE_DOCS=1 cargo test -p strom renews it"
        );
    }

    #[test]
    fn no_api_is_both_served_and_absent() {
        for (key, name) in ABSENT {
            assert_eq!(ApiKey::from_code(*key), None, "{name}");
        }
    }
}
