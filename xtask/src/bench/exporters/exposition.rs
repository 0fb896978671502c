//! Whether two engines expose the same: series with their values, types and descriptions, from text.
//!
//! Nothing that either has by default is left out, `otel_scope_…` and `target_info` included, but for labels without a value: the Collector
//! writes `otel_scope_schema_url=""`, which to Prometheus is no label.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// How many series there are. An error names the first that is not the same.
pub fn same(one: &Path, other: &Path) -> Result<usize> {
    let read = |path: &Path| {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        series(&text).with_context(|| path.display().to_string())
    };
    let (one, other) = (read(one)?, read(other)?);
    ensure!(!one.is_empty(), "there is no series");
    for name in one.keys().chain(other.keys()) {
        let (value, other_value) = (one.get(name), other.get(name));
        if value != other_value {
            let shown = |value: Option<&String>| value.map_or("is not there", String::as_str).to_owned();
            bail!("{name} is not the same.\n  one: {}\nother: {}", shown(value), shown(other_value));
        }
    }
    Ok(one.len())
}

/// Values by names with labels, whose order says nothing; and what is said of names.
fn series(text: &str) -> Result<BTreeMap<String, String>> {
    let mut series = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let read = if line.starts_with('#') { said(line) } else { sample(line) };
        let (name, value) = read.with_context(|| format!("`{line}` is neither a sample nor said of any"))?;
        ensure!(series.insert(name, value).is_none(), "`{line}` comes twice");
    }
    Ok(series)
}

/// `# TYPE` and `# HELP`, each of a name.
fn said(line: &str) -> Option<(String, String)> {
    let end = line.match_indices(' ').nth(2)?.0;
    Some((line[..end].to_owned(), line[end + 1..].to_owned()))
}

fn sample(line: &str) -> Option<(String, String)> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (key, after) = rest.split_once("=\"")?;
            let end = closing_quote(after)?;
            if end > 0 {
                labels.insert(key, number_or_text(key, &after[..end]));
            }
            rest = after[end + 1..].trim_start_matches(',');
        }
        rest = &rest[1..];
    }
    let value: f64 = rest.split_whitespace().next()?.parse().ok()?;
    let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
    Some((format!("{name}{{{}}}", labels.join(",")), value.to_string()))
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        closes
    })
}

/// Bounds are numbers, which may be written in more ways than one.
fn number_or_text(key: &str, value: &str) -> String {
    let number = matches!(key, "le" | "quantile").then(|| value.parse::<f64>().ok()).flatten();
    number.map_or_else(|| value.to_owned(), |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_its_name_and_labels_in_any_order() {
        let one = "# TYPE a gauge\na{b=\"x,\\\"}\",c=\"2\"} 1e+06\nd_bucket{le=\"1.0\"} 3\nplain 4 1790000000000\n";
        let other = "# TYPE a gauge\nplain 4\nd_bucket{le=\"1\"} 3.0\na{c=\"2\",b=\"x,\\\"}\",none=\"\",} 1000000\n";
        let (one, other) = (series(one).unwrap(), series(other).unwrap());
        assert_eq!(one, other);
        assert_eq!(one.get("a{b=\"x,\\\"}\",c=\"2\"}").map(String::as_str), Some("1000000"));
    }

    #[test]
    fn what_differs_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            fs::write(folder.path().join(name), text).unwrap();
            folder.path().join(name)
        };
        let one = file("one", "a 1\nb{c=\"1\"} 2\n");
        let said = |other: &str| same(&one, &file("other", other)).unwrap_err().to_string();
        assert_eq!(same(&one, &file("same", "b{c=\"1\"} 2\na 1\n")).unwrap(), 2);
        assert!(said("# TYPE a gauge\na 1\nb{c=\"1\"} 2\n").contains("# TYPE a is not the same."));
        assert!(said("a 1\n").contains("b{c=\"1\"} is not the same.\n  one: 2\nother: is not there"));
        assert!(said("a 1\nb{c=\"1\"} 3\n").contains("other: 3"));
        let (nothing, twice) = (file("nothing", ""), file("twice", "a 1\na 1\n"));
        assert!(same(&nothing, &nothing).unwrap_err().to_string().contains("no series"));
        assert!(format!("{:#}", same(&twice, &twice).unwrap_err()).contains("comes twice"));
    }
}
