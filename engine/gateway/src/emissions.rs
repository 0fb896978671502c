//! New records that plugins make: from the stage that made them into pipelines and exporters.
//!
//! ```text
//!  stage ──process, tick, flush──► Emitter ──► a batch of its own, with an ack of its own ──┬─► outlet
//!                                     │         in a pipeline without steps                 └─► pipeline
//!                                     └── the newest generation, whichever the stage is of
//! ```
//!
//! New records are a request that nobody sent. They take the generation that is the newest when they are made, so that what a stage
//! gives at its end, after a swap, goes where records go now. Nobody waits for them, and so nobody sends them again: a queue has
//! them, or they are lost, which is counted and said. What is on its way is bounded for each stage; above that, too, they are lost.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use parking_lot::RwLock;
use tokio::sync::watch;
use wasmill_batch::{Ack, Outcome, ROUTE_DEFAULT, Routes, TelemetryBatch};
use wasmill_config::{PipelineId, RouteTarget};
use wasmill_host::{EmissionSink, Emitted, Stage};
use wasmill_wire::Signal;

use crate::ack_point::AckPoint;
use crate::build::Built;
use crate::build::OutletId;
use crate::generation::Generation;
use crate::outlet::Outlet;
use crate::pipeline::{Pipeline, Target};
use crate::telemetry::Tracing;

/// Bytes of one stage's new records that are on their way to a queue or a backend. As much as one answer may become: what waits for
/// a backend that does not answer is not to fill the memory.
const IN_FLIGHT_BYTES_MAX: usize = 64 << 20;

/// Where new records can go in a generation.
#[derive(Clone, Default)]
pub struct Exits {
    pub pipelines: BTreeMap<PipelineId, Arc<Pipeline>>,
    pub outlets: BTreeMap<OutletId, Arc<Outlet>>,
}

impl Exits {
    /// `None`: there is no such pipeline or exporter, or it does not take the signal.
    fn find(&self, target: &RouteTarget, signal: Signal) -> Option<Target> {
        match target {
            RouteTarget::Exporter(id) => self.outlets.get(&(id.clone(), signal)).cloned().map(Target::Outlet),
            RouteTarget::Pipeline(id) if id.signal() == signal => self.pipelines.get(id).cloned().map(Target::Pipeline),
            RouteTarget::Pipeline(_) => None,
        }
    }
}

/// What all stages' new records have in common: the newest generation, and the tasks that bring them there.
#[derive(Clone)]
pub struct Emissions(Arc<Shared>);

struct Shared {
    /// Who publishes it keeps it.
    newest: RwLock<Weak<Generation>>,
    /// Closed when none is on its way.
    in_flight: watch::Sender<()>,
}

impl Default for Emissions {
    fn default() -> Self {
        let (in_flight, _) = watch::channel(());
        Emissions(Arc::new(Shared { newest: RwLock::default(), in_flight }))
    }
}

impl Emissions {
    /// From now on new records go through this generation.
    pub fn follow(&self, generation: &Arc<Generation>) {
        *self.0.newest.write() = Arc::downgrade(generation);
    }

    /// Batches of new records that have not arrived.
    pub fn on_their_way(&self) -> usize {
        self.0.in_flight.receiver_count()
    }

    /// Resolves when all that were made so far, and what was made of them, have arrived or are lost.
    pub async fn idle(&self) {
        self.0.in_flight.closed().await;
    }
}

/// Where the new records of one stage go.
pub struct Emitter {
    emissions: Emissions,
    /// What the plugin sends to no route.
    emit_to: Vec<RouteTarget>,
    /// What its route sets mean, each name resolved, for all signals.
    sets: Vec<Vec<RouteTarget>>,
    in_flight_bytes: Arc<AtomicUsize>,
    /// In the log, as the pipeline that they are in.
    name: String,
}

impl Emitter {
    pub fn new(emissions: Emissions, stage: &Stage, emit_to: Vec<RouteTarget>, sets: Vec<Vec<RouteTarget>>) -> Emitter {
        let name = format!("emitted by {}", stage.name());
        Emitter { emissions, emit_to, sets, in_flight_bytes: Arc::default(), name }
    }

