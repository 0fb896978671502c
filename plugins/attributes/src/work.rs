//! The actions over a slice.
//!
//! Each row's attributes are a cell for each slot, and one for each other entry where keys are matched by patterns. Actions
//! change cells; what is another value in the end becomes an edit.

use sha2::{Digest, Sha256};
use wasmill_ottl::value::{Value, double_of_text, int_of_double, int_of_text};
use wasmill_sdk::columns::{Any, AnyBuilder, AnyKind, AnyPlace, AnyValue, Attributes, Bitmap, Text};
use wasmill_sdk::{Rows, Verdict};

use crate::actions::{Action, Actions, Keys, Put, Source};
use crate::config::Type;

/// What the rows have.
#[derive(Debug)]
pub enum Base<'a> {
    /// A column for each slot.
    Slots(Vec<Any<'a>>),
    Whole(Box<Attributes<'a>>),
}

/// An attribute of a row.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Cell {
    Absent,
    /// As it came: the row in the slot's column, or the place in the whole set.
    Base(u32),
    New(AnyPlace),
}

/// An attribute with what it was.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Its slot, if it has one.
    slot: Option<usize>,
    was: Cell,
    now: Cell,
}

/// What becomes of one slot.
#[derive(Debug)]
struct Outcome {
    removed: Bitmap,
    changed: Bitmap,
    /// For each row that changed.
    new: Vec<AnyPlace>,
}

struct Work<'a, 'r> {
    actions: &'r Actions,
    base: Base<'a>,
    headers: Vec<Text<'a>>,
    /// Values that are new.
    held: AnyBuilder,
    constants: Vec<AnyPlace>,
    /// Of the row: the slots first, in their order.
    entries: Vec<Entry>,
    /// For each distinct key of the set and each pattern, whether it matches; the slots' own keys behind.
    matched: Vec<Vec<bool>>,
    slots_matched: Vec<Vec<bool>>,
}

