//! What a guest answers: its requirements at `init`, and a verdict about the rows of a batch.

use std::collections::BTreeSet;

use wasmill_batch::Gathered;
use wasmill_columns::Kind;
use wasmill_wire::{Edit, Rows, Selection, Signal, encode};

use super::batch;
use super::counted::most_bytes;
use super::input::Input;
use crate::bindings::wasmill::plugin::types;
use crate::gather::Grouped;
use crate::slice::{Runs, slices};
use crate::tables::GuestTables;
use crate::verdict::{Decision, Keep, Route, Subject};
use crate::{Requirements, gather};

/// Rows of a batch that is tried.
const ROWS_MAX: usize = 40;

/// What the checks may hold: a few times what the guest said, and some room for each row and column.
const BYTES_FIXED_MAX: usize = 1 << 20;
const BYTES_PER_INPUT_BYTE_MAX: usize = 256;

/// Paths that can be, with the kind that each can be had as.
const PATHS: [(&str, Kind); 24] = [
    ("attributes", Kind::Attributes),
    ("attributes[\"k\"]", Kind::Any),
    ("attributes[\"k\"][\"nested\"]", Kind::Any),
    ("attributes[\"new\"]", Kind::Any),
    ("resource.attributes", Kind::Attributes),
    ("resource.attributes[\"service.name\"]", Kind::Any),
    ("scope.attributes", Kind::Attributes),
    ("scope.name", Kind::Text),
    ("scope.version", Kind::Text),
    ("resource.schema_url", Kind::Text),
    ("request.metadata[\"tenant\"]", Kind::Text),
    ("name", Kind::Text),
    ("trace_id", Kind::Id16),
    ("span_id", Kind::Id8),
    ("kind", Kind::Int32),
    ("duration", Kind::Int64),
    ("spanevent.name", Kind::Text),
    ("spanevent.attributes", Kind::Attributes),
    ("body", Kind::Any),
    ("body[\"k\"][0]", Kind::Any),
    ("severity_number", Kind::Int32),
    ("value", Kind::Any),
    ("metric.name", Kind::Text),
    ("metric.type", Kind::Int32),
];

const USES: [&str; 9] = ["keep", "routes", "edits", "emit", "groups", "flush", "snapshot", "state", "magic"];

/// How far an answer came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answered {
    /// The requirements are refused: the plugin does not start.
    Requirements,
    /// The verdict is bad output.
    Verdict,
    /// Its edits cannot be made.
    Edits,
    /// The batch is as the verdict has it.
    Applied,
}

/// Reads the input as an answer and checks what the host makes of it.
pub fn answer(input: &[u8]) -> Answered {
    let (answered, bytes) = most_bytes(|| of(&mut Input(input)));
    let most = BYTES_FIXED_MAX + BYTES_PER_INPUT_BYTE_MAX * input.len();
    assert!(bytes <= most, "{bytes} bytes for an answer of {}", input.len());
    answered
}

