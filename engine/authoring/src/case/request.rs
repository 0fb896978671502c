//! Requests as files, and their records as JSON.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use serde_json::{Map, Value as Json};
use wasmill_wire::{JsonDocument, Signal, from_json, to_json};

/// What the gateway takes by default, too.
const REQUEST_BYTES_MAX: usize = 64 << 20;

/// The lists in which a request holds its records, from the outside in, and where a metric has its points.
const RESOURCES: [(&str, Signal, &str, &str); 3] = [
    ("resourceSpans", Signal::Traces, "scopeSpans", "spans"),
    ("resourceMetrics", Signal::Metrics, "scopeMetrics", "metrics"),
    ("resourceLogs", Signal::Logs, "scopeLogs", "logRecords"),
];
const POINTS: [&str; 5] = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"];

/// A request's signal and its bytes in protobuf. `Err` says what is wrong with the file.
pub fn read(path: &Path, signal: Option<Signal>) -> Result<(Signal, Bytes), String> {
    let wrong = |reason: String| format!("`{}`: {reason}", path.display());
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(REQUEST_BYTES_MAX as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| wrong(format!("cannot be read: {error}")))?;
    if bytes.len() > REQUEST_BYTES_MAX {
        return Err(wrong(format!("has more than {REQUEST_BYTES_MAX} bytes")));
    }
    if path.extension().is_none_or(|end| end != "json") {
        let signal =
            signal.ok_or_else(|| wrong("`signal:` must say what it holds: traces, metrics or logs".to_owned()))?;
        return Ok((signal, bytes.into()));
    }
    let found = of_json(&bytes).map_err(|reason| wrong(reason.to_owned()))?;
    if signal.is_some_and(|signal| signal != found) {
        return Err(wrong(format!("holds {found}, not what `signal:` says")));
    }
    let wire = from_json(JsonDocument::Request(found), &bytes, REQUEST_BYTES_MAX);
    Ok((found, wire.map_err(|error| wrong(placed(&error, &bytes)))?.into()))
}

/// The signal of an OTLP/JSON request.
pub fn of_json(json: &[u8]) -> Result<Signal, &'static str> {
    const EXPECTED: &str =
        "is no OTLP/JSON request: expected an object with `resourceSpans`, `resourceMetrics` or `resourceLogs`";
    let document: Map<String, Json> = serde_json::from_slice(json).map_err(|_| EXPECTED)?;
    // `resource_spans` is taken, too.
    let snake = |name: &str| name.replace("resource", "resource_").to_lowercase();
    let has = |name: &str| document.contains_key(name) || document.contains_key(&snake(name));
    let found = RESOURCES.iter().find(|(name, ..)| has(name));
    found.map(|(_, signal, ..)| *signal).ok_or(EXPECTED)
}

/// A mistake with its line, which an editor finds sooner than a byte.
fn placed(error: &wasmill_wire::JsonError, json: &[u8]) -> String {
    let wasmill_wire::JsonError::Invalid { offset, reason } = error else { return error.to_string() };
    let before = json.get(..*offset).unwrap_or(json);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.len() - before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1) + 1;
    format!("line {line}, column {column}: {reason}")
}

/// A request as JSON that people read: indented, keys in OTLP's order.
pub(super) fn pretty(signal: Signal, wire: &[u8]) -> Result<(Json, String), String> {
    let mut json = Vec::new();
    to_json(JsonDocument::Request(signal), wire, &mut json).map_err(|error| error.to_string())?;
    let value: Json = serde_json::from_slice(&json).map_err(|error| error.to_string())?;
    let text = text(&value)?;
    Ok((value, text))
}

pub(super) fn text(json: &Json) -> Result<String, String> {
    let mut text = serde_json::to_string_pretty(json).map_err(|error| error.to_string())?;
    text.push('\n');
    Ok(text)
}

/// The attributes of each row of a request, in order.
pub(super) fn attributes(request: &Json) -> Vec<Map<String, Json>> {
    let mut rows = Vec::new();
    for (resources, _, scopes, records) in RESOURCES {
        for record in
            each(request, resources).flat_map(|resource| each(resource, scopes)).flat_map(|scope| each(scope, records))
        {
            match records {
                "metrics" => {
                    let points = POINTS.iter().flat_map(|kind| each(&record[*kind], "dataPoints"));
                    rows.extend(points.map(own_attributes));
                }
                _ => rows.push(own_attributes(record)),
            }
        }
    }
    rows
}

fn each<'a>(parent: &'a Json, list: &str) -> impl Iterator<Item = &'a Json> {
    parent[list].as_array().into_iter().flatten()
}

/// The first of a key that is there twice.
fn own_attributes(record: &Json) -> Map<String, Json> {
    let mut attributes = Map::new();
    for entry in each(record, "attributes") {
        let key = entry["key"].as_str().unwrap_or_default();
        attributes.entry(key).or_insert_with(|| plain(&entry["value"]));
    }
    attributes
}

/// OTLP's `AnyValue` as the JSON that one would write for it.
fn plain(value: &Json) -> Json {
    let Some((kind, held)) = value.as_object().and_then(|value| value.iter().next()) else { return Json::Null };
    match kind.as_str() {
        "intValue" => held.as_str().and_then(|text| text.parse::<i64>().ok()).map_or(held.clone(), Json::from),
        "arrayValue" => each(held, "values").map(plain).collect(),
        "kvlistValue" => {
            let entries = each(held, "values").map(|entry| {
                let key = entry["key"].as_str().unwrap_or_default();
                (key.to_owned(), plain(&entry["value"]))
            });
            Json::Object(entries.collect())
        }
        _ => held.clone(),
    }
}
