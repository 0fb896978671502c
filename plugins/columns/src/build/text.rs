//! Cut columns, value by value.

use super::{BlockBuilder, NodeId};
use crate::{Bitmap, Kind};

/// Collects the rows of a text column. It can be used again after [`clear`](TextBuilder::clear), with the memory it has.
#[derive(Clone, Default, Debug)]
pub struct TextBuilder {
    cut: Cut,
    valid: Bitmap,
}

/// Bytes cut by their ends.
#[derive(Clone, Default, Debug)]
pub(super) struct Cut {
    ends: Vec<usize>,
    values: Vec<u8>,
}

impl TextBuilder {
    pub fn new() -> TextBuilder {
        TextBuilder::default()
    }

    /// Appends a row, with or without a value.
    pub fn push(&mut self, value: Option<&str>) {
        self.cut.push(value.unwrap_or_default().as_bytes());
        self.valid.push(value.is_some());
    }

    pub fn len(&self) -> usize {
        self.cut.len()
    }

    pub fn is_empty(&self) -> bool {
        self.cut.len() == 0
    }

    pub fn clear(&mut self) {
        self.cut.clear();
        self.valid = Bitmap::default();
    }

    /// Writes the column into a block.
    pub fn append(&self, block: &mut BlockBuilder) -> NodeId {
        let node = self.cut.append(Kind::Text, block);
        if !self.valid.is_all() {
            block.set_validity(node, &self.valid);
        }
        node
    }
}

impl Cut {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn get(&self, place: usize) -> Option<&[u8]> {
        let end = *self.ends.get(place)?;
        let start = place.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.values.get(start..end)
    }

    pub fn push(&mut self, value: &[u8]) {
        self.values.extend_from_slice(value);
        self.ends.push(self.values.len());
    }

    pub fn clear(&mut self) {
        self.ends.clear();
        self.values.clear();
    }

    pub fn append(&self, kind: Kind, block: &mut BlockBuilder) -> NodeId {
        let mut start = 0;
        let values = self.ends.iter().map(|&end| self.values.get(std::mem::replace(&mut start, end)..end));
        block.cut(kind, values.map(Option::unwrap_or_default))
    }
}
