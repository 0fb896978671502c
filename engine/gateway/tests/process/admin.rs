//! The admin socket: `wasmill status`, `wasmill swap`, `wasmill rollback`, and who may use them.

use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{DEBUG, FILTER, Folder, PATIENCE, Running, replace, send};

impl Folder {
    /// Where a gateway of this folder listens unless it is told otherwise.
    fn socket(&self) -> PathBuf {
        self.path("wasmill/admin.sock")
    }

    /// A command that asks it: exit code, standard output, standard error.
    fn ask(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let mut wasmill = Command::new(env!("CARGO_BIN_EXE_wasmill"));
        let output = wasmill.args(args).env("XDG_RUNTIME_DIR", self.path("")).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    fn status(&self) -> Value {
        let (code, text, error) = self.ask(&["status", "--output", "json"]);
        assert_eq!(code, Some(0), "{error}");
        serde_json::from_str(&text).unwrap()
    }

    /// A plugin's file, built as that number.
    fn stamped(&self, name: &str, number: u32) -> PathBuf {
        let path = self.path(name);
        replace(&path, &wasmill_fixtures::stamped(number));
        path
    }

    /// A folder whose stage is a plugin of this file.
    fn with_plugin(name: &str, number: u32) -> Folder {
        let folder = Folder::new("{}", DEBUG);
        let plugin = folder.stamped(name, number);
        folder.configure(&format!("{{plugin: '{}', config: {{do: stamp}}}}", plugin.display()), DEBUG);
        folder
    }
}

/// Sends a span, and says which build has stamped it.
async fn stamp(running: &Running) -> String {
    send(&running.client(), "asked").await.unwrap();
    let line = running.says("asked ");
    line.split("generation=").nth(1).expect("it is stamped").trim_start_matches('0').chars().take(1).collect()
}

/// A plugin is swapped by hand, and put back, and the one after that again; each is waited for, and shown.
#[tokio::test(flavor = "multi_thread")]
async fn plugins_are_swapped_and_put_back_by_hand() {
    let folder = Folder::with_plugin("one.wasm", 1);
    let running = Running::start(&folder);
    assert_eq!(stamp(&running).await, "1");
    let status = folder.status();
    assert_eq!(status["generation"], 1);
    assert_eq!(status["pipelines"][0]["pipeline"], "traces");
    let plugin = &status["plugins"][0];
    assert_eq!((&plugin["stage"], &plugin["pinned"], &plugin["rows_in"]), (&"wasm/p".into(), &false.into(), &1.into()));
    assert_eq!((&plugin["previous"], &plugin["last_swap"]), (&Value::Null, &Value::Null));
    let first = plugin["hash"].as_str().unwrap().to_owned();
    let (code, _, error) = folder.ask(&["rollback", "wasm/p"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("no other plugin"), "{error}");

    let two = folder.stamped("two.wasm", 2);
    let (code, text, error) = folder.ask(&["swap", "wasm/p", two.to_str().unwrap()]);
    assert_eq!((code, text.as_str()), (Some(0), "wasm/p: serves since generation 2\n"), "{error}");
    assert_eq!(stamp(&running).await, "2", "it is waited for");
    let (code, text, _) = folder.ask(&["swap", "wasm/p", two.to_str().unwrap()]);
    assert_eq!(code, Some(0));
    assert!(text.contains("already"), "{text}");

    let plugin = folder.status()["plugins"][0].clone();
    assert_eq!((&plugin["pinned"], &plugin["previous"]), (&true.into(), &first.as_str().into()));
    assert_eq!((&plugin["last_swap"]["by"], &plugin["last_swap"]["result"]), (&"swap".into(), &"published".into()));
    let (_, text, _) = folder.ask(&["status"]);
    assert!(text.contains("traces: otlp -> wasm/p -> debug") && text.contains("wasmill rollback wasm/p"), "{text}");
    assert!(text.contains("instead of") && text.contains("one.wasm"), "{text}");

    for (number, result) in [("1", 3), ("2", 4), ("1", 5)] {
        let (code, text, _) = folder.ask(&["rollback", "wasm/p"]);
        assert_eq!((code, text), (Some(0), format!("wasm/p: serves since generation {result}\n")));
        assert_eq!(stamp(&running).await, number);
    }
    let plugin = folder.status()["plugins"][0].clone();
    assert_eq!((&plugin["pinned"], &plugin["hash"]), (&false.into(), &first.as_str().into()), "as configured");
    assert_eq!(plugin["last_swap"]["result"], "rolled_back");
}

/// What was put into a stage by hand stays over a reload, and goes when the stage's own file is replaced.
#[tokio::test(flavor = "multi_thread")]
async fn a_newer_file_goes_before_what_was_swapped_by_hand() {
    let folder = Folder::with_plugin("one.wasm", 1);
    let running = Running::start(&folder);
    let two = folder.stamped("two.wasm", 2);
    assert_eq!(folder.ask(&["swap", "wasm/p", two.to_str().unwrap()]).0, Some(0));
    running.signal("HUP");
    running.says("configuration reloaded");
    assert_eq!(stamp(&running).await, "2", "the file is as it was when it was replaced");
    folder.stamped("one.wasm", 3);
    running.says("plugin swapped");
    assert_eq!(stamp(&running).await, "3", "the file is newer");
    assert_eq!(folder.ask(&["rollback", "wasm/p"]).0, Some(0));
    assert_eq!(stamp(&running).await, "2");
}

/// What cannot serve does not: the command says why, and so does the status, and the old one serves on.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_serve_is_refused_with_the_reason() {
    let folder = Folder::with_plugin("one.wasm", 1);
    let running = Running::start(&folder);
    let rubbish = folder.path("rubbish.wasm");
    std::fs::write(&rubbish, "no plugin").unwrap();
    let other = folder.path("other.wasm");
    std::fs::write(&other, wasmill_builtin::get("filter").unwrap()).unwrap();
    let pipe = folder.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let cases = [
        (rubbish.to_str().unwrap(), "not WebAssembly"),
        (other.to_str().unwrap(), "refuses its configuration"),
        ("/no/such/file.wasm", "cannot read"),
        ("/dev/zero", "is no file"),
        (pipe.to_str().unwrap(), "is no file"),
    ];
    for (file, why) in cases {
        let (code, text, error) = folder.ask(&["swap", "wasm/p", file]);
        assert_eq!((code, text.as_str()), (Some(2), ""), "{file}");
        assert!(error.contains(why), "{file}: {error}");
        let last = folder.status()["plugins"][0]["last_swap"].clone();
        assert_eq!(last["result"], "refused", "{file}");
        assert!(last["why"].to_string().contains(why), "{file}: {last}");
    }
    let (code, _, error) = folder.ask(&["swap", "wasm/q", other.to_str().unwrap()]);
    assert_eq!(code, Some(2));
    assert!(error.contains("`wasm/q`") && error.contains("`wasm/p`"), "it names those that there are: {error}");
    assert_eq!(stamp(&running).await, "1");
}

/// A change takes its time: the status is answered all the same, and names it and what waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn the_status_names_the_change_that_is_being_made() {
    let folder = Folder::with_plugin("one.wasm", 1);
    let mut running = Running::start(&folder);
    let hostile = folder.path("hostile.wasm");
    replace(&hostile, wasmill_fixtures::hostile());
    let stage = "config: {do: init-loop}, limits: {init_deadline: 1h}";
    folder.configure(&format!("{{plugin: '{}', {stage}}}", hostile.display()), DEBUG);
    running.says("reloading the configuration");
    let mut waits = Command::new(env!("CARGO_BIN_EXE_wasmill"))
        .args(["rollback", "wasm/p"])
        .env("XDG_RUNTIME_DIR", folder.path(""))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let until = Instant::now() + PATIENCE;
    let pending = loop {
        let pending = folder.status()["pending"].clone();
        if pending["waiting"] != Value::Array(Vec::new()) || Instant::now() > until {
            break pending;
        }
    };
    assert_eq!(pending["change"], "reload of the configuration");
    assert_eq!(pending["waiting"][0], "roll-back of `wasm/p`");
    assert!(folder.ask(&["status"]).1.contains("being changed: reload of the configuration"));
    running.signal("TERM");
    assert_eq!(running.child.wait().unwrap().code(), Some(0), "neither keeps it from ending");
    // 1: the gateway has gone; 2: it had the time to refuse.
    let code = waits.wait().unwrap().code();
    assert!(matches!(code, Some(1 | 2)), "whoever waited is told that it was done: {code:?}");
}

