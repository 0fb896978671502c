//! What is left in the cache: a plugin that is rebuilt all day must not fill the disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Compiled plugins that are kept: some generations of as many stages as a gateway has.
const ENTRIES_MAX: usize = 64;
/// Bytes of compiled plugins that are kept. One of Python or JavaScript has some 40 MiB.
const BYTES_MAX: u64 = 2 << 30;
/// A draft that nobody has finished by then was left by a process that died: a compilation may take two minutes.
const DRAFT_AGE_MAX: Duration = Duration::from_secs(3600);

struct Entry {
    code: PathBuf,
    used: SystemTime,
    bytes: u64,
}

/// Removes what was used longest ago, beyond the limits, and drafts that were left behind. `keep` stays in any case.
///
/// Another process may still have an entry mapped, and keeps what it mapped; one that looks for it compiles it again.
pub(super) fn prune(dir: &Path, keep: &Path) -> io::Result<()> {
    prune_to(dir, keep, ENTRIES_MAX, BYTES_MAX)
}

fn prune_to(dir: &Path, keep: &Path, entries_max: usize, bytes_max: u64) -> io::Result<()> {
    let mut entries = Vec::new();
    for file in fs::read_dir(dir)? {
        let path = file?.path();
        // Gone since it was listed: another process prunes, too.
        let Ok(metadata) = fs::metadata(&path) else { continue };
        let used = metadata.modified()?;
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("cwasm") => entries.push(Entry { code: path, used, bytes: metadata.len() }),
            Some("draft" | "sum-draft") if used.elapsed().is_ok_and(|age| age > DRAFT_AGE_MAX) => remove(&path)?,
            _ => {}
        }
    }
    entries.sort_by_key(|entry| (entry.code == keep, entry.used));
    let mut count = entries.len();
    let mut bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
    for entry in entries.iter().take_while(|entry| entry.code != keep) {
        if count <= entries_max && bytes <= bytes_max {
            break;
        }
        remove(&entry.code)?;
        remove(&entry.code.with_extension("sum"))?;
        count -= 1;
        bytes -= entry.bytes;
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn entry(dir: &Path, name: &str, bytes: usize, age_s: u64) -> PathBuf {
        let code = dir.join(name).with_extension("cwasm");
        fs::write(&code, vec![0; bytes]).unwrap();
        fs::write(code.with_extension("sum"), "sum").unwrap();
        age(&code, age_s);
        code
    }

    fn age(path: &Path, age_s: u64) {
        let then = SystemTime::now() - Duration::from_secs(age_s);
        File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// More entries, or more bytes, than are kept: what was used longest ago goes first, and the new one stays.
    #[test]
    fn the_oldest_go_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        let oldest = entry(path, "oldest", 10, 9000);
        entry(path, "old", 10, 500);
        let new = entry(path, "new", 10, 0);
        prune_to(path, &new, 2, 1000).unwrap();
        assert_eq!(names(path), ["new.cwasm", "new.sum", "old.cwasm", "old.sum"]);
        assert!(!oldest.exists());
        prune_to(path, &new, 2, 5).unwrap();
        assert_eq!(names(path), ["new.cwasm", "new.sum"], "the new one stays, however large");
    }

    /// A process died while it compiled: its draft goes, and one that is being written stays, as does what is not ours.
    #[test]
    fn drafts_left_behind_go() {
        let dir = tempfile::tempdir().unwrap();
        let new = entry(dir.path(), "new", 1, 0);
        for name in [".left.draft", ".fresh.draft", "notes.txt"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        age(&dir.path().join(".left.draft"), 2 * DRAFT_AGE_MAX.as_secs());
        age(&dir.path().join("notes.txt"), 2 * DRAFT_AGE_MAX.as_secs());
        prune_to(dir.path(), &new, 9, 9).unwrap();
        assert_eq!(names(dir.path()), [".fresh.draft", "new.cwasm", "new.sum", "notes.txt"]);
    }
}
