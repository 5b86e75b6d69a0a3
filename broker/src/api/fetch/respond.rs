//! From what was read to a response: which partitions it names, and what it says of each.

use std::sync::Arc;

use strom_protocol::error_code::ErrorCode;
use strom_protocol::messages::fetch::{FetchResponse, FetchableTopicResponse, PartitionData};
use strom_protocol::wire::Records;
use strom_protocol::{ByteString, Uuid};
use strom_storage::{Isolation, Read};

use super::session::{self, Answer, NO_SESSION, TopicKey};
use super::{Found, Limits, SessionUse, Target};
use crate::session::Context;

/// A response that is an error as a whole.
pub(super) fn failed(code: ErrorCode, session_id: i32) -> FetchResponse {
    FetchResponse { error_code: code.code(), session_id, ..Default::default() }
}

/// The response to what was read of each target; with a session only what is new.
pub(super) fn respond(
    context: &Context,
    session: SessionUse,
    targets: &[Target],
    results: Vec<Result<Read, ErrorCode>>,
    limits: Limits,
) -> FetchResponse {
    let mut builder = Builder { limits, responses: Vec::new(), topic: None };
    let all = targets.iter().zip(results);
    let session_id = match session {
        SessionUse::None => {
            all.for_each(|(target, result)| builder.push(target, result));
            NO_SESSION
        }
        SessionUse::Opens(ask) => {
            let all: Vec<_> = all.collect();
            let told = all.iter().map(|(target, result)| {
                (target.key.clone(), target.wanted, handle(target, result), answer(target, result))
            });
            let id = context.broker.fetch_sessions.lock().open(ask, draw_id, told);
            all.into_iter().for_each(|(target, result)| builder.push(target, result));
            id
        }
        SessionUse::Open(shared, epoch) => {
            let mut session = session::lock(&shared);
            if !session.is_at(epoch) {
                return failed(ErrorCode::InvalidFetchSessionEpoch, session.id);
            }
            for (target, result) in all {
                let handle = handle(target, &result);
                if session.tell(target.place, answer(target, &result), handle) {
                    builder.push(target, result);
                }
            }
            session.id
        }
    };
    FetchResponse { session_id, responses: builder.responses, ..Default::default() }
}

/// What the session keeps of a partition. After an error a name is looked for again, which may be
/// another topic's by then; an id never is.
fn handle(target: &Target, result: &Result<Read, ErrorCode>) -> Option<Found> {
    let is_kept = result.is_ok() || matches!(target.key.topic, TopicKey::Id(_));
    let source = target.source.as_ref().ok().filter(|_| is_kept)?;
    let (partition, topic) = (Arc::clone(&source.partition), source.topic.clone());
    Some(Found { partition, topic })
}

fn answer(target: &Target, result: &Result<Read, ErrorCode>) -> Answer {
    match result {
        Ok(read) => Answer {
            has_records: !read.batches.is_empty(),
            is_error: false,
            high_watermark: read.offsets.high_watermark,
            log_start: read.offsets.log_start,
        },
        Err(code) => {
            let offsets = offsets_beside(target, *code);
            Answer {
                has_records: false,
                is_error: true,
                high_watermark: offsets.map_or(-1, |offsets| offsets.high_watermark),
                log_start: offsets.map_or(-1, |offsets| offsets.log_start),
            }
        }
    }
}

/// Any positive number, other than those before.
fn draw_id() -> i32 {
    let random = Uuid::new_v4().as_u128();
    i32::try_from(random & 0x7FFF_FFFF).expect("31 bits fit")
}

struct Builder<'a> {
    limits: Limits,
    responses: Vec<FetchableTopicResponse>,
    topic: Option<&'a TopicKey>,
}

impl<'a> Builder<'a> {
    /// Neighbours of one topic share its entry.
    fn push(&mut self, target: &'a Target, result: Result<Read, ErrorCode>) {
        let data = partition_data(target, result, self.limits);
        match self.responses.last_mut() {
            Some(last) if self.topic == Some(&target.key.topic) => last.partitions.push(data),
            _ => {
                let (topic, topic_id) = match &target.key.topic {
                    TopicKey::Name(name) => (name.clone(), Uuid::nil()),
                    TopicKey::Id(id) => (ByteString::new(), *id),
                };
                let partitions = vec![data];
                self.responses.push(FetchableTopicResponse { topic, topic_id, partitions });
                self.topic = Some(&target.key.topic);
            }
        }
    }
}

fn partition_data(
    target: &Target,
    result: Result<Read, ErrorCode>,
    limits: Limits,
) -> PartitionData {
    let aborted = matches!(limits.isolation, Isolation::ReadCommitted).then(Vec::new);
    match result {
        Ok(read) => PartitionData {
            partition_index: target.key.partition,
            high_watermark: read.offsets.high_watermark,
            last_stable_offset: read.offsets.last_stable,
            log_start_offset: read.offsets.log_start,
            aborted_transactions: aborted,
            records: Some(records(read)),
            ..Default::default()
        },
        Err(code) => {
            let offsets = offsets_beside(target, code);
            PartitionData {
                partition_index: target.key.partition,
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

/// What a consumer that is out of range is told, so that it can begin again within.
fn offsets_beside(target: &Target, code: ErrorCode) -> Option<strom_storage::Offsets> {
    match (&target.source, code) {
        (Ok(source), ErrorCode::OffsetOutOfRange) => Some(source.partition.offsets()),
        _ => None,
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
