//! What a stage is made of, and why one cannot be made.

use std::num::NonZeroU32;

use wasmill_tables::TableSet;

use crate::instance::StartError;
use crate::{BreakerSettings, Fault, GroupBy, Limits, OnFault, RequirementsError, StateSettings};

/// What a stage is to be.
#[derive(Clone, Debug)]
pub struct StageSpec {
    /// The component's name in the configuration, for logs and metrics: `wasm/drop-health`.
    pub name: String,
    /// The stage's `config:` block.
    pub config: serde_json::Value,
    pub limits: Limits,
    pub on_fault: OnFault,
    /// `None`: the plugin is called however often it fails.
    pub breaker: Option<BreakerSettings>,
    /// Under [`OnFault::Reject`]: so many faults on the same request, and its client is told not to send it again. `None`: it is
    /// told to retry each time.
    pub content_faults_max: Option<NonZeroU32>,
    /// What the plugin logs and counts goes nowhere: it does not serve.
    pub quiet: bool,
    /// Names that the plugin's route sets may use: those that `routes:` resolves. `None`: any, to look at a plugin.
    pub routes: Option<Vec<String>>,
    /// What its rows are grouped by, where the plugin decides about groups. Only [to look at a plugin](StageSpec::alone) it may be missing.
    pub group_by: Option<GroupBy>,
    /// What the plugin may look things up in. `None`: it may name any table, and finds none, to look at a plugin.
    pub tables: Option<TableSet>,
    /// What the host keeps for it, and how what its instances hold is divided.
    pub state: StateSettings,
}

impl StageSpec {
    /// A stage outside of a gateway: nothing forgives a fault, and any route will do.
    pub fn alone(name: &str, config: serde_json::Value) -> StageSpec {
        StageSpec {
            name: name.to_owned(),
            config,
            limits: Limits::default(),
            on_fault: OnFault::Reject,
            breaker: None,
            content_faults_max: None,
            quiet: false,
            routes: None,
            group_by: None,
            tables: None,
            state: StateSettings::default(),
        }
    }
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

impl From<StartError> for BuildError {
    fn from(error: StartError) -> BuildError {
        match error {
            StartError::Config(reason) => BuildError::Config { reason },
            StartError::Fault(fault) => BuildError::Start(fault),
            StartError::NoRoom(reason) => BuildError::Instantiate { reason },
        }
    }
}
