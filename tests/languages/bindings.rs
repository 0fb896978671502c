//! Bindings that are made from the contract and committed are made from the contract as it is.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use xtask::places;

/// Where they are, and what makes them anew.
const MADE: [(&str, &str); 2] = [
    ("plugins/sdk-c/wasmill/bindings", "plugins/sdk-c/generate.sh"),
    ("plugins/sdk-go/wasmill/internal/bindings", "plugins/sdk-go/generate.sh"),
];

/// What each of their files says of the contract that it was made from.
const STAMP: &str = "// Contract: sha256 ";

/// Each file carries the sum of the contract without comments and white space, as its script computes it: the tools that make bindings are not
/// needed to see that they are old.
#[test]
fn bindings_are_made_from_the_contract_as_it_is() -> Result<()> {
    let contract = fs::read_to_string(places::checkout().join("wit/plugin.wit"))?;
    let code = contract.lines().map(|line| line.split("//").next().unwrap_or_default());
    let letters: String = code.flat_map(|line| line.chars().filter(|letter| !letter.is_whitespace())).collect();
    let sum: String = Sha256::digest(letters).iter().map(|byte| format!("{byte:02x}")).collect();
    for (folder, script) in MADE {
        let files = files(&places::checkout().join(folder))?;
        ensure!(!files.is_empty(), "no bindings in `{folder}`");
        for (path, text) in files {
            let stamp = text.lines().find_map(|line| line.strip_prefix(STAMP));
            let stamp =
                stamp.with_context(|| format!("`{path}` does not say what it was made from: run `{script}`"))?;
            ensure!(stamp == sum, "`{path}` was made from another contract than `wit/plugin.wit`: run `{script}`");
        }
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push((path.display().to_string(), fs::read_to_string(&path)?));
        }
    }
    Ok(found)
}
