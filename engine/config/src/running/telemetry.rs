//! What the gateway says of itself.

use super::Endpoint;

#[derive(Clone, PartialEq, Debug, Default)]
pub struct Telemetry {
    pub logs: LogSettings,
    pub metrics: MetricsSettings,
}

#[derive(Clone, PartialEq, Debug, Default)]
pub struct LogSettings {
    pub level: LogLevel,
    pub encoding: LogEncoding,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum LogLevel {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LogEncoding {
    #[default]
    Console,
    Json,
}

#[derive(Clone, PartialEq, Debug)]
pub struct MetricsSettings {
    pub level: MetricsLevel,
    /// Where Prometheus reads them (`/metrics`). `None`: nowhere, which is so at level `none`.
    pub endpoint: Option<Endpoint>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum MetricsLevel {
    None,
    Basic,
    #[default]
    Normal,
    Detailed,
}

impl Default for MetricsSettings {
    fn default() -> Self {
        MetricsSettings { level: MetricsLevel::Normal, endpoint: Some(Endpoint::new("localhost", 8888)) }
    }
}
