//! `wasmill plugin bench`: what a plugin costs, and which part of that is its own code.
//!
//! ```text
//!  gateway alone   a request's bytes are validated, indexed and written out again
//!  native          the same columns, each byte of each value read once by native code
//!  no-op           the same columns are shown to a plugin that keeps everything
//!  the plugin      as in a pipeline: columns shown, the call, the verdict checked and applied
//! ```
//!
//! They take turns, so that what else the machine does falls on all; the figures are medians of many rounds. Beside each
//! stage's time stands that of its calls, which the host counts: what is left is the host's.

mod native;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{Array, ArrayRef};
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value as Json, json};
use wasmill_host::{GroupBy, Host, HostConfig, HostError, LoadError, Plugin, Stage, StageSpec, Wants};
use wasmill_tables::{TableSet, TableSpec};
use wasmill_wire::{Projection, Selection, Signal, WireBatch, encode};

use crate::case::run::batch;
use crate::tables;

/// Rows a call that are measured unless others are asked for.
pub const ROWS: [usize; 5] = [1, 10, 100, 1_024, 8_192];
/// What a slice has at most by default; a larger batch is several calls.
pub const ROWS_MAX: usize = 8_192;
/// Of what the input is repeated to.
const REQUEST_BYTES_MAX: usize = 1 << 30;
/// Rounds for each number of rows, of which the median counts.
const ROUNDS: usize = 15;
/// What one of them takes in a round: long enough for a clock, short enough for turns.
const ROUND: Duration = Duration::from_millis(20);

/// What is to be measured.
pub struct BenchSpec<'a> {
    pub bytes: &'a [u8],
    pub config: Json,
    /// Lookup tables that the plugin may ask, by name.
    pub tables: Vec<(String, TableSpec)>,
    pub signal: Signal,
    /// Its rows are repeated where it has too few.
    pub request: Bytes,
    /// What a plugin that decides about groups has its rows grouped by.
    pub group_by: &'a str,
    /// Rows a call, each from 1 to [`ROWS_MAX`].
    pub rows: Vec<usize>,
}

/// What was measured. Times are in nanoseconds, unless the name has another unit.
#[derive(Clone, Debug, Serialize)]
pub struct BenchReport {
    pub plugin_bytes: usize,
    /// By a process of its own with one thread.
    pub compile_ms: f64,
    /// From the cache, checked.
    pub load_ms: f64,
    /// An instance, and its `init`.
    pub start_ms: f64,
    /// Linear memory of an instance after the last call.
    pub memory_bytes: u64,
    pub signal: &'static str,
    pub rows: Vec<Measured>,
}

/// Medians for a number of rows a call.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Measured {
    pub rows: usize,
    /// Bytes in, bytes out, no plugin.
    pub gateway_ns: f64,
    /// Of that, what the columns that the plugin asked for add when they are looked at.
    pub columns_ns: f64,
    /// These columns, read once by native code: the least that looking at all of them costs.
    pub native_ns: f64,
    pub noop: Cost,
    pub plugin: Cost,
}

