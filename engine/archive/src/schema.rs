//! What is in the files: one schema for each signal, the same in every file of a version.
//!
//! For people with SQL and data frames, so that nothing needs a function to be read: times are timestamps, ids are hex text (which is what
//! is pasted into a query, and what joins traces with logs), enumerations are words, attributes are a map from text to text. A map has one
//! type of value, and attributes have many; text is the one that all of them have. What the text was is kept beside the map, a letter for
//! each entry ([`type letters`](crate::columns)), which costs next to nothing because most rows have the same letters.
//!
//! Every column may be null: no value is no value, not a zero or an empty text that says it.

use std::sync::{Arc, LazyLock};

use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use wasmill_wire::Signal;

/// Stands in every file, under [`VERSION_KEY`]. A column that changes its meaning, or goes, makes another version; new ones are added behind.
pub const VERSION: &str = "1";
/// The key of the metadata of a file.
pub const VERSION_KEY: &str = "wasmill.archive.version";
/// And that of its signal.
pub const SIGNAL_KEY: &str = "wasmill.archive.signal";

/// How the columns of parents and maps of them are laid out in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// As readers see them.
    Plain,
    /// What rows share is there once, and rows have its number: what the columns are built as, and what Parquet is written from.
    Shared,
}

/// The columns of a signal, in order.
pub fn schema(signal: Signal, layout: Layout) -> SchemaRef {
    static ALL: LazyLock<[[SchemaRef; 2]; 3]> = LazyLock::new(|| {
        Signal::ALL.map(|signal| [Layout::Plain, Layout::Shared].map(|layout| Arc::new(make(signal, layout))))
    });
    let place = Signal::ALL.iter().position(|one| *one == signal).unwrap_or_default();
    Arc::clone(&ALL[place][usize::from(layout == Layout::Shared)])
}

fn make(signal: Signal, layout: Layout) -> Schema {
    let mut fields = match signal {
        Signal::Traces => spans(),
        Signal::Logs => logs(),
        Signal::Metrics => points(layout),
    };
    fields.extend(parents(layout));
    Schema::new(fields)
}

fn spans() -> Vec<Field> {
    vec![
        field("start_time", time()),
        field("end_time", time()),
        field("duration_nano", DataType::Int64),
        field("trace_id", DataType::Utf8),
        field("span_id", DataType::Utf8),
        field("parent_span_id", DataType::Utf8),
        field("trace_state", DataType::Utf8),
        field("flags", DataType::UInt32),
        field("name", DataType::Utf8),
        field("kind", DataType::Utf8),
        field("status_code", DataType::Utf8),
        field("status_message", DataType::Utf8),
        field("attributes", map()),
        field("attribute_types", DataType::Utf8),
        field("dropped_attributes_count", DataType::UInt32),
        field("events", list(DataType::Struct(event_fields()))),
        field("dropped_events_count", DataType::UInt32),
        field("links", list(DataType::Struct(link_fields()))),
        field("dropped_links_count", DataType::UInt32),
    ]
}

fn logs() -> Vec<Field> {
    vec![
        field("time", time()),
        field("observed_time", time()),
        field("trace_id", DataType::Utf8),
        field("span_id", DataType::Utf8),
        field("flags", DataType::UInt32),
        field("severity_number", DataType::Int32),
        field("severity_text", DataType::Utf8),
        field("event_name", DataType::Utf8),
        field("body", DataType::Utf8),
        field("body_type", DataType::Utf8),
        field("attributes", map()),
        field("attribute_types", DataType::Utf8),
        field("dropped_attributes_count", DataType::UInt32),
    ]
}

