//! Conditions, statements and telemetry to try them on, drawn from a seed: the same seed gives the same cases on every
//! machine.
//!
//! Everything here is accepted by the Collector's parser and by ours; records are telemetry that both take in. Each record
//! is known by its number, which is in its span id (spans, log records) or its time (data points), and in the attribute
//! `row`. Values are few and meet often: comparisons of everything with everything else are the point.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

/// What the records are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    Traces,
    Metrics,
    Logs,
}

/// Steele, Lea, Flood: SplitMix64. Small, and the same everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

pub const KEYS: [&str; 6] = ["a", "b", "c", "http.route", "code", "nested"];
pub const TEXTS: [&str; 14] = [
    "",
    "x",
    "y",
    "abc",
    "GET /health",
    "12",
    "-7",
    "1.5",
    "true",
    "Größe",
    "HTTPServer someName2",
    "a<b>&c",
    "a.b-c d",
    "ID",
];
const INTS: [i64; 9] = [-7, -1, 0, 1, 2, 12, 200, 500, i64::MAX];
const DOUBLES: [f64; 10] = [0.0, 1.0, 1.5, -2.5, 12.0, 200.0, 1e21, 1.5e-7, 123456789.125, 0.1];
pub const PATTERNS: [&str; 14] = [
    "^a",
    "b$",
    "x|y",
    ".*",
    "",
    "\\\\d+",
    "^\\\\w+$",
    "[a-c]{2}",
    "(?i)get",
    "\\\\.",
    "Gr.ße",
    "\\\\bsome",
    "[^a-z]",
    "^(GET|POST) /",
];

/// A value of any type; lists and maps of no more than two levels.
fn value(random: &mut Random, depth: usize) -> AnyValue {
    let kinds = if depth == 0 { 7 } else { 10 };
    let value = match random.below(kinds) {
        0 | 1 => Some(Value::StringValue(random.pick(&TEXTS).to_owned())),
        2 | 3 => Some(Value::IntValue(random.pick(&INTS))),
        4 => Some(Value::DoubleValue(random.pick(&DOUBLES))),
        5 => Some(Value::BoolValue(random.one_in(2))),
        6 => match random.below(3) {
            0 => None,
            1 => Some(Value::BytesValue(Vec::new())),
            _ => Some(Value::BytesValue(vec![1, 0xab])),
        },
        7 | 8 => Some(Value::KvlistValue(KeyValueList { values: attributes(random, depth - 1) })),
        _ => {
            let values = (0..random.below(3)).map(|_| value(random, depth - 1)).collect();
            Some(Value::ArrayValue(ArrayValue { values }))
        }
    };
    AnyValue { value }
}

/// Attributes, each key once.
fn attributes(random: &mut Random, depth: usize) -> Vec<KeyValue> {
    let mut out = Vec::new();
    for key in KEYS {
        if random.one_in(2) {
            out.push(entry(key, value(random, depth)));
        }
    }
    out
}

fn entry(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value), ..Default::default() }
}

fn record_attributes(random: &mut Random, row: usize) -> Vec<KeyValue> {
    let mut out = attributes(random, 2);
    out.push(entry("row", AnyValue { value: Some(Value::IntValue(row as i64)) }));
    out
}

fn resource(random: &mut Random) -> Option<Resource> {
    let mut attributes = attributes(random, 1);
    let service = random.pick(&["shop", "checkout", "x"]);
    attributes.push(entry("service.name", AnyValue { value: Some(Value::StringValue(service.to_owned())) }));
    Some(Resource { attributes, dropped_attributes_count: random.below(2) as u32, ..Default::default() })
}

fn scope(random: &mut Random) -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: random.pick(&["", "lib", "abc"]).to_owned(),
        version: random.pick(&["", "1.5"]).to_owned(),
        attributes: attributes(random, 1),
        dropped_attributes_count: 0,
    })
}

/// Never all zeros: such an id is none, and its record would have no number.
fn span_id(row: usize) -> Vec<u8> {
    (row as u64 + 1).to_be_bytes().to_vec()
}

fn trace_id(random: &mut Random) -> Vec<u8> {
    (random.below(3) as u128).to_be_bytes().to_vec()
}

/// Records under one scope at most.
const SCOPE_MAX: usize = 5;

