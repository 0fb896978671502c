//! Clients: a request as bytes to a backend, and what the backend made of it.

mod answer;
mod channel;
mod connect;
mod grpc;
mod head;
mod http;
mod target;

use std::error::Error;
use std::time::Duration;

use ::http::StatusCode;
use tonic::Code;
use wasmill_batch::{Refusal, RefusalKind};

pub use grpc::GrpcClient;
pub use http::HttpClient;

use crate::TlsError;

/// Settings that no client can be made of. Found before anything is sent.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("`{key}` is `{value}`, expected {expected}")]
    Setting { key: &'static str, value: String, expected: &'static str },
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl ClientError {
    /// The configuration key that it is about, below the exporter's.
    pub fn key(&self) -> &str {
        match self {
            ClientError::Setting { key, .. } => key,
            ClientError::Tls(error) => error.key(),
        }
    }
}

/// A request that nobody has acknowledged.
///
/// Classified by the OTLP specification ("Failures", "Retryable Response Codes"). Where there was no answer at all, the
/// backend may or may not have the data, and the specification says to send it again.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Retryable.
    #[error("cannot connect to `{endpoint}`")]
    Connect {
        endpoint: String,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Retryable.
    #[error("`{endpoint}` did not answer within {timeout:?}")]
    Timeout { endpoint: String, timeout: Duration },
    /// The connection ended or broke the protocol, or the stream was reset, before the answer was whole. Retryable.
    #[error("`{endpoint}` did not give a whole answer")]
    Broken {
        endpoint: String,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Retryable for the codes that the specification lists, RESOURCE_EXHAUSTED only with RetryInfo.
    #[error("`{endpoint}` answered {code:?}: {message}")]
    Grpc { endpoint: String, code: Code, message: String, retry_after: Option<Duration> },
    /// Retryable for 429, 502, 503 and 504.
    #[error("`{endpoint}` answered {status}: {message}")]
    Http { endpoint: String, status: StatusCode, message: String, retry_after: Option<Duration> },
    /// The request cannot be sent at all. Not retryable.
    #[error("the request to `{endpoint}` cannot be sent: {reason}")]
    Unsendable { endpoint: String, reason: String },
    /// Not OTLP, or more than a response may be. Not retryable: the same would be answered again.
    #[error("`{endpoint}` gave an answer that is not OTLP: {reason}")]
    Answer { endpoint: String, reason: String },
}

impl SendError {
    /// Whether the same data may be sent again.
    pub fn is_retryable(&self) -> bool {
        match self {
            SendError::Connect { .. } | SendError::Timeout { .. } | SendError::Broken { .. } => true,
            SendError::Grpc { code, retry_after, .. } => match code {
                Code::Cancelled
                | Code::DeadlineExceeded
                | Code::Aborted
                | Code::OutOfRange
                | Code::Unavailable
                | Code::DataLoss => true,
                Code::ResourceExhausted => retry_after.is_some(),
                _ => false,
            },
            SendError::Http { status, .. } => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            SendError::Unsendable { .. } | SendError::Answer { .. } => false,
        }
    }

    /// How long the backend asks to be left alone; `None` where it did not say.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            SendError::Grpc { retry_after, .. } | SendError::Http { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What a sender of ours is told, where its request was not queued. The message has this error's causes.
    pub fn refusal(&self) -> Refusal {
        let kind = match self {
            SendError::Timeout { .. } => RefusalKind::DeadlineExceeded,
            _ if self.is_retryable() => RefusalKind::Unavailable,
            SendError::Grpc { code: Code::ResourceExhausted, .. } => RefusalKind::TooLarge,
            SendError::Http { status: StatusCode::PAYLOAD_TOO_LARGE, .. } => RefusalKind::TooLarge,
            SendError::Grpc { code: Code::InvalidArgument, .. } => RefusalKind::Invalid,
            SendError::Http { status: StatusCode::BAD_REQUEST, .. } => RefusalKind::Invalid,
            // A backend that does not let the gateway in is the operator's matter, not the sender's.
            _ => RefusalKind::Internal,
        };
        let mut reason = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            reason = format!("{reason}: {error}");
            cause = error.source();
        }
        Refusal { retry_after: self.retry_after().filter(|_| kind.is_retryable()), ..Refusal::new(kind, reason) }
    }
}
