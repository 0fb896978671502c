//! Files that were full: what they are called then, and which are kept.
//!
//! `data.jsonl` becomes `data-2022-09-14T05-02-14.173.jsonl`, as in the Collector.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use wasmill_config::FileRotation;

use crate::timestamp;

/// `2022-09-14T05-02-14.173`, with a `0` for each digit.
const STAMP: &str = "0000-00-00T00-00-00.000";

/// Of files that are renamed within a millisecond the names are later by one each. More are so far ahead because the clock was set back.
const AHEAD_MS_MAX: u32 = 1_000;

/// Gives the file another name, which no file has, behind those of the files that were renamed before.
pub fn rename(path: &Path, settings: &FileRotation) -> io::Result<()> {
    let newest = backups(path)?.into_iter().map(|(_, backup)| backup).max();
    let now = SystemTime::now();
    let mut ahead_ms = 0;
    loop {
        let at = now + Duration::from_millis(ahead_ms.into());
        let backup = backup_name(path, &timestamp::in_file_name(at, settings.local_time));
        // A name that was deleted since is free, and out of order.
        let in_order = ahead_ms >= AHEAD_MS_MAX || newest.as_ref().is_none_or(|newest| backup > *newest);
        if in_order && !fs::exists(&backup)? {
            return fs::rename(path, backup);
        }
        ahead_ms += 1;
    }
}

/// Deletes what is too old or too many.
pub fn remove_old(path: &Path, settings: &FileRotation) -> io::Result<()> {
    let mut backups = backups(path)?;
    // The newest first.
    backups.sort_by(|one, other| other.cmp(one));
    let kept = if settings.backups_max == 0 { usize::MAX } else { settings.backups_max as usize };
    let now = SystemTime::now();
    for (number, (written, backup)) in backups.iter().enumerate() {
        let age = now.duration_since(*written).unwrap_or_default();
        if number >= kept || settings.age_max.is_some_and(|most| age > most) {
            fs::remove_file(backup)?;
        }
    }
    Ok(())
}

/// Renamed files, each with the time of its last write.
fn backups(path: &Path) -> io::Result<Vec<(SystemTime, PathBuf)>> {
    let (folder, stem, extension) = parts(path);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let stamp = name.to_str().and_then(|name| name.strip_prefix(&*stem)?.strip_prefix('-'));
        let stamp = stamp.and_then(|rest| rest.strip_suffix(&*extension));
        if stamp.is_some_and(is_stamp) {
            let metadata = entry.metadata()?;
            if metadata.is_file() {
                found.push((metadata.modified()?, entry.path()));
            }
        }
    }
    Ok(found)
}

fn is_stamp(text: &str) -> bool {
    let fits = |(found, wanted): (u8, u8)| if wanted == b'0' { found.is_ascii_digit() } else { found == wanted };
    text.len() == STAMP.len() && text.bytes().zip(STAMP.bytes()).all(fits)
}

fn backup_name(path: &Path, stamp: &str) -> PathBuf {
    let (folder, stem, extension) = parts(path);
    folder.join(format!("{stem}-{stamp}{extension}"))
}

/// Folder, name without its extension, extension with its dot.
fn parts(path: &Path) -> (PathBuf, String, String) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let text = |part: &OsStr| part.to_string_lossy().into_owned();
    let extension = path.extension().map(|extension| format!(".{}", text(extension))).unwrap_or_default();
    (folder.to_owned(), path.file_stem().map(text).unwrap_or_default(), extension)
}
