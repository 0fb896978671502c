//! The running gateway: starts, swaps, reloads, ends.
//!
//! There is one way from one state to the next, for a reload as for a plugin's swap ([`Engine::reload`], [`Engine::refresh`]):
//!
//! ```text
//!  build the new beside the old ─► bind new ports ─► publish ─► serve ─► stop what went, once the old's last batch is through
//!           │                          │
//!           └─ fails: the old one serves on, the reason is logged and counted, nothing has changed
//! ```
//!
//! Changes are serialised: one waits for the one before it. What did not change (exporters with their queues, receivers with
//! their sockets, stages with their instances) is not touched.

mod by_hand;
mod carry;
mod endpoints;
mod ledger;
mod listen;
mod probation;
mod rehearsal;
mod replaced;
mod report;
mod scrapes;
mod status;
mod storages;
mod tables;
mod tap;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::{Mutex, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout_at};
use wasmill_config::{ComponentId, Config, PluginSource, WasmStage};
use wasmill_host::{Host, Plugin, Stage};
use wasmill_transport::{BindError, Budget, Protocol};

use crate::build::{Built, Plugins, Workshop, build, file_hash, plugin_source};
use crate::emissions::{Emissions, waves};
use crate::exporter::{OpenFiles, Stores};
use crate::generation::{Ended, Generation, Generations};
use crate::outlet::{Ending, Outlet};
use crate::queue::Held;
use crate::receiver::{self, BoundReceiver, Intake, Receiver, Tails};
use crate::telemetry::{Health, Metrics, SwapResult, Tracing};
use endpoints::Endpoints;
use ledger::Ledger;
use probation::Probation;
use rehearsal::ShadowReports;
use replaced::Replaced;

pub use by_hand::ByHandError;
pub use ledger::{ChangedBy, LastSwap};
pub use listen::ListenError;
pub use rehearsal::describe;
pub use report::{EngineError, Left, Reloaded, chain};
pub use status::{
    ExporterStatus, Pending, PipelineStatus, PluginStatus, ProcessStatus, QueueStatus, ReceiverStatus, Status,
    TableStatus,
};
pub use storages::{StorageError, Storages};
pub use tables::TableKeeper;
pub use tap::TapError;

/// How long the end of the process may wait for the gateway's own spans to be sent, if there is that much time.
const TRACING_END_MAX: Duration = Duration::from_secs(5);

/// Between attempts to take a port that an old receiver is about to give up.
const REBIND_INTERVAL: Duration = Duration::from_millis(10);

/// Between looks at whether anybody else still has the engine, when it is to end.
const ALONE_INTERVAL: Duration = Duration::from_millis(2);

/// What an engine is started with.
pub struct Options {
    pub host: Host,
    /// Bytes of requests that the process holds at most.
    pub budget: Arc<Budget>,
}

/// A running gateway. Dropped without [`shutdown`](Engine::shutdown), it stops at once.
pub struct Engine {
    workshop: Workshop,
    intake: Intake,
    health: Health,
    /// Held through a change: changes are serialised.
    state: Mutex<State>,
    /// What serves, for those that only look.
    serving: RwLock<Arc<Built>>,
    /// What stages ran before, to be put back.
    previous: parking_lot::Mutex<BTreeMap<ComponentId, Arc<Plugin>>>,
    ledger: Ledger,
    /// For tasks that do not keep it from ending.
    me: Weak<Engine>,
    /// Closed when no batch's task is left.
    in_flight: watch::Sender<()>,
}

struct State {
    built: Arc<Built>,
    receivers: BTreeMap<ComponentId, Receiver>,
    endpoints: Endpoints,
    generation: u64,
    /// Resolves when the current generation has no batch left, after it was replaced.
    ended: Ended,
    /// Sees to the end of the generations before it.
    retiring: Option<JoinHandle<()>>,
    /// Plugin files that could not be put into service, by the hash that failed: not tried again until they change.
    refused: HashMap<PluginSource, Option<String>>,
}

/// Ports for receivers that are new or changed.
struct Ports {
    bound: Vec<BoundReceiver>,
    /// What cannot be bound while the receiver serves that has the port now.
    contended: Vec<(ComponentId, receiver::Settings)>,
}

