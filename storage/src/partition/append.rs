//! The sequencer: one batch gets its offsets and its place in the journal.
//!
//! What needs the records (CRC, counts, timestamps) comes first, without a lock. Under the lock: deleted?
//! duplicate or out of sequence? room in the journal? Then the offset is taken and the entry queued as one
//! step; nothing fails after it.

use std::sync::Arc;

use bytes::Bytes;
use strom_protocol::record::{
    BatchFault, BatchHeader, FaultClass, HEADER_BYTES, ProduceRules, Scratch, set_base,
    set_max_timestamp, validate_produced,
};

use super::producers::{RememberedBatch, Verdict};
use super::tail::Payload;
use super::{Partition, PartitionSettings, State, StoredBatch};
use crate::error::AppendError;
use crate::journal::Landing;
use crate::journal::entry::EntryHead;
use crate::journal::queue::{Entry, NoRoom};
use crate::ticket::AppendTicket;

/// Who appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client: everything is checked.
    Client,
    /// The broker itself, to its internal topics: size and timestamps are its own business.
    Internal,
}

/// One batch to append.
#[derive(Debug)]
pub struct AppendRequest<'a> {
    /// The partition's record set as it came: one batch, a slice of the request's frame.
    pub records: Bytes,
    /// The size of the allocation that `records` keeps alive.
    pub frame_bytes: usize,
    /// Whether zstd is allowed (Produce v7 and later).
    pub zstd_allowed: bool,
    /// Who appends.
    pub origin: Origin,
    /// The time in milliseconds.
    pub now_ms: i64,
    /// Reusable buffers for decompression.
    pub scratch: &'a mut Scratch,
}

/// An append that was sequenced.
#[derive(Clone, Debug)]
pub struct Appended {
    /// The first record's offset; the original's if it is a duplicate.
    pub base_offset: i64,
    /// The last record's offset.
    pub last_offset: i64,
    /// The time that the records got under LogAppendTime, else -1.
    pub log_append_time_ms: i64,
    /// The log start offset at the moment of the append.
    pub log_start_offset: i64,
    /// Whether the batch was there already.
    pub duplicate: bool,
    /// Resolves when it is written, and durable.
    pub ticket: AppendTicket,
}

/// A batch that only lacks its offset.
struct Prepared {
    payload: Payload,
    origin: Origin,
    now_ms: i64,
}

/// What one attempt under the lock came to.
enum Attempt {
    Done(Appended),
    /// The next journal file is on its way.
    NoRoomYet(Prepared),
}

impl Partition {
    /// Validates, sequences and queues one batch. Does no I/O; its cost is one pass over the records. Waits
    /// only when batches come faster than journal files can be prepared.
    pub fn append(&self, request: AppendRequest<'_>) -> Result<Appended, AppendError> {
        let settings = self.state().settings;
        let mut prepared = prepare(request, &settings)?;
        loop {
            match self.attempt(prepared)? {
                Attempt::Done(appended) => return Ok(appended),
                Attempt::NoRoomYet(again) => prepared = again,
            }
            if !self.context.journal.wait_for_room() {
                let message = "the next journal file is not prepared in time; the disk is too slow \
                               for this load";
                return Err(AppendError::Full { message: message.to_owned() });
            }
        }
    }

    fn attempt(&self, prepared: Prepared) -> Result<Attempt, AppendError> {
        let mut header = BatchHeader::parse(&prepared.payload.head())
            .expect("a prepared batch has a valid head");
        let mut state = self.state();
        if state.is_deleted {
            return Err(AppendError::Deleted);
        }
        if header.has_producer_id()
            && let Some(original) = self.judge_sequence(&state, &header)?
        {
            return Ok(Attempt::Done(self.duplicate_of(&state, &original)));
        }
        let journal = &self.context.journal;
        let is_internal = prepared.origin == Origin::Internal || state.settings.internal;
        let mut queue = journal.queue();
        let bytes = header.total_bytes();
        let room = match queue.take_room(bytes, is_internal, journal.options.file_bytes) {
            Ok(room) => room,
            Err(NoRoom::Preparing) => {
                journal.release(queue);
                return Ok(Attempt::NoRoomYet(prepared));
            }
            Err(NoRoom::Full(message)) => return Err(AppendError::Full { message }),
            Err(NoRoom::TooLarge { max }) => return Err(AppendError::TooLarge { bytes, max }),
            Err(NoRoom::Failed(failure)) => return Err(failure.into()),
        };
        header.base_offset = state.log_end;
        header.partition_leader_epoch = self.context.leader_epoch;
        let needs_sync = self.context.syncs_all || state.settings.sync_each;
        let batch = place(&header, prepared.payload);
        let ordinal = queue.push(room, self.entry(&batch, needs_sync));
        journal.release(queue);
        state.log_end = header.last_offset() + 1;
        state.last_ordinal = ordinal;
        if header.has_producer_id() {
            state.producers.remember(&header, ordinal, prepared.now_ms);
        }
        state.tail.push(batch);
        let append_time = header.attributes.is_log_append_time();
        Ok(Attempt::Done(Appended {
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            log_append_time_ms: if append_time { header.max_timestamp } else { -1 },
            log_start_offset: state.log_start,
            duplicate: false,
            ticket: AppendTicket::new(Arc::clone(&journal.progress), ordinal, needs_sync),
        }))
    }