    /// A pipeline without steps that leads where records of a signal go, and whose own targets are those of `emit_to`.
    fn pipeline(&self, signal: Signal, exits: &Exits) -> Pipeline {
        let mut exit = Exit { signal, exits, named: Vec::new(), targets: Vec::new() };
        let own = exit.numbers(&self.emit_to).len();
        let routes = self.sets.iter().map(|set| exit.numbers(set)).collect();
        let targets = exit.targets;
        let ack_point = AckPoint::of_pipeline(targets.iter().map(Target::ack_point));
        Pipeline {
            id: PipelineId::new(signal, Some(&self.name)),
            steps: Vec::new(),
            targets,
            own,
            routes,
            route_targets: Vec::new(),
            ack_point,
            promised: ack_point,
            taps: Arc::default(),
            tracing: Tracing::default(),
        }
    }
}

/// The targets of a signal, each once.
struct Exit<'a> {
    signal: Signal,
    exits: &'a Exits,
    named: Vec<&'a RouteTarget>,
    targets: Vec<Target>,
}

impl<'a> Exit<'a> {
    /// The numbers of those that there are, ascending.
    fn numbers(&mut self, to: &'a [RouteTarget]) -> Vec<usize> {
        let mut numbers = Vec::with_capacity(to.len());
        for target in to {
            let known = self.named.iter().position(|named| *named == target);
            let number = known.or_else(|| {
                self.targets.push(self.exits.find(target, self.signal)?);
                self.named.push(target);
                Some(self.targets.len() - 1)
            });
            numbers.extend(number);
        }
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}

impl EmissionSink for Emitter {
    fn emit(&self, emitted: Emitted) {
        let losses = emitted.losses();
        let mut batch = emitted.batch;
        let (signal, rows) = (batch.signal(), batch.selection().count() as u64);
        let Some(generation) = self.emissions.0.newest.read().upgrade() else {
            return losses.lost(signal, rows, "the gateway is shutting down");
        };
        let pipeline = self.pipeline(signal, generation.exits());
        let nowhere = nowhere(&batch, &pipeline);
        if nowhere > 0 {
            let why = format!("nothing takes {signal} of this plugin: neither `emit_to` nor the route that it named");
            losses.lost(signal, nowhere, &why);
            if nowhere == rows {
                return;
            }
        }
        let Some(bytes) = OnTheirWay::begin(&self.in_flight_bytes, batch.retained_bytes()) else {
            let why = format!("more than {IN_FLIGHT_BYTES_MAX} bytes of this plugin are on their way already");
            return losses.lost(signal, rows - nowhere, &why);
        };
        let (ack, acked) = Ack::new();
        // The one that it came with is nobody's.
        batch.replace_ack(ack).resolve(Outcome::Dropped);
        let in_flight = self.emissions.0.in_flight.subscribe();
        tokio::spawn(async move {
            pipeline.run(batch, &generation).await;
            if let Outcome::Refused(refusal) = acked.await {
                losses.lost(signal, rows - nowhere, &refusal.reason);
            }
            drop((bytes, in_flight));
        });
    }
}

/// Rows that no target takes.
fn nowhere(batch: &TelemetryBatch, pipeline: &Pipeline) -> u64 {
    if pipeline.own > 0 {
        return 0;
    }
    let leads = |route: u16| pipeline.routes.get(usize::from(route)).is_some_and(|set| !set.is_empty());
    let rows = batch.selection().count() as u64;
    match &batch.routes {
        Routes::Default => rows,
        Routes::All(route) => {
            if leads(*route) {
                0
            } else {
                rows
            }
        }
        Routes::Rows(routes) => {
            let lost = |row: &usize| !leads(routes.get(*row).copied().unwrap_or(ROUTE_DEFAULT));
            batch.selection().rows().filter(lost).count() as u64
        }
    }
}

/// A part of a stage's bytes on their way.
struct OnTheirWay {
    all: Arc<AtomicUsize>,
    bytes: usize,
}

impl OnTheirWay {
    /// `None`: there would be too many. One batch may always be, however large it is.
    fn begin(all: &Arc<AtomicUsize>, bytes: usize) -> Option<OnTheirWay> {
        let fits = |before: usize| {
            (before == 0 || before.saturating_add(bytes) <= IN_FLIGHT_BYTES_MAX).then(|| before.saturating_add(bytes))
        };
        all.fetch_update(Relaxed, Relaxed, fits).ok()?;
        Some(OnTheirWay { all: Arc::clone(all), bytes })
    }
}

impl Drop for OnTheirWay {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Relaxed);
    }
}

