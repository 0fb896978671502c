//! Authenticators of receivers and exporters.

use std::io::{Read, Write};
use std::net::TcpListener;

use wasmill_transport::settings::{
    GrpcClientSettings, HttpClientSettings, HttpConnectionSettings, Pem, TlsClientSettings,
};
use wasmill_transport::{GrpcClient, HttpClient, SendError};
use wasmill_wire::Signal;

use crate::certs::Authority;
use crate::gateway::{Folder, Gateway, span};

type Headers<'h> = &'h [(&'h str, &'h str)];

fn owned(headers: Headers) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

async fn grpc(gateway: &Gateway, headers: Headers<'_>) -> Result<(), SendError> {
    let endpoint = gateway.address("otlp grpc").to_string();
    let tls = TlsClientSettings { insecure: true, ..TlsClientSettings::default() };
    let settings = GrpcClientSettings { endpoint, tls, headers: owned(headers), ..GrpcClientSettings::default() };
    GrpcClient::new(settings).unwrap().send(Signal::Traces, span()).await.map(drop)
}

async fn http(gateway: &Gateway, headers: Headers<'_>) -> Result<(), SendError> {
    let endpoint = format!("http://{}", gateway.address("otlp http"));
    let settings = HttpClientSettings { endpoint, headers: owned(headers), ..HttpClientSettings::default() };
    HttpClient::new(settings).unwrap().send(Signal::Traces, span()).await.map(drop)
}

/// Answers every request for a token, until the test ends.
fn token_server(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = Vec::new();
            // The form's last field tells that all of it has come.
            while !request.windows(11).any(|window| window == b"audience=me") {
                let mut piece = [0; 4096];
                match stream.read(&mut piece) {
                    Ok(length) if length > 0 => request.extend_from_slice(&piece[..length]),
                    _ => break,
                }
            }
            let length = answer.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
            let answer = answer.replacen("\r\n", &format!("\r\nconnection: close\r\ncontent-length: {length}\r\n"), 1);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    format!("http://{address}/token")
}

const QUEUELESS: &str = "sending_queue: {enabled: false}, retry_on_failure: {enabled: false}";

/// A gateway that takes a token sends on with a name and a password, with a token that it fetches, or with what its client sent; the one
/// behind it takes each of them and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn each_authenticator_both_ways() {
    let second = Folder::new();
    second.write("tokens", "oauth-token\nclient-token\n");
    let server = |auth: &str| {
        format!(
            "
extensions:
  basicauth: {{htpasswd: {{inline: 'gateway:pass:word'}}}}
  bearertokenauth: {{filename: tokens}}
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: '127.0.0.1:0', auth: {{authenticator: {auth}}}}}
      http: {{endpoint: '127.0.0.1:0', auth: {{authenticator: {auth}}}}}
exporters: {{debug: }}
service:
  extensions: [basicauth, bearertokenauth]
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [debug]}}}}
"
        )
    };
    let by_password = second.run(&server("basicauth"));
    let by_token = second.run(&server("bearertokenauth"));
    let tokens = token_server("HTTP/1.1 200 OK\r\n\r\n{\"access_token\": \"oauth-token\", \"expires_in\": 3600}");
    let first = Folder::new();
    let yaml = |auth: &str, to: &Gateway| {
        let (grpc, http) = (to.address("otlp grpc"), to.address("otlp http"));
        format!(
            "
extensions:
  bearertokenauth: {{token: first}}
  basicauth: {{client_auth: {{username: gateway, password: 'pass:word'}}}}
  oauth2client: {{client_id: a, client_secret: b, token_url: '{tokens}', endpoint_params: {{audience: me}}}}
  headers_setter: {{headers: [{{key: authorization, from_context: x-passed-on}}]}}
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: '127.0.0.1:0', include_metadata: true, auth: {{authenticator: bearertokenauth}}}}
      http: {{endpoint: '127.0.0.1:0', include_metadata: true, auth: {{authenticator: bearertokenauth}}}}
exporters:
  otlp: {{endpoint: '{grpc}', tls: {{insecure: true}}, auth: {{authenticator: {auth}}}, {QUEUELESS}}}
  otlphttp: {{endpoint: 'http://{http}', auth: {{authenticator: {auth}}}, {QUEUELESS}}}
