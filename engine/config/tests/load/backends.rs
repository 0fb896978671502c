//! What exporters to other backends than OTLP's come to: Jaeger, and Prometheus by remote write.

use std::num::NonZeroUsize;
use std::time::Duration;

use wasmill_config::{Compression, Exporter, RemoteWriteExporter, RemoteWriteProtocol, Retry, SendingQueue};

use crate::{REST, loaded, try_load};

fn jaeger_exporter(settings: &str) -> (Exporter, Vec<String>) {
    let over = "service: {pipelines: {traces: {exporters: [jaeger]}}}";
    let loaded = loaded(&[REST, over, &format!("exporters: {{jaeger: {settings}}}")], &[]);
    let warnings = loaded.warnings.iter().map(|warning| warning.render()).collect();
    (loaded.config.exporters.into_values().next().expect("an exporter"), warnings)
}

/// Scenario: a URL in the forms that Jaeger's clients and the Collector had.
/// Guarantee: Thrift over HTTP to that URL, without a warning.
#[test]
fn a_url_of_jaeger_is_for_thrift() {
    let forms = [
        ("{endpoint: 'http://jaeger:14268/api/traces'}", "http://jaeger:14268/api/traces"),
        ("{endpoint: 'http://jaeger:14268/api/traces?format=jaeger.thrift'}", "http://jaeger:14268/api/traces"),
        ("{endpoint: 'https://jaeger'}", "https://jaeger:443/api/traces"),
        ("{url: 'http://proxy/jaeger/spans', timeout: 2s}", "http://proxy:80/jaeger/spans"),
        ("{endpoint: 'http://ann:s3cret@jaeger:14268', compression: none}", "http://jaeger:14268/api/traces"),
    ];
    for (settings, url) in forms {
        match jaeger_exporter(settings) {
            (Exporter::Jaeger(exporter), warnings) => {
                assert_eq!((exporter.url.to_string().as_str(), warnings), (url, vec![]), "{settings}");
                let has_user = exporter.client.headers.iter().any(|(name, _)| &**name == "authorization");
                assert_eq!(has_user, settings.contains("ann"));
                assert_eq!((exporter.batch_bytes_max, exporter.delivery.retry), (1 << 20, Some(Retry::default())));
            }
            other => panic!("{settings}: {other:?}"),
        }
    }
}

/// Scenario: the older exporter's `host:port`.
/// Guarantee: OTLP over gRPC, to the port where Jaeger has it; the warning says what to write.
#[test]
fn an_address_of_jaeger_is_for_otlp() {
    let forms = [
        ("{endpoint: 'jaeger:14250', tls: {insecure: true}}", "jaeger:4317", false),
        (
            "{endpoint: 'jaeger-all-in-one:14250', tls: {ca_pem: x}, keepalive: {time: 5s}}",
            "jaeger-all-in-one:4317",
            true,
        ),
        ("{endpoint: 'dns:///jaeger:9999', balancer_name: round_robin}", "jaeger:9999", true),
    ];
    for (settings, endpoint, tls) in forms {
        match jaeger_exporter(settings) {
            (Exporter::JaegerOtlp(exporter), warnings) => {
                assert_eq!((exporter.endpoint.to_string().as_str(), exporter.tls.is_some()), (endpoint, tls));
                assert_eq!((exporter.compression, exporter.timeout), (Compression::None, Duration::from_secs(5)));
                let says = format!("spans go to `{endpoint}` as OTLP");
                assert!(warnings.iter().any(|warning| warning.contains(&says)), "{warnings:?}");
            }
            other => panic!("{settings}: {other:?}"),
        }
    }
}

