//! Batchers between requests by hand and an exporter that records; the clock is paused.

use std::num::NonZeroUsize;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use wasmill_batch::{Acked, RequestContext};
use wasmill_config::{ComponentId, OnFull, PipelineId, SendingQueue};
use wasmill_wire::{Projection, Signal, WireBatch};

use super::*;
use crate::emissions::Exits;
use crate::exporter::{Exporter, Request, Sending, Sent};
use crate::generation::Inlets;
use crate::outlet::{Ending, Outlet, OutletSettings};
use crate::pipeline::{Inlet, Step, Target};
use crate::telemetry::Metrics;

/// An exporter that records what it gets, and answers when it may.
#[derive(Default)]
pub(crate) struct Recorder {
    received: Mutex<Vec<(Vec<String>, Arc<RequestContext>)>>,
    pub(crate) refusal: Mutex<Option<Refusal>>,
    /// Refused for good: requests with a span of this name.
    bad: Mutex<Option<&'static str>>,
    gate: Mutex<Option<Arc<Semaphore>>>,
}

impl Exporter for Recorder {
    fn send<'a>(&'a self, request: &'a Request) -> Sending<'a> {
        Box::pin(async move {
            let gate = self.gate.lock().clone();
            if let Some(gate) = gate {
                gate.acquire().await.unwrap().forget();
            }
            if let Some(refusal) = self.refusal.lock().clone() {
                return Err(refusal);
            }
            let is_bad = |name: &String| Some(name.as_str()) == *self.bad.lock();
            if names(&request.body.clone().into_bytes()).iter().any(is_bad) {
                return Err(Refusal::new(RefusalKind::Invalid, "bad"));
            }
            self.received.lock().push((names(&request.body.clone().into_bytes()), Arc::clone(&request.context)));
            Ok(Sent::default())
        })
    }
}

impl Recorder {
    pub(crate) fn batches(&self) -> Vec<Vec<String>> {
        self.received.lock().iter().map(|(names, _)| names.clone()).collect()
    }

    fn sizes(&self) -> Vec<usize> {
        self.batches().iter().map(Vec::len).collect()
    }
}

/// A generation of one pipeline with one step and one exporter.
pub(crate) struct Behind {
    pub pipeline: Arc<Pipeline>,
    pub exporter: Arc<Recorder>,
    pub generation: Arc<Generation>,
}

pub(crate) fn behind(step: Step, queue: Option<SendingQueue>, metrics: &Metrics) -> Behind {
    let exporter = Arc::new(Recorder::default());
    let settings = OutletSettings { queue, retry: None, on_full: OnFull::default() };
    let counts = metrics.exporter("recorder", Signal::Traces);
    let outlet =
        Outlet::start("recorder".into(), Signal::Traces, exporter.clone(), settings, counts, Default::default());
    let pipeline = Arc::new(Pipeline {
        id: PipelineId::new(Signal::Traces, None),
        steps: vec![step],
        ack_point: outlet.ack_point(),
        promised: outlet.ack_point(),
        targets: vec![Target::Outlet(Arc::new(outlet))],
        own: 1,
        routes: Vec::new(),
        route_targets: Vec::new(),
        taps: Arc::default(),
        tracing: Default::default(),
    });
    let projection = Projection::new(Signal::Traces, Vec::new());
    let inlet = Inlet { projection, guards: Vec::new(), pipelines: vec![Arc::clone(&pipeline)] };
    let inlets = Inlets::from([(ComponentId::parse("otlp").unwrap(), [Some(inlet), None, None])]);
    let (generation, _) = Generation::new(1, inlets, Exits::default());
    Behind { pipeline, exporter, generation }
}

/// A batcher at the beginning of a pipeline with one exporter.
struct Rig {
    batcher: Arc<Batcher>,
    pipeline: Arc<Pipeline>,
    exporter: Arc<Recorder>,
    metrics: Metrics,
    generation: Arc<Generation>,
}

impl Rig {
    fn new(settings: BatchProcessor, holds_acks: bool) -> Rig {
        Rig::with_limits(settings, holds_acks, SHARD_BYTES_MAX, RETAINED_BYTES_MAX)
    }

