//! Runs a case: the rows of its input through the plugin, once, in the gateway's own host.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use wasmill_batch::{Ack, ROUTE_DEFAULT, RequestContext, TelemetryBatch};
use wasmill_host::{BuildError, GroupBy, Host, MetricKind, MetricValue, Plugin, Stage, StageSpec};
use wasmill_wire::{Projection, Selection, Signal, WireBatch};

use super::compare::{self, Actual};
use super::emitted;
use super::{Case, EXPECTED, request};
use crate::tables;

/// What happens to `expected.json`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Check,
    /// What came out is written there, where it differs.
    Update,
}

/// How a case went.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub name: String,
    /// Empty: it passed.
    pub failures: Vec<Failure>,
    /// `expected.json` was written.
    pub updated: bool,
    pub took: Duration,
}

/// One thing that is not as expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// One line.
    pub summary: String,
    /// More lines, or none.
    pub detail: String,
}

impl Failure {
    pub(super) fn new(summary: impl Into<String>) -> Failure {
        Failure { summary: summary.into(), detail: String::new() }
    }
}

/// What became of the rows.
enum Ran {
    Rows(TelemetryBatch, Box<Actual>),
    /// The configuration or the rows were refused, or the call failed: the whole message, and on which row.
    Refused {
        message: String,
        row: Option<usize>,
    },
}

/// Runs a case. Whatever goes wrong is a failure of the case.
pub async fn run(host: &Host, plugin: &Arc<Plugin>, case: &Case, mode: Mode) -> Outcome {
    let started = Instant::now();
    let (failures, updated) = match outcome(host, plugin, case, mode).await {
        Ok(judged) => judged,
        Err(reason) => (vec![Failure::new(reason)], false),
    };
    Outcome { name: case.name.clone(), failures, updated, took: started.elapsed() }
}

async fn outcome(host: &Host, plugin: &Arc<Plugin>, case: &Case, mode: Mode) -> Result<(Vec<Failure>, bool), String> {
    let (signal, wire) = case.request()?;
    let (ran, expected) = (ran(host, plugin, case, signal, wire).await?, &case.definition.expect);
    match (ran, &expected.error) {
        (Ran::Refused { message, .. }, Some(part)) if message.contains(part) => Ok((Vec::new(), false)),
        (Ran::Refused { message, .. }, Some(part)) => {
            Ok((vec![Failure { summary: format!("the error has no `{part}`"), detail: message }], false))
        }
        (Ran::Refused { message, row }, None) => {
            let mut lines = message.splitn(2, '\n');
            let mut summary = lines.next().unwrap_or_default().to_owned();
            if let Some(row) = row {
                summary.push_str(&format!(" (row {row} of the input alone makes it)"));
            }
            Ok((vec![Failure { summary, detail: lines.next().unwrap_or_default().to_owned() }], false))
        }
        (Ran::Rows(..), Some(part)) => {
            Ok((vec![Failure::new(format!("expected an error with `{part}`; there was none"))], false))
        }
        (Ran::Rows(batch, actual), None) => judge(case, batch, *actual, mode),
    }
}

/// Compares rows with what is expected, or writes what is to be expected from now on.
fn judge(case: &Case, batch: TelemetryBatch, mut actual: Actual, mode: Mode) -> Result<(Vec<Failure>, bool), String> {
    let (json, text) = request::pretty(batch.signal(), &batch.encode())?;
    actual.attributes = request::attributes(&json);
    let mut failures = compare::expectations(&case.definition.expect, &actual);
    let emitted_updated = emitted::judge(case, &actual.emitted, mode, &mut failures)?;
    let is_there = fs::exists(&case.expected);
    let is_there = is_there.map_err(|error| format!("`{}` cannot be looked at: {error}", case.expected.display()))?;
    let expected = is_there.then(|| expected(case, batch.signal(), mode)).transpose()?;
    let nothing_said =
        expected.is_none() && case.definition.expect == Default::default() && !emitted::is_expected(case);
    match mode {
        Mode::Update if expected.as_ref() != Some(&text) => {
            fs::write(&case.expected, &text)
                .map_err(|error| format!("`{}` cannot be written: {error}", case.expected.display()))?;
            return Ok((failures, true));
        }
        Mode::Check if nothing_said => {
            failures.push(Failure::new(format!(
                "the case expects nothing: `--update` writes what came out to `{EXPECTED}`, to be looked at"
            )));
        }
        _ => {}
    }
    let what = format!("the rows differ from `{EXPECTED}`");
    failures.extend(expected.and_then(|expected| compare::difference(&expected, &text, &what)));
    Ok((failures, emitted_updated))
}

/// `expected.json`, as what came out is written, so that only meaning is compared.
fn expected(case: &Case, signal: Signal, mode: Mode) -> Result<String, String> {
    match request::read(&case.expected, Some(signal)).and_then(|(_, wire)| request::pretty(signal, &wire)) {
        Ok((_, text)) => Ok(text),
        // It is replaced.
        Err(_) if mode == Mode::Update => Ok(String::new()),
        Err(reason) => Err(reason),
    }
}

