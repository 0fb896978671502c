//! The HTTP client against backends that answer rightly, wrongly, half, late or not at all.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use wasmill_batch::{Refusal, RefusalKind};
use wasmill_transport::settings::{Compression, HttpClientSettings};
use wasmill_transport::{Accepted, HttpClient, SendError};
use wasmill_wire::Signal;

use crate::peers::{Running, Script, canned, raw_backend};

fn settings(address: SocketAddr) -> HttpClientSettings {
    HttpClientSettings { endpoint: format!("http://{address}"), ..HttpClientSettings::default() }
}

async fn send(address: SocketAddr) -> Result<Accepted, SendError> {
    let client = HttpClient::new(settings(address)).unwrap();
    client.send(Signal::Traces, Bytes::from_static(b"spans")).await
}

/// What our client sends is what our server receives: every signal, every compression, small and large, on one client.
#[tokio::test]
async fn delivers() {
    let mut server = Running::defaults().await;
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let client = HttpClient::new(HttpClientSettings { compression, ..settings(server.http()) }).unwrap();
        for signal in Signal::ALL {
            for len in [0, 1, 40_000, 9_000_000] {
                let payload: Bytes = (0..len).map(|i: u32| (i / 11) as u8).collect();
                assert_eq!(client.send(signal, payload.clone()).await.unwrap(), Accepted::default());
                let request = server.received.recv().await.unwrap();
                assert_eq!(request.signal, signal);
                assert!(request.payload == payload, "{compression:?} {len}");
            }
        }
    }
    server.sink.then(Script::Answer(Ok(Accepted { rejected: 1, message: "one".into() })));
    assert_eq!(send(server.http()).await.unwrap(), Accepted { rejected: 1, message: "one".into() });
}

/// Every refusal of ours comes out of our client as what it was: kind, reason, and when to come again.
#[tokio::test]
async fn refusals_round_trip() {
    let server = Running::defaults().await;
    for kind in [RefusalKind::Unavailable, RefusalKind::TooLarge, RefusalKind::Invalid, RefusalKind::Internal] {
        for retry_after in [None, Some(Duration::from_secs(7))] {
            server.sink.then(Script::Answer(Err(Refusal { retry_after, ..Refusal::new(kind, "ünable") })));
            let error = send(server.http()).await.unwrap_err();
            let refusal = error.refusal();
            assert_eq!((refusal.kind, refusal.retry_after), (kind, retry_after.filter(|_| kind.is_retryable())));
            assert!(refusal.reason.ends_with("ünable"), "{refusal}");
        }
    }
}

/// The request is what the specification asks for, with the settings' headers and paths.
#[tokio::test]
async fn requests() {
    let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let (address, mut requests) = canned(ok).await;
    let client = HttpClient::new(HttpClientSettings {
        endpoint: format!("http://{address}/base/"),
        logs_endpoint: Some(format!("http://{address}/loki")),
        headers: vec![("X-Scope".into(), "a b".into())],
        compression: Compression::None,
        ..HttpClientSettings::default()
    })
    .unwrap();
    for (signal, path) in
        [(Signal::Traces, "/base/v1/traces"), (Signal::Metrics, "/base/v1/metrics"), (Signal::Logs, "/loki")]
    {
        client.send(signal, Bytes::from_static(b"payload")).await.unwrap();
        let (head, body) = requests.recv().await.unwrap();
        assert!(head.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{head}");
        assert!(head.contains("content-type: application/x-protobuf\r\n") && head.contains("x-scope: a b\r\n"));
        assert!(head.contains("user-agent: wasmill/") && !head.contains("content-encoding"), "{head}");
        assert_eq!(body, b"payload");
    }
    let client = HttpClient::new(settings(address)).unwrap();
    client.send(Signal::Traces, Bytes::from_static(b"payload")).await.unwrap();
    let (head, body) = requests.recv().await.unwrap();
    assert!(head.contains("content-encoding: gzip\r\n") && body.starts_with(&[0x1f, 0x8b]), "{head}");
}

/// Each status is retryable exactly as the specification says, with the reason from a protobuf Status or from text.
#[tokio::test]
async fn statuses() {
    for status in [300, 307, 400, 401, 403, 404, 405, 408, 413, 415, 429, 500, 501, 502, 503, 504, 505] {
        let answer = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: text/plain\r\ncontent-length: 4\r\nconnection: close\r\n\r\nwhy\n"
        );
        let (address, _requests) = canned(answer.leak().as_bytes()).await;
        let error = send(address).await.unwrap_err();
        let SendError::Http { status: found, message, retry_after, .. } = &error else { panic!("{error}") };
        assert_eq!((found.as_u16(), message.as_str(), *retry_after), (status, "why ", None));
        assert_eq!(error.is_retryable(), [429, 502, 503, 504].contains(&status), "{error}");
    }
    let status = b"HTTP/1.1 400 X\r\ncontent-type: application/x-protobuf\r\ncontent-length: 5\r\n\
        connection: close\r\n\r\n\x12\x03bad";
    let (address, _requests) = canned(status).await;
    assert!(send(address).await.unwrap_err().to_string().ends_with("400 Bad Request: bad"));
}

