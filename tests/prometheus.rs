//! The real Prometheus scrapes the gateway, to which the official SDK sent its metrics, and answers queries as it should.
//!
//! What `cargo xtask setup` builds is Prometheus as of 2026, with native histograms and names in UTF-8.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use wasmill_tests::{Folder, Gateway, PATIENCE, free_port, metric, output, python, wait_until};
use xtask::places::PROMETHEUS;
use xtask::process::Running;

/// A gateway that is scraped on `scrape`; `settings` are more keys of its exporter.
fn gateway(http: u16, own: u16, scrape: u16, settings: &str) -> String {
    format!(
        r#"
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{http}"}}}}}}
processors:
  batch: {{timeout: 100ms}}
exporters:
  prometheus: {{endpoint: "127.0.0.1:{scrape}", {settings}}}
service:
  telemetry: {{metrics: {{address: "127.0.0.1:{own}"}}}}
  pipelines:
    metrics: {{receivers: [otlp], processors: [batch], exporters: [prometheus]}}
"#
    )
}

/// Sends the SDK's metrics, and gives the id of the trace that they were recorded in.
fn send(port: u16, temporality: &str) -> Result<String> {
    let printed = output(
        python("tests/peers/metrics.py")?
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{port}"))
            .env("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", temporality),
    )?;
    Ok(printed.trim().to_owned())
}

/// A page of loopback: the head of the answer, and its body.
fn get(port: u16, path: &str, headers: &str) -> Result<(String, Vec<u8>)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // Of HTTP/1.0, so that the body is what comes.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").context("an answer over HTTP")?;
    Ok((String::from_utf8_lossy(&answer[..end]).to_lowercase(), answer[end + 4..].to_vec()))
}

/// The forms that Prometheus asks for, each by a job of its own.
const FORMS: [&str; 3] = ["PrometheusProto", "OpenMetricsText1.0.0", "PrometheusText0.0.4"];

/// Prometheus, which scrapes `target` in every form.
struct Prometheus {
    running: Running,
    port: u16,
}

impl Prometheus {
    fn start(folder: &Folder, target: u16) -> Result<Prometheus> {
        let binary = PROMETHEUS.binary("prometheus");
        ensure!(binary.exists(), "Prometheus is missing: run `cargo xtask setup`");
        let jobs: String = FORMS
            .iter()
            .map(|form| {
                let native = *form == FORMS[0];
                format!(
                    r#"
  - job_name: {form}
    honor_labels: true
    scrape_protocols: [{form}]
    scrape_native_histograms: {native}
    static_configs: [{{targets: ["127.0.0.1:{target}"], labels: {{form: "{form}"}}}}]
"#
                )
            })
            .collect();
        let configuration = format!("global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:{jobs}");
        let file = folder.write("prometheus.yaml", configuration)?;
        let port = free_port()?;
        let log = std::fs::File::create(folder.path("prometheus.log"))?;
        let mut command = Command::new(binary);
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path("tsdb").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--enable-feature=exemplar-storage")
            .stderr(log);
        let running = Running::start("Prometheus", &mut command)?;
        let prometheus = Prometheus { running, port };
        wait_until(|| Ok(prometheus.page("/-/ready").is_ok_and(|(head, _)| head.contains(" 200 "))))?;
        Ok(prometheus)
    }

    fn page(&self, path: &str) -> Result<(String, Vec<u8>)> {
        get(self.port, path, "")
    }

