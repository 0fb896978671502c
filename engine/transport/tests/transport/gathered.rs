//! What our clients send where the parts of a request lie in several places.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use wasmill_transport::settings::{Compression, GrpcClientSettings, HttpClientSettings};
use wasmill_transport::{Accepted, Budget, GrpcClient, HttpClient};
use wasmill_wire::{GatherList, Projection, Selection, Signal, WireBatch, encode, gather};

use crate::certs::Authority;
use crate::peers::Running;
use crate::tls_server::{clients, settings, texts, trusting};

/// Every other of some records, each by itself, and the same in one piece.
fn every_other(records: usize, len: usize) -> (GatherList, Bytes) {
    let text = |number: usize| format!("{number} {}", "x".repeat(len));
    let log = |number| LogRecord { severity_text: text(number), ..LogRecord::default() };
    let scope_logs = vec![ScopeLogs { log_records: (0..records).map(log).collect(), ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
    let request = Bytes::from(ExportLogsServiceRequest { resource_logs }.encode_to_vec());
    let nothing = Projection::new(Signal::Logs, Vec::new());
    let batch = WireBatch::parse(Signal::Logs, request, &nothing).unwrap();
    let rows: Vec<u32> = (0..records as u32).step_by(2).collect();
    let selection = Selection::from_rows(records, &rows);
    (gather(Signal::Logs, batch.index(), &selection, 1), encode(Signal::Logs, batch.index(), &selection))
}

/// The backend gets one message of all parts in their order: few and many, shorter and longer than a frame, more than a window.
async fn deliver(server: &mut Running, grpc: &GrpcClient, http: &HttpClient) {
    for (records, len) in [(1, 5), (3, 5), (2_000, 40), (400, 9_000), (20, 200_000)] {
        let (parts, whole) = every_other(records, len);
        assert_eq!(grpc.send(Signal::Logs, parts.clone()).await.unwrap(), Accepted::default());
        assert!(server.received.recv().await.unwrap().payload == whole, "gRPC, {records} of {len}");
        assert_eq!(http.send(Signal::Logs, parts).await.unwrap(), Accepted::default());
        assert!(server.received.recv().await.unwrap().payload == whole, "HTTP, {records} of {len}");
    }
}

#[tokio::test]
async fn plain_and_compressed() {
    let mut server = Running::defaults().await;
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let endpoint = format!("http://{}", server.grpc());
        let grpc = GrpcClient::new(GrpcClientSettings { endpoint, compression, ..Default::default() }).unwrap();
        let endpoint = format!("http://{}", server.http());
        let http = HttpClient::new(HttpClientSettings { endpoint, compression, ..Default::default() }).unwrap();
        deliver(&mut server, &grpc, &http).await;
    }
}

/// Through TLS, both by HTTP/2.
#[tokio::test]
async fn encrypted() {
    let authority = Authority::new();
    let mut server = Running::start(settings(texts(&authority.issue())), Budget::unlimited()).await;
    let (grpc, http) = clients(&server, trusting(&authority));
    deliver(&mut server, &grpc, &http).await;
}
