//! What the demo tells: the plugin, the change, who sent what and what arrived.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// The attribute that the example's plugin sets.
const STAMP: &str = "team";
/// The spans that it drops.
const DROPPED: &str = "GET /healthz";

/// What the services sent and the backend got.
pub struct Ledger {
    /// Service and name of each span that ended, by id.
    sent: BTreeMap<String, (String, String)>,
    /// How often each span arrived, and with which stamp.
    arrived: HashMap<String, (usize, Option<String>)>,
    /// Log records and data points that arrived.
    logs: usize,
    points: usize,
}

/// One line of the table.
#[derive(Default)]
struct Line {
    sent: usize,
    arrived: usize,
    stamps: BTreeMap<String, usize>,
}

impl Ledger {
    pub fn read(folder: &Path) -> Result<Ledger> {
        let mut ledger = Ledger { sent: BTreeMap::new(), arrived: HashMap::new(), logs: 0, points: 0 };
        for service in ["shop", "inventory"] {
            for line in fs::read_to_string(folder.join(format!("{service}.sent")))?.lines() {
                // A line that is being written is taken the next time.
                if let Some((id, name)) = line.split_once(' ') {
                    ledger.sent.insert(id.to_owned(), (service.to_owned(), name.to_owned()));
                }
            }
        }
        for line in fs::read_to_string(folder.join("arrived.jsonl"))?.lines() {
            let Ok(record) = serde_json::from_str::<serde_json::Value>(line) else { continue };
            match record["signal"].as_str() {
                Some("traces") => {
                    let id = record["id"].as_str().context("a span has an id")?;
                    let stamp = record["attributes"][STAMP].as_str().map(str::to_owned);
                    let entry = ledger.arrived.entry(id.to_owned()).or_insert((0, stamp));
                    entry.0 += 1;
                }
                Some("logs") => ledger.logs += 1,
                _ => ledger.points += 1,
            }
        }
        Ok(ledger)
    }

    pub fn show(&self) {
        let mut lines: BTreeMap<(&str, &str), Line> = BTreeMap::new();
        for (id, (service, name)) in &self.sent {
            let line = lines.entry((service, name)).or_default();
            line.sent += 1;
            if let Some((_, stamp)) = self.arrived.get(id) {
                line.arrived += 1;
                *line.stamps.entry(stamp.clone().unwrap_or_else(|| "-".to_owned())).or_default() += 1;
            }
        }
        println!("  {:<10} {:<24} {:>8} {:>9}   {STAMP} (set by the plugin)", "service", "span", "came in", "went out");
        for ((service, name), line) in lines {
            let stamps: Vec<String> = line.stamps.iter().map(|(stamp, count)| format!("{stamp}: {count}")).collect();
            let fate = if name == DROPPED { "dropped by the plugin".to_owned() } else { stamps.join(", ") };
            println!("  {service:<10} {name:<24} {:>8} {:>9}   {fate}", line.sent, line.arrived);
        }
        println!("  and {} log records and {} data points, as they came", self.logs, self.points);
    }
}

/// The source without the comment at its head and the tests at its end.
pub fn quote(source: &str) {
    let body = source.lines().skip_while(|line| line.starts_with("//!") || line.is_empty());
    for line in body.take_while(|line| *line != "#[cfg(test)]") {
        println!("    {line}");
    }
}

/// The line that changes.
pub fn diff(source: &str, before: &str, after: &str) {
    if let Some(line) = source.lines().find(|line| line.contains(before)) {
        println!("  \x1b[31m- {}\x1b[0m\n  \x1b[32m+ {}\x1b[0m", line.trim(), line.replace(before, after).trim());
    }
}

/// The one page at the end, which is also the demo's proof: it fails where a span was lost, doubled or not decided.
pub fn summary(ledger: &Ledger, example: &Path) -> Result<()> {
    let dropped = ledger.sent.values().filter(|(_, name)| name == DROPPED).count();
    let wanted: Vec<&String> = ledger.sent.iter().filter(|(_, (_, name))| name != DROPPED).map(|(id, _)| id).collect();
    let lost = wanted.iter().filter(|id| !ledger.arrived.contains_key(**id)).count();
    let doubled = ledger.arrived.values().filter(|(count, _)| *count > 1).count();
    let stray = ledger.arrived.len() - (wanted.len() - lost);
    let unstamped = ledger.arrived.values().filter(|(_, stamp)| stamp.is_none()).count();
    let mut stamps: BTreeMap<&str, usize> = BTreeMap::new();
    for stamp in ledger.arrived.values().filter_map(|(_, stamp)| stamp.as_deref()) {
        *stamps.entry(stamp).or_default() += 1;
    }
    let stamps: Vec<String> = stamps.iter().map(|(stamp, count)| format!("{count} by {STAMP}={stamp}")).collect();
    println!("\n\x1b[1mSummary\x1b[0m");
    println!("  spans sent by the services  {:>6}", ledger.sent.len());
    println!("  dropped by the plugin       {dropped:>6}   (health checks)");
    println!("  delivered and stamped       {:>6}   ({})", ledger.arrived.len(), stamps.join(", "));
    println!("  lost / doubled / unstamped  {lost:>6} / {doubled} / {unstamped}");
    println!("  The plugin was replaced while traffic flowed, in one process, without a restart.\n");
    println!(
        "  Next: write your own in five minutes, README.md, \"Your first plugin\"; or look at {}",
        example.display()
    );
    ensure!(stamps.len() == 2, "expected spans of both plugins");
    ensure!(
        (lost, doubled, stray, unstamped) == (0, 0, 0, 0),
        "expected every span once: {lost} lost, {doubled} doubled, {stray} that nobody sent or that should be dropped, {unstamped} unstamped"
    );
    Ok(())
}
