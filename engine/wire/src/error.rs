//! Why a request is refused.

use crate::Signal;

/// A request that is not what its signal's message says. Nothing of it was taken.
///
/// `offset` counts from the first byte of the (uncompressed) request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid OTLP {signal} request at byte {offset}: {reason}")]
pub struct WireError {
    pub signal: Signal,
    pub offset: usize,
    /// What was found and what was expected, lowercase.
    pub reason: &'static str,
}
