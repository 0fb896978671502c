//! Notices that files may have changed: plugins and configuration.
//!
//! Directories are watched, not files: editors write beside and rename, and Kubernetes swaps a symbolic link (`..data`) two
//! levels up, both of which leave a watch on the file itself looking at what is gone. Every directory on the way to the file's
//! content is watched. Whoever is told looks by hash whether anything that matters has changed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// A compiler or an editor writes in bursts: after an event it must be quiet for this long.
const QUIET: Duration = Duration::from_millis(150);
/// A directory that is never quiet must not keep a change waiting.
const DEBOUNCE_MAX: Duration = Duration::from_secs(2);
/// Symbolic links followed on the way to a file, as many as Linux follows.
const LINKS_MAX: usize = 40;

/// Watches the directories of a set of files.
pub struct FileWatcher {
    watcher: RecommendedWatcher,
    directories: BTreeSet<PathBuf>,
    changed: Arc<Notify>,
}

impl FileWatcher {
    pub fn new() -> notify::Result<FileWatcher> {
        let changed = Arc::new(Notify::new());
        let notify = Arc::clone(&changed);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading is no change. An error may hide one.
            if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
                notify.notify_one();
            }
        })?;
        Ok(FileWatcher { watcher, directories: BTreeSet::new(), changed })
    }

    /// Watches these files from now on, and no others. A directory that cannot be watched is logged: its files are not noticed.
    pub fn set<'a>(&mut self, files: impl IntoIterator<Item = &'a Path>) {
        let wanted: BTreeSet<PathBuf> = files.into_iter().flat_map(directories_of).collect();
        for gone in self.directories.difference(&wanted) {
            // A directory that was removed has taken its watch with it.
            let _ = self.watcher.unwatch(gone);
        }
        self.directories = wanted
            .into_iter()
            .filter(|directory| {
                // Watching again what is watched is how a directory that was replaced is found again.
                match self.watcher.watch(directory, RecursiveMode::NonRecursive) {
                    Ok(()) => true,
                    Err(error) => {
                        tracing::warn!(directory = %directory.display(), %error, "cannot watch a directory for changes");
                        false
                    }
                }
            })
            .collect();
    }

    /// Resolves when something has happened in a watched directory and it has been quiet since. Whoever cancels the wait for quiet
    /// has to look for changes: what happened before is not reported again.
    pub async fn changed(&self) {
        self.changed.notified().await;
        let latest = Instant::now() + DEBOUNCE_MAX;
        loop {
            let quiet = (Instant::now() + QUIET).min(latest);
            if timeout_at(quiet, self.changed.notified()).await.is_err() || Instant::now() >= latest {
                return;
            }
        }
    }
}

/// The directory of `file`, and of whatever it and its directory link to, step by step.
fn directories_of(file: &Path) -> Vec<PathBuf> {
    let mut directories = Vec::new();
    let mut next = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    for _ in 0..LINKS_MAX {
        let Some(directory) = next.parent() else { break };
        directories.push(directory.to_owned());
        // The first symbolic link on the path, from the root.
        let prefixes: Vec<&Path> = next.ancestors().collect();
        let link = prefixes.into_iter().rev().find_map(|prefix| Some((prefix.to_owned(), prefix.read_link().ok()?)));
        let Some((link, target)) = link else { break };
        let Some(beside) = link.parent() else { break };
        directories.push(beside.to_owned());
        let Ok(rest) = next.strip_prefix(&link) else { break };
        let target = beside.join(target);
        next = if rest.as_os_str().is_empty() { target } else { target.join(rest) };
    }
    directories
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// Kubernetes mounts a config map: the file is a link through `..data`, whose target is swapped. Both directories count.
    #[test]
    fn every_directory_on_the_way_is_watched() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        fs::create_dir(root.join("..2024_1")).unwrap();
        fs::write(root.join("..2024_1/filter.wasm"), b"").unwrap();
        symlink("..2024_1", root.join("..data")).unwrap();
        symlink("..data/filter.wasm", root.join("filter.wasm")).unwrap();
        let directories: BTreeSet<PathBuf> = directories_of(&root.join("filter.wasm")).into_iter().collect();
        assert!(directories.contains(&root));
        assert!(directories.contains(&root.join("..2024_1")), "{directories:?}");
    }

    /// The mount's link is swapped: that is noticed, though the plugin's own path and file are untouched.
    #[tokio::test]
    async fn a_swapped_link_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for version in ["..1", "..2"] {
            fs::create_dir(root.join(version)).unwrap();
            fs::write(root.join(version).join("filter.wasm"), version).unwrap();
        }
        symlink("..1", root.join("..data")).unwrap();
        symlink("..data/filter.wasm", root.join("filter.wasm")).unwrap();
        let mut watcher = FileWatcher::new().unwrap();
        watcher.set([root.join("filter.wasm").as_path()]);
        symlink("..2", root.join("..data_tmp")).unwrap();
        fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
        watcher.changed().await;
        assert_eq!(fs::read(root.join("filter.wasm")).unwrap(), b"..2");
    }

    /// An editor writes beside the file and renames over it.
    #[tokio::test]
    async fn a_rename_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("gateway.yaml");
        fs::write(&file, "a").unwrap();
        let mut watcher = FileWatcher::new().unwrap();
        watcher.set([file.as_path()]);
        fs::write(root.path().join(".gateway.yaml.swp"), "b").unwrap();
        fs::rename(root.path().join(".gateway.yaml.swp"), &file).unwrap();
        watcher.changed().await;
    }
}
