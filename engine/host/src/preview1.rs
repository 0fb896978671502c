//! WASI of its first version, for core modules: Go's runtime, and C and Rust with wasi-libc.
//!
//! Preview 1 is functions, not interfaces, so a component cannot import it: the module `preview1/adapter.wat` is put into
//! the component beside the plugin's, and answers there. Of the host it needs two functions: one takes what is printed, one
//! ends the call when the plugin exits.
//!
//! Not the adapter that comes with wasmtime: it calls the host for the time, and Go's collector of garbage reads a clock
//! while the host's arguments are allocated, where a component may not call out. The price is that the time in there is
//! made up; the contract's `clock` has the real one.

use std::hash::{BuildHasher, RandomState};

use wasmtime::StoreContextMut;
use wasmtime::component::Linker;
use wit_component::StringEncoding;
use wit_parser::Resolve;

use crate::guest::Guest;
use crate::load::LoadError;

/// What a core module calls it.
pub(crate) const MODULE: &str = "wasi_snapshot_preview1";

pub(crate) const ADAPTER: &str = include_str!("preview1/adapter.wat");
/// The seed in there, to be replaced.
const SEED: &str = "0x5EED_5EED_5EED_5EED";

/// What the adapter imports: of a component that a core module was made into before it came here, too. A core module itself has no
/// reason to, and is refused if it does.
const WORLD: &str = "
    package wasmill:system@0.1.0;
    interface process {
        write: func(fd: u32, bytes: list<u8>);
        exit: func(code: u32);
    }
    world preview1 { import process; }
";
pub(crate) const PROCESS: &str = "wasmill:system/process@0.1.0";

/// Another seed for each compiled plugin, which it stays with: an attacker who chooses a hash table's keys does not know it.
pub(crate) fn drawn_seed() -> u64 {
    RandomState::new().hash_one(SEED)
}

/// The adapter, as the encoder wants it. What the plugin draws as random comes of the seed.
pub(crate) fn adapter(seed: u64) -> Result<Vec<u8>, LoadError> {
    let encode = |reason: String| LoadError::Encode { reason };
    let text = ADAPTER.replace(SEED, &format!("{seed:#x}"));
    let mut module = wat::parse_str(text).map_err(|error| encode(error.to_string()))?;
    let mut resolve = Resolve::default();
    let world = resolve
        .push_source("preview1.wit", WORLD)
        .and_then(|package| resolve.select_world(&[package], None))
        .map_err(|error| encode(format!("{error:#}")))?;
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .map_err(|error| encode(format!("{error:#}")))?;
    Ok(module)
}

/// Defines what the adapter imports.
pub(crate) fn define(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut process = linker.instance(PROCESS)?;
    process.func_wrap("write", |mut store: StoreContextMut<'_, Guest>, (fd, bytes): (u32, Vec<u8>)| {
        store.data_mut().output.write(fd, &bytes);
        Ok(())
    })?;
    process.func_wrap("exit", |_: StoreContextMut<'_, Guest>, (code,): (u32,)| -> wasmtime::Result<()> {
        Err(wasmtime::Error::msg(format!("the plugin exited with code {code}"))
            .context(wasmtime::Trap::UnreachableCodeReached))
    })
}
