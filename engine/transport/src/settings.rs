//! What servers and clients can be told: plain structs, whose `Default` is documented at each field.
//!
//! Nothing here is parsed or checked; [`Server::bind`](crate::Server::bind), [`GrpcClient::new`](crate::GrpcClient::new),
//! [`HttpClient::new`](crate::HttpClient::new) and [`PushClient::new`](crate::PushClient::new) refuse what cannot be, and name the field by the Collector's key.

mod auth;
mod client;
mod server;
mod tls;

use std::time::Duration;

pub use auth::{
    BasicSettings, BearerSettings, ClientAuthSettings, Credential, HeaderAction, HeaderRule, HeaderSource,
    HeadersSettings, HtpasswdSettings, OAuth2Settings, Secret, ServerAuthSettings, Tokens,
};
pub use client::{
    Compression, GrpcClientSettings, HttpClientSettings, HttpConnectionSettings, KeepaliveClientSettings,
    PushClientSettings,
};
pub use server::{
    CorsSettings, GrpcServerSettings, HttpServerSettings, KeepaliveServerSettings, Network, ServerSettings,
};
pub use tls::{Pem, TlsClientSettings, TlsServerSettings, TlsVersion, TlsVersions};

/// Default of a request's size, decompressed and as it comes: 64 MiB. The OTLP specification recommends at least 4 MiB
/// (gRPC) and 20 MiB (HTTP); a gateway stands behind other gateways, whose batches are larger than those of SDKs.
pub const REQUEST_BYTES_MAX: usize = 64 << 20;

/// Default and bound of a response's size on the client's side: 4 MiB, what gRPC's clients take. A response has a count
/// and a sentence.
pub const RESPONSE_BYTES_MAX: usize = 4 << 20;

/// What a sender is told to wait when the process's [`Budget`](crate::Budget) is spent: about as long as a backend needs to
/// take what is queued, and far below what senders wait before they drop.
pub const BUDGET_RETRY_AFTER: Duration = Duration::from_secs(1);
