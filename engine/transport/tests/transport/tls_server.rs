//! TLS of the servers, with certificates of this test's own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use wasmill_transport::settings::{
    GrpcClientSettings, GrpcServerSettings, HttpClientSettings, HttpConnectionSettings, HttpServerSettings, Pem,
    ServerSettings, TlsClientSettings, TlsServerSettings, TlsVersion, TlsVersions,
};
use wasmill_transport::{Accepted, BindError, Budget, GrpcClient, HttpClient, SendError, Server, TlsError};
use wasmill_wire::Signal;

use crate::certs::{Authority, Identity};
use crate::peers::{Running, grpc_settings, http_settings, until_closed};

fn text(pem: &str) -> Pem {
    Pem::Text(pem.to_owned())
}

/// Puts it at `cert.pem` and `key.pem` of a folder, in the place of what is there.
fn write(identity: &Identity, folder: &Path) -> (PathBuf, PathBuf) {
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert, &identity.cert).unwrap();
    std::fs::write(&key, &identity.key).unwrap();
    (cert, key)
}

fn files(identity: &Identity, folder: &Path) -> TlsServerSettings {
    let (cert, key) = write(identity, folder);
    TlsServerSettings::new("tls", Pem::File(cert), Pem::File(key))
}

pub fn texts(identity: &Identity) -> TlsServerSettings {
    TlsServerSettings::new("tls", text(&identity.cert), text(&identity.key))
}

pub fn settings(tls: TlsServerSettings) -> ServerSettings {
    ServerSettings {
        grpc: Some(GrpcServerSettings { tls: Some(tls.clone()), ..grpc_settings() }),
        http: Some(HttpServerSettings { tls: Some(tls), ..http_settings() }),
    }
}

async fn start(tls: TlsServerSettings) -> Running {
    Running::start(settings(tls), Budget::unlimited()).await
}

pub fn trusting(authority: &Authority) -> TlsClientSettings {
    TlsClientSettings { ca: Some(text(&authority.pem)), ..TlsClientSettings::default() }
}

/// One request over either protocol, each on a connection of its own.
async fn send(server: &Running, tls: TlsClientSettings) -> [Result<Accepted, SendError>; 2] {
    let (grpc, http) = clients(server, tls);
    let payload = Bytes::from_static(b"spans");
    [grpc.send(Signal::Traces, payload.clone()).await, http.send(Signal::Traces, payload).await]
}

pub fn clients(server: &Running, tls: TlsClientSettings) -> (GrpcClient, HttpClient) {
    let grpc = GrpcClientSettings { endpoint: server.grpc().to_string(), tls: tls.clone(), ..Default::default() };
    let connection = HttpConnectionSettings { tls, ..HttpConnectionSettings::default() };
    let http = HttpClientSettings { endpoint: format!("https://{}", server.http()), connection, ..Default::default() };
    (GrpcClient::new(grpc).unwrap(), HttpClient::new(http).unwrap())
}

async fn takes(server: &Running, tls: TlsClientSettings) -> bool {
    let taken = send(server, tls).await.map(|sent| sent.is_ok());
    assert_eq!(taken[0], taken[1], "both protocols do the same");
    taken[0]
}

/// Both protocols are served over TLS, with certificates from files as from texts; who speaks in the clear is closed.
#[tokio::test]
async fn both_protocols() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let identity = authority.issue();
    for tls in [files(&identity, folder.path()), texts(&identity)] {
        let server = start(tls).await;
        for sent in send(&server, trusting(&authority)).await {
            assert_eq!(sent.unwrap(), Accepted::default());
        }
        for sent in send(&server, trusting(&Authority::new())).await {
            assert!(matches!(sent.unwrap_err(), SendError::Connect { .. }));
        }
        for address in [server.grpc(), server.http()] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"POST /v1/traces HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
            let said = until_closed(&mut stream).await;
            assert!(!said.starts_with(b"HTTP"), "{said:?}");
        }
    }
}