/// `Retry-After` is honoured in seconds and as a date that has passed; redirects are not followed and say where to.
#[tokio::test]
async fn headers_of_answers() {
    let cases: [(&'static [u8], Option<Duration>); 3] = [
        (b"HTTP/1.1 503 X\r\nretry-after: 9\r\ncontent-length: 0\r\n\r\n", Some(Duration::from_secs(9))),
        (
            b"HTTP/1.1 429 X\r\nretry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-length: 0\r\n\r\n",
            Some(Duration::ZERO),
        ),
        (b"HTTP/1.1 503 X\r\nretry-after: soon\r\ncontent-length: 0\r\n\r\n", None),
    ];
    for (answer, expected) in cases {
        let (address, _requests) = canned(answer).await;
        assert_eq!(send(address).await.unwrap_err().retry_after(), expected);
    }
    let (address, _requests) = canned(b"HTTP/1.1 308 X\r\nlocation: https://other/\r\ncontent-length: 0\r\n\r\n").await;
    let error = send(address).await.unwrap_err();
    assert!(!error.is_retryable() && error.to_string().contains("https://other/"), "{error}");
}

/// A success that is no OTLP is an error that says what it is; one that says nothing is a success.
#[tokio::test]
async fn odd_successes() {
    let good: [&'static [u8]; 4] = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: application/x-protobuf\r\nconnection: close\r\n\r\n\x0a\x00",
    ];
    for answer in good {
        let (address, _requests) = canned(answer).await;
        assert_eq!(send(address).await.unwrap(), Accepted::default());
    }
    let bad: [(&'static [u8], &str); 3] = [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-type: text/html\r\nconnection: close\r\n\r\nlogin", "`text/html`"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nlogin", "`none`"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-type: application/x-protobuf\r\nconnection: close\r\n\r\n\xff\xff\xff\xff",
            "not OTLP",
        ),
    ];
    for (answer, text) in bad {
        let (address, _requests) = canned(answer).await;
        let error = send(address).await.unwrap_err();
        assert!(!error.is_retryable() && error.to_string().contains(text), "{error}");
    }
    let mut large =
        b"HTTP/1.1 200 OK\r\ncontent-length: 5242880\r\ncontent-type: application/x-protobuf\r\n\r\n".to_vec();
    large.resize(large.len() + (5 << 20), 0);
    let (address, _requests) = canned(large.leak()).await;
    assert!(send(address).await.unwrap_err().to_string().contains("larger than 4194304"));
}

/// Backends that are not there, speak something else, or go in the middle: retryable, because nobody has said no.
#[tokio::test]
async fn no_answer() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = send(nobody).await.unwrap_err();
    assert!(matches!(error, SendError::Connect { .. }) && error.is_retryable(), "{error}");
    let answers: [&'static [u8]; 5] = [
        b"",
        b"HTTP/1.1 200",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\ncontent-type: application/x-protobuf\r\n\r\nhalf",
        b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
    ];
    for answer in answers {
        let (address, _requests) = canned(answer).await;
        let error = send(address).await.unwrap_err();
        assert!(matches!(error, SendError::Broken { .. }) && error.is_retryable(), "{answer:?}: {error}");
    }
}

/// A backend that says nothing: the call ends at its timeout.
#[tokio::test]
async fn timeout() {
    let accepted = Arc::new(Notify::new());
    let notify = Arc::clone(&accepted);
    let address = raw_backend(move |stream| {
        notify.notify_one();
        async move {
            let _stream = stream;
            std::future::pending().await
        }
    })
    .await;
    let sending = tokio::spawn(send(address));
    accepted.notified().await;
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    let error = sending.await.unwrap().unwrap_err();
    assert!(matches!(error, SendError::Timeout { .. }) && error.is_retryable(), "{error}");
    assert!((29..=30).contains(&start.elapsed().as_secs()));
}

/// Settings that cannot be are refused by key, before anything is sent.
#[test]
fn settings_are_checked() {
    let key = |settings| match HttpClient::new(settings) {
        Err(wasmill_transport::ClientError::Setting { key, .. }) => key,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("accepted"),
    };
    let good = || HttpClientSettings { endpoint: "http://x".into(), ..HttpClientSettings::default() };
    assert_eq!(key(HttpClientSettings::default()), "endpoint");
    assert_eq!(key(HttpClientSettings { endpoint: "localhost:4318".into(), ..good() }), "endpoint");
    assert_eq!(key(HttpClientSettings { logs_endpoint: Some("logs".into()), ..good() }), "logs_endpoint");
    assert_eq!(key(HttpClientSettings { headers: vec![("a b".into(), String::new())], ..good() }), "headers");
    assert_eq!(key(HttpClientSettings { headers: vec![("a".into(), "\n".into())], ..good() }), "headers");
    assert_eq!(key(HttpClientSettings { user_agent: "\n".into(), ..good() }), "user_agent");
}

/// A client for one signal has no address for another, and says so.
#[tokio::test]
async fn no_endpoint_for_a_signal() {
    let settings =
        HttpClientSettings { traces_endpoint: Some("http://127.0.0.1:1/t".into()), ..HttpClientSettings::default() };
    let error = HttpClient::new(settings).unwrap().send(Signal::Logs, Bytes::new()).await.unwrap_err();
    assert!(matches!(error, SendError::Unsendable { .. }) && !error.is_retryable(), "{error}");
}
