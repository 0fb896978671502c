//! Where samples arrive: Prometheus' remote write 1.0, a `WriteRequest` in snappy's block format.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::backend::State;
use crate::records::sample_ids;

/// Answers 204, and 400 to what it does not understand.
pub async fn serve(listen: SocketAddr, state: Arc<State>) -> Result<()> {
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on `{listen}`"))?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let state = Arc::clone(&state);
            let service = service_fn(move |request| answer(Arc::clone(&state), request));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(async move {
                // Ends with an error when the engine closes it.
                drop(connection.await);
            });
        }
    });
    Ok(())
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let mut is_good = false;
    // A body that breaks off was not taken by anybody, and its records are missed if they were acknowledged.
    if let Ok(body) = request.into_body().collect().await {
        let body = body.to_bytes();
        state.take(body.len(), |mut found| {
            let read =
                snap::raw::Decoder::new().decompress_vec(&body).ok().and_then(|body| sample_ids(&body, &mut found));
            is_good = read.is_some();
            read
        });
    }
    let mut answer = Response::new(Empty::new());
    *answer.status_mut() = if is_good { StatusCode::NO_CONTENT } else { StatusCode::BAD_REQUEST };
    Ok(answer)
}