/// What is wrong about an exporter `jaeger` is said, at its key.
#[test]
fn mistakes_about_jaeger_are_said() {
    let over = "service: {pipelines: {traces: {exporters: [jaeger]}}}";
    let cases = [
        ("{}", "exporters::jaeger", "the key `endpoint` is missing"),
        ("{endpoint: 'http://jaeger', url: 'http://jaeger'}", "exporters::jaeger::url", "one of them is enough"),
        ("{endpoint: 'jaeger'}", "exporters::jaeger::endpoint", "`host:port`"),
        ("{endpoint: 'http://jaeger/?a=b'}", "exporters::jaeger::endpoint", "a URL"),
        ("{endpoint: 'http://jaeger', compression: gzip}", "exporters::jaeger::compression", "is for gRPC"),
        (
            "{endpoint: 'http://jaeger', max_batch_bytes: 100}",
            "exporters::jaeger::max_batch_bytes",
            "`1KiB` to `64MiB`",
        ),
        ("{endpoint: 'jaeger:14250', max_batch_bytes: 1MiB}", "exporters::jaeger::max_batch_bytes", "is for HTTP"),
    ];
    for (settings, key, message) in cases {
        let errors = try_load(&[REST, over, &format!("exporters: {{jaeger: {settings}}}")], &[]).unwrap_err();
        let found = errors.errors.iter().any(|error| error.key == key && error.problem.to_string().contains(message));
        assert!(found, "{settings}: {errors}");
    }
    let logs = "service: {pipelines: {logs: {receivers: [otlp], exporters: [jaeger]}}}";
    let errors = try_load(&[REST, over, logs, "exporters: {jaeger: {endpoint: 'http://jaeger'}}"], &[]).unwrap_err();
    assert!(errors.to_string().contains("takes traces only"), "{errors}");
}

const TO_PROMETHEUS: &str = "service: {pipelines: {metrics: {receivers: [otlp], exporters: [prometheusremotewrite]}}}
exporters: {debug: }";

fn remote_write(settings: &str) -> (RemoteWriteExporter, Vec<String>) {
    let of_traces = "service: {pipelines: {traces: {exporters: [debug]}}}";
    let exporter = format!("exporters: {{prometheusremotewrite: {settings}}}");
    let loaded = loaded(&[REST, of_traces, TO_PROMETHEUS, &exporter], &[]);
    let warnings = loaded.warnings.iter().map(|warning| warning.render()).collect();
    let exporter = loaded.config.exporters.into_values().find_map(|exporter| match exporter {
        Exporter::RemoteWrite(exporter) => Some(exporter),
        _ => None,
    });
    (exporter.expect("an exporter"), warnings)
}

/// Scenario: remote write as the Collector's configurations have it.
/// Guarantee: what they say is what is read, and one request goes at a time, whatever they say of that.
#[test]
fn remote_write_is_read() {
    let (exporter, warnings) = remote_write("{endpoint: 'http://mimir:7900/api/v1/push'}");
    assert_eq!((exporter.url.to_string().as_str(), warnings), ("http://mimir:7900/api/v1/push", vec![]));
    assert_eq!((exporter.protocol, exporter.suffixes, exporter.utf8), (RemoteWriteProtocol::V1, true, false));
    assert_eq!((exporter.target_info, exporter.scope_labels, exporter.resource_labels), (true, true, false));
    assert_eq!((exporter.request_bytes_max, exporter.metadata), (3_000_000, false));
    let size_max = NonZeroUsize::new(1_000).unwrap();
    let queue = SendingQueue { consumers: NonZeroUsize::MIN, size_max, ..SendingQueue::default() };
    assert_eq!(exporter.delivery.queue, Some(queue.clone()));

    let (exporter, warnings) = remote_write(
        "{endpoint: 'https://ann:s3cret@mimir', namespace: shop, external_labels: {cluster: eu, zone: 007}, \
          add_metric_suffixes: false, protobuf_message: io.prometheus.write.v2.Request, send_metadata: true, \
          resource_to_telemetry_conversion: {enabled: true}, target_info: {enabled: false}, disable_scope_info: true, \
          max_batch_size_bytes: 1MiB, remote_write_queue: {queue_size: 5, num_consumers: 5}, compression: snappy, \
          export_created_metric: {enabled: false}}",
    );
    let labels: Vec<_> = exporter.external_labels.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!((&*exporter.namespace, labels), ("shop", vec![("cluster", "eu"), ("zone", "007")]));
    assert_eq!((exporter.protocol, exporter.suffixes, exporter.utf8), (RemoteWriteProtocol::V2, false, false));
    assert_eq!((exporter.target_info, exporter.scope_labels, exporter.resource_labels), (false, false, true));
    assert_eq!((exporter.request_bytes_max, exporter.metadata), (1 << 20, true));
    assert_eq!(
        exporter.delivery.queue,
        Some(SendingQueue { size_max: NonZeroUsize::new(5).unwrap(), ..queue.clone() })
    );
    assert!(warnings.len() == 1 && warnings[0].contains("one request is under way at a time"), "{warnings:?}");

    let on_disk = "{endpoint: 'http://mimir', sending_queue: {num_consumers: 7, queue_size: 9}, \
                    protobuf_message: io.prometheus.write.v2.Request, translation_strategy: NoTranslation}";
    let (exporter, warnings) = remote_write(on_disk);
    assert_eq!((exporter.suffixes, exporter.utf8), (false, true));
    assert_eq!(exporter.delivery.queue, Some(SendingQueue { size_max: NonZeroUsize::new(9).unwrap(), ..queue }));
    assert!(warnings.len() == 1 && warnings[0].contains("`num_consumers`"), "{warnings:?}");
    let (exporter, warnings) =
        remote_write("{endpoint: 'http://mimir', remote_write_queue: {queue_size: 5}, sending_queue: {queue_size: 7}}");
    assert_eq!(exporter.delivery.queue.map(|queue| queue.size_max.get()), Some(7), "one of them counts");
    assert!(warnings.len() == 1 && warnings[0].contains("`remote_write_queue`"), "{warnings:?}");
    let (exporter, _) = remote_write("{endpoint: 'http://mimir', remote_write_queue: {enabled: false}}");
    assert_eq!(exporter.delivery.queue, None);
}

