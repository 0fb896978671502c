//! The commands of `docs/security.md`, run as they stand there but for the port, which is a free one.
//!
//! Not run: making a user and sending as one, which ask for a password at a terminal.

use std::process::{Command, Output};

use crate::gateway::Folder;

const DOC: &str = include_str!("../../../../docs/security.md");

/// Where data goes is another page's matter.
const REST: &str = "
exporters: {debug: }
service:
  telemetry: {metrics: {level: none}}
  pipelines: {traces: {receivers: [otlp], exporters: [debug]}}
";

/// The first block of a language after these words.
fn block(after: &str, language: &str) -> String {
    let (_, rest) = DOC.split_once(after).expect(after);
    let (_, rest) = rest.split_once(&format!("```{language}\n")).expect(language);
    rest.split_once("```").unwrap().0.to_owned()
}

fn configuration(after: &str) -> String {
    block(after, "yaml").replace("0.0.0.0:4317", "127.0.0.1:0").replace("0.0.0.0:4318", "127.0.0.1:0") + REST
}

/// `None`: a program that the commands need is not here, which is said.
fn run(folder: &Folder, commands: &str, needs: &str) -> Option<Output> {
    if let Err(error) = Command::new(needs).arg("--version").output() {
        println!("skipped: `{needs}`: {error}");
        return None;
    }
    let output = Command::new("sh").arg("-ec").arg(commands).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{commands}\n{output:?}");
    Some(output)
}

/// Certificates are made, the gateway serves with them, and a client of theirs is answered.
#[test]
fn certificates() {
    let folder = Folder::new();
    if run(&folder, &block("To try it", "sh"), "openssl").is_none() {
        return;
    }
    let gateway = folder.run(&configuration("## TLS on receivers"));
    let port = gateway.address("otlp http").port();
    let send = block("and send something", "sh").replace(":4318", &format!(":{port}"));
    let Some(output) = run(&folder, &send, "curl") else { return };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "{}", "{output:?}");
}

/// A page of an origin that may send is told so.
#[test]
fn pages_in_browsers() {
    let folder = Folder::new();
    let gateway = folder.run(&configuration("## Pages in browsers"));
    let port = gateway.address("otlp http").port();
    let ask = block("## Pages in browsers", "sh").replace(":4318", &format!(":{port}"));
    let Some(output) = run(&folder, &ask, "curl") else { return };
    let answer = String::from_utf8_lossy(&output.stdout);
    assert!(answer.contains("access-control-allow-origin: https://shop.example.com\r\n"), "{answer}");
}