/// The socket is its owner's alone, goes with the gateway, and one left by a killed gateway is replaced.
#[test]
fn the_socket_lives_as_long_as_the_gateway() {
    let folder = Folder::new(FILTER, DEBUG);
    let (code, _, error) = folder.ask(&["status"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("no gateway answers") && error.contains("admin.sock"), "{error}");

    let mut running = Running::start(&folder);
    let metadata = folder.socket().metadata().unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.mode() & 0o777, 0o600);
    assert_eq!(folder.socket().parent().unwrap().metadata().unwrap().mode() & 0o777, 0o700);
    assert_eq!(folder.status()["pid"], running.child.id());
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    assert!(folder.socket().exists(), "nobody was there to remove it");

    let mut running = Running::start(&folder);
    assert_eq!(folder.status()["pid"], running.child.id());
    running.signal("TERM");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
    assert!(!folder.socket().exists());
}

/// A second gateway: where it was told to use the socket it ends, with the reason; where it was not it runs without.
#[test]
fn a_second_gateway_is_told_that_the_socket_is_taken() {
    let folder = Folder::new(FILTER, DEBUG);
    let first = Running::start(&folder);
    let second = Running::start(&folder);
    assert!(second.says("another gateway has the admin socket").contains("admin.sock"));
    assert_eq!(folder.status()["pid"], first.child.id());

    let socket = folder.socket();
    let output = folder.output(&["run", "--admin-socket", socket.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("another gateway has the admin socket"), "{error}");
    assert_eq!(folder.status()["pid"], first.child.id(), "the first one has it still");
}

/// `service::admin` says where the socket is, or that there is none; a reload moves it.
#[test]
fn the_configuration_says_where_the_socket_is() {
    let folder = Folder::new(FILTER, DEBUG);
    let write = |admin: &str| {
        let path = folder.path("gateway.yaml");
        folder.configure(FILTER, DEBUG);
        let yaml = std::fs::read_to_string(&path).unwrap();
        replace(&path, yaml.replace("service:\n", &format!("service:\n  admin: {admin}\n")).as_bytes());
    };
    let here = folder.path("here.sock");
    write(&format!("{{socket: '{}'}}", here.display()));
    let running = Running::start(&folder);
    assert!(here.exists() && !folder.socket().exists());
    let config = folder.path("gateway.yaml");
    let (code, text, error) = folder.ask(&["status", "--output", "json", "--config", config.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{error}");
    assert!(text.contains("\"pid\""), "{text}");
    assert_eq!(folder.ask(&["status", "--admin-socket", here.to_str().unwrap()]).0, Some(0));

    write("{enabled: false}");
    running.says("configuration reloaded");
    let until = Instant::now() + PATIENCE;
    while here.exists() {
        assert!(Instant::now() < until, "the socket is removed");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(folder.ask(&["status", "--admin-socket", here.to_str().unwrap()]).0, Some(1));

    write(&format!("{{socket: '{}'}}", "x".repeat(101)));
    assert!(running.says("the old one serves on").contains("service::admin::socket"));
}

fn answer(socket: &std::path::Path, question: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    // What is too long is not read to its end.
    let _ = stream.write_all(question);
    let mut answer = String::new();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // It may be closed with bytes of the question unread.
    let _ = stream.read_to_string(&mut answer);
    answer
}

/// Questions that are none: they are refused, and the next is answered.
#[test]
fn questions_that_are_none_are_refused() {
    let folder = Folder::new(FILTER, DEBUG);
    let _running = Running::start(&folder);
    let socket = folder.socket();
    for question in [&b"\n"[..], b"{}\n", b"\xff\xfe\n", b"GET / HTTP/1.1\r\n", b"{\"swap\":{\"stage\":\"wasm/p\"}}\n"]
    {
        let answer = answer(&socket, question);
        assert!(answer.contains("not a question"), "{}: {answer}", String::from_utf8_lossy(question));
    }
    let relative = answer(&socket, b"{\"swap\":{\"stage\":\"wasm/p\",\"file\":\"a.wasm\"}}\n");
    assert!(relative.contains("not an absolute path"), "{relative}");
    let mut silent: Vec<UnixStream> = (0..40).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    let mut told = String::new();
    silent[39].read_to_string(&mut told).unwrap();
    assert!(told.contains("too many"), "{told}");
    drop(silent);
    answer(&socket, &[b'x'; 1 << 20]);
    let until = Instant::now() + PATIENCE;
    while folder.ask(&["status"]).0 != Some(0) {
        assert!(Instant::now() < until, "it answers again");
    }
}

/// Another user's process connects, as it could if somebody had changed the socket's mode: it is refused.
#[test]
fn other_users_are_refused() {
    // SAFETY: it takes nothing, and cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        // Only root can act as another user. Who may ask is tested beside the server.
        return;
    }
    let folder = Folder::new(FILTER, DEBUG);
    let _running = Running::start(&folder);
    let socket = folder.socket();
    for (path, mode) in [(folder.path(""), 0o755), (folder.path("wasmill"), 0o755), (socket.clone(), 0o666)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    const NOBODY: libc::c_long = 65534;
    let stranger = std::thread::spawn(move || {
        // SAFETY: as a bare system call it changes this thread alone, which ends with the closure.
        let changed = unsafe { libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) };
        assert_eq!(changed, 0);
        answer(&socket, b"\"status\"\n")
    });
    let refused = stranger.join().unwrap();
    assert!(refused.contains("another user") && !refused.contains("pipelines"), "{refused}");
    assert_eq!(folder.ask(&["status"]).0, Some(0));
}
