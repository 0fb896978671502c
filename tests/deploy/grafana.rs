//! Grafana's files, without Grafana: by its published types, by what we know of data sources, and by each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use wasmill_tests::{checks, output};
use xtask::panels::queries;

use super::{deployed, list, yaml};

fn dashboards() -> Result<Vec<PathBuf>> {
    let folder = fs::read_dir(deployed("grafana/dashboards"))?;
    folder.map(|entry| Ok(entry?.path())).collect()
}

fn data_sources() -> Result<Value> {
    yaml(&deployed("grafana/provisioning/datasources/wasmill.yaml"))
}

/// Scenario: the dashboards, read into the types of Grafana's Foundation SDK 11.6 and written again.
/// Guarantee: nothing gets lost or becomes something else: every key of dashboards, panels, their options and their queries to Prometheus
/// and Loki is one that Grafana has. Queries to Jaeger have no types there.
#[test]
fn dashboards_are_of_grafana_s_types() -> Result<()> {
    let files = dashboards()?;
    ensure!(files.len() == 3, "{files:?}");
    output(checks("tests/peers/grafana.py")?.args(files)).map(drop)
}

/// Guarantee: the files are what the code writes; who changes one by hand is told.
#[test]
fn dashboards_are_what_the_code_writes() -> Result<()> {
    output(checks("deploy/grafana/dashboards.py")?.arg("--check")).map(drop)
}

/// Guarantee: every panel has a title, a sentence, an id of its own and a place that no other has; every data source that is asked is
/// provisioned; every link leads to a dashboard that is there.
#[test]
fn dashboards_fit_together() -> Result<()> {
    let mut uids = BTreeSet::new();
    let mut links = BTreeSet::new();
    for file in dashboards()? {
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(&file)?)?;
        let uid = dashboard["uid"].as_str().context("a uid")?.to_owned();
        ensure!(file.file_stem().is_some_and(|stem| stem.to_string_lossy() == uid), "{uid} is called by its uid");
        ensure!(uids.insert(uid.clone()), "{uid} is there twice");
        links.extend(list(&dashboard["links"]).filter_map(|link| Some(link["url"].as_str()?.to_owned())));
        let (mut ids, mut taken) = (BTreeSet::new(), BTreeMap::new());
        for panel in list(&dashboard["panels"]) {
            let title = panel["title"].as_str().context("a title")?;
            ensure!(ids.insert(panel["id"].as_u64().context("an id")?), "{uid}: `{title}` has the id of another");
            let is_row = panel["type"] == "row";
            ensure!(is_row || panel["description"].as_str().is_some_and(|text| text.len() > 10), "{uid}: `{title}`");
            let at = |key: &str| panel["gridPos"][key].as_u64().context("a place");
            for x in at("x")?..at("x")? + at("w")? {
                for y in at("y")?..at("y")? + at("h")? {
                    let other = taken.insert((x, y), title.to_owned());
                    ensure!(x < 24 && other.is_none(), "{uid}: `{title}` at {x}, {y} lies over {other:?}");
                }
            }
        }
    }
    for link in links {
        let to = link.strip_prefix("/d/").context("a link to a dashboard")?;
        ensure!(uids.contains(to), "{link} leads nowhere");
    }
    let sources = data_sources()?;
    let known: BTreeSet<&str> = list(&sources["datasources"]).filter_map(|source| source["uid"].as_str()).collect();
    for query in queries(&deployed("grafana/dashboards"))? {
        ensure!(known.contains(&*query.source), "{}: {} asks {}", query.dashboard, query.panel, query.source);
    }
    Ok(())
}

/// The keys of `jsonData` that we use, as Grafana's documentation of each data source has them.
fn known_keys(kind: &str) -> Result<&'static [&'static str]> {
    Ok(match kind {
        "prometheus" => &["httpMethod", "timeInterval", "exemplarTraceIdDestinations"],
        "loki" => &["maxLines", "derivedFields"],
        "jaeger" => &["tracesToLogsV2", "nodeGraph"],
        "tempo" => &["tracesToLogsV2", "tracesToMetrics", "nodeGraph"],
        other => bail!("a data source of type {other}"),
    })
}

/// Guarantee: data sources have the form that Grafana provisions, uids of their own, and no key that we do not know; where one leads to
/// another, that is there, and of the right kind. Grafana itself has not read them.
#[test]
fn data_sources_lead_to_each_other() -> Result<()> {
    let file = data_sources()?;
    ensure!(file["apiVersion"] == 1);
    let mut kinds = BTreeMap::new();
    for source in list(&file["datasources"]) {
        let text = |key: &str| source[key].as_str().with_context(|| format!("`{key}` of {source}"));
        ensure!(kinds.insert(text("uid")?, text("type")?).is_none(), "{} is there twice", text("uid")?);
        ensure!(text("access")? == "proxy" && text("url")?.starts_with("http://") && !text("name")?.is_empty());
        let known = known_keys(text("type")?)?;
        for key in source["jsonData"].as_object().context("`jsonData`")?.keys() {
            ensure!(known.contains(&key.as_str()), "`{key}` of {}", text("uid")?);
        }
    }
    let of_kind = |uid: &Value, wanted: &[&str]| -> Result<()> {
        let kind = uid.as_str().and_then(|uid| kinds.get(uid)).with_context(|| format!("{uid} is there"))?;
        ensure!(wanted.contains(kind), "{uid} is of type {kind}, wanted {wanted:?}");
        Ok(())
    };
    let mut ways = BTreeSet::new();
    for source in list(&file["datasources"]) {
        let (kind, more) = (source["type"].as_str().unwrap_or_default(), &source["jsonData"]);
        for exemplars in list(&more["exemplarTraceIdDestinations"]) {
            of_kind(&exemplars["datasourceUid"], &["jaeger", "tempo"])?;
            ensure!(exemplars["name"] == "trace_id", "the label of exemplars is `trace_id`");
            ways.insert(format!("{kind} to traces"));
        }
        for field in list(&more["derivedFields"]) {
            of_kind(&field["datasourceUid"], &["jaeger", "tempo"])?;
            ensure!(field["matcherType"] == "label" && field["matcherRegex"] == "trace_id", "{field}");
            // One dollar is Grafana's variable in a file, two are one for the link.
            ensure!(field["url"] == "$${__value.raw}", "{field}");
            ways.insert(format!("{kind} to traces"));
        }
        if let Some(logs) = more.get("tracesToLogsV2") {
            of_kind(&logs["datasourceUid"], &["loki"])?;
            ensure!(
                logs["customQuery"] == true
                    && logs["query"].as_str().is_some_and(|query| query.contains("$${__trace.traceId}"))
            );
            ways.insert(format!("{kind} to logs"));
        }
        if let Some(metrics) = more.get("tracesToMetrics") {
            of_kind(&metrics["datasourceUid"], &["prometheus"])?;
            ways.insert(format!("{kind} to metrics"));
        }
    }
    let wanted = ["jaeger to logs", "loki to traces", "prometheus to traces", "tempo to logs", "tempo to metrics"];
    ensure!(ways.iter().eq(wanted), "{ways:?}");
    Ok(())
}
