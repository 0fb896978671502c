//! Deletes old files: what `find … -mtime +30 -exec rm {} \;` is used for, without what goes wrong with it.
//!
//! A file goes when it is in the [manifest](crate::manifest), is a regular file, and has the size that it was put in place with. It is
//! reached folder by folder from the root as that was opened, never through a link: a folder that somebody replaced by a link to `/etc` is
//! not entered, at whatever moment that happens. Folders go when the last of our files has left them and nothing else is in them.

use std::fs::File;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, openat, statat, unlinkat};

use crate::manifest::Entry;
use crate::root::Root;

/// What is kept. At least one of the two is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Retention {
    /// Since a file was put in place.
    pub age_max: Option<Duration>,
    /// Of all files together; the oldest go first.
    pub bytes_max: Option<u64>,
}

/// What a pass did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Deleted {
    pub files: u64,
    pub bytes: u64,
    /// That are in the list and were left, because they are not what was written.
    pub strange: u64,
    /// Could not be deleted; the next pass tries again.
    pub failed: u64,
}

/// What became of a file.
pub(crate) enum Fate {
    Gone,
    /// It is not what was written, and is never looked at again.
    Strange,
    Failed(io::Error),
}

/// Deletes what is too old or too much.
pub fn apply(root: &Root, retention: &Retention, now: SystemTime) -> io::Result<Deleted> {
    let mut deleted = Deleted::default();
    let mut manifest = root.manifest.lock();
    let due = due(manifest.entries(), retention, now);
    if due.is_empty() {
        return Ok(deleted);
    }
    let mut forgotten = Vec::new();
    for entry in due {
        match delete(root, &entry) {
            Fate::Gone => {
                deleted.files += 1;
                deleted.bytes += entry.bytes;
                forgotten.push(entry.path);
            }
            Fate::Strange => {
                let path = root.path().join(&entry.path);
                tracing::warn!(path = %path.display(), "is not the file that was written there, and is left");
                deleted.strange += 1;
                forgotten.push(entry.path);
            }
            Fate::Failed(error) => {
                let path = root.path().join(&entry.path);
                tracing::warn!(path = %path.display(), %error, "an old file cannot be deleted");
                deleted.failed += 1;
            }
        }
    }
    forgotten.sort_unstable();
    manifest.forget(|entry| forgotten.binary_search(&entry.path).is_ok())?;
    Ok(deleted)
}

/// What is to go, the oldest first.
fn due(entries: &[Entry], retention: &Retention, now: SystemTime) -> Vec<Entry> {
    let now_ms = u64::try_from(now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
    let age_max = retention.age_max.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    let mut bytes: u64 = entries.iter().map(|entry| entry.bytes).fold(0, u64::saturating_add);
    let mut oldest: Vec<&Entry> = entries.iter().collect();
    oldest.sort_by_key(|entry| entry.unix_ms);
    let mut due = Vec::new();
    for entry in oldest {
        let is_old = age_max.is_some_and(|most| now_ms.saturating_sub(entry.unix_ms) > most);
        let is_much = retention.bytes_max.is_some_and(|most| bytes > most);
        if !is_old && !is_much {
            break;
        }
        bytes = bytes.saturating_sub(entry.bytes);
        due.push(entry.clone());
    }
    due
}

/// Deletes a file, if it is what was written. The manifest is the caller's.
pub(crate) fn delete(root: &Root, entry: &Entry) -> Fate {
    let mut names: Vec<&str> = entry.path.split('/').collect();
    let Some(name) = names.pop() else { return Fate::Strange };
    let folders = match open_folders(root.folder(), &names) {
        Ok(folders) => folders,
        // A link, a file, or nothing has the folder's name.
        Err(error) => return fate(error),
    };
    let Some(folder) = folders.last() else { return Fate::Strange };
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => {
            let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
            if !is_file || u64::try_from(found.st_size) != Ok(entry.bytes) {
                return Fate::Strange;
            }
        }
        Err(error) => return fate(error.into()),
    }
    // Whoever may write into the folder could put another file there now, and could as well delete this one.
    if let Err(error) = unlinkat(folder, name, AtFlags::empty()) {
        return fate(error.into());
    }
    // From the innermost; the first that is not empty ends it. The root stays.
    for (name, above) in names.iter().zip(&folders).rev() {
        if unlinkat(above, *name, AtFlags::REMOVEDIR).is_err() {
            break;
        }
    }
    Fate::Gone
}

/// The root, and each folder of the way, opened in the one before.
fn open_folders(root: &File, names: &[&str]) -> io::Result<Vec<File>> {
    let mut folders = vec![root.try_clone()?];
    for name in names {
        let Some(last) = folders.last() else { break };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let next = File::from(openat(last, *name, flags, Mode::empty())?);
        // Another disk is mounted there: what is on it, we did not put there.
        if fstat(&next)?.st_dev != fstat(last)?.st_dev {
            return Err(io::Error::from(io::ErrorKind::NotADirectory));
        }
        folders.push(next);
    }
    Ok(folders)
}

fn fate(error: io::Error) -> Fate {
    let loops = rustix::io::Errno::LOOP.raw_os_error();
    match error.kind() {
        // Somebody was faster.
        io::ErrorKind::NotFound => Fate::Gone,
        io::ErrorKind::NotADirectory => Fate::Strange,
        _ if error.raw_os_error() == Some(loops) => Fate::Strange,
        _ => Fate::Failed(error),
    }
}
