//! Fetch (key 1), versions 4-18. v5 log start offset; v7 fetch sessions; v9 leader epochs; v10 zstd;
//! v11 rack; v12 flexible; v13 topic ids; v15 replica state; v17, v18 replica directory and watermark.
//!
//! Fetch sessions are not kept: every answer carries session id 0, which tells the client to send
//! full requests (KIP-227). A full request is answered whatever session it would open or close; one
//! that continues a session is answered with FETCH_SESSION_ID_NOT_FOUND.
//!
//! ```text
//! resolve ─► read every partition ─► enough? reply : subscribe, read again, wait once, read again
//! ```

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use strom_protocol::error_code::ErrorCode;
use strom_protocol::messages::fetch::{
    FetchPartition, FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData,
};
use strom_protocol::record::Compression;
use strom_protocol::types::TopicId;
use strom_protocol::wire::Records;
use strom_storage::{Isolation, Partition, Read, ReadError, ReadLimits, Subscription};
use tokio::sync::Notify;
use tracing::warn;

use crate::errors::read_error_code;
use crate::session::Context;

const SESSIONS_SINCE: i16 = 7;
const ZSTD_SINCE: i16 = 10;
const TOPIC_IDS_SINCE: i16 = 13;
/// Epochs of full requests: -1 ends a session or wants none, 0 asks for one (which may be declined).
const FULL_REQUEST_EPOCHS: std::ops::RangeInclusive<i32> = -1..=0;
/// A response carries at most this much, whatever the client asks for (Kafka's `fetch.max.bytes`);
/// a single larger batch is still returned whole.
const RESPONSE_BYTES_MAX: usize = 55 * 1024 * 1024;

/// One partition of the request, resolved.
struct Target {
    topic: usize,
    index: i32,
    source: Result<Source, ErrorCode>,
}

/// Where and how much to read.
#[derive(Clone)]
struct Source {
    partition: Arc<Partition>,
    offset: i64,
    bytes_max: usize,
}

/// The request's limits.
#[derive(Clone, Copy)]
struct Limits {
    bytes_max: usize,
    isolation: Isolation,
    zstd_allowed: bool,
}

/// What one pass over all partitions found.
struct Pass {
    results: Vec<Result<Read, ErrorCode>>,
    bytes: usize,
    bytes_max: usize,
    failed: bool,
}

/// Answers once `min_bytes` are there, a partition fails, or `max_wait_ms` is over.
pub async fn handle(context: Context, version: i16, request: FetchRequest) -> FetchResponse {
    if version >= SESSIONS_SINCE && !FULL_REQUEST_EPOCHS.contains(&request.session_epoch) {
        return failed(ErrorCode::FetchSessionIdNotFound);
    }
    let limits = Limits {
        bytes_max: usize::try_from(request.max_bytes).unwrap_or(0).min(RESPONSE_BYTES_MAX),
        isolation: isolation(request.isolation_level),
        zstd_allowed: version >= ZSTD_SINCE,
    };
    let targets: Arc<[Target]> = resolve(&context, version, &request).into();
    // More than fits into a response is never there, so it is not waited for.
    let bytes_min = usize::try_from(request.min_bytes).unwrap_or(0).min(limits.bytes_max);
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));

    let mut pass = read_all(&context, &targets, limits).await;
    if !wait.is_zero() && !enough(&pass, bytes_min) {
        pass = wait_for(context.clone(), &targets, limits, (bytes_min, wait)).await;
    }
    context.broker.metrics.fetched(pass.bytes);
    let bytes = pass.bytes;
    let mut response = respond(&request, &targets, pass, limits);
    hold(&context, &mut response, bytes);
    response
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

fn failed(code: ErrorCode) -> FetchResponse {
    FetchResponse { error_code: code.code(), ..Default::default() }
}

/// Isolation level as on the wire: 1 is read_committed, all else reads uncommitted.
pub(super) fn isolation(level: i8) -> Isolation {
    if level == 1 { Isolation::ReadCommitted } else { Isolation::ReadUncommitted }
}

fn enough(pass: &Pass, bytes_min: usize) -> bool {
    pass.failed || pass.bytes >= bytes_min.min(pass.bytes_max) || pass.results.is_empty()
}

