//! One file of the journal: its header, and where it lies in the sequence of all bytes ever written.
//!
//! ```text
//! file  : header (4096) │ group │ group │ … │ zeros, or dead groups of an older generation
//! header: magic "STROMJNL" │ format u32 │ header bytes u32 │ cluster id (16) │ journal id u32
//!         │ generation u64 │ first LSN u64 │ capacity u64 │ nonce u64 │ CRC u32
//! ```
//!
//! LSN = first LSN + position in the file. A file is zero-filled once and recycled: a new header with a
//! higher generation makes everything in it dead. The header is one sector, so it is the old or the new one.
//! The nonce enters the checksums of the file's groups: bytes of a client's record are never taken for a group.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::encoding::{Input, checksum};
use crate::error::OpenError;
use crate::io::{DiskFile, SECTOR_BYTES};

/// Where groups begin. More than the header needs, so that the writes to come may be aligned to pages.
pub(crate) const HEADER_BYTES: u64 = 4096;
const MAGIC: &[u8; 8] = b"STROMJNL";
const FORMAT: u32 = 1;
/// This broker writes one journal.
const JOURNAL_ID: u32 = 0;
const NAME_SUFFIX: &str = ".journal";

/// The header of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) cluster_id: [u8; 16],
    pub(crate) generation: u64,
    pub(crate) first_lsn: u64,
    /// The file's size, header included.
    pub(crate) capacity: u64,
    /// Random, so that no client can guess what a group's checksum must be.
    pub(crate) nonce: u64,
}

impl FileHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut output = Vec::with_capacity(SECTOR_BYTES);
        output.extend_from_slice(MAGIC);
        output.extend_from_slice(&FORMAT.to_le_bytes());
        output.extend_from_slice(&(HEADER_BYTES as u32).to_le_bytes());
        output.extend_from_slice(&self.cluster_id);
        output.extend_from_slice(&JOURNAL_ID.to_le_bytes());
        output.extend_from_slice(&self.generation.to_le_bytes());
        output.extend_from_slice(&self.first_lsn.to_le_bytes());
        output.extend_from_slice(&self.capacity.to_le_bytes());
        output.extend_from_slice(&self.nonce.to_le_bytes());
        output.extend_from_slice(&checksum(&output).to_le_bytes());
        output.resize(SECTOR_BYTES, 0);
        output
    }

    /// The header of the file at `path`; `Ok(None)` if it is damaged.
    pub(crate) fn decode(
        bytes: &[u8],
        path: &Path,
        cluster_id: [u8; 16],
    ) -> Result<Option<FileHeader>, OpenError> {
        let fields = || {
            let mut input = Input(bytes);
            let is_ours = input.take(8)? == MAGIC;
            let (format, _header_bytes) = (input.u32()?, input.u32()?);
            let (cluster_id, _journal_id) = (input.array()?, input.u32()?);
            let (generation, first_lsn) = (input.u64()?, input.u64()?);
            let (capacity, nonce) = (input.u64()?, input.u64()?);
            let summed = bytes.len() - input.0.len();
            let is_valid = is_ours && input.u32()? == checksum(&bytes[..summed]);
            let header = FileHeader { cluster_id, generation, first_lsn, capacity, nonce };
            Some((is_valid, is_ours, format, header))
        };
        let Some((is_valid, is_ours, format, header)) = fields() else { return Ok(None) };
        if is_ours && format > FORMAT {
            return Err(OpenError::NewerFormat {
                path: path.to_path_buf(),
                found: format.to_string(),
                supported: FORMAT,
            });
        }
        if is_valid && header.cluster_id != cluster_id {
            return Err(OpenError::Foreign {
                path: path.to_path_buf(),
                reason: "belongs to another cluster id than the metadata beside it".to_owned(),
            });
        }
        Ok(is_valid.then_some(header))
    }
}

/// A file in use.
#[derive(Debug)]
pub(crate) struct JournalFile {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) path: PathBuf,
    pub(crate) header: FileHeader,
}

impl JournalFile {
    pub(crate) fn first_lsn(&self) -> u64 {
        self.header.first_lsn
    }

    /// The first LSN of the file behind it.
    pub(crate) fn end_lsn(&self) -> u64 {
        self.header.first_lsn + self.header.capacity
    }

    pub(crate) fn contains(&self, lsn: u64) -> bool {
        self.first_lsn() <= lsn && lsn < self.end_lsn()
    }

    pub(crate) fn position_of(&self, lsn: u64) -> u64 {
        lsn - self.header.first_lsn
    }
}

/// What groups may take of a file: all but the header and a last group that says that it is the last.
pub(crate) fn usable_bytes(capacity: u64) -> u64 {
    capacity.saturating_sub(HEADER_BYTES + SECTOR_BYTES as u64)
}

pub(crate) fn file_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:08}{NAME_SUFFIX}"))
}

/// The number in a journal file's name; `None` for other files.
pub(crate) fn number_of(name: &str) -> Option<u64> {
    name.strip_suffix(NAME_SUFFIX)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_round_trip_and_name_what_is_wrong() {
        let header = FileHeader {
            cluster_id: [1; 16],
            generation: 2,
            first_lsn: 3 << 30,
            capacity: 1 << 22,
            nonce: 5,
        };
        let path = Path::new("/data/journal/00000001.journal");
        let decode = |bytes: &[u8], cluster| FileHeader::decode(bytes, path, cluster);
        let bytes = header.encode();
        assert_eq!(decode(&bytes, [1; 16]).unwrap(), Some(header));
        let mut damaged = bytes.clone();
        damaged[40] ^= 1;
        assert_eq!(decode(&damaged, [1; 16]).unwrap(), None);
        let mut newer = bytes.clone();
        newer[8] = 2;
        let message = decode(&newer, [1; 16]).unwrap_err().to_string();
        assert!(message.contains("00000001.journal has format 2, this version reads up to 1"));
        let message = decode(&bytes, [2; 16]).unwrap_err().to_string();
        assert!(message.contains("belongs to another cluster id"), "{message}");
    }

    #[test]
    fn names_are_numbers() {
        let path = file_path(Path::new("/j"), 12);
        assert_eq!(path, Path::new("/j/00000012.journal"));
        assert_eq!(number_of("00000012.journal"), Some(12));
        assert_eq!(number_of("00000012.journal.tmp"), None);
    }
}