impl Engine {
    /// Builds everything, takes every port, and serves.
    pub async fn start(config: Config, options: Options) -> Result<Arc<Engine>, EngineError> {
        let Options { host, budget } = options;
        let metrics = Metrics::new();
        metrics.plugins.watch_guests(Arc::clone(host.metrics()));
        let workshop = Workshop {
            host,
            metrics: metrics.clone(),
            files: OpenFiles::default(),
            stores: Stores::default(),
            emissions: Emissions::default(),
            taps: Arc::default(),
            tracing: Tracing::default(),
        };
        let plugins = Plugins::load(&workshop.host, sources(&config), None).await;
        let built = build(&workshop, config, plugins, None).await?;
        workshop.tracing.serve(workshop.prepare_tracing(&built.config).map_err(EngineError::Tracing)?);
        let storages = Arc::<Storages>::default();
        let opened = storages.open(&built).await?;

        let (generation, ended) = Generation::new(1, built.inlets(), built.exits());
        workshop.emissions.follow(&generation);
        let (in_flight, batches) = watch::channel(());
        let generations = Arc::new(Generations::new(generation));
        let tracing = workshop.tracing.clone();
        let intake =
            Intake { generations, metrics, budget, storages, tails: Tails::default(), tracing, in_flight: batches };
        let health = Health::default();
        // Every port is taken before one is served: a gateway that starts, starts whole.
        let mut bound = Vec::new();
        for (id, settings) in &built.config.receivers {
            let settings = receiver::settings(&built.config, id, settings);
            bound.push(BoundReceiver::bind(id.clone(), settings, &intake.budget).await?);
        }
        let mut endpoints = Endpoints::default();
        endpoints.apply(endpoints.changed(&built, &intake.metrics, &health).await?);
        let mut receivers = BTreeMap::new();
        // Before receivers look for what they kept.
        intake.storages.serve(opened);
        for receiver in bound {
            receivers.insert(receiver.id().clone(), receiver.serve(&intake));
        }
        for stage in built.stages.values() {
            intake.metrics.plugins.serves(stage, 1);
            stage.start_ticks();
        }
        intake.metrics.tables.serve(built.stages.values());
        built.outlets.values().for_each(|outlet| outlet.begin());
        health.set_ready();
        let built = Arc::new(built);
        let serving = RwLock::new(Arc::clone(&built));
        let state =
            State { built, receivers, endpoints, generation: 1, ended, retiring: None, refused: HashMap::new() };
        Ok(Arc::new_cyclic(|me| Engine {
            workshop,
            intake,
            health,
            state: Mutex::new(state),
            serving,
            previous: parking_lot::Mutex::default(),
            ledger: Ledger::default(),
            me: Weak::clone(me),
            in_flight,
        }))
    }

    /// What it listens on, a phrase for each port: `otlp grpc 127.0.0.1:4317`.
    pub async fn listening(&self) -> Vec<String> {
        let state = self.state.lock().await;
        let receivers = state.receivers.values().flat_map(|receiver| receiver.listening.clone());
        receivers.chain(state.endpoints.scrapes.listening()).collect()
    }

    /// Where a receiver serves a protocol.
    pub async fn address(&self, receiver: &ComponentId, protocol: Protocol) -> Option<SocketAddr> {
        self.state.lock().await.receivers.get(receiver)?.address(protocol)
    }

    /// Where an exporter is scraped.
    pub async fn scrape_address(&self, exporter: &ComponentId) -> Option<SocketAddr> {
        self.state.lock().await.endpoints.scrapes.address(exporter)
    }

    /// Where the gateway's own `/metrics` is served.
    pub async fn metrics_address(&self) -> Option<SocketAddr> {
        self.state.lock().await.endpoints.metrics.as_ref().map(|(_, endpoint)| endpoint.address())
    }

    /// Where a `health_check` extension is served.
    pub async fn health_address(&self, extension: &ComponentId) -> Option<SocketAddr> {
        self.state.lock().await.endpoints.health.get(extension).map(|(_, endpoint)| endpoint.address())
    }

