//! The real binary among peers that must prove who they are: TLS, and what it says of certificates that cannot serve.
//!
//! | module  | proves                                                                                |
//! |---------|---------------------------------------------------------------------------------------|
//! | `tls`   | mutual TLS from a client through the gateway to a backend, reload, errors with places |

#[path = "../../../transport/tests/transport/certs.rs"]
mod certs;
mod gateway;
mod tls;
