//! From a configuration to pipelines: the one place that knows every component.
//!
//! Building is the same at start, for a reload and for a plugin's swap: what is configured as before, on the same plugin bytes,
//! is taken over from the previous build as it stands; the rest is made and proven anew beside it. Nothing of the previous build
//! is touched, so that a build that fails costs nothing.

mod plugins;
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wasmill_config::{ComponentId, Config, Exporter, Extension, PipelineId, Processor, WasmStage};
use wasmill_host::{Host, Plugin, Stage};
use wasmill_transport::ClientError;
use wasmill_wire::{ColumnRequest, Projection, Signal};

use crate::ack_point::AckPoint;
use crate::exporter::{DebugExporter, OtlpExporter};
use crate::generation::Inlets;
use crate::outlet::{Outlet, OutletSettings};
use crate::pipeline::{Inlet, Pipeline, PipelineStage};
use crate::telemetry::Metrics;
use stage::{build_stage, resolve_route, route_names, source_name};

pub use plugins::{PluginError, Plugins, file_hash};

/// A row's route is 16 bits, of which the highest value says: as it was.
const ROUTES_MAX: usize = u16::MAX as usize;

/// What components are made with.
#[derive(Clone)]
pub struct Workshop {
    pub host: Host,
    pub metrics: Metrics,
}

/// Everything that batches run through, made of one configuration.
pub struct Built {
    pub config: Config,
    pub plugins: Plugins,
    pub stages: BTreeMap<ComponentId, Arc<Stage>>,
    pub outlets: BTreeMap<OutletId, Arc<Outlet>>,
    pub pipelines: BTreeMap<PipelineId, Arc<Pipeline>>,
}

/// An exporter, for one signal.
pub type OutletId = (ComponentId, Signal);

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
    #[error("exporter `{id}` cannot be made")]
    Exporter {
        id: ComponentId,
        #[source]
        source: ClientError,
    },
    #[error("pipeline `{id}` has {count} route sets; at most {ROUTES_MAX} are possible")]
    Routes { id: PipelineId, count: usize },
}