fn points(layout: Layout) -> Vec<Field> {
    vec![
        field("time", time()),
        field("start_time", time()),
        field("metric_name", shared_text(layout)),
        field("metric_description", shared_text(layout)),
        field("metric_unit", shared_text(layout)),
        field("metric_type", DataType::Utf8),
        field("aggregation_temporality", DataType::Utf8),
        field("is_monotonic", DataType::Boolean),
        field("flags", DataType::UInt32),
        field("value", DataType::Float64),
        field("value_int", DataType::Int64),
        field("count", DataType::UInt64),
        field("sum", DataType::Float64),
        field("min", DataType::Float64),
        field("max", DataType::Float64),
        field("bucket_counts", list(DataType::UInt64)),
        field("explicit_bounds", list(DataType::Float64)),
        field("scale", DataType::Int32),
        field("zero_count", DataType::UInt64),
        field("zero_threshold", DataType::Float64),
        field("positive_offset", DataType::Int32),
        field("positive_bucket_counts", list(DataType::UInt64)),
        field("negative_offset", DataType::Int32),
        field("negative_bucket_counts", list(DataType::UInt64)),
        field("quantiles", list(DataType::Struct(quantile_fields()))),
        field("exemplars", list(DataType::Struct(exemplar_fields()))),
        field("attributes", map()),
        field("attribute_types", DataType::Utf8),
        field("metric_metadata", shared_map(layout)),
        field("metric_metadata_types", shared_text(layout)),
    ]
}

/// Of resource and scope, behind those of the record.
fn parents(layout: Layout) -> Vec<Field> {
    vec![
        field("service_name", shared_text(layout)),
        field("resource_attributes", shared_map(layout)),
        field("resource_attribute_types", shared_text(layout)),
        field("resource_dropped_attributes_count", DataType::UInt32),
        field("resource_schema_url", shared_text(layout)),
        field("scope_name", shared_text(layout)),
        field("scope_version", shared_text(layout)),
        field("scope_attributes", shared_map(layout)),
        field("scope_attribute_types", shared_text(layout)),
        field("scope_dropped_attributes_count", DataType::UInt32),
        field("scope_schema_url", shared_text(layout)),
    ]
}

pub fn event_fields() -> Fields {
    Fields::from(vec![
        field("time", time()),
        field("name", DataType::Utf8),
        field("attributes", map()),
        field("attribute_types", DataType::Utf8),
        field("dropped_attributes_count", DataType::UInt32),
    ])
}

pub fn link_fields() -> Fields {
    Fields::from(vec![
        field("trace_id", DataType::Utf8),
        field("span_id", DataType::Utf8),
        field("trace_state", DataType::Utf8),
        field("flags", DataType::UInt32),
        field("attributes", map()),
        field("attribute_types", DataType::Utf8),
        field("dropped_attributes_count", DataType::UInt32),
    ])
}

pub fn quantile_fields() -> Fields {
    Fields::from(vec![field("quantile", DataType::Float64), field("value", DataType::Float64)])
}

pub fn exemplar_fields() -> Fields {
    Fields::from(vec![
        field("time", time()),
        field("value", DataType::Float64),
        field("value_int", DataType::Int64),
        field("trace_id", DataType::Utf8),
        field("span_id", DataType::Utf8),
        field("attributes", map()),
        field("attribute_types", DataType::Utf8),
    ])
}

fn field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

pub fn time() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))
}

/// Names within are those of the Parquet specification.
pub fn list(element: DataType) -> DataType {
    DataType::List(element_field(element))
}

pub fn element_field(element: DataType) -> FieldRef {
    Arc::new(field("element", element))
}

pub fn map() -> DataType {
    DataType::Map(entries_field(Layout::Plain), false)
}

fn shared_map(layout: Layout) -> DataType {
    DataType::Map(entries_field(layout), false)
}

pub fn entries_field(layout: Layout) -> FieldRef {
    Arc::new(Field::new("key_value", DataType::Struct(entry_fields(layout)), false))
}

pub fn entry_fields(layout: Layout) -> Fields {
    let key = Field::new("key", shared_text(layout), false);
    Fields::from(vec![key, field("value", shared_text(layout))])
}

fn shared_text(layout: Layout) -> DataType {
    match layout {
        Layout::Plain => DataType::Utf8,
        Layout::Shared => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
    }
}
