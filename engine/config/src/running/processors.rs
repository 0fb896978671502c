//! Processors: stages that are plugins.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{LookupTable, MemoryLimiter};
use crate::id::{ComponentId, PipelineId};

#[derive(Clone, PartialEq, Debug)]
pub enum Processor {
    Wasm(Box<WasmStage>),
    Batch(BatchProcessor),
    MemoryLimiter(MemoryLimiter),
}

impl Processor {
    /// Its settings, where it is a plugin.
    pub fn stage(&self) -> Option<&WasmStage> {
        match self {
            Processor::Wasm(stage) => Some(stage),
            Processor::Batch(_) | Processor::MemoryLimiter(_) => None,
        }
    }
}

/// `batch`: several requests as one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BatchProcessor {
    /// How long a row waits at most; 0: nothing waits.
    pub timeout: Duration,
    /// So many rows wait no longer; 0: nothing waits.
    pub rows_trigger: usize,
    /// Rows of a batch, at least `rows_trigger`. `None`: no limit.
    pub rows_max: Option<NonZeroUsize>,
    /// In lower case, each once. Requests are batched together where these headers are the same.
    pub metadata_keys: Vec<Arc<str>>,
    /// Combinations of them that may have rows waiting. `None`: no limit.
    pub metadata_combinations_max: Option<NonZeroUsize>,
}

/// `wasm/NAME`: a plugin as a stage.
#[derive(Clone, PartialEq, Debug)]
pub struct WasmStage {
    pub plugin: PluginSource,
    /// The `config:` block as JSON, keys in the order of the file, integers exact; `{}` where there is none. May hold secrets: not
    /// to be logged.
    pub config: PluginConfig,
    pub limits: PluginLimits,
    pub on_fault: OnFault,
    /// Where rows go under [`OnFault::Divert`]: not empty then, and empty otherwise.
    pub divert_to: Vec<RouteTarget>,
    /// `None`: the plugin is called however often it fails.
    pub breaker: Option<Breaker>,
    /// So many faults on the same request under [`OnFault::Reject`], and its client is told not to send it again. `None`: it is told
    /// to retry each time.
    pub content_faults_max: Option<NonZeroU32>,
    pub state: PluginState,
    pub swap: Swap,
    /// `None`: rows are decided as they come.
    pub group: Option<Grouping>,
    /// What the plugin's route names mean. Every list has at least one entry, each of the [`Config`](super::Config).
    pub routes: BTreeMap<Arc<str>, Vec<RouteTarget>>,
    /// Where new records go that the plugin sends to no route.
    pub emit_to: Vec<RouteTarget>,
    /// What the plugin may look things up in, by the names that it asks by.
    pub tables: BTreeMap<Arc<str>, LookupTable>,
}

/// Rows that wait for others of their group, and are decided with them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grouping {
    /// The path whose value a group's rows share. Whether there is such a path is for whoever knows the pipeline's signal to say.
    pub by: Arc<str>,
    /// From a group's first row.
    pub wait: Duration,
    pub groups_max: NonZeroUsize,
    /// Of one group; at most [`PluginLimits::slice_rows_max`].
    pub rows_max: NonZeroUsize,
    /// Memory that waiting rows keep.
    pub bytes_max: usize,
    /// Decisions remembered; 0: none.
    pub decisions_max: usize,
    /// In lower case.
    pub metadata_keys: Vec<Arc<str>>,
}

impl Grouping {
    /// The first requests of a slow trace have retried by then.
    pub const WAIT: Duration = Duration::from_secs(10);
    /// What the Collector's tail sampling keeps.
    pub const GROUPS_MAX: usize = 50_000;
    pub const BYTES_MAX: usize = 256 << 20;
    /// 4 MB of keys.
    pub const DECISIONS_MAX: usize = 100_000;

    pub fn new(by: &str, limits: &PluginLimits) -> Grouping {
        Grouping {
            by: by.into(),
            wait: Grouping::WAIT,
            groups_max: NonZeroUsize::new(Grouping::GROUPS_MAX).unwrap_or(NonZeroUsize::MIN),
            rows_max: limits.slice_rows_max,
            bytes_max: Grouping::BYTES_MAX,
            decisions_max: Grouping::DECISIONS_MAX,
            metadata_keys: Vec::new(),
        }
    }
}

/// Where a route leads.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RouteTarget {
    Exporter(ComponentId),
    /// For rows of its signal.
    Pipeline(PipelineId),
}

impl WasmStage {
    /// The exporters that its routes lead to, and those that take what it fails on.
    pub fn routed_exporters(&self) -> impl Iterator<Item = &ComponentId> {
        self.routes.values().flatten().chain(&self.divert_to).filter_map(|target| match target {
            RouteTarget::Exporter(exporter) => Some(exporter),
            RouteTarget::Pipeline(_) => None,
        })
    }
}

/// JSON text that `Debug` does not show.
pub type PluginConfig = crate::secret::Secret;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum PluginSource {
    /// A file that was there when the configuration was read. A relative path starts at the working directory.
    File(PathBuf),
    /// One that the binary carries, by name. Whether it does is for the gateway to say.
    Builtin(Arc<str>),
}

