//! Runs a case: the rows of its inputs through one stage of the plugin, in the gateway's own host.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use wasmill_batch::{Ack, ROUTE_DEFAULT, RequestContext, TelemetryBatch};
use wasmill_host::{BuildError, GroupBy, Host, MetricKind, MetricValue, Plugin, Stage, StageSpec};
use wasmill_wire::{Projection, Selection, Signal, WireBatch};

use super::compare::{self, Actual};
use super::emitted;
use super::{Case, Input, request};
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
    /// Of each input.
    Rows(Vec<TelemetryBatch>, Box<Actual>),
    Refused(Refused),
}

/// The configuration or the rows were refused, or the call failed.
struct Refused {
    /// The whole of it.
    message: String,
    /// Which row of which input makes it.
    row: Option<String>,
}

impl From<String> for Refused {
    fn from(message: String) -> Refused {
        Refused { message, row: None }
    }
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
    let signal = case.definition.signal;
    let requests = case.inputs.iter().map(|input| request::read(&input.path, signal)).collect::<Result<Vec<_>, _>>()?;
    let (ran, expected) = (ran(host, plugin, case, requests).await?, &case.definition.expect);
    match (ran, &expected.error) {
        (Ran::Refused(Refused { message, .. }), Some(part)) if message.contains(part) => Ok((Vec::new(), false)),
        (Ran::Refused(Refused { message, .. }), Some(part)) => {
            Ok((vec![Failure { summary: format!("the error has no `{part}`"), detail: message }], false))
        }
        (Ran::Refused(Refused { message, row }), None) => {
            let mut lines = message.splitn(2, '\n');
            let mut summary = lines.next().unwrap_or_default().to_owned();
            if let Some(row) = row {
                summary.push_str(&format!(" ({row} alone makes it)"));
            }
            Ok((vec![Failure { summary, detail: lines.next().unwrap_or_default().to_owned() }], false))
        }
        (Ran::Rows(..), Some(part)) => {
            Ok((vec![Failure::new(format!("expected an error with `{part}`; there was none"))], false))
        }
        (Ran::Rows(batches, actual), None) => judge(case, &batches, *actual, mode),
    }
}

/// Compares rows with what is expected, or writes what is to be expected from now on.
fn judge(
    case: &Case,
    batches: &[TelemetryBatch],
    mut actual: Actual,
    mode: Mode,
) -> Result<(Vec<Failure>, bool), String> {
    let mut outputs = Vec::new();
    for (input, batch) in case.inputs.iter().zip(batches) {
        let (json, text) = request::pretty(batch.signal(), &batch.encode())?;
        actual.attributes.extend(request::attributes(&json));
        outputs.push((text, expected(input, batch.signal(), mode)?));
    }
    let mut failures = compare::expectations(&case.definition.expect, &actual);
    let mut updated = emitted::judge(case, &actual.emitted, mode, &mut failures)?;
    let nothing_said = outputs.iter().all(|(_, expected)| expected.is_none())
        && case.definition.expect == Default::default()
        && !emitted::is_expected(case);
    if mode == Mode::Check && nothing_said {
        let names: Vec<_> = case.inputs.iter().map(|input| format!("`{}`", input.expected_name())).collect();
        failures.push(Failure::new(format!(
            "the case expects nothing: `--update` writes what came out to {}, to be looked at",
            names.join(", ")
        )));
    }
    for (input, (text, expected)) in case.inputs.iter().zip(outputs) {
        if mode == Mode::Update && expected.as_ref() != Some(&text) {
            fs::write(&input.expected, &text)
                .map_err(|error| format!("`{}` cannot be written: {error}", input.expected.display()))?;
            updated = true;
        } else {
            let what = format!("the rows differ from `{}`", input.expected_name());
            failures.extend(expected.and_then(|expected| compare::difference(&expected, &text, &what)));
        }
    }
    Ok((failures, updated))
}

impl Input {
    fn expected_name(&self) -> Cow<'_, str> {
        self.expected.file_name().unwrap_or_default().to_string_lossy()
    }
}

