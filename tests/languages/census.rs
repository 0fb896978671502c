//! `census`, a plugin that does what the kinds of `plugin new` do not, in every language: what it is says its README.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::{Value as Json, json};
use wasmill_authoring::Language;
use wasmill_authoring::project::Kind;
use wasmill_tests::{Folder, Gateway, free_port, metric, post, wasmill};
use xtask::places;

use crate::{Project, run, said};

/// TypeScript becomes JavaScript.
const LANGUAGES: [Language; 5] = [Language::Rust, Language::Go, Language::Python, Language::JavaScript, Language::C];

fn files() -> PathBuf {
    places::checkout().join("tests/languages/census")
}

fn census(folder: &Folder, language: Language) -> Result<Project> {
    let project = Project::begin(folder, language, "census", Kind::Filter)?;
    places::overlay(&files().join(language.id()), &project.dir)?;
    project.build(language, "census", &[])
}

/// Scenario: tables, state, ticks, the end, new records and mistakes in the configuration, as cases.
/// Guarantee: what comes out is the same in every language, errors' texts included.
#[test]
fn everything_else_is_the_same_in_every_language() -> Result<()> {
    let folder = Folder::new()?;
    for language in LANGUAGES {
        let tested = census(&folder, language)?.test(&files().join("cases"), &[])?;
        ensure!(tested.status.success(), "census in {language}: {}", said(&tested));
    }
    Ok(())
}

/// Scenario: a request to each language's plugin, which is then swapped for the next one's, the last one for the first's.
/// Guarantee: the last one's counts are the sum of all, and so is what the gateway keeps.
#[test]
fn counts_survive_swaps_from_language_to_language() -> Result<()> {
    let folder = Folder::new()?;
    let plugins: Vec<PathBuf> =
        LANGUAGES.iter().map(|language| Ok(census(&folder, *language)?.plugin())).collect::<Result<_>>()?;
    let (http, metrics) = (free_port()?, free_port()?);
    let (socket, out) = (folder.path("admin.sock"), folder.path("out.jsonl"));
    let configuration = json!({
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": format!("127.0.0.1:{http}")}}}},
        "processors": {"wasm/census": {
            "plugin": plugins[0], "config": {"table": "owners", "every_ms": 3_600_000}, "emit_to": ["file"],
            "tables": {"owners": {"file": files().join("cases/owners.csv"), "key": "service", "types": {"tier": "int64"}}},
            "swap": {"probation": "0s"},
        }},
        "exporters": {"file": {"path": out}},
        "service": {
            "admin": {"socket": socket},
            "telemetry": {"metrics": {"readers": [{"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": metrics}}}}]}},
            "pipelines": {"traces": {"receivers": ["otlp"], "processors": ["wasm/census"], "exporters": ["file"]}},
        },
    });
    let file = folder.write("gateway.yaml", configuration.to_string())?;
    // What is compiled for the cases need not be compiled again.
    let compiled = places::cache().join("plugins-compiled").display().to_string();
    let gateway = Gateway::start_file(&folder, &file, &[("WASMILL_CACHE_DIR", compiled)])?;
    let request = fs::read(files().join("cases/over-requests/input.1.json"))?;
    let sent = |requests: usize| -> Result<()> {
        let (status, answer) = post(http, "/v1/traces", "application/json", &request)?;
        ensure!(status == 200, "request {requests}: {status}, {answer}");
        Ok(())
    };
    for (requests, plugin) in (1..).zip(plugins[1..].iter().chain(&plugins[..1])) {
        sent(requests)?;
        let mut swap = wasmill()?;
        swap.arg("swap").arg("--admin-socket").arg(&socket).arg("wasm/census").arg(plugin);
        run(&mut swap).with_context(|| gateway.log())?;
    }
    sent(LANGUAGES.len() + 1)?;

    // Three rows a request: two of `checkout`, whose owner is `payments`, and one without a service.
    let requests = LANGUAGES.len() as f64 + 1.0;
    assert_eq!(metric(metrics, "plugin_census_rows_total{", r#"signal="traces""#)?, 3.0 * requests);
    assert_eq!(metric(metrics, "plugin_census_owners{", "wasm/census")?, 2.0);
    assert_eq!(metric(metrics, "plugin_census_slice_rows_count{", "wasm/census")?, requests);
    gateway.stop()?;
    let (owners, sum) = told(&fs::read_to_string(out)?)?;
    assert_eq!(f64::from(sum), 2.0 * requests);
    assert_eq!(owners, BTreeMap::from([(String::new(), requests), ("payments".to_owned(), 2.0 * requests)]));
    Ok(())
}

/// What is in the file: the points of `census.rows` by owner, and the largest `seen` of a row. The instances that handed over told nothing.
fn told(lines: &str) -> Result<(BTreeMap<String, f64>, u32)> {
    let (mut owners, mut seen) = (BTreeMap::new(), 0_u32);
    for line in lines.lines() {
        let line: Json = serde_json::from_str(line)?;
        for point in metric_points(&line, "census.rows") {
            let rows = point["asInt"].as_str().context("a whole number")?.parse()?;
            let owner = attribute(point, "owner").and_then(|value| value["stringValue"].as_str()).unwrap_or_default();
            ensure!(owners.insert(owner.to_owned(), rows).is_none(), "`{owner}` was told of twice: {lines}");
        }
        for span in below(&line, &["resourceSpans", "scopeSpans", "spans"]) {
            let sum =
                attribute(span, "seen").and_then(|value| value["intValue"].as_str()).unwrap_or("0").parse::<u32>()?;
            seen = seen.max(sum);
        }
    }
    Ok((owners, seen))
}

fn metric_points<'a>(line: &'a Json, name: &str) -> Vec<&'a Json> {
    let metrics = below(line, &["resourceMetrics", "scopeMetrics", "metrics"]);
    metrics
        .into_iter()
        .filter(|metric| metric["name"] == name)
        .flat_map(|metric| below(metric, &["sum", "dataPoints"]))
        .collect()
}

/// The values of the lists, or of the one value, along a path.
fn below<'a>(from: &'a Json, path: &[&str]) -> Vec<&'a Json> {
    path.iter().fold(vec![from], |found, key| {
        found
            .into_iter()
            .flat_map(|value| value[*key].as_array().map_or_else(|| vec![&value[*key]], |list| list.iter().collect()))
            .collect()
    })
}

fn attribute<'a>(record: &'a Json, key: &str) -> Option<&'a Json> {
    record["attributes"].as_array()?.iter().find(|entry| entry["key"] == key).map(|entry| &entry["value"])
}
