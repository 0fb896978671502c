//! A success, full or partial: what every `Export*ServiceResponse` says.

/// The receiver has the request, but for what it says that it rejected.
///
/// The default is full success. OTLP wants `partial_success` unset then, and never a retry otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Spans, log records or data points that were rejected for good.
    pub rejected: u64,
    /// Why, or a warning where nothing was rejected. Empty: nothing to say.
    pub message: String,
}

impl Accepted {
    /// Everything was taken, and there is nothing to say.
    pub fn is_full(&self) -> bool {
        self.rejected == 0 && self.message.is_empty()
    }
}