fn groups(random: &mut Random, rows: usize) -> Vec<std::ops::Range<usize>> {
    let mut out = Vec::new();
    let mut start = 0;
    while start < rows {
        let end = (start + 1 + random.below(SCOPE_MAX)).min(rows);
        out.push(start..end);
        start = end;
    }
    out
}

/// A request of so many spans.
pub fn traces(random: &mut Random, rows: usize) -> ExportTraceServiceRequest {
    let mut resource_spans = Vec::new();
    for rows in groups(random, rows) {
        let (resource, scope) = (resource(random), scope(random));
        let spans = rows.map(|row| span(random, row)).collect();
        let scope_spans = vec![ScopeSpans { scope, spans, schema_url: String::new() }];
        resource_spans.push(ResourceSpans { resource, scope_spans, schema_url: random.pick(&["", "x"]).to_owned() });
    }
    ExportTraceServiceRequest { resource_spans }
}

fn span(random: &mut Random, row: usize) -> Span {
    let status =
        (!random.one_in(3)).then(|| Status { message: random.pick(&TEXTS).to_owned(), code: random.below(3) as i32 });
    Span {
        trace_id: trace_id(random),
        span_id: span_id(row),
        parent_span_id: if random.one_in(2) { Vec::new() } else { span_id(7) },
        trace_state: random.pick(&["", "a=1"]).to_owned(),
        name: random.pick(&TEXTS).to_owned(),
        kind: random.below(6) as i32,
        start_time_unix_nano: random.pick(&[0, 1_000, 1_700_000_000_000_000_000]),
        end_time_unix_nano: random.pick(&[0, 2_000, 1_700_000_000_000_000_500]),
        attributes: record_attributes(random, row),
        dropped_attributes_count: random.below(3) as u32,
        dropped_events_count: random.below(2) as u32,
        dropped_links_count: random.below(2) as u32,
        status,
        flags: random.below(3) as u32,
        ..Default::default()
    }
}

/// A request of so many log records.
pub fn logs(random: &mut Random, rows: usize) -> ExportLogsServiceRequest {
    let mut resource_logs = Vec::new();
    for rows in groups(random, rows) {
        let (resource, scope) = (resource(random), scope(random));
        let log_records = rows
            .map(|row| LogRecord {
                time_unix_nano: random.pick(&[0, 1_000, 1_700_000_000_000_000_000]),
                observed_time_unix_nano: random.pick(&[0, 1_000]),
                severity_number: random.below(25) as i32,
                severity_text: random.pick(&["", "INFO", "x"]).to_owned(),
                body: (!random.one_in(5)).then(|| value(random, 2)),
                attributes: record_attributes(random, row),
                dropped_attributes_count: random.below(3) as u32,
                flags: random.below(3) as u32,
                trace_id: trace_id(random),
                span_id: span_id(row),
                event_name: random.pick(&["", "x"]).to_owned(),
            })
            .collect();
        let scope_logs = vec![ScopeLogs { scope, log_records, schema_url: String::new() }];
        resource_logs.push(ResourceLogs { resource, scope_logs, schema_url: String::new() });
    }
    ExportLogsServiceRequest { resource_logs }
}

/// A request of so many data points, of all five kinds.
pub fn metrics(random: &mut Random, rows: usize) -> ExportMetricsServiceRequest {
    let mut resource_metrics = Vec::new();
    for rows in groups(random, rows) {
        let (resource, scope) = (resource(random), scope(random));
        let metric = metric(random, rows);
        let scope_metrics = vec![ScopeMetrics { scope, metrics: vec![metric], schema_url: String::new() }];
        resource_metrics.push(ResourceMetrics { resource, scope_metrics, schema_url: String::new() });
    }
    ExportMetricsServiceRequest { resource_metrics }
}

