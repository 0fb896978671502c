//! Which rows are meant: `include` and `exclude`.

use regex::Regex;
use wasmill_ottl::pattern::compile;
use wasmill_ottl::value::Value;
use wasmill_sdk::columns::{AnyKind, AnyValue, Bitmap, Text};
use wasmill_sdk::prelude::*;

use crate::config::{Attribute, Constant, Match, MatchType, Severity};
use crate::work::attribute_path;

/// What rows of one signal must be, all of it.
#[derive(Debug)]
pub struct Selector(Vec<Test>);

#[derive(Debug)]
enum Test {
    Text(Column<str>, Texts),
    /// The value's text; `missing` stands for a row without one.
    Any {
        column: Column<Dynamic>,
        texts: Texts,
        missing: &'static str,
    },
    Kind(Column<i32>, Texts),
    Severity(Column<i32>, Severity),
    Attribute(Column<Dynamic>, Wanted),
}

/// Texts of which one must match.
#[derive(Debug)]
enum Texts {
    Strict(Vec<String>),
    Patterns(Vec<Regex>),
}

#[derive(Debug)]
enum Wanted {
    Anything,
    Is(Constant),
    Text(Texts),
}

const KINDS: [&str; 6] = [
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];

impl Match {
    /// Why it cannot be for a signal.
    pub fn refusal(&self, signal: Signal) -> Option<String> {
        let of_spans = [
            ("services", !self.services.is_empty()),
            ("span_names", !self.span_names.is_empty()),
            ("span_kinds", !self.span_kinds.is_empty()),
        ];
        let of_logs = [
            ("log_bodies", !self.log_bodies.is_empty()),
            ("log_severity_texts", !self.log_severity_texts.is_empty()),
            ("log_severity_number", self.log_severity_number.is_some()),
        ];
        let of_metrics = [("metric_names", !self.metric_names.is_empty())];
        let of_records = [("attributes", !self.attributes.is_empty()), ("libraries", !self.libraries.is_empty())];
        let of_all = [("resources", !self.resources.is_empty())];
        let (usable, foreign): (Vec<_>, Vec<_>) = match signal {
            Signal::Traces => ([&of_spans[..], &of_records, &of_all].concat(), [&of_logs[..], &of_metrics].concat()),
            Signal::Logs => ([&of_logs[..], &of_records, &of_all].concat(), [&of_spans[..], &of_metrics].concat()),
            Signal::Metrics => ([&of_metrics[..], &of_all].concat(), [&of_spans[..], &of_logs, &of_records].concat()),
        };
        let signal = match signal {
            Signal::Traces => "traces",
            Signal::Metrics => "metrics",
            Signal::Logs => "logs",
        };
        if let Some((key, _)) = foreign.iter().find(|(_, given)| *given) {
            return Some(format!("`{key}` is not for {signal}"));
        }
        let any = usable.iter().any(|(_, given)| *given);
        let keys = || usable.iter().map(|(key, _)| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        (!any).then(|| format!("for {signal}, at least one of {} is needed", keys()))
    }

    /// Asks for the columns of a signal that it is not refused for.
    pub fn selector(&self, signal: Signal, needs: &mut Requirements) -> Result<Selector> {
        let texts = |texts: &[String]| Texts::new(self.match_type, texts);
        let mut tests = Vec::new();
        if !self.services.is_empty() {
            let column = needs.column(r#"resource.attributes["service.name"]"#);
            tests.push(Test::Any { column, texts: texts(&self.services)?, missing: "<nil-service-name>" });
        }
        if !self.span_names.is_empty() {
            tests.push(Test::Text(needs.column("name"), texts(&self.span_names)?));
        }
        if !self.span_kinds.is_empty() {
            if let (MatchType::Strict, Some(kind)) =
                (self.match_type, self.span_kinds.iter().find(|kind| !KINDS[1..].contains(&kind.as_str())))
            {
                let known = KINDS[1..].join(", ");
                return Err(Error::new(format!("`span_kinds`: `{kind}` is none, expected one of {known}")));
            }
            tests.push(Test::Kind(needs.column("kind"), texts(&self.span_kinds)?));
        }
        if !self.log_bodies.is_empty() {
            tests.push(Test::Any { column: needs.column("body"), texts: texts(&self.log_bodies)?, missing: "" });
        }
        if !self.log_severity_texts.is_empty() {
            tests.push(Test::Text(needs.column("severity_text"), texts(&self.log_severity_texts)?));
        }
        if let Some(severity) = self.log_severity_number {
            tests.push(Test::Severity(needs.column("severity_number"), severity));
        }
        if !self.metric_names.is_empty() {
            tests.push(Test::Text(needs.column("metric.name"), texts(&self.metric_names)?));
        }
        for library in &self.libraries {
            tests.push(Test::Text(needs.column("scope.name"), texts(std::slice::from_ref(&library.name))?));
            if let Some(version) = &library.version {
                tests.push(Test::Text(needs.column("scope.version"), texts(std::slice::from_ref(version))?));
            }
        }
        // Of metrics the Collector asks for the name alone.
        let resources: &[Attribute] = if signal == Signal::Metrics { &[] } else { &self.resources };
        for (set, attributes) in [("resource.attributes", resources), ("attributes", &self.attributes)] {
            for attribute in attributes {
                let column = needs.column(&attribute_path(set, &attribute.key));
                tests.push(Test::Attribute(column, self.wanted(attribute)?));
            }
        }
        Ok(Selector(tests))
    }

    fn wanted(&self, Attribute { key, value }: &Attribute) -> Result<Wanted> {
        if key.is_empty() {
            return Err(Error::new("a `key` is empty"));
        }
        let Some(value) = value else { return Ok(Wanted::Anything) };
        match (self.match_type, Constant::of(value)?) {
            (MatchType::Strict, constant) => Ok(Wanted::Is(constant)),
            (MatchType::Regexp, Constant::Text(pattern)) => {
                Ok(Wanted::Text(Texts::new(MatchType::Regexp, &[pattern])?))
            }
            (MatchType::Regexp, _) => {
                Err(Error::new(format!("the value for `{key}` is no text, which `match_type: regexp` needs")))
            }
        }
    }
}

impl Texts {
    fn new(by: MatchType, texts: &[String]) -> Result<Texts> {
        let compile = |pattern: &String| {
            compile(pattern).map_err(|reason| Error::new(format!("the pattern `{pattern}` is not valid: {reason}")))
        };
        Ok(match by {
            MatchType::Strict => Texts::Strict(texts.to_vec()),
            MatchType::Regexp => Texts::Patterns(texts.iter().map(compile).collect::<Result<_>>()?),
        })
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Texts::Strict(texts) => texts.iter().any(|wanted| wanted == text),
            Texts::Patterns(patterns) => patterns.iter().any(|pattern| pattern.is_match(text)),
        }
    }
}

impl Selector {
    /// The rows that are all of it.
    pub fn select(&self, slice: &Slice) -> Bitmap {
        let mut rows = Bitmap::all(slice.rows());
        for test in &self.0 {
            rows.and(&test.rows(slice));
        }
        rows
    }
}

impl Test {
    fn rows(&self, slice: &Slice) -> Bitmap {
        match self {
            Test::Text(column, texts) => {
                let column: Text<'_> = slice.column(*column);
                let mut rows = column.matches(|text| texts.matches(text));
                // A text that was not sent is an empty one.
                if texts.matches("") {
                    rows.or(&Bitmap::from_fn(column.len(), |row| column.get(row).is_none()));
                }
                rows
            }
            Test::Any { column, texts, missing } => {
                let absent = texts.matches(missing);
                let mut text = String::new();
                slice.column(*column).matches(|value| {
                    if value.kind() == AnyKind::Absent {
                        return absent;
                    }
                    text.clear();
                    Value::from(value).write_text(&mut text);
                    texts.matches(&text)
                })
            }
            Test::Kind(column, texts) => {
                let named = |kind: i32| {
                    let name = usize::try_from(kind).ok().and_then(|kind| KINDS.get(kind));
                    texts.matches(name.copied().unwrap_or_default())
                };
                let column = slice.column(*column);
                Bitmap::from_fn(slice.rows(), |row| named(column.get(row).unwrap_or_default()))
            }
            Test::Severity(column, severity) => {
                let column = slice.column(*column);
                Bitmap::from_fn(slice.rows(), |row| match column.get(row).unwrap_or_default() {
                    0 => severity.match_undefined,
                    number => number >= severity.min,
                })
            }
            Test::Attribute(column, wanted) => slice.column(*column).matches(|value| wanted.is(value)),
        }
    }
}

impl Wanted {
    fn is(&self, value: AnyValue<'_>) -> bool {
        match (self, value) {
            (_, AnyValue::Absent) => false,
            (Wanted::Anything, _) => true,
            (Wanted::Is(constant), AnyValue::Empty) => *constant == Constant::Empty,
            (Wanted::Is(constant), value) => Value::from(constant.value()).is_same(Value::from(value)),
            (Wanted::Text(texts), AnyValue::Text(text)) => texts.matches(text),
            (Wanted::Text(texts), AnyValue::Boolean(value)) => texts.matches(if value { "true" } else { "false" }),
            (Wanted::Text(texts), AnyValue::Int(value)) => texts.matches(&value.to_string()),
            (Wanted::Text(texts), AnyValue::Double(value)) => texts.matches(&value.to_string()),
            (Wanted::Text(_), _) => false,
        }
    }
}
