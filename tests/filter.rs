//! The same configuration of `filter` and the same data in the Collector and here: the same records stay.

#[expect(dead_code, reason = "the cases of other tests are there too")]
mod ottl_cases;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context, Result};
use ottl_cases::{Random, Signal, Texts};
use prost::Message;
use wasmill_tests::{Arrived, Backend, Collector, Folder, Gateway, free_port, output, python};

/// Conditions of one run: each is a pipeline of its own in both engines.
const CONDITIONS: usize = 48;
const RECORDS: usize = 300;
const SEED: u64 = 0x5eed_0017;

/// One receiver that feeds a pipeline for each condition; an exporter for each, that names the case in a header.
fn configuration(signal: &str, conditions: &[String], port: u16, backend: u16) -> Result<String> {
    let (mut processors, mut exporters, mut pipelines) = (String::new(), String::new(), String::new());
    let inner = if signal == "traces" { "span" } else { "log_record" };
    for (case, condition) in conditions.iter().enumerate() {
        // JSON's strings are YAML's, too.
        let condition = serde_json::to_string(&condition.replace('$', "$$"))?;
        writeln!(processors, "  filter/{case}: {{error_mode: ignore, {signal}: {{{inner}: [{condition}]}}}}")?;
        let target = format!("endpoint: '127.0.0.1:{backend}', tls: {{insecure: true}}, headers: {{x-case: '{case}'}}");
        writeln!(exporters, "  otlp/{case}: {{{target}}}")?;
        writeln!(
            pipelines,
            "    {signal}/{case}: {{receivers: [otlp], processors: [filter/{case}], exporters: [otlp/{case}]}}"
        )?;
    }
    Ok(format!(
        "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{port}'}}}}}}}}\n\
         processors:\n{processors}exporters:\n{exporters}\
         service:\n  telemetry: {{metrics: {{level: none}}}}\n  pipelines:\n{pipelines}"
    ))
}

/// For each case, the ids that arrived; an id that arrived twice is a failure of its own.
fn kept(arrived: &[Arrived]) -> BTreeMap<usize, BTreeSet<String>> {
    let mut kept: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for record in arrived {
        let case = record.case.parse().expect("each exporter names its case");
        assert!(kept.entry(case).or_default().insert(record.id.clone()), "{record:?} arrived twice");
    }
    kept
}

/// Whether the Collector 0.155 decides as its library's newer version does, which we follow: since then, text that is no
/// number is an error to `Int` and `Double`, and no longer nil. (`plugins/ottl` compares these with the newer library.)
fn same_in_both_versions(condition: &str) -> bool {
    !condition.contains("Int(") && !condition.contains("Double(")
}

fn agree(signal: Signal) -> Result<()> {
    let mut random = Random::new(SEED);
    let (name, request) = match signal {
        Signal::Traces => ("traces", ottl_cases::traces(&mut random, RECORDS).encode_to_vec()),
        Signal::Logs => ("logs", ottl_cases::logs(&mut random, RECORDS).encode_to_vec()),
        Signal::Metrics => unreachable!("data points have no ids to compare by"),
    };
    let mut texts = Texts { random: &mut random, signal };
    let drawn = std::iter::repeat_with(|| texts.condition(2));
    let conditions: Vec<String> = drawn.filter(|condition| same_in_both_versions(condition)).take(CONDITIONS).collect();

    let (ours, theirs) = (Folder::new()?, Folder::new()?);
    let (our_backend, their_backend) = (Backend::start(&ours)?, Backend::start(&theirs)?);
    let (our_port, their_port) = (free_port()?, free_port()?);
    let gateway = Gateway::start(&ours, &configuration(name, &conditions, our_port, our_backend.port)?)?;
    let collector = Collector::start(
        &theirs,
        "collector",
        &configuration(name, &conditions, their_port, their_backend.port)?,
        their_port,
    )?;
    let file = ours.write("request.bin", request)?;
    for port in [our_port, their_port] {
        output(python("tests/peers/send.py")?.args([port.to_string().as_str(), name]).arg(&file))?;
    }
    gateway.stop()?;
    collector.stop()?;
    let (ours, theirs) = (kept(&our_backend.stop()?), kept(&their_backend.stop()?));

    let mut telling = 0;
    for (case, condition) in conditions.iter().enumerate() {
        let (ours, theirs) =
            (ours.get(&case).cloned().unwrap_or_default(), theirs.get(&case).cloned().unwrap_or_default());
        let differ: Vec<&String> = ours.symmetric_difference(&theirs).take(5).collect();
        assert!(
            differ.is_empty(),
            "{name}, `{condition}`: kept {} here, {} there; for example {differ:?}",
            ours.len(),
            theirs.len()
        );
        telling += usize::from((1..RECORDS).contains(&ours.len()));
    }
    // Conditions that keep all or nothing say little.
    assert!(telling >= CONDITIONS / 3, "only {telling} of {CONDITIONS} conditions tell records apart");
    Ok(())
}

#[test]
fn the_same_spans_stay() -> Result<()> {
    agree(Signal::Traces).context("traces")
}

#[test]
fn the_same_log_records_stay() -> Result<()> {
    agree(Signal::Logs).context("logs")
}
