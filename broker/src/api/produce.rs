//! Produce (key 0), versions 3-13. v3 record batches v2; v5 log start offset; v7 zstd allowed;
//! v8 record errors and messages; v9 flexible; v10 current leader; v13 topic ids.
//!
//! The append, and with it the order, happens before `handle` returns; the future only waits
//! until the records are as durable as `acks` asks.

use strom_protocol::error_code::ErrorCode;
use strom_protocol::messages::produce::{
    BatchIndexAndErrorMessage, PartitionProduceData, PartitionProduceResponse, ProduceRequest,
    ProduceResponse, TopicProduceData, TopicProduceResponse,
};
use strom_protocol::types::TopicId;
use strom_storage::{AppendRequest, AppendTicket, Appended, Origin};
use tracing::info;

use crate::errors::Fault;
use crate::net::{ReplyFuture, Verdict};
use crate::session::{Call, Session};

/// zstd in a Produce request is legal from this version on (KIP-110).
const ZSTD_SINCE: i16 = 7;
/// Topics are named by id from this version on (KIP-516).
const TOPIC_IDS_SINCE: i16 = 13;

/// How long the reply waits: the request's `acks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Acks {
    None,
    Leader,
    All,
}

impl Acks {
    fn from_wire(acks: i16) -> Option<Self> {
        match acks {
            0 => Some(Self::None),
            1 => Some(Self::Leader),
            -1 => Some(Self::All),
            _ => None,
        }
    }
}

/// Appends every partition's batch and returns the future that acknowledges them.
pub fn handle(session: &mut Session, call: Call, request: ProduceRequest) -> ReplyFuture {
    let acks = Acks::from_wire(request.acks);
    let refusal = refusal(&request, acks);
    let mut latest: Option<AppendTicket> = None;
    let mut responses = Vec::with_capacity(request.topic_data.len());
    for topic in &request.topic_data {
        let id = resolve(session, &call, topic);
        let mut partitions = Vec::with_capacity(topic.partition_data.len());
        for data in &topic.partition_data {
            let outcome = match &refusal {
                Some(fault) => Err(fault.clone()),
                None => id.clone().and_then(|id| append(session, &call, id, data)),
            };
            partitions.push(match outcome {
                Ok(appended) => {
                    let response = accepted(data.index, &appended);
                    latest = Some(match latest.take() {
                        Some(ticket) => AppendTicket::latest(ticket, appended.ticket),
                        None => appended.ticket,
                    });
                    response
                }
                Err(fault) => refused(data.index, fault),
            });
        }
        responses.push(TopicProduceResponse {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partition_responses: partitions,
        });
    }
    let response = ProduceResponse { responses, ..Default::default() };
    match acks {
        Some(Acks::None) => Box::pin(without_reply(call, latest, response)),
        Some(acks) => Box::pin(acknowledge(call, acks, latest, response)),
        None => Box::pin(std::future::ready(call.reply(response.into()))),
    }
}

/// What is wrong with the request as a whole, if anything.
fn refusal(request: &ProduceRequest, acks: Option<Acks>) -> Option<Fault> {
    if acks.is_none() {
        let message = format!("acks={} is not one of -1, 0, 1", request.acks);
        return Some(Fault::new(ErrorCode::InvalidRequiredAcks, message));
    }
    request.transactional_id.as_ref().map(|id| {
        let message = format!("transactional.id {id:?}: this broker does not serve transactions");
        Fault::new(ErrorCode::InvalidRequest, message)
    })
}

fn resolve(session: &Session, call: &Call, topic: &TopicProduceData) -> Result<TopicId, Fault> {
    let topics = &session.broker.topics;
    let id = if call.version >= TOPIC_IDS_SINCE {
        topics.produced_by_id(TopicId(topic.topic_id))
    } else {
        topics.produced_by_name(&topic.name)
    };
    id.map_err(|code| match code {
        ErrorCode::InvalidTopicException => {
            Fault::new(code, "the topic is internal: only the broker writes to it")
        }
        code => Fault::new(code, ""),
    })
}

