//! The configuration reloaded under traffic: only what changed is rebuilt.

use std::net::{TcpListener, TcpStream};

use wasmill_transport::Protocol;
use wasmill_wire::Signal;

use crate::language::{Backend, Gateway, names, spans};

fn filtering(backend: &Backend, condition: &str, extra: &str) -> String {
    format!(
        r#"
processors:
  wasm/filter: {{plugin: 'builtin:filter', config: {{drop: ['{condition}']}}}}
exporters:
  otlp: {{endpoint: '{}', tls: {{insecure: true}}, timeout: 60s}}
{extra}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/filter], exporters: [otlp]}}
"#,
        backend.grpc()
    )
}

/// A condition changes: the next request is decided by the new one, over the same connection, and what the old exporter had
/// queued is still sent by it.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_processor_is_all_that_changes() {
    let backend = Backend::start().await;
    backend.hold();
    let gateway = Gateway::start(&filtering(&backend, r#"name == "a""#, "")).await;
    let (client, address) = (gateway.grpc().await, gateway.address(Protocol::Grpc).await);
    client.spans(spans(&["a", "b"])).await.unwrap();
    backend.attempts(1).await;
    let reloaded = gateway.engine.reload(Gateway::config(&filtering(&backend, r#"name == "b""#, ""))).await.unwrap();
    assert_eq!((reloaded.generation, reloaded.swapped), (2, vec![]), "no plugin was swapped");
    client.spans(spans(&["a", "b"])).await.unwrap();
    assert_eq!(gateway.address(Protocol::Grpc).await, address, "the socket is the same");
    let size = r#"otelcol_exporter_queue_size{exporter="otlp",data_type="traces"}"#;
    assert_eq!(gateway.metric(size), Some(2.0), "the queue is the same");
    backend.release();
    let mut arrived = names(&backend.spans(2).await);
    arrived.sort();
    assert_eq!(arrived, ["a", "b"]);
}

/// An exporter moves to another backend: what was queued for the old one goes there, what comes after goes to the new one.
#[tokio::test(flavor = "multi_thread")]
async fn a_moved_exporter_delivers_what_it_had() {
    let (old, new) = (Backend::start().await, Backend::start().await);
    old.hold();
    let gateway = Gateway::start(&filtering(&old, r#"name == "x""#, "")).await;
    let client = gateway.grpc().await;
    client.spans(spans(&["before"])).await.unwrap();
    old.attempts(1).await;
    gateway.engine.reload(Gateway::config(&filtering(&new, r#"name == "x""#, ""))).await.unwrap();
    client.spans(spans(&["after"])).await.unwrap();
    assert_eq!(names(&new.spans(1).await), ["after"]);
    old.release();
    assert_eq!(names(&old.spans(1).await), ["before"]);
    assert!(gateway.stop().await.is_nothing());
}

/// A configuration that cannot be built changes nothing, and every reason is given.
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_configuration_leaves_the_old_one_serving() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&filtering(&backend, r#"name == "a""#, "")).await;
    let bad = filtering(&backend, "name ==", "");
    let error = gateway.engine.reload(Gateway::config(&bad)).await.unwrap_err();
    assert!(error.lines()[0].contains("wasm/filter"), "{:?}", error.lines());
    assert_eq!(gateway.engine.generation(), 1);
    assert_eq!(gateway.metric(r#"wasmill_config_reloads_total{result="refused"}"#), Some(1.0));
    gateway.grpc().await.spans(spans(&["a", "b"])).await.unwrap();
    assert_eq!(names(&backend.spans(1).await), ["b"]);
}

/// A receiver's settings change at the same port: the port is taken over. A receiver that goes closes its port.
#[tokio::test(flavor = "multi_thread")]
async fn receivers_change_and_go() {
    let backend = Backend::start().await;
    let with = |receivers: &str, used: &str| {
        format!(
            r#"
receivers:
{receivers}
exporters:
  otlp: {{endpoint: '{}', tls: {{insecure: true}}}}
service:
  pipelines:
    traces: {{receivers: [{used}], exporters: [otlp]}}
"#,
            backend.grpc()
        )
    };
    let any = "  otlp: {protocols: {grpc: {endpoint: '127.0.0.1:0'}}}";
    let gateway = Gateway::start(&with(any, "otlp")).await;
    let port = gateway.address(Protocol::Grpc).await.port();

    let second = format!("{any}\n  otlp/2: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0'}}}}}}");
    gateway.engine.reload(Gateway::config(&with(&second, "otlp, otlp/2"))).await.unwrap();
    assert_eq!(gateway.address(Protocol::Grpc).await.port(), port, "an unchanged receiver keeps its socket");
    let other = wasmill_config::ComponentId::parse("otlp/2").unwrap();
    let second_address = gateway.engine.address(&other, Protocol::Grpc).await.unwrap();
    gateway.grpc().await.spans(spans(&["first"])).await.unwrap();
    crate::language::Client::grpc(second_address).spans(spans(&["second"])).await.unwrap();

    let fixed = format!("  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{port}'}}}}}}");
    gateway.engine.reload(Gateway::config(&with(&fixed, "otlp"))).await.unwrap();
    let changed =
        format!("  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{port}', max_recv_msg_size_mib: 1}}}}}}");
    gateway.engine.reload(Gateway::config(&with(&changed, "otlp"))).await.unwrap();
    assert_eq!(gateway.address(Protocol::Grpc).await.port(), port);
    gateway.grpc().await.spans(spans(&["third"])).await.unwrap();
    assert_eq!(in_any_order(&backend.spans(3).await), ["first", "second", "third"]);
    assert_eq!(backend.received(Signal::Traces).len(), 3);
    crate::language::patiently("the port of a receiver that went to close", async {
        while TcpStream::connect(second_address).is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// One receiver moves to a free port or changes at its own, and a port beside it is taken: nothing has changed, and the receiver
/// serves where it did.
#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_cannot_be_had_leaves_every_receiver_serving() {
    let backend = Backend::start().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let with = |otlp: &str, receiver: &str, used: &str, extension: &str| {
        format!(
            r#"
receivers:
  otlp: {{protocols: {{grpc: {{{otlp}}}}}}}
{receiver}
exporters:
  otlp: {{endpoint: '{}', tls: {{insecure: true}}}}
{extension}
service:
  pipelines:
    traces: {{receivers: [{used}], exporters: [otlp]}}
"#,
            backend.grpc()
        )
    };
    let free = |extra: &str| format!("endpoint: '127.0.0.1:0'{extra}");
    let gateway = Gateway::start(&with(&free(""), "", "otlp", "")).await;
    let address = gateway.address(Protocol::Grpc).await;
    let own = format!("endpoint: '{address}'");
    gateway.engine.reload(Gateway::config(&with(&own, "", "otlp", ""))).await.unwrap();

    let second = format!("  otlp/2: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{port}'}}}}}}");
    let health = format!("extensions: {{health_check: {{endpoint: '127.0.0.1:{port}'}}}}");
    let changed_own = format!("{own}, max_recv_msg_size_mib: 1");
    let elsewhere = format!("endpoint: '127.0.0.1:{port}'");
    let used = "otlp, otlp/2";
    let cases = [
        with(&free(", max_recv_msg_size_mib: 1"), &second, used, ""),
        with(&changed_own, &second, used, ""),
        with(&elsewhere, "", "otlp", ""),
        with(&free(", max_recv_msg_size_mib: 1"), "", "otlp", &health)
            .replace("service:\n", "service:\n  extensions: [health_check]\n"),
        with(&changed_own, "", "otlp", &health).replace("service:\n", "service:\n  extensions: [health_check]\n"),
    ];
    for (number, yaml) in cases.iter().enumerate() {
        let error = gateway.engine.reload(Gateway::config(yaml)).await.unwrap_err();
        assert!(error.lines()[0].contains(&port.to_string()), "{number}: {:?}", error.lines());
        assert_eq!(gateway.engine.generation(), 2, "{number}");
        assert_eq!(gateway.address(Protocol::Grpc).await, address, "{number}");
        gateway.grpc().await.spans(spans(&[&*format!("{number}")])).await.unwrap();
    }
    assert_eq!(in_any_order(&backend.spans(5).await), ["0", "1", "2", "3", "4"]);
}

/// Requests that were queued one after the other are sent by consumers that work side by side.
fn in_any_order(requests: &[bytes::Bytes]) -> Vec<String> {
    let mut names = names(requests);
    names.sort();
    names
}
