//! Connections to a backend, plain or with TLS.

use std::sync::Arc;
use std::time::Duration;

use hyper_rustls::{DefaultServerNameResolver, FixedServerNameResolver, HttpsConnector, ResolveServerName};
use hyper_util::client::legacy::connect::HttpConnector;

use super::{ClientError, tls};
use crate::settings::TlsClientSettings;

/// What a connection may take to be made, whatever the call's timeout: that of gRPC's other clients.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) type Connector = HttpsConnector<HttpConnector>;

/// A connector that takes `http` and, with `tls`, `https` addresses, offering `protocols`.
pub(super) fn connector(tls: Option<&TlsClientSettings>, protocols: &[&[u8]]) -> Result<Connector, ClientError> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    // Requests are written whole and must not wait for the peer's acknowledgement of what went before.
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let (mut config, name) = match tls {
        Some(settings) => (tls::config(settings)?, tls::server_name(settings)?),
        None => (tls::plain()?, None),
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let resolver: Arc<dyn ResolveServerName + Send + Sync> = match name {
        Some(name) => Arc::new(FixedServerNameResolver::new(name)),
        None => Arc::new(DefaultServerNameResolver::default()),
    };
    Ok(HttpsConnector::new(http, config, false, resolver))
}
