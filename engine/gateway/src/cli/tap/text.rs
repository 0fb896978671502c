//! A tap's lines for people.
//!
//! ```text
//! traces wasm/triage kept, route slow -> otlp/slow
//!   pay  server  12.3 ms  error: boom
//!   service.name=shop  trace_id=0102…  span_id=1112…
//!   http.method=GET http.route=/pay
//!   ~ name: pay/17 -> pay
//!   + attributes["team"]: payments
//!   - attributes["user.email"]: ****
//! ```

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::cli::paint::{BOLD, CYAN, DIM, GREEN, MAGENTA, Paint, RED, YELLOW, clean, cut};
use crate::tap::{Change, ChangeKind, Line, RowOutcome, Serves, Shown, Skipped};

/// Of a value: more is in `--output json`.
const VALUE_CHARS_MAX: usize = 120;

/// With the ends of its lines.
pub fn line(line: &Line, paint: Paint) -> String {
    match line {
        Line::Record(shown) => record(shown, paint),
        Line::Skipped(skipped) => paint.paint(DIM, skips(skipped)) + "\n",
        Line::Generation(serves) => paint.paint(BOLD, generation(serves)) + "\n",
        // Said on standard error.
        Line::End { .. } => String::new(),
    }
}

fn record(shown: &Shown, paint: Paint) -> String {
    let mut out = format!("{}{}\n", head(shown, paint), outcome(shown, paint));
    // Writing to a `String` cannot fail.
    let _ = writeln!(out, "  {}", paint.paint(BOLD, title(&shown.record)));
    let ids = ids(&shown.record);
    if !ids.is_empty() {
        let _ = writeln!(out, "  {ids}");
    }
    let attributes = pairs(shown.record.get("attributes"));
    if !attributes.is_empty() {
        let _ = writeln!(out, "  {}", paint.paint(DIM, attributes));
    }
    for change in &shown.changes {
        let _ = writeln!(out, "  {}", changed(change, paint));
    }
    out
}

fn head(shown: &Shown, paint: Paint) -> String {
    let mut head = paint.paint(CYAN, clean(&shown.pipeline));
    if let Some(stage) = &shown.stage {
        head.push(' ');
        head.push_str(&paint.paint(CYAN, clean(stage)));
    }
    head
}

fn outcome(shown: &Shown, paint: Paint) -> String {
    let Some(outcome) = shown.outcome else { return String::new() };
    let mut text = match outcome {
        RowOutcome::Kept => paint.paint(GREEN, "kept"),
        RowOutcome::Dropped => paint.paint(RED, "dropped"),
        RowOutcome::Diverted => paint.paint(MAGENTA, "diverted"),
        RowOutcome::Refused => paint.paint(RED, "refused"),
    };
    if let Some(reason) = &shown.reason {
        let _ = write!(text, ": {}", cut(reason, VALUE_CHARS_MAX));
    }
    if let Some(route) = &shown.route {
        let names = if route.is_empty() { "none".to_owned() } else { route.join(", ") };
        let _ = write!(text, ", route {}", paint.paint(MAGENTA, clean(&names)));
    }
    if !shown.to.is_empty() {
        let _ = write!(text, " -> {}", clean(&shown.to.join(", ")));
    }
    format!(" {text}")
}

/// What the record is about, in a line.
fn title(record: &Map<String, Value>) -> String {
    let mut parts = Vec::new();
    if let Some(metric) = record.get("metric") {
        parts.push(plain(&metric["name"]));
        let value = ["value", "count", "sum"].iter().filter_map(|key| Some((*key, record.get(*key)?)));
        let unit = metric.get("unit").map(|unit| format!(" {}", plain(unit))).unwrap_or_default();
        parts.extend(value.map(|(key, value)| match key {
            "value" => format!("{}{unit}", plain(value)),
            key => format!("{key} {}", plain(value)),
        }));
        return parts.join("  ");
    }
    let severity = record.get("severity_text").or_else(|| record.get("severity_number"));
    parts.extend(severity.map(plain));
    parts.extend(["name", "event_name", "body", "kind"].iter().filter_map(|key| record.get(*key)).map(plain));
    if let Some(duration) = record.get("duration_ms").and_then(Value::as_f64) {
        parts.push(format!("{duration:.3} ms"));
    }
    let status = record.get("status");
    if let Some(code) = status.and_then(|status| status["code"].as_str()).filter(|code| *code != "unset") {
        let message = status.and_then(|status| status.get("message")).map(|message| format!(": {}", plain(message)));
        parts.push(format!("{}{}", clean(code), message.unwrap_or_default()));
    }
    parts.join("  ")
}

fn ids(record: &Map<String, Value>) -> String {
    let service = record.get("resource").and_then(|resource| resource["attributes"].get("service.name"));
    let mut parts: Vec<String> = service.iter().map(|service| format!("service.name={}", plain(service))).collect();
    for key in ["trace_id", "span_id"] {
        parts.extend(record.get(key).map(|id| format!("{key}={}", plain(id))));
    }
    parts.join("  ")
}

fn pairs(attributes: Option<&Value>) -> String {
    match attributes {
        Some(Value::Object(attributes)) => {
            let pairs = attributes.iter().map(|(key, value)| format!("{}={}", cut(key, VALUE_CHARS_MAX), plain(value)));
            pairs.collect::<Vec<_>>().join(" ")
        }
        Some(masked) => format!("attributes={}", plain(masked)),
        None => String::new(),
    }
}