service:
  extensions: [bearertokenauth, basicauth, oauth2client, headers_setter]
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [otlp, otlphttp]}}}}
"
        )
    };
    let token = ("authorization", "Bearer first");
    let cases: [(&str, &Gateway, Headers); 3] = [
        ("basicauth", &by_password, &[token]),
        ("oauth2client", &by_token, &[token]),
        ("headers_setter", &by_token, &[token, ("x-passed-on", "Bearer client-token")]),
    ];
    for (auth, to, headers) in cases {
        let gateway = first.run(&yaml(auth, to));
        grpc(&gateway, headers).await.unwrap();
        http(&gateway, headers).await.unwrap();
        for wrong in [&[][..], &[("authorization", "Bearer second")]] {
            let error = grpc(&gateway, wrong).await.unwrap_err();
            assert!(error.to_string().contains("Unauthenticated"), "{error}");
            let error = http(&gateway, wrong).await.unwrap_err();
            assert!(error.to_string().contains("401 Unauthorized"), "{error}");
        }
    }
    let gateway = first.run(&yaml("basicauth", &by_token));
    let error = grpc(&gateway, &[token]).await.unwrap_err();
    assert!(error.to_string().contains("Internal"), "who the gateway is, is not its clients' matter: {error}");
}

/// Every secret that a configuration can hold, in requests that succeed and fail, with the most talkative log: none of them is
/// ever said, by the log, by `validate`, or to the client.
#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_said() {
    let folder = Folder::new();
    folder.write("tokens", "s3cret-in-file");
    let refusing = token_server("HTTP/1.1 400 Bad Request\r\n\r\n{\"error\": \"s3cret-oauth\"}");
    let yaml = |more: &str| {
        format!(
            "
extensions:
  bearertokenauth: {{filename: tokens}}
  basicauth:
    htpasswd: {{inline: 'a:s3cret-inline'}}
    client_auth: {{username: a, password: s3cret-password}}
  oauth2client:
    client_id: a
    client_secret: s3cret-oauth
    token_url: '{refusing}'
    endpoint_params: {{p: s3cret-param, audience: me}}
  headers_setter: {{headers: [{{key: x, value: s3cret-value}}], additional_auth: basicauth}}
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: '127.0.0.1:0', include_metadata: true, auth: {{authenticator: bearertokenauth}}}}
      http: {{endpoint: '127.0.0.1:0', include_metadata: true, auth: {{authenticator: basicauth}}}}
exporters:
  otlp/oauth: {{endpoint: '127.0.0.1:1', tls: {{insecure: true}}, auth: {{authenticator: oauth2client}}, {QUEUELESS}}}
  otlp/header: {{endpoint: '127.0.0.1:1', tls: {{insecure: true}}, auth: {{authenticator: headers_setter}}, {QUEUELESS}}}
  debug: {{verbosity: detailed}}
service:
  extensions: [bearertokenauth, basicauth, oauth2client, headers_setter]
  telemetry: {{metrics: {{level: none}}, logs: {{level: debug}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [otlp/oauth, otlp/header, debug]}}}}
{more}"
        )
    };
    let mut gateway = folder.run(&yaml(""));
    let mut said = Vec::new();
    let good = "Basic YTpzM2NyZXQtaW5saW5l";
    for headers in [&[][..], &[("authorization", "Bearer s3cret-wrong")], &[("authorization", "Bearer s3cret-in-file")]]
    {
        said.push(grpc(&gateway, headers).await.unwrap_err().to_string());
    }
    for headers in [&[][..], &[("authorization", "Basic czNjcmV0")], &[("authorization", good)]] {
        said.push(http(&gateway, headers).await.unwrap_err().to_string());
    }
    assert!(said[2].contains("127.0.0.1:1") && said[5].contains("127.0.0.1:1"), "these came through: {said:?}");
    gateway.says("there is no new token");
    // A reload that is refused shows what is wrong.
    folder.write("gateway.yaml", &yaml("nonsense: 1"));
    gateway.says("the old one serves on");
    said.extend(gateway.end());
    for (more, command) in [("nonsense: 1", "validate"), ("", "validate")] {
        let output = folder.output(command, &yaml(more).replace("a:s3cret-inline", "a:$1$s3cret-inline"));
        assert!(!output.status.success());
        said.push(String::from_utf8(output.stderr).unwrap());
    }
    assert!(said.iter().any(|line| line.contains("this kind of hash is not taken")), "{said:?}");
    assert!(said.iter().any(|line| line.contains("unknown key `nonsense`")), "{said:?}");
    for line in said {
        assert!(!line.contains("s3cret") && !line.contains(good), "{line}");
    }
}

