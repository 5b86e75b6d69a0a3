//! The fuzz target's corpus, replayed on the stable compiler.

#[path = "../../fuzz/checks/record_batch.rs"]
mod record_batch;

#[test]
fn corpus_replays() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/record_batch");
    let mut inputs = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        let input = std::fs::read(entry.unwrap().path()).unwrap();
        record_batch::check(&input);
        // Every prefix as well: the fuzzer would find them first.
        for end in (0..input.len()).step_by(1 + input.len() / 200) {
            record_batch::check(&input[..end]);
        }
        inputs += 1;
    }
    assert!(inputs > 0, "the corpus is there");
}