fn append(
    session: &mut Session,
    call: &Call,
    id: TopicId,
    data: &PartitionProduceData,
) -> Result<Appended, Fault> {
    let partition = session
        .broker
        .store
        .partition(id, data.index)
        .ok_or_else(|| Fault::new(ErrorCode::UnknownTopicOrPartition, ""))?;
    let Some(records) = data.records.clone().filter(|records| !records.is_empty()) else {
        return Err(Fault::new(ErrorCode::InvalidRecord, "the record set is empty"));
    };
    let bytes = records.len();
    let appended = partition.append(AppendRequest {
        records,
        frame_bytes: call.frame_bytes,
        zstd_allowed: call.version >= ZSTD_SINCE,
        origin: Origin::Client,
        now_ms: session.broker.clock.now_ms(),
        scratch: &mut session.scratch,
    });
    match appended {
        Ok(appended) => {
            session.broker.metrics.produced(bytes);
            Ok(appended)
        }
        Err(error) => {
            let fault = Fault::from(error);
            log_refused(session, call, (id, data.index), &fault);
            Err(fault)
        }
    }
}

/// One line for a batch that somebody should know of: what the client is told, few clients show.
fn log_refused(session: &Session, call: &Call, (id, partition): (TopicId, i32), fault: &Fault) {
    let topic = session.broker.topics.get_by_id(id).map(|topic| topic.name).unwrap_or_default();
    info!(
        client = call.client_id(), peer = %session.peer(), topic, partition,
        error = fault.code.name(), reason = fault.message, "refused a record batch",
    );
}

fn accepted(index: i32, appended: &Appended) -> PartitionProduceResponse {
    PartitionProduceResponse {
        index,
        error_code: ErrorCode::None.code(),
        base_offset: appended.base_offset,
        log_append_time_ms: appended.log_append_time_ms,
        log_start_offset: appended.log_start_offset,
        ..Default::default()
    }
}

fn refused(index: i32, fault: Fault) -> PartitionProduceResponse {
    let record_errors = fault
        .record_errors
        .into_iter()
        .map(|(batch_index, message)| BatchIndexAndErrorMessage {
            batch_index,
            batch_index_error_message: Some(message.into()),
        })
        .collect();
    PartitionProduceResponse {
        index,
        error_code: fault.code.code(),
        base_offset: -1,
        log_append_time_ms: -1,
        log_start_offset: -1,
        record_errors,
        error_message: (!fault.message.is_empty()).then(|| fault.message.into()),
        ..Default::default()
    }
}

/// acks=0: no reply; an error can only be told by closing the connection. The records are waited
/// for nevertheless: until they are written they count against the memory of requests.
async fn without_reply(
    call: Call,
    latest: Option<AppendTicket>,
    response: ProduceResponse,
) -> Verdict {
    if let Some(ticket) = latest
        && ticket.written().await.is_err()
    {
        return Verdict::Close;
    }
    let failed = response
        .responses
        .iter()
        .flat_map(|topic| topic.partition_responses.iter().map(move |partition| (topic, partition)))
        .find(|(_, partition)| partition.error_code != 0);
    let Some((topic, partition)) = failed else { return Verdict::Nothing };
    let error = ErrorCode::from_code(partition.error_code).map_or("unknown", ErrorCode::name);
    info!(
        client = call.client_id(), topic = %topic.name, partition = partition.index, error,
        reason = partition.error_message.as_deref().unwrap_or(""),
        "produce with acks=0 failed, closing the connection",
    );
    Verdict::Close
}

async fn acknowledge(
    call: Call,
    acks: Acks,
    latest: Option<AppendTicket>,
    mut response: ProduceResponse,
) -> Verdict {
    if let Some(ticket) = latest {
        let outcome = match acks {
            Acks::All => ticket.durable().await,
            Acks::Leader | Acks::None => ticket.written().await,
        };
        if let Err(failed) = outcome {
            fail_accepted(&mut response, &failed.to_string());
        }
    }
    call.reply(response.into())
}

/// The journal failed before the records were durable: none of them is acknowledged.
fn fail_accepted(response: &mut ProduceResponse, reason: &str) {
    let partitions = response.responses.iter_mut().flat_map(|topic| &mut topic.partition_responses);
    for partition in partitions.filter(|partition| partition.error_code == 0) {
        let fault = Fault::new(ErrorCode::KafkaStorageError, reason);
        *partition = refused(partition.index, fault);
    }
}
