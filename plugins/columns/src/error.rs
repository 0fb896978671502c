//! What can be wrong with a block.

use std::error::Error;
use std::fmt;

use crate::Kind;

/// A part of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    Validity,
    Offsets,
    Values,
}

/// Why a block is not one. Nodes and rows are counted from 0.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum BlockError {
    /// Shorter than a header, and not empty.
    Header {
        bytes: usize,
    },
    /// The header's bytes per node are fewer than 24, or no multiple of 4.
    NodeBytes {
        found: u32,
    },
    /// The header counts more nodes than the block has room for, or than a block may have.
    Nodes {
        found: u32,
        room: usize,
    },
    Kind {
        node: usize,
        found: u32,
    },
    /// Another number of children than the kind has, or more than there are nodes left.
    Children {
        node: usize,
        kind: Kind,
        found: u32,
    },
    ChildKind {
        node: usize,
        parent: Kind,
        found: Kind,
        expected: &'static str,
    },
    /// A child of `any` for a kind that already has one.
    ChildTwice {
        node: usize,
        found: Kind,
    },
    Depth {
        node: usize,
        max: usize,
    },
    /// A part that does not start at a multiple of 8, or starts among the nodes.
    PartStart {
        node: usize,
        part: Part,
        start: u32,
    },
    PartEnd {
        node: usize,
        part: Part,
        start: u32,
        bytes: u64,
        block: usize,
    },
    PartMissing {
        node: usize,
        part: Part,
    },
    /// A part that this kind has not, or not at this place of the tree.
    PartUnexpected {
        node: usize,
        part: Part,
    },
    /// All parts together are longer than the block: some share bytes.
    PartsShared {
        bytes: u64,
        block: usize,
    },
    /// Offsets that do not start at 0, descend, or cut a character.
    Offset {
        node: usize,
        row: usize,
        found: u32,
    },
    /// A child of another length than its parent's offsets, or its sibling, says.
    Length {
        node: usize,
        found: u32,
        expected: u32,
    },
    Key {
        node: usize,
        row: usize,
        found: u32,
        dictionary: u32,
    },
    Utf8 {
        node: usize,
        at: usize,
    },
    AnyKind {
        node: usize,
        row: usize,
        found: u8,
    },
    /// A row of a kind that no child is for.
    AnyChild {
        node: usize,
        row: usize,
        kind: Kind,
    },
    AnyPlace {
        node: usize,
        row: usize,
        found: u32,
        child: u32,
    },
}

impl Error for BlockError {}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Validity => "validity",
            Part::Offsets => "offsets",
            Part::Values => "values",
        })
    }
}

impl fmt::Display for BlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use BlockError::*;
        match self {
            Header { bytes } => write!(f, "the block has {bytes} bytes, expected a header of 8 or none at all"),
            NodeBytes { found } => write!(f, "the header says {found} bytes per node, expected 24 or more, in fours"),
            Nodes { found, room } => write!(f, "the header counts {found} nodes, there is room for {room}"),
            Kind { node, found } => write!(f, "node {node} is of kind {found}, expected 0 to 16"),
            Children { node, kind, found } => {
                write!(f, "node {node}, `{kind}`, has {found} children, more or fewer than its kind or the block has")
            }
            ChildKind { node, parent, found, expected } => {
                write!(f, "node {node} is `{found}`, expected {expected} as a child of `{parent}`")
            }
            ChildTwice { node, found } => write!(f, "node {node} is a second `{found}` of one `any`"),
            Depth { node, max } => write!(f, "node {node} is nested deeper than {max}"),
            PartStart { node, part, start } => {
                write!(f, "`{part}` of node {node} starts at byte {start}, expected a multiple of 8 behind the nodes")
            }
            PartEnd { node, part, start, bytes, block } => {
                write!(f, "`{part}` of node {node} has {bytes} bytes from {start} on, the block ends at {block}")
            }
            PartMissing { node, part } => write!(f, "node {node} has no `{part}`"),
            PartUnexpected { node, part } => write!(f, "node {node} has `{part}`, which it cannot have there"),
            PartsShared { bytes, block } => {
                write!(f, "the parts have {bytes} bytes together in a block of {block}: no two may share bytes")
            }
            Offset { node, row, found } => write!(
                f,
                "offset {row} of node {node} is {found}, expected 0 for the first, none descending, none inside a character"
            ),
            Length { node, found, expected } => write!(f, "node {node} has length {found}, expected {expected}"),
            Key { node, row, found, dictionary } => {
                write!(f, "row {row} of node {node} has key {found} of a dictionary of {dictionary}")
            }
            Utf8 { node, at } => write!(f, "the text of node {node} is not UTF-8 at its byte {at}"),
            AnyKind { node, row, found } => {
                write!(f, "row {row} of node {node} is of any-kind {found}, expected 0 to 8")
            }
            AnyChild { node, row, kind } => {
                write!(f, "row {row} of node {node} is in a child `{kind}`, which it has not")
            }
            AnyPlace { node, row, found, child } => {
                write!(f, "row {row} of node {node} is at place {found} of a child of {child}")
            }
        }
    }
}
