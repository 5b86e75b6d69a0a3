//! DeleteTopics (key 20), versions 1-6. v4 flexible; v5 error messages; v6 topic ids.

use strom_protocol::error_code::ErrorCode;
use strom_protocol::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};
use strom_protocol::types::TopicId;

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
    let mut responses = Vec::with_capacity(wanted.len());
    for topic in wanted {
        responses.push(one(&context, topic).await);
    }
    DeleteTopicsResponse { responses, ..Default::default() }
}

async fn one(context: &Context, wanted: DeleteTopicState) -> DeletableTopicResult {
    let topics = &context.broker.topics;
    let found = match &wanted.name {
        Some(name) => topics.get(name).ok_or(ErrorCode::UnknownTopicOrPartition),
        None => topics.get_by_id(TopicId(wanted.topic_id)).ok_or(ErrorCode::UnknownTopicId),
    };
    let (name, id, outcome) = match found {
        Ok(topic) => {
            let outcome = topics.delete(topic.id).await;
            (Some(topic.name.as_str().into()), topic.id.0, outcome)
        }
        Err(code) => (wanted.name, wanted.topic_id, Err(Fault::new(code, ""))),
    };
    let (code, message) = match outcome {
        Ok(()) => (ErrorCode::None, None),
        Err(fault) => (fault.code, (!fault.message.is_empty()).then(|| fault.message.into())),
    };
    DeletableTopicResult { name, topic_id: id, error_code: code.code(), error_message: message }
}