impl BuildError {
    /// The full path of the configuration's key that it is about.
    pub fn key(&self) -> String {
        match self {
            BuildError::Plugin { id, .. } => format!("processors::{id}::plugin"),
            BuildError::Stage { id, .. } => format!("processors::{id}"),
            BuildError::Config { id, .. } => format!("processors::{id}::config"),
            BuildError::Exporter { id, .. } => format!("exporters::{id}"),
            BuildError::Routes { id, .. } => format!("service::pipelines::{id}"),
        }
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
    let mut built =
        Built { config, plugins, stages: BTreeMap::new(), outlets: BTreeMap::new(), pipelines: BTreeMap::new() };
    let mut errors = Vec::new();
    built.build_stages(workshop, previous, &mut errors).await;
    built.build_outlets(workshop, previous, &mut errors);
    // A pipeline of parts that could not be made would only add to their errors.
    if errors.is_empty() {
        built.build_pipelines(&mut errors);
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}

impl Built {
    async fn build_stages(&mut self, workshop: &Workshop, previous: Option<&Built>, errors: &mut Vec<BuildError>) {
        for (id, Processor::Wasm(settings)) in &self.config.processors {
            let stage = match self.plugins.get(&settings.plugin) {
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
                Ok(stage) => drop(self.stages.insert(id.clone(), stage)),
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
        let Processor::Wasm(before) = previous.config.processors.get(id)?;
        let same_plugin = previous.plugins.get(&before.plugin).is_ok_and(|before| before.hash == plugin.hash);
        let same_routes = route_names(&previous.config, before) == route_names(&self.config, settings);
        let same = before == settings && same_plugin && same_routes;
        same.then(|| previous.stages.get(id).cloned()).flatten()
    }

    /// An outlet for each signal that reaches an exporter; exporters that several pipelines share have one for all of them.
    fn build_outlets(&mut self, workshop: &Workshop, previous: Option<&Built>, errors: &mut Vec<BuildError>) {
        let mut wanted: BTreeMap<&ComponentId, BTreeSet<Signal>> = BTreeMap::new();
        for (pipeline, settings) in &self.config.pipelines {
            let routed = settings.processors.iter().filter_map(|id| {
                let Processor::Wasm(stage) = self.config.processors.get(id)?;
                Some(stage.routes.values().flatten())
            });
            for id in settings.exporters.iter().chain(routed.flatten()) {
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
        for (id, signals) in wanted {
            let Some(settings) = self.config.exporters.get(id) else { continue };
            let unchanged = previous.filter(|previous| {
                let same_storage = storage(&previous.config, settings) == storage(&self.config, settings);
                same_storage && previous.config.exporters.get(id) == Some(settings)
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
                    None => match make_exporter(id, settings) {
                        Ok(made) => Arc::clone(exporter.insert(made)),
                        Err(source) => {
                            errors.push(BuildError::Exporter { id: id.clone(), source });
                            break;
                        }
                    },
                };
                let name = id.to_string();
                let metrics = workshop.metrics.exporter(&name, signal);
                let outlet = Outlet::start(name.into(), signal, exporter, outlet_settings(settings), metrics);
                self.outlets.insert(key, Arc::new(outlet));
            }
        }
    }

    fn build_pipelines(&mut self, errors: &mut Vec<BuildError>) {
        for (id, settings) in &self.config.pipelines {
            let mut exporters: Vec<&ComponentId> = settings.exporters.iter().collect();
            let own = exporters.len();
            let mut stages = Vec::new();
            let mut routes = Vec::new();
            for processor in &settings.processors {
                let (Some(stage), Some(Processor::Wasm(stage_settings))) =
                    (self.stages.get(processor), self.config.processors.get(processor))
                else {
                    continue;
                };
                let Ok(route_base) = u16::try_from(routes.len()) else { break };
                stages.push(PipelineStage { stage: Arc::clone(stage), route_base });
                for set in stage.route_sets() {
                    let mut numbers = BTreeSet::new();
                    for name in set {
                        for exporter in resolve_route(&self.config, stage_settings, name) {
                            let Some((exporter, _)) = self.config.exporters.get_key_value(&exporter) else { continue };
                            let known = exporters.iter().position(|known| *known == exporter);
                            numbers.insert(known.unwrap_or_else(|| {
                                exporters.push(exporter);
                                exporters.len() - 1
                            }));
                        }
                    }
                    routes.push(numbers.into_iter().collect());
                }
            }
            if routes.len() > ROUTES_MAX {
                errors.push(BuildError::Routes { id: id.clone(), count: routes.len() });
                continue;
            }
            let outlet = |exporter: &&ComponentId| self.outlets.get(&((*exporter).clone(), id.signal())).cloned();
            let outlets: Vec<Arc<Outlet>> = exporters.iter().filter_map(outlet).collect();
            let ack_point = AckPoint::of_pipeline(outlets.iter().map(|outlet| outlet.ack_point()));
            let pipeline = Pipeline { id: id.clone(), stages, outlets, own, routes, ack_point };
            self.pipelines.insert(id.clone(), Arc::new(pipeline));
        }
    }

    /// Of the plugin in a stage.
    pub fn plugin_hash(&self, stage: &ComponentId) -> Option<&str> {
        let Processor::Wasm(settings) = self.config.processors.get(stage)?;
        self.plugins.get(&settings.plugin).ok().map(|plugin| plugin.hash.as_str())
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
            inlets.entry(receiver.clone()).or_default()[signal as usize] = Some(Inlet { projection, pipelines });
        }
        inlets
    }
}

/// What the pipelines' stages want to see, each column once.
///
/// All stages', not only the first ones': a column more in the parsing pass costs a fraction of a pass of its own, and what a
/// stage changes is projected anew from the changed records anyway.
fn columns(signal: Signal, pipelines: &[Arc<Pipeline>]) -> Vec<ColumnRequest> {
    let stages = pipelines.iter().flat_map(|pipeline| &pipeline.stages);
    let mut columns: Vec<ColumnRequest> = Vec::new();
    for column in stages.flat_map(|stage| stage.stage.columns(signal).unwrap_or_default()) {
        if !columns.contains(column) {
            columns.push(column.clone());
        }
    }
    columns
}

/// The registry of exporters: one arm for each kind.
fn make_exporter(id: &ComponentId, settings: &Exporter) -> Result<Arc<dyn crate::exporter::Exporter>, ClientError> {
    Ok(match settings {
        Exporter::OtlpGrpc(settings) => Arc::new(OtlpExporter::grpc(settings)?),
        Exporter::OtlpHttp(settings) => Arc::new(OtlpExporter::http(settings)?),
        Exporter::Debug(settings) => Arc::new(DebugExporter::new(id.to_string().into(), settings.clone())),
    })
}

/// Of the exporter's queue.
fn storage<'a>(config: &'a Config, exporter: &Exporter) -> Option<&'a Extension> {
    outlet_settings(exporter).queue?.storage.and_then(|id| config.extensions.get(&id))
}

fn outlet_settings(settings: &Exporter) -> OutletSettings {
    let (queue, retry, on_full) = match settings {
        Exporter::OtlpGrpc(settings) => (settings.queue.clone(), settings.retry.clone(), settings.on_full),
        Exporter::OtlpHttp(settings) => (settings.queue.clone(), settings.retry.clone(), settings.on_full),
        // Writing to the log neither waits nor fails.
        Exporter::Debug(_) => (None, None, wasmill_config::OnFull::default()),
    };
    OutletSettings { queue, retry, on_full }
}