/// Runs the actions over the rows that are selected. `path` is that of the set of attributes.
pub fn run(
    actions: &Actions,
    path: &str,
    base: Base<'_>,
    headers: Vec<Text<'_>>,
    selected: &Bitmap,
    verdict: &mut Verdict,
) {
    if let Base::Slots(columns) = &base
        && let Some(puts) = constants(actions)
    {
        return put_constants(actions, path, columns, &puts, selected, verdict);
    }
    let mut work = Work::new(actions, base, headers);
    let rows = selected.len();
    let outcome = |_| Outcome { removed: Bitmap::none(rows), changed: Bitmap::none(rows), new: Vec::new() };
    let mut outcomes: Vec<Outcome> = (0..actions.slots.len()).map(outcome).collect();
    let (mut set, mut new, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    for row in selected.ones() {
        work.begin(row);
        for action in &actions.list {
            work.act(action, row);
        }
        for entry in &work.entries {
            let whole = matches!(work.base, Base::Whole(_));
            match (entry.was, entry.now, entry.slot.and_then(|slot| outcomes.get_mut(slot))) {
                (was, now, _) if was == now => {}
                (Cell::Base(place), Cell::Absent, _) if whole => gone.push(place),
                (Cell::Base(place), Cell::New(value), _) if whole => {
                    set.push(place);
                    new.push(value);
                }
                (_, Cell::Absent, Some(outcome)) => outcome.removed.set(row, true),
                (_, Cell::New(value), Some(outcome)) => {
                    outcome.changed.set(row, true);
                    outcome.new.push(value);
                }
                (_, Cell::Absent | Cell::Base(_), _) | (_, _, None) => {}
            }
        }
    }
    let held = &mut work.held;
    set_all(path, Rows::Entries(&set), &new, held, verdict);
    verdict.remove(path, Rows::Entries(&gone));
    for (key, outcome) in actions.slots.iter().zip(&outcomes) {
        let path = attribute_path(path, key);
        verdict.remove(&path, &outcome.removed);
        set_all(&path, Rows::Bitmap(&outcome.changed), &outcome.new, held, verdict);
    }
}

/// Slot, condition and number of the constant of each action, where all put constants, each to another slot: the usual.
fn constants(actions: &Actions) -> Option<Vec<(usize, Put, usize)>> {
    let each = actions.list.iter().map(|action| match action {
        Action::Put { slot, on, sources } => match sources.as_slice() {
            [Source::Constant(number)] => Some((*slot, *on, *number)),
            _ => None,
        },
        _ => None,
    });
    let puts = each.collect::<Option<Vec<_>>>()?;
    // There are as many slots as keys that differ.
    (puts.len() == actions.slots.len()).then_some(puts)
}

/// No row depends on another's action, so that each is for all rows at once.
fn put_constants(
    actions: &Actions,
    path: &str,
    columns: &[Any<'_>],
    puts: &[(usize, Put, usize)],
    selected: &Bitmap,
    verdict: &mut Verdict,
) {
    for &(slot, on, number) in puts {
        let (Some(column), Some(constant)) = (columns.get(slot), actions.constants.get(number)) else { continue };
        let there = |wanted: bool| {
            let kinds = column.kinds();
            Bitmap::from_fn(selected.len(), |row| {
                selected.get(row) && kinds.get(row).is_some_and(|kind| (*kind != AnyKind::Absent as u8) == wanted)
            })
        };
        let changed = match on {
            Put::Upsert => selected.clone(),
            Put::Insert => there(false),
            Put::Update => there(true),
        };
        let key = actions.slots.get(slot).map_or("", String::as_str);
        if !changed.is_none() {
            verdict.set(&attribute_path(path, key), Rows::Bitmap(&changed), constant.value());
        }
    }
}

/// One value for all where they have the same.
fn set_all(path: &str, rows: Rows<'_>, new: &[AnyPlace], held: &AnyBuilder, verdict: &mut Verdict) {
    match new.split_first() {
        None => {}
        Some((first, rest)) if rest.iter().all(|value| value == first) => verdict.set(path, rows, held.get(*first)),
        Some(_) => verdict.set_each(path, rows, |block| {
            let mut column = held.clone();
            new.iter().for_each(|value| column.push_place(*value));
            column.append(block);
        }),
    }
}

impl<'a, 'r> Work<'a, 'r> {
    fn new(actions: &'r Actions, base: Base<'a>, headers: Vec<Text<'a>>) -> Self {
        let mut held = AnyBuilder::new();
        let constants = actions.constants.iter().map(|constant| held.hold(constant.value())).collect();
        let by = |key: &str| actions.patterns.iter().map(|pattern| pattern.is_match(key)).collect::<Vec<bool>>();
        let matched = match &base {
            Base::Slots(_) => Vec::new(),
            Base::Whole(set) => match set.keys() {
                Text::Plain(keys) => keys.iter().map(|key| by(key.unwrap_or_default())).collect(),
                Text::Dictionary(keys) => keys.values().iter().map(|key| by(key.unwrap_or_default())).collect(),
            },
        };
        let slots_matched = actions.slots.iter().map(|key| by(key)).collect();
        Work { actions, base, headers, held, constants, entries: Vec::new(), matched, slots_matched }
    }

    /// Makes the cells of a row.
    fn begin(&mut self, row: usize) {
        let Work { actions, base, entries, .. } = self;
        entries.clear();
        match base {
            Base::Slots(columns) => entries.extend(columns.iter().enumerate().map(|(slot, column)| {
                let cell = if column.kind(row) == AnyKind::Absent { Cell::Absent } else { Cell::Base(row as u32) };
                Entry { slot: Some(slot), was: cell, now: cell }
            })),
            Base::Whole(set) => {
                let absent = |slot| Entry { slot: Some(slot), was: Cell::Absent, now: Cell::Absent };
                entries.extend((0..actions.slots.len()).map(absent));
                for place in set.places(row) {
                    let key = set.keys().get(place).unwrap_or_default();
                    let cell = Cell::Base(place as u32);
                    let slot = actions.slots.iter().position(|slot| slot == key).and_then(|slot| entries.get_mut(slot));
                    match slot {
                        // A key that repeats is its first one.
                        Some(entry) if entry.was == Cell::Absent => (entry.was, entry.now) = (cell, cell),
                        _ => entries.push(Entry { slot: None, was: cell, now: cell }),
                    }
                }
            }
        }
    }

    fn act(&mut self, action: &Action, row: usize) {
        match action {
            Action::Put { slot, on, sources } => {
                let Some(value) = sources.iter().find_map(|source| self.source(*source, row)) else { return };
                let there = self.now(*slot) != Cell::Absent;
                if on == &Put::Upsert || there == (on == &Put::Update) {
                    self.set(*slot, value);
                }
            }
            Action::Delete(keys) => self.each(keys, |work, number| work.entries[number].now = Cell::Absent),
            Action::Hash(keys) => self.each(keys, |work, number| {
                let value = hash(work.value(number));
                let value = work.held.hold(AnyValue::Text(&value));
                work.entries[number].now = Cell::New(value);
            }),
            Action::Extract { slot, pattern, groups } => {
                let found: Option<Vec<String>> = match self.value(*slot) {
                    AnyValue::Text(text) => pattern.captures(text).map(|found| {
                        let text = |group: usize| found.get(group).map_or("", |found| found.as_str()).to_owned();
                        (1..=groups.len()).map(text).collect()
                    }),
                    _ => None,
                };
                for (group, text) in groups.iter().zip(found.iter().flatten()) {
                    let value = self.held.hold(AnyValue::Text(text));
                    self.set(*group, Cell::New(value));
                }
            }
            Action::Convert { slot, to } => {
                if let Some(value) = convert(self.value(*slot), *to) {
                    let value = self.held.hold(value.as_value());
                    self.set(*slot, Cell::New(value));
                }
            }
        }
    }

    /// Does something with each entry that is there and meant.
    fn each(&mut self, keys: &Keys, mut done: impl FnMut(&mut Self, usize)) {
        if let Some(slot) = keys.slot.filter(|slot| self.now(*slot) != Cell::Absent) {
            done(self, slot);
        }
        let Some(pattern) = keys.pattern else { return };
        for number in 0..self.entries.len() {
            if self.entries[number].now != Cell::Absent && self.matches(number, pattern) {
                done(self, number);
            }
        }
    }

    fn matches(&self, number: usize, pattern: usize) -> bool {
        let Entry { slot, was, .. } = self.entries[number];
        let matched = match (slot, was, &self.base) {
            (Some(slot), ..) => self.slots_matched.get(slot),
            (None, Cell::Base(place), Base::Whole(set)) => match set.keys() {
                Text::Dictionary(keys) => self.matched.get(keys.keys().raw(place as usize) as usize),
                Text::Plain(_) => self.matched.get(place as usize),
            },
            _ => None,
        };
        matched.and_then(|matched| matched.get(pattern)).copied().unwrap_or_default()
    }

    fn now(&self, slot: usize) -> Cell {
        self.entries.get(slot).map_or(Cell::Absent, |entry| entry.now)
    }

    fn set(&mut self, slot: usize, value: Cell) {
        if let Some(entry) = self.entries.get_mut(slot) {
            entry.now = value;
        }
    }

    /// What an entry is now.
    fn value(&self, number: usize) -> AnyValue<'_> {
        match (self.now(number), &self.base) {
            (Cell::Absent, _) => AnyValue::Absent,
            (Cell::New(place), _) => self.held.get(place),
            (Cell::Base(row), Base::Slots(columns)) => {
                columns.get(number).map_or(AnyValue::Absent, |column| column.get(row as usize))
            }
            (Cell::Base(place), Base::Whole(set)) => set.values().get(place as usize),
        }
    }

    /// A value for another attribute; `None`: there is none.
    fn source(&mut self, source: Source, row: usize) -> Option<Cell> {
        match source {
            Source::Constant(number) => self.constants.get(number).copied().map(Cell::New),
            Source::Header(number) => {
                let text = self.headers.get(number).and_then(|header| header.get(row))?;
                Some(Cell::New(self.held.hold(AnyValue::Text(text))))
            }
            Source::Slot(slot) => match (self.now(slot), &self.base) {
                (Cell::Absent, _) => None,
                (Cell::New(place), _) => Some(Cell::New(place)),
                (Cell::Base(at), Base::Slots(columns)) => {
                    Some(Cell::New(self.held.hold(columns.get(slot)?.get(at as usize))))
                }
                (Cell::Base(at), Base::Whole(set)) => Some(Cell::New(self.held.hold(set.values().get(at as usize)))),
            },
        }
    }
}

/// The path of one attribute in a set.
pub fn attribute_path(set: &str, key: &str) -> String {
    let mut path = format!("{set}[\"");
    for c in key.chars() {
        match c {
            '"' => path.push_str("\\\""),
            '\\' => path.push_str("\\\\"),
            '\n' => path.push_str("\\n"),
            '\t' => path.push_str("\\t"),
            '\r' => path.push_str("\\r"),
            c => path.push(c),
        }
    }
    path + "\"]"
}

/// SHA-256 in hexadecimal, of the text or of the number's bytes; nothing for what has no such bytes.
fn hash(value: AnyValue<'_>) -> String {
    let digest = match value {
        AnyValue::Text(text) => Sha256::digest(text),
        AnyValue::Boolean(value) => Sha256::digest([u8::from(value)]),
        AnyValue::Int(value) => Sha256::digest(value.to_le_bytes()),
        AnyValue::Double(value) => Sha256::digest(value.to_bits().to_le_bytes()),
        _ => return String::new(),
    };
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    digest.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

enum Converted {
    Text(String),
    Int(i64),
    Double(f64),
}

impl Converted {
    fn as_value(&self) -> AnyValue<'_> {
        match self {
            Converted::Text(text) => AnyValue::Text(text),
            Converted::Int(value) => AnyValue::Int(*value),
            Converted::Double(value) => AnyValue::Double(*value),
        }
    }
}

/// `None`: it stays as it is, because it has the type, or cannot have it.
fn convert(value: AnyValue<'_>, to: Type) -> Option<Converted> {
    match (to, value) {
        (_, AnyValue::Absent) => None,
        (Type::String, AnyValue::Text(_)) => None,
        (Type::String, value) => {
            let mut text = String::new();
            Value::from(value).write_text(&mut text);
            Some(Converted::Text(text))
        }
        (Type::Int, AnyValue::Double(value)) => Some(Converted::Int(int_of_double(value))),
        (Type::Int, AnyValue::Boolean(value)) => Some(Converted::Int(i64::from(value))),
        (Type::Int, AnyValue::Text(text)) => int_of_text(text).map(Converted::Int),
        (Type::Double, AnyValue::Int(value)) => Some(Converted::Double(value as f64)),
        (Type::Double, AnyValue::Boolean(value)) => Some(Converted::Double(f64::from(u8::from(value)))),
        (Type::Double, AnyValue::Text(text)) => double_of_text(text).map(Converted::Double),
        _ => None,
    }
}
