//! Generated requests as rows, as the host would project them, and edits applied to them.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{NumberDataPoint, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use wasmill_columns::{AnyValue, Block, Column};

use super::model::{Row, V, lookup};
use crate::{Change, Edit, Target};

fn map(attributes: &[KeyValue]) -> V {
    let value = |entry: &KeyValue| entry.value.clone().and_then(|any| any.value).map_or(V::Empty, V::of_proto);
    V::Map(attributes.iter().map(|entry| (entry.key.clone(), value(entry))).collect())
}

fn put(row: &mut Row, name: &str, value: impl Into<V>) {
    row.insert(name.to_owned(), value.into());
}

fn parents(row: &mut Row, resource: &Option<Resource>, scope: &Option<InstrumentationScope>) {
    if let Some(resource) = resource {
        put(row, "resource.attributes", map(&resource.attributes));
        put(row, "resource.dropped_attributes_count", i64::from(resource.dropped_attributes_count));
    }
    if let Some(scope) = scope {
        put(row, "scope.name", scope.name.as_str());
        put(row, "scope.version", scope.version.as_str());
        put(row, "scope.attributes", map(&scope.attributes));
    }
}

fn id(row: &mut Row, name: &str, id: &[u8]) {
    if !id.is_empty() {
        put(row, name, V::Id(id.to_vec()));
    }
}

pub(super) fn spans(request: &ExportTraceServiceRequest) -> Vec<Row> {
    let mut rows = Vec::new();
    for resource in &request.resource_spans {
        for scope in &resource.scope_spans {
            for span in &scope.spans {
                let mut row = Row::new();
                parents(&mut row, &resource.resource, &scope.scope);
                id(&mut row, "trace_id", &span.trace_id);
                id(&mut row, "span_id", &span.span_id);
                id(&mut row, "parent_span_id", &span.parent_span_id);
                let status = span.status.clone().unwrap_or_default();
                put(&mut row, "trace_state", span.trace_state.as_str());
                put(&mut row, "name", span.name.as_str());
                put(&mut row, "kind", i64::from(span.kind));
                put(&mut row, "flags", i64::from(span.flags));
                put(&mut row, "start_time_unix_nano", span.start_time_unix_nano as i64);
                put(&mut row, "end_time_unix_nano", span.end_time_unix_nano as i64);
                put(&mut row, "attributes", map(&span.attributes));
                put(&mut row, "dropped_attributes_count", i64::from(span.dropped_attributes_count));
                put(&mut row, "dropped_events_count", i64::from(span.dropped_events_count));
                put(&mut row, "dropped_links_count", i64::from(span.dropped_links_count));
                put(&mut row, "status.code", i64::from(status.code));
                put(&mut row, "status.message", status.message.as_str());
                rows.push(row);
            }
        }
    }
    rows
}

pub(super) fn records(request: &ExportLogsServiceRequest) -> Vec<Row> {
    let mut rows = Vec::new();
    for resource in &request.resource_logs {
        for scope in &resource.scope_logs {
            for record in &scope.log_records {
                let mut row = Row::new();
                parents(&mut row, &resource.resource, &scope.scope);
                id(&mut row, "trace_id", &record.trace_id);
                id(&mut row, "span_id", &record.span_id);
                put(&mut row, "time_unix_nano", record.time_unix_nano as i64);
                put(&mut row, "observed_time_unix_nano", record.observed_time_unix_nano as i64);
                put(&mut row, "severity_number", i64::from(record.severity_number));
                put(&mut row, "severity_text", record.severity_text.as_str());
                if let Some(body) = &record.body {
                    put(&mut row, "body", body.value.clone().map_or(V::Empty, V::of_proto));
                }
                put(&mut row, "attributes", map(&record.attributes));
                put(&mut row, "dropped_attributes_count", i64::from(record.dropped_attributes_count));
                put(&mut row, "flags", i64::from(record.flags));
                put(&mut row, "event_name", record.event_name.as_str());
                rows.push(row);
            }
        }
    }
    rows
}

