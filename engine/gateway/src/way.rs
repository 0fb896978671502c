//! How batches go on that have waited: when their time is over, at a step of a pipeline, in the newest generation.

use std::sync::{Arc, Weak};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::generation::Generation;
use crate::pipeline::Pipeline;

/// The way from here on. Whoever publishes a generation keeps it.
pub(crate) struct Next {
    generation: Weak<Generation>,
    pipeline: Weak<Pipeline>,
    step: usize,
}

/// The same for one batch, which pins it.
#[derive(Clone)]
pub(crate) struct Way {
    pub pipeline: Arc<Pipeline>,
    pub step: usize,
    pub generation: Arc<Generation>,
}

impl Next {
    pub fn new(generation: &Arc<Generation>, pipeline: &Arc<Pipeline>, step: usize) -> Next {
        Next { generation: Arc::downgrade(generation), pipeline: Arc::downgrade(pipeline), step }
    }

    /// `None`: the engine is gone.
    pub fn pin(&self) -> Option<Way> {
        Some(Way { pipeline: self.pipeline.upgrade()?, step: self.step, generation: self.generation.upgrade()? })
    }
}

/// Sends what is due, for ever: `send_due` does, and says when the next one is. `earlier` is told of one that is due before that.
pub(crate) async fn watch_clock(earlier: &Notify, mut send_due: impl FnMut() -> Option<Instant>) {
    loop {
        let sooner = earlier.notified();
        match send_due() {
            None => sooner.await,
            Some(due) => tokio::select! {
                () = sleep_until(due) => {}
                () = sooner => {}
            },
        }
    }
}