    /// What a path of its API answers.
    fn ask(&self, path: &str, query: &str) -> Result<Value> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let (_, body) = self.page(&format!("/api/v1/{path}?query={encoded}&start=1&end=9999999999"))?;
        let answer: Value =
            serde_json::from_slice(&body).with_context(|| String::from_utf8_lossy(&body).into_owned())?;
        ensure!(answer["status"] == "success", "`{query}`: {answer}");
        Ok(answer["data"].clone())
    }

    /// The value of a query that has one.
    fn value(&self, query: &str) -> Result<Option<f64>> {
        let data = self.ask("query", query)?;
        let results = data["result"].as_array().context("a list")?;
        ensure!(results.len() < 2, "`{query}` has {} results: {data}", results.len());
        let value = results.first().and_then(|result| result["value"][1].as_str());
        Ok(value.map(str::parse).transpose()?)
    }

    /// Waits until a query has a value, which is to be `expected`.
    fn expect(&self, query: &str, expected: f64) -> Result<()> {
        let mut found = None;
        wait_until(|| {
            found = self.value(query)?;
            Ok(found == Some(expected))
        })
        .with_context(|| format!("`{query}` is {found:?}, expected {expected}"))
    }

    fn stop(self) -> Result<()> {
        let status = self.running.stop()?;
        ensure!(status.success(), "Prometheus ended with {status}");
        Ok(())
    }
}

