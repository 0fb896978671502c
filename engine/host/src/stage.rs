//! A plugin with its configuration, in a pipeline.
//!
//! ```text
//!  selected rows ──slices──► gather ──► process ──► check ──┐ for each slice, in order
//!                                         │                 │
//!                                       fault ──on_fault────┤
//!                                                           ▼
//!                              edits, then selection, then routes: all of the batch at once
//! ```

mod apply;
mod hand_over;
mod keeping;
mod spec;
mod succession;

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use wasmill_batch::{Refusal, RefusalKind, RequestContext, TelemetryBatch};
use wasmill_tables::Table;
use wasmill_wire::{ColumnRequest, Edit, Signal, WireBatch};

use crate::bindings::wasmill::plugin::host::Level;
use crate::bindings::wasmill::plugin::types;
use crate::breaker::{Breaker, Closed, Turned};
use crate::content::ContentFaults;
use crate::emission;
use crate::emitting::{EmissionSink, Emitting};
use crate::gather::Grouped;
use crate::groups::{self, Groups};
use crate::host::HostInner;
use crate::instance::{Called, Instance, Lease, Start, StartError};
use crate::log::GuestLog;
use crate::pool::{Pool, TakeError, Taken};
use crate::shadow::{Copied, Shadow};
use crate::slice::{Runs, Sizing};
use crate::state::{Cut, Granted, Store, View, cut};
use crate::tables::GuestTables;
use crate::ticks::Ticks;
use crate::verdict::{Decision, Keep, Subject};
use crate::{
    BreakerState, Fault, FaultKind, GroupBy, Host, OnFault, Plugin, Requirements, RequirementsError, Scope, StageStats,
    StateSize, Wants, gather,
};
use apply::{selection, set_routes};
use hand_over::{Entered, Gate};

pub use hand_over::{HandOver, HandOverError, OnLostState};
pub use spec::{BuildError, StageSpec};

/// A plugin in a pipeline: instances, limits, counts. Shared by all batches of a generation.
pub struct Stage {
    name: Arc<str>,
    pub(crate) host: Arc<HostInner>,
    /// Its instances; of scope `keyed`, that of shard 0.
    pub(crate) pool: Pool,
    /// Of the other shards.
    more_shards: Vec<Pool>,
    /// Of a stage whose instances hold what must not be changed while it is handed over.
    gate: Option<Gate>,
    /// Of a stage whose instances are asked for what they hold.
    snapshot_interval: Option<Duration>,
    on_fault: OnFault,
    breaker: Option<Breaker>,
    content: Option<ContentFaults>,
    routes: Option<Vec<String>>,
    group_by: Option<GroupBy>,
    requirements: Requirements,
    pub(crate) stats: Arc<StageStats>,
    /// Of the last slice: the next is likely to be as large.
    block_bytes: AtomicUsize,
    /// Faults have a budget of lines beside the guest's own: a guest that floods its log cannot hide them.
    pub(crate) faults: Arc<GuestLog>,
    pub(crate) emitting: Arc<Emitting>,
    pub(crate) ticks: Ticks,
    /// For calls that outlive the batch that they follow.
    me: Weak<Stage>,
    pub(crate) last_fault: Arc<Mutex<Option<Fault>>>,
    /// Whether there is one, which each batch asks.
    shadowed: AtomicBool,
    shadow: Mutex<Option<Arc<Shadow>>>,
    /// What the host keeps for the stage lives as long as one of its name.
    _store: Arc<Store>,
}

/// Why a slice was not decided.
enum Undecided {
    /// The guest failed: the fault policy says what now.
    Fault(Fault),
    /// Not the guest's doing.
    Refused(Refusal),
}

/// The instance of a batch, from slice to slice; it goes back to its pool however this ends.
struct Held<'a> {
    stage: &'a Stage,
    shard: usize,
    lease: Option<Lease>,
}

/// Asks instances for what they hold.
struct Flusher {
    host: Arc<HostInner>,
    start: Arc<Start>,
    faults: Arc<GuestLog>,
    emitting: Arc<Emitting>,
    requirements: Requirements,
    last_fault: Arc<Mutex<Option<Fault>>>,
}

/// Bytes of a fault's message that a client is shown; the rest is in the log.
const CLIENT_MESSAGE_BYTES_MAX: usize = 200;