/// All stages of a build, those first whose new records may come to the others: ended in this order, each wave after what the one
/// before gave has arrived, none gives to one that has ended.
pub fn waves(built: &Built) -> Vec<Vec<Arc<Stage>>> {
    // Without circles a way has fewer steps than there are pipelines; the build has seen to that.
    let depths = depths(built).unwrap_or_default();
    let mut of_stage: BTreeMap<&str, (usize, &Arc<Stage>)> =
        built.stages.values().map(|stage| (stage.name(), (0, stage))).collect();
    for (id, pipeline) in &built.pipelines {
        let depth = depths.get(id).copied().unwrap_or(0);
        for stage in pipeline.stages() {
            if let Some((deepest, _)) = of_stage.get_mut(stage.stage.name()) {
                *deepest = depth.max(*deepest);
            }
        }
    }
    let mut waves: BTreeMap<usize, Vec<Arc<Stage>>> = BTreeMap::new();
    for (depth, stage) in of_stage.into_values() {
        waves.entry(depth).or_default().push(Arc::clone(stage));
    }
    waves.into_values().collect()
}

/// The longest way from a pipeline that nothing leads to, for each pipeline. `Err`: new records come back to where they were made, by
/// these pipelines.
pub fn depths(built: &Built) -> Result<BTreeMap<&PipelineId, usize>, Vec<PipelineId>> {
    let mut ways: BTreeMap<&PipelineId, Vec<&PipelineId>> = BTreeMap::new();
    for (id, pipeline) in &built.pipelines {
        let mut to: Vec<&PipelineId> = pipeline.next().map(|pipeline| &pipeline.id).collect();
        for stage in pipeline.stages() {
            let targets = built.emission_targets.get(stage.stage.name()).into_iter().flatten();
            to.extend(targets.filter_map(|target| match target {
                RouteTarget::Pipeline(to) => built.pipelines.get_key_value(to).map(|(to, _)| to),
                RouteTarget::Exporter(_) => None,
            }));
        }
        ways.insert(id, to);
    }
    // Pipelines that nothing leads to any more are taken out one after another; what is left leads in a circle.
    let mut inputs: BTreeMap<&PipelineId, usize> = ways.keys().map(|id| (*id, 0)).collect();
    ways.values().flatten().for_each(|to| *inputs.entry(*to).or_default() += 1);
    let mut free: Vec<&PipelineId> = inputs.iter().filter(|(_, count)| **count == 0).map(|(id, _)| *id).collect();
    let mut depths: BTreeMap<&PipelineId, usize> = free.iter().map(|id| (*id, 0)).collect();
    while let Some(id) = free.pop() {
        inputs.remove(id);
        let below = depths.get(id).copied().unwrap_or(0) + 1;
        for to in ways.get(id).into_iter().flatten() {
            let depth = depths.entry(*to).or_default();
            *depth = below.max(*depth);
            if let Some(count) = inputs.get_mut(to) {
                *count -= 1;
                if *count == 0 {
                    free.push(*to);
                }
            }
        }
    }
    if inputs.is_empty() { Ok(depths) } else { Err(inputs.into_keys().cloned().collect()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A backend does not answer: what is on its way is bounded, whatever comes; and there is room again when some of it has arrived.
    #[test]
    fn what_is_on_its_way_is_bounded() {
        let all = Arc::new(AtomicUsize::new(0));
        let half = || OnTheirWay::begin(&all, IN_FLIGHT_BYTES_MAX / 2);
        let (first, second) = (half().unwrap(), half().unwrap());
        assert!(OnTheirWay::begin(&all, 1).is_none());
        drop(first);
        assert!(OnTheirWay::begin(&all, IN_FLIGHT_BYTES_MAX / 2 + 1).is_none());
        drop((half().unwrap(), second));
        let large = OnTheirWay::begin(&all, IN_FLIGHT_BYTES_MAX * 2);
        assert!(large.is_some(), "one batch, however large");
        assert!(OnTheirWay::begin(&all, usize::MAX).is_none());
        drop(large);
        assert_eq!(all.load(Relaxed), 0);
    }
}
