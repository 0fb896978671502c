//! TLS of receivers and exporters.

use wasmill_transport::settings::{
    GrpcClientSettings, HttpClientSettings, HttpConnectionSettings, Pem, TlsClientSettings,
};
use wasmill_transport::{GrpcClient, HttpClient, SendError};
use wasmill_wire::Signal;

use crate::certs::{Authority, Identity};
use crate::gateway::{Folder, Gateway, span};

fn write(folder: &Folder, name: &str, identity: &Identity) {
    folder.write(&format!("{name}.crt"), &identity.cert);
    folder.write(&format!("{name}.key"), &identity.key);
}

fn tls(authority: &Authority, identity: Option<&Identity>) -> TlsClientSettings {
    TlsClientSettings {
        ca: Some(Pem::Text(authority.pem.clone())),
        cert: identity.map(|identity| Pem::Text(identity.cert.clone())),
        private_key: identity.map(|identity| Pem::Text(identity.key.clone())),
        ..TlsClientSettings::default()
    }
}

async fn grpc(gateway: &Gateway, tls: TlsClientSettings) -> Result<(), SendError> {
    let endpoint = gateway.address("otlp grpc").to_string();
    let client = GrpcClient::new(GrpcClientSettings { endpoint, tls, ..GrpcClientSettings::default() }).unwrap();
    client.send(Signal::Traces, span()).await.map(drop)
}

async fn http(gateway: &Gateway, tls: TlsClientSettings) -> Result<(), SendError> {
    let endpoint = format!("https://{}", gateway.address("otlp http"));
    let client = HttpClient::new(HttpClientSettings {
        endpoint,
        connection: HttpConnectionSettings { tls, ..Default::default() },
        ..HttpClientSettings::default()
    })
    .unwrap();
    client.send(Signal::Traces, span()).await.map(drop)
}

/// Two gateways, one behind the other: mutual TLS into the first, over either protocol, and mutual TLS from there into the
/// second. Who has no certificate is not let in.
#[tokio::test(flavor = "multi_thread")]
async fn mutual_tls_both_ways() {
    let folder = Folder::new();
    let authority = Authority::new();
    let (server, client) = (authority.issue(), authority.issue());
    write(&folder, "server", &server);
    write(&folder, "client", &client);
    folder.write("ca.crt", &authority.pem);
    let receiver = "
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 127.0.0.1:0
        tls: &tls {cert_file: server.crt, key_file: server.key, client_ca_file: ca.crt}
      http:
        endpoint: 127.0.0.1:0
        tls: *tls
";
    let second = Folder::new();
    for name in ["server.crt", "server.key", "ca.crt"] {
        std::fs::copy(folder.path().join(name), second.path().join(name)).unwrap();
    }
    let service = "
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    traces: {receivers: [otlp], exporters: [e/grpc, e/http]}
";
    let debug = service.replace("e/grpc, e/http", "debug");
    let second = second.run(&format!("{receiver}\nexporters: {{debug: }}\n{debug}"));
    let (to_grpc, to_http) = (second.address("otlp grpc"), second.address("otlp http"));
    let yaml = format!(
        "{receiver}
exporters:
  otlp/grpc:
    endpoint: {to_grpc}
    sending_queue: {{enabled: false}}
    retry_on_failure: {{enabled: false}}
    tls: &client {{ca_file: ca.crt, cert_file: client.crt, key_file: client.key, min_version: '1.3'}}
  otlp_http/http:
    endpoint: https://{to_http}
    sending_queue: {{enabled: false}}
    retry_on_failure: {{enabled: false}}
    tls: *client
{service}"
    );
    let first = folder.run(&yaml.replace("e/grpc", "otlp/grpc").replace("e/http", "otlp_http/http"));
    grpc(&first, tls(&authority, Some(&client))).await.unwrap();
    http(&first, tls(&authority, Some(&client))).await.unwrap();
    assert!(grpc(&first, tls(&authority, None)).await.is_err());
    assert!(http(&first, tls(&authority, None)).await.is_err());
}