/// What is wrong about remote write is said, at its key.
#[test]
fn mistakes_about_remote_write_are_said() {
    let of_traces = "service: {pipelines: {traces: {exporters: [debug]}}}";
    let cases = [
        ("{}", "", "the key `endpoint` is missing"),
        ("{endpoint: 'mimir:7900'}", "::endpoint", "a URL"),
        (
            "{endpoint: 'http://a', translation_strategy: NoTranslation}",
            "::translation_strategy",
            "needs `protobuf_message",
        ),
        ("{endpoint: 'http://a', translation_strategy: x}", "::translation_strategy", "NoTranslation"),
        ("{endpoint: 'http://a', external_labels: {1a: b}}", "::external_labels::1a", "a label's name"),
        ("{endpoint: 'http://a', headers: {User-Agent: b}}", "::headers", "the protocol's own"),
        ("{endpoint: 'http://a', compression: gzip}", "::compression", "snappy"),
        ("{endpoint: 'http://a', max_batch_size_bytes: 1}", "::max_batch_size_bytes", "`1KiB` to `64MiB`"),
        (
            "{endpoint: 'http://a', remote_write_queue: {queue_size: 0}}",
            "::remote_write_queue::queue_size",
            "at least 1",
        ),
        ("{endpoint: 'http://a', wal: {directory: a}}", "::wal", "known to the Collector"),
        (
            "{endpoint: 'http://a', export_created_metric: {enabled: true}}",
            "::export_created_metric::enabled",
            "known to",
        ),
    ];
    for (settings, key, message) in cases {
        let exporter = format!("exporters: {{prometheusremotewrite: {settings}}}");
        let errors = try_load(&[REST, of_traces, TO_PROMETHEUS, &exporter], &[]).unwrap_err();
        let key = format!("exporters::prometheusremotewrite{key}");
        let found = errors.errors.iter().any(|error| error.key == key && error.problem.to_string().contains(message));
        assert!(found, "{settings}: {errors}");
    }
    let exporter = "exporters: {prometheusremotewrite: {endpoint: 'http://a'}}
service: {pipelines: {traces: {exporters: [prometheusremotewrite]}}}";
    let errors = try_load(&[REST, TO_PROMETHEUS, exporter], &[]).unwrap_err();
    assert!(errors.to_string().contains("takes metrics only"), "{errors}");
}
