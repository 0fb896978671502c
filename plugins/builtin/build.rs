//! Builds the built-in plugins for WebAssembly, and puts the modules where the library includes them.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use wasmill_guest_build::{Guests, build, watch};

const PLUGINS: [&str; 7] = ["filter", "enrich", "route", "redact", "sample", "attributes", "noop"];

/// What they are written with.
const LIBRARIES: [&str; 4] = ["columns", "sdk-rust", "ottl", "ottl-stage"];

fn main() -> Result<(), Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.join("../..");
    watch(LIBRARIES.iter().chain(&PLUGINS).map(|folder| here.join("..").join(folder)));
    watch([root.join("wit"), root.join("Cargo.toml"), root.join("Cargo.lock")]);
    let packages = PLUGINS.map(|plugin| format!("wasmill-plugin-{plugin}"));
    let packages = packages.each_ref().map(String::as_str);
    let modules = build(&Guests { manifest: &root.join("Cargo.toml"), packages: &packages, profile: "plugin" })?;
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    let mut table = format!("const PLUGINS: [(&str, &[u8]); {}] = [\n", PLUGINS.len());
    for (plugin, module) in PLUGINS.iter().zip(modules) {
        fs::copy(&module, out_dir.join(plugin).with_extension("wasm"))
            .map_err(|error| format!("`{}` is not there: {error}", module.display()))?;
        writeln!(table, r#"    ("{plugin}", include_bytes!("{plugin}.wasm")),"#)?;
    }
    table.push_str("];\n");
    fs::write(out_dir.join("plugins.rs"), table)?;
    Ok(())
}
