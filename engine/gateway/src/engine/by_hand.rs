//! Plugins exchanged by hand: another one put into a stage, the one before put back.
//!
//! Neither touches a file. The stage is *pinned* to a plugin until what it is configured with changes: the file's content, or the
//! configuration's `plugin`. Until then a reload leaves it, since the bytes that it would bring back are those that were replaced.

use std::path::Path;
use std::sync::Arc;

use wasmill_config::ComponentId;
use wasmill_host::Plugin;

use super::ledger::{ChangedBy, LastSwap};
use super::{Engine, EngineError, Reloaded, State, chain};
use crate::build::{PluginError, Plugins, build};
use crate::telemetry::SwapResult;

/// Why a plugin is not exchanged. The old one serves on.
#[derive(Debug, thiserror::Error)]
pub enum ByHandError {
    #[error("there is no stage `{stage}`; there are {known}")]
    NoStage { stage: String, known: String },
    #[error("`{stage}` has run no other plugin, so that there is none to put back")]
    NoPrevious { stage: String },
    #[error(transparent)]
    Plugin(#[from] PluginError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl ByHandError {
    /// A line for each mistake, causes included.
    pub fn lines(&self) -> Vec<String> {
        match self {
            ByHandError::Engine(error) => error.lines(),
            error => vec![chain(error)],
        }
    }
}

impl Engine {
    /// Puts the plugin of a file into a stage. `Ok` without swapped stages: it runs there already.
    pub async fn swap_by_hand(&self, stage: &str, file: &Path) -> Result<Reloaded, ByHandError> {
        let _under_way = self.ledger.begin(format!("swap of `{stage}`"));
        let mut state = self.state.lock().await;
        let id = find(&state, stage)?;
        let plugin = match Plugins::load_file(&self.workshop.host, file).await {
            Ok(plugin) => plugin,
            Err(error) => {
                self.refused(&state, &id, ChangedBy::Swap, None, vec![chain(&error)]);
                return Err(error.into());
            }
        };
        self.exchange(&mut state, &id, plugin, ChangedBy::Swap).await
    }

    /// Puts the plugin back into a stage that ran there before. Done twice, it is as it was.
    pub async fn roll_back(&self, stage: &str) -> Result<Reloaded, ByHandError> {
        let _under_way = self.ledger.begin(format!("roll-back of `{stage}`"));
        let mut state = self.state.lock().await;
        let id = find(&state, stage)?;
        let previous = self.previous.lock().get(&id).cloned();
        let plugin = previous.ok_or_else(|| ByHandError::NoPrevious { stage: stage.to_owned() })?;
        self.exchange(&mut state, &id, plugin, ChangedBy::Rollback).await
    }

    pub(super) async fn exchange(
        &self,
        state: &mut State,
        id: &ComponentId,
        plugin: Arc<Plugin>,
        by: ChangedBy,
    ) -> Result<Reloaded, ByHandError> {
        let settings = state.built.config.stage(id).ok_or_else(|| no_stage(state, &id.to_string()))?;
        let hash = plugin.hash.clone();
        if state.built.plugin(id).is_some_and(|serving| serving.hash == hash) {
            return Ok(Reloaded { generation: state.generation, swapped: Vec::new() });
        }
        let plugins = state.built.plugins.with_pinned(id, settings, plugin);
        let built = build(&self.workshop, state.built.config.clone(), plugins, Some(&*state.built)).await;
        let published = match built {
            Ok(built) => self.publish(state, built, by).await,
            Err(errors) => Err(errors.into()),
        };
        if let Err(error) = &published {
            self.refused(state, id, by, Some(hash), error.lines());
        }
        Ok(published?)
    }

    /// Counts and notes that a stage's plugin was not exchanged.
    pub(super) fn refused(&self, state: &State, id: &ComponentId, by: ChangedBy, to: Option<String>, why: Vec<String>) {
        self.intake.metrics.plugins.swapped(&id.to_string(), SwapResult::Refused);
        let from = state.built.plugin(id).map(|plugin| plugin.hash.clone());
        self.ledger.note(id, LastSwap::now(by, SwapResult::Refused, from, to, why));
    }
}

fn find(state: &State, stage: &str) -> Result<ComponentId, ByHandError> {
    let found = state.built.config.stages().map(|(id, _)| id).find(|id| id.to_string() == stage);
    found.cloned().ok_or_else(|| no_stage(state, stage))
}

fn no_stage(state: &State, stage: &str) -> ByHandError {
    let known: Vec<String> = state.built.config.stages().map(|(id, _)| format!("`{id}`")).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    ByHandError::NoStage { stage: stage.to_owned(), known }
}
