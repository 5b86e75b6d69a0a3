//! Starting, serving and stopping, each as one list.
//!
//! Start: sockets, data directory, metadata log, journal, lake, groups, then traffic. Sockets come
//! first so that a port in use is said before anything on disk is touched. Stop: no new requests,
//! replies in flight, HTTP, lake, journal.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use strom_lake::{Lake, LakeOptions};
use strom_storage::{
    Corruption, DataDir, FlushPolicy, MetadataLog, Store, StoreOptions, TopicList,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::api::fetch::Sessions;
use crate::banner::{self, Banner, Found};
use crate::broker::Broker;
use crate::clock::Clock;
use crate::config::{self, Config, HostPort};
use crate::coordinators::groups::Groups;
use crate::coordinators::topics::{self, Topics, TopicsParts};
use crate::http;
use crate::http::health::{Health, Phase};
use crate::http::metrics::Registry;
use crate::maintenance;
use crate::metrics;
use crate::net::{self, BoundListener, ConnectionLimits, ReplyMemory, RequestMemory, ServeContext};
use crate::session::Session;

#[cfg(test)]
mod allocations;
mod bind;

use bind::Sockets;

/// The share of `memory.limit` that requests in flight may hold; replies get as much.
const REQUEST_MEMORY_SHARE: usize = 4;
const REPLY_MEMORY_SHARE: usize = 4;
/// Consumers that are not behind read from memory; those that are read from the page cache.
const TAIL_MEMORY_SHARE: usize = 8;
/// Row groups that are encoded ahead of their commits.
const LAKE_MEMORY_SHARE: usize = 8;
/// Below data.dir: data files on their way to a bucket.
const SPOOL: &str = "tmp/lake";
/// A background task that failed rests this long before it begins anew.
const BEGIN_ANEW_REST: Duration = Duration::from_secs(1);
/// A second Ctrl-C ends the process with the shell's code for SIGINT.
const INTERRUPTED: i32 = 130;

/// Serves until Ctrl-C or SIGTERM (`Ok`), or until storage fails (`Err`, with the reason).
pub async fn run(config: Config) -> Result<(), String> {
    let began = Instant::now();
    let sockets = bind::bind_all(&config).await?;
    let (broker, found) = open(&config, &sockets).await?;
    let registry = Arc::new(Registry::default());
    metrics::register(&registry, &broker);
    let health = Arc::new(Health::default());
    let mut signals = Signals::install()?;

    let Sockets { kafka, http } = sockets;
    let addresses: Vec<HostPort> = kafka.iter().map(|(_, address)| address.clone()).collect();
    write_addresses(&config.data_dir, &addresses, &http.1)?;
    let mut tasks = JoinSet::new();
    spawn_listeners(&mut tasks, &broker, kafka.into_iter().map(|(listener, _)| listener));
    let router = http::router(
        Arc::clone(&health),
        registry,
        http::verify::router(Arc::clone(&broker.topics), Arc::clone(&broker.store)),
        http::catalog::router(Arc::clone(&broker.lake)),
    );
    let http_task =
        tokio::spawn(http::serve(http.0, router, stopping(broker.shutdown.subscribe())));
    let background = spawn_background(&broker);

    health.enter(Phase::Ready);
    banner::print(&Banner {
        kafka: &addresses,
        bootstrap: &broker.endpoints[0],
        http: &http.1,
        data_dir: &config.data_dir,
        found,
        namespace: &config.lake.namespace,
    });
    info!(ready_ms = began.elapsed().as_millis(), "ready");

    let outcome = tokio::select! {
        () = signals.stop() => Ok(()),
        failed = broker.store.failed() => Err(failed.to_string()),
    };
    match &outcome {
        Ok(()) => health.enter(Phase::Stopping),
        Err(reason) => health.enter(Phase::Failed(reason.clone())),
    }
    tokio::select! {
        () = stop(&broker, tasks, http_task, background) => {}
        () = signals.stop() => {
            warn!("stopped at once on a second signal");
            std::process::exit(INTERRUPTED);
        }
    }
    match outcome {
        Ok(()) => info!("stopped"),
        Err(ref reason) => {
            error!(reason, "stopped because storage failed; the next start recovers")
        }
    }
    outcome
}

/// Opens what is on disk and builds the broker around it.
async fn open(config: &Config, sockets: &Sockets) -> Result<(Arc<Broker>, Found), String> {
    let clock = Clock::system();
    let to_open = config.clone();
    let now_ms = clock.now_ms();
    let opened = tokio::task::spawn_blocking(move || open_storage(&to_open, now_ms));
    let Opened { store, cluster, found } =
        opened.await.map_err(|error| format!("opening the data directory failed: {error}"))??;

    let lake = Lake::open(Arc::clone(&store), lake_options(config))
        .map_err(|error| format!("the lake cannot be opened: {error}"))?;
    let topics = Arc::new(Topics::new(TopicsParts {
        cluster,
        store: Arc::clone(&store),
        lake: Arc::clone(&lake),
        clock: clock.clone(),
        config,
    }));
    topics.announce_to_lake();
    let groups = Arc::new(Groups::new(
        Arc::clone(&store),
        Arc::clone(&topics),
        clock.clone(),
        (group_config(&config.groups), config.groups.offsets_topic_partitions),
    ));
    topics.on_deleted({
        let groups = Arc::downgrade(&groups);
        move |names| {
            if let Some(groups) = groups.upgrade() {
                groups.topics_deleted(names);
            }
        }
    });
    groups.recover().await.map_err(|code| {
        format!("group state cannot be read ({}); the log says where", code.name())
    })?;
    let broker = Broker {
        config: config.clone(),
        store,
        topics,
        groups,
        lake,
        metrics: Arc::default(),
        fetch_sessions: Sessions::new(config.limits.fetch_sessions),
        replies: ReplyMemory::new(config.memory_limit / REPLY_MEMORY_SHARE),
        clock,
        shutdown: watch::channel(false).0,
        endpoints: sockets.endpoints(config),
    };
    Ok((Arc::new(broker), found))
}

struct Opened {
    store: Arc<Store>,
    cluster: strom_coordinator::cluster::Cluster,
    found: Found,
}

fn open_storage(config: &Config, now_ms: i64) -> Result<Opened, String> {
    let data_dir = DataDir::open(&config.data_dir).map_err(|error| error.to_string())?;
    let is_new = data_dir.is_new();
    let metadata = MetadataLog::open(&data_dir).map_err(|error| error.to_string())?;
    let cluster = topics::replay(&metadata, topics::cluster_defaults(config))?;
    let specs = topics::specs(&cluster, &metadata);
    let recovered = cluster.topics().filter(|topic| !topic.is_internal()).count();
    let (store, report) =
        Store::open(data_dir, metadata, store_options(config), TopicList::Complete(specs), now_ms)
            .map_err(|error| error.to_string())?;
    if !is_new {
        info!(
            clean = report.was_clean,
            partitions = report.partitions,
            segments = report.segments,
            batches = report.batches,
            bytes = report.bytes_read,
            leader_epoch = report.leader_epoch,
            "data directory recovered"
        );
    }
    if let Some((file, position)) = &report.torn_tail {
        info!(file = %file.display(), position, "the journal ended in an unsynced write, which was dropped");
    }
    report.corruptions.iter().for_each(tell_of_damage);
    let found = if is_new { Found::New } else { Found::Recovered { topics: recovered } };
    Ok(Opened { store, cluster, found })
}

fn tell_of_damage(damage: &Corruption) {
    let Corruption { file, position, reason, lost } = damage;
    let file = file.display();
    if lost.is_empty() {
        warn!(%file, position, reason, "a file was damaged and nothing was lost; check the disk");
    } else {
        error!(
            %file, position, reason, ?lost,
            "durable records are damaged; reads of these offsets answer KAFKA_STORAGE_ERROR, all else is served"
        );
    }
}

fn store_options(config: &Config) -> StoreOptions {
    StoreOptions {
        journal_file_bytes: config.journal_file_bytes,
        journal_retention_bytes: config.journal_retention_bytes,
        flush_policy: match config.flush_policy {
            config::FlushPolicy::Sync => FlushPolicy::Sync,
            config::FlushPolicy::Os => FlushPolicy::Os,
        },
        tail_bytes: (config.memory_limit / TAIL_MEMORY_SHARE) as u64,
        producer_id_expiration_ms: config.producer_id_expiration_ms,
        ..StoreOptions::default()
    }
}

/// The lake must not hold a small journal full: it commits well before its budget is used up.
fn lake_options(config: &Config) -> LakeOptions {
    let spool = config.data_dir.join(SPOOL);
    let defaults = LakeOptions::new(config.lake.warehouse.clone(), spool);
    let journal = config.journal_retention_bytes;
    LakeOptions {
        s3: config.lake.s3.clone(),
        ahead_bytes: config.memory_limit / LAKE_MEMORY_SHARE,
        namespace: config.lake.namespace.clone(),
        journal_pressure_bytes: defaults.journal_pressure_bytes.min(journal / 4),
        commit_bytes: defaults.commit_bytes.min(journal / 8),
        ..defaults
    }
}

fn group_config(groups: &config::Groups) -> strom_coordinator::group::GroupConfig {
    let ms = |value: i64| i32::try_from(value).unwrap_or(i32::MAX);
    strom_coordinator::group::GroupConfig {
        min_session_timeout_ms: ms(groups.min_session_timeout_ms),
        max_session_timeout_ms: ms(groups.max_session_timeout_ms),
        initial_rebalance_delay_ms: ms(groups.initial_rebalance_delay_ms),
        max_size: groups.max_size,
        offset_metadata_max_bytes: groups.offset_metadata_max_bytes,
        offsets_retention_ms: groups.offsets_retention_ms,
        ..Default::default()
    }
}

fn spawn_listeners(
    tasks: &mut JoinSet<()>,
    broker: &Arc<Broker>,
    listeners: impl Iterator<Item = BoundListener>,
) {
    let limits = &broker.config.limits;
    let context = ServeContext {
        limits: ConnectionLimits {
            frame_bytes_max: limits.socket_request_max_bytes,
            idle: limits.connections_max_idle,
            memory: RequestMemory::new(broker.config.memory_limit / REQUEST_MEMORY_SHARE),
        },
        connections_max: limits.max_connections,
        connections_per_address_max: limits.max_connections_per_ip,
        connections: Arc::clone(&broker.metrics.connections),
        addresses: Arc::default(),
        refusals: Arc::default(),
        shutdown: broker.shutdown.subscribe(),
    };
    for listener in listeners {
        let broker = Arc::clone(broker);
        tasks.spawn(net::serve(listener, context.clone(), move |peer, index, gone| {
            Session::new(Arc::clone(&broker), peer, index, gone)
        }));
    }
}

/// Timers and upkeep; they hold no state that must be finished, so they are cancelled at the end.
fn spawn_background(broker: &Arc<Broker>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let groups = Arc::clone(&broker.groups);
    tasks.spawn(kept("the timers of groups", move || {
        let groups = Arc::clone(&groups);
        async move { groups.run_timers().await }
    }));
    let broker = Arc::clone(broker);
    tasks.spawn(kept("upkeep", move || maintenance::run(Arc::clone(&broker))));
    tasks
}

/// Runs a task that must not end; if it panics (our bug) it is begun anew.
async fn kept<F>(name: &'static str, begin: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let mut task = JoinSet::new();
        task.spawn(begin());
        if let Some(Err(reason)) = task.join_next().await {
            error!(%reason, "{name} failed and begin anew");
        }
        tokio::time::sleep(BEGIN_ANEW_REST).await;
    }
}

