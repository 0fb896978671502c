//! The compose file, without a container engine.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use wasmill_tests::{checks, output, wasmill};
use xtask::places;

use super::{deployed, list, yaml};

/// Guarantee: the file is one of the Compose Specification's.
#[test]
fn it_is_a_compose_file() -> Result<()> {
    output(checks("tests/peers/compose.py")?.arg(deployed("compose.yaml"))).map(drop)
}

/// Guarantee: images have versions, files that are mounted are there, volumes and services that are named are, ports are those of
/// loopback, and who is told of others by Prometheus, Grafana or the gateway is a service.
#[test]
fn what_it_names_is_there() -> Result<()> {
    let compose = yaml(&deployed("compose.yaml"))?;
    let services = compose["services"].as_object().context("services")?;
    for (name, service) in services {
        let image = service["image"].as_str().context("an image")?;
        let (_, tag) = image.rsplit_once(':').with_context(|| format!("{name}: `{image}` has a version"))?;
        ensure!(tag.trim_start_matches('v').split('.').count() >= 3, "{name}: `{image}` has a whole version");
        for volume in list(&service["volumes"]).filter_map(Value::as_str) {
            let source = volume.split(':').next().unwrap_or_default();
            let is_there = match source.starts_with('.') {
                true => deployed(source).exists(),
                false => compose["volumes"].get(source).is_some(),
            };
            ensure!(is_there, "{name}: `{source}` is not there");
        }
        for port in list(&service["ports"]).filter_map(Value::as_str) {
            ensure!(port.starts_with("127.0.0.1:"), "{name}: {port} is open to everybody");
        }
        for other in list(&service["depends_on"]).filter_map(Value::as_str) {
            ensure!(services.contains_key(other), "{name} waits for `{other}`");
        }
    }
    let dockerfile = services["gateway"]["build"]["dockerfile"].as_str().context("a Dockerfile")?;
    ensure!(places::checkout().join(dockerfile).is_file(), "{dockerfile}");
    for file in ["prometheus/prometheus.yml", "grafana/provisioning/datasources/wasmill.yaml"] {
        hosts_are_services(&deployed(file), services)?;
    }
    hosts_are_services(&places::checkout().join("examples/observability/gateway.yaml"), services)
}

/// Hosts, as they are written in these files: `http://HOST:PORT`, `'HOST:PORT'`, `"HOST:PORT"`.
fn hosts_are_services(file: &Path, services: &serde_json::Map<String, Value>) -> Result<()> {
    let text = std::fs::read_to_string(file)?;
    let mut seen = 0;
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        for word in line.split([' ', '\'', '"', '[', ']', '/']) {
            let Some((host, port)) = word.split_once(':') else { continue };
            if host.is_empty() || port.parse::<u16>().is_err() || host == "0.0.0.0" {
                continue;
            }
            ensure!(services.contains_key(host), "{}: `{word}` is no service", file.display());
            seen += 1;
        }
    }
    ensure!(seen >= 3, "{}: only {seen} hosts were found", file.display());
    Ok(())
}

/// Scenario: the gateway is given the configurations that the compose file gives it, with its variables.
/// Guarantee: `wasmill validate` finds nothing wrong.
#[test]
fn the_gateway_takes_its_configuration() -> Result<()> {
    let compose = yaml(&deployed("compose.yaml"))?;
    let gateway = &compose["services"]["gateway"];
    let mut command = wasmill()?;
    command.arg("validate");
    for argument in list(&gateway["command"]).filter_map(Value::as_str).skip(1) {
        let example = places::checkout().join("examples/observability");
        command.arg(argument.replace("/etc/wasmill", &example.display().to_string()));
    }
    for (name, value) in gateway["environment"].as_object().context("variables")? {
        command.env(name, value.as_str().context("a text")?);
    }
    output(&mut command).map(drop)
}
