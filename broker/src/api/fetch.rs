//! Fetch (key 1), versions 4-18. v5 log start offset; v7 fetch sessions; v9 leader epochs; v10 zstd;
//! v11 rack; v12 flexible; v13 topic ids; v15 replica state; v17, v18 replica directory and watermark.
//!
//! ```text
//! session ─► targets ─► read each ─► enough? reply : subscribe, read what changed, wait once, again
//! ```

mod respond;
mod session;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use strom_protocol::error_code::ErrorCode;
use strom_protocol::messages::fetch::{FetchRequest, FetchResponse};
use strom_protocol::types::TopicId;
use strom_protocol::{ByteString, Uuid};
use strom_storage::{Isolation, Partition, Read, ReadError, ReadLimits, Subscription};
use tokio::sync::Notify;
use tracing::warn;

use self::session::{Ask, Cache, Key, NO_SESSION, Resumed, Shared, TopicKey, Wanted};
use crate::errors::read_error_code;
use crate::session::Context;

const SESSIONS_SINCE: i16 = 7;
const TOPIC_IDS_SINCE: i16 = 13;
/// A response carries at most this much, whatever the client asks for (Kafka's `fetch.max.bytes`);
/// a single larger batch is still returned whole.
const RESPONSE_BYTES_MAX: usize = 55 * 1024 * 1024;

/// Every fetch session of the broker.
#[derive(Debug)]
pub struct Sessions(Mutex<Cache<Found>>);

impl Sessions {
    /// Room for `slots_max` sessions; 0 turns them off.
    pub fn new(slots_max: usize) -> Self {
        Self(Mutex::new(Cache::new(slots_max)))
    }

