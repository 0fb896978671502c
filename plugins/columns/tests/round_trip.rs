//! What is written is read: any columns, any values, at any address, in any order.

mod model;

use model::{Model, model};
use proptest::prelude::*;
use wasmill_columns::{AnyBuilder, AnyValue, Bitmap, Block, BlockBuilder, BlockError, Column, Kind};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Columns of all kinds, with and without rows and values, more than the builder has reserved nodes for: the checked
    /// and the trusted reader both give what was put in, also where the block starts at an odd address.
    #[test]
    fn columns_survive_a_block(columns in proptest::collection::vec(model(), 0..9), shift in 0_usize..8, room in 0_usize..20) {
        let mut builder = BlockBuilder::with_capacity(room, 0);
        columns.iter().for_each(|column| column.write(&mut builder));
        let block = builder.finish().unwrap();
        let mut moved = vec![0; shift];
        moved.extend_from_slice(&block);
        let checked = Block::check(&moved[shift..]).unwrap();
        prop_assert_eq!(checked.columns().map(Model::read).collect::<Vec<_>>(), columns.clone());
        // SAFETY: its text came from `str`s.
        let trusted = unsafe { Block::trusted(&moved[shift..]) }.unwrap();
        prop_assert_eq!(trusted.columns().map(Model::read).collect::<Vec<_>>(), columns);
    }

    /// Bytes of a good block are changed at random: the block is refused, or can be read to the end without a panic.
    #[test]
    fn damaged_blocks_are_refused_or_read(
        columns in proptest::collection::vec(model(), 1..5),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut builder = BlockBuilder::new();
        columns.iter().for_each(|column| column.write(&mut builder));
        let mut block = builder.finish().unwrap();
        for (at, byte) in damage {
            let at = at.index(block.len());
            block[at] = byte;
        }
        for bytes in [&block[..], &block[..cut.index(block.len())]] {
            if let Ok(block) = Block::check(bytes) {
                block.columns().map(Model::read).for_each(drop);
            }
        }
    }

    /// Bytes of no origin at all.
    #[test]
    fn random_bytes_are_refused_or_read(bytes in proptest::collection::vec(0_u8..20, 0..200)) {
        if let Ok(block) = Block::check(&bytes) {
            block.columns().map(Model::read).for_each(drop);
        }
    }
}

/// Nothing at all, and a header without nodes: both are blocks without columns.
#[test]
fn empty_blocks_have_no_columns() {
    assert_eq!(Block::check(&[]).unwrap().columns().count(), 0);
    let header = BlockBuilder::new().finish().unwrap();
    assert_eq!(Block::check(&header).unwrap().columns().count(), 0);
    assert!(Block::check(&header).unwrap().column(0).is_none());
    assert!(matches!(Block::check(&header[..7]), Err(BlockError::Header { bytes: 7 })));
}

/// A later version of the contract has longer nodes: what this one knows of them is read.
#[test]
fn longer_nodes_of_a_later_version_are_read() {
    let mut builder = BlockBuilder::with_capacity(1, 0);
    builder.fixed([1_u64, 2]);
    let old = builder.finish().unwrap();
    let mut block = old[..4].to_vec();
    block.extend_from_slice(&32_u32.to_le_bytes());
    block.extend_from_slice(&old[8..28]);
    block.extend_from_slice(&40_u32.to_le_bytes());
    block.extend_from_slice(&[0xff; 8]);
    block.extend_from_slice(&old[32..]);
    let block = Block::check(&block).unwrap();
    let Some(Column::UInt64(column)) = block.column(0) else { panic!("numbers") };
    assert_eq!(column.raw_iter().collect::<Vec<_>>(), [1, 2]);
}

