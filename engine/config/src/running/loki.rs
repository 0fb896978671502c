//! The `loki` exporter.

use std::sync::Arc;
use std::time::Duration;

use super::{Delivery, HttpClient, HttpUrl};

/// `loki`: pushes log records to Loki.
#[derive(Clone, PartialEq, Debug)]
pub struct LokiExporter {
    /// Of pushes, whole.
    pub url: HttpUrl,
    pub client: HttpClient,
    pub labels: LokiLabels,
    pub structured_metadata: bool,
    /// Where no hint says otherwise.
    pub format: LokiFormat,
    pub encoding: LokiEncoding,
    /// `None`: nobody says whose the records are, or `client` does.
    pub tenant: Option<LokiTenant>,
    pub limits: LokiLimits,
    pub delivery: Delivery,
}

/// What becomes a label.
#[derive(Clone, PartialEq, Debug)]
pub struct LokiLabels {
    pub exporter: bool,
    pub job: bool,
    pub instance: bool,
    pub level: bool,
    /// Attributes of the resource, the most important first.
    pub resource: Vec<Arc<str>>,
    /// Of the record.
    pub attributes: Vec<Arc<str>>,
}

/// What a line is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LokiFormat {
    #[default]
    Raw,
    Json,
    Logfmt,
}

/// How a push is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LokiEncoding {
    #[default]
    Protobuf,
    Json,
}

/// Where it stands whose the records are.
#[derive(Clone, PartialEq, Debug)]
pub enum LokiTenant {
    /// Here. It is one that Loki takes.
    Static(Arc<str>),
    /// In this attribute of the resource, else of the record.
    Attribute(Arc<str>),
    /// In this header of the request that came in; in lower case.
    Header(Arc<str>),
}

/// What Loki takes, by its own names. Each at least 1.
#[derive(Clone, PartialEq, Debug)]
pub struct LokiLimits {
    /// Before compression.
    pub push_bytes_max: usize,
    /// In bytes, as is what follows, but for the counts.
    pub max_line_size: usize,
    pub max_label_names_per_series: usize,
    pub max_label_name_length: usize,
    pub max_label_value_length: usize,
    pub max_structured_metadata_size: usize,
    pub max_structured_metadata_entries_count: usize,
}

impl LokiExporter {
    pub const TIMEOUT: Duration = Duration::from_secs(30);
    /// In lower case.
    pub const TENANT_HEADER: &str = "x-scope-orgid";
}

impl Default for LokiLabels {
    fn default() -> Self {
        const RESOURCE: [&str; 10] = [
            "service.name",
            "service.namespace",
            "deployment.environment.name",
            "deployment.environment",
            "k8s.cluster.name",
            "k8s.namespace.name",
            "k8s.deployment.name",
            "k8s.statefulset.name",
            "k8s.daemonset.name",
            "k8s.cronjob.name",
        ];
        LokiLabels {
            exporter: true,
            job: true,
            instance: true,
            level: true,
            resource: RESOURCE.map(Arc::from).into(),
            attributes: Vec::new(),
        }
    }
}

impl Default for LokiLimits {
    /// Loki's, but for a push: Promtail's.
    fn default() -> Self {
        LokiLimits {
            push_bytes_max: 1 << 20,
            max_line_size: 256 << 10,
            max_label_names_per_series: 15,
            max_label_name_length: 1024,
            max_label_value_length: 2048,
            max_structured_metadata_size: 64 << 10,
            max_structured_metadata_entries_count: 128,
        }
    }
}
