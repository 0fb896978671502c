//! The editors: what a statement changes, and how.

use super::function::Accepts;
use super::{Literal, Node, NodeKind, Pattern, Planned, Planner, Slot, Type};
use crate::ast::{At, Call, Expr, Key, Kind};
use crate::fields::{self, METRIC_TYPE, Missing, nearest};

/// What a statement does to the rows that its condition is true for.
#[derive(Debug)]
pub(crate) enum Editor {
    Set {
        place: Place,
        value: Node,
    },
    /// An entry goes, if it is there.
    RemoveEntry {
        slot: usize,
    },
    /// A text that matches is replaced.
    ReplacePattern {
        place: Place,
        current: Node,
        pattern: Pattern,
        template: Node,
    },
    Map {
        place: Place,
        change: MapChange,
    },
}

/// Where a statement writes: a slot, and keys that go on within its value.
#[derive(Debug)]
pub(crate) struct Place {
    pub slot: usize,
    pub keys: Vec<Key>,
    /// What a row must have to have the field at all.
    pub guard: Option<Guard>,
}

/// How a row shows that it has a field.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Guard {
    /// The slot has a value.
    Present(usize),
    /// The slot, the metric's type, has one of these.
    OneOf(usize, &'static [i64]),
}

/// A change of one map, entry by entry.
#[derive(Debug)]
pub(crate) enum MapChange {
    /// The first entry of this key goes.
    DeleteKey(Node),
    /// Entries whose key matches go, or stay.
    Matching {
        pattern: Pattern,
        keep: bool,
    },
    KeepKeys(Vec<Node>),
    /// In keys, or in values.
    ReplacePatterns {
        keys: bool,
        pattern: Pattern,
        template: Node,
    },
    /// Always to whole characters, whatever `utf8_safe` says: what is sent is text.
    Truncate {
        bytes_max: usize,
        marker: String,
    },
    Limit {
        entries_max: usize,
        priority: Vec<String>,
    },
    Merge {
        source: Node,
        strategy: Strategy,
    },
}

/// Whether a merge creates entries, and whether it changes those that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    Insert,
    Update,
    Upsert,
}

impl Editor {
    const NAMES: [&'static str; 12] = [
        "delete_key",
        "delete_matching_keys",
        "keep_keys",
        "keep_matching_keys",
        "limit",
        "merge_maps",
        "replace_all_matches",
        "replace_all_patterns",
        "replace_match",
        "replace_pattern",
        "set",
        "truncate_all",
    ];
}

