//! Lookup tables: what a plugin gets of those that it named, and that nothing it asks costs more than is allowed.

use std::sync::Arc;

use serde_json::{Value, json};
use wasmill_host::{BuildError, FaultKind, Stage, StageSpec};
use wasmill_tables::{TableSet, TableSpec};

use crate::support::{HOST, attribute, build, hostile, selected, spans, spans_with, spec};

const HOSTS: &str = "host,team\nweb-1,shop\nspan 3,shop\nspan 5,\n";

/// The table `hosts`, and a folder that it is in.
async fn tables() -> (TableSet, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hosts.csv");
    std::fs::write(&file, HOSTS).unwrap();
    let table = HOST.tables().open(&TableSpec::csv(file, "host")).await.unwrap();
    (TableSet::from([("hosts".to_owned(), table)]), folder)
}

async fn of(module: &[u8], config: Value) -> Result<Arc<Stage>, BuildError> {
    let (tables, _folder) = tables().await;
    let plugin = HOST.load("lookup", module).await.unwrap();
    let mut spec = StageSpec { config, tables: Some(tables), ..spec("null") };
    // What ends by itself has as long as it takes on a busy machine.
    spec.limits.call_deadline_ms = 30_000.try_into().unwrap();
    Stage::build(&HOST, plugin, spec).await
}

/// What the fixture was told when it asked, which it says as its refusal.
async fn asked(settings: Value) -> String {
    let mut config =
        json!({"do": "lookup", "table": "hosts", "named": ["hosts"], "keys": "web-1 db-1", "fields": ["team"]});
    config.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let stage = of(wasmill_fixtures::hostile(), config).await.unwrap();
    assert!(stage.process(&mut spans(1), 0).await.is_err());
    let fault = stage.last_fault().unwrap();
    assert_eq!(fault.kind, FaultKind::Refused, "{fault}");
    fault.message
}

/// A plugin of the SDK keeps the rows whose names are in the table with a team, in each of several instances.
#[tokio::test]
async fn a_plugin_finds_what_the_table_has() {
    let stage = of(wasmill_fixtures::find(), json!({"fields": ["team", "host"]})).await.unwrap();
    let calls = (0..8).map(|_| async {
        let mut batch = spans(10);
        batch.columns(stage.columns(batch.signal()).unwrap());
        stage.process(&mut batch, 0).await.unwrap();
        selected(&batch)
    });
    for call in calls {
        assert_eq!(call.await, [3]);
    }
    assert_eq!(stage.wants().tables, ["hosts"]);
}

/// The example's plugin, as people write them.
#[tokio::test]
async fn a_plugin_sets_what_it_found() {
    let config = json!({"table": "hosts", "key": "attributes[\"host\"]", "set": {"team": "attributes[\"team\"]"}});
    let stage = of(wasmill_fixtures::enrich_from_table(), config).await.unwrap();
    let mut batch = spans_with(2, |row| attribute("host", ["web-1", "db-1"][row]));
    stage.process(&mut batch, 0).await.unwrap();
    let sent = batch.encode();
    assert_eq!(sent.windows(4).filter(|bytes| bytes == b"shop").count(), 1);
}

/// Tables that were not named, or not yet; fields that are not there; keys that are none.
#[tokio::test]
async fn a_question_that_is_wrong_is_answered_with_its_kind() {
    let cases = [
        (json!({}), "found "),
        (json!({"table": "geo"}), "denied"),
        (json!({"named": []}), "denied"),
        (json!({"fields": ["team", "nothing"]}), "unknown"),
        (json!({"keys": "garbage"}), "invalid"),
        (json!({"keys": "nothing"}), "invalid"),
        (json!({"keys": "two-columns"}), "invalid"),
        (json!({"keys": "double"}), "invalid"),
    ];
    for (settings, expected) in cases {
        let answer = asked(settings.clone()).await;
        assert!(answer.starts_with(expected), "{settings}: {answer}");
    }
    let early = json!({"do": "lookup", "table": "hosts", "named": ["hosts"], "keys": "a", "fields": [], "early": true});
    let error = of(wasmill_fixtures::hostile(), early).await.map(drop).unwrap_err();
    assert!(matches!(&error, BuildError::Config { reason } if reason == "denied"), "{error}");
}

/// Millions of keys, of fields, of bytes: the guest is told that it is too much, or ends, and the next question is answered.
#[tokio::test]
async fn a_question_that_is_too_much_is_not_answered() {
    for settings in [json!({"keys": "many"}), json!({"more_fields": 1_000})] {
        assert_eq!(asked(settings.clone()).await, "limit", "{settings}");
    }
    // A dictionary of a million values for one row: what is looked up is the row.
    assert!(asked(json!({"keys": "wide"})).await.starts_with("found "));
    for settings in [json!({"keys": "huge"}), json!({"more_fields": 3_000_000})] {
        let mut config =
            json!({"do": "lookup", "table": "hosts", "named": ["hosts"], "keys": "web-1", "fields": ["team"]});
        config.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let stage = of(wasmill_fixtures::hostile(), config).await.unwrap();
        assert!(stage.process(&mut spans(1), 0).await.is_err());
        let kind = stage.last_fault().unwrap().kind;
        assert!(
            matches!(kind, FaultKind::Trapped | FaultKind::MemoryExceeded | FaultKind::BadOutput),
            "{settings}: {kind:?}"
        );
    }
    assert!(asked(json!({})).await.starts_with("found "));
}

/// A plugin that names a table which is not configured does not start, and is told which are.
#[tokio::test]
async fn a_table_that_is_not_configured_is_refused() {
    let config = json!({"do": "lookup", "table": "geo", "named": ["hosts", "geo"], "keys": "a", "fields": []});
    let error = of(wasmill_fixtures::hostile(), config.clone()).await.map(drop).unwrap_err();
    let expected =
        "the plugin asks the lookup table `geo`, which is not configured under `tables`; configured are `hosts`";
    assert_eq!(error.to_string(), expected);
    let error = build(StageSpec { config: config.clone(), ..spec("null") }).await.map(drop).unwrap_err();
    assert!(error.to_string().ends_with("configured are none"), "{error}");
    let many: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let config = json!({"do": "lookup", "table": "geo", "named": many, "keys": "a", "fields": []});
    let error = build(StageSpec { config: config.clone(), ..spec("null") }).await.map(drop).unwrap_err();
    assert!(error.to_string().contains("100 lookup tables; at most 64"), "{error}");
    // To look at a plugin, any name will do; then nothing is found.
    let looked_at = json!({"do": "lookup", "table": "geo", "named": ["geo"], "keys": "a", "fields": []});
    let stage = Stage::build(&HOST, hostile().await, StageSpec::alone("inspected", looked_at)).await.unwrap();
    assert!(stage.process(&mut spans(1), 0).await.is_err());
    assert_eq!(stage.last_fault().unwrap().message, "unavailable");
}