/// HTTP/1.1 over TLS, agreed on by ALPN or by saying nothing.
#[tokio::test]
async fn http1() {
    let authority = Authority::new();
    let server = start(texts(&authority.issue())).await;
    for alpn in [vec![b"http/1.1".to_vec()], Vec::new()] {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = alpn;
        let stream = TcpStream::connect(server.http()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let request = "POST /v1/traces HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 5\r\n\
                       content-type: application/x-protobuf\r\n\r\nspans";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
}

/// Who has a certificate of the clients' authority is let in, and nobody else.
#[tokio::test]
async fn client_certificates() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = start(TlsServerSettings { client_ca: Some(text(&clients.pem)), ..texts(&authority.issue()) }).await;
    let with = |identity: &Identity| TlsClientSettings {
        cert: Some(text(&identity.cert)),
        private_key: Some(text(&identity.key)),
        ..trusting(&authority)
    };
    assert!(takes(&server, with(&clients.issue())).await);
    assert!(!takes(&server, trusting(&authority)).await, "without a certificate");
    assert!(!takes(&server, with(&authority.issue())).await, "of another authority");
}

/// A certificate is replaced: handshakes after the interval take the new one, those before it the old one, and a connection
/// that there is lives on.
#[tokio::test]
async fn reload() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new(), Authority::new());
    let tls =
        TlsServerSettings { reload_interval: Some(Duration::from_secs(3600)), ..files(&old.issue(), folder.path()) };
    let server = start(tls).await;
    let (before, _) = clients(&server, trusting(&old));
    before.send(Signal::Traces, Bytes::new()).await.unwrap();
    write(&new.issue(), folder.path());
    assert!(takes(&server, trusting(&old)).await, "the interval is not over");

    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3601)).await;
    tokio::time::resume();
    assert!(takes(&server, trusting(&new)).await);
    assert!(!takes(&server, trusting(&old)).await);
    before.send(Signal::Traces, Bytes::new()).await.unwrap();
}

/// What replaces a certificate and cannot serve (rubbish, another's key, an expired one, nothing) leaves the old one in
/// service; what is right after it is taken.
#[tokio::test]
async fn a_bad_certificate_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new(), Authority::new());
    let tls = TlsServerSettings { reload_interval: Some(Duration::ZERO), ..files(&old.issue(), folder.path()) };
    let server = start(tls).await;
    let cert = folder.path().join("cert.pem");
    std::fs::write(&cert, "rubbish").unwrap();
    assert!(takes(&server, trusting(&old)).await, "rubbish");
    std::fs::write(&cert, new.issue().cert).unwrap();
    assert!(takes(&server, trusting(&old)).await, "a certificate without its key");
    write(&new.issue_between(2000, 2001), folder.path());
    assert!(takes(&server, trusting(&old)).await, "expired");
    std::fs::remove_file(&cert).unwrap();
    assert!(takes(&server, trusting(&old)).await, "gone");
    write(&new.issue(), folder.path());
    assert!(takes(&server, trusting(&new)).await);
}

/// The clients' authority is replaced, and then its certificates count.
#[tokio::test]
async fn client_ca_reload() {
    let folder = tempfile::tempdir().unwrap();
    let client_ca = folder.path().join("ca.pem");
    let (authority, old, new) = (Authority::new(), Authority::new(), Authority::new());
    std::fs::write(&client_ca, &old.pem).unwrap();
    let server = start(TlsServerSettings {
        client_ca: Some(Pem::File(client_ca.clone())),
        client_ca_reload: true,
        ..texts(&authority.issue())
    })
    .await;
    let identity = new.issue();
    let tls = TlsClientSettings {
        cert: Some(text(&identity.cert)),
        private_key: Some(text(&identity.key)),
        ..trusting(&authority)
    };
    assert!(!takes(&server, tls.clone()).await);
    std::fs::write(&client_ca, &new.pem).unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    assert!(takes(&server, tls).await);
}

/// A client's certificate is replaced: the next connection shows the new one.
#[tokio::test]
async fn client_reload() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, clients_ca) = (Authority::new(), Authority::new());
    let server = start(TlsServerSettings { client_ca: Some(text(&clients_ca.pem)), ..texts(&authority.issue()) }).await;
    let (cert, key) = write(&authority.issue(), folder.path());
    let (grpc, http) = clients(
        &server,
        TlsClientSettings {
            cert: Some(Pem::File(cert)),
            private_key: Some(Pem::File(key)),
            reload_interval: Some(Duration::ZERO),
            ..trusting(&authority)
        },
    );
    let send = async || {
        let payload = Bytes::from_static(b"spans");
        let grpc = grpc.send(Signal::Traces, payload.clone()).await;
        (grpc.is_ok(), http.send(Signal::Traces, payload).await.is_ok())
    };
    assert_eq!(send().await, (false, false));
    write(&clients_ca.issue(), folder.path());
    assert_eq!(send().await, (true, true));
}

