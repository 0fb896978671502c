//! TLS of the clients, against a rustls server.
//!
//! `certs/` holds a root, and a certificate of it for `backend.test` for each side. They are for these tests only, are
//! trusted by nothing else, and expire in a hundred years.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;
use wasmill_transport::settings::{
    GrpcClientSettings, HttpClientSettings, HttpConnectionSettings, Pem, TlsClientSettings,
};
use wasmill_transport::{Accepted, ClientError, GrpcClient, HttpClient, SendError, TlsError};
use wasmill_wire::Signal;

use crate::peers::raw_backend;

fn cert(name: &str) -> Pem {
    Pem::File(path(name))
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/transport/certs").join(name)
}

/// A backend behind TLS that accepts everything, over gRPC and HTTP/2.
async fn backend(client_certificates: bool) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(path("ca.pem")).unwrap()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let builder = match client_certificates {
        true => builder.with_client_cert_verifier(verifier),
        false => builder.with_no_client_auth(),
    };
    let chain = vec![CertificateDer::from_pem_file(path("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(path("server.key.pem")).unwrap();
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    raw_backend(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(|request: http::Request<hyper::body::Incoming>| async move {
                let grpc = request.headers()["content-type"] == "application/grpc";
                let body = if grpc { Bytes::from_static(&[0; 5]) } else { Bytes::new() };
                let mut response = Response::new(Full::new(body));
                let headers = response.headers_mut();
                headers.insert("content-type", request.headers()["content-type"].clone());
                if grpc {
                    headers.insert("grpc-status", "0".parse().unwrap());
                }
                Ok::<_, std::convert::Infallible>(response)
            });
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        }
    })
    .await
}

async fn send(address: SocketAddr, tls: TlsClientSettings) -> [Result<Accepted, SendError>; 2] {
    let grpc = GrpcClientSettings { endpoint: address.to_string(), tls: tls.clone(), ..Default::default() };
    let connection = HttpConnectionSettings { tls, ..HttpConnectionSettings::default() };
    let http = HttpClientSettings { endpoint: format!("https://{address}"), connection, ..Default::default() };
    let payload = Bytes::from_static(b"spans");
    [
        GrpcClient::new(grpc).unwrap().send(Signal::Traces, payload.clone()).await,
        HttpClient::new(http).unwrap().send(Signal::Traces, payload).await,
    ]
}

fn trusting() -> TlsClientSettings {
    TlsClientSettings {
        ca: Some(cert("ca.pem")),
        server_name_override: Some("backend.test".into()),
        ..TlsClientSettings::default()
    }
}

/// The backend has a certificate of the root that the settings name, for the name that they ask for.
#[tokio::test]
async fn trusted() {
    for sent in send(backend(false).await, trusting()).await {
        assert_eq!(sent.unwrap(), Accepted::default());
    }
}

/// The certificate is for another name than the endpoint's: nothing is sent.
#[tokio::test]
async fn another_name() {
    let tls = TlsClientSettings { server_name_override: None, ..trusting() };
    for sent in send(backend(false).await, tls).await {
        assert!(matches!(sent.unwrap_err(), SendError::Connect { .. }));
    }
}

/// Whoever believes anybody need not name roots.
#[tokio::test]
async fn believing_anybody() {
    let tls = TlsClientSettings { insecure_skip_verify: true, ..TlsClientSettings::default() };
    for sent in send(backend(false).await, tls).await {
        assert_eq!(sent.unwrap(), Accepted::default());
    }
}

/// A backend that asks for a certificate lets in who has one, and nobody else.
#[tokio::test]
async fn client_certificates() {
    let address = backend(true).await;
    let with =
        TlsClientSettings { cert: Some(cert("client.pem")), private_key: Some(cert("client.key.pem")), ..trusting() };
    for sent in send(address, with).await {
        assert_eq!(sent.unwrap(), Accepted::default());
    }
    for sent in send(address, trusting()).await {
        assert!(sent.unwrap_err().is_retryable());
    }
}

/// Files that are not there or not PEM, and halves of a pair, are refused by key before anything is sent.
#[test]
fn files_are_checked() {
    let new =
        |tls| GrpcClient::new(GrpcClientSettings { endpoint: "x:1".into(), tls, ..Default::default() }).err().unwrap();
    let missing = TlsClientSettings { ca: Some(cert("missing.pem")), ..trusting() };
    assert_eq!(new(missing).key(), "tls::ca_file");
    let not_pem = TlsClientSettings { ca: Some(cert("../tls.rs")), ..trusting() };
    assert!(matches!(new(not_pem), ClientError::Tls(TlsError::NoCertificate { .. })));
    let half = TlsClientSettings { cert: Some(cert("client.pem")), ..trusting() };
    assert!(matches!(new(half), ClientError::Tls(TlsError::Half { .. })));
    let another =
        TlsClientSettings { cert: Some(cert("client.pem")), private_key: Some(cert("server.key.pem")), ..trusting() };
    assert_eq!(new(another).key(), "tls::key_file");
    let name = TlsClientSettings { server_name_override: Some("a b".into()), ..trusting() };
    assert_eq!(new(name).key(), "tls::server_name_override");
}
