//! Changes of one map, entry by entry, and of one text by a pattern.

use std::convert::Infallible;

use regex::Regex;

use crate::Reason;
use crate::call::text;
use crate::cell::{Cell, Made, Vector};
use crate::machine::Scratch;
use crate::map::{Entry, decode};
use crate::pattern::{Cache, Memo, replace_all};
use crate::plan::{MapChange, Pattern, Strategy};
use crate::value::Value;

/// A map being changed, and memory for it that serves all rows.
#[derive(Default)]
pub(crate) struct Changer<'a> {
    pub entries: Vec<Entry<'a>>,
    other: Vec<Entry<'a>>,
    /// Whether keys match the one pattern of the statement.
    matching: Memo<bool>,
}

impl<'a> Changer<'a> {
    /// Changes the entries. False: they are as they were.
    pub(crate) fn change(
        &mut self,
        scratch: &mut Scratch,
        change: &MapChange,
        vectors: &[Vector<'a>],
        at: usize,
    ) -> Result<bool, Reason> {
        let Changer { entries, other, matching } = self;
        let before = entries.len();
        let computed = |place: usize| vectors.get(place).map(|vector| vector.get(at));
        match change {
            MapChange::DeleteKey(_) => {
                let made = &scratch.made;
                let key = text(vectors[0].get(at), made)?;
                if let Some(place) = entries.iter().position(|entry| entry.key(made) == key) {
                    entries.remove(place);
                }
            }
            MapChange::Matching { pattern, keep } => {
                let Scratch { made, patterns, .. } = scratch;
                let constant = matches!(pattern, Pattern::Fixed(_));
                let regex = regex(pattern, patterns, made, computed(0))?;
                entries.retain(|entry| {
                    let matches = match entry.key {
                        Cell::Text(key) if constant => {
                            let Ok(matches) = matching.get_or(key, || Ok::<_, Infallible>(regex.is_match(key)));
                            matches
                        }
                        _ => regex.is_match(entry.key(made)),
                    };
                    matches == *keep
                });
            }
            MapChange::KeepKeys(_) => {
                let made = &scratch.made;
                for vector in vectors {
                    text(vector.get(at), made)?;
                }
                entries.retain(|entry| {
                    let key = entry.key(made);
                    vectors.iter().any(|vector| text(vector.get(at), made) == Ok(key))
                });
            }
            MapChange::ReplacePatterns { keys: false, pattern, .. } => {
                return replace_values(entries, scratch, pattern, vectors, at);
            }
            MapChange::ReplacePatterns { keys: true, pattern, .. } => {
                return replace_keys(entries, other, scratch, pattern, vectors, at);
            }
            MapChange::Truncate { bytes_max, marker } => {
                return Ok(truncate(entries, scratch, *bytes_max, marker));
            }
            MapChange::Limit { entries_max, priority } => {
                if entries.len() <= *entries_max {
                    return Ok(false);
                }
                let made = &scratch.made;
                let has = |key: &&String| entries.iter().any(|entry| entry.key(made) == key.as_str());
                let mut kept = priority.iter().filter(has).count();
                entries.retain(|entry| {
                    let key = entry.key(made);
                    let first = priority.iter().any(|wanted| wanted == key);
                    let keep = first || kept < *entries_max;
                    kept += usize::from(keep && !first);
                    keep
                });
            }
            MapChange::Merge { strategy, .. } => {
                decode(vectors[0].get(at), scratch, other)?;
                return Ok(merge(entries, other, *strategy, &scratch.made));
            }
        }
        Ok(entries.len() != before)
    }
}

fn replace_values<'a>(
    entries: &mut [Entry<'a>],
    scratch: &mut Scratch,
    pattern: &Pattern,
    vectors: &[Vector<'a>],
    at: usize,
) -> Result<bool, Reason> {
    let mut any = false;
    for entry in entries {
        let is_text = matches!(entry.value, Cell::Text(_) | Cell::MadeText(_));
        if is_text && let Some(value) = replaced(scratch, entry.value, pattern, vectors, at)? {
            entry.set(value);
            any = true;
        }
    }
    Ok(any)
}

/// Keys anew, in order. One that is there already takes the later value.
fn replace_keys<'a>(
    entries: &mut Vec<Entry<'a>>,
    other: &mut Vec<Entry<'a>>,
    scratch: &mut Scratch,
    pattern: &Pattern,
    vectors: &[Vector<'a>],
    at: usize,
) -> Result<bool, Reason> {
    let mut any = false;
    other.clear();
    for mut entry in entries.iter().copied() {
        if let Some(key) = replaced(scratch, entry.key, pattern, vectors, at)? {
            entry = Entry::new(key, entry.value);
            any = true;
        }
        let made = &scratch.made;
        match other.iter_mut().find(|earlier| earlier.key(made) == entry.key(made)) {
            Some(earlier) => earlier.set(entry.value),
            None => other.push(entry),
        }
    }
    if any {
        std::mem::swap(entries, other);
    }
    Ok(any)
}

/// Cuts texts, at whole characters: what is sent is text.
fn truncate(entries: &mut [Entry<'_>], scratch: &mut Scratch, bytes_max: usize, marker: &str) -> bool {
    let mut any = false;
    for entry in entries {
        let Scratch { made, text: out, .. } = &mut *scratch;
        let Value::Text(text) = entry.value.value(made) else { continue };
        if text.len() <= bytes_max {
            continue;
        }
        let mut end = bytes_max.saturating_sub(marker.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let cut = if marker.is_empty() {
            entry.value.part(made, 0, end)
        } else {
            out.clear();
            out.push_str(&text[..end]);
            out.push_str(marker);
            Some(made.text(out))
        };
        if let Some(cut) = cut {
            entry.set(cut);
            any = true;
        }
    }
    any
}

fn merge<'a>(entries: &mut Vec<Entry<'a>>, source: &[Entry<'a>], strategy: Strategy, made: &Made) -> bool {
    let mut any = false;
    for new in source {
        match (entries.iter_mut().find(|entry| entry.key(made) == new.key(made)), strategy) {
            (Some(entry), Strategy::Update | Strategy::Upsert) => entry.set(new.value),
            (None, Strategy::Insert | Strategy::Upsert) => entries.push(Entry::new(new.key, new.value)),
            (Some(_), Strategy::Insert) | (None, Strategy::Update) => continue,
        }
        any = true;
    }
    any
}

/// A text with what matches replaced. `None`: nothing is, or it is no text.
pub(crate) fn replaced<'a>(
    scratch: &mut Scratch,
    current: Cell<'a>,
    pattern: &Pattern,
    vectors: &[Vector<'a>],
    at: usize,
) -> Result<Option<Cell<'a>>, Reason> {
    let Scratch { made, patterns, text: out, .. } = scratch;
    let current = match current {
        Cell::Failed(reason) => return Err(reason),
        Cell::Absent | Cell::Empty => return Ok(None),
        current => current,
    };
    let template = text(vectors[0].get(at), made)?;
    let Value::Text(current) = current.value(made) else { return Ok(None) };
    let regex = regex(pattern, patterns, made, vectors.get(1).map(|vector| vector.get(at)))?;
    out.clear();
    if !replace_all(regex, current, template, out) {
        return Ok(None);
    }
    Ok(Some(made.text(out)))
}

fn regex<'p>(
    pattern: &'p Pattern,
    patterns: &'p mut Cache,
    made: &Made,
    computed: Option<Cell<'_>>,
) -> Result<&'p Regex, Reason> {
    match pattern {
        Pattern::Fixed(regex) => Ok(regex),
        Pattern::Computed(_) => patterns.get(text(computed.unwrap_or(Cell::Absent), made)?).ok_or(Reason::BadPattern),
    }
}
