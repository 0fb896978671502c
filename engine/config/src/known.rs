//! What the Collector has and Wasmill has not, so that a configuration that moves over is told what to do instead.

/// A type of component that the Collector's core or contrib distribution has.
pub(crate) struct Known {
    pub kind: &'static str,
    pub answer: Answer,
}

#[derive(PartialEq)]
pub(crate) enum Answer {
    /// Accepted with a warning: nothing depends on it. Why.
    Ignored(&'static str),
    /// What to use instead.
    Instead(&'static str),
}

use Answer::{Ignored, Instead};

const fn known(kind: &'static str, answer: Answer) -> Known {
    Known { kind, answer }
}

const BY_COLLECTOR: Answer = Instead(
    "let a Collector receive this, and send OTLP to Wasmill (`otlp_grpc` exporter there, `otlp` receiver here)",
);
const TO_COLLECTOR: Answer = Instead(
    "send OTLP to a Collector that exports this, or to the backend itself: many take OTLP (`otlp_grpc`, `otlp_http`)",
);
const BY_AGENT: Answer =
    Instead("this belongs beside what it observes: run it in a Collector there, and send OTLP to Wasmill");
const AS_PLUGIN: Answer = Instead("write a plugin for it (`wasm/NAME`)");
const WITH_ENRICH: Answer = Instead("use the plugin `builtin:enrich`, which takes OTTL statements");

pub(crate) const RECEIVERS: &[Known] = &[
    known("zipkin", BY_COLLECTOR),
    known("jaeger", BY_COLLECTOR),
    known("kafka", BY_COLLECTOR),
    known("prometheus", BY_COLLECTOR),
    known("opencensus", BY_COLLECTOR),
    known("statsd", BY_COLLECTOR),
    known("syslog", BY_COLLECTOR),
    known("fluentforward", BY_COLLECTOR),
    known("loki", BY_COLLECTOR),
    known("influxdb", BY_COLLECTOR),
    known("splunk_hec", BY_COLLECTOR),
    known("datadog", BY_COLLECTOR),
    known("awsxray", BY_COLLECTOR),
    known("googlecloudpubsub", BY_COLLECTOR),
    known("azureeventhub", BY_COLLECTOR),
    known("skywalking", BY_COLLECTOR),
    known("tcplog", BY_COLLECTOR),
    known("udplog", BY_COLLECTOR),
    known("webhookevent", BY_COLLECTOR),
    known("filelog", BY_AGENT),
    known("hostmetrics", BY_AGENT),
    known("journald", BY_AGENT),
    known("docker_stats", BY_AGENT),
    known("kubeletstats", BY_AGENT),
    known("k8s_cluster", BY_AGENT),
    known("k8s_events", BY_AGENT),
    known("k8sobjects", BY_AGENT),
    known("windowseventlog", BY_AGENT),
    known("receiver_creator", BY_AGENT),
    known("redis", BY_AGENT),
    known("postgresql", BY_AGENT),
    known("mysql", BY_AGENT),
    known("nginx", BY_AGENT),
    known("nop", Instead("remove it: a pipeline needs a receiver that receives")),
];

pub(crate) const PROCESSORS: &[Known] = &[
    known(
        "tail_sampling",
        Instead(
            "use a plugin that decides about groups, in a stage with `group_by: trace_id` (`wasmill plugin new NAME --kind group` makes one)",
        ),
    ),
    known("groupbytrace", Instead("a stage with `group_by: trace_id` waits for whole traces")),
    known("routing", Instead("use the connector `routing`")),
    known("span", WITH_ENRICH),
    known("metricstransform", WITH_ENRICH),
    known("schema", WITH_ENRICH),
    known("logstransform", WITH_ENRICH),
    known("logdedup", AS_PLUGIN),
    known("cumulativetodelta", AS_PLUGIN),
    known("deltatocumulative", AS_PLUGIN),
    known("deltatorate", AS_PLUGIN),
    known("metricsgeneration", AS_PLUGIN),
    known("groupbyattrs", AS_PLUGIN),
    known("interval", AS_PLUGIN),
    known("sumologic", AS_PLUGIN),
    known("geoip", AS_PLUGIN),
    known("dns_lookup", AS_PLUGIN),
    known("k8sattributes", BY_AGENT),
    known("resourcedetection", BY_AGENT),
    known("remotetap", Instead("send to a `debug` exporter as well")),
];

pub(crate) const EXPORTERS: &[Known] = &[
    known("logging", Instead("use `debug`, its newer name")),
    known("kafka", TO_COLLECTOR),
    known("zipkin", TO_COLLECTOR),
    known("elasticsearch", TO_COLLECTOR),
    known("opensearch", TO_COLLECTOR),
    known("datadog", TO_COLLECTOR),
    known("splunk_hec", TO_COLLECTOR),
    known("awsxray", TO_COLLECTOR),
    known("awsemf", TO_COLLECTOR),
    known("awss3", TO_COLLECTOR),
    known("awscloudwatchlogs", TO_COLLECTOR),
    known("azuremonitor", TO_COLLECTOR),
    known("googlecloud", TO_COLLECTOR),
    known("googlecloudpubsub", TO_COLLECTOR),
    known("clickhouse", TO_COLLECTOR),
    known("influxdb", TO_COLLECTOR),
    known("coralogix", TO_COLLECTOR),
    known("syslog", TO_COLLECTOR),
    known("opencensus", TO_COLLECTOR),
    known("loadbalancing", Instead("put a gRPC load balancer before the backends, or a Collector behind Wasmill")),
    known("nop", Instead("let a plugin drop what is not wanted")),
];

pub(crate) const EXTENSIONS: &[Known] = &[
    known("zpages", Ignored("metrics are at `service::telemetry::metrics`")),
    known("pprof", Ignored("profile the process with the system's tools, such as `perf`")),
    known("memory_ballast", Ignored("there is no garbage collector to soothe")),
    known("oidc", Instead("put a proxy that authenticates before the receiver")),
    known("sigv4auth", TO_COLLECTOR),
    known("asapclient", TO_COLLECTOR),
    known("health_check_v2", Instead("use `health_check`")),
    known("healthcheckv2", Instead("use `health_check`")),
    known("opamp", Instead("change the file: it is read again when it changes")),
    known("remotetap", Instead("send to a `debug` exporter as well")),
    known("k8s_observer", BY_AGENT),
    known("docker_observer", BY_AGENT),
    known("host_observer", BY_AGENT),
    known("jaegerremotesampling", Instead("run it in a Collector")),
];

pub(crate) const CONNECTORS: &[Known] = &[
    known("spanmetrics", Instead("compute them in a Collector behind Wasmill")),
    known("servicegraph", Instead("compute it in a Collector behind Wasmill")),
    known("count", Instead("compute it in a Collector behind Wasmill")),
    known("sum", Instead("compute it in a Collector behind Wasmill")),
    known("exceptions", Instead("compute them in a Collector behind Wasmill")),
    known("failover", Instead("put a load balancer before the backends")),
    known("roundrobin", Instead("put a load balancer before the backends")),
];
