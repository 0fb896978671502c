//! Results as a page, as data, and held against the bars.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::engine::{self, Engine, Ports};
use super::exporters::Exporters;
use super::idle::Idle;
use super::isolation::Isolation;
use super::plot::{Bar, Chart};
use super::workload::{Compression, Task, Workload};
use super::{Plan, Quantity, median};

#[derive(Default)]
pub struct Results {
    pub runs: Vec<Run>,
    pub latencies: Vec<Run>,
    /// What has no figure, and why.
    pub failed: Vec<String>,
    pub idle: Option<Idle>,
    pub isolation: Option<Isolation>,
    pub exporters: Option<Exporters>,
}

pub struct Run {
    pub workload: Workload,
    pub engine: Engine,
    pub round: usize,
    /// As `load` printed them.
    pub values: Value,
}

/// A ratio, and what it should be.
struct Goal {
    what: &'static str,
    ratios: Vec<f64>,
    bar: f64,
    wanted: f64,
    more_is_better: bool,
}

impl Results {
    pub fn has(&self, workload: &Workload, engine: Engine, round: usize) -> bool {
        self.runs.iter().any(|run| (run.workload, run.engine, run.round) == (*workload, engine, round))
    }

    /// Of each round.
    fn figures(
        runs: &[Run],
        workload: &Workload,
        engine: Engine,
        figure: impl Fn(&Value) -> Option<f64>,
    ) -> Vec<(usize, f64)> {
        let of = runs.iter().filter(|run| (run.workload, run.engine) == (*workload, engine));
        of.filter_map(|run| Some((run.round, figure(&run.values)?))).collect()
    }

    pub fn median(&self, workload: &Workload, engine: Engine, key: &str) -> Option<f64> {
        let figures = Results::figures(&self.runs, workload, engine, |values| values[key].as_f64());
        (!figures.is_empty()).then(|| median(figures.into_iter().map(|(_, figure)| figure).collect()))
    }

    /// Of one engine's figure to another's, in the same round: what the machine does meanwhile falls on both.
    fn ratios(&self, one: (&Workload, Engine), other: (&Workload, Engine), key: &str) -> Vec<f64> {
        let figure = |values: &Value| values[key].as_f64();
        paired(
            &Results::figures(&self.runs, one.0, one.1, figure),
            &Results::figures(&self.runs, other.0, other.1, figure),
        )
    }

