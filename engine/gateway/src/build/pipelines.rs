//! From a pipeline's settings to its steps, and where rows go from there.
//!
//! Pipelines are built from their ends: one that leads to another holds it. The configuration has no circles.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wasmill_config::{BatchProcessor, ComponentId, Connector, Grouping, PipelineId, Processor, RouteTarget, WasmStage};
use wasmill_host::{GroupBy, Stage};

use super::routers::{self, Router, RouterStep};
use super::stage::resolve_route;
use super::{BatcherId, BuildError, Built, Workshop};
use crate::ack_point::AckPoint;
use crate::batcher::{Batcher, BatcherSpec};
use crate::grouper::{Grouper, GrouperSpec};
use crate::pipeline::{LimitStep, Pipeline, PipelineStage, RequestRule, Step, Target};

/// A row's route is 16 bits, of which the highest value says: as it was.
pub(super) const ROUTES_MAX: usize = u16::MAX as usize;

/// Builds the pipelines of a build whose parts are there.
pub(super) struct Builder<'a> {
    built: &'a Built,
    workshop: &'a Workshop,
    previous: Option<&'a Built>,
    pub pipelines: BTreeMap<PipelineId, Arc<Pipeline>>,
    pub batchers: BTreeMap<BatcherId, Arc<Batcher>>,
    pub groupers: BTreeMap<BatcherId, Arc<Grouper>>,
    pub errors: Vec<BuildError>,
}

/// A pipeline before it is known what its targets promise.
struct Plan<'a> {
    steps: Vec<PlannedStep<'a>>,
    /// Each once, the pipeline's own first.
    targets: Vec<RouteTarget>,
    /// For each route set, numbers in `targets`.
    routes: Vec<Vec<usize>>,
}

enum PlannedStep<'a> {
    Stage(PipelineStage),
    Limit(LimitStep),
    Request(RequestRule, u16),
    /// Before the stage that follows.
    Group {
        id: &'a ComponentId,
        settings: &'a Grouping,
        routes_before: usize,
    },
    Batch {
        id: &'a ComponentId,
        settings: &'a BatchProcessor,
        /// So many route sets belong to stages before it.
        routes_before: usize,
    },
}

impl Plan<'_> {
    /// The number of a target, which is added where it is new.
    fn number(&mut self, target: RouteTarget) -> usize {
        let known = self.targets.iter().position(|known| *known == target);
        known.unwrap_or_else(|| {
            self.targets.push(target);
            self.targets.len() - 1
        })
    }
}

/// Whether rows of a pipeline can go there.
fn is_of(target: &RouteTarget, pipeline: &PipelineId) -> bool {
    match target {
        RouteTarget::Exporter(_) => true,
        RouteTarget::Pipeline(to) => to.signal() == pipeline.signal(),
    }
}

impl<'a> Builder<'a> {
    pub fn new(built: &'a Built, workshop: &'a Workshop, previous: Option<&'a Built>) -> Self {
        let (pipelines, batchers, groupers) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Builder { built, workshop, previous, pipelines, batchers, groupers, errors: Vec::new() }
    }

    /// Builds all of them.
    pub fn build(&mut self) {
        for id in self.built.config.pipelines.keys() {
            self.pipeline(id);
        }
    }

