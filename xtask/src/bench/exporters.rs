//! Exporters beside the Collector's of the same names, which are told the same.
//!
//! ```text
//!  load ──OTLP/gRPC──► engine ──► file, which is read while it grows
//!                             ──► load, which takes samples by remote write
//!                             ◄── load, which scrapes once a second
//! ```
//!
//! Every record that was acknowledged is looked for at the other end by its id, where it is to be once. A scrape has only the newest
//! of each series: there the last one of both engines is to say the same. CPU time is that of the whole process, receiver included.

mod exposition;
mod series;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::engine::{Engine, Ports};
use super::report::{machine, paired, today};
use super::workload::Signal;
use super::{Plan, Quantity, load, median, values};
use crate::setup;
use series::Scrapes;

/// Both, in the order of their turns.
const ENGINES: [Engine; 2] = [Engine::Collector, Engine::Wasmill];

/// Records per CPU-second, to the Collector's.
const BAR: f64 = 4.0;

/// Files grow by up to a gigabyte a second, and where the file system keeps what was read, stay.
const FILE_SECONDS_MAX: f64 = 3.0;
const FILE_WARM_UP_SECONDS_MAX: f64 = 1.0;

const RECORDS: u64 = 1000;
const CONNECTIONS: u64 = 4;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Exporter {
    FileJson,
    FileProto,
    Prometheus,
    RemoteWrite,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Work {
    exporter: Exporter,
    signal: Signal,
}

const WORKS: [Work; 6] = [
    Work { exporter: Exporter::FileJson, signal: Signal::Traces },
    Work { exporter: Exporter::FileJson, signal: Signal::Logs },
    Work { exporter: Exporter::FileJson, signal: Signal::Metrics },
    Work { exporter: Exporter::FileProto, signal: Signal::Traces },
    Work { exporter: Exporter::Prometheus, signal: Signal::Metrics },
    Work { exporter: Exporter::RemoteWrite, signal: Signal::Metrics },
];

/// One engine's, once.
struct Turn {
    work: Work,
    engine: Engine,
    round: usize,
    /// As `load` printed them.
    values: Value,
}

#[derive(Default)]
pub struct Exporters {
    turns: Vec<Turn>,
    scrapes: Scrapes,
}

impl Exporter {
    fn name(self) -> &'static str {
        match self {
            Exporter::FileJson => "`file`, JSON",
            Exporter::FileProto => "`file`, protobuf",
            Exporter::Prometheus => "`prometheus`, scraped once a second",
            Exporter::RemoteWrite => "`prometheusremotewrite`",
        }
    }

    /// What `load` calls it.
    fn option(self) -> &'static str {
        match self {
            Exporter::FileJson => "file-json",
            Exporter::FileProto => "file-proto",
            Exporter::Prometheus => "prometheus",
            Exporter::RemoteWrite => "remote-write",
        }
    }

    fn is_file(self) -> bool {
        matches!(self, Exporter::FileJson | Exporter::FileProto)
    }
}

impl Work {
    fn name(self) -> String {
        format!("{}, {} {}", self.exporter.name(), Quantity(RECORDS), self.signal.name())
    }

    /// The same for both engines. Without a queue, so that an answer says that the record is at the other end.
    fn configuration(self, ports: &Ports, file: &Path) -> String {
        let Ports { back, other, .. } = ports;
        let file = file.display();
        let (name, settings) = match self.exporter {
            Exporter::FileJson => ("file", format!("    path: {file}\n    format: json\n")),
            Exporter::FileProto => ("file", format!("    path: {file}\n    format: proto\n")),
            Exporter::Prometheus => ("prometheus", format!("    endpoint: 127.0.0.1:{other}\n")),
            Exporter::RemoteWrite => (
                "prometheusremotewrite",
                format!(
                    "    endpoint: http://127.0.0.1:{back}/api/v1/write\n    remote_write_queue:\n      enabled: false\n"
                ),
            ),
        };
        configuration(self.signal, ports.front, name, &settings)
    }
}