impl Planner<'_> {
    pub(super) fn editor(&mut self, call: &Call) -> Planned<Editor> {
        match call.name.as_str() {
            "set" => self.set(call),
            "delete_key" => self.delete_key(call),
            "delete_matching_keys" => self.matching(call, false),
            "keep_matching_keys" => self.matching(call, true),
            "keep_keys" => {
                let arguments = self.arguments(call, &["target", "keys"])?;
                let place = self.map_place(arguments.need(self, "target")?)?;
                let keys = self.literal_list(arguments.need(self, "keys")?)?;
                let keys = keys.iter().map(|key| self.accept(key, Accepts::Text)).collect::<Planned<_>>()?;
                Ok(Editor::Map { place, change: MapChange::KeepKeys(keys) })
            }
            "replace_pattern" => self.replace_pattern(call),
            "replace_all_patterns" => self.replace_all_patterns(call),
            "replace_match" => self.replace_match(call),
            "replace_all_matches" => self.replace_all_matches(call),
            "truncate_all" => self.truncate_all(call),
            "limit" => self.limit(call),
            "merge_maps" => self.merge_maps(call),
            name => {
                let at = At { start: call.at.start, end: call.at.start + name.len() };
                let reason = match nearest(name, Editor::NAMES.into_iter()) {
                    Some(nearest) => format!("no such editor, did you mean `{nearest}`?"),
                    None => format!("no such editor; there are `{}`", Editor::NAMES.join("`, `")),
                };
                Err(self.error(at, reason))
            }
        }
    }

    /// A place that can be written.
    fn place(&mut self, expr: &Expr) -> Planned<Place> {
        let Kind::Path(path) = &expr.kind else {
            return Err(self.error(expr.at, "expected a path, such as `attributes[\"…\"]`"));
        };
        let name = self.name(path);
        if let Some((field, _)) = fields::derived(self.signal, &name) {
            let reason = format!("`{name}` cannot be changed, `{}` can", field.name);
            return Err(self.error(expr.at, reason));
        }
        let (slot, keys) = self.resolve(path)?;
        let field = self.slots[slot].field;
        if !field.editable {
            return Err(self.error(expr.at, format!("`{}` cannot be changed", field.name)));
        }
        let guard = match field.missing {
            Missing::Zero => None,
            Missing::Nil => Some(Guard::Present(slot)),
            Missing::ZeroFor(types) => fields::find(self.signal, METRIC_TYPE)
                .map(|metric_type| Guard::OneOf(self.slot(metric_type, None), types)),
        };
        if let Some(Guard::Present(slot) | Guard::OneOf(slot, _)) = guard {
            self.slots[slot].read = true;
        }
        // What lies around a nested value is written anew with it, and so is read.
        if !keys.is_empty() || self.slots[slot].key.is_none() && field.value == Type::Map {
            self.slots[slot].read = true;
        }
        Ok(Place { slot, keys, guard })
    }

    /// A place that holds a map, or may.
    fn map_place(&mut self, expr: &Expr) -> Planned<Place> {
        let place = self.place(expr)?;
        let Slot { key, field, .. } = &self.slots[place.slot];
        if key.is_none() && place.keys.is_empty() && !matches!(field.value, Type::Map | Type::Any) {
            let reason = format!("`{}` is {}, expected a map", field.name, field.value.name());
            return Err(self.error(expr.at, reason));
        }
        self.slots[place.slot].read = true;
        Ok(place)
    }

    fn set(&mut self, call: &Call) -> Planned<Editor> {
        let arguments = self.arguments(call, &["target", "value"])?;
        let (target, expr) = (arguments.need(self, "target")?, arguments.need(self, "value")?);
        let place = self.place(target)?;
        let slot = &self.slots[place.slot];
        let (field, any) = (slot.field, slot.key.is_some() || !place.keys.is_empty());
        let value = if any || field.value == Type::Any { self.storable(expr)? } else { self.value(expr)? };
        let fits = any
            || matches!(field.value, Type::Any)
            || matches!(value.value, Type::Any)
            || value.value == field.value
            || field.value == Type::Map && value.value == Type::Nil;
        if !fits {
            let reason = format!("this is {}, `{}` is {}", value.value.name(), field.name, field.value.name());
            return Err(self.error(expr.at, reason));
        }
        Ok(Editor::Set { place, value })
    }

    fn delete_key(&mut self, call: &Call) -> Planned<Editor> {
        let arguments = self.arguments(call, &["target", "key"])?;
        let (target, key) = (arguments.need(self, "target")?, arguments.need(self, "key")?);
        let key = self.accept(key, Accepts::Text)?;
        // An entry of a field's own map needs nothing but its path; the map is read only where something else does.
        if let (Kind::Path(path), Some(key)) = (&target.kind, key.text())
            && path.keys.is_empty()
            && let Some(field) = fields::find(self.signal, &self.name(path))
            && field.value == Type::Map
            && field.editable
        {
            return Ok(Editor::RemoveEntry { slot: self.slot(field, Some(key)) });
        }
        let place = self.map_place(target)?;
        Ok(Editor::Map { place, change: MapChange::DeleteKey(key) })
    }

    fn matching(&mut self, call: &Call, keep: bool) -> Planned<Editor> {
        let arguments = self.arguments(call, &["target", "pattern"])?;
        let place = self.map_place(arguments.need(self, "target")?)?;
        let pattern = self.pattern(arguments.need(self, "pattern")?)?;
        Ok(Editor::Map { place, change: MapChange::Matching { pattern, keep } })
    }

    /// A place that can hold text, and what it holds.
    fn text_place(&mut self, target: &Expr) -> Planned<(Place, Node)> {
        let place = self.place(target)?;
        let current = self.value(target)?;
        if !matches!(current.value, Type::Text | Type::Any) {
            let reason = format!("this is {}, expected text", current.value.name());
            return Err(self.error(target.at, reason));
        }
        Ok((place, current))
    }

    fn replace_pattern(&mut self, call: &Call) -> Planned<Editor> {
        let arguments = self.arguments(call, &["target", "regex_pattern", "replacement"])?;
        let (place, current) = self.text_place(arguments.need(self, "target")?)?;
        let pattern = self.pattern(arguments.need(self, "regex_pattern")?)?;
        let template = self.accept(arguments.need(self, "replacement")?, Accepts::Text)?;
        Ok(Editor::ReplacePattern { place, current, pattern, template })
    }

    fn replace_all_patterns(&mut self, call: &Call) -> Planned<Editor> {
        let arguments = self.arguments(call, &["target", "mode", "regex_pattern", "replacement"])?;
        let place = self.map_place(arguments.need(self, "target")?)?;
        let mode = arguments.need(self, "mode")?;
        let keys = match self.literal_text(mode)?.as_str() {
            "key" => true,
            "value" => false,
            _ => return Err(self.error(mode.at, "expected `\"key\"` or `\"value\"`")),
        };
        let pattern = self.pattern(arguments.need(self, "regex_pattern")?)?;
        let template = self.accept(arguments.need(self, "replacement")?, Accepts::Text)?;
        Ok(Editor::Map { place, change: MapChange::ReplacePatterns { keys, pattern, template } })
    }

    /// A text that a glob matches becomes another: as a pattern that matches it whole.
    fn replace_match(&mut self, call: &Call) -> Planned<Editor> {
        let arguments = self.arguments(call, &["target", "pattern", "replacement"])?;
        let (place, current) = self.text_place(arguments.need(self, "target")?)?;
        let (pattern, template) = self.glob(arguments.need(self, "pattern")?, arguments.need(self, "replacement")?)?;
        Ok(Editor::ReplacePattern { place, current, pattern, template })
    }

    fn replace_all_matches(&mut self, call: &Call) -> Planned<Editor> {
        let arguments = self.arguments(call, &["target", "pattern", "replacement"])?;
        let place = self.map_place(arguments.need(self, "target")?)?;
        let (pattern, template) = self.glob(arguments.need(self, "pattern")?, arguments.need(self, "replacement")?)?;
        Ok(Editor::Map { place, change: MapChange::ReplacePatterns { keys: false, pattern, template } })
    }

    /// A glob, and a replacement in which a `$` means nothing. Both stand in the statement itself.
    fn glob(&mut self, glob: &Expr, replacement: &Expr) -> Planned<(Pattern, Node)> {
        let text = self.literal_text(glob)?;
        let pattern = crate::glob::compile(&text).map_err(|reason| self.error(glob.at, reason))?;
        let template = self.literal_text(replacement)?.replace('$', "$$");
        let template = Node { kind: NodeKind::Literal(Literal::Text(template)), value: Type::Text };
        Ok((Pattern::Fixed(pattern), template))
    }

    fn truncate_all(&mut self, call: &Call) -> Planned<Editor> {
        let arguments = self.arguments(call, &["target", "limit", "utf8_safe", "truncation_marker"])?;
        let place = self.map_place(arguments.need(self, "target")?)?;
        let bytes_max = self.limit_of(arguments.need(self, "limit")?)?;
        if let Some(expr) = arguments.get("utf8_safe") {
            self.literal_bool(expr)?;
        }
        let marker = match arguments.get("truncation_marker") {
            None => String::new(),
            Some(expr) => {
                let marker = self.literal_text(expr)?;
                if marker.len() > bytes_max {
                    return Err(self.error(expr.at, format!("longer than the limit of {bytes_max} bytes")));
                }
                marker
            }
        };
        Ok(Editor::Map { place, change: MapChange::Truncate { bytes_max, marker } })
    }

    fn limit(&mut self, call: &Call) -> Planned<Editor> {
        let arguments = self.arguments(call, &["target", "limit", "priority_keys"])?;
        let place = self.map_place(arguments.need(self, "target")?)?;
        let entries_max = self.limit_of(arguments.need(self, "limit")?)?;
        let expr = arguments.need(self, "priority_keys")?;
        let priority = self.literal_list(expr)?;
        let priority = priority.iter().map(|key| self.literal_text(key)).collect::<Planned<Vec<_>>>()?;
        if priority.len() > entries_max {
            let reason = format!("{} keys, the limit is {entries_max}", priority.len());
            return Err(self.error(expr.at, reason));
        }
        Ok(Editor::Map { place, change: MapChange::Limit { entries_max, priority } })
    }

    fn limit_of(&mut self, expr: &Expr) -> Planned<usize> {
        let limit = self.literal_int(expr)?;
        // On a 32-bit guest, no map and no text reaches what does not fit.
        match limit {
            0.. => Ok(usize::try_from(limit).unwrap_or(usize::MAX)),
            _ => Err(self.error(expr.at, "a limit cannot be negative")),
        }
    }

    fn merge_maps(&mut self, call: &Call) -> Planned<Editor> {
        let arguments = self.arguments(call, &["target", "source", "strategy"])?;
        let place = self.map_place(arguments.need(self, "target")?)?;
        let source = self.accept(arguments.need(self, "source")?, Accepts::Map)?;
        let expr = arguments.need(self, "strategy")?;
        let strategy = match self.literal_text(expr)?.as_str() {
            "insert" => Strategy::Insert,
            "update" => Strategy::Update,
            "upsert" => Strategy::Upsert,
            _ => return Err(self.error(expr.at, "expected `\"insert\"`, `\"update\"` or `\"upsert\"`")),
        };
        Ok(Editor::Map { place, change: MapChange::Merge { source, strategy } })
    }
}
