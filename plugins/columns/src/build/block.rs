//! The builder of whole blocks.

use std::error::Error;
use std::fmt;

use crate::block::{HEADER_BYTES, NODE_BYTES};
use crate::{AnyKind, AnyValue, BLOCK_BYTES_MAX, Bitmap, Fixed, Kind, NODES_MAX};

/// Nodes that a builder has room for at first: eight dictionaries, or one `any` of all kinds.
const NODES_RESERVED: usize = 16;

/// Where a node's fields are.
const LEN: usize = 1;
const CHILDREN: usize = 2;
const VALIDITY: usize = 3;
const OFFSETS: usize = 4;
const VALUES: usize = 5;

/// Makes a block, column by column.
#[derive(Clone, Debug)]
pub struct BlockBuilder {
    /// Room for header and nodes, then the parts.
    out: Vec<u8>,
    nodes: Vec<[u32; 6]>,
    /// Nodes that `out` has room for.
    reserved: usize,
    /// A length that does not fit its field.
    too_long: bool,
}

/// A node of a block in the making.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NodeId(usize);

/// More than fits a block: rows of a column, bytes, or nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockTooLarge {
    pub bytes: usize,
    pub nodes: usize,
}

impl Error for BlockTooLarge {}

impl fmt::Display for BlockTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BlockTooLarge { bytes, nodes } = self;
        write!(f, "a block of {bytes} bytes and {nodes} nodes, at most {BLOCK_BYTES_MAX} and {NODES_MAX} can be")
    }
}

impl Default for BlockBuilder {
    fn default() -> Self {
        BlockBuilder::new()
    }
}

impl BlockBuilder {
    pub fn new() -> BlockBuilder {
        BlockBuilder::with_capacity(NODES_RESERVED, 0)
    }

    /// With room for so many nodes, and for so many bytes of parts.
    pub fn with_capacity(nodes: usize, bytes: usize) -> BlockBuilder {
        let head = HEADER_BYTES + nodes * NODE_BYTES;
        let mut out = Vec::with_capacity(head + bytes);
        out.resize(head, 0);
        BlockBuilder { out, nodes: Vec::with_capacity(nodes), reserved: nodes, too_long: false }
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether there is no node yet.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// A node of `len` rows. Its `children` are the nodes opened next, each with its own.
    pub fn open(&mut self, kind: Kind, len: usize, children: usize) -> NodeId {
        let (len, children) = (self.fit(len), self.fit(children));
        self.nodes.push([kind as u32, len, children, 0, 0, 0]);
        NodeId(self.nodes.len() - 1)
    }

    /// Writes a node's validity in place: a bitmap of zeros at first.
    pub fn validity(&mut self, node: NodeId) -> &mut [u8] {
        let rows = self.rows(node);
        self.part(node, VALIDITY, rows.div_ceil(8))
    }

    /// Writes a node's offsets in place, zeros at first: a u32 for each row for `any`, one more for all others.
    pub fn offsets(&mut self, node: NodeId) -> &mut [u8] {
        let more = usize::from(self.nodes.get(node.0).is_none_or(|node| node[0] != Kind::Any as u32));
        let rows = self.rows(node);
        self.part(node, OFFSETS, (rows + more) * 4)
    }

    /// Writes a node's values in place: so many zeros at first.
    pub fn values(&mut self, node: NodeId, bytes: usize) -> &mut [u8] {
        self.part(node, VALUES, bytes)
    }

    /// Writes a node's values where their number of bytes is not known before: `write` appends to the block.
    pub fn values_with<R>(&mut self, node: NodeId, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        self.align(node, VALUES);
        write(&mut self.out)
    }

    /// Says which rows have a value.
    pub fn set_validity(&mut self, node: NodeId, valid: &Bitmap) {
        valid.write(self.validity(node));
    }

    /// A column of fixed width.
    pub fn fixed<T: Fixed>(&mut self, values: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>) -> NodeId {
        let values = values.into_iter();
        let node = self.open(T::KIND, values.len(), 0);
        self.values_with(node, |out| {
            out.reserve(values.len() * size_of::<T::Bytes>());
            values.for_each(|value| out.extend_from_slice(value.to_le().as_ref()));
        });
        node
    }

    /// A column of fixed width, where rows may have no value.
    pub fn fixed_options<T: Fixed>(
        &mut self,
        values: impl IntoIterator<Item = Option<T>, IntoIter: ExactSizeIterator>,
    ) -> NodeId {
        let mut valid = Bitmap::default();
        let node = self.fixed(values.into_iter().map(|value| {
            valid.push(value.is_some());
            value.unwrap_or_default()
        }));
        if !valid.is_all() {
            self.set_validity(node, &valid);
        }
        node
    }

    /// A column of truth values.
    pub fn boolean(&mut self, values: &Bitmap) -> NodeId {
        let node = self.open(Kind::Boolean, values.len(), 0);
        values.write(self.values(node, values.len().div_ceil(8)));
        node
    }

    /// A column of plain text.
    pub fn text<'v>(&mut self, values: impl IntoIterator<Item = &'v str, IntoIter: ExactSizeIterator>) -> NodeId {
        self.cut(Kind::Text, values.into_iter().map(str::as_bytes))
    }

