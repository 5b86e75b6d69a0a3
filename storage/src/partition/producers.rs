//! What a partition remembers of idempotent producers: the epoch and the last five batches of each.
//!
//! A producer may have five requests in flight, so the last five batches are what a retry can repeat. A batch
//! is accepted if its sequence follows; it is a duplicate if it is one of the five. Without memory of a
//! producer any first sequence is accepted, since the memory may have expired.

use std::collections::{HashMap, VecDeque};

use strom_protocol::record::BatchHeader;

use crate::encoding::Input;

/// How many batches of a producer are remembered (Kafka's number).
const BATCHES_REMEMBERED: usize = 5;
const SNAPSHOT_FORMAT: u8 = 1;

/// A batch that a retry may repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RememberedBatch {
    pub(crate) base_sequence: i32,
    pub(crate) last_sequence: i32,
    pub(crate) base_offset: i64,
    pub(crate) last_offset: i64,
    /// The timestamp under LogAppendTime, else -1: a duplicate gets the same answer.
    pub(crate) append_time_ms: i64,
    /// The journal's ordinal, 0 when it came from a recovery.
    pub(crate) ordinal: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Producer {
    epoch: i16,
    last_seen_ms: i64,
    batches: VecDeque<RememberedBatch>,
}

/// The judgement over a batch of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It follows.
    Next,
    /// It is there already.
    Duplicate(RememberedBatch),
    /// It does not follow.
    OutOfOrder { expected: i32 },
    /// A newer epoch was seen.
    Fenced { current: i16 },
}

/// The producers of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Producers {
    producers: HashMap<i64, Producer>,
}

/// The sequence that is `count` behind another: they wrap at 2^31-1 to 0.
pub(crate) fn sequence_after(sequence: i32, count: i32) -> i32 {
    ((i64::from(sequence) + i64::from(count)) % (1 << 31)) as i32
}

impl Producers {
    /// Judges a batch with a producer id.
    pub(crate) fn judge(&self, header: &BatchHeader) -> Verdict {
        let Some(producer) = self.producers.get(&header.producer_id) else { return Verdict::Next };
        if header.producer_epoch < producer.epoch {
            return Verdict::Fenced { current: producer.epoch };
        }
        let sequence = header.base_sequence;
        if header.producer_epoch > producer.epoch {
            return if sequence == 0 { Verdict::Next } else { Verdict::OutOfOrder { expected: 0 } };
        }
        let last_sequence = sequence_after(sequence, header.last_offset_delta);
        let is_repeated = |batch: &&RememberedBatch| {
            batch.base_sequence == sequence && batch.last_sequence == last_sequence
        };
        if let Some(batch) = producer.batches.iter().find(is_repeated) {
            return Verdict::Duplicate(*batch);
        }
        match producer.batches.back() {
            Some(last) if sequence_after(last.last_sequence, 1) != sequence => {
                Verdict::OutOfOrder { expected: sequence_after(last.last_sequence, 1) }
            }
            Some(_) | None => Verdict::Next,
        }
    }

    /// Remembers a batch that was appended, or found by recovery.
    pub(crate) fn remember(&mut self, header: &BatchHeader, ordinal: u64, now_ms: i64) {
        let producer = self.producers.entry(header.producer_id).or_default();
        if producer.epoch != header.producer_epoch {
            producer.epoch = header.producer_epoch;
            producer.batches.clear();
        }
        producer.last_seen_ms = now_ms;
        if producer.batches.len() == BATCHES_REMEMBERED {
            producer.batches.pop_front();
        }
        let is_append_time = header.attributes.is_log_append_time();
        producer.batches.push_back(RememberedBatch {
            base_sequence: header.base_sequence,
            last_sequence: sequence_after(header.base_sequence, header.last_offset_delta),
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            append_time_ms: if is_append_time { header.max_timestamp } else { -1 },
            ordinal,
        });
    }

    /// Forgets producers that were silent for longer; gives how many.
    pub(crate) fn expire(&mut self, now_ms: i64, expiration_ms: i64) -> u64 {
        let before = self.producers.len();
        let oldest = now_ms.saturating_sub(expiration_ms);
        self.producers.retain(|_, producer| producer.last_seen_ms >= oldest);
        (before - self.producers.len()) as u64
    }

    /// The state as a value of the metadata log, with the offset up to which it holds.
    ///
    /// `format u8 │ next offset i64 │ { id i64 │ epoch i16 │ last seen i64 │ batches u8 │ { base sequence i32
    /// │ last sequence i32 │ base offset i64 │ last offset i64 │ append time i64 }* }*`, by ascending id.
    pub(crate) fn encode(&self, next_offset: i64) -> Vec<u8> {
        let mut output = vec![SNAPSHOT_FORMAT];
        output.extend_from_slice(&next_offset.to_le_bytes());
        let mut producers: Vec<_> = self.producers.iter().collect();
        producers.sort_by_key(|(id, _)| **id);
        for (id, producer) in producers {
            output.extend_from_slice(&id.to_le_bytes());
            output.extend_from_slice(&producer.epoch.to_le_bytes());
            output.extend_from_slice(&producer.last_seen_ms.to_le_bytes());
            output.push(producer.batches.len() as u8);
            for batch in &producer.batches {
                output.extend_from_slice(&batch.base_sequence.to_le_bytes());
                output.extend_from_slice(&batch.last_sequence.to_le_bytes());
                output.extend_from_slice(&batch.base_offset.to_le_bytes());
                output.extend_from_slice(&batch.last_offset.to_le_bytes());
                output.extend_from_slice(&batch.append_time_ms.to_le_bytes());
            }
        }
        output
    }

