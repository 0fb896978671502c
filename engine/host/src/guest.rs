//! What the host keeps for one instance, and the host functions that it calls.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use wasmtime::{ResourceLimiter, UpdateDeadline};

use crate::bindings::wasmill::plugin::host::{Host as HostFunctions, Label, Level};
use crate::bindings::wasmill::plugin::types::Failure;
use crate::bindings::wasmill::plugin::{columns, lookup, types};
use crate::deadline::Deadline;
use crate::log::GuestLog;
use crate::metrics::{GuestMetrics, MetricKind};
use crate::output::Output;
use crate::state::Access;
use crate::tables::GuestTables;

/// Elements of all tables of an instance. CPython needs 5,680, JavaScript 7,697; the pool's slots hold 20,000 each.
const TABLE_ELEMENTS_MAX: usize = 100_000;

/// The data of an instance's store.
pub(crate) struct Guest {
    log: Arc<GuestLog>,
    /// What it prints.
    pub output: Output,
    metrics: Arc<GuestMetrics>,
    /// What it may look up: nothing, before `init` has named it.
    pub tables: GuestTables,
    memory_bytes_max: usize,
    /// Linear memory, all memories together.
    pub memory_bytes: usize,
    /// The limiter said no since this was last cleared.
    pub memory_refused: bool,
    table_elements: usize,
    deadline: Deadline,
    /// Its way to what the host keeps for it.
    pub state: Access,
    /// Where the instance's monotonic clock starts.
    pub born: Instant,
}

impl Guest {
    pub fn new(log: Arc<GuestLog>, metrics: Arc<GuestMetrics>, memory_bytes_max: usize) -> Self {
        Guest {
            output: Output::new(Arc::clone(&log)),
            log,
            metrics,
            tables: GuestTables::default(),
            memory_bytes_max,
            memory_bytes: 0,
            memory_refused: false,
            table_elements: 0,
            deadline: Deadline::default(),
            state: Access::default(),
            born: Instant::now(),
        }
    }

    /// A call begins that has to end within `deadline_ms` of processor time.
    pub fn begin(&mut self, now: Instant, deadline_ms: u64) {
        self.deadline.begin(now, deadline_ms);
        self.memory_refused = false;
    }

    /// At each tick of a running call: end it, or let others run and go on.
    pub fn on_tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        Ok(match self.deadline.tick()? {
            Some(resume) => UpdateDeadline::YieldCustom(1, Box::pin(resume)),
            None => UpdateDeadline::Continue(1),
        })
    }

    fn record(&self, kind: MetricKind, name: &str, labels: &[Label], value: f64) -> Result<(), Failure> {
        let labels = labels.iter().map(|label| (label.name.as_str(), label.value.as_str()));
        self.metrics.record(kind, name, &self.log.stage, labels, value).map_err(Into::into)
    }
}

impl ResourceLimiter for Guest {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let bytes = self.memory_bytes.saturating_sub(current).saturating_add(desired);
        let granted = bytes <= self.memory_bytes_max;
        if granted {
            self.memory_bytes = bytes;
        } else {
            self.memory_refused = true;
        }
        Ok(granted)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let elements = self.table_elements.saturating_sub(current).saturating_add(desired);
        let granted = elements <= TABLE_ELEMENTS_MAX;
        if granted {
            self.table_elements = elements;
        } else {
            self.memory_refused = true;
        }
        Ok(granted)
    }
}

impl HostFunctions for Guest {
    fn log(&mut self, level: Level, message: String) -> Result<(), Failure> {
        if self.log.write(level, &message) { Ok(()) } else { Err(Failure::Limit) }
    }

    fn counter(&mut self, name: String, labels: Vec<Label>, add: f64) -> Result<(), Failure> {
        self.record(MetricKind::Counter, &name, &labels, add)
    }

    fn gauge(&mut self, name: String, labels: Vec<Label>, value: f64) -> Result<(), Failure> {
        self.record(MetricKind::Gauge, &name, &labels, value)
    }

    fn histogram(&mut self, name: String, labels: Vec<Label>, value: f64) -> Result<(), Failure> {
        self.record(MetricKind::Histogram, &name, &labels, value)
    }

    fn clock(&mut self) -> Result<u64, Failure> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| Failure::Unavailable)?;
        u64::try_from(since.as_nanos()).map_err(|_| Failure::Unavailable)
    }
}

impl lookup::Host for Guest {
    fn find(&mut self, table: String, keys: Vec<u8>, fields: Vec<String>) -> Result<Vec<u8>, Failure> {
        self.tables.find(&table, &keys, &fields, &self.log)
    }
}

impl types::Host for Guest {}
impl columns::Host for Guest {}
