//! What must hold for any bytes that claim to be a segment: it opens or says why not, and whatever is read of
//! it is sound. Used by the fuzz target and by the test that replays its corpus.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use strom_protocol::record::{Scratch, crc_of_parts};
use strom_storage::ReadLimits;
use strom_storage::segment::{ColumnSet, RangeSource, Run, ScanRequest, Segment, SourceError};

const LOCATOR_BYTES: usize = 32;
const INDEX_ENTRY_BYTES: usize = 32;
const END: &[u8] = b"ARROW1";

/// Reads `input` as it is, with the checksums of its directory made right, and as the directory of an object
/// that is otherwise zeros.
pub fn check(input: &[u8]) {
    check_object(input.to_vec());
    if let Some(repaired) = repaired(input) {
        check_object(repaired);
    }
    check_object(around(input));
}

#[derive(Debug)]
struct Object(Bytes);

impl RangeSource for Object {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, SourceError> {
        // Slicing panics on what does not lie within the object, as it must not.
        let slice = |range: &Range<u64>| self.0.slice(range.start as usize..range.end as usize);
        Ok(ranges.iter().map(slice).collect())
    }
}

fn check_object(bytes: Vec<u8>) {
    let segment = match Segment::open(Arc::new(Object(Bytes::from(bytes)))) {
        Ok(segment) => segment,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    for (topic, partition) in segment.runs().take(8) {
        match segment.run(topic, partition) {
            Some(Ok(run)) => check_run(&run),
            Some(Err(error)) => assert!(!error.to_string().is_empty()),
            // An index that is not sorted.
            None => {}
        }
    }
}

fn check_run(run: &Run) {
    let mut scratch = Scratch::with_limit(1 << 20);
    let limits = ReadLimits { max_bytes: 1 << 20, at_least_one: true };
    let mut from = i64::MIN;
    while let Ok(batches) = run.read(from, i64::MAX, limits, &mut scratch) {
        let Some(last) = batches.last() else { break };
        for batch in &batches {
            assert_eq!(batch.header.encode()[..], batch.head[..]);
            assert_eq!(batch.header.total_bytes(), batch.head.len() + batch.body.len());
            assert_eq!(crc_of_parts(&batch.header.encode(), &batch.body), batch.header.crc);
        }
        // Progress, or a reader would turn in circles.
        assert!(last.header.last_offset() >= from);
        let Some(next) = last.header.last_offset().checked_add(1) else { break };
        from = next;
    }
    let all = ScanRequest { columns: ColumnSet::ALL, offsets: i64::MIN..i64::MAX, predicate: None };
    for batch in run.scan(all).take(64).flatten() {
        assert_eq!(batch.num_columns(), 6);
    }
    let _ = run.offset_for_timestamp(0, 0, &mut scratch);
    let _ = run.max_timestamp(i64::MIN, i64::MAX, &mut scratch);
    let verified = run.verify(i64::MIN, &mut scratch);
    assert!(verified.is_ok(), "only the source fails, and memory does not");
}

/// Makes the checksums of locator, index and sections right, so that what they guard is reached.
fn repaired(input: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = input.to_vec();
    let end = bytes.len().checked_sub(4 + END.len())?;
    let footer = u32::from_le_bytes(*bytes[end..].first_chunk()?) as usize;
    let locator = end.checked_sub(footer)?.checked_sub(LOCATOR_BYTES)?;
    let directory_bytes = u32::from_le_bytes(*bytes[locator + 12..].first_chunk()?) as usize;
    let directory = locator.checked_sub(directory_bytes)?;
    let index_crc = repair_directory(&mut bytes[directory..locator]);
    write_locator(&mut bytes[..locator + LOCATOR_BYTES], directory, index_crc);
    Some(bytes)
}

/// An object of zeros with `input` as its directory.
fn around(input: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 1024];
    let directory = bytes.len();
    bytes.extend_from_slice(input);
    let index_crc = repair_directory(&mut bytes[directory..]);
    bytes.resize(bytes.len() + LOCATOR_BYTES, 0);
    write_locator(&mut bytes, directory, index_crc);
    bytes.extend_from_slice(&0_u32.to_le_bytes());
    bytes.extend_from_slice(END);
    bytes
}

/// Returns the checksum of the index.
fn repair_directory(directory: &mut [u8]) -> u32 {
    let Some(count) = directory.first_chunk().map(|count| u32::from_le_bytes(*count)) else {
        return 0;
    };
    let index_bytes = (count as usize).saturating_mul(INDEX_ENTRY_BYTES).saturating_add(4);
    if index_bytes > directory.len() {
        return 0;
    }
    for entry in (4..index_bytes).step_by(INDEX_ENTRY_BYTES) {
        let number = |at: usize| {
            directory[entry + at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
        };
        let (from, bytes) = (number(20) as usize, number(24) as usize);
        if let Some(section) = directory.get(from..from.saturating_add(bytes)) {
            let crc = crc_fast::crc32_iscsi(section).to_le_bytes();
            directory[entry + 28..entry + 32].copy_from_slice(&crc);
        }
    }
    crc_fast::crc32_iscsi(&directory[..index_bytes])
}

/// Writes the locator that ends `bytes`.
fn write_locator(bytes: &mut [u8], directory: usize, index_crc: u32) {
    let at = bytes.len() - LOCATOR_BYTES;
    let locator = &mut bytes[at..];
    locator[..8].copy_from_slice(b"STROMSEG");
    locator[8..12].copy_from_slice(&1_u32.to_le_bytes());
    locator[12..16].copy_from_slice(&((at - directory) as u32).to_le_bytes());
    locator[16..24].copy_from_slice(&(directory as u64).to_le_bytes());
    locator[24..28].copy_from_slice(&index_crc.to_le_bytes());
    let crc = crc_fast::crc32_iscsi(&locator[..28]).to_le_bytes();
    locator[28..].copy_from_slice(&crc);
}
