//! The digest that says whether a batch is the one that was produced.

use crc_fast::{CrcAlgorithm, Digest};
use strom_protocol::record::{BatchHeader, HEADER_BYTES, Scratch};

use crate::partition::StoredBatch;

const LENGTH: std::ops::Range<usize> = 8..12;
const CRC: std::ops::Range<usize> = 17..21;

/// The digest of a batch by the definition of fidelity: CRC-64/NVME over the head without length and CRC
/// (which depend on how the body is compressed), then over the records after decompression.
///
/// A body that cannot be decompressed counts as it is.
pub fn digest_of(batch: &StoredBatch, scratch: &mut Scratch) -> u64 {
    let records = batch
        .header
        .attributes
        .compression()
        .ok()
        .and_then(|compression| scratch.decompress(compression, &batch.body).ok());
    let digest = digest_of_records(&batch.header, records.unwrap_or(&batch.body));
    scratch.release_excess();
    digest
}

/// [`digest_of`] with the records at hand.
pub(super) fn digest_of_records(header: &BatchHeader, records: &[u8]) -> u64 {
    let head = header.encode();
    let mut fields = [0; HEADER_BYTES - 8];
    let mut at = 0;
    for part in [&head[..LENGTH.start], &head[LENGTH.end..CRC.start], &head[CRC.end..]] {
        fields[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
    digest.update(&fields);
    digest.update(records);
    digest.finalize()
}
