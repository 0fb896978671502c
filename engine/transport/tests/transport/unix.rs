//! Unix sockets, both ways.

use bytes::Bytes;
use wasmill_transport::settings::{
    GrpcClientSettings, GrpcServerSettings, Pem, ServerSettings, TlsClientSettings, TlsServerSettings,
};
use wasmill_transport::{BindError, Budget, GrpcClient, Server};
use wasmill_wire::Signal;

use crate::certs::Authority;
use crate::peers::{Running, grpc_settings};

fn settings(path: &str, tls: Option<TlsServerSettings>) -> ServerSettings {
    let grpc = GrpcServerSettings { endpoint: format!("unix:{path}"), tls, ..grpc_settings() };
    ServerSettings { grpc: Some(grpc), http: None }
}

fn client(endpoint: String, tls: TlsClientSettings) -> GrpcClient {
    GrpcClient::new(GrpcClientSettings { endpoint, tls, ..GrpcClientSettings::default() }).unwrap()
}

/// A socket is served in the clear and over TLS, taken by one server at a time, and gone when that has ended; what a process left
/// behind is replaced, what is no socket is not.
#[tokio::test]
async fn served() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("otlp.sock");
    let path = path.to_str().unwrap();
    let insecure = || TlsClientSettings { insecure: true, ..TlsClientSettings::default() };
    drop(std::os::unix::net::UnixListener::bind(path).unwrap());
    let mut server = Running::start(settings(path, None), Budget::unlimited()).await;
    for endpoint in [format!("unix:{path}"), format!("unix://{path}")] {
        client(endpoint, insecure()).send(Signal::Traces, Bytes::new()).await.unwrap();
        assert_eq!(server.received.recv().await.unwrap().context.peer, None);
    }
    let error = Server::bind(settings(path, None), Budget::unlimited()).await.err().unwrap();
    assert!(matches!(&error, BindError::Listen { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse));
    server.stop().await.unwrap();
    assert!(!std::fs::exists(path).unwrap());

    let authority = Authority::new();
    let identity = authority.issue();
    let tls = TlsServerSettings::new("tls", Pem::Text(identity.cert), Pem::Text(identity.key));
    let server = Running::start(settings(path, Some(tls)), Budget::unlimited()).await;
    let trusting = TlsClientSettings { ca: Some(Pem::Text(authority.pem)), ..TlsClientSettings::default() };
    client(format!("unix:{path}"), trusting).send(Signal::Traces, Bytes::new()).await.unwrap();
    server.stop().await.unwrap();

    std::fs::write(path, "a file").unwrap();
    assert!(Server::bind(settings(path, None), Budget::unlimited()).await.is_err());
    assert_eq!(std::fs::read_to_string(path).unwrap(), "a file");
}
