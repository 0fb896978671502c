//! Who is let in, and how clients say who they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use prost::Message;
use tokio::net::TcpStream;
use tonic::Code;
use wasmill_batch::RequestContext;
use wasmill_transport::settings::{
    BasicSettings, BearerSettings, ClientAuthSettings, Credential, GrpcClientSettings, GrpcServerSettings,
    HeaderAction, HeaderRule, HeaderSource, HeadersSettings, HtpasswdSettings, HttpClientSettings, HttpServerSettings,
    OAuth2Settings, Secret, ServerAuthSettings, ServerSettings, TlsClientSettings, Tokens,
};
use wasmill_transport::{Accepted, BindError, Budget, GrpcClient, HttpClient, SendError, Server};
use wasmill_wire::Signal;

use crate::peers::{Running, call, exchange, framed, grpc_request, grpc_settings, http_settings, http2, http2_backend};

const SECTION: &str = "extensions::a";

fn secret(text: &str) -> Credential {
    Credential::Text(Secret::new(text))
}

fn bearer(tokens: &[&str]) -> BearerSettings {
    BearerSettings {
        key: SECTION.into(),
        header: "authorization".into(),
        scheme: "Bearer".into(),
        tokens: Tokens::Texts(tokens.iter().map(|token| Secret::new(*token)).collect()),
    }
}

fn htpasswd(inline: &str) -> ServerAuthSettings {
    let inline = Some(Secret::new(inline));
    ServerAuthSettings::Basic(HtpasswdSettings { key: SECTION.into(), file: None, inline })
}

fn basic(username: &str, password: &str) -> ClientAuthSettings {
    let (username, password) = (secret(username), secret(password));
    ClientAuthSettings::Basic(BasicSettings { key: SECTION.into(), username, password })
}

fn settings(auth: ServerAuthSettings) -> ServerSettings {
    ServerSettings {
        grpc: Some(GrpcServerSettings { auth: Some(auth.clone()), ..grpc_settings() }),
        http: Some(HttpServerSettings { auth: Some(auth), ..http_settings() }),
    }
}

async fn start(auth: ServerAuthSettings) -> Running {
    Running::start(settings(auth), Budget::unlimited()).await
}

fn grpc(endpoint: String, auth: ClientAuthSettings) -> GrpcClient {
    let tls = TlsClientSettings { insecure: true, ..TlsClientSettings::default() };
    GrpcClient::new(GrpcClientSettings { endpoint, tls, auth: Some(auth), ..GrpcClientSettings::default() }).unwrap()
}

fn http(endpoint: String, auth: ClientAuthSettings) -> HttpClient {
    HttpClient::new(HttpClientSettings { endpoint, auth: Some(auth), ..HttpClientSettings::default() }).unwrap()
}

async fn send(server: &Running, auth: ClientAuthSettings) -> [Result<Accepted, SendError>; 2] {
    let payload = Bytes::from_static(b"spans");
    [
        grpc(server.grpc().to_string(), auth.clone()).send(Signal::Traces, payload.clone()).await,
        http(format!("http://{}", server.http()), auth).send(Signal::Traces, payload).await,
    ]
}

async fn takes(server: &Running, auth: ClientAuthSettings) -> bool {
    let taken = send(server, auth).await.map(|sent| sent.is_ok());
    assert_eq!(taken[0], taken[1], "both protocols do the same");
    taken[0]
}

/// Any of a server's tokens lets in, in either protocol, whatever the case of the scheme; nothing else does.
#[tokio::test]
async fn bearer_tokens() {
    let server = start(ServerAuthSettings::Bearer(bearer(&["first", "second"]))).await;
    let with = |token: &str| ClientAuthSettings::Bearer(bearer(&[token]));
    assert!(takes(&server, with("first")).await && takes(&server, with("second")).await);
    for token in ["third", "firs", "first2", "FIRST", "first, second"] {
        assert!(!takes(&server, with(token)).await, "{token}");
    }
    let lower = BearerSettings { scheme: "bearer".into(), ..bearer(&["first"]) };
    assert!(takes(&server, ClientAuthSettings::Bearer(lower)).await);
    let own = |header: &str| BearerSettings { header: header.into(), scheme: String::new(), ..bearer(&["first"]) };
    assert!(!takes(&server, ClientAuthSettings::Bearer(own("x-token"))).await);
    let server = start(ServerAuthSettings::Bearer(own("x-token"))).await;
    assert!(takes(&server, ClientAuthSettings::Bearer(own("x-token"))).await);
}