    /// The pipeline of that name, with all that it leads to. `None`: there is none, or it cannot be built.
    fn pipeline(&mut self, id: &'a PipelineId) -> Option<Arc<Pipeline>> {
        if let Some(pipeline) = self.pipelines.get(id) {
            return Some(Arc::clone(pipeline));
        }
        let mut plan = Plan { steps: Vec::new(), targets: self.own_targets(id), routes: Vec::new() };
        let own = plan.targets.len();
        self.plan_steps(id, &mut plan);
        if plan.routes.len() > ROUTES_MAX {
            self.errors.push(BuildError::Routes { id: id.clone(), count: plan.routes.len() });
            return None;
        }
        let targets: Vec<Target> = plan.targets.iter().map(|target| self.target(id, target)).collect::<Option<_>>()?;
        let promised = AckPoint::of_pipeline(targets.iter().map(Target::ack_point));
        // Where rows wait for their groups nobody waits for them.
        let groups = plan.steps.iter().any(|step| matches!(step, PlannedStep::Group { .. }));
        let ack_point = if groups { AckPoint::QueuedInMemory } else { promised };
        let meaning = |set: &Vec<usize>| set.iter().map(|&to| plan.targets[to].clone()).collect();
        let mut steps = Vec::with_capacity(plan.steps.len());
        for step in plan.steps {
            steps.push(match step {
                PlannedStep::Stage(mut stage) => {
                    if let Some(Step::Group(grouper)) = steps.last() {
                        stage.grouper = Some(Arc::clone(grouper));
                    }
                    Step::Stage(stage)
                }
                PlannedStep::Group { id: processor, settings, routes_before } => {
                    let routes = plan.routes.iter().take(routes_before).map(meaning).collect();
                    let spec = GrouperSpec { settings: settings.clone(), routes };
                    Step::Group(self.grouper((id.clone(), processor.clone()), spec)?)
                }
                PlannedStep::Limit(limit) => Step::Limit(limit),
                PlannedStep::Request(rule, route) => Step::Request(rule, route),
                PlannedStep::Batch { id: processor, settings, routes_before } => {
                    let spec = BatcherSpec {
                        settings: settings.clone(),
                        holds_acks: !ack_point.memory_suffices(),
                        routes: plan.routes.iter().take(routes_before).map(meaning).collect(),
                    };
                    Step::Batch(self.batcher((id.clone(), processor.clone()), spec))
                }
            });
        }
        let route_targets = plan.routes.iter().map(meaning).collect();
        let (routes, taps) = (plan.routes, Arc::clone(&self.workshop.taps));
        let tracing = self.workshop.tracing.clone();
        let id_of = id.clone();
        let pipeline = Arc::new(Pipeline {
            id: id_of,
            steps,
            targets,
            own,
            routes,
            route_targets,
            ack_point,
            promised,
            taps,
            tracing,
        });
        self.pipelines.insert(id.clone(), Arc::clone(&pipeline));
        Some(pipeline)
    }

    /// Where rows of a pipeline go that no stage has routed.
    fn own_targets(&self, id: &PipelineId) -> Vec<RouteTarget> {
        let config = &self.built.config;
        if let Some(router) = self.built.routers.pipelines.get(id) {
            return router.own.iter().cloned().map(RouteTarget::Pipeline).collect();
        }
        let Some(settings) = config.pipelines.get(id) else { return Vec::new() };
        let mut targets: Vec<_> = settings.exporters.iter().cloned().map(RouteTarget::Exporter).collect();
        for connector in &settings.to_connectors {
            let behind: Vec<PipelineId> = match config.connectors.get(connector) {
                Some(Connector::Routing(routing)) => routers::pipeline_ids(connector, routing, id.signal()),
                Some(Connector::Forward) => {
                    let of_signal = config.pipelines.iter().filter(|(to, _)| to.signal() == id.signal());
                    let behind = of_signal.filter(|(_, settings)| settings.from_connectors.contains(connector));
                    behind.map(|(id, _)| id.clone()).collect()
                }
                None => continue,
            };
            for target in behind.into_iter().map(RouteTarget::Pipeline) {
                // By another connector it may come here too: once is enough.
                if !targets.contains(&target) {
                    targets.push(target);
                }
            }
        }
        targets
    }

    fn plan_steps(&self, pipeline: &PipelineId, plan: &mut Plan<'a>) {
        if let Some(router) = self.built.routers.pipelines.get(pipeline) {
            return self.plan_router(pipeline, router, plan);
        }
        let Some(settings) = self.built.config.pipelines.get(pipeline) else { return };
        for id in &settings.processors {
            match (self.built.config.processors.get(id), self.built.stages.get(id)) {
                (Some(Processor::Wasm(settings)), Some(stage)) => {
                    let Ok(route_base) = u16::try_from(plan.routes.len()) else { break };
                    let of_signal = settings.divert_to.iter().filter(|to| is_of(to, pipeline));
                    let divert = of_signal.map(|to| plan.number(to.clone())).collect();
                    // Rows that the plugin does not take pass it, and need not wait.
                    if let Some(group) = settings.group.as_ref().filter(|_| stage.columns(pipeline.signal()).is_some())
                    {
                        let routes_before = plan.routes.len();
                        plan.steps.push(PlannedStep::Group { id, settings: group, routes_before });
                    }
                    let stage_step = PipelineStage { stage: Arc::clone(stage), route_base, divert, grouper: None };
                    plan.steps.push(PlannedStep::Stage(stage_step));
                    self.plan_routes(pipeline, stage, settings, plan);
                }
                (Some(Processor::Batch(settings)), _) => {
                    plan.steps.push(PlannedStep::Batch { id, settings, routes_before: plan.routes.len() });
                }
                (Some(Processor::MemoryLimiter(_)), _) => {
                    let Some(limiter) = self.built.limiters.get(&(id.clone(), false)) else { continue };
                    let metrics = self.workshop.metrics.limiter(&id.to_string(), pipeline.signal());
                    plan.steps.push(PlannedStep::Limit(LimitStep { limiter: Arc::clone(limiter), metrics }));
                }
                (Some(Processor::Wasm(_)) | None, _) => {}
            }
        }
    }

