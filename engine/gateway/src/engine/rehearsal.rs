//! Shadow runs before a swap: what is to serve decides about copies of live batches first.
//!
//! The candidate is a stage of its own, beside the one that is to serve and is not used for it, because nothing of what it does may be
//! seen. It is held for as long as the change is, which other changes wait for.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::timeout;
use wasmill_config::{ComponentId, Swap};
use wasmill_host::{Shadow, ShadowReport, Stage};

use super::{Engine, EngineError, is_swap};
use crate::build::{BuildError, Built, candidate};

/// By stage.
pub(super) type ShadowReports = BTreeMap<ComponentId, ShadowReport>;

impl Engine {
    /// Runs every plugin that is new in `new` beside the one that serves, where its stage says so. An error: one of them failed.
    pub(super) async fn rehearse(&self, old: &Built, new: &Built) -> Result<ShadowReports, EngineError> {
        let mut runs = JoinSet::new();
        for (id, settings) in new.config.stages().filter(|(_, settings)| !settings.swap.shadow.is_zero()) {
            let (Some(before), Some(serving), Some(plugin)) = (old.plugin(id), old.stages.get(id), new.plugin(id))
            else {
                continue;
            };
            let swapped = before.hash != plugin.hash;
            if !swapped || !old.stage_settings(id).is_some_and(|old| is_swap(old, settings)) {
                continue;
            }
            let candidate = candidate(&self.workshop, &new.config, id, settings, plugin).await;
            let candidate = candidate.map_err(|error| EngineError::Build(vec![error]))?;
            let run = run(id.clone(), Arc::clone(serving), candidate, settings.swap);
            runs.spawn(run);
        }
        let mut reports = ShadowReports::new();
        let mut failed: Vec<BuildError> = Vec::new();
        while let Some(run) = runs.join_next().await {
            // That it panicked would have been reported.
            let Ok((id, report)) = run else { continue };
            let name = id.to_string();
            self.intake.metrics.plugins.shadowed(&name, &report);
            if report.faults > 0 {
                failed.push(BuildError::Shadow { id, why: describe(&report) });
                continue;
            }
            tracing::info!(stage = name, "shadow run: {}", describe(&report));
            reports.insert(id, report);
        }
        if failed.is_empty() { Ok(reports) } else { Err(failed.into()) }
    }
}

async fn run(
    id: ComponentId,
    serving: Arc<Stage>,
    candidate: Arc<Stage>,
    settings: Swap,
) -> (ComponentId, ShadowReport) {
    let shadow = Shadow::new(candidate, settings.shadow_batches.get());
    let shadowing = shadow.beside(&serving);
    // Whether it saw as many as it should or the time is over: what it has seen counts.
    let _ = timeout(settings.shadow, shadowing.ended()).await;
    (id, shadowing.end().await)
}

/// What a shadow run has shown, in words.
pub fn describe(report: &ShadowReport) -> String {
    let ShadowReport { batches, rows, faults, .. } = report;
    if *batches == 0 {
        return "no batch came in time".to_owned();
    }
    let seen = format!("{batches} batches with {rows} rows");
    if let Some(first) = &report.first_fault {
        return format!("{faults} calls failed in a shadow run of {seen}, the first: {first}");
    }
    format!(
        "{seen}; {} rows kept differently, {} routed differently, {} batches changed differently",
        report.rows_kept_differently, report.rows_routed_differently, report.batches_changed_differently
    )
}
