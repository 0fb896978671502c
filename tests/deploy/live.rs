//! Rules and the gateway's dashboard, on what a real gateway under load tells a real Prometheus.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use wasmill_fixtures::{hostile, stamped};
use wasmill_tests::{Folder, Gateway, PATIENCE, free_port, wasmill};
use xtask::backends::{Server, Targets, eventually, prometheus};
use xtask::http::{encoded, json};
use xtask::panels::{Sources, prometheus_points, queries};
use xtask::places;
use xtask::process::Running;

use super::{deployed, list};

/// Longer than the test takes; it is ended before.
const LOAD_SECONDS: u32 = 600;

/// A gateway that has everything that rules and dashboard look at: a plugin that makes records, groups, a batcher, a queue on disk, an
/// exporter whose backend is not there, and one that works.
fn configuration(folder: &Folder, grpc: u16, metrics: u16, nobody: u16) -> String {
    let path = |name: &str| folder.path(name).display().to_string();
    format!(
        r#"
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{grpc}"}}}}}}
processors:
  wasm/emit:
    plugin: {}
    config: {{do: emit, what: log}}
    emit_to: [file]
  wasm/count:
    plugin: {}
    config: {{do: count}}
  wasm/groups:
    plugin: {}
    group_by: trace_id
    groups: {{wait: 500ms}}
    config: {{do: groups}}
  batch: {{timeout: 200ms}}
exporters:
  otlp/away:
    endpoint: "127.0.0.1:{nobody}"
    tls: {{insecure: true}}
    retry_on_failure: {{initial_interval: 500ms, max_interval: 1s}}
    sending_queue: {{storage: file_storage, queue_size: 100000}}
  file: {{path: {}}}
extensions:
  file_storage: {{directory: {}, create_directory: true}}
service:
  extensions: [file_storage]
  admin: {{enabled: false}}
  telemetry:
    metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {metrics}}}}}}}}}]}}
  pipelines:
    traces/emit: {{receivers: [otlp], processors: [wasm/emit, batch], exporters: [otlp/away, file]}}
    traces/groups: {{receivers: [otlp], processors: [wasm/count, wasm/groups], exporters: [file]}}
    logs: {{receivers: [otlp], exporters: [file]}}
"#,
        path("emit.wasm"),
        path("groups.wasm"),
        path("groups.wasm"),
        path("out.jsonl"),
        path("state"),
    )
}

/// A gateway under load, and a Prometheus that scrapes it by the rules of `deploy/`.
struct Rig {
    folder: Folder,
    gateway: Gateway,
    load: Running,
    prometheus: Server,
}

impl Rig {
    fn start() -> Result<Rig> {
        let folder = Folder::new()?;
        folder.write("emit.wasm", hostile())?;
        folder.write("groups.wasm", hostile())?;
        let (grpc, metrics, nobody) = (free_port()?, free_port()?, free_port()?);
        let gateway = Gateway::start(&folder, &configuration(&folder, grpc, metrics, nobody))?;
        let mut load = wasmill()?;
        load.args([
            "load",
            "--endpoint",
            &format!("127.0.0.1:{grpc}"),
            "--signal",
            "traces",
            "--rows",
            "20",
            "--rate",
            "20",
        ]);
        load.args(["--seconds", &LOAD_SECONDS.to_string()]).stderr(fs::File::create(folder.path("load.log"))?);
        let load = Running::start("the load", &mut load)?;
        let targets = Targets { gateway: metrics, services: nobody, inventory: nobody, alertmanager: nobody };
        ensure!(places::PROMETHEUS.binary("prometheus").exists(), "Prometheus is missing: run `cargo xtask setup`");
        let prometheus = prometheus(&folder.path(""), targets)?;
        Ok(Rig { folder, gateway, load, prometheus })
    }

    fn stop(self) -> Result<()> {
        self.load.stop()?;
        self.prometheus.stop();
        self.gateway.stop()
    }

    fn asked(&self, path: &str) -> Result<Value> {
        Ok(json(self.prometheus.port, path)?["data"].take())
    }

