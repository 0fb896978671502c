//! `cargo xtask dist`: the gateway as it is shipped, optimised by what it does under load.
//!
//! ```text
//!  build that counts ──► each kind of work for a second ──► profile ──► build by the profile ──► target/dist/wasmill
//! ```
//!
//! A branch, a call and a place in memory are laid out by how often they were taken (rustc's profile-guided optimization). The
//! profile is kept under the hash of the build that counted: while the sources stay, nothing is done twice.

use std::fs;
use std::path::{self, Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use xtask::places;

use crate::setup;

/// Of a profile, in digits of its build's hash.
const NAME_DIGITS: usize = 16;

/// Builds and says where the binary is.
pub fn run(args: &[String]) -> Result<()> {
    ensure!(args.is_empty(), "`dist` takes nothing, found `{}`", args.join(" "));
    let built = build(&["--bin", "wasmill"])?.join("wasmill");
    let shipped = places::target().join("dist/wasmill");
    fs::create_dir_all(shipped.parent().context("a folder")?)?;
    // Moved to its place, where one may be running.
    let beside = shipped.with_extension("new");
    fs::copy(&built, &beside).with_context(|| format!("copying {}", built.display()))?;
    fs::rename(&beside, &shipped)?;
    setup::step(&format!("built: {}", shipped.display()));
    Ok(())
}

/// The folder with these binaries of the workspace, optimised by a profile.
pub fn build(binaries: &[&str]) -> Result<PathBuf> {
    let host = host()?;
    let merge = profile_data(&host)?;
    // Compilers run in folders of their crates.
    let folder = path::absolute(places::target())?.join("profiled");
    let raw = folder.join("raw");
    setup::step("the build that counts (the first time a quarter of an hour or more)");
    // Two binaries of one build: the load is not counted, but comes from the same compiled crates.
    let counting = cargo(
        &host,
        &folder.join("generate"),
        &format!("-Cprofile-generate={}", raw.display()),
        &["--bin", "wasmill", "--bin", "load"],
    )?;
    let profile = folder.join(format!("{}.profdata", named(&counting.join("wasmill"))?));
    if !profile.exists() {
        if raw.exists() {
            fs::remove_dir_all(&raw)?;
        }
        setup::step("each kind of work for a second");
        let mut train = Command::new(std::env::current_exe()?);
        train.args(["bench", "--train", "--binaries"]).arg(&counting);
        setup::shown(&mut train)?;
        let counted = counted(&raw)?;
        let new = profile.with_extension("new");
        setup::quiet(Command::new(merge).arg("merge").arg("-o").arg(&new).args(counted))?;
        fs::rename(new, &profile)?;
    }
    setup::step("the build by the profile (the first time a quarter of an hour or more)");
    let flags = format!("-Cprofile-use={}", profile.display());
    cargo(&host, &folder.join("use"), &flags, binaries)
}

/// Builds with flags for what runs here alone: not for build scripts, macros and plugins. The folder of the binaries.
fn cargo(host: &str, target: &Path, flags: &str, binaries: &[&str]) -> Result<PathBuf> {
    let mut build = Command::new("cargo");
    setup::wasm()?.environment(&mut build);
    // Goes before the target's flags.
    build.env_remove("CARGO_ENCODED_RUSTFLAGS");
    build.env(format!("CARGO_TARGET_{}_RUSTFLAGS", host.to_uppercase().replace('-', "_")), flags);
    build.args(["build", "--locked", "--profile", "dist", "--workspace", "--target", host]);
    setup::shown(build.arg("--target-dir").arg(target).args(binaries))?;
    Ok(target.join(host).join("dist"))
}

/// The target that the compiler builds for.
fn host() -> Result<String> {
    let said = said(&["-vV"])?;
    let line = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(line.context("`rustc -vV` names no host")?.to_owned())
}

/// The compiler's own program that merges profiles: another version may not read them.
fn profile_data(host: &str) -> Result<PathBuf> {
    let program =
        Path::new(said(&["--print", "sysroot"])?.trim()).join(format!("lib/rustlib/{host}/bin/llvm-profdata"));
    if !program.exists() {
        setup::step("the compiler's tools for profiles, by rustup");
        let added = setup::quiet(Command::new("rustup").args(["component", "add", "llvm-tools"]));
        if let Some(error) = added.err().or_else(|| (!program.exists()).then(|| anyhow::anyhow!("it is not there"))) {
            bail!(
                "`{}` is needed (rustup component add llvm-tools): {error:#}\nWithout a profile: cargo build --profile dist \
                 --package wasmill",
                program.display()
            );
        }
    }
    Ok(program)
}

fn said(args: &[&str]) -> Result<String> {
    let output = Command::new("rustc").args(args).output().context("running rustc")?;
    ensure!(output.status.success(), "rustc {}: {}", args.join(" "), output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// By what it holds.
fn named(binary: &Path) -> Result<String> {
    let content = fs::read(binary).with_context(|| format!("reading {}", binary.display()))?;
    let hex: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(hex[..NAME_DIGITS].to_owned())
}

/// What the processes that ended in order have written.
fn counted(raw: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(raw).with_context(|| format!("nothing was counted in {}", raw.display()))?;
    let files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    ensure!(!files.is_empty(), "nothing was counted in {}", raw.display());
    Ok(files)
}
