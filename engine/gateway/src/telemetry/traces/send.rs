//! Spans on their way: gathered for a while, then sent, once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use wasmill_config::{TraceProtocol, TraceSettings};
use wasmill_transport::settings::{
    Compression, GrpcClientSettings, HttpClientSettings, HttpConnectionSettings, Pem, TlsClientSettings,
};
use wasmill_transport::{ClientError, GrpcClient, HttpClient, SendError};
use wasmill_wire::Signal;

enum Client {
    Grpc(GrpcClient),
    Http(HttpClient),
}

/// Starts the task that sends, which ends when nobody can give it spans any more. To be called within a runtime.
pub(super) fn start(
    settings: &Arc<TraceSettings>,
    lost: Arc<AtomicU64>,
) -> Result<(mpsc::Sender<Span>, JoinHandle<()>), ClientError> {
    let client = Client::new(settings)?;
    let (sender, receiver) = mpsc::channel(settings.queue_max.get());
    let task = tokio::spawn(run(Arc::clone(settings), client, receiver, lost));
    Ok((sender, task))
}

async fn run(settings: Arc<TraceSettings>, client: Client, mut spans: mpsc::Receiver<Span>, lost: Arc<AtomicU64>) {
    let mut gathered = Vec::new();
    while let Some(span) = spans.recv().await {
        gathered.push(span);
        let until = tokio::time::Instant::now() + settings.schedule_delay;
        while gathered.len() < settings.batch_max.get() {
            match tokio::time::timeout_at(until, spans.recv()).await {
                Ok(Some(span)) => gathered.push(span),
                Ok(None) | Err(_) => break,
            }
        }
        let count = gathered.len() as u64;
        if let Err(error) = client.send(request(&settings, std::mem::take(&mut gathered))).await {
            let reason = error.refusal().reason;
            tracing::warn!(spans = count, %reason, "the gateway's own spans could not be sent, and are lost");
        }
        match lost.swap(0, Relaxed) {
            0 => {}
            spans => tracing::warn!(spans, "the gateway's own spans came faster than they are sent, and are lost"),
        }
    }
}

impl Client {
    fn new(settings: &TraceSettings) -> Result<Client, ClientError> {
        let tls = TlsClientSettings { ca: settings.ca.clone().map(Pem::File), ..TlsClientSettings::default() };
        let compression = if settings.gzip { Compression::Gzip } else { Compression::None };
        let headers =
            settings.headers.iter().map(|(name, value)| (name.to_string(), value.expose().to_owned())).collect();
        Ok(match settings.protocol {
            TraceProtocol::Grpc => Client::Grpc(GrpcClient::new(GrpcClientSettings {
                endpoint: settings.endpoint.to_string(),
                tls,
                compression,
                headers,
                timeout: settings.timeout,
                ..GrpcClientSettings::default()
            })?),
            TraceProtocol::Http => Client::Http(HttpClient::new(HttpClientSettings {
                traces_endpoint: Some(settings.endpoint.to_string()),
                connection: HttpConnectionSettings {
                    tls,
                    timeout: settings.timeout,
                    ..HttpConnectionSettings::default()
                },
                compression,
                headers,
                ..HttpClientSettings::default()
            })?),
        })
    }

    async fn send(&self, request: ExportTraceServiceRequest) -> Result<(), SendError> {
        let body = Bytes::from(request.encode_to_vec());
        match self {
            Client::Grpc(client) => client.send(Signal::Traces, body).await,
            Client::Http(client) => client.send(Signal::Traces, body).await,
        }
        .map(|_| ())
    }
}

fn request(settings: &TraceSettings, spans: Vec<Span>) -> ExportTraceServiceRequest {
    let attribute = |key: &str, value: &str| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) }),
        ..KeyValue::default()
    };
    let own = [("service.name", "wasmill"), ("service.version", env!("CARGO_PKG_VERSION"))];
    let said = |name: &str| settings.resource.iter().any(|(key, _)| **key == *name);
    let own = own.iter().filter(|(name, _)| !said(name)).map(|(name, value)| attribute(name, value));
    let attributes = own.chain(settings.resource.iter().map(|(key, value)| attribute(key, value))).collect();
    let scope = InstrumentationScope {
        name: "wasmill".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let of_scope = ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() };
    let resource = Some(Resource { attributes, ..Resource::default() });
    let of_resource = ResourceSpans { resource, scope_spans: vec![of_scope], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![of_resource] }
}