async fn ran(
    host: &Host,
    plugin: &Arc<Plugin>,
    case: &Case,
    signal: Signal,
    wire: bytes::Bytes,
) -> Result<Ran, String> {
    let (name, began) = (format!("test/{}", case.name), SystemTime::now());
    let by = case.definition.group_by.as_deref().map(GroupBy::parse).transpose();
    let group_by = by.map_err(|error| format!("`group_by`: {error}"))?;
    let tables = tables::open(host, case.tables()).await.map_err(|error| error.to_string())?;
    let alone = StageSpec::alone(&name, case.definition.config.clone());
    let spec = StageSpec { group_by, tables: Some(tables), ..alone };
    let stage = match Stage::build(host, Arc::clone(plugin), spec).await {
        Ok(stage) => stage,
        Err(BuildError::Config { reason }) => return Ok(Ran::Refused { message: reason, row: None }),
        Err(error) => return Ok(Ran::Refused { message: error.to_string(), row: None }),
    };
    let (collected, sink) = emitted::collected();
    stage.set_emissions(sink);
    let Some(columns) = stage.columns(signal) else {
        return Err(format!("the plugin does not take {signal}"));
    };
    let base = WireBatch::parse(signal, wire, &Projection::new(signal, columns.to_vec()))
        .map_err(|error| format!("`{}`: {error}", case.input.display()))?;
    let base = Arc::new(base);
    let mut batch = batch(&base);
    let before = counters(host, &name);
    if let Err(refusal) = stage.process(&mut batch, 0).await {
        let message = stage.last_fault().map_or_else(|| refusal.reason.to_string(), |fault| fault.to_string());
        return Ok(Ran::Refused { message, row: culprit(&stage, &base).await });
    }
    for _ in 0..case.definition.ticks {
        stage.tick().await;
    }
    stage.end().await;
    if stage.stats().snapshot().faults.iter().any(|faults| *faults > 0) {
        let message =
            stage.last_fault().map_or_else(|| "`tick` or `flush` failed".to_owned(), |fault| fault.to_string());
        return Ok(Ran::Refused { message, row: None });
    }
    let actual = Actual {
        rows: batch.selection().count() as u64,
        routes: routes(&batch, stage.route_sets()),
        // They outlive stages, and another case may have this name.
        counters: since(counters(host, &name), &before),
        attributes: Vec::new(),
        emitted: collected.requests(began)?,
    };
    Ok(Ran::Rows(batch, Box::new(actual)))
}

pub(crate) fn batch(base: &Arc<WireBatch>) -> TelemetryBatch {
    TelemetryBatch::new(Arc::clone(base), Arc::new(RequestContext::default()), Ack::unobserved())
}

/// A row that is refused when it comes alone: found by halving, so it may miss one where rows fail only together.
async fn culprit(stage: &Stage, base: &Arc<WireBatch>) -> Option<usize> {
    let mut rows: Vec<u32> = (0..base.rows() as u32).collect();
    while rows.len() > 1 {
        let half = rows.split_off(rows.len() / 2);
        if fails(stage, base, &half).await {
            rows = half;
        }
    }
    let row = *rows.first()?;
    fails(stage, base, &rows).await.then_some(row as usize)
}

async fn fails(stage: &Stage, base: &Arc<WireBatch>, rows: &[u32]) -> bool {
    let mut batch = batch(base);
    batch.select(Selection::from_rows(base.rows(), rows));
    stage.process(&mut batch, 0).await.is_err()
}

fn routes(batch: &TelemetryBatch, sets: &[Vec<String>]) -> BTreeMap<String, u64> {
    let name = |route: u16| match sets.get(usize::from(route)) {
        _ if route == ROUTE_DEFAULT => "unchanged".to_owned(),
        Some(names) if names.is_empty() => "nowhere".to_owned(),
        Some(names) => names.join("+"),
        None => format!("set {route}"),
    };
    let routes = batch.routes.to_rows(batch.base().rows());
    let mut counted = BTreeMap::new();
    for row in batch.selection().rows() {
        *counted.entry(name(routes.get(row).copied().unwrap_or(ROUTE_DEFAULT))).or_default() += 1;
    }
    counted
}

fn since(mut counters: BTreeMap<String, f64>, before: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    for (name, sum) in &mut counters {
        *sum -= before.get(name).copied().unwrap_or(0.0);
    }
    counters
}

/// The counters of a stage, each summed over its labels.
fn counters(host: &Host, stage: &str) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for sample in host.metrics().samples() {
        if let (true, MetricKind::Counter, MetricValue::Number(value)) =
            (sample.stage == stage, sample.kind, sample.value)
        {
            *sums.entry(sample.name).or_default() += value;
        }
    }
    sums
}
