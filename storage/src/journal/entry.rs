//! Groups and entries: the bytes that one write appends to the journal.
//!
//! ```text
//! group  : head (48) │ entry heads (48 each) │ payloads │ zeros up to a multiple of 512
//! head   : magic u32 │ flags u32 (1: last of its file) │ generation u64 │ sequence u64 │ durable-through LSN u64
//!          │ entries u32 │ payload bytes u32 │ CRC of the entry heads u32 │ CRC of this head u32
//! entry  : kind u8 │ 3 zeros │ partition i32 │ topic id (16) │ leader epoch i32 │ base offset i64
//!          │ payload bytes u32 │ offsets u32 │ payload CRC u32
//! payload of a batch: the batch as consumers get it
//! ```
//!
//! The entry heads stand together before the payloads, so a damaged payload hits its own partition only. A
//! batch's payload CRC is the batch's own (over everything from the attributes on); the 21 bytes before that
//! repeat what the entry's head says and are compared with it. So appending sums no record byte twice.

use strom_protocol::record::{BatchHeader, crc_of};
use strom_protocol::{TopicId, Uuid};

use crate::encoding::{Input, checksum, round_up};
use crate::io::SECTOR_BYTES;

pub(crate) const GROUP_HEAD_BYTES: usize = 48;
pub(crate) const ENTRY_HEAD_BYTES: usize = 48;
const GROUP_MAGIC: u32 = u32::from_le_bytes(*b"JGRP");
const LAST_OF_FILE: u32 = 1;

/// Entry kinds. The numbers of those to come are reserved, so that they never mean anything else:
/// 2 control marker, 3 log start advance, 4 topic delete, 5 epoch bump, 6 producer expiry,
/// 7 machine records, 8 atomic group over several partitions.
const BATCH: u8 = 1;

/// The head of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupHead {
    /// Whether the journal goes on in the next file.
    pub(crate) is_last_of_file: bool,
    pub(crate) generation: u64,
    pub(crate) sequence: u64,
    /// The LSN up to which everything was synced when the group was written.
    pub(crate) durable_through: u64,
    pub(crate) entries: u32,
    pub(crate) payload_bytes: u32,
    pub(crate) entries_checksum: u32,
}

impl GroupHead {
    pub(crate) fn encode(&self, nonce: u64) -> [u8; GROUP_HEAD_BYTES] {
        let mut output = Vec::with_capacity(GROUP_HEAD_BYTES);
        output.extend_from_slice(&GROUP_MAGIC.to_le_bytes());
        let flags = if self.is_last_of_file { LAST_OF_FILE } else { 0 };
        output.extend_from_slice(&flags.to_le_bytes());
        output.extend_from_slice(&self.generation.to_le_bytes());
        output.extend_from_slice(&self.sequence.to_le_bytes());
        output.extend_from_slice(&self.durable_through.to_le_bytes());
        output.extend_from_slice(&self.entries.to_le_bytes());
        output.extend_from_slice(&self.payload_bytes.to_le_bytes());
        output.extend_from_slice(&self.entries_checksum.to_le_bytes());
        output.extend_from_slice(&head_checksum(&output, nonce).to_le_bytes());
        output.try_into().expect("the fields add up to the head")
    }

    /// The head at the start of some bytes, if there is a valid one.
    pub(crate) fn decode(bytes: &[u8], nonce: u64) -> Option<GroupHead> {
        let head = bytes.first_chunk::<GROUP_HEAD_BYTES>()?;
        let mut input = Input(head);
        if input.u32()? != GROUP_MAGIC {
            return None;
        }
        let flags = input.u32()?;
        let decoded = GroupHead {
            is_last_of_file: flags & LAST_OF_FILE != 0,
            generation: input.u64()?,
            sequence: input.u64()?,
            durable_through: input.u64()?,
            entries: input.u32()?,
            payload_bytes: input.u32()?,
            entries_checksum: input.u32()?,
        };
        let computed = head_checksum(&head[..GROUP_HEAD_BYTES - 4], nonce);
        (input.u32()? == computed).then_some(decoded)
    }

    /// The bytes that the group takes in the file.
    pub(crate) fn group_bytes(&self) -> u64 {
        group_bytes(u64::from(self.entries), u64::from(self.payload_bytes))
    }

    /// Where the payloads begin, from the group's start.
    pub(crate) fn payloads_at(&self) -> usize {
        GROUP_HEAD_BYTES + self.entries as usize * ENTRY_HEAD_BYTES
    }
}

/// The checksum of a group's head includes its file's nonce.
fn head_checksum(head: &[u8], nonce: u64) -> u32 {
    let mut summed = [0; GROUP_HEAD_BYTES + 4];
    summed[..GROUP_HEAD_BYTES - 4].copy_from_slice(head);
    summed[GROUP_HEAD_BYTES - 4..].copy_from_slice(&nonce.to_le_bytes());
    checksum(&summed)
}