/// The answers to letter: UNAUTHENTICATED in headers, 401 with a challenge and a status in the request's content type; neither is
/// retryable, both are counted, and nothing comes to the sink. A path that there is not is not told to whoever is not known.
#[tokio::test]
async fn answers() {
    let mut server = start(ServerAuthSettings::Bearer(bearer(&["t0ken"]))).await;
    let mut raw = http2(server.grpc()).await;
    let status = call(&mut raw, grpc_request(server.grpc(), framed(0, b"spans"))).await.grpc();
    assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "`authorization` is missing"));
    let mut request = grpc_request(server.grpc(), framed(0, b"spans"));
    request.headers_mut().insert("authorization", "Bearer other".parse().unwrap());
    let status = call(&mut raw, request).await.grpc();
    assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "the token is not known"));

    for (path, kind) in [("/v1/traces", "application/x-protobuf"), ("/no/such/path", "application/json")] {
        let mut stream = TcpStream::connect(server.http()).await.unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\ncontent-length: 5\r\n");
        let request = format!("{head}authorization: Basic eDp5\r\n\r\nspans");
        let reply = exchange(&mut stream, request.as_bytes()).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        assert_eq!(reply.headers["www-authenticate"], "Bearer");
        assert_eq!(reply.headers["content-type"], kind);
        let message = "`authorization` does not begin with `Bearer`";
        match kind {
            "application/json" => assert_eq!(reply.body, format!(r#"{{"code":16,"message":"{message}"}}"#)),
            _ => {
                let status = tonic_types_status(&reply.body);
                assert_eq!(status, (Code::Unauthenticated as i32, message.to_owned()));
            }
        }
    }
    for sent in send(&server, ClientAuthSettings::Bearer(bearer(&["other"]))).await {
        assert!(!sent.unwrap_err().is_retryable());
    }
    assert!(server.received.try_recv().is_err());
    assert_eq!(server.sink.refused.lock().unwrap().len(), 6);
}

/// Code and message of a `google.rpc.Status`.
fn tonic_types_status(body: &[u8]) -> (i32, String) {
    #[derive(Message)]
    struct Status {
        #[prost(int32, tag = "1")]
        code: i32,
        #[prost(string, tag = "2")]
        message: String,
    }
    let status = Status::decode(body).unwrap();
    (status.code, status.message)
}

/// Tokens in a file: the new ones count within a second, and a file without any changes nothing.
#[tokio::test]
async fn tokens_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens");
    std::fs::write(&path, "first\n\n second \n").unwrap();
    let file = BearerSettings { tokens: Tokens::File(path.clone()), ..bearer(&[]) };
    let server = start(ServerAuthSettings::Bearer(file.clone())).await;
    let with = |token: &str| ClientAuthSettings::Bearer(bearer(&[token]));
    assert!(takes(&server, with("second")).await);
    assert!(takes(&server, ClientAuthSettings::Bearer(file)).await);
    std::fs::write(&path, "").unwrap();
    advance(2).await;
    assert!(takes(&server, with("second")).await);
    std::fs::write(&path, "third").unwrap();
    advance(2).await;
    assert!(!takes(&server, with("second")).await);
    assert!(takes(&server, with("third")).await);
}

