//! Reads maps with known keys, and notes everything that is wrong with them.

use crate::diagnostic::{Place, Report};
use crate::nearest::nearest;
use crate::node::{Entry, Node, Scalar, Typed, Value};
use crate::problem::Problem;
use crate::schema::{Section, State};
use crate::values::{FromNode, expected};

/// Components of a section, pipelines, names in a list: a hundred times what people have, and few enough to compare all with all.
const NAMED_MAX: usize = 1_000;

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(crate) struct Located<T> {
    pub value: T,
    pub place: Place,
}

/// A map that is being read. Opening it has checked its keys; an empty one (`grpc:`) has none.
pub(crate) struct Reader<'n> {
    entries: &'n [Entry],
    section: &'static Section,
    place: Place,
    pub report: &'n Report<'n>,
}

impl<'n> Reader<'n> {
    /// `None`: not a map, which has been reported.
    pub fn open(node: &'n Node, place: Place, section: &'static Section, report: &'n Report<'n>) -> Option<Self> {
        let entries: &[Entry] = match &node.value {
            Value::Null => &[],
            Value::Map(entries) => entries,
            _ => {
                report.error(&place, expected("a map of settings", node));
                return None;
            }
        };
        let reader = Reader { entries, section, place, report };
        reader.check_keys();
        Some(reader)
    }

    fn check_keys(&self) {
        for entry in self.entries {
            let place = Place::new(entry.key_span, self.path(&entry.key));
            let what = || format!("`{}`", entry.key);
            match self.section.key(&entry.key).map(|key| &key.state) {
                Some(State::Served | State::Required) => {}
                Some(_) if is_off(&entry.node) => {}
                Some(State::NoEffect(why)) => {
                    self.report.warn(&place, Problem::NoEffect { what: what(), why: (*why).to_owned() });
                }
                Some(State::NotYet(until_then)) => {
                    let instead = (*until_then).to_owned();
                    self.report.error(&place, Problem::NotServedYet { what: what(), instead });
                }
                Some(State::Never(instead)) => {
                    self.report.error(&place, Problem::NotServed { what: what(), instead: (*instead).to_owned() });
                }
                None => {
                    let valid = self.section.served();
                    let nearest = nearest(&entry.key, valid.iter().copied()).map(str::to_owned);
                    self.report.error(&place, Problem::UnknownKey { key: entry.key.clone(), nearest, valid });
                }
            }
        }
    }

    /// The full path of a key of this map.
    pub fn path(&self, key: &str) -> String {
        if self.place.key.is_empty() { key.to_owned() } else { format!("{}::{key}", self.place.key) }
    }

    /// Where this map was opened.
    pub fn own_place(&self) -> &Place {
        &self.place
    }

    /// Where the value of a key stands, or the map itself if it has no such key.
    pub fn place(&self, key: &str) -> Place {
        let span = self.entry(key).map_or(self.place.span, place_of);
        Place::new(span, self.path(key))
    }

