//! Receivers: where requests come in.
//!
//! A receiver's ports live longer than generations: its [`Intake`] asks for the current one with each request, so that a swap
//! or a reload touches no socket and no connection. One that reads files ([`json_file`]) has none, and hands on in the same way.

pub mod json_file;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use wasmill_batch::{Outcome, Refusal, RefusalKind};
use wasmill_config::{self as config, ComponentId, Config};
use wasmill_transport::settings::{
    CorsSettings, GrpcServerSettings, HttpServerSettings, KeepaliveServerSettings, Network, ServerAuthSettings,
    ServerSettings,
};
use wasmill_transport::{Accepted, Answer, BindError, Bound, Budget, Drained, Protocol, Request, Server, Sink};
use wasmill_wire::Signal;

use crate::auth::server_auth;
use crate::engine::Storages;
use crate::generation::Generations;
use crate::pipeline::{self, Incoming, Taken};
use crate::telemetry::{Metrics, ReceiverMetrics, Tracing, items};
use crate::tls::tls_server;
pub use json_file::Tails;

/// A receiver with the extensions that it names: two that are equal serve alike.
#[derive(Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "there are a few of them in a process, and none moves on the data path")]
pub enum Settings {
    Ports(Box<ServerSettings>),
    Files(config::OtlpJsonFileReceiver),
}

/// A receiver whose ports are served.
pub struct Receiver {
    pub settings: Settings,
    /// What it listens on: `otlp grpc 127.0.0.1:4317`.
    pub listening: Vec<String>,
    grpc: Option<SocketAddr>,
    http: Option<SocketAddr>,
    shutdown: oneshot::Sender<()>,
    served: JoinHandle<Drained>,
}

/// A receiver whose ports are taken, and not yet served.
pub struct BoundReceiver {
    id: ComponentId,
    settings: Settings,
    source: Source,
}

enum Source {
    Ports(Box<Bound>),
    Files(config::OtlpJsonFileReceiver),
}

/// What every receiver hands its requests to.
#[derive(Clone)]
pub struct Intake {
    pub generations: Arc<Generations>,
    pub metrics: Metrics,
    pub budget: Arc<Budget>,
    /// Where receivers keep how far they have read.
    pub storages: Arc<Storages>,
    /// How far those that read files are.
    pub tails: Tails,
    /// The gateway's own spans.
    pub tracing: Tracing,
    /// A clone lives as long as each batch's task: a shutdown waits for them.
    pub in_flight: watch::Receiver<()>,
}

impl BoundReceiver {
    /// What is wrong with it, ports aside.
    pub fn check(settings: &Settings) -> Vec<BindError> {
        match settings {
            Settings::Ports(server) => Server::check(server),
            Settings::Files(_) => Vec::new(),
        }
    }

    /// Takes the ports, all or none.
    pub async fn bind(id: ComponentId, settings: Settings, budget: &Arc<Budget>) -> Result<BoundReceiver, BindError> {
        let source = match &settings {
            Settings::Ports(server) => {
                Source::Ports(Box::new(Server::bind(ServerSettings::clone(server), Arc::clone(budget)).await?))
            }
            Settings::Files(files) => Source::Files(files.clone()),
        };
        Ok(BoundReceiver { id, settings, source })
    }

    pub fn id(&self) -> &ComponentId {
        &self.id
    }

    /// Serves on a task of its own.
    pub fn serve(self, intake: &Intake) -> Receiver {
        let BoundReceiver { id, settings, source } = self;
        let (shutdown, stopped) = oneshot::channel();
        let bound = match source {
            Source::Ports(bound) => bound,
            Source::Files(files) => {
                let listening = files.include.iter().map(|pattern| format!("{id} {pattern}")).collect();
                let tail = json_file::run(id, files, intake.clone(), stopped);
                let served = tokio::spawn(async move {
                    tail.await;
                    Drained::default()
                });
                return Receiver { settings, listening, grpc: None, http: None, shutdown, served };
            }
        };
        let (grpc, http) = (bound.grpc_addr(), bound.http_addr());
        let line = |(protocol, name): (Protocol, String)| format!("{id} {} {name}", protocol.name());
        let listening = bound.names().into_iter().map(line).collect();
        let name = id.to_string();
        let sink = Arc::new(ReceiverSink(Arc::new(Shared {
            grpc: intake.metrics.receiver(&name, Protocol::Grpc.name()),
            http: intake.metrics.receiver(&name, Protocol::Http.name()),
            id,
            intake: intake.clone(),
        })));
        let served = tokio::spawn(bound.serve(sink, async move {
            // A dropped sender is a shutdown too.
            let _ = stopped.await;
        }));
        Receiver { settings, listening, grpc, http, shutdown, served }
    }
}

