//! Writes the plugin that does what its config says (`{"do": "loop"}`) to a file, for a gateway that is to bear it.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;

/// Writes the hostile plugin to a file.
#[derive(Parser)]
struct Arguments {
    into: PathBuf,
}

fn main() -> Result<()> {
    let Arguments { into } = Arguments::parse();
    std::fs::write(&into, wasmill_fixtures::hostile()).with_context(|| format!("cannot write `{}`", into.display()))
}
