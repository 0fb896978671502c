//! Texts as paths: the fuzzers' corpus, and each of it with a character changed.

mod check;

#[test]
fn the_fuzzers_corpus_is_answered() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/path");
    let mut taken = 0;
    for file in std::fs::read_dir(corpus).expect("the corpus") {
        let text = std::fs::read_to_string(file.expect("an entry").path()).expect("a text");
        taken += check::check(&text);
        for (at, _) in text.char_indices() {
            for other in ["", "[", "]", "\"", "\\", ".", "é", "9"] {
                let mut changed = text.clone();
                let end = text[at..].chars().next().map_or(at, |found| at + found.len_utf8());
                changed.replace_range(at..end, other);
                check::check(&changed);
            }
        }
    }
    assert!(taken > 10, "{taken} paths in the corpus are valid");
}
