//! Builds the built-in plugins for WebAssembly, and puts the modules where the library includes them.

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;

use wasmill_guest_build::{Guests, build, watch};

const PLUGINS: [&str; 2] = ["filter", "enrich"];

fn main() -> Result<(), Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.join("../..");
    watch(["columns", "sdk-rust", "ottl", "ottl-stage", "filter", "enrich"].map(|plugin| here.join("..").join(plugin)));
    watch([root.join("wit"), root.join("Cargo.toml"), root.join("Cargo.lock")]);
    let packages = PLUGINS.map(|plugin| format!("wasmill-plugin-{plugin}"));
    let packages = packages.each_ref().map(String::as_str);
    let modules = build(&Guests { manifest: &root.join("Cargo.toml"), packages: &packages, profile: "plugin" })?;
    let out_dir = env::var("OUT_DIR")?;
    for (plugin, module) in PLUGINS.iter().zip(modules) {
        fs::copy(&module, Path::new(&out_dir).join(plugin).with_extension("wasm"))
            .map_err(|error| format!("`{}` is not there: {error}", module.display()))?;
    }
    Ok(())
}
