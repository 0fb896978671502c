//! What is known of the request that a batch came with.

use std::net::SocketAddr;
use std::time::Instant;

/// Shared by all batches of a request. Batches of different contexts merge only where the configured metadata keys are
/// equal, so that tenants never mix.
#[derive(Clone, Debug, Default)]
pub struct RequestContext {
    /// Chosen headers (gRPC metadata), names in lower case, in the order in which they came; a name may repeat.
    pub metadata: Vec<(String, String)>,
    /// Who sent it; `None` for what the gateway made itself.
    pub peer: Option<SocketAddr>,
    /// The authenticated name, where the receiver authenticates.
    pub identity: Option<String>,
    /// The caller's `traceparent`.
    pub trace_parent: Option<String>,
    /// When the caller stops waiting; `None`: it did not say.
    pub deadline: Option<Instant>,
}

impl RequestContext {
    /// The first value of a header; `name` in lower case.
    pub fn metadata(&self, name: &str) -> Option<&str> {
        self.metadata.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}
