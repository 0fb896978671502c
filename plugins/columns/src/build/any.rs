//! Dynamically typed columns, value by value.

use super::text::Cut;
use super::{BlockBuilder, NodeId};
use crate::{AnyKind, AnyValue, Bitmap, Kind};

/// Collects the rows of an `any` column. It can be used again after [`clear`](AnyBuilder::clear), with the memory it has.
#[derive(Clone, Default, Debug)]
pub struct AnyBuilder {
    kinds: Vec<u8>,
    places: Vec<u32>,
    text: Cut,
    int: Vec<i64>,
    double: Vec<f64>,
    boolean: Bitmap,
    binary: Cut,
    list: Cut,
    map: Cut,
}

/// A value that an [`AnyBuilder`] holds, for any number of rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AnyPlace {
    kind: AnyKind,
    place: u32,
}

/// Collects the rows of an `attributes` column, entry by entry.
#[derive(Clone, Default, Debug)]
pub struct AttributesBuilder {
    ends: Vec<u32>,
    keys: Cut,
    values: AnyBuilder,
}

impl AnyBuilder {
    pub fn new() -> AnyBuilder {
        AnyBuilder::default()
    }

    /// Holds a value without a row: rows are given it by [`push_place`](AnyBuilder::push_place), as often as wanted.
    pub fn hold(&mut self, value: AnyValue<'_>) -> AnyPlace {
        let place = match value {
            AnyValue::Absent | AnyValue::Empty => 0,
            AnyValue::Text(text) => hold(&mut self.text, text.as_bytes()),
            AnyValue::Int(int) => {
                self.int.push(int);
                self.int.len() - 1
            }
            AnyValue::Double(double) => {
                self.double.push(double);
                self.double.len() - 1
            }
            AnyValue::Boolean(boolean) => {
                self.boolean.push(boolean);
                self.boolean.len() - 1
            }
            AnyValue::Binary(bytes) => hold(&mut self.binary, bytes),
            AnyValue::List(bytes) => hold(&mut self.list, bytes),
            AnyValue::Map(bytes) => hold(&mut self.map, bytes),
        };
        // More than 2^32 values make a block too large long before.
        AnyPlace { kind: value.kind(), place: place as u32 }
    }

    /// A value that is held; absent where this builder does not hold it.
    pub fn get(&self, place: AnyPlace) -> AnyValue<'_> {
        let at = place.place as usize;
        let value = match place.kind {
            AnyKind::Absent => None,
            AnyKind::Empty => Some(AnyValue::Empty),
            AnyKind::Text => self.text.get(at).and_then(|text| str::from_utf8(text).ok()).map(AnyValue::Text),
            AnyKind::Int => self.int.get(at).copied().map(AnyValue::Int),
            AnyKind::Double => self.double.get(at).copied().map(AnyValue::Double),
            AnyKind::Boolean => (at < self.boolean.len()).then(|| AnyValue::Boolean(self.boolean.get(at))),
            AnyKind::Binary => self.binary.get(at).map(AnyValue::Binary),
            AnyKind::List => self.list.get(at).map(AnyValue::List),
            AnyKind::Map => self.map.get(at).map(AnyValue::Map),
        };
        value.unwrap_or(AnyValue::Absent)
    }

    /// Appends a row with a value that was held.
    pub fn push_place(&mut self, place: AnyPlace) {
        self.kinds.push(place.kind as u8);
        self.places.push(place.place);
    }

    /// Appends a row.
    pub fn push(&mut self, value: AnyValue<'_>) {
        let place = self.hold(value);
        self.push_place(place);
    }

    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    pub fn clear(&mut self) {
        self.kinds.clear();
        self.places.clear();
        self.int.clear();
        self.double.clear();
        self.boolean = Bitmap::default();
        for cut in [&mut self.text, &mut self.binary, &mut self.list, &mut self.map] {
            cut.clear();
        }
    }

    /// Writes the column into a block: a node, and one for each kind that occurs.
    pub fn append(&self, block: &mut BlockBuilder) -> NodeId {
        let node = block.open(Kind::Any, self.len(), 0);
        block.values(node, self.len()).copy_from_slice(&self.kinds);
        for (to, place) in block.offsets(node).chunks_exact_mut(4).zip(&self.places) {
            to.copy_from_slice(&place.to_le_bytes());
        }
        let mut children = 0;
        for (kind, cut) in [
            (Kind::Text, &self.text),
            (Kind::Binary, &self.binary),
            (Kind::ListValue, &self.list),
            (Kind::MapValue, &self.map),
        ] {
            if cut.len() > 0 {
                cut.append(kind, block);
                children += 1;
            }
        }
        if !self.int.is_empty() {
            block.fixed(self.int.iter().copied());
            children += 1;
        }
        if !self.double.is_empty() {
            block.fixed(self.double.iter().copied());
            children += 1;
        }
        if !self.boolean.is_empty() {
            block.boolean(&self.boolean);
            children += 1;
        }
        block.set_children(node, children);
        node
    }
}

impl AttributesBuilder {
    pub fn new() -> AttributesBuilder {
        AttributesBuilder::default()
    }

    /// Adds an entry to the row in the making.
    pub fn entry(&mut self, key: &str, value: AnyValue<'_>) {
        self.keys.push(key.as_bytes());
        self.values.push(value);
    }

    /// Ends a row: what comes next is the next one's.
    pub fn end_row(&mut self) {
        self.ends.push(self.values.len() as u32);
    }

    /// Rows ended.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn clear(&mut self) {
        self.ends.clear();
        self.keys.clear();
        self.values.clear();
    }

    /// Writes the column into a block. Entries behind the last ended row must not be.
    pub fn append(&self, block: &mut BlockBuilder) -> NodeId {
        let node = block.open(Kind::Attributes, self.len(), 2);
        for (to, end) in block.offsets(node).chunks_exact_mut(4).skip(1).zip(&self.ends) {
            to.copy_from_slice(&end.to_le_bytes());
        }
        self.keys.append(Kind::Text, block);
        self.values.append(block);
        node
    }
}

fn hold(cut: &mut Cut, value: &[u8]) -> usize {
    cut.push(value);
    cut.len() - 1
}