    fn has(&self, query: &str) -> Result<bool> {
        let answer = self.asked(&format!("/api/v1/query?query={}", encoded(query)))?;
        Ok(list(&answer["result"]).next().is_some())
    }
}

/// The names of the gateway's metrics in a text, and of what rules record of them.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_' || letter == ':'));
    let prefixes = ["otelcol_", "wasmill_", "wasmill:"];
    words.filter(|word| prefixes.iter().any(|prefix| word.starts_with(prefix))).collect()
}

/// Scenario: a gateway under load, with a plugin that is swapped, a queue on disk, and an exporter whose backend is not there.
/// Guarantee: Prometheus evaluates every rule without an error; every metric that a rule or a runbook names is there, and so is one that a
/// plugin counts by a host function; every query of the gateway's dashboard gives data; and of the alerts those fire that should.
#[test]
fn rules_and_dashboard_have_what_they_look_at() -> Result<()> {
    let rig = Rig::start()?;
    fs::write(rig.folder.path("emit.new"), stamped(1))?;
    fs::rename(rig.folder.path("emit.new"), rig.folder.path("emit.wasm"))?;
    let swapped = r#"wasmill_plugin_swap_total{plugin="wasm/emit", result="published"} == 1"#;
    eventually(PATIENCE, || Ok(rig.has(swapped)?.then_some(()))).with_context(|| rig.gateway.log())?;

    let failing = r#"ALERTS{alertname="WasmillExporterFailing", exporter="otlp/away", alertstate="firing"}"#;
    eventually(PATIENCE, || Ok(rig.has(failing)?.then_some(()))).context("no alert says that the backend is away")?;
    for quiet in ["WasmillDown", "WasmillAbsent", "WasmillReceivesNothing", "WasmillDataLost", "WasmillSwapFailing"] {
        let fires = format!("ALERTS{{alertname=\"{quiet}\", alertstate=\"firing\"}}");
        ensure!(!rig.has(&fires)?, "{quiet} fires");
    }

    let rules = rig.asked("/api/v1/rules")?;
    let rules: Vec<&Value> = list(&rules["groups"]).flat_map(|group| list(&group["rules"])).collect();
    ensure!(rules.len() >= 25, "only {} rules are evaluated", rules.len());
    for rule in rules {
        ensure!(rule["health"] == "ok", "{}: {}", rule["name"], rule["lastError"]);
    }

    for metric in metrics_in(&fs::read_to_string(deployed("prometheus/rules.yml"))?) {
        let is_there = || Ok(rig.has(metric)?.then_some(()));
        eventually(PATIENCE, is_there).with_context(|| format!("nothing is called {metric}"))?;
    }

    // What a plugin counts by a host function is beside what the gateway counts.
    let own = r#"plugin_rows_total{plugin="wasm/count"} > 0"#;
    eventually(PATIENCE, || Ok(rig.has(own)?.then_some(()))).context("the plugin's own counter is not there")?;

    let variables = BTreeMap::from([("instance", ".+".to_owned()), ("__rate_interval", "20s".to_owned())]);
    // Nobody else is asked by this dashboard.
    let sources = Sources { prometheus: rig.prometheus.port, loki: 0, jaeger: 0 };
    let panels = queries(&deployed("grafana/dashboards"))?;
    let mut asked = 0;
    for query in panels.iter().filter(|query| query.dashboard == "wasmill-gateway") {
        let name = || format!("{}: `{}`", query.panel, query.text(&variables).unwrap_or_default());
        let results =
            || Ok(Some(query.results(sources, &variables).with_context(name)?).filter(|results| *results > 0));
        eventually(PATIENCE, results).with_context(|| format!("there is no data for {}", name()))?;
        asked += 1;
    }
    ensure!(asked >= 30, "only {asked} queries were found");
    ensure!(prometheus_points(rig.prometheus.port, "wasmill_no_such_metric")? == 0, "a query without data has none");
    rig.stop()
}