    pub fn metrics(&self) -> &Metrics {
        &self.intake.metrics
    }

    /// The generation that new batches take.
    pub fn generation(&self) -> u64 {
        self.intake.generations.current().number
    }

    /// Plugin files whose change is to be noticed.
    pub async fn plugin_files(&self) -> Vec<PathBuf> {
        let state = self.state.lock().await;
        let files = sources(&state.built.config).filter_map(|source| match source {
            PluginSource::File(path) => Some(path),
            PluginSource::Builtin(_) => None,
        });
        files.collect()
    }

    /// Puts another configuration into service, its plugins as their files are now.
    pub async fn reload(&self, config: Config) -> Result<Reloaded, EngineError> {
        let _under_way = self.ledger.begin("reload of the configuration");
        let mut state = self.state.lock().await;
        let plugins = Plugins::load(&self.workshop.host, sources(&config), Some(&state.built.plugins)).await;
        let reloaded = match build(&self.workshop, config, plugins, Some(&*state.built)).await {
            Ok(built) => self.publish(&mut state, built, ChangedBy::Reload).await,
            Err(errors) => Err(errors.into()),
        };
        self.intake.metrics.config_reloaded(reloaded.is_ok());
        reloaded
    }

    /// Puts plugins into service whose files have changed, each by itself: one that is refused does not keep another back.
    ///
    /// The result has an entry for each file that was tried: the stages that it now serves, or why the old one serves on.
    pub async fn refresh(&self) -> Vec<(PathBuf, Result<Reloaded, EngineError>)> {
        let mut state = self.state.lock().await;
        let mut results = Vec::new();
        for source in state.changed_plugins() {
            let PluginSource::File(path) = &source else { continue };
            let _under_way = self.ledger.begin(format!("swap to the new content of `{}`", path.display()));
            let result = self.swap(&mut state, &source).await;
            results.push((path.clone(), result));
        }
        results
    }

    async fn swap(&self, state: &mut State, source: &PluginSource) -> Result<Reloaded, EngineError> {
        let plugins = state.built.plugins.with_reloaded(&self.workshop.host, source).await;
        let reloaded = match build(&self.workshop, state.built.config.clone(), plugins, Some(&*state.built)).await {
            Ok(built) => self.publish(state, built, ChangedBy::File).await,
            Err(errors) => Err(errors.into()),
        };
        match &reloaded {
            Ok(_) => drop(state.refused.remove(source)),
            Err(error) => {
                let hash = state.refused.get(source).cloned().flatten();
                for id in stages_of(&state.built.config, source) {
                    self.refused(state, id, ChangedBy::File, hash.clone(), error.lines());
                }
            }
        }
        reloaded
    }