    fn goals(&self) -> Vec<Goal> {
        use Compression::{Gzip, None as Plain};
        let filter = Workload::of(Task::Filter);
        let look = Workload::of(Task::Look);
        let small = Workload { records: 10, ..filter };
        let gzip = |leaves| Workload { compression: (Gzip, leaves), ..filter };
        let beside = |what, workload: Workload, bar, wanted| Goal {
            what,
            ratios: self.ratios((&workload, Engine::Wasmill), (&workload, Engine::Collector), "records_per_cpu_second"),
            bar,
            wanted,
            more_is_better: true,
        };
        let less = |what, ratios, bar, wanted| Goal { what, ratios, bar, wanted, more_is_better: false };
        let p99 =
            |engine| Results::figures(&self.latencies, &filter, engine, |values| values["latency_ms"]["p99"].as_f64());
        let with_connections = |connections| Workload { connections, records: 100, ..filter };
        vec![
            beside("filter, to the Collector, records per CPU-second", filter, 7.5, 10.0),
            less(
                "filter, to the relay on hyper, CPU per GB",
                self.ratios((&filter, Engine::Wasmill), (&filter, Engine::Hyper), "cpu_seconds_per_gb"),
                2.1,
                1.6,
            ),
            less(
                "filter, to the relay on tonic, CPU per GB",
                self.ratios((&filter, Engine::Wasmill), (&filter, Engine::Tonic), "cpu_seconds_per_gb"),
                1.8,
                1.8,
            ),
            beside("sample 1 in 10, to the Collector", Workload::of(Task::Sample), 10.0, 14.0),
            beside("two attributes set, to the Collector", Workload::of(Task::Attributes), 6.0, 8.0),
            beside("e-mail addresses masked, to the Collector", Workload::of(Task::Redact), 6.0, 9.0),
            beside("10 spans a request, to the Collector", small, 3.5, 4.5),
            beside("10 spans a request, `batch` on both", Workload { batch: true, ..small }, 5.0, 7.0),
            beside("gzip in, to the Collector", gzip(Plain), 4.0, 5.0),
            beside("gzip in and out, to the Collector", gzip(Gzip), 3.0, 4.0),
            less(
                "gzip out, bytes to the Collector's",
                self.ratios((&gzip(Gzip), Engine::Wasmill), (&gzip(Gzip), Engine::Collector), "bytes_out_a_record"),
                1.05,
                1.0,
            ),
            less(
                "a plugin that keeps all, to none, CPU per record",
                self.ratios((&look, Engine::Wasmill), (&look, Engine::Bare), "cpu_ns_per_record"),
                1.08,
                1.04,
            ),
            less(
                "peak memory at saturation, to the Collector",
                self.ratios((&filter, Engine::Wasmill), (&filter, Engine::Collector), "peak_memory_kib"),
                1.0 / 3.0,
                0.2,
            ),
            less(
                "p99 latency at half of the Collector's rate, to the Collector",
                paired(&p99(Engine::Wasmill), &p99(Engine::Collector)),
                1.0 / 3.0,
                0.2,
            ),
            Goal {
                what: "1,000 connections, to 10, records per CPU-second",
                ratios: self.ratios(
                    (&with_connections(1000), Engine::Wasmill),
                    (&with_connections(10), Engine::Wasmill),
                    "records_per_cpu_second",
                ),
                bar: 0.9,
                wanted: 0.95,
                more_is_better: true,
            },
        ]
    }

    pub fn text(&self, plan: &Plan) -> String {
        let mut text = format!(
            "# Wasmill beside what could stand in its place\n\nOTLP/gRPC to OTLP/gRPC, records of about 450 bytes; rounds of {} s in turns, medians. {}, {}.\n\n\
             A ratio is of the two engines in the same round, so take these; absolute figures are the machine's, which the load shares.\n",
            plan.seconds,
            machine(),
            today(),
        );
        let goals: Vec<Goal> = self.goals().into_iter().filter(|goal| !goal.ratios.is_empty()).collect();
        if !goals.is_empty() {
            text += "\n| | ratio (its range) | bar | in the end | |\n|---|---|---|---|---|\n";
        }
        for goal in &goals {
            let _ = writeln!(text, "{}", goal.row());
        }
        text += "\n| workload | engine | records per CPU-second | to the Collector | CPU-seconds per GB | of these in the kernel | records a \
                 second | peak MiB | at the end | bytes out a record |\n|---|---|---|---|---|---|---|---|---|---|\n";
        for workload in &plan.workloads {
            for engine in plan.engines(workload) {
                text += &self.row(workload, engine);
            }
        }
        text += &self.latency_text();
        text += &self.idle.as_ref().map(|idle| format!("\n{}", idle.text())).unwrap_or_default();
        text += &self.isolation.as_ref().map(Isolation::text).unwrap_or_default();
        if !self.failed.is_empty() {
            text += "\nWithout a figure:\n\n";
            self.failed.iter().for_each(|failed| text += &format!("- {}\n", failed.replace('\n', "\n  ")));
        }
        text + &configurations(plan)
    }

