//! Edits of maps and lists: entries of attributes, and what nests in their values.

use std::ops::Range;

use super::any::{ANY_LAST, ANY_LIST, ANY_MAP, ENTRY_KEY, ENTRY_VALUE, any_len, are_any, is_any, put_any};
use super::tree::{NONE, Tree};
use super::values::{Value, Values};
use crate::field::{self, WireType};
use crate::path::Key;
use crate::project::value::Parts;
use crate::varint;

/// What is to become of a place.
#[derive(Clone)]
pub(super) enum Op<'o> {
    Remove,
    /// Never [`Value::Null`]: that removes.
    Set(Value<'o>),
    /// Of a map: it has these entries and no others.
    Replace(Entries<'o>),
    /// Of a map: these entries are set in it.
    Merge(Entries<'o>),
    /// Of a map: the entry at this place, counted before any edit, gets another value, or goes.
    Entry(u32, Value<'o>),
}

/// Entries of a `Map` array.
#[derive(Clone)]
pub(super) struct Entries<'o> {
    pub keys: &'o Values<'o>,
    pub values: &'o Values<'o>,
    pub range: Range<usize>,
}

impl<'o> Entries<'o> {
    fn iter(&self) -> impl Iterator<Item = (&'o str, Value<'o>)> {
        let (keys, values) = (self.keys, self.values);
        self.range.clone().map(move |at| match keys.get(at) {
            Value::Text(key) => (key, values.get(at)),
            _ => ("", values.get(at)),
        })
    }
}

/// An entry was named that the map does not have; the number that it has.
pub(super) struct NoEntry(pub usize);

impl Op<'_> {
    /// Whether what is not there is made, to be set.
    pub fn creates(&self) -> bool {
        match self {
            Op::Set(_) => true,
            Op::Merge(entries) | Op::Replace(entries) => !entries.range.is_empty(),
            Op::Remove | Op::Entry(..) => false,
        }
    }
}

/// Applies an edit to the map whose entries are the fields `number` of `list`, or to what lies at `keys` in it.
///
/// A value on the way that is of another kind than its key asks for stays as it is: what is in a text has no place.
pub(super) fn in_map(tree: &mut Tree<'_>, list: u32, number: u32, keys: &[Key], op: &Op<'_>) -> Result<(), NoEntry> {
    match (keys, op) {
        ([], Op::Remove) => remove_all(tree, list, number),
        ([], Op::Replace(entries)) => replace(tree, list, number, entries),
        ([], Op::Merge(entries)) => {
            for (key, value) in entries.iter() {
                set_key(tree, list, number, key, &value);
            }
        }
        ([], Op::Entry(place, value)) => {
            let at = tree.original(list, number, *place as usize).map_err(NoEntry)?;
            set_entry(tree, at, value);
        }
        ([Key::Name(key)], Op::Set(value)) => set_key(tree, list, number, key, value),
        ([Key::Name(key)], Op::Remove) => set_key(tree, list, number, key, &Value::Null),
        ([Key::Name(key), rest @ ..], _) => {
            if let Some(any) = value_of(tree, list, number, key, op.creates()) {
                return in_any(tree, any, rest, op);
            }
            return match op {
                Op::Entry(..) => Err(NoEntry(0)),
                _ => Ok(()),
            };
        }
        ([], Op::Set(_)) | ([Key::Index(_), ..], _) => {}
    }
    Ok(())
}

/// Applies an edit within the value of an opened `AnyValue`.
pub(super) fn in_any(tree: &mut Tree<'_>, any: u32, keys: &[Key], op: &Op<'_>) -> Result<(), NoEntry> {
    if let [Key::Index(place), rest @ ..] = keys {
        return in_list(tree, any, *place as usize, rest, op);
    }
    let list = match case_of(tree, any) {
        NONE if op.creates() => tree.append_message(any, ANY_MAP),
        list if list != NONE && tree.number(list) == ANY_MAP => list,
        _ => {
            return match op {
                Op::Entry(..) => Err(NoEntry(0)),
                _ => Ok(()),
            };
        }
    };
    tree.open(list);
    in_map(tree, list, 1, keys, op)
}

/// Applies an edit to an element of a list, or to what lies at `keys` in it. An element that is not there is not made.
fn in_list(tree: &mut Tree<'_>, any: u32, place: usize, keys: &[Key], op: &Op<'_>) -> Result<(), NoEntry> {
    let list = match case_of(tree, any) {
        list if list != NONE && tree.number(list) == ANY_LIST => list,
        _ => return Ok(()),
    };
    tree.open(list);
    let mut element = tree.first(list, 1);
    for _ in 0..place {
        if element == NONE {
            return Ok(());
        }
        element = tree.next(element);
    }
    if element == NONE {
        return Ok(());
    }
    match (keys, op) {
        ([], Op::Remove) => tree.remove(element),
        ([], Op::Set(value)) => {
            if tree.is_open(element) || !is_any(tree.payload(element), value) {
                let (start, body) = put_value(tree, 1, value);
                tree.replace(element, start, body);
            }
        }
        _ => {
            tree.open(element);
            return in_any(tree, element, keys, op);
        }
    }
    Ok(())
}

/// The field of an opened `AnyValue` that holds its value; [`NONE`] where it is empty.
///
/// Cases before the last one do not count, but a list or map right behind another of its kind is merged with it.
fn case_of(tree: &mut Tree<'_>, any: u32) -> u32 {
    let (mut run, mut last) = (NONE, NONE);
    let mut at = tree.child(any);
    while at != NONE {
        if (1..=ANY_LAST).contains(&tree.number(at)) && !tree.is_gone(at) {
            if last == NONE || tree.number(last) != tree.number(at) {
                run = at;
            }
            last = at;
        }
        at = tree.sibling(at);
    }
    match run != last && matches!(tree.number(last), ANY_LIST | ANY_MAP) {
        true => tree.join(run),
        false => last,
    }
}

fn remove_all(tree: &mut Tree<'_>, list: u32, number: u32) {
    let mut at = tree.first(list, number);
    while at != NONE {
        tree.remove(at);
        at = tree.next(at);
    }
}

/// Sets the first entry with this key and removes the others, or appends one; with [`Value::Null`] removes all.
fn set_key(tree: &mut Tree<'_>, list: u32, number: u32, key: &str, value: &Value<'_>) {
    let mut found = NONE;
    let mut at = tree.first(list, number);
    while at != NONE {
        if tree.key_is(at, key.as_bytes()) {
            if found != NONE || value.is_null() {
                tree.remove(at);
            } else {
                found = at;
            }
        }
        at = tree.next(at);
    }
    if found != NONE {
        set_entry(tree, found, value);
    } else if !value.is_null() {
        let (start, body) = put_entry(tree.fresh(), number, key, value);
        tree.append(list, number, start, body);
    }
}

/// Sets the value of an entry; [`Value::Null`] removes it. What the entry holds beside key and value stays.
fn set_entry(tree: &mut Tree<'_>, at: u32, value: &Value<'_>) {
    if value.is_null() {
        return tree.remove(at);
    }
    if tree.is_gone(at) {
        tree.restore(at);
    }
    if entry_is(tree, at, value) {
        return;
    }
    if tree.simple_value(at).is_some() {
        let len = any_len(value);
        let number = tree.number(at);
        let (key_len, start) = (tree.key_len(at), tree.mark());
        let out = tree.fresh();
        field::put_tag(out, number, WireType::Len);
        varint::put(out, (field::len_of(ENTRY_KEY, key_len) + field::len_of(ENTRY_VALUE, len)) as u64);
        let body = out.len();
        field::put_tag(out, ENTRY_KEY, WireType::Len);
        varint::put(out, key_len as u64);
        tree.copy_key(at);
        let out = tree.fresh();
        field::put_tag(out, ENTRY_VALUE, WireType::Len);
        varint::put(out, len as u64);
        put_any(out, value);
        return tree.replace(at, start, body);
    }
    tree.open(at);
    set_any(tree, at, ENTRY_VALUE, value);
}

/// Puts a value into the field `number`, a single `AnyValue`, of an opened message.
pub(super) fn set_any(tree: &mut Tree<'_>, message: u32, number: u32, value: &Value<'_>) {
    let first = tree.first(message, number);
    if value.is_null() {
        return remove_all(tree, message, number);
    }
    if first != NONE && is_sole_any(tree, first, value) {
        return;
    }
    let (start, body) = put_value(tree, number, value);
    tree.put_sole(message, number, start, body);
}

/// Whether the merged fields from `first` on are this value, where no edit went into them.
fn is_sole_any(tree: &Tree<'_>, first: u32, value: &Value<'_>) -> bool {
    let mut at = first;
    while at != NONE {
        if tree.is_open(at) {
            return false;
        }
        at = tree.next(at);
    }
    if tree.next(first) == NONE {
        return is_any(tree.payload(first), value);
    }
    let parts = std::iter::successors(Some(first), |&at| Some(tree.next(at)).filter(|&next| next != NONE));
    are_any(&parts.map(|at| tree.payload(at)).collect(), value)
}

/// Whether an entry has this value already.
fn entry_is(tree: &mut Tree<'_>, at: u32, value: &Value<'_>) -> bool {
    if let Some(current) = tree.simple_value(at) {
        return is_any(current, value);
    }
    if tree.is_open(at) {
        return false;
    }
    let entry = Parts::One(tree.payload(at));
    let values: Parts<'_> = entry.all(ENTRY_VALUE).map(|field| field.payload()).collect();
    are_any(&values, value)
}

/// Writes an `AnyValue` as a field. Where the field and its payload start.
fn put_value(tree: &mut Tree<'_>, number: u32, value: &Value<'_>) -> (usize, usize) {
    let out = tree.fresh();
    let start = out.len();
    field::put_tag(out, number, WireType::Len);
    varint::put(out, any_len(value) as u64);
    let body = out.len();
    put_any(out, value);
    (start, body)
}

/// Writes an entry as a field. Where the field and its payload start.
fn put_entry(out: &mut Vec<u8>, number: u32, key: &str, value: &Value<'_>) -> (usize, usize) {
    let (start, len) = (out.len(), any_len(value));
    field::put_tag(out, number, WireType::Len);
    varint::put(out, (field::len_of(ENTRY_KEY, key.len()) + field::len_of(ENTRY_VALUE, len)) as u64);
    let body = out.len();
    field::put_len(out, ENTRY_KEY, key.as_bytes());
    field::put_tag(out, ENTRY_VALUE, WireType::Len);
    varint::put(out, len as u64);
    put_any(out, value);
    (start, body)
}

/// The opened value of the first entry with this key, made where `create` says so.
fn value_of(tree: &mut Tree<'_>, list: u32, number: u32, key: &str, create: bool) -> Option<u32> {
    let mut at = tree.first(list, number);
    while at != NONE && !tree.key_is(at, key.as_bytes()) {
        at = tree.next(at);
    }
    if at == NONE {
        if !create {
            return None;
        }
        at = tree.append_entry(list, number, key.as_bytes());
    }
    tree.open(at);
    let any = match tree.sole(at, ENTRY_VALUE) {
        NONE if create => tree.append_message(at, ENTRY_VALUE),
        NONE => return None,
        any => any,
    };
    tree.open(any);
    Some(any)
}

/// How far ahead an entry is looked for that is as it should be: a map that comes back with some entries less keeps the
/// bytes of the others, and one that has nothing in common with what was there costs no more than this for each entry.
const LOOK_AHEAD: usize = 256;

/// Makes a map have these entries. Those that it has already, in this order, keep their bytes.
fn replace(tree: &mut Tree<'_>, list: u32, number: u32, entries: &Entries<'_>) {
    let mut at = tree.first(list, number);
    let mut last = NONE;
    for (key, value) in entries.iter().filter(|(_, value)| !value.is_null()) {
        let mut ahead = at;
        for _ in 0..LOOK_AHEAD {
            if ahead == NONE || (tree.key_is(ahead, key.as_bytes()) && entry_is(tree, ahead, &value)) {
                break;
            }
            ahead = tree.next(ahead);
        }
        let same = ahead != NONE && tree.key_is(ahead, key.as_bytes()) && entry_is(tree, ahead, &value);
        if same {
            while at != ahead {
                tree.remove(at);
                at = tree.next(at);
            }
            (last, at) = (ahead, tree.next(ahead));
        } else {
            let (start, body) = put_entry(tree.fresh(), number, key, &value);
            last = match (last, at) {
                (NONE, NONE) => tree.append(list, number, start, body),
                _ => tree.insert(list, last, number, start, body),
            };
        }
    }
    while at != NONE {
        tree.remove(at);
        at = tree.next(at);
    }
}
