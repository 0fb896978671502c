//! A plugin with its configuration, in a pipeline.
//!
//! ```text
//!  selected rows ──slices──► gather ──► process ──► check ──┐ for each slice, in order
//!                                         │                 │
//!                                       fault ──on_fault────┤
//!                                                           ▼
//!                              edits, then selection, then routes: all of the batch at once
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use arrow_buffer::BooleanBufferBuilder;
use wasmill_batch::{Refusal, RefusalKind, Routes, TelemetryBatch};
use wasmill_wire::{ColumnRequest, Edit, Signal};

use crate::bindings::wasmill::plugin::host::Level;
use crate::bindings::wasmill::plugin::types;
use crate::host::HostInner;
use crate::instance::{Called, Instance, Lease, Start, StartError};
use crate::log::GuestLog;
use crate::pool::{Pool, TakeError};
use crate::slice::{Runs, slices};
use crate::verdict::{Decision, Keep, Route, Subject};
use crate::{Fault, Host, Limits, OnFault, Plugin, Requirements, RequirementsError, StageStats, gather};

/// What a stage is to be.
#[derive(Clone, Debug)]
pub struct StageSpec {
    /// The component's name in the configuration, for logs and metrics: `wasm/drop-health`.
    pub name: String,
    /// The stage's `config:` block.
    pub config: serde_json::Value,
    pub limits: Limits,
    pub on_fault: OnFault,
    /// Names that the plugin's route sets may use: those that `routes:` resolves. `None`: any, to look at a plugin.
    pub routes: Option<Vec<String>>,
}

/// Why a stage cannot be built. Whatever served before goes on serving.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The plugin's own words about its configuration.
    #[error("the plugin refuses its configuration: {reason}")]
    Config { reason: String },
    #[error("the plugin does not start: {0}")]
    Start(Fault),
    /// No room in the pool.
    #[error("the plugin cannot be instantiated: {reason}")]
    Instantiate { reason: String },
    #[error(transparent)]
    Requirements(#[from] RequirementsError),
}

/// A plugin in a pipeline: instances, limits, counts. Shared by all batches of a generation.
pub struct Stage {
    name: Arc<str>,
    host: Arc<HostInner>,
    pool: Pool,
    on_fault: OnFault,
    routes: Option<Vec<String>>,
    requirements: Requirements,
    stats: Arc<StageStats>,
    /// Of the last slice: the next is likely to be as large.
    block_bytes: AtomicUsize,
    /// Faults have a budget of lines beside the guest's own: a guest that floods its log cannot hide them.
    faults: Arc<GuestLog>,
}

/// Why a slice was not decided.
enum Undecided {
    /// The guest failed: the fault policy says what now.
    Fault(Fault),
    /// Not the guest's doing.
    Refused(Refusal),
}