    fn row(&self, workload: &Workload, engine: Engine) -> String {
        let figure = |key: &str| self.median(workload, engine, key);
        let Some(rate) = figure("records_per_cpu_second") else {
            return format!("| {} | {} | no figure | | | | | | | |\n", workload.name(), engine.title());
        };
        let ratios = self.ratios((workload, engine), (workload, Engine::Collector), "records_per_cpu_second");
        let ratio = if ratios.is_empty() { String::new() } else { format!("{:.2}", median(ratios)) };
        let number = |key: &str| figure(key).unwrap_or(f64::NAN);
        let system = number("cpu_system_seconds");
        let share = system / (system + number("cpu_user_seconds"));
        format!(
            "| {} | {} | {} | {ratio} | {:.2} | {:.2} | {} | {:.0} | {:.0} | {:.0} |\n",
            workload.name(),
            engine.title(),
            Quantity(rate as u64),
            number("cpu_seconds_per_gb"),
            number("cpu_seconds_per_gb") * share,
            Quantity(number("records_per_second") as u64),
            number("peak_memory_kib") / 1024.0,
            number("steady_memory_kib") / 1024.0,
            number("bytes_out_a_record"),
        )
    }

    fn latency_text(&self) -> String {
        let Some(first) = self.latencies.first() else { return String::new() };
        let rate = first.values["records_per_second"].as_f64().unwrap_or(f64::NAN);
        let mut text = format!(
            "\nLatency at {} records a second (half of what the Collector does at most), from when a request was due to its answer, medians, \
             ms:\n\n| engine | p50 | p99 | p99.9 |\n|---|---|---|---|\n",
            Quantity(rate as u64)
        );
        for engine in Engine::TIMED {
            let at = |key: &str| {
                let figures = Results::figures(&self.latencies, &first.workload, engine, |values| {
                    values["latency_ms"][key].as_f64()
                });
                median(figures.into_iter().map(|(_, figure)| figure).collect())
            };
            let _ = writeln!(text, "| {} | {:.2} | {:.2} | {:.2} |", engine.title(), at("p50"), at("p99"), at("p999"));
        }
        text
    }

    pub fn json(&self) -> Value {
        let runs = |runs: &[Run]| -> Vec<Value> {
            let json = |run: &Run| json!({"workload": run.workload.name(), "engine": run.engine.name(), "round": run.round, "run": run.values});
            runs.iter().map(json).collect()
        };
        json!({
            "machine": machine(),
            "date": today(),
            "runs": runs(&self.runs),
            "latency": runs(&self.latencies),
            "failed": self.failed,
            "idle": self.idle.as_ref().map(Idle::json),
            "isolation": self.isolation.as_ref().map(Isolation::json),
            "exporters": self.exporters.as_ref().map(Exporters::json),
        })
    }

    /// Records per CPU-second of each workload.
    pub fn chart(&self) -> Chart {
        let mut bars: Vec<Bar> = Vec::new();
        let mut seen: Vec<Workload> = Vec::new();
        for run in &self.runs {
            if seen.contains(&run.workload) {
                continue;
            }
            seen.push(run.workload);
            for engine in Engine::ALL {
                if let Some(value) = self.median(&run.workload, engine, "records_per_cpu_second") {
                    let label = engine.title().replace("**", "");
                    let emphasis = engine == Engine::Wasmill;
                    bars.push(Bar { group: run.workload.name(), label, value, emphasis });
                }
            }
        }
        Chart { title: format!("Records per CPU-second; {}, {}", machine(), today()), bars }
    }
}

impl Goal {
    fn row(&self) -> String {
        let ratio = median(self.ratios.clone());
        let (least, most) = self
            .ratios
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), ratio| (least.min(*ratio), most.max(*ratio)));
        let reaches = |limit: f64| if self.more_is_better { ratio >= limit } else { ratio <= limit };
        let verdict = match (reaches(self.bar), reaches(self.wanted)) {
            (true, true) => "reached",
            (true, false) => "met",
            (false, _) => "**missed**",
        };
        let sign = if self.more_is_better { "≥" } else { "≤" };
        let Goal { what, bar, wanted, .. } = self;
        format!("| {what} | {ratio:.2} ({least:.2} to {most:.2}) | {sign} {bar:.2} | {sign} {wanted:.2} | {verdict} |")
    }
}

