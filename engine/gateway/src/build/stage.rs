//! From a processor's settings to a stage.

use std::collections::BTreeSet;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use wasmill_config::{ComponentId, Config, PluginLimits, PluginSource, PluginState, RouteTarget, WasmStage};
use wasmill_host::{BreakerSettings, GroupBy, Limits, OnFault, Plugin, Stage, StageSpec, StateSettings};

use super::{BuildError, Workshop, tables};
use crate::emissions::Emitter;

/// Builds the stage of one processor: instantiates its plugin and gives it its configuration.
pub(super) async fn build_stage(
    workshop: &Workshop,
    config: &Config,
    id: &ComponentId,
    settings: &WasmStage,
    plugin: &Arc<Plugin>,
) -> Result<Arc<Stage>, BuildError> {
    let spec = spec(workshop, config, id, settings).await?;
    let stage = Stage::build(&workshop.host, Arc::clone(plugin), spec).await;
    let stage = stage.map_err(|source| BuildError::Stage { id: id.clone(), plugin: plugin.name.clone(), source })?;
    if stage.requirements().uses.emit {
        if emission_targets(config, settings, &stage).is_empty() {
            return Err(BuildError::EmitsNowhere { id: id.clone(), plugin: plugin.name.clone() });
        }
        let_emit(workshop, config, settings, &stage);
    }
    Ok(stage)
}

/// Builds a stage for a shadow run: nothing that it does is seen, and each fault is one.
pub async fn candidate(
    workshop: &Workshop,
    config: &Config,
    id: &ComponentId,
    settings: &WasmStage,
    plugin: &Arc<Plugin>,
) -> Result<Arc<Stage>, BuildError> {
    let spec = StageSpec {
        on_fault: OnFault::Reject,
        breaker: None,
        content_faults_max: None,
        quiet: true,
        ..spec(workshop, config, id, settings).await?
    };
    let stage = Stage::build(&workshop.host, Arc::clone(plugin), spec).await;
    stage.map_err(|source| BuildError::Stage { id: id.clone(), plugin: plugin.name.clone(), source })
}

/// An error: its `config` is not JSON, rows cannot be grouped so, or a table cannot be loaded.
async fn spec(
    workshop: &Workshop,
    config: &Config,
    id: &ComponentId,
    settings: &WasmStage,
) -> Result<StageSpec, BuildError> {
    let group_by = settings.group.as_ref().map(|group| GroupBy::parse(&group.by)).transpose();
    let of_plugin = serde_json::from_str(settings.config.expose());
    Ok(StageSpec {
        name: id.to_string(),
        config: of_plugin.map_err(|source| BuildError::Config { id: id.clone(), source })?,
        limits: limits(&settings.limits),
        on_fault: match settings.on_fault {
            wasmill_config::OnFault::Reject => OnFault::Reject,
            wasmill_config::OnFault::Pass => OnFault::Pass,
            wasmill_config::OnFault::Drop => OnFault::Drop,
            wasmill_config::OnFault::Divert => OnFault::Divert,
        },
        breaker: settings.breaker.map(|breaker| BreakerSettings {
            faults: breaker.faults,
            calls: breaker.calls,
            pause: breaker.pause,
            pause_max: breaker.pause_max,
        }),
        content_faults_max: settings.content_faults_max,
        quiet: false,
        routes: Some(route_names(config, settings)),
        group_by: group_by.map_err(|source| BuildError::GroupBy { id: id.clone(), source })?,
        tables: Some(tables::open(workshop, id, settings).await?),
        state: state(&settings.state),
    })
}

/// Names that a stage's plugin may route to: its own, and every exporter by its id.
pub(super) fn route_names(config: &Config, settings: &WasmStage) -> Vec<String> {
    let own = settings.routes.keys().map(|name| name.to_string());
    let names: BTreeSet<String> = own.chain(config.exporters.keys().map(ComponentId::to_string)).collect();
    names.into_iter().collect()
}

/// Where one of [`route_names`] leads.
pub(super) fn resolve_route(config: &Config, settings: &WasmStage, name: &str) -> Vec<RouteTarget> {
    match settings.routes.get(name) {
        Some(targets) => targets.clone(),
        None => {
            let of_name = config.exporters.keys().filter(|id| id.to_string() == name);
            of_name.cloned().map(RouteTarget::Exporter).collect()
        }
    }
}

/// Where new records of a stage may go, whatever their signal; nowhere, where its plugin makes none.
pub(super) fn emission_targets(config: &Config, settings: &WasmStage, stage: &Stage) -> Vec<RouteTarget> {
    if !stage.requirements().uses.emit {
        return Vec::new();
    }
    let named = stage.route_sets().iter().flatten().flat_map(|name| resolve_route(config, settings, name));
    settings.emit_to.iter().cloned().chain(named).collect()
}

/// Gives a stage that is to serve a way for its new records.
pub(super) fn let_emit(workshop: &Workshop, config: &Config, settings: &WasmStage, stage: &Stage) {
    let resolved = |set: &Vec<String>| set.iter().flat_map(|name| resolve_route(config, settings, name)).collect();
    let sets = stage.route_sets().iter().map(resolved).collect();
    let emitter = Emitter::new(workshop.emissions.clone(), stage, settings.emit_to.clone(), sets);
    stage.set_emissions(Arc::new(emitter));
}

/// A plugin's source as the configuration writes it.
pub fn source_name(source: &PluginSource) -> String {
    match source {
        PluginSource::File(path) => path.display().to_string(),
        PluginSource::Builtin(name) => format!("builtin:{name}"),
    }
}

fn limits(given: &PluginLimits) -> Limits {
    let defaults = Limits::default();
    let rows_max = u32::try_from(given.slice_rows_max.get()).ok().and_then(NonZeroU32::new);
    Limits {
        call_deadline_ms: millis(given.call_deadline),
        init_deadline_ms: millis(given.init_deadline),
        memory_bytes_max: bytes(given.memory_bytes_max),
        // An instance that fills three quarters of what it may have is about to fail.
        memory_bytes_retire: bytes(given.memory_bytes_max / 4 * 3),
        rows_max: rows_max.unwrap_or(NonZeroU32::MAX),
        column_bytes_max: bytes(given.column_bytes_max),
        verdict_bytes_max: bytes(given.verdict_bytes_max),
        instances_max: given.instances_max,
        instance_wait_ms: defaults.instance_wait_ms,
    }
}

fn state(given: &PluginState) -> StateSettings {
    StateSettings {
        bytes_max: given.bytes_max,
        keys_max: given.keys_max.get(),
        shards: given.shards,
        snapshot_interval: given.snapshot_interval,
    }
}

fn millis(duration: Duration) -> NonZeroU64 {
    u64::try_from(duration.as_millis()).ok().and_then(NonZeroU64::new).unwrap_or(NonZeroU64::MIN)
}

fn bytes(bytes: usize) -> NonZeroUsize {
    NonZeroUsize::new(bytes).unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stage without `limits:` has those of the host: neither has defaults of its own.
    #[test]
    fn the_configuration_and_the_host_have_the_same_defaults() {
        assert_eq!(limits(&PluginLimits::default()), Limits::default());
        assert_eq!(state(&PluginState::default()), StateSettings::default());
    }
}
