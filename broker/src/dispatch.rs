//! From a typed request to the file that serves it: one match, no default arm.

use strom_protocol::api::{Request, Response};

use crate::api;
use crate::net::{Reply, ReplyFuture, Verdict};
use crate::session::{Call, Context, Session};

/// Starts serving `request`. Produce takes effect before this returns; everything else runs
/// when its future is polled, which the connection does in request order.
#[allow(clippy::too_many_lines, reason = "one arm per API")]
pub fn dispatch(session: &mut Session, call: Call, request: Request) -> Reply {
    let context = session.context();
    let version = call.version;
    match request {
        Request::Produce(request) => soon(api::produce::handle(session, call, request)),
        Request::Fetch(request) => Reply {
            waits_for_others: true,
            ..later(call, api::fetch::handle(context, version, request))
        },
        Request::ListOffsets(request) => {
            later(call, api::list_offsets::handle(context, version, request))
        }
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
            in_rebalance(
                call,
                context.clone(),
                api::join_group::handle(context, version, client, request),
            )
        }
        Request::Heartbeat(request) => later(call, api::heartbeat::handle(context, request)),
        Request::LeaveGroup(request) => {
            later(call, api::leave_group::handle(context, version, request))
        }
        Request::SyncGroup(request) => {
            in_rebalance(call, context.clone(), api::sync_group::handle(context, version, request))
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
        Request::CreatePartitions(request) => {
            later(call, api::create_partitions::handle(context, request))
        }
        Request::DeleteRecords(request) => {
            later(call, api::delete_records::handle(context, request))
        }
        Request::AlterConfigs(request) => later(call, api::alter_configs::handle(context, request)),
        Request::IncrementalAlterConfigs(request) => {
            later(call, api::incremental_alter_configs::handle(context, request))
        }
        Request::DescribeLogDirs(request) => {
            later(call, api::describe_log_dirs::handle(context, version, request))
        }
        Request::OffsetForLeaderEpoch(request) => {
            later(call, api::offset_for_leader_epoch::handle(context, request))
        }
        Request::ElectLeaders(request) => {
            later(call, api::elect_leaders::handle(context, version, request))
        }
        Request::ListPartitionReassignments(request) => {
            later(call, api::list_partition_reassignments::handle(request))
        }
        Request::OffsetDelete(request) => later(call, api::offset_delete::handle(context, request)),
        Request::DescribeTopicPartitions(request) => {
            later(call, api::describe_topic_partitions::handle(context, request))
        }
        Request::InitProducerId(request) => {
            later(call, api::init_producer_id::handle(context, request))
        }
        Request::DescribeConfigs(request) => {
            later(call, api::describe_configs::handle(context, request))
        }
        Request::DescribeCluster(request) => {
            later(call, api::describe_cluster::handle(context, request))
        }
    }
}

/// ApiVersions in a version we do not know: the v0 answer with UNSUPPORTED_VERSION.
pub fn unsupported_api_versions(call: &Call) -> Reply {
    let mut call = call.clone();
    call.version = 0;
    let response = api::api_versions::unsupported();
    soon(Box::pin(std::future::ready(call.reply(response.into()))))
}

fn soon(future: ReplyFuture) -> Reply {
    Reply { future, waits_for_others: false }
}

fn later<R: Into<Response>>(call: Call, answer: impl Future<Output = R> + Send + 'static) -> Reply {
    soon(Box::pin(async move {
        let response = answer.await;
        call.reply(response.into())
    }))
}

/// For answers that other members of a group decide about, perhaps minutes from now: a client that
/// has hung up, or a broker that stops, does not wait for them. The group goes on without.
fn in_rebalance<R: Into<Response>>(
    call: Call,
    mut context: Context,
    answer: impl Future<Output = R> + Send + 'static,
) -> Reply {
    let future = async move {
        tokio::select! {
            biased;
            response = answer => call.reply(response.into()),
            () = context.ended() => Verdict::Close,
        }
    };
    Reply { future: Box::pin(future), waits_for_others: true }
}