/// A server that speaks TLS 1.3 only has nothing to say to a client that speaks 1.2 only.
#[tokio::test]
async fn versions() {
    let authority = Authority::new();
    let only = |version| TlsVersions { min: version, max: version };
    let server = start(TlsServerSettings { versions: only(TlsVersion::V1_3), ..texts(&authority.issue()) }).await;
    let with = |version| TlsClientSettings { versions: only(version), ..trusting(&authority) };
    assert!(takes(&server, with(TlsVersion::V1_3)).await);
    assert!(!takes(&server, with(TlsVersion::V1_2)).await);
}

/// What cannot serve is found before a port is taken, each by its key, and no key is ever shown.
#[tokio::test]
async fn mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let good = authority.issue();
    let wrong = |tls: TlsServerSettings| {
        let settings = ServerSettings { http: None, ..settings(tls) };
        match Server::check(&settings).pop() {
            Some(BindError::Tls(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    let missing = Pem::File(folder.path().join("missing.pem"));
    let error = wrong(TlsServerSettings { cert: missing, ..texts(&good) });
    assert!(matches!(&error, TlsError::Unreadable(file) if file.key == "tls::cert_file"), "{error}");
    let error = wrong(TlsServerSettings { cert: text(&good.key), ..texts(&good) });
    assert!(matches!(&error, TlsError::NoCertificate { key, .. } if key == "tls::cert_pem"), "{error}");
    let error = wrong(TlsServerSettings { private_key: text(&good.cert), ..texts(&good) });
    assert!(matches!(&error, TlsError::NoKey { key, .. } if key == "tls::key_pem"), "{error}");
    let error = wrong(TlsServerSettings { private_key: text(&authority.issue().key), ..texts(&good) });
    assert!(matches!(&error, TlsError::Mismatch { key, .. } if key == "tls::key_pem"), "{error}");
    let error = wrong(TlsServerSettings { client_ca: Some(text("nothing")), ..texts(&good) });
    assert!(matches!(&error, TlsError::NoCertificate { key, .. } if key == "tls::client_ca_pem"), "{error}");
    let error = wrong(texts(&authority.issue_between(2000, 2001)));
    assert!(error.to_string().contains("expired on Mon, 01 Jan 2001 00:00:00 GMT"), "{error}");
    let error = wrong(texts(&authority.issue_between(2119, 2120)));
    assert!(error.to_string().contains("not valid before Sun, 01 Jan 2119 00:00:00 GMT"), "{error}");
    let error = Server::bind(settings(texts(&authority.issue_between(2000, 2001))), Budget::unlimited()).await.err();
    assert!(matches!(error, Some(BindError::Tls(TlsError::Expired { .. }))));

    let shown = format!("{:?}", settings(texts(&good)));
    assert!(!shown.contains("PRIVATE") && !shown.contains("CERTIFICATE"), "{shown}");
    let error = wrong(TlsServerSettings { private_key: text(&good.key.replace("PRIVATE", "PUBIC")), ..texts(&good) });
    let body = good.key.lines().nth(1).unwrap();
    assert!(!format!("{error} {error:?}").contains(body), "{error}");
}

/// Who connects and does not shake hands, or begins and stops, is cut when a handshake's time is over.
#[tokio::test(start_paused = true)]
async fn slow_handshakes() {
    let authority = Authority::new();
    let server = start(texts(&authority.issue())).await;
    let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    for begun in [&hello[..0], &hello[..3], &hello[..]] {
        for address in [server.grpc(), server.http()] {
            assert_eq!(cut_after(address, begun).await, 10);
        }
    }
}

/// Whole seconds until the server closes.
async fn cut_after(address: SocketAddr, begun: &[u8]) -> u64 {
    let start = tokio::time::Instant::now();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(begun).await.unwrap();
    until_closed(&mut stream).await;
    start.elapsed().as_secs()
}
