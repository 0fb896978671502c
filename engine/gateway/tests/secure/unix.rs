//! Unix sockets.

use std::path::Path;

use wasmill_transport::settings::{GrpcClientSettings, TlsClientSettings};
use wasmill_transport::{GrpcClient, SendError};
use wasmill_wire::Signal;

use crate::gateway::{Folder, span};

async fn send(path: &Path) -> Result<(), SendError> {
    let tls = TlsClientSettings { insecure: true, ..TlsClientSettings::default() };
    let endpoint = format!("unix:{}", path.display());
    let client = GrpcClient::new(GrpcClientSettings { endpoint, tls, ..GrpcClientSettings::default() }).unwrap();
    client.send(Signal::Traces, span()).await.map(drop)
}

/// From one gateway to another over a socket, into the first over another; a reload that changes the receiver keeps its socket.
#[tokio::test(flavor = "multi_thread")]
async fn from_socket_to_socket() {
    let (first, second) = (Folder::new(), Folder::new());
    let yaml = |limit: u32, exporter: &str| {
        format!(
            "
receivers:
  otlp: {{protocols: {{grpc: {{transport: unix, endpoint: in.sock, max_recv_msg_size_mib: {limit}}}}}}}
exporters: {{{exporter}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [{}]}}}}
",
            exporter.split(':').next().unwrap()
        )
    };
    let behind = second.run(&yaml(1, "debug: "));
    let to = format!("unix://{}", second.path().join("in.sock").display());
    let exporter = format!(
        "otlp: {{endpoint: '{to}', tls: {{insecure: true}}, sending_queue: {{enabled: false}}, \
         retry_on_failure: {{enabled: false}}}}"
    );
    let mut gateway = first.run(&yaml(1, &exporter));
    let socket = first.path().join("in.sock");
    send(&socket).await.unwrap();
    first.write("gateway.yaml", &yaml(2, &exporter));
    gateway.says("configuration reloaded");
    send(&socket).await.unwrap();
    drop(behind);
    assert!(send(&socket).await.unwrap_err().is_retryable());
}
