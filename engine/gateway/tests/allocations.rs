//! Allocations on the data path do not grow with the number of records.
//!
//! Guaranteed: from a request in memory through `filter` and `enrich` to the request that an exporter would send, 8,000 records
//! allocate as often as 1,000, for each signal, but for a few tables that grow: what is counted is allocations, not
//! reallocations. Not covered: the transport, whose frames grow with the bytes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use wasmill::build::{Built, Plugins, Workshop, build};
use wasmill::emissions::Emissions;
use wasmill::exporter::{self, Exporter, OpenFiles, Sending, Sent};
use wasmill::generation::Generation;
use wasmill::outlet::{Outlet, OutletSettings};
use wasmill::pipeline::{self, Incoming, Inlet, Pipeline, PipelineStage, Step, Target};
use wasmill::telemetry::{Metrics, Tracing};
use wasmill_batch::{Outcome, RequestContext};
use wasmill_config::{OnFull, PipelineId, load_texts};
use wasmill_host::{Compile, Host, HostConfig};
use wasmill_wire::{Projection, Signal};

/// Tables that grow by moving (hash tables do not reallocate) may do so a few times more. One allocation for each record
/// would be 7,000 more.
const GROWTH_MAX: usize = 6;

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system allocator's; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Its exporter is replaced by [`Encodes`].
const YAML: &str = r#"
receivers:
  otlp: {protocols: {grpc: {endpoint: '127.0.0.1:0'}}}
processors:
  wasm/filter: {plugin: 'builtin:filter', config: {drop: ['attributes["key-3"] == "drop"']}}
  wasm/enrich:
    plugin: builtin:enrich
    config: {statements: ['set(attributes["team"], "payments") where attributes["key-3"] != "other"']}
exporters:
  debug:
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    traces: {receivers: [otlp], processors: [wasm/filter, wasm/enrich], exporters: [debug]}
    logs: {receivers: [otlp], processors: [wasm/filter, wasm/enrich], exporters: [debug]}
    metrics: {receivers: [otlp], processors: [wasm/filter, wasm/enrich], exporters: [debug]}
"#;

/// Ten attributes; the fourth says whether the record is dropped, which every third is.
fn attributes(record: usize) -> Vec<KeyValue> {
    let value = |i: usize| match i {
        3 if record.is_multiple_of(3) => "drop".to_owned(),
        // Twenty values for each key: what repeats, as attributes do, is what dictionaries are for.
        _ => format!("value {} of key {i}", record % 20),
    };
    let attribute = |i: usize| KeyValue {
        key: format!("key-{i}"),
        value: Some(AnyValue { value: Some(Value::StringValue(value(i))) }),
        ..KeyValue::default()
    };
    (0..10).map(attribute).collect()
}

fn request(signal: Signal, records: usize) -> Bytes {
    let bytes = match signal {
        Signal::Traces => {
            let span = |i| Span {
                trace_id: vec![1; 16],
                span_id: vec![2; 8],
                name: "GET /".to_owned(),
                attributes: attributes(i),
                ..Span::default()
            };
            let scope = ScopeSpans { spans: (0..records).map(span).collect(), ..ScopeSpans::default() };
            let resource = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
            ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec()
        }
        Signal::Logs => {
            let record = |i| LogRecord { attributes: attributes(i), ..LogRecord::default() };
            let scope = ScopeLogs { log_records: (0..records).map(record).collect(), ..ScopeLogs::default() };
            let resource = ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() };
            ExportLogsServiceRequest { resource_logs: vec![resource] }.encode_to_vec()
        }
        Signal::Metrics => {
            let point = |i| NumberDataPoint { attributes: attributes(i), ..NumberDataPoint::default() };
            let gauge = Gauge { data_points: (0..records).map(point).collect() };
            let metric = Metric { data: Some(metric::Data::Gauge(gauge)), ..Metric::default() };
            let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
            let resource = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
            ExportMetricsServiceRequest { resource_metrics: vec![resource] }.encode_to_vec()
        }
    };
    Bytes::from(bytes)
}

/// An exporter that goes as far as to write the request.
struct Encodes;

