//! The two threads of a signal: one writes the journal and answers, the other makes files of journals.
//!
//! ```text
//!  requests ──► intake: gather, append to the journal ──► answers
//!                   │ full, old enough, another hour
//!                   ▼
//!               maker: columns, files, their places; again where that failed; old files go
//! ```

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use tokio::sync::oneshot;
use wasmill_wire::Signal;

use crate::archive::{Archives, Settings};
use crate::folders::RunName;
use crate::journal::{Journal, put_frame};
use crate::maker::{Maker, Order};
use crate::root::{Root, RootError};
use crate::stamp::Stamp;

/// Requests that come together are written together, up to so many bytes.
const GATHERED_BYTES_MAX: usize = 1 << 20;

/// A journal is sealed when it has so many bytes: files of it are made in seconds, and a file of the usual limit is about as large.
const JOURNAL_BYTES_MAX: u64 = 512 << 20;

/// Why a request was not written. Nothing of it is kept then.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError {
    #[error(transparent)]
    Root(Arc<RootError>),
    #[error("the journal cannot be written")]
    Journal(#[source] Arc<io::Error>),
    #[error("{bytes} bytes wait for their files, and {most} may: {why}")]
    Backlog { bytes: u64, most: u64, why: String },
    #[error("its thread cannot be started")]
    Thread(#[source] Arc<io::Error>),
    #[error("its thread has ended")]
    Gone,
}

/// Dropped, its threads end when files are made of everything, or cannot be.
pub struct Writer {
    jobs: Sender<Job>,
}

enum Job {
    Begin(Arc<Settings>),
    Write(Write),
    End(oneshot::Sender<()>),
}

struct Write {
    settings: Arc<Settings>,
    request: Bytes,
    rows: u64,
    done: oneshot::Sender<Result<(), WriteError>>,
}

impl Writer {
    pub fn start(archives: Archives, signal: Signal) -> io::Result<Writer> {
        let (jobs, queue) = mpsc::channel();
        let (orders, to_make) = mpsc::channel();
        let maker = Maker::new(signal);
        let problem = maker.problem();
        thread::Builder::new().name("wasmill-files".to_owned()).spawn(move || maker.run(&to_make))?;
        let intake = Intake { archives, signal, root: None, open: None, orders, problem, frames: Vec::new() };
        thread::Builder::new().name("wasmill-journal".to_owned()).spawn(move || intake.run(&queue))?;
        Ok(Writer { jobs })
    }

    pub fn begin(&self, settings: &Arc<Settings>) {
        // A thread that has ended is said when there is something to write.
        let _ = self.jobs.send(Job::Begin(Arc::clone(settings)));
    }

    pub async fn write(&self, settings: Arc<Settings>, request: Bytes, rows: u64) -> Result<(), WriteError> {
        let (done, written) = oneshot::channel();
        let job = Job::Write(Write { settings, request, rows, done });
        self.jobs.send(job).map_err(|_| WriteError::Gone)?;
        written.await.unwrap_or(Err(WriteError::Gone))
    }

    pub async fn end(&self) {
        let (done, ended) = oneshot::channel();
        if self.jobs.send(Job::End(done)).is_ok() {
            // Its sender going is an end too.
            let _ = ended.await;
        }
    }
}

struct Intake {
    archives: Archives,
    signal: Signal,
    root: Option<Arc<Root>>,
    open: Option<Open>,
    orders: Sender<Order>,
    problem: crate::maker::Problem,
    frames: Vec<u8>,
}

/// The journal that is written.
struct Open {
    journal: Journal,
    run: RunName,
    settings: Arc<Settings>,
    /// Of its files: with the hour comes another journal.
    folder: String,
    rows: u64,
    /// When files are to be made of it.
    due: Instant,
    /// When what was written is to be synchronised.
    sync_due: Option<Instant>,
}

impl Intake {
    fn run(mut self, queue: &Receiver<Job>) {
        loop {
            let due = self.open.as_ref().map(|open| open.sync_due.map_or(open.due, |sync| sync.min(open.due)));
            let next = match due {
                Some(due) => queue.recv_timeout(due.saturating_duration_since(Instant::now())),
                None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match next {
                Ok(job) => self.take(job, queue),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.seal(),
            }
            self.look_at_the_clock();
        }
    }

    /// Takes a job, and the writes that wait behind it.
    fn take(&mut self, first: Job, queue: &Receiver<Job>) {
        let mut next = Some(first);
        let mut group: Vec<Write> = Vec::new();
        let mut bytes = 0;
        while let Some(job) = next.take() {
            match job {
                Job::Write(write) => {
                    let same = group.first().is_none_or(|first| Arc::ptr_eq(&first.settings, &write.settings));
                    if !same {
                        self.write_group(std::mem::take(&mut group));
                        bytes = 0;
                    }
                    bytes += write.request.len();
                    group.push(write);
                }
                Job::Begin(settings) => self.begin(&settings),
                Job::End(done) => {
                    self.write_group(std::mem::take(&mut group));
                    self.seal();
                    // Without a maker there is nothing to wait for.
                    let _ = self.orders.send(Order::End(done));
                }
            }
            if bytes < GATHERED_BYTES_MAX {
                next = queue.try_recv().ok();
            }
        }
        self.write_group(group);
    }

    /// What an earlier process left becomes files. A root that nothing was written to yet is not made for that.
    fn begin(&mut self, settings: &Arc<Settings>) {
        if !settings.folders.root.join(crate::root::STATE).is_dir() {
            return;
        }
        if let Err(error) = self.root(settings) {
            tracing::error!(signal = %self.signal, error = %chain(&error), "what was left cannot be made files yet");
        }
    }

    /// The root, and whoever looks after it knows of what was left there.
    fn root(&mut self, settings: &Arc<Settings>) -> Result<Arc<Root>, WriteError> {
        if let Some(root) = self.root.as_ref().filter(|root| root.path() == settings.folders.root) {
            return Ok(Arc::clone(root));
        }
        let root = self.archives.root(settings).map_err(|error| WriteError::Root(Arc::new(error)))?;
        let left = root.claim_journals(self.signal).map_err(|error| WriteError::Journal(Arc::new(error)))?;
        for (run, path, bytes) in left {
            tracing::info!(path = %path.display(), bytes, "an earlier process left requests, which become files now");
            root.grow(bytes);
            self.order(&root, run, path, bytes, settings);
        }
        let _ = self.orders.send(Order::Keep(Arc::clone(&root), Arc::clone(settings)));
        self.root = Some(Arc::clone(&root));
        Ok(root)
    }

    fn order(&self, root: &Arc<Root>, run: RunName, journal: std::path::PathBuf, bytes: u64, settings: &Arc<Settings>) {
        let order = Order::Make { root: Arc::clone(root), run, journal, bytes, settings: Arc::clone(settings) };
        // Without a maker it stays where it is, for the next start.
        let _ = self.orders.send(order);
    }

    fn write_group(&mut self, group: Vec<Write>) {
        let Some(first) = group.first() else { return };
        let settings = Arc::clone(&first.settings);
        self.frames.clear();
        group.iter().for_each(|write| put_frame(&mut self.frames, &write.request));
        let rows = group.iter().map(|write| write.rows).sum();
        let written = self.append(&settings, rows);
        // Nobody may wait any more.
        group.into_iter().for_each(|write| drop(write.done.send(written.clone())));
    }

    /// Appends the frames to the journal of now.
    fn append(&mut self, settings: &Arc<Settings>, rows: u64) -> Result<(), WriteError> {
        let now = SystemTime::now();
        let folder = settings.folders.of(self.signal, Stamp::of(now));
        if self.open.as_ref().is_some_and(|open| open.folder != folder || !Arc::ptr_eq(&open.settings, settings)) {
            self.seal();
        }
        let root = self.root(settings)?;
        self.check_backlog(&root, settings)?;
        let open = match &mut self.open {
            Some(open) => open,
            None => {
                let run = RunName::new(self.signal, now);
                root.claim(&run);
                let journal = match Journal::create(root.journal_path(&run)) {
                    Ok(journal) => journal,
                    Err(error) => {
                        root.unclaim(&run);
                        return Err(WriteError::Journal(Arc::new(error)));
                    }
                };
                root.grow(journal.len());
                let due = Instant::now() + settings.interval;
                let settings = Arc::clone(settings);
                self.open.insert(Open { journal, run, settings, folder, rows: 0, due, sync_due: None })
            }
        };
        open.journal.append(&self.frames).map_err(|error| WriteError::Journal(Arc::new(error)))?;
        root.grow(self.frames.len() as u64);
        open.rows += rows;
        open.sync_due.get_or_insert(Instant::now() + settings.flush_interval);
        if open.journal.len() >= JOURNAL_BYTES_MAX || open.rows >= settings.rows_max {
            self.seal();
        }
        Ok(())
    }

    fn check_backlog(&self, root: &Root, settings: &Settings) -> Result<(), WriteError> {
        let (bytes, most) = (root.backlog(), settings.backlog_bytes_max);
        // A request that is more than all of it goes alone.
        if bytes == 0 || bytes + self.frames.len() as u64 <= most {
            return Ok(());
        }
        let why =
            self.problem.lock().clone().unwrap_or_else(|| "files are made more slowly than requests come".to_owned());
        Err(WriteError::Backlog { bytes, most, why })
    }

    fn look_at_the_clock(&mut self) {
        let now = Instant::now();
        let Some(open) = &mut self.open else { return };
        if open.due <= now {
            return self.seal();
        }
        if open.sync_due.is_some_and(|due| due <= now) {
            open.sync_due = None;
            sync(&open.journal);
        }
    }

    /// Files are to be made of the journal.
    fn seal(&mut self) {
        let Some(open) = self.open.take() else { return };
        let Some(root) = self.root.clone() else { return };
        sync(&open.journal);
        let (path, bytes) = (open.journal.path().to_owned(), open.journal.len());
        self.order(&root, open.run, path, bytes, &open.settings);
    }
}

fn sync(journal: &Journal) {
    if let Err(error) = journal.sync() {
        let path = journal.path().display();
        tracing::error!(%path, %error, "what was written may not survive a failure of the machine");
    }
}

/// An error with its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        // Some repeat their cause in their own words.
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = next.source();
    }
    text
}
