//! What the gateway says of itself.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Endpoint, Headers, HttpUrl};

#[derive(Clone, PartialEq, Debug, Default)]
pub struct Telemetry {
    pub logs: LogSettings,
    pub metrics: MetricsSettings,
    /// `None`: no span is made.
    pub traces: Option<TraceSettings>,
}

/// The gateway's own spans.
#[derive(Clone, PartialEq, Debug)]
pub struct TraceSettings {
    /// Whether they are children of the caller's, where its `traceparent` names one.
    pub joins: bool,
    pub sampler: TraceSampler,
    /// Spans wait for others so long at most, from the first on.
    pub schedule_delay: Duration,
    /// Spans that wait at most; more are lost.
    pub queue_max: NonZeroUsize,
    /// Spans of one request at most.
    pub batch_max: NonZeroUsize,
    pub protocol: TraceProtocol,
    pub endpoint: HttpUrl,
    pub headers: Headers,
    pub gzip: bool,
    /// For one request.
    pub timeout: Duration,
    /// The certificates to believe; `None`: the system's.
    pub ca: Option<PathBuf>,
    /// Attributes of the resource, by name.
    pub resource: Vec<(Arc<str>, Arc<str>)>,
}

/// Which requests have spans.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TraceSampler {
    /// Where the caller is known, it says.
    pub parent_based: bool,
    /// The share of the others, 0 to 1.
    pub ratio: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TraceProtocol {
    #[default]
    Http,
    Grpc,
}

impl Default for TraceSampler {
    fn default() -> Self {
        TraceSampler { parent_based: true, ratio: 1.0 }
    }
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
