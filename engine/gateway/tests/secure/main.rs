//! The real binary among peers that must prove who they are: TLS, and what it says of certificates that cannot serve.
//!
//! | module  | proves                                                                                |
//! |---------|---------------------------------------------------------------------------------------|
//! | `auth`  | each authenticator both ways, errors with places, and that no secret is ever said     |
//! | `docs`  | the commands of `docs/security.md`                                                  |
//! | `unix`  | from one gateway to another over Unix sockets, across a reload                       |
//! | `tls`   | mutual TLS from a client through the gateway to a backend, reload, errors with places |

mod auth;
#[path = "../../../transport/tests/transport/certs.rs"]
mod certs;
mod docs;
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod gateway;
mod tls;
mod unix;
