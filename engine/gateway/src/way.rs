//! Where batches go on that have waited: at a step of a pipeline, in the newest generation.

use std::sync::{Arc, Weak};

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