    /// The steps of a routing table.
    fn plan_router(&self, pipeline: &PipelineId, router: &Router, plan: &mut Plan<'a>) {
        for step in &router.steps {
            let Ok(route_base) = u16::try_from(plan.routes.len()) else { break };
            match step {
                RouterStep::Stage(name) => {
                    let settings = self.built.routers.stages.get(name);
                    let (Some(stage), Some(settings)) = (self.built.stages.get(name), settings) else { continue };
                    let divert = Vec::new();
                    plan.steps.push(PlannedStep::Stage(PipelineStage {
                        stage: Arc::clone(stage),
                        route_base,
                        divert,
                        grouper: None,
                    }));
                    self.plan_routes(pipeline, stage, settings, plan);
                }
                RouterStep::Request { rule, to } => {
                    plan.steps.push(PlannedStep::Request(rule.clone(), route_base));
                    let to = to.iter().cloned().map(RouteTarget::Pipeline).map(|target| plan.number(target)).collect();
                    plan.routes.push(to);
                }
            }
        }
    }

    /// A stage's route sets, and the targets that only they lead to. A route may name pipelines of several signals: here those of
    /// this pipeline's are meant.
    fn plan_routes(&self, pipeline: &PipelineId, stage: &Stage, settings: &WasmStage, plan: &mut Plan<'a>) {
        for set in stage.route_sets() {
            let mut numbers = BTreeSet::new();
            for target in set.iter().flat_map(|name| resolve_route(&self.built.config, settings, name)) {
                if is_of(&target, pipeline) {
                    numbers.insert(plan.number(target));
                }
            }
            plan.routes.push(numbers.into_iter().collect());
        }
    }

    fn target(&mut self, from: &PipelineId, target: &RouteTarget) -> Option<Target> {
        match target {
            RouteTarget::Exporter(exporter) => {
                let outlet = self.built.outlets.get(&(exporter.clone(), from.signal()));
                outlet.cloned().map(Target::Outlet)
            }
            RouteTarget::Pipeline(id) => {
                let of_config = self.built.config.pipelines.get_key_value(id).map(|(id, _)| id);
                let id = of_config.or_else(|| Some(self.built.routers.pipelines.get_key_value(id)?.0))?;
                self.pipeline(id).map(Target::Pipeline)
            }
        }
    }

    /// The same of a grouper. `None`: its path cannot be, which is one of the errors.
    fn grouper(&mut self, id: BatcherId, spec: GrouperSpec) -> Option<Arc<Grouper>> {
        let signal = id.0.signal();
        let by = GroupBy::parse(&spec.settings.by);
        let by = by.map_err(|source| self.errors.push(BuildError::GroupBy { id: id.1.clone(), source })).ok()?;
        if by.column(signal).is_none() {
            let path = by.path().to_owned();
            self.errors.push(BuildError::GroupPath { id: id.1, pipeline: id.0, path });
            return None;
        }
        let previous = self.previous.and_then(|previous| previous.groupers.get(&id));
        let grouper = match previous.filter(|previous| *previous.spec() == spec) {
            Some(previous) => Arc::clone(previous),
            None => {
                let name = id.1.to_string();
                let metrics = self.workshop.metrics.grouper(&name, &id.0.to_string());
                Arc::new(Grouper::start(name.into(), spec, by, metrics))
            }
        };
        self.groupers.insert(id, Arc::clone(&grouper));
        Some(grouper)
    }

    /// The previous build's, where it would be the same, with what waits in it.
    fn batcher(&mut self, id: BatcherId, spec: BatcherSpec) -> Arc<Batcher> {
        let previous = self.previous.and_then(|previous| previous.batchers.get(&id));
        let batcher = match previous.filter(|previous| *previous.spec() == spec) {
            Some(previous) => Arc::clone(previous),
            None => {
                let name = id.1.to_string();
                let metrics = self.workshop.metrics.batcher(&name);
                Arc::new(Batcher::start(name.into(), spec, metrics))
            }
        };
        self.batchers.insert(id, Arc::clone(&batcher));
        batcher
    }
}