    /// Exchanges what serves, and sees to the end of what served.
    async fn publish(&self, state: &mut State, built: Built, by: ChangedBy) -> Result<Reloaded, EngineError> {
        // What is put back has served, and what fails is not to serve a moment longer.
        let back = matches!(by, ChangedBy::Rollback | ChangedBy::Probation);
        let shadows = if back { ShadowReports::new() } else { self.rehearse(&state.built, &built).await? };
        // Queues' folders and ports first: one that cannot be had leaves everything else as it was. Those that have to be taken from a receiver that
        // serves come last, when nothing else can fail.
        let tracing = self.workshop.prepare_tracing(&built.config).map_err(EngineError::Tracing)?;
        let opened = self.intake.storages.open(&built).await?;
        let Ports { mut bound, contended } = state.bind_changed(&built.config, &self.intake).await?;
        let endpoints = state.endpoints.changed(&built, &self.intake.metrics, &self.health).await?;
        // What plugins hold goes to their successors: from here until these are published, batches wait before such a stage.
        let carried = self.carry(&state.built, &built, back).await?;
        bound.extend(state.take_over(&contended, &self.intake).await?);
        state.endpoints.apply(endpoints);

        state.generation += 1;
        let (generation, ended) = Generation::new(state.generation, built.inlets(), built.exits());
        self.intake.generations.publish(Arc::clone(&generation));
        self.workshop.emissions.follow(&generation);
        drop(generation);
        self.workshop.tracing.serve(tracing);
        carried.complete();
        built.stages.values().for_each(|stage| stage.start_ticks());
        self.intake.storages.serve(opened);

        for receiver in bound {
            if let Some(old) = state.receivers.insert(receiver.id().clone(), receiver.serve(&self.intake)) {
                tokio::spawn(old.stop());
            }
        }
        let receivers = std::mem::take(&mut state.receivers);
        for (id, receiver) in receivers {
            if built.config.receivers.contains_key(&id) {
                state.receivers.insert(id, receiver);
            } else {
                tokio::spawn(receiver.stop());
            }
        }
        let built = Arc::new(built);
        let old = std::mem::replace(&mut state.built, Arc::clone(&built));
        *self.serving.write() = built;
        self.workshop.taps.published(state.generation);
        hand_over(&old, &state.built);
        let reloaded = self.account(&old, &state.built, state.generation, by, shadows);
        let replaced = Replaced {
            generation: state.generation - 1,
            stages: missing(&old.stages, &state.built.stages),
            outlets: missing(&old.outlets, &state.built.outlets),
            ended: std::mem::replace(&mut state.ended, ended),
            earlier: state.retiring.take(),
            in_flight: self.intake.in_flight.clone(),
        };
        state.retiring = Some(tokio::spawn(replaced.retire(self.intake.metrics.clone())));
        Ok(reloaded)
    }

    /// Tells metrics and status what serves from now on, and keeps what served, to be put back.
    fn account(
        &self,
        old: &Built,
        new: &Built,
        generation: u64,
        by: ChangedBy,
        mut shadows: ShadowReports,
    ) -> Reloaded {
        self.intake.metrics.tables.serve(new.stages.values());
        let metrics = &self.intake.metrics.plugins;
        let mut previous = self.previous.lock();
        previous.retain(|id, _| new.stages.contains_key(id));
        let mut swapped = Vec::new();
        for (id, stage) in &new.stages {
            if old.stages.get(id).is_some_and(|old| Arc::ptr_eq(old, stage)) {
                continue;
            }
            metrics.serves(stage, generation);
            let (Some(before), Some(now)) = (old.plugin(id), new.plugin(id)) else { continue };
            if before.hash == now.hash {
                continue;
            }
            let back = matches!(by, ChangedBy::Rollback | ChangedBy::Probation);
            let result = if back { SwapResult::RolledBack } else { SwapResult::Published };
            metrics.swapped(&id.to_string(), result);
            let (from, to) = (Some(before.hash.clone()), Some(now.hash.clone()));
            let swap = LastSwap { shadow: shadows.remove(id), ..LastSwap::now(by, result, from, to, Vec::new()) };
            self.ledger.note(id, swap);
            previous.insert(id.clone(), Arc::clone(before));
            // What is put back has shown before what it is worth.
            if let Some(settings) = new.config.stage(id).filter(|_| !back) {
                let old =
                    old.stages.get(id).filter(|_| old.stage_settings(id).is_some_and(|old| is_swap(old, settings)));
                let probation = old.map(|old| Probation::new(id.clone(), old, stage, settings.swap));
                probation.into_iter().for_each(|probation| probation.start(Weak::clone(&self.me)));
            }
            swapped.push(id.clone());
        }
        Reloaded { generation, swapped }
    }

    /// Ends: takes no more, lets what is under way and what is queued go out, at most for `limit`. Says what was left, which is
    /// lost.
    pub async fn shutdown(self: Arc<Self>, limit: Duration) -> Left {
        let until = Instant::now() + limit;
        self.health.set_draining();
        let Some(engine) = alone(self, until).await else { return Left::default() };
        engine.end(until).await
    }