pub(super) fn points(request: &ExportMetricsServiceRequest) -> Vec<Row> {
    let mut rows = Vec::new();
    for resource in &request.resource_metrics {
        for scope in &resource.scope_metrics {
            for metric in &scope.metrics {
                let mut base = Row::new();
                parents(&mut base, &resource.resource, &scope.scope);
                put(&mut base, "metric.name", metric.name.as_str());
                put(&mut base, "metric.description", metric.description.as_str());
                put(&mut base, "metric.unit", metric.unit.as_str());
                put(&mut base, "metric.metadata", map(&metric.metadata));
                if let Some(data) = &metric.data {
                    rows.extend(points_of(data).into_iter().map(|mut row| {
                        row.extend(base.clone());
                        row
                    }));
                }
            }
        }
    }
    rows
}

fn points_of(data: &Data) -> Vec<Row> {
    let (number, temporality) = match data {
        Data::Gauge(_) => (1, None),
        Data::Sum(sum) => (2, Some(sum.aggregation_temporality)),
        Data::Histogram(histogram) => (3, Some(histogram.aggregation_temporality)),
        Data::ExponentialHistogram(histogram) => (4, Some(histogram.aggregation_temporality)),
        Data::Summary(_) => (5, None),
    };
    let mut rows: Vec<Row> = match data {
        Data::Gauge(gauge) => gauge.data_points.iter().map(number_point).collect(),
        Data::Sum(sum) => sum.data_points.iter().map(number_point).collect(),
        Data::Histogram(histogram) => histogram
            .data_points
            .iter()
            .map(|point| counted(&point.attributes, point.time_unix_nano, point.flags, point.count, point.sum))
            .collect(),
        Data::ExponentialHistogram(histogram) => histogram
            .data_points
            .iter()
            .map(|point| {
                let mut row = counted(&point.attributes, point.time_unix_nano, point.flags, point.count, point.sum);
                put(&mut row, "scale", i64::from(point.scale));
                put(&mut row, "zero_count", point.zero_count as i64);
                row
            })
            .collect(),
        Data::Summary(summary) => summary
            .data_points
            .iter()
            .map(|point| counted(&point.attributes, point.time_unix_nano, point.flags, point.count, Some(point.sum)))
            .collect(),
    };
    for row in &mut rows {
        put(row, "metric.type", number);
        if let Some(temporality) = temporality {
            put(row, "metric.aggregation_temporality", i64::from(temporality));
        }
        if let Data::Sum(sum) = data {
            put(row, "metric.is_monotonic", sum.is_monotonic);
        }
    }
    rows
}

fn number_point(point: &NumberDataPoint) -> Row {
    let mut row = Row::new();
    put(&mut row, "attributes", map(&point.attributes));
    put(&mut row, "start_time_unix_nano", point.start_time_unix_nano as i64);
    put(&mut row, "time_unix_nano", point.time_unix_nano as i64);
    put(&mut row, "flags", i64::from(point.flags));
    match point.value {
        Some(number_data_point::Value::AsInt(value)) => put(&mut row, "value_int", value),
        Some(number_data_point::Value::AsDouble(value)) => put(&mut row, "value_double", value),
        None => {}
    }
    row
}

fn counted(attributes: &[KeyValue], time: u64, flags: u32, count: u64, sum: Option<f64>) -> Row {
    let mut row = Row::new();
    put(&mut row, "attributes", map(attributes));
    put(&mut row, "time_unix_nano", time as i64);
    put(&mut row, "flags", i64::from(flags));
    put(&mut row, "count", count as i64);
    if let Some(sum) = sum {
        put(&mut row, "sum", sum);
    }
    row
}

