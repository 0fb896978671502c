//! The real binary, as an operator runs it: what it prints, its exit codes, its signals, the files that it watches.

#[path = "process/admin.rs"]
mod admin;
#[path = "process/components.rs"]
mod components;
#[path = "process/tap.rs"]
mod tap;

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use wasmill_transport::settings::{GrpcClientSettings, TlsClientSettings};
use wasmill_transport::{GrpcClient, SendError};
use wasmill_wire::Signal;

/// Compiled plugins, kept between runs.
const CACHE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/plugins");

const PATIENCE: Duration = Duration::from_secs(120);

/// A folder with a configuration and what it names.
struct Folder {
    root: tempfile::TempDir,
}

impl Folder {
    fn new(processor: &str, exporter: &str) -> Folder {
        let folder = Folder { root: tempfile::tempdir().unwrap() };
        folder.configure(processor, exporter);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn configure(&self, processor: &str, exporter: &str) {
        let yaml = format!(
            "receivers:\n  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0'}}}}}}\n\
             processors:\n  wasm/p: {processor}\n\
             exporters:\n  {exporter}\n\
             service:\n  telemetry: {{metrics: {{level: none}}}}\n  pipelines:\n    \
               traces: {{receivers: [otlp], processors: [wasm/p], exporters: [{}]}}\n",
            exporter.split(':').next().unwrap()
        );
        replace(&self.path("gateway.yaml"), yaml.as_bytes());
    }

    fn command(&self, command: &[&str]) -> Command {
        let mut wasmill = Command::new(env!("CARGO_BIN_EXE_wasmill"));
        wasmill.args(command).arg("--config").arg(self.path("gateway.yaml"));
        wasmill.env("WASMILL_CACHE_DIR", CACHE).env_remove("WASMILL_LOG").env_remove("WASMILL_ADMIN_SOCKET");
        // The admin socket is there unless somebody says otherwise.
        wasmill.env("XDG_RUNTIME_DIR", self.root.path());
        wasmill
    }

    fn output(&self, command: &[&str]) -> Output {
        self.command(command).output().unwrap()
    }
}

fn replace(path: &Path, bytes: &[u8]) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, bytes).unwrap();
    std::fs::rename(&beside, path).unwrap();
}

/// `wasmill run`, ready. Killed when it is dropped.
struct Running {
    child: Child,
    /// Lines of its log, as they come.
    log: mpsc::Receiver<String>,
    grpc: SocketAddr,
}

