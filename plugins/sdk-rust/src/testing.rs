//! Testing a plugin without WebAssembly.
//!
//! ```
//! use wasmill_sdk::prelude::*;
//! use wasmill_sdk::testing::Harness;
//!
//! struct Slow(Column<i64>);
//!
//! impl Plugin for Slow {
//!     type Config = ();
//!     fn init(_: (), needs: &mut Requirements) -> Result<Self> {
//!         needs.signals([Signal::Traces]);
//!         Ok(Slow(needs.column("duration")))
//!     }
//!     fn process(&mut self, slice: &Slice, verdict: &mut Verdict) -> Result<()> {
//!         verdict.keep(&slice.column(self.0).matches(|nanos| nanos > 1_000_000));
//!         Ok(())
//!     }
//! }
//!
//! let mut plugin = Harness::<Slow>::start("null").unwrap();
//! let answer = plugin.slice(Signal::Traces, 3).with("duration", [5_i64, 5_000_000, 7]).process().unwrap();
//! assert_eq!(answer.kept(), [1]);
//! ```
//!
//! The harness does what the host does, through the same block: columns that are not given have no values, and what the
//! plugin answers is checked. It panics where a test is wrong: a path that the plugin did not ask for, a column that is too
//! short.

mod answer;
mod cell;
mod columns;
mod emitted;
mod log;
mod lookup;
pub(crate) mod state;

use wasmill_columns::{Block, BlockBuilder};

use crate::plugin;
use crate::state::Entry;
use crate::{Emissions, Groups, Plugin, Requirements, Result, Signal, Slice, Use, Verdict};

pub use answer::{Answer, Edited};
pub use cell::Cell;
pub use emitted::Emitted;
pub use log::{Metric, MetricKind, logged, metrics};
pub(crate) use log::{clock, counter, gauge, histogram, log};
pub(crate) use lookup::find;
pub use lookup::table;
pub use state::{forget_state, pass};

/// A plugin under test.
pub struct Harness<P> {
    plugin: P,
    requirements: Requirements,
    verdict: Verdict,
}

/// A slice in the making.
pub struct SliceOf<'h, P> {
    harness: &'h mut Harness<P>,
    signal: Signal,
    rows: usize,
    starts: Vec<u32>,
    columns: Vec<(String, Vec<Cell>)>,
}

#[doc(hidden)]
pub fn is_a_plugin<P: Plugin>() {}

impl<P: Plugin> Harness<P> {
    /// Calls [`Plugin::tick`]; gives the new records.
    pub fn tick(&mut self, now: u64) -> Result<Vec<Emitted>> {
        self.emitted(|plugin, emit| plugin.tick(now, emit))
    }

    /// Calls [`Plugin::flush`], as the host does before an instance goes; gives the new records.
    pub fn flush(mut self) -> Result<Vec<Emitted>> {
        self.emitted(Plugin::flush)
    }

    fn emitted(&mut self, call: impl FnOnce(&mut P, &mut Emissions) -> Result<()>) -> Result<Vec<Emitted>> {
        let mut emissions = Emissions::default();
        call(&mut self.plugin, &mut emissions)?;
        let announced = self.requirements.used().contains(&Use::Emit);
        assert!(announced || emissions.list.is_empty(), "the plugin does what it did not name: {:?}", Use::Emit);
        Ok(emissions.list.iter().map(|emission| Emitted::of(emission, &self.requirements)).collect())
    }

    /// Calls [`Plugin::snapshot`], as the host does before a swap.
    pub fn snapshot(&mut self) -> Result<Vec<Entry>> {
        self.plugin.snapshot()
    }

    /// Calls [`Plugin::restore`], as the host does after [`Plugin::init`].
    pub fn restore(&mut self, entries: Vec<Entry>) -> Result<()> {
        self.plugin.restore(entries)
    }

    /// Starts the plugin with a config in JSON. An error is what the operator would read.
    pub fn start(config: &str) -> Result<Harness<P>> {
        let (plugin, requirements) = plugin::start(config)?;
        Ok(Harness { plugin, requirements, verdict: Verdict::default() })
    }

    /// The signals that the plugin can be used on.
    pub fn signals(&self) -> Vec<Signal> {
        self.requirements.inputs.iter().map(|input| input.signal).collect()
    }

    /// The paths that it asked for of a signal, in order.
    pub fn paths(&self, signal: Signal) -> Vec<&str> {
        let inputs = self.requirements.inputs.iter().filter(|input| input.signal == signal);
        let numbers = inputs.flat_map(|input| &input.columns);
        numbers.map(|&number| self.requirements.columns[number].path.as_str()).collect()
    }

    pub fn uses(&self) -> Vec<Use> {
        self.requirements.used()
    }

    /// Begins a slice of so many rows.
    pub fn slice(&mut self, signal: Signal, rows: usize) -> SliceOf<'_, P> {
        SliceOf { harness: self, signal, rows, starts: Vec::new(), columns: Vec::new() }
    }
}

impl<P: Plugin> SliceOf<'_, P> {
    /// Makes groups of the rows: so many in each, in order. Said before columns `group.…` are given.
    #[must_use]
    pub fn groups(mut self, rows: impl IntoIterator<Item = usize>) -> Self {
        let mut end = 0;
        self.starts = vec![0];
        for count in rows {
            end += count;
            self.starts.push(end as u32);
        }
        assert_eq!(end, self.rows, "each row is of one group");
        self
    }

    /// How many values a column has.
    fn values(&self, path: &str) -> usize {
        if path.starts_with("group.") { Groups::new(&self.starts).len() } else { self.rows }
    }

    /// Gives a column its values, one for each row, or group where the column is `group.…`: text, numbers, or an `Option` of these.
    #[must_use]
    pub fn with<C: Into<Cell>>(mut self, path: &str, values: impl IntoIterator<Item = C>) -> Self {
        let values: Vec<Cell> = values.into_iter().map(Into::into).collect();
        assert_eq!(values.len(), self.values(path), "`{path}` has a value for each row, or group");
        let asked = self.harness.paths(self.signal);
        assert!(asked.contains(&path), "the plugin asked for {asked:?} of {:?}, not for `{path}`", self.signal);
        self.columns.push((path.to_owned(), values));
        self
    }

    /// Shows the slice to the plugin. An error is its refusal.
    pub fn process(self) -> Result<Answer> {
        let SliceOf { harness, signal, rows, starts, columns } = self;
        let groups = Groups::new(&starts);
        let Harness { plugin, requirements, verdict } = harness;
        let input = requirements.inputs.iter().find(|input| input.signal == signal);
        let input = input.unwrap_or_else(|| panic!("the plugin cannot be used on {signal:?}"));
        let mut builder = BlockBuilder::new();
        let count = |path: &str| if path.starts_with("group.") { groups.len() } else { rows };
        for &number in &input.columns {
            let wanted = &requirements.columns[number];
            let values = columns.iter().find(|(path, _)| *path == wanted.path).map(|(_, values)| values.clone());
            columns::write(&mut builder, wanted, &values.unwrap_or_else(|| vec![Cell::Absent; count(&wanted.path)]));
        }
        let bytes = builder.finish()?;
        let block = Block::check(&bytes)?;
        verdict.begin(rows);
        verdict.begin_groups(groups);
        plugin.process(&Slice { signal, rows, groups, block: &block, requirements }, verdict)?;
        verdict.settle();
        Ok(Answer::of(verdict, requirements))
    }
}
