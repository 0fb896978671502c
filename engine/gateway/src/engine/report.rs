//! What changes and ends of an engine report.

use wasmill_config::ComponentId;
use wasmill_transport::{BindError, ClientError};

use super::{ListenError, StorageError};
use crate::build::BuildError;
use crate::queue::Held;

/// Why an engine does not start, or a change is not made. After a change that was not made, everything serves as before.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Every mistake there is.
    #[error("the configuration cannot be built: {} mistakes", .0.len())]
    Build(Vec<BuildError>),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The gateway's own spans have no backend.
    #[error("the gateway's own spans cannot be sent")]
    Tracing(#[source] ClientError),
    /// Every one that there is.
    #[error("{} queues cannot be had", .0.len())]
    Storage(Vec<StorageError>),
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reloaded {
    pub generation: u64,
    /// Processors that run another plugin than before.
    pub swapped: Vec<ComponentId>,
}

/// What a shutdown could not wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// In sending queues, being sent included: lost.
    pub queued: Held,
    /// Batches whose senders were not answered: they will send them again.
    pub in_flight: usize,
}

impl EngineError {
    /// A line for each mistake, causes included.
    pub fn lines(&self) -> Vec<String> {
        self.mistakes().into_iter().map(|(_, line)| line).collect()
    }

    /// As [`lines`](Self::lines), each with the full path of the configuration's key that it is about; empty for none.
    pub fn mistakes(&self) -> Vec<(String, String)> {
        match self {
            EngineError::Build(errors) => errors.iter().map(|error| (error.key(), chain(error))).collect(),
            EngineError::Storage(errors) => errors.iter().map(|error| (error.key.clone(), chain(error))).collect(),
            EngineError::Tracing(_) => vec![("service::telemetry::traces".to_owned(), chain(self))],
            EngineError::Bind(error) => vec![(error.key().to_owned(), chain(self))],
            EngineError::Listen(ListenError::Listen { key, .. }) => vec![(key.clone(), chain(self))],
            EngineError::Listen(ListenError::Serve(_)) => vec![(String::new(), chain(self))],
        }
    }
}

impl From<Vec<BuildError>> for EngineError {
    fn from(errors: Vec<BuildError>) -> Self {
        EngineError::Build(errors)
    }
}

impl From<Vec<StorageError>> for EngineError {
    fn from(errors: Vec<StorageError>) -> Self {
        EngineError::Storage(errors)
    }
}

impl Left {
    pub fn is_nothing(&self) -> bool {
        *self == Left::default()
    }

    pub(super) fn add(&mut self, held: Held) {
        self.queued.add(held);
    }
}

/// An error and its causes in one line: the one place where causes are printed.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}
