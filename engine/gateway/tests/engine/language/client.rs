//! A client over either transport.

use std::net::SocketAddr;

use bytes::Bytes;
use wasmill_transport::settings::{
    Compression, GrpcClientSettings, HttpClientSettings, HttpConnectionSettings, TlsClientSettings,
};
use wasmill_transport::{Accepted, GrpcClient, HttpClient, SendError};
use wasmill_wire::Signal;

use super::patiently;

pub enum Client {
    Grpc(GrpcClient),
    Http(HttpClient),
}

impl Client {
    pub fn grpc(address: SocketAddr) -> Client {
        Client::grpc_with(address, &[])
    }

    /// A client that sends these headers.
    pub fn grpc_with(address: SocketAddr, headers: &[(&str, &str)]) -> Client {
        let settings = GrpcClientSettings {
            endpoint: address.to_string(),
            tls: TlsClientSettings { insecure: true, ..TlsClientSettings::default() },
            compression: Compression::None,
            timeout: super::PATIENCE,
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..GrpcClientSettings::default()
        };
        Client::Grpc(GrpcClient::new(settings).expect("a client"))
    }

    pub fn http(address: SocketAddr) -> Client {
        let settings = HttpClientSettings {
            endpoint: format!("http://{address}"),
            compression: Compression::Gzip,
            connection: HttpConnectionSettings { timeout: super::PATIENCE, ..HttpConnectionSettings::default() },
            ..HttpClientSettings::default()
        };
        Client::Http(HttpClient::new(settings).expect("a client"))
    }

    /// Sends, and waits for the gateway's answer.
    pub async fn send(&self, signal: Signal, request: Bytes) -> Result<Accepted, SendError> {
        patiently("the gateway's answer", async {
            match self {
                Client::Grpc(client) => client.send(signal, request).await,
                Client::Http(client) => client.send(signal, request).await,
            }
        })
        .await
    }

    pub async fn spans(&self, request: Bytes) -> Result<Accepted, SendError> {
        self.send(Signal::Traces, request).await
    }
}
