//! HTTP/2 connections to one backend, each shared by many calls.
//!
//! hyper's connections are used directly, because all that a pool would add here is one more queue: calls of a connection
//! are streams, and the only questions are which connection, and whether it still is one.
//!
//! A call that a connection did not take (it had just ended, or the backend says with GOAWAY or REFUSED_STREAM that it did
//! not look at it) is tried once more on a new one: backends end connections by age, and that is no failure.

use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use ::http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;
use tower_service::Service;
use tracing::debug;

use super::connect::{CONNECT_TIMEOUT, Connector};
use crate::framing::UnaryBody;
use crate::settings::KeepaliveClientSettings;

/// Calls that one call may become.
const ATTEMPTS_MAX: usize = 2;

type BoxError = Box<dyn Error + Send + Sync>;

/// Why there is no response.
pub(super) enum CallError {
    /// The request cannot be made.
    TooLong,
    Connect(BoxError),
    Call(BoxError),
}

pub(super) struct Channel {
    connector: Connector,
    uri: Uri,
    builder: http2::Builder<TokioExecutor>,
    slots: Vec<Slot>,
    /// Counts calls, which go round the slots.
    next: AtomicUsize,
}

/// Where a connection is, or will be.
#[derive(Default)]
struct Slot {
    open: Mutex<Option<SendRequest<UnaryBody>>>,
    /// Held by whoever connects; the others wait for the same connection.
    connecting: tokio::sync::Mutex<()>,
}

impl Channel {
    pub fn new(
        connector: Connector,
        uri: Uri,
        connections: usize,
        keepalive: Option<KeepaliveClientSettings>,
    ) -> Channel {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new());
        if let Some(keepalive) = keepalive {
            builder
                .keep_alive_interval(keepalive.time)
                .keep_alive_timeout(keepalive.timeout)
                .keep_alive_while_idle(keepalive.permit_without_stream);
        }
        let slots = (0..connections.max(1)).map(|_| Slot::default()).collect();
        Channel { connector, uri, builder, slots, next: AtomicUsize::new(0) }
    }

    /// Makes a call. `request` is asked for each attempt; `None` is [`CallError::TooLong`].
    pub async fn call(
        &self,
        request: impl Fn() -> Option<Request<UnaryBody>>,
    ) -> Result<Response<Incoming>, CallError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed) % self.slots.len();
        let Some(slot) = self.slots.get(number) else { return Err(CallError::TooLong) };
        let mut attempt = 1;
        loop {
            let request = request().ok_or(CallError::TooLong)?;
            let mut sender = self.open(slot).await.map_err(CallError::Connect)?;
            let mut failed = match sender.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(failed) => failed,
            };
            let untaken = failed.take_message().is_some() || is_unprocessed(failed.error());
            if attempt == ATTEMPTS_MAX || !untaken {
                return Err(CallError::Call(failed.into_error().into()));
            }
            attempt += 1;
            // This connection takes nothing more, whether hyper knows it yet or not.
            slot.close();
        }
    }

    /// The slot's connection, made if there is none.
    async fn open(&self, slot: &Slot) -> Result<SendRequest<UnaryBody>, BoxError> {
        if let Some(sender) = slot.sender() {
            return Ok(sender);
        }
        let _connecting = slot.connecting.lock().await;
        if let Some(sender) = slot.sender() {
            return Ok(sender);
        }
        let sender =
            timeout(CONNECT_TIMEOUT, self.connect()).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        *slot.lock() = Some(sender.clone());
        Ok(sender)
    }

    async fn connect(&self) -> Result<SendRequest<UnaryBody>, BoxError> {
        let mut connector = self.connector.clone();
        std::future::poll_fn(|cx| connector.poll_ready(cx)).await?;
        let stream = connector.call(self.uri.clone()).await?;
        let (sender, connection) = self.builder.handshake(stream).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(error = &error as &dyn Error, "a connection to a backend ended with an error");
            }
        });
        Ok(sender)
    }
}

impl Slot {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<SendRequest<UnaryBody>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sender(&self) -> Option<SendRequest<UnaryBody>> {
        let mut open = self.lock();
        let sender = open.as_mut()?;
        // hyper has no wait here: it says ready, or closed.
        match sender.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => Some(sender.clone()),
            _ => {
                *open = None;
                None
            }
        }
    }

    fn close(&self) {
        *self.lock() = None;
    }
}

/// Whether the backend says that it did not look at the request (RFC 9113, sections 6.8 and 8.7).
fn is_unprocessed(error: &hyper::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            let graceful = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
            return error.is_remote() && (graceful || error.reason() == Some(h2::Reason::REFUSED_STREAM));
        }
        cause = error.source();
    }
    false
}
