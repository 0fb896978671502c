//! The data path, whole: what happens to a batch between its receiver and its exporters' queues.
//!
//! ```text
//!  receiver ─► parse ─┬─► pipeline: stage ─► batcher ─► stage ─► split ─┬─► outlet (queue, retry) ─► exporter
//!                     │                                                  ├─► outlet
//!                     │                                                  └─► pipeline (connector, route) …
//!                     └─► pipeline …
//! ```
//!
//! [`accept`] is that path from the receiver's side and [`Pipeline::run`] one pipeline's part of it. A batch runs to completion
//! on one task: nothing between here and the outlets waits, except a stage for its plugin, and a `batch` processor, from which
//! the rows of several go on as one on a task of its own. Each step stands where it does for the reason beside it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use arrow_buffer::BooleanBufferBuilder;
use bytes::Bytes;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use wasmill_batch::{Ack, Acked, Outcome, ROUTE_DEFAULT, Refusal, RefusalKind, RequestContext, Routes, TelemetryBatch};
use wasmill_config::{PipelineId, RouteTarget};
use wasmill_host::Stage;
use wasmill_wire::{Change, Edit, Path, Projection, Rows, Selection, Signal, WireBatch, encoded_len};

use crate::ack_point::AckPoint;
use crate::batcher::{Arriving, Batcher};
use crate::generation::Generation;
use crate::grouper::{Grouper, Passed};
use crate::memory_limiter::MemoryLimiter;
use crate::outlet::Outlet;
use crate::tap::{Routing, Taps};
use crate::telemetry::{LimiterMetrics, Tracing};

/// One signal's pipelines behind one receiver, in one generation.
pub struct Inlet {
    /// What their stages want to see: parsed and projected in one pass.
    pub projection: Projection,
    /// What may refuse a request before it is looked into.
    pub guards: Vec<Arc<MemoryLimiter>>,
    /// At least one.
    pub pipelines: Vec<Arc<Pipeline>>,
}

/// Steps and where they lead. Immutable: another plugin or configuration makes another pipeline.
pub struct Pipeline {
    pub id: PipelineId,
    pub steps: Vec<Step>,
    /// Each once: the pipeline's own first, then those that only routes lead to.
    pub targets: Vec<Target>,
    /// How many of them are the pipeline's own: where rows go that no stage has routed.
    pub own: usize,
    /// For each route set of each stage, in order: numbers in `targets`, ascending.
    pub routes: Vec<Vec<usize>>,
    /// The same by name, to compare with another generation's.
    pub route_targets: Vec<Vec<RouteTarget>>,
    pub ack_point: AckPoint,
    /// What its targets promise, where it does not wait for that.
    pub promised: AckPoint,
    /// Who looks at what goes through.
    pub taps: Arc<Taps>,
    /// The gateway's own spans.
    pub tracing: Tracing,
}

/// Where rows go at a pipeline's end.
#[derive(Clone)]
pub enum Target {
    Outlet(Arc<Outlet>),
    /// On, by a connector or a route.
    Pipeline(Arc<Pipeline>),
}

pub enum Step {
    Stage(PipelineStage),
    /// Before the stage that it is for.
    Group(Arc<Grouper>),
    Batch(Arc<Batcher>),
    Limit(LimitStep),
    /// Of a connector: all rows of a request that the rule is true for take the route of that number.
    Request(RequestRule, u16),
}

/// Whether one of the request's headers of a name has a value, or none has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestRule {
    /// In lower case.
    pub key: Arc<str>,
    pub equal: bool,
    pub value: Arc<str>,
}

impl RequestRule {
    fn is_true(&self, context: &RequestContext) -> bool {
        let mut values = context.metadata.iter().filter(|(name, _)| **name == *self.key);
        values.any(|(_, value)| **value == *self.value) == self.equal
    }
}

pub struct LimitStep {
    pub limiter: Arc<MemoryLimiter>,
    pub metrics: LimiterMetrics,
}

pub struct PipelineStage {
    pub stage: Arc<Stage>,
    /// Number in `Pipeline::routes` of the stage's first route set.
    pub route_base: u16,
    /// Numbers in `Pipeline::targets` of where rows go that the plugin failed on, where they are to be diverted.
    pub divert: Vec<usize>,
    /// What stands before it, where it decides about groups.
    pub grouper: Option<Arc<Grouper>>,
}