/// What cannot authenticate is found by `validate`, at its place.
#[test]
fn mistakes_have_places() {
    let folder = Folder::new();
    folder.write("empty", "\n");
    let yaml = |extension: &str, server: &str, client: &str| {
        format!(
            "extensions:
  x: {extension}
  oauth2client: {{client_id: a, client_secret: b, token_url: 'http://a'}}
receivers:
  otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0', auth: {{authenticator: {server}}}}}}}}}
exporters:
  otlp: {{endpoint: 'b:1', auth: {{authenticator: {client}}}}}
service:
  extensions: [x, oauth2client]
  pipelines: {{traces: {{receivers: [otlp], exporters: [otlp]}}}}
"
        )
        .replace("x:", "basicauth/x:")
        .replace("[x,", "[basicauth/x,")
    };
    let both = "{htpasswd: {inline: 'a:b'}, client_auth: {username: a, password: b}}";
    let cases = [
        (both, "oauth2client", "basicauth/x", 5, "is of exporters only"),
        (both, "basicauth/y", "basicauth/x", 5, "did you mean `basicauth/x`?"),
        (both, "health_check", "basicauth/x", 5, "there is no extension `health_check`"),
        ("{client_auth: {username: a, password: b}}", "basicauth/x", "oauth2client", 5, "has no `htpasswd`"),
        ("{htpasswd: {inline: 'a:b'}}", "basicauth/x", "basicauth/x", 7, "has no `client_auth`"),
        ("{htpasswd: {file: empty}}", "basicauth/x", "oauth2client", 2, "there is no user"),
        ("{htpasswd: {file: none}}", "basicauth/x", "oauth2client", 2, "there is no such file"),
        ("{htpasswd: {inline: 'a'}}", "basicauth/x", "oauth2client", 2, "line 1: expected `NAME:HASH`"),
    ];
    for (extension, server, client, line, message) in cases {
        let output = folder.output("validate", &yaml(extension, server, client));
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(message) && text.contains(&format!("gateway.yaml:{line}:")), "{line} {message}: {text}");
    }
    let good = folder.output("validate", &yaml(both, "basicauth/x", "basicauth/x"));
    assert_eq!(good.status.code(), Some(0), "{}", String::from_utf8_lossy(&good.stderr));
}

/// `health_check` over TLS, for whoever has the token: a probe without it is told 401, one in the clear nothing; a file that cannot serve
/// is found by `validate`, at its place.
#[tokio::test(flavor = "multi_thread")]
async fn health() {
    let folder = Folder::new();
    let authority = Authority::new();
    let identity = authority.issue();
    folder.write("server.crt", &identity.cert);
    folder.write("server.key", &identity.key);
    folder.write("ca.crt", &authority.pem);
    // Free a moment ago: the gateway does not say where this one listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let yaml = |cert: &str| {
        format!(
            "extensions:
  bearertokenauth: {{token: s3cret}}
  health_check:
    endpoint: 127.0.0.1:{port}
    tls: {{cert_file: {cert}, key_file: server.key}}
    auth: {{authenticator: bearertokenauth}}
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0'}}}}}}}}
exporters: {{debug: }}
service:
  extensions: [bearertokenauth, health_check]
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [debug]}}}}
"
        )
    };
    let output = folder.output("validate", &yaml("none.crt"));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && text.contains("gateway.yaml:5:"), "{text}");
    let _gateway = folder.run(&yaml("server.crt"));
    // What it answers is no OTLP, but has its form.
    let ask = async |scheme: &str, token: &str| {
        let traces_endpoint = Some(format!("{scheme}://127.0.0.1:{port}/"));
        let tls = TlsClientSettings { ca: Some(Pem::Text(authority.pem.clone())), ..TlsClientSettings::default() };
        let headers = owned(&[("authorization", token)]);
        let settings = HttpClientSettings {
            traces_endpoint,
            connection: HttpConnectionSettings { tls, ..Default::default() },
            headers,
            ..HttpClientSettings::default()
        };
        HttpClient::new(settings).unwrap().send(Signal::Traces, span()).await
    };
    ask("https", "Bearer s3cret").await.unwrap();
    let refused = ask("https", "Bearer other").await.unwrap_err();
    assert!(matches!(&refused, SendError::Http { status, .. } if status.as_u16() == 401), "{refused}");
    let in_the_clear = ask("http", "Bearer s3cret").await.unwrap_err();
    assert!(matches!(in_the_clear, SendError::Broken { .. }), "{in_the_clear}");
}
