//! New records: built as the plugin said, given away when everything else of the verdict is in force, and refused as a whole where anything
//! about them is wrong.

use std::sync::Arc;

use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use parking_lot::Mutex;
use wasmill_batch::{RequestContext, Routes, TelemetryBatch};
use wasmill_fixtures::EMISSIONS;
use wasmill_host::{EmissionSink, Emitted, FaultKind, OnFault, Stage, StageSpec};
use wasmill_wire::{ColumnRequest, ColumnType, Path, Signal, TextForm};

use crate::support::{attribute, build, selected, spans, spans_with, spec};

/// What a stage gave away.
#[derive(Default)]
pub struct Given(Mutex<Vec<TelemetryBatch>>);

impl EmissionSink for Given {
    fn emit(&self, emitted: Emitted) {
        self.0.lock().push(emitted.batch);
    }
}

impl Given {
    pub fn to(stage: &Stage) -> Arc<Given> {
        let given = Arc::<Given>::default();
        stage.set_emissions(Arc::<Given>::clone(&given));
        given
    }

    pub fn rows(&self) -> usize {
        self.0.lock().iter().map(|batch| batch.selection().count()).sum()
    }

    /// The values of a text path of all records, in the order in which they came.
    pub fn texts(&self, path: &str) -> Vec<String> {
        let batches = self.0.lock();
        batches.iter().flat_map(|batch| texts(batch, path)).collect()
    }

    pub fn batches(&self) -> Vec<TelemetryBatch> {
        self.0.lock().drain(..).collect()
    }
}

fn texts(batch: &TelemetryBatch, path: &str) -> Vec<String> {
    let path = Path::parse(batch.signal(), path).unwrap();
    let columns = batch.columns(&[ColumnRequest { path, column: ColumnType::Text(TextForm::Plain) }]);
    let word = |text: Option<&str>| text.unwrap_or("(none)").to_owned();
    match columns[0].as_string_opt::<i32>() {
        Some(texts) => texts.iter().map(word).collect(),
        // What parents have comes once for each of them.
        None => {
            let dictionary = columns[0].as_dictionary::<UInt32Type>();
            dictionary.downcast_dict::<StringArray>().unwrap().into_iter().map(word).collect()
        }
    }
}