impl Stage {
    /// Instantiates the plugin, gives it its configuration, and checks what it wants.
    ///
    /// The instance that answered serves; more are made when batches come in parallel.
    pub async fn build(host: &Host, plugin: Arc<Plugin>, spec: StageSpec) -> Result<Arc<Stage>, BuildError> {
        let name: Arc<str> = spec.name.into();
        let stats = Arc::new(StageStats::default());
        let start = Start {
            plugin,
            log: GuestLog::new(Arc::clone(&name), spec.quiet),
            metrics: if spec.quiet { Arc::default() } else { Arc::clone(&host.inner.metrics) },
            stats: Arc::clone(&stats),
            state: Arc::new(Granted::default()),
            config: spec.config.to_string(),
            tables: GuestTables::new(spec.tables, &spec.limits),
            limits: spec.limits.bounded(),
            lasts: AtomicBool::new(false),
        };
        let (start, host) = (Arc::new(start), Arc::clone(&host.inner));
        let (instance, raw) = Instance::start(&host, &start).await?;
        let requirements = Requirements::check(&raw, spec.routes.as_deref(), &start.tables)?;
        if spec.routes.is_some() || spec.group_by.is_some() {
            requirements.check_groups(spec.group_by.as_ref())?;
        }
        let view = View::new(&host.states, &name, &spec.state, !spec.quiet, &stats);
        let (stateful, kept) = (requirements.scope.is_stateful(), requirements.uses.state);
        // Also where this plugin does not use it: the one that is put back after it will.
        let store = Arc::clone(view.store());
        start.state.set(kept.then_some(view), stateful);
        let (instances, shards) = match requirements.scope {
            Scope::Stateless => (start.limits.instances_max, 1),
            Scope::Single => (NonZeroUsize::MIN, 1),
            Scope::Keyed(_) => (NonZeroUsize::MIN, spec.state.shards.unwrap_or(start.limits.instances_max).get()),
        };
        let pool = Pool::new(Arc::clone(&start), instances);
        let more_shards = (1..shards).map(|_| Pool::new(Arc::clone(&start), instances)).collect();
        pool.put(instance);
        let interval = spec.state.snapshot_interval.filter(|_| !spec.quiet);
        let snapshot_interval = keeping::interval(interval, requirements.uses.snapshot, &name);
        let faults = GuestLog::new(Arc::clone(&name), spec.quiet);
        let emitting = Emitting::new(Arc::clone(&stats), Arc::clone(&faults));
        Ok(Arc::new_cyclic(|me| Stage {
            name,
            host,
            pool,
            more_shards,
            gate: stateful.then(Gate::default),
            snapshot_interval,
            _store: store,
            on_fault: spec.on_fault,
            breaker: spec.breaker.map(Breaker::new),
            content: spec.content_faults_max.map(ContentFaults::new),
            routes: spec.routes,
            group_by: spec.group_by,
            requirements,
            stats,
            block_bytes: AtomicUsize::new(0),
            faults,
            emitting,
            ticks: Ticks::default(),
            me: Weak::clone(me),
            last_fault: Arc::default(),
            shadowed: AtomicBool::new(false),
            shadow: Mutex::default(),
        }))
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.pool.start.plugin
    }

    pub fn requirements(&self) -> &Requirements {
        &self.requirements
    }

    /// The columns that the plugin asked for; `None`: it does not take this signal, and [`process`](Stage::process) leaves
    /// such batches alone. For the pipeline's `Projection`, so that parsing and projecting are one pass.
    pub fn columns(&self, signal: Signal) -> Option<&[ColumnRequest]> {
        self.requirements.input(signal).map(|input| input.columns.as_slice())
    }

    /// The route sets that the plugin may return, each a list of names from [`StageSpec::routes`]. Set `i` is number
    /// `route_base + i` in a batch's `Routes`. An empty set goes nowhere, and is not a drop.
    pub fn route_sets(&self) -> &[Vec<String>] {
        &self.requirements.route_sets
    }

    /// Where the new records of its plugin go; without one they go nowhere. Once, before it serves.
    pub fn set_emissions(&self, sink: Arc<dyn EmissionSink>) {
        self.emitting.set(sink);
    }

