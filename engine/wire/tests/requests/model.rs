//! What the engine should do, done to prost's structs.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, SummaryDataPoint, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use wasmill_wire::Signal;

/// A request that prost decoded.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    Traces(ExportTraceServiceRequest),
    Logs(ExportLogsServiceRequest),
    Metrics(ExportMetricsServiceRequest),
}

pub fn decode(signal: Signal, bytes: &[u8]) -> Result<Request, prost::DecodeError> {
    Ok(match signal {
        Signal::Traces => Request::Traces(ExportTraceServiceRequest::decode(bytes)?),
        Signal::Logs => Request::Logs(ExportLogsServiceRequest::decode(bytes)?),
        Signal::Metrics => Request::Metrics(ExportMetricsServiceRequest::decode(bytes)?),
    })
}

/// Keeps the children that `keep` says, and says whether the parent stays: it had none, or has some left.
fn retain<T>(children: &mut Vec<T>, keep: impl FnMut(&mut T) -> bool) -> bool {
    let had_none = children.is_empty();
    children.retain_mut(keep);
    had_none || !children.is_empty()
}

/// The points of a metric, whatever their kind.
fn retain_points(data: &mut Option<Data>, mut keep: impl FnMut() -> bool) -> bool {
    match data {
        None => true,
        Some(Data::Gauge(data)) => retain(&mut data.data_points, |_| keep()),
        Some(Data::Sum(data)) => retain(&mut data.data_points, |_| keep()),
        Some(Data::Histogram(data)) => retain(&mut data.data_points, |_| keep()),
        Some(Data::ExponentialHistogram(data)) => retain(&mut data.data_points, |_| keep()),
        Some(Data::Summary(data)) => retain(&mut data.data_points, |_| keep()),
    }
}

impl Request {
    /// Removes the rows that are not kept, and the parents that lose their last one.
    pub fn filter(&mut self, keep: &[bool]) {
        let mut row = keep.iter();
        let mut keep = || *row.next().expect("a choice for each row");
        match self {
            Request::Traces(request) => {
                request.resource_spans.retain_mut(|resource| {
                    retain(&mut resource.scope_spans, |scope| retain(&mut scope.spans, |_| keep()))
                });
            }
            Request::Logs(request) => {
                request.resource_logs.retain_mut(|resource| {
                    retain(&mut resource.scope_logs, |scope| retain(&mut scope.log_records, |_| keep()))
                });
            }
            Request::Metrics(request) => {
                request.resource_metrics.retain_mut(|resource| {
                    retain(&mut resource.scope_metrics, |scope| {
                        retain(&mut scope.metrics, |metric| retain_points(&mut metric.data, &mut keep))
                    })
                });
            }
        }
    }

    /// Every row with all its parents.
    pub fn rows(&self) -> Vec<Row> {
        let mut out = Vec::new();
        match self {
            Request::Traces(request) => {
                for resource in &request.resource_spans {
                    for scope in &resource.scope_spans {
                        let row = Row::of(&resource.resource, &resource.schema_url, &scope.scope, &scope.schema_url);
                        out.extend(scope.spans.iter().map(|span| row.with(Record::Span(span.clone()))));
                    }
                }
            }
            Request::Logs(request) => {
                for resource in &request.resource_logs {
                    for scope in &resource.scope_logs {
                        let row = Row::of(&resource.resource, &resource.schema_url, &scope.scope, &scope.schema_url);
                        out.extend(scope.log_records.iter().map(|log| row.with(Record::Log(log.clone()))));
                    }
                }
            }
            Request::Metrics(request) => {
                for resource in &request.resource_metrics {
                    for scope in &resource.scope_metrics {
                        let row = Row::of(&resource.resource, &resource.schema_url, &scope.scope, &scope.schema_url);
                        scope.metrics.iter().for_each(|metric| points(&row, metric, &mut out));
                    }
                }
            }
        }
        out
    }
}

fn points(row: &Row, metric: &Metric, out: &mut Vec<Row>) {
    let mut header = metric.clone();
    let points: Vec<Record> = match &mut header.data {
        None => Vec::new(),
        Some(Data::Gauge(data)) => data.data_points.drain(..).map(Record::Number).collect(),
        Some(Data::Sum(data)) => data.data_points.drain(..).map(Record::Number).collect(),
        Some(Data::Histogram(data)) => data.data_points.drain(..).map(Record::Histogram).collect(),
        Some(Data::ExponentialHistogram(data)) => data.data_points.drain(..).map(Record::Exponential).collect(),
        Some(Data::Summary(data)) => data.data_points.drain(..).map(Record::Summary).collect(),
    };
    out.extend(points.into_iter().map(|point| Row { metric: Some(header.clone()), ..row.with(point) }));
}

