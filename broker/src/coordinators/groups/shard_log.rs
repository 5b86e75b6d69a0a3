//! Group records in their partition: encoding to batches, and reading a shard back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use strom_coordinator::group::{GroupConfig, GroupRecord, GroupShard, GroupState, RecordError};
use strom_protocol::Bytes;
use strom_protocol::record::{BatchBuilder, Compression, Record, Scratch, visit};
use strom_storage::{
    AppendError, AppendRequest, AppendTicket, Isolation, Origin, Partition, ReadError, ReadLimits,
};
use tracing::{error, warn};

/// A batch of group records is closed when it has grown to this.
const BATCH_BYTES: usize = 512 * 1024;
/// How much of a shard's log one read takes.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// How long records that were appended may take to become readable.
const SETTLE_PATIENCE: Duration = Duration::from_secs(30);
const SETTLE_REST: Duration = Duration::from_millis(5);

/// Appends `records` (at least one) in order; the ticket stands for all of them.
pub(super) fn append(
    partition: &Arc<Partition>,
    records: &[GroupRecord],
    (origin, now_ms): (Origin, i64),
    scratch: &mut Scratch,
) -> Result<AppendTicket, AppendError> {
    let mut last = None;
    let mut builder = BatchBuilder::new(Compression::None);
    for (index, record) in records.iter().enumerate() {
        let (key, value) = record.encode();
        builder.append(now_ms, Some(&key), value.as_deref(), &[]);
        if builder.uncompressed_bytes() >= BATCH_BYTES || index + 1 == records.len() {
            let full = std::mem::replace(&mut builder, BatchBuilder::new(Compression::None));
            let records = full.build();
            let frame_bytes = records.len();
            let request =
                AppendRequest { records, frame_bytes, zstd_allowed: true, origin, now_ms, scratch };
            last = Some(partition.append(request)?.ticket);
        }
    }
    Ok(last.expect("there is at least one record to append"))
}

/// Waits until everything that was appended may be read. For threads outside of the runtime.
pub(super) fn settled(partition: &Partition) -> Result<(), String> {
    let deadline = Instant::now() + SETTLE_PATIENCE;
    loop {
        let offsets = partition.offsets();
        if offsets.last_stable >= offsets.log_end {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(format!("offset {} was not written in time", offsets.last_stable));
        }
        std::thread::sleep(SETTLE_REST);
    }
}

/// Rebuilds a shard from its partition; returns it with the number of records read.
pub(super) fn load(
    partition: &Arc<Partition>,
    config: &GroupConfig,
    now_ms: i64,
) -> Result<(GroupShard, usize), String> {
    let mut state = GroupState::default();
    let mut scratch = Scratch::default();
    let mut count = 0;
    let mut next = partition.offsets().log_start;
    loop {
        let limits = ReadLimits { max_bytes: READ_BYTES, at_least_one: true };
        let read = match partition.read(next, Isolation::ReadCommitted, limits) {
            Ok(read) => read,
            // What is lost are commits and generations: clients join again and read records again.
            // Refusing to start would take every other group and topic down too.
            Err(ReadError::Corrupt { file, position, next_offset, .. }) => {
                error!(
                    file = %file.display(), position, partition = partition.index(),
                    "group state is damaged, reading goes on behind it: groups may see older offsets"
                );
                next = next_offset;
                continue;
            }
            Err(error) => return Err(error.to_string()),
        };
        let Some(last) = read.batches.last() else { break };
        next = last.header.last_offset() + 1;
        for batch in &read.batches {
            let first = batch.header.base_offset;
            visit(&batch.header, &batch.body, &mut scratch, |record| {
                count += 1;
                apply(&mut state, &record)
            })
            .map_err(|error| format!("batch at offset {first}: {error}"))?;
        }
    }
    Ok((GroupShard::start(state, config.clone(), now_ms), count))
}

fn apply(state: &mut GroupState, record: &Record<'_>) -> Result<(), String> {
    let key = Bytes::copy_from_slice(record.key.unwrap_or_default());
    let value = record.value.map(Bytes::copy_from_slice);
    match GroupRecord::decode(&key, value.as_ref()) {
        Ok(record) => state.apply(&record),
        // Written by a newer version: kinds of groups that this one does not serve.
        Err(error @ RecordError::UnknownKey(_)) => {
            warn!(%error, "skipping a record of group state");
        }
        Err(error @ RecordError::Malformed(_)) => return Err(error.to_string()),
    }
    Ok(())
}