    async fn end(self, until: Instant) -> Left {
        let State { built, receivers, endpoints, .. } = self.state.into_inner();
        drop(self.serving);
        // New records go through it to the last.
        let newest = self.intake.generations.current();
        // Nothing waits for more rows any longer: callers are answered, and then their receivers can stop.
        let waiting = newest.close();
        let mut stopping: JoinSet<_> = receivers.into_values().map(Receiver::stop).collect();
        let stopped = async { while stopping.join_next().await.is_some() {} };
        // What has not stopped by then is cut off, and counted below.
        let _ = timeout_at(until, stopped).await;
        // Batches whose clients went have tasks of their own, and so have exporters that a reload removed.
        let storages = Arc::clone(&self.intake.storages);
        drop(self.intake);
        let _ = timeout_at(until, self.in_flight.closed()).await;
        let emissions = &self.workshop.emissions;
        let unticked = async {
            for stage in built.stages.values() {
                stage.end_ticks().await;
            }
        };
        let _ = timeout_at(until, unticked).await;
        let settled = async || {
            emissions.idle().await;
            waiting.idle().await;
            emissions.idle().await;
        };
        let _ = timeout_at(until, settled()).await;
        // No batch is left that a plugin could be asked about. What it holds goes out before the exporters end, and before those plugins
        // do that its new records come to.
        let ended = async {
            for stages in waves(&built) {
                end_stages(&stages).await;
                settled().await;
            }
        };
        if timeout_at(until, ended).await.is_err() {
            tracing::warn!("plugins were not done with what they held in time");
        }
        drop(newest);
        let in_flight = self.in_flight.receiver_count() + emissions.on_their_way();
        let mut left = Left { in_flight, ..Left::default() };
        waiting.held().for_each(|held| left.add(held));
        let mut draining: JoinSet<Held> =
            built.outlets.values().map(|outlet| drain(Arc::clone(outlet), until, Ending::Shutdown)).collect();
        while let Some(held) = draining.join_next().await {
            left.add(held.unwrap_or_default());
        }
        storages.close().await;
        drop(endpoints);
        // Last: spans of what was delivered until now are among them.
        self.workshop.tracing.shutdown(until.saturating_duration_since(Instant::now()).min(TRACING_END_MAX)).await;
        left
    }
}