/// Before the name of a connector, in the names of the pipelines that are its table. No pipeline of a configuration has a space in its name.
pub const CONNECTOR_PREFIX: &str = "connector ";

/// The connector that a pipeline is of; `None`: it is one of the configuration.
pub fn connector(pipeline: &PipelineId) -> Option<&str> {
    let (connector, _number) = pipeline.name()?.strip_prefix(CONNECTOR_PREFIX)?.rsplit_once(' ')?;
    Some(connector)
}

/// A request on its way in, whichever way it came.
#[derive(Debug)]
pub struct Incoming {
    pub signal: Signal,
    /// An `Export…ServiceRequest`. It owns its part of the process's budget.
    pub payload: Bytes,
    pub context: RequestContext,
}

/// A request that was taken: who waits for it, and what was left out.
pub struct Taken {
    /// Rows that were taken, and that the ack is about.
    pub rows: u64,
    pub acked: Acked,
    /// Rows that were refused for good: spans with ids of a wrong length.
    pub rejected: u64,
    /// Log records whose ids had a wrong length and were cleared.
    pub cleared: u64,
}

/// Takes a request through every pipeline that its receiver feeds.
///
/// Runs on a task of its own: a client that goes away takes nothing with it. Returns when the stages are done and the outlets
/// have the batch; the ack says what became of it.
pub async fn accept(generation: &Arc<Generation>, inlet: &Inlet, request: Incoming) -> Result<Taken, Refusal> {
    // Where memory is short nothing more is made of a request than an answer.
    inlet.guards.iter().try_for_each(|guard| guard.admit())?;
    // Validate before anything else looks at the bytes: from here on a record is known to be well-formed. The columns that
    // stages want come out of the same pass, because the bytes are in the cache now.
    let parsed = WireBatch::parse(request.signal, request.payload, &inlet.projection);
    let base = Arc::new(parsed.map_err(|error| Refusal::new(RefusalKind::Invalid, error.to_string()))?);
    let (ack, acked) = Ack::new();
    let mut batch = TelemetryBatch::new(base, Arc::new(request.context), ack);

    // Ids of a wrong length are valid protobuf that no backend can store. Settled before any plugin sees a row, so that none
    // has to think of them.
    let IdsSettled { rejected, cleared } = settle_ids(&mut batch)?;
    let taken = Taken { rows: batch.selection().count() as u64, acked, rejected, cleared };

    // Fork for each further pipeline: they share the base and its columns, and nothing else. Each runs on a task of its own,
    // so that a slow plugin in one does not hold up the others.
    let Some((last, others)) = inlet.pipelines.split_last() else {
        return Err(Refusal::new(RefusalKind::Internal, "an inlet without pipelines"));
    };
    for pipeline in others {
        let (pipeline, batch, pin) = (Arc::clone(pipeline), batch.fork(), Arc::clone(generation));
        tokio::spawn(async move {
            pipeline.run(batch, &pin).await;
        });
    }
    last.run(batch, generation).await;
    Ok(taken)
}

struct IdsSettled {
    rejected: u64,
    cleared: u64,
}

/// Takes out spans whose ids have a wrong length, and clears the ids of such log records.
fn settle_ids(batch: &mut TelemetryBatch) -> Result<IdsSettled, Refusal> {
    let base = Arc::clone(batch.base());
    let wrong = &base.id_faults().wrong_length;
    let count = wrong.len() as u64;
    match batch.signal() {
        _ if wrong.is_empty() => Ok(IdsSettled { rejected: 0, cleared: 0 }),
        Signal::Traces => {
            let mut kept = BooleanBufferBuilder::new(base.rows());
            kept.append_n(base.rows(), true);
            wrong.iter().for_each(|&row| kept.set_bit(row as usize, false));
            batch.select(Selection::from_bits(kept.finish()));
            Ok(IdsSettled { rejected: count, cleared: 0 })
        }
        Signal::Logs | Signal::Metrics => {
            let clear = |path: &str| -> Result<Edit, String> {
                let path = Path::parse(batch.signal(), path).map_err(|error| error.to_string())?;
                Ok(Edit { path, rows: Rows::Numbers(wrong.as_slice().into()), change: Change::Remove })
            };
            let edits = clear("trace_id").and_then(|trace| Ok([trace, clear("span_id")?]));
            let cleared = edits.and_then(|edits| batch.edit(&edits).map_err(|error| error.to_string()));
            // The paths are ours: an error here is one of the gateway's.
            cleared.map_err(|reason| Refusal::new(RefusalKind::Internal, reason))?;
            Ok(IdsSettled { rejected: 0, cleared: count })
        }
    }
}

