//! `cargo xtask bench-languages`: what plugins in each language cost, beside Rust's and the bars.
//!
//! Each project is made, built and measured as its author would: `wasmill plugin new`, `build`, `bench`. Three columns (a number of 64 bits, one
//! of 32, a text as a dictionary) to a bitmap come from `benches/languages`; the redactor is the template. Languages take turns in rounds, and
//! a figure is the median of a language's rounds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value as Json, json};
use xtask::places;

use crate::{dist, setup};

/// Those that are measured; TypeScript becomes JavaScript.
const LANGUAGES: [&str; 5] = ["rust", "c", "go", "python", "js"];
const ROWS: [u64; 3] = [10, 1_024, 8_192];
const ROUNDS: usize = 3;

/// A plugin in a language, with what each round measured.
struct Subject {
    language: &'static str,
    plugin: &'static str,
    file: PathBuf,
    rounds: Vec<Json>,
}

/// Measures, prints a table, and writes it to `benches/results/languages.md`. With the path of a `wasmill` that is built already, that one measures.
pub fn bench(args: &[String]) -> Result<()> {
    setup::plugins()?;
    let wasmill = match args {
        [] => dist::build(&["--bin", "wasmill"])?.join("wasmill"),
        [wasmill] => PathBuf::from(wasmill).canonicalize().with_context(|| format!("`{wasmill}` is not there"))?,
        _ => bail!("expected nothing, or the path of a `wasmill`"),
    };
    let folder = tempfile::tempdir()?;
    let input = folder.path().join("input.json");
    fs::write(&input, spans().to_string())?;
    let mut subjects = Vec::new();
    for plugin in ["three-columns", "redact"] {
        for language in LANGUAGES {
            setup::step(&format!("{plugin} in {language}"));
            let file = build_plugin(&wasmill, folder.path(), language, plugin)?;
            subjects.push(Subject { language, plugin, file, rounds: Vec::new() });
        }
    }
    for round in 1..=ROUNDS {
        setup::step(&format!("round {round} of {ROUNDS}"));
        for subject in &mut subjects {
            subject.measure(&wasmill, &input)?;
        }
    }
    let text = report(&subjects);
    println!("{text}");
    fs::write(places::checkout().join("benches/results/languages.md"), text)?;
    Ok(())
}

fn build_plugin(wasmill: &Path, folder: &Path, language: &str, plugin: &str) -> Result<PathBuf> {
    let dir = folder.join(format!("{language}-{plugin}"));
    let kind = if plugin == "redact" { "redact" } else { "filter" };
    let mut new = Command::new(wasmill);
    setup::quiet(new.args(["plugin", "new", "measured", "--lang", language, "--kind", kind, "--dir"]).arg(&dir))?;
    if plugin != "redact" {
        places::overlay(&places::checkout().join("benches/languages").join(language), &dir)?;
        // They are of the template that was written over.
        fs::remove_dir_all(dir.join("tests"))?;
    }
    places::link_plugin_tools(language, &dir)?;
    let mut build = Command::new(wasmill);
    build.env("CARGO_TARGET_DIR", places::target().join("plugin-projects"));
    setup::quiet(build.args(["plugin", "build"]).arg(&dir))?;
    Ok(dir.join("plugin.wasm"))
}

/// Spans with ten attributes, eight of them texts; one row in ten has an e-mail address, another a card number. Values repeat as those of services
/// do: some hundred distinct ones in a thousand rows.
fn spans() -> Json {
    let text = |key: &str, value: String| json!({"key": key, "value": {"stringValue": value}});
    let span = |row: u64| {
        let note = match row % 10 {
            0 => format!("order of jane.roe{}@mail.example.com, second try", row % 64),
            5 => format!("paid by 4111 1111 1111 1111, order {}", row % 64),
            _ => "nothing to see".to_owned(),
        };
        json!({
            "name": "GET", "kind": 2 + row % 2, "startTimeUnixNano": (1_790_000_000_000_000_000 + row).to_string(),
            "attributes": [
                text("http.route", if row.is_multiple_of(10) { "/healthz".to_owned() } else { format!("/api/{}", row % 7) }),
                text("http.request.method", "GET".to_owned()),
                text("url.path", format!("/api/products/{}", row % 50)),
                text("server.address", "shop.example.com".to_owned()),
                text("client.address", format!("203.0.113.{}", row % 16)),
                text("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) Firefox/146.0".to_owned()),
                text("enduser.note", note),
                text("url.scheme", "https".to_owned()),
            ],
        })
    };
    let spans: Vec<Json> = (0..8_192).map(span).collect();
    json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})
}

