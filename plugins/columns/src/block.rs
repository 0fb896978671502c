//! Reading a block: its nodes.

use smallvec::SmallVec;

use crate::error::Part;
use crate::text::PlainText;
use crate::{
    Any, Attributes, Binary, Bits, BlockError, Boolean, Column, Dictionary, Fixed, Kind, Sequence, Text, Values, check,
};

/// Nodes in a block: room for thousands of columns, and few enough to be looked through in no time.
pub const NODES_MAX: usize = 1 << 16;

/// Nodes on the way from a column to its deepest child. The deepest of the contract has five: the attributes of events are
/// sequence, attributes, any, dictionary, text.
pub const DEPTH_MAX: usize = 8;

/// Bytes in a block: what is counted within one fits 31 bits, as in Arrow.
pub const BLOCK_BYTES_MAX: usize = i32::MAX as usize;

/// Bytes of the header, and of a node in this version.
pub(crate) const HEADER_BYTES: usize = 8;
pub(crate) const NODE_BYTES: usize = 24;

/// Nodes of a block for which no memory is asked: those of a handful of columns.
const NODES_INLINE: usize = 8;

/// Columns in one buffer.
#[derive(Clone, Debug)]
pub struct Block<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) nodes: SmallVec<[Node; NODES_INLINE]>,
}

/// A node as it lies in the block. The parts are known to be inside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub kind: Kind,
    pub len: usize,
    pub children: u32,
    /// Number of the node behind this one and all its children.
    pub next: usize,
    /// Where the parts start; 0: no such part.
    pub validity: u32,
    pub offsets: u32,
    pub values: u32,
}

impl<'a> Block<'a> {
    /// Reads a block of unknown origin and checks all of it. An empty one has no columns.
    pub fn check(bytes: &'a [u8]) -> Result<Block<'a>, BlockError> {
        let block = Block::open(bytes)?;
        for number in 0..block.nodes.len() {
            check::rows(&block, number)?;
        }
        Ok(block)
    }

    /// Reads a block that can be relied on. Its nodes and the ends of its parts are checked; offsets, keys, places and text
    /// are not. Where those are wrong, reading gives wrong values, or none, and never touches memory outside the block.
    ///
    /// # Safety
    /// Text is UTF-8 between its offsets, as the contract promises of what the host sends.
    pub unsafe fn trusted(bytes: &'a [u8]) -> Result<Block<'a>, BlockError> {
        Block::open(bytes)
    }

    fn open(bytes: &'a [u8]) -> Result<Block<'a>, BlockError> {
        let mut block = Block { bytes, nodes: SmallVec::new() };
        if !bytes.is_empty() {
            check::nodes(&mut block)?;
        }
        Ok(block)
    }

    /// The columns in order.
    pub fn columns(&self) -> impl Iterator<Item = Column<'_>> {
        self.roots().map(|number| self.at(number))
    }

    /// The column of that number, counted from 0; `None`: there are fewer.
    pub fn column(&self, number: usize) -> Option<Column<'_>> {
        self.columns().nth(number)
    }

    /// Nodes that are nobody's children.
    pub(crate) fn roots(&self) -> impl Iterator<Item = usize> + '_ {
        let first = (!self.nodes.is_empty()).then_some(0);
        std::iter::successors(first, |&number| self.after(number))
    }

