//! Groupers between requests by hand and an exporter that records, without a stage; the clock is paused. Groups are spans of one name.

use std::num::NonZeroUsize;

use tokio::time::sleep;
use wasmill_batch::{Acked, RequestContext, Routes};
use wasmill_config::{PluginLimits, SendingQueue};

use super::*;
use crate::batcher::tests::{Behind, Recorder, batch, behind, settle, tenant};
use crate::generation::Generation;
use crate::pipeline::{Pipeline, Step};
use crate::telemetry::Metrics;

struct Rig {
    grouper: Arc<Grouper>,
    pipeline: Arc<Pipeline>,
    exporter: Arc<Recorder>,
    metrics: Metrics,
    generation: Arc<Generation>,
}

impl Rig {
    fn new(settings: Grouping) -> Rig {
        let metrics = Metrics::new();
        let spec = GrouperSpec { settings, routes: Vec::new() };
        let by = GroupBy::parse(&spec.settings.by).unwrap();
        let grouper = Arc::new(Grouper::start("wasm/tail".into(), spec, by, metrics.grouper("wasm/tail", "traces")));
        let queue = Some(SendingQueue::default());
        let Behind { pipeline, exporter, generation } = behind(Step::Group(Arc::clone(&grouper)), queue, &metrics);
        grouper.follow(&generation, &pipeline, 1);
        Rig { grouper, pipeline, exporter, metrics, generation }
    }

    async fn send_as(&self, names: &[&str], context: RequestContext) -> Acked {
        let (batch, acked) = batch(names, context);
        self.pipeline.run(batch, &self.generation).await;
        acked
    }

    async fn send(&self, names: &[&str]) {
        let acked = self.send_as(names, RequestContext::default()).await;
        assert_eq!(acked.await, Outcome::HeldInMemory);
    }

    /// What the exporter has, sorted within each batch: merging joins parents and not rows.
    async fn sent(&self) -> Vec<String> {
        settle().await;
        self.exporter
            .batches()
            .into_iter()
            .map(|mut names| {
                names.sort();
                names.concat()
            })
            .collect()
    }

    fn metric(&self, line: &str) -> Option<f64> {
        let text = self.metrics.render();
        text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' ')?.trim().parse().ok())
    }

    fn decided(&self, reason: &str) -> Option<f64> {
        let labels = format!(r#"{{processor="wasm/tail",pipeline="traces",reason="{reason}"}}"#);
        self.metric(&format!("wasmill_groups_decided_total{labels}"))
    }
}

fn settings(wait_ms: u64) -> Grouping {
    Grouping { wait: Duration::from_millis(wait_ms), ..Grouping::new("name", &PluginLimits::default()) }
}