    fn with_limits(settings: BatchProcessor, holds_acks: bool, shard_bytes: usize, retained_bytes: usize) -> Rig {
        let metrics = Metrics::new();
        let spec = BatcherSpec { settings, holds_acks, routes: Vec::new() };
        let batcher = Batcher::with_limits("batch".into(), spec, metrics.batcher("batch"), shard_bytes, retained_bytes);
        Rig::around(Arc::new(batcher), metrics)
    }

    /// A new generation, whose exporter is another one.
    fn around(batcher: Arc<Batcher>, metrics: Metrics) -> Rig {
        let queue = (!batcher.spec().holds_acks).then(SendingQueue::default);
        let Behind { pipeline, exporter, generation } = behind(Step::Batch(Arc::clone(&batcher)), queue, &metrics);
        batcher.follow(&generation, &pipeline, 1);
        Rig { batcher, pipeline, exporter, metrics, generation }
    }

    /// A client sends spans with these names.
    async fn send(&self, names: &[&str], context: RequestContext) -> Acked {
        let (batch, acked) = batch(names, context);
        self.pipeline.run(batch, &self.generation).await;
        acked
    }

    async fn plain(&self, names: &[&str]) -> Acked {
        self.send(names, RequestContext::default()).await
    }

    fn metric(&self, line: &str) -> Option<f64> {
        let text = self.metrics.render();
        text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' ')?.trim().parse().ok())
    }
}

pub(crate) fn batch(names: &[&str], context: RequestContext) -> (TelemetryBatch, Acked) {
    let span = |name: &&str| Span { name: (*name).to_owned(), ..Span::default() };
    let scope = ScopeSpans { spans: names.iter().map(span).collect(), ..ScopeSpans::default() };
    let resource = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    let request = ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec();
    let nothing = Projection::new(Signal::Traces, Vec::new());
    let base = WireBatch::parse(Signal::Traces, request.into(), &nothing).unwrap();
    let (ack, acked) = Ack::new();
    (TelemetryBatch::new(Arc::new(base), Arc::new(context), ack), acked)
}

pub(crate) fn names(request: &[u8]) -> Vec<String> {
    let request = ExportTraceServiceRequest::decode(request).unwrap();
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).map(|span| span.name).collect()
}

fn settings(timeout_ms: u64, rows_trigger: usize, rows_max: usize) -> BatchProcessor {
    let timeout = Duration::from_millis(timeout_ms);
    BatchProcessor { timeout, rows_trigger, rows_max: NonZeroUsize::new(rows_max), ..BatchProcessor::default() }
}

pub(crate) fn tenant(name: &str) -> RequestContext {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    RequestContext {
        metadata: vec![header("x-tenant", name), header("authorization", "secret")],
        identity: Some(name.to_owned()),
        ..RequestContext::default()
    }
}

fn by_tenant(most: usize) -> BatchProcessor {
    let metadata_combinations_max = NonZeroUsize::new(most);
    BatchProcessor { metadata_keys: vec!["x-tenant".into()], metadata_combinations_max, ..settings(200, 100, 0) }
}

/// Lets everything that is ready run; the paused clock moves by a millisecond.
pub(crate) async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