impl State {
    /// Takes the ports of receivers that are new or changed, but for those that a receiver has to give up first. Stops nothing.
    async fn bind_changed(&self, config: &Config, intake: &Intake) -> Result<Ports, EngineError> {
        let mut ports = Ports { bound: Vec::new(), contended: Vec::new() };
        for (id, settings) in &config.receivers {
            let old = self.receivers.get(id);
            let settings = receiver::settings(config, id, settings);
            if old.is_some_and(|old| old.settings == settings) {
                continue;
            }
            match BoundReceiver::bind(id.clone(), settings.clone(), &intake.budget).await {
                Ok(receiver) => ports.bound.push(receiver),
                Err(_) if old.is_some_and(|old| old.has_port_of(&settings)) => {
                    ports.contended.push((id.clone(), settings));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(ports)
    }

    /// Takes ports from the receivers that have them. On failure these serve again.
    async fn take_over(
        &mut self,
        contended: &[(ComponentId, receiver::Settings)],
        intake: &Intake,
    ) -> Result<Vec<BoundReceiver>, EngineError> {
        let mut bound = Vec::new();
        let mut stopped = Vec::new();
        for (id, settings) in contended {
            let Some(receiver) = self.receivers.remove(id) else { continue };
            stopped.push((id.clone(), receiver.settings.clone()));
            match rebind(id, settings, receiver, intake).await {
                Ok(receiver) => bound.push(receiver),
                Err(error) => {
                    drop(bound);
                    self.restore(stopped, intake).await;
                    return Err(error.into());
                }
            }
        }
        Ok(bound)
    }

    /// Lets receivers serve that were stopped for a change which is not made.
    async fn restore(&mut self, stopped: Vec<(ComponentId, receiver::Settings)>, intake: &Intake) {
        for (id, settings) in stopped {
            match BoundReceiver::bind(id.clone(), settings, &intake.budget).await {
                Ok(receiver) => drop(self.receivers.insert(id, receiver.serve(intake))),
                // Somebody was quicker. The other receivers are not to suffer from it.
                Err(error) => {
                    tracing::error!(receiver = %id, error = chain(&error), "a receiver could not have its port back")
                }
            }
        }
    }

    /// Plugin files that are not what serves, and not what was refused already.
    fn changed_plugins(&mut self) -> Vec<PluginSource> {
        let sources: HashSet<PluginSource> = sources(&self.built.config).collect();
        let mut changed = Vec::new();
        for source in sources {
            let PluginSource::File(path) = &source else { continue };
            let hash = file_hash(path);
            let serves = self.built.plugins.get(&source).ok().map(|plugin| plugin.hash.clone());
            if hash == serves {
                self.refused.remove(&source);
            } else if self.refused.get(&source) != Some(&hash) {
                // Noted as refused until it is published.
                self.refused.insert(source.clone(), hash);
                changed.push(source);
            }
        }
        changed
    }
}

/// Stops a receiver and takes its ports for another. It closes them at once and then waits for its requests, so the new one need
/// not wait for the end of that.
async fn rebind(
    id: &ComponentId,
    settings: &receiver::Settings,
    old: Receiver,
    intake: &Intake,
) -> Result<BoundReceiver, BindError> {
    let stopping = tokio::spawn(old.stop());
    loop {
        let stopped = stopping.is_finished();
        match BoundReceiver::bind(id.clone(), settings.clone(), &intake.budget).await {
            Err(_) if !stopped => tokio::time::sleep(REBIND_INTERVAL).await,
            result => return result,
        }
    }
}

/// Lets plugins that no batch comes to any more give what they hold, side by side.
async fn end_stages(stages: impl IntoIterator<Item = &Arc<Stage>>) {
    let stages = stages.into_iter().map(Arc::clone);
    let mut ending: JoinSet<()> = stages.map(|stage| async move { stage.end().await }).collect();
    while ending.join_next().await.is_some() {}
}

async fn drain(outlet: Arc<Outlet>, until: Instant, ending: Ending) -> Held {
    outlet.drain(until, ending).await
}

/// Queues on disk go from the outlets that had them to those that have them now; the others begin with theirs.
fn hand_over(old: &Built, new: &Built) {
    for (id, before) in &old.outlets {
        let after = new.outlets.get(id).filter(|after| !Arc::ptr_eq(before, after));
        let queues = before.durable().zip(after.and_then(|after| after.durable()));
        if queues.is_some_and(|(before, after)| before.same_log(after)) {
            before.hand_over();
        }
    }
    new.outlets.values().for_each(|outlet| outlet.begin());
}

/// The engine, once nobody else has it: what the admin socket was asked for ends with its connections.
async fn alone(mut engine: Arc<Engine>, until: Instant) -> Option<Engine> {
    loop {
        engine = match Arc::try_unwrap(engine) {
            Ok(engine) => return Some(engine),
            Err(engine) => engine,
        };
        if Instant::now() >= until {
            tracing::error!("a change did not end in time, and what was queued was not waited for");
            return None;
        }
        tokio::time::sleep(ALONE_INTERVAL).await;
    }
}

/// Whether only the plugin is another: what is put back would run with settings that it never had.
fn is_swap(old: &WasmStage, new: &WasmStage) -> bool {
    let plugin = new.plugin.clone();
    WasmStage { plugin, ..old.clone() } == *new
}

/// What the old has and the new has not.
fn missing<K: Ord, T>(old: &BTreeMap<K, Arc<T>>, new: &BTreeMap<K, Arc<T>>) -> Vec<Arc<T>> {
    let kept = |key: &K, value: &Arc<T>| new.get(key).is_some_and(|new| Arc::ptr_eq(new, value));
    old.iter().filter(|(key, value)| !kept(key, value)).map(|(_, value)| Arc::clone(value)).collect()
}

/// Of every plugin that a configuration runs.
fn sources(config: &Config) -> impl Iterator<Item = PluginSource> + '_ {
    config.stages().map(|(_, stage)| stage.plugin.clone()).chain(plugin_source(config))
}

/// Processors whose plugin comes from `source`.
fn stages_of<'a>(config: &'a Config, source: &'a PluginSource) -> impl Iterator<Item = &'a ComponentId> {
    config.stages().filter(move |(_, stage)| stage.plugin == *source).map(|(id, _)| id)
}
