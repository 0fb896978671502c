//! Where records arrive.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyhow::{Context, Result};
use parking_lot::Mutex;
use wasmill_transport::settings::{GrpcServerSettings, ServerSettings};
use wasmill_transport::{Accepted, Answer, Budget, Request, Server, Sink};

use super::{Arguments, Expect, IDS_MAX};
use crate::records::{ids, lines};
use crate::seen::Seen;
use wasmill_authoring::template::EMAIL;

/// Records of which `--capture` writes what arrived.
const CAPTURED: u64 = 1000;

pub struct Backend {
    state: Arc<State>,
}

struct State {
    seen: Seen,
    arrived: AtomicU64,
    /// Of bodies as they came, compressed or not.
    bytes: AtomicU64,
    /// Requests that were none.
    broken: AtomicU64,
    /// Requests with an e-mail address in them, where there should be none.
    with_email: AtomicU64,
    looks_for_emails: bool,
    captured: Option<Mutex<BTreeMap<u64, String>>>,
    /// Ids below this are captured.
    captured_below: u64,
}

struct Sunk(Arc<State>);

impl Backend {
    pub async fn start(listen: SocketAddr, arguments: &Arguments) -> Result<Backend> {
        let state = Arc::new(State {
            seen: Seen::new(IDS_MAX),
            arrived: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            with_email: AtomicU64::new(0),
            looks_for_emails: arguments.expect == Expect::Redacted,
            captured: arguments.capture.is_some().then(Mutex::default),
            captured_below: arguments.first_id() + CAPTURED,
        });
        let grpc = GrpcServerSettings { endpoint: listen.to_string(), ..GrpcServerSettings::default() };
        let bound = Server::bind(ServerSettings { grpc: Some(grpc), http: None }, Budget::unlimited());
        let bound = bound.await.with_context(|| format!("cannot listen on `{listen}`"))?;
        tokio::spawn(bound.serve(Arc::new(Sunk(Arc::clone(&state))), std::future::pending()));
        Ok(Backend { state })
    }

    /// Which records came.
    pub fn seen(&self) -> &Seen {
        &self.state.seen
    }

    /// Records, those that came twice twice.
    pub fn arrived(&self) -> u64 {
        self.state.arrived.load(Relaxed)
    }

    pub fn bytes(&self) -> u64 {
        self.state.bytes.load(Relaxed)
    }

    pub fn broken(&self) -> u64 {
        self.state.broken.load(Relaxed)
    }

    pub fn with_email(&self) -> u64 {
        self.state.with_email.load(Relaxed)
    }

    /// The first records, a line each.
    pub fn captured(&self) -> String {
        let captured = self.state.captured.as_ref().map(|captured| captured.lock());
        captured.iter().flat_map(|captured| captured.iter()).map(|(id, line)| format!("{id} {line}\n")).collect()
    }
}

impl Sink for Sunk {
    async fn deliver(&self, request: Request) -> Answer {
        let state = &self.0;
        let (mut arrived, mut early) = (0, false);
        let read = ids(request.signal, &request.payload, &mut |id| {
            state.seen.see(id);
            early |= id < state.captured_below;
            arrived += 1;
        });
        if read.is_none() {
            state.broken.fetch_add(1, Relaxed);
        }
        if state.looks_for_emails && request.payload.windows(EMAIL.len()).any(|part| part == EMAIL) {
            state.with_email.fetch_add(1, Relaxed);
        }
        if let Some(captured) = state.captured.as_ref().filter(|_| early) {
            let lines = lines(request.signal, &request.payload).unwrap_or_default();
            captured.lock().extend(lines.into_iter().filter(|(id, _)| *id < state.captured_below));
        }
        state.bytes.fetch_add(request.wire_bytes as u64, Relaxed);
        state.arrived.fetch_add(arrived, Relaxed);
        Ok(Accepted::default())
    }
}
