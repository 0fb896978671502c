//! Compiled plugins on disk, by content and engine settings.
//!
//! ```text
//!   <sha-256 of the plugin>-<settings>.cwasm     machine code, mapped into memory when it is used
//!   <sha-256 of the plugin>-<settings>.sum       its SHA-256
//! ```
//!
//! Machine code is run as it is, so where it comes from matters: an entry is used only from a directory that belongs to this
//! user or to root and that nobody else can write to, and only when its checksum holds. A damaged entry is compiled again and
//! replaced. Entries are never changed in place: what is mapped stays as it was. What was used longest ago goes when there
//! is too much.

mod prune;

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

/// Where compiled plugins are.
#[derive(Debug)]
pub(crate) struct Cache {
    /// The configured directory, where it may be trusted; looked into first.
    shared: Option<PathBuf>,
    /// Where new ones go: the same, or one that goes with this process.
    write: WriteDir,
    /// Of the engine's settings: what was compiled for others is not for this.
    settings: String,
    next: AtomicU64,
}

#[derive(Debug)]
enum WriteDir {
    Shared(PathBuf),
    /// Removed on drop.
    Own(PathBuf),
    /// No such place: everything has to be in the shared one.
    Nowhere(String),
}

impl Cache {
    /// Opens a cache; `settings` names the engine's settings in file names.
    pub fn open(dir: Option<&Path>, settings: String) -> Cache {
        let shared = dir.and_then(|dir| match trusted(dir) {
            Ok(()) => Some(dir.to_owned()),
            Err(error) => {
                tracing::warn!(dir = %dir.display(), %error, "no cache for compiled plugins there");
                None
            }
        });
        let write = match &shared {
            Some(dir) if is_writable(dir) => WriteDir::Shared(dir.clone()),
            // A read-only root may have no temporary directory either: what an image's cache holds is used all the same.
            _ => own_dir().map_or_else(|error| WriteDir::Nowhere(error.to_string()), WriteDir::Own),
        };
        Cache { shared, write, settings, next: AtomicU64::new(0) }
    }

    /// The compiled plugin, if it is there and as it was written.
    pub fn find(&self, hash: &str) -> Option<PathBuf> {
        let dirs = [self.shared.as_deref(), self.write.path().ok()];
        dirs.into_iter().flatten().find_map(|dir| {
            let code = dir.join(self.name(hash, "cwasm"));
            let expected = fs::read_to_string(dir.join(self.name(hash, "sum"))).ok()?;
            match file_hash(&code) {
                Ok(found) if found == expected.trim() => {
                    // Says when it was last used; in a read-only cache nothing is removed, and nothing needs to be said.
                    let _ =
                        File::options().write(true).open(&code).and_then(|file| file.set_modified(SystemTime::now()));
                    Some(code)
                }
                Ok(_) => {
                    tracing::warn!(file = %code.display(), "damaged compiled plugin: compiling it again");
                    None
                }
                Err(_) => None,
            }
        })
    }

    /// Where to write a new one before it is [published](Cache::publish).
    pub fn draft(&self, hash: &str) -> io::Result<PathBuf> {
        let number = self.next.fetch_add(1, Relaxed);
        Ok(self.write.path()?.join(format!(".{hash}.{}.{number}.draft", std::process::id())))
    }

    /// Makes a draft findable, at once or not at all.
    pub fn publish(&self, draft: &Path, hash: &str) -> io::Result<PathBuf> {
        let dir = self.write.path()?;
        let (code, sum) = (dir.join(self.name(hash, "cwasm")), dir.join(self.name(hash, "sum")));
        let sum_draft = draft.with_extension("sum-draft");
        fs::write(&sum_draft, file_hash(draft)?)?;
        // Code first: a sum without its code finds nothing, a sum of other code is a damaged entry, and both mend themselves.
        fs::rename(draft, &code)?;
        fs::rename(&sum_draft, sum)?;
        if let Err(error) = prune::prune(dir, &code) {
            tracing::warn!(dir = %dir.display(), %error, "old compiled plugins cannot be removed");
        }
        Ok(code)
    }

