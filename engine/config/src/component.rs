//! Every component that can stand in a configuration, by section and type.
//!
//! Each file below holds one component: the table of its keys, then how they are read into the file's shape. What depends on
//! other components is left to [`crate::validate`]; what depends only on the component itself is final here, defaults included.

mod archive;
mod attributes;
mod auth;
mod batch;
mod debug;
mod file_exporter;
mod file_storage;
mod filter;
mod forward;
mod grouping;
mod health_check;
mod http_client;
mod jaeger;
mod loki;
mod memory_limiter;
mod otlp_grpc;
mod otlp_http;
mod otlp_json_file;
mod otlp_receiver;
mod pem;
pub(crate) mod plugin_config;
mod probabilistic_sampler;
mod prometheus;
mod prometheus_remote_write;
mod redaction;
mod retry;
mod routing;
mod sending_queue;
pub(crate) mod tables;
mod tls;
mod tls_server;
mod transform;
mod wasm;

pub(crate) use auth::Side;
pub(crate) use routing::{FileRouting, FileRow};
pub(crate) use wasm::FileStage;

use crate::id::ComponentId;
use crate::reader::{Located, Reader};
use crate::running::{Endpoint, Exporter, Extension, Processor, Receiver};
use crate::schema::Section;

/// What a section holds, in the order of the file.
pub(crate) struct Component<T> {
    pub id: Located<ComponentId>,
    /// `None`: it had mistakes, or is not served. It is defined nevertheless: what refers to it is right.
    pub settings: Option<T>,
    /// Addresses that it listens on, to find two that want one port.
    pub listens: Vec<Located<Endpoint>>,
}

/// A processor before its references are resolved.
pub(crate) enum FileProcessor {
    Stage(Box<FileStage>),
    /// It refers to nothing.
    Other(Processor),
}

impl FileProcessor {
    pub fn stage(&self) -> Option<&FileStage> {
        match self {
            FileProcessor::Stage(stage) => Some(stage),
            FileProcessor::Other(_) => None,
        }
    }
}

/// A connector before its references are resolved.
pub(crate) enum FileConnector {
    Forward,
    Routing(FileRouting),
}

/// One type: its names, its keys, a line about it, and how it is read.
pub(crate) struct ComponentType<T> {
    /// The first is the usual one.
    pub names: &'static [&'static str],
    pub section: &'static Section,
    pub doc: &'static str,
    /// As it would stand in its section.
    pub example: &'static str,
    pub read: fn(&Reader, &mut Vec<Located<Endpoint>>) -> Option<T>,
}