/// A row with its parents.
#[derive(Clone, Debug)]
pub struct Row {
    pub resource: Option<Resource>,
    pub resource_url: String,
    pub scope: Option<InstrumentationScope>,
    pub scope_url: String,
    /// Without its points.
    pub metric: Option<Metric>,
    pub record: Record,
}

#[derive(Clone, Debug)]
pub enum Record {
    None,
    Span(Span),
    Log(LogRecord),
    Number(NumberDataPoint),
    Histogram(HistogramDataPoint),
    Exponential(ExponentialHistogramDataPoint),
    Summary(SummaryDataPoint),
}

/// The rows as text, in an order of their own: a multiset that can be compared, NaN included. An entry without a value and
/// one with an empty value are the same, as they are in a column.
pub fn sorted(rows: &[Row]) -> Vec<String> {
    const NONE: &str = "value: None, key_strindex";
    const EMPTY: &str = "value: Some(AnyValue { value: None }), key_strindex";
    let mut out: Vec<String> = rows.iter().map(|row| format!("{row:?}").replace(NONE, EMPTY)).collect();
    out.sort();
    out
}

/// A value that an edit sets; `None` removes.
pub type NewValue = Option<AnyValue>;

impl Row {
    fn of(
        resource: &Option<Resource>,
        resource_url: &str,
        scope: &Option<InstrumentationScope>,
        scope_url: &str,
    ) -> Row {
        Row {
            resource: resource.clone(),
            resource_url: resource_url.to_owned(),
            scope: scope.clone(),
            scope_url: scope_url.to_owned(),
            metric: None,
            record: Record::None,
        }
    }

    fn with(&self, record: Record) -> Row {
        Row { record, ..self.clone() }
    }

    /// The attributes that a path without keys names. Parents that are not there are made where `create` says so.
    pub fn attributes(&mut self, path: &str, create: bool) -> Option<&mut Vec<KeyValue>> {
        match path {
            "resource.attributes" => {
                if create {
                    self.resource.get_or_insert_default();
                }
                self.resource.as_mut().map(|resource| &mut resource.attributes)
            }
            "scope.attributes" => {
                if create {
                    self.scope.get_or_insert_default();
                }
                self.scope.as_mut().map(|scope| &mut scope.attributes)
            }
            "metric.metadata" => self.metric.as_mut().map(|metric| &mut metric.metadata),
            _ => match &mut self.record {
                Record::None => None,
                Record::Span(span) => Some(&mut span.attributes),
                Record::Log(log) => Some(&mut log.attributes),
                Record::Number(point) => Some(&mut point.attributes),
                Record::Histogram(point) => Some(&mut point.attributes),
                Record::Exponential(point) => Some(&mut point.attributes),
                Record::Summary(point) => Some(&mut point.attributes),
            },
        }
    }

