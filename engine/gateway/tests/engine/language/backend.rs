//! A backend: takes OTLP on loopback, records it, and misbehaves when told to.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, oneshot};
use wasmill_batch::Refusal;
use wasmill_transport::settings::{GrpcServerSettings, HttpServerSettings, ServerSettings};
use wasmill_transport::{Accepted, Answer, Budget, Request, Server, Sink};
use wasmill_wire::Signal;

use super::{patiently, spans_of};

/// Serves until it is dropped.
pub struct Backend {
    state: Arc<State>,
    grpc: SocketAddr,
    http: SocketAddr,
    _shutdown: oneshot::Sender<()>,
}

struct State {
    received: Mutex<Vec<(Signal, Bytes)>>,
    /// Answers to give before it accepts.
    refusals: Mutex<VecDeque<Refusal>>,
    /// What it refuses, and how.
    poison: Mutex<Option<(Vec<u8>, Refusal)>>,
    /// How it answers what it accepts.
    accepts: Mutex<Accepted>,
    /// Requests that came, refused ones included.
    attempts: Mutex<usize>,
    changed: Notify,
    /// A permit for each answer; closed while it answers at once.
    gate: Mutex<Option<Arc<Semaphore>>>,
}

impl Backend {
    pub async fn start() -> Backend {
        let any = || "127.0.0.1:0".to_owned();
        let settings = ServerSettings {
            grpc: Some(GrpcServerSettings { endpoint: any(), ..GrpcServerSettings::default() }),
            http: Some(HttpServerSettings { endpoint: any(), ..HttpServerSettings::default() }),
        };
        let bound = Server::bind(settings, Budget::unlimited()).await.expect("loopback has ports");
        let (grpc, http) = (bound.grpc_addr().expect("grpc"), bound.http_addr().expect("http"));
        let state = Arc::new(State {
            received: Mutex::default(),
            refusals: Mutex::default(),
            poison: Mutex::default(),
            accepts: Mutex::default(),
            attempts: Mutex::default(),
            changed: Notify::new(),
            gate: Mutex::default(),
        });
        let (shutdown, stopped) = oneshot::channel::<()>();
        tokio::spawn(bound.serve(Arc::new(Recorder(Arc::clone(&state))), async move {
            let _ = stopped.await;
        }));
        Backend { state, grpc, http, _shutdown: shutdown }
    }

    pub fn grpc(&self) -> SocketAddr {
        self.grpc
    }

    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Answers the next requests with these.
    pub fn refuse_next(&self, refusals: impl IntoIterator<Item = Refusal>) {
        self.state.refusals.lock().extend(refusals);
    }

    /// Refuses every request that has this text in it.
    pub fn refuse_containing(&self, text: &str, refusal: Refusal) {
        *self.state.poison.lock() = Some((text.as_bytes().to_vec(), refusal));
    }

    /// Takes requests in part from now on.
    pub fn reject_rows(&self, rejected: u64) {
        *self.state.accepts.lock() = Accepted { rejected, message: "not all of them".to_owned() };
    }

    /// Answers nothing from now on, until [`release`](Backend::release).
    pub fn hold(&self) {
        *self.state.gate.lock() = Some(Arc::new(Semaphore::new(0)));
    }

    /// Answers what it held, and everything after it.
    pub fn release(&self) {
        if let Some(gate) = self.state.gate.lock().take() {
            gate.close();
        }
    }

    /// What it accepted of a signal, in order.
    pub fn received(&self, signal: Signal) -> Vec<Bytes> {
        let received = self.state.received.lock();
        received.iter().filter(|(of, _)| *of == signal).map(|(_, request)| request.clone()).collect()
    }

    /// Waits until so many requests have come, accepted or not.
    pub async fn attempts(&self, at_least: usize) {
        self.until(&format!("{at_least} requests at the backend"), |state| *state.attempts.lock() >= at_least).await;
    }

    /// Waits until so many requests of a signal were accepted, and returns them.
    pub async fn requests(&self, signal: Signal, at_least: usize) -> Vec<Bytes> {
        let count = |state: &State| state.received.lock().iter().filter(|(of, _)| *of == signal).count();
        self.until(&format!("{at_least} requests of {signal}"), |state| count(state) >= at_least).await;
        self.received(signal)
    }

    /// Waits until so many spans were accepted, and returns all their requests.
    pub async fn spans(&self, at_least: usize) -> Vec<Bytes> {
        // Counted from where the last look ended: decoding everything at each request would be quadratic.
        let seen = Mutex::new((0, 0));
        self.until(&format!("{at_least} spans"), |state| {
            let mut seen = seen.lock();
            let received = state.received.lock();
            for (_, request) in received.iter().skip(seen.0).filter(|(signal, _)| *signal == Signal::Traces) {
                seen.1 += spans_of(request).len();
            }
            seen.0 = received.len();
            seen.1 >= at_least
        })
        .await;
        self.received(Signal::Traces)
    }

    async fn until(&self, what: &str, condition: impl Fn(&State) -> bool) {
        patiently(what, async {
            loop {
                let changed = self.state.changed.notified();
                if condition(&self.state) {
                    return;
                }
                changed.await;
            }
        })
        .await;
    }
}

struct Recorder(Arc<State>);

impl Sink for Recorder {
    async fn deliver(&self, request: Request) -> Answer {
        let state = &self.0;
        *state.attempts.lock() += 1;
        state.changed.notify_waiters();
        let gate = state.gate.lock().clone();
        if let Some(gate) = gate {
            // Closed: released.
            let _ = gate.acquire().await;
        }
        if let Some(refusal) = state.refusals.lock().pop_front() {
            return Err(refusal);
        }
        if let Some((text, refusal)) = &*state.poison.lock()
            && request.payload.windows(text.len()).any(|window| window == text)
        {
            return Err(refusal.clone());
        }
        state.received.lock().push((request.signal, request.payload));
        state.changed.notify_waiters();
        Ok(state.accepts.lock().clone())
    }
}
