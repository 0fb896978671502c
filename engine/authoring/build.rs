//! Lists what projects are made of, SDKs and templates, for the library to include.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders of `plugins` that projects get a part of.
const FOLDERS: [&str; 7] = ["columns", "sdk-c", "sdk-go", "sdk-js", "sdk-python", "sdk-rust", "templates"];

/// What building and trying an SDK in its own folder leaves behind, and what is for this repository alone.
const LEFT_OUT: [&str; 6] = ["target", "node_modules", "__pycache__", ".venv", ".mypy_cache", "Cargo.lock"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let plugins = root.join("plugins");
    let mut files = vec![("wit/plugin.wit".to_owned(), root.join("wit/plugin.wit"))];
    println!("cargo::rerun-if-changed={}", root.join("wit/plugin.wit").display());
    for folder in FOLDERS {
        println!("cargo::rerun-if-changed={}", plugins.join(folder).display());
        walk(&plugins.join(folder), folder, &mut files)?;
    }
    files.sort();
    let mut table = String::from("const FILES: &[(&str, &[u8])] = &[\n");
    for (name, path) in files {
        writeln!(table, "    ({name:?}, include_bytes!({:?})),", path.canonicalize()?)?;
    }
    table.push_str("];\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("files.rs"), table)?;
    Ok(())
}

fn walk(folder: &Path, name: &str, files: &mut Vec<(String, PathBuf)>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file_name = entry.file_name();
        let Some(last) = file_name.to_str() else { continue };
        if LEFT_OUT.contains(&last) || last.ends_with(".wasm") || last.ends_with(".pyc") {
            continue;
        }
        // An SDK's own tests are no project's; a template's cases are.
        let own_test = last == "tests" || name.starts_with("sdk-go/wasmill") && last.ends_with("_test.go");
        if own_test && !name.starts_with("templates") {
            continue;
        }
        let name = format!("{name}/{last}");
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &name, files)?;
        } else {
            files.push((name, entry.path()));
        }
    }
    Ok(())
}
