//! What the whole system has to show, each asked of the server that has it. An error is a demo that failed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use xtask::backends::{Jaeger, eventually};
use xtask::panels::{self, exemplars_of, filled_in, loki_results, prometheus_points};
use xtask::{http, places};

use super::scene::Scene;

/// How long anything may take that is to be seen. The machine may be busy, and a gateway waits longer with each attempt that fails.
const PATIENCE: Duration = Duration::from_secs(120);
/// Requests of the shop that have a trace behind them.
const TRACED: &str = r#"http_server_request_duration_seconds_bucket{job="shop", http_route!="/healthz"}"#;
/// What is seen when Jaeger is away.
const ALERT: &str = "WasmillExporterFailing";

pub struct Trace {
    pub id: String,
    spans: usize,
    services: BTreeSet<String>,
    lines: Vec<String>,
    tempo_spans: usize,
}

/// Name and value of each metric that is shown.
pub type Metrics = Vec<(&'static str, &'static str, f64)>;

pub struct Alert {
    /// As Alertmanager has it.
    summary: String,
    /// Exemplars' trace ids from before Jaeger went.
    before: BTreeSet<String>,
}

pub struct Summary {
    pub trace: Trace,
    pub metrics: Metrics,
    /// Queries, and dashboards that they are of.
    pub panels: (usize, usize),
    pub alert: Alert,
    /// A trace that was made while Jaeger was away.
    pub late: String,
    pub took: Duration,
}

impl Trace {
    pub fn show(&self) {
        println!("  trace id    {}", self.id);
        println!("  Prometheus  an exemplar of http_server_request_duration_seconds has it");
        let services: Vec<&str> = self.services.iter().map(String::as_str).collect();
        println!("  Jaeger      {} spans of {}", self.spans, services.join(" and "));
        println!("  Tempo       {} spans (the stand-in)", self.tempo_spans);
        println!("  Loki        {}", self.lines.join("\n              "));
    }
}

/// A trace that an exemplar in Prometheus names, that Jaeger has with both services, Tempo too, and that Loki has lines of.
pub fn one_trace(scene: &Scene) -> Result<Trace> {
    let jaeger = scene.sources()?.jaeger;
    eventually(PATIENCE, || {
        for id in exemplars_of(scene.prometheus.port, TRACED)? {
            let (spans, services) = spans_in_jaeger(jaeger, &id)?;
            let lines = lines_in_loki(scene.loki.port, &id)?;
            let tempo_spans = spans_in_tempo(scene.tempo_port, &id)?;
            if services.len() == 2 && !lines.is_empty() && tempo_spans == spans {
                return Ok(Some(Trace { id, spans, services, lines, tempo_spans }));
            }
        }
        Ok(None)
    })
    .context("no trace of both services is in Prometheus, Jaeger, Tempo's stand-in and Loki")
}

/// How many, and of which services. None where Jaeger does not know the trace.
fn spans_in_jaeger(port: u16, id: &str) -> Result<(usize, BTreeSet<String>)> {
    let (status, body) = http::get(port, &format!("/api/traces/{id}"))?;
    if status == 404 {
        return Ok((0, BTreeSet::new()));
    }
    ensure!(status == 200, "Jaeger answers {status}: {body}");
    let answer: Value = serde_json::from_str(&body)?;
    let trace = &answer["data"][0];
    let processes = trace["processes"].as_object().map(|processes| processes.values()).into_iter().flatten();
    let services = processes.filter_map(|process| Some(process["serviceName"].as_str()?.to_owned())).collect();
    Ok((trace["spans"].as_array().map_or(0, Vec::len), services))
}

/// With the service's name before each.
fn lines_in_loki(port: u16, id: &str) -> Result<Vec<String>> {
    let query = http::encoded(&format!("{{job=~\".+\"}} | trace_id = `{id}`"));
    let answer = http::json(port, &format!("/loki/api/v1/query_range?query={query}&since=1h&limit=10"))?;
    let streams = answer["data"]["result"].as_array().context("an answer of Loki")?;
    let lines = streams.iter().flat_map(|stream| {
        let job = stream["stream"]["job"].as_str().unwrap_or_default();
        let values = stream["values"].as_array().into_iter().flatten();
        values.filter_map(move |value| Some(format!("{job}: {}", value[1].as_str()?)))
    });
    Ok(lines.collect())
}