impl Receiver {
    /// Where it serves a protocol.
    pub fn address(&self, protocol: Protocol) -> Option<SocketAddr> {
        match protocol {
            Protocol::Grpc => self.grpc,
            Protocol::Http => self.http,
        }
    }

    /// Whether it has a port that `settings` ask for, on whatever address, or a Unix socket.
    pub fn has_port_of(&self, settings: &Settings) -> bool {
        let port = |endpoint: &str| endpoint.rsplit_once(':')?.1.parse::<u16>().ok();
        let ports = || settings.endpoints().filter_map(port);
        let has_port = [self.grpc, self.http].into_iter().flatten().any(|has| ports().any(|wants| wants == has.port()));
        let mut sockets = self.settings.endpoints().filter(|has| has.starts_with("unix:"));
        has_port || sockets.any(|has| settings.endpoints().any(|wants| wants == has))
    }

    /// Closes the ports, and waits for the requests under way.
    pub async fn stop(self) -> Drained {
        // The server may have ended by itself.
        let _ = self.shutdown.send(());
        self.served.await.unwrap_or_default()
    }
}

struct ReceiverSink(Arc<Shared>);

struct Shared {
    id: ComponentId,
    intake: Intake,
    grpc: ReceiverMetrics,
    http: ReceiverMetrics,
}

impl Sink for ReceiverSink {
    async fn deliver(&self, request: Request) -> Answer {
        // On a task of its own, which goes on when the client goes: what was begun is not undone by a lost connection.
        let task = tokio::spawn(Arc::clone(&self.0).handle(request));
        task.await.unwrap_or_else(|_| Err(Refusal::new(RefusalKind::Internal, "the gateway failed on this request")))
    }

    fn refused(&self, protocol: Protocol, signal: Option<Signal>, refusal: &Refusal) {
        let signal = signal.map_or("unknown", Signal::name);
        tracing::debug!(receiver = %self.0.id, protocol = protocol.name(), signal, reason = %refusal, "request refused");
        self.0.metrics(protocol).refused_request();
    }
}

impl Shared {
    async fn handle(self: Arc<Self>, request: Request) -> Answer {
        let Request { signal, protocol, payload, mut context, .. } = request;
        let name = || format!("receiver/{}/{}DataReceived", self.id, singular(signal));
        let span = self.intake.tracing.request(&mut context, name);
        let (answer, rows) =
            take(&self.id, &self.intake, self.metrics(protocol), Incoming { signal, payload, context }).await;
        if let Some(mut span) = span {
            let ((records, _), failed) = (items(signal), answer.as_ref().err());
            span.text("receiver", &self.id.to_string());
            span.text("transport", protocol.name());
            let (accepted, refused) = match &answer {
                Ok(accepted) => (rows, accepted.rejected),
                Err(_) => (0, rows),
            };
            span.count(&format!("accepted_{records}"), accepted);
            span.count(&format!("refused_{records}"), refused);
            span.end(failed.map(|refusal| &*refusal.reason));
        }
        answer
    }

    fn metrics(&self, protocol: Protocol) -> &ReceiverMetrics {
        match protocol {
            Protocol::Grpc => &self.grpc,
            Protocol::Http => &self.http,
        }
    }
}

/// In the names of spans, as the Collector's.
fn singular(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "Trace",
        Signal::Metrics => "Metrics",
        Signal::Logs => "Logs",
    }
}

/// Takes a request through the pipelines of a receiver, counts it, and says what became of it, and how many rows that is about, as
/// far as that was looked into.
async fn take(id: &ComponentId, intake: &Intake, metrics: &ReceiverMetrics, request: Incoming) -> (Answer, u64) {
    let _in_flight = intake.in_flight.clone();
    let signal = request.signal;
    // One generation from here to the end of the batch.
    let generation = intake.generations.current();
    let Some(inlet) = generation.inlet(id, signal) else {
        let reason = format!("receiver `{id}` is in no {signal} pipeline");
        metrics.refused_request();
        return (Err(Refusal::new(RefusalKind::NotServed, reason)), 0);
    };
    let taken = match pipeline::accept(&generation, inlet, request).await {
        Ok(taken) => taken,
        Err(refusal) => {
            metrics.refused_request();
            return (Err(refusal), 0);
        }
    };
    // The stages are done; what waits for a backend now holds outlets, not plugins.
    drop(generation);
    let Taken { rows, acked, rejected, cleared } = taken;
    let answer = match acked.await {
        Outcome::Refused(refusal) => {
            metrics.refused(signal, rows + rejected);
            Err(refusal)
        }
        Outcome::Delivered | Outcome::DurablyQueued | Outcome::HeldInMemory | Outcome::Dropped => {
            metrics.accepted(signal, rows);
            metrics.refused(signal, rejected);
            metrics.cleared_ids(cleared);
            Ok(Accepted { rejected, message: partial_message(rejected) })
        }
    };
    (answer, rows)
}