    /// Sets a field that is not a map.
    pub fn set(&mut self, path: &str, new: &NewValue) {
        let value = new.as_ref().and_then(|any| any.value.clone());
        let text = || match &value {
            Some(Value::StringValue(text)) => text.clone(),
            _ => String::new(),
        };
        let int = match &value {
            Some(Value::IntValue(int)) => *int,
            _ => 0,
        };
        let bytes = || match &value {
            Some(Value::BytesValue(bytes)) => bytes.clone(),
            _ => Vec::new(),
        };
        let there = new.is_some();
        match path {
            "resource.schema_url" => return self.resource_url = text(),
            "scope.schema_url" => return self.scope_url = text(),
            "scope.name" | "scope.version" => {
                if there {
                    self.scope.get_or_insert_default();
                }
                if let Some(scope) = &mut self.scope {
                    match path {
                        "scope.name" => scope.name = text(),
                        _ => scope.version = text(),
                    }
                }
                return;
            }
            "resource.dropped_attributes_count" => {
                if there {
                    self.resource.get_or_insert_default();
                }
                if let Some(resource) = &mut self.resource {
                    resource.dropped_attributes_count = int as u32;
                }
                return;
            }
            _ => {}
        }
        if let Some(metric) = &mut self.metric {
            match path {
                "metric.name" => return metric.name = text(),
                "metric.description" => return metric.description = text(),
                "metric.unit" => return metric.unit = text(),
                _ => {}
            }
        }
        match &mut self.record {
            Record::None => {}
            Record::Span(span) => match path {
                "name" => span.name = text(),
                "trace_state" => span.trace_state = text(),
                "trace_id" => span.trace_id = bytes(),
                "span_id" => span.span_id = bytes(),
                "parent_span_id" => span.parent_span_id = bytes(),
                "kind" => span.kind = int as i32,
                "flags" => span.flags = int as u32,
                "start_time_unix_nano" => span.start_time_unix_nano = int as u64,
                "end_time_unix_nano" => span.end_time_unix_nano = int as u64,
                "dropped_attributes_count" => span.dropped_attributes_count = int as u32,
                "dropped_events_count" => span.dropped_events_count = int as u32,
                "dropped_links_count" => span.dropped_links_count = int as u32,
                "spanevent.name" => span.events.iter_mut().for_each(|event| event.name = text()),
                "spanlink.trace_state" => span.links.iter_mut().for_each(|link| link.trace_state = text()),
                "status.code" | "status.message" => {
                    if there {
                        span.status.get_or_insert_default();
                    }
                    if let Some(status) = &mut span.status {
                        match path {
                            "status.code" => status.code = int as i32,
                            _ => status.message = text(),
                        }
                    }
                }
                other => panic!("the model has no {other}"),
            },
            Record::Log(log) => match path {
                "severity_text" => log.severity_text = text(),
                "severity_number" => log.severity_number = int as i32,
                "event_name" => log.event_name = text(),
                "body" => log.body.clone_from(new),
                "time_unix_nano" => log.time_unix_nano = int as u64,
                "observed_time_unix_nano" => log.observed_time_unix_nano = int as u64,
                "trace_id" => log.trace_id = bytes(),
                "span_id" => log.span_id = bytes(),
                "flags" => log.flags = int as u32,
                "dropped_attributes_count" => log.dropped_attributes_count = int as u32,
                other => panic!("the model has no {other}"),
            },
            Record::Number(point) => match path {
                "time_unix_nano" => point.time_unix_nano = int as u64,
                "start_time_unix_nano" => point.start_time_unix_nano = int as u64,
                "flags" => point.flags = int as u32,
                "value" => {
                    point.value = match value {
                        Some(Value::IntValue(int)) => Some(number_data_point::Value::AsInt(int)),
                        Some(Value::DoubleValue(double)) => Some(number_data_point::Value::AsDouble(double)),
                        _ => None,
                    }
                }
                _ => {}
            },
            Record::Histogram(point) => match path {
                "time_unix_nano" => point.time_unix_nano = int as u64,
                "start_time_unix_nano" => point.start_time_unix_nano = int as u64,
                "flags" => point.flags = int as u32,
                _ => {}
            },
            Record::Exponential(point) => match path {
                "time_unix_nano" => point.time_unix_nano = int as u64,
                "start_time_unix_nano" => point.start_time_unix_nano = int as u64,
                "flags" => point.flags = int as u32,
                _ => {}
            },
            Record::Summary(point) => match path {
                "time_unix_nano" => point.time_unix_nano = int as u64,
                "start_time_unix_nano" => point.start_time_unix_nano = int as u64,
                "flags" => point.flags = int as u32,
                _ => {}
            },
        }
    }
}

/// Sets the first entry with a key and drops the others, or appends one; `None` drops all.
pub fn set_key(entries: &mut Vec<KeyValue>, key: &str, value: &NewValue) {
    let mut first = true;
    entries.retain_mut(|entry| {
        if entry.key != key {
            return true;
        }
        if first && value.is_some() {
            entry.value.clone_from(value);
        }
        std::mem::take(&mut first) && value.is_some()
    });
    if first && value.is_some() {
        entries.push(KeyValue { key: key.to_owned(), value: value.clone(), ..KeyValue::default() });
    }
}

/// As [`set_key`] for what nests below the first entry with the first key. Maps on the way are made where a value is set
/// and there is none; what is no map stays.
pub fn set_nested(entries: &mut Vec<KeyValue>, keys: &[&str], value: &NewValue) {
    let [key, rest @ ..] = keys else {
        return;
    };
    if rest.is_empty() {
        return set_key(entries, key, value);
    }
    if !entries.iter().any(|entry| entry.key == *key) {
        if value.is_none() {
            return;
        }
        entries.push(KeyValue { key: (*key).to_owned(), ..KeyValue::default() });
    }
    let entry = entries.iter_mut().find(|entry| entry.key == *key).expect("was found or made");
    if entry.value.is_none() && value.is_none() {
        return;
    }
    let any = entry.value.get_or_insert_default();
    if any.value.is_none() && value.is_some() {
        any.value = Some(Value::KvlistValue(KeyValueList::default()));
    }
    if let Some(Value::KvlistValue(list)) = &mut any.value {
        set_nested(&mut list.values, rest, value);
    }
}
