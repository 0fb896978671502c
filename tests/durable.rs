//! The queue on disk in the gateway's own process: killed at random moments, on a full disk, with a second process.

mod durable {
    pub mod load;
}

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use durable::load::{Load, send};
use wasmill_tests::{Backend, Folder, Gateway, PATIENCE, free_port, metric, wait_until, wasmill};
use xtask::process::Running;

/// Rounds of [`killed_at_random_moments_nothing_acknowledged_is_lost`]; `WASMILL_KILL_ROUNDS` sets others.
const KILL_ROUNDS: u32 = 20;
/// A round ends at a random moment of this time: starting, taking, delivering, all in turn.
const ROUND_MAX: Duration = Duration::from_millis(400);
const CONSUMERS: usize = 4;
/// Spans of one request.
const SPANS: u64 = 5;
const CLIENTS: usize = 4;

fn configuration(http: u16, metrics: u16, backend: u16, folder: &Path) -> String {
    format!(
        r#"
receivers:
  otlp:
    protocols:
      http: {{endpoint: "127.0.0.1:{http}"}}
extensions:
  file_storage: {{directory: "{}"}}
exporters:
  otlp:
    endpoint: "127.0.0.1:{backend}"
    tls: {{insecure: true}}
    sending_queue: {{storage: file_storage, queue_size: 100000, num_consumers: {CONSUMERS}}}
    retry_on_failure: {{initial_interval: 10ms, max_interval: 50ms, max_elapsed_time: 0}}
service:
  extensions: [file_storage]
  telemetry:
    metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {metrics}}}}}}}}}]}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp]}}
"#,
        folder.display()
    )
}