impl Subject {
    fn measure(&mut self, wasmill: &Path, input: &Path) -> Result<()> {
        let rows = ROWS.map(|rows| rows.to_string()).join(",");
        let mut bench = Command::new(wasmill);
        bench.args(["plugin", "bench", "--output", "json", "--rows", &rows, "--config", "{}", "--input"]);
        let output = bench.arg(input).arg(&self.file).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{} in {}: {said}", self.plugin, self.language);
        self.rounds.push(serde_json::from_slice(&output.stdout).context("what `plugin bench` says")?);
        Ok(())
    }

    /// The median of the rounds.
    fn figure(&self, of: impl Fn(&Json) -> Option<f64>) -> f64 {
        let mut figures: Vec<f64> = self.rounds.iter().filter_map(of).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// Microseconds of a batch of so many rows, from gathering columns to applying the verdict.
    fn total_us(&self, rows: u64) -> f64 {
        self.figure(|round| {
            let measured = round["rows"].as_array()?.iter().find(|measured| measured["rows"] == rows)?;
            Some(measured["plugin"]["total_ns"].as_f64()? / 1_000.0)
        })
    }
}

fn report(subjects: &[Subject]) -> String {
    let mut lines = vec![
        "# What plugins in each language cost".to_owned(),
        String::new(),
        format!(
            "`cargo xtask bench-languages`: medians of {ROUNDS} rounds in which the languages take turns; a batch's time from gathering its columns \
             to applying the verdict, by `wasmill plugin bench`. Take the ratios."
        ),
    ];
    for (plugin, what) in [
        ("three-columns", "Three columns to a bitmap (`benches/languages`)"),
        ("redact", "E-mail addresses and card numbers in maps of eight entries (the template `redact`)"),
    ] {
        lines.extend([String::new(), format!("## {what}"), String::new()]);
        lines.push("| language | 10 rows | 1,024 rows, a row | 8,192 rows, a row | to Rust's, 1,024 | component | memory | start |".to_owned());
        lines.push("|---|---|---|---|---|---|---|---|".to_owned());
        let of_plugin = || subjects.iter().filter(|subject| subject.plugin == plugin);
        let rust = of_plugin().find(|subject| subject.language == "rust").map_or(f64::NAN, |rust| rust.total_us(1_024));
        for subject in of_plugin() {
            let a_row = |rows: u64| subject.total_us(rows) * 1_000.0 / rows as f64;
            lines.push(format!(
                "| {} | {:.1} µs | {:.0} ns | {:.0} ns | {:.1} | {:.2} MB | {:.1} MiB | {:.1} ms |",
                subject.language,
                subject.total_us(10),
                a_row(1_024),
                a_row(8_192),
                subject.total_us(1_024) / rust,
                subject.figure(|round| round["plugin_bytes"].as_f64()) / 1e6,
                subject.figure(|round| round["memory_bytes"].as_f64()) / f64::from(1 << 20),
                subject.figure(|round| round["start_ms"].as_f64()),
            ));
        }
    }
    lines.extend([
        String::new(),
        "Wanted: of three columns C and Go at most twice Rust's, Python at most 200 ns a row and 35 µs for 10 rows, JavaScript at most 300 ns \
         and 55 µs; of the maps at most 1,200 ns a row in Python."
            .to_owned(),
        String::new(),
    ]);
    lines.join("\n")
}
