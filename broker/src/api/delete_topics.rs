//! DeleteTopics (key 20), versions 1-6. v4 flexible; v5 error messages; v6 topic ids.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use strom_protocol::error_code::ErrorCode;
use strom_protocol::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};
use strom_protocol::types::TopicId;
use strom_protocol::{ByteString, Uuid};

use crate::errors::Fault;
use crate::session::Context;

const TOPIC_IDS_SINCE: i16 = 6;

/// Deletes each topic by name, or (v6) by id.
pub async fn handle(
    context: Context,
    version: i16,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let wanted = if version >= TOPIC_IDS_SINCE {
        request.topics
    } else {
        let names = request.topic_names.into_iter();
        names.map(|name| DeleteTopicState { name: Some(name), ..Default::default() }).collect()
    };
    let mut counts: HashMap<(Option<ByteString>, Uuid), usize> = HashMap::new();
    for topic in &wanted {
        *counts.entry((topic.name.clone(), topic.topic_id)).or_default() += 1;
    }
    // For all topics together: a table that cannot take its topic's records is not alone, mostly.
    let patience = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let deadline = Instant::now() + patience;
    let mut responses = Vec::with_capacity(counts.len());
    for topic in wanted {
        // What stands twice gets one answer, and nothing is deleted.
        let Some(count) = counts.remove(&(topic.name.clone(), topic.topic_id)) else { continue };
        responses.push(match refusal(&topic, count) {
            Some(message) => {
                let fault = Fault::new(ErrorCode::InvalidRequest, message);
                answer(topic.name, topic.topic_id, Err(fault))
            }
            None => one(&context, topic, deadline.saturating_duration_since(Instant::now())).await,
        });
    }
    DeleteTopicsResponse { responses, ..Default::default() }
}

/// Why one entry of the request cannot be meant, if so.
fn refusal(wanted: &DeleteTopicState, count: usize) -> Option<&'static str> {
    match (&wanted.name, wanted.topic_id.is_nil()) {
        (None, true) => Some("neither a topic name nor a topic id is given"),
        (Some(_), false) => Some("a topic name and a topic id are given; use one of them"),
        _ if count > 1 => Some("the topic stands more than once in the request"),
        _ => None,
    }
}

async fn one(
    context: &Context,
    wanted: DeleteTopicState,
    patience: Duration,
) -> DeletableTopicResult {
    let topics = &context.broker.topics;
    let found = match &wanted.name {
        Some(name) => topics.get(name).ok_or(ErrorCode::UnknownTopicOrPartition),
        None => topics.get_by_id(TopicId(wanted.topic_id)).ok_or(ErrorCode::UnknownTopicId),
    };
    match found {
        Ok(topic) => {
            let outcome = topics.delete(topic.id, patience).await;
            answer(Some(topic.name.as_str().into()), topic.id.0, outcome)
        }
        Err(code) => answer(wanted.name, wanted.topic_id, Err(Fault::new(code, ""))),
    }
}

fn answer(
    name: Option<ByteString>,
    topic_id: Uuid,
    outcome: Result<(), Fault>,
) -> DeletableTopicResult {
    let (code, message) = match outcome {
        Ok(()) => (ErrorCode::None, None),
        Err(fault) => (fault.code, (!fault.message.is_empty()).then(|| fault.message.into())),
    };
    DeletableTopicResult { name, topic_id, error_code: code.code(), error_message: message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_name_or_an_id_and_stands_once() {
        let id = Uuid::from_u128(7);
        for (name, topic_id, count, is_refused) in [
            (Some("a"), Uuid::nil(), 1, false),
            (None, id, 1, false),
            (None, Uuid::nil(), 1, true),
            (Some("a"), id, 1, true),
            (Some("a"), Uuid::nil(), 2, true),
            (None, id, 2, true),
        ] {
            let name = name.map(ByteString::from_static);
            let wanted = DeleteTopicState { name, topic_id };
            assert_eq!(refusal(&wanted, count).is_some(), is_refused, "{wanted:?} x {count}");
        }
    }
}
