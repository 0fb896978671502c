//! What is not OTLP, to a backend that takes it over HTTP.

use std::time::Duration;

use ::http::StatusCode;
use ::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use tokio::time::timeout;
use wasmill_batch::RequestContext;

use super::post::{Address, Poster};
use super::{ClientError, SendError, answer, head};
use crate::settings::{PushClientSettings, RESPONSE_BYTES_MAX};

/// How long the body of a successful answer may take: it is read for the connection's sake, and for a word about the data.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// A backend's address for pushes. Connections are kept and shared; used by many tasks at once.
pub struct PushClient {
    poster: Poster,
    address: Address,
}

/// A successful answer. What the backend has to say in its body is its protocol's matter.
#[derive(Clone, Debug)]
pub struct Pushed {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// At most [`RESPONSE_BYTES_MAX`]; empty where it broke off.
    pub body: Bytes,
}

impl PushClient {
    /// Checks the settings and reads the files that they name. Connects to nothing.
    pub fn new(settings: PushClientSettings) -> Result<PushClient, ClientError> {
        let address = Address::read("endpoint", &settings.url, &settings.connection)?;
        let mut headers = HeaderMap::new();
        for (name, value) in [(CONTENT_TYPE, settings.content_type), (CONTENT_ENCODING, settings.content_encoding)] {
            if !value.is_empty() {
                headers.insert(name, HeaderValue::from_static(value));
            }
        }
        for (name, value) in &head::headers(&settings.user_agent, &settings.headers)? {
            headers.append(name, value.clone());
        }
        let poster = Poster::new(settings.connection, settings.auth.as_ref(), headers, address.is_tls())?;
        Ok(PushClient { poster, address })
    }

    /// Sends one body, once, as it is; `extra` headers replace those of the settings.
    ///
    /// `Err`: there was no answer, or its status is none of success: [`SendError::Http`] has it. Dropping the future cancels the call; the
    /// backend may have the data then.
    pub async fn push(&self, context: &RequestContext, extra: &HeaderMap, body: Bytes) -> Result<Pushed, SendError> {
        let read = |response: ::http::Response<hyper::body::Incoming>| async move {
            let (head, body) = response.into_parts();
            // The status says that the backend has the data. A body that breaks off, does not end or is too long does not take that back:
            // whoever sent the same again would send it twice.
            let collected = timeout(BODY_TIMEOUT, answer::collect(body, RESPONSE_BYTES_MAX)).await;
            let collected = collected.ok().and_then(Result::ok).unwrap_or_default();
            Ok(Pushed { status: head.status, headers: head.headers, body: collected.data })
        };
        self.poster.post(context, &self.address, extra, body.into(), read).await
    }

    /// The address, for messages.
    pub fn endpoint(&self) -> &str {
        &self.address.name
    }
}

/// A header that goes with one push, such as that of a tenant. `None`: it is not one.
pub fn push_header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((name.parse().ok()?, value.parse().ok()?))
}
