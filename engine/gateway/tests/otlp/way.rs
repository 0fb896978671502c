//! From a client through the gateway to a backend, and what is said on it.

use std::net::SocketAddr;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use tokio::net::TcpStream;

use crate::gateway::{Folder, Gateway};
use crate::peers::{Reply, call, exchange, framed, grpc_request, http2};

/// `max_recv_msg_size_mib` and `max_request_body_size`.
pub const LIMIT: usize = 1 << 20;

pub const PROTOBUF: &str = "application/x-protobuf";
pub const JSON: &str = "application/json";

/// The only origin whose pages may send.
pub const ORIGIN: &str = "https://app.example.com";

pub const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";
pub const BAD_REQUEST: &str = "type.googleapis.com/google.rpc.BadRequest";

/// A `google.rpc.Status`, with its details by name.
#[derive(Clone, PartialEq, Message)]
pub struct Status {
    #[prost(int32, tag = "1")]
    pub code: i32,
    #[prost(string, tag = "2")]
    pub message: String,
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<Detail>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Detail {
    #[prost(string, tag = "1")]
    pub type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

impl Detail {
    pub fn retry_in_a_second() -> Detail {
        // `retry_delay`, a duration of `seconds`: 1.
        Detail { type_url: RETRY_INFO.into(), value: vec![0x0a, 2, 0x08, 1] }
    }
}

/// A gateway that asks its backend once about traces, and again, without waiting, about logs. Metrics it takes none.
pub struct Way {
    pub gateway: Gateway,
    _folder: Folder,
}

impl Way {
    pub fn to_grpc(backend: SocketAddr) -> Way {
        Way::to("otlp", &format!("{backend}"))
    }

    pub fn to_http(backend: SocketAddr) -> Way {
        Way::to("otlphttp", &format!("http://{backend}"))
    }

    fn to(exporter: &str, endpoint: &str) -> Way {
        let folder = Folder::new();
        let yaml = format!(
            "
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: '127.0.0.1:0', max_recv_msg_size_mib: 1}}
      http:
        endpoint: 127.0.0.1:0
        max_request_body_size: 1MiB
        cors: {{allowed_origins: ['{ORIGIN}']}}
exporters:
  {exporter}/once: &once
    endpoint: '{endpoint}'
    tls: {{insecure: true}}
    compression: none
    sending_queue: {{enabled: false}}
    retry_on_failure: {{enabled: false}}
  {exporter}/again:
    <<: *once
    retry_on_failure: {{initial_interval: 1ms, max_interval: 1ms}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [{exporter}/once]}}
    logs: {{receivers: [otlp], exporters: [{exporter}/again]}}
"
        );
        Way { gateway: folder.run(&yaml), _folder: folder }
    }

    /// One request to `traces`, `metrics` or `logs`, in protobuf.
    pub async fn over_grpc(&self, signal: &str, payload: &[u8]) -> Reply {
        self.framed_over_grpc(signal, framed(0, payload)).await
    }

    /// As [`over_grpc`](Way::over_grpc), compressed by zstd if the frame says so.
    pub async fn framed_over_grpc(&self, signal: &str, frame: Vec<u8>) -> Reply {
        let address = self.gateway.address("otlp grpc");
        let mut request = grpc_request(address, frame);
        let service = match signal {
            "traces" => "trace.v1.TraceService",
            "metrics" => "metrics.v1.MetricsService",
            _ => "logs.v1.LogsService",
        };
        let uri = format!("http://{address}/opentelemetry.proto.collector.{service}/Export");
        *request.uri_mut() = uri.parse().unwrap();
        request.headers_mut().insert("grpc-encoding", "zstd".parse().unwrap());
        call(&mut http2(address).await, request).await
    }

    /// One request in this content type, with more headers.
    pub async fn over_http(&self, signal: &str, content_type: &str, headers: &str, body: &[u8]) -> Reply {
        let head = format!(
            "POST /v1/{signal} HTTP/1.1\r\nhost: x\r\ncontent-type: {content_type}\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        );
        self.exchange(&[head.as_bytes(), body].concat()).await
    }

    /// Sends bytes to the HTTP port, as they are.
    pub async fn exchange(&self, request: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(self.gateway.address("otlp http")).await.unwrap();
        exchange(&mut stream, request).await
    }
}

/// A request with one log record.
pub fn log() -> Bytes {
    let log_records = vec![LogRecord { severity_number: 9, ..LogRecord::default() }];
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
    ExportLogsServiceRequest { resource_logs }.encode_to_vec().into()
}

/// Whether the specification lets a client send again what was answered so.
pub fn is_retryable_http(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}
