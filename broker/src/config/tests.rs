//! Configuration as a user meets it: what is written, and what comes of it.

use strom_coordinator::cluster::topic_config;

use super::*;

fn sources(flags: &[&str], environment: &[(&str, &str)], file: Option<&str>) -> Sources {
    Sources {
        flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
        environment: environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        file: file.map(|text| (PathBuf::from("strom.toml"), text.to_owned())),
    }
}

fn load(sources: &Sources) -> Result<Loaded, ConfigErrors> {
    Config::load(sources, Path::new("/srv/broker"))
}

fn from_flags(flags: &[&str]) -> Loaded {
    load(&sources(flags, &[], None)).unwrap_or_else(|e| panic!("{flags:?}: {e}"))
}

#[test]
fn nothing_set_gives_the_documented_defaults() {
    let Loaded { config, warnings } = from_flags(&[]);
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(config.node_id, 1);
    assert_eq!(config.data_dir, Path::new("/srv/broker/strom-data"));
    assert_eq!(config.lake.warehouse.url(), "file:///srv/broker/strom-data/warehouse");
    assert_eq!(config.lake.s3, strom_lake::warehouse::S3Options::default());
    assert_eq!(config.lake.namespace, "kafka");
    assert_eq!(config.journal_retention_bytes, 1 << 30);
    assert_eq!(config.flush_policy, FlushPolicy::Sync);
    assert_eq!(config.groups.initial_rebalance_delay_ms, 3000);
    assert_eq!(config.groups.offsets_topic_partitions, 50);
    assert_eq!(config.replication_factor_max_accepted, 3);
    assert_eq!(config.http_address.to_string(), "127.0.0.1:8081");
    assert_eq!(config.topic_defaults, BrokerDefaults::default());
    let bound: Vec<_> =
        config.listeners.iter().map(|l| (l.host.as_str(), l.port, l.optional)).collect();
    assert_eq!(bound, [("127.0.0.1", 9092, false), ("::1", 9092, true)]);
    let told: Vec<_> =
        config.listeners.iter().map(|l| config.advertised_for(l, 9092).to_string()).collect();
    assert_eq!(told, ["127.0.0.1:9092", "[::1]:9092"]);
}

#[test]
fn every_default_is_canonical_and_every_name_unique() {
    for option in OPTIONS {
        let canonical = option.kind.canonical(option.default);
        let empty_is_meant = option.default.is_empty();
        assert!(canonical == Ok(option.default.to_owned()) || empty_is_meant, "{}", option.name);
        assert!(!option.doc.is_empty(), "{} has no documentation", option.name);
    }
    let mut keys: Vec<&str> = OPTIONS.iter().map(|option| option.name).collect();
    keys.extend(topic_defaults::names().filter(|name| table::find(name).is_none()));
    keys.extend(foreign::ignored_names());
    keys.sort_unstable();
    assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "a key stands in two tables");
    assert_eq!(sources::environment_keys().len(), keys.len(), "two keys share a variable");
}

#[test]
fn flags_beat_environment_beats_file_beats_default() {
    let file = "num.partitions = 2\nnode.id = 2\n[group.initial]\nrebalance.delay.ms = 2";
    let environment = [("STROM_NODE_ID", "3"), ("STROM_GROUP_INITIAL_REBALANCE_DELAY_MS", "3")];
    let flags = ["group.initial.rebalance.delay.ms=4"];
    let config = load(&sources(&flags, &environment, Some(file))).unwrap().config;
    assert_eq!(config.num_partitions, 2);
    assert_eq!(config.node_id, 3);
    assert_eq!(config.groups.initial_rebalance_delay_ms, 4);
    assert_eq!(config.limits.max_connections, 10_000);
}

