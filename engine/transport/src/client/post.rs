//! One POST to a backend: what OTLP/HTTP and the push protocols of other backends have in common.

use std::time::{Duration, SystemTime};

use ::http::header::{HeaderMap, LOCATION};
use ::http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;
use wasmill_batch::RequestContext;
use wasmill_wire::GatherList;

use super::answer::{self, Collected};
use super::connect::Connector;
use super::{ClientError, SendError, is_renewed, target, with_credentials};
use crate::auth::ClientAuth;
use crate::settings::{ClientAuthSettings, HttpConnectionSettings};

/// What is read of an error's body: a status has a sentence and a few details.
const ERROR_BYTES_MAX: usize = 64 << 10;

/// Connections to backends, which are kept and shared, and what stands before every request.
pub(super) struct Poster {
    client: Client<Connector, Full<GatherList>>,
    headers: HeaderMap,
    auth: Option<ClientAuth>,
    timeout: Duration,
}

/// Where requests go.
pub(super) struct Address {
    pub uri: Uri,
    /// For errors: the URI, or the socket with its path.
    pub name: String,
}

impl Address {
    pub fn read(key: &'static str, text: &str, connection: &HttpConnectionSettings) -> Result<Address, ClientError> {
        let uri = target::address(key, text)?;
        let name = match &connection.unix {
            Some(path) => format!("unix:{}{}", path.display(), uri.path()),
            None => uri.to_string(),
        };
        Ok(Address { uri, name })
    }

    pub fn is_tls(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    pub fn unsendable(&self, reason: String) -> SendError {
        SendError::Unsendable { endpoint: self.name.clone(), reason }
    }

    pub fn broken(&self, error: hyper::Error) -> SendError {
        SendError::Broken { endpoint: self.name.clone(), source: error.into() }
    }
}

impl Poster {
    /// Reads the files that the settings name. Connects to nothing. `headers` are those of every request.
    pub fn new(
        connection: HttpConnectionSettings,
        auth: Option<&ClientAuthSettings>,
        headers: HeaderMap,
        tls: bool,
    ) -> Result<Poster, ClientError> {
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(connection.idle_connections_max)
            .pool_idle_timeout(connection.idle_connection_timeout)
            .build(Connector::new(tls.then_some(&connection.tls), &[b"h2", b"http/1.1"])?.over(connection.unix));
        let auth = auth.map(ClientAuth::new).transpose()?;
        Ok(Poster { client, headers, auth, timeout: connection.timeout })
    }

    /// Sends `body` and gives a successful answer to `read`, within the timeout; with new credentials, once more. `extra` headers replace
    /// those of every request.
    pub async fn post<T, F: Future<Output = Result<T, SendError>>>(
        &self,
        context: &RequestContext,
        address: &Address,
        extra: &HeaderMap,
        body: GatherList,
        read: impl Fn(Response<Incoming>) -> F,
    ) -> Result<T, SendError> {
        let call = async {
            let sent = self.once(context, address, extra, body.clone(), &read).await;
            match is_renewed(&sent, self.auth.as_ref()).await {
                true => self.once(context, address, extra, body, &read).await,
                false => sent,
            }
        };
        if self.timeout.is_zero() {
            return call.await;
        }
        let timed_out = |_| SendError::Timeout { endpoint: address.name.clone(), timeout: self.timeout };
        timeout(self.timeout, call).await.map_err(timed_out)?
    }

    async fn once<T, F: Future<Output = Result<T, SendError>>>(
        &self,
        context: &RequestContext,
        address: &Address,
        extra: &HeaderMap,
        body: GatherList,
        read: &impl Fn(Response<Incoming>) -> F,
    ) -> Result<T, SendError> {
        let headers = with_credentials(&self.headers, self.auth.as_ref(), context).await;
        let mut headers = headers
            .map_err(|error| SendError::NoCredentials { endpoint: address.name.clone(), reason: error.to_string() })?
            .into_owned();
        for (name, value) in extra {
            headers.insert(name, value.clone());
        }
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = address.uri.clone();
        *request.headers_mut() = headers;
        match self.client.request(request).await {
            Ok(response) if response.status().is_success() => read(response).await,
            Ok(response) => Err(refused(address, response).await),
            Err(error) if error.is_connect() => {
                Err(SendError::Connect { endpoint: address.name.clone(), source: error.into() })
            }
            Err(error) => Err(SendError::Broken { endpoint: address.name.clone(), source: error.into() }),
        }
    }
}

async fn refused(address: &Address, response: Response<Incoming>) -> SendError {
    let (head, body) = response.into_parts();
    let (status, headers): (StatusCode, HeaderMap) = (head.status, head.headers);
    // An error whose reason breaks off is still that error.
    let Collected { data, .. } = answer::collect(body, ERROR_BYTES_MAX).await.unwrap_or_default();
    let mut message = answer::message(&headers, &data);
    if let Some(location) = headers.get(LOCATION).filter(|_| status.is_redirection()) {
        message = format!("moved to {location:?}, redirects are not followed");
    }
    let retry_after = answer::retry_after(&headers, SystemTime::now());
    SendError::Http { endpoint: address.name.clone(), status, message, retry_after, body: data }
}