/// Scenario: the SDK sends each kind of instrument, as totals and as deltas; Prometheus scrapes as protobuf, OpenMetrics and text.
/// Guarantee: in each form, the right values under the right names and labels; native histograms and exemplars where the form has them.
fn is_scraped(temporality: &str) -> Result<()> {
    let folder = Folder::new()?;
    let (http, own, scrape) = (free_port()?, free_port()?, free_port()?);
    let gateway = Gateway::start(&folder, &gateway(http, own, scrape, "enable_open_metrics: true"))?;
    let trace = send(http, temporality)?;
    let prometheus = Prometheus::start(&folder, scrape)?;
    for form in FORMS {
        let of = |name: &str, labels: &str| {
            format!(
                r#"{name}{{form="{form}",job="shop/cart",instance="cart-1",otel_scope_name="cart.meter",otel_scope_version="1.2.0"{labels}}}"#
            )
        };
        prometheus.expect(&of("http_requests_total", r#",http_route="/orders""#), 4.0)?;
        prometheus.expect(&of("http_requests_total", r#",http_route="/login""#), 2.0)?;
        prometheus.expect(&of("cart_items", ""), 2.0)?;
        prometheus.expect(&of("disk_used_ratio", r#",disk="a\"b""#), 0.25)?;
        prometheus.expect(
            &format!(
                r#"target_info{{form="{form}",job="shop/cart",instance="cart-1",deployment_environment_name="demo"}}"#
            ),
            1.0,
        )?;
        prometheus.expect(&format!(r#"up{{form="{form}"}}"#), 1.0)?;
        let native = form == FORMS[0];
        if native {
            let size = of("payload_size_bytes", "");
            prometheus.expect(&format!("histogram_count({size})"), 8.0)?;
            prometheus.expect(&format!("histogram_sum({size})"), 2012.0)?;
            prometheus.expect(&format!("histogram_fraction(0, 100, {size})"), 0.75)?;
        } else {
            prometheus.expect(&of("payload_size_bytes_count", ""), 8.0)?;
            prometheus.expect(&of("payload_size_bytes_sum", ""), 2012.0)?;
            prometheus.expect(&of("payload_size_bytes_bucket", r#",le="+Inf""#), 8.0)?;
        }
        // The SDK's default bounds, in the form that Prometheus gives them.
        prometheus.expect(&of("http_duration_seconds_bucket", r#",le="5.0""#), 6.0)?;
        prometheus.expect(&of("http_duration_seconds_bucket", r#",le="0.0""#), 0.0)?;
        prometheus.expect(&of("http_duration_seconds_count", ""), 6.0)?;
    }
    let exemplars = |form: &str| -> Result<Vec<Value>> {
        let data = prometheus.ask("query_exemplars", &format!(r#"{{form="{form}",__name__=~"http_.*"}}"#))?;
        let series = data.as_array().context("a list")?;
        Ok(series.iter().flat_map(|series| series["exemplars"].as_array().cloned().unwrap_or_default()).collect())
    };
    for form in &FORMS[..2] {
        let found = exemplars(form)?;
        ensure!(found.iter().any(|exemplar| exemplar["labels"]["trace_id"] == *trace), "{form}: {found:?}");
    }
    assert_eq!(metric(own, "otelcol_exporter_send_failed_metric_points_total", "prometheus")?, 0.0);
    prometheus.stop()?;
    gateway.stop()
}

#[test]
fn totals_are_scraped() -> Result<()> {
    is_scraped("cumulative")
}

#[test]
fn deltas_are_scraped() -> Result<()> {
    is_scraped("delta")
}

/// Prometheus' own linter finds nothing in the text, in either form that it reads.
#[test]
fn promtool_finds_nothing() -> Result<()> {
    let folder = Folder::new()?;
    let (http, own, scrape) = (free_port()?, free_port()?, free_port()?);
    let gateway = Gateway::start(&folder, &gateway(http, own, scrape, ""))?;
    send(http, "cumulative")?;
    wait_until(|| Ok(String::from_utf8_lossy(&get(scrape, "/metrics", "")?.1).contains("cart_items")))?;
    let (head, text) = get(scrape, "/metrics", "")?;
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    let found = linted(&text)?;
    // It wants a description for each metric; the SDK gave none to some.
    let found: Vec<&str> = found.lines().filter(|line| !line.contains("no help text")).collect();
    assert!(found.is_empty(), "{found:?}\n{}", String::from_utf8_lossy(&text));
    gateway.stop()
}

/// What `promtool check metrics` says of a text.
fn linted(text: &[u8]) -> Result<String> {
    let promtool = PROMETHEUS.binary("promtool");
    ensure!(promtool.exists(), "promtool is missing: run `cargo xtask setup`");
    let mut child = Command::new(Path::new(&promtool))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().context("standard input is piped")?.write_all(text)?;
    let output = child.wait_with_output()?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout))
}

/// Scenario: Prometheus scrapes each second; the gateway's configuration is reloaded again and again, with other keys of the exporter
/// and of others.
/// Guarantee: no scrape fails, and no series ends.
#[test]
fn reloads_lose_no_scrape() -> Result<()> {
    let folder = Folder::new()?;
    let (http, own, scrape) = (free_port()?, free_port()?, free_port()?);
    let running = Gateway::start(&folder, &gateway(http, own, scrape, ""))?;
    send(http, "cumulative")?;
    let prometheus = Prometheus::start(&folder, scrape)?;
    let text = r#"form="PrometheusText0.0.4""#;
    prometheus.expect(&format!(r#"cart_items{{{text}}}"#), 2.0)?;
    let scrapes = format!(r#"count_over_time(up{{{text}}}[1h])"#);
    for turn in 1..=4 {
        let settings = if turn % 2 == 0 { "send_timestamps: false" } else { "enable_open_metrics: true" };
        folder.write("gateway.yaml", gateway(http, own, scrape, settings))?;
        let before = prometheus.value(&scrapes)?.unwrap_or(0.0);
        running.signal(libc::SIGHUP)?;
        wait_until(|| Ok(metric(own, "wasmill_config_reloads_total", "applied")? >= f64::from(turn)))?;
        wait_until(|| Ok(prometheus.value(&scrapes)?.unwrap_or(0.0) >= before + 2.0))?;
    }
    for form in FORMS {
        prometheus.expect(&format!(r#"min_over_time(up{{form="{form}"}}[1h])"#), 1.0)?;
        prometheus.expect(&format!(r#"cart_items{{form="{form}"}}"#), 2.0)?;
        // As often as it was up, but for the first scrapes.
        let query = format!(
            r#"count_over_time(cart_items{{form="{form}"}}[1h]) / on(form) count_over_time(up{{form="{form}"}}[1h])"#
        );
        prometheus.expect(&query, 1.0)?;
    }
    prometheus.stop()?;
    running.stop()
}
