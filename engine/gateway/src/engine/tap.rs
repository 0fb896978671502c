//! Listeners: whether what they ask for is there, and what serves where they listen.

use std::sync::Arc;

use serde_json::json;
use wasmill_config::PipelineId;
use wasmill_host::{BuildError, Stage, StageSpec};

use super::Engine;
use crate::build::{Built, PluginError, Plugins};
use crate::pipeline::connector;
use crate::tap::{MASK_BYTES_MAX, MASKS_MAX, Masks, Serves, Side, TAPS_MAX, Tap, TapSpec, Taps, Wish};

/// The plugin that conditions are asked of.
const PLUGIN: &str = "filter";

/// What it calls the conditions, in its refusals.
const CONDITIONS: &str = "`keep`: ";

/// Why a listener cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    #[error("there is no stage `{name}`; there are {known}")]
    NoStage { name: String, known: String },
    #[error("there is no pipeline `{name}`; there are {known}")]
    NoPipeline { name: String, known: String },
    #[error("pipeline `{pipeline}` has no stage `{stage}`; it has {known}")]
    NotInPipeline { pipeline: String, stage: String, known: String },
    #[error("`--before` and `--after` are about a stage, and none is named")]
    NoSide,
    #[error("a mask is a name of 1 to {} bytes, and there are at most {}", MASK_BYTES_MAX, MASKS_MAX)]
    Mask,
    /// What is wrong with it, and at which character.
    #[error("the condition cannot be used: {reason}")]
    Condition { reason: String },
    #[error("conditions cannot be asked")]
    Plugin(#[from] PluginError),
    #[error("conditions cannot be asked")]
    Stage(#[source] BuildError),
    #[error("{TAPS_MAX} others listen, and more may not")]
    Full,
}

impl Engine {
    /// Those who listen. They do not keep the engine from ending.
    pub fn taps(&self) -> &Arc<Taps> {
        &self.workshop.taps
    }

    /// Listens as `spec` says, from now on and until the tap is dropped, over swaps and reloads. Masks are those of the configuration that
    /// serves now, and the spec's.
    pub async fn tap(&self, spec: &TapSpec) -> Result<Tap, TapError> {
        let place = self.workshop.taps.place().ok_or(TapError::Full)?;
        let serving = self.serving.read().clone();
        let pipeline = spec.pipeline.as_deref().map(|name| find_pipeline(&serving, name)).transpose()?;
        match &spec.stage {
            Some(stage) => check_stage(&serving, pipeline.as_ref(), stage)?,
            None if spec.side != Side::Both => return Err(TapError::NoSide),
            None => {}
        }
        let names = serving.config.admin.mask.iter().chain(&spec.mask).map(String::as_str);
        let masks = Masks::new(names).ok_or(TapError::Mask)?;
        let condition = match &spec.condition {
            Some(condition) => Some(self.condition(condition).await?),
            None => None,
        };
        let TapSpec { stage, side, limit, .. } = spec;
        let wish = Wish { pipeline, stage: stage.clone(), side: *side, condition, masks, limit: *limit };
        Ok(self.workshop.taps.listen(wish, place))
    }

    /// A stage that keeps what a condition is true for. Where it cannot be evaluated, it is not.
    async fn condition(&self, condition: &str) -> Result<Arc<Stage>, TapError> {
        let plugin = Plugins::load_builtin(&self.workshop.host, PLUGIN).await?;
        let config = json!({ "keep": [condition], "error_mode": "silent" });
        let spec = StageSpec { quiet: true, ..StageSpec::alone("tap", config) };
        Stage::build(&self.workshop.host, plugin, spec).await.map_err(|error| match error {
            BuildError::Config { reason } => {
                let reason = reason.strip_prefix(CONDITIONS).map(str::to_owned).unwrap_or(reason);
                TapError::Condition { reason }
            }
            error => TapError::Stage(error),
        })
    }

    /// What serves now where a tap listens.
    pub fn serves_at(&self, tap: &Tap) -> Serves {
        let serving = self.serving.read().clone();
        let mut serves = Serves { generation: self.generation(), ..Serves::default() };
        if let Some(pipeline) = tap.pipeline().filter(|pipeline| !serving.pipelines.contains_key(pipeline)) {
            serves.gone = Some(format!("pipeline `{pipeline}`"));
        }
        if let Some(stage) = tap.stage() {
            let id = serving.stages.keys().find(|id| id.to_string() == stage);
            match id.and_then(|id| serving.plugin(id)) {
                Some(plugin) => {
                    serves.plugin = Some(plugin.name.clone());
                    serves.hash = Some(plugin.hash.clone());
                }
                None => serves.gone = Some(format!("stage `{stage}`")),
            }
        }
        serves
    }
}

fn find_pipeline(serving: &Built, name: &str) -> Result<PipelineId, TapError> {
    let configured = || serving.pipelines.keys().filter(|id| connector(id).is_none());
    let found = configured().find(|id| id.to_string() == name).cloned();
    found.ok_or_else(|| TapError::NoPipeline { name: name.to_owned(), known: list(configured()) })
}

/// Whether batches come to it, in that pipeline or in any.
fn check_stage(serving: &Built, pipeline: Option<&PipelineId>, name: &str) -> Result<(), TapError> {
    let Some(pipeline) = pipeline else {
        let known = || serving.stages.keys().map(ToString::to_string);
        let there = known().any(|stage| stage == name);
        return if there { Ok(()) } else { Err(TapError::NoStage { name: name.to_owned(), known: list(known()) }) };
    };
    let stages = || serving.pipelines.get(pipeline).into_iter().flat_map(|pipeline| pipeline.stages());
    if stages().any(|stage| stage.stage.name() == name) {
        return Ok(());
    }
    let known = list(stages().map(|stage| stage.stage.name()));
    Err(TapError::NotInPipeline { pipeline: pipeline.to_string(), stage: name.to_owned(), known })
}

fn list(names: impl Iterator<Item = impl std::fmt::Display>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
