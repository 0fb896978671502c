//! Ticks: a plugin that asked for them is called at an interval, whether or not rows come.
//!
//! ```text
//!  each interval: a round ──► idle instances, one after another
//!                        └──► busy ones, as soon as their batch has left them
//! ```
//!
//! Each instance has memory of its own, so each that lives is called once a round. A round that cannot begin in time is skipped, not
//! made up for: what a plugin counts by is the time that it is told. A failed tick costs its instance, as any call does, and is
//! counted and logged; the breaker, which stands between a plugin and rows, does not hear of it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use wasmill_batch::RequestContext;

use crate::bindings::wasmill::plugin::host::Level;
use crate::emission;
use crate::instance::{Called, Lease};
use crate::pool::Pool;
use crate::stage::Stage;

/// The task that ticks a stage.
#[derive(Default)]
pub(crate) struct Ticks(Mutex<Option<Ticking>>);

struct Ticking {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Ticks {
    /// Starts the task, unless it runs.
    pub fn start(&self, stage: Weak<Stage>, interval: Duration) {
        let mut place = self.0.lock();
        if place.is_none() {
            let (stop, stopped) = watch::channel(false);
            // From now on, not from when the task begins.
            let mut rounds = interval_at(Instant::now() + interval, interval);
            rounds.set_missed_tick_behavior(MissedTickBehavior::Skip);
            *place = Some(Ticking { stop, task: tokio::spawn(run(stage, rounds, stopped)) });
        }
    }

    /// Ends it, after the call that it is at.
    pub async fn end(&self) {
        let ticking = self.0.lock().take();
        if let Some(Ticking { stop, task }) = ticking {
            stop.send_replace(true);
            // That it panicked would have been reported.
            let _ = task.await;
        }
    }
}

async fn run(stage: Weak<Stage>, mut rounds: Interval, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            biased;
            () = end(&mut stopped) => return,
            _ = rounds.tick() => {}
        }
        let Some(stage) = stage.upgrade() else { return };
        stage.tick_round(|| *stopped.borrow()).await;
    }
}

async fn end(stopped: &mut watch::Receiver<bool>) {
    // An error: its other end went with the stage.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

impl Stage {
    /// From now on its plugin is called at the interval that it asked for; to be called within a runtime. Ends with
    /// [`end`](Stage::end), or when nobody has the stage any more.
    pub fn start_ticks(self: &Arc<Self>) {
        if let Some(interval) = self.requirements().tick {
            self.ticks.start(Arc::downgrade(self), interval);
        }
    }

    /// Ends what [`start_ticks`](Stage::start_ticks) began, after the call that is under way.
    pub async fn end_ticks(&self) {
        self.ticks.end().await;
    }

    /// Calls `tick` of each instance that lives, once: of those that are idle now, and waits for that; of the others when they are
    /// idle again. For whoever keeps the time: [`start_ticks`](Stage::start_ticks) does by itself.
    pub async fn tick(&self) {
        self.tick_round(|| false).await;
    }

    async fn tick_round(&self, is_over: impl Fn() -> bool) {
        for (shard, pool) in self.pools().enumerate() {
            let round = pool.begin_round();
            // What was handed over is its successor's to tell of.
            while !is_over() && !self.has_handed_over() {
                let Some(lease) = pool.take_due(round).await else { break };
                self.tick_lease(lease, shard).await;
            }
        }
    }

    /// Calls `tick` of an instance of this shard, and gives it back.
    pub(crate) async fn tick_lease(&self, mut lease: Lease, shard: usize) {
        let pool = self.pool_of(shard);
        pool.ticked(&mut lease.instance);
        let now = emission::now_unix_nano();
        let answered = lease.tick(&self.host, &self.pool.start, now).await;
        let (lease, outgrown, emitted) = match answered {
            Ok(Called { lease, outgrown, answer, .. }) => (lease, outgrown, answer),
            Err(lost) => (None, None, Err(lost.into())),
        };
        self.stats.ticked();
        let records = match emitted {
            Ok(emitted) => emission::check_aside(emitted, self.requirements()).await,
            Err(fault) => Err(fault),
        };
        match records {
            Ok(records) => {
                self.emitting.emit(records, &Arc::new(RequestContext::default()));
                self.put_back(pool, lease, outgrown);
            }
            Err(fault) => {
                self.stats.tick_faulted(&fault);
                self.faults.write(Level::Warn, &format!("`tick` failed: {fault}"));
                let survives = fault.kind.instance_survives();
                *self.last_fault.lock() = Some(fault);
                // What survives a call is said by `Lease::tick`; an answer that is none is found here.
                if survives {
                    self.put_back(pool, lease, outgrown);
                }
            }
        }
    }

    fn put_back(&self, pool: &Pool, lease: Option<Lease>, outgrown: Option<Lease>) {
        if let Some(Lease { instance, permit }) = lease {
            pool.put(instance);
            drop(permit);
        }
        if let Some(outgrown) = outgrown {
            self.retire(outgrown, pool);
        }
    }
}