    /// What [`encode`](Self::encode) wrote; `None` for anything else.
    pub(crate) fn decode(value: &[u8]) -> Option<(Producers, i64)> {
        let mut input = Input(value);
        if input.u8()? != SNAPSHOT_FORMAT {
            return None;
        }
        let next_offset = input.i64()?;
        let mut producers = Producers::default();
        while !input.is_empty() {
            let id = input.i64()?;
            let mut producer = Producer {
                epoch: input.i16()?,
                last_seen_ms: input.i64()?,
                batches: VecDeque::new(),
            };
            for _ in 0..input.u8()? {
                producer.batches.push_back(RememberedBatch {
                    base_sequence: input.i32()?,
                    last_sequence: input.i32()?,
                    base_offset: input.i64()?,
                    last_offset: input.i64()?,
                    append_time_ms: input.i64()?,
                    ordinal: 0,
                });
            }
            producers.producers.insert(id, producer);
        }
        Some((producers, next_offset))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use strom_protocol::record::Attributes;

    use super::*;

    fn batch(epoch: i16, base_sequence: i32, count: i32, base_offset: i64) -> BatchHeader {
        BatchHeader {
            base_offset,
            batch_length: 100,
            partition_leader_epoch: 0,
            magic: 2,
            crc: 0,
            attributes: Attributes(0),
            last_offset_delta: count - 1,
            base_timestamp: 0,
            max_timestamp: 0,
            producer_id: 7,
            producer_epoch: epoch,
            base_sequence,
            record_count: count,
        }
    }

    fn after(batches: &[(i16, i32, i32)]) -> Producers {
        let mut producers = Producers::default();
        let mut offset = 0;
        for &(epoch, sequence, count) in batches {
            producers.remember(&batch(epoch, sequence, count, offset), 1, 1000);
            offset += i64::from(count);
        }
        producers
    }

    #[test]
    fn sequences_follow_repeat_or_are_refused() {
        const MAX: i32 = i32::MAX;
        let five = [(0, 0, 1), (0, 1, 1), (0, 2, 1), (0, 3, 1), (0, 4, 1), (0, 5, 1)];
        type Row<'a> = (&'a [(i16, i32, i32)], (i16, i32, i32), Result<bool, i32>);
        let rows: &[Row] = &[
            (&[], (0, 0, 3), Ok(false)),
            (&[], (0, 17, 3), Ok(false)),
            (&[(0, 0, 3)], (0, 3, 1), Ok(false)),
            (&[(0, 0, 3)], (0, 0, 3), Ok(true)),
            (&[(0, 0, 3)], (0, 0, 2), Err(3)),
            (&[(0, 0, 3)], (0, 4, 1), Err(3)),
            (&[(0, 0, 3)], (1, 0, 1), Ok(false)),
            (&[(0, 0, 3)], (1, 3, 1), Err(0)),
            (&five, (0, 1, 1), Ok(true)),
            (&five, (0, 0, 1), Err(6)),
            (&[(0, MAX - 1, 2)], (0, 0, 1), Ok(false)),
            (&[(0, MAX - 1, 3)], (0, 1, 1), Ok(false)),
            (&[(0, MAX - 1, 3)], (0, MAX - 1, 3), Ok(true)),
        ];
        for (history, (epoch, sequence, count), expected) in rows {
            let verdict = after(history).judge(&batch(*epoch, *sequence, *count, 99));
            let found = match verdict {
                Verdict::Next => Ok(false),
                Verdict::Duplicate(_) => Ok(true),
                Verdict::OutOfOrder { expected } => Err(expected),
                Verdict::Fenced { .. } => panic!("fenced"),
            };
            assert_eq!(found, *expected, "{history:?} then {sequence}");
        }
    }

    #[test]
    fn an_older_epoch_is_fenced_and_a_duplicate_gives_the_original_offset() {
        let producers = after(&[(3, 0, 3), (3, 3, 4)]);
        assert_eq!(producers.judge(&batch(2, 7, 1, 0)), Verdict::Fenced { current: 3 });
        let Verdict::Duplicate(original) = producers.judge(&batch(3, 3, 4, 0)) else {
            panic!("not a duplicate")
        };
        assert_eq!((original.base_offset, original.last_offset), (3, 6));
    }

    #[test]
    fn snapshots_round_trip_and_silence_is_forgotten() {
        let mut producers = after(&[(3, 0, 3), (3, 3, 4)]);
        let (restored, next_offset) = Producers::decode(&producers.encode(7)).unwrap();
        assert_eq!(next_offset, 7);
        assert_eq!(restored.encode(7), producers.encode(7));
        assert_eq!(producers.expire(1500, 500), 0);
        assert_eq!(producers.expire(1501, 500), 1);
        assert!(producers.is_empty());
    }
}