    /// The original if the batch is a duplicate; an error if it may not be appended.
    fn judge_sequence(
        &self,
        state: &State,
        header: &BatchHeader,
    ) -> Result<Option<RememberedBatch>, AppendError> {
        let producer_id = header.producer_id;
        match state.producers.judge(header) {
            Verdict::Next => Ok(None),
            Verdict::Duplicate(original) => Ok(Some(original)),
            Verdict::OutOfOrder { expected } => Err(AppendError::OutOfOrderSequence {
                partition: self.index,
                producer_id,
                sequence: header.base_sequence,
                expected,
            }),
            Verdict::Fenced { current } => Err(AppendError::InvalidProducerEpoch {
                producer_id,
                epoch: header.producer_epoch,
                current,
            }),
        }
    }

    /// The answer to a duplicate: it is as durable as its original.
    fn duplicate_of(&self, state: &State, original: &RememberedBatch) -> Appended {
        let needs_sync = self.context.syncs_all || state.settings.sync_each;
        let progress = Arc::clone(&self.context.journal.progress);
        Appended {
            base_offset: original.base_offset,
            last_offset: original.last_offset,
            log_append_time_ms: original.append_time_ms,
            log_start_offset: state.log_start,
            duplicate: true,
            ticket: AppendTicket::new(progress, original.ordinal, needs_sync),
        }
    }

    fn entry(&self, batch: &StoredBatch, needs_sync: bool) -> Entry {
        let header = &batch.header;
        let landing = self.me.upgrade().expect("a partition that is called lives");
        Entry {
            landing: landing as Arc<dyn Landing>,
            head: EntryHead {
                topic: self.topic,
                partition: self.index,
                leader_epoch: header.partition_leader_epoch,
                base_offset: header.base_offset,
                offsets: header.last_offset_delta as u32 + 1,
                payload_bytes: header.total_bytes() as u32,
                payload_checksum: header.crc,
            },
            payload: [batch.head.clone(), batch.body.clone()],
            max_timestamp: header.max_timestamp,
            needs_sync,
        }
    }
}

/// Judges the records and makes the changes to the head that the topic asks for.
fn prepare(
    request: AppendRequest<'_>,
    settings: &PartitionSettings,
) -> Result<Prepared, AppendError> {
    let (bytes, max) = (request.records.len(), settings.max_message_bytes);
    let is_client = request.origin == Origin::Client;
    if is_client && bytes > max {
        return Err(AppendError::TooLarge { bytes, max });
    }
    let rules = rules(&request, settings);
    let valid = validate_produced(&request.records, &rules, request.scratch).map_err(refusal)?;
    if is_client && valid.header.attributes.is_transactional() {
        let message = "transactional batches are not accepted: transactions are not served yet";
        return Err(AppendError::InvalidRecord {
            message: message.to_owned(),
            record_errors: Vec::new(),
        });
    }
    let mut head: [u8; HEADER_BYTES] =
        *request.records.first_chunk().expect("a valid batch has its head");
    let body = &request.records[HEADER_BYTES..];
    if settings.log_append_time {
        set_max_timestamp(&mut head, body, request.now_ms, true);
    } else if valid.max_timestamp_is_wrong() {
        set_max_timestamp(&mut head, body, valid.max_timestamp, false);
    }
    let payload = Payload::new(head, &request.records, request.frame_bytes);
    Ok(Prepared { payload, origin: request.origin, now_ms: request.now_ms })
}

fn rules(request: &AppendRequest<'_>, settings: &PartitionSettings) -> ProduceRules {
    let is_client = request.origin == Origin::Client;
    let is_bounded = is_client && !settings.log_append_time;
    let (before, after) = (settings.timestamp_before_max_ms, settings.timestamp_after_max_ms);
    ProduceRules {
        timestamp_min: if is_bounded { request.now_ms.saturating_sub(before) } else { i64::MIN },
        timestamp_max: if is_bounded { request.now_ms.saturating_add(after) } else { i64::MAX },
        require_keys: settings.require_keys,
        zstd_allowed: request.zstd_allowed,
        control_allowed: !is_client,
    }
}

fn refusal(fault: BatchFault) -> AppendError {
    let (message, record_errors) = (fault.to_string(), fault.record_errors());
    match fault.class() {
        FaultClass::Corrupt => AppendError::Corrupt(message),
        FaultClass::InvalidRecord => AppendError::InvalidRecord { message, record_errors },
        FaultClass::UnsupportedCompression => AppendError::UnsupportedCompression,
        FaultClass::InvalidTimestamp => AppendError::InvalidTimestamp { message, record_errors },
    }
}

/// The batch with its offset in its head.
fn place(header: &BatchHeader, payload: Payload) -> StoredBatch {
    let mut head = payload.head();
    set_base(&mut head, header.base_offset, header.partition_leader_epoch);
    let [head, body] = payload.finish(&head);
    StoredBatch { header: *header, head, body }
}
