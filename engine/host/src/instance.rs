//! One instance of a plugin: started, called, given up.

mod holding;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;
use wasmtime::Store;

use crate::bindings::{self, wasmill::plugin::types};
use crate::fault::Fault;
use crate::guest::Guest;
use crate::host::HostInner;
use crate::lane::{Begin, Lost};
use crate::load::Plugin;
use crate::log::GuestLog;
use crate::metrics::GuestMetrics;
use crate::state::{Access, Granted};
use crate::tables::GuestTables;
use crate::ticker::TICK;
use crate::{FaultKind, Limits, StageStats};

/// Ticks that a call may run on the task that made it: it ends within one to two of them, or is moved.
const TICKS_ON_TASK: u64 = 2;

/// Why there is no instance.
#[derive(Debug)]
pub(crate) enum StartError {
    /// The plugin's words about its configuration.
    Config(String),
    Fault(Fault),
    /// The pool is full.
    NoRoom(String),
}

/// An instance that has answered `init`. Boxed, because a call's future holds it and is moved.
pub(crate) struct Instance {
    store: Store<Guest>,
    plugin: bindings::Plugin,
    stats: Arc<StageStats>,
    /// What the stage's statistics hold of its memory.
    counted_bytes: u64,
    /// The round of ticks that it was last called in, or that it was made in.
    pub round: u64,
    /// It holds what is lost with it: dropped so, it is counted.
    holds: bool,
    /// When it was last asked for what it holds, or made.
    pub asked: Instant,
}

/// The instance's right to run: while this lives, one call fewer can begin.
pub(crate) struct Lease {
    pub instance: Box<Instance>,
    pub permit: OwnedSemaphorePermit,
}

/// How a call ended.
pub(crate) struct Called<T> {
    /// `None`: the instance is not to be called again.
    pub lease: Option<Lease>,
    /// It answered, and has more memory than an instance may keep: to be flushed, and dropped.
    pub outgrown: Option<Lease>,
    pub answer: Result<T, Fault>,
    pub took: Duration,
}

/// What a start needs, shared by all instances of a stage.
pub(crate) struct Start {
    pub plugin: Arc<Plugin>,
    pub log: Arc<GuestLog>,
    pub metrics: Arc<GuestMetrics>,
    pub stats: Arc<StageStats>,
    pub state: Arc<Granted>,
    /// JSON.
    pub config: String,
    pub limits: Limits,
    pub tables: GuestTables,
    /// The last call outlived what it is given on the task that made it: the next one is likely to.
    pub lasts: AtomicBool,
}

impl Start {
    fn begin(&self) -> Begin {
        if self.lasts.load(Relaxed) { Begin::OnLane } else { Begin::OnTask }
    }
}

impl Instance {
    /// Instantiates the plugin and gives it its configuration.
    pub async fn start(
        host: &Arc<HostInner>,
        start: &Arc<Start>,
    ) -> Result<(Box<Instance>, types::Requirements), StartError> {
        let ticking = host.ticker.ticking();
        let (of_call, begin, start) = (Arc::clone(host), start.begin(), Arc::clone(start));
        let start = async move {
            let _ticking = ticking;
            Instance::start_here(&of_call, &start).await
        };
        let started = host.lane.run(start, begin);
        started.await.unwrap_or_else(|lost| Err(StartError::Fault(lost.into())))
    }

    async fn start_here(host: &HostInner, start: &Start) -> Result<(Box<Instance>, types::Requirements), StartError> {
        let limits = &start.limits;
        let mut guest = Guest::new(Arc::clone(&start.log), Arc::clone(&start.metrics), limits.memory_bytes_max.get());
        guest.state = Access::new(&start.state, limits.verdict_bytes_max.get());
        let mut store = Store::new(&host.engine, guest);
        store.limiter(|guest| guest);
        store.epoch_deadline_callback(|mut store| store.data_mut().on_tick());
        store.set_hostcall_fuel(limits.verdict_bytes_max.get());
        store.data_mut().begin(Instant::now(), limits.init_deadline_ms.get());
        store.set_epoch_deadline(TICKS_ON_TASK);
        let plugin = match start.plugin.pre.instantiate_async(&mut store).await {
            Ok(plugin) => plugin,
            Err(error) if error.is::<wasmtime::PoolConcurrencyLimitError>() => {
                return Err(StartError::NoRoom(error.to_string()));
            }
            Err(error) => return Err(StartError::Fault(Fault::from_start(&error, store.data().memory_refused))),
        };
        let requirements = match plugin.wasmill_plugin_stage().call_init(&mut store, &start.config).await {
            Ok(Ok(requirements)) => requirements,
            Ok(Err(reason)) => return Err(StartError::Config(reason)),
            Err(error) => return Err(StartError::Fault(Fault::from_call(&error, store.data().memory_refused))),
        };
        store.data_mut().tables = start.tables.named(&requirements.tables);
        store.data_mut().state.begin();
        start.stats.instances.fetch_add(1, Relaxed);
        start.stats.instances_created.fetch_add(1, Relaxed);
        let stats = Arc::clone(&start.stats);
        let asked = Instant::now();
        let mut instance = Box::new(Instance { store, plugin, stats, counted_bytes: 0, round: 0, holds: false, asked });
        instance.count_memory();
        Ok((instance, requirements))
    }

