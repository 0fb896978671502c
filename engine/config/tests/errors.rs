//! What people read when a configuration is wrong. The expected texts are in `tests/wrong`: read them as a user would, and
//! write them anew with `UPDATE_EXPECTED=1 cargo test -p wasmill-config`.

use std::path::{Path, PathBuf};

use wasmill_config::load;

/// Scenario: each file in `tests/wrong` has mistakes of many kinds.
/// Guarantee: all of them are reported in one run, each with its place, key, and a way out; the text is as it was agreed.
#[test]
fn every_mistake_is_reported_as_expected() {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir("tests/wrong").unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let errors = load(std::slice::from_ref(&file), &environment).expect_err("a file in tests/wrong must be wrong");
        let rendered = errors.render();
        assert_expected(&file.with_extension("expected"), &rendered);
        for secret in ["hunter2", "very-secret"] {
            assert!(!rendered.contains(secret) && !errors.to_string().contains(secret), "{secret} leaks");
        }
        // The list has a line for each finding, and one that counts them.
        let findings = errors.errors.len() + errors.warnings.len();
        assert_eq!(errors.to_string().lines().count(), findings + 1, "{errors}");
    }
}

fn environment(name: &str) -> Option<String> {
    match name {
        "PASSWORD" => Some("hunter2".to_owned()),
        _ => None,
    }
}

fn assert_expected(path: &Path, actual: &str) {
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert!(expected == actual, "{} differs; it is now:\n{actual}", path.display());
}
