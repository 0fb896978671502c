//! `wasmill validate`: everything that a start does, but for the ports.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::ExitCode;

use wasmill_config::{Grouping, RouteTarget};

use super::{ConfigArgs, EXIT_WRONG, HostArgs, complain, explained, runtime, say};
use crate::build::{Built, Plugins, Workshop, build, plugin_source};
use crate::emissions::Emissions;
use crate::engine::EngineError;
use crate::exporter::{OpenFiles, Stores};
use crate::telemetry::Metrics;

pub fn validate(config: &ConfigArgs, host: &HostArgs) -> ExitCode {
    let mut loaded = match config.load() {
        Ok(loaded) => loaded,
        Err(errors) => {
            complain(&errors.render());
            return ExitCode::from(EXIT_WRONG);
        }
    };
    loaded.warnings.iter().for_each(|warning| complain(&warning.render()));
    let settings = std::mem::take(&mut loaded.config);
    let (host, runtime) = match host.host().and_then(|host| Ok((host, runtime()?))) {
        Ok(started) => started,
        Err(code) => return code,
    };
    runtime.block_on(async {
        let workshop = Workshop {
            host,
            metrics: Metrics::new(),
            files: OpenFiles::default(),
            stores: Stores::default(),
            emissions: Emissions::default(),
            taps: Default::default(),
            tracing: Default::default(),
        };
        let sources: Vec<_> =
            settings.stages().map(|(_, stage)| stage.plugin.clone()).chain(plugin_source(&settings)).collect();
        let plugins = Plugins::load(&workshop.host, sources, None).await;
        match build(&workshop, settings, plugins, None).await {
            Ok(built) => match workshop.prepare_tracing(&built.config) {
                Ok(_) => {
                    say(&summary(&built));
                    ExitCode::SUCCESS
                }
                Err(error) => explained(EXIT_WRONG, &loaded, &EngineError::Tracing(error)),
            },
            Err(errors) => explained(EXIT_WRONG, &loaded, &EngineError::from(errors)),
        }
    })
}

fn seconds(wait: std::time::Duration) -> String {
    format!("{} s", wait.as_secs_f64())
}

fn target_name(target: &RouteTarget) -> String {
    match target {
        RouteTarget::Exporter(id) => id.to_string(),
        RouteTarget::Pipeline(id) => id.to_string(),
    }
}

/// What the configuration would run.
fn summary(built: &Built) -> String {
    let mut out = String::from("the configuration is valid\n\npipelines:\n");
    for (id, settings) in &built.config.pipelines {
        let names =
            |ids: &[wasmill_config::ComponentId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let mut way = vec![names(&[&settings.receivers[..], &settings.from_connectors].concat())];
        way.extend(settings.processors.iter().map(ToString::to_string));
        way.push(names(&[&settings.exporters[..], &settings.to_connectors].concat()));
        // Only routes lead here.
        way.retain(|names| !names.is_empty());
        let _ = writeln!(out, "  {id}: {}", way.join(" -> "));
        let Some(pipeline) = built.pipelines.get(id) else { continue };
        let next: Vec<String> = pipeline.next().map(|pipeline| pipeline.id.to_string()).collect();
        if !next.is_empty() {
            let _ = writeln!(out, "    leads to {}", next.join(", "));
        }
        let _ = writeln!(out, "    clients are answered when their data is {}", pipeline.answered_when());
        if pipeline.promised > pipeline.ack_point {
            let _ = writeln!(
                out,
                "    the exporters promise that it is {}, which is not waited for: rows wait for their groups in memory, and are lost with \
                 the process",
                pipeline.promised
            );
        }
        for (_, grouper) in pipeline.groupers() {
            let Grouping { by, wait, .. } = &grouper.spec().settings;
            let _ = writeln!(out, "    {} decides about rows of one `{by}` after {}", grouper.name(), seconds(*wait));
        }
        for (_, batcher) in pipeline.batchers().filter(|(_, batcher)| batcher.spec().holds_acks) {
            let _ =
                writeln!(out, "    {} waits for no more rows than other clients are about to bring", batcher.name());
        }
        for stage in pipeline.stages().filter(|stage| stage.stage.columns(id.signal()).is_none()) {
            let _ = writeln!(out, "    {} does not take {}: they pass it unchanged", stage.stage.name(), id.signal());
        }
        for stage in pipeline.stages() {
            let Some(targets) = built.emission_targets.get(stage.stage.name()) else { continue };
            let names: BTreeSet<String> = targets.iter().map(target_name).collect();
            let names = names.into_iter().collect::<Vec<_>>().join(", ");
            let _ = writeln!(out, "    new records of {} go to {names}", stage.stage.name());
        }
    }
    if !built.stages.is_empty() {
        out.push_str("\nplugins:\n");
    }
    for (id, settings) in built.config.stages() {
        let (Ok(plugin), Some(stage)) = (built.plugins.of(id, settings), built.stages.get(id)) else { continue };
        let signals: Vec<String> = stage
            .requirements()
            .inputs
            .iter()
            .map(|input| format!("{} ({} columns)", input.signal, input.columns.len()))
            .collect();
        let tables: Vec<String> =
            stage.tables().map(|(name, table)| format!("    table {name}: {} rows\n", table.state().rows)).collect();
        let hash = plugin.hash.get(..12).unwrap_or(&plugin.hash);
        let _ = writeln!(out, "  {id}: {} ({hash}, {} bytes), takes {}", plugin.name, plugin.size, signals.join(", "));
        out.push_str(&tables.concat());
        let (scope, uses) = (&stage.requirements().scope, stage.requirements().uses);
        match (scope.is_stateful(), uses.snapshot) {
            (true, true) => {
                let _ = writeln!(out, "    its state is {scope}, and is handed to the plugin that follows it");
            }
            (true, false) => {
                let _ = writeln!(
                    out,
                    "    its state is {scope}, and is lost when another plugin follows it: it uses no `snapshot`"
                );
            }
            (false, _) => {}
        }
    }
    out
}
