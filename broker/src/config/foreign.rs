//! Settings of Kafka's `server.properties` that are not options here.
//!
//! Those that merely tune a different machine are accepted with one warning, so that a pasted line
//! stops nobody. Those that promise protection are refused: a broker that ignores them would run
//! open while its owner believes it closed.

/// What becomes of a setting of Kafka that the option table does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// Accepted and without effect; the text says what to use instead, if anything.
    Ignored(&'static str),
    /// Refused; the text says why.
    Refused(&'static str),
}

/// Judges `key`; `None` for a key that is not Kafka's either.
pub fn judge(key: &str) -> Option<Foreign> {
    if let Some((_, instead)) = IGNORED.iter().find(|(name, _)| *name == key) {
        return Some(Foreign::Ignored(instead));
    }
    if REFUSED_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) || key.contains(".ssl.") {
        return Some(Foreign::Refused(NO_SECURITY));
    }
    if IGNORED_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
        return Some(Foreign::Ignored(""));
    }
    None
}

/// The settings that are accepted without effect by their full name.
pub fn ignored_names() -> impl Iterator<Item = &'static str> {
    IGNORED.iter().map(|(name, _)| *name)
}

/// Everything that is accepted without effect, whole families as `family.*`.
pub fn ignored() -> impl Iterator<Item = String> {
    let families = IGNORED_PREFIXES.iter().map(|prefix| match prefix.strip_suffix('.') {
        Some(family) => format!("{family}.*"),
        None => (*prefix).to_owned(),
    });
    ignored_names().map(str::to_owned).chain(families)
}

const NO_SECURITY: &str = "encryption, authentication and authorization do not exist yet, and \
                           running unprotected in spite of this setting would be worse than not \
                           starting";

const REFUSED_PREFIXES: &[&str] = &[
    "ssl.",
    "sasl.",
    "authorizer.class.name",
    "super.users",
    "allow.everyone.if.no.acl.found",
    "principal.builder.class",
    "delegation.token.",
    "listener.name.",
];

const IGNORED: &[(&str, &str)] = &[
    ("log.dirs", "use data.dir"),
    ("log.dir", "use data.dir"),
    ("broker.id", "use node.id"),
    ("num.network.threads", ""),
    ("num.io.threads", ""),
    ("num.recovery.threads.per.data.dir", ""),
    ("num.replica.fetchers", ""),
    ("num.replica.alter.log.dirs.threads", ""),
    ("background.threads", ""),
    ("queued.max.requests", "use memory.limit"),
    ("queued.max.request.bytes", "use memory.limit"),
    ("socket.send.buffer.bytes", ""),
    ("socket.receive.buffer.bytes", ""),
    ("socket.listen.backlog.size", ""),
    ("process.roles", ""),
    ("inter.broker.listener.name", ""),
    ("inter.broker.protocol.version", ""),
    ("security.inter.broker.protocol", ""),
    ("auto.leader.rebalance.enable", ""),
    ("broker.rack", ""),
    ("broker.id.generation.enable", ""),
    ("request.timeout.ms", ""),
    ("fetch.max.bytes", ""),
    ("max.connections.per.ip.overrides", ""),
    ("max.connection.creation.rate", ""),
    ("log.message.format.version", ""),
    ("log.flush.offset.checkpoint.interval.ms", ""),
    ("log.flush.start.offset.checkpoint.interval.ms", ""),
    ("log.initial.task.delay.ms", ""),
    ("offsets.topic.replication.factor", ""),
    ("offsets.topic.segment.bytes", ""),
    ("offsets.topic.compression.codec", ""),
    ("offsets.commit.timeout.ms", ""),
    ("offsets.commit.required.acks", ""),
    ("offsets.load.buffer.size", ""),
    ("offsets.retention.check.interval.ms", ""),
    ("producer.id.expiration.check.interval.ms", ""),
    ("auto.include.jmx.reporter", ""),
    ("delete.topic.enable", "topics can be deleted"),
    ("controlled.shutdown.enable", ""),
    ("unstable.api.versions.enable", ""),
    ("unstable.feature.versions.enable", ""),
    ("create.topic.policy.class.name", ""),
    ("alter.config.policy.class.name", ""),
    ("client.quota.callback.class", ""),
    ("early.start.listeners", ""),
    ("initial.broker.registration.timeout.ms", ""),
    ("node.rack", ""),
];

const IGNORED_PREFIXES: &[&str] = &[
    "zookeeper.",
    "controller.",
    "controlled.shutdown.",
    "metadata.",
    "broker.heartbeat.",
    "broker.session.",
    "leader.imbalance.",
    "leader.replication.",
    "follower.replication.",
    "replica.",
    "alter.log.dirs.",
    "transaction.",
    "transactional.id.expiration.ms",
    "log.cleaner.",
    "log.dir.failure.",
    "remote.log.",
    "remote.fetch.",
    "metric.reporters",
    "metrics.",
    "telemetry.",
    "quota.",
    "server.max.startup.time.ms",
    "group.coordinator.",
    "group.consumer.",
    "group.share.",
    "group.streams.",
    "share.coordinator.",
    "connection.failed.authentication.delay.ms",
    "connections.max.reauth.ms",
    "confluent.",
];