impl Exporter for Encodes {
    fn send<'a>(&'a self, request: &'a exporter::Request) -> Sending<'a> {
        assert!(!request.body.is_empty());
        Box::pin(std::future::ready(Ok(Sent::default())))
    }
}

/// What feeds the pipeline of a signal, with [`Encodes`] at its end.
fn inlet(built: &Built, metrics: &Metrics, signal: Signal) -> Inlet {
    let pipeline = &built.pipelines[&PipelineId::new(signal, None)];
    let settings = OutletSettings { queue: None, retry: None, on_full: OnFull::default() };
    let outlet = Outlet::start(
        "none".into(),
        signal,
        Arc::new(Encodes),
        settings,
        metrics.exporter("none", signal),
        Tracing::default(),
    );
    let stage = |at: &PipelineStage| {
        let (stage, divert) = (Arc::clone(&at.stage), Vec::new());
        Step::Stage(PipelineStage { stage, route_base: at.route_base, divert, grouper: None })
    };
    let columns = pipeline.stages().flat_map(|at| at.stage.columns(signal).unwrap_or_default()).cloned();
    let pipeline = Pipeline {
        id: pipeline.id.clone(),
        steps: pipeline.stages().map(stage).collect(),
        targets: vec![Target::Outlet(Arc::new(outlet))],
        own: 1,
        routes: Vec::new(),
        route_targets: Vec::new(),
        ack_point: pipeline.ack_point,
        promised: pipeline.promised,
        taps: Default::default(),
        tracing: Tracing::default(),
    };
    Inlet {
        projection: Projection::new(signal, columns.collect()),
        guards: Vec::new(),
        pipelines: vec![Arc::new(pipeline)],
    }
}

async fn run(generation: &Arc<Generation>, inlet: &Inlet, signal: Signal, payload: Bytes) {
    let request = Incoming { signal, payload, context: RequestContext::default() };
    let taken = pipeline::accept(generation, inlet, request).await.unwrap();
    assert_eq!(taken.acked.await, Outcome::Delivered);
}

#[tokio::test]
async fn allocations_do_not_grow_with_records() {
    let config = load_texts(vec![(PathBuf::from("gateway.yaml"), YAML.to_owned())], &|_| None);
    let config = config.unwrap_or_else(|errors| panic!("{}", errors.render())).config;
    let cache = concat!(env!("CARGO_TARGET_TMPDIR"), "/plugins");
    let host =
        Host::new(HostConfig { compile: Compile::InProcess, cache_dir: Some(cache.into()), ..HostConfig::default() })
            .unwrap();
    let workshop = Workshop {
        host,
        metrics: Metrics::new(),
        files: OpenFiles::default(),
        stores: Default::default(),
        emissions: Emissions::default(),
        taps: Default::default(),
        tracing: Default::default(),
    };
    let sources: Vec<_> = config.stages().map(|(_, stage)| stage.plugin.clone()).collect();
    let plugins = Plugins::load(&workshop.host, sources, None).await;
    let built = build(&workshop, config, plugins, None).await.unwrap_or_else(|errors| panic!("{errors:?}"));
    let (generation, _ended) = Generation::new(1, built.inlets(), built.exits());

    for signal in Signal::ALL {
        let inlet = inlet(&built, &workshop.metrics, signal);
        let mut counts = Vec::new();
        for records in [1_000, 8_000] {
            let payload = request(signal, records);
            // The guests' memory and the stage's estimates settle.
            for _ in 0..3 {
                run(&generation, &inlet, signal, payload.clone()).await;
            }
            // What else the process does, such as keeping what was compiled, is in some of them.
            let mut least = usize::MAX;
            for _ in 0..5 {
                let before = ALLOCATIONS.load(Ordering::Relaxed);
                run(&generation, &inlet, signal, payload.clone()).await;
                least = least.min(ALLOCATIONS.load(Ordering::Relaxed) - before);
            }
            counts.push(least);
        }
        println!("{signal}: {} allocations for 1,000 records, {} for 8,000", counts[0], counts[1]);
        assert!(counts[1].abs_diff(counts[0]) <= GROWTH_MAX, "{signal}: {counts:?}");
    }
}