    /// The tables that it was given, by the names that its plugin asks them by; those that the plugin did not name too.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &Arc<Table>)> {
        self.pool.start.tables.configured()
    }

    pub fn stats(&self) -> &StageStats {
        &self.stats
    }

    /// What the host keeps for it; `None`: its plugin does not use `state`.
    pub fn state(&self) -> Option<StateSize> {
        self.pool.start.state.size()
    }

    /// Instances that what the plugin holds is divided among: 1 but for scope `keyed`.
    pub fn shards(&self) -> usize {
        1 + self.more_shards.len()
    }

    pub(crate) fn pools(&self) -> impl Iterator<Item = &Pool> {
        std::iter::once(&self.pool).chain(&self.more_shards)
    }

    pub(crate) fn pool_of(&self, shard: usize) -> &Pool {
        shard.checked_sub(1).and_then(|more| self.more_shards.get(more)).unwrap_or(&self.pool)
    }

    /// Where its breaker stands; closed where there is none.
    pub fn breaker(&self) -> BreakerState {
        self.breaker.as_ref().map(Breaker::state).unwrap_or_default()
    }

    /// Lets the plugin decide about the selected rows: applies edits, narrows the selection, sets routes. The rows that are to be
    /// diverted are returned, as another branch of the batch, and were not changed here.
    ///
    /// `route_base` is where the pipeline counts this stage's route sets from. `Err` when a slice faulted and the policy is
    /// `reject`, or when no instance came free in time: the batch is then as it was, and the refusal says whether to try
    /// again. A call that was started goes on to its end or deadline even if this future is dropped.
    pub async fn process(
        &self,
        batch: &mut TelemetryBatch,
        route_base: u16,
    ) -> Result<Option<TelemetryBatch>, Refusal> {
        let _entered = match self.enter(batch).await? {
            Entered::Here(here) => here,
            // No batch sees two: what was pinned to this stage, and came too late for it, is decided about by the next alone.
            Entered::Next(next) => return Box::pin(next.process(batch, route_base)).await,
        };
        let copied = self.copy(batch);
        let result = self.process_slices(batch, route_base).await;
        if let Some(copied) = copied {
            copied.decide(self.route_sets(), result.is_ok().then_some(&*batch), route_base);
        }
        result
    }

    /// For a stage that no batch comes to any more: asks each instance once for what it holds (`flush`), where the plugin says that it
    /// holds something, and drops them. What goes wrong is counted and logged as a fault. Lasts as long as the calls that still run, and
    /// then at most as long as a call may.
    pub async fn end(&self) {
        self.ticks.end().await;
        // What was handed over is its successor's to tell of.
        let flushes = self.requirements.uses.flush && !self.has_handed_over();
        let mut flushing = JoinSet::new();
        for pool in self.pools() {
            let Some(emptied) = pool.empty().await else { continue };
            for mut instance in emptied.instances {
                // It ends, and nothing comes after it: that is not a loss.
                instance.forget();
                if flushes {
                    flushing.spawn(self.flusher().flush(instance));
                }
            }
        }
        while flushing.join_next().await.is_some() {}
    }

    /// What it takes to flush an instance, on a task of its own.
    fn flusher(&self) -> Flusher {
        Flusher {
            host: Arc::clone(&self.host),
            start: Arc::clone(&self.pool.start),
            faults: Arc::clone(&self.faults),
            emitting: Arc::clone(&self.emitting),
            requirements: self.requirements.clone(),
            last_fault: Arc::clone(&self.last_fault),
        }
    }

    /// What the plugin asked for, in words.
    pub fn wants(&self) -> Wants {
        Wants::of(&self.requirements)
    }

    /// The newest failed call, with all that is known of it: a refusal that `process` returns has its first line.
    pub fn last_fault(&self) -> Option<Fault> {
        self.last_fault.lock().clone()
    }

    pub(crate) fn set_shadow(&self, shadow: Option<Arc<Shadow>>) {
        let mut place = self.shadow.lock();
        self.shadowed.store(shadow.is_some(), Relaxed);
        *place = shadow;
    }

    fn copy(&self, batch: &TelemetryBatch) -> Option<Copied> {
        let shadow = self.shadowed.load(Relaxed).then(|| self.shadow.lock().clone()).flatten();
        shadow?.copy(batch)
    }

    async fn process_slices(
        &self,
        batch: &mut TelemetryBatch,
        route_base: u16,
    ) -> Result<Option<TelemetryBatch>, Refusal> {
        let Some(input) = self.requirements.input(batch.signal()) else { return Ok(None) };
        if batch.selection().is_empty() {
            return Ok(None);
        }
        let limits = &self.pool.start.limits;
        let arrays = batch.columns(&input.columns);
        let (base, context) = (Arc::clone(batch.base()), Arc::clone(batch.context()));
        let cut = match (&self.group_by, self.requirements.uses.groups) {
            (Some(by), _) => {
                let (rows_max, bytes_max) = (limits.rows_max.get() as usize, limits.column_bytes_max.get());
                let sizing = Sizing::new(&arrays, &input.columns, batch.selection().count(), bytes_max);
                Cut::of_groups(Groups::of(batch, by).slices(&sizing, rows_max))
            }
            (None, false) => cut(Runs::of(batch.selection()), input, &arrays, &context, self.shards(), limits),
            (None, true) => {
                return Err(Refusal::new(RefusalKind::Internal, RequirementsError::NoGroupBy.to_string()));
            }
        };
        let gathered = batch.gathered.unwrap_or_default();
        let slices = &cut.slices;
        let mut held = Held { stage: self, shard: 0, lease: None };
        let mut decisions = SmallVec::<[Decision; 1]>::with_capacity(slices.len());
        let mut edited_rows = 0;
        for (number, rows) in slices.iter().enumerate() {
            held.change_to(cut.shard(number));
            let starts = cut.starts(number);
            self.stats.rows_in.fetch_add(rows.count() as u64, Relaxed);
            let permit = match self.breaker.as_ref().map(|breaker| breaker.admit(Instant::now())).transpose() {
                Ok(permit) => permit,
                Err(closed) => {
                    decisions.push(self.instead_of_call(closed, rows.count() as u64)?);
                    continue;
                }
            };
            let capacity = self.block_bytes.load(Relaxed);
            let groups = Grouped { count: starts.map_or(0, |starts| starts.len().saturating_sub(1)), gathered };
            let block = gather::gather(input, &arrays, rows, |name| context.metadata(name), groups, capacity)
                .map_err(|error| Refusal::new(RefusalKind::TooLarge, error.to_string()))?;
            self.block_bytes.store(block.len(), Relaxed);
            let mut subject = Subject::new(&self.requirements, input, &arrays, rows, slices.len() == 1);
            subject.edited_rows_max -= edited_rows;
            subject.groups = starts;
            subject.index = Some(batch.index());
            let decided = self.decide(&mut held, &subject, block).await;
            if let (Some(permit), Err(Undecided::Fault(_)) | Ok(_)) = (permit, &decided) {
                let faulted = matches!(&decided, Err(Undecided::Fault(fault)) if fault.kind != FaultKind::Refused);
                self.turned(permit.end(Instant::now(), faulted));
            }
            let decision = match decided {
                Ok(decision) => decision,
                Err(Undecided::Refused(refusal)) => return Err(refusal),
                Err(Undecided::Fault(fault)) => self.after(&fault, &base)?,
            };
            edited_rows += decision.edited_rows;
            decisions.push(decision);
            if decisions.len() < slices.len() {
                // A large request of many slices gives way to others between them.
                tokio::task::yield_now().await;
            }
        }
        self.edit(batch, &mut decisions, &mut held)?;
        let diverted = self.select(batch, &cut, &decisions);
        set_routes(batch, slices, &decisions, route_base);
        // Not before everything else of the verdicts is in force: who is refused sends the same rows again.
        for decision in decisions {
            self.emitting.emit(decision.emitted, &context);
        }
        Ok(diverted)
    }

    /// Calls the plugin with a slice and checks its verdict. `held` has the instance from slice to slice.
    async fn decide(&self, held: &mut Held<'_>, subject: &Subject<'_>, block: Vec<u8>) -> Result<Decision, Undecided> {
        let taken = match held.lease.take() {
            Some(lease) => lease,
            None => self.take(held.pool()).await?,
        };
        let rows = subject.rows.count() as u32;
        let groups = subject.groups.map(groups::encode).unwrap_or_default();
        let called = taken.process(&self.host, &self.pool.start, subject.signal.into(), rows, groups, block).await;
        let Called { lease: left, outgrown, answer: verdict, took } =
            called.map_err(|lost| Undecided::Fault(lost.into()))?;
        self.stats.called(took);
        let decision = verdict.and_then(|verdict| Decision::check(verdict, subject));
        if decision.as_ref().err().is_none_or(|fault| fault.kind.instance_survives()) {
            held.lease = left;
            if let Some(outgrown) = outgrown {
                self.retire(outgrown, held.pool());
            }
        }
        decision.map_err(Undecided::Fault)
    }

    async fn take(&self, pool: &Pool) -> Result<Lease, Undecided> {
        let accept =
            |raw: types::Requirements| match Requirements::check(&raw, self.routes.as_deref(), &self.pool.start.tables)
            {
                Ok(requirements) if requirements == self.requirements => Ok(()),
                _ => Err(StartError::Fault(Fault::bad_output(RequirementsError::Differs.to_string()))),
            };
        let unavailable = |reason: String| {
            Undecided::Refused(Refusal::new(RefusalKind::Unavailable, format!("`{}`: {reason}", self.name)))
        };
        match pool.take(&self.host, accept).await {
            Ok(Taken::Idle(lease)) => Ok(lease),
            Ok(Taken::New(lease)) => self.with_kept(lease, pool).await,
            Err(TakeError::Busy) => Err(unavailable("all instances of the plugin are busy".to_owned())),
            Err(TakeError::Start(StartError::NoRoom(reason))) => Err(unavailable(reason)),
            Err(TakeError::Start(StartError::Fault(fault))) => Err(Undecided::Fault(fault)),
            // It took the same configuration before.
            Err(TakeError::Start(StartError::Config(reason))) => {
                Err(Undecided::Fault(Fault::bad_output(format!("{}: {reason}", RequirementsError::Differs))))
            }
        }
    }

    /// Counts and logs a fault, and says what becomes of its slice.
    fn after(&self, fault: &Fault, base: &WireBatch) -> Result<Decision, Refusal> {
        self.stats.faulted(fault);
        self.faults.write(Level::Warn, &fault.to_string());
        *self.last_fault.lock() = Some(fault.clone());
        self.policy(|| {
            let message = fault.message.lines().next().unwrap_or_default();
            let message = &message[..message.floor_char_boundary(CLIENT_MESSAGE_BYTES_MAX)];
            let reason = format!("plugin `{}` failed ({}): {message}", self.name, fault.kind.label());
            let enough =
                self.content.as_ref().zip(base.request()).and_then(|(content, request)| content.is_enough(request));
            match enough {
                Some(faults) => {
                    self.stats.rows_given_up.fetch_add(base.rows() as u64, Relaxed);
                    let why =
                        format!("{reason}; it failed {faults} times on this request, which is not to be sent again");
                    self.faults.write(Level::Error, &why);
                    Refusal::new(RefusalKind::Invalid, why)
                }
                None => Refusal::new(RefusalKind::Unavailable, reason),
            }
        })
    }

    /// What becomes of a slice whose call failed, or was not made. `refusal` is asked for where the policy is to refuse.
    fn policy(&self, refusal: impl FnOnce() -> Refusal) -> Result<Decision, Refusal> {
        match self.on_fault {
            OnFault::Pass => Ok(Decision::untouched(Keep::All)),
            OnFault::Drop => Ok(Decision::untouched(Keep::None)),
            OnFault::Divert => Ok(Decision::diverted()),
            OnFault::Reject => Err(refusal()),
        }
    }

    /// The breaker is open: the policy decides without a call.
    fn instead_of_call(&self, closed: Closed, rows: u64) -> Result<Decision, Refusal> {
        self.stats.rows_uncalled.fetch_add(rows, Relaxed);
        self.policy(|| {
            let reason = format!("plugin `{}` is not called for a while: it failed too often", self.name);
            Refusal { retry_after: Some(closed.pause), ..Refusal::new(RefusalKind::Unavailable, reason) }
        })
    }

    /// Tells the log that the breaker opened or closed: at most once for each pause.
    fn turned(&self, turned: Option<Turned>) {
        let stage = &*self.name;
        match turned {
            Some(Turned::Opened { pause }) => {
                self.stats.breaker_opened.fetch_add(1, Relaxed);
                let pause_ms = pause.as_millis() as u64;
                tracing::error!(stage, pause_ms, policy = ?self.on_fault, "the plugin fails too often and is not called for a while");
            }
            Some(Turned::Shut) => tracing::info!(stage, "the plugin works again"),
            None => {}
        }
    }

    /// Applies the edits of all slices, in their order. A slice whose edits cannot be made is one that faulted.
    fn edit(&self, batch: &mut TelemetryBatch, decisions: &mut [Decision], held: &mut Held<'_>) -> Result<(), Refusal> {
        let all: Vec<Edit> = match decisions {
            [only] => std::mem::take(&mut only.edits),
            _ => decisions.iter().flat_map(|decision| decision.edits.iter().cloned()).collect(),
        };
        let Err(error) = batch.edit(&all) else { return Ok(()) };
        // The instance that answered so is not called again.
        held.lease = None;
        self.turned(self.breaker.as_ref().and_then(|breaker| breaker.fault(Instant::now())));
        let base = Arc::clone(batch.base());
        match decisions {
            [only] => *only = self.after(&Fault::bad_output(error.to_string()), &base)?,
            // Nothing may be applied of a batch that is refused.
            [first, ..] if self.on_fault == OnFault::Reject => {
                *first = self.after(&Fault::bad_output(error.to_string()), &base)?
            }
            // Which slices are to blame only shows when each is tried alone.
            _ => {
                for decision in decisions {
                    if let Err(error) = batch.edit(&std::mem::take(&mut decision.edits)) {
                        *decision = self.after(&Fault::bad_output(error.to_string()), &base)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Narrows the batch to the rows that stay. Returns those that go elsewhere.
    fn select(&self, batch: &mut TelemetryBatch, cut: &Cut, decisions: &[Decision]) -> Option<TelemetryBatch> {
        let before = batch.selection().count();
        let diverted = decisions.iter().any(|decision| decision.diverted).then(|| {
            let diverts = |decision: &Decision| if decision.diverted { Keep::All } else { Keep::None };
            let diverted: Vec<Keep> = decisions.iter().map(diverts).collect();
            // A branch that has them, before this one has not.
            let mut branch = batch.fork();
            branch.select(selection(batch.selection(), cut, diverted.iter()));
            branch
        });
        if decisions.iter().any(|decision| !matches!(decision.keep, Keep::All)) {
            let kept = decisions.iter().map(|decision| &decision.keep);
            batch.select(selection(batch.selection(), cut, kept));
        }
        let (after, elsewhere) =
            (batch.selection().count(), diverted.as_ref().map_or(0, |branch| branch.selection().count()));
        self.stats.rows_kept.fetch_add(after as u64, Relaxed);
        self.stats.rows_diverted.fetch_add(elsewhere as u64, Relaxed);
        self.stats.rows_dropped.fetch_add(before.saturating_sub(after + elsewhere) as u64, Relaxed);
        diverted
    }
}

impl Held<'_> {
    fn pool(&self) -> &Pool {
        self.stage.pool_of(self.shard)
    }

    /// Goes on with an instance of this shard.
    fn change_to(&mut self, shard: usize) {
        if self.shard != shard {
            self.give_back();
            self.shard = shard;
        }
    }

    fn give_back(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        // Ticks passed it by while it was busy.
        let due = self.stage.requirements.tick.is_some() && self.pool().is_due(&lease.instance);
        let kept = self.stage.answered(&lease, self.pool());
        // A runtime that ends calls nobody any more.
        match ((due || kept).then(|| self.stage.me.upgrade()).flatten(), Handle::try_current()) {
            (Some(stage), Ok(runtime)) => {
                let shard = self.shard;
                runtime.spawn(async move {
                    // What is due for both is asked when it comes back the next time.
                    if due { stage.tick_lease(lease, shard).await } else { stage.keep(lease, shard).await }
                });
            }
            _ => self.pool().put(lease.instance),
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Flusher {
    /// Flushes and drops an instance.
    async fn flush(self, instance: Box<Instance>) {
        let records = match instance.flush(&self.host, &self.start).await {
            Ok(emitted) => emission::check_aside(emitted, &self.requirements).await,
            Err(fault) => Err(fault),
        };
        match records {
            Ok(records) => self.emitting.emit(records, &Arc::new(RequestContext::default())),
            Err(fault) => {
                self.start.stats.faulted(&fault);
                self.faults.write(Level::Warn, &format!("`flush` failed: {fault}"));
                *self.last_fault.lock() = Some(fault);
            }
        }
    }
}

impl From<Signal> for types::Signal {
    fn from(signal: Signal) -> types::Signal {
        match signal {
            Signal::Traces => types::Signal::Traces,
            Signal::Metrics => types::Signal::Metrics,
            Signal::Logs => types::Signal::Logs,
        }
    }
}