impl Target {
    /// What it promises to whoever sent a row.
    pub fn ack_point(&self) -> AckPoint {
        match self {
            Target::Outlet(outlet) => outlet.ack_point(),
            Target::Pipeline(pipeline) => pipeline.ack_point,
        }
    }

    /// An exporter's, a pipeline's, or a connector's.
    fn name(&self) -> String {
        match self {
            Target::Outlet(outlet) => outlet.name().to_string(),
            Target::Pipeline(pipeline) => match connector(&pipeline.id) {
                Some(connector) => connector.to_owned(),
                None => pipeline.id.to_string(),
            },
        }
    }

    fn waits(&self) -> bool {
        match self {
            Target::Outlet(outlet) => outlet.waits(),
            Target::Pipeline(_) => true,
        }
    }

    /// Takes a part of a batch, in the generation that this target is of.
    async fn take(&self, batch: TelemetryBatch, generation: &Arc<Generation>) {
        match self {
            Target::Outlet(outlet) => outlet.submit(batch).await,
            Target::Pipeline(pipeline) => pipeline.run(batch, generation).await,
        }
    }
}

impl Step {
    fn stage(&self) -> Option<&PipelineStage> {
        match self {
            Step::Stage(stage) => Some(stage),
            Step::Group(_) | Step::Batch(_) | Step::Limit(_) | Step::Request(..) => None,
        }
    }
}

impl Pipeline {
    /// Takes a batch through all steps to the outlets, and sees to it that its ack is resolved.
    pub async fn run(&self, batch: TelemetryBatch, generation: &Arc<Generation>) {
        self.taps.arrived(&self.id, &batch, generation.number);
        self.run_from(0, batch, generation).await;
    }

