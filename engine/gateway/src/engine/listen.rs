//! Sockets for the endpoints beside the receivers'.

use std::io;
use std::net::TcpListener;

use wasmill_config::Endpoint;

/// A port that cannot be had, or not be served.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("`{key}`: cannot listen on `{endpoint}`")]
    Listen {
        key: String,
        endpoint: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot serve a port")]
    Serve(#[source] io::Error),
}

impl ListenError {
    pub(super) fn serve(source: io::Error) -> ListenError {
        ListenError::Serve(source)
    }
}

/// Listens on an endpoint; `key` is the configuration key that errors name. A name is bound at its first IPv4 address, else at
/// its first.
pub(super) async fn listen(key: &str, endpoint: &Endpoint) -> Result<TcpListener, ListenError> {
    let failed = |source| ListenError::Listen { key: key.to_owned(), endpoint: endpoint.to_string(), source };
    let host = if endpoint.host.is_empty() { "0.0.0.0" } else { &endpoint.host };
    let addresses: Vec<_> = tokio::net::lookup_host((host, endpoint.port)).await.map_err(failed)?.collect();
    let address = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    let Some(address) = address else {
        return Err(failed(io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
    };
    TcpListener::bind(address).map_err(failed)
}
