//! What a block must be. `nodes` looks at the nodes alone, `rows` at what their parts hold.

use crate::block::{HEADER_BYTES, NODE_BYTES, Node};
use crate::error::Part;
use crate::{AnyKind, Bits, Block, BlockError, DEPTH_MAX, Fixed, Kind, NODES_MAX};

/// A node as it lies in the block, unchecked.
type RawNode = [u32; 6];

/// Reads the nodes and checks them: their kinds, their children, that every part lies in the block and no two share bytes.
pub(crate) fn nodes(block: &mut Block<'_>) -> Result<(), BlockError> {
    let bytes = block.bytes;
    let Some((&[count, node_bytes], _)) = u32::cut(bytes).split_first_chunk::<2>() else {
        return Err(BlockError::Header { bytes: bytes.len() });
    };
    let (count, node_bytes) = (<u32 as Fixed>::from_le(count), <u32 as Fixed>::from_le(node_bytes));
    if (node_bytes as usize) < NODE_BYTES || !node_bytes.is_multiple_of(4) {
        return Err(BlockError::NodeBytes { found: node_bytes });
    }
    let room = ((bytes.len() - HEADER_BYTES) / node_bytes as usize).min(NODES_MAX);
    if count as usize > room {
        return Err(BlockError::Nodes { found: count, room });
    }
    let (count, node_bytes) = (count as usize, node_bytes as usize);
    let head = HEADER_BYTES + count * node_bytes;
    block.nodes.reserve_exact(count);
    let mut parts_bytes = 0;
    for (number, raw) in bytes[HEADER_BYTES..head].chunks_exact(node_bytes).enumerate() {
        let fields = u32::cut(raw).first_chunk::<6>().copied().unwrap_or_default();
        let node = read(number, fields.map(<u32 as Fixed>::from_le))?;
        parts_bytes += parts(block, number, &node, head)?;
        block.nodes.push(node);
    }
    if parts_bytes > bytes.len() as u64 {
        return Err(BlockError::PartsShared { bytes: parts_bytes, block: bytes.len() });
    }
    let mut next = 0;
    while next < count {
        next = tree(block, next, 1)?;
    }
    Ok(())
}

fn read(number: usize, [kind, len, children, validity, offsets, values]: RawNode) -> Result<Node, BlockError> {
    let kind = Kind::from_number(kind).ok_or(BlockError::Kind { node: number, found: kind })?;
    Ok(Node { kind, len: len as usize, children, next: number + 1, validity, offsets, values })
}

/// Bytes of the node's parts, all of which lie in the block behind the nodes.
fn parts(block: &Block<'_>, number: usize, node: &Node, head: usize) -> Result<u64, BlockError> {
    let mut sum = 0;
    for part in Part::ALL {
        let start = match part {
            Part::Validity => node.validity,
            Part::Offsets => node.offsets,
            Part::Values => node.values,
        };
        let bytes = part_bytes(block, node, part);
        let missing_is_meant = part == Part::Validity || node.len == 0 || bytes == Some(0);
        match (start, bytes) {
            (0, None) => {}
            (0, Some(_)) if missing_is_meant => {}
            (0, Some(_)) => return Err(BlockError::PartMissing { node: number, part }),
            (_, None) => return Err(BlockError::PartUnexpected { node: number, part }),
            (_, Some(_)) if (start as usize) < head || !start.is_multiple_of(8) => {
                return Err(BlockError::PartStart { node: number, part, start });
            }
            (_, Some(bytes)) if u64::from(start) + bytes > block.bytes.len() as u64 => {
                return Err(BlockError::PartEnd { node: number, part, start, bytes, block: block.bytes.len() });
            }
            (_, Some(bytes)) => sum += bytes,
        }
    }
    Ok(sum)
}

