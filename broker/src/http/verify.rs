//! `GET /topics/{topic}/verify`: re-reads everything that is stored of a topic and says what is not as it
//! was produced.
//!
//! The answer is one JSON object per line: progress about once a second, each mismatch as it is found,
//! and a last line `done` with the totals; an answer without it broke off. Topics are verified one at
//! a time, and a client that hangs up ends its verification. Errors have the shape
//! `{"error":{"code":…,"message":…}}`.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::stream;
use serde::{Deserialize, Serialize};
use strom_protocol::TopicId;
use strom_storage::{Store, VerifyReport};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::coordinators::topics::Topics;

const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// Mismatches that are listed; the rest is counted.
const MISMATCHES_MAX: usize = 1000;
/// Lines that wait for a slow client; verification waits with them.
const LINES_MAX: usize = 64;
/// What a client that comes second is told to wait.
const RETRY_SECONDS: &str = "10";

/// One line of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// What has been read so far.
    Progress(Totals),
    /// Something that is not as it was produced.
    Mismatch(Mismatch),
    /// The end: everything was read.
    Done(Totals),
}

/// Counts of what was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Batches.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Those of the records that were read from segments; the others are in the journal only.
    pub segment_records: u64,
    /// Bytes of the batches as consumers get them.
    pub bytes: u64,
    /// Mismatches, listed or not.
    pub mismatches: u64,
}

/// Where something is not as it was produced, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    /// The partition.
    pub partition: i32,
    /// The first offset that it hits.
    pub first_offset: i64,
    /// The offset behind the last one.
    pub next_offset: i64,
    /// The file or object, and the position in it where known.
    pub place: String,
    /// What is wrong.
    pub reason: String,
}

#[derive(Clone)]
struct Verifier {
    topics: Arc<Topics>,
    store: Arc<Store>,
    /// One verification at a time: it reads as fast as the disk gives.
    turn: Arc<Semaphore>,
}

/// The route.
pub fn router(topics: Arc<Topics>, store: Arc<Store>) -> Router {
    let verifier = Verifier { topics, store, turn: Arc::new(Semaphore::new(1)) };
    Router::new().route("/topics/{topic}/verify", get(verify)).with_state(verifier)
}

async fn verify(State(verifier): State<Verifier>, Path(topic): Path<String>) -> Response {
    let Some(id) = verifier.topics.id_of(&topic) else {
        let message = format!("there is no topic {topic:?}; `strom topic list` shows the topics");
        return refusal(StatusCode::NOT_FOUND, "TOPIC_NOT_FOUND", &message);
    };
    let Ok(turn) = Arc::clone(&verifier.turn).try_acquire_owned() else {
        let message = "another topic is being verified; try again when that has ended";
        let refused = refusal(StatusCode::SERVICE_UNAVAILABLE, "VERIFICATION_BUSY", message);
        return ([(header::RETRY_AFTER, RETRY_SECONDS)], refused).into_response();
    };
    let (lines, receiver) = mpsc::channel(LINES_MAX);
    let store = Arc::clone(&verifier.store);
    // It ends by itself when the client is gone: sending a line fails then.
    tokio::task::spawn_blocking(move || run(&store, id, &lines, turn));
    let body = stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|line| (Ok::<_, std::convert::Infallible>(line), receiver))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    (kind, Body::from_stream(body)).into_response()
}

fn run(store: &Store, id: TopicId, lines: &mpsc::Sender<Bytes>, turn: OwnedSemaphorePermit) {
    let mut told = Instant::now();
    let mut listed = 0;
    let mut list = |so_far: &VerifyReport| {
        let until = so_far.mismatches.len().min(MISMATCHES_MAX);
        let new = &so_far.mismatches[listed..until];
        listed = until;
        new.iter().try_for_each(|mismatch| send(lines, &Line::Mismatch(Mismatch::of(mismatch))))
    };
    let report = store.verify(id, |so_far| {
        let mut sent = list(so_far);
        if told.elapsed() >= PROGRESS_INTERVAL {
            told = Instant::now();
            sent = sent.and_then(|()| send(lines, &Line::Progress(Totals::of(so_far))));
        }
        if sent.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    // A topic that was deleted meanwhile, or a client that is gone, gets no last line.
    if let Some(report) = report
        && list(&report).is_ok()
    {
        let _ = send(lines, &Line::Done(Totals::of(&report)));
    }
    drop(turn);
}

/// Fails when nobody listens any more.
fn send(lines: &mpsc::Sender<Bytes>, line: &Line) -> Result<(), ()> {
    let mut text = serde_json::to_vec(line).expect("a line has only texts and numbers");
    text.push(b'\n');
    lines.blocking_send(text.into()).map_err(|_| ())
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    let body = serde_json::json!({ "error": { "code": code, "message": message } });
    (status, axum::Json(body)).into_response()
}

impl Totals {
    fn of(report: &VerifyReport) -> Totals {
        let VerifyReport { batches, records, segment_records, bytes, mismatches } = report;
        Totals {
            batches: *batches,
            records: *records,
            segment_records: *segment_records,
            bytes: *bytes,
            mismatches: mismatches.len() as u64,
        }
    }
}

impl Mismatch {
    fn of(found: &strom_storage::Mismatch) -> Mismatch {
        let file = found.file.display();
        Mismatch {
            partition: found.partition,
            first_offset: found.offsets.start,
            next_offset: found.offsets.end,
            place: if found.position > 0 {
                format!("{file} at {}", found.position)
            } else {
                file.to_string()
            },
            reason: found.reason.clone(),
        }
    }
}