fn changed(change: &Change, paint: Paint) -> String {
    let path = cut(&change.path, VALUE_CHARS_MAX);
    let [before, after] = [&change.before, &change.after].map(|value| value.as_ref().map(plain).unwrap_or_default());
    match change.change {
        ChangeKind::Added => paint.paint(GREEN, format!("+ {path}: {after}")),
        ChangeKind::Removed => paint.paint(RED, format!("- {path}: {before}")),
        ChangeKind::Changed => paint.paint(YELLOW, format!("~ {path}: {before} -> {after}")),
    }
}

fn skips(skipped: &Skipped) -> String {
    let why = [
        (skipped.over_limit, "over the limit"),
        (skipped.slow, "because they were not read in time"),
        (skipped.large, "because they are too large"),
        (skipped.failed, "because the condition could not be asked"),
    ];
    let why = why.iter().filter(|(count, _)| *count > 0).map(|(count, why)| format!("{count} {why}"));
    format!("... {} records not shown: {}", skipped.total(), why.collect::<Vec<_>>().join(", "))
}

fn generation(serves: &Serves) -> String {
    let mut text = format!("=== generation {} serves", serves.generation);
    if let Some(plugin) = &serves.plugin {
        let hash = serves.hash.as_deref().unwrap_or_default();
        let _ = write!(text, ", with {} ({})", clean(plugin), clean(hash.get(..12).unwrap_or(hash)));
    }
    if let Some(gone) = &serves.gone {
        let _ = write!(text, "; {} is no longer there", clean(gone));
    }
    text
}

/// Text as it is, all else as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => cut(text, VALUE_CHARS_MAX),
        other => cut(&other.to_string(), VALUE_CHARS_MAX),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::paint::Color;

    fn shown(line: Value) -> String {
        super::line(&serde_json::from_value(line).unwrap(), Paint::new(Color::Never))
    }

    /// A span that a stage changed and routed: each thing is in its line.
    #[test]
    fn a_changed_span() {
        let line = json!({
            "type": "record", "pipeline": "traces", "stage": "wasm/triage", "generation": 1, "signal": "traces", "outcome": "kept",
            "route": ["slow"], "to": ["otlp/slow"],
            "record": {
                "name": "pay\u{1b}[31m", "kind": "server", "trace_id": "01", "span_id": "02", "duration_ms": 1.5,
                "status": {"code": "error", "message": "boom"}, "attributes": {"n": 1, "t": "x".repeat(130)},
                "resource": {"attributes": {"service.name": "shop"}},
            },
            "changes": [
                {"path": "name", "change": "changed", "before": "pay/1", "after": "pay"},
                {"path": "attributes[\"team\"]", "change": "added", "after": "payments"},
                {"path": "attributes[\"e\"]", "change": "removed", "before": "****"},
            ],
        });
        let expected = format!(
            "traces wasm/triage kept, route slow -> otlp/slow\n\
             \x20 pay\\u{{1b}}[31m  server  1.500 ms  error: boom\n\
             \x20 service.name=shop  trace_id=01  span_id=02\n\
             \x20 n=1 t={}...\n\
             \x20 ~ name: pay/1 -> pay\n\
             \x20 + attributes[\"team\"]: payments\n\
             \x20 - attributes[\"e\"]: ****\n",
            "x".repeat(120)
        );
        assert_eq!(shown(line.clone()), expected);
        let painted = super::line(&serde_json::from_value(line).unwrap(), Paint::new(Color::Always));
        assert!(painted.contains("\u{1b}[32m+ attributes[\"team\"]: payments\u{1b}[0m"), "{painted}");
    }

    #[test]
    fn what_is_told_beside_records() {
        let log = json!({
            "type": "record", "pipeline": "logs", "generation": 1, "signal": "logs",
            "record": {"body": {"a": 1}, "severity_number": 17, "attributes": "****"},
        });
        assert_eq!(shown(log), "logs\n  17  {\"a\":1}\n  attributes=****\n");
        let point = json!({
            "type": "record", "pipeline": "metrics", "stage": "wasm/m", "generation": 1, "signal": "metrics", "outcome": "refused",
            "reason": "trapped", "record": {"metric": {"name": "size", "unit": "By", "type": "gauge"}, "value": 3},
        });
        assert_eq!(shown(point), "metrics wasm/m refused: trapped\n  size  3 By\n");
        let skipped = json!({"type": "skipped", "over_limit": 7, "slow": 2, "large": 0, "failed": 0});
        let expected = "... 9 records not shown: 7 over the limit, 2 because they were not read in time\n";
        assert_eq!(shown(skipped), expected);
        let serves = json!({"type": "generation", "generation": 3, "plugin": "a.wasm", "hash": "0123456789abcdef"});
        assert_eq!(shown(serves), "=== generation 3 serves, with a.wasm (0123456789ab)\n");
        let gone = json!({"type": "generation", "generation": 4, "gone": "stage `wasm/a`"});
        assert_eq!(shown(gone), "=== generation 4 serves; stage `wasm/a` is no longer there\n");
    }
}