    /// The same from a step on. `generation` is this pipeline's.
    pub fn run_from<'a>(
        &'a self,
        first: usize,
        mut batch: TelemetryBatch,
        generation: &'a Arc<Generation>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            // A batcher that holds acks waits for those that may still come, and no longer.
            let mut arriving = self.arriving(first);
            for (number, step) in self.steps.iter().enumerate().skip(first) {
                // Nothing is left to decide about; the rest of the stages would be called for no rows.
                if batch.selection().is_empty() {
                    break;
                }
                match step {
                    // A stage that fails under `on_fault: reject` has changed nothing, and the sender is told to try again.
                    Step::Stage(step @ PipelineStage { stage, route_base, divert, grouper }) => {
                        // Somebody may want to see what it changes.
                        let tapped = self.taps.before(&self.id, stage, &batch);
                        let asked = grouper.as_ref().map(|grouper| grouper.ask(&batch));
                        let decided = self.process(stage, &mut batch, *route_base).await;
                        if let Some(tapped) = tapped {
                            tapped.decided(&batch, &decided, generation.number, self.routing(step));
                        }
                        match (decided, grouper) {
                            (Ok(diverted), _) => {
                                if let Some((grouper, asked)) = grouper.as_ref().zip(asked) {
                                    grouper.learn(asked, &batch, diverted.as_ref());
                                }
                                // Rows that it failed on leave here, as they are: later stages might route them elsewhere.
                                if let Some(branch) = diverted {
                                    self.divert(branch, divert, generation).await;
                                }
                            }
                            // Nobody would send again what has waited for its groups: it goes back there.
                            (Err(refusal), Some(grouper)) => return grouper.refused(batch, refusal),
                            (Err(refusal), None) => return batch.resolve(Outcome::Refused(refusal)),
                        }
                    }
                    // What waits for its group goes on later, on a task of its own.
                    Step::Group(grouper) => {
                        let Passed { undecided, decided } = grouper.take(batch);
                        for (step, batch) in [(number + 1, undecided), (number + 2, decided)] {
                            if let Some(batch) = batch {
                                self.run_from(step, batch, generation).await;
                            }
                        }
                        return;
                    }
                    Step::Request(rule, route) if rule.is_true(batch.context()) => batch.routes = Routes::All(*route),
                    Step::Request(..) => {}
                    Step::Limit(LimitStep { limiter, metrics }) => {
                        let rows = batch.selection().count() as u64;
                        if let Err(refusal) = limiter.admit() {
                            metrics.refused(rows);
                            return batch.resolve(Outcome::Refused(refusal));
                        }
                        metrics.accepted(rows);
                    }
                    // What it keeps goes on later, on a task of its own. What it does not keep goes on here.
                    Step::Batch(batcher) => {
                        for batch in batcher.take(batch, arriving.take()) {
                            self.run_from(number + 1, batch, generation).await;
                        }
                        return;
                    }
                }
            }
            drop(arriving);
            self.deliver(batch, generation).await;
        })
    }

    /// Asks a stage, as a span where the request has one. As [`Stage::process`].
    async fn process(
        &self,
        stage: &Stage,
        batch: &mut TelemetryBatch,
        route_base: u16,
    ) -> Result<Option<TelemetryBatch>, Refusal> {
        let (name, signal) = (stage.name(), batch.signal());
        let span = self.tracing.child(batch.context(), SpanKind::Internal, || format!("processor/{name}/{signal}"));
        let Some(mut span) = span else { return stage.process(batch, route_base).await };
        span.text("processor", name);
        span.text("pipeline", &self.id.to_string());
        span.count("incoming_items", batch.selection().count() as u64);
        let decided = stage.process(batch, route_base).await;
        span.count("outgoing_items", batch.selection().count() as u64);
        span.end(decided.as_ref().err().map(|refusal| &*refusal.reason));
        decided
    }

    /// When a client is answered, in words that follow "when their data is".
    pub fn answered_when(&self) -> String {
        let batchers = self.batchers().filter(|(_, batcher)| !batcher.spec().holds_acks);
        let batchers = batchers.map(|(number, batcher)| (number, batcher.name()));
        let first = self.groupers().map(|(number, grouper)| (number, grouper.name())).chain(batchers).min();
        match first {
            Some((_, name)) => format!("in memory, in `{name}`"),
            None => self.ack_point.to_string(),
        }
    }

    fn arriving(&self, first: usize) -> Option<Arriving> {
        self.batchers().find(|(number, _)| *number >= first)?.1.arriving()
    }

    pub fn stages(&self) -> impl Iterator<Item = &PipelineStage> {
        self.steps.iter().filter_map(Step::stage)
    }

    /// Those that see a request as it came.
    pub fn stages_before_batching(&self) -> impl Iterator<Item = &PipelineStage> {
        let before = self.steps.iter().take_while(|step| !matches!(step, Step::Batch(_) | Step::Group(_)));
        before.filter_map(Step::stage)
    }

    /// Those that it leads to.
    pub fn next(&self) -> impl Iterator<Item = &Arc<Pipeline>> {
        self.targets.iter().filter_map(|target| match target {
            Target::Pipeline(pipeline) => Some(pipeline),
            Target::Outlet(_) => None,
        })
    }

    /// Each with its number in `steps`.
    pub fn batchers(&self) -> impl Iterator<Item = (usize, &Arc<Batcher>)> {
        self.steps.iter().enumerate().filter_map(|(number, step)| match step {
            Step::Batch(batcher) => Some((number, batcher)),
            Step::Stage(_) | Step::Group(_) | Step::Limit(_) | Step::Request(..) => None,
        })
    }

    /// The same of groupers.
    pub fn groupers(&self) -> impl Iterator<Item = (usize, &Arc<Grouper>)> {
        self.steps.iter().enumerate().filter_map(|(number, step)| match step {
            Step::Group(grouper) => Some((number, grouper)),
            Step::Stage(_) | Step::Batch(_) | Step::Limit(_) | Step::Request(..) => None,
        })
    }

    /// Sends a branch away that a plugin failed on.
    async fn divert(&self, branch: TelemetryBatch, to: &[usize], generation: &Arc<Generation>) {
        let targets: Vec<&Target> = to.iter().filter_map(|&number| self.targets.get(number)).collect();
        let mut parts: Vec<TelemetryBatch> = targets.iter().skip(1).map(|_| branch.fork()).collect();
        parts.push(branch);
        for (target, mut part) in targets.into_iter().zip(parts) {
            part.routes = Routes::Default;
            if target.waits() {
                // Those that the plugin did decide about do not wait for these.
                let (target, pin) = (target.clone(), Arc::clone(generation));
                tokio::spawn(async move { target.take(part, &pin).await });
            } else {
                target.take(part, generation).await;
            }
        }
    }

    /// Where rows go behind a stage, in names.
    fn routing(&self, stage: &PipelineStage) -> Routing {
        let names = |numbers: &[usize]| -> Vec<String> {
            numbers.iter().filter_map(|&number| self.targets.get(number)).map(Target::name).collect()
        };
        Routing {
            route_base: stage.route_base,
            sets: stage.stage.route_sets().to_vec(),
            to: self.routes.iter().map(|to| names(to)).collect(),
            own: self.targets.iter().take(self.own).map(Target::name).collect(),
            divert: names(&stage.divert),
        }
    }

    async fn deliver(&self, batch: TelemetryBatch, generation: &Arc<Generation>) {
        // Split once, after the last stage: until then rows that will part share columns and calls.
        let mut parts = self.split(batch);
        // What waits (for a backend, for room, for plugins of another pipeline) waits side by side; queues take a batch at once.
        let inline = parts.iter().rposition(|(target, _)| target.waits()).unwrap_or(0);
        let last = (inline < parts.len()).then(|| parts.swap_remove(inline));
        for (target, part) in parts {
            if target.waits() {
                let (target, pin) = (target.clone(), Arc::clone(generation));
                tokio::spawn(async move { target.take(part, &pin).await });
            } else {
                target.take(part, generation).await;
            }
        }
        if let Some((target, part)) = last {
            target.take(part, generation).await;
        }
    }

    /// The batch in parts, one for each target that rows lead to. A batch of which nothing is left is resolved as dropped.
    fn split(&self, mut batch: TelemetryBatch) -> Vec<(&Target, TelemetryBatch)> {
        // Parents that came without rows (a metric without points) survive where no row does.
        if batch.selection().is_empty() && encoded_len(batch.signal(), batch.index(), batch.selection()) == 0 {
            batch.resolve(Outcome::Dropped);
            return Vec::new();
        }
        let selections: Vec<(usize, Option<Selection>)> = match std::mem::take(&mut batch.routes) {
            // What is left are parents without rows, of which no stage has said where they go.
            _ if batch.selection().is_empty() => (0..self.own).map(|target| (target, None)).collect(),
            Routes::Default => (0..self.own).map(|target| (target, None)).collect(),
            Routes::All(route) => self.targets_of(route).map(|target| (target, None)).collect(),
            Routes::Rows(routes) => self.select_by_route(batch.selection(), &routes),
        };
        // A routing table without a default, or that copies: what no row takes goes nowhere.
        if selections.is_empty() {
            batch.resolve(Outcome::Dropped);
            return Vec::new();
        }
        let forks = selections.len().saturating_sub(1);
        let mut branches: Vec<TelemetryBatch> = (0..forks).map(|_| batch.fork()).collect();
        branches.push(batch);
        let parts = selections.into_iter().zip(branches).map(|((target, selection), mut branch)| {
            if let Some(selection) = selection {
                branch.select(selection);
            }
            (&self.targets[target], branch)
        });
        parts.collect()
    }

    /// Numbers in `targets` of where a route leads.
    fn targets_of(&self, route: u16) -> impl Iterator<Item = usize> + '_ {
        let set = (route != ROUTE_DEFAULT).then(|| self.routes.get(usize::from(route))).flatten();
        // A set without names says nothing about where a row goes; it is not a drop.
        let set = set.filter(|set| !set.is_empty());
        let own = if set.is_none() { 0..self.own } else { 0..0 };
        set.into_iter().flatten().copied().chain(own)
    }

    /// For each target that a selected row leads to, its rows.
    fn select_by_route(&self, selection: &Selection, routes: &[u16]) -> Vec<(usize, Option<Selection>)> {
        let mut bits: Vec<Option<BooleanBufferBuilder>> = (0..self.targets.len()).map(|_| None).collect();
        for row in selection.rows() {
            let route = routes.get(row).copied().unwrap_or(ROUTE_DEFAULT);
            for target in self.targets_of(route) {
                let bits = bits[target].get_or_insert_with(|| {
                    let mut bits = BooleanBufferBuilder::new(selection.len());
                    bits.append_n(selection.len(), false);
                    bits
                });
                bits.set_bit(row, true);
            }
        }
        let select = |mut bits: BooleanBufferBuilder| Some(Selection::from_bits(bits.finish()));
        bits.into_iter().enumerate().filter_map(|(target, bits)| Some((target, select(bits?)))).collect()
    }
}