impl Running {
    fn start(folder: &Folder) -> Running {
        let mut child =
            folder.command(&["run"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let log = lines(child.stderr.take().unwrap());
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let address = ready.trim().strip_prefix("wasmill: ready: otlp grpc ").and_then(|at| at.parse().ok());
        let Some(grpc) = address else { panic!("`{ready}`: {:?}", log.try_iter().collect::<Vec<_>>()) };
        Running { child, log, grpc }
    }

    fn client(&self) -> GrpcClient {
        let tls = TlsClientSettings { insecure: true, ..TlsClientSettings::default() };
        let endpoint = self.grpc.to_string();
        GrpcClient::new(GrpcClientSettings { endpoint, tls, timeout: PATIENCE, ..GrpcClientSettings::default() })
            .unwrap()
    }

    /// Waits for a line of the log.
    fn says(&self, what: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match self.log.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(what) => return line,
                Ok(line) => seen.push(line),
                Err(_) => panic!("it does not say `{what}` but\n{}", seen.join("\n")),
            }
        }
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").arg(format!("-{signal}")).arg(self.child.id().to_string()).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already where a test waited for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(log: ChildStderr) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn spans(name: &str) -> bytes::Bytes {
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    let span = Span { trace_id: vec![1; 16], span_id: vec![1; 8], name: name.to_owned(), ..Span::default() };
    let scope = ScopeSpans { spans: vec![span], ..ScopeSpans::default() };
    let resource = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec().into()
}

async fn send(client: &GrpcClient, name: &str) -> Result<(), SendError> {
    client.send(Signal::Traces, spans(name)).await.map(drop)
}

const DEBUG: &str = "debug: {verbosity: normal}";
const FILTER: &str = "{plugin: 'builtin:filter', config: {drop: ['name == \"a\"']}}";

/// It starts, takes data, reloads on SIGHUP and by itself when the file changes, and ends with 0 on SIGTERM.
#[tokio::test(flavor = "multi_thread")]
async fn runs_reloads_and_ends() {
    let folder = Folder::new(FILTER, DEBUG);
    let mut running = Running::start(&folder);
    let client = running.client();
    for name in ["a", "b"] {
        send(&client, name).await.unwrap();
    }
    assert!(running.says(" 01010101").contains("b "), "`a` was dropped, `b` was written");

    folder.configure(&FILTER.replace("\"a\"", "\"b\""), DEBUG);
    running.says("configuration reloaded");
    for name in ["b", "a"] {
        send(&client, name).await.unwrap();
    }
    assert!(running.says(" 01010101").contains("a "), "the new condition decides, over the old connection");

    folder.configure("{plugin: 'builtin:filter', config: {drop: ['name ==']}}", DEBUG);
    assert!(running.says("the old one serves on").contains("wasm/p"));
    send(&client, "a").await.unwrap();
    running.signal("HUP");
    assert!(running.says("the old one serves on").contains("wasm/p"), "SIGHUP tries again");

    running.signal("TERM");
    running.says("nothing was left");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
}

/// A plugin's file is replaced: the new one serves. It is replaced by rubbish: the old one serves on, and the log says why.
#[tokio::test(flavor = "multi_thread")]
async fn notices_that_a_plugin_has_changed() {
    let folder = Folder::new("{}", DEBUG);
    let plugin = folder.path("stamp.wasm");
    replace(&plugin, &wasmill_fixtures::stamped(1));
    folder.configure(&format!("{{plugin: '{}', config: {{do: stamp}}}}", plugin.display()), DEBUG);
    let running = Running::start(&folder);
    let client = running.client();
    send(&client, "first").await.unwrap();
    assert!(running.says("first ").contains("generation=0000000001"));
    replace(&plugin, &wasmill_fixtures::stamped(2));
    running.says("plugin swapped");
    send(&client, "second").await.unwrap();
    assert!(running.says("second ").contains("generation=0000000002"));
    replace(&plugin, b"no plugin");
    assert!(running.says("plugin not swapped, the old one serves on").contains("not WebAssembly"));
    send(&client, "third").await.unwrap();
    assert!(running.says("third ").contains("generation=0000000002"));
}

/// It is told to end while a change takes its time: it does not wait for the change, but delivers what it has.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_comes_before_a_change() {
    let folder = Folder::new(FILTER, DEBUG);
    let plugin = folder.path("hostile.wasm");
    replace(&plugin, wasmill_fixtures::hostile());
    let mut running = Running::start(&folder);
    let limits = "limits: {init_deadline: 1h}";
    folder.configure(&format!("{{plugin: '{}', config: {{do: init-loop}}, {limits}}}", plugin.display()), DEBUG);
    running.says("reloading the configuration");
    running.signal("TERM");
    running.says("nothing was left");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
}

/// What could not be delivered in time is reported, and the exit code is 0 all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    // Nobody listens there: the port was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = Folder::new(FILTER, &format!("otlp: {{endpoint: '{free}', tls: {{insecure: true}}}}"));
    let mut running = Running::start(&folder);
    send(&running.client(), "b").await.unwrap();
    running.says("will be tried again");
    running.signal("TERM");
    running.says("draining");
    running.signal("TERM");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
}

/// `validate` shows what would run, or every mistake; no port is opened for either.
#[test]
fn validate_says_what_would_run_or_what_is_wrong() {
    let folder = Folder::new(FILTER, DEBUG);
    let good = folder.output(&["validate"]);
    let text = String::from_utf8(good.stdout).unwrap();
    assert_eq!(good.status.code(), Some(0), "{}", String::from_utf8_lossy(&good.stderr));
    assert!(text.contains("traces: otlp -> wasm/p -> debug"), "{text}");
    assert!(text.contains("wasm/p: builtin:filter"), "{text}");

    folder.configure("{plugin: 'builtin:filtr', config: {drop: [1]}}", DEBUG);
    let wrong = folder.output(&["validate"]);
    assert_eq!(wrong.status.code(), Some(2));
    let text = String::from_utf8(wrong.stderr).unwrap();
    assert!(text.contains("filtr"), "{text}");

    folder.configure(FILTER, "debug: {verbose: 1}");
    let wrong = folder.output(&["run"]);
    assert_eq!(wrong.status.code(), Some(2), "a wrong configuration does not run");
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("verbosity"), "the nearest valid key is named");
}

/// What a swap would do to what a plugin holds is said beforehand.
#[test]
fn validate_says_what_becomes_of_state() {
    for (config, says) in [
        ("{do: hold}", "its state is single, and is handed to the plugin that follows it"),
        ("{do: hold, keyed: name}", "its state is keyed by `name`, and is handed to"),
        (
            "{do: hold, no_snapshot: true}",
            "its state is single, and is lost when another plugin follows it: it uses no `snapshot`",
        ),
    ] {
        let folder = Folder::new(FILTER, DEBUG);
        let plugin = folder.path("held.wasm");
        std::fs::write(&plugin, wasmill_fixtures::hostile()).unwrap();
        folder.configure(&format!("{{plugin: '{}', config: {config}}}", plugin.display()), DEBUG);
        let valid = folder.output(&["validate"]);
        let text = String::from_utf8(valid.stdout).unwrap();
        assert_eq!(valid.status.code(), Some(0), "{}", String::from_utf8_lossy(&valid.stderr));
        assert!(text.contains(says), "{text}");
    }
}