fn metric(random: &mut Random, rows: std::ops::Range<usize>) -> Metric {
    let aggregation_temporality = random.below(3) as i32;
    let time = |row: usize| row as u64 + 1;
    let data = match random.below(5) {
        0 => Data::Gauge(Gauge { data_points: rows.map(|row| number(random, row)).collect() }),
        1 => Data::Sum(Sum {
            data_points: rows.map(|row| number(random, row)).collect(),
            aggregation_temporality,
            is_monotonic: random.one_in(2),
        }),
        2 => Data::Histogram(Histogram {
            data_points: rows
                .map(|row| HistogramDataPoint {
                    attributes: record_attributes(random, row),
                    time_unix_nano: time(row),
                    count: random.below(3) as u64,
                    sum: random.one_in(2).then(|| random.pick(&DOUBLES)),
                    ..Default::default()
                })
                .collect(),
            aggregation_temporality,
        }),
        3 => Data::ExponentialHistogram(ExponentialHistogram {
            data_points: rows
                .map(|row| ExponentialHistogramDataPoint {
                    attributes: record_attributes(random, row),
                    time_unix_nano: time(row),
                    count: random.below(3) as u64,
                    sum: random.one_in(2).then(|| random.pick(&DOUBLES)),
                    scale: random.below(3) as i32 - 1,
                    zero_count: random.below(2) as u64,
                    ..Default::default()
                })
                .collect(),
            aggregation_temporality,
        }),
        _ => Data::Summary(Summary {
            data_points: rows
                .map(|row| SummaryDataPoint {
                    attributes: record_attributes(random, row),
                    time_unix_nano: time(row),
                    count: random.below(3) as u64,
                    sum: random.pick(&DOUBLES),
                    ..Default::default()
                })
                .collect(),
        }),
    };
    Metric {
        name: random.pick(&TEXTS).to_owned(),
        description: random.pick(&["", "x"]).to_owned(),
        unit: random.pick(&["", "1", "By"]).to_owned(),
        metadata: attributes(random, 1),
        data: Some(data),
    }
}

fn number(random: &mut Random, row: usize) -> NumberDataPoint {
    NumberDataPoint {
        attributes: record_attributes(random, row),
        start_time_unix_nano: random.pick(&[0, 1_000]),
        time_unix_nano: row as u64 + 1,
        flags: random.below(2) as u32,
        value: match random.below(5) {
            0 => None,
            1 | 2 => Some(number_data_point::Value::AsInt(random.pick(&INTS))),
            _ => Some(number_data_point::Value::AsDouble(random.pick(&DOUBLES))),
        },
        ..Default::default()
    }
}

/// Draws the texts of one signal.
pub struct Texts<'r> {
    pub random: &'r mut Random,
    pub signal: Signal,
}

