//! The way in that `docs/plugins.md` begins with, as a reader pastes it, in each language: from nothing to rows that an own plugin decided
//! about.
//!
//! Tools are where `--install-tools` puts them, since a download's time is that of the network; everything else is as on the first day: an
//! empty home, and nothing compiled before.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use wasmill_authoring::Language;
use wasmill_tests::{Folder, wasmill};
use xtask::places;

use crate::said;

/// What is promised.
const FIRST_OUTPUT_MAX: Duration = Duration::from_secs(300);
/// The project's name in the document.
const PROJECT: &str = "drop-health";
/// The language in the document.
const LANGUAGE: &str = "--lang python";
/// The last of its commands, which compiles the plugin anew.
const BENCH: &str = "wasmill plugin bench\n";

/// Whether a plugin has an interpreter in it, which takes as long to compile as everything else: a gateway that is not optimised itself does it
/// once here.
fn compiles_long(language: Language) -> bool {
    matches!(language, Language::Python | Language::JavaScript | Language::TypeScript)
}

/// The commands of the document, with this language: the first alone, after which there is a folder for tools.
fn commands(language: Language) -> Result<(String, String)> {
    let document = fs::read_to_string(places::checkout().join("docs/plugins.md"))?;
    let block =
        document.split("```").nth(1).and_then(|block| block.strip_prefix("sh\n")).context("a block of commands")?;
    ensure!(block.contains(LANGUAGE), "`{LANGUAGE}` is not in {block}");
    let mut block = block.replace(LANGUAGE, &format!("--lang {}", language.id()));
    if compiles_long(language) {
        ensure!(block.contains(BENCH), "`{BENCH}` is not in {block}");
        block = block.replace(BENCH, "");
    }
    let (first, rest) = block.split_once('\n').context("several commands")?;
    ensure!(first.starts_with("wasmill plugin new ") && rest.contains("wasmill plugin test"), "{block}");
    Ok((first.to_owned(), rest.to_owned()))
}

/// What an author changes, in which file, and what it becomes: rows that were dropped are kept. Of a plugin that takes a quarter of a minute to
/// build, and as long to compile, it is the case's configuration: that its source is built again when it changes is shown by others.
fn edit(language: Language) -> (&'static str, &'static str, &'static str) {
    match language {
        Language::Rust => ("src/lib.rs", "verdict.drop(", "verdict.keep("),
        Language::Go => ("plugin.go", "verdict.Drop(", "verdict.Keep("),
        Language::C => ("src/plugin.c", "wm_drop(", "wm_keep("),
        Language::Python | Language::JavaScript | Language::TypeScript => ("tests/mine/case.yaml", "/healthz", ""),
    }
}

/// An empty folder in an environment that knows nothing but where tools are.
struct Desk {
    folder: Folder,
    path: OsString,
}

impl Desk {
    fn new() -> Result<Desk> {
        let folder = Folder::new()?;
        for name in ["home", "work"] {
            fs::create_dir(folder.path(name))?;
        }
        let binary = PathBuf::from(wasmill()?.get_program());
        let own = binary.parent().context("the binary's folder")?.to_owned();
        let paths = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([own].into_iter().chain(env::split_paths(&paths)))?;
        Ok(Desk { folder, path })
    }

    fn run(&self, commands: &str, dir: &Path) -> Result<Output> {
        let mut shell = Command::new("sh");
        shell.args(["-e", "-c", commands]).current_dir(dir).env_clear().env("PATH", &self.path);
        shell.env("HOME", self.folder.path("home"));
        // Toolchains, and what they downloaded.
        let home = PathBuf::from(env::var_os("HOME").context("a home")?);
        for (name, usual) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup"), ("GOMODCACHE", "go/pkg/mod")] {
            shell.env(name, env::var_os(name).map_or_else(|| home.join(usual), PathBuf::from));
        }
        Ok(shell.output()?)
    }

    /// The same, and it is to end well.
    fn ran(&self, commands: &str, dir: &Path) -> Result<String> {
        let output = self.run(commands, dir)?;
        ensure!(output.status.success(), "{commands}: {}\n{}", output.status, said(&output));
        Ok(said(&output))
    }
}

/// Scenario: the document's commands in an empty folder; then a case of one's own, and a change that it shows.
/// Guarantee: they end well, cases pass, costs are shown, the change is seen as a difference of rows and can be accepted; all within the time.
fn first_plugin(language: Language) -> Result<()> {
    let desk = Desk::new()?;
    let work = desk.folder.path("work");
    let project = work.join(PROJECT);
    let (new, rest) = commands(language)?;
    let begun = Instant::now();
    desk.ran(&new, &work)?;
    places::link_plugin_tools(language.id(), &project)?;
    let seen = desk.ran(&rest, &work)?;
    ensure!(seen.contains(" passed") && seen.contains("0 failed"), "{seen}");
    ensure!(compiles_long(language) || seen.contains("nanoseconds for each row"), "what a row costs is not in {seen}");
    let pasted = begun.elapsed();

    // What it makes of a case of one's own.
    let case = project.join("tests/mine");
    fs::create_dir(&case)?;
    fs::copy(project.join("tests/spans/input.json"), case.join("input.json"))?;
    fs::write(case.join("case.yaml"), "config: {attribute: http.route, drop: [/healthz]}\n")?;
    let dropped = || -> Result<bool> { Ok(!fs::read_to_string(case.join("expected.json"))?.contains(r#""/healthz""#)) };
    let accept = "wasmill plugin test --plugin plugin.wasm --only mine --update";
    desk.ran(accept, &project)?;
    ensure!(dropped()?, "rows that were to be dropped are there");

    // Something else: the difference is shown, and accepted.
    let (file, from, to) = edit(language);
    let source = fs::read_to_string(project.join(file))?;
    ensure!(source.matches(from).count() == 1, "`{from}` is not there once: {source}");
    fs::write(project.join(file), source.replace(from, to))?;
    let again =
        if file.starts_with("tests") { "wasmill plugin test --plugin plugin.wasm" } else { "wasmill plugin test" };
    let differs = desk.run(&format!("{again} --only mine"), &project)?;
    let seen = said(&differs);
    ensure!(differs.status.code() == Some(1), "{}: {seen}", differs.status);
    let found = seen.lines().any(|line| line.trim_start().starts_with('+') && line.contains(r#""/healthz""#));
    ensure!(found && seen.contains("1 failed"), "{seen}");
    desk.ran(accept, &project)?;
    ensure!(!dropped()?, "rows that are kept now are not there");
    let all = begun.elapsed();
    println!("{language}: {pasted:.1?} for what the document has, {all:.1?} with a change");
    ensure!(all < FIRST_OUTPUT_MAX, "{language}: {all:?}, promised are {FIRST_OUTPUT_MAX:?}");
    Ok(())
}

macro_rules! first {
    ($($name:ident, $language:ident;)*) => {$(
        #[test]
        fn $name() -> Result<()> {
            first_plugin(Language::$language)
        }
    )*};
}

// TypeScript is built as JavaScript is.
first! {
    the_first_plugin_in_rust, Rust;
    the_first_plugin_in_go, Go;
    the_first_plugin_in_python, Python;
    the_first_plugin_in_javascript, JavaScript;
    the_first_plugin_in_c, C;
}
