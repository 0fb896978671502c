//! The backend of the model: it goes away and comes back, is slow, refuses, and notes everything.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use parking_lot::Mutex;
use prost::Message;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use wasmill_batch::{Refusal, RefusalKind};
use wasmill_transport::settings::{GrpcServerSettings, ServerSettings};
use wasmill_transport::{Accepted, Answer, Budget, Drained, Request, Server, Sink};

/// How long it takes for an answer when it is slow.
const SLOW: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Up,
    Slow,
    /// Answers that it has no room.
    Busy,
    /// Answers that the data is wrong.
    Refuses,
}

/// A span as it arrived.
pub struct Arrival {
    pub at: Instant,
    pub stamps: Vec<String>,
}

pub struct State {
    pub mode: Mode,
    /// By id, each as often as it was accepted.
    pub arrived: BTreeMap<u64, Vec<Arrival>>,
    /// Ids of what was refused for good.
    pub refused: Vec<u64>,
}

pub struct Backend {
    runtime: Runtime,
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    serving: Option<(oneshot::Sender<()>, JoinHandle<Drained>)>,
}

impl Backend {
    pub fn start() -> Result<Backend> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let state = Arc::new(Mutex::new(State { mode: Mode::Up, arrived: BTreeMap::new(), refused: Vec::new() }));
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut backend = Backend { runtime, address: any, state, serving: None };
        backend.come_back()?;
        Ok(backend)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn set(&self, mode: Mode) {
        self.state.lock().mode = mode;
    }

    pub fn with<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock())
    }

    /// Closes its port and every connection.
    pub fn go_away(&mut self) {
        if let Some((shutdown, served)) = self.serving.take() {
            drop(shutdown);
            // It drains, which the model's requests do not take long for.
            let _ = self.runtime.block_on(served);
        }
    }

    /// Listens where it did before.
    pub fn come_back(&mut self) -> Result<()> {
        if self.serving.is_some() {
            return Ok(());
        }
        let grpc = GrpcServerSettings { endpoint: self.address.to_string(), ..GrpcServerSettings::default() };
        let settings = ServerSettings { grpc: Some(grpc), http: None };
        let _within = self.runtime.enter();
        let bound = self.runtime.block_on(Server::bind(settings, Budget::unlimited())).context("the backend's port")?;
        self.address = bound.grpc_addr().context("a port")?;
        let (shutdown, stopped) = oneshot::channel::<()>();
        let sink = Arc::new(Recorder(Arc::clone(&self.state)));
        let served = self.runtime.spawn(bound.serve(sink, async move {
            let _ = stopped.await;
        }));
        self.serving = Some((shutdown, served));
        Ok(())
    }
}

struct Recorder(Arc<Mutex<State>>);

impl Sink for Recorder {
    async fn deliver(&self, request: Request) -> Answer {
        let mode = self.0.lock().mode;
        if mode == Mode::Slow {
            tokio::time::sleep(SLOW).await;
        }
        let spans = spans(&request.payload);
        let mut state = self.0.lock();
        match mode {
            Mode::Busy => Err(Refusal::new(RefusalKind::Unavailable, "no room")),
            Mode::Refuses => {
                state.refused.extend(spans.into_iter().map(|(id, _)| id));
                Err(Refusal::new(RefusalKind::Invalid, "wrong"))
            }
            Mode::Up | Mode::Slow => {
                let at = Instant::now();
                for (id, stamps) in spans {
                    state.arrived.entry(id).or_default().push(Arrival { at, stamps });
                }
                Ok(Accepted::default())
            }
        }
    }
}

/// Ids and stamps.
fn spans(request: &[u8]) -> Vec<(u64, Vec<String>)> {
    let request = ExportTraceServiceRequest::decode(request).expect("the gateway sends what can be read");
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    let read = |span: opentelemetry_proto::tonic::trace::v1::Span| {
        let id = u64::from_be_bytes(span.span_id.as_slice().try_into().expect("an id of 8 bytes"));
        let stamps = span.attributes.into_iter().filter(|attribute| attribute.key == "generation");
        let text = |attribute: opentelemetry_proto::tonic::common::v1::KeyValue| match attribute.value?.value? {
            Value::StringValue(text) => Some(text),
            _ => None,
        };
        (id, stamps.filter_map(text).collect())
    };
    scopes.flat_map(|scope| scope.spans).map(read).collect()
}