/// What a sender is told of rows that were left out; nothing where none were.
fn partial_message(rejected: u64) -> String {
    if rejected == 0 {
        return String::new();
    }
    format!("{rejected} spans have a trace id that is not 16 bytes long, or a span id that is not 8 bytes long")
}

impl Settings {
    fn endpoints(&self) -> impl Iterator<Item = &str> {
        let server = match self {
            Settings::Ports(server) => Some(server),
            Settings::Files(_) => None,
        };
        let grpc = server.and_then(|server| server.grpc.as_ref()).map(|grpc| grpc.endpoint.as_str());
        let http = server.and_then(|server| server.http.as_ref()).map(|http| http.endpoint.as_str());
        grpc.into_iter().chain(http)
    }
}

/// What a receiver of the configuration is served with.
pub fn settings(config: &Config, id: &ComponentId, receiver: &config::Receiver) -> Settings {
    match receiver {
        config::Receiver::Otlp(otlp) => Settings::Ports(Box::new(server(config, id, otlp))),
        config::Receiver::OtlpJsonFile(files) => Settings::Files(files.clone()),
    }
}

fn server(config: &Config, id: &ComponentId, otlp: &config::OtlpReceiver) -> ServerSettings {
    let auth = |authenticator: &Option<ComponentId>| authenticator.as_ref().map(|id| server_auth(config, id));
    ServerSettings {
        grpc: otlp.grpc.as_ref().map(|grpc| grpc_server(id, grpc, auth(&grpc.authenticator))),
        http: otlp.http.as_ref().map(|http| http_server(id, http, auth(&http.authenticator))),
    }
}

fn endpoint(endpoint: &config::Endpoint, unix: Option<&Path>) -> String {
    unix.map_or_else(|| endpoint.to_string(), |path| format!("unix:{}", path.display()))
}

fn network(network: config::Network) -> Network {
    match network {
        config::Network::Tcp => Network::Any,
        config::Network::Tcp4 => Network::Ip4,
        config::Network::Tcp6 => Network::Ip6,
    }
}

fn grpc_server(
    id: &ComponentId,
    settings: &config::GrpcServer,
    auth: Option<ServerAuthSettings>,
) -> GrpcServerSettings {
    let keepalive = &settings.keepalive;
    GrpcServerSettings {
        endpoint_key: format!("receivers::{id}::protocols::grpc::endpoint"),
        endpoint: endpoint(&settings.endpoint, settings.unix.as_deref()),
        network: network(settings.network),
        tls: settings.tls.as_ref().map(|tls| tls_server(format!("receivers::{id}::protocols::grpc::tls"), tls)),
        auth,
        request_bytes_max: settings.message_bytes_max,
        concurrent_streams_max: settings.concurrent_streams_max.get(),
        read_timeout: settings.read_timeout,
        include_metadata: settings.include_metadata,
        keepalive: KeepaliveServerSettings {
            time: keepalive.time,
            timeout: keepalive.timeout,
            idle_max: keepalive.idle_max,
            age_max: keepalive.age_max,
            age_grace: keepalive.age_grace,
        },
        ..GrpcServerSettings::default()
    }
}

fn http_server(
    id: &ComponentId,
    settings: &config::HttpServer,
    auth: Option<ServerAuthSettings>,
) -> HttpServerSettings {
    HttpServerSettings {
        endpoint_key: format!("receivers::{id}::protocols::http::endpoint"),
        endpoint: endpoint(&settings.endpoint, settings.unix.as_deref()),
        network: network(settings.network),
        tls: settings.tls.as_ref().map(|tls| tls_server(format!("receivers::{id}::protocols::http::tls"), tls)),
        auth,
        request_bytes_max: settings.body_bytes_max,
        traces_url_path: settings.traces_path.to_string(),
        metrics_url_path: settings.metrics_path.to_string(),
        logs_url_path: settings.logs_path.to_string(),
        read_timeout: settings.read_timeout,
        read_header_timeout: settings.read_header_timeout,
        idle_timeout: settings.idle_timeout,
        cors: settings.cors.as_ref().map(cors),
        include_metadata: settings.include_metadata,
        ..HttpServerSettings::default()
    }
}

fn cors(cors: &config::Cors) -> CorsSettings {
    let texts = |texts: &[Arc<str>]| texts.iter().map(ToString::to_string).collect();
    CorsSettings {
        allowed_origins: texts(&cors.allowed_origins),
        allowed_headers: texts(&cors.allowed_headers),
        max_age: cors.max_age,
    }
}