/// A plugin that uses everything, is called by hand, and whose deadline no busy machine reaches.
pub async fn emitting(what: &str, more: &str) -> Arc<Stage> {
    let mut spec = spec(&format!(r#"{{"do": "emit", "what": "{what}"{more}}}"#));
    spec.limits.call_deadline_ms = spec.limits.init_deadline_ms;
    build(spec).await.unwrap()
}

/// A record for each row, like that row: it has the row's resource and scope, its own body, and the time of now.
#[tokio::test]
async fn records_are_like_the_rows_they_came_of() {
    let stage = emitting("log", "").await;
    let given = Given::to(&stage);
    let mut batch = spans(3);
    let metadata = vec![("tenant".to_owned(), "a".to_owned())];
    let context = RequestContext { metadata, deadline: Some(std::time::Instant::now()), ..RequestContext::default() };
    batch.replace_context(Arc::new(context));
    stage.process(&mut batch, 0).await.unwrap();
    assert_eq!(selected(&batch), [0, 1, 2], "the rows go on");
    assert_eq!(given.texts("body"), ["0", "1", "2"]);
    let emitted = given.batches();
    assert_eq!(emitted.len(), 1);
    assert_eq!((emitted[0].signal(), emitted[0].index().resources.len()), (Signal::Logs, 1));
    let context = emitted[0].context();
    assert_eq!(
        (context.metadata("tenant"), context.deadline),
        (Some("a"), None),
        "whoever sent the rows waits for them alone"
    );
    let stats = stage.stats().snapshot();
    assert_eq!((stats.emitted, stats.emitted_lost), ([0, 0, 3], [0; 3]));
}

/// `source` counts in the slice: of rows that are left of a batch, in slices of two.
#[tokio::test]
async fn sources_are_rows_of_the_slice() {
    let mut spec = spec(r#"{"do": "emit", "what": "log"}"#);
    spec.limits.rows_max = 2.try_into().unwrap();
    let stage = build(spec).await.unwrap();
    let given = Given::to(&stage);
    let mut batch = spans(5);
    batch.select(wasmill_wire::Selection::from_rows(5, &[0, 2, 3, 4]));
    stage.process(&mut batch, 0).await.unwrap();
    assert_eq!(given.texts("body"), ["0", "1", "0", "1"]);
}

/// Records with route sets carry them; those without say nothing.
#[tokio::test]
async fn routes_are_the_plugins_sets() {
    let stage = emitting("routed", r#", "sets": [["pager"], ["archive"]]"#).await;
    let given = Given::to(&stage);
    stage.process(&mut spans(3), 40).await.unwrap();
    assert_eq!(given.batches()[0].routes, Routes::Rows(vec![0, 1, 0].into()), "in its own numbers");
}

/// Everything that new records can be wrong in: bad output, with a reason, and nothing is given away.
#[tokio::test]
async fn records_that_are_none_are_bad_output() {
    for what in EMISSIONS {
        let stage = emitting(what, "").await;
        let given = Given::to(&stage);
        stage.process(&mut spans(2), 0).await.map(drop).expect_err(what);
        let fault = stage.last_fault().expect(what);
        assert_eq!(fault.kind, FaultKind::BadOutput, "{what}: {fault}");
        assert_eq!((given.rows(), stage.stats().snapshot().instances), (0, 0), "{what}");
    }
}

/// The reasons, of the ones that authors will meet.
#[tokio::test]
async fn reasons_say_what_was_expected() {
    for (what, reason) in [
        ("path-unknown", "emission 0: logs: `no.such.path` at character 0: no such field of logs"),
        ("short", "logs: `event_name` has 3 values for 2 records; a value for each is expected, or one for all"),
        ("source-range", "logs: `source` is row 2 of 2"),
        ("no-name", "metrics: `metric.name` has no value in record 0, and a record of metrics needs one"),
        ("no-value", "record 0 has no value: a gauge needs `value_int`, `value_double` or `value`"),
        ("unfit", "record 0 is a point of a sum, which has no `count`; say by `metric.type` what it is"),
        ("type", "`metric.type` is 9 in record 0, expected 1 gauge, 2 sum, 3 histogram"),
        ("buckets", "record 0 has 2 `bucket_counts` for 3 `explicit_bounds`"),
        ("inner", "`spanevent.dropped_attributes_count` has 1 values in record 0"),
        ("many-rows", "65537 new records; at most 65536 are allowed"),
        ("large", "would have more than 67108864 bytes"),
    ] {
        let stage = emitting(what, "").await;
        stage.process(&mut spans(2), 0).await.map(drop).expect_err(what);
        let fault = stage.last_fault().expect(what).to_string();
        assert!(fault.contains(reason), "{what}: {fault}");
    }
}

/// Of a batch that is refused nothing is given away, not even what earlier slices made: its sender sends it again.
#[tokio::test]
async fn nothing_comes_of_a_batch_that_is_refused() {
    let policy = |on_fault| async move {
        let mut spec: StageSpec = spec(r#"{"do": "emit", "what": "log-or-trap"}"#);
        spec.limits.rows_max = 2.try_into().unwrap();
        spec.on_fault = on_fault;
        let stage = build(spec).await.unwrap();
        let given = Given::to(&stage);
        let mut batch = spans_with(6, |row| if row == 4 { attribute("poison", "yes") } else { Vec::new() });
        let result = stage.process(&mut batch, 0).await;
        (result.is_ok(), given.rows())
    };
    assert_eq!(policy(OnFault::Reject).await, (false, 0));
    assert_eq!(policy(OnFault::Pass).await, (true, 4), "those of the slices that were decided about");
}

/// A stage that nobody gave a place for its records checks them and drops them: shadows, measurements.
#[tokio::test]
async fn without_a_place_records_go_nowhere() {
    let stage = emitting("log", "").await;
    stage.process(&mut spans(3), 0).await.unwrap();
    assert_eq!(stage.stats().snapshot().faults, [0; FaultKind::ALL.len()]);
}

/// Rows that were seen are told of by `tick`, and the rest by `flush`: each once.
#[tokio::test]
async fn ticks_and_the_end_give_what_is_held() {
    let stage = emitting("count", r#", "tick_ms": 10"#).await;
    let given = Given::to(&stage);
    stage.process(&mut spans(3), 0).await.unwrap();
    stage.tick().await;
    assert_eq!(given.texts("metric.name"), ["rows"]);
    stage.tick().await;
    assert_eq!(given.rows(), 1, "nothing new");
    stage.process(&mut spans(4), 0).await.unwrap();
    stage.end().await;
    assert_eq!(given.rows(), 2);
    let stats = stage.stats().snapshot();
    assert_eq!((stats.ticks, stats.tick_faults, stats.emitted), (2, 0, [0, 2, 0]));
}

/// A tick makes thousands of records: built aside, and given all the same.
#[tokio::test]
async fn many_records_are_built_aside() {
    let stage = emitting("crowd", r#", "tick_ms": 10"#).await;
    let given = Given::to(&stage);
    stage.tick().await;
    stage.end().await;
    assert_eq!((given.rows(), stage.stats().snapshot().emitted), (10_000, [0, 0, 10_000]));
}

/// Records that a plugin makes without having said that it does, in any call, are a fault.
#[tokio::test]
async fn unannounced_records_are_a_fault() {
    let stage = build(spec(r#"{"do": "tick", "how": "emit"}"#)).await.unwrap();
    let given = Given::to(&stage);
    stage.tick().await;
    let stats = stage.stats().snapshot();
    assert_eq!((stats.tick_faults, stats.instances, given.rows()), (1, 0, 0));
    let fault = stage.last_fault().unwrap().to_string();
    assert!(fault.contains("which `uses` does not name (`emit`)"), "{fault}");
}

/// `plugin inspect` shows what is made, and how often.
#[tokio::test]
async fn inspecting_says_what_is_made_and_how_often() {
    let config = serde_json::json!({"do": "emit", "what": "count", "tick_ms": 500});
    let inspection = crate::support::HOST.inspect(wasmill_fixtures::hostile(), Some(&config)).await;
    let wants = inspection.wants.unwrap();
    assert_eq!(
        (wants.uses, wants.tick_ms),
        (["keep", "routes", "edits", "emit", "flush"].map(String::from).into(), Some(500))
    );
}
