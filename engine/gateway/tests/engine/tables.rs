//! Lookup tables in a running gateway: loaded at start, anew when their file changes, and the old content whatever comes instead.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wasmill::engine::TableKeeper;
use wasmill_tables::Refreshed;
use wasmill_wire::Signal;

use crate::language::{Backend, Gateway, names, patiently, spans, spans_of, text_of};

/// The example's plugin, a table, and a configuration of both: a span's `attributes["team"]` is that of its name.
struct Owners {
    folder: tempfile::TempDir,
}

impl Owners {
    fn new(table: &str) -> Owners {
        let owners = Owners { folder: tempfile::tempdir().unwrap() };
        std::fs::write(owners.path("enrich.wasm"), wasmill_fixtures::enrich_from_table()).unwrap();
        owners.put(table);
        owners
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes beside, and renames.
    fn put(&self, table: &str) {
        std::fs::write(self.path("new.csv"), table).unwrap();
        std::fs::rename(self.path("new.csv"), self.path("owners.csv")).unwrap();
    }

    fn configuration(&self, backend: &Backend, tables: &str) -> String {
        format!(
            r#"
processors:
  wasm/owners:
    plugin: '{}'
    tables: {{{tables}}}
    config: {{table: owners, key: name, signals: [traces], set: {{team: 'attributes["team"]'}}}}
exporters:
  otlp: {{endpoint: '{}', tls: {{insecure: true}}, compression: none}}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/owners], exporters: [otlp]}}
"#,
            self.path("enrich.wasm").display(),
            backend.grpc()
        )
    }

    fn table(&self) -> String {
        format!("owners: {{file: '{}', key: name}}", self.path("owners.csv").display())
    }
}

/// The teams of all spans, in order.
fn teams(requests: &[bytes::Bytes]) -> Vec<String> {
    let spans = requests.iter().flat_map(|request| spans_of(request));
    spans.map(|span| text_of(&span.attributes, "team").join("+")).collect()
}

const OWNERS: &str = "name,team\na,shop\nb,data\n";

