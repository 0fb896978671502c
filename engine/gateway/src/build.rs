//! From a configuration to pipelines: the one place that knows every component.
//!
//! Building is the same at start, for a reload and for a plugin's swap: what is configured as before, on the same plugin bytes,
//! is taken over from the previous build as it stands; the rest is made and proven anew beside it. Nothing of the previous build
//! is touched, so that a build that fails costs nothing.

mod pipelines;
mod plugins;
mod routers;
mod stage;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wasmill_config::{
    ComponentId, Config, Delivery, Exporter, Extension, PipelineId, Processor, RouteTarget, WasmStage,
};
use wasmill_host::{GroupByError, HandOverError, Host, Plugin, Stage};
use wasmill_tables::LoadError;
use wasmill_transport::settings::ClientAuthSettings;
use wasmill_transport::{BindError, ClientError, Guard};
use wasmill_wire::{ColumnRequest, Projection, Signal};

use crate::auth::{client_auth, health_guard, scrape_guard};
use crate::batcher::Batcher;
use crate::emissions::{self, Emissions, Exits};
use crate::exporter::{
    ArchiveExporter, DebugExporter, ExporterError, FileExporter, JaegerExporter, LokiExporter, OpenFiles, OtlpExporter,
    PrometheusExporter, RemoteWriteExporter, Stores,
};
use crate::generation::Inlets;
use crate::grouper::Grouper;
use crate::memory_limiter::MemoryLimiter;
use crate::outlet::{Outlet, OutletSettings};
use crate::pipeline::{Inlet, Pipeline};
use crate::receiver::{self, BoundReceiver};
use crate::tap::Taps;
use crate::telemetry::{Metrics, PreparedTracing, Tracing};
use pipelines::Builder;
use routers::Routers;
use stage::{build_stage, emission_targets, route_names};

pub use plugins::{PluginError, Plugins, file_hash};
pub use routers::plugin_source;
pub use stage::{candidate, source_name};

/// What components are made with.
#[derive(Clone)]
pub struct Workshop {
    pub host: Host,
    pub metrics: Metrics,
    /// That exporters write.
    pub files: OpenFiles,
    /// That exporters keep for scrapers.
    pub stores: Stores,
    /// Where plugins' new records go.
    pub emissions: Emissions,
    /// Who looks at what goes through pipelines.
    pub taps: Arc<Taps>,
    /// The gateway's own spans.
    pub tracing: Tracing,
}

impl Workshop {
    /// What makes the spans that a configuration asks for, beside what makes them now.
    pub fn prepare_tracing(&self, config: &Config) -> Result<PreparedTracing, ClientError> {
        self.tracing.prepare(config.telemetry.traces.as_ref())
    }
}

/// Everything that batches run through, made of one configuration.
pub struct Built {
    pub config: Config,
    pub plugins: Plugins,
    /// What `routing` connectors add.
    pub routers: Routers,
    /// Processors', and those of connectors.
    pub stages: BTreeMap<ComponentId, Arc<Stage>>,
    /// Of the stages that make new records, by name: where these may go.
    pub emission_targets: BTreeMap<String, Vec<RouteTarget>>,
    pub outlets: BTreeMap<OutletId, Arc<Outlet>>,
    /// Processors and extensions; an extension's name does not stand in a pipeline.
    pub limiters: BTreeMap<LimiterId, Arc<MemoryLimiter>>,
    pub batchers: BTreeMap<BatcherId, Arc<Batcher>>,
    /// Of stages that decide about groups.
    pub groupers: BTreeMap<BatcherId, Arc<Grouper>>,
    pub pipelines: BTreeMap<PipelineId, Arc<Pipeline>>,
}

/// An exporter, for one signal.
pub type OutletId = (ComponentId, Signal);

/// A `memory_limiter`, and whether it is an extension.
pub type LimiterId = (ComponentId, bool);

/// A `batch` processor, or what stands before a stage that decides about groups, which is another one in each pipeline.
pub type BatcherId = (PipelineId, ComponentId);