fn of(input: &mut Input<'_>) -> Answered {
    let signal = Signal::ALL[input.below(3)];
    let raw = requirements(input, signal);
    let routes = ["pager".to_owned(), "archive".to_owned()];
    let requirements = match Requirements::check(&raw, Some(&routes), &GuestTables::default()) {
        Ok(requirements) => requirements,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return Answered::Requirements;
        }
    };
    let Some(asked) = requirements.input(signal) else { return Answered::Requirements };
    let mut batch = batch::batch(signal, 1 + input.below(ROWS_MAX));
    let out = input.byte();
    if out != 0 {
        let bits = (0..batch.base().rows()).map(|row| out & (1 << (row % 8)) == 0).collect();
        batch.select(batch.selection().narrow(&bits));
        if batch.selection().is_empty() {
            return Answered::Verdict;
        }
    }
    let arrays = batch.columns(&asked.columns);
    let slices = slices(Runs::of(batch.selection()), &arrays, &asked.columns, 1 + input.below(64), usize::MAX);
    let rows = &slices[input.below(slices.len())];
    // Groups of three rows.
    let count = rows.count() as u32;
    let starts: Vec<u32> = (0..count).step_by(3).chain([count]).collect();
    let groups = Grouped { count: starts.len() - 1, gathered: Gathered::default() };
    gather::gather(asked, &arrays, rows, |_| None, groups, 0).expect("a block of a small batch");
    let mut subject = Subject::new(&requirements, asked, &arrays, rows, slices.len() == 1);
    subject.groups = requirements.uses.groups.then_some(starts.as_slice());
    subject.index = Some(batch.index());
    let decision = match Decision::check(verdict(input, signal, rows.count()), &subject) {
        Ok(decision) => decision,
        Err(fault) => {
            assert!(!fault.kind.instance_survives() && !fault.message.is_empty());
            return Answered::Verdict;
        }
    };
    hold_to(&decision, &requirements, rows);
    for records in &decision.emitted {
        // What was made is a request of so many records.
        let base = &records.base;
        let made = encode(base.signal(), base.index(), &Selection::all(base.rows()));
        let read = batch::parse(base.signal(), made.to_vec()).expect("new records are a request");
        assert_eq!(read.base().rows(), base.rows());
    }
    if let Err(error) = batch.edit(&decision.edits) {
        assert!(!error.to_string().is_empty());
        return Answered::Edits;
    }
    if let (Keep::Rows(bits), 1) = (&decision.keep, slices.len()) {
        batch.select(batch.selection().narrow(bits));
    }
    // Whatever was changed, what goes out is a request with these rows.
    let sent = batch::parse(signal, batch.encode().to_vec()).expect("an encoded batch is a request");
    assert_eq!(sent.base().rows(), batch.selection().count());
    Answered::Applied
}

/// A decision is about the slice's rows and the plugin's routes alone.
fn hold_to(decision: &Decision, requirements: &Requirements, rows: &Runs) {
    if let Keep::Rows(bits) = &decision.keep {
        assert_eq!(bits.len(), rows.count());
    }
    let sets = requirements.route_sets.len();
    match &decision.route {
        Route::Unchanged => {}
        Route::All(set) => assert!(usize::from(*set) < sets),
        Route::Rows(routes) => {
            assert_eq!(routes.len(), rows.count());
            assert!(routes.iter().flatten().all(|&set| usize::from(set) < sets));
        }
    }
    let numbers: BTreeSet<u32> = rows.rows().collect();
    for Edit { rows, .. } in &decision.edits {
        match rows {
            Rows::All | Rows::Bits(_) => {}
            Rows::Numbers(rows) => assert!(rows.iter().all(|row| numbers.contains(row))),
            Rows::Entries { rows, places } => {
                assert_eq!(rows.len(), places.len());
                assert!(rows.iter().all(|row| numbers.contains(row)));
            }
        }
    }
}

fn requirements(input: &mut Input<'_>, signal: Signal) -> types::Requirements {
    let mut inputs = vec![types::Input { signal: signal.into(), columns: requests(input) }];
    match input.byte() {
        0xff => inputs.push(types::Input { signal: types::Signal::Profiles, columns: Vec::new() }),
        0xfe => inputs.clear(),
        0xfd => inputs.push(types::Input { signal: signal.into(), columns: requests(input) }),
        _ => {}
    }
    let state = match input.byte() {
        0xff => types::StateScope::Keyed(input.text()),
        0xfe => types::StateScope::Single,
        _ => types::StateScope::Stateless,
    };
    let known = ["pager", "archive"];
    let name = |input: &mut Input<'_>| match input.byte() {
        0xff => input.text(),
        byte => known[usize::from(byte) % 2].to_owned(),
    };
    let route_sets =
        (0..input.below(4)).map(|_| (0..input.below(3)).map(|_| name(input)).collect()).collect::<Vec<Vec<String>>>();
    // The first four are served; the others are rare.
    let bits = u16::from(input.byte()) & 15 | u16::from(input.byte() / 0xf0) << 4;
    let uses = USES.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0).map(|(_, name)| (*name).to_owned());
    let (tables, tick_ms) = match input.byte() {
        0xff => (vec![input.text()], 0),
        0xfe => (Vec::new(), 1),
        _ => (Vec::new(), 0),
    };
    types::Requirements { inputs, state, route_sets, uses: uses.collect(), tables, tick_ms }
}

