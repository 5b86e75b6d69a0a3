//! What to flush, and what to merge: values in, values out.
//!
//! A partition is flushed for one of three reasons: it has enough for a segment of its own; its batches keep
//! journal files that must be freed soon; or the journal's index takes too much memory. Age alone is none:
//! a record that is old but in nobody's way stays where it is cheapest to read.

use std::cmp::Reverse;

use crate::partition::Unflushed;

/// What an indexed batch costs in memory.
pub(crate) const INDEX_ENTRY_BYTES: u64 = 40;

/// How the journal is, and its limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    /// What a partition flushes at.
    pub(super) flush_bytes: u64,
    /// `journal.retention.bytes`.
    pub(super) journal_bytes_max: u64,
    /// Whether the journal cannot go on before a file is freed.
    pub(super) is_over_budget: bool,
    /// What the journal's index may take.
    pub(super) index_bytes_max: u64,
    pub(super) synced_lsn: u64,
    /// Whether everything is to be flushed, reason or not.
    pub(super) is_forced: bool,
}

/// What one partition is to flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// The partition's place in what was asked.
    pub(super) partition: usize,
    /// Flushing it stops when so much is done, although there is more.
    pub(super) bytes_max: u64,
}

/// Chooses partitions, those with most to flush first.
pub(super) fn choose(situation: &Situation, unflushed: &[Unflushed]) -> Vec<Choice> {
    let first_lsn = unflushed.iter().filter_map(|partition| partition.first_lsn).min();
    let span = situation.synced_lsn.saturating_sub(first_lsn.unwrap_or(u64::MAX));
    // Files are freed from the oldest on: at half of the budget, make a quarter of it. Where that is not
    // enough, nothing is worth more than going on.
    let is_journal_pressed = situation.is_over_budget || span >= situation.journal_bytes_max / 2;
    let kept = if situation.is_over_budget { 0 } else { situation.journal_bytes_max / 4 };
    let young_lsn = situation.synced_lsn.saturating_sub(kept);
    let batches: u64 = unflushed.iter().map(|partition| partition.batches).sum();
    let batches_max = situation.index_bytes_max / 2 / INDEX_ENTRY_BYTES;
    let mut batches_over = batches.saturating_sub(batches_max / 2);
    let is_index_pressed = batches > batches_max;

    let mut by_batches: Vec<usize> = (0..unflushed.len()).collect();
    by_batches.sort_by_key(|&partition| Reverse(unflushed[partition].batches));
    let mut choices = Vec::new();
    for partition in by_batches {
        let has = &unflushed[partition];
        let Some(first_lsn) = has.first_lsn.filter(|lsn| *lsn < situation.synced_lsn) else {
            continue;
        };
        let is_in_the_way = is_journal_pressed && first_lsn < young_lsn;
        let is_many = is_index_pressed && batches_over > 0;
        if situation.is_forced || is_in_the_way || is_many {
            batches_over = batches_over.saturating_sub(has.batches);
            choices.push(Choice { partition, bytes_max: u64::MAX });
        } else if has.bytes >= situation.flush_bytes {
            // Whole segments: what is beyond waits until it is one.
            let bytes_max = has.bytes / situation.flush_bytes * situation.flush_bytes;
            choices.push(Choice { partition, bytes_max });
        }
    }
    choices.sort_by_key(|choice| Reverse(unflushed[choice.partition].bytes));
    choices
}

/// How much larger than its largest part a merged segment is at least, so that bytes are written again only
/// a few times over: once for each doubling.
const GROWTH: u64 = 2;
const MERGED_MIN: usize = 8;
const MERGED_MAX: usize = 64;

/// A segment as far as merging is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) bytes: u64,
    /// Whether no offsets are missing between the segment before and this one.
    pub(super) is_joined: bool,
}

