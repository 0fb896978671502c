//! The official SDK delivers through the gateway into the real Prometheus by remote write, which is asked for what it has.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value as Case};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, exemplar, metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use serde_json::Value;
use wasmill_tests::{Folder, Gateway, PATIENCE, free_port, metric, output, post, python, wait_until};
use xtask::places;
use xtask::process::Running;

/// Prometheus, which takes remote writes.
struct Server {
    _running: Running,
    port: u16,
}

impl Server {
    fn start(folder: &Folder) -> Result<Server> {
        let binary = places::PROMETHEUS.binary("prometheus");
        ensure!(binary.exists(), "Prometheus is missing: run `cargo xtask setup`");
        let port = free_port()?;
        let config = folder.write("prometheus.yaml", "global: {}\n")?;
        let log = std::fs::File::create(folder.path("prometheus.log"))?;
        let mut command = Command::new(binary);
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path("tsdb").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(["--web.enable-remote-write-receiver", "--enable-feature=exemplar-storage,metadata-wal-records"])
            .stderr(log);
        let running = Running::start("Prometheus", &mut command)?;
        let server = Server { _running: running, port };
        wait_until(|| Ok(server.get("/-/ready").is_ok_and(|(status, _)| status == 200)))
            .with_context(|| std::fs::read_to_string(folder.path("prometheus.log")).unwrap_or_default())?;
        Ok(server)
    }

    /// Status and body. By HTTP/1.0, of which answers end with their connection.
    fn get(&self, path: &str) -> Result<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).context("an answer over HTTP")?;
        Ok((status, answer.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned())))
    }

    fn api(&self, path: &str) -> Result<Value> {
        let (status, body) = self.get(path)?;
        ensure!(status == 200, "{path}: {status} {body}");
        Ok(serde_json::from_str::<Value>(&body)?["data"].take())
    }

    /// Labels and value of each series of an instant query, at a time in milliseconds. A native histogram's value is its count.
    fn query(&self, expression: &str, time_ms: u64) -> Result<Vec<(BTreeMap<String, String>, String)>> {
        let seconds = time_ms as f64 / 1_000.0;
        let data = self.api(&format!("/api/v1/query?time={seconds:.3}&query={}", escaped(expression)))?;
        let series = data["result"].as_array().context("a result")?;
        let read = |series: &Value| {
            let labels = series["metric"].as_object().into_iter().flatten();
            let labels =
                labels.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
            let value = match series["value"][1].as_str() {
                Some(value) => value,
                None => series["histogram"][1]["count"].as_str().unwrap_or_default(),
            };
            (labels, value.to_owned())
        };
        Ok(series.iter().map(read).collect())
    }

    /// The values of an expression's series.
    fn values(&self, expression: &str, time_ms: u64) -> Result<Vec<String>> {
        Ok(self.query(expression, time_ms)?.into_iter().map(|(_, value)| value).collect())
    }

    fn wait_for(&self, expression: &str, time_ms: u64) -> Result<()> {
        wait_until(|| Ok(!self.query(expression, time_ms)?.is_empty()))
            .with_context(|| format!("waiting for {expression}"))
    }
}

fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

struct Ports {
    grpc: u16,
    http: u16,
    metrics: u16,
}

fn gateway(folder: &Folder, prometheus: u16, settings: &str) -> Result<(Gateway, Ports)> {
    let ports = Ports { grpc: free_port()?, http: free_port()?, metrics: free_port()? };
    let yaml = format!(
        r#"
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:{}"}}
      http: {{endpoint: "127.0.0.1:{}"}}
exporters:
  prometheusremotewrite:
    endpoint: "http://127.0.0.1:{prometheus}/api/v1/write"
    retry_on_failure: {{initial_interval: 20ms, max_interval: 100ms}}
{settings}
service:
  telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {}}}}}}}}}]}}}}
  pipelines:
    metrics: {{receivers: [otlp], exporters: [prometheusremotewrite]}}
    traces: {{receivers: [otlp], exporters: [debug]}}
    logs: {{receivers: [otlp], exporters: [debug]}}
"#,
        ports.grpc, ports.http, ports.metrics
    )
    .replace("exporters:\n  prom", "exporters:\n  debug:\n  prom");
    Ok((Gateway::start(folder, &yaml)?, ports))
}

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Case::StringValue(value.into())) });
    KeyValue { key: key.into(), value, ..KeyValue::default() }
}

