//! Texts as conditions and statements: the fuzzers' corpus, and each of it cut off and changed.

mod check;

#[test]
fn the_fuzzers_corpus_is_answered() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/text");
    let mut programs = 0;
    for file in std::fs::read_dir(corpus).expect("the corpus") {
        let text = std::fs::read_to_string(file.expect("an entry").path()).expect("a text");
        programs += check::check(&text);
        for (at, _) in text.char_indices() {
            check::check(&text[..at]);
            for other in ["(", ")", "[", "\"", "\\", " and ", "-", "é"] {
                let end = text[at..].chars().next().map_or(at, |found| at + found.len_utf8());
                let mut changed = text.clone();
                changed.replace_range(at..end, other);
                check::check(&changed);
            }
        }
    }
    assert!(programs > 20, "{programs} programs are made of the corpus");
}