/// Which neighbouring segments of a partition to merge into one: the first and how many. Eight small ones, or
/// fewer that make a full one.
pub(super) fn choose_merge(segments: &[Size], full_bytes: u64) -> Option<(usize, usize)> {
    let mut first = 0;
    while first < segments.len() {
        let mut sum = 0;
        let mut largest = 0;
        let mut count = 0;
        for (index, segment) in segments[first..].iter().enumerate().take(MERGED_MAX) {
            let is_small = segment.bytes < full_bytes / 2;
            if !is_small || index > 0 && !segment.is_joined || sum + segment.bytes > full_bytes {
                break;
            }
            sum += segment.bytes;
            largest = largest.max(segment.bytes);
            count += 1;
        }
        let is_worth = sum >= largest * GROWTH;
        let is_full = count > 1 && sum >= full_bytes / 2;
        if is_worth && (count >= MERGED_MIN || is_full) {
            return Some((first, count));
        }
        first += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn situation() -> Situation {
        Situation {
            flush_bytes: 64 * MIB,
            journal_bytes_max: 1024 * MIB,
            is_over_budget: false,
            index_bytes_max: 64 * MIB,
            synced_lsn: 10_000 * MIB,
            is_forced: false,
        }
    }

    fn partition(bytes: u64, age: u64) -> Unflushed {
        let first_lsn = (bytes > 0).then(|| situation().synced_lsn - age);
        Unflushed { bytes, batches: bytes / 1000, first_lsn, indexed_batches: bytes / 1000 }
    }

    fn chosen(situation: &Situation, unflushed: &[Unflushed]) -> Vec<(usize, u64)> {
        let choices = choose(situation, unflushed);
        choices.into_iter().map(|choice| (choice.partition, choice.bytes_max)).collect()
    }

    #[test]
    fn a_partition_is_flushed_when_it_is_worth_a_segment() {
        let partitions = [
            partition(63 * MIB, 100 * MIB),
            partition(64 * MIB, 100 * MIB),
            partition(200 * MIB, 400 * MIB),
            partition(0, 0),
        ];
        let expected = [(2, 192 * MIB), (1, 64 * MIB)];
        assert_eq!(chosen(&situation(), &partitions), expected, "whole segments, large ones first");
    }

    #[test]
    fn what_holds_half_of_the_journal_is_flushed_however_small() {
        let small = [partition(1000, 511 * MIB), partition(2000, 300 * MIB), partition(500, MIB)];
        assert_eq!(chosen(&situation(), &small), []);
        let pressing =
            [partition(1000, 512 * MIB), partition(2000, 300 * MIB), partition(500, MIB)];
        assert_eq!(chosen(&situation(), &pressing), [(1, u64::MAX), (0, u64::MAX)]);
    }

    #[test]
    fn a_journal_that_cannot_go_on_is_flushed_whole() {
        let stuck = Situation { is_over_budget: true, ..situation() };
        let partitions = [partition(1000, 100 * MIB), partition(0, 0), partition(500, MIB)];
        assert_eq!(chosen(&stuck, &partitions), [(0, u64::MAX), (2, u64::MAX)]);
    }

    #[test]
    fn many_tiny_batches_are_flushed_before_their_index_takes_too_much() {
        let entries = situation().index_bytes_max / 2 / INDEX_ENTRY_BYTES;
        let tiny = |batches| Unflushed { batches, ..partition(1000, MIB) };
        let fits = [tiny(entries / 2), tiny(entries / 4), tiny(entries / 4 - 10)];
        assert_eq!(chosen(&situation(), &fits), []);
        let over = [tiny(entries / 4), tiny(entries / 2 + 10), tiny(entries / 4)];
        assert_eq!(chosen(&situation(), &over), [(1, u64::MAX)], "the one with most is enough");
    }

    #[test]
    fn a_forced_flush_takes_all_that_is_synced() {
        let forced = Situation { is_forced: true, ..situation() };
        let unsynced = Unflushed { first_lsn: Some(forced.synced_lsn), ..partition(100, MIB) };
        let partitions = [partition(1000, MIB), unsynced, partition(0, 0), partition(2000, MIB)];
        assert_eq!(chosen(&forced, &partitions), [(3, u64::MAX), (0, u64::MAX)]);
    }

    #[test]
    fn small_neighbours_are_merged_and_bytes_are_not_written_again_for_little() {
        let sizes = |bytes: &[u64]| -> Vec<Size> {
            bytes.iter().map(|mib| Size { bytes: mib * MIB, is_joined: true }).collect()
        };
        let merge = |segments: &[Size]| choose_merge(segments, 64 * MIB);
        type Row<'a> = (&'a [u64], Option<(usize, usize)>);
        let rows: &[Row<'_>] = &[
            (&[], None),
            (&[1; 7], None),
            (&[1; 8], Some((0, 8))),
            (&[64, 1, 1, 1, 1, 1, 1, 1, 1, 1], Some((1, 9))),
            (&[64, 64, 64], None),
            (&[20, 20], Some((0, 2))),
            (&[20, 1, 1], None),
            (&[30, 1, 1, 1, 1, 1, 1, 1, 1], Some((1, 8))),
            (&[1; 100], Some((0, 64))),
            (&[8; 12], Some((0, 8))),
        ];
        for (bytes, expected) in rows {
            assert_eq!(merge(&sizes(bytes)), *expected, "{bytes:?}");
        }
        let mut gap = sizes(&[1; 12]);
        gap[3].is_joined = false;
        assert_eq!(merge(&gap), Some((3, 9)), "nothing is merged over offsets that were lost");
    }

    /// However long it goes on, each byte is written again a few times only, and segments stay few.
    #[test]
    fn merging_costs_a_bounded_number_of_rewrites() {
        let mut segments: Vec<Size> = Vec::new();
        let (mut flushed, mut merged) = (0u64, 0u64);
        for _ in 0..20_000 {
            segments.push(Size { bytes: MIB / 8, is_joined: true });
            flushed += MIB / 8;
            while let Some((first, count)) = choose_merge(&segments, 64 * MIB) {
                let bytes = segments[first..first + count].iter().map(|size| size.bytes).sum();
                merged += bytes;
                segments.splice(first..first + count, [Size { bytes, is_joined: true }]);
            }
        }
        assert!(merged <= 4 * flushed, "{merged} of {flushed}");
        assert!(segments.len() as u64 <= flushed / (32 * MIB) + 40, "{}", segments.len());
    }
}