/// Of figures of the same round.
pub fn paired(one: &[(usize, f64)], other: &[(usize, f64)]) -> Vec<f64> {
    let of_round = |round: usize| other.iter().find(|(of, _)| *of == round).map(|(_, figure)| *figure);
    one.iter().filter_map(|(round, figure)| Some(figure / of_round(*round)?)).collect()
}

/// What the engines were told, each kind of task once.
fn configurations(plan: &Plan) -> String {
    let mut text =
        "\nThe configurations, the same for the Collector and Wasmill (\"without plugin\" is that of `pass`):\n"
            .to_owned();
    let ports = Ports { front: 4317, back: 14317, other: 24317 };
    let mut shown: Vec<(Task, bool)> = Vec::new();
    for workload in &plan.workloads {
        if !shown.contains(&(workload.task, workload.batch)) {
            shown.push((workload.task, workload.batch));
            let configuration = engine::configuration(workload, workload.task, &ports);
            let _ = write!(
                text,
                "\n<details><summary>{}</summary>\n\n```yaml\n{configuration}```\n\n</details>\n",
                workload.name()
            );
        }
    }
    text
}

/// The processor, as far as it says what it is, and the kernel.
pub fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models: Vec<&str> =
        info.lines().filter(|line| line.starts_with("model name")).filter_map(|line| line.split(": ").nth(1)).collect();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel: Vec<&str> = kernel.split('.').take(2).collect();
    format!(
        "{} × {}, Linux {}",
        models.len(),
        models.first().copied().unwrap_or("an unknown processor"),
        kernel.join(".")
    )
}

/// The date of today (UTC), of the system's `date`.
pub fn today() -> String {
    let output = Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
    let date = output.ok().filter(|output| output.status.success());
    date.map_or_else(|| "a day unknown".to_owned(), |date| String::from_utf8_lossy(&date.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(engine: Engine, round: usize, rate: f64) -> Run {
        let values = json!({
            "records_per_cpu_second": rate, "cpu_seconds_per_gb": 1.0, "cpu_system_seconds": 1.0, "cpu_user_seconds": 3.0,
            "records_per_second": rate, "peak_memory_kib": 2048, "steady_memory_kib": 1024, "bytes_out_a_record": 450.0,
        });
        Run { workload: Workload::of(Task::Filter), engine, round, values }
    }

    /// Each round is its own pair, whatever the machine did in it.
    #[test]
    fn ratios_are_of_one_round() {
        let runs = vec![
            run(Engine::Collector, 0, 100.0),
            run(Engine::Wasmill, 0, 800.0),
            run(Engine::Collector, 1, 50.0),
            run(Engine::Wasmill, 1, 350.0),
            run(Engine::Wasmill, 2, 1.0),
        ];
        let results = Results { runs, ..Results::default() };
        let goals = results.goals();
        assert_eq!(goals[0].ratios, [8.0, 7.0]);
        assert_eq!(
            goals[0].row(),
            "| filter, to the Collector, records per CPU-second | 7.50 (7.00 to 8.00) | ≥ 7.50 | ≥ 10.00 | met |"
        );
        assert!(goals[4].ratios.is_empty());
    }

    /// A page names what was missed, and what has no figure.
    #[test]
    fn a_page_hides_nothing() {
        let plan = Plan { workloads: vec![Workload::of(Task::Filter)], ..Plan::full() };
        let runs = vec![run(Engine::Collector, 0, 100.0), run(Engine::Wasmill, 0, 700.0)];
        let results = Results { runs, failed: vec!["filter, tonic: it ended".to_owned()], ..Results::default() };
        let text = results.text(&plan);
        for expected in [
            "7.00 (7.00 to 7.00) | ≥ 7.50 | ≥ 10.00 | **missed** |",
            "| filter, 1,000 traces | relay on tonic | no figure |",
            "| filter, 1,000 traces | **Wasmill** | 700 | 7.00 | 1.00 | 0.25 | 700 | 2 | 1 | 450 |",
            "- filter, tonic: it ended",
            "    error_mode: ignore",
        ] {
            assert!(text.contains(expected), "no `{expected}` in:\n{text}");
        }
    }
}
