//! Listeners beside a data path that is played: what they are shown, what it costs who does not listen, and that nothing waits for them.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, duplex};
use wasmill_batch::{Ack, RequestContext, TelemetryBatch};
use wasmill_config::PipelineId;
use wasmill_wire::{Projection, Signal, WireBatch};

use super::*;

fn batch(names: impl IntoIterator<Item = String>) -> TelemetryBatch {
    let spans = names.into_iter().map(|name| Span { name, ..Span::default() });
    let scope = ScopeSpans { spans: spans.collect(), ..ScopeSpans::default() };
    let resource = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    let request = ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec();
    let base = WireBatch::parse(Signal::Traces, request.into(), &Projection::new(Signal::Traces, Vec::new())).unwrap();
    TelemetryBatch::new(Arc::new(base), Arc::new(RequestContext::default()), Ack::unobserved())
}

fn spans(count: usize) -> TelemetryBatch {
    batch((0..count).map(|number| number.to_string()))
}

fn pipeline(name: Option<&str>) -> PipelineId {
    PipelineId::new(Signal::Traces, name)
}

fn wish(limit: u32) -> Wish {
    Wish { pipeline: None, stage: None, side: Side::Both, condition: None, masks: Masks::new([]).unwrap(), limit }
}

fn nothing_changes(_: &Tap) -> Serves {
    Serves::default()
}