/// Scenario: under load the gateway is killed (SIGKILL) at random moments and started again; in every third round its backend
/// cannot be reached, so that the next ones begin with a backlog.
/// Guarantee: every acknowledged span is at the backend in the end. What arrives twice was being delivered when the process was
/// killed, or had been since the log's last write: a bounded number for each kill.
#[test]
fn killed_at_random_moments_nothing_acknowledged_is_lost() -> Result<()> {
    let from_environment = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64;
    let seed = from_environment("WASMILL_SEED").unwrap_or(now);
    let rounds = from_environment("WASMILL_KILL_ROUNDS").unwrap_or(KILL_ROUNDS.into());
    println!("WASMILL_SEED={seed} WASMILL_KILL_ROUNDS={rounds}");
    let mut random = Random(seed | 1);

    let folder = Folder::new()?;
    let backend = Backend::start(&folder)?;
    let (http, metrics, nobody) = (free_port()?, free_port()?, free_port()?);
    let queues = folder.path("queues");
    let load = Load::start(http, CLIENTS, SPANS);
    for round in 0..rounds {
        let target = if round % 3 == 1 { nobody } else { backend.port };
        let file = folder.write("gateway.yaml", configuration(http, metrics, target, &queues))?;
        let mut command = wasmill()?;
        command.arg("run").arg("--config").arg(file).stderr(fs::File::create(folder.path("gateway.log"))?);
        let mut gateway = Running::start("the gateway", &mut command)?;
        let moment = Instant::now() + random.below(ROUND_MAX);
        if round % 4 != 0 {
            // Most rounds count from when it serves; the others from when it is started.
            gateway
                .line(PATIENCE, |line| line.contains("ready"))
                .with_context(|| fs::read_to_string(folder.path("gateway.log")).unwrap_or_default())?;
            thread::sleep(random.below(ROUND_MAX));
        } else {
            thread::sleep(moment.saturating_duration_since(Instant::now()));
        }
        gateway.signal(libc::SIGKILL)?;
        // Waits for its end.
        drop(gateway);
    }
    let acknowledged = load.stop();
    ensure!(acknowledged.len() as u64 > rounds * SPANS, "only {} spans were acknowledged", acknowledged.len());

    let gateway = Gateway::start(&folder, &configuration(http, metrics, backend.port, &queues))?;
    wait_until(|| Ok(metric(metrics, "otelcol_exporter_queue_size{", r#"data_type="traces""#)? == 0.0))?;
    gateway.stop()?;
    let mut times: HashMap<u64, u64> = HashMap::new();
    for span in backend.stop()? {
        *times.entry(u64::from_str_radix(&span.id, 16)?).or_default() += 1;
    }
    let lost: Vec<u64> = acknowledged.iter().copied().filter(|id| !times.contains_key(id)).collect();
    assert!(lost.is_empty(), "lost {} of {}: {lost:?}", lost.len(), acknowledged.len());
    let again: u64 = times.values().map(|times| times - 1).sum();
    let of_acknowledged = acknowledged.iter().filter(|id| times.get(id).is_some_and(|times| *times > 1)).count();
    println!(
        "{rounds} kills: {} spans acknowledged, none lost; {} arrived, {again} of them again ({of_acknowledged} \
         acknowledged spans more than once, {:.1} a kill)",
        acknowledged.len(),
        times.values().sum::<u64>(),
        again as f64 / rounds as f64
    );
    // One request of each consumer was being sent, and a few were delivered while the log wrote: some 14 spans are seen again for
    // each kill. A queue that forgot its acknowledgements would show thousands.
    let again_max = rounds * SPANS * 10 * CONSUMERS as u64;
    assert!(again <= again_max, "{again} arrived again");
    Ok(())
}

/// Scenario: files may not grow beyond 256 KiB (as on a full disk every write beyond fails), and then they may.
/// Guarantee: clients are told to retry, everything that was acknowledged arrives, and requests are taken again.
#[test]
fn a_full_disk_is_back_pressure() -> Result<()> {
    const FILE_BYTES_MAX: u64 = 256 << 10;
    let folder = Folder::new()?;
    let backend = Backend::start(&folder)?;
    let (http, metrics, nobody) = (free_port()?, free_port()?, free_port()?);
    let queues = folder.path("queues");
    let file = folder.write("gateway.yaml", configuration(http, metrics, nobody, &queues))?;
    let log = folder.path("gateway.log");
    let mut command = wasmill()?;
    command.arg("run").arg("--config").arg(file).stderr(fs::File::create(&log)?);
    limit_file_size(&mut command, FILE_BYTES_MAX);
    let mut gateway = Running::start("the gateway", &mut command)?;
    gateway.line(PATIENCE, |line| line.contains("ready"))?;

    let mut acknowledged = Vec::new();
    let mut id = 1;
    let refused = loop {
        let answer = send(http, id, SPANS)?;
        if answer.status != 200 {
            break answer;
        }
        acknowledged.extend(id..id + SPANS);
        id += SPANS;
        ensure!(id < 1_000_000, "the limit is never met");
    };
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert!(refused.text.contains("cannot be written"), "{}", refused.text);
    assert!(send(http, id, SPANS)?.status == 503, "it stays so");
    ensure!(fs::read_to_string(&log)?.contains("the queue cannot be written"));
    raise_file_size(gateway.id())?;
    wait_until(|| Ok(send(http, id, SPANS)?.status == 200))?;
    acknowledged.extend(id..id + SPANS);
    gateway.stop()?;

    let gateway = Gateway::start(&folder, &configuration(http, metrics, backend.port, &queues))?;
    wait_until(|| Ok(metric(metrics, "otelcol_exporter_queue_size{", r#"data_type="traces""#)? == 0.0))?;
    gateway.stop()?;
    let mut times: BTreeMap<u64, u64> = BTreeMap::new();
    for span in backend.stop()? {
        *times.entry(u64::from_str_radix(&span.id, 16)?).or_default() += 1;
    }
    let lost: Vec<&u64> = acknowledged.iter().filter(|id| !times.contains_key(id)).collect();
    assert!(lost.is_empty(), "lost {lost:?}");
    assert!(times.keys().all(|id| acknowledged.contains(id)), "nothing that was refused is there");
    assert!(times.values().all(|times| *times == 1), "nothing arrives twice");
    Ok(())
}

/// Scenario: a second gateway is started with the folder of one that runs; then the first is started without the exporter whose
/// queue is there.
/// Guarantee: the second ends with the key, its line and the reason; what lies unclaimed is named.
#[test]
fn a_folder_is_one_process_s_and_says_what_lies_in_it() -> Result<()> {
    let folder = Folder::new()?;
    let (http, metrics, nobody) = (free_port()?, free_port()?, free_port()?);
    let queues = folder.path("queues");
    let text = configuration(http, metrics, nobody, &queues);
    let gateway = Gateway::start(&folder, &text)?;
    assert_eq!(send(http, 1, SPANS)?.status, 200);
    let other = folder.write("other.yaml", configuration(free_port()?, free_port()?, nobody, &queues))?;
    let output = wasmill()?.arg("run").arg("--config").arg(&other).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["extensions::file_storage::directory", "in use by another process", "other.yaml:7"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    gateway.stop()?;

    let renamed = text
        .replace("\n  otlp:\n    endpoint", "\n  otlp/new:\n    endpoint")
        .replace("exporters: [otlp]", "exporters: [otlp/new]");
    let gateway = Gateway::start(&folder, &renamed)?;
    let said = gateway.log();
    assert!(said.contains("no exporter delivers") && said.contains("otlp.traces"), "{said}");
    gateway.stop()
}

fn limit_file_size(command: &mut std::process::Command, bytes: u64) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: between fork and exec only these two calls are made, which are allowed there and take what lives on the stack.
    unsafe {
        command.pre_exec(move || {
            // A write beyond is to fail, not to end the process.
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            match libc::setrlimit(libc::RLIMIT_FSIZE, &limit) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        });
    }
}

fn raise_file_size(process: u32) -> Result<()> {
    let limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: reads the limit on the stack; the process is our child, which was not waited for.
    let done = unsafe { libc::prlimit(i32::try_from(process)?, libc::RLIMIT_FSIZE, &limit, std::ptr::null_mut()) };
    ensure!(done == 0, "{}", std::io::Error::last_os_error());
    Ok(())
}

/// xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, max: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        max.mul_f64((self.0 >> 11) as f64 / (1_u64 << 53) as f64)
    }
}
