//! The gRPC client against backends that answer rightly, wrongly, half, late or not at all.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body_util::{BodyExt, Full};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tonic::Code;
use tonic::codec::CompressionEncoding;
use wasmill_batch::{Refusal, RefusalKind};
use wasmill_transport::settings::{Compression, GrpcClientSettings};
use wasmill_transport::{Accepted, Budget, GrpcClient, SendError};
use wasmill_wire::Signal;

use crate::peers::{Running, Script, both, framed, http2_backend, raw_backend};

fn settings(address: SocketAddr) -> GrpcClientSettings {
    GrpcClientSettings { endpoint: format!("http://{address}"), ..GrpcClientSettings::default() }
}

fn client(address: SocketAddr) -> GrpcClient {
    GrpcClient::new(settings(address)).unwrap()
}

async fn send(address: SocketAddr) -> Result<Accepted, SendError> {
    client(address).send(Signal::Traces, Bytes::from_static(b"spans")).await
}

/// What our client sends is what our server receives: every signal, every compression, small and large, on one client.
#[tokio::test]
async fn delivers() {
    let mut server = Running::defaults().await;
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let client = GrpcClient::new(GrpcClientSettings { compression, ..settings(server.grpc()) }).unwrap();
        for signal in Signal::ALL {
            for len in [0, 1, 40_000, 9_000_000] {
                let payload: Bytes = (0..len).map(|i: u32| (i / 11) as u8).collect();
                assert_eq!(client.send(signal, payload.clone()).await.unwrap(), Accepted::default());
                let request = server.received.recv().await.unwrap();
                assert_eq!(request.signal, signal);
                assert!(request.payload == payload, "{compression:?} {len}");
                if compression != Compression::None && len > 1 {
                    assert!(request.wire_bytes < len as usize / 2);
                }
            }
        }
    }
}

/// The official server of tonic, compressing its answers, understands us and is understood.
#[tokio::test]
async fn official_server() {
    struct Backend;

    #[tonic::async_trait]
    impl TraceService for Backend {
        async fn export(
            &self,
            request: tonic::Request<ExportTraceServiceRequest>,
        ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
            assert_eq!(request.metadata().get("x-tenant").unwrap(), "blue");
            assert!(request.metadata().get("user-agent").unwrap().to_str().unwrap().starts_with("wasmill/"));
            let partial = ExportTracePartialSuccess {
                rejected_spans: request.get_ref().resource_spans.len() as i64,
                error_message: "resources are not wanted".into(),
            };
            Ok(tonic::Response::new(ExportTraceServiceResponse { partial_success: Some(partial) }))
        }
    }

    let address = http2_backend(|request| async move {
        let mut service = TraceServiceServer::new(Backend)
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip);
        let Ok(response) = tower_service::Service::call(&mut service, request).await;
        response
    })
    .await;
    let headers = vec![("X-Tenant".to_owned(), "blue".to_owned())];
    let client = GrpcClient::new(GrpcClientSettings { headers, ..settings(address) }).unwrap();
    let request = ExportTraceServiceRequest { resource_spans: vec![Default::default(); 2] };
    let accepted = client.send(Signal::Traces, Bytes::from(request.encode_to_vec())).await.unwrap();
    assert_eq!(accepted, Accepted { rejected: 2, message: "resources are not wanted".into() });
}

/// Every refusal of ours comes out of our client as what it was: kind, reason, and when to come again.
#[tokio::test]
async fn refusals_round_trip() {
    let server = Running::defaults().await;
    for kind in [RefusalKind::Unavailable, RefusalKind::TooLarge, RefusalKind::Invalid, RefusalKind::Internal] {
        for retry_after in [None, Some(Duration::from_millis(1500))] {
            server.sink.then(Script::Answer(Err(Refusal { retry_after, ..Refusal::new(kind, "ünable") })));
            let error = send(server.grpc()).await.unwrap_err();
            assert_eq!(error.is_retryable(), kind.is_retryable());
            let refusal = error.refusal();
            assert_eq!((refusal.kind, refusal.retry_after), (kind, retry_after.filter(|_| kind.is_retryable())));
            assert!(refusal.reason.ends_with("ünable"), "{refusal}");
        }
    }
}

/// A gRPC answer as a hand writes it: message, then trailers.
fn answer(
    body: Vec<u8>,
    status: Option<&'static str>,
) -> Response<http_body_util::combinators::BoxBody<Bytes, Infallible>> {
    let trailers = status.map(|status| {
        let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), status.parse().unwrap())]);
        std::future::ready(Some(Ok(trailers)))
    });
    let body = Full::new(Bytes::from(body));
    let body = match trailers {
        Some(trailers) => body.with_trailers(trailers).boxed(),
        None => body.boxed(),
    };
    Response::builder().header("content-type", "application/grpc").body(body).unwrap()
}