#[test]
fn a_file_may_nest_quote_and_list() {
    let file = r#"
        "flush.policy" = "os"
        listeners = ["INSIDE://127.0.0.1:9092", "OUTSIDE://127.0.0.1:9093"]
        listener.security.protocol.map = "INSIDE:PLAINTEXT, OUTSIDE:PLAINTEXT"
        [advertised]
        listeners = "OUTSIDE://broker.example.com:19093"
        [auto.create]
        topics.enable = false
        [log.retention]
        ms = -1
        [table.datalake]
        enabled = false
    "#;
    let config = load(&sources(&[], &[], Some(file))).unwrap().config;
    assert_eq!(config.flush_policy, FlushPolicy::Os);
    assert!(!config.auto_create_topics_enable);
    assert_eq!(effective(&config, "retention.ms"), "-1");
    assert_eq!(effective(&config, "table.datalake.enabled"), "false");
    let told: Vec<_> =
        config.listeners.iter().map(|l| config.advertised_for(l, 7).to_string()).collect();
    assert_eq!(told, ["127.0.0.1:9092", "broker.example.com:19093"]);
    assert!(config.listeners.iter().all(|listener| !listener.optional));
}

#[test]
fn port_zero_is_advertised_as_the_bound_port() {
    let config = from_flags(&["listeners=PLAINTEXT://127.0.0.1:0", "http.address=[::1]:0"]).config;
    assert_eq!(config.advertised_for(&config.listeners[0], 4711).to_string(), "127.0.0.1:4711");
    let config = from_flags(&[
        "listeners=PLAINTEXT://0.0.0.0:0",
        "advertised.listeners=PLAINTEXT://localhost:0",
    ])
    .config;
    assert_eq!(config.advertised_for(&config.listeners[0], 4711).to_string(), "localhost:4711");
}

/// The value that a topic without options of its own has for `topic`.
fn effective(config: &Config, topic: &str) -> String {
    topic_config::option(topic).unwrap().resolve(None, &config.topic_defaults)
}

#[test]
fn topic_defaults_take_kafkas_names_own_names_and_coarser_units() {
    let rows: &[(&[&str], &str, &str)] = &[
        (&["log.retention.hours=2"], "retention.ms", "7200000"),
        (&["log.retention.hours=2", "log.retention.minutes=1"], "retention.ms", "60000"),
        (&["log.retention.ms=5", "log.retention.minutes=1"], "retention.ms", "5"),
        (&["log.retention.hours=-1"], "retention.ms", "-1"),
        (&["retention.ms=6"], "retention.ms", "6"),
        (&["cleanup.policy=compact"], "cleanup.policy", "compact"),
        (&["log.cleanup.policy=compact"], "cleanup.policy", "compact"),
        (&["message.max.bytes=2000"], "max.message.bytes", "2000"),
        (&["message.max.bytes=2KiB"], "max.message.bytes", "2048"),
        (&["log.roll.hours=1"], "segment.ms", "3600000"),
        (&["table.datalake.enabled=false"], "table.datalake.enabled", "false"),
        (&["min.insync.replicas=1"], "min.insync.replicas", "1"),
    ];
    for (flags, topic, value) in rows {
        assert_eq!(effective(&from_flags(flags).config, topic), *value, "{flags:?}");
    }
    let own = from_flags(&["max.message.bytes=2000"]).config;
    assert_eq!(own.limits.message_max_bytes, 2000);
}

#[test]
fn a_coarse_flag_beats_a_fine_variable() {
    let environment = [("STROM_LOG_RETENTION_MS", "9")];
    let both = sources(&["log.retention.hours=1"], &environment, None);
    assert_eq!(effective(&load(&both).unwrap().config, "retention.ms"), "3600000");
}

#[test]
fn settings_of_kafka_and_unknown_variables_are_one_warning_each() {
    let flags = ["num.network.threads=3", "log.dirs=/tmp/x", "zookeeper.connect=a:1"];
    let environment =
        [("STROM_PORT_9092_TCP", "tcp://10.0.0.1"), ("STROM_SERVICE_HOST", "x"), ("HOME", "/")];
    let warnings = load(&sources(&flags, &environment, None)).unwrap().warnings;
    assert_eq!(
        warnings,
        [
            "environment variables that are no option of the broker are ignored: \
             STROM_PORT_9092_TCP, STROM_SERVICE_HOST",
            "settings of Kafka that mean nothing here are ignored: num.network.threads, \
             log.dirs (use data.dir), zookeeper.connect",
        ]
    );
    for setting in [
        "num.io.threads=8",
        "process.roles=broker,controller",
        "controller.quorum.voters=1@localhost:9093",
        "offsets.topic.replication.factor=1",
        "transaction.state.log.min.isr=1",
        "inter.broker.listener.name=PLAINTEXT",
    ] {
        assert_eq!(from_flags(&[setting]).warnings.len(), 1, "{setting}");
    }
}