/// Exporters queue in memory: clients are answered at once, and what they sent goes as one request when the first has waited for
/// `timeout`.
#[tokio::test(start_paused = true)]
async fn what_waits_goes_when_its_time_is_over() {
    let rig = Rig::new(settings(200, 100, 0), false);
    let start = Instant::now();
    assert_eq!(rig.plain(&["a", "b"]).await.await, Outcome::HeldInMemory);
    sleep(Duration::from_millis(150)).await;
    assert_eq!(rig.plain(&["c"]).await.await, Outcome::HeldInMemory);
    assert_eq!(start.elapsed(), Duration::from_millis(150));
    assert_eq!(rig.batcher.held().rows, 3);
    sleep(Duration::from_millis(49)).await;
    assert!(rig.exporter.batches().is_empty());
    sleep(Duration::from_millis(2)).await;
    assert_eq!(rig.exporter.batches(), [["a", "b", "c"]]);
    assert_eq!(rig.batcher.held(), Held::default());
    assert_eq!(rig.metric(r#"otelcol_processor_batch_timeout_trigger_send_total{processor="batch"}"#), Some(1.0));
    assert_eq!(rig.metric(r#"otelcol_processor_batch_batch_send_size_sum{processor="batch"}"#), Some(3.0));
    assert_eq!(rig.metric(r#"otelcol_processor_batch_batch_send_size_bucket{le="10.0",processor="batch"}"#), Some(1.0));
    assert_eq!(rig.metric(r#"wasmill_processor_batch_retained_bytes{processor="batch"}"#), Some(0.0));
}

/// Requests of 12 rows, sent at 25, at most 30 in a batch: what is over waits on, each row goes once and in order.
#[tokio::test(start_paused = true)]
async fn batches_are_sent_at_their_size_and_cut_at_the_largest() {
    let rig = Rig::new(settings(200, 25, 30), false);
    let all: Vec<String> = (0..72).map(|n| n.to_string()).collect();
    for request in all.chunks(12) {
        rig.plain(&request.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    settle().await;
    assert_eq!(rig.exporter.sizes(), [30, 30]);
    assert_eq!(rig.metric(r#"otelcol_processor_batch_batch_size_trigger_send_total{processor="batch"}"#), Some(2.0));
    sleep(Duration::from_millis(200)).await;
    assert_eq!(rig.exporter.batches().concat(), all);
    assert_eq!(rig.exporter.sizes(), [30, 30, 12]);
}

/// `timeout: 0`: nothing waits, but what is too large is cut, and the client is answered for all of it.
#[tokio::test(start_paused = true)]
async fn without_a_timeout_requests_are_only_cut() {
    let rig = Rig::new(settings(0, 100, 2), true);
    assert_eq!(rig.plain(&["a", "b", "c", "d", "e"]).await.await, Outcome::Delivered);
    assert_eq!(rig.exporter.batches(), [vec!["a", "b"], vec!["c", "d"], vec!["e"]]);
}

/// Two tenants: their rows do not meet, and a batch has the configured headers and no others.
#[tokio::test(start_paused = true)]
async fn tenants_are_kept_apart() {
    let rig = Rig::new(by_tenant(2), false);
    for (name, of) in [("a", "one"), ("b", "two"), ("c", "one")] {
        rig.send(&[name], tenant(of)).await.await;
    }
    assert_eq!(rig.metric(r#"otelcol_processor_batch_metadata_cardinality{processor="batch"}"#), Some(2.0));
    let Outcome::Refused(refusal) = rig.send(&["d"], tenant("three")).await.await else { panic!("a third one") };
    assert!(refusal.is_retryable() && refusal.reason.contains("metadata_cardinality_limit"), "{refusal}");
    sleep(Duration::from_millis(201)).await;
    let mut received = rig.exporter.received.lock().clone();
    received.sort_by(|a, b| a.0.cmp(&b.0));
    let [(one, of_one), (two, of_two)] = &received[..] else { panic!("{}", received.len()) };
    assert_eq!((one.as_slice(), two.as_slice()), (&["a".to_owned(), "c".to_owned()][..], &["b".to_owned()][..]));
    for (context, name) in [(of_one, "one"), (of_two, "two")] {
        assert_eq!(context.metadata, [("x-tenant".to_owned(), name.to_owned())]);
        assert_eq!(context.identity, None);
    }
    assert_eq!(rig.metric(r#"otelcol_processor_batch_metadata_cardinality{processor="batch"}"#), Some(0.0));
    assert_eq!(rig.send(&["d"], tenant("three")).await.await, Outcome::HeldInMemory, "there is room again");
}

/// An exporter without a queue: no client is answered before the backend has answered. What comes while it does is the next
/// batch, which goes at once: nobody is left to wait for.
#[tokio::test(start_paused = true)]
async fn clients_that_wait_are_not_made_to_wait_for_each_other() {
    let rig = Rig::new(settings(10_000, 100, 0), true);
    let gate = Arc::new(Semaphore::new(0));
    *rig.exporter.gate.lock() = Some(Arc::clone(&gate));
    let start = Instant::now();
    let mut first = rig.plain(&["first"]).await;
    let mut others = Vec::new();
    for name in ["a", "b", "c"] {
        settle().await;
        others.push(rig.plain(&[name]).await);
    }
    assert!(futures_poll(&mut first).is_none(), "the backend has not answered");
    gate.add_permits(1);
    assert_eq!(first.await, Outcome::Delivered);
    gate.add_permits(1);
    for acked in others {
        assert_eq!(acked.await, Outcome::Delivered);
    }
    assert_eq!(rig.exporter.batches(), [vec!["first"], vec!["a", "b", "c"]]);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    let early = r#"wasmill_processor_batch_early_send_total{processor="batch",reason="callers_wait"}"#;
    assert_eq!(rig.metric(early), Some(2.0));
}

/// A request is on its way to the batcher and takes its time; a client that has come before waits half of its own.
#[tokio::test(start_paused = true)]
async fn a_batch_goes_before_a_client_gives_up() {
    let rig = Rig::new(settings(10_000, 100, 0), true);
    let slow = rig.batcher.arriving();
    let start = Instant::now();
    let deadline = Some((start + Duration::from_secs(2)).into_std());
    let hurried = rig.send(&["a"], RequestContext { deadline, ..RequestContext::default() }).await;
    let patient = rig.plain(&["b"]).await;
    assert_eq!((hurried.await, patient.await), (Outcome::Delivered, Outcome::Delivered));
    assert_eq!(start.elapsed().as_millis() / 10, 100, "half of its two seconds");
    assert_eq!(rig.exporter.batches(), [["a", "b"]]);
    assert_eq!(rig.exporter.received.lock()[0].1.deadline, deadline, "the earliest goes along");

    // The slow one is dropped on its way by a filter: nobody is left to wait for.
    let start = Instant::now();
    let acked = rig.plain(&["c"]).await;
    settle().await;
    drop(slow);
    assert_eq!(acked.await, Outcome::Delivered);
    assert!(start.elapsed() < Duration::from_secs(1));
}

/// A batch keeps too much memory to wait; then exporters are slower than clients, which are told to come back.
#[tokio::test(start_paused = true)]
async fn memory_is_bounded() {
    let rig = Rig::with_limits(settings(200, 1_000_000, 0), false, 100_000, usize::MAX);
    let long = "x".repeat(60_000);
    rig.plain(&[&long]).await.await;
    rig.plain(&[&long]).await.await;
    settle().await;
    assert_eq!(rig.exporter.sizes(), [2], "long before its time");
    let early = r#"wasmill_processor_batch_early_send_total{processor="batch",reason="memory"}"#;
    assert_eq!(rig.metric(early), Some(1.0));

    let rig = Rig::with_limits(settings(200, 1_000_000, 0), false, usize::MAX, 100_000);
    rig.plain(&[&long]).await.await;
    assert_eq!(rig.plain(&[&long]).await.await, Outcome::HeldInMemory);
    let Outcome::Refused(refusal) = rig.plain(&["more"]).await.await else { panic!("it is full") };
    assert!(refusal.is_retryable(), "{refusal}");
    sleep(Duration::from_millis(201)).await;
    assert_eq!(rig.plain(&["more"]).await.await, Outcome::HeldInMemory);
}

/// The batcher is closed, as by a reload that takes it away: what waits goes at once, what comes passes by. In another
/// generation it waits again.
#[tokio::test(start_paused = true)]
async fn a_closed_batcher_empties_and_keeps_nothing() {
    let rig = Rig::new(settings(200, 100, 0), false);
    let start = Instant::now();
    rig.plain(&["waits"]).await.await;
    rig.batcher.close();
    rig.batcher.idle().await;
    settle().await;
    rig.plain(&["passes"]).await.await;
    settle().await;
    assert_eq!(rig.exporter.batches(), [["waits"], ["passes"]]);
    assert!(start.elapsed() < Duration::from_millis(200));
    let next = Rig::around(Arc::clone(&rig.batcher), rig.metrics.clone());
    next.plain(&["waits again"]).await.await;
    assert_eq!(next.batcher.held().rows, 1);
}

/// A reload changes what stands behind the batcher: rows that wait go by the newest, whichever generation brought them.
#[tokio::test(start_paused = true)]
async fn the_newest_generation_decides() {
    let old = Rig::new(settings(200, 100, 0), false);
    old.plain(&["before"]).await.await;
    let new = Rig::around(Arc::clone(&old.batcher), old.metrics.clone());
    old.plain(&["late"]).await.await;
    sleep(Duration::from_millis(201)).await;
    assert!(old.exporter.batches().is_empty());
    assert_eq!(new.exporter.batches(), [["before", "late"]]);
}

/// What is behind the batcher refuses after clients were answered: it is lost, and counted.
#[tokio::test(start_paused = true)]
async fn what_is_lost_is_counted() {
    let rig = Rig::new(settings(200, 100, 0), false);
    rig.plain(&["a", "b"]).await.await;
    // The queue takes nothing any more.
    let Target::Outlet(outlet) = &rig.pipeline.targets[0] else { panic!("an outlet") };
    outlet.drain(Instant::now(), Ending::Shutdown).await;
    sleep(Duration::from_millis(201)).await;
    assert_eq!(rig.metric(r#"wasmill_processor_batch_lost_rows_total{processor="batch"}"#), Some(2.0));
}

/// The backend refuses what was merged, and the clients wait: all of them hear it.
#[tokio::test(start_paused = true)]
async fn refusals_reach_every_client() {
    let rig = Rig::new(settings(200, 2, 0), true);
    let slow = rig.batcher.arriving();
    *rig.exporter.refusal.lock() = Some(Refusal::new(RefusalKind::Unavailable, "down"));
    let clients = [rig.plain(&["a"]).await, rig.plain(&["b"]).await];
    for client in clients {
        let Outcome::Refused(refusal) = client.await else { panic!("the backend is down") };
        assert_eq!(&*refusal.reason, "down");
    }
    drop(slow);
}

/// One of three clients that wait sends what the backend refuses: it alone hears that, and the others' data is delivered.
#[tokio::test(start_paused = true)]
async fn each_client_hears_of_its_own() {
    let rig = Rig::new(settings(200, 3, 0), true);
    let slow = rig.batcher.arriving();
    *rig.exporter.bad.lock() = Some("bad");
    let [a, bad, c] = [rig.plain(&["a"]).await, rig.plain(&["bad"]).await, rig.plain(&["c"]).await];
    assert_eq!((a.await, c.await), (Outcome::Delivered, Outcome::Delivered));
    assert!(matches!(bad.await, Outcome::Refused(refusal) if refusal.kind == RefusalKind::Invalid));
    assert_eq!(rig.exporter.batches(), [["a"], ["c"]]);
    assert_eq!(rig.metric(r#"otelcol_exporter_send_failed_spans_total{exporter="recorder"}"#), Some(1.0));
    drop(slow);
}

/// A request is cut in two batches, and one half is refused with another client's: that client hears no more than its own.
#[tokio::test(start_paused = true)]
async fn a_client_whose_request_was_cut_hears_of_all_of_it() {
    let rig = Rig::new(settings(200, 2, 2), true);
    let slow = rig.batcher.arriving();
    *rig.exporter.bad.lock() = Some("bad");
    let a = rig.plain(&["a"]).await;
    let cut = rig.plain(&["b", "c", "bad"]).await;
    assert_eq!(a.await, Outcome::Delivered);
    assert!(matches!(cut.await, Outcome::Refused(refusal) if refusal.kind == RefusalKind::Invalid));
    assert_eq!(rig.exporter.batches(), [["a", "b"]]);
    drop(slow);
}

fn futures_poll(acked: &mut Acked) -> Option<Outcome> {
    use std::future::Future;
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(acked).poll(&mut cx) {
        std::task::Poll::Ready(outcome) => Some(outcome),
        std::task::Poll::Pending => None,
    }
}
