//! The fuzz target's corpus, replayed on the stable compiler.
#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "../fuzz/checks/segment.rs"]
mod segment;

/// Every input as it is, and with each byte of some made hostile: the fuzzer would try those first.
#[test]
fn corpus_replays() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/segment");
    let mut inputs = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let input = std::fs::read(entry.unwrap().path()).unwrap();
        segment::check(&input);
        for end in (0..input.len()).step_by(1 + input.len() / 50) {
            segment::check(&input[..end]);
        }
        for place in (0..input.len()).step_by(1 + input.len() / 1200) {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = input.clone();
                changed[place] = byte;
                let used = allocation_counter::measure(|| segment::check(&changed));
                // Copies of the input, what it decompresses to, and its rows as arrays.
                let limit = 64 * input.len() as u64 + (4 << 20);
                assert!(used.bytes_max <= limit, "{place} {byte}: {used:?}");
            }
        }
        inputs += 1;
    }
    assert!(inputs >= 5, "the corpus is there");
}
