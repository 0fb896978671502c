//! What `prost`'s messages say a path's value is.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, SummaryDataPoint, exemplar,
    metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use super::cell::Cell;
use crate::{Key, Path, Signal};

pub(super) struct Row {
    record: Record,
    metric: Metric,
    scope: InstrumentationScope,
    scope_url: String,
    resource: Resource,
    resource_url: String,
}

enum Record {
    Span(Span),
    Log(LogRecord),
    Number(NumberDataPoint),
    Histogram(HistogramDataPoint),
    Exponential(ExponentialHistogramDataPoint),
    Summary(SummaryDataPoint),
}

/// Every path without keys.
pub(super) fn names(signal: Signal) -> Vec<&'static str> {
    crate::path::names(signal).filter(|&name| name != "request.metadata").collect()
}

pub(super) fn rows(signal: Signal, request: &[u8]) -> Vec<Row> {
    let mut rows = Vec::new();
    macro_rules! walk {
        ($request:ty, $resources:ident, $scopes:ident, $records:ident, $each:expr) => {
            for resource in <$request>::decode(request).expect("a valid request").$resources {
                for scope in resource.$scopes {
                    for record in scope.$records {
                        for (record, metric) in $each(record) {
                            rows.push(Row {
                                record,
                                metric,
                                scope: scope.scope.clone().unwrap_or_default(),
                                scope_url: scope.schema_url.clone(),
                                resource: resource.resource.clone().unwrap_or_default(),
                                resource_url: resource.schema_url.clone(),
                            });
                        }
                    }
                }
            }
        };
    }
    match signal {
        Signal::Traces => walk!(ExportTraceServiceRequest, resource_spans, scope_spans, spans, |span| [(
            Record::Span(span),
            Metric::default()
        )]),
        Signal::Logs => walk!(ExportLogsServiceRequest, resource_logs, scope_logs, log_records, |log| [(
            Record::Log(log),
            Metric::default()
        )]),
        Signal::Metrics => walk!(ExportMetricsServiceRequest, resource_metrics, scope_metrics, metrics, points),
    }
    rows
}

fn points(metric: Metric) -> Vec<(Record, Metric)> {
    let records: Vec<Record> = match metric.data.clone() {
        None => Vec::new(),
        Some(Data::Gauge(data)) => data.data_points.into_iter().map(Record::Number).collect(),
        Some(Data::Sum(data)) => data.data_points.into_iter().map(Record::Number).collect(),
        Some(Data::Histogram(data)) => data.data_points.into_iter().map(Record::Histogram).collect(),
        Some(Data::ExponentialHistogram(data)) => data.data_points.into_iter().map(Record::Exponential).collect(),
        Some(Data::Summary(data)) => data.data_points.into_iter().map(Record::Summary).collect(),
    };
    records.into_iter().map(|record| (record, metric.clone())).collect()
}