/// Makes edits as the host would.
pub(super) fn apply(rows: &mut [Row], edits: &[Edit]) {
    for edit in edits {
        let Edit { path, target, change } = edit;
        let bytes: &[u8] = match change {
            Change::Remove => &[],
            Change::Set(block) | Change::Merge(block) => block,
        };
        let block = Block::check(bytes).expect("edits are sound blocks");
        let column = block.column(0);
        let chosen: Vec<usize> = match target {
            Target::All => (0..rows.len()).collect(),
            Target::Rows(bitmap) => bitmap.ones().collect(),
            Target::Entries(places) => {
                entries(rows, path, places, change, column);
                continue;
            }
        };
        if let (Change::Set(_), Some(column)) = (change, column) {
            assert_eq!(column.len(), chosen.len(), "a value for each target of `{path}`");
        }
        for (place, row) in chosen.into_iter().enumerate() {
            match (change, column) {
                (Change::Remove, _) => set(&mut rows[row], path, None),
                (Change::Set(_), Some(column)) => set(&mut rows[row], path, Some(value(column, place))),
                (Change::Merge(_), Some(Column::Attributes(attributes))) => {
                    for (key, value) in attributes.entries(place) {
                        set(&mut rows[row], &format!("{path}[\"{key}\"]"), V::of(value));
                    }
                }
                _ => panic!("an edit of `{path}` without values"),
            }
        }
    }
}

fn value(column: Column<'_>, row: usize) -> V {
    match column {
        Column::Any(any) => V::of(any.get(row)).expect("set does not remove"),
        Column::Text(text) => V::Text(text.get(row).expect("a text").to_owned()),
        Column::Boolean(values) => V::Bool(values.get(row).expect("a value")),
        Column::UInt32(values) => V::Int(values.raw(row).into()),
        Column::Int32(values) => V::Int(values.raw(row).into()),
        Column::UInt64(values) => V::Int(values.raw(row) as i64),
        Column::Int64(values) => V::Int(values.raw(row)),
        Column::Double(values) => V::Double(values.raw(row)),
        Column::Id8(values) => V::Id(values.raw(row).to_vec()),
        Column::Id16(values) => V::Id(values.raw(row).to_vec()),
        other => panic!("no edit sets {}", other.kind()),
    }
}

fn set(row: &mut Row, path: &str, value: Option<V>) {
    let Some((field, key)) = path.split_once("[\"") else {
        match value {
            Some(value) => {
                // A number point has one value.
                match path {
                    "value_int" => drop(row.remove("value_double")),
                    "value_double" => drop(row.remove("value_int")),
                    _ => {}
                }
                row.insert(path.to_owned(), value);
            }
            None => drop(row.remove(path)),
        }
        return;
    };
    let key = key.strip_suffix("\"]").expect("a key in quotes");
    let V::Map(entries) = row.entry(field.to_owned()).or_insert_with(|| V::Map(Vec::new())) else {
        panic!("`{field}` is a map");
    };
    let place = entries.iter().position(|(name, _)| name == key);
    match (place, value) {
        (Some(place), Some(value)) => entries[place].1 = value,
        (Some(place), None) => drop(entries.remove(place)),
        (None, Some(value)) => entries.push((key.to_owned(), value)),
        (None, None) => {}
    }
}

/// An edit of single entries: places count through all rows.
fn entries(rows: &mut [Row], path: &str, places: &[u32], change: &Change, column: Option<Column<'_>>) {
    let mut values: Vec<(u32, Option<V>)> = Vec::new();
    for (number, place) in places.iter().enumerate() {
        let value = match (change, column) {
            (Change::Remove, _) => None,
            (Change::Set(_), Some(Column::Any(any))) => Some(match any.get(number) {
                AnyValue::Absent => panic!("entries are not set to nothing"),
                value => V::of(value).expect("not absent"),
            }),
            _ => panic!("entries are set or removed"),
        };
        values.push((*place, value));
    }
    let mut first = 0;
    for row in rows {
        let count = match lookup(row, path) {
            Some(V::Map(entries)) => entries.len() as u32,
            _ => 0,
        };
        if let Some(V::Map(entries)) = row.get_mut(path) {
            for (place, (_, value)) in (first..).zip(entries.iter_mut()) {
                if let Some((_, Some(new))) = values.iter().find(|(wanted, _)| *wanted == place) {
                    *value = new.clone();
                }
            }
            let mut place = first;
            entries.retain(|_| {
                place += 1;
                !values.iter().any(|(wanted, value)| *wanted == place - 1 && value.is_none())
            });
        }
        first += count;
    }
}