impl Texts<'_> {
    /// A condition, with up to `depth` levels of `and`, `or`, `not` and brackets.
    pub fn condition(&mut self, depth: usize) -> String {
        if depth == 0 || self.random.one_in(3) {
            return self.leaf();
        }
        match self.random.below(5) {
            0 => format!("not ({})", self.condition(depth - 1)),
            1 => format!("not {}", self.leaf()),
            2 => format!("({}) or {}", self.condition(depth - 1), self.leaf()),
            3 => format!("{} and {}", self.leaf(), self.leaf()),
            _ => format!("({}) and ({})", self.condition(depth - 1), self.condition(depth - 1)),
        }
    }

    /// A comparison, or a converter that is true or false.
    fn leaf(&mut self) -> String {
        match self.random.below(12) {
            0 => format!("IsMatch({}, \"{}\")", self.value(1), self.random.pick(&PATTERNS)),
            1 => format!("HasPrefix({}, {})", self.text(1), self.literal_text()),
            2 => format!("HasSuffix({}, {})", self.text(1), self.text(0)),
            3 => {
                let function = self.random.pick(&["IsString", "IsInt", "IsDouble", "IsBool", "IsMap", "IsList"]);
                format!("{function}({})", self.entry())
            }
            4 if self.signal == Signal::Traces => "IsRootSpan()".to_owned(),
            _ => {
                let operator = self.random.pick(&["==", "==", "!=", "!=", "<", "<=", ">", ">="]);
                let (left, right) = (self.value(2), self.value(1));
                format!("{left} {operator} {right}")
            }
        }
    }

    /// Whatever can be compared.
    fn value(&mut self, depth: usize) -> String {
        match self.random.below(if depth == 0 { 8 } else { 11 }) {
            0..=3 => self.entry(),
            4 => self.field(),
            5 | 6 => self.literal(),
            7 => self.text(0),
            8 => self.number(depth - 1),
            9 => format!("Int({})", self.entry()),
            _ => self.text(depth - 1),
        }
    }

    /// An entry of a map: of any type.
    fn entry(&mut self) -> String {
        let key = self.random.pick(&KEYS);
        let own = match self.signal {
            Signal::Traces => "span.",
            Signal::Metrics => "datapoint.",
            Signal::Logs => "log.",
        };
        match self.random.below(12) {
            0..=4 => format!("attributes[\"{key}\"]"),
            5 => format!("{own}attributes[\"{key}\"]"),
            6 | 7 => format!("resource.attributes[\"{key}\"]"),
            8 => format!("instrumentation_scope.attributes[\"{key}\"]"),
            9 => format!("attributes[\"{key}\"][\"{}\"]", self.random.pick(&KEYS)),
            10 => format!("attributes[\"{key}\"][{}]", self.random.below(3)),
            _ if self.signal == Signal::Logs => match self.random.below(3) {
                0 => "body".to_owned(),
                1 => format!("body[\"{key}\"]"),
                _ => "body[0]".to_owned(),
            },
            _ => "resource.attributes[\"service.name\"]".to_owned(),
        }
    }

    fn field(&mut self) -> String {
        let field = match self.signal {
            Signal::Traces => self.random.pick(&[
                "name",
                "kind",
                "status.code",
                "status.message",
                "trace_state",
                "start_time_unix_nano",
                "end_time_unix_nano",
                "dropped_attributes_count",
                "flags",
                "trace_id.string",
                "parent_span_id.string",
                "kind.string",
                "kind.deprecated_string",
                "trace_id",
                "parent_span_id",
            ]),
            Signal::Logs => self.random.pick(&[
                "severity_number",
                "severity_text",
                "time_unix_nano",
                "observed_time_unix_nano",
                "flags",
                "event_name",
                "body.string",
                "dropped_attributes_count",
                "trace_id.string",
                "trace_id",
            ]),
            Signal::Metrics => self.random.pick(&[
                "metric.name",
                "metric.unit",
                "metric.description",
                "metric.type",
                "metric.aggregation_temporality",
                "metric.is_monotonic",
                "metric.metadata[\"a\"]",
                "value_int",
                "value_double",
                "count",
                "sum",
                "scale",
                "zero_count",
                "flags",
                "time_unix_nano",
                "start_time_unix_nano",
            ]),
        };
        match self.random.below(6) {
            0 => self.random.pick(&["instrumentation_scope.name", "instrumentation_scope.version"]).to_owned(),
            _ => field.to_owned(),
        }
    }

    fn text_field(&mut self) -> &'static str {
        match self.signal {
            Signal::Traces => self.random.pick(&["name", "status.message", "kind.string", "trace_id.string"]),
            Signal::Logs => self.random.pick(&["severity_text", "event_name", "body.string"]),
            Signal::Metrics => self.random.pick(&["metric.name", "metric.unit"]),
        }
    }

    /// What is text, or may be.
    fn text(&mut self, depth: usize) -> String {
        match self.random.below(if depth == 0 { 4 } else { 10 }) {
            0 | 1 => self.entry(),
            2 => self.text_field().to_owned(),
            3 => self.literal_text(),
            4 => format!("Concat([{}, {}], {})", self.value(depth - 1), self.value(depth - 1), self.literal_text()),
            5 | 6 => {
                let case = self.random.pick(&["lower", "upper", "snake", "camel"]);
                format!("ConvertCase({}, \"{case}\")", self.text(depth - 1))
            }
            7 => format!("String({})", self.value(depth - 1)),
            8 => format!(
                "Substring({}, {}, {}, true)",
                self.text(depth - 1),
                self.random.below(2),
                1 + self.random.below(2)
            ),
            _ => format!("SHA256({})", self.text(depth - 1)),
        }
    }

    fn number(&mut self, depth: usize) -> String {
        match self.random.below(if depth == 0 { 3 } else { 7 }) {
            0 => self.random.pick(&INTS).to_string(),
            1 => self.entry(),
            2 => "1.5".to_owned(),
            3 => format!("Int({})", self.entry()),
            4 => format!("Double({})", self.entry()),
            5 => format!("Len({})", self.entry()),
            _ => {
                let operator = self.random.pick(&["+", "-", "*", "/"]);
                format!("({} {operator} {})", self.number(depth - 1), self.number(depth - 1))
            }
        }
    }

    fn literal_text(&mut self) -> String {
        format!("\"{}\"", self.random.pick(&TEXTS))
    }

    fn literal(&mut self) -> String {
        match self.random.below(9) {
            0 | 1 => self.literal_text(),
            2 | 3 => self.random.pick(&INTS).to_string(),
            4 => self.random.pick(&["1.5", "0.0", "-2.5", "12.0", "200.0"]).to_owned(),
            5 => self.random.pick(&["true", "false"]).to_owned(),
            6 => "nil".to_owned(),
            7 => self.random.pick(&["0x01ab", "[]", "[1, \"x\"]", "{\"a\": 1}", "{}"]).to_owned(),
            _ => match self.signal {
                Signal::Traces => self.random.pick(&["STATUS_CODE_ERROR", "SPAN_KIND_SERVER"]).to_owned(),
                Signal::Logs => self.random.pick(&["SEVERITY_NUMBER_WARN", "SEVERITY_NUMBER_INFO2"]).to_owned(),
                Signal::Metrics => {
                    self.random.pick(&["METRIC_DATA_TYPE_SUM", "AGGREGATION_TEMPORALITY_DELTA"]).to_owned()
                }
            },
        }
    }

    /// A statement, half of them with a condition. Records are changed, their parents are not: a change of a parent reaches
    /// all of its records in the Collector, and the chosen ones here.
    pub fn statement(&mut self) -> String {
        let editor = self.editor();
        if self.random.one_in(2) { format!("{editor} where {}", self.condition(1)) } else { editor }
    }

    fn editor(&mut self) -> String {
        let key = self.random.pick(&KEYS);
        let pattern = self.random.pick(&["^[ab]$", "o", "^http", "^x?$", "a|n"]);
        match self.random.below(16) {
            0..=3 => format!("set(attributes[\"{key}\"], {})", self.settable()),
            4 => {
                // Not into itself: the Collector then copies what it is writing.
                let mut value = self.settable();
                while value.contains(&format!("attributes[\"{key}\"]")) {
                    value = self.settable();
                }
                format!("set(attributes[\"{key}\"][\"{}\"], {value})", self.random.pick(&KEYS))
            }
            5 => format!("set({}, {})", self.text_target(), self.text(1)),
            6 => format!("set({}, {})", self.int_target(), self.number(1).replace("1.5", "3")),
            7 => format!("delete_key(attributes, \"{key}\")"),
            8 => format!("delete_key(attributes[\"nested\"], \"{key}\")"),
            9 => format!("delete_matching_keys(attributes, \"{pattern}\")"),
            10 => format!("keep_keys(attributes, [\"{key}\", \"{}\", \"row\"])", self.random.pick(&KEYS)),
            11 => format!("keep_matching_keys(attributes, \"{pattern}|row\")"),
            12 => format!("replace_pattern({}, \"{pattern}\", \"<$0>\")", self.text_or_entry()),
            13 => {
                let mode = self.random.pick(&["key", "value"]);
                format!("replace_all_patterns(attributes, \"{mode}\", \"{pattern}\", \"$0_z\")")
            }
            14 => format!("truncate_all(attributes, {})", self.random.below(6)),
            _ => {
                let strategy = self.random.pick(&["insert", "update", "upsert"]);
                format!("merge_maps(attributes, resource.attributes, \"{strategy}\")")
            }
        }
    }

    /// A value that an attribute can have.
    fn settable(&mut self) -> String {
        loop {
            let value = self.value(1);
            if !matches!(value.as_str(), "trace_id" | "parent_span_id") {
                return value;
            }
        }
    }

    fn text_target(&mut self) -> &'static str {
        match self.signal {
            Signal::Traces => self.random.pick(&["name", "status.message", "trace_state"]),
            Signal::Logs => self.random.pick(&["severity_text", "event_name"]),
            Signal::Metrics => "attributes[\"a\"]",
        }
    }

    fn int_target(&mut self) -> &'static str {
        match self.signal {
            Signal::Traces => self.random.pick(&["kind", "status.code", "dropped_attributes_count", "flags"]),
            Signal::Logs => self.random.pick(&["severity_number", "flags"]),
            Signal::Metrics => self.random.pick(&["value_int", "flags", "count"]),
        }
    }

    fn text_or_entry(&mut self) -> String {
        if self.random.one_in(3) {
            self.text_target().to_owned()
        } else {
            format!("attributes[\"{}\"]", self.random.pick(&KEYS))
        }
    }
}
