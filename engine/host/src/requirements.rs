//! What a plugin said at `init` that it wants, checked.

use wasmill_wire::{ColumnRequest, PathError, Signal};

/// A checked answer to `init`. All instances of a stage answer alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Requirements {
    /// One for each signal that the plugin takes.
    pub inputs: Vec<Input>,
    /// See [`crate::Stage::route_sets`].
    pub route_sets: Vec<Vec<String>>,
    pub uses: Uses,
}

/// The columns of one signal, in the order in which they cross.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Input {
    pub signal: Signal,
    pub columns: Vec<ColumnRequest>,
}

/// Which parts of a verdict a plugin announced; returning another one is a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Uses {
    pub keep: bool,
    pub routes: bool,
    pub edits: bool,
}

/// What a plugin wants and cannot have.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RequirementsError {
    #[error("the plugin wants `{what}`, which is not served yet")]
    NotServed { what: String },
    #[error("the plugin uses `{name}`, which this contract does not know; known are {known}")]
    UnknownUse { name: String, known: String },
    #[error("the plugin takes no signal")]
    NoInputs,
    #[error("the plugin names {signal} twice among its inputs")]
    SignalTwice { signal: Signal },
    #[error("the plugin wants a column of {signal} that cannot be")]
    Path { signal: Signal, #[source] source: PathError },
    #[error("the plugin wants `{path}` of {signal} as {wanted}; it is {expected}")]
    ColumnType { signal: Signal, path: String, wanted: String, expected: String },
    #[error("the plugin may route to `{name}`, which is not configured; configured are {known}")]
    UnknownRoute { name: String, known: String },
    #[error("the plugin has {count} {what}; at most {max} are allowed")]
    TooMany { what: &'static str, count: usize, max: usize },
    #[error("the plugin answered `init` differently in another instance")]
    Differs,
}