/// Why a configuration cannot be built. Whatever served before goes on serving.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("processor `{id}`: plugin `{plugin}` cannot be used")]
    Plugin {
        id: ComponentId,
        plugin: String,
        #[source]
        source: Arc<PluginError>,
    },
    #[error("processor `{id}`: plugin `{plugin}` cannot serve")]
    Stage {
        id: ComponentId,
        plugin: String,
        #[source]
        source: wasmill_host::BuildError,
    },
    #[error("processor `{id}`: `config` is not JSON")]
    Config {
        id: ComponentId,
        #[source]
        source: serde_json::Error,
    },
    #[error("processor `{id}`: rows cannot be grouped")]
    GroupBy {
        id: ComponentId,
        #[source]
        source: GroupByError,
    },
    #[error("processor `{id}`: rows of pipeline `{pipeline}` cannot be grouped by `{path}`, which {} do not have", pipeline.signal())]
    GroupPath { id: ComponentId, pipeline: PipelineId, path: String },
    #[error(
        "processor `{id}`: plugin `{plugin}` makes new records, and nothing says where they go: expected `emit_to` with exporters or \
         pipelines"
    )]
    EmitsNowhere { id: ComponentId, plugin: String },
    #[error("new records would come back to where they were made: {} lead in a circle", listed(.pipelines))]
    Circle { pipelines: Vec<PipelineId> },
    #[error("processor `{id}`: plugin `{plugin}` cannot follow the one that serves")]
    HandOver {
        id: ComponentId,
        plugin: String,
        #[source]
        source: HandOverError,
    },
    #[error("processor `{id}`: the lookup table `{table}` cannot be loaded")]
    Table {
        id: ComponentId,
        table: String,
        #[source]
        source: LoadError,
    },
    #[error("processor `{id}`: {why}")]
    Shadow { id: ComponentId, why: String },
    #[error("exporter `{id}` cannot be made")]
    Exporter {
        id: ComponentId,
        #[source]
        source: ExporterError,
    },
    #[error("extension `{id}` cannot be served")]
    Extension {
        id: ComponentId,
        #[source]
        source: BindError,
    },
    #[error("receiver `{id}` cannot be served")]
    Receiver {
        id: ComponentId,
        #[source]
        source: BindError,
    },
    #[error("pipeline `{id}` has {count} route sets; at most {} are possible", pipelines::ROUTES_MAX)]
    Routes { id: PipelineId, count: usize },
}

impl BuildError {
    /// The full path of the configuration's key that it is about.
    pub fn key(&self) -> String {
        match self {
            BuildError::Plugin { id, .. } | BuildError::Shadow { id, .. } | BuildError::HandOver { id, .. } => {
                format!("processors::{id}::plugin")
            }
            BuildError::Stage { id, source, .. } => stage_key(id, source),
            BuildError::Table { id, table, .. } => format!("processors::{id}::tables::{table}"),
            BuildError::Config { id, .. } => format!("processors::{id}::config"),
            BuildError::GroupBy { id, .. } | BuildError::GroupPath { id, .. } => format!("processors::{id}::group_by"),
            BuildError::EmitsNowhere { id, .. } => format!("processors::{id}::emit_to"),
            BuildError::Circle { pipelines } => match pipelines.first() {
                Some(id) => format!("service::pipelines::{id}"),
                None => "service::pipelines".to_owned(),
            },
            BuildError::Exporter { source: ExporterError::Client(ClientError::Auth(source)), .. } => {
                source.key().to_owned()
            }
            BuildError::Exporter { source: ExporterError::Server(source), .. } => source.key().to_owned(),
            BuildError::Exporter { id, source } => format!("exporters::{id}::{}", source.key()),
            BuildError::Receiver { source, .. } | BuildError::Extension { source, .. } => source.key().to_owned(),
            BuildError::Routes { id, .. } => format!("service::pipelines::{id}"),
        }
    }
}

fn listed(pipelines: &[PipelineId]) -> String {
    pipelines.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")
}

/// The key that a plugin's refusal starts with, `traces::span[0]` or whatever stands there in backticks, in its stage's settings.
fn stage_key(id: &ComponentId, source: &wasmill_host::BuildError) -> String {
    let mut path = format!("processors::{id}");
    let wasmill_host::BuildError::Config { reason } = source else { return path };
    // The Collector's processors have their keys where a plugin has its `config:`.
    if id.kind() == "wasm" {
        path.push_str("::config");
    }
    let key = reason.strip_prefix('`').and_then(|rest| rest.split_once('`')).map(|(key, _)| key);
    let is_path = |key: &&str| {
        key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b':' | b'[' | b']'))
    };
    match key.filter(is_path) {
        Some(key) => format!("{path}::{key}"),
        None => path,
    }
}