    fn name(&self, hash: &str, extension: &str) -> String {
        format!("{hash}-{}.{extension}", self.settings)
    }
}

impl WriteDir {
    fn path(&self) -> io::Result<&Path> {
        match self {
            WriteDir::Shared(path) | WriteDir::Own(path) => Ok(path),
            WriteDir::Nowhere(reason) => Err(io::Error::other(format!("no place for compiled plugins: {reason}"))),
        }
    }
}

impl Drop for WriteDir {
    fn drop(&mut self) {
        if let WriteDir::Own(path) = self {
            // What is mapped stays mapped; what cannot be removed is the temporary directory's to clean.
            let _ = fs::remove_dir_all(path);
        }
    }
}

/// Makes the directory if it is not there, and sees that only this user or root can have put something into it.
fn trusted(dir: &Path) -> io::Result<()> {
    if let Err(error) = make_dir(dir, true)
        && !dir.is_dir()
    {
        return Err(error);
    }
    let metadata = fs::metadata(dir)?;
    // SAFETY: takes nothing, and cannot fail.
    let user = unsafe { libc::geteuid() };
    if metadata.uid() != user && metadata.uid() != 0 {
        return Err(io::Error::other(format!("it belongs to user {}, not to {user}", metadata.uid())));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(io::Error::other(format!("others can write to it (mode {:o})", metadata.mode() & 0o777)));
    }
    Ok(())
}

fn is_writable(dir: &Path) -> bool {
    let probe = dir.join(format!(".{}.probe", std::process::id()));
    let written = File::create(&probe).is_ok();
    let _ = fs::remove_file(&probe);
    written
}

fn own_dir() -> io::Result<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // Names that somebody took are passed over: making one that exists fails, so nobody can have prepared it.
    for _ in 0..1000 {
        let number = NEXT.fetch_add(1, Relaxed);
        let dir = std::env::temp_dir().join(format!("wasmill-{}-{number}", std::process::id()));
        match make_dir(&dir, false) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(()) => return Ok(dir),
        }
    }
    Err(io::Error::other("no free name in the temporary directory"))
}

fn make_dir(dir: &Path, parents: bool) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).recursive(parents).create(dir)
}

/// SHA-256 in lowercase hexadecimal.
pub(crate) fn hash(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes).as_ref())
}

fn file_hash(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = [0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(hasher.finalize().as_ref())),
            read => hasher.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(cache: &Cache, code: &[u8]) -> PathBuf {
        let draft = cache.draft("abc").unwrap();
        fs::write(&draft, code).unwrap();
        cache.publish(&draft, "abc").unwrap()
    }

    /// What was written is found by another process with the same settings, and by none with others.
    #[test]
    fn an_entry_is_found_under_its_settings() {
        let dir = tempfile::tempdir().unwrap();
        let path = published(&Cache::open(Some(dir.path()), "s1".to_owned()), b"code");
        let find = |settings: &str| Cache::open(Some(dir.path()), settings.to_owned()).find("abc");
        assert_eq!(find("s1"), Some(path));
        assert_eq!(find("s2"), None);
    }

    /// A disk or a crash damaged an entry: it is not used, and replaced by the next compile.
    #[test]
    fn a_damaged_entry_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(Some(dir.path()), "s".to_owned());
        let path = published(&cache, b"code");
        fs::write(&path, b"coda").unwrap();
        assert_eq!(cache.find("abc"), None);
        published(&cache, b"code");
        assert_eq!(cache.find("abc"), Some(path));
    }

    /// Others can write to the configured directory: nothing of it is run, and the cache works elsewhere.
    #[test]
    fn a_directory_open_to_others_is_not_trusted() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        published(&Cache::open(Some(dir.path()), "s".to_owned()), b"code");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let cache = Cache::open(Some(dir.path()), "s".to_owned());
        assert_eq!(cache.find("abc"), None);
        let path = published(&cache, b"code");
        assert!(!path.starts_with(dir.path()));
        assert_eq!(cache.find("abc"), Some(path.clone()));
        drop(cache);
        assert!(!path.exists(), "goes with the process");
    }
}
