//! Paths: which field of a record, or of its parents, a column or an edit is about.
//!
//! The grammar is that of the Collector's transformation language (OTTL), with or without its context prefix.

use crate::Signal;

/// A path that was checked against its signal.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Path {
    pub signal: Signal,
    pub field: Field,
    /// The keys that follow: `attributes["a"]["b"]` has two. Empty: the field itself, a whole map for attributes.
    pub keys: Vec<String>,
}

/// What a path can name. To be filled in by the wire engine's table of fields.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Field {
    Name,
}

/// A path that cannot be, with the character at which that shows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` at character {at}: {reason}")]
pub struct PathError {
    pub path: String,
    /// Counted from 0, in characters.
    pub at: usize,
    /// What was expected, the nearest valid name included.
    pub reason: String,
}

impl Path {
    pub fn parse(_signal: Signal, _text: &str) -> Result<Path, PathError> {
        todo!()
    }
}