/// Subscribes first and reads again before every wait, so no append is missed in between.
async fn wait_for(
    mut context: Context,
    targets: &Arc<[Target]>,
    limits: Limits,
    (bytes_min, wait): (usize, Duration),
) -> Pass {
    let deadline = tokio::time::Instant::now() + wait;
    let news = Arc::new(Notify::new());
    let _subscriptions = subscribe(targets, &news);
    loop {
        let notified = news.notified();
        let pass = read_all(&context, targets, limits).await;
        if enough(&pass, bytes_min) {
            return pass;
        }
        tokio::select! {
            () = notified => {}
            () = tokio::time::sleep_until(deadline) => return read_all(&context, targets, limits).await,
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

fn resolve(context: &Context, version: i16, request: &FetchRequest) -> Vec<Target> {
    let mut targets = Vec::new();
    for (position, topic) in request.topics.iter().enumerate() {
        let id = if version >= TOPIC_IDS_SINCE {
            let id = TopicId(topic.topic_id);
            let known = context.broker.topics.contains(id);
            known.then_some(id).ok_or(ErrorCode::UnknownTopicId)
        } else {
            context.broker.topics.id_of(&topic.topic).ok_or(ErrorCode::UnknownTopicOrPartition)
        };
        for wanted in &topic.partitions {
            let source = id.and_then(|id| source(context, id, wanted));
            targets.push(Target { topic: position, index: wanted.partition, source });
        }
    }
    targets
}

fn source(context: &Context, id: TopicId, wanted: &FetchPartition) -> Result<Source, ErrorCode> {
    let partition = context
        .broker
        .store
        .partition(id, wanted.partition)
        .ok_or(ErrorCode::UnknownTopicOrPartition)?;
    super::check_leader_epoch(wanted.current_leader_epoch, partition.leader_epoch())?;
    Ok(Source {
        partition,
        offset: wanted.fetch_offset,
        bytes_max: usize::try_from(wanted.partition_max_bytes).unwrap_or(0),
    })
}

/// Reads inline when the tail answers everything, else on a thread that may wait for the disk.
async fn read_all(context: &Context, targets: &Arc<[Target]>, limits: Limits) -> Pass {
    let bytes_max = limits.bytes_max.min(context.broker.replies.room());
    let limits = Limits { bytes_max, ..limits };
    if targets.iter().all(reads_from_memory) {
        return read_pass(targets, limits);
    }
    let targets = Arc::clone(targets);
    tokio::task::spawn_blocking(move || read_pass(&targets, limits))
        .await
        .expect("a read neither panics nor is cancelled")
}

fn reads_from_memory(target: &Target) -> bool {
    target.source.as_ref().map_or(true, |source| source.offset >= source.partition.tail_start())
}

fn read_pass(targets: &[Target], limits: Limits) -> Pass {
    let results = Vec::with_capacity(targets.len());
    let mut pass = Pass { results, bytes: 0, bytes_max: limits.bytes_max, failed: false };
    for target in targets {
        let result = match &target.source {
            Err(code) => Err(*code),
            Ok(source) => read_one(source, limits, pass.bytes),
        };
        match &result {
            Ok(read) => pass.bytes += read.bytes,
            Err(_) => pass.failed = true,
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
    let read = read.map_err(|error| {
        if matches!(error, ReadError::Corrupt { .. } | ReadError::Environment(_)) {
            warn!(topic_id = %source.partition.topic_id(), partition = source.partition.index(), %error, "fetch failed");
        }
        read_error_code(&error)
    })?;
    let zstd = |batch: &strom_storage::StoredBatch| {
        matches!(batch.header.attributes.compression(), Ok(Compression::Zstd))
    };
    if !limits.zstd_allowed && read.batches.iter().any(zstd) {
        return Err(ErrorCode::UnsupportedCompressionType);
    }
    Ok(read)
}

fn respond(
    request: &FetchRequest,
    targets: &[Target],
    pass: Pass,
    limits: Limits,
) -> FetchResponse {
    let mut responses: Vec<FetchableTopicResponse> = request
        .topics
        .iter()
        .map(|topic| FetchableTopicResponse {
            topic: topic.topic.clone(),
            topic_id: topic.topic_id,
            partitions: Vec::with_capacity(topic.partitions.len()),
        })
        .collect();
    for (target, result) in targets.iter().zip(pass.results) {
        responses[target.topic].partitions.push(partition_data(target, result, limits));
    }
    FetchResponse { responses, ..Default::default() }
}

fn partition_data(
    target: &Target,
    result: Result<Read, ErrorCode>,
    limits: Limits,
) -> PartitionData {
    let aborted = matches!(limits.isolation, Isolation::ReadCommitted).then(Vec::new);
    match result {
        Ok(read) => PartitionData {
            partition_index: target.index,
            high_watermark: read.offsets.high_watermark,
            last_stable_offset: read.offsets.last_stable,
            log_start_offset: read.offsets.log_start,
            aborted_transactions: aborted,
            records: Some(records(read)),
            ..Default::default()
        },
        Err(code) => {
            let offsets = match (&target.source, code) {
                (Ok(source), ErrorCode::OffsetOutOfRange) => Some(source.partition.offsets()),
                _ => None,
            };
            PartitionData {
                partition_index: target.index,
                error_code: code.code(),
                high_watermark: offsets.map_or(-1, |offsets| offsets.high_watermark),
                last_stable_offset: offsets.map_or(-1, |offsets| offsets.last_stable),
                log_start_offset: offsets.map_or(-1, |offsets| offsets.log_start),
                aborted_transactions: aborted,
                records: Some(Records::default()),
                ..Default::default()
            }
        }
    }
}

fn records(read: Read) -> Records {
    let mut chunks = Vec::with_capacity(read.batches.len() * 2);
    for batch in read.batches {
        chunks.push(batch.head);
        chunks.push(batch.body);
    }
    Records { chunks }
}
