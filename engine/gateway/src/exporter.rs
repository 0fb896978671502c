//! What every exporter is, and where the kinds of exporter are listed.
//!
//! An exporter turns a batch into what its backend takes ([`Exporter::prepare`], once), and sends that ([`Exporter::send`], once
//! for each attempt). Waiting, retrying, queueing and counting are the same for all of them and stand in
//! [`Outlet`](crate::outlet::Outlet).

mod archive;
pub(crate) mod debug;
mod file;
mod jaeger;
mod loki;
mod otlp;
mod pieces;
mod prometheus;
mod remote_write;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use wasmill_batch::{Refusal, RefusalKind, RequestContext, TelemetryBatch};
use wasmill_prometheus::Store;
use wasmill_transport::{BindError, ClientError};
use wasmill_wire::{GatherList, Projection, Signal, WireBatch};

pub use archive::{ArchiveError, ArchiveExporter};
pub use debug::DebugExporter;
pub use file::{FileError, FileExporter, OpenFiles};
pub use jaeger::JaegerExporter;
pub use loki::LokiExporter;
pub use otlp::OtlpExporter;
pub use pieces::{Piece, Pieces};
pub use prometheus::{PrometheusExporter, Stores, serve_scrapes};
pub use remote_write::RemoteWriteExporter;

/// One attempt.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<Sent, Refusal>> + Send + 'a>>;

pub trait Exporter: Send + Sync + 'static {
    /// What every attempt sends.
    fn prepare(&self, batch: &TelemetryBatch) -> Request {
        let rows = batch.selection().count() as u64;
        Request::new(batch.signal(), rows, batch.gather(), Arc::clone(batch.context()))
    }

    /// What every attempt sends of a request that comes from a queue on disk. An exporter that prepares in a way of its own does so
    /// here too.
    fn prepare_encoded(&self, request: Request) -> Request {
        request
    }

    /// Whether sending neither waits nor fails: there is nothing to promise beyond it.
    fn writes_at_once(&self) -> bool {
        false
    }

    /// What it keeps for those that come and read it; `None`: it sends.
    fn scraped(&self) -> Option<&Arc<Store>> {
        None
    }

    /// From now on it serves the signal: what an earlier process left may be looked for. Not called for a configuration that is only
    /// tried.
    fn begin(&self, signal: Signal) {
        let _ = signal;
    }

    /// Nothing of the signal comes any more, for a while at least: what it holds that is not done yet is to be done. Nothing is lost where
    /// that is not waited for.
    fn end(&self, signal: Signal) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let _ = signal;
        Box::pin(std::future::ready(()))
    }

    /// Sends it. Ends by itself, within the exporter's `timeout`. A refusal that is retryable may be tried again with the same
    /// request.
    fn send<'a>(&'a self, request: &'a Request) -> Sending<'a>;
}

/// Why an exporter cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ExporterError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Server(#[from] BindError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

impl ExporterError {
    /// The configuration key that it is about, below the exporter's. That of a [`Server`](ExporterError::Server) has its own.
    pub fn key(&self) -> &str {
        match self {
            ExporterError::Client(error) => error.key(),
            ExporterError::File(_) => "path",
            ExporterError::Server(_) => "endpoint",
            ExporterError::Archive(error) => error.key(),
        }
    }
}

/// A batch in the form that an exporter sends.
#[derive(Clone)]
pub struct Request {
    pub signal: Signal,
    pub rows: u64,
    /// What the exporter made of an `Export…ServiceRequest`; for most it is that, not compressed.
    pub body: GatherList,
    /// What is sent instead of `body`, one after the other.
    pub pieces: Option<Arc<Pieces>>,
    /// Rows whose values were cut or left out in part, because the backend does not take more.
    pub altered_rows: u64,
    pub context: Arc<RequestContext>,
}

impl Request {
    /// That is sent at once.
    pub fn new(signal: Signal, rows: u64, body: impl Into<GatherList>, context: Arc<RequestContext>) -> Request {
        Request { signal, rows, body: body.into(), pieces: None, altered_rows: 0, context }
    }

    /// That is sent piece by piece, and holds nothing else.
    pub fn in_pieces(signal: Signal, rows: u64, pieces: Pieces, context: Arc<RequestContext>) -> Request {
        Request { signal, rows, body: GatherList::default(), pieces: Some(Arc::new(pieces)), altered_rows: 0, context }
    }

    pub fn with_altered_rows(self, altered_rows: u64) -> Request {
        Request { altered_rows, ..self }
    }

    /// A request from a queue on disk, taken apart. `Err`: it is none, though it was checked when it came in; the request to send is one
    /// of nothing, of which all rows are rejected.
    pub fn parsed(self) -> Result<(WireBatch, Arc<RequestContext>), Request> {
        let nothing = Projection::new(self.signal, Vec::new());
        WireBatch::parse(self.signal, self.body.into_bytes(), &nothing)
            .map(|batch| (batch, Arc::clone(&self.context)))
            .map_err(|error| {
                let message = format!("what was queued is no request: {error}");
                let pieces = Pieces::new(Vec::new(), Sent { rejected_rows: self.rows, message });
                Request::in_pieces(self.signal, self.rows, pieces, self.context)
            })
    }

    /// What is sent, one after the other. `Err`: it was not prepared.
    pub fn pieces(&self) -> Result<&Pieces, Refusal> {
        self.pieces
            .as_deref()
            .ok_or_else(|| Refusal::new(RefusalKind::Internal, "the request was not prepared for its exporter"))
    }

    /// Rows that the backend has from attempts that failed as a whole.
    pub fn taken_rows(&self) -> u64 {
        self.pieces.as_ref().map_or(0, |pieces| pieces.taken_rows()).min(self.rows)
    }
}

/// The backend has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Rows that it did not take and will not take: partial success.
    pub rejected_rows: u64,
    /// What it said about that, or as a warning.
    pub message: String,
}
