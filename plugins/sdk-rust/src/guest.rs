//! A plugin as a component's export: between the generated bindings and the SDK's types.

use std::cell::RefCell;

use wasmill_columns::Block;

use crate::state::{self, Scope};
use crate::verdict::{Change, Edit, Target};
use crate::{Plugin, Signal, TextForm, Use, host, plugin};

/// Generated from the contract.
pub mod bindings {
    #![allow(missing_docs, clippy::all)]
    wit_bindgen::generate!({
        path: "../../wit",
        world: "plugin",
        pub_export_macro: true,
        default_bindings_module: "wasmill_sdk::guest::bindings",
    });
}

pub use bindings::export;
pub use bindings::exports::wasmill::plugin::stage::{Emission, Guest, Requirements, Slice, Verdict};
use bindings::wasmill::plugin::types;

/// The one instance of a component.
pub struct Running<P>(RefCell<Option<Instance<P>>>);

struct Instance<P> {
    plugin: P,
    requirements: crate::Requirements,
    /// Kept from call to call for its memory.
    verdict: crate::Verdict,
    starts: Vec<u32>,
}

impl<P: Plugin> Running<P> {
    pub const fn new() -> Self {
        Running(RefCell::new(None))
    }

    pub fn init(&self, config: &str) -> Result<Requirements, String> {
        // A panic is a trap to the host: say before what it was.
        std::panic::set_hook(Box::new(|panic| host::log(host::Level::Error, &panic.to_string())));
        let (plugin, requirements) = plugin::start::<P>(config).map_err(crate::Error::into_message)?;
        let answer = (&requirements).into();
        *self.0.borrow_mut() =
            Some(Instance { plugin, requirements, verdict: crate::Verdict::default(), starts: Vec::new() });
        Ok(answer)
    }

    pub fn process(&self, slice: Slice) -> Result<Verdict, String> {
        let mut running = self.0.borrow_mut();
        let Some(Instance { plugin, requirements, verdict, starts }) = &mut *running else {
            return Err("`process` was called before `init`".to_owned());
        };
        let signal = match slice.signal {
            types::Signal::Traces => Signal::Traces,
            types::Signal::Metrics => Signal::Metrics,
            types::Signal::Logs => Signal::Logs,
            types::Signal::Profiles => return Err("profiles are not a signal of this plugin".to_owned()),
        };
        // SAFETY: the host made this block, and the contract says that its text is UTF-8.
        let block = unsafe { Block::trusted(&slice.columns) }.map_err(|error| error.to_string())?;
        let rows = slice.rows as usize;
        starts.clear();
        starts.extend(slice.groups.as_chunks().0.iter().map(|&start| u32::from_le_bytes(start)));
        let groups = crate::Groups::new(starts);
        verdict.begin(rows);
        verdict.begin_groups(groups);
        let slice = crate::Slice { signal, rows, groups, block: &block, requirements };
        plugin.process(&slice, verdict).map_err(crate::Error::into_message)?;
        Ok(answer(verdict))
    }
}

impl<P: Plugin> Running<P> {
    pub fn tick(&self, now: u64) -> Result<Vec<Emission>, String> {
        self.emit("tick", |plugin, emit| plugin.tick(now, emit))
    }

    pub fn flush(&self) -> Result<Vec<Emission>, String> {
        self.emit("flush", |plugin, emit| plugin.flush(emit))
    }

    fn emit(
        &self,
        called: &str,
        call: impl FnOnce(&mut P, &mut crate::Emissions) -> crate::Result<()>,
    ) -> Result<Vec<Emission>, String> {
        let mut emissions = crate::Emissions::default();
        match &mut *self.0.borrow_mut() {
            Some(Instance { plugin, .. }) => call(plugin, &mut emissions).map_err(crate::Error::into_message)?,
            None => return Err(format!("`{called}` was called before `init`")),
        }
        Ok(emissions.list.into_iter().map(Into::into).collect())
    }
}

impl From<crate::Emission> for Emission {
    fn from(emission: crate::Emission) -> Emission {
        let crate::Emission { signal, rows, routes, fields } = emission;
        let fields = fields.into_iter().map(|(path, values)| types::Field { path, values });
        Emission { signal: signal_of(signal), rows: rows as u32, route: route(&routes), fields: fields.collect() }
    }
}

