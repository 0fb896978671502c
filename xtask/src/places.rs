//! Where things are: the checkout, the target directory, and what the set-up keeps between checkouts.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// The top of the checkout.
pub fn checkout() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Where cargo builds.
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| checkout().join("target"), PathBuf::from)
}

/// What the set-up keeps between checkouts.
pub fn cache() -> PathBuf {
    if let Some(cache) = env::var_os("WASMILL_CACHE") {
        return cache.into();
    }
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| {
        let home = env::var_os("HOME")?;
        Some(Path::new(&home).join(".cache"))
    });
    base.unwrap_or_else(env::temp_dir).join("wasmill")
}

/// A folder of the cache that belongs to the content of `source`: another content, another folder.
fn keyed(name: &str, source: &Path) -> Result<PathBuf> {
    let content = fs::read(source).with_context(|| format!("reading {}", source.display()))?;
    let hash = Sha256::digest(&content);
    let key: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    Ok(cache().join(format!("{name}-{key}")))
}

/// What the Python application and the Python peers need.
pub fn requirements() -> PathBuf {
    checkout().join("examples/quickstart/app/requirements.txt")
}

/// The folder of the Python environment that has [`requirements`].
pub fn python_environment() -> Result<PathBuf> {
    keyed("python", &requirements())
}

/// Its interpreter.
pub fn python() -> Result<PathBuf> {
    Ok(python_environment()?.join("bin/python"))
}

/// What the services of `examples/observability` need.
pub fn observability_requirements() -> PathBuf {
    checkout().join("examples/observability/app/requirements.txt")
}

/// The folder of the Python environment that has [`observability_requirements`].
pub fn observability_environment() -> Result<PathBuf> {
    keyed("observability", &observability_requirements())
}

/// What plugins in Python are built with.
pub fn plugin_requirements() -> PathBuf {
    checkout().join("tests/languages/requirements.txt")
}

/// The folder of the Python environment that has [`plugin_requirements`].
pub fn plugin_environment() -> Result<PathBuf> {
    keyed("plugin-python", &plugin_requirements())
}

/// What plugins in JavaScript and TypeScript are built with: the manifest that a project of the latter has.
pub fn plugin_package() -> PathBuf {
    checkout().join("plugins/sdk-js/template-ts/package.json")
}

/// The folder whose `node_modules` has [`plugin_package`]'s.
pub fn plugin_node() -> Result<PathBuf> {
    keyed("plugin-node", &plugin_package())
}

/// Puts a language's tools, of which the set-up has some, where `wasmill plugin build --install-tools` puts them in a project.
pub fn link_plugin_tools(language: &str, project: &Path) -> Result<()> {
    match language {
        "python" => symlink(plugin_environment()?, project.join(".venv"))?,
        "js" | "ts" => symlink(plugin_node()?.join("node_modules"), project.join("node_modules"))?,
        _ => {}
    }
    Ok(())
}

/// Lays the files of a folder over those of another.
pub fn overlay(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            overlay(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// What the scripts need that check something for the tests.
pub fn checks_requirements() -> PathBuf {
    checkout().join("tests/peers/requirements.txt")
}

/// The folder of the Python environment that has [`checks_requirements`].
pub fn checks_environment() -> Result<PathBuf> {
    keyed("checks", &checks_requirements())
}

/// Its interpreter.
pub fn checks_python() -> Result<PathBuf> {
    Ok(checks_environment()?.join("bin/python"))
}

/// What the Collector is built from.
pub fn collector_manifest() -> PathBuf {
    checkout().join("benches/peers/collector/manifest.yaml")
}

/// The folder that the Collector is built in.
pub fn collector_folder() -> Result<PathBuf> {
    keyed("otelcol", &collector_manifest())
}

/// The Collector's binary.
pub fn collector() -> Result<PathBuf> {
    Ok(collector_folder()?.join("otelcol"))
}

/// A server that the tests run, built from a Go module.
#[derive(Clone, Copy, Debug)]
pub struct GoServer {
    pub name: &'static str,
    /// With its version.
    pub module: &'static str,
    /// The commands to build, each into a binary of the name beside it.
    pub commands: &'static [(&'static str, &'static str)],
    /// Replacements of the module's `go.mod` that name a folder which the module does not have.
    pub replacements_dropped: &'static [&'static str],
    pub tags: &'static str,
}

/// The last version with the all-in-one binary that every guide starts.
pub const JAEGER: GoServer = GoServer {
    name: "jaeger",
    module: "github.com/jaegertracing/jaeger@v1.76.0",
    commands: &[("./cmd/all-in-one", "jaeger")],
    replacements_dropped: &[],
    tags: "",
};

/// Newer than the system's: native histograms, remote write 2.0. Its user interface is not needed, nor are ways to discover targets.
pub const PROMETHEUS: GoServer = GoServer {
    name: "prometheus",
    module: "github.com/prometheus/prometheus@v0.316.0",
    commands: &[("./cmd/prometheus", "prometheus"), ("./cmd/promtool", "promtool")],
    replacements_dropped: &[],
    tags: "remove_all_sd",
};

pub const LOKI: GoServer = GoServer {
    name: "loki",
    module: "github.com/grafana/loki/v3@v3.7.8",
    commands: &[("./cmd/loki", "loki")],
    replacements_dropped: &["github.com/grafana/loki/pkg/push"],
    tags: "",
};

pub const GO_SERVERS: [GoServer; 3] = [PROMETHEUS, JAEGER, LOKI];

impl GoServer {
    /// Where it is built; another version, another folder.
    pub fn folder(&self) -> PathBuf {
        let version = self.module.split_once('@').map_or("", |(_, version)| version);
        cache().join(format!("{}-{version}", self.name))
    }

    /// One of its binaries.
    pub fn binary(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }
}