/// Of one pipeline without processors.
fn configuration(signal: Signal, front: u16, exporter: &str, settings: &str) -> String {
    format!(
        "receivers:\n  otlp:\n    protocols:\n      grpc:\n        endpoint: 127.0.0.1:{front}\n        \
         max_recv_msg_size_mib: 64\nexporters:\n  {exporter}:\n{settings}service:\n  telemetry:\n    logs:\n      \
         level: warn\n    metrics:\n      level: none\n  pipelines:\n    {}:\n      receivers: [otlp]\n      exporters: \
         [{exporter}]\n",
        signal.name()
    )
}

/// Everything, in turns; and what has no figure, with the reason.
pub fn measure(folder: &Path, plan: &Plan) -> (Exporters, Vec<String>) {
    let (mut measured, mut failed) = (Exporters::default(), Vec::new());
    for round in 0..plan.rounds {
        for work in WORKS {
            for engine in ENGINES {
                let title = engine.title().replace("**", "");
                setup::step(&format!("round {} of {}: {}: {title}", round + 1, plan.rounds, work.name()));
                match turn(folder, plan, work, engine) {
                    Ok(values) => measured.turns.push(Turn { work, engine, round, values }),
                    Err(error) => failed.push(format!("{}, {}: {error:#}", work.name(), engine.name())),
                }
            }
            let both = ENGINES.iter().all(|engine| measured.has(work, *engine, round));
            if both && work.exporter == Exporter::Prometheus {
                let [collector, wasmill] = ENGINES.map(|engine| captured(folder, engine));
                if let Err(error) = exposition::same(&collector, &wasmill) {
                    failed.push(format!("{}: the Collector and Wasmill differ: {error:#}", work.name()));
                    measured.turns.retain(|turn| turn.work != work);
                }
            }
        }
        measured.scrapes.measure(folder, plan, round, &mut failed);
    }
    (measured, failed)
}

/// Wasmill alone, each exporter once; what failed.
pub fn train(folder: &Path, plan: &Plan) -> Vec<String> {
    let turns = WORKS.iter().map(|work| {
        setup::step(&work.name());
        turn(folder, plan, *work, Engine::Wasmill).err().map(|error| format!("{}: {error:#}", work.name()))
    });
    turns.flatten().collect()
}

/// One engine under load.
fn turn(folder: &Path, plan: &Plan, work: Work, engine: Engine) -> Result<Value> {
    let ports = Ports::free()?;
    let file = folder.join("exported");
    remove(&file)?;
    let running = engine.start_with(folder, &work.configuration(&ports, &file), &ports)?;
    let (mut seconds, mut warm_up_seconds) = (plan.seconds, plan.warm_up_seconds);
    if work.exporter.is_file() {
        (seconds, warm_up_seconds) = (seconds.min(FILE_SECONDS_MAX), warm_up_seconds.min(FILE_WARM_UP_SECONDS_MAX));
    }
    let mut load = load();
    load.args(["--target", &format!("127.0.0.1:{}", ports.front), "--listen", &format!("127.0.0.1:{}", ports.back)]);
    load.args([
        "--pid",
        &running.id().to_string(),
        "--signal",
        work.signal.name(),
        "--exporter",
        work.exporter.option(),
    ]);
    load.args(["--records", &RECORDS.to_string(), "--connections", &CONNECTIONS.to_string()]);
    load.args(["--warm-up-seconds", &warm_up_seconds.to_string(), "--seconds", &seconds.to_string()]);
    if work.exporter.is_file() {
        load.arg("--file").arg(&file);
    }
    if work.exporter == Exporter::Prometheus {
        load.args(["--scrape", &format!("127.0.0.1:{}", ports.other)]).arg("--capture").arg(captured(folder, engine));
    }
    let values = values(&mut load).with_context(|| fs::read_to_string(folder.join("engine.log")).unwrap_or_default());
    remove(&file)?;
    let values = values?;
    running.stop()?;
    Ok(values)
}

