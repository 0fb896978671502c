//! A table that serves, and its next content.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use parking_lot::RwLock;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::TableSpec;
use crate::content::Content;
use crate::error::{LoadError, Problem};
use crate::file::{Fingerprint, load};

/// A file that nobody has written to for this long is read.
pub const QUIET: Duration = Duration::from_millis(250);
/// Whoever writes for longer than this into the file that is read is not waited for: its next change is noticed again.
const QUIET_WAIT_MAX: Duration = Duration::from_secs(60);
/// How often a file is read again that changed while it was read.
const ATTEMPTS: u32 = 3;

/// A table: its file, and what was last read of it.
pub struct Table {
    spec: TableSpec,
    serving: RwLock<Serving>,
    /// What was tried last, held through a load: one at a time.
    tried: Mutex<Option<Fingerprint>>,
}

#[derive(Clone)]
struct Serving {
    content: Arc<Content>,
    loaded_at: SystemTime,
    refused: Option<Arc<LoadError>>,
}

/// How a table stands.
#[derive(Clone, Debug)]
pub struct TableState {
    /// Rows, or networks.
    pub rows: u64,
    /// Of memory.
    pub bytes: u64,
    pub loaded_at: SystemTime,
    /// Why the file as it is now does not serve, where that is so.
    pub refused: Option<Arc<LoadError>>,
}

/// What became of a look at a table's file.
#[derive(Clone, Debug)]
pub enum Refreshed {
    /// The file is what was read last, or what was refused.
    Unchanged,
    /// From now on whoever asks is answered from the new content.
    Loaded { rows: u64, rows_before: u64, took: Duration },
    /// The old content serves on.
    Refused(Arc<LoadError>),
}

/// Set when nobody waits for a load any longer.
struct GivenUp(Arc<AtomicBool>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

impl Table {
    pub(crate) async fn load(spec: TableSpec) -> Result<Table, LoadError> {
        let (content, fingerprint) = load_settled(&spec).await?;
        let serving = Serving { content: Arc::new(content), loaded_at: SystemTime::now(), refused: None };
        Ok(Table { spec, serving: RwLock::new(serving), tried: Mutex::new(Some(fingerprint)) })
    }

    pub fn spec(&self) -> &TableSpec {
        &self.spec
    }

    /// What it holds now. Whoever keeps this keeps that content.
    pub fn content(&self) -> Arc<Content> {
        Arc::clone(&self.serving.read().content)
    }

    pub fn state(&self) -> TableState {
        let Serving { content, loaded_at, refused } = self.serving.read().clone();
        TableState { rows: content.rows(), bytes: content.bytes(), loaded_at, refused }
    }

    /// Looks whether the file has changed, and loads it anew where it has: waits until it has not been written to for [`QUIET`], reads
    /// and checks all of it on a thread of its own, and exchanges the content at once. Whatever is wrong, the old content serves on,
    /// and the file is not tried again before it changes. One look at a time: another waits for it.
    pub async fn refresh(&self) -> Refreshed {
        let mut tried = self.tried.lock().await;
        if Fingerprint::of_path(&self.spec.file) == *tried {
            return Refreshed::Unchanged;
        }
        let started = Instant::now();
        let quiet = quiet(&self.spec).await;
        if quiet.is_ok_and(|found| found == *tried) {
            return Refreshed::Unchanged;
        }
        // Of the file as it was before it was read: what changes from then on is another look's.
        *tried = Fingerprint::of_path(&self.spec.file);
        let before = self.content();
        let loaded = match quiet {
            Ok(_) => load_settled(&self.spec).await,
            Err(Unsettled) => Err(LoadError::new(&self.spec.file, Problem::Unsettled)),
        };
        let loaded = loaded.and_then(|(content, fingerprint)| {
            *tried = Some(fingerprint);
            match content.lacks_line_end_of(&before) {
                true => Err(LoadError::new(&self.spec.file, Problem::NoLineEnd)),
                false => Ok(content),
            }
        });
        match loaded {
            Ok(content) => {
                let rows = content.rows();
                let serving = Serving { content: Arc::new(content), loaded_at: SystemTime::now(), refused: None };
                *self.serving.write() = serving;
                Refreshed::Loaded { rows, rows_before: before.rows(), took: started.elapsed() }
            }
            Err(error) => {
                let error = Arc::new(error);
                self.serving.write().refused = Some(Arc::clone(&error));
                Refreshed::Refused(error)
            }
        }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("spec", &self.spec).finish_non_exhaustive()
    }
}

/// It was written to for too long.
#[derive(Clone, Copy)]
struct Unsettled;

/// Waits until a file is at rest, there or not.
async fn quiet(spec: &TableSpec) -> Result<Option<Fingerprint>, Unsettled> {
    let latest = Instant::now() + QUIET_WAIT_MAX;
    let mut last = Fingerprint::of_path(&spec.file);
    loop {
        sleep(QUIET).await;
        let now = Fingerprint::of_path(&spec.file);
        if now == last {
            return Ok(now);
        }
        if Instant::now() >= latest {
            return Err(Unsettled);
        }
        last = now;
    }
}

/// Loads a file on a thread of its own; again, where it changed meanwhile. Dropped, the load ends soon.
async fn load_settled(spec: &TableSpec) -> Result<(Content, Fingerprint), LoadError> {
    let given_up = GivenUp(Arc::default());
    let mut attempt = 1;
    loop {
        let (of_load, given_up) = (spec.clone(), Arc::clone(&given_up.0));
        let load = tokio::task::spawn_blocking(move || load(&of_load, &|| !given_up.load(Relaxed)));
        let loaded = load.await.unwrap_or_else(|_| Err(LoadError::new(&spec.file, Problem::GivenUp)));
        match loaded {
            Err(LoadError { problem: Problem::Unsettled, .. }) if attempt < ATTEMPTS => {
                attempt += 1;
                // Whether it rests in time is seen when it has been read.
                let _ = quiet(spec).await;
            }
            loaded => return loaded,
        }
    }
}

#[cfg(test)]
mod tests;
