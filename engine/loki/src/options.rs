//! What of a log record becomes what of Loki's, and what Loki takes at most.

/// Settings of a [`Translator`](crate::Translator).
#[derive(Clone, Debug)]
pub struct Options {
    pub default_labels: DefaultLabels,
    /// Attributes of resources that become labels, in the order of their importance.
    pub resource_labels: Vec<String>,
    /// Attributes of records that do.
    pub attribute_labels: Vec<String>,
    /// Whether what is no label and not in the line goes along as structured metadata. Loki before 3.0 may not take it.
    pub structured_metadata: bool,
    /// Where no hint says otherwise.
    pub format: LineFormat,
    pub encoding: Encoding,
    /// The attribute of the resource, else of the record, that names the tenant. Where there is a hint, that counts.
    pub tenant_attribute: Option<String>,
    pub limits: Limits,
}

/// Labels that a stream has without being asked for; each may be switched off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DefaultLabels {
    /// `exporter="OTLP"`.
    pub exporter: bool,
    /// `service.namespace/service.name`, or `service.name` alone.
    pub job: bool,
    /// `service.instance.id`.
    pub instance: bool,
    /// The record's attribute `level`, or else its severity in one of six words; none without a severity.
    pub level: bool,
}

/// What a line is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LineFormat {
    /// The body as text.
    Raw,
    /// An object of body, ids, severity, attributes, resource and scope.
    Json,
    /// The same as keys and values.
    Logfmt,
}

/// How a push is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// `logproto.PushRequest`, compressed by snappy's block format.
    Protobuf,
    /// As Loki's documentation shows it; not compressed.
    Json,
}

/// What Loki takes, by the names that its own configuration (`limits_config`) has for it. What is more is cut or left out here: Loki
/// would refuse the line, or the whole stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of a push before compression. An entry that alone is more has a push of its own.
    pub push_bytes_max: usize,
    /// Bytes of a line.
    pub max_line_size: usize,
    pub max_label_names_per_series: usize,
    /// Bytes of a label's name.
    pub max_label_name_length: usize,
    /// Bytes of its value.
    pub max_label_value_length: usize,
    /// Bytes of all names and values of an entry.
    pub max_structured_metadata_size: usize,
    pub max_structured_metadata_entries_count: usize,
}

impl Options {
    /// What says where a record comes from and has few values. Of Loki's own list for OTLP those are missing that are new with every
    /// start or every machine (`k8s.pod.name`, `k8s.replicaset.name`, `k8s.job.name`, `container.name`, `cloud.availability_zone`), and
    /// `service.instance.id`, which is the label `instance`.
    pub const RESOURCE_LABELS: [&str; 10] = [
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
}

impl Default for Options {
    fn default() -> Self {
        Options {
            default_labels: DefaultLabels::default(),
            resource_labels: Options::RESOURCE_LABELS.map(str::to_owned).into(),
            attribute_labels: Vec::new(),
            structured_metadata: true,
            format: LineFormat::Raw,
            encoding: Encoding::Protobuf,
            tenant_attribute: None,
            limits: Limits::default(),
        }
    }
}

impl Default for DefaultLabels {
    fn default() -> Self {
        DefaultLabels { exporter: true, job: true, instance: true, level: true }
    }
}

impl Default for Limits {
    /// Loki's, but for a push, which is Promtail's: Loki's distributors hand on to its ingesters at most 4 MiB.
    fn default() -> Self {
        Limits {
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
