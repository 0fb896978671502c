//! The thread that makes files of journals, in their order, and deletes old ones.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use tokio::sync::oneshot;
use wasmill_wire::Signal;

use crate::archive::Settings;
use crate::convert::convert;
use crate::folders::RunName;
use crate::retention;
use crate::root::Root;
use crate::writer::chain;

/// After a failure; doubled with each that follows.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Old files are looked for so often, and whenever a file was made.
const RETENTION_INTERVAL: Duration = Duration::from_secs(60);

/// Why files are not made at the moment.
pub type Problem = Arc<Mutex<Option<String>>>;

pub enum Order {
    Make {
        root: Arc<Root>,
        run: RunName,
        journal: PathBuf,
        bytes: u64,
        settings: Arc<Settings>,
    },
    /// Looks after the root's old files.
    Keep(Arc<Root>, Arc<Settings>),
    /// Answers when all that was ordered is done, or cannot be at the moment.
    End(oneshot::Sender<()>),
}

/// A journal that was sealed.
struct Waiting {
    root: Arc<Root>,
    run: RunName,
    journal: PathBuf,
    bytes: u64,
    settings: Arc<Settings>,
}

pub struct Maker {
    signal: Signal,
    waiting: VecDeque<Waiting>,
    kept: Option<(Arc<Root>, Arc<Settings>)>,
    keep_at: Instant,
    retry: Option<(Instant, Duration)>,
    problem: Problem,
}

impl Maker {
    pub fn new(signal: Signal) -> Maker {
        let problem = Problem::default();
        Maker { signal, waiting: VecDeque::new(), kept: None, keep_at: Instant::now(), retry: None, problem }
    }

    pub fn problem(&self) -> Problem {
        Arc::clone(&self.problem)
    }

    pub fn run(mut self, orders: &Receiver<Order>) {
        loop {
            let now = Instant::now();
            let make_at = (!self.waiting.is_empty()).then(|| self.retry.map_or(now, |(at, _)| at));
            let keep_at = self.kept.is_some().then_some(self.keep_at);
            let next = match make_at.into_iter().chain(keep_at).min() {
                Some(due) => orders.recv_timeout(due.saturating_duration_since(now)),
                None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match next {
                Ok(Order::Make { root, run, journal, bytes, settings }) => {
                    self.waiting.push_back(Waiting { root, run, journal, bytes, settings });
                    continue;
                }
                Ok(Order::Keep(root, settings)) => {
                    self.kept = Some((root, settings));
                    self.keep_at = Instant::now();
                    continue;
                }
                Ok(Order::End(done)) => {
                    self.make_all();
                    // Nobody may wait any more.
                    let _ = done.send(());
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.make_all();
                    return self.leave();
                }
            }
            let now = Instant::now();
            if make_at.is_some_and(|at| at <= now) {
                self.make();
            }
            if self.keep_at <= now {
                self.keep();
            }
        }
    }

    /// Everything once, whether or not it is time.
    fn make_all(&mut self) {
        while !self.waiting.is_empty() && self.make() {}
    }

    /// What could not be done is the next one's, in this process or in another.
    fn leave(&mut self) {
        for left in self.waiting.drain(..) {
            left.root.shrink(left.bytes);
            left.root.unclaim(&left.run);
        }
    }

    /// Makes files of the oldest journal. `false`: it failed, and waits.
    fn make(&mut self) -> bool {
        let Some(oldest) = self.waiting.front() else { return true };
        let begun = Instant::now();
        let converted = convert(&oldest.root, &oldest.run, &oldest.journal, &oldest.settings);
        let signal = self.signal;
        match converted {
            Ok(made) => {
                let (rows, bytes, files) = (made.rows, made.bytes, made.files.join(", "));
                tracing::debug!(%signal, rows, bytes, files, seconds = begun.elapsed().as_secs_f64(), "files were written");
                oldest.root.shrink(oldest.bytes);
                oldest.root.unclaim(&oldest.run);
                self.kept = Some((Arc::clone(&oldest.root), Arc::clone(&oldest.settings)));
                self.waiting.pop_front();
                self.retry = None;
                *self.problem.lock() = None;
                self.keep();
                true
            }
            Err(error) => {
                let why = chain(&error);
                let wait = self.retry.map_or(RETRY_FIRST, |(_, wait)| (2 * wait).min(RETRY_MAX));
                // Somebody has to do something about it. Nothing is lost meanwhile.
                tracing::error!(%signal, path = %oldest.journal.display(), %why, ?wait, "no files can be made, which will be tried again");
                *self.problem.lock() = Some(why);
                self.retry = Some((Instant::now() + wait, wait));
                false
            }
        }
    }

    fn keep(&mut self) {
        self.keep_at = Instant::now() + RETENTION_INTERVAL;
        let Some((root, settings)) = &self.kept else { return };
        let Some(retention) = &settings.retention else { return };
        if !root.is_there() {
            tracing::warn!(path = %root.path().display(), "is another folder than it was: no old files are deleted");
            return;
        }
        match retention::apply(root, retention, SystemTime::now()) {
            Ok(deleted) if deleted.files > 0 => {
                let path = root.path().display();
                tracing::info!(%path, files = deleted.files, bytes = deleted.bytes, "old files were deleted");
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(path = %root.path().display(), %error, "the list of written files cannot be written")
            }
        }
    }
}