fn send(ports: &Ports, metrics: Vec<Metric>) -> Result<()> {
    let attributes =
        vec![attribute("service.name", "shop"), attribute("service.instance.id", "one"), attribute("host.name", "h")];
    let resource = Some(Resource { attributes, ..Resource::default() });
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }];
    let request = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec();
    let (status, answer) = post(ports.http, "/v1/metrics", "application/x-protobuf", &request)?;
    ensure!(status == 200, "{status} {answer}");
    Ok(())
}

fn number(value: f64, time_ms: u64) -> NumberDataPoint {
    NumberDataPoint {
        start_time_unix_nano: (time_ms - 60_000) * 1_000_000,
        time_unix_nano: time_ms * 1_000_000,
        value: Some(number_data_point::Value::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

fn named(name: &str, unit: &str, data: Data) -> Metric {
    Metric { name: name.into(), unit: unit.into(), description: "why".into(), data: Some(data), ..Metric::default() }
}

fn gauge(name: &str, points: Vec<NumberDataPoint>) -> Metric {
    named(name, "", Data::Gauge(Gauge { data_points: points }))
}

/// Scenario: a counter, a histogram with exemplars, an exponential histogram, of a resource, over one of the protocols.
/// Guarantee: Prometheus has each with its name, labels, value, exemplar, and the resource beside them.
fn points_are_in_prometheus(protocol: &str) -> Result<()> {
    let folder = Folder::new()?;
    let server = Server::start(&folder)?;
    let settings =
        format!("    protobuf_message: {protocol}\n    send_metadata: true\n    external_labels: {{cluster: eu}}");
    let (gateway, ports) = gateway(&folder, server.port, &settings)?;
    let now = now_ms();
    let exemplar = Exemplar {
        trace_id: vec![0xab; 16],
        span_id: vec![0xcd; 8],
        time_unix_nano: now * 1_000_000,
        value: Some(exemplar::Value::AsDouble(0.7)),
        ..Exemplar::default()
    };
    let histogram = HistogramDataPoint {
        time_unix_nano: now * 1_000_000,
        count: 6,
        sum: Some(9.5),
        bucket_counts: vec![1, 2, 3],
        explicit_bounds: vec![0.5, 1.0],
        exemplars: vec![exemplar],
        ..HistogramDataPoint::default()
    };
    let exponential = ExponentialHistogramDataPoint {
        time_unix_nano: now * 1_000_000,
        count: 6,
        sum: Some(40.0),
        scale: 1,
        zero_count: 1,
        positive: Some(Buckets { offset: -1, bucket_counts: vec![2, 0, 0, 0, 3] }),
        ..ExponentialHistogramDataPoint::default()
    };
    send(
        &ports,
        vec![
            named(
                "http.requests",
                "{request}",
                Data::Sum(Sum {
                    data_points: vec![NumberDataPoint {
                        attributes: vec![attribute("http.route", "/a")],
                        ..number(7.0, now)
                    }],
                    aggregation_temporality: 2,
                    is_monotonic: true,
                }),
            ),
            named(
                "duration",
                "s",
                Data::Histogram(Histogram { data_points: vec![histogram], aggregation_temporality: 2 }),
            ),
            named(
                "native",
                "",
                Data::ExponentialHistogram(ExponentialHistogram {
                    data_points: vec![exponential],
                    aggregation_temporality: 2,
                }),
            ),
        ],
    )?;
    server.wait_for("target_info", now)?;
    gateway.stop()?;

    let found = server.query("http_requests_total", now)?;
    let labels = [
        ("__name__", "http_requests_total"),
        ("cluster", "eu"),
        ("http_route", "/a"),
        ("instance", "one"),
        ("job", "shop"),
    ];
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    assert_eq!(found, [(labels, "7".to_owned())]);
    let mut buckets: Vec<_> = server
        .query("duration_seconds_bucket", now)?
        .into_iter()
        .map(|(labels, value)| (labels.get("le").cloned().unwrap_or_default(), value))
        .collect();
    buckets.sort();
    let expected = [("+Inf", "6"), ("0.5", "1"), ("1", "3")].map(|(le, value)| (le.to_owned(), value.to_owned()));
    assert_eq!(buckets, expected);
    assert_eq!(server.values("duration_seconds_sum", now)?, ["9.5"]);
    assert_eq!(server.values("duration_seconds_count", now)?, ["6"]);
    assert_eq!(server.values("native", now)?, ["6"]);
    assert_eq!(server.values("histogram_sum(native)", now)?, ["40"]);
    // Buckets of scale 1 beyond 1.5: the three values between 2.83 and 4.
    assert_eq!(server.values("histogram_fraction(1.5, +Inf, native)", now)?, ["0.5"]);
    let target = server.query("target_info", now)?;
    assert_eq!(target[0].0.get("host_name").map(String::as_str), Some("h"), "{target:?}");

    let (start, end) = (now / 1_000 - 60, now / 1_000 + 60);
    let query = escaped("duration_seconds_bucket");
    let exemplars = server.api(&format!("/api/v1/query_exemplars?query={query}&start={start}&end={end}"))?;
    assert_eq!(exemplars[0]["exemplars"][0]["labels"]["trace_id"], "ab".repeat(16), "{exemplars}");
    assert_eq!(exemplars[0]["seriesLabels"]["le"], "1", "{exemplars}");
    Ok(())
}

#[test]
fn points_are_in_prometheus_by_1_0() -> Result<()> {
    points_are_in_prometheus("prometheus.WriteRequest")
}

#[test]
fn points_are_in_prometheus_by_2_0() -> Result<()> {
    points_are_in_prometheus("io.prometheus.write.v2.Request")
}

/// The SDK's metrics arrive, by gRPC, with the labels that it gave them.
#[test]
fn the_sdk_s_metrics_are_in_prometheus() -> Result<()> {
    let folder = Folder::new()?;
    let server = Server::start(&folder)?;
    let (gateway, ports) = gateway(&folder, server.port, "    resource_to_telemetry_conversion: {enabled: true}")?;
    output(
        python("tests/peers/sdk.py")?
            .arg("10")
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{}", ports.grpc)),
    )?;
    gateway.stop()?;
    let found = server.query("sum by (job, deployment_environment_name) (sdk_requests_total)", now_ms())?;
    let labels = [("deployment_environment_name", "demo"), ("job", "sdk-client")];
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    assert_eq!(found, [(labels, "10".to_owned())]);
    Ok(())
}

/// Scenario: a series that ends by a point without a value; samples that are older than others; a delta; over one of the protocols.
/// Guarantee: the series is stale from there on; old samples and deltas are counted as failed, and not sent again; what comes after is
/// taken.
fn staleness_and_order(protocol: &str) -> Result<()> {
    let folder = Folder::new()?;
    let server = Server::start(&folder)?;
    let (gateway, ports) = gateway(&folder, server.port, &format!("    protobuf_message: {protocol}"))?;
    let now = now_ms();
    send(&ports, vec![gauge("ends", vec![number(1.0, now - 5_000)])])?;
    send(&ports, vec![gauge("ends", vec![NumberDataPoint { flags: 1, value: None, ..number(0.0, now - 3_000) }])])?;
    // Three times of one series, the oldest last; then one that is older than all.
    send(&ports, vec![gauge("order", vec![number(3.0, now), number(2.0, now - 1_000), number(1.0, now - 2_000)])])?;
    send(&ports, vec![gauge("order", vec![number(0.0, now - 60_000)])])?;
    let delta = Sum { data_points: vec![number(1.0, now)], aggregation_temporality: 1, is_monotonic: true };
    send(&ports, vec![named("delta", "", Data::Sum(delta)), gauge("last", vec![number(9.0, now)])])?;
    server.wait_for("last", now)?;
    let failed = || metric(ports.metrics, "otelcol_exporter_send_failed_metric_points_total", "prometheusremotewrite");
    wait_until(|| Ok(failed()? >= 2.0))?;
    assert_eq!(failed()?, 2.0, "the sample out of order, and the delta");
    assert_eq!(server.values("ends", now - 4_000)?, ["1"]);
    assert_eq!(server.values("ends", now)?, Vec::<String>::new(), "it has ended");
    let times = [now - 2_000, now - 1_000, now];
    let values: Vec<_> = times.into_iter().map(|time| server.values("order", time)).collect::<Result<_>>()?;
    assert_eq!(values, [["1"], ["2"], ["3"]]);
    let log = gateway.log();
    assert!(log.contains("out of order") || log.contains("out of bounds") || log.contains("too old"), "{log}");
    gateway.stop()
}

#[test]
fn staleness_and_order_by_1_0() -> Result<()> {
    staleness_and_order("prometheus.WriteRequest")
}

#[test]
fn staleness_and_order_by_2_0() -> Result<()> {
    staleness_and_order("io.prometheus.write.v2.Request")
}
