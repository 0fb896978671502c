//! From bytes to something that can be instantiated.

use std::time::Duration;

use wasmtime::component::InstancePre;

use crate::compile::CompileError;
use crate::guest::Guest;

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
    #[error("the file ends in the middle: it is half-written or was cut off, at byte {offset}")]
    Truncated { offset: usize },
    #[error("the file is not valid WebAssembly: {reason} (at byte {offset})")]
    Invalid { reason: String, offset: usize },
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
    #[error("`{item}` has another type than in the contract: {reason}")]
    WrongType { item: String, reason: String },
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
    pub(crate) pre: InstancePre<Guest>,
}