async fn advance(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

/// Every kind of hash that is taken; the name goes along with the request.
#[tokio::test]
async fn basic_auth() {
    // `password` in bcrypt at its least cost, and in SHA-1.
    let bcrypt = bcrypt::hash("password", 4).unwrap();
    let users = format!("# users\nbcrypt:{bcrypt}\nsha:{{SHA}}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\nplain:pass:word\n");
    let mut server = start(htpasswd(&users)).await;
    for (name, password) in
        [("bcrypt", "password"), ("bcrypt", "password"), ("sha", "password"), ("plain", "pass:word")]
    {
        assert!(takes(&server, basic(name, password)).await, "{name}");
        for _ in 0..2 {
            assert_eq!(server.received.recv().await.unwrap().context.identity.as_deref(), Some(name));
        }
        assert!(!takes(&server, basic(name, "passwort")).await);
    }
    assert!(!takes(&server, basic("nobody", "password")).await);
    assert!(!takes(&server, ClientAuthSettings::Bearer(bearer(&["password"]))).await);
    let mut stream = TcpStream::connect(server.http()).await.unwrap();
    let reply = exchange(&mut stream, b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(reply.headers["www-authenticate"], "Basic realm=\"otlp\", charset=\"UTF-8\"");
}

/// What cannot serve is found before a port is taken, by its key, and without a word of the secret.
#[tokio::test]
async fn mistakes() {
    let mistakes = [
        (ServerAuthSettings::Bearer(bearer(&[])), "extensions::a::tokens"),
        (ServerAuthSettings::Bearer(bearer(&["s3cret\u{1}"])), "extensions::a::token"),
        (htpasswd("# nobody"), "extensions::a::htpasswd"),
        (htpasswd("a:b\ns3cret"), "extensions::a::htpasswd::inline"),
        (htpasswd("a:$apr1$s3cret$x"), "extensions::a::htpasswd::inline"),
        (htpasswd("a:$2y$10$s3cret"), "extensions::a::htpasswd::inline"),
        (htpasswd("a:{SHA}s3cret"), "extensions::a::htpasswd::inline"),
        (htpasswd("a:$2y$31$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234"), "extensions::a::htpasswd::inline"),
    ];
    for (auth, key) in mistakes {
        let shown = format!("{auth:?}");
        let error = match Server::check(&settings(auth)).pop() {
            Some(error @ BindError::Auth(_)) => error,
            other => panic!("{key}: {other:?}"),
        };
        assert_eq!(error.key(), key, "{error}");
        assert!(!format!("{shown} {error} {error:?}").contains("s3cret"), "{error}");
    }
}

/// A backend that tells the headers of what came, and accepts it.
async fn listener() -> (String, tokio::sync::mpsc::UnboundedReceiver<HeaderMap>) {
    let (sender, headers) = tokio::sync::mpsc::unbounded_channel();
    let address = http2_backend(move |request: Request<Incoming>| {
        let sender = sender.clone();
        async move {
            let _ = sender.send(request.headers().clone());
            let mut response = Response::new(Full::new(Bytes::from_static(&[0; 5])));
            response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
            response.headers_mut().insert("grpc-status", "0".parse().unwrap());
            response
        }
    })
    .await;
    (address.to_string(), headers)
}

/// `headers_setter`: each action, values from what the request came with, and another authenticator beneath.
#[tokio::test]
async fn headers() {
    let (endpoint, mut headers) = listener().await;
    let rule = |name: &str, action| HeaderRule { name: name.into(), action };
    let value = |text: &str| HeaderSource::Value(secret(text));
    let context = |name: &str, default: Option<&str>| HeaderSource::Context {
        name: name.into(),
        default: default.map(Secret::new),
    };
    let rules = vec![
        rule("x-tenant", HeaderAction::Upsert(context("X-Tenant", Some("nobody")))),
        rule("x-other", HeaderAction::Upsert(context("x-absent", Some("default")))),
        rule("x-nothing", HeaderAction::Upsert(context("x-absent", None))),
        rule("x-new", HeaderAction::Insert(value("inserted"))),
        rule("x-mine", HeaderAction::Insert(value("not inserted"))),
        rule("x-mine", HeaderAction::Update(value("updated"))),
        rule("x-absent", HeaderAction::Update(value("not updated"))),
        rule("x-gone", HeaderAction::Delete),
    ];
    let additional = Some(Box::new(ClientAuthSettings::Bearer(bearer(&["t0ken"]))));
    let auth = ClientAuthSettings::Headers(HeadersSettings { key: SECTION.into(), rules, additional });
    let client = GrpcClient::new(GrpcClientSettings {
        endpoint,
        tls: TlsClientSettings { insecure: true, ..TlsClientSettings::default() },
        headers: [("x-mine", "mine"), ("x-gone", "gone")].map(|(name, value)| (name.into(), value.into())).into(),
        auth: Some(auth),
        ..GrpcClientSettings::default()
    })
    .unwrap();
    let metadata = vec![("x-tenant".to_owned(), "acme".to_owned()), ("x-tenant".to_owned(), "second".to_owned())];
    let request = RequestContext { metadata, ..RequestContext::default() };
    client.send_for(&request, Signal::Traces, Bytes::new()).await.unwrap();
    let sent = headers.recv().await.unwrap();
    let found = ["x-tenant", "x-other", "x-nothing", "x-new", "x-mine", "x-absent", "x-gone", "authorization"]
        .map(|name| sent.get(name).map(|value| value.to_str().unwrap()));
    let expected = [Some("acme"), Some("default"), None, Some("inserted"), Some("updated"), None, None];
    assert_eq!(found[..7], expected);
    assert_eq!(found[7], Some("Bearer t0ken"));
}

/// A token's server: counts what it was asked, and answers as `answer` says by that count and the form.
async fn token_server(
    answer: impl Fn(usize, &HeaderMap, &str) -> (u16, String) + Clone + Send + Sync + 'static,
) -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (answer, count) = (answer.clone(), Arc::clone(&count));
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let (answer, count) = (answer.clone(), Arc::clone(&count));
                async move {
                    let (head, body) = request.into_parts();
                    let form = body.collect().await.unwrap().to_bytes();
                    let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                    let (status, text) = answer(number, &head.headers, std::str::from_utf8(&form).unwrap());
                    let response = Response::builder().status(status).body(Full::new(Bytes::from(text)));
                    Ok::<_, std::convert::Infallible>(response.unwrap())
                }
            });
            let io = hyper_util::rt::TokioIo::new(stream);
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, service));
        }
    });
    (format!("http://{address}/token"), asked)
}

