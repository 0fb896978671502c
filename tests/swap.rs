//! A swap each second for a minute, under load: nothing is lost or doubled, and every span was decided by exactly one build.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use wasmill_fixtures::stamped;
use wasmill_tests::{Backend, Folder, Gateway, PATIENCE, free_port, metric, python, wait_until};
use xtask::process::Running;

const SWAPS: u32 = 60;
/// Requests a second, 20 spans each.
const RATE: u32 = 100;

/// Scenario: builds of a plugin that stamp their number replace each other in one file, one a second, while a client sends.
/// Guarantee: every acknowledged span arrives once, with one stamp, of a build that was published; each build was published.
#[test]
fn a_swap_each_second_for_a_minute_loses_and_doubles_nothing() -> Result<()> {
    let folder = Folder::new()?;
    let backend = Backend::start(&folder)?;
    let (grpc, metrics) = (free_port()?, free_port()?);
    let plugin = folder.write("stamp.wasm", stamped(0))?;
    let configuration = format!(
        r#"
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:{grpc}"}}
processors:
  wasm/stamp:
    plugin: {}
    config: {{do: stamp}}
exporters:
  otlp:
    endpoint: "127.0.0.1:{}"
    tls: {{insecure: true}}
service:
  telemetry:
    metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {metrics}}}}}}}}}]}}
  pipelines:
    traces: {{receivers: [otlp], processors: [wasm/stamp], exporters: [otlp]}}
"#,
        plugin.display(),
        backend.port
    );
    let gateway = Gateway::start(&folder, &configuration)?;
    let mut command = python("tests/peers/stream.py")?;
    let errors = folder.path("client.log");
    command.args([grpc.to_string(), RATE.to_string()]).stderr(fs::File::create(&errors)?);
    let mut client = Running::start("the client", &mut command)?;

    let swapped = || metric(metrics, r#"wasmill_plugin_swap_total{"#, r#"result="published""#);
    let begun = Instant::now();
    for build in 1..=SWAPS {
        thread::sleep((begun + Duration::from_secs(build.into())).saturating_duration_since(Instant::now()));
        let new = folder.write("stamp.new", stamped(build))?;
        fs::rename(new, &plugin)?;
        wait_until(|| Ok(swapped()? >= f64::from(build)))
            .with_context(|| format!("build {build}: {}", gateway.log()))?;
    }
    // The last build has its second, too.
    thread::sleep(Duration::from_secs(1));
    let swaps = swapped()?;
    client.signal(libc::SIGTERM)?;
    let acknowledged: u64 = client
        .line(PATIENCE, |line| line.parse::<u64>().is_ok())
        .with_context(|| fs::read_to_string(&errors).unwrap_or_default())?
        .parse()?;
    gateway.stop()?;
    let arrived = backend.stop()?;

    assert_eq!(swaps, f64::from(SWAPS), "one swap published for each build that was put in place");
    let mut times: HashMap<u64, u32> = HashMap::new();
    let mut stamps: BTreeMap<String, u64> = BTreeMap::new();
    for span in &arrived {
        *times.entry(u64::from_str_radix(&span.id, 16)?).or_default() += 1;
        assert_eq!(span.attributes.len(), 1, "one stamp and nothing else: {span:?}");
        let stamp = span.attributes["generation"].as_str().context("a stamp")?;
        *stamps.entry(stamp.to_owned()).or_default() += 1;
    }
    let lost: BTreeSet<u64> = (1..=acknowledged).filter(|id| !times.contains_key(id)).collect();
    let doubled: BTreeSet<u64> = times.iter().filter(|(_, times)| **times > 1).map(|(id, _)| *id).collect();
    assert!(lost.is_empty() && doubled.is_empty(), "lost {lost:?}, doubled {doubled:?} of {acknowledged}");
    let published: BTreeSet<String> = (0..=SWAPS).map(|build| format!("{build:010}")).collect();
    let unknown: Vec<&String> = stamps.keys().filter(|stamp| !published.contains(*stamp)).collect();
    assert!(unknown.is_empty(), "stamps of no build: {unknown:?}");
    // Between two swaps some 2,000 spans pass: a build that decided none of them was not swapped in while traffic flowed.
    assert_eq!(stamps.len(), published.len(), "every build decided about spans: {stamps:?}");
    println!("{acknowledged} spans, {swaps} swaps, {} builds seen", stamps.len());
    Ok(())
}