/// The bytes that a group of some entries takes in a file.
pub(crate) fn group_bytes(entries: u64, payload_bytes: u64) -> u64 {
    let heads = GROUP_HEAD_BYTES as u64 + entries * ENTRY_HEAD_BYTES as u64;
    round_up(heads + payload_bytes, SECTOR_BYTES as u64)
}

/// The head of a batch's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryHead {
    pub(crate) topic: TopicId,
    pub(crate) partition: i32,
    pub(crate) leader_epoch: i32,
    pub(crate) base_offset: i64,
    /// How many offsets the batch takes.
    pub(crate) offsets: u32,
    pub(crate) payload_bytes: u32,
    pub(crate) payload_checksum: u32,
}

impl EntryHead {
    /// Appends the head to `output`.
    pub(crate) fn encode(&self, output: &mut Vec<u8>) {
        output.extend_from_slice(&[BATCH, 0, 0, 0]);
        output.extend_from_slice(&self.partition.to_le_bytes());
        output.extend_from_slice(self.topic.as_bytes());
        output.extend_from_slice(&self.leader_epoch.to_le_bytes());
        output.extend_from_slice(&self.base_offset.to_le_bytes());
        output.extend_from_slice(&self.payload_bytes.to_le_bytes());
        output.extend_from_slice(&self.offsets.to_le_bytes());
        output.extend_from_slice(&self.payload_checksum.to_le_bytes());
    }

    /// The entry heads of a group, whose checksum is right. An unknown kind is the error.
    pub(crate) fn decode_all(bytes: &[u8]) -> Result<Vec<EntryHead>, u8> {
        bytes.chunks_exact(ENTRY_HEAD_BYTES).map(EntryHead::decode).collect()
    }

    fn decode(bytes: &[u8]) -> Result<EntryHead, u8> {
        let kind = bytes[0];
        if kind != BATCH {
            return Err(kind);
        }
        let fields = || {
            let mut input = Input(bytes.get(4..)?);
            let partition = input.i32()?;
            let topic = TopicId(Uuid::from_bytes(input.array()?));
            Some(EntryHead {
                topic,
                partition,
                leader_epoch: input.i32()?,
                base_offset: input.i64()?,
                payload_bytes: input.u32()?,
                offsets: input.u32()?,
                payload_checksum: input.u32()?,
            })
        };
        Ok(fields().expect("an entry's head has its size"))
    }

    pub(crate) fn next_offset(&self) -> i64 {
        self.base_offset + i64::from(self.offsets)
    }

    /// The batch's header if the payload is what was appended, else what is wrong.
    pub(crate) fn check(&self, payload: &[u8]) -> Result<BatchHeader, String> {
        let header = BatchHeader::parse(payload).map_err(|error| error.to_string())?;
        let is_its_batch = header.base_offset == self.base_offset
            && header.partition_leader_epoch == self.leader_epoch
            && header.crc == self.payload_checksum
            && header.last_offset_delta as u32 == self.offsets - 1
            && header.total_bytes() == payload.len();
        if !is_its_batch {
            return Err("the batch's head is not that of its entry".to_owned());
        }
        let computed = crc_of(payload);
        if computed != header.crc {
            return Err(format!(
                "the batch has CRC {:#010x}, its bytes {computed:#010x}",
                header.crc
            ));
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_heads_round_trip_and_every_flipped_bit_is_seen() {
        let head = GroupHead {
            is_last_of_file: true,
            generation: 3,
            sequence: 77,
            durable_through: 1 << 40,
            entries: 2,
            payload_bytes: 200,
            entries_checksum: 5,
        };
        let bytes = head.encode(5);
        assert_eq!(GroupHead::decode(&bytes, 5), Some(head));
        assert_eq!(GroupHead::decode(&bytes, 6), None, "another file's nonce");
        assert_eq!(head.group_bytes(), 512);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(GroupHead::decode(&damaged, 5), None, "bit {bit}");
        }
    }

    #[test]
    fn entry_heads_round_trip_and_unknown_kinds_are_named() {
        let head = EntryHead {
            topic: TopicId(Uuid::from_u128(7)),
            partition: 3,
            leader_epoch: 2,
            base_offset: 1 << 40,
            offsets: 10,
            payload_bytes: 100,
            payload_checksum: 9,
        };
        let mut bytes = Vec::new();
        head.encode(&mut bytes);
        assert_eq!(bytes.len(), ENTRY_HEAD_BYTES);
        assert_eq!(EntryHead::decode_all(&bytes), Ok(vec![head]));
        bytes[0] = 8;
        assert_eq!(EntryHead::decode_all(&bytes), Err(8));
    }
}
