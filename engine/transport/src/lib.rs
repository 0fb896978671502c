//! OTLP over gRPC and HTTP, both ways, in raw bytes.
//!
//! ```text
//!  client ──► server/{grpc,http} ──► intake: limits, budget, decompression ──► Request ──► Sink ──► Answer
//!                                       one contiguous `Bytes`
//!
//!  Bytes ──► client/{grpc,http} ──► backend ──► Accepted | SendError (retryable? when?)
//! ```
//!
//! What crosses this crate's border is an `Export*ServiceRequest` as one [`bytes::Bytes`] and what became of it. No message
//! is decoded on the way: requests are opaque here, responses are a few bytes read or written by hand. gRPC is spoken over
//! hyper's bodies directly ([`framing`]), because a codec in between copies each frame, compresses inline and answers an
//! oversized message with a code that OTLP does not want.
//!
//! Not here: what a request means, where it goes, how often it is retried, and how settings are written in a file. The
//! structs of [`settings`] are plain, with a `Default` that is the documented one.

mod accepted;
mod accepting;
mod auth;
mod budget;
mod client;
mod encoding;
mod framing;
mod guard;
mod intake;
mod json;
mod messages;
mod reloading;
mod server;
pub mod settings;
mod sink;
mod socket;
mod status;
mod tls;
mod window;

pub use accepted::Accepted;
pub use accepting::AcceptErrors;
pub use auth::AuthError;
pub use budget::{Budget, Permit, Spent};
pub use client::{CallClient, ClientError, GrpcClient, HttpClient, PushClient, Pushed, SendError, push_header};
pub use guard::{Guard, GuardSettings, Guarded};
pub use reloading::Unreadable;
pub use server::{BindError, Bound, Drained, Server};
pub use sink::{Answer, ContentType, Protocol, Request, Sink};
pub use status::{grpc_code, http_status};
pub use tls::TlsError;