/// A port in use: exit code 1, which port, and by which key.
#[test]
fn a_port_in_use_ends_it_with_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let folder = Folder::new(FILTER, DEBUG);
    let path = folder.path("gateway.yaml");
    let yaml = std::fs::read_to_string(&path).unwrap().replace("127.0.0.1:0", &format!("127.0.0.1:{port}"));
    std::fs::write(&path, yaml).unwrap();
    let output = folder.output(&["run"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(&port.to_string()) && text.contains("receivers::otlp::protocols::grpc::endpoint"), "{text}");
}

/// `plugin inspect` shows a plugin, as text and as JSON, or says why it is none.
#[test]
fn inspect_shows_a_plugin_or_its_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plugin.wasm");
    let inspect = |content: &[u8], more: &[&str]| {
        std::fs::write(&file, content).unwrap();
        let mut wasmill = Command::new(env!("CARGO_BIN_EXE_wasmill"));
        wasmill.args(["plugin", "inspect"]).arg(&file).args(more).env("WASMILL_CACHE_DIR", CACHE);
        let output = wasmill.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let filter = wasmill_builtin::get("filter").unwrap();
    let config = r#"{"drop": ["name == \"a\""]}"#;
    let (code, text) = inspect(filter, &["--config", config]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("contract version: 0.1.0") && text.contains("name as text"), "{text}");
    let (code, text) = inspect(filter, &["--config", config, "--output", "json"]);
    assert_eq!(code, Some(0), "{text}");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["wants"]["signals"][0]["signal"], "traces", "{text}");
    let (code, text) = inspect(b"\x7fELF\x02\x01\x01\0", &[]);
    assert_eq!(code, Some(2));
    assert!(text.contains("not WebAssembly"), "{text}");

    let old = folder.path().join("old.wasm");
    std::fs::write(&old, wasmill_builtin::get("noop").unwrap()).unwrap();
    let (code, text) = inspect(filter, &["--config", config, "--instead-of", old.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("instead of "), "{text}");
    std::fs::write(&old, filter).unwrap();
    let (_, text) = inspect(filter, &["--config", config, "--instead-of", old.to_str().unwrap()]);
    assert!(text.contains("the same, as far as can be told from outside"), "{text}");
}

/// `plugin bench` measures a file on an input, and says what is wrong with either.
#[test]
fn bench_measures_or_says_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let (file, input) = (folder.path().join("filter.wasm"), folder.path().join("input.json"));
    std::fs::write(&file, wasmill_builtin::get("filter").unwrap()).unwrap();
    std::fs::write(&input, r#"{"resourceLogs": [{"scopeLogs": [{"logRecords": [{}, {}]}]}]}"#).unwrap();
    let bench = |args: &[&str]| {
        let mut wasmill = Command::new(env!("CARGO_BIN_EXE_wasmill"));
        let output = wasmill.args(["plugin", "bench"]).arg(&file).args(args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let input = input.to_str().unwrap();
    let config = r#"{"drop": ["severity_number > 8"]}"#;
    let (code, out, err) = bench(&["--input", input, "--config", config, "--rows", "3", "--output", "json"]);
    assert_eq!(code, Some(0), "{err}");
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&report["signal"], &report["rows"][0]["rows"]), (&"logs".into(), &3.into()), "{out}");
    for (args, why) in [
        (&["--input", input][..], "refuses its configuration"),
        (&["--config", config], "there is no `--input`"),
        (&["--input", "nowhere.json"], "nowhere.json"),
        (&["--input", input, "--rows", "0"], "1 to 8192"),
    ] {
        let (code, _, err) = bench(args);
        assert_eq!(code, Some(2), "{args:?}: {err}");
        assert!(err.contains(why), "no `{why}` in {err}");
    }
}

/// `--version` and `--help` are answers, not mistakes; an unknown command is one.
#[test]
fn help_and_version_are_answers() {
    let run = |args: &[&str]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_wasmill"))
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        (child.wait().unwrap().code(), text)
    };
    let (code, text) = run(&["--version"]);
    assert_eq!((code, text.starts_with("wasmill 0.")), (Some(0), true), "{text}");
    let (code, text) = run(&["--help"]);
    assert_eq!((code, text.contains("wasmill run --config gateway.yaml")), (Some(0), true), "{text}");
    assert_eq!(run(&["serve"]).0, Some(2));
}