pub(crate) const RECEIVERS: &[ComponentType<Receiver>] = &[
    ComponentType {
        names: &["otlp"],
        section: &otlp_receiver::SECTION,
        doc: "OTLP over gRPC and HTTP (protobuf and JSON), all signals.",
        example: "otlp:
  protocols:
    grpc:
      endpoint: 0.0.0.0:4317
      max_recv_msg_size_mib: 16
      tls:
        cert_file: /etc/wasmill/tls.crt
        key_file: /etc/wasmill/tls.key
        reload_interval: 1h
    http:
",
        read: otlp_receiver::read,
    },
    ComponentType {
        names: &["otlpjsonfile"],
        section: &otlp_json_file::SECTION,
        doc: "Reads files of OTLP/JSON, a request on each line, as the `file` exporter and the Collector's write them, and follows them as \
              they grow and are rotated. See [files](files.md).",
        example: "otlpjsonfile:
  include: [/var/log/otel/*.jsonl]
  start_at: beginning
",
        read: otlp_json_file::read,
    },
];

pub(crate) const PROCESSORS: &[ComponentType<FileProcessor>] = &[
    ComponentType {
        names: &["wasm"],
        section: &wasm::SECTION,
        doc: "A plugin as a stage. Its name after the `/` is that of the stage in logs and metrics.",
        example: "wasm/keep-what-matters:
  plugin: builtin:filter
  config:
    drop:
      - attributes[\"http.route\"] == \"/healthz\"
  limits:
    call_deadline: 50ms
  on_fault: pass
",
        read: wasm::read,
    },
    ComponentType {
        names: &["batch"],
        section: &batch::SECTION,
        doc: "Makes one batch of several requests. See [batching](batching.md).",
        example: "batch:
  timeout: 1s
  send_batch_size: 4096
  send_batch_max_size: 8192
",
        read: batch::read,
    },
    ComponentType {
        names: &["memory_limiter"],
        section: &memory_limiter::SECTION,
        doc: "Refuses requests, with a code that says to retry, while the process uses too much memory. It is best first. See \
              [memory](memory.md).",
        example: "memory_limiter:
  check_interval: 1s
  limit_mib: 512
  spike_limit_mib: 128
",
        read: memory_limiter::read_processor,
    },
    ComponentType {
        names: &["filter"],
        section: &filter::SECTION,
        doc: "Drops records that a condition is true for, as the Collector's: the plugin [`filter`](../plugins/filter/README.md) with \
              the Collector's keys. Conditions are in [its language](../plugins/ottl/README.md).",
        example: "filter:
  error_mode: ignore
  traces:
    span:
      - attributes[\"http.route\"] == \"/healthz\"
      - IsMatch(resource.attributes[\"service.name\"], \"^test-\")
  logs:
    log_record:
      - severity_number < SEVERITY_NUMBER_WARN
",
        read: filter::read,
    },
    ComponentType {
        names: &["transform"],
        section: &transform::SECTION,
        doc: "Runs statements over records, as the Collector's: the plugin [`enrich`](../plugins/enrich/README.md) with the \
              Collector's keys. Statements are in [its language](../plugins/ottl/README.md).",
        example: "transform:
  trace_statements:
    - set(span.attributes[\"team\"], \"payments\") where resource.attributes[\"service.name\"] == \"checkout\"
  log_statements:
    - context: log
      conditions:
        - severity_number >= SEVERITY_NUMBER_ERROR
      statements:
        - set(attributes[\"alert\"], true)
",
        read: transform::read,
    },
    ComponentType {
        names: &["attributes"],
        section: &attributes::SECTION,
        doc: "Changes attributes of spans, data points and log records, as the Collector's: the plugin \
              [`attributes`](../plugins/attributes/README.md).",
        example: "attributes:
  include:
    match_type: strict
    services: [checkout]
  actions:
    - {action: insert, key: env, value: prod}
    - {action: hash, key: user.email}
    - {action: delete, pattern: ^internal\\.}
",
        read: attributes::read,
    },
    ComponentType {
        names: &["resource"],
        section: &attributes::RESOURCE,
        doc: "Changes attributes of resources, as the Collector's: the plugin [`attributes`](../plugins/attributes/README.md).",
        example: "resource:
  attributes:
    - {action: upsert, key: deployment.environment.name, value: staging}
    - {action: delete, key: process.command_args}
",
        read: attributes::read_resource,
    },
    ComponentType {
        names: &["probabilistic_sampler"],
        section: &probabilistic_sampler::SECTION,
        doc: "Keeps a share of the traces, or of the log records, as the Collector's: the plugin \
              [`sample`](../plugins/sample/README.md).",
        example: "probabilistic_sampler:
  sampling_percentage: 10
  mode: equalizing
",
        read: probabilistic_sampler::read,
    },
    ComponentType {
        names: &["redaction"],
        section: &redaction::SECTION,
        doc: "Removes attributes and masks values, as the Collector's: the plugin [`redact`](../plugins/redact/README.md).",
        example: "redaction:
  allow_all_keys: true
  blocked_values:
    - 4[0-9]{12}(?:[0-9]{3})?
  summary: info
",
        read: redaction::read,
    },
];

pub(crate) const EXPORTERS: &[ComponentType<Exporter>] = &[
    ComponentType {
        names: &["otlp_grpc", "otlp"],
        section: &otlp_grpc::SECTION,
        doc: "OTLP over gRPC, all signals.",
        example: "otlp_grpc/backend:
  endpoint: backend.example.com:4317
  compression: zstd
  headers:
    authorization: Bearer ${env:TOKEN}
  sending_queue:
    queue_size: 5000
  on_full: drop_newest
",
        read: otlp_grpc::read,
    },
    ComponentType {
        names: &["otlp_http", "otlphttp"],
        section: &otlp_http::SECTION,
        doc: "OTLP over HTTP (protobuf or JSON), all signals. At least one of the four endpoints is needed.",
        example: "otlp_http/backend:
  endpoint: https://backend.example.com:4318
  retry_on_failure:
    max_elapsed_time: 10m
",
        read: otlp_http::read,
    },
    ComponentType {
        names: &["jaeger", "jaeger_thrift", "jaeger_thrift_http"],
        section: &jaeger::SECTION,
        doc: "Spans to Jaeger, in Thrift over HTTP, as the Collector's exporters of these names had it. See [Jaeger](jaeger.md).",
        example: "jaeger:
  endpoint: http://jaeger:14268/api/traces
",
        read: jaeger::read,
    },
    ComponentType {
        names: &["prometheusremotewrite", "prometheus_remote_write"],
        section: &prometheus_remote_write::SECTION,
        doc: "Metrics to Prometheus, or to what takes its remote write, as samples of series. See \
              [remote write](prometheus-remote-write.md).",
        example: "prometheusremotewrite:
  endpoint: http://prometheus:9090/api/v1/write
  resource_to_telemetry_conversion:
    enabled: true
",
        read: prometheus_remote_write::read,
    },
    ComponentType {
        names: &["debug"],
        section: &debug::SECTION,
        doc: "Writes what reaches it to standard error, readable.",
        example: "debug:
  verbosity: detailed
",
        read: debug::read,
    },
    ComponentType {
        names: &["file"],
        section: &file_exporter::SECTION,
        doc: "Writes to a file, a line of OTLP/JSON for each request, as the Collector's, or rows to files of Parquet or Arrow. Clients are \
              answered when their data is written; where it cannot be, they are told to retry. See [files](files.md) and \
              [archive](archive.md).",
        example: "file/archive:
  path: /var/lib/wasmill/archive.jsonl
  create_directory: true
  rotation:
    max_megabytes: 100
    max_backups: 20
",
        read: file_exporter::read,
    },
    ComponentType {
        names: &["loki"],
        section: &loki::SECTION,
        doc: "Pushes logs to Loki, as the Collector's former exporter of this name, with structured metadata. See [Loki](loki.md).",
        example: "loki:
  endpoint: http://loki:3100/loki/api/v1/push
  labels:
    attributes: [http.route]
  headers:
    X-Scope-OrgID: shop
",
        read: loki::read,
    },
    ComponentType {
        names: &["prometheus"],
        section: &prometheus::SECTION,
        doc: "Keeps the newest value of every series, and serves them at `/metrics` to whoever scrapes, as the Collector's: text, \
              OpenMetrics, and protobuf with native histograms. Metrics only. See [Prometheus](prometheus.md).",
        example: "prometheus:
  endpoint: 0.0.0.0:9090
  namespace: shop
  resource_to_telemetry_conversion:
    enabled: true
",
        read: prometheus::read,
    },
];

pub(crate) const EXTENSIONS: &[ComponentType<Extension>] = &[
    ComponentType {
        names: &["health_check"],
        section: &health_check::SECTION,
        doc: "Answers 200 while the gateway is ready and 503 otherwise, for load balancers and orchestrators.",
        example: "health_check:
  endpoint: 0.0.0.0:13133
",
        read: health_check::read,
    },
    ComponentType {
        names: &["file_storage"],
        section: &file_storage::SECTION,
        doc: "A folder for exporters' queues, which name it in `sending_queue::storage`. What is promised: \
              [durability](durability.md).",
        example: "file_storage/queues:
  directory: /var/lib/wasmill/queues
  max_size: 20GiB
",
        read: file_storage::read,
    },
    ComponentType {
        names: &["memory_limiter"],
        section: &memory_limiter::SECTION,
        doc: "As the processor, before every pipeline of every receiver: requests are refused before they are looked into.",
        example: "memory_limiter:
  check_interval: 1s
  limit_percentage: 80
",
        read: memory_limiter::read_extension,
    },
    ComponentType {
        names: &["bearertokenauth"],
        section: &auth::BEARER,
        doc: "A token, for `auth` of receivers and exporters. See [security](security.md).",
        example: "bearertokenauth:
  filename: /run/secrets/token
",
        read: auth::read_bearer,
    },
    ComponentType {
        names: &["basicauth"],
        section: &auth::BASIC,
        doc: "Names and passwords, for `auth` of receivers (`htpasswd`) and exporters (`client_auth`).",
        example: "basicauth/clients:
  htpasswd:
    file: /etc/wasmill/htpasswd
",
        read: auth::read_basic,
    },
    ComponentType {
        names: &["headers_setter"],
        section: &auth::HEADERS_SETTER,
        doc: "Headers of an exporter's requests, from what the requests came with: for `auth` of exporters.",
        example: "headers_setter:
  headers:
    - key: X-Scope-OrgID
      from_context: x-tenant
      default_value: anonymous
",
        read: auth::read_headers_setter,
    },
    ComponentType {
        names: &["oauth2client"],
        section: &auth::OAUTH2,
        doc: "Tokens by OAuth 2.0's client credentials, kept until they are about to end: for `auth` of exporters.",
        example: "oauth2client:
  client_id: gateway
  client_secret_file: /run/secrets/oauth
  token_url: https://login.example.com/oauth2/token
  scopes: [telemetry.write]
",
        read: auth::read_oauth2,
    },
];

pub(crate) const CONNECTORS: &[ComponentType<FileConnector>] = &[
    ComponentType {
        names: &["forward"],
        section: &forward::SECTION,
        doc: "Hands what comes to every pipeline of the signal that names it among its receivers. See [connectors](connectors.md).",
        example: "forward:
",
        read: forward::read,
    },
    ComponentType {
        names: &["routing"],
        section: &routing::SECTION,
        doc: "Hands each record to the pipelines of the first row of a table that takes it. See [connectors](connectors.md).",
        example: "routing:
  default_pipelines: [traces/other]
  table:
    - context: request
      condition: request[\"X-Tenant\"] == \"acme\"
      pipelines: [traces/acme]
    - condition: attributes[\"service.name\"] == \"checkout\"
      pipelines: [traces/checkout]
",
        read: routing::read,
    },
];
