//! What a project is built from, to be looked at again and again.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::OUTPUT;

/// Folders that tools fill.
const MADE: [&str; 4] = ["target", "node_modules", "__pycache__", "build"];
/// More files than a project has: a folder that was named by mistake.
const FILES_MAX: usize = 10_000;
const DEPTH_MAX: usize = 16;

/// Files, when each was written, and how long it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sources(Vec<(PathBuf, SystemTime, u64)>);

impl Sources {
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|(path, ..)| path.as_path())
    }

    /// When the newest was written.
    pub fn newest(&self) -> Option<SystemTime> {
        self.0.iter().map(|(_, written, _)| *written).max()
    }
}

/// The files of a project, without what builds and tools leave in it. What cannot be read is left out.
pub fn sources(dir: &Path) -> Sources {
    let mut files = Vec::new();
    walk(dir, 0, &mut files);
    files.sort();
    Sources(files)
}

fn walk(dir: &Path, depth: usize, files: &mut Vec<(PathBuf, SystemTime, u64)>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let (name, Ok(metadata)) = (entry.file_name(), entry.metadata()) else { continue };
        let name = name.to_string_lossy();
        if name.starts_with('.') || name == OUTPUT || files.len() >= FILES_MAX {
            continue;
        }
        if metadata.is_file() {
            files.extend(metadata.modified().ok().map(|written| (entry.path(), written, metadata.len())));
        } else if metadata.is_dir() && depth < DEPTH_MAX && !MADE.contains(&&*name) {
            walk(&entry.path(), depth + 1, files);
        }
    }
}
