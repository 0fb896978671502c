//! What can go wrong: when a text is read, and when a row is evaluated.

use std::fmt;

/// A condition or statement that cannot be used, with the character at which that shows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ParseError {
    /// The whole text.
    pub text: String,
    /// Where it goes wrong, in characters from 0. The text's length: at its end.
    pub position: usize,
    /// The offending part of the text; empty at its end.
    pub found: String,
    /// What is wrong and what was expected, the nearest valid name included; lowercase.
    pub reason: String,
}

/// Characters of a text that a message repeats at most, so that a log line stays one.
const SHOWN_MAX: usize = 200;

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = Shown(&self.text);
        if self.found.is_empty() {
            write!(f, "`{shown}` at character {} (its end): {}", self.position, self.reason)
        } else {
            write!(f, "`{shown}` at character {}, `{}`: {}", self.position, Shown(&self.found), self.reason)
        }
    }
}

/// A text, cut where it is longer than a message bears.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(SHOWN_MAX) {
            None => f.write_str(self.0),
            Some((cut, _)) => write!(f, "{}…", &self.0[..cut]),
        }
    }
}

/// Why a whole call failed: nothing of it may be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// With [`crate::ErrorMode::Propagate`], the first row that could not be evaluated.
    #[error("`{expression}` failed in row {row}: {reason}")]
    Row { expression: String, row: usize, reason: Reason },
    /// The columns are not those that [`crate::Program::columns`] asks for.
    #[error("column `{path}` is {found}, expected {expected}")]
    Column { path: String, found: String, expected: String },
    /// Computed text outgrew its bound.
    #[error("the call computed more than {bytes_max} bytes of text")]
    TooLarge { bytes_max: usize },
}

/// Why a condition or statement could not be evaluated for a row. The Collector has an error in the same places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Reason {
    #[error("expected text")]
    NotText,
    #[error("expected a whole number")]
    NotInt,
    #[error("expected a map")]
    NotMap,
    #[error("expected true or false")]
    NotBool,
    #[error("this type cannot be converted")]
    Unconvertible,
    #[error("the text is not a number")]
    NotANumber,
    #[error("the text is neither true nor false")]
    NotABool,
    #[error("the value cannot be indexed with this key")]
    NotIndexable,
    #[error("the index is outside the list")]
    OutOfBounds,
    #[error("the key is not in the map")]
    NoSuchKey,
    #[error("arithmetic needs numbers")]
    NotNumbers,
    #[error("division by 0")]
    DivisionByZero,
    #[error("the pattern is not a valid regular expression")]
    BadPattern,
    #[error("the range is outside the text")]
    BadRange,
    #[error("the text is not an id")]
    BadId,
    #[error("the field cannot hold this type")]
    WrongType,
    #[error("the value is outside the field's range")]
    OutOfRange,
    #[error("the length of this type is not defined")]
    NoLength,
    #[error("the text is not a list or an object in JSON")]
    NotJson,
    #[error("the value is not valid OTLP")]
    Malformed,
}