/// What is expected of an input, as what came out is written, so that only meaning is compared; `None`: nothing is.
fn expected(input: &Input, signal: Signal, mode: Mode) -> Result<Option<String>, String> {
    let path = &input.expected;
    if !fs::exists(path).map_err(|error| format!("`{}` cannot be looked at: {error}", path.display()))? {
        return Ok(None);
    }
    match request::read(path, Some(signal)).and_then(|(_, wire)| request::pretty(signal, &wire)) {
        Ok((_, text)) => Ok(Some(text)),
        // It is replaced.
        Err(_) if mode == Mode::Update => Ok(Some(String::new())),
        Err(reason) => Err(reason),
    }
}

async fn ran(host: &Host, plugin: &Arc<Plugin>, case: &Case, requests: Vec<(Signal, Bytes)>) -> Result<Ran, String> {
    let (name, began) = (format!("test/{}", case.name), SystemTime::now());
    let by = case.definition.group_by.as_deref().map(GroupBy::parse).transpose();
    let group_by = by.map_err(|error| format!("`group_by`: {error}"))?;
    let tables = tables::open(host, case.tables()).await.map_err(|error| error.to_string())?;
    let alone = StageSpec::alone(&name, case.definition.config.clone());
    let spec = StageSpec { group_by, tables: Some(tables), ..alone };
    let stage = match Stage::build(host, Arc::clone(plugin), spec).await {
        Ok(stage) => stage,
        Err(BuildError::Config { reason }) => return Ok(Ran::Refused(reason.into())),
        Err(error) => return Ok(Ran::Refused(error.to_string().into())),
    };
    let (collected, sink) = emitted::collected();
    stage.set_emissions(sink);
    let before = counters(host, &name);
    let mut batches = Vec::new();
    for (input, (signal, wire)) in case.inputs.iter().zip(requests) {
        match passed(&stage, input, signal, wire).await? {
            Ok(batch) => batches.push(batch),
            Err(refused) => return Ok(Ran::Refused(refused)),
        }
    }
    for _ in 0..case.definition.ticks {
        stage.tick().await;
    }
    stage.end().await;
    if stage.stats().snapshot().faults.iter().any(|faults| *faults > 0) {
        let message =
            stage.last_fault().map_or_else(|| "`tick` or `flush` failed".to_owned(), |fault| fault.to_string());
        return Ok(Ran::Refused(message.into()));
    }
    let mut by_route = BTreeMap::new();
    batches.iter().for_each(|batch| routes(batch, stage.route_sets(), &mut by_route));
    let actual = Actual {
        rows: batches.iter().map(|batch| batch.selection().count() as u64).sum(),
        routes: by_route,
        // They outlive stages, and another case may have this name.
        counters: since(counters(host, &name), &before),
        attributes: Vec::new(),
        emitted: collected.requests(began)?,
    };
    Ok(Ran::Rows(batches, Box::new(actual)))
}

/// An input's rows, as the stage leaves them. `Err` says what is wrong with the input.
async fn passed(
    stage: &Stage,
    input: &Input,
    signal: Signal,
    wire: Bytes,
) -> Result<Result<TelemetryBatch, Refused>, String> {
    let columns = stage.columns(signal).ok_or_else(|| format!("the plugin does not take {signal}"))?;
    let base = WireBatch::parse(signal, wire, &Projection::new(signal, columns.to_vec()))
        .map_err(|error| format!("`{}`: {error}", input.path.display()))?;
    let base = Arc::new(base);
    let mut batch = batch(&base);
    if let Err(refusal) = stage.process(&mut batch, 0).await {
        let message = stage.last_fault().map_or_else(|| refusal.reason.to_string(), |fault| fault.to_string());
        let file = input.path.file_name().unwrap_or_default().to_string_lossy();
        let row = culprit(stage, &base).await.map(|row| format!("row {row} of `{file}`"));
        return Ok(Err(Refused { message, row }));
    }
    Ok(Ok(batch))
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

fn routes(batch: &TelemetryBatch, sets: &[Vec<String>], counted: &mut BTreeMap<String, u64>) {
    let name = |route: u16| match sets.get(usize::from(route)) {
        _ if route == ROUTE_DEFAULT => "unchanged".to_owned(),
        Some(names) if names.is_empty() => "nowhere".to_owned(),
        Some(names) => names.join("+"),
        None => format!("set {route}"),
    };
    let routes = batch.routes.to_rows(batch.base().rows());
    for row in batch.selection().rows() {
        *counted.entry(name(routes.get(row).copied().unwrap_or(ROUTE_DEFAULT))).or_default() += 1;
    }
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
