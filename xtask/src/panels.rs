//! The dashboards' queries, asked of the servers that Grafana would ask.
//!
//! There is no Grafana here. What it does with a query is little, and done here as it does it: variables are filled in, and the server is
//! asked for a range that ends now. So a panel that shows nothing in Grafana gives nothing here. What Grafana draws of the answer is
//! not seen.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::http::{encoded, json};

/// How far back queries look, and how far apart their points are, in seconds.
const RANGE_SECONDS: u64 = 300;
const STEP_SECONDS: u64 = 5;
/// Lines and traces that are asked for; one would do.
const RESULTS_MAX: u64 = 20;

/// A query of a panel or of a variable.
#[derive(Clone, Debug)]
pub struct Query {
    pub dashboard: String,
    /// The panel's title, or the variable's name with a dollar.
    pub panel: String,
    /// The uid of the data source.
    pub source: String,
    asked: Asked,
}

#[derive(Clone, Debug)]
enum Asked {
    Prometheus {
        expr: String,
        exemplars: bool,
    },
    Loki(String),
    /// Traces of a service.
    JaegerSearch(String),
    JaegerTrace(String),
    /// The values of a label: of what Prometheus has for a selector, or of everything.
    Labels {
        selector: Option<String>,
        label: String,
    },
}

/// The ports of the servers behind the data sources.
#[derive(Clone, Copy, Debug)]
pub struct Sources {
    pub prometheus: u16,
    pub loki: u16,
    pub jaeger: u16,
}

/// Every query of the dashboards in a folder. An error where a data source is none that is known.
pub fn queries(folder: &Path) -> Result<Vec<Query>> {
    let mut files: Vec<_> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    let mut queries = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        let dashboard: Value = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
        let name = dashboard["uid"].as_str().with_context(|| format!("{}: no uid", file.display()))?;
        for variable in dashboard["templating"]["list"].as_array().into_iter().flatten() {
            if variable["type"] == "query" {
                queries.push(of_variable(name, variable)?);
            }
        }
        for panel in dashboard["panels"].as_array().into_iter().flatten() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let title = panel["title"].as_str().unwrap_or_default();
                queries.push(of_target(name, title, target).with_context(|| format!("{name}: {title}"))?);
            }
        }
    }
    Ok(queries)
}

fn text(value: &Value, key: &str) -> Result<String> {
    Ok(value[key].as_str().with_context(|| format!("`{key}` in {value}"))?.to_owned())
}

fn of_target(dashboard: &str, panel: &str, target: &Value) -> Result<Query> {
    let source = &target["datasource"];
    let asked = match source["type"].as_str() {
        Some("prometheus") => {
            Asked::Prometheus { expr: text(target, "expr")?, exemplars: target["exemplar"] == Value::Bool(true) }
        }
        Some("loki") => Asked::Loki(text(target, "expr")?),
        Some("jaeger") if target["queryType"] == "search" => Asked::JaegerSearch(text(target, "service")?),
        Some("jaeger") => Asked::JaegerTrace(text(target, "query")?),
        other => bail!("a data source of type {other:?}"),
    };
    Ok(Query { dashboard: dashboard.to_owned(), panel: panel.to_owned(), source: text(source, "uid")?, asked })
}

fn of_variable(dashboard: &str, variable: &Value) -> Result<Query> {
    let query = text(variable, "query")?;
    let within = query.strip_prefix("label_values(").and_then(|query| query.strip_suffix(')'));
    let within = within.with_context(|| format!("a variable's query is label_values(…), found `{query}`"))?;
    // A selector may have commas in its braces: the label is behind the last.
    let (selector, label) = match within.rsplit_once(", ") {
        Some((selector, label)) => (Some(selector.to_owned()), label.to_owned()),
        None => (None, within.to_owned()),
    };
    Ok(Query {
        dashboard: dashboard.to_owned(),
        panel: format!("${}", text(variable, "name")?),
        source: text(&variable["datasource"], "uid")?,
        asked: Asked::Labels { selector, label },
    })
}

/// Puts in what the variables are, the longest names first: `$trace` is not the beginning of `$traced`. An error where one is unknown.
pub fn filled_in(text: &str, variables: &BTreeMap<&str, String>) -> Result<String> {
    let mut names: Vec<&&str> = variables.keys().collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    let filled = names.iter().fold(text.to_owned(), |text, name| {
        text.replace(&format!("${{{name}}}"), &variables[**name]).replace(&format!("${name}"), &variables[**name])
    });
    ensure!(!filled.contains('$'), "a variable is unknown in `{filled}`");
    Ok(filled)
}