/// A stage's time for a batch, the columns not included.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Cost {
    pub total_ns: f64,
    /// Of that, within the call.
    pub call_ns: f64,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error(transparent)]
    Host(#[from] HostError),
    #[error("the cache of compiled plugins cannot be made")]
    Cache(#[source] std::io::Error),
    #[error("the plugin cannot be loaded")]
    Load(#[from] LoadError),
    #[error("a lookup table cannot be loaded")]
    Table(#[from] wasmill_tables::LoadError),
    #[error("the plugin does not start")]
    Start(#[from] wasmill_host::BuildError),
    #[error("the plugin does not take {0}")]
    Signal(Signal),
    #[error("rows cannot be grouped")]
    GroupBy(#[from] wasmill_host::GroupByError),
    #[error("the input is not a request")]
    Input(#[from] wasmill_wire::WireError),
    #[error("the input has no rows")]
    Empty,
    #[error("{rows} rows as large as the input's would have more than {} MiB", REQUEST_BYTES_MAX >> 20)]
    TooLarge { rows: usize },
    #[error("the plugin failed on the input: {0}")]
    Failed(String),
}

/// Measures, for some 3 s for each number of rows. `config` is how plugins are compiled; its cache is not used, so that compiling shows.
pub async fn bench(config: HostConfig, spec: &BenchSpec<'_>) -> Result<BenchReport, BenchError> {
    let cache = tempfile::tempdir().map_err(BenchError::Cache)?;
    let host = Host::new(HostConfig { cache_dir: Some(cache.path().to_owned()), ..config })?;
    let started = Instant::now();
    let compiled = host.load("measured", spec.bytes).await?;
    let compile_ms = ms(compiled.compiled_in.unwrap_or_else(|| started.elapsed()));
    let started = Instant::now();
    let plugin = host.load("measured", spec.bytes).await?;
    let load_ms = ms(started.elapsed());
    let tables = spec.tables.iter().map(|(name, table)| (name.as_str(), table.clone()));
    let tables = tables::open(&host, tables).await?;
    let started = Instant::now();
    let shape = Shape { group_by: None, tables };
    let mut stage = self::stage(&host, Arc::clone(&plugin), "measured", spec.config.clone(), shape.clone()).await?;
    let start_ms = ms(started.elapsed());
    if stage.requirements().uses.groups {
        let shape = Shape { group_by: Some(GroupBy::parse(spec.group_by)?), ..shape };
        stage = self::stage(&host, plugin, "measured", spec.config.clone(), shape).await?;
    }
    let noop = host.load("builtin:noop", wasmill_builtin::get("noop").unwrap_or_default()).await?;
    let noop = self::stage(&host, noop, "noop", same_columns(&stage.wants()), Shape::default()).await?;

    let columns = stage.columns(spec.signal).ok_or(BenchError::Signal(spec.signal))?.to_vec();
    let mut measured = Vec::new();
    for &rows in &spec.rows {
        let request = repeated(spec.signal, &spec.request, rows.clamp(1, ROWS_MAX))?;
        measured.push(measure(spec.signal, &request, &columns, rows, &noop, &stage).await?);
    }
    Ok(BenchReport {
        plugin_bytes: spec.bytes.len(),
        compile_ms,
        load_ms,
        start_ms,
        memory_bytes: stage.stats().snapshot().memory_bytes,
        signal: spec.signal.name(),
        rows: measured,
    })
}

/// What a stage has besides its plugin's configuration.
#[derive(Clone, Default)]
struct Shape {
    group_by: Option<GroupBy>,
    tables: TableSet,
}

async fn stage(
    host: &Host,
    plugin: Arc<Plugin>,
    name: &str,
    config: Json,
    Shape { group_by, tables }: Shape,
) -> Result<Arc<Stage>, BenchError> {
    // A plugin that logs each call would measure the terminal.
    let spec = StageSpec { quiet: true, group_by, tables: Some(tables), ..StageSpec::alone(name, config) };
    Ok(Stage::build(host, plugin, spec).await?)
}

/// The configuration with which `noop` asks for what another plugin asked for.
fn same_columns(wants: &Wants) -> Json {
    let columns = wants.signals.iter().map(|signal| {
        // It has no groups.
        let columns = signal.columns.iter().filter(|column| !column.path.starts_with("group."));
        let columns = columns.map(|column| json!([column.path, column.kind])).collect();
        (signal.signal.to_owned(), columns)
    });
    json!({"columns": columns.collect::<serde_json::Map<_, Json>>()})
}

/// A request of exactly so many rows.
fn repeated(signal: Signal, request: &Bytes, rows: usize) -> Result<Bytes, BenchError> {
    let nothing = Projection::new(signal, Vec::new());
    let once = WireBatch::parse(signal, request.clone(), &nothing)?.rows();
    if once == 0 {
        return Err(BenchError::Empty);
    }
    if rows.div_ceil(once).saturating_mul(request.len()) > REQUEST_BYTES_MAX {
        return Err(BenchError::TooLarge { rows });
    }
    // Lists of two messages one behind the other are one list: so protobuf has it.
    let all = WireBatch::parse(signal, request.repeat(rows.div_ceil(once)).into(), &nothing)?;
    let mut batch = batch(&Arc::new(all));
    let first: Vec<u32> = (0..rows as u32).collect();
    batch.select(Selection::from_rows(batch.base().rows(), &first));
    Ok(batch.encode())
}

async fn measure(
    signal: Signal,
    request: &Bytes,
    columns: &[wasmill_wire::ColumnRequest],
    rows: usize,
    noop: &Stage,
    plugin: &Stage,
) -> Result<Measured, BenchError> {
    let nothing = Projection::new(signal, Vec::new());
    let wanted = Projection::new(signal, columns.to_vec());
    let base = Arc::new(WireBatch::parse(signal, request.clone(), &wanted)?);
    let shown = base.columns(columns);
    let mut samples = [(); 5].map(|()| Vec::<Cost>::new());
    for round in 0..=ROUNDS {
        let passed = [
            timed(|| pass(signal, request, &nothing, &[]))?,
            timed(|| pass(signal, request, &wanted, columns))?,
            timed(|| read(&shown))?,
            calls(noop, &base).await?,
            calls(plugin, &base).await?,
        ];
        // The first makes everything warm.
        if round > 0 {
            samples.iter_mut().zip(passed).for_each(|(samples, cost)| samples.push(cost));
        }
    }
    let [gateway, looked, native, noop, plugin] = samples.map(median);
    let columns_ns = (looked.total_ns - gateway.total_ns).max(0.0);
    Ok(Measured { rows, gateway_ns: gateway.total_ns, columns_ns, native_ns: native.total_ns, noop, plugin })
}

/// What native code does that looks at every value.
fn read(columns: &[ArrayRef]) -> Result<(), BenchError> {
    for column in std::hint::black_box(columns) {
        let sum = native::read(column).ok_or_else(|| BenchError::Failed(format!("{}", column.data_type())))?;
        std::hint::black_box(sum);
    }
    Ok(())
}

/// What the gateway does with a request that no plugin sees, but for its sockets.
fn pass(
    signal: Signal,
    request: &Bytes,
    projection: &Projection,
    columns: &[wasmill_wire::ColumnRequest],
) -> Result<(), BenchError> {
    let base = Arc::new(WireBatch::parse(signal, request.clone(), projection)?);
    base.columns(columns);
    // Written anew, as after a plugin that changed something, and not handed on as it came.
    std::hint::black_box(encode(signal, base.index(), &Selection::all(base.rows())));
    Ok(())
}

fn timed(mut work: impl FnMut() -> Result<(), BenchError>) -> Result<Cost, BenchError> {
    let (started, mut count) = (Instant::now(), 0_u32);
    loop {
        work()?;
        count += 1;
        let spent = started.elapsed();
        if spent >= ROUND {
            return Ok(Cost { total_ns: spent.as_nanos() as f64 / f64::from(count), call_ns: 0.0 });
        }
    }
}

async fn calls(stage: &Stage, base: &Arc<WireBatch>) -> Result<Cost, BenchError> {
    let before = stage.stats().snapshot();
    let (started, mut count) = (Instant::now(), 0_u32);
    let spent = loop {
        let mut batch = batch(base);
        if let Err(refusal) = stage.process(&mut batch, 0).await {
            let why = stage.last_fault().map_or_else(|| refusal.reason.to_string(), |fault| fault.to_string());
            return Err(BenchError::Failed(why));
        }
        count += 1;
        let spent = started.elapsed();
        if spent >= ROUND {
            break spent;
        }
    };
    let after = stage.stats().snapshot();
    let call_ns = (after.duration_ns_sum - before.duration_ns_sum) as f64 / f64::from(count);
    Ok(Cost { total_ns: spent.as_nanos() as f64 / f64::from(count), call_ns })
}

fn median(mut samples: Vec<Cost>) -> Cost {
    samples.sort_by(|a, b| a.total_ns.total_cmp(&b.total_ns));
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

impl BenchReport {
    /// For people. `name` is the plugin's file.
    pub fn text(&self, name: &str) -> String {
        let mib = self.memory_bytes as f64 / f64::from(1 << 20);
        let mut lines = vec![
            format!("{name}: {} bytes, {mib:.1} MiB of memory for an instance", self.plugin_bytes),
            format!(
                "compiled in {:.0} ms, loaded from the cache in {:.1} ms, an instance started in {:.2} ms",
                self.compile_ms, self.load_ms, self.start_ms
            ),
            String::new(),
            format!("nanoseconds for each row of {}, and microseconds for each call:", self.signal),
            String::new(),
            format!(
                "{:>6}  {:>22}  {:>22}  {:>22}  {:>22}",
                "rows", "gateway alone", "columns, natively", "a no-op plugin", "this plugin"
            ),
        ];
        let cell = |ns: f64, rows: usize| format!("{:.1} ns  {:.1} µs", ns / rows as f64, ns / 1_000.0);
        for measured in &self.rows {
            let rows = measured.rows;
            lines.push(format!(
                "{rows:>6}  {:>22}  {:>22}  {:>22}  {:>22}",
                cell(measured.gateway_ns, rows),
                cell(measured.native_ns, rows),
                cell(measured.noop.total_ns, rows),
                cell(measured.plugin.total_ns, rows)
            ));
        }
        lines.push(String::new());
        lines.extend(self.rows.iter().map(Measured::dominates));
        lines.push(String::new());
        lines.join("\n")
    }
}

impl Measured {
    /// Which part of the plugin's cost is the largest.
    fn dominates(&self) -> String {
        let own = (self.plugin.call_ns - self.noop.call_ns).max(0.0);
        let host = (self.plugin.total_ns - self.plugin.call_ns).max(0.0);
        let parts = [
            ("the plugin's own code", own),
            ("the way into WebAssembly and back", self.plugin.call_ns - own),
            ("the host, which gathers columns, checks the verdict and applies it", host),
            ("reading the columns out of the records", self.columns_ns),
        ];
        let sum: f64 = parts.iter().map(|(_, ns)| ns).sum();
        let largest = parts.iter().max_by(|a, b| a.1.total_cmp(&b.1));
        let (what, ns) = largest.copied().unwrap_or_default();
        format!("at {} rows: {what} has {:.0} % of {:.1} µs", self.rows, 100.0 * ns / sum.max(1.0), sum / 1_000.0)
    }
}