/// Each code is retryable exactly as OTLP's table says; RESOURCE_EXHAUSTED becomes so with RetryInfo.
#[tokio::test]
async fn codes() {
    let retryable = [1, 4, 10, 11, 14, 15];
    for code in 1..=16 {
        let code: &'static str = code.to_string().leak();
        let address = http2_backend(move |_| async move { answer(Vec::new(), Some(code)) }).await;
        let error = send(address).await.unwrap_err();
        let SendError::Grpc { code: found, .. } = &error else { panic!("{error}") };
        assert_eq!((*found as i32).to_string(), code);
        assert_eq!(error.is_retryable(), retryable.contains(&code.parse().unwrap()), "{error}");
    }
    // google.rpc.Status with RetryInfo of 2 s, in base64 without padding as gRPC has it.
    let details = "CAgSBGZ1bGwaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIAg";
    let address = http2_backend(move |_| async move {
        let mut response = answer(Vec::new(), None);
        response.headers_mut().insert("grpc-status", "8".parse().unwrap());
        response.headers_mut().insert("grpc-message", "full%20up".parse().unwrap());
        response.headers_mut().insert("grpc-status-details-bin", details.parse().unwrap());
        response
    })
    .await;
    let error = send(address).await.unwrap_err();
    assert_eq!((error.is_retryable(), error.retry_after()), (true, Some(Duration::from_secs(2))));
    assert!(error.to_string().ends_with("full up"), "{error}");
}

/// Answers that are not OTLP/gRPC are errors that say what they are; none is taken as success.
#[tokio::test]
async fn nonsense_answers() {
    let cases: [(&str, Vec<u8>, Option<&'static str>, &str); 8] = [
        ("no status", framed(0, b""), None, "`grpc-status`"),
        ("a status that is none", framed(0, b""), Some("fine"), "Unknown"),
        ("no message", vec![], Some("0"), "0 bytes"),
        ("half a prefix", vec![0, 0], Some("0"), "2 bytes"),
        ("half a message", framed(0, b"\x0a\x00")[..6].to_vec(), Some("0"), "announced"),
        ("garbage", framed(0, b"\xff\xff\xff\xff"), Some("0"), "not OTLP"),
        ("a flag without encoding", framed(1, b"x"), Some("0"), "encoding"),
        ("5 MiB", vec![0; 5 << 20], Some("0"), "larger than"),
    ];
    for (name, body, status, text) in cases {
        let address = http2_backend(move |_| {
            let body = body.clone();
            async move { answer(body, status) }
        })
        .await;
        let error = send(address).await.expect_err(name);
        assert!(!error.is_retryable(), "{name}: {error}");
        assert!(error.to_string().contains(text), "{name}: {error}");
    }
}

/// Proxies answer in HTTP: their statuses become the codes that gRPC maps them to.
#[tokio::test]
async fn proxies() {
    for (status, code, retryable) in [
        (503, Code::Unavailable, true),
        (502, Code::Unavailable, true),
        (429, Code::Unavailable, true),
        (404, Code::Unimplemented, false),
        (401, Code::Unauthenticated, false),
        (500, Code::Unknown, false),
    ] {
        let address = http2_backend(move |_| async move {
            let page = Full::new(Bytes::from_static(b"<h1>proxy\n</h1>"));
            Response::builder().status(status).header("content-type", "text/html").body(page).unwrap()
        })
        .await;
        let error = send(address).await.unwrap_err();
        let SendError::Grpc { code: found, .. } = &error else { panic!("{error}") };
        assert_eq!((*found, error.is_retryable()), (code, retryable));
        assert!(error.to_string().contains("<h1>proxy </h1>"), "{error}");
    }
    let address = http2_backend(|_| async {
        Response::builder().header("content-type", "text/html").body(Full::new(Bytes::from("hello"))).unwrap()
    })
    .await;
    let error = send(address).await.unwrap_err();
    assert!(matches!(error, SendError::Answer { .. }) && error.to_string().contains("`text/html`"), "{error}");
}

/// Backends that are not there, speak something else, or go: retryable, because nobody has said no.
#[tokio::test]
async fn no_answer() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = send(nobody).await.unwrap_err();
    assert!(matches!(error, SendError::Connect { .. }) && error.is_retryable(), "{error}");

    let closes = raw_backend(|stream| async { drop(stream) }).await;
    let junk = raw_backend(|mut stream| async move {
        let _ = stream.write_all(b"220 mail.example ESMTP\r\n").await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let http1 = raw_backend(|mut stream| async move {
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    })
    .await;
    for address in [closes, junk, http1] {
        let error = send(address).await.unwrap_err();
        assert!(matches!(error, SendError::Broken { .. } | SendError::Connect { .. }), "{error:?}");
        assert!(error.is_retryable());
        assert_eq!(error.refusal().kind, RefusalKind::Unavailable);
    }
}

/// A backend that goes in the middle of its answer has not answered.
#[tokio::test]
async fn half_an_answer() {
    let address = raw_backend(|stream| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (request, mut respond) = connection.accept().await.unwrap().unwrap();
        let response = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
        let mut body = respond.send_response(response, false).unwrap();
        body.send_data(Bytes::from_static(&[0, 0, 0]), false).unwrap();
        body.send_reset(h2::Reason::INTERNAL_ERROR);
        drop(request);
        while connection.accept().await.is_some() {}
    })
    .await;
    let error = send(address).await.unwrap_err();
    assert!(matches!(error, SendError::Broken { .. }) && error.is_retryable(), "{error}");
}

/// A backend that takes the request and says nothing: the call ends at its timeout, which the backend was told.
#[tokio::test]
async fn timeout() {
    let taken = Arc::new(Notify::new());
    let notify = Arc::clone(&taken);
    let address = http2_backend(move |request| {
        assert_eq!(request.headers()["grpc-timeout"], "5000000u");
        notify.notify_one();
        std::future::pending::<Response<Full<Bytes>>>()
    })
    .await;
    let sending = tokio::spawn(send(address));
    taken.notified().await;
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    let error = sending.await.unwrap().unwrap_err();
    assert!(matches!(error, SendError::Timeout { .. }) && error.is_retryable(), "{error}");
    assert!((4..=5).contains(&start.elapsed().as_secs()));
    assert_eq!(error.refusal().kind, RefusalKind::DeadlineExceeded);
}

/// A backend that accepts connections and never speaks: the call ends at its timeout, too.
#[tokio::test(start_paused = true)]
async fn silent_backend() {
    let address = raw_backend(|stream| async move {
        let _stream = stream;
        std::future::pending().await
    })
    .await;
    assert!(matches!(send(address).await.unwrap_err(), SendError::Timeout { .. }));
}

/// Many calls at once share one connection.
#[tokio::test]
async fn one_connection() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    let address = raw_backend(move |stream| {
        counter.fetch_add(1, Ordering::Relaxed);
        async move {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                let response = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
                let mut body = respond.send_response(response, false).unwrap();
                body.send_data(Bytes::from_static(&[0; 5]), false).unwrap();
                let ok = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
                body.send_trailers(ok).unwrap();
            }
        }
    })
    .await;
    let client = Arc::new(client(address));
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let client = Arc::clone(&client);
            tokio::spawn(async move { client.send(Signal::Logs, Bytes::from_static(b"logs")).await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), Accepted::default());
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