/// What is written as flags, and parts of what the one message must say.
const WRONG: &[(&[&str], &[&str])] = &[
    (&["num.partition=3"], &["num.partition", "is not an option", "did you mean num.partitions?"]),
    (&["numPartitions=3"], &["did you mean num.partitions?"]),
    (&["banana=3"], &["is not an option", "`strom config` lists"]),
    (&["node.id"], &["node.id", "has no value", "--set node.id=<value>"]),
    (
        &["node.id=one"],
        &[
            "node.id = \"one\" (from --set)",
            "not a whole number; write a number from 0 to 2147483647",
        ],
    ),
    (&["node.id=-1"], &["below the minimum of 0"]),
    (&["num.partitions=0"], &["below the minimum of 1"]),
    (&["auto.create.topics.enable=maybe"], &["is no boolean; write true or false"]),
    (&["flush.policy=never"], &["is none of its values; write one of: sync, os"]),
    (&["journal.retention.bytes=lots"], &["not a number of bytes", "10GiB"]),
    (&["connections.max.idle.ms=soon"], &["not a time in milliseconds"]),
    (&["data.dir="], &["names no directory"]),
    (&["lake.namespace=My Lake"], &["lake.namespace", "lower-case letters"]),
    (&["lake.warehouse=gs://bucket/x"], &["gs:// is no warehouse", "write a path or s3://"]),
    (&["lake.warehouse=s3://B/x"], &["is no bucket"]),
    (&["s3.endpoint=minio:9000"], &["not the URL of a server", "http://host:port"]),
    (&["s3.access-key-id=a"], &["and s3.secret-access-key belong together", "set both"]),
    (&["lake.vended.secret-access-key=hush"], &["lake.vended.access-key-id and", "set both"]),
    (&["lake.vend-credentials=all"], &["write one of: none, read-only, own"]),
    (&["log.level=loud"], &["not a log filter at \"loud\"", "write info or debug"]),
    (&["log.format=xml"], &["write one of: auto, text, json"]),
    (&["http.address=8081"], &["has no port", "127.0.0.1:8081"]),
    (&["http.address=:8081"], &["has no host", "0.0.0.0:8081"]),
    (&["http.address=::1:8081"], &["without brackets", "[::1]:8081"]),
    (&["http.address=localhost:99999"], &["not 0 to 65535"]),
    (&["listeners="], &["names no listener", "PLAINTEXT://127.0.0.1:9092"]),
    (&["listeners=127.0.0.1:9092"], &["is not NAME://host:port"]),
    (&["listeners=PLAINTEXT://127.0.0.1"], &["has no port"]),
    (&["listeners=PLAINTEXT://[::x]:9092"], &["no IPv6 address between its brackets"]),
    (&["listeners=SASL_SSL://127.0.0.1:9092"], &["only PLAINTEXT exists yet"]),
    (&["listeners=INSIDE://127.0.0.1:9092"], &["add INSIDE:PLAINTEXT to listener.security"]),
    (
        &["listener.security.protocol.map=OUT:SASL_SSL"],
        &["maps OUT to SASL_SSL", "only PLAINTEXT exists yet"],
    ),
    (&["listener.security.protocol.map=OUT"], &["is not NAME:PROTOCOL"]),
    (
        &["listeners=PLAINTEXT://127.0.0.1:1,PLAINTEXT://127.0.0.1:2"],
        &["two listeners called PLAINTEXT"],
    ),
    (
        &["listeners=PLAINTEXT://127.0.0.1:1,PLAINTEXT_IPV6://127.0.0.1:1"],
        &["binds 127.0.0.1:1 twice"],
    ),
    (
        &["listeners=PLAINTEXT://0.0.0.0:9092"],
        &[" advertised.listeners is missing", "add --set advertised.listeners=PLAINTEXT://<host"],
    ),
    (&["listeners=PLAINTEXT://:9092"], &["binds every interface"]),
    (&["listeners=PLAINTEXT://[::]:9092"], &["binds every interface"]),
    (&["advertised.listeners=PLAINTEXT://0.0.0.0:9092"], &["no client can connect to"]),
    (&["advertised.listeners=PLAINTEXT://[::]:9092"], &["no client can connect to"]),
    (&["advertised.listeners=OUT://example.com:9092"], &["belongs to no listener"]),
    (&["advertised.listeners=PLAINTEXT://a:1,PLAINTEXT://b:1"], &["names PLAINTEXT twice"]),
    (&["ssl.keystore.location=/x"], &["is refused", "do not exist yet", "remove it"]),
    (&["authorizer.class.name=x"], &["is refused"]),
    (&["group.min.session.timeout.ms=2h"], &["larger than group.max.session.timeout.ms"]),
    (&["message.max.bytes=200MB"], &["larger than socket.request.max.bytes"]),
    (&["default.replication.factor=5"], &["larger than replication.factor.max.accepted = 3"]),
    (
        &["log.retention.hours=long"],
        &["log.retention.hours = \"long\" (from --set) is not valid; use"],
    ),
];

