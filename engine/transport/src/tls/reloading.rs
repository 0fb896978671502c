//! Something made of PEM files that is made again when they change.
//!
//! Looked at by whoever needs it (a handshake), and at most once in an interval: there is no task that runs for nothing, and no
//! watch of a file system that may be a network's. What cannot be used is said once, and what was made before serves on.

use std::error::Error;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::{info, warn};

use super::{Named, TlsError};

/// Makes it of the files' contents, in the order of the files.
type Make<T> = Box<dyn Fn(&[Named], &[Vec<u8>]) -> Result<T, TlsError> + Send + Sync>;

pub(super) struct Reloading<T> {
    /// The configuration's section, for the log.
    section: String,
    make: Make<T>,
    current: RwLock<Arc<T>>,
    /// `None`: nothing is ever read again.
    files: Option<Mutex<Files>>,
}

struct Files {
    named: Vec<Named>,
    /// What they held when they were last read.
    contents: Vec<Vec<u8>>,
    /// When each was looked at.
    looked: Vec<Instant>,
    /// What is wrong with what they hold now, and has been said.
    complaint: Option<String>,
}

impl<T: Send + Sync + 'static> Reloading<T> {
    /// Reads the files, blocking, and makes it.
    pub fn new(
        section: String,
        named: Vec<Named>,
        make: impl Fn(&[Named], &[Vec<u8>]) -> Result<T, TlsError> + Send + Sync + 'static,
    ) -> Result<Reloading<T>, TlsError> {
        let contents = named.iter().map(Named::read).collect::<Result<Vec<_>, _>>()?;
        let made = make(&named, &contents)?;
        let reloads = named.iter().any(|named| named.every.is_some());
        let looked = vec![Instant::now(); named.len()];
        let files = reloads.then(|| Mutex::new(Files { named, contents, looked, complaint: None }));
        Ok(Reloading { section, make: Box::new(make), current: RwLock::new(Arc::new(made)), files })
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
        let due = |(named, looked): (&Named, &Instant)| named.every.is_some_and(|every| now - *looked >= every);
        let due: Vec<bool> = files.named.iter().zip(&files.looked).map(due).collect();
        if !due.contains(&true) {
            return;
        }
        // Before it is read: a file system that hangs is asked once in an interval, not by each handshake.
        for (looked, _) in files.looked.iter_mut().zip(&due).filter(|(_, due)| **due) {
            *looked = now;
        }
        let named = files.named.clone();
        let read = move || -> Result<Vec<_>, TlsError> {
            let read = |(named, due): (&Named, &bool)| if *due { named.read().map(Some) } else { Ok(None) };
            named.iter().zip(&due).map(read).collect()
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
        match (self.make)(&files.named, &files.contents) {
            Ok(made) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(made);
                files.complaint = None;
                info!(section = %self.section, "certificates reloaded");
            }
            Err(error) => self.complain(files, &error),
        }
    }

    fn complain(&self, files: &mut Files, error: &TlsError) {
        let mut reason = error.to_string();
        if let Some(source) = error.source() {
            reason = format!("{reason}: {source}");
        }
        if files.complaint.as_ref() != Some(&reason) {
            warn!(%reason, "certificates were not reloaded, the old ones serve on");
            files.complaint = Some(reason);
        }
    }
}