/// A certificate is replaced while the gateway runs: the next handshake takes it. One that cannot serve is not taken, which the
/// log says by the key.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_replaced() {
    let folder = Folder::new();
    let (old, new) = (Authority::new(), Authority::new());
    write(&folder, "server", &old.issue());
    let mut gateway = folder.run(
        "
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 127.0.0.1:0
        tls: {cert_file: server.crt, key_file: server.key, reload_interval: 1ms}
exporters: {debug: }
service:
  telemetry: {metrics: {level: none}}
  pipelines: {traces: {receivers: [otlp], exporters: [debug]}}
",
    );
    grpc(&gateway, tls(&old, None)).await.unwrap();
    folder.write("server.crt", "rubbish");
    grpc(&gateway, tls(&old, None)).await.unwrap();
    let said = gateway.says("certificates were not reloaded, the old ones serve on");
    assert!(said.contains("receivers::otlp::protocols::grpc::tls::cert_file"), "{said}");
    // The key first: until the certificate is there too, the pair does not match.
    let identity = new.issue();
    folder.write("server.key", &identity.key);
    grpc(&gateway, tls(&old, None)).await.unwrap();
    folder.write("server.crt", &identity.cert);
    grpc(&gateway, tls(&new, None)).await.unwrap();
    gateway.says("certificates reloaded");
    assert!(grpc(&gateway, tls(&old, None)).await.is_err());
}

/// Certificates that cannot serve are found by `validate`, each at its place, and nothing of a key is shown.
#[test]
fn mistakes_have_places() {
    let folder = Folder::new();
    let authority = Authority::new();
    let (good, other) = (authority.issue(), authority.issue());
    write(&folder, "good", &good);
    write(&folder, "other", &other);
    write(&folder, "old", &authority.issue_between(2000, 2001));
    folder.write("rubbish.crt", "rubbish");
    let secret = good.key.lines().nth(1).unwrap();
    let yaml = |receiver: &str, exporter: &str| {
        format!(
            "receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 127.0.0.1:0
        tls:
{receiver}
exporters:
  otlp:
    endpoint: localhost:4317
    tls:
{exporter}
service: {{pipelines: {{traces: {{receivers: [otlp], exporters: [otlp]}}}}}}
"
        )
    };
    let good_receiver = "          cert_file: good.crt\n          key_file: good.key";
    let good_exporter = "      ca_file: good.crt\n";
    let cases = [
        ("          cert_file: old.crt\n          key_file: old.key", good_exporter, "expired on Mon, 01 Jan 2001", 7),
        ("          cert_file: good.crt\n          key_file: other.key", good_exporter, "the key is not that of", 8),
        ("          cert_file: rubbish.crt\n          key_file: good.key", good_exporter, "not a certificate", 7),
        ("          cert_file: good.crt", good_exporter, "the key `key_file` is missing", 7),
        ("          min_version: '1.3'", good_exporter, "the key `cert_file` is missing", 6),
        ("          cert_file: none.crt\n          key_file: good.key", good_exporter, "no such file", 7),
        (good_receiver, "      ca_file: rubbish.crt", "not a certificate", 13),
        (good_receiver, "      cert_file: good.crt\n      key_file: other.key", "the key is not that of", 14),
        (good_receiver, "      min_version: '1.3'\n      max_version: '1.2'", "no version is left", 13),
    ];
    for (receiver, exporter, message, line) in cases {
        let output = folder.output("validate", &yaml(receiver, exporter));
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(message) && text.contains(&format!("gateway.yaml:{line}:")), "{line} {message}: {text}");
    }
    let broken = good.key.replace("BEGIN PRIVATE", "BEGIN SECRET");
    let inline: String = broken.lines().map(|line| format!("            {line}\n")).collect();
    let receiver = format!("          cert_file: good.crt\n          key_pem: |\n{inline}");
    let output = folder.output("validate", &yaml(&receiver, good_exporter));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("not a private key") && text.contains("gateway.yaml:8:"), "{text}");
    assert!(!text.contains(secret), "{text}");
    assert_eq!(folder.output("validate", &yaml(good_receiver, good_exporter)).status.code(), Some(0));
}