#[test]
fn each_wrong_setting_is_one_message_with_its_remedy() {
    for (flags, parts) in WRONG {
        let errors = load(&sources(flags, &[], None)).expect_err(flags[0]);
        assert_eq!(errors.0.len(), 1, "{flags:?}: {errors}");
        let message = errors.to_string();
        for part in *parts {
            assert!(message.contains(part), "{flags:?}: {part:?} is missing in {message}");
            assert!(!errors.0[0].remedy.is_empty(), "{flags:?}: no remedy in {message}");
        }
    }
}

#[test]
fn all_errors_of_all_sources_come_at_once() {
    let file = "num.partitions = 0\nbogus.key = 1\ndata.dir = 1979-05-27";
    let environment = [("STROM_NODE_ID", "x")];
    let errors = load(&sources(&["flush.policy=x"], &environment, Some(file))).unwrap_err();
    let message = errors.to_string();
    assert!(message.starts_with("the configuration has 5 errors:\n"), "{message}");
    for part in [
        "num.partitions = \"0\" (from strom.toml)",
        "bogus.key",
        "data.dir (from strom.toml) is neither text",
        "node.id = \"x\" (from STROM_NODE_ID)",
        "flush.policy = \"x\" (from --set)",
    ] {
        assert!(message.contains(part), "{part} is missing in {message}");
    }
}

#[test]
fn a_file_that_is_not_toml_or_repeats_a_key_says_where() {
    let message = load(&sources(&[], &[], Some("a = = 3"))).unwrap_err().to_string();
    assert!(message.contains("is not TOML") && message.contains("line 1"), "{message}");
    let twice = "\"node.id\" = 1\n[node]\nid = 2";
    let message = load(&sources(&[], &[], Some(twice))).unwrap_err().to_string();
    assert!(message.contains("node.id") && message.contains("twice"), "{message}");
}

#[test]
fn describe_tells_value_source_and_type() {
    let flags = ["num.partitions=7", "journal.retention.bytes=20GiB", "log.retention.hours=1"];
    let config = from_flags(&flags).config;
    let rows = config.describe();
    let row = |name: &str| {
        let row = rows.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("{name}"));
        (row.value.as_deref(), row.is_default, row.kafka_type)
    };
    assert_eq!(row("num.partitions"), (Some("7"), false, 3));
    assert_eq!(row("journal.retention.bytes"), (Some("21474836480"), false, 5));
    assert_eq!(row("auto.create.topics.enable"), (Some("true"), true, 1));
    assert_eq!(row("listeners"), (Some(table::DEFAULT_LISTENERS), true, 7));
    assert_eq!(row("log.retention.hours"), (Some("1"), false, 3));
    assert_eq!(row("log.cleanup.policy"), (Some("delete"), true, 7));
    let mut names: Vec<_> = rows.iter().map(|row| row.name).collect();
    for needed in [
        "num.partitions",
        "default.replication.factor",
        "auto.create.topics.enable",
        "log.retention.ms",
        "log.retention.minutes",
        "log.retention.bytes",
        "message.max.bytes",
        "min.insync.replicas",
        "group.max.session.timeout.ms",
    ] {
        assert!(names.contains(&needed), "{needed}");
    }
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "a name is described twice");
    assert_eq!(row("data.dir").0, Some("/srv/broker/strom-data"));
}

