//! OTLP 1.11 as a table, through the real binary: what each request is answered, and which of a backend's answers are retried.
//!
//! The gateway holds nothing back (no queue), so that each row is one request from end to end. A row of `server` is checked over gRPC
//! and over HTTP in protobuf and JSON, plain and compressed; what only one of the transports has stands in `grpc` and `http`; `client`
//! has each gRPC code and each HTTP status that a backend may answer. Rows name their section of the [specification]; this is all of it
//! that a server or a client must keep:
//!
//! | section                          | what it asks                                                              | rows                        |
//! |----------------------------------|---------------------------------------------------------------------------|-----------------------------|
//! | Protocol Details                 | servers take `none` and `gzip`                                            | `server`, `http`            |
//! | OTLP/gRPC Request                | a limit; above it RESOURCE_EXHAUSTED, which is not retried                | `server`                    |
//! | OTLP/HTTP Request                | POST, the three paths, a limit also after decompression; above it 413     | `server`, `http`            |
//! | OTLP/HTTP Response               | answers in the request's content type                                     | `server`, `http`            |
//! | Full Success                     | `partial_success` unset; an empty request succeeds                        | `server`                    |
//! | Partial Success                  | the count of what was rejected, and why; never retried                    | `server`, `client`          |
//! | Failures                         | `google.rpc.Status`; which gRPC codes are retryable                       | `server`, `client`          |
//! | Retryable Response Codes         | 429, 502, 503, 504, and no other status                                   | `client`                    |
//! | Bad Data                         | INVALID_ARGUMENT, 400, with BadRequest                                    | `server`, `http`            |
//! | OTLP/gRPC, OTLP/HTTP Throttling  | UNAVAILABLE, 503; RetryInfo and `Retry-After` are sent and honoured       | `server`, `client`          |
//! | All Other Responses              | whom the server hangs up on without an answer, sends again                | `client`                    |
//! | OTLP/HTTP Connection             | protobuf and JSON on one port                                             | `http`                      |
//!
//! Not here: who may send (`tests/secure`), a server that is not there (`engine/transport/tests`), TLS.
//!
//! [specification]: https://opentelemetry.io/docs/specs/otlp/

mod client;
#[path = "../secure/gateway.rs"]
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod gateway;
mod grpc;
mod http;
#[path = "../../../transport/tests/transport/peers.rs"]
#[allow(dead_code, reason = "shared with the transport's tests, which use more of it")]
mod peers;
mod server;
mod way;
