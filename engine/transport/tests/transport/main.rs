//! Server and clients over loopback sockets, against official, hostile and hand-written peers.
//!
//! | module        | proves                                                            | with                               |
//! |---------------|-------------------------------------------------------------------|------------------------------------|
//! | `grpc_server` | the codes of OTLP/gRPC, limits, budget, deadlines, cancellation    | tonic's official client, raw HTTP/2 |
//! | `http_server` | the statuses of OTLP/HTTP, content types, encodings, limits        | raw HTTP/1, hyper over HTTP/2      |
//! | `connections` | ports, hostile bytes, silence, slowness, shutdown                  | raw sockets, a paused clock        |
//! | `grpc_client` | classification of what backends answer, or do not                  | hyper servers, raw sockets         |
//! | `http_client` | the same for OTLP/HTTP                                             | raw sockets                        |
//! | `gathered`    | requests whose parts lie in several places, over all of them        | our server                         |
//! | `json`        | OTLP/JSON both ways: documents, answers, limits                     | raw sockets, and each other        |
//! | `auth`        | tokens, passwords, headers, OAuth 2.0: who is let in, exact answers | our clients, raw sockets, a token's server |
//! | `tls`         | of clients: roots, names, client certificates                      | a rustls server                    |
//! | `tls_server`  | of servers: certificates, their reload, clients', slow handshakes   | our clients, rustls, raw sockets   |
//! | `unix`        | Unix sockets: made, shared by nobody, removed                      | our clients                        |
//!
//! Not proven here: what lies in a request (the wire engine's tests), and behaviour under load (benches/gateway).

mod auth;
mod certs;
mod connections;
mod gathered;
mod grpc_client;
mod grpc_server;
mod http_client;
mod http_server;
mod json;
mod peers;
mod tls;
mod tls_server;
mod unix;
