//! The `health_check` extension: whether the gateway takes requests, for load balancers and orchestrators.
//!
//! 200 while it is ready, 503 before that and while it drains, with the Collector's JSON body.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode, header};
use parking_lot::RwLock;
use wasmill_transport::Guard;

use super::HttpEndpoint;
use crate::timestamp::rfc3339;

/// Whether the gateway is ready, and since when.
#[derive(Clone, Default)]
pub struct Health {
    /// For people, and for the time that has passed, which a wall clock does not tell.
    ready_since: Arc<RwLock<Option<(SystemTime, Instant)>>>,
}

impl Health {
    pub fn set_ready(&self) {
        self.ready_since.write().get_or_insert_with(|| (SystemTime::now(), Instant::now()));
    }

    pub fn set_draining(&self) {
        *self.ready_since.write() = None;
    }

    fn answer(&self) -> Response<Full<Bytes>> {
        let (status, body) = match *self.ready_since.read() {
            Some((since, begun)) => {
                let uptime = begun.elapsed();
                let body = serde_json::json!({
                    "status": "Server available",
                    "upSince": rfc3339(since),
                    "uptime": format!("{uptime:?}"),
                });
                (StatusCode::OK, body)
            }
            None => {
                let body = serde_json::json!({ "status": "Server not available", "upSince": "0001-01-01T00:00:00Z", "uptime": "" });
                (StatusCode::SERVICE_UNAVAILABLE, body)
            }
        };
        let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        response
    }
}

/// Serves `health` at `path` to whoever `guard` lets in; other paths are 404.
pub fn serve_health(
    listener: std::net::TcpListener,
    guard: Guard,
    path: Arc<str>,
    health: Health,
) -> std::io::Result<HttpEndpoint> {
    HttpEndpoint::serve(listener, guard, move |request| {
        if request.uri().path() == &*path {
            return health.answer();
        }
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NOT_FOUND;
        response
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A load balancer asks before, while and after the gateway serves: only then it is sent traffic.
    #[test]
    fn healthy_only_while_ready() {
        let health = Health::default();
        assert_eq!(health.answer().status(), StatusCode::SERVICE_UNAVAILABLE);
        health.set_ready();
        assert_eq!(health.answer().status(), StatusCode::OK);
        health.set_draining();
        assert_eq!(health.answer().status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
