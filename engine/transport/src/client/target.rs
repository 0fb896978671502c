//! Endpoints as people write them.

use std::path::PathBuf;

use ::http::Uri;
use ::http::uri::{Authority, Scheme};

use super::ClientError;
use crate::settings::GrpcClientSettings;
use crate::socket::unix_path;

/// Where a gRPC client connects to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Scheme and authority to connect to.
    pub uri: Uri,
    /// What the backend sees as `:authority`.
    pub authority: Authority,
    pub tls: bool,
    /// The Unix socket to connect to instead.
    pub unix: Option<PathBuf>,
}

const EXPECTED: &str = "`HOST:PORT`, `http://HOST:PORT`, `https://HOST:PORT`, `dns:///HOST:PORT` or `unix:PATH`";

/// Reads a gRPC endpoint. The scheme says whether there is TLS; without one, `tls::insecure` does.
pub(super) fn target(settings: &GrpcClientSettings) -> Result<Target, ClientError> {
    let endpoint = settings.endpoint.trim();
    if let Some(path) = unix_path(endpoint) {
        return unix(path, settings);
    }
    let malformed = || ClientError::Setting { key: "endpoint", value: settings.endpoint.clone(), expected: EXPECTED };
    let (tls, rest, port_needed) = match endpoint.split_once("://") {
        Some(("http", rest)) => (false, rest, false),
        Some(("https", rest)) => (true, rest, false),
        // `dns://SERVER/…` would be a resolver of one's own.
        Some(("dns" | "passthrough", rest)) => {
            (!settings.tls.insecure, rest.strip_prefix('/').ok_or_else(malformed)?, true)
        }
        Some(_) => return Err(malformed()),
        None => (!settings.tls.insecure, endpoint, true),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let found: Authority = rest.parse().map_err(|_| malformed())?;
    if found.host().is_empty() || found.as_str().contains('@') || (port_needed && found.port_u16().is_none()) {
        return Err(malformed());
    }
    let authority = match (&settings.authority, &settings.tls.server_name_override) {
        (Some(authority), _) => authority.parse().map_err(|_| ClientError::Setting {
            key: "authority",
            value: authority.clone(),
            expected: "`HOST` or `HOST:PORT`",
        })?,
        // As gRPC's other clients: the certificate's name is also that of the virtual host.
        (None, Some(name)) if tls => name.parse().map_err(|_| ClientError::Setting {
            key: "tls::server_name_override",
            value: name.clone(),
            expected: "a host's name",
        })?,
        _ => found.clone(),
    };
    let scheme = if tls { Scheme::HTTPS } else { Scheme::HTTP };
    let uri = Uri::builder().scheme(scheme).authority(found).path_and_query("/").build().map_err(|_| malformed())?;
    Ok(Target { uri, authority, tls, unix: None })
}

/// As gRPC's other clients: the authority is `localhost`, unless another is asked for.
fn unix(path: &str, settings: &GrpcClientSettings) -> Result<Target, ClientError> {
    let tls = !settings.tls.insecure;
    let scheme = if tls { "https" } else { "http" };
    let localhost = GrpcClientSettings { endpoint: format!("{scheme}://localhost"), ..settings.clone() };
    Ok(Target { unix: Some(path.into()), ..target(&localhost)? })
}

/// Reads the address of an HTTP endpoint under its key.
pub(crate) fn address(key: &'static str, text: &str) -> Result<Uri, ClientError> {
    let malformed =
        || ClientError::Setting {
            key, value: text.into(), expected: "`http://HOST:PORT/…` or `https://HOST:PORT/…`"
        };
    let uri: Uri = text.trim().parse().map_err(|_| malformed())?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    let named = uri.authority().is_some_and(|authority| !authority.host().is_empty());
    if known && named { Ok(uri) } else { Err(malformed()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::TlsClientSettings;

    fn read(endpoint: &str, insecure: bool) -> Result<Target, ClientError> {
        let tls = TlsClientSettings { insecure, ..TlsClientSettings::default() };
        target(&GrpcClientSettings { endpoint: endpoint.into(), tls, ..GrpcClientSettings::default() })
    }

    /// Every form of the Collector's, with the scheme deciding on TLS where there is one.
    #[test]
    fn endpoints() {
        let cases = [
            ("localhost:4317", true, "http://localhost:4317/"),
            ("localhost:4317", false, "https://localhost:4317/"),
            ("http://backend:4317", false, "http://backend:4317/"),
            ("https://backend:4317/", true, "https://backend:4317/"),
            ("https://backend", true, "https://backend/"),
            ("dns:///backend:4317", true, "http://backend:4317/"),
            ("[::1]:4317", true, "http://[::1]:4317/"),
            ("unix:///run/otlp.sock", true, "http://localhost/"),
            ("unix:otlp.sock", false, "https://localhost/"),
        ];
        for (endpoint, insecure, expected) in cases {
            let target = read(endpoint, insecure).unwrap();
            assert_eq!(target.uri.to_string(), expected);
            assert_eq!(target.tls, expected.starts_with("https"));
        }
    }

    /// What is no endpoint is refused with the key and what was expected.
    #[test]
    fn not_endpoints() {
        for endpoint in ["", "localhost", "unix:", "dns://8.8.8.8/x:1", "http://", "a b:1", "u:p@h:1", "h:1/x"] {
            let error = read(endpoint, true).unwrap_err();
            assert!(matches!(error, ClientError::Setting { key: "endpoint", .. }), "{endpoint}: {error}");
        }
        for text in ["", "localhost:4318", "/v1/traces", "ftp://h/", "http://"] {
            assert!(address("endpoint", text).is_err(), "{text}");
        }
    }

    /// The authority that is asked for is the one that the backend sees.
    #[test]
    fn authority() {
        let settings = GrpcClientSettings {
            endpoint: "https://10.0.0.1:4317".into(),
            tls: TlsClientSettings { server_name_override: Some("backend".into()), ..TlsClientSettings::default() },
            ..GrpcClientSettings::default()
        };
        assert_eq!(target(&settings).unwrap().authority, "backend");
        let settings = GrpcClientSettings { authority: Some("other:1".into()), ..settings };
        assert_eq!(target(&settings).unwrap().authority, "other:1");
    }
}
