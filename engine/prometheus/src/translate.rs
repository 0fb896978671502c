//! From OTLP's names and attributes to Prometheus' names and labels.
//!
//! [`Translation`] has the settings. [`Translation::family`] names a metric, [`Translation::origin`] says what its resource and scope
//! give to every series, [`Translation::labels`] adds a point's attributes to that.
//!
//! What two sides want to call the same: a label that we make (`job`, `instance`, `otel_scope_…`, `le`, and `const_labels`) keeps its
//! name, and an attribute of that name becomes `exported_…`, as Prometheus itself calls such labels. Attributes that differ only in
//! characters which Prometheus has not become one label, their values joined by `;` in the order of the attributes' names.

mod labels;
mod name;
mod unit;

pub use labels::{LABELS_BYTES_MAX, Labels, Origin, TooManyLabels};
pub(crate) use name::shortened;
pub use name::{Family, HELP_BYTES_MAX, MetricType, NAME_BYTES_MAX, NameError};

/// How names and labels are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Put before every name with a `_`. Empty: nothing.
    pub namespace: String,
    /// Whether units and types become suffixes of names.
    pub suffixes: bool,
    /// Whether names keep characters beyond ASCII's letters, digits and `_`.
    pub utf8: bool,
    /// Added to every series but `target_info`, by the names they have here.
    pub const_labels: Vec<(String, String)>,
    /// Whether a resource's attributes become labels of all its series.
    pub resource_labels: bool,
    /// Whether those that `job` and `instance` are made of are among them.
    pub service_labels: bool,
    /// Whether the instrumentation scope becomes labels, `otel_scope_name` and others.
    pub scope_labels: bool,
}

impl Default for Translation {
    /// The Collector's.
    fn default() -> Self {
        Translation {
            namespace: String::new(),
            suffixes: true,
            utf8: false,
            const_labels: Vec::new(),
            resource_labels: false,
            service_labels: true,
            scope_labels: true,
        }
    }
}

#[cfg(test)]
mod tests;
