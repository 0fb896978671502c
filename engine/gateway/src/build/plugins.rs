//! The plugins of a configuration: read, checked, compiled.
//!
//! A plugin is what its bytes are: a file that was touched, moved away and back, or written again with the same content is the
//! same plugin, and is neither compiled nor swapped.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmill_config::{ComponentId, PluginSource, WasmStage};
use wasmill_host::{Host, LoadError, Plugin};

/// 64 MiB, three times componentized CPython. More is not read.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Plugins by where they come from. One that cannot be used is kept with its reason.
#[derive(Clone, Default)]
pub struct Plugins {
    loaded: HashMap<PluginSource, Result<Arc<Plugin>, Arc<PluginError>>>,
    pinned: BTreeMap<ComponentId, Pinned>,
}

/// Another plugin in a stage than the one that is configured: put there by hand, or put back after a swap.
#[derive(Clone)]
struct Pinned {
    plugin: Arc<Plugin>,
    /// What the stage is configured with, and the bytes that were there. Once either is another, the newer word counts.
    source: PluginSource,
    instead_of: Option<String>,
}

/// Why there is no plugin.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    #[error("cannot read `{}`", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("`{}` is no file", path.display())]
    NoFile { path: PathBuf },
    #[error("`{}` has more than {FILE_BYTES_MAX} bytes", path.display())]
    TooLarge { path: PathBuf },
    #[error("there is no built-in plugin `{name}`; there are {known}")]
    UnknownBuiltin { name: String, known: String },
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl Plugins {
    /// Loads from each source what is there now; what has the same bytes as in `previous` is taken over, and so are its pins.
    pub async fn load(
        host: &Host,
        sources: impl IntoIterator<Item = PluginSource>,
        previous: Option<&Plugins>,
    ) -> Plugins {
        let mut plugins = Plugins::default();
        for source in sources {
            if let Entry::Vacant(place) = plugins.loaded.entry(source) {
                let plugin = load(host, place.key(), previous).await;
                place.insert(plugin.map_err(Arc::new));
            }
        }
        if let Some(previous) = previous {
            plugins.pinned = previous.pinned.clone();
            plugins.unpin_changed();
        }
        plugins
    }

    /// What a file holds, to be pinned.
    pub async fn load_file(host: &Host, path: &Path) -> Result<Arc<Plugin>, PluginError> {
        load(host, &PluginSource::File(path.to_owned()), None).await
    }

    /// One that the binary carries, beside those that are configured.
    pub async fn load_builtin(host: &Host, name: &str) -> Result<Arc<Plugin>, PluginError> {
        load(host, &PluginSource::Builtin(name.into()), None).await
    }

    /// These, but for one that is loaded anew.
    pub async fn with_reloaded(&self, host: &Host, source: &PluginSource) -> Plugins {
        let plugin = load(host, source, Some(self)).await;
        let mut plugins = self.clone();
        plugins.loaded.insert(source.clone(), plugin.map_err(Arc::new));
        plugins.unpin_changed();
        plugins
    }

    /// These, but that a stage runs `plugin`, until what it is configured with changes.
    pub fn with_pinned(&self, stage: &ComponentId, settings: &WasmStage, plugin: Arc<Plugin>) -> Plugins {
        let mut plugins = self.clone();
        let instead_of = self.hash(&settings.plugin);
        if instead_of.as_ref() == Some(&plugin.hash) {
            plugins.pinned.remove(stage);
        } else {
            let pinned = Pinned { plugin, source: settings.plugin.clone(), instead_of };
            plugins.pinned.insert(stage.clone(), pinned);
        }
        plugins
    }

    fn unpin_changed(&mut self) {
        let mut pinned = std::mem::take(&mut self.pinned);
        pinned.retain(|_, pinned| self.hash(&pinned.source) == pinned.instead_of);
        self.pinned = pinned;
    }

    fn hash(&self, source: &PluginSource) -> Option<String> {
        self.get(source).ok().map(|plugin| plugin.hash.clone())
    }

    /// What a stage runs.
    pub fn of(&self, stage: &ComponentId, settings: &WasmStage) -> Result<&Arc<Plugin>, Arc<PluginError>> {
        match self.pinned.get(stage).filter(|pinned| pinned.source == settings.plugin) {
            Some(pinned) => Ok(&pinned.plugin),
            None => self.get(&settings.plugin),
        }
    }

    /// Whether a stage runs another plugin than its source has.
    pub fn is_pinned(&self, stage: &ComponentId, settings: &WasmStage) -> bool {
        self.pinned.get(stage).is_some_and(|pinned| pinned.source == settings.plugin)
    }

    /// What a source has.
    pub fn get(&self, source: &PluginSource) -> Result<&Arc<Plugin>, Arc<PluginError>> {
        match self.loaded.get(source) {
            Some(Ok(plugin)) => Ok(plugin),
            Some(Err(error)) => Err(Arc::clone(error)),
            None => Err(Arc::new(PluginError::Load(LoadError::Empty))),
        }
    }
}

/// SHA-256 of a plugin's file, in lowercase hexadecimal; `None` when it cannot be read.
pub fn file_hash(path: &Path) -> Option<String> {
    read(path).ok().map(|bytes| hash(&bytes))
}

async fn load(host: &Host, source: &PluginSource, previous: Option<&Plugins>) -> Result<Arc<Plugin>, PluginError> {
    let (name, bytes) = match source {
        PluginSource::File(path) => (path.display().to_string(), Cow::Owned(read(path)?)),
        PluginSource::Builtin(name) => (format!("builtin:{name}"), Cow::Borrowed(builtin(name)?)),
    };
    let hash = hash(&bytes);
    let previous = previous.and_then(|previous| previous.get(source).ok());
    match previous.filter(|plugin| plugin.hash == hash) {
        Some(plugin) => Ok(Arc::clone(plugin)),
        None => Ok(host.load(&name, &bytes).await?),
    }
}

/// Plugins are few and small, and read when they changed: not worth a thread of the pool.
fn read(path: &Path) -> Result<Vec<u8>, PluginError> {
    let failed = |source| PluginError::Read { path: path.to_owned(), source };
    // Opening a pipe would wait for whoever writes it.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(PluginError::NoFile { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(failed)?.take(FILE_BYTES_MAX + 1);
    file.read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(PluginError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}

fn hash(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn builtin(name: &str) -> Result<&'static [u8], PluginError> {
    wasmill_builtin::get(name).ok_or_else(|| PluginError::UnknownBuiltin {
        name: name.to_owned(),
        known: wasmill_builtin::names().collect::<Vec<_>>().join(", "),
    })
}
