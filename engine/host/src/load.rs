//! From bytes to something that can be instantiated.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::bindings::PluginPre;
use crate::bindings::wasmill::plugin::types;
use crate::cache;
use crate::check::{self, Form, Outline, STAGE};
use crate::compile::CompileError;
use crate::guest::Guest;
use crate::host::HostInner;
use crate::wasi;

/// The version of the contract that this host serves: `wasmill:plugin@0.1.0`.
pub const CONTRACT_VERSION: &str = "0.1.0";

/// Why a file is not a plugin for this host. Each message is for whoever built it.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the file is empty")]
    Empty,
    #[error("the file has {bytes} bytes; at most {max} are allowed")]
    TooLarge { bytes: usize, max: usize },
    #[error("the file is not WebAssembly: it starts with {found}, not with `\\0asm`")]
    NotWasm { found: String },
    #[error(
        "the file is half-written or was cut off, and so not WebAssembly: it ends within something, at byte {offset}"
    )]
    Truncated { offset: usize },
    #[error("the file is not valid WebAssembly: {reason} (at byte {offset})")]
    Invalid { reason: String, offset: usize },
    #[error("the file has more than {max} {what}, which no plugin has")]
    TooMany { what: &'static str, max: usize },
    #[error(
        "the file is a core module without a component type: build it with the SDK, or turn it into a component with \
         `wasm-tools component new`"
    )]
    NoComponentType,
    #[error("the core module cannot be made a component: {reason}")]
    Encode { reason: String },
    #[error("the plugin is built for contract version {found}; this host serves {expected}")]
    ContractVersion { found: String, expected: &'static str },
    #[error("the plugin imports `{import}`, which it may not; allowed are {allowed}")]
    ForbiddenImport { import: String, allowed: &'static str },
    #[error("the plugin does not export `{export}`")]
    MissingExport { export: String },
    #[error("the plugin does not fit the contract: {reason}")]
    WrongType { reason: String },
    #[error("the plugin cannot be compiled")]
    Compile(#[from] CompileError),
}

/// A checked and compiled plugin, to be instantiated by any number of stages.
pub struct Plugin {
    /// Where it came from, for messages.
    pub name: String,
    /// SHA-256 of the file, in lowercase hexadecimal.
    pub hash: String,
    /// Bytes of the file.
    pub size: usize,
    /// How long compiling took; `None`: it was in the cache.
    pub compiled_in: Option<Duration>,
    pub(crate) pre: PluginPre<Guest>,
}

pub(crate) async fn load(host: &Arc<HostInner>, name: &str, bytes: &[u8]) -> Result<Plugin, LoadError> {
    let mut outline = Outline::default();
    check::outline(bytes, host.config.plugin_bytes_max, &mut outline)?;
    outline.check()?;
    let form = outline.form.unwrap_or(Form::Component);
    let hash = cache::hash(bytes);
    let (component, compiled_in) = match cached(host, &hash).await {
        Some(component) => (component, None),
        None => {
            let started = Instant::now();
            (compiled(host, &hash, bytes, form).await?, Some(started.elapsed()))
        }
    };
    let wrong_type = |error: wasmtime::Error| LoadError::WrongType { reason: format!("{error:#}") };
    check_stage(&host.engine, &component)?;
    let mut linker = host.linker.clone();
    wasi::define(&mut linker, &host.engine, &component).map_err(wrong_type)?;
    let pre = linker.instantiate_pre(&component).map_err(wrong_type)?;
    let pre = PluginPre::new(pre).map_err(wrong_type)?;
    Ok(Plugin { name: name.to_owned(), hash, size: bytes.len(), compiled_in, pre })
}

/// The functions of the stage have the contract's types: what instantiating would find, found now.
fn check_stage(engine: &Engine, component: &Component) -> Result<(), LoadError> {
    let component = component.component_type();
    let cx = component.instance_type();
    let missing = |function: &str| LoadError::MissingExport { export: format!("{STAGE}#{function}") };
    let Some(ComponentItem::ComponentInstance(stage)) = component.get_export(engine, STAGE).map(|stage| stage.ty)
    else {
        return Err(LoadError::MissingExport { export: STAGE.to_owned() });
    };
    let function = |name: &str| match stage.get_export(engine, name).map(|function| function.ty) {
        Some(ComponentItem::ComponentFunc(function)) => Ok(function),
        _ => Err(missing(name)),
    };
    let fits = |name: &str, checked: wasmtime::Result<()>| {
        checked.map_err(|error| LoadError::WrongType { reason: format!("`{STAGE}#{name}`: {error:#}") })
    };
    fits("init", function("init")?.typecheck::<(&str,), (Result<types::Requirements, String>,)>(&cx))?;
    fits("process", function("process")?.typecheck::<(types::Slice<'_>,), (Result<types::Verdict, String>,)>(&cx))?;
    fits("tick", function("tick")?.typecheck::<(u64,), (Result<Vec<types::Emission>, String>,)>(&cx))?;
    fits("flush", function("flush")?.typecheck::<(), (Result<Vec<types::Emission>, String>,)>(&cx))?;
    fits("snapshot", function("snapshot")?.typecheck::<(), (Result<Vec<u8>, String>,)>(&cx))?;
    fits("restore", function("restore")?.typecheck::<(&[u8],), (Result<(), String>,)>(&cx))
}

async fn cached(host: &Arc<HostInner>, hash: &str) -> Option<Component> {
    let (host, hash) = (Arc::clone(host), hash.to_owned());
    let found = tokio::task::spawn_blocking(move || {
        let code = host.cache.find(&hash)?;
        // Written by another version of the engine in spite of its name, or not to be mapped: compiled again.
        deserialize(&host, &code)
            .inspect_err(|error| tracing::warn!(file = %code.display(), error = format!("{error:#}"), "not usable"))
            .ok()
    });
    found.await.ok().flatten()
}

async fn compiled(host: &Arc<HostInner>, hash: &str, bytes: &[u8], form: Form) -> Result<Component, LoadError> {
    let draft = host.cache.draft(hash).map_err(|source| CompileError::Io { path: "cache".to_owned(), source })?;
    let published = async {
        host.config.compile.compile(bytes, form, &draft).await?;
        let (host, hash, draft) = (Arc::clone(host), hash.to_owned(), draft.clone());
        let publish = move || {
            let io = |source| CompileError::Io { path: draft.display().to_string(), source };
            let code = host.cache.publish(&draft, &hash).map_err(io)?;
            deserialize(&host, &code).map_err(|error| CompileError::Refused { reason: format!("{error:#}") })
        };
        let published = tokio::task::spawn_blocking(publish).await;
        published.map_err(|error| CompileError::Refused { reason: error.to_string() })?
    };
    let component = published.await;
    if component.is_err() {
        // Not there where compiling failed early.
        let _ = std::fs::remove_file(&draft);
    }
    Ok(component?)
}

fn deserialize(host: &HostInner, code: &Path) -> wasmtime::Result<Component> {
    // SAFETY: this file is machine code that will run as it is. It was written by our own compiling child, in a directory
    // that only this user or root can write to (`Cache::open` sees to that), its checksum held when it was found or it
    // was just written, and a file there is replaced by renaming, never changed in place. The engine refuses code that
    // another version or other settings made.
    unsafe { Component::deserialize_file(&host.engine, code) }
}