fn spans_in_tempo(port: u16, id: &str) -> Result<usize> {
    let (status, body) = http::get(port, &format!("/api/traces/{id}"))?;
    if status == 404 {
        return Ok(0);
    }
    let answer: Value = serde_json::from_str(&body)?;
    Ok(answer["batches"].as_array().map_or(0, Vec::len))
}

/// The value of a query that gives one; `None` where there is none yet.
fn value(port: u16, expr: &str) -> Result<Option<f64>> {
    let answer = http::json(port, &format!("/api/v1/query?query={}", http::encoded(expr)))?;
    Ok(answer["data"]["result"][0]["value"][1].as_str().and_then(|value| value.parse().ok()))
}

/// Metrics that came in four ways are in the same Prometheus, and those that can be compared are the same.
pub fn metrics(scene: &Scene) -> Result<Metrics> {
    let port = scene.prometheus.port;
    let asked = [
        ("orders, a counter of the shop's own, by OTLP", "sum(shop_orders_total)"),
        ("lookups, of the inventory's Prometheus client", "sum(inventory_lookups_total)"),
        (
            "requests to the inventory, by the SDK",
            r#"sum(http_server_request_duration_seconds_count{job="inventory"})"#,
        ),
        ("spans that the gateway took", "sum(otelcol_receiver_accepted_spans_total)"),
        (
            "spans of health checks that its plugin dropped",
            r#"sum(wasmill_plugin_rows_dropped_total{plugin="wasm/health"})"#,
        ),
    ];
    let mut shown = Metrics::new();
    for (what, expr) in asked {
        let found = eventually(PATIENCE, || Ok(value(port, expr)?.filter(|value| *value > 0.0)));
        let found = found.with_context(|| format!("{what}: `{expr}` is nothing"))?;
        println!("  {found:>8}  {what}\n            {expr}");
        shown.push((what, expr, found));
    }
    Ok(shown)
}

/// Every query of the dashboards and of the links between data sources gives data. How many there are, and dashboards.
pub fn panels(scene: &Scene, trace_id: &str) -> Result<(usize, usize)> {
    let variables = BTreeMap::from([
        ("instance", ".+".to_owned()),
        ("service", ".+".to_owned()),
        ("route", ".+".to_owned()),
        ("traced", "shop".to_owned()),
        ("trace_id", trace_id.to_owned()),
        ("text", String::new()),
        ("__rate_interval", "20s".to_owned()),
        ("__auto", "20s".to_owned()),
    ]);
    let queries = panels::queries(&places::checkout().join("deploy/grafana/dashboards"))?;
    let sources = scene.sources()?;
    let mut dashboards: BTreeMap<&str, usize> = BTreeMap::new();
    for query in &queries {
        let name = || format!("{}, {}: `{}`", query.dashboard, query.panel, query.text(&variables).unwrap_or_default());
        let results =
            || Ok(Some(query.results(sources, &variables).with_context(name)?).filter(|results| *results > 0));
        eventually(PATIENCE, results).with_context(|| format!("there is no data for {}", name()))?;
        *dashboards.entry(&query.dashboard).or_default() += 1;
    }
    for (dashboard, queries) in &dashboards {
        println!("  {dashboard:<18} {queries:>3} queries, each with data");
    }
    let links = links(scene, trace_id)?;
    println!("  {:<18} {links:>3} queries behind links, each with data", "data sources");
    Ok((queries.len() + links, dashboards.len()))
}

