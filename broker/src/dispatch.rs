//! From a typed request to the file that serves it: one match, no default arm.

use strom_protocol::api::{Request, Response};

use crate::api;
use crate::net::ReplyFuture;
use crate::session::{Call, Session};

/// Starts serving `request`. Produce takes effect before this returns; everything else runs
/// when its future is polled, which the connection does in request order.
pub fn dispatch(session: &mut Session, call: Call, request: Request) -> ReplyFuture {
    let context = session.context();
    let version = call.version;
    match request {
        Request::Produce(request) => api::produce::handle(session, call, request),
        Request::Fetch(request) => later(call, api::fetch::handle(context, version, request)),
        Request::ListOffsets(request) => later(call, api::list_offsets::handle(context, request)),
        Request::Metadata(request) => {
            let client = call.client_id().to_owned();
            later(call, api::metadata::handle(context, version, client, request))
        }
        Request::OffsetCommit(request) => {
            later(call, api::offset_commit::handle(context, version, request))
        }
        Request::OffsetFetch(request) => {
            later(call, api::offset_fetch::handle(context, version, request))
        }
        Request::FindCoordinator(request) => {
            later(call, api::find_coordinator::handle(context, version, request))
        }
        Request::JoinGroup(request) => {
            let client = call.client_id().to_owned();
            later(call, api::join_group::handle(context, version, client, request))
        }
        Request::Heartbeat(request) => later(call, api::heartbeat::handle(context, request)),
        Request::LeaveGroup(request) => {
            later(call, api::leave_group::handle(context, version, request))
        }
        Request::SyncGroup(request) => {
            later(call, api::sync_group::handle(context, version, request))
        }
        Request::DescribeGroups(request) => {
            later(call, api::describe_groups::handle(context, version, request))
        }
        Request::ListGroups(request) => later(call, api::list_groups::handle(context, request)),
        Request::DeleteGroups(request) => later(call, api::delete_groups::handle(context, request)),
        Request::ApiVersions(request) => {
            later(call, api::api_versions::handle(context, version, request))
        }
        Request::CreateTopics(request) => {
            later(call, api::create_topics::handle(context, version, request))
        }
        Request::DeleteTopics(request) => {
            later(call, api::delete_topics::handle(context, version, request))
        }
        Request::InitProducerId(request) => {
            later(call, api::init_producer_id::handle(context, request))
        }
        Request::DescribeConfigs(request) => {
            later(call, api::describe_configs::handle(context, version, request))
        }
        Request::DescribeCluster(request) => {
            later(call, api::describe_cluster::handle(context, request))
        }
    }
}

/// ApiVersions in a version we do not know: the v0 answer with UNSUPPORTED_VERSION.
pub fn unsupported_api_versions(call: &Call) -> ReplyFuture {
    let mut call = call.clone();
    call.version = 0;
    let response = api::api_versions::unsupported();
    Box::pin(std::future::ready(call.reply(response.into())))
}

fn later<R: Into<Response>>(
    call: Call,
    answer: impl Future<Output = R> + Send + 'static,
) -> ReplyFuture {
    Box::pin(async move {
        let response = answer.await;
        call.reply(response.into())
    })
}
