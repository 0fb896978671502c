//! The alert rules and the scrape configuration, by Prometheus' own tool.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use wasmill_tests::{Folder, output};
use xtask::places;

use super::{deployed, list, yaml};

fn promtool(arguments: &[&str]) -> Result<String> {
    let binary = places::PROMETHEUS.binary("promtool");
    ensure!(binary.exists(), "promtool is missing: run `cargo xtask setup`");
    output(Command::new(binary).current_dir(deployed("prometheus")).args(arguments))
}

/// Scenario: the files as they are.
/// Guarantee: Prometheus takes the configuration and the rules, with everything that its linter says taken for a mistake.
#[test]
fn prometheus_takes_rules_and_configuration() -> Result<()> {
    promtool(&["check", "config", "--lint=all", "--lint-fatal", "prometheus.yml"])?;
    promtool(&["check", "rules", "--lint=all", "--lint-fatal", "rules.yml"])?;
    output(Command::new("amtool").current_dir(deployed("prometheus")).args(["check-config", "alertmanager.yml"]))?;
    Ok(())
}

/// Scenario: the cases in `rules.test.yml`.
/// Guarantee: each alert fires where it should, and does not close to that.
#[test]
fn alerts_fire_when_they_should() -> Result<()> {
    promtool(&["test", "rules", "rules.test.yml"]).map(drop)
}

/// Scenario: a rule whose condition, or whose time, is another one.
/// Guarantee: the cases notice: they are none that cannot fail.
#[test]
fn the_cases_notice_other_rules() -> Result<()> {
    let folder = Folder::new()?;
    let rules = std::fs::read_to_string(deployed("prometheus/rules.yml"))?;
    folder.write("rules.test.yml", std::fs::read_to_string(deployed("prometheus/rules.test.yml"))?)?;
    for (from, to) in [
        ("> 0.75", "> 0.95"),
        ("> 0.01", "> 0.0001"),
        ("for: 5m", "for: 0m"),
        ("for: 10m", "for: 30m"),
        ("> 2\n", "> 20\n"),
        ("refused|rolled_back", "rolled_back"),
        ("{place: groups}", "{place: group}"),
        ("_state == 2", "_state >= 1"),
        ("absent(up", "absent_over_time(up"),
        ("queue_damaged_total[15m]", "queue_damaged_total[1m]"),
    ] {
        ensure!(rules.contains(from), "`{from}` is in the rules");
        folder.write("rules.yml", rules.replace(from, to))?;
        let tests = folder.path("rules.test.yml");
        let changed = promtool(&["test", "rules", &tests.display().to_string()]);
        ensure!(changed.is_err(), "no case notices that `{}` became `{}`", from.trim_end(), to.trim_end());
    }
    Ok(())
}

/// Guarantee: each alert says how bad it is, what happened and what to do, and has a case in which it fires and one in which it does not.
#[test]
fn every_alert_has_its_words_and_its_cases() -> Result<()> {
    let rules = yaml(&deployed("prometheus/rules.yml"))?;
    let tests = yaml(&deployed("prometheus/rules.test.yml"))?;
    let alerts: Vec<&Value> = list(&rules["groups"]).flat_map(|group| list(&group["rules"])).collect();
    let mut seen = BTreeSet::new();
    for alert in alerts.iter().filter(|rule| rule["alert"].is_string()) {
        let name = alert["alert"].as_str().context("a name")?;
        ensure!(seen.insert(name), "{name} is there twice");
        ensure!(["warning", "critical"].iter().any(|severity| alert["labels"]["severity"] == *severity), "{name}");
        for (annotation, length) in [("summary", 20), ("runbook", 100)] {
            let text = alert["annotations"][annotation].as_str().unwrap_or_default();
            ensure!(text.len() > length, "{name} has a {annotation}");
        }
        let expr = format!("ALERTS{{alertname=\"{name}\", alertstate=\"firing\"}}");
        let cases = list(&tests["tests"]).flat_map(|test| list(&test["promql_expr_test"]));
        let (fires, quiet): (Vec<&Value>, Vec<&Value>) =
            cases.filter(|case| case["expr"] == *expr).partition(|case| list(&case["exp_samples"]).next().is_some());
        ensure!(!fires.is_empty() && !quiet.is_empty(), "{name}: {} fire, {} do not", fires.len(), quiet.len());
    }
    ensure!(seen.len() >= 10, "only {} alerts were found", seen.len());
    Ok(())
}