fn at_most(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

/// A group waits from its first row on, whatever comes after; groups that begin together are decided together; each at its time.
#[tokio::test(start_paused = true)]
async fn a_group_is_decided_when_its_wait_is_over() {
    let rig = Rig::new(settings(1_600));
    rig.send(&["a", "b"]).await;
    sleep(Duration::from_millis(1_000)).await;
    rig.send(&["c", "a"]).await;
    assert_eq!(rig.metric(r#"wasmill_groups_waiting{processor="wasm/tail",pipeline="traces"}"#), Some(3.0));
    sleep(Duration::from_millis(590)).await;
    assert!(rig.sent().await.is_empty(), "before its time");
    // The wait, and a sixteenth of it for those that might have begun with it.
    sleep(Duration::from_millis(120)).await;
    assert_eq!(rig.sent().await, ["aab"]);
    sleep(Duration::from_millis(1_000)).await;
    assert_eq!(rig.sent().await, ["aab", "c"]);
    assert_eq!(rig.decided("wait"), Some(3.0));
    assert_eq!(rig.grouper.held(), Held::default());
}

/// A group that has as many rows as it may have goes alone and at once; what comes of it later is another one.
#[tokio::test(start_paused = true)]
async fn a_full_group_goes_at_once() {
    let rig = Rig::new(Grouping { rows_max: at_most(3), ..settings(60_000) });
    rig.send(&["a", "b", "a"]).await;
    rig.send(&["a", "b"]).await;
    assert_eq!(rig.sent().await, ["aaa"]);
    assert_eq!(rig.decided("rows"), Some(1.0));
    rig.send(&["a"]).await;
    rig.send(&["b", "a", "a", "a"]).await;
    let mut sent = rig.sent().await;
    sent.sort();
    assert_eq!(sent, ["aaa", "aaaa", "bbb"]);
    assert_eq!(rig.grouper.held(), Held::default());
}

/// More groups, or more memory, than there may be: the oldest go before their time.
#[tokio::test(start_paused = true)]
async fn the_oldest_make_room() {
    let rig = Rig::new(Grouping { groups_max: at_most(3), ..settings(60_000) });
    rig.send(&["a", "b"]).await;
    sleep(Duration::from_secs(2)).await;
    rig.send(&["c", "a"]).await;
    assert!(rig.sent().await.is_empty());
    rig.send(&["d"]).await;
    assert_eq!(rig.sent().await, ["aab"]);
    assert_eq!(rig.decided("full"), Some(2.0));

    let rig = Rig::new(Grouping { bytes_max: 40_000, ..settings(60_000) });
    let long = "x".repeat(15_000);
    rig.send(&[&long]).await;
    sleep(Duration::from_secs(2)).await;
    rig.send(&["b"]).await;
    assert!(rig.sent().await.is_empty());
    rig.send(&[&"y".repeat(30_000)]).await;
    assert_eq!(rig.sent().await.first(), Some(&long), "the oldest first");
}

/// The end of what waits is not the end of its rows.
#[tokio::test(start_paused = true)]
async fn closing_sends_what_waits() {
    let rig = Rig::new(settings(60_000));
    rig.send(&["a", "b"]).await;
    rig.grouper.close();
    assert_eq!(rig.sent().await, ["ab"]);
    assert_eq!(rig.decided("closed"), Some(2.0));
    // From now on rows pass by.
    rig.send_as(&["c"], RequestContext::default()).await.await;
    assert_eq!(rig.sent().await, ["ab", "c"]);
    rig.grouper.idle().await;
}

/// Rows of two tenants are not of one group, and do not go in one request.
#[tokio::test(start_paused = true)]
async fn tenants_do_not_mix() {
    let rig = Rig::new(Grouping { metadata_keys: vec!["x-tenant".into()], rows_max: at_most(2), ..settings(1_000) });
    for name in ["one", "two"] {
        rig.send_as(&["a", "b"], tenant(name)).await.await;
    }
    assert!(rig.sent().await.is_empty());
    rig.send_as(&["a"], tenant("two")).await.await;
    assert_eq!(rig.sent().await, ["aa"]);
    sleep(Duration::from_secs(2)).await;
    let mut sent = rig.sent().await;
    sent.sort();
    assert_eq!(sent, ["aa", "ab", "b"]);
}

/// Rows whose group was decided follow that, and rows that waited while it was decided too.
#[tokio::test(start_paused = true)]
async fn late_rows_follow() {
    let rig = Rig::new(settings(1_600));
    let learn = |name: &str, keep: bool| {
        let (mut batch, _) = batch(&[name], RequestContext::default());
        let asked = rig.grouper.ask(&batch);
        if !keep {
            batch.select(Selection::from_rows(1, &[]));
        }
        batch.routes = Routes::All(7);
        rig.grouper.learn(asked, &batch, None);
    };
    rig.send(&["a", "b", "c"]).await;
    learn("a", true);
    learn("b", false);
    learn("d", true);
    learn("e", false);
    rig.send_as(&["d", "e"], RequestContext::default()).await.await;
    assert_eq!(rig.sent().await, ["d"]);
    sleep(Duration::from_secs(2)).await;
    let mut sent = rig.sent().await;
    sent.sort();
    assert_eq!(sent, ["a", "c", "d"]);
    let late = |decision: &str| {
        rig.metric(&format!(
            r#"wasmill_groups_late_rows_total{{processor="wasm/tail",pipeline="traces",decision="{decision}"}}"#
        ))
    };
    assert_eq!((late("kept"), late("dropped")), (Some(2.0), Some(2.0)));
    assert_eq!(rig.grouper.held(), Held::default());
}

/// What is refused behind after it has waited is counted as lost.
#[tokio::test(start_paused = true)]
async fn what_is_refused_behind_is_counted() {
    let rig = Rig::new(settings(1_000));
    rig.send(&["a", "b"]).await;
    *rig.exporter.refusal.lock() = Some(Refusal::new(RefusalKind::Invalid, "no"));
    sleep(Duration::from_secs(2)).await;
    settle().await;
    // The exporter's queue took it: what becomes of it there is the exporter's to count.
    assert_eq!(rig.metric(r#"wasmill_groups_lost_rows_total{processor="wasm/tail",pipeline="traces"}"#), Some(0.0));
    assert_eq!(rig.grouper.held(), Held::default());
}

/// Requests of any rows, with any limits, over any time: every row comes out once, rows of one name that waited together in one batch, and nothing
/// is held when nothing is left.
#[tokio::test(start_paused = true)]
async fn every_row_comes_out_once() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut draw = |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    for _ in 0..40 {
        let limits = Grouping {
            groups_max: at_most(1 + draw(20) as usize),
            rows_max: at_most(1 + draw(6) as usize),
            bytes_max: 2_000 + draw(60_000) as usize,
            ..settings(100 + draw(5_000))
        };
        let rig = Rig::new(limits);
        let mut sent: Vec<String> = Vec::new();
        for _ in 0..30 {
            let names: Vec<String> = (0..1 + draw(8)).map(|_| format!("n{},", draw(12))).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            // One that finds no room says so, and its rows are the client's.
            if rig.send_as(&names, RequestContext::default()).await.await == Outcome::HeldInMemory {
                sent.extend(names.iter().map(|name| (*name).to_owned()));
            }
            sleep(Duration::from_millis(draw(800))).await;
        }
        rig.grouper.close();
        rig.grouper.idle().await;
        settle().await;
        let mut came: Vec<String> = rig.exporter.batches().into_iter().flatten().collect();
        came.sort();
        sent.sort();
        assert_eq!(came, sent);
        assert_eq!(rig.grouper.held(), Held::default());
        let state = rig.grouper.shared.state.lock();
        assert!(state.groups.is_empty() && state.cohorts.is_empty() && state.waiting_bytes == 0);
    }
}
