//! A plugin with its configuration, in a pipeline.

use std::sync::Arc;

use wasmill_batch::{Refusal, TelemetryBatch};
use wasmill_wire::{ColumnRequest, Signal};

use crate::{Fault, Host, Limits, OnFault, Plugin, Requirements, RequirementsError, StageStats};

/// What a stage is to be.
#[derive(Clone, Debug)]
pub struct StageSpec {
    /// The component's name in the configuration, for logs and metrics: `wasm/drop-health`.
    pub name: String,
    /// The stage's `config:` block.
    pub config: serde_json::Value,
    pub limits: Limits,
    pub on_fault: OnFault,
    /// Names that the plugin's route sets may use: the pipeline's exporters and what `routes:` adds.
    pub routes: Vec<String>,
}

/// Why a stage cannot be built. Whatever served before goes on serving.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The plugin's own words about its configuration.
    #[error("the plugin refuses its configuration: {reason}")]
    Config { reason: String },
    #[error("the plugin does not start: {0}")]
    Start(Fault),
    /// No room in the pool.
    #[error("the plugin cannot be instantiated: {reason}")]
    Instantiate { reason: String },
    #[error(transparent)]
    Requirements(#[from] RequirementsError),
}

/// A plugin in a pipeline: instances, limits, counts. Shared by all batches of a generation.
pub struct Stage {
    name: String,
    requirements: Requirements,
    stats: StageStats,
}

impl Stage {
    /// Instantiates the plugin, gives it its configuration, and checks what it wants.
    ///
    /// The instance that answered serves; more are made when batches come in parallel.
    pub async fn build(_host: &Host, _plugin: Arc<Plugin>, _spec: StageSpec) -> Result<Arc<Stage>, BuildError> {
        todo!()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn requirements(&self) -> &Requirements {
        &self.requirements
    }

    /// The columns that the plugin asked for; `None`: it does not take this signal, and [`process`](Stage::process) leaves
    /// such batches alone. For the pipeline's `Projection`, so that parsing and projecting are one pass.
    pub fn columns(&self, signal: Signal) -> Option<&[ColumnRequest]> {
        self.requirements.inputs.iter().find(|input| input.signal == signal).map(|input| input.columns.as_slice())
    }

    /// The route sets that the plugin may return, each a list of names from [`StageSpec::routes`]. Set `i` is number
    /// `route_base + i` in a batch's `Routes`. An empty set goes nowhere, and is not a drop.
    pub fn route_sets(&self) -> &[Vec<String>] {
        &self.requirements.route_sets
    }

    pub fn stats(&self) -> &StageStats {
        &self.stats
    }

    /// Lets the plugin decide about the selected rows: narrows the selection, sets routes, applies edits.
    ///
    /// `route_base` is where the pipeline counts this stage's route sets from. `Err` when a slice faulted and the policy is
    /// `reject`, or when no instance came free in time: the batch is then as it was, and the refusal says whether to try
    /// again. A call that was started goes on to its end or deadline even if this future is dropped.
    pub async fn process(&self, _batch: &mut TelemetryBatch, _route_base: u16) -> Result<(), Refusal> {
        todo!()
    }
}