    fn entry(&self, key: &str) -> Option<&'n Entry> {
        debug_assert!(self.section.key(key).is_some(), "`{key}` is read, but not in its table");
        self.entries.iter().find(|entry| entry.key == key)
    }

    pub fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// The value of a key that is there and not empty.
    pub fn node(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|entry| &entry.node).filter(|node| !node.is_null())
    }

    /// The value of a key; `None` if it is absent, empty, or wrong, which has then been reported.
    pub fn get<T: FromNode>(&self, key: &str) -> Option<T> {
        self.located(key).map(|located| located.value)
    }

    pub fn get_or<T: FromNode>(&self, key: &str, default: T) -> T {
        self.get(key).unwrap_or(default)
    }

    /// As [`Self::get`], with a condition besides the type. `what` says it all: "a whole number, 1 to 64".
    pub fn checked<T: FromNode>(&self, key: &str, what: &str, valid: impl Fn(&T) -> bool) -> Option<T> {
        let node = self.node(key)?;
        match T::from_node(node) {
            Ok(value) if valid(&value) => Some(value),
            Ok(_) => {
                self.report.error(&self.place(key), expected(what, node));
                None
            }
            Err(Problem::Value { found, nearest, .. }) => {
                let problem = Problem::Value { expected: what.to_owned(), found, nearest };
                self.report.error(&self.place(key), problem);
                None
            }
            Err(problem) => {
                self.report.error(&self.place(key), problem);
                None
            }
        }
    }

    pub fn located<T: FromNode>(&self, key: &str) -> Option<Located<T>> {
        let node = self.node(key)?;
        let place = self.place(key);
        match T::from_node(node) {
            Ok(value) => Some(Located { value, place }),
            Err(problem) => {
                self.report.error(&place, problem);
                None
            }
        }
    }

    /// As [`Self::located`], and an absent key is an error.
    pub fn required<T: FromNode>(&self, key: &'static str, what: &str) -> Option<Located<T>> {
        if self.node(key).is_none() {
            let place = if self.has(key) { self.place(key) } else { self.place.clone() };
            self.report.error(&place, Problem::MissingKey { key, expected: what.to_owned() });
        }
        self.located(key)
    }

    /// A map within this one. `None` if it is absent or not a map; an empty value is an empty map.
    pub fn section(&self, key: &str, section: &'static Section) -> Option<Reader<'n>> {
        let entry = self.entry(key)?;
        Reader::open(&entry.node, self.place(key), section, self.report)
    }

    /// The entries of a map whose keys are names, each with its place. Empty if it is absent, empty or not a map.
    pub fn named(&self, key: &str) -> Vec<(&'n Entry, Place)> {
        let Some(node) = self.node(key) else { return Vec::new() };
        match &node.value {
            Value::Map(entries) => {
                let path = self.path(key);
                let place = |entry: &Entry| Place::new(entry.key_span, format!("{path}::{}", entry.key));
                self.check_count(key, entries.len());
                entries.iter().take(NAMED_MAX).map(|entry| (entry, place(entry))).collect()
            }
            _ => {
                self.report.error(&self.place(key), expected("a map", node));
                Vec::new()
            }
        }
    }

    fn check_count(&self, key: &str, count: usize) {
        if count > NAMED_MAX {
            self.report.error(&self.place(key), too_many());
        }
    }

    /// The items of a list, or of a text with commas, as the Collector has it; those that are wrong are reported and left out.
    pub fn list<T: FromNode>(&self, key: &str) -> Vec<Located<T>> {
        match self.node(key) {
            Some(node) => list(node, &self.place(key), self.report),
            None => Vec::new(),
        }
    }

    /// The items of a list of maps.
    pub fn sections(&self, key: &str, section: &'static Section) -> Vec<Reader<'n>> {
        let Some(node) = self.node(key) else { return Vec::new() };
        let Value::List(items) = &node.value else {
            self.report.error(&self.place(key), expected("a list of maps", node));
            return Vec::new();
        };
        let open = |(i, item): (usize, &'n Node)| {
            let place = Place::new(item.span, format!("{}[{i}]", self.path(key)));
            Reader::open(item, place, section, self.report)
        };
        self.check_count(key, items.len());
        items.iter().take(NAMED_MAX).enumerate().filter_map(open).collect()
    }
}

pub(crate) fn list<T: FromNode>(node: &Node, place: &Place, report: &Report) -> Vec<Located<T>> {
    let split: Vec<Node>;
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        Value::Scalar(Scalar { typed: Typed::Text, text }) => {
            let part = |part: &str| Node { shown: node.shown.clone(), ..Node::text(node.span, part.trim()) };
            split = text.split(',').map(part).collect();
            &split
        }
        _ => {
            report.error(place, expected("a list", node));
            &[]
        }
    };
    if items.len() > NAMED_MAX {
        report.error(place, too_many());
    }
    let mut found = Vec::new();
    for item in items.iter().take(NAMED_MAX) {
        let place = Place::new(item.span, place.key.clone());
        match T::from_node(item) {
            _ if item.is_null() => report.error(&place, expected("a name", item)),
            Ok(value) => found.push(Located { value, place }),
            Err(problem) => report.error(&place, problem),
        }
    }
    found
}

fn too_many() -> Problem {
    Problem::Invalid(format!("more than {NAMED_MAX} entries"))
}

/// A scalar is pointed at itself; of anything else the key, because the value may be a screenful.
fn place_of(entry: &Entry) -> crate::source::Span {
    match entry.node.value {
        Value::Scalar(_) => entry.node.span,
        _ => entry.key_span,
    }
}

/// Whether a value asks for nothing, so that it does not matter that the key is not served.
fn is_off(node: &Node) -> bool {
    match &node.value {
        Value::Null => true,
        Value::Scalar(scalar) => scalar.typed == Typed::Bool(false) || scalar.text.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Map(entries) => entries.is_empty(),
    }
}