    /// Sessions at this moment.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Cache<Found>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the response has to do with a session.
enum SessionUse {
    /// Nothing.
    None,
    /// It opens one, if there is room.
    Opens(Ask),
    /// It continues one, as the answer to the request with this epoch.
    Open(Shared<Found>, i32),
}

/// One partition to read, resolved.
struct Target {
    key: Key,
    wanted: Wanted,
    /// Where it stands in its session, if there is one.
    place: u64,
    source: Result<Source, ErrorCode>,
}

/// A partition, and the name that its topic had when it was found.
#[derive(Debug, Clone)]
struct Found {
    partition: Arc<Partition>,
    topic: ByteString,
}

/// Where and how much to read.
#[derive(Clone)]
struct Source {
    partition: Arc<Partition>,
    topic: ByteString,
    offset: i64,
    bytes_max: usize,
}

/// The request's limits.
#[derive(Clone, Copy)]
struct Limits {
    bytes_max: usize,
    isolation: Isolation,
}

/// What one pass over all partitions found.
#[derive(Default)]
struct Pass {
    results: Vec<Result<Read, ErrorCode>>,
    bytes: usize,
    bytes_max: usize,
    /// A partition that is there could not be read, or not as the consumer believes it to be.
    failed: bool,
    /// A partition is there whose records could be waited for.
    can_wait: bool,
}

/// Answers once `min_bytes` are there, a partition fails, or `max_wait_ms` is over.
pub async fn handle(context: Context, version: i16, request: FetchRequest) -> FetchResponse {
    let limits = Limits {
        bytes_max: usize::try_from(request.max_bytes).unwrap_or(0).min(RESPONSE_BYTES_MAX),
        isolation: isolation(request.isolation_level),
    };
    // More than fits into a response is never there, so it is not waited for.
    let bytes_min = usize::try_from(request.min_bytes).unwrap_or(0).min(limits.bytes_max);
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let (session, targets) = match begin(&context, version, request) {
        Ok(begun) => begun,
        Err(code) => return respond::failed(code, NO_SESSION),
    };
    let targets: Arc<[Target]> = targets.into();

    let mut pass = read_all(&context, &targets, limits, Pass::default()).await;
    if !wait.is_zero() && !enough(&pass, bytes_min) {
        pass = wait_for(context.clone(), &targets, limits, (pass, bytes_min, wait)).await;
    }
    context.broker.metrics.fetched(pass.bytes);
    let bytes = pass.bytes;
    let mut response = respond::respond(&context, session, &targets, pass.results, limits);
    hold(&context, &mut response, bytes);
    response
}

/// The partitions that the request and its session are about.
fn begin(
    context: &Context,
    version: i16,
    request: FetchRequest,
) -> Result<(SessionUse, Vec<Target>), ErrorCode> {
    let uses_topic_ids = version >= TOPIC_IDS_SINCE;
    let ask = Ask {
        session_id: request.session_id,
        epoch: request.session_epoch,
        uses_topic_ids,
        now_ms: context.broker.clock.now_ms(),
    };
    let named = named(&request, uses_topic_ids);
    let sessions = &context.broker.fetch_sessions;
    if ask.is_full() {
        if ask.session_id != NO_SESSION {
            sessions.lock().close(ask.session_id);
        }
        let opens = version >= SESSIONS_SINCE && ask.opens();
        let target = |(key, wanted)| Target {
            source: source(context, &key, wanted, None),
            key,
            wanted,
            place: 0,
        };
        let session = if opens { SessionUse::Opens(ask) } else { SessionUse::None };
        return Ok((session, named.into_iter().map(target).collect()));
    }
    let forgotten = request.forgotten_topics_data.iter().flat_map(|topic| {
        let key = topic_key(&topic.topic, topic.topic_id, uses_topic_ids);
        topic.partitions.iter().map(move |index| Key { topic: key.clone(), partition: *index })
    });
    let resumed = sessions.lock().resume(ask, named, forgotten)?;
    let Resumed::Open(shared) = resumed else { return Ok((SessionUse::None, Vec::new())) };
    let targets = session::lock(&shared)
        .entries()
        .map(|(place, entry)| Target {
            key: entry.key.clone(),
            wanted: entry.wanted,
            place,
            source: source(context, &entry.key, entry.wanted, entry.handle.as_ref()),
        })
        .collect();
    Ok((SessionUse::Open(shared, ask.epoch), targets))
}

fn named(request: &FetchRequest, uses_topic_ids: bool) -> Vec<(Key, Wanted)> {
    let count = request.topics.iter().map(|topic| topic.partitions.len()).sum();
    let mut named = Vec::with_capacity(count);
    for topic in &request.topics {
        let key = topic_key(&topic.topic, topic.topic_id, uses_topic_ids);
        named.extend(topic.partitions.iter().map(|wanted| {
            let key = Key { topic: key.clone(), partition: wanted.partition };
            let wanted = Wanted {
                offset: wanted.fetch_offset,
                bytes_max: wanted.partition_max_bytes,
                leader_epoch: wanted.current_leader_epoch,
            };
            (key, wanted)
        }));
    }
    named
}

fn topic_key(name: &ByteString, id: Uuid, uses_topic_ids: bool) -> TopicKey {
    if uses_topic_ids { TopicKey::Id(id) } else { TopicKey::Name(name.clone()) }
}

/// The budget of replies is charged as long as the last piece of the records lives, which is
/// until the socket has taken it: slow consumers must not pile up what was read for them.
fn hold(context: &Context, response: &mut FetchResponse, bytes: usize) {
    let partitions =
        response.responses.iter_mut().rev().flat_map(|t| t.partitions.iter_mut().rev());
    let mut chunks =
        partitions.filter_map(|partition| partition.records.as_mut()?.chunks.last_mut());
    if let Some(last) = chunks.next() {
        *last = context.broker.replies.hold(std::mem::take(last), bytes);
    }
}

/// Isolation level as on the wire: 1 is read_committed, all else reads uncommitted.
pub(super) fn isolation(level: i8) -> Isolation {
    if level == 1 { Isolation::ReadCommitted } else { Isolation::ReadUncommitted }
}

/// Partitions that do not exist are answered with the others: as in Kafka, they end nobody's wait.
fn enough(pass: &Pass, bytes_min: usize) -> bool {
    pass.failed || !pass.can_wait || pass.bytes >= bytes_min.min(pass.bytes_max)
}

/// Subscribes first and reads again before every wait, so no append is missed in between.
async fn wait_for(
    mut context: Context,
    targets: &Arc<[Target]>,
    limits: Limits,
    (mut pass, bytes_min, wait): (Pass, usize, Duration),
) -> Pass {
    let deadline = tokio::time::Instant::now() + wait;
    let news = Arc::new(Notify::new());
    let _subscriptions = subscribe(targets, &news);
    loop {
        let notified = news.notified();
        pass = read_all(&context, targets, limits, pass).await;
        if enough(&pass, bytes_min) {
            return pass;
        }
        tokio::select! {
            () = notified => {}
            () = tokio::time::sleep_until(deadline) => {
                return read_all(&context, targets, limits, pass).await;
            }
            () = context.ended() => return pass,
        }
    }
}

/// One subscription per partition, however often the request names it.
fn subscribe(targets: &[Target], news: &Arc<Notify>) -> Vec<Subscription> {
    let mut seen = HashSet::with_capacity(targets.len());
    targets
        .iter()
        .filter_map(|target| target.source.as_ref().ok())
        .filter(|source| seen.insert(Arc::as_ptr(&source.partition)))
        .map(|source| source.partition.subscribe(news))
        .collect()
}

/// What to read of a partition; `known` if its session has found it before.
fn source(
    context: &Context,
    key: &Key,
    wanted: Wanted,
    known: Option<&Found>,
) -> Result<Source, ErrorCode> {
    let Found { partition, topic } = match known {
        Some(found) if found.partition.is_deleted() => match &key.topic {
            TopicKey::Id(_) => return Err(deleted(context, &found.topic)),
            TopicKey::Name(_) => find(context, key)?,
        },
        Some(found) => found.clone(),
        None => find(context, key)?,
    };
    super::check_leader_epoch(wanted.leader_epoch, partition.leader_epoch())?;
    let bytes_max = usize::try_from(wanted.bytes_max).unwrap_or(0);
    Ok(Source { partition, topic, offset: wanted.offset, bytes_max })
}

fn find(context: &Context, key: &Key) -> Result<Found, ErrorCode> {
    let topics = &context.broker.topics;
    let (id, topic) = match &key.topic {
        TopicKey::Name(name) => {
            let id = topics.id_of(name).ok_or(ErrorCode::UnknownTopicOrPartition)?;
            (id, name.clone())
        }
        TopicKey::Id(id) => {
            let name = topics.name_of(TopicId(*id)).ok_or(ErrorCode::UnknownTopicId)?;
            (TopicId(*id), name)
        }
    };
    let partition = context.broker.store.partition(id, key.partition);
    let partition = partition.ok_or(ErrorCode::UnknownTopicOrPartition)?;
    Ok(Found { partition, topic })
}

/// What is said of a topic that was known by id and is no more: that it is gone, or that another has
/// its name (KIP-516).
fn deleted(context: &Context, name: &ByteString) -> ErrorCode {
    match context.broker.topics.id_of(name) {
        Some(_) => ErrorCode::InconsistentTopicId,
        None => ErrorCode::UnknownTopicOrPartition,
    }
}

fn is_unknown(code: ErrorCode) -> bool {
    use ErrorCode::{InconsistentTopicId, UnknownTopicId, UnknownTopicOrPartition};
    matches!(code, UnknownTopicOrPartition | UnknownTopicId | InconsistentTopicId)
}

/// Reads what is not as `before` found it: inline when memory answers, else on a thread that may wait
/// for the disk.
async fn read_all(
    context: &Context,
    targets: &Arc<[Target]>,
    limits: Limits,
    before: Pass,
) -> Pass {
    let bytes_max = limits.bytes_max.min(context.broker.replies.room());
    let limits = Limits { bytes_max, ..limits };
    if targets.iter().all(reads_from_memory) {
        return read_pass(targets, limits, before);
    }
    let targets = Arc::clone(targets);
    tokio::task::spawn_blocking(move || read_pass(&targets, limits, before))
        .await
        .expect("a read neither panics nor is cancelled")
}

fn reads_from_memory(target: &Target) -> bool {
    target.source.as_ref().map_or(true, |source| source.offset >= source.partition.tail_start())
}

fn read_pass(targets: &[Target], limits: Limits, before: Pass) -> Pass {
    let results = Vec::with_capacity(targets.len());
    let mut pass = Pass { results, bytes_max: limits.bytes_max, ..Pass::default() };
    let mut before = before.results.into_iter();
    for target in targets {
        let result = match (&target.source, before.next()) {
            (Err(code), _) => Err(*code),
            (Ok(source), Some(Ok(read))) if source.partition.is_unchanged(&read.offsets) => {
                Ok(read)
            }
            (Ok(source), _) => read_one(source, limits, pass.bytes),
        };
        match &result {
            Ok(read) => {
                pass.bytes += read.bytes;
                pass.can_wait = true;
            }
            Err(code) => pass.failed |= target.source.is_ok() || !is_unknown(*code),
        }
        pass.results.push(result);
    }
    pass
}

/// A whole batch is returned even above the limits, but only while the answer is still empty.
fn read_one(source: &Source, limits: Limits, bytes_so_far: usize) -> Result<Read, ErrorCode> {
    let bytes_left = limits.bytes_max.saturating_sub(bytes_so_far);
    let read_limits =
        ReadLimits { max_bytes: source.bytes_max.min(bytes_left), at_least_one: bytes_so_far == 0 };
    let read = source.partition.read(source.offset, limits.isolation, read_limits);
    read.map_err(|error| {
        if matches!(error, ReadError::Corrupt { .. } | ReadError::Environment(_)) {
            warn!(topic_id = %source.partition.topic_id(), partition = source.partition.index(), %error, "fetch failed");
        }
        read_error_code(&error)
    })
}
