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

/// The same over HTTP, in both content types.
#[tokio::test(flavor = "multi_thread")]
async fn over_http() {
    for encoding in ["proto", "json"] {
        let (first, second) = (Folder::new(), Folder::new());
        let yaml = |protocol: &str, exporter: &str| {
            format!(
                "
receivers: {{otlp: {{protocols: {{{protocol}: {{transport: unix, endpoint: in.sock}}}}}}}}
exporters: {{{exporter}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [{}]}}}}
",
                exporter.split(':').next().unwrap()
            )
        };
        let behind = second.run(&yaml("http", "debug: "));
        let to = format!("unix://{}", second.path().join("in.sock").display());
        let exporter = format!(
            "otlp_http: {{endpoint: '{to}', encoding: {encoding}, sending_queue: {{enabled: false}}, \
             retry_on_failure: {{enabled: false}}}}"
        );
        let _gateway = first.run(&yaml("grpc", &exporter));
        let socket = first.path().join("in.sock");
        send(&socket).await.unwrap();
        drop(behind);
        let error = send(&socket).await.unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains("unix:"), "{error}");
    }
}

/// Over a socket everything goes: an address for a signal beside it is a mistake, and has its place.
#[test]
fn one_socket() {
    let folder = Folder::new();
    let yaml = "receivers: {otlp: {protocols: {grpc: }}}
exporters:
  otlp_http:
    endpoint: unix:/run/x.sock
    logs_endpoint: http://other/logs
service: {pipelines: {traces: {receivers: [otlp], exporters: [otlp_http]}}}
";
    let output = folder.output("validate", yaml);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("gateway.yaml:5:") && text.contains("`endpoint` is a Unix socket"), "{text}");
}
