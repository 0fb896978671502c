//! Where records arrive.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyhow::{Context, Result};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use wasmill_transport::settings::{GrpcServerSettings, ServerSettings};
use wasmill_transport::{Accepted, Answer, Budget, Request, Server, Sink};

use super::written::{Form, Written};
use super::{Arguments, Expect, Exporter, IDS_MAX, remote_write};
use crate::records::{ids, lines};
use crate::seen::Seen;
use wasmill_authoring::template::EMAIL;

/// Records of which `--capture` writes what arrived.
const CAPTURED: u64 = 1000;

pub struct Backend {
    state: Arc<State>,
    /// What is not sent here, but looked for.
    written: Option<Mutex<Written>>,
}

pub struct State {
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

/// Requests that are answered, and wait for a look at what they bring.
const UNREAD_MAX: usize = 256;

/// What answers. The look at each record is for another thread: it is no part of what an engine's clients wait for.
struct Sunk(mpsc::Sender<Request>);

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
        let mut written = None;
        let of_file = |form| {
            let path = arguments.file.clone().context("`--file` is needed")?;
            anyhow::Ok(Some(Mutex::new(Written::new(path, form, arguments.signal.into()))))
        };
        match arguments.exporter {
            Exporter::Otlp | Exporter::Prometheus => serve(listen, Arc::clone(&state)).await?,
            Exporter::RemoteWrite => remote_write::serve(listen, Arc::clone(&state)).await?,
            Exporter::FileJson => written = of_file(Form::Json)?,
            Exporter::FileProto => written = of_file(Form::Proto)?,
        }
        Ok(Backend { state, written })
    }

    /// Reads what was written meanwhile, where it is in a file.
    pub fn look(&self) -> Result<()> {
        self.written.as_ref().map_or(Ok(()), |written| written.lock().look(&self.state))
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

async fn serve(listen: SocketAddr, state: Arc<State>) -> Result<()> {
    let grpc = GrpcServerSettings { endpoint: listen.to_string(), ..GrpcServerSettings::default() };
    let bound = Server::bind(ServerSettings { grpc: Some(grpc), http: None }, Budget::unlimited());
    let bound = bound.await.with_context(|| format!("cannot listen on `{listen}`"))?;
    let (answered, mut unread) = mpsc::channel(UNREAD_MAX);
    tokio::spawn(bound.serve(Arc::new(Sunk(answered)), std::future::pending()));
    std::thread::Builder::new().name("look".into()).spawn(move || {
        while let Some(request) = unread.blocking_recv() {
            state.look(&request);
        }
    })?;
    Ok(())
}

impl State {
    /// Takes the records of a request, as `read` finds them; `None` from it: it is not one. Whether one of them is to be captured.
    pub fn take(&self, wire_bytes: usize, read: impl FnOnce(&mut dyn FnMut(u64)) -> Option<()>) -> bool {
        let (mut arrived, mut early) = (0, false);
        let read = read(&mut |id| {
            self.seen.see(id);
            early |= id < self.captured_below;
            arrived += 1;
        });
        if read.is_none() {
            self.broken.fetch_add(1, Relaxed);
        }
        self.bytes.fetch_add(wire_bytes as u64, Relaxed);
        self.arrived.fetch_add(arrived, Relaxed);
        early
    }

    /// Takes a request of OTLP.
    fn look(&self, request: &Request) {
        // Before its records count: when all have come, the run ends.
        if self.looks_for_emails && request.payload.windows(EMAIL.len()).any(|part| part == EMAIL) {
            self.with_email.fetch_add(1, Relaxed);
        }
        let early = self.take(request.wire_bytes, |mut found| ids(request.signal, &request.payload, &mut found));
        if let Some(captured) = self.captured.as_ref().filter(|_| early) {
            let lines = lines(request.signal, &request.payload).unwrap_or_default();
            captured.lock().extend(lines.into_iter().filter(|(id, _)| *id < self.captured_below));
        }
    }
}

impl Sink for Sunk {
    async fn deliver(&self, request: Request) -> Answer {
        // An error: the run has ended.
        let _ = self.0.send(request).await;
        Ok(Accepted::default())
    }
}