#[test]
fn configuration_page_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let page = documentation();
    if std::env::var_os("STROM_UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/configuration.md is stale: run STROM_UPDATE_DOCS=1 cargo test");
}

/// The page about topics has a table of the options of a topic's table, written by hand.
#[test]
fn the_page_about_topics_names_every_option_of_its_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/topics.md");
    let page = std::fs::read_to_string(path).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `table.datalake."));
    let rows: Vec<(&str, &str)> = rows
        .filter_map(|row| {
            let mut cells = row.split(" | ");
            Some((cells.next()?.strip_suffix('`')?, cells.next()?))
        })
        .collect();
    let known: Vec<(&str, String)> = strom_coordinator::cluster::topic_config::TOPIC_OPTIONS
        .iter()
        .filter_map(|option| {
            let name = option.name.strip_prefix("table.datalake.")?;
            Some((name, format!("`{}`", option.default)))
        })
        .collect();
    let known: Vec<(&str, &str)> =
        known.iter().map(|(name, default)| (*name, &**default)).collect();
    assert_eq!(rows, known, "names and defaults, in their order");
}

#[test]
fn a_bucket_is_reached_as_options_or_the_variables_of_aws_say() {
    let flags = ["lake.warehouse=s3://bucket/lake/", "s3.endpoint=http://127.0.0.1:9000/"];
    let aws = [
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "hush"),
        ("AWS_SESSION_TOKEN", "hush hush"),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ENDPOINT_URL", "https://weaker"),
    ];
    let Loaded { config, warnings } = load(&sources(&flags, &aws, None)).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    let lake = &config.lake;
    assert_eq!(lake.warehouse.url(), "s3://bucket/lake");
    assert_eq!(lake.s3.endpoint.as_deref(), Some("http://127.0.0.1:9000"));
    assert_eq!(lake.s3.region, "eu-central-1");
    let keys = lake.s3.keys.as_ref().unwrap();
    assert_eq!((keys.access_key_id.as_str(), keys.secret_access_key.reveal()), ("id", "hush"));
    assert_eq!(keys.session_token.as_ref().unwrap().reveal(), "hush hush");

    let own = ["s3.access-key-id=own", "s3.secret-access-key=secret"];
    let Loaded { config, .. } = load(&sources(&own, &aws, None)).unwrap();
    let keys = config.lake.s3.keys.as_ref().unwrap();
    assert_eq!((keys.access_key_id.as_str(), &keys.session_token), ("own", &None));
}

#[test]
fn secrets_are_never_shown() {
    let flags = [
        "s3.access-key-id=id",
        "s3.secret-access-key=hush",
        "lake.vended.access-key-id=reader",
        "lake.vended.secret-access-key=hush",
    ];
    let Loaded { config, .. } = from_flags(&flags);
    assert!(!format!("{config:?}").contains("hush"));
    for row in config.describe() {
        let is_secret = row.name.ends_with("secret-access-key") || row.name == "s3.session-token";
        assert_eq!(
            (row.sensitive, row.value.is_none()),
            (is_secret, is_secret || row.value.is_none())
        );
        assert_ne!(row.value.as_deref(), Some("hush"), "{}", row.name);
    }
    let refused = load(&sources(&["s3.secret-access-key=hush"], &[], None)).unwrap_err();
    assert!(!refused.to_string().contains("hush"), "{refused}");
}
