//! DescribeLogDirs (key 35), versions 1-5. v2 flexible; v3 top-level error; v4 size of the file
//! system (KIP-827); v5 cordoned directories (KIP-1066).
//!
//! There is one directory, `data.dir`, and every partition is in it. A partition's size is that of
//! its batches from the log start on.

use std::collections::{BTreeMap, BTreeSet};

use strom_protocol::ByteString;
use strom_protocol::error_code::ErrorCode;
use strom_protocol::messages::describe_log_dirs::{
    DescribableLogDirTopic, DescribeLogDirsPartition, DescribeLogDirsRequest,
    DescribeLogDirsResponse, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use tracing::warn;

use crate::session::Context;

const SPACE_SINCE: i16 = 4;

/// Describes the partitions asked for, all if none are; those that do not exist are left out.
pub async fn handle(
    context: Context,
    version: i16,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let answer = move || {
        let mut result = DescribeLogDirsResult {
            log_dir: context.broker.config.data_dir.display().to_string().into(),
            topics: topics(&context, request.topics),
            ..Default::default()
        };
        if version >= SPACE_SINCE {
            match rustix::fs::statvfs(&context.broker.config.data_dir) {
                Ok(space) => {
                    result.total_bytes = bytes(space.f_blocks, space.f_frsize);
                    result.usable_bytes = bytes(space.f_bavail, space.f_frsize);
                }
                Err(error) => {
                    warn!(directory = %result.log_dir, %error, "the data directory cannot be looked at");
                    result.error_code = ErrorCode::KafkaStorageError.code();
                    result.topics = Vec::new();
                }
            }
        }
        DescribeLogDirsResponse { results: vec![result], ..Default::default() }
    };
    tokio::task::spawn_blocking(answer).await.expect("a look neither panics nor is cancelled")
}

fn topics(
    context: &Context,
    wanted: Option<Vec<DescribableLogDirTopic>>,
) -> Vec<DescribeLogDirsTopic> {
    let Some(wanted) = wanted else {
        let all = context.broker.topics.all().into_iter();
        return all
            .map(|topic| describe(context, topic.name.into(), 0..topic.partitions))
            .filter(|topic| !topic.partitions.is_empty())
            .collect();
    };
    // What is asked for twice is described once.
    let mut once: BTreeMap<ByteString, BTreeSet<i32>> = BTreeMap::new();
    for topic in wanted {
        once.entry(topic.topic).or_default().extend(topic.partitions);
    }
    once.into_iter()
        .map(|(name, partitions)| describe(context, name, partitions.into_iter()))
        .filter(|topic| !topic.partitions.is_empty())
        .collect()
}

fn describe(
    context: &Context,
    name: ByteString,
    partitions: impl Iterator<Item = i32>,
) -> DescribeLogDirsTopic {
    let id = context.broker.topics.id_of(&name);
    let partition = |index| {
        let partition = context.broker.store.partition(id?, index)?;
        Some(DescribeLogDirsPartition {
            partition_index: index,
            partition_size: i64::try_from(partition.size_bytes()).unwrap_or(i64::MAX),
            offset_lag: 0,
            is_future_key: false,
        })
    };
    DescribeLogDirsTopic { partitions: partitions.filter_map(partition).collect(), name }
}

fn bytes(blocks: u64, block_bytes: u64) -> i64 {
    i64::try_from(blocks.saturating_mul(block_bytes)).unwrap_or(i64::MAX)
}
