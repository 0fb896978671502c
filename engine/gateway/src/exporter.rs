//! What every exporter is, and where the kinds of exporter are listed.
//!
//! An exporter turns a batch into what its backend takes ([`Exporter::prepare`], once), and sends that ([`Exporter::send`], once
//! for each attempt). Waiting, retrying, queueing and counting are the same for all of them and stand in
//! [`Outlet`](crate::outlet::Outlet).

pub(crate) mod debug;
mod file;
mod otlp;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use wasmill_batch::{Refusal, RequestContext, TelemetryBatch};
use wasmill_transport::ClientError;
use wasmill_wire::Signal;

pub use debug::DebugExporter;
pub use file::{FileError, FileExporter, OpenFiles};
pub use otlp::OtlpExporter;

/// One attempt.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<Sent, Refusal>> + Send + 'a>>;

pub trait Exporter: Send + Sync + 'static {
    /// What every attempt sends.
    fn prepare(&self, batch: &TelemetryBatch) -> Request {
        Request {
            signal: batch.signal(),
            rows: batch.selection().count() as u64,
            body: batch.encode(),
            context: Arc::clone(batch.context()),
        }
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
}

impl ExporterError {
    /// The configuration key that it is about, below the exporter's.
    pub fn key(&self) -> &str {
        match self {
            ExporterError::Client(error) => error.key(),
            ExporterError::File(_) => "path",
        }
    }
}

/// A batch in the form that an exporter sends.
#[derive(Clone)]
pub struct Request {
    pub signal: Signal,
    pub rows: u64,
    /// An `Export…ServiceRequest`, not compressed.
    pub body: Bytes,
    pub context: Arc<RequestContext>,
}

/// The backend has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Rows that it did not take and will not take: partial success.
    pub rejected_rows: u64,
    /// What it said about that, or as a warning.
    pub message: String,
}
