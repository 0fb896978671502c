//! Exporters.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use wasmill_wire::Signal;

use super::{ArchiveExporter, Endpoint, HttpUrl, LokiExporter, TlsClient, TlsServer};
use crate::id::ComponentId;
use crate::secret::Secret;

#[derive(Clone, PartialEq, Debug)]
#[allow(clippy::large_enum_variant, reason = "there are a few of them in a process, and none moves on the data path")]
pub enum Exporter {
    /// `otlp`, `otlp_grpc`.
    OtlpGrpc(OtlpGrpcExporter),
    /// `otlphttp`, `otlp_http`.
    OtlpHttp(OtlpHttpExporter),
    /// `jaeger`, `jaeger_thrift`, with a URL.
    Jaeger(JaegerExporter),
    /// `jaeger` with `host:port`.
    JaegerOtlp(OtlpGrpcExporter),
    /// `prometheusremotewrite`.
    RemoteWrite(RemoteWriteExporter),
    /// `debug`.
    Debug(DebugExporter),
    /// `file`, a request behind the other.
    File(FileExporter),
    /// `loki`.
    Loki(LokiExporter),
    /// `prometheus`.
    Prometheus(PrometheusExporter),
    /// `file`, whole files in folders.
    Archive(ArchiveExporter),
}

impl Exporter {
    /// `None`: it neither waits nor tries again; what fails is the sender's to keep.
    pub fn delivery(&self) -> Option<&Delivery> {
        match self {
            Exporter::OtlpGrpc(exporter) | Exporter::JaegerOtlp(exporter) => Some(&exporter.delivery),
            Exporter::OtlpHttp(exporter) => Some(&exporter.delivery),
            Exporter::Jaeger(exporter) => Some(&exporter.delivery),
            Exporter::Loki(exporter) => Some(&exporter.delivery),
            Exporter::RemoteWrite(exporter) => Some(&exporter.delivery),
            // Writing to the log neither waits nor fails; a file is as the Collector's; what is scraped is taken at once.
            Exporter::Debug(_) | Exporter::File(_) | Exporter::Archive(_) | Exporter::Prometheus(_) => None,
        }
    }

    /// The extension that adds credentials to its requests.
    pub fn authenticator(&self) -> Option<&ComponentId> {
        match self {
            Exporter::OtlpGrpc(exporter) | Exporter::JaegerOtlp(exporter) => exporter.authenticator.as_ref(),
            Exporter::OtlpHttp(exporter) => exporter.client.authenticator.as_ref(),
            Exporter::Jaeger(exporter) => exporter.client.authenticator.as_ref(),
            Exporter::Loki(exporter) => exporter.client.authenticator.as_ref(),
            Exporter::RemoteWrite(exporter) => exporter.client.authenticator.as_ref(),
            Exporter::Debug(_) | Exporter::File(_) | Exporter::Archive(_) | Exporter::Prometheus(_) => None,
        }
    }

