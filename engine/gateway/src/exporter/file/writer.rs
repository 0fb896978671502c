//! The thread that writes one file.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;
use wasmill_config::FileExporter;

use super::frames::Framing;
use super::target::{Target, sync_folder};

/// Requests that come together are written together, up to so many bytes: one call of the system for many small ones, and no
/// second copy in memory of many large ones.
const GATHERED_BYTES_MAX: usize = 1 << 20;

/// A file that is old and cannot be renamed is written on, and tried again after so long.
const RENAME_RETRY: Duration = Duration::from_secs(10);

/// Dropped, its thread ends when everything is written.
pub struct Writer {
    jobs: Sender<Job>,
}

struct Job {
    settings: Arc<FileExporter>,
    frame: Bytes,
    done: oneshot::Sender<Result<(), Arc<io::Error>>>,
}

impl Writer {
    /// `is_new`: what an earlier process wrote goes, where the settings do not say `append`.
    pub fn start(is_new: bool) -> io::Result<Writer> {
        let (jobs, queue) = mpsc::channel();
        thread::Builder::new().name("wasmill-file".to_owned()).spawn(move || Thread::new(is_new).run(&queue))?;
        Ok(Writer { jobs })
    }

    /// Resolves when it is written whole, or nothing of it is.
    pub async fn write(&self, settings: Arc<FileExporter>, frame: Bytes) -> Result<(), Arc<io::Error>> {
        let (done, written) = oneshot::channel();
        let gone = || Arc::new(io::Error::other("the file's thread has ended"));
        self.jobs.send(Job { settings, frame, done }).map_err(|_| gone())?;
        written.await.unwrap_or_else(|_| Err(gone()))
    }
}

struct Thread {
    target: Option<Target>,
    /// Those that the target was written with last.
    settings: Option<Arc<FileExporter>>,
    /// It is not to be renamed for its age before.
    rename_after: Instant,
    /// No file was opened yet by this process, or by another form of its settings.
    is_new: bool,
    framing: Option<Framing>,
    /// When what was written is to be synchronised, and what was written last.
    unsynced: Option<(Instant, Arc<FileExporter>)>,
    gathered: Vec<u8>,
}

impl Thread {
    fn new(is_new: bool) -> Thread {
        let (target, settings, rename_after) = (None, None, Instant::now());
        Thread { target, settings, rename_after, is_new, framing: None, unsynced: None, gathered: Vec::new() }
    }

    fn run(mut self, queue: &Receiver<Job>) {
        loop {
            let sync_due = self.unsynced.as_ref().map(|(due, _)| *due);
            let next = match sync_due.into_iter().chain(self.rename_due()).min() {
                Some(due) => queue.recv_timeout(due.saturating_duration_since(Instant::now())),
                None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match next {
                Ok(first) => self.write(gather(first, queue)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.sync(),
            }
            if self.unsynced.as_ref().is_some_and(|(due, _)| *due <= Instant::now()) {
                self.sync();
            }
            if self.rename_due().is_some_and(|due| due <= Instant::now()) {
                self.rename();
            }
        }
    }

    /// When the file is to be renamed for its age.
    fn rename_due(&self) -> Option<Instant> {
        let (target, settings) = (self.target.as_ref()?, self.settings.as_ref()?);
        Some((Instant::now() + target.until_old(settings)?).max(self.rename_after))
    }

    fn rename(&mut self) {
        let (Some(target), Some(settings)) = (self.target.take(), self.settings.clone()) else { return };
        // One that somebody moved away has its name already.
        if !target.is_current(&settings) {
            return;
        }
        if let Err(error) = target.rotate(&settings) {
            tracing::error!(path = %settings.path.display(), %error, "the file is old and cannot be renamed");
            self.rename_after = Instant::now() + RENAME_RETRY;
        }
    }

    /// Writes requests of the same settings at once, as far as one file takes them.
    fn write(&mut self, jobs: Vec<Job>) {
        let mut jobs = jobs.into_iter().peekable();
        while let Some(first) = jobs.next() {
            let settings = Arc::clone(&first.settings);
            let limit = settings.rotation.as_ref().map_or(u64::MAX, |rotation| rotation.bytes_max);
            let mut bytes = first.frame.len() as u64;
            let mut group = vec![first];
            let fits = |job: &Job, bytes: u64| {
                Arc::ptr_eq(&job.settings, &settings) && bytes + job.frame.len() as u64 <= limit
            };
            while let Some(job) = jobs.next_if(|job| fits(job, bytes)) {
                bytes += job.frame.len() as u64;
                group.push(job);
            }
            let written = self.write_group(&settings, &group, bytes).map_err(Arc::new);
            // Nobody may wait any more.
            group.into_iter().for_each(|job| drop(job.done.send(written.clone())));
        }
    }

    fn write_group(&mut self, settings: &Arc<FileExporter>, group: &[Job], bytes: u64) -> io::Result<()> {
        let mut target = self.open(settings)?;
        if target.is_full(bytes, settings) {
            target.rotate(settings)?;
            target = Target::open(settings, false)?;
        }
        let written = match group {
            [job] => target.write(&job.frame),
            jobs => {
                self.gathered.clear();
                jobs.iter().for_each(|job| self.gathered.extend_from_slice(&job.frame));
                target.write(&self.gathered)
            }
        };
        self.target = Some(target);
        self.settings = Some(Arc::clone(settings));
        written?;
        if self.unsynced.is_none() {
            self.unsynced = Some((Instant::now() + settings.flush_interval, Arc::clone(settings)));
        }
        Ok(())
    }

    /// The file that has the path now.
    fn open(&mut self, settings: &Arc<FileExporter>) -> io::Result<Target> {
        if let Some(target) = self.target.take() {
            if target.is_current(settings) {
                return Ok(target);
            }
            self.target = Some(target);
            self.sync();
            self.target = None;
        }
        // Requests that lie otherwise than those before make no whole file with them.
        let framing = Framing::of(settings);
        let changed = self.framing.is_some_and(|before| before != framing);
        let emptied = (self.is_new || changed) && !settings.append;
        let target = Target::open(settings, emptied)?;
        self.is_new = false;
        self.framing = Some(target.framing());
        Ok(target)
    }

    fn sync(&mut self) {
        let Some((_, settings)) = self.unsynced.take() else { return };
        let synced = self.target.as_ref().map_or(Ok(()), Target::sync).and_then(|()| sync_folder(&settings.path));
        if let Err(error) = synced {
            tracing::error!(path = %settings.path.display(), %error, "what was written may not survive a failure of the machine");
        }
    }
}

/// Requests that are there already.
fn gather(first: Job, queue: &Receiver<Job>) -> Vec<Job> {
    let mut bytes = first.frame.len();
    let mut jobs = vec![first];
    while bytes < GATHERED_BYTES_MAX
        && let Ok(job) = queue.try_recv()
    {
        bytes += job.frame.len();
        jobs.push(job);
    }
    jobs
}
