//! What a plugin says when it cannot.

use std::fmt;

/// A refusal, in words for the operator. Made from any error by `?`, or from text by [`Error::new`].
///
/// Out of [`Plugin::init`](crate::Plugin::init) it refuses the configuration; out of
/// [`Plugin::process`](crate::Plugin::process) it refuses the slice, and the stage's `on_fault` says what becomes of it.
pub struct Error(String);

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Lowercase, without a full stop: which key or value, what was found, what was expected.
    pub fn new(message: impl Into<String>) -> Error {
        Error(message.into())
    }

    pub fn message(&self) -> &str {
        &self.0
    }

    #[cfg(target_family = "wasm")]
    pub(crate) fn into_message(self) -> String {
        self.0
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Error {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        Error(message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
