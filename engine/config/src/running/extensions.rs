//! Extensions.

use std::sync::Arc;

use super::Endpoint;

#[derive(Clone, PartialEq, Debug)]
pub enum Extension {
    HealthCheck(HealthCheck),
}

/// `health_check`: 200 while the gateway is ready, 503 before and while it drains.
#[derive(Clone, PartialEq, Debug)]
pub struct HealthCheck {
    pub endpoint: Endpoint,
    /// Starts with `/`. Other paths are 404.
    pub path: Arc<str>,
}

impl Default for HealthCheck {
    fn default() -> Self {
        HealthCheck { endpoint: Endpoint::new("localhost", 13133), path: "/".into() }
    }
}