impl Query {
    /// The query itself, as Grafana would send it.
    pub fn text(&self, variables: &BTreeMap<&str, String>) -> Result<String> {
        filled_in(
            match &self.asked {
                Asked::Prometheus { expr, .. } => expr,
                Asked::Loki(text) | Asked::JaegerSearch(text) | Asked::JaegerTrace(text) => text,
                Asked::Labels { selector, label } => selector.as_deref().unwrap_or(label),
            },
            variables,
        )
    }

    /// How much comes: points that are numbers, lines, traces, values of a label; with `exemplars`, 0 where there are none. An error where
    /// the server does not understand.
    pub fn results(&self, sources: Sources, variables: &BTreeMap<&str, String>) -> Result<usize> {
        let text = self.text(variables)?;
        match &self.asked {
            Asked::Prometheus { exemplars, .. } => {
                let points = prometheus_points(sources.prometheus, &text)?;
                let exemplars = if *exemplars { exemplars_of(sources.prometheus, &text)?.len() } else { points };
                Ok(points.min(exemplars))
            }
            Asked::Loki(_) => loki_results(sources.loki, &text),
            Asked::JaegerSearch(_) => {
                let path = format!("/api/traces?service={}&limit={RESULTS_MAX}&lookback=1h", encoded(&text));
                Ok(json(sources.jaeger, &path)?["data"].as_array().map_or(0, Vec::len))
            }
            Asked::JaegerTrace(_) => {
                let path = format!("/api/traces/{}", encoded(&text));
                Ok(json(sources.jaeger, &path)?["data"].as_array().map_or(0, Vec::len))
            }
            Asked::Labels { selector, label } => {
                let answer = if self.source.ends_with("loki") {
                    json(sources.loki, &format!("/loki/api/v1/label/{label}/values?{}", range("000000000")))?
                } else {
                    let matched =
                        selector.as_ref().map_or_else(String::new, |_| format!("&match[]={}", encoded(&text)));
                    json(sources.prometheus, &format!("/api/v1/label/{label}/values?{}{matched}", range("")))?
                };
                Ok(answer["data"].as_array().map_or(0, Vec::len))
            }
        }
    }
}

/// `digits`: what makes seconds of the server's unit.
fn range(digits: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    format!("start={}{digits}&end={now}{digits}", now.saturating_sub(RANGE_SECONDS))
}

/// The points of a range that are numbers, 0/0 left out.
pub fn prometheus_points(port: u16, expr: &str) -> Result<usize> {
    let path = format!("/api/v1/query_range?query={}&{}&step={STEP_SECONDS}", encoded(expr), range(""));
    let answer = json(port, &path)?;
    let series = answer["data"]["result"].as_array().context("an answer of Prometheus")?;
    let points = series.iter().flat_map(|series| {
        let floats = series["values"].as_array().into_iter().flatten();
        let histograms = series["histograms"].as_array().into_iter().flatten();
        floats.filter(|point| point[1] != "NaN").chain(histograms)
    });
    Ok(points.count())
}

/// The trace ids of a query's exemplars.
pub fn exemplars_of(port: u16, expr: &str) -> Result<Vec<String>> {
    let answer = json(port, &format!("/api/v1/query_exemplars?query={}&{}", encoded(expr), range("")))?;
    let series = answer["data"].as_array().context("an answer of Prometheus")?;
    let exemplars = series.iter().flat_map(|series| series["exemplars"].as_array().into_iter().flatten());
    Ok(exemplars.filter_map(|exemplar| Some(exemplar["labels"]["trace_id"].as_str()?.to_owned())).collect())
}

/// The lines, or the points, that a query in LogQL gives.
pub fn loki_results(port: u16, expr: &str) -> Result<usize> {
    let path = format!("/loki/api/v1/query_range?query={}&{}&limit={RESULTS_MAX}", encoded(expr), range("000000000"));
    let answer = json(port, &path)?;
    let results = answer["data"]["result"].as_array().context("an answer of Loki")?;
    Ok(results.iter().map(|result| result["values"].as_array().map_or(0, Vec::len)).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Variables are put in whole, and one that nobody knows is an error.
    #[test]
    fn variables_are_filled_in() {
        let variables = BTreeMap::from([("trace", "1".to_owned()), ("traced", "shop".to_owned())]);
        assert_eq!(filled_in("$traced ${trace} $trace", &variables).unwrap(), "shop 1 1");
        assert!(filled_in("$other", &variables).is_err());
    }

    /// A selector with commas stays whole.
    #[test]
    fn the_label_stands_behind_the_last_comma() {
        let variable = serde_json::json!({
            "name": "route", "query": "label_values(a{b=\"c\", d=\"e\"}, route)", "datasource": {"uid": "p"},
        });
        let query = of_variable("d", &variable).unwrap();
        let Asked::Labels { selector, label } = query.asked else { panic!("{query:?}") };
        assert_eq!((selector.as_deref(), label.as_str()), (Some("a{b=\"c\", d=\"e\"}"), "route"));
    }
}