    /// A column of bytes.
    pub fn binary<'v>(&mut self, values: impl IntoIterator<Item = &'v [u8], IntoIter: ExactSizeIterator>) -> NodeId {
        self.cut(Kind::Binary, values.into_iter())
    }

    /// A column of text as keys of a dictionary.
    pub fn dictionary<'v>(
        &mut self,
        keys: impl IntoIterator<Item = u32, IntoIter: ExactSizeIterator>,
        values: impl IntoIterator<Item = &'v str, IntoIter: ExactSizeIterator>,
    ) -> NodeId {
        let keys = keys.into_iter();
        let node = self.open(Kind::Dictionary, keys.len(), 1);
        self.values_with(node, |out| keys.for_each(|key| out.extend_from_slice(&key.to_le_bytes())));
        self.text(values);
        node
    }

    /// An `any` column with the same value in each row, which lies in the block once.
    pub fn any_constant(&mut self, value: AnyValue<'_>, rows: usize) -> NodeId {
        let kind = value.kind();
        let nowhere = matches!(kind, AnyKind::Absent | AnyKind::Empty);
        let node = self.open(Kind::Any, rows, usize::from(!nowhere));
        self.values(node, rows).fill(kind as u8);
        self.offsets(node);
        match value {
            AnyValue::Absent | AnyValue::Empty => {}
            AnyValue::Text(text) => drop(self.text([text])),
            AnyValue::Int(int) => drop(self.fixed([int])),
            AnyValue::Double(double) => drop(self.fixed([double])),
            AnyValue::Boolean(boolean) => drop(self.boolean(&Bitmap::from_fn(1, |_| boolean))),
            AnyValue::Binary(bytes) => drop(self.cut(Kind::Binary, [bytes].into_iter())),
            AnyValue::List(bytes) => drop(self.cut(Kind::ListValue, [bytes].into_iter())),
            AnyValue::Map(bytes) => drop(self.cut(Kind::MapValue, [bytes].into_iter())),
        }
        node
    }

    /// The block, or word that it is too large to be one.
    pub fn finish(mut self) -> Result<Vec<u8>, BlockTooLarge> {
        let nodes = self.nodes.len();
        let head = HEADER_BYTES + nodes * NODE_BYTES;
        let reserved = HEADER_BYTES + self.reserved * NODE_BYTES;
        let too_large = BlockTooLarge { bytes: self.out.len() + head.saturating_sub(reserved), nodes };
        if self.too_long || nodes > NODES_MAX || too_large.bytes > BLOCK_BYTES_MAX {
            return Err(too_large);
        }
        let shift = head.saturating_sub(reserved);
        if shift > 0 {
            let end = self.out.len();
            self.out.resize(end + shift, 0);
            self.out.copy_within(reserved..end, head);
        }
        let (header, rest) = self.out.split_at_mut(HEADER_BYTES);
        header[..4].copy_from_slice(&(nodes as u32).to_le_bytes());
        header[4..].copy_from_slice(&(NODE_BYTES as u32).to_le_bytes());
        for (to, mut node) in rest.chunks_exact_mut(NODE_BYTES).zip(self.nodes) {
            for start in node[VALIDITY..].iter_mut().filter(|start| **start != 0) {
                *start += shift as u32;
            }
            for (to, field) in to.chunks_exact_mut(4).zip(node) {
                to.copy_from_slice(&field.to_le_bytes());
            }
        }
        Ok(self.out)
    }

    pub(super) fn cut<'v>(&mut self, kind: Kind, values: impl ExactSizeIterator<Item = &'v [u8]>) -> NodeId {
        let len = values.len();
        let node = self.open(kind, len, 0);
        let offsets = self.align(node, OFFSETS);
        self.out.resize(offsets + (len + 1) * 4, 0);
        let start = self.align(node, VALUES);
        for (row, value) in values.take(len).enumerate() {
            self.out.extend_from_slice(value);
            let end = (self.out.len() - start) as u32;
            self.out[offsets + (row + 1) * 4..][..4].copy_from_slice(&end.to_le_bytes());
        }
        node
    }

    pub(super) fn set_children(&mut self, node: NodeId, children: usize) {
        if let Some(node) = self.nodes.get_mut(node.0) {
            node[CHILDREN] = children as u32;
        }
    }

    fn rows(&self, node: NodeId) -> usize {
        self.nodes.get(node.0).map_or(0, |node| node[LEN] as usize)
    }

    fn part(&mut self, node: NodeId, field: usize, bytes: usize) -> &mut [u8] {
        let start = self.align(node, field);
        self.out.resize(start + bytes, 0);
        &mut self.out[start..]
    }

    /// Begins a part, and notes where. What does not fit 32 bits makes the block too large in the end.
    fn align(&mut self, node: NodeId, field: usize) -> usize {
        let start = self.out.len().next_multiple_of(8);
        self.out.resize(start, 0);
        if let Some(node) = self.nodes.get_mut(node.0) {
            node[field] = start as u32;
        }
        start
    }

    fn fit(&mut self, len: usize) -> u32 {
        u32::try_from(len).unwrap_or_else(|_| {
            self.too_long = true;
            0
        })
    }
}