fn requests(input: &mut Input<'_>) -> Vec<types::Request> {
    let request = |input: &mut Input<'_>| {
        let (path, kind) = path(input);
        let kind = match input.byte() {
            0..0xf0 => kind as u8,
            byte => byte - 0xf0,
        };
        let text = match input.below(3) {
            0 => types::TextForm::Plain,
            1 => types::TextForm::Dictionary,
            _ => types::TextForm::Either,
        };
        types::Request { path, kind, text }
    };
    (0..input.below(6)).map(|_| request(input)).collect()
}

fn path(input: &mut Input<'_>) -> (String, Kind) {
    match input.byte() {
        0xff => (input.text(), Kind::Any),
        byte => {
            let (path, kind) = PATHS[usize::from(byte) % PATHS.len()];
            (path.to_owned(), kind)
        }
    }
}

/// Mostly of the right lengths: what is wrong is to be wrong in one place.
fn verdict(input: &mut Input<'_>, signal: Signal, rows: usize) -> types::Verdict {
    let keep = match input.below(8) {
        0 | 1 => types::Keep::All,
        2 => types::Keep::None,
        3 => types::Keep::Rows(input.bytes().to_vec()),
        4 => types::Keep::Groups(input.bytes().to_vec()),
        _ => types::Keep::Rows(input.filled(rows.div_ceil(8))),
    };
    let route = match input.below(8) {
        0..3 => types::Route::Unchanged,
        3 => types::Route::All(u16::from_le_bytes([input.byte(), input.byte()])),
        4 => types::Route::Groups(input.bytes().to_vec()),
        5 => types::Route::Rows(input.bytes().to_vec()),
        _ => {
            let set = |byte: u8| if byte > 0xf0 { u16::MAX } else { u16::from(byte % 4) };
            types::Route::Rows(input.filled(rows).into_iter().flat_map(|byte| set(byte).to_le_bytes()).collect())
        }
    };
    let edits = (0..input.below(8)).map(|_| edit(input, rows)).collect();
    let emit = match input.byte() {
        0xc0.. => vec![emission(input, signal)],
        _ => Vec::new(),
    };
    types::Verdict { keep, route, edits, emit }
}

/// New records, of paths that can be with whatever values.
fn emission(input: &mut Input<'_>, signal: Signal) -> types::Emission {
    let rows = input.below(9);
    let named = |input: &mut Input<'_>| match input.below(8) {
        0 => "source".to_owned(),
        1 => "metric.name".to_owned(),
        2 => "value_int".to_owned(),
        _ => path(input).0,
    };
    let fields = (0..input.below(6)).map(|_| {
        let values = if input.byte().is_multiple_of(2) { rows } else { 1 };
        types::Field { path: named(input), values: input.block(values) }
    });
    let fields = fields.collect();
    let route = match input.below(4) {
        0 => types::Route::All(u16::from(input.byte() % 4)),
        1 => types::Route::Rows(input.filled(rows * 2)),
        _ => types::Route::Unchanged,
    };
    types::Emission { signal: signal.into(), rows: rows as u32, route, fields }
}

fn edit(input: &mut Input<'_>, rows: usize) -> types::Edit {
    let (path, _) = path(input);
    let numbers = |numbers: Vec<u8>| numbers.into_iter().flat_map(|number| u32::from(number).to_le_bytes()).collect();
    let (target, targets) = match input.below(8) {
        0 => (types::Target::Rows(input.bytes().to_vec()), 1),
        1 => (types::Target::Indices(input.bytes().to_vec()), 1),
        2 => (types::Target::Entries(input.bytes().to_vec()), 1),
        3 => {
            let bits = input.filled(rows.div_ceil(8));
            let set = (0..rows).filter(|row| bits[row / 8] & (1 << (row % 8)) != 0).count();
            (types::Target::Rows(bits), set)
        }
        4 => {
            let targets = input.below(rows + 1);
            let rows = input.filled(targets).into_iter().map(|row| row % rows.clamp(1, 255) as u8).collect();
            (types::Target::Indices(numbers(rows)), targets)
        }
        5 => {
            let targets = input.below(8);
            (types::Target::Entries(numbers(input.filled(targets))), targets)
        }
        _ => (types::Target::All, rows),
    };
    let values = if input.byte().is_multiple_of(2) { targets } else { 1 };
    let change = match input.below(4) {
        0 => types::Change::Remove,
        1 => types::Change::Merge(input.block(values)),
        _ => types::Change::Set(input.block(values)),
    };
    types::Edit { path, target, change }
}