    async fn process(
        &mut self,
        deadline_ms: u64,
        started: Instant,
        slice: types::Slice<'_>,
    ) -> Result<types::Verdict, Fault> {
        self.store.data_mut().begin(started, deadline_ms);
        self.store.set_epoch_deadline(TICKS_ON_TASK);
        match self.plugin.wasmill_plugin_stage().call_process(&mut self.store, slice).await {
            Ok(Ok(verdict)) => Ok(verdict),
            Ok(Err(reason)) => Err(Fault::new(FaultKind::Refused, reason)),
            Err(error) => Err(Fault::from_call(&error, self.store.data().memory_refused)),
        }
    }

    /// Asks for what it holds, and drops it. The call owns all that it needs, as [`Lease::process`] does; nobody waits for its answer
    /// at the price of others.
    pub async fn flush(mut self: Box<Self>, host: &HostInner, start: &Start) -> Result<Vec<types::Emission>, Fault> {
        let ticking = host.ticker.ticking();
        let deadline_ms = start.limits.call_deadline_ms.get();
        let call = async move {
            let _ticking = ticking;
            self.store.data_mut().begin(Instant::now(), deadline_ms);
            self.store.set_epoch_deadline(TICKS_ON_TASK);
            match self.plugin.wasmill_plugin_stage().call_flush(&mut self.store).await {
                Ok(Ok(emitted)) => Ok(emitted),
                Ok(Err(reason)) => Err(Fault::new(FaultKind::Refused, reason)),
                Err(error) => Err(Fault::from_call(&error, self.store.data().memory_refused)),
            }
        };
        host.lane.run(call, Begin::OnLane).await.unwrap_or_else(|lost| Err(lost.into()))
    }

    async fn tick(&mut self, deadline_ms: u64, now_unix_nano: u64) -> Result<Vec<types::Emission>, Fault> {
        self.store.data_mut().begin(Instant::now(), deadline_ms);
        self.store.set_epoch_deadline(TICKS_ON_TASK);
        match self.plugin.wasmill_plugin_stage().call_tick(&mut self.store, now_unix_nano).await {
            Ok(Ok(emitted)) => Ok(emitted),
            Ok(Err(reason)) => Err(Fault::new(FaultKind::Refused, reason)),
            Err(error) => Err(Fault::from_call(&error, self.store.data().memory_refused)),
        }
    }

    fn count_memory(&mut self) {
        let bytes = self.store.data().memory_bytes as u64;
        // Linear memory never shrinks.
        self.stats.memory_bytes.fetch_add(bytes.saturating_sub(self.counted_bytes), Relaxed);
        self.counted_bytes = bytes;
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.stats.instances.fetch_sub(1, Relaxed);
        self.stats.memory_bytes.fetch_sub(self.counted_bytes, Relaxed);
        self.stats.state_lost.fetch_add(u64::from(self.holds), Relaxed);
    }
}

impl Lease {
    /// Calls `process` with a slice. The call owns all that it needs, and ends even if nobody waits for it any longer.
    pub async fn process(
        self,
        host: &HostInner,
        start: &Start,
        signal: types::Signal,
        rows: u32,
        groups: Vec<u8>,
        columns: Vec<u8>,
    ) -> Result<Called<types::Verdict>, Lost> {
        let ticking = host.ticker.ticking();
        let Limits { call_deadline_ms, memory_bytes_retire, .. } = start.limits;
        let stateful = start.state.is_stateful();
        let call = async move {
            let _ticking = ticking;
            let mut lease = self;
            let started = Instant::now();
            let slice = types::Slice { signal, rows, groups: &groups, columns: &columns };
            let verdict = lease.instance.process(call_deadline_ms.get(), started, slice).await;
            lease.called(verdict, started, memory_bytes_retire.get(), stateful)
        };
        let called = host.lane.run(call, start.begin()).await;
        start.lasts.store(called.as_ref().is_ok_and(|called| called.took > TICK * TICKS_ON_TASK as u32), Relaxed);
        called
    }

    /// Calls `tick`, as [`process`](Lease::process) is called; no row waits for it, so it never holds up the task that others
    /// share.
    pub async fn tick(
        self,
        host: &HostInner,
        start: &Start,
        now_unix_nano: u64,
    ) -> Result<Called<Vec<types::Emission>>, Lost> {
        let ticking = host.ticker.ticking();
        let Limits { call_deadline_ms, memory_bytes_retire, .. } = start.limits;
        let stateful = start.state.is_stateful();
        let call = async move {
            let _ticking = ticking;
            let mut lease = self;
            let started = Instant::now();
            let emitted = lease.instance.tick(call_deadline_ms.get(), now_unix_nano).await;
            lease.called(emitted, started, memory_bytes_retire.get(), stateful)
        };
        host.lane.run(call, Begin::OnTask).await
    }

    /// What becomes of the instance after a call: one with more memory than `retire_bytes` is not called again. `stateful`: what it holds is
    /// missed where it goes.
    fn called<T>(self, answer: Result<T, Fault>, started: Instant, retire_bytes: usize, stateful: bool) -> Called<T> {
        let took = started.elapsed();
        let Lease { mut instance, permit } = self;
        instance.count_memory();
        instance.holds |= stateful;
        let survives = answer.as_ref().err().is_none_or(|fault| fault.kind.instance_survives());
        let retired = instance.store.data().memory_bytes > retire_bytes;
        let left = survives.then_some(Lease { instance, permit });
        let (lease, outgrown) = if retired { (None, left) } else { (left, None) };
        Called { lease, outgrown, answer, took }
    }
}

impl From<Lost> for Fault {
    fn from(lost: Lost) -> Fault {
        Fault::new(FaultKind::Trapped, lost.to_string())
    }
}