/// A backend looks at one call of each connection and answers the next with GOAWAY: that one goes through on a new one.
#[tokio::test]
async fn goaway() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    let address = raw_backend(move |stream| {
        counter.fetch_add(1, Ordering::Relaxed);
        one_call(stream)
    })
    .await;
    let client = client(address);
    for _ in 0..10 {
        let sent = client.send(Signal::Traces, Bytes::from_static(b"spans")).await;
        assert_eq!(sent.unwrap(), Accepted::default());
    }
    assert_eq!(connections.load(Ordering::Relaxed), 10);
}

/// Frames by hand, because a library would not let a call go by.
async fn one_call(mut stream: TcpStream) {
    const HEADERS: u8 = 1;
    const END_OF_STREAM: u8 = 1;
    let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        [&[0, 0, payload.len() as u8, kind, flags, 0, 0, 0, stream], payload].concat()
    };
    stream.read_exact(&mut [0; 24]).await.unwrap();
    stream.write_all(&frame(4, 0, 0, &[])).await.unwrap();
    let mut calls = 0;
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).await.is_err() {
            return;
        }
        let [_, high, low, kind, flags, ..] = head;
        stream.read_exact(&mut vec![0; usize::from(high) * 256 + usize::from(low)]).await.unwrap();
        calls += usize::from(kind == HEADERS);
        if calls == 2 {
            // The last stream looked at is 1; there is no error.
            stream.write_all(&frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0])).await.unwrap();
            return;
        }
        if kind == 0 && flags & END_OF_STREAM != 0 {
            let head = [&[0x88, 0, 12], &b"content-type"[..], &[16], b"application/grpc"].concat();
            let trailers = [&[0, 11], &b"grpc-status"[..], &[1], b"0"].concat();
            let answer =
                [frame(HEADERS, 4, 1, &head), frame(0, 0, 1, &[0; 5]), frame(HEADERS, 5, 1, &trailers)].concat();
            stream.write_all(&answer).await.unwrap();
        }
    }
}

/// The backend restarts on its port: the next call connects anew.
#[tokio::test]
async fn reconnects() {
    let server = Running::defaults().await;
    let address = server.grpc();
    let client = client(address);
    client.send(Signal::Traces, Bytes::from_static(b"one")).await.unwrap();
    server.stop().await.unwrap();
    let error = client.send(Signal::Traces, Bytes::from_static(b"two")).await.unwrap_err();
    assert!(error.is_retryable());
    let mut settings = both();
    settings.grpc.as_mut().unwrap().endpoint = address.to_string();
    let mut server = Running::start(settings, Budget::unlimited()).await;
    client.send(Signal::Traces, Bytes::from_static(b"two")).await.unwrap();
    assert_eq!(server.received.recv().await.unwrap().payload, "two");
}