fn oauth2(token_url: String) -> OAuth2Settings {
    OAuth2Settings {
        key: SECTION.into(),
        client_id: secret("gate way"),
        client_secret: secret("s3cret&:"),
        token_url,
        scopes: vec!["a".into(), "b".into()],
        endpoint_params: vec![("audience".into(), Secret::new("otlp"))],
        timeout: Duration::from_secs(10),
        expiry_buffer: Duration::from_secs(300),
        tls: TlsClientSettings::default(),
    }
}

/// One token serves many requests and is renewed before it ends. Name and secret go as RFC 6749 has them.
#[tokio::test]
async fn oauth2_tokens() {
    let (endpoint, mut headers) = listener().await;
    let (url, asked) = token_server(|number, headers, form| {
        let expected = STANDARD.encode("gate+way:s3cret%26%3A");
        assert_eq!(headers["authorization"], format!("Basic {expected}"));
        assert_eq!(form, "grant_type=client_credentials&scope=a+b&audience=otlp");
        (200, format!(r#"{{"access_token": "token-{number}", "token_type": "bearer", "expires_in": 3600}}"#))
    })
    .await;
    let client = grpc(endpoint, ClientAuthSettings::OAuth2(oauth2(url)));
    for (seconds, token) in [(0, "token-1"), (10, "token-1"), (3200, "token-1"), (100, "token-2"), (10, "token-2")] {
        advance(seconds).await;
        client.send(Signal::Traces, Bytes::new()).await.unwrap();
        assert_eq!(headers.recv().await.unwrap()["authorization"], format!("Bearer {token}"));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

/// A server that wants name and secret in the form gets them there, and is asked so from then on.
#[tokio::test]
async fn oauth2_in_the_form() {
    let (endpoint, mut headers) = listener().await;
    let (url, asked) = token_server(|_, headers, form| {
        if headers.contains_key("authorization") {
            return (401, r#"{"error": "invalid_client"}"#.into());
        }
        assert!(form.ends_with("&client_id=gate+way&client_secret=s3cret%26%3A"), "{form}");
        (200, r#"{"access_token": "token", "expires_in": "2"}"#.into())
    })
    .await;
    let client = grpc(endpoint, ClientAuthSettings::OAuth2(oauth2(url)));
    for expected in [2, 3] {
        client.send(Signal::Traces, Bytes::new()).await.unwrap();
        assert_eq!(headers.recv().await.unwrap()["authorization"], "Bearer token");
        assert_eq!(asked.load(Ordering::SeqCst), expected);
        advance(3).await;
    }
}

/// Without a token nothing is sent, which is retryable; the server is not asked again at once, and nothing of the secret is said,
/// even where the server repeats it. A token that still holds serves on.
#[tokio::test]
async fn oauth2_failures() {
    let (endpoint, mut headers) = listener().await;
    let (url, asked) = token_server(|number, _, form| match number {
        1 | 2 => (400, format!(r#"{{"error": "s3cret&:", "error_description": "{form} s3cret&:"}}"#)),
        3 => (200, r#"{"access_token": "token", "expires_in": 100}"#.into()),
        _ => (500, "s3cret".into()),
    })
    .await;
    let client = grpc(endpoint, ClientAuthSettings::OAuth2(oauth2(url)));
    for _ in 0..3 {
        let error = client.send(Signal::Traces, Bytes::new()).await.unwrap_err();
        assert!(matches!(error, SendError::NoCredentials { .. }) && error.is_retryable());
        assert!(error.to_string().contains("answered 400 Bad Request"), "{error}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2, "both ways, once");
    advance(2).await;
    client.send(Signal::Traces, Bytes::new()).await.unwrap();
    // It is to be renewed after half of its life, and cannot be.
    advance(60).await;
    client.send(Signal::Traces, Bytes::new()).await.unwrap();
    assert_eq!(headers.recv().await.unwrap(), headers.recv().await.unwrap());
    advance(60).await;
    assert!(client.send(Signal::Traces, Bytes::new()).await.is_err(), "it has ended");
}

/// A backend that no longer believes a token is asked once more with a new one.
#[tokio::test]
async fn oauth2_revoked() {
    let (url, asked) =
        token_server(|number, _, _| (200, format!(r#"{{"access_token": "token-{number}", "expires_in": 9999}}"#)))
            .await;
    let server = start(ServerAuthSettings::Bearer(bearer(&["token-2"]))).await;
    let (grpc, http) = (
        grpc(server.grpc().to_string(), ClientAuthSettings::OAuth2(oauth2(url.clone()))),
        http(format!("http://{}", server.http()), ClientAuthSettings::OAuth2(oauth2(url))),
    );
    assert!(grpc.send(Signal::Traces, Bytes::new()).await.is_err(), "the token is new");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    advance(20).await;
    grpc.send(Signal::Traces, Bytes::new()).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert!(http.send(Signal::Traces, Bytes::new()).await.is_err(), "token-3 is not known");
}
