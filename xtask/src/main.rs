//! `cargo xtask COMMAND`: the two commands that a newcomer needs are `demo` and `test`; each does its own set-up.

mod bench;
mod demo;
mod dist;
mod languages;
mod setup;
mod soak;
mod test;

use std::process::ExitCode;

const HELP: &str = "\
Usage: cargo xtask COMMAND

  demo             sets up, builds, and shows the gateway at work on a small instrumented application
  demo --full      the same with what stands behind a gateway: Jaeger, Prometheus, Alertmanager, Loki, dashboards, alerts
  test [ARG ...]   sets up, builds plugins and fixtures, runs every test; ARGs go to `cargo test`
  lint             checks the format, and runs clippy with warnings as errors
  dist             builds the gateway as it is shipped, optimised by a profile of what it does under load: target/dist/wasmill
  bench [ARG ...]  builds with optimisation and measures the gateway beside the Collector and relays of raw bytes: --quick,
                   --workload filter:logs:records=10 and more: see benches/gateway/README.md
  bench-languages [WASMILL]  measures plugins in each language beside Rust's, about ten minutes after the build
  soak [ARG ...]   ten minutes of load with a swap each second, and what grew: --seconds N
  overload [ARG ...]  five times more than the backend takes, on 1,000 connections: --seconds N, --connections N
  setup            the set-up alone: WebAssembly target, Python packages, tools of other languages, servers
  servers          of the set-up what takes longest: the Collector, Prometheus, Jaeger and Loki, from their Go modules

Set-up is kept in WASMILL_CACHE (default: $XDG_CACHE_HOME/wasmill, or ~/.cache/wasmill).";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let done = match command.as_str() {
        "demo" if rest == ["--full"] => demo::full::run(demo::Gateway::Build),
        "demo" if !rest.is_empty() => {
            Err(anyhow::anyhow!("`demo` takes `--full` or nothing, found `{}`", rest.join(" ")))
        }
        "demo" => demo::run(demo::Gateway::Build),
        "test" => test::run(&rest),
        "dist" => dist::run(&rest),
        "bench" => bench::run(&rest),
        "bench-languages" => languages::bench(&rest),
        "lint" => test::lint(),
        "soak" => soak::soak(&rest),
        "overload" => soak::overload(&rest),
        "setup" => setup::all(),
        "servers" => setup::servers(),
        "" | "help" | "-h" | "--help" => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        other => Err(anyhow::anyhow!("unknown command `{other}`\n\n{HELP}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
