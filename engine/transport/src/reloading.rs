//! Files that may change, and what is made of them.
//!
//! Looked at by whoever needs it (a handshake, a request), and at most once in an interval: there is no task that runs for
//! nothing, and no watch of a file system that may be a network's. What cannot be used is said once, and what was made before
//! serves on.

use std::error::Error;
use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::{info, warn};

/// What one file may have: a bundle of every public root has 250 KiB.
const BYTES_MAX: u64 = 4 << 20;

/// A file that cannot be read. `key` is the full path of the configuration key that names it.
#[derive(Debug, thiserror::Error)]
#[error("`{key}`: cannot read `{}`", path.display())]
pub struct Unreadable {
    pub key: String,
    pub path: PathBuf,
    #[source]
    pub source: io::Error,
}

/// A file, or a text that stands in the configuration.
#[derive(Clone)]
pub(crate) struct Source {
    /// The configuration key that errors name.
    pub key: String,
    pub content: Content,
    /// How often it may be read again. `None`: never.
    pub every: Option<Duration>,
}

/// Has no `Debug`: a text may be a secret.
#[derive(Clone)]
pub(crate) enum Content {
    File(PathBuf),
    Text(String),
}

impl Source {
    /// Blocks while a file is read.
    fn read(&self) -> Result<Vec<u8>, Unreadable> {
        let path = match &self.content {
            Content::Text(text) => return Ok(text.clone().into_bytes()),
            Content::File(path) => path,
        };
        let unreadable = |source| Unreadable { key: self.key.clone(), path: path.clone(), source };
        let mut content = Vec::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(BYTES_MAX + 1).read_to_end(&mut content).map_err(unreadable)?;
        if content.len() as u64 > BYTES_MAX {
            return Err(unreadable(io::Error::other(format!("it is larger than {BYTES_MAX} bytes"))));
        }
        Ok(content)
    }
}

impl fmt::Display for Content {
    /// As errors name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Content::File(path) => write!(f, "`{}`", path.display()),
            Content::Text(_) => f.write_str("the text"),
        }
    }
}

/// Makes it of the sources' contents, in the order of the sources.
type Make<T, E> = Box<dyn Fn(&[Source], &[Vec<u8>]) -> Result<T, E> + Send + Sync>;

pub(crate) struct Reloading<T, E> {
    /// For the log: `certificates`.
    what: &'static str,
    make: Make<T, E>,
    current: RwLock<Arc<T>>,
    /// `None`: nothing is ever read again.
    files: Option<Mutex<Files>>,
}

struct Files {
    sources: Vec<Source>,
    /// What they held when they were last read.
    contents: Vec<Vec<u8>>,
    /// When each was looked at.
    looked: Vec<Instant>,
    /// What is wrong with what they hold now, and has been said.
    complaint: Option<String>,
}

impl<T, E: Error + From<Unreadable>> Reloading<T, E> {
    /// Reads the files, blocking, and makes it.
    pub fn new(
        what: &'static str,
        sources: Vec<Source>,
        make: impl Fn(&[Source], &[Vec<u8>]) -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<Reloading<T, E>, E> {
        let contents = sources.iter().map(Source::read).collect::<Result<Vec<_>, _>>()?;
        let made = make(&sources, &contents)?;
        let reloads = sources.iter().any(|source| source.every.is_some());
        let looked = vec![Instant::now(); sources.len()];
        let files = reloads.then(|| Mutex::new(Files { sources, contents, looked, complaint: None }));
        Ok(Reloading { what, make: Box::new(make), current: RwLock::new(Arc::new(made)), files })
    }

    /// As the files have it, if their interval is over; else as they had it.
    pub async fn current(&self) -> Arc<T> {
        if let Some(files) = &self.files {
            self.look(&mut *files.lock().await).await;
        }
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn look(&self, files: &mut Files) {
        let now = Instant::now();
        let due = |(source, looked): (&Source, &Instant)| source.every.is_some_and(|every| now - *looked >= every);
        let due: Vec<bool> = files.sources.iter().zip(&files.looked).map(due).collect();
        if !due.contains(&true) {
            return;
        }
        // Before it is read: a file system that hangs is asked once in an interval, not by each handshake.
        for (looked, _) in files.looked.iter_mut().zip(&due).filter(|(_, due)| **due) {
            *looked = now;
        }
        let sources = files.sources.clone();
        let read = move || -> Result<Vec<_>, Unreadable> {
            let read = |(source, due): (&Source, &bool)| if *due { source.read().map(Some) } else { Ok(None) };
            sources.iter().zip(&due).map(read).collect()
        };
        let read = match tokio::task::spawn_blocking(read).await {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => return self.complain(files, &error),
            Err(_) => return,
        };
        let mut changed = false;
        for (content, read) in files.contents.iter_mut().zip(read) {
            if let Some(read) = read.filter(|read| read != content) {
                *content = read;
                changed = true;
            }
        }
        // What was wrong may be right by now without a change: a certificate that was not valid yet.
        if !changed && files.complaint.is_none() {
            return;
        }
        match (self.make)(&files.sources, &files.contents) {
            Ok(made) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(made);
                files.complaint = None;
                let key = files.sources.first().map_or("", |source| source.key.as_str());
                info!(%key, "{} reloaded", self.what);
            }
            Err(error) => self.complain(files, &error),
        }
    }

    fn complain(&self, files: &mut Files, error: &dyn Error) {
        let mut reason = error.to_string();
        if let Some(source) = error.source() {
            reason = format!("{reason}: {source}");
        }
        if files.complaint.as_ref() != Some(&reason) {
            warn!(%reason, "{} were not reloaded, the old ones serve on", self.what);
            files.complaint = Some(reason);
        }
    }
}
