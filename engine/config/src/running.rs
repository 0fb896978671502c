//! The running shape: what the gateway is built from.
//!
//! Everything here has been checked: references resolve, defaults are filled in, limits are positive. An `Option` means that
//! the thing is switched off, never that a default applies. Only components that a pipeline uses are in it. All types compare by
//! value, so that a reload rebuilds what differs and leaves the rest; `Debug` shows no secrets.

mod admin;
mod archive;
mod auth;
mod connectors;
mod endpoint;
mod exporters;
mod extensions;
mod loki;
mod memory_limiter;
mod processors;
mod receivers;
mod tables;
mod telemetry;
mod tls;

use std::collections::BTreeMap;

pub use admin::Admin;
pub use archive::{
    ArchiveBucket, ArchiveCompression, ArchiveExporter, ArchiveFormat, ArchiveRetention, ArchiveRotation,
};
pub use auth::{
    BasicAuth, BasicClient, BearerTokenAuth, Credential, HeaderAction, HeaderRule, HeaderSource, HeadersSetter,
    Htpasswd, OAuth2Client, Tokens,
};
pub use connectors::{
    Connector, RoutingAction, RoutingCondition, RoutingConnector, RoutingContext, RoutingErrors, RoutingRow,
};
pub use endpoint::{Endpoint, HttpUrl};
pub use exporters::{
    BatchSizer, ClientKeepalive, Compression, DebugExporter, Delivery, Exporter, FileExporter, FileFormat,
    FileRotation, Headers, HttpClient, HttpEncoding, JaegerExporter, OnFull, OtlpGrpcExporter, OtlpHttpExporter,
    PerSignal, PrometheusExporter, QueueBatch, RemoteWriteExporter, RemoteWriteProtocol, Retry, SendingQueue, Sizer,
    Verbosity,
};
pub use extensions::{Extension, FileStorage, HealthCheck};
pub use loki::{LokiEncoding, LokiExporter, LokiFormat, LokiLabels, LokiLimits, LokiTenant};
pub use memory_limiter::{MemoryLimiter, MemoryShare};
pub use processors::{
    BatchProcessor, Breaker, Grouping, OnFault, OnLostState, PluginLimits, PluginSource, PluginState, Processor,
    RouteTarget, Swap, WasmStage,
};
pub use receivers::{
    Cors, GrpcServer, HttpServer, Network, OtlpJsonFileReceiver, OtlpReceiver, Receiver, ServerKeepalive,
};
pub use tables::{CellType, LookupTable, TableFormat};
pub use telemetry::{
    LogEncoding, LogLevel, LogSettings, MetricsLevel, MetricsSettings, Telemetry, TraceProtocol, TraceSampler,
    TraceSettings,
};
pub use tls::{Pem, TlsClient, TlsServer, TlsVersion, TlsVersions};

use crate::id::{ComponentId, PipelineId};

/// A whole configuration, ready to be built.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Config {
    pub receivers: BTreeMap<ComponentId, Receiver>,
    pub processors: BTreeMap<ComponentId, Processor>,
    pub exporters: BTreeMap<ComponentId, Exporter>,
    pub connectors: BTreeMap<ComponentId, Connector>,
    /// Those that `service::extensions` names.
    pub extensions: BTreeMap<ComponentId, Extension>,
    pub pipelines: BTreeMap<PipelineId, Pipeline>,
    pub telemetry: Telemetry,
    pub admin: Admin,
}

impl Config {
    /// The processors that are plugins.
    pub fn stages(&self) -> impl Iterator<Item = (&ComponentId, &WasmStage)> {
        self.processors.iter().filter_map(|(id, processor)| Some((id, processor.stage()?)))
    }

    /// One of them; `None` where the processor is none.
    pub fn stage(&self, id: &ComponentId) -> Option<&WasmStage> {
        self.processors.get(id)?.stage()
    }
}

/// One signal's way from receivers to exporters. Every id stands in the section of the [`Config`] that it names.
#[derive(Clone, PartialEq, Debug)]
pub struct Pipeline {
    /// Each once.
    pub receivers: Vec<ComponentId>,
    /// Connectors that bring data, each once. Without these and without receivers, routes of other pipelines' plugins lead here.
    pub from_connectors: Vec<ComponentId>,
    /// In order, each once; may be empty.
    pub processors: Vec<ComponentId>,
    /// Where rows without a route go, each once. A route may lead to exporters that are not among these.
    pub exporters: Vec<ComponentId>,
    /// The same. At least one of the two lists is not empty.
    pub to_connectors: Vec<ComponentId>,
}