/// Bytes that a part of this node must have; `None`: its kind has no such part.
///
/// `Part::ALL` puts offsets before values: the length of cut values is the last offset, which is only looked for where the
/// offsets are inside the block.
fn part_bytes(block: &Block<'_>, node: &Node, part: Part) -> Option<u64> {
    let len = node.len as u64;
    match (part, node.kind) {
        (Part::Validity, Kind::Any) => None,
        (Part::Validity, _) => Some(len.div_ceil(8)),
        (Part::Offsets, Kind::Any) => Some(len * 4),
        (Part::Offsets, Kind::Sequence | Kind::Attributes) => Some((len + 1) * 4),
        (Part::Offsets, kind) => kind.is_cut().then_some((len + 1) * 4),
        (Part::Values, Kind::Sequence | Kind::Attributes) => None,
        (Part::Values, Kind::Boolean) => Some(len.div_ceil(8)),
        (Part::Values, kind) if kind.is_cut() => Some(u64::from(last_offset(block, node))),
        (Part::Values, kind) => kind.width().map(|width| len * width as u64),
    }
}

/// Checks the node's children, theirs, and the lengths that hang together; gives the number of the node behind them.
fn tree(block: &mut Block<'_>, number: usize, depth: usize) -> Result<usize, BlockError> {
    if depth > DEPTH_MAX {
        return Err(BlockError::Depth { node: number, max: DEPTH_MAX });
    }
    let node = block.nodes[number];
    let wrong_count = BlockError::Children { node: number, kind: node.kind, found: node.children };
    let fits = match node.kind {
        Kind::Dictionary | Kind::Sequence => node.children == 1,
        Kind::Attributes => node.children == 2,
        Kind::Any => node.children <= 7,
        _ => node.children == 0,
    };
    if !fits {
        return Err(wrong_count);
    }
    let (mut next, mut seen) = (number + 1, 0_u32);
    for place in 0..node.children {
        let Some(&child) = block.nodes.get(next) else {
            return Err(wrong_count);
        };
        child_fits(next, &node, place, &child)?;
        if node.kind == Kind::Any {
            let slot = if child.kind == Kind::Dictionary { Kind::Text } else { child.kind };
            if seen >> slot as u32 & 1 == 1 {
                return Err(BlockError::ChildTwice { node: next, found: child.kind });
            }
            seen |= 1 << slot as u32;
        }
        if matches!(node.kind, Kind::Sequence | Kind::Attributes) {
            let expected = last_offset(block, &node);
            if child.len != expected as usize {
                return Err(BlockError::Length { node: next, found: child.len as u32, expected });
            }
        }
        next = tree(block, next, depth + 1)?;
    }
    block.nodes[number].next = next;
    Ok(next)
}

/// Whether `child` may stand at that place under `parent`.
fn child_fits(number: usize, parent: &Node, place: u32, child: &Node) -> Result<(), BlockError> {
    let (fits, expected) = match (parent.kind, place) {
        (Kind::Dictionary, _) => (child.kind == Kind::Text, "`text`"),
        (Kind::Any, _) => (
            matches!(
                child.kind,
                Kind::Text
                    | Kind::Dictionary
                    | Kind::Int64
                    | Kind::Double
                    | Kind::Boolean
                    | Kind::Binary
                    | Kind::ListValue
                    | Kind::MapValue
            ),
            "`text`, `dictionary`, `int64`, `double`, `boolean`, `binary`, `list-value` or `map-value`",
        ),
        (Kind::Attributes, 0) => (matches!(child.kind, Kind::Text | Kind::Dictionary), "`text` or `dictionary`"),
        (Kind::Attributes, _) => (child.kind == Kind::Any, "`any`"),
        _ => (true, ""),
    };
    if !fits {
        return Err(BlockError::ChildKind { node: number, parent: parent.kind, found: child.kind, expected });
    }
    // A value of these is absent by its row's kind, or cannot be.
    if child.validity != 0 && parent.kind != Kind::Sequence {
        return Err(BlockError::PartUnexpected { node: number, part: Part::Validity });
    }
    Ok(())
}

fn last_offset(block: &Block<'_>, node: &Node) -> u32 {
    block.offsets(node).last().map_or(0, |&end| <u32 as Fixed>::from_le(end))
}