/// Builds a configuration on these plugins, taking over from `previous` what is the same.
///
/// To be called within a runtime: sending queues start with their consumers. Everything that is wrong is reported at once.
pub async fn build(
    workshop: &Workshop,
    config: Config,
    plugins: Plugins,
    previous: Option<&Built>,
) -> Result<Built, Vec<BuildError>> {
    let mut built = Built {
        routers: Routers::of(&config),
        config,
        plugins,
        stages: BTreeMap::new(),
        emission_targets: BTreeMap::new(),
        outlets: BTreeMap::new(),
        limiters: BTreeMap::new(),
        batchers: BTreeMap::new(),
        groupers: BTreeMap::new(),
        pipelines: BTreeMap::new(),
    };
    let mut errors = Vec::new();
    built.check_receivers(previous, &mut errors);
    built.check_health(&mut errors);
    built.build_stages(workshop, previous, &mut errors).await;
    built.build_outlets(workshop, previous, &mut errors);
    built.build_limiters(previous);
    // A pipeline of parts that could not be made would only add to their errors.
    if errors.is_empty() {
        let mut builder = Builder::new(&built, workshop, previous);
        builder.build();
        let Builder { pipelines, batchers, groupers, errors: more, .. } = builder;
        (built.pipelines, built.batchers, built.groupers) = (pipelines, batchers, groupers);
        errors.extend(more);
        let circle = emissions::depths(&built).err();
        errors.extend(circle.map(|pipelines| BuildError::Circle { pipelines }));
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}

impl Built {
    /// Finds what would make a new or changed receiver fail, ports aside. One that serves as it is goes on.
    fn check_receivers(&self, previous: Option<&Built>, errors: &mut Vec<BuildError>) {
        for (id, settings) in &self.config.receivers {
            let receiver = receiver::settings(&self.config, id, settings);
            let before = previous.and_then(|previous| {
                Some(receiver::settings(&previous.config, id, previous.config.receivers.get(id)?))
            });
            if before.as_ref() != Some(&receiver) {
                let wrong = BoundReceiver::check(&receiver).into_iter();
                errors.extend(wrong.map(|source| BuildError::Receiver { id: id.clone(), source }));
            }
        }
    }

    /// The same for those that say how the gateway is.
    fn check_health(&self, errors: &mut Vec<BuildError>) {
        for (id, extension) in &self.config.extensions {
            if let Extension::HealthCheck(settings) = extension {
                let wrong = Guard::new(&health_guard(&self.config, id, settings)).err();
                errors.extend(wrong.map(|source| BuildError::Extension { id: id.clone(), source }));
            }
        }
    }

    async fn build_stages(&mut self, workshop: &Workshop, previous: Option<&Built>, errors: &mut Vec<BuildError>) {
        for (id, settings) in self.config.stages().chain(&self.routers.stages) {
            let stage = match self.plugins.of(id, settings) {
                Ok(plugin) => {
                    match previous.and_then(|previous| self.unchanged_stage(previous, id, settings, plugin)) {
                        Some(stage) => Ok(stage),
                        None => build_stage(workshop, &self.config, id, settings, plugin).await,
                    }
                }
                Err(source) => {
                    Err(BuildError::Plugin { id: id.clone(), plugin: source_name(&settings.plugin), source })
                }
            };
            match stage {
                Ok(stage) => {
                    let targets = emission_targets(&self.config, settings, &stage);
                    if !targets.is_empty() {
                        self.emission_targets.insert(stage.name().to_owned(), targets);
                    }
                    self.stages.insert(id.clone(), stage);
                }
                Err(error) => errors.push(error),
            }
        }
    }

    /// The previous build's stage, where settings, plugin and the names that it may route to are the same.
    fn unchanged_stage(
        &self,
        previous: &Built,
        id: &ComponentId,
        settings: &WasmStage,
        plugin: &Plugin,
    ) -> Option<Arc<Stage>> {
        let before = previous.stage_settings(id)?;
        let same_plugin = previous.plugin(id).is_some_and(|before| before.hash == plugin.hash);
        let same_routes = route_names(&previous.config, before) == route_names(&self.config, settings);
        let same = before == settings && same_plugin && same_routes;
        same.then(|| previous.stages.get(id).cloned()).flatten()
    }

    /// An outlet for each signal that reaches an exporter; exporters that several pipelines share have one for all of them.
    fn build_outlets(&mut self, workshop: &Workshop, previous: Option<&Built>, errors: &mut Vec<BuildError>) {
        let mut wanted: BTreeMap<&ComponentId, BTreeSet<Signal>> = BTreeMap::new();
        for (pipeline, settings) in &self.config.pipelines {
            let stages = settings.processors.iter().filter_map(|id| self.config.stage(id));
            for id in settings.exporters.iter().chain(stages.flat_map(|stage| stage.routed_exporters())) {
                wanted.entry(id).or_default().insert(pipeline.signal());
            }
            // A plugin may name any exporter by its id.
            let named = settings.processors.iter().filter_map(|id| self.stages.get(id));
            for name in named.flat_map(|stage| stage.route_sets()).flatten() {
                for id in self.config.exporters.keys().filter(|id| id.to_string() == *name) {
                    wanted.entry(id).or_default().insert(pipeline.signal());
                }
            }
        }
        // New records may be of any signal that their exporter takes.
        for target in self.emission_targets.values().flatten() {
            let RouteTarget::Exporter(id) = target else { continue };
            let Some((id, exporter)) = self.config.exporters.get_key_value(id) else { continue };
            wanted.entry(id).or_default().extend(Signal::ALL.into_iter().filter(|signal| exporter.takes(*signal)));
        }
        for (id, signals) in wanted {
            let Some(settings) = self.config.exporters.get(id) else { continue };
            let unchanged = previous.filter(|previous| {
                let same_storage = storage(&previous.config, settings) == storage(&self.config, settings);
                let same_auth = auth(&previous.config, settings) == auth(&self.config, settings);
                same_storage && same_auth && previous.config.exporters.get(id) == Some(settings)
            });
            let mut exporter = None;
            for signal in signals {
                let key = (id.clone(), signal);
                if let Some(outlet) = unchanged.and_then(|previous| previous.outlets.get(&key)) {
                    self.outlets.insert(key, Arc::clone(outlet));
                    continue;
                }
                let exporter = match &exporter {
                    Some(exporter) => Arc::clone(exporter),
                    None => match make_exporter(&workshop.files, &workshop.stores, &self.config, id, settings) {
                        Ok(made) => Arc::clone(exporter.insert(made)),
                        Err(source) => {
                            errors.push(BuildError::Exporter { id: id.clone(), source });
                            break;
                        }
                    },
                };
                let name = id.to_string();
                let metrics = workshop.metrics.exporter(&name, signal);
                let (settings, tracing) = (outlet_settings(settings), workshop.tracing.clone());
                let outlet = Outlet::start(name.into(), signal, exporter, settings, metrics, tracing);
                self.outlets.insert(key, Arc::new(outlet));
            }
        }
    }

    fn build_limiters(&mut self, previous: Option<&Built>) {
        let processors = self.config.processors.iter().filter_map(|(id, processor)| match processor {
            Processor::MemoryLimiter(settings) => Some(((id.clone(), false), settings)),
            Processor::Wasm(_) | Processor::Batch(_) => None,
        });
        let extensions = self.config.extensions.iter().filter_map(|(id, extension)| match extension {
            Extension::MemoryLimiter(settings) => Some(((id.clone(), true), settings)),
            _ => None,
        });
        let mut limiters = BTreeMap::new();
        for (id, settings) in processors.chain(extensions) {
            let before = previous.and_then(|previous| previous.limiters.get(&id));
            let limiter = match before.filter(|before| before.settings() == settings) {
                Some(before) => Arc::clone(before),
                None => Arc::new(MemoryLimiter::start(id.0.to_string().into(), settings.clone())),
            };
            limiters.insert(id, limiter);
        }
        self.limiters = limiters;
    }

    /// The limiters before every receiver.
    fn guards(&self) -> impl Iterator<Item = &Arc<MemoryLimiter>> {
        self.limiters.iter().filter(|((_, is_extension), _)| *is_extension).map(|(_, limiter)| limiter)
    }

    pub fn stage_settings(&self, id: &ComponentId) -> Option<&WasmStage> {
        self.config.stage(id).or_else(|| self.routers.stages.get(id))
    }

    /// What a stage runs.
    pub fn plugin(&self, stage: &ComponentId) -> Option<&Arc<Plugin>> {
        self.plugins.of(stage, self.stage_settings(stage)?).ok()
    }

    /// Where its plugins' new records can go.
    pub fn exits(&self) -> Exits {
        Exits { pipelines: self.pipelines.clone(), outlets: self.outlets.clone() }
    }

    /// What each receiver hands each signal to.
    pub fn inlets(&self) -> Inlets {
        let mut pipelines: BTreeMap<(&ComponentId, Signal), Vec<Arc<Pipeline>>> = BTreeMap::new();
        for (id, settings) in &self.config.pipelines {
            for receiver in &settings.receivers {
                let of_receiver = pipelines.entry((receiver, id.signal())).or_default();
                of_receiver.extend(self.pipelines.get(id).cloned());
            }
        }
        let mut inlets = Inlets::new();
        for ((receiver, signal), pipelines) in pipelines {
            let projection = Projection::new(signal, columns(signal, &pipelines));
            let guards = self.guards().cloned().collect();
            inlets.entry(receiver.clone()).or_default()[signal as usize] =
                Some(Inlet { projection, guards, pipelines });
        }
        inlets
    }
}

/// What the pipelines' stages want to see, each column once.
///
/// All stages' before a batcher, not only the first ones': a column more in the parsing pass costs a fraction of a pass of its
/// own, and what a stage changes is projected anew from the changed records anyway. Behind a batcher it is another batch.
fn columns(signal: Signal, pipelines: &[Arc<Pipeline>]) -> Vec<ColumnRequest> {
    let stages = pipelines.iter().flat_map(|pipeline| pipeline.stages_before_batching());
    let mut columns: Vec<ColumnRequest> = Vec::new();
    for column in stages.flat_map(|stage| stage.stage.columns(signal).unwrap_or_default()) {
        if !columns.contains(column) {
            columns.push(column.clone());
        }
    }
    columns
}

/// The registry of exporters: one arm for each kind.
pub(crate) fn make_exporter(
    files: &OpenFiles,
    stores: &Stores,
    config: &Config,
    id: &ComponentId,
    exporter: &Exporter,
) -> Result<Arc<dyn crate::exporter::Exporter>, ExporterError> {
    Ok(match exporter {
        Exporter::OtlpGrpc(settings) | Exporter::JaegerOtlp(settings) => {
            Arc::new(OtlpExporter::grpc(settings, auth(config, exporter))?)
        }
        Exporter::OtlpHttp(settings) => Arc::new(OtlpExporter::http(settings, auth(config, exporter))?),
        Exporter::Jaeger(settings) => Arc::new(JaegerExporter::new(settings, auth(config, exporter))?),
        Exporter::RemoteWrite(settings) => Arc::new(RemoteWriteExporter::new(settings, auth(config, exporter))?),
        Exporter::Debug(settings) => Arc::new(DebugExporter::new(id.to_string().into(), settings.clone())),
        Exporter::File(settings) => Arc::new(FileExporter::new(settings, files)?),
        Exporter::Loki(settings) => Arc::new(LokiExporter::new(settings, auth(config, exporter))?),
        Exporter::Prometheus(settings) => {
            // What would keep it from being served is found before anything is replaced.
            Guard::new(&scrape_guard(config, id, settings))?;
            Arc::new(PrometheusExporter::new(id, settings, stores))
        }
        Exporter::Archive(settings) => Arc::new(ArchiveExporter::new(settings, files)?),
    })
}

/// How the exporter says who we are.
fn auth(config: &Config, exporter: &Exporter) -> Option<ClientAuthSettings> {
    exporter.authenticator().map(|id| client_auth(config, id))
}

/// Of the exporter's queue.
fn storage<'a>(config: &'a Config, exporter: &Exporter) -> Option<&'a Extension> {
    let id = exporter.delivery()?.queue.as_ref()?.storage.as_ref()?;
    config.extensions.get(id)
}

fn outlet_settings(exporter: &Exporter) -> OutletSettings {
    let Delivery { queue, retry, on_full } = exporter.delivery().cloned().unwrap_or_default();
    OutletSettings { queue, retry, on_full }
}