    /// Children of a node, in order.
    pub(crate) fn children(&self, number: usize) -> impl Iterator<Item = usize> + '_ {
        let count = self.nodes.get(number).map_or(0, |node| node.children as usize);
        std::iter::successors(Some(number + 1), |&number| self.after(number)).take(count)
    }

    fn after(&self, number: usize) -> Option<usize> {
        self.nodes.get(number).map(|node| node.next).filter(|&next| next < self.nodes.len())
    }

    pub(crate) fn part(&self, start: u32, bytes: usize) -> &[u8] {
        let start = start as usize;
        if start == 0 { &[] } else { self.bytes.get(start..start.saturating_add(bytes)).unwrap_or_default() }
    }

    pub(crate) fn offsets(&self, node: &Node) -> &[[u8; 4]] {
        u32::cut(self.part(node.offsets, (node.len + 1) * 4))
    }

    fn validity(&self, node: &Node) -> Option<Bits<'_>> {
        if node.validity == 0 { None } else { Bits::new(self.part(node.validity, node.len.div_ceil(8)), node.len) }
    }

    /// The column that starts with this node. What cannot be, after the nodes were checked, comes out without rows.
    pub(crate) fn at(&self, number: usize) -> Column<'_> {
        match self.nodes.get(number).map(|node| node.kind) {
            None => Column::Binary(Binary::new(0, &[], &[], None)),
            Some(Kind::Boolean) => Column::Boolean(self.boolean(number)),
            Some(Kind::UInt8) => Column::UInt8(self.values(number)),
            Some(Kind::UInt32) => Column::UInt32(self.values(number)),
            Some(Kind::Int32) => Column::Int32(self.values(number)),
            Some(Kind::UInt64) => Column::UInt64(self.values(number)),
            Some(Kind::Int64) => Column::Int64(self.values(number)),
            Some(Kind::Double) => Column::Double(self.values(number)),
            Some(Kind::Id8) => Column::Id8(self.values(number)),
            Some(Kind::Id16) => Column::Id16(self.values(number)),
            Some(Kind::Text | Kind::Dictionary) => Column::Text(self.text(number)),
            Some(Kind::Binary) => Column::Binary(self.binary(number)),
            Some(Kind::ListValue) => Column::ListValue(self.binary(number)),
            Some(Kind::MapValue) => Column::MapValue(self.binary(number)),
            Some(Kind::Any) => Column::Any(self.any(number)),
            Some(Kind::Sequence) => Column::Sequence(self.sequence(number)),
            Some(Kind::Attributes) => Column::Attributes(self.attributes(number)),
        }
    }

    fn values<T: Fixed>(&self, number: usize) -> Values<'_, T> {
        let node = &self.nodes[number];
        Values::new(self.part(node.values, node.len * size_of::<T::Bytes>()), self.validity(node))
    }

    fn boolean(&self, number: usize) -> Boolean<'_> {
        let node = &self.nodes[number];
        let values = Bits::new(self.part(node.values, node.len.div_ceil(8)), node.len);
        Boolean::new(values.unwrap_or_default(), self.validity(node))
    }

    fn binary(&self, number: usize) -> Binary<'_> {
        let node = &self.nodes[number];
        let offsets = self.part(node.offsets, (node.len + 1) * 4);
        let end = u32::cut(offsets).last().map_or(0, |&end| <u32 as Fixed>::from_le(end) as usize);
        Binary::new(node.len, offsets, self.part(node.values, end), self.validity(node))
    }

    fn plain(&self, number: usize) -> PlainText<'_> {
        // SAFETY: `check` has seen that each row is UTF-8, or the caller of `trusted` vouched for it.
        unsafe { PlainText::new(self.binary(number)) }
    }

    fn text(&self, number: usize) -> Text<'_> {
        if self.nodes[number].kind == Kind::Dictionary {
            Text::Dictionary(Dictionary::new(self.values(number), self.plain(number + 1)))
        } else {
            Text::Plain(self.plain(number))
        }
    }

    fn any(&self, number: usize) -> Any<'_> {
        let node = &self.nodes[number];
        let mut any = Any {
            kinds: self.part(node.values, node.len),
            places: Values::new(self.part(node.offsets, node.len * 4), None),
            text: None,
            int: None,
            double: None,
            boolean: None,
            binary: None,
            list: None,
            map: None,
        };
        for child in self.children(number) {
            match self.at(child) {
                Column::Text(text) => any.text = Some(text),
                Column::Int64(int) => any.int = Some(int),
                Column::Double(double) => any.double = Some(double),
                Column::Boolean(boolean) => any.boolean = Some(boolean),
                Column::Binary(binary) => any.binary = Some(binary),
                Column::ListValue(list) => any.list = Some(list),
                Column::MapValue(map) => any.map = Some(map),
                // `check::nodes` lets no other kind be a child of `any`.
                _ => {}
            }
        }
        any
    }

    fn sequence(&self, number: usize) -> Sequence<'_> {
        let node = &self.nodes[number];
        Sequence {
            len: node.len,
            offsets: self.offsets(node),
            validity: self.validity(node),
            block: self,
            child: number + 1,
        }
    }

    fn attributes(&self, number: usize) -> Attributes<'_> {
        let node = &self.nodes[number];
        let keys = number + 1;
        Attributes {
            len: node.len,
            offsets: self.offsets(node),
            validity: self.validity(node),
            keys: self.text(keys),
            values: self.any(self.nodes[keys].next),
        }
    }
}

impl Part {
    pub(crate) const ALL: [Part; 3] = [Part::Validity, Part::Offsets, Part::Values];
}
