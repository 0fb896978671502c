//! A line of a file to what it stands for.

use bytes::Bytes;
use wasmill_wire::{JsonDocument, JsonError, Signal, WIRE_PER_JSON_MAX, from_json};

/// The names that a request's one field has, as the transcoder takes them.
const FIELDS: [(Signal, [&str; 2]); 3] = [
    (Signal::Traces, ["resourceSpans", "resource_spans"]),
    (Signal::Metrics, ["resourceMetrics", "resource_metrics"]),
    (Signal::Logs, ["resourceLogs", "resource_logs"]),
];

/// Why a line is left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Bad {
    /// Of the file, the first of what is wrong.
    pub byte: u64,
    pub reason: String,
}

/// The requests of a line, nearly always one; none for an empty line. `start` is the line's first byte in the file.
pub fn requests(line: &[u8], start: u64) -> Result<Vec<(Signal, Bytes)>, Bad> {
    let bad = |byte: usize, reason: String| Bad { byte: start + byte as u64, reason };
    let text = std::str::from_utf8(line).map_err(|error| bad(error.valid_up_to(), "not UTF-8".to_owned()))?;
    if text.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    let bytes_max = line.len().saturating_mul(WIRE_PER_JSON_MAX);
    let mut requests = Vec::new();
    let mut is_any = false;
    // A field of another signal is an unknown one, and ignored; a text may hold its name too.
    for (signal, names) in FIELDS {
        if !names.iter().any(|name| text.contains(name)) {
            continue;
        }
        is_any = true;
        let wire = from_json(JsonDocument::Request(signal), line, bytes_max);
        let wire = wire.map_err(|error| match error {
            JsonError::Invalid { offset, reason } => bad(offset, reason),
            other => bad(0, other.to_string()),
        })?;
        if !wire.is_empty() {
            requests.push((signal, wire.into()));
        }
    }
    if is_any {
        return Ok(requests);
    }
    Err(bad(0, "expected `resourceSpans`, `resourceMetrics` or `resourceLogs`, found none of them".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signals(line: &str) -> Result<Vec<Signal>, (u64, String)> {
        let requests = requests(line.as_bytes(), 100).map_err(|bad| (bad.byte, bad.reason))?;
        Ok(requests.into_iter().map(|(signal, _)| signal).collect())
    }

    /// A line is of the signals whose field it has, in either spelling; a mistake has its place in the file.
    #[test]
    fn a_line_is_a_request_or_has_a_mistake_at_a_byte() {
        assert_eq!(signals(" \r"), Ok(vec![]));
        assert_eq!(signals("{\"resourceSpans\":[]}"), Ok(vec![]));
        assert_eq!(signals("{\"resourceSpans\":[{}]}\r"), Ok(vec![Signal::Traces]));
        assert_eq!(
            signals("{\"resource_metrics\":[{}],\"resourceLogs\":[{}]}"),
            Ok(vec![Signal::Metrics, Signal::Logs])
        );
        let text = "{\"resourceLogs\":[{\"schemaUrl\":\"resourceSpans\"}]}";
        assert_eq!(signals(text), Ok(vec![Signal::Logs]));
        for (line, byte) in [("{\"resourceSpans\":[{}}", 120), ("{}", 100), ("{\"resourceLogs\":[", 117), ("x", 100)] {
            let (at, reason) = signals(line).expect_err(line);
            assert_eq!(at, byte, "{line}: {reason}");
        }
        assert_eq!(requests(b"\"\xff\"", 0), Err(Bad { byte: 1, reason: "not UTF-8".to_owned() }));
    }
}