fn signal_of(signal: Signal) -> types::Signal {
    match signal {
        Signal::Traces => types::Signal::Traces,
        Signal::Metrics => types::Signal::Metrics,
        Signal::Logs => types::Signal::Logs,
    }
}

/// `routes`: none, or one for each row.
fn route(routes: &[u16]) -> types::Route {
    match routes {
        [] => types::Route::Unchanged,
        [first, rest @ ..] if rest.iter().all(|route| route == first) => types::Route::All(*first),
        routes => types::Route::Rows(routes.iter().flat_map(|route| route.to_le_bytes()).collect()),
    }
}

impl<P: Plugin> Running<P> {
    pub fn snapshot(&self) -> Result<Vec<u8>, String> {
        match &mut *self.0.borrow_mut() {
            Some(Instance { plugin, .. }) => {
                let entries = plugin.snapshot().and_then(|entries| state::to_block(&entries));
                entries.map_err(crate::Error::into_message)
            }
            None => Err("`snapshot` was called before `init`".to_owned()),
        }
    }

    pub fn restore(&self, entries: &[u8]) -> Result<(), String> {
        match &mut *self.0.borrow_mut() {
            Some(Instance { plugin, .. }) => {
                let restored = state::from_block(entries).and_then(|entries| plugin.restore(entries));
                restored.map_err(crate::Error::into_message)
            }
            None => Err("`restore` was called before `init`".to_owned()),
        }
    }
}

impl From<&crate::Requirements> for Requirements {
    fn from(requirements: &crate::Requirements) -> Self {
        let inputs = requirements.inputs.iter().map(|input| types::Input {
            signal: signal_of(input.signal),
            columns: input.columns.iter().filter_map(|&number| requirements.columns.get(number)).map(request).collect(),
        });
        let uses = requirements.used().into_iter().map(|used| match used {
            Use::Keep => "keep",
            Use::Routes => "routes",
            Use::Edits => "edits",
            Use::Groups => "groups",
            Use::Emit => "emit",
            Use::Flush => "flush",
            Use::State => "state",
            Use::Snapshot => "snapshot",
        });
        Requirements {
            inputs: inputs.collect(),
            state: match &requirements.scope {
                Scope::Stateless => types::StateScope::Stateless,
                Scope::Keyed(path) => types::StateScope::Keyed(path.clone()),
                Scope::Single => types::StateScope::Single,
            },
            route_sets: requirements.route_sets.clone(),
            uses: uses.map(str::to_owned).collect(),
            tables: requirements.tables.clone(),
            tick_ms: requirements.tick_ms,
        }
    }
}

fn request(wanted: &crate::requirements::Wanted) -> types::Request {
    types::Request {
        path: wanted.path.clone(),
        kind: wanted.kind as u8,
        text: match wanted.text {
            TextForm::Plain => types::TextForm::Plain,
            TextForm::Dictionary => types::TextForm::Dictionary,
            TextForm::Either => types::TextForm::Either,
        },
    }
}

fn answer(verdict: &mut crate::Verdict) -> Verdict {
    verdict.settle();
    let keep = match (verdict.keep.take(), verdict.of_groups.keep.take()) {
        (None, None) => types::Keep::All,
        (Some(keep), _) | (None, Some(keep)) if keep.is_none() => types::Keep::None,
        (Some(keep), _) | (None, Some(keep)) if keep.is_all() => types::Keep::All,
        (Some(keep), _) => types::Keep::Rows(keep.to_bytes()),
        (None, Some(keep)) => types::Keep::Groups(keep.to_bytes()),
    };
    let route = match verdict.of_groups.routes.as_slice() {
        [] => route(&verdict.routes),
        groups => match route(groups) {
            types::Route::Rows(groups) => types::Route::Groups(groups),
            all => all,
        },
    };
    let edits = verdict.edits.drain(..).map(|Edit { path, target, change }| types::Edit {
        path,
        target: match target {
            Target::All => types::Target::All,
            Target::Rows(rows) => types::Target::Rows(rows),
            Target::Indices(rows) => types::Target::Indices(rows),
            Target::Entries(places) => types::Target::Entries(places),
        },
        change: match change {
            Change::Remove => types::Change::Remove,
            Change::Set(columns) => types::Change::Set(columns),
            Change::Merge(columns) => types::Change::Merge(columns),
        },
    });
    let edits = edits.collect();
    Verdict { keep, route, edits, emit: verdict.emit.drain(..).map(Into::into).collect() }
}
