//! One engine for the process: its settings, its pool, its clock.

use std::path::PathBuf;
use std::sync::Arc;

use std::hash::{DefaultHasher, Hash, Hasher};

use wasmill_tables::Registry;
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails};

use crate::bindings;

use crate::cache::Cache;
use crate::check;
use crate::compile::Compile;
use crate::guest::Guest;
use crate::inspect::{self, Inspection};
use crate::lane::Lane;
use crate::load::{self, LoadError, Plugin};
use crate::metrics::GuestMetrics;
use crate::preview1;
use crate::state::Stores;
use crate::ticker::Ticker;

/// Instances in the process. Together with one memory and a few tables each this sizes the pool; only address space is
/// reserved for it.
const POOL_INSTANCES: u32 = 256;
/// Componentized CPython is 38 core instances; twice that leaves room.
const POOL_CORE_INSTANCES_PER_COMPONENT: u32 = 80;
/// Core instances are only counted, so every component may have its most.
const POOL_CORE_INSTANCES: u32 = POOL_INSTANCES * POOL_CORE_INSTANCES_PER_COMPONENT;
/// Components have one memory, those of all five languages included. Each slot reserves 4 GiB of addresses, and no memory.
const POOL_MEMORIES: u32 = POOL_INSTANCES;
const POOL_TABLES: u32 = POOL_INSTANCES * 4;
/// A component's context and that of its core instances: JavaScript's, the largest, has 203 KB, CPython's 413 KB.
const POOL_INSTANCE_BYTES: usize = 1 << 20;
/// JavaScript's, the largest, has 7,697.
const POOL_TABLE_ELEMENTS: usize = 20_000;
/// Slots that stay warm after use. Each keeps what the guest touched of its image, up to the bytes below.
const POOL_WARM_SLOTS: u32 = 16;
/// Reusing a slot clears this much by hand, which costs less than giving the pages back and faulting them in again.
const POOL_MEMORY_KEEP_RESIDENT_BYTES: usize = 128 << 10;
/// wasmtime's own stack for a guest; its default of 512 KiB suits all five languages.
const GUEST_STACK_BYTES: usize = 512 << 10;
/// The fiber that holds the guest's stack and the host functions that it calls.
const FIBER_STACK_BYTES: usize = 1 << 20;
/// 64 MiB: three times componentized CPython.
const PLUGIN_BYTES_MAX: usize = 64 << 20;

/// How a process runs its plugins.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Where compiling happens.
    pub compile: Compile,
    /// Where compiled plugins are kept. `None`, a directory that cannot be made, or one that cannot be written to: compiled
    /// plugins live in a temporary directory that goes with the process. What a read-only one holds is still used.
    pub cache_dir: Option<PathBuf>,
    /// Larger files are refused before they are looked at.
    pub plugin_bytes_max: usize,
}

/// The engine does not start: this machine or build cannot run plugins.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error("the WebAssembly engine does not start: {reason}")]
    Engine { reason: String },
    #[error("the thread that keeps plugins' deadlines does not start")]
    Ticker(#[source] std::io::Error),
}

/// Runs plugins: one for a process, cheap to clone.
#[derive(Clone)]
pub struct Host {
    pub(crate) inner: Arc<HostInner>,
}

pub(crate) struct HostInner {
    pub engine: Engine,
    pub linker: Linker<Guest>,
    pub config: HostConfig,
    pub cache: Cache,
    pub ticker: Ticker,
    pub lane: Lane,
    pub metrics: Arc<GuestMetrics>,
    pub tables: Registry,
    pub states: Stores,
}

impl Default for HostConfig {
    /// Compiling in a child that is this program, and no cache.
    fn default() -> Self {
        HostConfig { compile: Compile::default(), cache_dir: None, plugin_bytes_max: PLUGIN_BYTES_MAX }
    }
}

impl Host {
    /// Starts the engine. Cheap: reserves address space, and starts one thread that sleeps until plugins are called.
    pub fn new(config: HostConfig) -> Result<Host, HostError> {
        let failed = |error: wasmtime::Error| HostError::Engine { reason: format!("{error:#}") };
        let engine = engine().map_err(failed)?;
        let mut linker = Linker::new(&engine);
        bindings::Plugin::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest).map_err(failed)?;
        preview1::define(&mut linker).map_err(failed)?;
        let cache = Cache::open(config.cache_dir.as_deref(), settings(&engine));
        let (lane, metrics, tables, states) = (Lane::default(), Arc::default(), Registry::default(), Stores::default());
        let ticker = Ticker::start(&engine, lane.busy()).map_err(HostError::Ticker)?;
        let inner = HostInner { engine, linker, config, cache, ticker, lane, metrics, tables, states };
        Ok(Host { inner: Arc::new(inner) })
    }

    /// Checks and compiles a plugin, or takes it from the cache. `name` is for messages: a path, `builtin:filter`.
    ///
    /// Compiling takes from 20 ms to 15 s of one core, in another process; this only waits.
    pub async fn load(&self, name: &str, bytes: &[u8]) -> Result<Arc<Plugin>, LoadError> {
        load::load(&self.inner, name, bytes).await.map(Arc::new)
    }

    /// What a plugin is and wants, or why it is refused. `config` is the stage's; without one, `init` is tried with none (`null`).
    pub async fn inspect(&self, bytes: &[u8], config: Option<&serde_json::Value>) -> Inspection {
        inspect::inspect(self, bytes, config).await
    }

    /// What a compiler made, as a component: a core module, with the contract's component type or without one, and what it imports
    /// of WASI's first version answered in it; a component as it is.
    pub fn component(&self, bytes: &[u8]) -> Result<Vec<u8>, LoadError> {
        check::component(bytes, self.inner.config.plugin_bytes_max)
    }

    /// The lookup tables of all stages: each file is there once.
    pub fn tables(&self) -> &Registry {
        &self.inner.tables
    }

    /// The counters, gauges and histograms that plugins keep.
    pub fn metrics(&self) -> &Arc<GuestMetrics> {
        &self.inner.metrics
    }
}

/// What decides how code is compiled, the same here and in the compiling child.
pub(crate) fn engine_config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        // A fault names functions and, where the guest has them, source lines.
        .wasm_backtrace_details(WasmBacktraceDetails::Enable)
        .max_wasm_stack(GUEST_STACK_BYTES)
        .async_stack_size(FIBER_STACK_BYTES);
    config
}

fn engine() -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(POOL_INSTANCES)
        .total_core_instances(POOL_CORE_INSTANCES)
        .total_memories(POOL_MEMORIES)
        .total_tables(POOL_TABLES)
        .total_stacks(POOL_INSTANCES)
        .max_core_instances_per_component(POOL_CORE_INSTANCES_PER_COMPONENT)
        .max_component_instance_size(POOL_INSTANCE_BYTES)
        .max_core_instance_size(POOL_INSTANCE_BYTES)
        .table_elements(POOL_TABLE_ELEMENTS)
        .max_unused_warm_slots(POOL_WARM_SLOTS)
        .linear_memory_keep_resident(POOL_MEMORY_KEEP_RESIDENT_BYTES);
    let mut config = engine_config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).or_else(|error| {
        // A limit on address space: instances are then made one by one, which costs each some 100 µs.
        tracing::warn!(error = format!("{error:#}"), "no room for a pool of plugin instances");
        Engine::new(&engine_config())
    })
}

/// What compiled code depends on beside the plugin, as a part of file names: the engine's settings, and the adapter.
fn settings(engine: &Engine) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    preview1::ADAPTER.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