/// Checks what the node's parts hold. Its nodes were checked.
pub(crate) fn rows(block: &Block<'_>, number: usize) -> Result<(), BlockError> {
    let node = &block.nodes[number];
    match node.kind {
        Kind::Text => {
            offsets(block, number, node)?;
            utf8(block, number, node)
        }
        Kind::Binary | Kind::ListValue | Kind::MapValue | Kind::Sequence | Kind::Attributes => {
            offsets(block, number, node)
        }
        Kind::Dictionary => keys(block, number, node),
        Kind::Any => any(block, number, node),
        _ => Ok(()),
    }
}

fn offsets(block: &Block<'_>, number: usize, node: &Node) -> Result<(), BlockError> {
    let offsets = block.offsets(node);
    let mut before = 0;
    for (row, &offset) in offsets.iter().enumerate() {
        let offset = <u32 as Fixed>::from_le(offset);
        if offset < before || row == 0 && offset != 0 {
            return Err(BlockError::Offset { node: number, row, found: offset });
        }
        before = offset;
    }
    Ok(())
}

fn utf8(block: &Block<'_>, number: usize, node: &Node) -> Result<(), BlockError> {
    let values = block.part(node.values, last_offset(block, node) as usize);
    let text = str::from_utf8(values).map_err(|error| BlockError::Utf8 { node: number, at: error.valid_up_to() })?;
    if text.is_ascii() {
        return Ok(());
    }
    for (row, &offset) in block.offsets(node).iter().enumerate() {
        let offset = <u32 as Fixed>::from_le(offset);
        if !text.is_char_boundary(offset as usize) {
            return Err(BlockError::Offset { node: number, row, found: offset });
        }
    }
    Ok(())
}

fn keys(block: &Block<'_>, number: usize, node: &Node) -> Result<(), BlockError> {
    let dictionary = block.nodes.get(number + 1).map_or(0, |child| child.len);
    let validity = Bits::new(block.part(node.validity, node.len.div_ceil(8)), node.len);
    let valid = |row| node.validity == 0 || validity.is_some_and(|bits| bits.get(row));
    for (row, &key) in u32::cut(block.part(node.values, node.len * 4)).iter().enumerate() {
        let key = <u32 as Fixed>::from_le(key);
        // A row without a value has a key in range too, or 0: whoever looks values up in a table need not ask.
        if key as usize >= dictionary && (key != 0 || valid(row)) {
            return Err(BlockError::Key { node: number, row, found: key, dictionary: dictionary as u32 });
        }
    }
    Ok(())
}

fn any(block: &Block<'_>, number: usize, node: &Node) -> Result<(), BlockError> {
    let mut lens = [None; AnyKind::ALL.len()];
    for child in block.children(number) {
        let kind = block.nodes[child].kind;
        if let Some(any_kind) = AnyKind::ALL.into_iter().find(|any_kind| child_kind(*any_kind).contains(&kind)) {
            lens[any_kind as usize] = Some(block.nodes[child].len);
        }
    }
    let places = u32::cut(block.part(node.offsets, node.len * 4));
    for (row, (&kind, &place)) in block.part(node.values, node.len).iter().zip(places).enumerate() {
        let any_kind = AnyKind::from_number(kind).ok_or(BlockError::AnyKind { node: number, row, found: kind })?;
        let [expected, ..] = child_kind(any_kind) else { continue };
        let Some(len) = lens[any_kind as usize] else {
            return Err(BlockError::AnyChild { node: number, row, kind: *expected });
        };
        let place = <u32 as Fixed>::from_le(place);
        if place as usize >= len {
            return Err(BlockError::AnyPlace { node: number, row, found: place, child: len as u32 });
        }
    }
    Ok(())
}

/// The kinds of node that hold values of this kind; none for a value that is nowhere.
fn child_kind(kind: AnyKind) -> &'static [Kind] {
    match kind {
        AnyKind::Absent | AnyKind::Empty => &[],
        AnyKind::Text => &[Kind::Text, Kind::Dictionary],
        AnyKind::Int => &[Kind::Int64],
        AnyKind::Double => &[Kind::Double],
        AnyKind::Boolean => &[Kind::Boolean],
        AnyKind::Binary => &[Kind::Binary],
        AnyKind::List => &[Kind::ListValue],
        AnyKind::Map => &[Kind::MapValue],
    }
}