/// Guarantee: who is in the table gets what it has, the rest stays; a new file is served without a new generation; half a file is
/// refused, logged and counted, and the old content serves on, until the next change.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_served_and_half_a_file_is_not() {
    let (backend, owners) = (Backend::start().await, Owners::new(OWNERS));
    let gateway = Gateway::start(&owners.configuration(&backend, &owners.table())).await;
    let client = gateway.grpc().await;
    client.spans(spans(&["a", "b", "c"])).await.unwrap();
    assert_eq!(teams(&backend.spans(3).await), ["shop", "data", ""]);
    assert_eq!(gateway.engine.table_files(), [owners.path("owners.csv")]);
    assert!(gateway.engine.refresh_tables().await.is_empty(), "nothing has changed");

    owners.put("name,team\na,pay\nb,data\nc,ops\n");
    let results = gateway.engine.refresh_tables().await;
    assert!(matches!(&results[..], [(_, Refreshed::Loaded { rows: 3, rows_before: 2, .. })]), "{results:?}");
    client.spans(spans(&["a", "c"])).await.unwrap();
    assert_eq!(teams(&backend.spans(5).await)[3..], ["pay", "ops"]);
    assert_eq!(gateway.engine.generation(), 1);

    owners.put("name,team\na,other\nb");
    let results = gateway.engine.refresh_tables().await;
    let [(_, Refreshed::Refused(error))] = &results[..] else { panic!("{results:?}") };
    assert!(error.to_string().ends_with("owners.csv`, line 3: 1 cell: expected 2, one for each column"), "{error}");
    client.spans(spans(&["a"])).await.unwrap();
    assert_eq!(teams(&backend.spans(6).await)[5..], ["pay"]);
    let labels = r#"processor="wasm/owners",table="owners""#;
    let metric = |name: &str, more: &str| gateway.metric(&format!("wasmill_table_{name}{{{labels}{more}}}"));
    assert_eq!(metric("rows", ""), Some(3.0));
    assert_eq!(metric("reloads_total", r#",result="applied""#), Some(1.0));
    assert_eq!(metric("reloads_total", r#",result="refused""#), Some(1.0));
    assert!(metric("last_load_timestamp_seconds", "").is_some_and(|at| at > 1.7e9));
    let status = gateway.engine.status();
    let table = &status.plugins[0].tables[0];
    assert_eq!((table.rows, table.refused.as_deref()), (3, Some(&*error.to_string())));

    owners.put("name,team\na,last\n");
    assert_eq!(gateway.engine.refresh_tables().await.len(), 1);
    client.spans(spans(&["a", "b"])).await.unwrap();
    assert_eq!(teams(&backend.spans(8).await)[6..], ["last", ""]);
    assert!(gateway.engine.status().plugins[0].tables[0].refused.is_none());
}

/// Scenario: clients send without pause while the file is exchanged again and again.
/// Guarantee: each request is answered from one content or the next, never from a part of both, and none is refused.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_sees_two_contents() {
    let generation = |number: usize| format!("name,team\na,{number}\nb,{number}\nc,{number}\n");
    let (backend, owners) = (Backend::start().await, Owners::new(&generation(0)));
    let gateway = Arc::new(Gateway::start(&owners.configuration(&backend, &owners.table())).await);
    let stop = Arc::new(AtomicBool::new(false));
    let sending = tokio::spawn({
        let (client, stop) = (gateway.grpc().await, Arc::clone(&stop));
        async move {
            let mut sent = 0;
            while !stop.load(Ordering::Relaxed) {
                client.spans(spans(&["a", "b", "c"])).await.expect("no request is refused because of a table");
                sent += 1;
            }
            sent
        }
    });
    let mut seen = 0;
    for number in 1..=4 {
        // Some requests between each two.
        seen = backend.requests(Signal::Traces, seen + 5).await.len();
        owners.put(&generation(number));
        assert_eq!(gateway.engine.refresh_tables().await.len(), 1);
    }
    stop.store(true, Ordering::Relaxed);
    let sent = sending.await.unwrap();
    gateway.grpc().await.spans(spans(&["a"])).await.unwrap();
    // The queue answers before it sends, and its consumers send beside one another: the order in which requests come says nothing.
    let requests = backend.spans(3 * sent + 1).await;
    assert_eq!(requests.len(), sent + 1);
    for request in &requests {
        let teams = teams(std::slice::from_ref(request));
        assert!(teams.iter().all(|team| *team == teams[0]), "{teams:?}");
        assert!(
            teams.len() == 3 || teams == ["4"],
            "what is sent after the last exchange has the last content: {teams:?}"
        );
    }
}

/// A file changes, and somebody says that some file has: the table is loaded by itself, beside everything else.
#[tokio::test(flavor = "multi_thread")]
async fn the_keeper_loads_what_has_changed() {
    let (backend, owners) = (Backend::start().await, Owners::new(OWNERS));
    let gateway = Gateway::start(&owners.configuration(&backend, &owners.table())).await;
    let keeper = TableKeeper::start(&gateway.engine);
    owners.put("name,team\na,new\n");
    keeper.look();
    let rows = || gateway.metric(r#"wasmill_table_rows{processor="wasm/owners",table="owners"}"#);
    patiently("the table to be loaded", async {
        while rows() != Some(1.0) {
            tokio::time::sleep(wasmill_tables::QUIET / 10).await;
        }
    })
    .await;
    drop(keeper);
    assert!(gateway.stop().await.is_nothing());
}

/// At start, and in a new configuration: a table that is none, one that the plugin asks and nobody configured, one more that it does
/// not ask. What is wrong is said with its place, and what served serves on with the table that it had.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_cannot_be_loaded_is_an_error_with_its_place() {
    let (backend, owners) = (Backend::start().await, Owners::new("name,team\na,shop\na,data\n"));
    let error = Gateway::try_start(&owners.configuration(&backend, &owners.table())).await.map(drop).unwrap_err();
    let (key, line) = error.mistakes().remove(0);
    assert_eq!(key, "processors::wasm/owners::tables::owners");
    assert!(
        line.contains("the lookup table `owners` cannot be loaded")
            && line.contains("owners.csv`, line 3, column `name`"),
        "{line}"
    );
    let lines = error.lines();
    assert!(lines[0].contains("the key `a` is there already, in line 2"), "{lines:?}");

    owners.put(OWNERS);
    let error = Gateway::try_start(&owners.configuration(&backend, "")).await.map(drop).unwrap_err();
    assert!(error.lines()[0].contains("the lookup table `owners`, which is not configured"), "{:?}", error.lines());

    let more = format!("{}, unused: {{file: '{}', key: team}}", owners.table(), owners.path("owners.csv").display());
    let gateway = Gateway::start(&owners.configuration(&backend, &more)).await;
    let wrong = owners.configuration(&backend, &owners.table().replace("key: name", "key: nobody"));
    let error = gateway.engine.reload(Gateway::config(&wrong)).await.unwrap_err();
    assert!(
        error.lines()[0].contains("there is no column `nobody`: the columns are `name`, `team`"),
        "{:?}",
        error.lines()
    );
    let client = gateway.grpc().await;
    client.spans(spans(&["b"])).await.unwrap();
    backend.spans(1).await;
    gateway.engine.reload(Gateway::config(&owners.configuration(&backend, &owners.table()))).await.unwrap();
    client.spans(spans(&["a"])).await.unwrap();
    let requests = backend.spans(2).await;
    assert_eq!(
        (names(&requests), teams(&requests)),
        (vec!["b".into(), "a".into()], vec!["data".into(), "shop".into()])
    );
    assert_eq!(gateway.metric(r#"wasmill_table_rows{processor="wasm/owners",table="unused"}"#), None);
}
