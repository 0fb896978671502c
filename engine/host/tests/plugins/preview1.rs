//! Core modules of runtimes that know WASI's first version only: C and Rust with wasi-libc, Go.

use std::fmt::Debug;
use std::path::Path;
use std::sync::{Arc, Mutex, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use wasmill_host::{LoadError, Stage, StageSpec};
use wit_component::StringEncoding;
use wit_parser::Resolve;

use crate::support::{HOST, spans, spec};

const PLUGIN: &str = include_str!("preview1.wat");

/// What guests of these tests log, wherever their calls run.
static LOGGED: Mutex<Vec<Line>> = Mutex::new(Vec::new());

#[derive(Default)]
struct Line {
    stage: String,
    message: String,
}

struct Collector;

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "wasmill::plugin"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        if line.stage.starts_with("preview1/") {
            line.message.insert_str(0, &format!("{} ", event.metadata().level()));
            LOGGED.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "stage" {
            value.clone_into(&mut self.stage);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}

/// What the stage's guests logged, as `LEVEL message`.
fn logged(stage: &str) -> Vec<String> {
    let lines = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().filter(|line| line.stage == stage).map(|line| line.message.clone()).collect()
}

/// A stage of that name, which names the lines that it logs too.
async fn stage(name: &str) -> Arc<Stage> {
    static COLLECTING: Once = Once::new();
    COLLECTING.call_once(|| tracing::subscriber::set_global_default(Collector).unwrap());
    let plugin = HOST.load("preview1", &module(PLUGIN)).await.unwrap();
    Stage::build(&HOST, plugin, StageSpec { name: name.to_owned(), ..spec("null") }).await.unwrap()
}

/// The text as a core module with the contract's world.
fn module(text: &str) -> Vec<u8> {
    let mut module = wat::parse_str(text).unwrap();
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/plugin.wit");
    let package = resolve.push_source("plugin.wit", &std::fs::read_to_string(wit).unwrap()).unwrap();
    let world = resolve.select_world(&[package], Some("plugin")).unwrap();
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    module
}

/// A module that imports all of preview 1 runs, and finds an empty system: no variables and files, a clock that goes on
/// where the host may not be called, random numbers. What it prints is logged line by line.
#[tokio::test]
async fn a_core_module_that_imports_preview_1_finds_an_empty_system() {
    let stage = stage("preview1/empty").await;
    let refusal = stage.process(&mut spans(1), 0).await.map(drop).expect_err("it answers with an error");
    let expected = [
        "00 00 00 00",    // environment and arguments
        "00 00 01 28",    // clocks
        "00 01 00",       // random numbers
        "08 08 08 08",    // files and sockets
        "00 70 00 02",    // standard streams
        "00 01 42 01",    // a second's sleep
        "00 08 00 00 08", // output
    ];
    assert!(refusal.reason.contains(&expected.join(" ")), "{refusal}");
    // What follows is the host's own line on the refusal.
    assert_eq!(logged("preview1/empty")[..3], ["INFO hello", "INFO world", "WARN warn \u{fffd}"]);
}

/// A module is made a component before it is loaded, with a component type or without one: the same file each time, which runs as the module
/// does, and prints.
#[tokio::test]
async fn a_component_that_was_made_of_it_runs_too() {
    let (bare, typed) = (wat::parse_str(PLUGIN).unwrap(), module(PLUGIN));
    for module in [bare, typed] {
        let component = HOST.component(&module).unwrap();
        assert_eq!(component, HOST.component(&module).unwrap());
        assert_eq!(component, HOST.component(&component).unwrap(), "a component stays as it is");
        let plugin = HOST.load("preview1", &component).await.unwrap();
        let spec = StageSpec::alone("preview1/exit", serde_json::Value::Null);
        let stage = Stage::build(&HOST, plugin, spec).await.unwrap();
        let refusal = stage.process(&mut spans(2), 0).await.map(drop).expect_err("it exits");
        assert!(refusal.reason.contains("the plugin exited with code 3"), "{refusal}");
        let fault = stage.last_fault().expect("a fault");
        assert!(fault.message.contains("the plugin exited with code 3"), "{fault}");
    }
    let error = HOST.component(b"\0asm\x01\0\0\0").expect_err("no plugin");
    assert!(matches!(error, LoadError::MissingExport { .. }), "{error:?}");
}

/// A plugin exits: that is a fault, which says so, and its last words are logged although their line did not end.
#[tokio::test]
async fn exiting_is_a_fault_that_says_so() {
    let stage = stage("preview1/exit").await;
    let refusal = stage.process(&mut spans(2), 0).await.map(drop).expect_err("it exits");
    assert!(refusal.reason.contains("the plugin exited with code 3"), "{refusal}");
    let logged = logged("preview1/exit");
    assert!(logged.iter().any(|line| line == "WARN last words"), "{logged:?}");
}

/// A plugin prints more at once than the host takes from a call: the start of it is logged, and the call goes on.
#[tokio::test]
async fn printing_a_lot_is_no_fault() {
    let stage = stage("preview1/long").await;
    let refusal = stage.process(&mut spans(3), 0).await.map(drop).expect_err("it answers with an error");
    assert!(refusal.reason.contains("(refused): 00 00 00 00"), "{refusal}");
    let long = logged("preview1/long").iter().filter(|line| line.len() == "INFO ".len() + 2048).count();
    assert_eq!(long, 32);
}

/// A function that preview 1 does not have is named, and so is an earlier version of it.
#[tokio::test]
async fn an_unknown_function_of_preview_1_is_named() {
    let unknown = PLUGIN.replace("\"sock_shutdown\"", "\"sock_connect\"");
    let error = HOST.load("preview1", &module(&unknown)).await.map(drop).expect_err("unknown");
    assert!(matches!(&error, LoadError::Compile(_)), "{error:?}");
    assert!(format!("{error:?}").contains("sock_connect"), "{error:?}");
    let unstable = PLUGIN.replace("wasi_snapshot_preview1\" \"sock_shutdown", "wasi_unstable\" \"sock_shutdown");
    let error = HOST.load("preview1", &module(&unstable)).await.map(drop).expect_err("unstable");
    assert!(matches!(&error, LoadError::ForbiddenImport { import, .. } if import == "wasi_unstable"), "{error:?}");
}

/// A module may not reach past the adapter to what that imports.
#[tokio::test]
async fn what_the_adapter_imports_is_not_for_plugins() {
    let reaching = PLUGIN.replace("wasi_snapshot_preview1\" \"sock_shutdown", "wasmill:system/process@0.1.0\" \"exit");
    let error = HOST.load("preview1", &module(&reaching)).await.map(drop).expect_err("reaching");
    assert!(matches!(&error, LoadError::ForbiddenImport { .. }), "{error:?}");
}
