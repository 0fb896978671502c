//! Which files are a case's inputs where it names none, and where the rows of each are expected.

use std::fs;
use std::path::{Path, PathBuf};

use super::{CaseError, EXPECTED, Input};

/// More requests show nothing that fewer don't.
pub(super) const MAX: usize = 1_000;
/// A case's one input, in the order in which they are looked for.
pub(super) const ONE: [&str; 2] = ["input.json", "input.binpb"];

/// `input.json`, or `input.1.json`, `input.2.json` and so on, each of them in protobuf too; empty: there are none.
pub(super) fn usual(folder: &Path) -> Result<Vec<PathBuf>, CaseError> {
    if let Some(one) = ONE.iter().map(|name| folder.join(name)).find(|input| input.is_file()) {
        return Ok(vec![one]);
    }
    let unreadable = |source| CaseError::Unreadable { path: folder.to_owned(), source };
    let mut numbered = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if let Some(number) = path.file_name().and_then(|name| number(name.to_str()?)) {
            numbered.push((number, path));
        }
    }
    numbered.sort();
    let wrong = numbered.iter().zip(1..).find(|((number, _), expected)| number != expected);
    if let Some(((_, path), number)) = wrong {
        return Err(CaseError::Number { path: path.clone(), number });
    }
    Ok(numbered.into_iter().map(|(_, path)| path).collect())
}

/// Of `input.7.json`, 7.
fn number(name: &str) -> Option<usize> {
    let rest = name.strip_prefix("input.")?;
    rest.strip_suffix(".json").or_else(|| rest.strip_suffix(".binpb"))?.parse().ok()
}

/// One input's rows are expected in `expected.json`; those of several in `expected.1.json` and so on.
pub(super) fn with_expected(inputs: Vec<PathBuf>, expected: &Path) -> Vec<Input> {
    let alone = inputs.len() == 1;
    let name = expected.file_name().unwrap_or_default().to_string_lossy();
    let expected_of = |number: usize| match alone {
        true => expected.to_owned(),
        false => expected.with_file_name(name.replace(EXPECTED, &format!("expected.{number}.json"))),
    };
    let inputs = inputs.into_iter().zip(1..);
    inputs.map(|(path, number)| Input { path, expected: expected_of(number) }).collect()
}