fn remove(file: &Path) -> Result<()> {
    if file.exists() {
        fs::remove_file(file).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

/// The last scrape of an engine.
fn captured(folder: &Path, engine: Engine) -> PathBuf {
    folder.join(format!("{}.exposed", engine.name()))
}

impl Exporters {
    fn has(&self, work: Work, engine: Engine, round: usize) -> bool {
        self.turns.iter().any(|turn| (turn.work, turn.engine, turn.round) == (work, engine, round))
    }

    /// Records per CPU-second of each round.
    fn figures(&self, work: Work, engine: Engine) -> Vec<(usize, f64)> {
        let of = self.turns.iter().filter(|turn| (turn.work, turn.engine) == (work, engine));
        of.filter_map(|turn| Some((turn.round, turn.values["records_per_cpu_second"].as_f64()?))).collect()
    }

    /// The page of results.
    pub fn text(&self, plan: &Plan) -> String {
        let mut text = format!(
            "# Exporters beside the Collector's\n\nRounds of {} s ({FILE_SECONDS_MAX} at most where files are written) in turns, \
             medians. {}, {}.\n\n{} records a request on {CONNECTIONS} connections, no queue; each record that was acknowledged is at the \
             other end once, and the last scrapes say the same. Records per CPU-second, medians; the ratio is the median of those of \
             the rounds.\n\n| exporter | Collector 0.155 | **Wasmill** | ratio (its range) | bar | |\n|---|---|---|---|---|---|\n",
            plan.seconds,
            machine(),
            today(),
            Quantity(RECORDS)
        );
        for work in WORKS {
            text += &self.row(work);
        }
        text += &self.scrapes.text();
        text += "\nTheir configurations, the same for both:\n";
        let ports = Ports { front: 4317, back: 9090, other: 8889 };
        for work in WORKS {
            if work.signal
                == WORKS.iter().find(|other| other.exporter == work.exporter).map_or(work.signal, |of| of.signal)
            {
                let configuration = work.configuration(&ports, Path::new("/var/lib/exported"));
                let _ = write!(
                    text,
                    "\n<details><summary>{}</summary>\n\n```yaml\n{configuration}```\n\n</details>\n",
                    work.exporter.name()
                );
            }
        }
        text
    }

    fn row(&self, work: Work) -> String {
        let [collector, wasmill] = ENGINES.map(|engine| self.figures(work, engine));
        let mut ratios = paired(&wasmill, &collector);
        ratios.sort_by(f64::total_cmp);
        let (Some(least), Some(most)) = (ratios.first(), ratios.last()) else {
            return format!("| {} | no figure | | | | |\n", work.name());
        };
        let rate = |figures: &[(usize, f64)]| Quantity(median(figures.iter().map(|figure| figure.1).collect()) as u64);
        let ratio = median(ratios.clone());
        let verdict = if ratio >= BAR { "met" } else { "**missed**" };
        format!(
            "| {} | {} | {} | {ratio:.2} ({least:.2} to {most:.2}) | ≥ {BAR:.2} | {verdict} |\n",
            work.name(),
            rate(&collector),
            rate(&wasmill)
        )
    }

    pub fn json(&self) -> Value {
        let turns: Vec<Value> = self
            .turns
            .iter()
            .map(|turn| {
                json!({"exporter": turn.work.name(), "engine": turn.engine.name(), "round": turn.round, "run": turn.values})
            })
            .collect();
        json!({"runs": turns, "scrapes": self.scrapes.json()})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(engine: Engine, round: usize, rate: f64) -> Turn {
        Turn { work: WORKS[0], engine, round, values: json!({"records_per_cpu_second": rate}) }
    }

    /// A ratio is of one round, and what is below the bar or has no figure is said.
    #[test]
    fn a_table_hides_nothing() {
        let turns = vec![
            turn(Engine::Collector, 0, 1000.0),
            turn(Engine::Wasmill, 0, 3000.0),
            turn(Engine::Collector, 1, 500.0),
            turn(Engine::Wasmill, 1, 2000.0),
            turn(Engine::Wasmill, 2, 9000.0),
        ];
        let text = Exporters { turns, ..Exporters::default() }.text(&Plan::full());
        for expected in [
            "| `file`, JSON, 1,000 traces | 750 | 3,000 | 3.50 (3.00 to 4.00) | ≥ 4.00 | **missed** |",
            "| `prometheusremotewrite`, 1,000 metrics | no figure |",
            "    endpoint: http://127.0.0.1:9090/api/v1/write\n",
        ] {
            assert!(text.contains(expected), "no `{expected}` in:\n{text}");
        }
        assert_eq!(text.matches("format: json").count(), 1, "each configuration once");
    }
}
