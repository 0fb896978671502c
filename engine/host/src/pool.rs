//! The instances of one stage.
//!
//! An instance serves one call at a time. They are made when a call finds none idle, up to the stage's limit; then calls
//! wait, up to a limit too. What is idle is taken youngest first: its memory is still in the processor's caches.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::bindings::wasmill::plugin::types;
use crate::host::HostInner;
use crate::instance::{Instance, Lease, Start, StartError};
use crate::state::Kept;

pub(crate) struct Pool {
    pub start: Arc<Start>,
    idle: Idle,
    /// For the instance that comes after one that failed.
    pub kept: Kept,
    running: Arc<Semaphore>,
    /// Permits of `running`.
    instances_max: u32,
    /// Of ticks, counted from 1: an instance that was not called in this one is due.
    round: AtomicU64,
}

/// Instances that wait for a call.
#[derive(Clone, Default)]
#[expect(clippy::vec_box, reason = "calls hold them boxed: they are moved from here as they are")]
pub(crate) struct Idle(Arc<Mutex<Vec<Box<Instance>>>>);

/// A pool of which no instance is called, for as long as the permit lives.
pub(crate) struct Emptied {
    #[expect(clippy::vec_box, reason = "as above")]
    pub instances: Vec<Box<Instance>>,
    pub permit: OwnedSemaphorePermit,
}

/// An instance for a call.
pub(crate) enum Taken {
    Idle(Lease),
    /// It has answered `init`, and nothing else.
    New(Lease),
}

/// Why there is no instance for a call.
#[derive(Debug)]
pub(crate) enum TakeError {
    /// All were busy for the time that a call may wait.
    Busy,
    Start(StartError),
}

impl Pool {
    pub fn new(start: Arc<Start>, instances_max: NonZeroUsize) -> Pool {
        // More than fit in memory.
        let instances_max = u32::try_from(instances_max.get()).unwrap_or(u32::MAX >> 3);
        let running = Arc::new(Semaphore::new(instances_max as usize));
        Pool { start, idle: Idle::default(), kept: Kept::default(), running, instances_max, round: AtomicU64::new(0) }
    }

    pub fn idle(&self) -> &Idle {
        &self.idle
    }

    /// The right to run a call, as soon as one of the running ones has ended.
    async fn permit(&self) -> Result<OwnedSemaphorePermit, TakeError> {
        let running = || Arc::clone(&self.running);
        match running().try_acquire_owned() {
            Ok(permit) => Ok(permit),
            Err(_) => {
                let wait = Duration::from_millis(self.start.limits.instance_wait_ms.get());
                let acquired = tokio::time::timeout(wait, running().acquire_owned()).await;
                acquired.ok().and_then(Result::ok).ok_or(TakeError::Busy)
            }
        }
    }

    /// An idle instance, or a new one. `accept` says whether a new one's answer to `init` is that of the stage.
    pub async fn take(
        &self,
        host: &Arc<HostInner>,
        accept: impl FnOnce(types::Requirements) -> Result<(), StartError>,
    ) -> Result<Taken, TakeError> {
        let permit = self.permit().await?;
        let idle = self.idle.0.lock().pop();
        if let Some(instance) = idle {
            return Ok(Taken::Idle(Lease { instance, permit }));
        }
        let (mut instance, requirements) = Instance::start(host, &self.start).await.map_err(TakeError::Start)?;
        accept(requirements).map_err(TakeError::Start)?;
        self.ticked(&mut instance);
        Ok(Taken::New(Lease { instance, permit }))
    }

    /// Waits until no call runs, and takes all instances. `None`: never, the semaphore is not closed. Calls have deadlines, and so end.
    pub async fn empty(&self) -> Option<Emptied> {
        let permit = Arc::clone(&self.running).acquire_many_owned(self.instances_max).await.ok()?;
        Some(Emptied { instances: std::mem::take(&mut *self.idle.0.lock()), permit })
    }

    /// All instances that live now are due for a tick.
    pub fn begin_round(&self) -> u64 {
        self.round.fetch_add(1, Relaxed) + 1
    }

    pub fn is_due(&self, instance: &Instance) -> bool {
        instance.round < self.round.load(Relaxed)
    }

    /// It has had its tick of this round, or needs none.
    pub fn ticked(&self, instance: &mut Instance) {
        instance.round = self.round.load(Relaxed);
    }

    /// An idle instance that is due in a round. `None`: there is none, or all calls that may run do.
    pub async fn take_due(&self, round: u64) -> Option<Lease> {
        let is_due = |instance: &Instance| instance.round < round;
        if !self.idle.0.lock().iter().any(|instance| is_due(instance)) {
            return None;
        }
        let permit = self.permit().await.ok()?;
        let mut idle = self.idle.0.lock();
        let at = idle.iter().position(|instance| is_due(instance))?;
        Some(Lease { instance: idle.remove(at), permit })
    }

    /// An instance that can be called again.
    pub fn put(&self, instance: Box<Instance>) {
        self.idle.put(instance);
    }
}

impl Idle {
    pub fn each(&self, what: impl Fn(&mut Instance)) {
        self.0.lock().iter_mut().for_each(|instance| what(instance));
    }

    pub fn put(&self, instance: Box<Instance>) {
        self.0.lock().push(instance);
    }
}
