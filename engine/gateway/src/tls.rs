//! TLS as the configuration has it, in the transport's terms.

use wasmill_config as config;
use wasmill_transport::settings::{Pem, TlsClientSettings, TlsServerSettings, TlsVersion, TlsVersions};

/// `key` is the section's full path.
pub fn tls_server(key: String, tls: &config::TlsServer) -> TlsServerSettings {
    TlsServerSettings {
        client_ca: tls.client_ca.as_ref().map(pem),
        versions: tls_versions(tls.versions),
        reload_interval: tls.reload_interval,
        client_ca_reload: tls.client_ca_reload,
        ..TlsServerSettings::new(key, pem(&tls.cert), pem(&tls.private_key))
    }
}

pub fn tls_client(tls: &config::TlsClient) -> TlsClientSettings {
    let (cert, private_key) = tls.identity.as_ref().map(|(cert, key)| (pem(cert), pem(key))).unzip();
    TlsClientSettings {
        insecure: false,
        insecure_skip_verify: tls.insecure_skip_verify,
        ca: tls.ca.as_ref().map(pem),
        system_ca: tls.system_ca,
        cert,
        private_key,
        server_name_override: tls.server_name.as_deref().map(str::to_owned),
        versions: tls_versions(tls.versions),
        reload_interval: tls.reload_interval,
    }
}

fn pem(pem: &config::Pem) -> Pem {
    match pem {
        config::Pem::File(path) => Pem::File(path.clone()),
        config::Pem::Text(text) => Pem::Text(text.expose().to_owned()),
    }
}

fn tls_versions(versions: config::TlsVersions) -> TlsVersions {
    let version = |version| match version {
        config::TlsVersion::V1_2 => TlsVersion::V1_2,
        config::TlsVersion::V1_3 => TlsVersion::V1_3,
    };
    TlsVersions { min: version(versions.min), max: version(versions.max) }
}
