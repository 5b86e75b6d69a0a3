//! The bytes of the metadata log's files.
//!
//! ```text
//! file   : header (512 bytes), group, group, …
//! header : magic "STROMMET" │ format u32 │ kind u32 (1 checkpoint, 2 deltas) │ number u64 │ CRC u32
//! group  : magic u32 │ length u32 │ sequence u64 │ CRC of the payload u32 │ CRC of this head u32
//!          │ payload │ zeros up to a multiple of 512
//! payload: change, change, …
//! change : kind u8 (1 put, 2 delete) │ key length u32 │ key │ (put) value length u32 │ value
//! ```
//!
//! A checkpoint is puts only, in groups of bounded size, and ends with an empty group. Groups begin on
//! sectors, so that writing one never touches an older one. A copy has the bytes of its file, and the name of it
//! with `.copy` behind it.

use std::path::Path;

use bytes::Bytes;

use super::Change;
use crate::encoding::{Input, checksum, put_sized, round_up};
use crate::error::OpenError;
use crate::io::{DiskFile, SECTOR_BYTES};

pub(super) const HEADER_BYTES: u64 = SECTOR_BYTES as u64;
const FILE_MAGIC: &[u8; 8] = b"STROMMET";
const FORMAT: u32 = 1;
const GROUP_MAGIC: u32 = u32::from_le_bytes(*b"MGRP");
const GROUP_HEAD_BYTES: usize = 24;
const PUT: u8 = 1;
const DELETE: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    Checkpoint = 1,
    Deltas = 2,
}

pub(super) fn encode_header(kind: FileKind, number: u64) -> Vec<u8> {
    let mut output = Vec::with_capacity(SECTOR_BYTES);
    output.extend_from_slice(FILE_MAGIC);
    output.extend_from_slice(&FORMAT.to_le_bytes());
    output.extend_from_slice(&(kind as u32).to_le_bytes());
    output.extend_from_slice(&number.to_le_bytes());
    output.extend_from_slice(&checksum(&output).to_le_bytes());
    output.resize(SECTOR_BYTES, 0);
    output
}

/// Whether a header is as it was written, of whatever format: its checksum is in the same place in all.
pub(super) fn is_sealed(header: &[u8]) -> bool {
    const SUMMED_BYTES: usize = 24;
    let sum = header.get(SUMMED_BYTES..SUMMED_BYTES + 4);
    sum.is_some_and(|sum| sum == checksum(&header[..SUMMED_BYTES]).to_le_bytes())
}

/// Checks that a file is what its name says.
pub(super) fn check_header(
    bytes: &[u8],
    path: &Path,
    kind: FileKind,
    number: u64,
) -> Result<(), OpenError> {
    let corrupt = |reason: &str| OpenError::Corrupt {
        file: path.to_path_buf(),
        position: 0,
        reason: reason.to_owned(),
    };
    let mut input = Input(bytes);
    let magic = input.take(8).ok_or_else(|| corrupt("the header is cut off"))?;
    let format = input.u32().unwrap_or_default();
    if magic == FILE_MAGIC && format > FORMAT {
        return Err(OpenError::NewerFormat {
            path: path.to_path_buf(),
            found: format.to_string(),
            supported: FORMAT,
        });
    }
    let expected = encode_header(kind, number);
    if bytes != expected { Err(corrupt("the header is not that of this file")) } else { Ok(()) }
}

/// Appends a group to `output`, whole sectors.
pub(super) fn encode_group(output: &mut Vec<u8>, sequence: u64, payload: &[u8]) {
    let length = u32::try_from(payload.len())
        .expect("requests bound what one turn gathers, far below 4 GiB");
    let start = output.len();
    output.extend_from_slice(&GROUP_MAGIC.to_le_bytes());
    output.extend_from_slice(&length.to_le_bytes());
    output.extend_from_slice(&sequence.to_le_bytes());
    output.extend_from_slice(&checksum(payload).to_le_bytes());
    let head_checksum = checksum(&output[start..]);
    output.extend_from_slice(&head_checksum.to_le_bytes());
    output.extend_from_slice(payload);
    output.resize(start + group_bytes(length) as usize, 0);
}

fn group_bytes(payload: u32) -> u64 {
    round_up(GROUP_HEAD_BYTES as u64 + u64::from(payload), SECTOR_BYTES as u64)
}

pub(super) fn encode_changes(output: &mut Vec<u8>, changes: &[Change]) {
    for change in changes {
        match change {
            Change::Put { key, value } => encode_put(output, key, value),
            Change::Delete { key } => {
                output.push(DELETE);
                put_sized(output, key);
            }
        }
    }
}

pub(super) fn encode_put(output: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    output.push(PUT);
    put_sized(output, key);
    put_sized(output, value);
}

pub(super) fn decode_changes(payload: &[u8]) -> Option<Vec<Change>> {
    let mut input = Input(payload);
    let mut changes = Vec::new();
    while !input.is_empty() {
        changes.push(match input.u8()? {
            PUT => Change::Put {
                key: Bytes::copy_from_slice(input.sized()?),
                value: Bytes::copy_from_slice(input.sized()?),
            },
            DELETE => Change::Delete { key: Bytes::copy_from_slice(input.sized()?) },
            _ => return None,
        });
    }
    Some(changes)
}

/// A valid group.
pub(super) struct Group {
    pub(super) sequence: u64,
    pub(super) payload: Bytes,
    /// Where the next one begins.
    pub(super) next: u64,
}

/// The group at a position; `None` if there is no valid one.
pub(super) fn read_group(file: &dyn DiskFile, at: u64) -> std::io::Result<Option<Group>> {
    let head = file.read_at(at, GROUP_HEAD_BYTES)?;
    let Some((length, sequence, payload_checksum)) = decode_head(&head) else { return Ok(None) };
    if at + group_bytes(length) > round_up(file.bytes()?, SECTOR_BYTES as u64) {
        return Ok(None);
    }
    let payload = file.read_at(at + GROUP_HEAD_BYTES as u64, length as usize)?;
    let is_valid = payload.len() == length as usize && checksum(&payload) == payload_checksum;
    Ok(is_valid.then(|| Group { sequence, payload, next: at + group_bytes(length) }))
}

fn decode_head(head: &[u8]) -> Option<(u32, u64, u32)> {
    let mut input = Input(head);
    let magic = input.u32()?;
    let (length, sequence, payload_checksum) = (input.u32()?, input.u64()?, input.u32()?);
    let is_valid = magic == GROUP_MAGIC && input.u32()? == checksum(&head[..GROUP_HEAD_BYTES - 4]);
    is_valid.then_some((length, sequence, payload_checksum))
}

/// Whether a valid group of a later sequence begins on any sector behind a position: then what is at the
/// position had been synced.
pub(super) fn has_later_group(
    file: &dyn DiskFile,
    behind: u64,
    sequence: u64,
) -> std::io::Result<bool> {
    let end = file.bytes()?;
    let mut at = behind + SECTOR_BYTES as u64;
    while at < end {
        if let Some(group) = read_group(file, at)?
            && group.sequence > sequence
        {
            return Ok(true);
        }
        at += SECTOR_BYTES as u64;
    }
    Ok(false)
}