async fn stop(
    broker: &Arc<Broker>,
    mut tasks: JoinSet<()>,
    http: tokio::task::JoinHandle<std::io::Result<()>>,
    background: JoinSet<()>,
) {
    broker.shutdown.send_replace(true);
    while tasks.join_next().await.is_some() {}
    if let Ok(Err(error)) = http.await {
        warn!(%error, "serving HTTP ended with an error");
    }
    drop(background);
    let (lake, store) = (Arc::clone(&broker.lake), Arc::clone(&broker.store));
    let close = move || {
        lake.close();
        store.close()
    };
    match tokio::task::spawn_blocking(close).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => error!(%error, "the journal was not closed cleanly"),
        Err(error) => error!(%error, "closing the journal failed"),
    }
}

async fn stopping(mut shutdown: watch::Receiver<bool>) {
    net::raised(&mut shutdown).await;
}

/// Tells tests and scripts where the broker listens: `<data.dir>/addresses.json`.
fn write_addresses(data_dir: &Path, kafka: &[HostPort], http: &HostPort) -> Result<(), String> {
    let kafka: Vec<String> = kafka.iter().map(ToString::to_string).collect();
    let json = serde_json::json!({ "kafka": kafka, "http": http.to_string() });
    let path = data_dir.join("addresses.json");
    let temporary = data_dir.join("addresses.json.tmp");
    std::fs::write(&temporary, format!("{json}\n"))
        .and_then(|()| std::fs::rename(&temporary, &path))
        .map_err(|error| format!("{} cannot be written: {error}", path.display()))
}

struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn install() -> Result<Self, String> {
        let install = |kind| signal(kind).map_err(|error| format!("signals: {error}"));
        Ok(Self {
            interrupt: install(SignalKind::interrupt())?,
            terminate: install(SignalKind::terminate())?,
        })
    }

    /// Resolves at the next Ctrl-C or SIGTERM.
    async fn stop(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
