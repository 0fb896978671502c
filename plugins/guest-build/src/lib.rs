//! Builds plugins for WebAssembly from a build script: a cargo within cargo.
//!
//! The inner build is of the same workspace or of another one, for `wasm32-unknown-unknown`, into a target directory of its own
//! beside the outer one's (two cargos must not wait for each other), and with an environment that knows nothing of the outer
//! build's flags and wrappers.
//!
//! Where the compiler in use has no standard library for WebAssembly and none can be fetched, another one is named by the
//! environment, as `cargo xtask setup` does: `WASMILL_WASM_CARGO` and `WASMILL_WASM_RUSTC` are the programs, and
//! `WASMILL_WASM_BUILD_STD=1` has them build the standard library from source.

use std::env;
use std::fmt;
use std::iter;
use std::path::{Path, PathBuf};
use std::process::Command;

pub const TARGET: &str = "wasm32-unknown-unknown";

/// What to build.
pub struct Guests<'a> {
    /// The `Cargo.toml` of the workspace that the packages are in.
    pub manifest: &'a Path,
    pub packages: &'a [&'a str],
    pub profile: &'a str,
}

/// Why there is no plugin, in words for whoever builds.
pub struct BuildError(String);

impl std::error::Error for BuildError {}

/// A build script that ends with an error shows it so: in the words, lines and all.
impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Builds the packages and gives their modules, in order. Only for build scripts: it tells cargo what it looked at in the
/// environment. Sources are for the caller to name, by [`watch`].
pub fn build(guests: &Guests<'_>) -> Result<Vec<PathBuf>, BuildError> {
    let target_dir = target_dir()?;
    let mut command = Command::new(variable("WASMILL_WASM_CARGO").unwrap_or_else(cargo));
    clean(&mut command);
    command.arg("build").args(["--target", TARGET, "--profile", guests.profile]);
    command.arg("--manifest-path").arg(guests.manifest).arg("--target-dir").arg(&target_dir);
    for package in guests.packages {
        command.args(["--package", package]);
    }
    if guests.manifest.with_file_name("Cargo.lock").exists() {
        command.arg("--locked");
    }
    if let Some(rustc) = variable("WASMILL_WASM_RUSTC") {
        command.env("RUSTC", rustc);
    }
    if variable("WASMILL_WASM_BUILD_STD").as_deref() == Some("1") {
        // Released compilers take `-Z` only so.
        command.env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=std,panic_abort");
    }
    let shown = iter::once(command.get_program()).chain(command.get_args()).map(|word| word.to_string_lossy());
    let shown = shown.collect::<Vec<_>>().join(" ");
    let output = command.output().map_err(|error| BuildError(format!("`{shown}` did not start: {error}")))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let target_is_missing =
            stderr.contains("can't find crate for `core`") || stderr.contains("can't find crate for `std`");
        let hint = if target_is_missing {
            format!("the compiler has no standard library for {TARGET}: run `cargo xtask setup` once\n\n")
        } else {
            String::new()
        };
        return Err(BuildError(format!("{hint}plugins could not be built: `{shown}`\n{stderr}")));
    }
    let modules = target_dir.join(TARGET).join(guests.profile);
    Ok(guests.packages.iter().map(|package| modules.join(package.replace('-', "_")).with_extension("wasm")).collect())
}

/// Has cargo run the build script again when one of these files, or a file in one of these directories, has changed.
pub fn watch(paths: impl IntoIterator<Item = PathBuf>) {
    for path in paths {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}

/// Beside what the outer cargo builds, and shared by all build scripts: what one of them has built, the next one has.
fn target_dir() -> Result<PathBuf, BuildError> {
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    // `TARGET_DIR/[TRIPLE/]PROFILE/build/PACKAGE-HASH/out`: the first with the tag that cargo puts there.
    let target_dir = out_dir.ancestors().find(|path| path.join("CACHEDIR.TAG").exists());
    match target_dir {
        Some(path) => Ok(path.join("builtin-plugins")),
        None if out_dir.as_os_str().is_empty() => {
            Err(BuildError("`OUT_DIR` is not set: this is not a build script".into()))
        }
        None => Ok(out_dir.join("builtin-plugins")),
    }
}

/// Takes out of the environment what the outer build put there, or was told for itself.
fn clean(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        // How to reach registries, and how many jobs may run, are the same for both.
        let shared = [
            "CARGO_HOME",
            "CARGO_HTTP_",
            "CARGO_NET_",
            "CARGO_REGISTR",
            "CARGO_SOURCE_",
            "CARGO_MAKEFLAGS",
            "CARGO_TERM_",
        ]
        .iter()
        .any(|prefix| name.starts_with(prefix));
        let of_the_outer_build = name.starts_with("CARGO")
            || name.starts_with("DEP_")
            || name.starts_with("RUSTC")
            || matches!(
                name,
                "RUSTFLAGS" | "RUSTDOCFLAGS" | "OUT_DIR" | "TARGET" | "HOST" | "PROFILE" | "OPT_LEVEL" | "DEBUG"
            );
        if of_the_outer_build && !shared {
            command.env_remove(name);
        }
    }
}

fn cargo() -> String {
    env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

fn variable(name: &str) -> Option<String> {
    println!("cargo::rerun-if-env-changed={name}");
    env::var(name).ok().filter(|value| !value.is_empty())
}
