//! `wasmill tap` and `wasmill top`, as an operator runs them beside a running gateway.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::{CACHE, DEBUG, FILTER, Folder, Running, send, spans};

/// A command that listens; killed when it is dropped.
struct Listening {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Listening {
    fn start(folder: &Folder, args: &[&str]) -> Listening {
        let mut wasmill = Command::new(env!("CARGO_BIN_EXE_wasmill"));
        wasmill.args(args).env("XDG_RUNTIME_DIR", folder.path("")).env("WASMILL_CACHE_DIR", CACHE);
        wasmill.env_remove("WASMILL_ADMIN_SOCKET").env_remove("NO_COLOR");
        let mut child = wasmill.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Listening { child, out }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The rest of what it writes, after it has ended: exit code, standard output, standard error.
    fn end(mut self) -> (Option<i32>, String, String) {
        let (mut out, mut error) = (String::new(), String::new());
        self.out.read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        (self.child.wait().unwrap().code(), out, error)
    }

    fn signal(&self, signal: &str) {
        let kill = Command::new("kill").arg(format!("-{signal}")).arg(self.child.id().to_string()).status();
        assert!(kill.unwrap().success());
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends spans until the listener, which may not have begun, is shown one; gives its first line.
async fn shown(running: &Running, listening: &mut Listening, name: &str) -> String {
    let (client, name) = (running.client(), name.to_owned());
    let sending = tokio::spawn(async move { while send(&client, &name).await.is_ok() {} });
    let line = tokio::task::block_in_place(|| listening.line());
    sending.abort();
    line
}

/// A listener as JSON sees what the stage does, and hears of the gateway's end; it ends with 0, and says why.
#[tokio::test(flavor = "multi_thread")]
async fn a_tap_shows_records_until_the_gateway_ends() {
    let folder = Folder::new(FILTER, DEBUG);
    let mut running = Running::start(&folder);
    let mut tap = Listening::start(&folder, &["tap", "--stage", "wasm/p", "--output", "json"]);
    let record: Value = serde_json::from_str(&shown(&running, &mut tap, "a").await).unwrap();
    assert_eq!((&record["type"], &record["outcome"]), (&json!("record"), &json!("dropped")), "{record}");
    assert_eq!((&record["record"]["name"], &record["record"]["trace_id"]), (&json!("a"), &json!("01".repeat(16))));
    running.signal("TERM");
    let (code, rest, error) = tap.end();
    assert_eq!((code, error.as_str()), (Some(0), "wasmill: the gateway ends\n"), "{rest}");
    let last: Value = serde_json::from_str(rest.lines().last().unwrap()).unwrap();
    assert_eq!(last, json!({"type": "end", "reason": "the gateway ends"}));
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
}

/// For people: colours when they are asked for and not in a pipe. It ends after as many records as were asked for, and on a signal, with 0.
#[tokio::test(flavor = "multi_thread")]
async fn a_tap_ends_when_it_has_seen_enough() {
    let folder = Folder::new(FILTER, DEBUG);
    let running = Running::start(&folder);
    let of_b = ["tap", "--where", "name == \"b\"", "--count", "1", "--mask", "trace*"];
    let mut tap = Listening::start(&folder, &of_b);
    let head = shown(&running, &mut tap, "b").await;
    let (code, rest, error) = tap.end();
    assert_eq!((code, head.as_str(), error.as_str()), (Some(0), "traces", ""));
    assert_eq!(rest, "  b\n  trace_id=****  span_id=0101010101010101\n");

    let mut tap = Listening::start(&folder, &["tap", "--stage", "wasm/p", "--color", "always"]);
    let head = shown(&running, &mut tap, "a").await;
    assert_eq!(head, "\u{1b}[36mtraces\u{1b}[0m \u{1b}[36mwasm/p\u{1b}[0m \u{1b}[31mdropped\u{1b}[0m");
    tap.signal("INT");
    let (code, _, error) = tap.end();
    assert_eq!((code, error.as_str()), (Some(0), "wasmill: interrupted\n"));
    // It is let go: the gateway ends at once.
    drop(running);
}

/// What cannot be listened to is refused with 2 and the reason; where no gateway answers the exit code is 1.
#[test]
fn a_tap_that_cannot_be_is_refused() {
    let folder = Folder::new(FILTER, DEBUG);
    let run = |args: &[&str]| Listening::start(&folder, args).end();
    let (code, _, error) = run(&["tap"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("no gateway answers"), "{error}");
    let _running = Running::start(&folder);
    for (args, why) in [
        (&["--stage", "wasm/q"][..], "there is no stage `wasm/q`; there are `wasm/p`"),
        (&["--pipeline", "logs"], "there is no pipeline `logs`; there are `traces`"),
        (&["--where", "name = 1"], "the condition cannot be used"),
        (&["--mask", ""], "a mask is a name"),
        (&["--before"], "--stage"),
        (&["--count", "0"], "--count"),
    ] {
        let (code, out, error) = run(&[&["tap"], args].concat());
        assert_eq!((code, out.as_str()), (Some(2), ""), "{args:?}: {error}");
        assert!(error.contains(why), "no `{why}` in {error}");
    }
}

/// `service::admin::mask` says what is not shown; a reload changes it for those who listen from then on, and leaves the socket where it is.
#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_says_what_is_masked() {
    let folder = Folder::new(FILTER, DEBUG);
    let running = Running::start(&folder);
    let name = async |expected: &str| {
        let mut tap = Listening::start(&folder, &["tap", "--output", "json", "--count", "1"]);
        let record: Value = serde_json::from_str(&shown(&running, &mut tap, "b").await).unwrap();
        assert_eq!(record["record"]["name"], expected);
    };
    name("b").await;
    let path = folder.path("gateway.yaml");
    let yaml = std::fs::read_to_string(&path).unwrap();
    crate::replace(&path, yaml.replace("service:\n", "service:\n  admin: {mask: ['NA*']}\n").as_bytes());
    running.says("configuration reloaded");
    name("****").await;
}

/// `top --once` looks twice: rates, plugins and queues, for people and for programs.
#[tokio::test(flavor = "multi_thread")]
async fn top_shows_what_a_gateway_does() {
    let folder = Folder::new(FILTER, DEBUG);
    let run = |args: &[&str]| Listening::start(&folder, args).end();
    let (code, _, error) = run(&["top", "--once"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("no gateway answers"), "{error}");

    let running = Running::start(&folder);
    let client = running.client();
    let mut top = Listening::start(&folder, &["top", "--output", "json", "--interval", "0.1"]);
    let mut view = Value::Null;
    // The span is counted between two looks.
    while view["plugins"][0]["rows_in_per_second"].as_f64().unwrap_or_default() == 0.0 {
        client.send(wasmill_wire::Signal::Traces, spans("a")).await.unwrap();
        view = serde_json::from_str(&tokio::task::block_in_place(|| top.line())).unwrap();
    }
    assert_eq!(view["pid"], running.child.id());
    let plugin = &view["plugins"][0];
    assert_eq!(
        (&plugin["stage"], &plugin["pipelines"], &plugin["breaker"]),
        (&json!("wasm/p"), &json!(["traces"]), &json!("closed"))
    );
    assert!(plugin["ns_per_row"].as_f64().unwrap() > 0.0, "{plugin}");
    assert_eq!(plugin["rows_kept_per_second"], 0.0);
    let receiver = &view["receivers"][0];
    assert_eq!(
        (&receiver["receiver"], &receiver["transport"], &receiver["signal"]),
        (&json!("otlp"), &json!("grpc"), &json!("traces"))
    );
    assert!(receiver["accepted_per_second"].as_f64().unwrap() > 0.0, "{receiver}");
    assert_eq!(view["exporters"][0]["exporter"], "debug");
    assert!(view["memory_bytes"].as_u64().unwrap() > 1 << 20, "{view}");

    let (code, text, error) = run(&["top", "--once", "--interval", "0.1"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(text.starts_with("wasmill 0.") && text.contains("\nSTAGE ") && text.contains("\nwasm/p "), "{text}");
    let (code, _, error) = run(&["top"]);
    assert_eq!(code, Some(2), "in a pipe");
    assert!(error.contains("--once"), "{error}");
    let (code, _, error) = run(&["top", "--interval", "0"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("0.1 to 3600 seconds"), "{error}");
}