/// The instance of a batch, from slice to slice; it goes back to the pool however this ends.
struct Held<'a> {
    pool: &'a Pool,
    lease: Option<Lease>,
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
            log: GuestLog::new(Arc::clone(&name)),
            stats: Arc::clone(&stats),
            config: spec.config.to_string(),
            limits: spec.limits.bounded(),
            lasts: AtomicBool::new(false),
        };
        let pool = Pool::new(Arc::new(start));
        let host = Arc::clone(&host.inner);
        let (instance, raw) = Instance::start(&host, &pool.start).await?;
        let requirements = Requirements::check(&raw, spec.routes.as_deref())?;
        pool.put(instance);
        let faults = GuestLog::new(Arc::clone(&name));
        let (on_fault, routes) = (spec.on_fault, spec.routes);
        let block_bytes = AtomicUsize::new(0);
        Ok(Arc::new(Stage { name, host, pool, on_fault, routes, requirements, stats, block_bytes, faults }))
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

    pub fn stats(&self) -> &StageStats {
        &self.stats
    }

    /// Lets the plugin decide about the selected rows: applies edits, narrows the selection, sets routes.
    ///
    /// `route_base` is where the pipeline counts this stage's route sets from. `Err` when a slice faulted and the policy is
    /// `reject`, or when no instance came free in time: the batch is then as it was, and the refusal says whether to try
    /// again. A call that was started goes on to its end or deadline even if this future is dropped.
    pub async fn process(&self, batch: &mut TelemetryBatch, route_base: u16) -> Result<(), Refusal> {
        let Some(input) = self.requirements.input(batch.signal()) else { return Ok(()) };
        if batch.selection().is_empty() {
            return Ok(());
        }
        let limits = &self.pool.start.limits;
        let arrays = batch.columns(&input.columns);
        let rows = Runs::of(batch.selection());
        let slices =
            slices(rows, &arrays, &input.columns, limits.rows_max.get() as usize, limits.column_bytes_max.get());
        let context = Arc::clone(batch.context());
        let mut held = Held { pool: &self.pool, lease: None };
        let mut decisions = Vec::with_capacity(slices.len());
        for rows in &slices {
            self.stats.rows_in.fetch_add(rows.count() as u64, Relaxed);
            let capacity = self.block_bytes.load(Relaxed);
            let block = gather::gather(input, &arrays, rows, |name| context.metadata(name), capacity)
                .map_err(|error| Refusal::new(RefusalKind::TooLarge, error.to_string()))?;
            self.block_bytes.store(block.len(), Relaxed);
            let subject = Subject::new(&self.requirements, input, &arrays, rows, slices.len() == 1);
            let decision = match self.decide(&mut held.lease, &subject, block).await {
                Ok(decision) => decision,
                Err(Undecided::Refused(refusal)) => return Err(refusal),
                Err(Undecided::Fault(fault)) => self.after(&fault)?,
            };
            decisions.push(decision);
            if decisions.len() < slices.len() {
                // A large request of many slices gives way to others between them.
                tokio::task::yield_now().await;
            }
        }
        self.edit(batch, &mut decisions, &mut held)?;
        self.select(batch, &slices, &decisions);
        set_routes(batch, &slices, &decisions, route_base);
        Ok(())
    }

    /// Calls the plugin with a slice and checks its verdict. `lease` holds the instance from slice to slice.
    async fn decide(
        &self,
        lease: &mut Option<Lease>,
        subject: &Subject<'_>,
        block: Vec<u8>,
    ) -> Result<Decision, Undecided> {
        let taken = match lease.take() {
            Some(lease) => lease,
            None => self.take().await?,
        };
        let rows = subject.rows.count() as u32;
        let called = taken.process(&self.host, &self.pool.start, subject.signal.into(), rows, block).await;
        let Called { lease: left, verdict, took } = called.map_err(|lost| Undecided::Fault(lost.into()))?;
        self.stats.called(took);
        let decision = verdict.and_then(|verdict| Decision::check(verdict, subject));
        if decision.as_ref().err().is_none_or(|fault| fault.kind.instance_survives()) {
            *lease = left;
        }
        decision.map_err(Undecided::Fault)
    }

    async fn take(&self) -> Result<Lease, Undecided> {
        let accept = |raw: types::Requirements| match Requirements::check(&raw, self.routes.as_deref()) {
            Ok(requirements) if requirements == self.requirements => Ok(()),
            _ => Err(StartError::Fault(Fault::bad_output(RequirementsError::Differs.to_string()))),
        };
        let unavailable = |reason: String| {
            Undecided::Refused(Refusal::new(RefusalKind::Unavailable, format!("`{}`: {reason}", self.name)))
        };
        match self.pool.take(&self.host, accept).await {
            Ok(lease) => Ok(lease),
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
    fn after(&self, fault: &Fault) -> Result<Decision, Refusal> {
        self.stats.faulted(fault);
        self.faults.write(Level::Warn, &fault.to_string());
        match self.on_fault {
            OnFault::Pass => Ok(Decision::untouched(Keep::All)),
            OnFault::Drop => Ok(Decision::untouched(Keep::None)),
            OnFault::Reject => {
                let message = fault.message.lines().next().unwrap_or_default();
                let message = &message[..message.floor_char_boundary(CLIENT_MESSAGE_BYTES_MAX)];
                let reason = format!("plugin `{}` failed ({}): {message}", self.name, fault.kind.label());
                Err(Refusal::new(RefusalKind::Unavailable, reason))
            }
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
        match decisions {
            [only] => *only = self.after(&Fault::bad_output(error.to_string()))?,
            // Nothing may be applied of a batch that is refused.
            [first, ..] if self.on_fault == OnFault::Reject => {
                *first = self.after(&Fault::bad_output(error.to_string()))?
            }
            // Which slices are to blame only shows when each is tried alone.
            _ => {
                for decision in decisions {
                    if let Err(error) = batch.edit(&std::mem::take(&mut decision.edits)) {
                        *decision = self.after(&Fault::bad_output(error.to_string()))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Narrows the batch to the rows that stay.
    fn select(&self, batch: &mut TelemetryBatch, slices: &[Runs], decisions: &[Decision]) {
        let before = batch.selection().count();
        if decisions.iter().any(|decision| !matches!(decision.keep, Keep::All)) {
            let mut bits = BooleanBufferBuilder::new(before);
            for (rows, decision) in slices.iter().zip(decisions) {
                match &decision.keep {
                    Keep::All => bits.append_n(rows.count(), true),
                    Keep::None => bits.append_n(rows.count(), false),
                    Keep::Rows(kept) => bits.append_buffer(kept),
                }
            }
            batch.select(batch.selection().narrow(&bits.finish()));
        }
        let after = batch.selection().count();
        self.stats.rows_kept.fetch_add(after as u64, Relaxed);
        self.stats.rows_dropped.fetch_add((before - after) as u64, Relaxed);
    }
}

/// Sets the routes of the rows of which the plugin said something.
fn set_routes(batch: &mut TelemetryBatch, slices: &[Runs], decisions: &[Decision], route_base: u16) {
    let numbered = |set: u16| route_base.saturating_add(set);
    match decisions {
        _ if decisions.iter().all(|decision| decision.route == Route::Unchanged) => {}
        [Decision { route: Route::All(set), .. }] => batch.routes = Routes::All(numbered(*set)),
        _ => {
            let mut routes = batch.routes.to_rows(batch.base().rows());
            for (rows, decision) in slices.iter().zip(decisions) {
                for (number, row) in rows.rows().enumerate() {
                    let set = match &decision.route {
                        Route::Unchanged => None,
                        Route::All(set) => Some(*set),
                        Route::Rows(sets) => sets.get(number).copied().flatten(),
                    };
                    if let (Some(set), Some(route)) = (set, routes.get_mut(row as usize)) {
                        *route = numbered(set);
                    }
                }
            }
            batch.routes = Routes::Rows(routes.into());
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.pool.put(lease.instance);
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

impl From<StartError> for BuildError {
    fn from(error: StartError) -> BuildError {
        match error {
            StartError::Config(reason) => BuildError::Config { reason },
            StartError::Fault(fault) => BuildError::Start(fault),
            StartError::NoRoom(reason) => BuildError::Instantiate { reason },
        }
    }
}