/// From a trace to its logs, and to its service's rate, as `provisioning/datasources` has it.
fn links(scene: &Scene, trace_id: &str) -> Result<usize> {
    let file = places::checkout().join("deploy/grafana/provisioning/datasources/wasmill.yaml");
    let text = fs::read_to_string(file)?;
    let queries = text.lines().filter_map(|line| line.trim_start().strip_prefix("query: "));
    let variables = BTreeMap::from([("__trace.traceId", trace_id.to_owned()), ("__tags", r#"job="shop""#.to_owned())]);
    let mut asked = 0;
    for query in queries {
        // In these files a dollar is written twice.
        let query = filled_in(&query.trim_matches('\'').replace("$$", "$"), &variables)?;
        let results = match query.starts_with('{') {
            true => loki_results(scene.loki.port, &query)?,
            false => prometheus_points(scene.prometheus.port, &query)?,
        };
        ensure!(results > 0, "there is no data for `{query}`, which a link asks for");
        asked += 1;
    }
    ensure!(asked == 2, "{asked} queries were found behind links");
    Ok(asked)
}

/// The summary of the alert about Jaeger, if it fires.
fn firing(port: u16) -> Result<Option<String>> {
    let alerts = http::json(port, "/api/v2/alerts?active=true")?;
    let about_jaeger = |alert: &&Value| {
        let labels = &alert["labels"];
        labels["alertname"] == ALERT && labels["exporter"] == "jaeger" && alert["status"]["state"] == "active"
    };
    let alert = alerts.as_array().context("a list of alerts")?.iter().find(about_jaeger);
    Ok(alert.and_then(|alert| Some(alert["annotations"]["summary"].as_str()?.to_owned())))
}

/// Stops Jaeger, and waits until Alertmanager has been told.
pub fn alert(scene: &mut Scene) -> Result<Alert> {
    let port = scene.alertmanager.port;
    ensure!(firing(port)?.is_none(), "{ALERT} fires while everything is there");
    let before = exemplars_of(scene.prometheus.port, TRACED)?.into_iter().collect();
    let ports = scene.jaeger.take().context("Jaeger is there")?.stop();
    scene.jaeger_ports = ports;
    let summary = eventually(PATIENCE, || firing(port)).context("no alert fired")?;
    println!("  {ALERT} is active in Alertmanager: {summary}");
    Ok(Alert { summary, before })
}

/// Starts Jaeger anew, with nothing in it. A trace that was made while it was away arrives, because the gateway kept it.
pub fn recovery(scene: &mut Scene, alert: &Alert) -> Result<String> {
    let now: Vec<String> = exemplars_of(scene.prometheus.port, TRACED)?;
    let mut away: Vec<String> = now.into_iter().filter(|id| !alert.before.contains(id)).collect();
    away.dedup();
    ensure!(!away.is_empty(), "no trace was made while Jaeger was away");
    // What is made until the new one listens is on no list.
    scene.jaeger = Some(Jaeger::start_at(&scene.folder, scene.jaeger_ports)?);
    let jaeger = scene.sources()?.jaeger;
    let late = eventually(PATIENCE, || {
        for id in &away {
            if spans_in_jaeger(jaeger, id)?.1.len() == 2 {
                return Ok(Some(id.clone()));
            }
        }
        Ok(None)
    });
    let late = late.with_context(|| format!("none of {} traces from before is in the new Jaeger", away.len()))?;
    println!("  {late}, made while Jaeger was away, is in it");
    let port = scene.alertmanager.port;
    eventually(PATIENCE, || Ok(firing(port)?.is_none().then_some(()))).context("the alert goes on")?;
    println!("  {ALERT} has ended");
    Ok(late)
}

impl Summary {
    pub fn show(&self) {
        let (queries, dashboards) = self.panels;
        println!("\n\x1b[1mWhat was shown, in {:.0} s\x1b[0m\n", self.took.as_secs_f64());
        println!(
            "  one trace     {}: an exemplar in Prometheus, {} spans in Jaeger, {} lines in Loki",
            self.trace.id,
            self.trace.spans,
            self.trace.lines.len()
        );
        println!(
            "  metrics       {} of services, a Prometheus client and the gateway, in one Prometheus",
            self.metrics.len()
        );
        println!("  dashboards    {queries} queries of {dashboards} dashboards and of links, none without data");
        println!("  alert         {ALERT}: {}", self.alert.summary);
        println!("  nothing lost  {} was made while Jaeger was away, and came when it was back", self.late);
        println!(
            "\n  Real: Jaeger, Prometheus, Alertmanager, Loki, the services' SDK. A stand-in: Tempo. Asked for, not drawn: Grafana."
        );
        println!("  With containers, Grafana and Tempo included: docker compose -f deploy/compose.yaml up --build\n");
    }
}
