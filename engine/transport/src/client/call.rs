//! Requests of any kind to any address, answered whole: for libraries that know their protocol and bring no connections of their own.

use std::time::Duration;

use ::http::{Request, Response};
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;

use super::answer::{self, Collected};
use super::connect::Connector;
use super::{ClientError, SendError};
use crate::settings::TlsClientSettings;

/// Connections that are kept without a request, and for how long.
const IDLE_CONNECTIONS_MAX: usize = 16;
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// Connections are kept and shared; used by many tasks at once.
pub struct CallClient {
    client: Client<Connector, Full<Bytes>>,
    timeout: Duration,
    answer_bytes_max: usize,
}

impl CallClient {
    /// Reads the files that the settings name. Connects to nothing. `timeout`: of one call.
    pub fn new(tls: &TlsClientSettings, timeout: Duration, answer_bytes_max: usize) -> Result<CallClient, ClientError> {
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(Connector::new(Some(tls), &[b"http/1.1"])?);
        Ok(CallClient { client, timeout, answer_bytes_max })
    }

    /// Sends a request, once, and gives whatever was answered, errors of the server included. Redirects are not followed.
    pub async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, SendError> {
        // Without what stands behind `?`, which may be a signature.
        let uri = request.uri();
        let endpoint = format!(
            "{}://{}{}",
            uri.scheme_str().unwrap_or("http"),
            uri.authority().map_or("", |a| a.host()),
            uri.path()
        );
        let call = async {
            let response = match self.client.request(request.map(Full::new)).await {
                Ok(response) => response,
                Err(error) if error.is_connect() => {
                    return Err(SendError::Connect { endpoint: endpoint.clone(), source: error.into() });
                }
                Err(error) => return Err(SendError::Broken { endpoint: endpoint.clone(), source: error.into() }),
            };
            let (head, body) = response.into_parts();
            let collected = answer::collect(body, self.answer_bytes_max).await;
            let Collected { data, cut, .. } =
                collected.map_err(|error| SendError::Broken { endpoint: endpoint.clone(), source: error.into() })?;
            if cut {
                let reason = format!("it is larger than {} bytes", self.answer_bytes_max);
                return Err(SendError::Answer { endpoint: endpoint.clone(), reason });
            }
            Ok(Response::from_parts(head, data))
        };
        let timed_out = |_| SendError::Timeout { endpoint: endpoint.clone(), timeout: self.timeout };
        timeout(self.timeout, call).await.map_err(timed_out)?
    }
}
