//! What a scrape of very many series costs, in each form.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use anyhow::Result;

use super::super::engine::{Engine, Ports};
use super::super::report::paired;
use super::super::workload::Signal;
use super::super::{Plan, Quantity, binary, median, values};
use super::{ENGINES, configuration};
use crate::setup;

/// Milliseconds of CPU, of one scrape as text with [`BAR_SERIES`].
const BAR_MS: f64 = 150.0;
const BAR_SERIES: u64 = 100_000;

/// As `scrape` calls them.
const FORMS: [&str; 3] = ["text", "OpenMetrics", "protobuf"];

/// One engine's, once.
struct Turn {
    engine: Engine,
    round: usize,
    /// As `scrape` printed them.
    values: Value,
}

#[derive(Default)]
pub struct Scrapes {
    turns: Vec<Turn>,
}

impl Scrapes {
    /// Both engines, one after the other.
    pub fn measure(&mut self, folder: &Path, plan: &Plan, round: usize, failed: &mut Vec<String>) {
        for engine in ENGINES {
            let name = format!("scrape of {} series", Quantity(plan.series as u64));
            let title = engine.title().replace("**", "");
            setup::step(&format!("round {} of {}: {name}: {title}", round + 1, plan.rounds));
            match turn(folder, plan, engine) {
                Ok(values) => self.turns.push(Turn { engine, round, values }),
                Err(error) => failed.push(format!("{name}, {}: {error:#}", engine.name())),
            }
        }
    }

    /// Of each round.
    fn figures(&self, engine: Engine, form: &str, key: &str) -> Vec<(usize, f64)> {
        let of = self.turns.iter().filter(|turn| turn.engine == engine);
        of.filter_map(|turn| {
            let forms = turn.values["forms"].as_array()?;
            let of_form = forms.iter().find(|values| values["form"] == form)?;
            Some((turn.round, of_form[key].as_f64()?))
        })
        .collect()
    }

    pub fn text(&self) -> String {
        let Some(first) = self.turns.first() else { return String::new() };
        let count = |key: &str| first.values[key].as_u64().unwrap_or_default();
        let mut text = format!(
            "\nA scrape of {} counters with eight labels each by `prometheus`, CPU of the whole process, of {} scrapes of each form one \
             after the other; medians.\n\n\
             | form | engine | CPU ms a scrape | the Collector's to it | MB | resident MiB | MiB more while it is scraped |\n\
             |---|---|---|---|---|---|---|\n",
            Quantity(count("series")),
            count("scrapes")
        );
        for form in FORMS {
            for engine in ENGINES {
                text += &self.row(form, engine);
            }
        }
        let text_ms = self.middle(Engine::Wasmill, "text", "cpu_ms");
        if count("series") == BAR_SERIES && text_ms.is_finite() {
            let verdict = if text_ms <= BAR_MS { "met" } else { "**missed**" };
            let _ = writeln!(text, "\nAs text it is to take {BAR_MS:.0} ms at most: {verdict}.");
        }
        text
    }

    fn middle(&self, engine: Engine, form: &str, key: &str) -> f64 {
        median(self.figures(engine, form, key).into_iter().map(|(_, figure)| figure).collect())
    }

    fn row(&self, form: &str, engine: Engine) -> String {
        let of = |engine| self.figures(engine, form, "cpu_ms");
        if of(engine).is_empty() {
            return format!("| {form} | {} | no figure | | | | |\n", engine.title());
        }
        let ratios = paired(&of(Engine::Collector), &of(engine));
        // Of a few series it takes less than the clock's tick.
        let ratio = Some(median(ratios)).filter(|ratio| ratio.is_finite());
        let ratio = ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let figure = |key: &str| self.middle(engine, form, key);
        format!(
            "| {form} | {} | {:.0} | {ratio} | {:.1} | {:.0} | {:.0} |\n",
            engine.title(),
            figure("cpu_ms"),
            figure("bytes") / 1e6,
            figure("resident_mib"),
            figure("grown_mib")
        )
    }

    pub fn json(&self) -> Value {
        let turn = |turn: &Turn| json!({"engine": turn.engine.name(), "round": turn.round, "run": turn.values});
        self.turns.iter().map(turn).collect()
    }
}

fn turn(folder: &Path, plan: &Plan, engine: Engine) -> Result<Value> {
    let ports = Ports::free()?;
    let settings = format!("    endpoint: 127.0.0.1:{}\n    enable_open_metrics: true\n", ports.other);
    let running =
        engine.start_with(folder, &configuration(Signal::Metrics, ports.front, "prometheus", &settings), &ports)?;
    let mut scrape = Command::new(binary("scrape"));
    scrape.args(["--target", &format!("127.0.0.1:{}", ports.front)]);
    scrape.args(["--scrape", &format!("127.0.0.1:{}", ports.other), "--pid", &running.id().to_string()]);
    scrape.args(["--series", &plan.series.to_string(), "--scrapes", &plan.scrapes.to_string()]);
    values(&mut scrape)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A form that an engine does not have has no figure, and no ratio.
    #[test]
    fn a_form_that_is_not_there_is_said() {
        let form = |name: &str, ms: f64| json!({"form": name, "cpu_ms": ms, "bytes": 24_500_000, "resident_mib": 82.0, "grown_mib": 4.0});
        let turn = |engine, forms: Value| Turn {
            engine,
            round: 0,
            values: json!({"series": 100_000, "scrapes": 10, "forms": forms}),
        };
        let turns = vec![
            turn(Engine::Collector, json!([form("text", 600.0), {"form": "protobuf"}])),
            turn(Engine::Wasmill, json!([form("text", 120.0), form("protobuf", 20.0)])),
        ];
        let text = Scrapes { turns }.text();
        for expected in [
            "| text | **Wasmill** | 120 | 5.00 | 24.5 | 82 | 4 |",
            "| protobuf | Collector 0.155 | no figure |",
            "| protobuf | **Wasmill** | 20 |  | 24.5 |",
            "150 ms at most: met.",
        ] {
            assert!(text.contains(expected), "no `{expected}` in:\n{text}");
        }
    }
}