fn each<T>(all: &[T], cell: impl FnMut(&T) -> Cell) -> Cell {
    Cell::Sequence(all.iter().map(cell).collect())
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn int(value: i32) -> Cell {
    Cell::Int(value.into())
}

fn uint(value: u32) -> Cell {
    Cell::UInt(value.into())
}

impl Row {
    pub(super) fn cell(&self, path: &Path) -> Cell {
        let name = path.to_string();
        let name = name.split('[').next().expect("the first part");
        let keys = path.keys.as_slice();
        self.parent(name, keys).unwrap_or_else(|| match &self.record {
            Record::Span(span) => of_span(span, name, keys),
            Record::Log(log) => of_log(log, name, keys),
            Record::Number(point) => of_number(point, name, keys),
            Record::Histogram(point) => of_histogram(point, name, keys),
            Record::Exponential(point) => of_exponential(point, name, keys),
            Record::Summary(point) => of_summary(point, name, keys),
        })
    }

    fn parent(&self, name: &str, keys: &[Key]) -> Option<Cell> {
        let temporality = match &self.metric.data {
            Some(Data::Sum(sum)) => int(sum.aggregation_temporality),
            Some(Data::Histogram(data)) => int(data.aggregation_temporality),
            Some(Data::ExponentialHistogram(data)) => int(data.aggregation_temporality),
            _ => Cell::Null,
        };
        Some(match name {
            "resource.attributes" => Cell::attributes(&self.resource.attributes, keys),
            "resource.dropped_attributes_count" => uint(self.resource.dropped_attributes_count),
            "resource.schema_url" => text(&self.resource_url),
            "scope.name" => text(&self.scope.name),
            "scope.version" => text(&self.scope.version),
            "scope.attributes" => Cell::attributes(&self.scope.attributes, keys),
            "scope.dropped_attributes_count" => uint(self.scope.dropped_attributes_count),
            "scope.schema_url" => text(&self.scope_url),
            "metric.name" => text(&self.metric.name),
            "metric.description" => text(&self.metric.description),
            "metric.unit" => text(&self.metric.unit),
            "metric.metadata" => Cell::attributes(&self.metric.metadata, keys),
            "metric.aggregation_temporality" => temporality,
            "metric.is_monotonic" => match &self.metric.data {
                Some(Data::Sum(sum)) => Cell::Bool(sum.is_monotonic),
                _ => Cell::Null,
            },
            "metric.type" => int(match &self.metric.data {
                None => 0,
                Some(Data::Gauge(_)) => 1,
                Some(Data::Sum(_)) => 2,
                Some(Data::Histogram(_)) => 3,
                Some(Data::ExponentialHistogram(_)) => 4,
                Some(Data::Summary(_)) => 5,
            }),
            _ => return None,
        })
    }
}

fn of_span(span: &Span, name: &str, keys: &[Key]) -> Cell {
    let status = span.status.clone().unwrap_or_default();
    match name {
        "trace_id" => Cell::id(&span.trace_id, 16),
        "span_id" => Cell::id(&span.span_id, 8),
        "trace_state" => text(&span.trace_state),
        "parent_span_id" => Cell::id(&span.parent_span_id, 8),
        "flags" => uint(span.flags),
        "name" => text(&span.name),
        "kind" => int(span.kind),
        "start_time_unix_nano" => Cell::UInt(span.start_time_unix_nano),
        "end_time_unix_nano" => Cell::UInt(span.end_time_unix_nano),
        "duration" => Cell::Int(span.end_time_unix_nano.wrapping_sub(span.start_time_unix_nano) as i64),
        "attributes" => Cell::attributes(&span.attributes, keys),
        "dropped_attributes_count" => uint(span.dropped_attributes_count),
        "dropped_events_count" => uint(span.dropped_events_count),
        "dropped_links_count" => uint(span.dropped_links_count),
        "status.code" => int(status.code),
        "status.message" => text(&status.message),
        "spanevent.time_unix_nano" => each(&span.events, |event| Cell::UInt(event.time_unix_nano)),
        "spanevent.name" => each(&span.events, |event| text(&event.name)),
        "spanevent.attributes" => each(&span.events, |event| Cell::attributes(&event.attributes, keys)),
        "spanevent.dropped_attributes_count" => each(&span.events, |event| uint(event.dropped_attributes_count)),
        "spanlink.trace_id" => each(&span.links, |link| Cell::id(&link.trace_id, 16)),
        "spanlink.span_id" => each(&span.links, |link| Cell::id(&link.span_id, 8)),
        "spanlink.trace_state" => each(&span.links, |link| text(&link.trace_state)),
        "spanlink.attributes" => each(&span.links, |link| Cell::attributes(&link.attributes, keys)),
        "spanlink.dropped_attributes_count" => each(&span.links, |link| uint(link.dropped_attributes_count)),
        "spanlink.flags" => each(&span.links, |link| uint(link.flags)),
        name => panic!("`{name}` is not compared"),
    }
}

fn of_log(log: &LogRecord, name: &str, keys: &[Key]) -> Cell {
    match name {
        "time_unix_nano" => Cell::UInt(log.time_unix_nano),
        "observed_time_unix_nano" => Cell::UInt(log.observed_time_unix_nano),
        "severity_number" => int(log.severity_number),
        "severity_text" => text(&log.severity_text),
        "body" => log.body.as_ref().map_or(Cell::Null, |body| Cell::any(Some(body)).within(keys)),
        "attributes" => Cell::attributes(&log.attributes, keys),
        "dropped_attributes_count" => uint(log.dropped_attributes_count),
        "flags" => uint(log.flags),
        "trace_id" => Cell::id(&log.trace_id, 16),
        "span_id" => Cell::id(&log.span_id, 8),
        "event_name" => text(&log.event_name),
        name => panic!("`{name}` is not compared"),
    }
}

fn of_number(point: &NumberDataPoint, name: &str, keys: &[Key]) -> Cell {
    let value = match point.value {
        None => Cell::Null,
        Some(number_data_point::Value::AsDouble(value)) => Cell::Double(value),
        Some(number_data_point::Value::AsInt(value)) => Cell::Int(value),
    };
    match name {
        "start_time_unix_nano" => Cell::UInt(point.start_time_unix_nano),
        "time_unix_nano" => Cell::UInt(point.time_unix_nano),
        "attributes" => Cell::attributes(&point.attributes, keys),
        "flags" => uint(point.flags),
        "value" => value,
        "value_int" => {
            if let Cell::Int(_) = value {
                value
            } else {
                Cell::Null
            }
        }
        "value_double" => {
            if let Cell::Double(_) = value {
                value
            } else {
                Cell::Null
            }
        }
        name => of_exemplars(&point.exemplars, name, keys),
    }
}

fn of_histogram(point: &HistogramDataPoint, name: &str, keys: &[Key]) -> Cell {
    match name {
        "start_time_unix_nano" => Cell::UInt(point.start_time_unix_nano),
        "time_unix_nano" => Cell::UInt(point.time_unix_nano),
        "attributes" => Cell::attributes(&point.attributes, keys),
        "flags" => uint(point.flags),
        "count" => Cell::UInt(point.count),
        "sum" => Cell::optional(point.sum),
        "min" => Cell::optional(point.min),
        "max" => Cell::optional(point.max),
        "bucket_counts" => each(&point.bucket_counts, |&count| Cell::UInt(count)),
        "explicit_bounds" => each(&point.explicit_bounds, |&bound| Cell::Double(bound)),
        name => of_exemplars(&point.exemplars, name, keys),
    }
}

fn of_exponential(point: &ExponentialHistogramDataPoint, name: &str, keys: &[Key]) -> Cell {
    let (positive, negative) = (point.positive.clone().unwrap_or_default(), point.negative.clone().unwrap_or_default());
    match name {
        "start_time_unix_nano" => Cell::UInt(point.start_time_unix_nano),
        "time_unix_nano" => Cell::UInt(point.time_unix_nano),
        "attributes" => Cell::attributes(&point.attributes, keys),
        "flags" => uint(point.flags),
        "count" => Cell::UInt(point.count),
        "sum" => Cell::optional(point.sum),
        "min" => Cell::optional(point.min),
        "max" => Cell::optional(point.max),
        "scale" => int(point.scale),
        "zero_count" => Cell::UInt(point.zero_count),
        "zero_threshold" => Cell::Double(point.zero_threshold),
        "positive.offset" => int(positive.offset),
        "positive.bucket_counts" => each(&positive.bucket_counts, |&count| Cell::UInt(count)),
        "negative.offset" => int(negative.offset),
        "negative.bucket_counts" => each(&negative.bucket_counts, |&count| Cell::UInt(count)),
        name => of_exemplars(&point.exemplars, name, keys),
    }
}

fn of_summary(point: &SummaryDataPoint, name: &str, keys: &[Key]) -> Cell {
    match name {
        "start_time_unix_nano" => Cell::UInt(point.start_time_unix_nano),
        "time_unix_nano" => Cell::UInt(point.time_unix_nano),
        "attributes" => Cell::attributes(&point.attributes, keys),
        "flags" => uint(point.flags),
        "count" => Cell::UInt(point.count),
        "sum" => Cell::Double(point.sum),
        "quantile_values.quantile" => each(&point.quantile_values, |value| Cell::Double(value.quantile)),
        "quantile_values.value" => each(&point.quantile_values, |value| Cell::Double(value.value)),
        _ => Cell::Null,
    }
}

fn of_exemplars(exemplars: &[Exemplar], name: &str, keys: &[Key]) -> Cell {
    match name {
        "exemplar.time_unix_nano" => each(exemplars, |exemplar| Cell::UInt(exemplar.time_unix_nano)),
        "exemplar.trace_id" => each(exemplars, |exemplar| Cell::id(&exemplar.trace_id, 16)),
        "exemplar.span_id" => each(exemplars, |exemplar| Cell::id(&exemplar.span_id, 8)),
        "exemplar.filtered_attributes" => {
            each(exemplars, |exemplar| Cell::attributes(&exemplar.filtered_attributes, keys))
        }
        "exemplar.value" => each(exemplars, |exemplar| match exemplar.value {
            None => Cell::Null,
            Some(exemplar::Value::AsDouble(value)) => Cell::Double(value),
            Some(exemplar::Value::AsInt(value)) => Cell::Int(value),
        }),
        _ => Cell::Null,
    }
}