/// A filter over a dictionary column asks once for each distinct value, and rows without a value are never kept.
#[test]
fn matches_asks_once_for_each_distinct_value() {
    let mut builder = BlockBuilder::new();
    let node = builder.dictionary([0, 1, 0, 1, 0], ["checkout", "cart"]);
    builder.set_validity(node, &Bitmap::from_fn(5, |row| row != 4));
    builder.text(["cart", "", "checkout"]);
    let block = builder.finish().unwrap();
    let block = Block::check(&block).unwrap();
    let columns: Vec<_> = block.columns().collect();
    let [Column::Text(dictionary), Column::Text(plain)] = columns[..] else { panic!("two of text") };
    let mut asked = Vec::new();
    let kept = dictionary.matches(|value| {
        asked.push(value);
        value == "checkout"
    });
    assert_eq!((kept.ones().collect::<Vec<_>>(), asked), (vec![0, 2], vec!["checkout", "cart"]));
    assert_eq!(plain.matches(str::is_empty).ones().collect::<Vec<_>>(), [1]);
}

/// What is made of texts is each row's, whichever form they come in; a row without a value has none, nor has one behind the end.
#[test]
fn map_looks_once_at_each_distinct_value() {
    let mut builder = BlockBuilder::new();
    let node = builder.dictionary([1, 1, 0, 1], ["checkout", "cart"]);
    builder.set_validity(node, &Bitmap::from_fn(4, |row| row != 1));
    builder.dictionary([0, 1], ["a", "bc"]);
    let node = builder.text(["cart", "", "checkout"]);
    builder.set_validity(node, &Bitmap::from_fn(3, |row| row != 1));
    let block = builder.finish().unwrap();
    let block = Block::check(&block).unwrap();
    let mut asked = 0;
    let mut lengths = |column: Column| {
        let Column::Text(text) = column else { panic!("text") };
        let mapped = text.map(|value| {
            asked += 1;
            value.len()
        });
        (0..5).map(|row| mapped.get(row).copied()).collect::<Vec<_>>()
    };
    let mapped: Vec<_> = block.columns().map(&mut lengths).collect();
    assert_eq!(mapped[0], [Some(4), None, Some(8), Some(4), None]);
    assert_eq!(mapped[1], [Some(1), Some(2), None, None, None]);
    assert_eq!(mapped[2], [Some(4), None, Some(8), None, None]);
    assert_eq!(asked, 2 + 2 + 3);
}

/// A filter over a dynamically typed column: texts are asked for once each, other rows one by one, absent ones too.
#[test]
fn any_matches_by_run_time_type() {
    let mut any = AnyBuilder::new();
    let text = any.hold(AnyValue::Text("a"));
    [text, text].into_iter().for_each(|place| any.push_place(place));
    [AnyValue::Int(1), AnyValue::Absent, AnyValue::Text("b"), AnyValue::Empty]
        .into_iter()
        .for_each(|value| any.push(value));
    let mut builder = BlockBuilder::new();
    any.append(&mut builder);
    let block = builder.finish().unwrap();
    let block = Block::check(&block).unwrap();
    let Some(Column::Any(column)) = block.column(0) else { panic!("any") };
    let mut asked = 0;
    let matched = column.matches(|value| {
        asked += 1;
        matches!(value, AnyValue::Text("a") | AnyValue::Absent)
    });
    assert_eq!((matched.ones().collect::<Vec<_>>(), asked), (vec![0, 1, 3], 5));
}

/// Parts written in place, nodes first: what the host does.
#[test]
fn parts_can_be_written_in_place() {
    let mut builder = BlockBuilder::with_capacity(1, 64);
    let node = builder.open(Kind::Text, 2, 0);
    builder.offsets(node)[4..].copy_from_slice(&[2, 0, 0, 0, 5, 0, 0, 0]);
    builder.validity(node)[0] = 0b11;
    builder.values_with(node, |out| out.extend_from_slice(b"okyes"));
    let block = builder.finish().unwrap();
    let block = Block::check(&block).unwrap();
    let Some(Column::Text(text)) = block.column(0) else { panic!("text") };
    assert_eq!(text.iter().collect::<Vec<_>>(), [Some("ok"), Some("yes")]);
}