    /// The signals that it takes.
    pub fn takes(&self, signal: Signal) -> bool {
        match self {
            Exporter::OtlpHttp(exporter) => exporter.urls.get(signal).is_some(),
            Exporter::Jaeger(_) | Exporter::JaegerOtlp(_) => signal == Signal::Traces,
            Exporter::Loki(_) => signal == Signal::Logs,
            Exporter::RemoteWrite(_) => signal == Signal::Metrics,
            Exporter::Prometheus(_) => signal == Signal::Metrics,
            Exporter::OtlpGrpc(_) | Exporter::Debug(_) | Exporter::File(_) | Exporter::Archive(_) => true,
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
pub struct OtlpGrpcExporter {
    pub endpoint: Endpoint,
    /// The Unix socket to send to instead.
    pub unix: Option<PathBuf>,
    /// `None`: in the clear.
    pub tls: Option<TlsClient>,
    /// Sent as metadata with each request.
    pub headers: Headers,
    /// The extension that adds credentials to each request.
    pub authenticator: Option<ComponentId>,
    pub compression: Compression,
    /// The `:authority` that the backend sees. `None`: the endpoint's.
    pub authority: Option<Arc<str>>,
    /// `None`: the system finds dead connections.
    pub keepalive: Option<ClientKeepalive>,
    /// For one attempt.
    pub timeout: Duration,
    pub delivery: Delivery,
}

/// When a silent backend is asked whether it still lives.
#[derive(Clone, PartialEq, Debug)]
pub struct ClientKeepalive {
    pub time: Duration,
    pub timeout: Duration,
    /// Also while nothing is under way.
    pub permit_without_stream: bool,
}

#[derive(Clone, PartialEq, Debug)]
pub struct OtlpHttpExporter {
    /// Where each signal goes. A signal that a pipeline brings here has one.
    pub urls: PerSignal<Option<HttpUrl>>,
    /// The Unix socket to connect to instead of what the URLs name.
    pub unix: Option<PathBuf>,
    pub client: HttpClient,
    pub compression: Compression,
    pub encoding: HttpEncoding,
    pub delivery: Delivery,
}

/// `jaeger`: spans in Thrift, over HTTP.
#[derive(Clone, PartialEq, Debug)]
pub struct JaegerExporter {
    pub url: HttpUrl,
    pub client: HttpClient,
    /// Of one POST. A span that is larger alone is one by itself.
    pub batch_bytes_max: usize,
    pub delivery: Delivery,
}

/// `prometheusremotewrite`: points as samples of Prometheus' series. Its queue has one consumer: samples of a series have to come in order.
#[derive(Clone, PartialEq, Debug)]
pub struct RemoteWriteExporter {
    pub url: HttpUrl,
    pub client: HttpClient,
    pub protocol: RemoteWriteProtocol,
    /// Before every name. Empty: nothing.
    pub namespace: Arc<str>,
    /// Names and values, added to every series.
    pub external_labels: Vec<(Arc<str>, Arc<str>)>,
    /// Units and types become suffixes of names.
    pub suffixes: bool,
    /// Names keep all characters. With 2.0 only.
    pub utf8: bool,
    pub scope_labels: bool,
    /// A resource's attributes become labels of all its series.
    pub resource_labels: bool,
    /// Those that `job` and `instance` are made of among them.
    pub service_labels: bool,
    pub target_info: bool,
    /// 1.0 says what metrics are.
    pub metadata: bool,
    /// Of a request before it is compressed. A point that is larger alone is one by itself.
    pub request_bytes_max: usize,
    pub delivery: Delivery,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RemoteWriteProtocol {
    /// 1.0.
    #[default]
    V1,
    /// 2.0.
    V2,
}

/// How a backend is spoken to over HTTP, whatever is said.
#[derive(Clone, PartialEq, Debug)]
pub struct HttpClient {
    /// For URLs with `https`.
    pub tls: TlsClient,
    pub headers: Headers,
    /// The extension that adds credentials to each request.
    pub authenticator: Option<ComponentId>,
    /// Connections that are kept without a request.
    pub idle_connections_max: usize,
    /// How long. `None`: as long as the backend keeps them.
    pub idle_connection_timeout: Option<Duration>,
    /// For one attempt.
    pub timeout: Duration,
}

/// What is between an exporter and its backend.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Delivery {
    /// `None`: the client waits for the backend's answer.
    pub queue: Option<SendingQueue>,
    /// `None`: the first failure is final.
    pub retry: Option<Retry>,
    pub on_full: OnFull,
}

/// `debug`: writes what reaches it to standard error.
#[derive(Clone, PartialEq, Debug)]
pub struct DebugExporter {
    pub verbosity: Verbosity,
    /// So many batches of each second are written,
    pub sampling_initial: u32,
    /// and then each so manieth; 0: no more in that second.
    pub sampling_thereafter: u32,
}

/// `file`: writes requests to a file.
#[derive(Clone, PartialEq, Debug)]
pub struct FileExporter {
    /// No other exporter's.
    pub path: PathBuf,
    /// What is in it stays. Always with `rotation`.
    pub append: bool,
    pub format: FileFormat,
    /// `None`: it grows without end.
    pub rotation: Option<FileRotation>,
    /// Each request by itself, with zstd.
    pub compress: bool,
    /// From writing to synchronising, at most.
    pub flush_interval: Duration,
    /// Permissions of folders that are made where they are missing; `None`: none is made.
    pub create_directory: Option<u32>,
}

/// `prometheus`: serves the newest value of every series to scrapers.
#[derive(Clone, PartialEq, Debug)]
pub struct PrometheusExporter {
    pub endpoint: Endpoint,
    /// `None`: in the clear.
    pub tls: Option<TlsServer>,
    /// The extension that says who may scrape. `None`: everybody.
    pub authenticator: Option<ComponentId>,
    /// Before every name; empty: nothing.
    pub namespace: Arc<str>,
    /// Of every series, by the names that they have there.
    pub const_labels: Vec<(Arc<str>, Arc<str>)>,
    /// Samples say when their points were taken.
    pub has_timestamps: bool,
    /// From a series' last point to its end.
    pub expiration: Duration,
    /// OpenMetrics is among what scrapers may ask for.
    pub has_open_metrics: bool,
    /// Attributes of resources become labels.
    pub has_resource_labels: bool,
    /// Those among them that `job` and `instance` are made of.
    pub has_service_labels: bool,
    /// So does the scope.
    pub has_scope_labels: bool,
    /// Units and types become part of names.
    pub has_suffixes: bool,
    /// Names keep their characters.
    pub has_utf8_names: bool,
    /// At one time.
    pub series_max: NonZeroUsize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FileFormat {
    /// OTLP/JSON.
    #[default]
    Json,
    /// Protobuf.
    Proto,
}

/// When a file is renamed and begun anew, and what is kept of those renamed.
#[derive(Clone, PartialEq, Debug)]
pub struct FileRotation {
    /// Before it is renamed. A request that is larger has a file of its own.
    pub bytes_max: u64,
    /// From its first request to its renaming. `None`: whenever it is full.
    pub interval: Option<Duration>,
    /// `None`: none is deleted for its age.
    pub age_max: Option<Duration>,
    /// 0: all are kept.
    pub backups_max: u32,
    /// Names have the time of the machine's zone, else UTC.
    pub local_time: bool,
}

/// Names in lower case, each a valid header name, in the order of the file; values are sent as they are.
pub type Headers = Vec<(Arc<str>, Secret)>;

#[derive(Clone, PartialEq, Debug, Default)]
pub struct PerSignal<T> {
    pub traces: T,
    pub metrics: T,
    pub logs: T,
}

impl<T> PerSignal<T> {
    pub fn get(&self, signal: Signal) -> &T {
        match signal {
            Signal::Traces => &self.traces,
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.logs,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Compression {
    #[default]
    Gzip,
    Zstd,
    None,
}

/// How OTLP/HTTP requests are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum HttpEncoding {
    #[default]
    Proto,
    Json,
}

/// What waits for the backend.
#[derive(Clone, PartialEq, Debug)]
pub struct SendingQueue {
    /// Requests being sent at one time.
    pub consumers: NonZeroUsize,
    /// What it holds at most before [`OnFull`] applies, in the sizer's unit.
    pub size_max: NonZeroUsize,
    pub sizer: Sizer,
    /// The sender is answered when the backend has answered. Not together with `storage`.
    pub wait_for_result: bool,
    /// The `file_storage` extension that keeps it. `None`: in memory.
    pub storage: Option<ComponentId>,
    /// `None`: each request is sent as it came.
    pub batch: Option<QueueBatch>,
}

/// How requests that wait become one.
#[derive(Clone, PartialEq, Debug)]
pub struct QueueBatch {
    /// From a request's lease to its sending, at most.
    pub flush_timeout: Duration,
    /// A batch that has it is sent. 0: at once.
    pub size_min: u64,
    /// At least `size_min`. `None`: no limit.
    pub size_max: Option<NonZeroU64>,
    pub sizer: BatchSizer,
    /// In lower case, each once: of requests that are sent together the headers of these names are the same.
    pub metadata_keys: Vec<Arc<str>>,
}

/// What the sizes of a batch count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum BatchSizer {
    /// Spans, log records, data points.
    #[default]
    Items,
    /// As sent, before compression.
    Bytes,
}

/// What the size of a queue counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sizer {
    #[default]
    Requests,
    /// Spans, log records, data points.
    Items,
    /// Kept in memory, or on disk.
    Bytes,
}

/// What happens to a batch that finds the queue full.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnFull {
    /// The client is told to retry.
    #[default]
    Refuse,
    /// The batch is dropped, and counted.
    DropNewest,
    /// It waits for a place.
    Block,
}

/// Exponential back-off, as the Collector has it: an interval is drawn from `current × (1 ± randomization_factor)`, and the next
/// `current` is `current × multiplier`, at most `interval_max`.
#[derive(Clone, PartialEq, Debug)]
pub struct Retry {
    pub interval_initial: Duration,
    /// 0 to 1.
    pub randomization_factor: f64,
    /// At least 1.
    pub multiplier: f64,
    pub interval_max: Duration,
    /// Since the first attempt; then the batch is given up, and counted. `None`: never.
    pub elapsed_max: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Verbosity {
    /// A line for each batch.
    #[default]
    Basic,
    /// A line for each record.
    Normal,
    /// Everything.
    Detailed,
}

impl OtlpGrpcExporter {
    pub const TIMEOUT: Duration = Duration::from_secs(5);
}

impl OtlpHttpExporter {
    pub const TIMEOUT: Duration = Duration::from_secs(30);
}

impl JaegerExporter {
    /// The Collector's.
    pub const TIMEOUT: Duration = Duration::from_secs(5);
    /// What proxies let through that nobody configured: nginx's `client_max_body_size`. A POST of that size costs Jaeger some 10 ms.
    pub const BATCH_BYTES_MAX: usize = 1 << 20;
}

impl RemoteWriteExporter {
    /// The Collector's.
    pub const TIMEOUT: Duration = Duration::from_secs(5);
    /// The Collector's.
    pub const REQUEST_BYTES_MAX: usize = 3_000_000;
}

impl HttpClient {
    /// The Collector's.
    pub const IDLE_CONNECTIONS_MAX: u32 = 100;
    /// The Collector's.
    pub const IDLE_CONNECTION_TIMEOUT: Duration = Duration::from_secs(90);
}

impl FileExporter {
    pub const FLUSH_INTERVAL: Duration = Duration::from_secs(1);
}

impl PrometheusExporter {
    /// The Collector's.
    pub const EXPIRATION: Duration = Duration::from_secs(5 * 60);
    /// Some 300 MB; a Prometheus that scrapes more from one target needs several.
    pub const SERIES_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(499_999);
}

impl Default for FileRotation {
    /// The Collector's.
    fn default() -> Self {
        FileRotation { bytes_max: 100 << 20, interval: None, age_max: None, backups_max: 100, local_time: false }
    }
}

impl Default for SendingQueue {
    /// The Collector's.
    fn default() -> Self {
        SendingQueue {
            consumers: NonZeroUsize::new(10).unwrap_or(NonZeroUsize::MIN),
            size_max: NonZeroUsize::new(1_000).unwrap_or(NonZeroUsize::MIN),
            sizer: Sizer::Requests,
            wait_for_result: false,
            storage: None,
            batch: None,
        }
    }
}

impl Default for QueueBatch {
    /// The Collector's.
    fn default() -> Self {
        QueueBatch {
            flush_timeout: Duration::from_millis(200),
            size_min: 8192,
            size_max: None,
            sizer: BatchSizer::Items,
            metadata_keys: Vec::new(),
        }
    }
}

impl Default for Retry {
    /// The Collector's.
    fn default() -> Self {
        Retry {
            interval_initial: Duration::from_secs(5),
            randomization_factor: 0.5,
            multiplier: 1.5,
            interval_max: Duration::from_secs(30),
            elapsed_max: Some(Duration::from_secs(300)),
        }
    }
}

impl Default for DebugExporter {
    /// The Collector's.
    fn default() -> Self {
        DebugExporter { verbosity: Verbosity::Basic, sampling_initial: 2, sampling_thereafter: 1 }
    }
}