/// What a plugin may use. Each is a bound on one instance, or on one call.
#[derive(Clone, PartialEq, Debug)]
pub struct PluginLimits {
    /// Processor time of one call of `process`; on the clock it may take 4 times that.
    pub call_deadline: Duration,
    /// The same for instantiating and `init`.
    pub init_deadline: Duration,
    /// Linear memory of an instance, bytes.
    pub memory_bytes_max: usize,
    /// Rows of a slice.
    pub slice_rows_max: NonZeroUsize,
    /// Bytes of the columns of a slice.
    pub column_bytes_max: usize,
    /// Bytes of what a call returns.
    pub verdict_bytes_max: usize,
    /// Instances of the stage, and so calls at one time.
    pub instances_max: NonZeroUsize,
}

/// What is kept for a stage's plugins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PluginState {
    /// Of keys and values, with 144 bytes for each key besides.
    pub bytes_max: usize,
    pub keys_max: NonZeroUsize,
    /// Instances that the values of a path are divided among, where a plugin's state is keyed by one. `None`: as many as the stage may have.
    pub shards: Option<NonZeroUsize>,
    /// How often instances are asked for what they hold. `None`: only for a swap.
    pub snapshot_interval: Option<Duration>,
}

impl Default for PluginState {
    /// As much as an instance may have: the counters of some hundred thousand services or users.
    fn default() -> Self {
        PluginState {
            bytes_max: 64 << 20,
            keys_max: NonZeroUsize::new(1_000_000).unwrap_or(NonZeroUsize::MIN),
            shards: None,
            snapshot_interval: None,
        }
    }
}

/// What happens to a swap that would lose what the plugin that serves promised to give.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnLostState {
    /// It is not made.
    #[default]
    Refuse,
    /// It is made, and what is lost is counted.
    Accept,
}

/// What happens to the rows of a call that failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnFault {
    /// The client is told to retry.
    #[default]
    Reject,
    /// They go on as they were.
    Pass,
    /// They are dropped, and counted.
    Drop,
    /// They leave the pipeline for where `divert_to` says.
    Divert,
}

/// How another plugin is put into a stage.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Swap {
    /// How long it may wait for batches to decide about in shadow before that; zero: it does not.
    pub shadow: Duration,
    /// So many batches are enough.
    pub shadow_batches: NonZeroU32,
    /// How long it is watched after that; zero: it is not.
    pub probation: Duration,
    /// At least so many of its calls must have failed for it to be taken out again.
    pub faults_min: NonZeroU32,
    /// And more than this part of them, 0 to 1.
    pub fault_ratio_max: f64,
    pub on_lost_state: OnLostState,
}

impl Default for Swap {
    /// Half a minute shows what a build does to all kinds of traffic; one request in ten that fails is no accident.
    fn default() -> Self {
        Swap {
            shadow: Duration::ZERO,
            shadow_batches: number(10),
            probation: Duration::from_secs(30),
            faults_min: number(3),
            fault_ratio_max: 0.1,
            on_lost_state: OnLostState::default(),
        }
    }
}

/// When a plugin that fails is not called for a while.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Breaker {
    /// So many failures, at most `calls`.
    pub faults: NonZeroU32,
    /// Of the last so many calls.
    pub calls: NonZeroU32,
    /// The first pause; each that follows at once is twice as long.
    pub pause: Duration,
    /// The longest, at least `pause`.
    pub pause_max: Duration,
}

const fn number(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

impl WasmStage {
    /// The retries of most SDKs are over by then.
    pub const CONTENT_FAULTS_MAX: NonZeroU32 = number(5);
}

impl Default for Breaker {
    /// A plugin that fails on half of all it is given, for ten calls: not by chance, and not by one client's content.
    fn default() -> Self {
        let (pause, pause_max) = (Duration::from_secs(1), Duration::from_secs(60));
        Breaker { faults: number(10), calls: number(20), pause, pause_max }
    }
}

impl BatchProcessor {
    pub const METADATA_COMBINATIONS_MAX: usize = 1_000;
}

impl Default for BatchProcessor {
    /// The Collector's.
    fn default() -> Self {
        BatchProcessor {
            timeout: Duration::from_millis(200),
            rows_trigger: 8_192,
            rows_max: None,
            metadata_keys: Vec::new(),
            metadata_combinations_max: NonZeroUsize::new(Self::METADATA_COMBINATIONS_MAX),
        }
    }
}

impl PluginLimits {
    /// A slow plugin in Python takes 10 ms for a full slice; 25 times that is not slow but stuck.
    pub const CALL_DEADLINE: Duration = Duration::from_millis(250);
    /// An interpreter starts and reads its configuration in well under a second.
    pub const INIT_DEADLINE: Duration = Duration::from_secs(5);
    /// Five times what an idle Python instance has.
    pub const MEMORY_BYTES_MAX: usize = 64 << 20;
    pub const SLICE_ROWS_MAX: usize = 8_192;
    /// 8,192 rows with 1 KiB of columns each.
    pub const COLUMN_BYTES_MAX: usize = 8 << 20;
    /// Twice what went in.
    pub const VERDICT_BYTES_MAX: usize = 16 << 20;
}

impl Default for PluginLimits {
    fn default() -> Self {
        PluginLimits {
            call_deadline: Self::CALL_DEADLINE,
            init_deadline: Self::INIT_DEADLINE,
            memory_bytes_max: Self::MEMORY_BYTES_MAX,
            slice_rows_max: NonZeroUsize::new(Self::SLICE_ROWS_MAX).unwrap_or(NonZeroUsize::MIN),
            column_bytes_max: Self::COLUMN_BYTES_MAX,
            verdict_bytes_max: Self::VERDICT_BYTES_MAX,
            instances_max: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        }
    }
}