async fn next(reader: &mut (impl AsyncBufReadExt + Unpin)) -> Line {
    let mut line = String::new();
    reader.read_line(&mut line).await.unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Nobody listens, or somebody at another place: nothing of a batch is kept, and nothing counted.
#[tokio::test]
async fn a_batch_that_nobody_looks_at_is_not_touched() {
    let taps = Arc::new(Taps::default());
    let seen = spans(3);
    taps.arrived(&pipeline(None), &seen, 1);
    assert_eq!(Arc::strong_count(seen.base()), 1);
    let elsewhere = Wish { pipeline: Some(pipeline(Some("other"))), ..wish(0) };
    let tap = taps.listen(elsewhere, taps.place().unwrap());
    taps.arrived(&pipeline(None), &seen, 1);
    // A connector's table: what comes there has come to a pipeline before.
    let everywhere = taps.listen(wish(0), taps.place().unwrap());
    taps.arrived(&pipeline(Some("connector routing 0")), &seen, 1);
    assert_eq!(Arc::strong_count(seen.base()), 1);
    taps.arrived(&pipeline(None), &seen, 1);
    assert_eq!(Arc::strong_count(seen.base()), 2, "this one is looked at");
    drop((tap, everywhere));
    assert_eq!(Arc::strong_count(seen.base()), 1);
    taps.arrived(&pipeline(None), &seen, 1);
    assert_eq!(Arc::strong_count(seen.base()), 1, "nobody listens any more");
    assert_eq!(taps.listening.load(Relaxed), 0);
}

/// A batch of a thousand rows, and a listener who wants ten a second: ten from all over the batch, and the others are counted. The next batch of
/// the second is not even kept.
#[tokio::test]
async fn a_listener_is_shown_a_sample() {
    let taps = Arc::new(Taps::default());
    let tap = taps.listen(wish(10), taps.place().unwrap());
    taps.arrived(&pipeline(None), &spans(1000), 7);
    let (near, far) = duplex(1 << 20);
    let (reader, writer) = tokio::io::split(near);
    let running = tokio::spawn(tap.run(nothing_changes, reader, writer));
    let mut lines = BufReader::new(far);
    let mut names = Vec::new();
    for _ in 0..10 {
        let Line::Record(shown) = next(&mut lines).await else { panic!("ten records come first") };
        assert_eq!((shown.generation, shown.pipeline.as_str(), shown.outcome), (7, "traces", None));
        names.push(shown.record["name"].as_str().unwrap().to_owned());
    }
    assert_eq!(names, ["0", "100", "200", "300", "400", "500", "600", "700", "800", "900"]);
    let later = spans(5);
    taps.arrived(&pipeline(None), &later, 7);
    taps.end("that is all").await;
    let Line::Skipped(skipped) = next(&mut lines).await else { panic!("it is said how many were left out") };
    // A second may have passed on a machine that is busy.
    assert!(skipped.over_limit >= 990, "{skipped:?}");
    assert_eq!((skipped.slow, skipped.large, skipped.failed), (0, 0, 0));
    loop {
        match next(&mut lines).await {
            Line::End { reason } => break assert_eq!(reason, "that is all"),
            Line::Skipped(_) | Line::Record(_) => {}
            Line::Generation(_) => panic!("none was published"),
        }
    }
    running.await.unwrap();
    assert_eq!(lines.read(&mut [0]).await.unwrap(), 0, "nothing comes after the end");
}

/// A listener does not read: what is kept for it is bounded, whoever brings data does not wait, and it is told how much it has missed once
/// it reads.
#[tokio::test]
async fn a_listener_that_does_not_read_holds_nothing_up() {
    let taps = Arc::new(Taps::default());
    let tap = taps.listen(wish(0), taps.place().unwrap());
    let listener = Arc::clone(&taps.listeners.read()[0]);
    let (near, far) = duplex(64);
    let (reader, writer) = tokio::io::split(near);
    let running = tokio::spawn(tap.run(nothing_changes, reader, writer));
    let seen = spans(2000);
    let mut offered = 0;
    while listener.outbox.has_room() {
        taps.arrived(&pipeline(None), &seen, 1);
        offered += 1;
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        taps.arrived(&pipeline(None), &seen, 1);
        tokio::task::yield_now().await;
    }
    assert_eq!(Arc::strong_count(seen.base()), 1, "batches are not kept for who does not read");
    taps.published(2);
    let mut lines = BufReader::new(far);
    let (mut shown, mut missed, mut told) = (0, 0, false);
    while shown + missed < (offered + 100) * 2000 || !told {
        match next(&mut lines).await {
            Line::Record(_) => shown += 1,
            Line::Skipped(skipped) => missed += skipped.slow,
            Line::Generation(_) => told = true,
            Line::End { .. } => panic!("nobody ended it"),
        }
    }
    assert_eq!(shown + missed, (offered + 100) * 2000, "every record was shown or counted");
    assert!(shown > 0 && missed > 100 * 2000, "{shown} and {missed}");
    drop(lines);
    running.await.unwrap();
    assert_eq!(taps.listening.load(Relaxed), 0, "it went without a word");
}

/// A record that is too large is counted, and the one beside it is shown.
#[tokio::test]
async fn what_is_too_large_is_counted() {
    let taps = Arc::new(Taps::default());
    let tap = taps.listen(wish(0), taps.place().unwrap());
    taps.arrived(&pipeline(None), &batch(["x".repeat(observed::RECORD_BYTES_MAX), "small".to_owned()]), 1);
    let (near, far) = duplex(1 << 20);
    let (reader, writer) = tokio::io::split(near);
    let running = tokio::spawn(tap.run(nothing_changes, reader, writer));
    let mut lines = BufReader::new(far);
    let Line::Record(shown) = next(&mut lines).await else { panic!("one is shown") };
    assert_eq!(shown.record["name"], "small");
    let Line::Skipped(skipped) = next(&mut lines).await else { panic!("the other is counted") };
    assert_eq!(skipped, Skipped { large: 1, ..Skipped::default() });
    taps.end("").await;
    running.await.unwrap();
}

/// So many listen as may; one more does not, until one goes.
#[tokio::test]
async fn listeners_are_few() {
    let taps = Arc::new(Taps::default());
    let mut all: Vec<Tap> = (0..TAPS_MAX).map(|_| taps.listen(wish(1), taps.place().unwrap())).collect();
    assert!(taps.place().is_none());
    all.pop();
    assert!(taps.place().is_some());
}
