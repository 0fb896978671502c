//! Blocks that a hostile guest would send. Each is refused with the node and the place that is wrong.

use wasmill_columns::{
    AnyBuilder, AnyValue, AttributesBuilder, Bitmap, Block, BlockBuilder, BlockError, DEPTH_MAX, Kind, Part,
};

/// Fields of a node.
const KIND: usize = 0;
const LEN: usize = 1;
const CHILDREN: usize = 2;
const VALIDITY: usize = 3;
const OFFSETS: usize = 4;
const VALUES: usize = 5;

fn block(write: impl FnOnce(&mut BlockBuilder)) -> Vec<u8> {
    let mut builder = BlockBuilder::with_capacity(2, 0);
    write(&mut builder);
    builder.finish().unwrap()
}

fn text() -> Vec<u8> {
    block(|builder| {
        builder.text(["aä", "b"]);
    })
}

fn any(values: &[AnyValue<'_>]) -> Vec<u8> {
    block(|builder| {
        let mut any = AnyBuilder::new();
        values.iter().for_each(|&value| any.push(value));
        any.append(builder);
    })
}

fn field_at(node: usize, field: usize) -> usize {
    8 + node * 24 + field * 4
}

fn put(block: &mut [u8], at: usize, value: u32) {
    block[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn get(block: &[u8], at: usize) -> usize {
    u32::from_le_bytes(block[at..at + 4].try_into().unwrap()) as usize
}

/// The block with one field of a node changed.
fn with(mut block: Vec<u8>, node: usize, field: usize, value: u32) -> Vec<u8> {
    put(&mut block, field_at(node, field), value);
    block
}

/// The block with one u32 of a part changed.
fn with_in_part(mut block: Vec<u8>, node: usize, part: usize, place: usize, value: u32) -> Vec<u8> {
    let at = get(&block, field_at(node, part)) + place * 4;
    put(&mut block, at, value);
    block
}

fn refused(block: &[u8]) -> BlockError {
    Block::check(block).expect_err("the block is refused")
}

/// The header lies about what follows.
#[test]
fn headers_that_lie_are_refused() {
    let good = text();
    for (at, value, expected) in [
        (0, u32::MAX, BlockError::Nodes { found: u32::MAX, room: (good.len() - 8) / 24 }),
        (4, 0, BlockError::NodeBytes { found: 0 }),
        (4, 23, BlockError::NodeBytes { found: 23 }),
        (4, 26, BlockError::NodeBytes { found: 26 }),
        (4, u32::MAX - 3, BlockError::Nodes { found: 1, room: 0 }),
    ] {
        let mut block = good.clone();
        put(&mut block, at, value);
        assert_eq!(refused(&block), expected);
    }
}

/// Parts that lie among the nodes, at odd places, behind the end, or are missing, or should be.
#[test]
fn parts_outside_the_block_are_refused() {
    let good = text();
    let end = good.len();
    let node = 0;
    let start = |part, start| BlockError::PartStart { node, part, start };
    let overlong = |part, start, bytes| BlockError::PartEnd { node, part, start, bytes, block: end };
    for (field, value, expected) in [
        (OFFSETS, 8, start(Part::Offsets, 8)),
        (OFFSETS, 60, start(Part::Offsets, 60)),
        (OFFSETS, 0, BlockError::PartMissing { node, part: Part::Offsets }),
        (OFFSETS, 0xffff_fff8, overlong(Part::Offsets, 0xffff_fff8, 12)),
        (VALUES, 0, BlockError::PartMissing { node, part: Part::Values }),
        (VALUES, 0xffff_fff8, overlong(Part::Values, 0xffff_fff8, 4)),
        (VALIDITY, 1 << 30, overlong(Part::Validity, 1 << 30, 1)),
        (LEN, u32::MAX, overlong(Part::Offsets, 56, (1 << 32) * 4)),
    ] {
        assert_eq!(refused(&with(good.clone(), 0, field, value)), expected);
    }
    let numbers = block(|builder| {
        builder.fixed([1_u64]);
    });
    assert_eq!(
        refused(&with(numbers, 0, OFFSETS, 56)),
        BlockError::PartUnexpected { node: 0, part: Part::Offsets },
        "numbers have no offsets"
    );
}

/// Thousands of nodes that share one part would make a small block large when it is copied.
#[test]
fn parts_that_share_bytes_are_refused() {
    let mut shared = block(|builder| {
        let first = builder.open(Kind::UInt64, 100, 0);
        builder.open(Kind::UInt64, 100, 0);
        builder.values(first, 800);
    });
    let values = get(&shared, field_at(0, VALUES)) as u32;
    put(&mut shared, field_at(1, VALUES), values);
    assert_eq!(refused(&shared), BlockError::PartsShared { bytes: 1600, block: shared.len() });
}

/// Kinds that are none, children that a kind has not, that are of the wrong kind, or that are not there.
#[test]
fn trees_that_cannot_be_are_refused() {
    let good = text();
    assert_eq!(refused(&with(good.clone(), 0, KIND, 17)), BlockError::Kind { node: 0, found: 17 });
    let children = |kind, found| BlockError::Children { node: 0, kind, found };
    assert_eq!(refused(&with(good, 0, CHILDREN, 1)), children(Kind::Text, 1));
    let dictionary = block(|builder| {
        builder.dictionary([0], ["a"]);
    });
    assert_eq!(refused(&with(dictionary.clone(), 0, CHILDREN, 2)), children(Kind::Dictionary, 2));
    let binary_child = with(dictionary, 1, KIND, Kind::Binary as u32);
    assert!(matches!(refused(&binary_child), BlockError::ChildKind { node: 1, found: Kind::Binary, .. }));
    let missing = block(|builder| {
        builder.open(Kind::Attributes, 0, 2);
    });
    assert_eq!(refused(&missing), children(Kind::Attributes, 2));
    let twice = block(|builder| {
        builder.open(Kind::Any, 0, 2);
        builder.text([]);
        builder.dictionary([], []);
    });
    assert_eq!(refused(&twice), BlockError::ChildTwice { node: 2, found: Kind::Dictionary });
    let any_child = block(|builder| {
        builder.open(Kind::Any, 0, 1);
        builder.fixed([0_u8; 0]);
    });
    assert!(matches!(refused(&any_child), BlockError::ChildKind { node: 1, found: Kind::UInt8, .. }));
}

/// A tree as deep as the block is long would cost the reader its stack.
#[test]
fn deep_trees_are_refused() {
    let deep = |depth: usize| {
        block(|builder| {
            for _ in 1..depth {
                builder.open(Kind::Sequence, 0, 1);
            }
            builder.fixed([0_u8; 0]);
        })
    };
    assert!(Block::check(&deep(DEPTH_MAX)).is_ok());
    assert_eq!(refused(&deep(60_000)), BlockError::Depth { node: DEPTH_MAX, max: DEPTH_MAX });
}

/// Offsets that start late, descend, point behind the values, or cut a character in two.
#[test]
fn offsets_that_cannot_be_are_refused() {
    let offset = |row, found| BlockError::Offset { node: 0, row, found };
    assert_eq!(refused(&with_in_part(text(), 0, OFFSETS, 0, 1)), offset(0, 1));
    assert_eq!(refused(&with_in_part(text(), 0, OFFSETS, 1, 5)), offset(2, 4));
    assert_eq!(refused(&with_in_part(text(), 0, OFFSETS, 1, 2)), offset(1, 2));
    assert!(matches!(refused(&with_in_part(text(), 0, OFFSETS, 2, 5000)), BlockError::PartEnd { bytes: 5000, .. }));
}

/// Text that is not UTF-8, as a column, in a dictionary, as keys of attributes.
#[test]
fn text_that_is_not_utf8_is_refused() {
    let dictionary = block(|builder| {
        builder.dictionary([0], ["abcd"]);
    });
    let mut attributes = AttributesBuilder::new();
    attributes.entry("abcd", AnyValue::Empty);
    attributes.end_row();
    let attributes = block(|builder| {
        attributes.append(builder);
    });
    for (good, node) in [(text(), 0), (dictionary, 1), (attributes, 1)] {
        let mut bad = good;
        let at = get(&bad, field_at(node, VALUES));
        bad[at + 1] = 0xff;
        assert_eq!(refused(&bad), BlockError::Utf8 { node, at: 1 });
    }
}

/// Keys outside the dictionary. A row without a value has key 0, or one in range, and nothing else.
#[test]
fn keys_outside_the_dictionary_are_refused() {
    let good = |valid| {
        block(|builder| {
            let node = builder.dictionary([0, 0], ["a"]);
            builder.set_validity(node, &Bitmap::from_fn(2, |row| row != valid));
        })
    };
    for without_value in [0, 1] {
        let bad = with_in_part(good(without_value), 0, VALUES, 1, 1);
        assert_eq!(refused(&bad), BlockError::Key { node: 0, row: 1, found: 1, dictionary: 1 });
    }
    let none = block(|builder| {
        let node = builder.dictionary([0], []);
        builder.set_validity(node, &Bitmap::none(1));
    });
    assert!(Block::check(&none).is_ok(), "no value, no dictionary");
    let some = block(|builder| {
        builder.dictionary([0], []);
    });
    assert_eq!(refused(&some), BlockError::Key { node: 0, row: 0, found: 0, dictionary: 0 });
}

/// Dynamically typed rows of no kind, of a kind without a child, at a place that the child has not.
#[test]
fn any_rows_that_are_nowhere_are_refused() {
    let values = [AnyValue::Text("a"), AnyValue::Int(1), AnyValue::Absent];
    let with_kind = |row: usize, kind: u8| {
        let mut block = any(&values);
        let at = get(&block, field_at(0, VALUES)) + row;
        block[at] = kind;
        block
    };
    assert_eq!(refused(&with_kind(2, 9)), BlockError::AnyKind { node: 0, row: 2, found: 9 });
    assert_eq!(refused(&with_kind(2, 4)), BlockError::AnyChild { node: 0, row: 2, kind: Kind::Double });
    assert_eq!(
        refused(&with_in_part(any(&values), 0, OFFSETS, 1, 1)),
        BlockError::AnyPlace { node: 0, row: 1, found: 1, child: 1 }
    );
    let with_validity = with(any(&values), 0, VALIDITY, 56);
    assert_eq!(refused(&with_validity), BlockError::PartUnexpected { node: 0, part: Part::Validity });
}

/// Keys and values of attributes that are more or fewer than the rows say.
#[test]
fn children_of_the_wrong_length_are_refused() {
    let mut attributes = AttributesBuilder::new();
    attributes.entry("a", AnyValue::Int(1));
    attributes.entry("b", AnyValue::Int(2));
    attributes.end_row();
    let good = block(|builder| {
        attributes.append(builder);
    });
    assert!(Block::check(&good).is_ok());
    assert_eq!(
        refused(&with_in_part(good.clone(), 0, OFFSETS, 1, 1)),
        BlockError::Length { node: 1, found: 2, expected: 1 }
    );
    assert_eq!(refused(&with(good, 2, LEN, 1)), BlockError::Length { node: 2, found: 1, expected: 2 });
}

/// Every message names the node or the block, and says what was found.
#[test]
fn messages_say_where_and_what() {
    let bad = with_in_part(text(), 0, OFFSETS, 1, 2);
    assert_eq!(
        refused(&bad).to_string(),
        "offset 1 of node 0 is 2, expected 0 for the first, none descending, none inside a character"
    );
}
