//! The wall clock of the gateway jumps, while it runs, by years.
//!
//! The binary runs with `clock.c` preloaded: what it asks of the wall clock is wrong by what a file says. Everything that lasts
//! (batches, retries, deadlines, idle connections, tokens) goes by the monotonic clock, which this leaves alone, as the system does.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;

use tokio::net::{TcpListener, TcpStream};
use tonic::Code;
use wasmill_batch::{Refusal, RefusalKind};

use crate::certs::Authority;
use crate::gateway::Folder;
use crate::peers::{Running, Script, exchange};
use crate::{assert_serves, export};

const YEAR: i64 = 365 * 86_400;

/// A clock that is years ahead, at the beginning of time (as a board without a battery starts), and right.
fn jumps() -> [i64; 4] {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    [50 * YEAR, -i64::try_from(now).unwrap() + 3600, -YEAR, 0]
}

/// What the gateway's wall clock is wrong by.
struct Clock {
    offset: File,
    /// What a command is run under.
    under: [String; 3],
}

impl Clock {
    /// `None`: there is no compiler for C here, which is said.
    fn new(folder: &Folder) -> Option<Clock> {
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clients/clock.c");
        let library = path("clock.so");
        let compiled =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o", &library]).arg(source).arg("-ldl").status();
        match compiled {
            Ok(status) => assert!(status.success(), "the clock does not compile"),
            Err(error) => {
                println!("skipped: `cc`: {error}");
                return None;
            }
        }
        std::fs::write(path("offset"), 0_i64.to_ne_bytes()).unwrap();
        let offset = File::options().write(true).open(path("offset")).unwrap();
        let under =
            ["env".to_owned(), format!("LD_PRELOAD={library}"), format!("CLOCK_OFFSET_FILE={}", path("offset"))];
        Some(Clock { offset, under })
    }

    /// In one write, and seen at once by who has it mapped.
    fn jump(&self, seconds: i64) {
        self.offset.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }

    fn under(&self) -> [&str; 3] {
        self.under.each_ref().map(String::as_str)
    }
}

/// A batch waits for its timeout, a plugin runs by its deadline, a backend refuses and is asked again: at each wrong time a span
/// arrives, and health says since when, whatever the clock does.
#[tokio::test(flavor = "multi_thread")]
async fn data_flows() {
    let folder = Folder::new();
    let Some(clock) = Clock::new(&folder) else { return };
    let mut backend = Running::defaults().await;
    // Free a moment ago: the gateway does not say where this one listens.
    let health = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let yaml = format!(
        "
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: '127.0.0.1:0', keepalive: {{server_parameters: {{max_connection_age: 1h}}}}}}
      http: {{endpoint: '127.0.0.1:0'}}
processors:
  filter: {{error_mode: propagate, traces: {{span: ['name == \"none\"']}}}}
  batch: {{timeout: 50ms}}
exporters:
  otlp:
    endpoint: '{}'
    tls: {{insecure: true}}
    retry_on_failure: {{initial_interval: 50ms, max_interval: 50ms, max_elapsed_time: 1h}}
extensions:
  health_check: {{endpoint: '127.0.0.1:{health}'}}
service:
  extensions: [health_check]
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], processors: [filter, batch], exporters: [otlp]}}}}
",
        backend.grpc()
    );
    let gateway = folder.run_under(&yaml, &clock.under());
    let address = gateway.address("otlp grpc");
    for seconds in jumps() {
        // Before it comes, and again while it waits for its batch or its retry.
        clock.jump(seconds);
        backend.sink.then(Script::Answer(Err(Refusal::new(RefusalKind::Unavailable, "not now"))));
        assert_eq!(export(address).await, Code::Ok, "{seconds}");
        clock.jump(-seconds / 2);
        backend.received.recv().await.unwrap();
        clock.jump(seconds);
        backend.received.recv().await.unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", health)).await.unwrap();
        let reply = exchange(&mut stream, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let health: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        let uptime = health["uptime"].as_str().unwrap();
        assert!(uptime.ends_with('s') && uptime.len() < 20, "not years: {uptime}");
        assert_serves(&gateway).await;
        backend.received.recv().await.unwrap();
    }
}

/// A backend's certificate is looked at by the wall clock, as it has to be: at a wrong time it is refused, retryably, and nothing is
/// lost; at the right time it is good without a restart; a connection that is there is not cut by a jump.
#[tokio::test(flavor = "multi_thread")]
async fn certificates() {
    let folder = Folder::new();
    let Some(clock) = Clock::new(&folder) else { return };
    let authority = Authority::new();
    let identity = authority.issue_between(2020, 2050);
    let behind = Folder::new();
    behind.write("server.crt", &identity.cert);
    behind.write("server.key", &identity.key);
    folder.write("ca.crt", &authority.pem);
    let yaml = |tls: &str, exporter: &str| {
        format!(
            "
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0'{tls}}}}}}}}}
exporters: {{{exporter}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [{}]}}}}
",
            exporter.split(':').next().unwrap()
        )
    };
    let behind = behind.run(&yaml(", tls: {cert_file: server.crt, key_file: server.key}", "debug: "));
    let exporter = format!(
        "otlp: {{endpoint: '{}', tls: {{ca_file: ca.crt}}, sending_queue: {{enabled: false}}, \
         retry_on_failure: {{enabled: false}}}}",
        behind.address("otlp grpc")
    );
    let gateway = folder.run_under(&yaml("", &exporter), &clock.under());
    let address = gateway.address("otlp grpc");
    let [ahead, beginning, _, right] = jumps();
    for wrong in [ahead, beginning] {
        clock.jump(wrong);
        assert_eq!(export(address).await, Code::Unavailable, "{wrong}");
    }
    clock.jump(right);
    assert_eq!(export(address).await, Code::Ok);
    clock.jump(ahead);
    assert_eq!(export(address).await, Code::Ok, "over the connection that is there");
}
