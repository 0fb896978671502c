//! Clients: a request as bytes to a backend, and what the backend made of it.

mod answer;
mod call;
mod channel;
mod connect;
mod grpc;
mod head;
mod http;
mod post;
mod push;
mod target;

use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

use ::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use tonic::Code;
use wasmill_batch::{Refusal, RefusalKind, RequestContext};

pub(crate) use answer::collect;
pub use call::CallClient;
pub(crate) use connect::Connector;
pub use grpc::GrpcClient;
pub use http::HttpClient;
pub use push::{PushClient, Pushed, push_header};
pub(crate) use target::address;

use crate::auth::{ClientAuth, NoCredentials};
use crate::{AuthError, TlsError};

/// Settings that no client can be made of. Found before anything is sent.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("`{key}` is `{value}`, expected {expected}")]
    Setting { key: &'static str, value: String, expected: &'static str },
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Its key is a full path: of an extension.
    #[error(transparent)]
    Auth(#[from] AuthError),
}

impl ClientError {
    /// The configuration key that it is about, below the exporter's but for [`ClientError::Auth`].
    pub fn key(&self) -> &str {
        match self {
            ClientError::Setting { key, .. } => key,
            ClientError::Tls(error) => error.key(),
            ClientError::Auth(error) => error.key(),
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
    /// Retryable for 429, 502, 503 and 504. `body`: the beginning of the answer, 64 KiB of it, for protocols that say more there than the
    /// message quotes.
    #[error("`{endpoint}` answered {status}: {message}")]
    Http { endpoint: String, status: StatusCode, message: String, retry_after: Option<Duration>, body: Bytes },
    /// There are no credentials for the request now: a token's server did not give any. Retryable.
    #[error("the request to `{endpoint}` has no credentials: {reason}")]
    NoCredentials { endpoint: String, reason: String },
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
            SendError::Connect { .. }
            | SendError::Timeout { .. }
            | SendError::Broken { .. }
            | SendError::NoCredentials { .. } => true,
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

    /// Whether the backend did not believe who we are.
    fn is_unauthenticated(&self) -> bool {
        match self {
            SendError::Grpc { code, .. } => *code == Code::Unauthenticated,
            SendError::Http { status, .. } => *status == StatusCode::UNAUTHORIZED,
            _ => false,
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

/// The headers of one request: the client's own, and its credentials.
async fn with_credentials<'h>(
    headers: &'h HeaderMap,
    auth: Option<&ClientAuth>,
    context: &RequestContext,
) -> Result<Cow<'h, HeaderMap>, NoCredentials> {
    let Some(auth) = auth else { return Ok(Cow::Borrowed(headers)) };
    let mut headers = headers.clone();
    auth.apply(context, &mut headers).await?;
    Ok(Cow::Owned(headers))
}

/// Whether a call that ended so is made once more, with new credentials.
async fn is_renewed<T>(sent: &Result<T, SendError>, auth: Option<&ClientAuth>) -> bool {
    match (sent, auth) {
        (Err(error), Some(auth)) if error.is_unauthenticated() => auth.renew().await,
        _ => false,
    }
}
