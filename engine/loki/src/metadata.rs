//! Structured metadata: what is known of an entry, beside its labels and its line.
//!
//! Names are those that Loki's own OTLP endpoint gives: attributes by their names, `trace_id`, `span_id`, `severity_text`,
//! `severity_number`, `flags`, `event_name`, `observed_timestamp`, `scope_name`, `scope_version` and so on, so that a query finds a record
//! whichever way it came. A map is a pair for each value in it, a list is JSON. Where names come to be the same, the second is `name_2`:
//! Loki itself would keep one of them.

use std::ops::Range;

use wasmill_wire::Any;

use crate::altered::Altered;
use crate::label::cut;
use crate::name::put_name;
use crate::options::{Encoding, Limits};

/// How deep maps are taken apart; what is deeper is one value, as JSON.
const DEPTH_MAX: usize = 8;
/// Values of one name, at most 9; more are left out.
const SAME_NAME_MAX: u8 = 9;

/// Pairs that many entries have, written once.
#[derive(Debug, Default)]
pub(crate) struct Common {
    pub bytes: Vec<u8>,
    names: Names,
    size: usize,
    pub altered: Altered,
}

/// Where names lie in the bytes that they were written to.
#[derive(Debug, Default)]
struct Names {
    places: Vec<Range<usize>>,
    /// A bit for each name, by its length and ends: most that are new are known to be by a look at this.
    bits: u64,
}

/// What an entry has so far.
#[derive(Debug)]
pub(crate) struct Pairs {
    encoding: Encoding,
    count_max: usize,
    size_max: usize,
    count: usize,
    size: usize,
    names: Names,
    name: Vec<u8>,
    path: String,
    value: Vec<u8>,
    pub altered: Altered,
}

impl Names {
    fn bit(name: &[u8]) -> u64 {
        let end = |byte: Option<&u8>| usize::from(byte.copied().unwrap_or(0));
        1 << ((name.len() * 31 + end(name.first()) * 7 + end(name.last())) % 64)
    }

    fn has(&self, name: &[u8], bytes: &[u8]) -> bool {
        self.bits & Names::bit(name) != 0 && self.places.iter().any(|place| bytes.get(place.clone()) == Some(name))
    }

    fn add(&mut self, name: &[u8], start: usize) {
        self.bits |= Names::bit(name);
        self.places.push(start..start + name.len());
    }
}

impl Pairs {
    pub fn new(encoding: Encoding, limits: &Limits) -> Pairs {
        Pairs {
            encoding,
            count_max: limits.max_structured_metadata_entries_count,
            size_max: limits.max_structured_metadata_size,
            count: 0,
            size: 0,
            names: Names::default(),
            name: Vec::new(),
            path: String::new(),
            value: Vec::new(),
            altered: Altered::default(),
        }
    }

    /// For what many entries have: half of the limits, so that there is room for what each has.
    pub fn of_common(encoding: Encoding, limits: &Limits) -> Pairs {
        let pairs = Pairs::new(encoding, limits);
        Pairs { count_max: pairs.count_max / 2, size_max: pairs.size_max / 2, ..pairs }
    }

    /// A new entry, which will have what is common.
    pub fn begin(&mut self, common: &Common) {
        (self.count, self.size) = (common.names.places.len(), common.size);
        self.names.places.clear();
        self.names.bits = 0;
        self.altered = common.altered;
    }

    /// What was written to `bytes`, for many entries.
    pub fn into_common(self, bytes: Vec<u8>) -> Common {
        Common { bytes, names: self.names, size: self.size, altered: self.altered }
    }

    /// A pair of our own, whose name is one of Loki's.
    pub fn put_own(&mut self, name: &str, value: &[u8], common: &Common, out: &mut Vec<u8>) {
        self.name.clear();
        self.name.extend_from_slice(name.as_bytes());
        self.put_named(value, common, out);
    }

    /// With a value that `write` writes.
    pub fn put_own_by(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>), common: &Common, out: &mut Vec<u8>) {
        let mut value = std::mem::take(&mut self.value);
        value.clear();
        write(&mut value);
        self.put_own(name, &value, common, out);
        self.value = value;
    }

    pub fn put_attribute(&mut self, key: &str, value: &Any<'_>, common: &Common, out: &mut Vec<u8>) {
        if let Any::Map(_) = value {
            let mut path = std::mem::take(&mut self.path);
            path.clear();
            path.push_str(key);
            self.put_at(&mut path, value, 0, common, out);
            self.path = path;
            return;
        }
        self.put_leaf(key, value, common, out);
    }

    fn put_at(&mut self, path: &mut String, value: &Any<'_>, depth: usize, common: &Common, out: &mut Vec<u8>) {
        match value {
            Any::Map(map) if depth < DEPTH_MAX => {
                let end = path.len();
                for (key, value) in map.attributes(1) {
                    path.push('_');
                    path.push_str(key);
                    self.put_at(path, &value, depth + 1, common, out);
                    path.truncate(end);
                }
            }
            value => self.put_leaf(path, value, common, out),
        }
    }

    fn put_leaf(&mut self, key: &str, value: &Any<'_>, common: &Common, out: &mut Vec<u8>) {
        if self.count >= self.count_max {
            self.altered.left_out += 1;
            return;
        }
        self.name.clear();
        put_name(key, &mut self.name);
        match value {
            Any::Text(text) => self.put_named(text.as_bytes(), common, out),
            value => {
                let mut text = std::mem::take(&mut self.value);
                text.clear();
                value.put_text(&mut text);
                self.put_named(&text, common, out);
                self.value = text;
            }
        }
    }

    /// At the name that is in `name`. An empty value is none: Loki does not tell it from a name that is not there.
    fn put_named(&mut self, value: &[u8], common: &Common, out: &mut Vec<u8>) {
        if value.is_empty() {
            return;
        }
        if !self.find_name(common, out) {
            self.altered.left_out += 1;
            return;
        }
        let room = self.size_max.saturating_sub(self.size + self.name.len());
        let whole = value.len();
        let value = cut(value, room);
        if value.is_empty() || self.count >= self.count_max {
            self.altered.left_out += 1;
            return;
        }
        self.altered.values += u64::from(value.len() < whole);
        self.count += 1;
        self.size += self.name.len() + value.len();
        let start = self.encoding.put_pair(&self.name, value, out);
        self.names.add(&self.name, start);
    }

    /// Makes the name one that the entry does not have. `false`: it has too many like it.
    fn find_name(&mut self, common: &Common, out: &[u8]) -> bool {
        let len = self.name.len();
        for number in 1..=SAME_NAME_MAX {
            if number > 1 {
                self.name.truncate(len);
                // Loki would make one `_` of two.
                self.name.extend_from_slice(if self.name.ends_with(b"_") { b"" } else { b"_" });
                self.name.push(b'0' + number);
            }
            if !common.names.has(&self.name, &common.bytes) && !self.names.has(&self.name, out) {
                return true;
            }
        }
        false
    }
}
