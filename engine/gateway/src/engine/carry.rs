//! What plugins hold, carried over a change: see `engine/host/src/stage/hand_over.rs`.

use wasmill_config::{ComponentId, OnLostState};
use wasmill_host::{HandOver, OnLostState as Lost, Stage};

use super::{Engine, EngineError, is_swap};
use crate::build::{BuildError, Built};

/// What was handed over, and counts once the new serves. Dropped, the old serve on with it.
pub(super) struct Carried(Vec<(HandOver, bool)>);

impl Engine {
    /// Hands over what the instances of each stage hold that is replaced. `back`: a plugin that served before is put back, which nothing keeps
    /// from serving.
    pub(super) async fn carry(&self, old: &Built, new: &Built, back: bool) -> Result<Carried, EngineError> {
        let mut carried = Carried(Vec::new());
        for (id, to) in &new.stages {
            let Some(from) = old.stages.get(id).filter(|from| !std::ptr::eq::<Stage>(&***from, &**to)) else {
                continue;
            };
            let (before, settings) = (old.stage_settings(id), new.stage_settings(id));
            let on_lost = match settings.map(|settings| settings.swap.on_lost_state).unwrap_or_default() {
                _ if back => Lost::Whatever,
                OnLostState::Refuse => Lost::Refuse,
                OnLostState::Accept => Lost::Accept,
            };
            let handed = from.hand_over(to, on_lost).await.map_err(|source| {
                let plugin = to.plugin().name.clone();
                EngineError::Build(vec![BuildError::HandOver { id: ComponentId::clone(id), plugin, source }])
            })?;
            let same_settings = before.zip(settings).is_some_and(|(before, settings)| is_swap(before, settings));
            carried.0.extend(handed.map(|handed| (handed, same_settings)));
        }
        Ok(carried)
    }
}

impl Carried {
    pub fn complete(self) {
        self.0.into_iter().for_each(|(handed, forward)| handed.complete(forward));
    }
}
